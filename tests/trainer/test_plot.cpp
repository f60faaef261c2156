// Charts: valid XML whatever the names and numbers, points where the axes say they are, round ticks.
#include "trainer/plot.hpp"
#include "trainer/text.hpp"

#include "../support/xml_check.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <stdexcept>
#include <unistd.h>

using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using leadline::testing::xml_error;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<std::pair<double, double>> pairs(const std::string& text) {
  std::vector<std::pair<double, double>> all;
  const std::regex pair("(-?[0-9.]+),(-?[0-9.]+)");
  for (std::sregex_iterator i(text.begin(), text.end(), pair), end; i != end; ++i)
    all.push_back({std::stod((*i)[1]), std::stod((*i)[2])});
  return all;
}

/// Points of the k-th line, in pixels of the inner picture.
std::vector<std::pair<double, double>> line(const std::string& picture, int k = 0) {
  const std::string begin = "<polyline points=\"";
  size_t at = picture.find(begin);
  for (; k > 0; --k) at = picture.find(begin, at + 1);
  REQUIRE(at != std::string::npos);
  at += begin.size();
  return pairs(picture.substr(at, picture.find('"', at) - at));
}

struct Label {
  double at, value;
};

/// Tick labels with their place along the axis, in pixels of the inner picture.
std::vector<Label> labels(const std::string& picture, bool of_x) {
  std::smatch inner;
  REQUIRE(std::regex_search(picture, inner, std::regex("<svg x=\"([0-9.]+)\" y=\"([0-9.]+)\"")));
  const std::regex text("<text x=\"([0-9.]+)\" y=\"([0-9.]+)\" text-anchor=\"(middle|end)\" class=\"ll-soft\"[^>]*>"
                        "([-+0-9.e]+)</text>");
  std::vector<Label> all;
  for (std::sregex_iterator i(picture.begin(), picture.end(), text), end; i != end; ++i)
    if (((*i)[3] == "middle") == of_x)
      all.push_back({of_x ? std::stod((*i)[1]) - std::stod(inner[1]) : std::stod((*i)[2]) - 4.5 - std::stod(inner[2]),
                     std::stod((*i)[4])});
  REQUIRE(all.size() >= 2);
  return all;
}

/// The value at a pixel, as a reader takes it from the labels.
double read_off(const std::vector<Label>& scale, double at, bool log) {
  const Label &a = scale.front(), &b = scale.back();
  const double t = (at - a.at) / (b.at - a.at);
  return log ? a.value * std::pow(b.value / a.value, t) : a.value + t * (b.value - a.value);
}

} // namespace

TEST_CASE("points are where the axes' labels say they are") {
  for (const bool log_x : {false, true})
    for (const bool log_y : {false, true}) {
      const std::vector<double> x{1, 3, 10, 400, 7000}, y{2.5, 0.004, 90, 1, 33};
      const std::string picture = svg({.title = "t",
                                       .x = {.title = "x", .log = log_x},
                                       .y = {.title = "y", .unit = "m", .log = log_y},
                                       .series = {{.name = "s", .x = x, .y = y}}});
      REQUIRE(xml_error(picture) == "");
      const auto points = line(picture);
      REQUIRE(points.size() == x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        INFO(log_x << log_y << " point " << i);
        const double gx = read_off(labels(picture, true), points[i].first, log_x),
                     gy = read_off(labels(picture, false), points[i].second, log_y);
        CHECK(std::abs(gx - x[i]) <= (log_x ? 0.002 * x[i] : 0.002 * 7000));
        CHECK(std::abs(gy - y[i]) <= (log_y ? 0.002 * y[i] : 0.002 * 90));
      }
    }
}

TEST_CASE("ticks are round, within the bounds and about as many as wanted") {
  CHECK(ticks(0, 1, 5, false).size() == 6);
  CHECK(ticks(0, 97, 5, false) == std::vector<double>{0, 20, 40, 60, 80});
  CHECK(ticks(-3, 3, 3, false) == std::vector<double>{-2, 0, 2});
  CHECK(ticks(1e-4, 1e-1, 8, true) == std::vector<double>{1e-4, 1e-3, 1e-2, 1e-1});
  CHECK(ticks(1, 50, 8, true) == std::vector<double>{1, 2, 5, 10, 20, 50});
  CHECK(ticks(1e-20, 1e20, 5, true).size() <= 6);
  CHECK(ticks(1, 2, 5, true) == ticks(1, 2, 5, false)); // less than a decade
  for (const bool log : {false, true}) {
    CHECK(ticks(not_a_number, 1, 5, log).empty());
    CHECK(ticks(0.5, infinity, 5, log).empty());
    CHECK(ticks(2, 1, 5, log).empty());
  }
  CHECK(ticks(-1, 10, 5, true).empty());
  CHECK(ticks(1, 1 + 1e-15, 5, false).size() < 1000);

  CHECK(tick_labels({0, 0.25, 0.5}) == std::vector<std::string>{"0", "0.25", "0.50"});
  CHECK(tick_labels({-0.0, 20, 40}) == std::vector<std::string>{"0", "20", "40"});
  CHECK(tick_labels({1e-4, 1e-3, 1e-2, 0.1}) == std::vector<std::string>{"0.0001", "0.001", "0.01", "0.1"});
  CHECK(tick_labels({2e-5, 4e-5}) == std::vector<std::string>{"2e-05", "4e-05"});
  CHECK(tick_labels({0, 2e6}) == std::vector<std::string>{"0", "2e+06"});
  CHECK(tick_labels({}).empty());
}

