#include "data/digits.hpp"

#include "data/error.hpp"
#include "data/picture.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <ostream>
#include <utility>

namespace leadline::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* again = "Take digits.bin from the source tree's data/samples again";

/// CRC-32 as zlib and PNG have it.
std::uint32_t crc32(const std::uint8_t* bytes, std::size_t size) {
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

/// Little-endian numbers out of a file's bytes; never reads beyond them.
class Bytes {
public:
  Bytes(const std::vector<std::uint8_t>& bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::uint64_t number(std::size_t size, const char* field) {
    need(size, field);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{bytes_[at_ + i]} << (8 * i);
    at_ += size;
    return value;
  }
  void need(std::size_t size, const std::string& field) const {
    if (size > left())
      throw Error({.file = file_,
                   .field = field,
                   .reason = "the file ends after " + std::to_string(bytes_.size()) + " bytes, in the middle of it",
                   .fix = again});
  }
  std::size_t left() const { return bytes_.size() - at_; }
  const std::uint8_t* here() const { return bytes_.data() + at_; }

private:
  const std::vector<std::uint8_t>& bytes_;
  const std::string& file_;
  std::size_t at_ = 0;
};

class DigitPictures final : public Dataset {
public:
  explicit DigitPictures(Digits digits) : digits_(std::move(digits)) {}

  std::size_t size() const override { return digits_.size(); }
  std::string name(std::size_t i) const override { return "digits/" + std::to_string(i); }

  Sample load(std::size_t i) const override {
    if (i >= size())
      throw Error({.file = "digits",
                   .field = "frame",
                   .value = std::to_string(i),
                   .reason = "there are " + std::to_string(size()) + " digits, counted from 0"});
    Sample sample;
    sample.height = sample.width = 8;
    sample.label = digits_.targets[i];
    sample.name = name(i);
    for (std::size_t k = 0; k < Digits::feature_count; ++k) {
      const int ink = static_cast<int>(digits_.features[i * Digits::feature_count + k]);
      const auto grey = static_cast<std::uint8_t>((ink * 255 + 8) / 16);
      sample.rgb.insert(sample.rgb.end(), 3, grey);
    }
    return sample;
  }

private:
  Digits digits_;
};

} // namespace

std::string samples_folder() {
  if (const char* folder = std::getenv("LEADLINE_SAMPLES_DIR"); folder && *folder) return folder;
  std::vector<std::string> places;
#ifdef LEADLINE_INSTALLED_SAMPLES_DIR
  places.push_back(LEADLINE_INSTALLED_SAMPLES_DIR);
#endif
#ifdef LEADLINE_SAMPLES_DIR
  places.push_back(LEADLINE_SAMPLES_DIR);
#endif
  std::string tried;
  for (const std::string& place : places) {
    std::error_code ec;
    if (fs::exists(fs::path(place) / "digits.bin", ec)) return place;
    tried += (tried.empty() ? "" : ", ") + place;
  }
  throw Error(
      {.field = "sample files",
       .value = tried,
       .reason = "digits.bin is in none of these folders",
       .fix =
           "Set the environment variable LEADLINE_SAMPLES_DIR to the folder data/samples of Leadline's source tree"});
}

Digits load_digits(const std::string& path) {
  const std::string file = path.empty() ? (fs::path(samples_folder()) / "digits.bin").string() : path;
  const std::vector<std::uint8_t> content = read_file(file, std::size_t{1} << 20);
  Bytes bytes(content, file);
  if (content.size() < 8 || std::string(content.begin(), content.begin() + 8) != "LLDIGITS")
    throw Error({.file = file, .reason = "this is no file of digits: it doesn't begin with LLDIGITS", .fix = again});
  bytes.number(8, "signature");
  const std::uint64_t version = bytes.number(4, "version");
  if (version != 1)
    throw Error({.file = file,
                 .field = "version",
                 .value = std::to_string(version),
                 .reason = "this program reads version 1",
                 .fix = again});
  const std::uint64_t count = bytes.number(4, "count"), size = bytes.number(4, "size"),
                      sum = bytes.number(4, "checksum");
  bytes.need(size, "pixels");
  if (bytes.left() > size)
    throw Error({.file = file,
                 .field = "size",
                 .value = std::to_string(size),
                 .reason = std::to_string(bytes.left() - size) + " bytes follow the last digit",
                 .fix = again});
  if (crc32(bytes.here(), size) != sum)
    throw Error({.file = file,
                 .field = "checksum",
                 .reason = "the bytes don't agree with it: the file is damaged",
                 .fix = again});
  if (count == 0 || count > size / 9)
    throw Error({.file = file,
                 .field = "count",
                 .value = std::to_string(count),
                 .reason = "so many digits are not in " + std::to_string(size) + " bytes",
                 .fix = again});

  Digits digits;
  digits.features.reserve(count * Digits::feature_count);
  digits.targets.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string field = "digit " + std::to_string(i);
    const std::uint64_t inked = bytes.number(8, field.c_str()), label = bytes.number(1, field.c_str());
    if (label >= static_cast<std::uint64_t>(Digits::class_count))
      throw Error({.file = file,
                   .field = field,
                   .value = std::to_string(label),
                   .reason = "a digit's label is 0 to 9",
                   .fix = again});
    std::uint64_t pair = 0;
    bool second = false;
    for (std::size_t k = 0; k < Digits::feature_count; ++k) {
      if (!(inked >> k & 1)) {
        digits.features.push_back(0);
        continue;
      }
      pair = second ? pair >> 4 : bytes.number(1, field.c_str());
      digits.features.push_back(static_cast<float>((pair & 15) + 1));
      second = !second;
    }
    digits.targets.push_back(static_cast<int>(label));
  }
  if (bytes.left() > 0)
    throw Error({.file = file,
                 .field = "count",
                 .value = std::to_string(count),
                 .reason = "the file holds more than so many digits",
                 .fix = again});
  return digits;
}

