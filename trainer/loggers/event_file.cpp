#include "trainer/loggers/event_file.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <unistd.h>

namespace leadline::trainer {

namespace fs = std::filesystem;

namespace {

// Field numbers of event.proto and summary.proto.
namespace event_field {
enum { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 };
}
namespace session_field {
enum { status = 1 };
constexpr int start = 1; // SessionLog.SessionStatus
} // namespace session_field
namespace value_field {
enum { tag = 1, simple_value = 2, image = 4, histo = 5 };
}
namespace image_field {
enum { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 };
}
namespace histogram_field {
enum { min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6, bucket = 7 };
}

constexpr std::array<uint32_t, 256> crc_table = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0x82F63B78u ^ c >> 1 : c >> 1;
    table[i] = c;
  }
  return table;
}();

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

uint64_t little_endian(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  for (int i = count; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

/// The field `step` of an Event; 0 where it isn't there. `bytes` have passed their checksum.
index_t step_of(const uint8_t* bytes, size_t size) {
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; at < size && shift < 64; shift += 7) {
      const uint8_t byte = bytes[at++];
      value |= uint64_t{byte & 0x7fu} << shift;
      if (!(byte & 0x80)) break;
    }
    return value;
  };
  while (at < size) {
    const uint64_t tag = varint();
    if (tag == (event_field::step << 3)) return static_cast<index_t>(varint());
    switch (tag & 7) {
    case 0: varint(); break;
    case 1: at += 8; break;
    case 2: at += std::min<uint64_t>(varint(), size); break;
    case 5: at += 4; break;
    default: return 0;
    }
  }
  return 0;
}

ProtobufMessage value_of(const std::string& tag) {
  ProtobufMessage value;
  value.text(value_field::tag, tag);
  return value;
}

} // namespace

uint32_t crc32c(const void* data, size_t bytes) {
  const auto* p = static_cast<const uint8_t*>(data);
  uint32_t crc = ~0u;
  for (; bytes > 0; --bytes, ++p) crc = crc >> 8 ^ crc_table[(crc ^ *p) & 255];
  return ~crc;
}

