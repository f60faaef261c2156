#include "data/depth_filters.hpp"
#include "support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>

using namespace leadline;
using namespace leadline::data;
using leadline::data::test::contains;
using leadline::data::test::error_of;

namespace {

DepthMap constant(int height, int width, float metres) {
  return {height, width, std::vector<float>(static_cast<std::size_t>(height * width), metres)};
}

float& at(DepthMap& map, int y, int x) { return map.metres[static_cast<std::size_t>(y * map.width + x)]; }

/// 1 m on the left, 3 m on the right.
DepthMap step(int height, int width) {
  DepthMap map = constant(height, width, 1);
  for (int y = 0; y < height; ++y)
    for (int x = width / 2; x < width; ++x) at(map, y, x) = 3;
  return map;
}

double roughness(const DepthMap& map, int from, int to) {
  double sum = 0;
  for (int y = 0; y < map.height; ++y)
    for (int x = from + 1; x < to; ++x) {
      const auto i = static_cast<std::size_t>(y * map.width + x);
      sum += std::abs(static_cast<double>(map.metres[i] - map.metres[i - 1]));
    }
  return sum;
}

} // namespace

TEST_CASE("filters leave a flat map flat, keep holes, and survive one pixel") {
  for (const char* filter : {"median:1", "median:3", "bilateral:2:0.05", "guided:3:0.01", "median,bilateral,guided"}) {
    INFO(filter);
    for (const auto& [h, w] : {std::pair{1, 1}, {1, 7}, {13, 5}}) {
      const RgbImage image = test::pattern(h, w);
      DepthMap map = constant(h, w, 2);
      for (const float v : filter_depth(filter, image, map).metres) REQUIRE(!(std::abs(v - 2) > 1e-5f));
      at(map, 0, 0) = 0;
      const DepthMap filtered = filter_depth(filter, image, map);
      CHECK(filtered.metres[0] == 0);
      for (std::size_t i = 1; i < filtered.metres.size(); ++i) REQUIRE(!(std::abs(filtered.metres[i] - 2) > 1e-5f));
    }
  }
}

TEST_CASE("median takes single wrong pixels away and keeps a step") {
  DepthMap map = step(9, 12);
  const DepthMap clean = map;
  at(map, 4, 2) = 9;
  at(map, 2, 9) = 0.1f;
  CHECK(median_filter(map, 1).metres == clean.metres);
}

TEST_CASE("bilateral smooths each surface and keeps the step between them") {
  DepthMap map = step(16, 24);
  for (std::size_t i = 0; i < map.metres.size(); ++i) map.metres[i] *= 1 + 0.02f * static_cast<float>(i % 3 - 1.0);
  const DepthMap smooth = bilateral_filter(map, 2, 0.05);
  CHECK(roughness(smooth, 0, 12) < 0.4 * roughness(map, 0, 12));
  CHECK(roughness(smooth, 12, 24) < 0.4 * roughness(map, 12, 24));
  for (int y = 0; y < 16; ++y) {
    CHECK(smooth.metres[static_cast<std::size_t>(y * 24 + 11)] < 1.1f);
    CHECK(smooth.metres[static_cast<std::size_t>(y * 24 + 12)] > 2.8f);
  }
}

TEST_CASE("guided moves a blurred step to where the picture has its edge") {
  const int h = 20, w = 32;
  RgbImage image(h, w);
  DepthMap map = constant(h, w, 0);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      const auto grey = static_cast<std::uint8_t>(x < w / 2 ? 40 : 220);
      std::fill_n(image.pixel(y, x), 3, grey);
      at(map, y, x) = 1 + 2 / (1 + std::exp(-0.7f * (static_cast<float>(x) - 15.5f))); // soft over about 6 pixels
    }
  const DepthMap sharp = guided_filter(image, map, 8, 1e-4);
  const auto jump = [&](const DepthMap& m) {
    return m.metres[static_cast<std::size_t>(10 * w + 16)] - m.metres[static_cast<std::size_t>(10 * w + 15)];
  };
  CHECK(jump(sharp) > 3 * jump(map));
  CHECK(contains(error_of([&] { guided_filter(image, constant(3, 3, 1), 1, 1e-3); }), "size"));
}

TEST_CASE("resizing is linear on planes and never smears a hole") {
  DepthMap plane = constant(8, 10, 0);
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 10; ++x) at(plane, y, x) = 2 + 0.1f * static_cast<float>(x) + 0.2f * static_cast<float>(y);
  const DepthMap large = resize_depth(plane, 16, 20);
  for (int y = 2; y < 14; ++y)
    for (int x = 2; x < 18; ++x) {
      const double u = (x + 0.5) / 2 - 0.5, v = (y + 0.5) / 2 - 0.5;
      REQUIRE(!(std::abs(static_cast<double>(large.metres[static_cast<std::size_t>(y * 20 + x)]) -
                         (2 + 0.1 * u + 0.2 * v)) > 1e-5));
    }
  DepthMap holes = step(6, 8);
  for (int x = 2; x < 5; ++x) at(holes, 3, x) = x == 3 ? std::nanf("") : 0.0f;
  for (const auto& [h, w] : {std::pair{12, 16}, {9, 13}, {3, 4}, {1, 1}}) {
    std::size_t none = 0;
    for (const float v : resize_depth(holes, h, w).metres) {
      REQUIRE((v == 0 || (v >= 1 && v <= 3)));
      none += v == 0;
    }
    if (h == 12) CHECK(none == 12); // each of three pixels became four
  }
  CHECK(resize_depth(holes, 6, 8).metres[0] == holes.metres[0]);
}

TEST_CASE("filters that can't be are refused with the form they should have") {
  const auto says = [](const char* text) {
    return error_of([&] { filter_depth(text, RgbImage(1, 1), {1, 1, {1.0f}}); });
  };
  CHECK(contains(says("mean:2"), "no such filter"));
  CHECK(contains(says("median:0"), "1 to 50"));
  CHECK(contains(says("median:1:2"), "too many"));
  CHECK(contains(says("bilateral:x"), "no number"));
  CHECK(contains(says("guided:8:nan"), "eps"));
  CHECK(says("").empty());
}
