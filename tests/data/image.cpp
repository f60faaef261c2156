// shared/core/image.hpp: the preprocessing that training and device share.
#include "shared/core/image.hpp"

#include "tests/data/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

using namespace leadline;
using leadline::data::RgbImage;
using leadline::data::test::pattern;

namespace {

constexpr auto triangle = ResizeKernel::triangle_antialiased;

/// Resizes with a workspace of exactly the bytes asked for and checks that nothing beyond is touched.
RgbImage resize(const RgbImage& src, int height, int width, ResizeKernel kernel = triangle) {
  const std::size_t bytes = resize_rgb8_workspace_bytes(kernel, src.height, src.width, height, width);
  std::vector<std::uint32_t> workspace(bytes / 4 + 8, 0xABABABABu);
  RgbImage out(height, width);
  REQUIRE(resize_rgb8(kernel, src.view(), height, width, workspace.data(), out.rgb.data()));
  for (std::size_t i = bytes / 4; i < workspace.size(); ++i) REQUIRE(workspace[i] == 0xABABABABu);
  return out;
}

/// The definition in double precision, with no thought for speed: weights max(0, 1 - |j + 0.5 - centre| / support).
std::vector<double> resize_reference(const RgbImage& src, int height, int width) {
  const auto weights = [](int i, int n, int m) {
    const double scale = static_cast<double>(n) / m, support = std::max(1.0, scale), centre = (i + 0.5) * scale;
    std::vector<double> w(static_cast<std::size_t>(n));
    double sum = 0;
    for (int j = 0; j < n; ++j)
      sum += w[static_cast<std::size_t>(j)] = std::max(0.0, 1 - std::abs(j + 0.5 - centre) / support);
    for (double& v : w) v /= sum;
    return w;
  };
  std::vector<double> out;
  for (int y = 0; y < height; ++y) {
    const auto wy = weights(y, src.height, height);
    for (int x = 0; x < width; ++x) {
      const auto wx = weights(x, src.width, width);
      for (int c = 0; c < 3; ++c) {
        double sum = 0;
        for (int v = 0; v < src.height; ++v)
          for (int u = 0; u < src.width; ++u)
            sum += wy[static_cast<std::size_t>(v)] * wx[static_cast<std::size_t>(u)] * src.pixel(v, u)[c];
        out.push_back(sum);
      }
    }
  }
  return out;
}

struct PillowCase {
  int height, width, dst_height, dst_width;
  std::vector<int> expected;
};

// numpy.asarray(PIL.Image.fromarray(pattern(h, w)).resize((W, H), PIL.Image.BILINEAR)), Pillow 13.0
const std::vector<PillowCase> pillow_cases = {
    {9, 13, 4, 5, {93,  141, 118, 123, 152, 130, 130, 110, 120, 111, 141, 122, 122, 162, 136, 121, 132, 127, 118, 136,
                   115, 143, 115, 143, 118, 144, 123, 122, 138, 124, 119, 106, 149, 107, 108, 111, 82,  146, 134, 124,
                   102, 148, 97,  127, 93,  123, 93,  151, 90,  138, 151, 103, 140, 93,  117, 114, 157, 86,  142, 146}},
    {5, 4, 8, 7, {0,   101, 202, 13,  114, 215, 34,  135, 236, 56,  157, 130, 77,  178, 23,  98,  199, 44,  111,
                  212, 57,  26,  127, 116, 42,  143, 132, 69,  170, 159, 97,  142, 115, 123, 112, 69,  151, 140,
                  97,  167, 156, 113, 63,  164, 9,   84,  180, 30,  120, 206, 66,  147, 120, 101, 174, 35,  135,
                  209, 70,  161, 231, 92,  177, 100, 201, 46,  127, 165, 73,  170, 107, 116, 126, 99,  160, 81,
                  102, 190, 124, 145, 133, 151, 172, 97,  136, 157, 82,  140, 127, 115, 146, 77,  166, 104, 117,
                  178, 64,  165, 173, 86,  187, 96,  101, 202, 47,  173, 34,  119, 125, 66,  157, 48,  116, 216,
                  82,  175, 156, 123, 224, 84,  97,  198, 49,  80,  181, 26,  210, 55,  156, 161, 98,  148, 83,
                  166, 133, 87,  188, 89,  105, 196, 51,  133, 141, 79,  150, 107, 96,  236, 81,  182, 191, 127,
                  137, 118, 201, 64,  93,  194, 39,  86,  169, 32,  160, 96,  106, 206, 51,  152}},
    {6, 10, 6, 3, {55,  156, 140, 147, 140, 113, 74,  123, 167, 135, 132, 94,  123, 119, 135, 125, 131, 71,
                   116, 135, 141, 101, 160, 133, 140, 119, 142, 103, 134, 131, 157, 130, 103, 128, 125, 156,
                   147, 139, 93,  118, 91,  172, 119, 155, 117, 146, 61,  149, 88,  126, 96,  125, 87,  175}},
};

} // namespace