TEST_CASE("nothing, one point and numbers that are none make a chart, too") {
  const Axis x{.title = "step"}, y{.title = "loss"};
  const auto picture = [&](const std::vector<Series>& series) {
    const std::string text = svg({.title = "t", .x = x, .y = y, .series = series});
    INFO(text);
    REQUIRE(xml_error(text) == "");
    CHECK(text.find("nan") == std::string::npos);
    CHECK(text.find("inf") == std::string::npos);
    return text;
  };
  CHECK_THAT(picture({}), ContainsSubstring("no values to show"));
  CHECK_THAT(picture({{.name = "a"}}), ContainsSubstring("no values to show"));
  CHECK_THAT(picture({{.name = "a", .x = {1, 2}, .y = {not_a_number, infinity}}}),
             ContainsSubstring("no values to show"));
  CHECK_THAT(picture({{.x = {3}, .y = {5}}}), ContainsSubstring("<circle"));
  CHECK_THAT(picture({{.x = {1, 2, 3}, .y = {7, 7, 7}}}), ContainsSubstring("<polyline"));
  CHECK_THAT(picture({{.x = {1e300, -1e300}, .y = {1e300, -1e300}}}), ContainsSubstring("<polyline"));
  // A gap where there is no number: two lines.
  const std::string gap = picture({{.x = {1, 2, 3, 4, 5}, .y = {1, 2, not_a_number, 4, 5}}});
  CHECK(line(gap, 0).size() == 2);
  CHECK(line(gap, 1).size() == 2);
  // What a logarithm doesn't have is left out.
  const std::string logs =
      svg({.title = "", .x = x, .y = {.title = "loss", .log = true}, .series = {{.x = {0, 1, 2}, .y = {-1, 1, 10}}}});
  CHECK(xml_error(logs) == "");
  CHECK(line(logs).size() == 2);
}

TEST_CASE("names of any kind stay text") {
  const std::string picture =
      svg({.title = "a < b & \"c\" \x01 \xff",
           .x = {.title = "<x>"},
           .y = {.title = "\xc3\xb6l"},
           .series = {{.name = "</svg><script>", .x = {1, 2}, .y = {1, 2}, .mark = Mark::points}}});
  CHECK(xml_error(picture) == "");
  CHECK_THAT(picture, ContainsSubstring("a &lt; b &amp; &quot;c&quot; ? ?") && ContainsSubstring("\xc3\xb6l") &&
                          !ContainsSubstring("<script>"));
  CHECK(markup("\xc0\x80 \xed\xa0\x80 \xe2\x82\xac") == "?? ??? \xe2\x82\xac");
}

TEST_CASE("a long line is thinned without losing a spike") {
  Series s{.name = "loss"};
  for (int i = 0; i < 100000; ++i) {
    s.x.push_back(i);
    s.y.push_back(i == 54321 ? 100 : 1 + 0.001 * (i % 7));
  }
  const std::string picture = svg({.title = "t", .x = {.title = "x"}, .y = {.title = "y"}, .series = {s}});
  CHECK(picture.size() < 200000);
  double highest = 1e9;
  for (const auto& [at_x, at_y] : line(picture)) highest = std::min(highest, at_y);
  CHECK(std::abs(read_off(labels(picture, false), highest, false) - 100) <= 0.5);
}

TEST_CASE("bands, markers and given bounds") {
  const std::string picture =
      svg({.title = "t",
           .x = {.title = "x"},
           .y = {.title = "y", .min = 0, .max = 4},
           .series = {{.name = "m", .x = {0, 1, 2}, .y = {1, 2, 3}, .low = {0, 1, 2}, .high = {2, 3, 9}}},
           .markers = {{.x = 1, .text = "here"}}});
  CHECK(xml_error(picture) == "");
  CHECK_THAT(picture, ContainsSubstring("<polygon") && ContainsSubstring(">here</text>"));
  const auto y = labels(picture, false);
  CHECK(std::abs(read_off(y, line(picture)[2].second, false) - 3) <= 0.01);
  CHECK_THROWS_AS(svg({.title = "t", .x = {.title = "x"}, .y = {.title = "y"}, .series = {{.x = {1, 2}, .y = {1}}}}),
                  std::logic_error);
}

TEST_CASE("a chart is written whole, or the place is named") {
  const Plot plot{.title = "t", .x = {.title = "x"}, .y = {.title = "y"}};
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("leadline_plot_" + std::to_string(getpid()) + ".svg");
  write_svg(file.string(), plot);
  std::ifstream in(file);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == svg(plot));
  std::filesystem::remove(file);
  CHECK_THROWS_WITH(write_svg("/nowhere/at/all.svg", plot), ContainsSubstring("/nowhere/at/all.svg"));
}
