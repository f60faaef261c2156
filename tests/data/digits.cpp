// The digits: every value as its authors counted it, and damaged files refused by name.
#include "data/digits.hpp"
#include "data/error.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <unistd.h>

using namespace leadline;
using namespace leadline::data;

namespace {

std::vector<char> bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// A file that is removed at the end.
class Scratch {
public:
  explicit Scratch(const std::vector<char>& bytes)
      : path_((std::filesystem::temp_directory_path() / ("leadline-digits-" + std::to_string(getpid()) + ".bin"))
                  .string()) {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  ~Scratch() { std::filesystem::remove(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

private:
  std::string path_;
};

std::string error_of(const std::vector<char>& bytes) {
  const Scratch file(bytes);
  try {
    load_digits(file.path());
  } catch (const Error& error) {
    std::string message = error.what();
    CHECK(message.find(file.path()) != std::string::npos);
    return message;
  }
  return {};
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("the digits are complete") {
  const Digits digits = load_digits();
  REQUIRE(digits.size() == 1797);
  REQUIRE(digits.features.size() == 1797 * 64);
  std::array<int, 10> counts{};
  for (const int target : digits.targets) ++counts.at(static_cast<size_t>(target));
  CHECK(counts == std::array<int, 10>{178, 182, 177, 183, 181, 182, 181, 179, 174, 180});
  // Sums over the original rows: of all pixels, and of place times value, which notices a pixel that moved.
  long sum = 0, placed = 0;
  for (size_t i = 0; i < digits.features.size(); ++i) {
    const long value = static_cast<long>(digits.features[i]);
    REQUIRE((value >= 0 && value <= 16 && static_cast<float>(value) == digits.features[i]));
    sum += value;
    placed += static_cast<long>(i % 64 + 1) * value;
  }
  CHECK(sum == 561718);
  CHECK(placed == 18222371);
  // The first digit, a zero.
  const std::array<float, 16> two_rows = {0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0};
  CHECK(std::equal(two_rows.begin(), two_rows.end(), digits.features.begin()));
  CHECK((digits.targets[0] == 0 && digits.targets[1] == 1 && digits.targets.back() == 8));
}

TEST_CASE("digits as pictures have labels and no depth") {
  const auto data = open_digits();
  CHECK(data->size() == 1797);
  const Sample sample = data->load(0);
  CHECK((sample.height == 8 && sample.width == 8 && sample.label == 0 && sample.depth.empty()));
  REQUIRE(sample.rgb.size() == 3 * 64);
  CHECK((sample.rgb[0] == 0 && sample.rgb[3 * 3] == 207 && sample.rgb[3 * 3 + 2] == 207)); // 13 / 16 of 255
  CHECK_THROWS_AS(data->load(1797), Error);
  std::ostringstream info;
  print_digits_info(info);
  CHECK(says(info.str(), "  178  182  177  183  181  182  181  179  174  180"));
  CHECK(says(info.str(), "Alpaydin"));
  const RgbImage sheet = digits_sheet(load_digits(), 25);
  CHECK((sheet.width > sheet.height && sheet.height > 100));
}

TEST_CASE("a damaged file of digits is refused with a reason") {
  const std::vector<char> whole = bytes_of(samples_folder() + "/digits.bin");
  REQUIRE(whole.size() > 40000);
  CHECK(error_of(whole).empty());
  for (const size_t size : {size_t{0}, size_t{7}, size_t{8}, size_t{23}, size_t{24}, size_t{1000}, whole.size() - 1})
    CHECK(!error_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}).empty());
  CHECK(says(error_of({whole.begin(), whole.end() - 1}), "the file ends after"));
  for (const size_t at :
       {size_t{0}, size_t{8}, size_t{12}, size_t{16}, size_t{20}, size_t{24}, size_t{20000}, whole.size() - 1}) {
    std::vector<char> flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    INFO("byte " << at);
    CHECK(!error_of(flipped).empty());
  }
  std::vector<char> longer = whole;
  longer.push_back(0);
  CHECK(says(error_of(longer), "1 bytes follow"));
  std::vector<char> text(300, 'x');
  CHECK(says(error_of(text), "no file of digits"));
  try {
    load_digits("/nonexistent/digits.bin");
    FAIL("a missing file was read");
  } catch (const Error& error) {
    CHECK(says(error.what(), "/nonexistent/digits.bin"));
  }
}
