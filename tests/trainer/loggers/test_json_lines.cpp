// JSON lines: what is written is read again, a cut line isn't there, other mistakes are named.
#include "trainer/json_lines.hpp"

#include "data/error.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

struct File {
  std::string path = (fs::temp_directory_path() / ("leadline_" + std::to_string(getpid()) + ".jsonl")).string();
  ~File() { fs::remove(path); }
};

} // namespace

TEST_CASE("lines come back as they were") {
  const File file;
  const std::string words = "a \"b\" \\ \n \t\x01 \xc3\xb6 {}";
  write_json_lines(file.path, {JsonLine().text("words", words).number("x", 0.1).integer("n", -3)});
  append_json_line(file.path, JsonLine().number("nan", NAN).number("big", 1e300).boolean("yes", true));
  append_json_line(file.path, JsonLine().text("number", "12"));
  const std::vector<JsonLine> lines = read_json_lines(file.path);
  REQUIRE(lines.size() == 3);
  CHECK(lines[2].to_json() == R"({"number":"12"})");
  CHECK(lines[0].text_of("words") == words);
  CHECK(lines[0].number_of("x") == 0.1);
  CHECK(lines[0].number_of("n") == -3);
  CHECK(std::isnan(lines[1].number_of("nan")));
  CHECK(lines[1].number_of("big") == 1e300);
  CHECK(lines[1].text_of("yes") == "true");
  CHECK(lines[1].text_of("other", "none") == "none");
  CHECK_FALSE(lines[1].has("other"));
  CHECK(lines[1].to_json() == R"({"nan":null,"big":1e+300,"yes":true})");
}

TEST_CASE("a line that was cut is left out, one that is wrong is named") {
  const File file;
  write_json_lines(file.path, {JsonLine().integer("n", 1)});
  std::ofstream(file.path, std::ios::app) << "{\"n\":2";
  CHECK(read_json_lines(file.path).size() == 1);
  std::ofstream(file.path, std::ios::app) << "\n{\"n\":3}\n";
  CHECK_THROWS_WITH(read_json_lines(file.path), ContainsSubstring(file.path + ":2"));
  std::ofstream(file.path) << "{\"n\":{\"m\":3}}\n";
  CHECK_THROWS_WITH(read_json_lines(file.path), ContainsSubstring("flat"));
  CHECK_THROWS_WITH(read_json_lines("/nowhere.jsonl"), ContainsSubstring("/nowhere.jsonl"));
}