TEST_CASE("resize agrees with Pillow's BILINEAR within one level") {
  for (const PillowCase& p : pillow_cases) {
    const RgbImage out = resize(pattern(p.height, p.width), p.dst_height, p.dst_width);
    REQUIRE(out.rgb.size() == p.expected.size());
    for (std::size_t i = 0; i < out.rgb.size(); ++i) {
      INFO("to " << p.dst_width << "x" << p.dst_height << ", value " << i);
      REQUIRE(std::abs(int{out.rgb[i]} - p.expected[i]) <= 1);
    }
  }
}

TEST_CASE("resize is its definition to the nearest level") {
  const int sizes[][4] = {{13, 29, 7, 5}, {1, 1, 3, 4}, {7, 5, 7, 5}, {2, 64, 9, 1}, {40, 3, 1, 33}, {31, 47, 17, 90}};
  for (const auto& [h, w, dh, dw] : sizes) {
    const RgbImage src = pattern(h, w);
    const RgbImage out = resize(src, dh, dw);
    const std::vector<double> expected = resize_reference(src, dh, dw);
    for (std::size_t i = 0; i < out.rgb.size(); ++i) // half a level for rounding, a little for the fixed point
      REQUIRE(!(std::abs(out.rgb[i] - expected[i]) > 0.52));
  }
}

TEST_CASE("resize to the same size copies, a constant stays constant, mirrors commute") {
  const RgbImage src = pattern(13, 29);
  CHECK(resize(src, 13, 29).rgb == src.rgb);
  for (const int level : {0, 1, 127, 254, 255}) {
    const auto v = static_cast<std::uint8_t>(level);
    const RgbImage out = resize(RgbImage(301, 37, v, v, v), 11, 200);
    CHECK(std::all_of(out.rgb.begin(), out.rgb.end(), [v](std::uint8_t p) { return p == v; }));
  }
  const auto mirrored = [](const RgbImage& image) { return data::apply_orientation(image, 2); };
  const RgbImage a = mirrored(resize(src, 6, 10)), b = resize(mirrored(src), 6, 10);
  for (std::size_t i = 0; i < a.rgb.size(); ++i) // rounding of the weights may differ in the last step
    REQUIRE(std::abs(int{a.rgb[i]} - int{b.rgb[i]}) <= 1);
}

TEST_CASE("resize reads rows by their stride and refuses impossible sizes") {
  const RgbImage big = pattern(20, 30);
  const CropWindow window{4, 3, 9, 13};
  RgbImage cut(9, 13);
  for (int y = 0; y < 9; ++y) std::copy_n(big.pixel(3 + y, 4), 39, cut.pixel(y, 0));
  std::vector<std::uint32_t> workspace(resize_rgb8_workspace_bytes(triangle, 9, 13, 5, 4) / 4);
  RgbImage out(5, 4);
  REQUIRE(resize_rgb8(triangle, cropped(big.view(), window), 5, 4, workspace.data(), out.rgb.data()));
  CHECK(out.rgb == resize(cut, 5, 4).rgb);
  CHECK_FALSE(resize_rgb8(triangle, big.view(), 0, 4, workspace.data(), out.rgb.data()));
  CHECK_FALSE(resize_rgb8(triangle, big.view(), 5, max_image_side + 1, workspace.data(), out.rgb.data()));
  CHECK_FALSE(resize_rgb8(triangle, ImageView8{}, 5, 4, workspace.data(), out.rgb.data()));
}

TEST_CASE("the largest sums of the fixed point fit") {
  const RgbImage out = resize(RgbImage(2, max_image_side, 255, 255, 255), 1, 3); // thousands of taps
  CHECK(std::all_of(out.rgb.begin(), out.rgb.end(), [](std::uint8_t p) { return p == 255; }));
}