uint32_t masked_crc32c(const void* data, size_t bytes) {
  const uint32_t crc = crc32c(data, bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

void EventSummary::scalar(const std::string& tag, double value) {
  summary_.message(1, value_of(tag).number(value_field::simple_value, static_cast<float>(value)));
}

void EventSummary::image(const std::string& tag, int height, int width, const std::vector<uint8_t>& png) {
  ProtobufMessage image;
  image.integer(image_field::height, height)
      .integer(image_field::width, width)
      .integer(image_field::colorspace, 3)
      .text(image_field::encoded_image_string, std::string(png.begin(), png.end()));
  summary_.message(1, value_of(tag).message(value_field::image, image));
}

void EventSummary::histogram(const std::string& tag, const std::vector<double>& values) {
  // Upper bounds of the buckets: -1e20, ..., -1e-12, 0, 1e-12, 1.1e-12, ..., 1e20, then everything.
  static const std::vector<double> limits = [] {
    std::vector<double> positive, all;
    for (double v = 1e-12; v < 1e20; v *= 1.1) positive.push_back(v);
    for (auto v = positive.rbegin(); v != positive.rend(); ++v) all.push_back(-*v);
    all.push_back(0);
    all.insert(all.end(), positive.begin(), positive.end());
    all.push_back(std::numeric_limits<double>::max());
    return all;
  }();
  double min = INFINITY, max = -INFINITY, sum = 0, squares = 0, count = 0;
  std::vector<double> buckets(limits.size());
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    min = std::min(min, value);
    max = std::max(max, value);
    sum += value;
    squares += value * value;
    ++count;
    ++buckets[static_cast<size_t>(std::lower_bound(limits.begin(), limits.end(), value) - limits.begin())];
  }
  if (count == 0) min = max = 0;
  // From the bucket before the first value to that of the last.
  size_t first = 0, last = buckets.size();
  while (first + 1 < last && buckets[first] == 0) ++first;
  while (last > first + 1 && buckets[last - 1] == 0) --last;
  if (first > 0) --first;
  const auto part = [&](const std::vector<double>& all) {
    return std::vector<double>(all.begin() + static_cast<ptrdiff_t>(first), all.begin() + static_cast<ptrdiff_t>(last));
  };
  ProtobufMessage histogram;
  histogram.number(histogram_field::min, min)
      .number(histogram_field::max, max)
      .number(histogram_field::num, count)
      .number(histogram_field::sum, sum)
      .number(histogram_field::sum_squares, squares)
      .numbers(histogram_field::bucket_limit, part(limits))
      .numbers(histogram_field::bucket, part(buckets));
  summary_.message(1, value_of(tag).message(value_field::histo, histogram));
}

EventFile::EventFile(const std::string& folder, index_t first_step) {
  std::error_code error;
  fs::create_directories(folder, error);
  char host[256] = "localhost";
  gethostname(host, sizeof host - 1);
  for (int number = 0; number < 1000 && !out_; ++number) {
    char name[400];
    std::snprintf(name, sizeof name, "/events.out.tfevents.%010lld.%s.%lld.%d", static_cast<long long>(now()), host,
                  static_cast<long long>(getpid()), number);
    name_ = folder + name;
    out_ = std::fopen(name_.c_str(), "wbx"); // only a new one
    if (!out_ && errno != EEXIST) break;
  }
  if (!out_)
    throw Error({.file = name_,
                 .reason = std::string("the event file can't be made: ") + std::strerror(errno),
                 .fix = "Check that the folder may be written to, or leave tensorboard out of run.loggers"});
  record(ProtobufMessage().number(event_field::wall_time, now()).text(event_field::file_version, "brain.Event:2"));
  if (first_step > 0)
    record(
        ProtobufMessage()
            .number(event_field::wall_time, now())
            .integer(event_field::step, first_step)
            .message(event_field::session_log, ProtobufMessage().integer(session_field::status, session_field::start)));
  flush();
}

EventFile::~EventFile() { std::fclose(out_); }

void EventFile::record(const ProtobufMessage& event) {
  const std::string& bytes = event.bytes();
  ProtobufMessage head, framed;
  head.little_endian(bytes.size(), 8);
  head.little_endian(masked_crc32c(head.bytes().data(), 8), 4);
  framed.little_endian(masked_crc32c(bytes.data(), bytes.size()), 4);
  const std::string whole = head.bytes() + bytes + framed.bytes();
  if (std::fwrite(whole.data(), 1, whole.size(), out_) != whole.size())
    throw Error({.file = name_, .reason = "the event file can't be written", .fix = "Is the disk full?"});
}

void EventFile::add(index_t step, const EventSummary& summary) {
  record(ProtobufMessage()
             .number(event_field::wall_time, now())
             .integer(event_field::step, step)
             .message(event_field::summary, summary.message()));
  constexpr double seconds_between = 5;
  if (now() - last_flush_ > seconds_between) flush();
}

void EventFile::flush() {
  if (std::fflush(out_) != 0)
    throw Error({.file = name_, .reason = "the event file can't be written", .fix = "Is the disk full?"});
  last_flush_ = now();
}

void trim_event_files(const std::string& folder, index_t last_step) {
  if (!fs::is_directory(folder)) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().string();
    if (entry.path().filename().string().rfind("events.out.tfevents.", 0) != 0 || entry.file_size() == 0) continue;
    const std::vector<uint8_t> bytes = data::read_file(file, size_t{1} << 40);
    size_t at = 0;
    while (bytes.size() - at >= 16) {
      const uint8_t* record = bytes.data() + at;
      const uint64_t size = little_endian(record, 8);
      if (little_endian(record + 8, 4) != masked_crc32c(record, 8) || size > bytes.size() - at - 16 ||
          little_endian(record + 12 + size, 4) != masked_crc32c(record + 12, size) ||
          step_of(record + 12, size) > last_step)
        break; // steps only grow: so does everything behind it
      at += 16 + size;
    }
    if (at == bytes.size()) continue;
    std::error_code error;
    fs::resize_file(file, at, error);
    if (error)
      throw Error({.file = file,
                   .reason = "what the run wrote after its last checkpoint can't be cut off: " + error.message(),
                   .fix = "Check the file's permissions"});
  }
}

} // namespace leadline::trainer
