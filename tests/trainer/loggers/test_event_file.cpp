// Event files: checksums of the standard, framing, what the messages hold, and cutting after a resume.
#include "event_records.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"
#include "tests/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <filesystem>
#include <limits>

using namespace leadline;
using namespace leadline::trainer;
using namespace leadline::testing;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

TEST_CASE("CRC-32C gives the values of RFC 3720, appendix B.4") {
  const std::string zeros(32, '\0'), ones(32, '\xff');
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  CHECK(crc32c(zeros.data(), 32) == 0x8A9136AAu);
  CHECK(crc32c(ones.data(), 32) == 0x62A8AB43u);
  CHECK(crc32c(rising.data(), 32) == 0x46DD794Eu);
  CHECK(crc32c(falling.data(), 32) == 0x113FDB5Cu);
  CHECK(crc32c("123456789", 9) == 0xE3069283u);
  CHECK(crc32c("", 0) == 0);
}

TEST_CASE("a file is whole records that hold what was told") {
  const TempDir folder;
  std::string name;
  {
    EventFile file(folder.path(), 0);
    name = file.name();
    EventSummary summary;
    summary.scalar("train/loss", 0.25);
    summary.scalar("train/lr", 1e-3);
    file.add(7, summary);
    EventSummary more;
    more.histogram("weights/w", {-2, 0, 0.5, 0.5, 3, std::numeric_limits<double>::quiet_NaN(), INFINITY});
    more.histogram("weights/none", {});
    more.image("picture", 2, 3, data::encode_png(data::RgbImage(2, 3, 200, 100, 50)));
    file.add(int64_t{1} << 40, more);
  }
  CHECK(fs::path(name).filename().string().rfind("events.out.tfevents.", 0) == 0);
  bool whole = false;
  const std::vector<std::string> records = records_of(name, &whole);
  REQUIRE(whole);
  REQUIRE(records.size() == 3);
  CHECK(find(fields_of(records[0]), 3)->bytes == "brain.Event:2");
  CHECK(find(fields_of(records[0]), 1)->real() > 1.6e9); // seconds since 1970
  const auto scalars = scalars_of(name);
  CHECK(scalars.at("train/loss") == std::vector<std::pair<uint64_t, double>>{{7, 0.25}});
  CHECK(std::abs(scalars.at("train/lr")[0].second - 1e-3) <= 1e-9);

  const std::vector<Field> event = fields_of(records[2]);
  CHECK(find(event, 2)->integer == uint64_t{1} << 40);
  const std::vector<Field> values = fields_of(find(event, 5)->bytes);
  REQUIRE(values.size() == 3);
  const std::vector<Field> histogram = fields_of(find(fields_of(values[0].bytes), 5)->bytes);
  CHECK(find(histogram, 1)->real() == -2);
  CHECK(find(histogram, 2)->real() == 3);
  CHECK(find(histogram, 3)->real() == 5); // NaN and infinity aren't counted
  CHECK(find(histogram, 4)->real() == 2);
  CHECK(find(histogram, 5)->real() == 13.5);
  const std::string limits = find(histogram, 6)->bytes, buckets = find(histogram, 7)->bytes;
  REQUIRE(limits.size() == buckets.size());
  double total = 0, last = -INFINITY;
  for (size_t i = 0; i < limits.size(); i += 8) {
    double limit = 0, count = 0;
    std::memcpy(&limit, &limits[i], 8);
    std::memcpy(&count, &buckets[i], 8);
    CHECK(limit > last);
    last = limit;
    total += count;
    if (count == 2) CHECK((limit >= 0.5 && limit < 0.56));
  }
  CHECK(total == 5);
  CHECK(last >= 3);
  CHECK(find(fields_of(find(fields_of(values[1].bytes), 5)->bytes), 3)->real() == 0);
  const std::vector<Field> image = fields_of(find(fields_of(values[2].bytes), 4)->bytes);
  CHECK(find(image, 1)->integer == 2);
  CHECK(find(image, 2)->integer == 3);
  CHECK(find(image, 4)->bytes.substr(1, 3) == "PNG");
}

TEST_CASE("a resumed run leaves no step twice") {
  const TempDir folder;
  std::string first, second;
  const auto write = [&](EventFile& file, index_t from, index_t to) {
    for (index_t step = from; step <= to; ++step) {
      EventSummary summary;
      summary.scalar("loss", static_cast<double>(step));
      file.add(step, summary);
    }
  };
  {
    EventFile file(folder.path(), 0);
    first = file.name();
    write(file, 1, 9);
  }
  { // killed while it wrote
    std::ofstream cut(first, std::ios::app | std::ios::binary);
    cut << "half a record";
  }
  trim_event_files(folder.path(), 6);
  {
    EventFile file(folder.path(), 7);
    second = file.name();
    write(file, 7, 12);
  }
  REQUIRE(first != second);
  bool whole = false;
  records_of(first, &whole);
  CHECK(whole);
  std::vector<uint64_t> steps;
  for (const std::string& name : {first, second}) {
    const auto scalars = scalars_of(name);
    for (const auto& [step, value] : scalars.at("loss")) steps.push_back(step);
  }
  CHECK(steps == std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const std::vector<Field> start = fields_of(records_of(second, &whole)[1]);
  CHECK(find(start, 2)->integer == 7);
  CHECK(find(fields_of(find(start, 7)->bytes), 1)->integer == 1); // SessionLog START

  trim_event_files(folder.path(), 0); // from the very beginning
  CHECK(scalars_of(first).empty());
  CHECK(scalars_of(second).empty());
  CHECK(records_of(first, &whole).size() == 1); // the version
  trim_event_files(folder / "not there", 0);
}

TEST_CASE("a place that can't be written is named") {
  CHECK_THROWS_WITH(EventFile("/proc/nowhere", 0), ContainsSubstring("/proc/nowhere"));
}