std::unique_ptr<Dataset> open_digits(const std::string& path) {
  return std::make_unique<DigitPictures>(load_digits(path));
}

void print_digits_info(std::ostream& out, const std::string& path) {
  const Digits digits = load_digits(path);
  std::array<int, Digits::class_count> counts{};
  for (const int target : digits.targets) ++counts[static_cast<std::size_t>(target)];
  double sum = 0;
  std::size_t blank = 0;
  for (const float feature : digits.features) {
    sum += static_cast<double>(feature);
    blank += feature == 0;
  }
  const double pixels = static_cast<double>(digits.features.size());
  out << "digits     " << digits.size() << " handwritten digits of 8x8 pixels, grey levels 0 to 16; no depth\n"
      << "pixels     mean " << std::fixed << std::setprecision(3) << sum / pixels << ", " << std::setprecision(1)
      << 100 * static_cast<double>(blank) / pixels << " % blank\n"
      << "class     ";
  for (int c = 0; c < Digits::class_count; ++c) out << std::setw(5) << c;
  out << "\ncount     ";
  for (const int count : counts) out << std::setw(5) << count;
  out << "\norigin     UCI optical recognition of handwritten digits, test set; E. Alpaydin and C. Kaynak, CC BY 4.0\n";
}

RgbImage digits_sheet(const Digits& digits, std::size_t count) {
  constexpr int zoom = 6, cell_width = 8 * zoom + 8, cell_height = 8 * zoom + 18, columns = 20;
  const int shown = static_cast<int>(std::min(count, digits.size()));
  const int rows = std::max(1, (shown + columns - 1) / columns);
  RgbImage sheet(rows * cell_height, std::min(std::max(shown, 1), columns) * cell_width, 255, 255, 255);
  for (int i = 0; i < shown; ++i) {
    const int left = i % columns * cell_width + 4, top = i / columns * cell_height + 4;
    for (int y = 0; y < 8 * zoom; ++y)
      for (int x = 0; x < 8 * zoom; ++x) {
        const float ink = digits.features[static_cast<std::size_t>(i) * Digits::feature_count +
                                          static_cast<std::size_t>(y / zoom * 8 + x / zoom)];
        std::fill_n(sheet.pixel(top + y, left + x), 3, static_cast<std::uint8_t>(255.0f - ink * 255.0f / 16.0f));
      }
    draw_text(sheet, left + 4 * zoom - 3, top + 8 * zoom + 3,
              std::to_string(digits.targets[static_cast<std::size_t>(i)]), {90, 90, 90});
  }
  return sheet;
}

} // namespace leadline::data