TEST_CASE("nearest takes floor((i + 0.5) * src / dst)") {
  const RgbImage src = pattern(7, 10), out = resize(src, 3, 4, ResizeKernel::nearest);
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 4; ++x)
      for (int c = 0; c < 3; ++c)
        CHECK(out.pixel(y, x)[c] ==
              src.pixel(static_cast<int>((y + 0.5) * 7 / 3), static_cast<int>((x + 0.5) * 10 / 4))[c]);
}

TEST_CASE("centre crop is the largest window of the network's aspect") {
  const CropWindow wide = crop_window(CropMode::centre_crop, 480, 640, 100, 100);
  CHECK(wide.width == 480);
  CHECK(wide.height == 480);
  CHECK(wide.x == 80);
  CHECK(wide.y == 0);
  const CropWindow tall = crop_window(CropMode::centre_crop, 480, 640, 100, 200);
  CHECK(tall.width == 640);
  CHECK(tall.height == 320);
  CHECK(tall.y == 80);
  const CropWindow same = crop_window(CropMode::centre_crop, 480, 640, 144, 192);
  CHECK((same.width == 640 && same.height == 480 && same.x == 0 && same.y == 0));
  const CropWindow thin = crop_window(CropMode::centre_crop, 1, 1000, 1000, 1);
  CHECK((thin.width == 1 && thin.height == 1));
}

TEST_CASE("intrinsics follow crop and resize: a point keeps its ray") {
  const Intrinsics camera{500, 510, 320, 240};
  const CropWindow window{80, 0, 480, 480};
  const Intrinsics small = adjust_intrinsics(camera, window, 120, 160);
  // The ray through a source pixel must go through the place where the crop and resize put that pixel.
  for (const auto& [u, v] : {std::pair{80.0, 0.0}, std::pair{320.0, 240.0}, std::pair{559.0, 479.0}}) {
    const double x = (u - 80 + 0.5) * 160 / 480 - 0.5, y = (v + 0.5) * 120 / 480 - 0.5;
    CHECK(!(std::abs((u - 320) / 500 - (x - static_cast<double>(small.cx)) / static_cast<double>(small.fx)) > 1e-6));
    CHECK(!(std::abs((v - 240) / 510 - (y - static_cast<double>(small.cy)) / static_cast<double>(small.fy)) > 1e-6));
  }
  CHECK_FALSE(adjust_intrinsics({}, window, 120, 160).known());
}

TEST_CASE("preprocess is crop, resize, normalise, bit for bit") {
  const RgbImage src = pattern(50, 81);
  Preprocess p;
  p.height = 12;
  p.width = 16;
  p.crop = CropMode::centre_crop;
  p.mean[0] = 0.485f, p.mean[1] = 0.456f, p.mean[2] = 0.406f;
  p.std[0] = 0.229f, p.std[1] = 0.224f, p.std[2] = 0.225f;
  std::vector<std::uint32_t> workspace(preprocess_workspace_bytes(p, 50, 81) / 4);
  std::vector<float> dst(12 * 16 * 3, -100.0f);
  REQUIRE(preprocess_rgb8(p, src.view(), workspace.data(), workspace.size() * 4, dst.data()));

  const CropWindow window = crop_window(p.crop, 50, 81, 12, 16);
  RgbImage part(window.height, window.width);
  for (int y = 0; y < window.height; ++y)
    std::copy_n(src.pixel(window.y + y, window.x), 3 * window.width, part.pixel(y, 0));
  const RgbImage small = resize(part, 12, 16);
  std::vector<float> expected(dst.size());
  normalise_rgb8(small.view(), p.mean, p.std, expected.data(), 3, 48);
  CHECK(dst == expected);
  for (std::size_t i = 0; i < dst.size(); ++i) { // and normalise is (v / 255 - mean) / std
    const double wanted =
        (small.rgb[i] / 255.0 - static_cast<double>(p.mean[i % 3])) / static_cast<double>(p.std[i % 3]);
    REQUIRE(!(std::abs(static_cast<double>(dst[i]) - wanted) > 2e-6));
  }

  std::vector<float> strided(12 * (16 * 4 + 5), -100.0f); // four floats a pixel, five more a row
  REQUIRE(preprocess_rgb8(p, src.view(), workspace.data(), workspace.size() * 4, strided.data(), 4, 69));
  for (std::size_t y = 0; y < 12; ++y) {
    for (std::size_t x = 0; x < 16; ++x) {
      for (std::size_t c = 0; c < 3; ++c) REQUIRE(strided[y * 69 + x * 4 + c] == dst[(y * 16 + x) * 3 + c]);
      REQUIRE(strided[y * 69 + x * 4 + 3] == -100.0f);
    }
  }

  p.colour_order = ColourOrder::bgr;
  std::vector<float> bgr(dst.size());
  REQUIRE(preprocess_rgb8(p, src.view(), workspace.data(), workspace.size() * 4, bgr.data()));
  for (std::size_t i = 0; i < bgr.size(); i += 3)
    REQUIRE((bgr[i] == dst[i + 2] && bgr[i + 1] == dst[i + 1] && bgr[i + 2] == dst[i]));
}

TEST_CASE("preprocess refuses a contract that it can't carry out") {
  const RgbImage src = pattern(8, 8);
  Preprocess p;
  p.height = p.width = 4;
  std::vector<std::uint32_t> workspace(preprocess_workspace_bytes(p, 8, 8) / 4);
  const std::size_t bytes = workspace.size() * 4;
  std::vector<float> dst(48);
  CHECK(preprocess_rgb8(p, src.view(), workspace.data(), bytes, dst.data()));
  CHECK_FALSE(preprocess_rgb8(p, src.view(), workspace.data(), bytes - 1, dst.data()));
  CHECK_FALSE(preprocess_rgb8(p, src.view(), nullptr, bytes, dst.data()));
  const auto refused = [&](auto change) {
    Preprocess q = p;
    change(q);
    return !preprocess_valid(q) && !preprocess_rgb8(q, src.view(), workspace.data(), bytes, dst.data());
  };
  CHECK(refused([](Preprocess& q) { q.std[1] = 0; }));
  CHECK(refused([](Preprocess& q) { q.std[2] = std::numeric_limits<float>::quiet_NaN(); }));
  CHECK(refused([](Preprocess& q) { q.mean[0] = std::numeric_limits<float>::infinity(); }));
  CHECK(refused([](Preprocess& q) { q.height = 0; }));
  CHECK(refused([](Preprocess& q) { q.width = -3; }));
  CHECK(refused([](Preprocess& q) { q.resize = static_cast<ResizeKernel>(7); }));
  CHECK(refused([](Preprocess& q) { q.crop = static_cast<CropMode>(-1); }));
}

TEST_CASE("depth by nearest keeps measured values and drops what is none") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const std::vector<float> src = {1, 2, 3, 4, -1, nan, inf, 8, 9, 10, 11, 12};
  std::vector<float> same(12), half(2);
  resize_depth_nearest(src.data(), 3, 4, 4, 3, 4, same.data());
  CHECK(same == std::vector<float>{1, 2, 3, 4, 0, 0, 0, 8, 9, 10, 11, 12});
  resize_depth_nearest(src.data(), 3, 4, 4, 1, 2, half.data()); // row 1, columns 1 and 3
  CHECK(half == std::vector<float>{0, 8});
}

TEST_CASE("depth by area is the mean of the valid part and never fills a hole from outside") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> src = {1, 3, 0, 0, 5, 7, nan, -2};
  std::vector<float> out(2);
  resize_depth_area(src.data(), 2, 4, 4, 1, 2, out.data());
  CHECK(out == std::vector<float>{4, 0});
  const std::vector<float> line = {2, 0, 8};
  std::vector<float> two(2);
  resize_depth_area(line.data(), 1, 3, 3, 1, 2, two.data()); // each covers one and a half; the middle is a hole
  CHECK(two == std::vector<float>{2, 8});
  const std::vector<float> full = {2, 4, 8};
  resize_depth_area(full.data(), 1, 3, 3, 1, 2, two.data()); // (2 + 4 / 2) / 1.5, (4 / 2 + 8) / 1.5
  CHECK(!(std::abs(two[0] - 4.0f / 1.5f) > 1e-6f));
  CHECK(!(std::abs(two[1] - 10.0f / 1.5f) > 1e-6f));
  std::vector<float> larger(6);
  resize_depth_area(line.data(), 1, 3, 3, 1, 6, larger.data()); // enlarging repeats
  CHECK(larger == std::vector<float>{2, 2, 0, 0, 8, 8});
}
