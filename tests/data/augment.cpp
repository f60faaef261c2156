#include "data/augment.hpp"
#include "support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

using namespace leadline;
using namespace leadline::data;
using leadline::data::test::contains;
using leadline::data::test::error_of;

namespace {

constexpr int h = 45, w = 64;
constexpr std::size_t pixels = std::size_t{h} * w;

/// Nothing at all: what a test turns on is all there is.
Augment none() {
  Augment a;
  a.flip_probability = a.brightness_gain = a.brightness_shift = 0;
  return a;
}

/// Mean 0 and deviation 1, so that images are 0 to 1.
Preprocess plain_preprocess() {
  Preprocess p;
  p.height = h;
  p.width = w;
  for (int c = 0; c < 3; ++c) {
    p.mean[c] = 0;
    p.std[c] = 1;
  }
  return p;
}

struct Frame {
  std::vector<std::uint8_t> rgb = std::vector<std::uint8_t>(3 * pixels);
  std::vector<float> depth = std::vector<float>(pixels);
  Intrinsics camera{};
};

struct Result {
  std::vector<float> image = std::vector<float>(3 * pixels), depth = std::vector<float>(pixels);
  Intrinsics camera{};
};

Result run(const Augment& augment, const Frame& frame, std::int64_t epoch = 0, std::size_t index = 0,
           const Preprocess& p = plain_preprocess()) {
  Result r;
  r.camera = augment_frame(augment, p, 7, epoch, index, {frame.rgb.data(), frame.depth.data(), frame.camera},
                           r.image.data(), r.depth.data());
  return r;
}

/// A frame whose pixels say where they were: red = column, green = row; and whose depth says which pixel it is.
Frame labelled(const Intrinsics& camera) {
  Frame frame;
  frame.camera = camera;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      const std::size_t i = static_cast<std::size_t>(y * w + x);
      frame.rgb[3 * i] = static_cast<std::uint8_t>(x);
      frame.rgb[3 * i + 1] = static_cast<std::uint8_t>(y);
      frame.rgb[3 * i + 2] = 128;
      frame.depth[i] = 2.0f + 0.001f * static_cast<float>(i);
    }
  return frame;
}

Frame coloured() {
  Frame frame;
  for (std::size_t i = 0; i < 3 * pixels; ++i) frame.rgb[i] = static_cast<std::uint8_t>(40 + (i * 37 + i / 200) % 170);
  std::fill(frame.depth.begin(), frame.depth.end(), 2.5f);
  return frame;
}

double grey(const float* v) {
  return 0.299 * static_cast<double>(v[0]) + 0.587 * static_cast<double>(v[1]) + 0.114 * static_cast<double>(v[2]);
}

double mean(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v);
  return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<float>& values) {
  const double m = mean(values);
  double sum = 0;
  for (const float v : values) sum += (static_cast<double>(v) - m) * (static_cast<double>(v) - m);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

double spread(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *most - *least;
}

} // namespace

TEST_CASE("geometry: every pixel's ray, depth and camera stay those of one place") {
  struct Case {
    const char* augment;
    Intrinsics camera;
  };
  const Intrinsics square{58, 58, 30.5f, 24}, stretched{40, 55, 33, 20.25f};
  for (const Case& c :
       {Case{"flip=1", square}, Case{"flip=0,rotation=30", square}, Case{"flip=0,scale=1.6", square},
        Case{"flip=0,random_crop=0.5", square}, Case{"flip=0.5,rotation=20,scale=1.5,random_crop=0.6", square},
        Case{"flip=0.5,rotation=20,scale=1.5,random_crop=0.6", stretched}}) {
    Augment a = parse_augment(c.augment, none());
    const Frame frame = labelled(c.camera);
    std::size_t turns = 0, frames = 0;
    for (std::int64_t epoch = 0; epoch < 20; ++epoch) {
      INFO(c.augment << ", epoch " << epoch);
      const Result r = run(a, frame, epoch, 3);
      double scale = 0;
      std::vector<double> straight, mirrored;
      std::size_t compared = 0;
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x) {
          const std::size_t i = static_cast<std::size_t>(y * w + x);
          const double u = static_cast<double>(r.image[3 * i]) * 255, v = static_cast<double>(r.image[3 * i + 1]) * 255;
          // A colour on the rim may be a repeated edge, which doesn't say where it comes from.
          if (!(u > 0.01 && u < w - 1.01 && v > 0.01 && v < h - 1.01)) continue;
          const double near_u = std::floor(u + 0.5), near_v = std::floor(v + 0.5);
          if (std::abs(u + 0.5 - near_u) < 1e-3 || std::abs(v + 0.5 - near_v) < 1e-3 ||
              std::abs(u - 0.5 - near_u) < 1e-3 || std::abs(v - 0.5 - near_v) < 1e-3)
            continue; // on the line between two pixels rounding decides
          const double source = static_cast<double>(frame.depth[static_cast<std::size_t>(near_v * w + near_u)]);
          const double ratio = source / static_cast<double>(r.depth[i]);
          // the same point, seen by both cameras, in units of its own depth
          const double before_x = (u - static_cast<double>(c.camera.cx)) / static_cast<double>(c.camera.fx);
          const double before_y = (v - static_cast<double>(c.camera.cy)) / static_cast<double>(c.camera.fy);
          const double after_x = (x - static_cast<double>(r.camera.cx)) / static_cast<double>(r.camera.fx) / ratio;
          const double after_y = (y - static_cast<double>(r.camera.cy)) / static_cast<double>(r.camera.fy) / ratio;
          const double radius = std::hypot(before_x, before_y);
          REQUIRE(!(std::abs(std::hypot(after_x, after_y) - radius) > 2e-5));
          if (scale == 0) scale = ratio;
          REQUIRE(!(std::abs(ratio - scale) > 2e-5 * scale)); // one factor for the whole frame
          if (radius < 0.1) continue;
          // the angle if the frame was mirrored, and if it wasn't: one of them is the same everywhere
          const double straight_sine = before_x * after_y - before_y * after_x;
          const double mirrored_sine = -before_x * after_y - before_y * after_x;
          straight.push_back(std::atan2(straight_sine, before_x * after_x + before_y * after_y));
          mirrored.push_back(std::atan2(mirrored_sine, -before_x * after_x + before_y * after_y));
          ++compared;
        }
      REQUIRE(compared > pixels / 8);
      const bool mirror = a.flip_probability == 1 || (a.flip_probability > 0 && spread(mirrored) < spread(straight));
      REQUIRE(!(spread(mirror ? mirrored : straight) > 1e-3));
      const double turn = (mirror ? mirrored : straight).front();
      CHECK((scale > 1 - 1e-5 && !(scale > static_cast<double>(a.scale) + 1e-5)));
      CHECK(!(std::abs(turn) * 180 / 3.14159265358979 > static_cast<double>(a.rotation) + 0.1));
      turns += std::abs(turn) > 0.02;
      ++frames;
    }
    CHECK((a.rotation == 0 ? turns == 0 : turns > frames / 2));
  }
}

TEST_CASE("what the camera hadn't seen has no depth") {
  const Frame frame = labelled({});
  std::size_t holes = 0;
  for (std::int64_t epoch = 0; epoch < 8; ++epoch)
    for (const float metres : run(parse_augment("rotation=45", none()), frame, epoch).depth) {
      REQUIRE((metres == 0 || (metres >= 2 && metres < 5)));
      holes += metres == 0;
    }
  CHECK((holes > pixels / 4 && holes < 4 * pixels));
}

TEST_CASE("holes stay holes, and no depth is a mean of two") {
  Frame frame = labelled({});
  std::set<float> known{0.0f};
  for (std::size_t i = 0; i < pixels; ++i) frame.depth[i] = i % 3 == 0 ? 0.0f : i % 2 ? 1.5f : 4.0f;
  for (const float metres : frame.depth) known.insert(metres);
  for (const float metres : run(parse_augment("rotation=15,random_crop=0.6", none()), frame).depth)
    REQUIRE(known.count(metres) == 1);
}

TEST_CASE("nothing turned on is the picture itself") {
  const Frame frame = coloured();
  const Result r = run(none(), frame);
  for (std::size_t i = 0; i < 3 * pixels; ++i)
    REQUIRE(r.image[i] == static_cast<float>(frame.rgb[i]) * (1.0f / 255.0f));
  CHECK(r.depth == frame.depth);
}

TEST_CASE("colours: what each change keeps and what it moves") {
  const Frame frame = coloured();
  const Result before = run(none(), frame);
  const auto grey_mean = [](const std::vector<float>& image) {
    double sum = 0;
    for (std::size_t i = 0; i < pixels; ++i) sum += grey(&image[3 * i]);
    return sum / static_cast<double>(pixels);
  };
  for (const char* name : {"contrast=0.2", "saturation=0.3", "hue=0.05", "gamma=0.3"}) {
    double moved = 0;
    for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
      INFO(name << ", epoch " << epoch);
      const Result r = run(parse_augment(name, none()), frame, epoch);
      CHECK(r.depth == frame.depth);
      for (std::size_t i = 0; i < 3 * pixels; ++i) {
        REQUIRE((r.image[i] >= 0 && r.image[i] <= 1));
        moved = std::max(moved, std::abs(static_cast<double>(r.image[i] - before.image[i])));
      }
      const std::string change = std::string(name).substr(0, 3);
      if (change == "con") {
        CHECK(!(std::abs(grey_mean(r.image) - grey_mean(before.image)) > 2e-3)); // but for what was cut at 0 and 1
        const double factor = deviation(r.image) / deviation(before.image);
        CHECK((factor > 0.78 && factor < 1.21));
      }
      if (change == "sat" || change == "hue")
        for (std::size_t i = 0; i < pixels; ++i) {
          const float* v = &r.image[3 * i];
          const bool cut = *std::min_element(v, v + 3) <= 0 || *std::max_element(v, v + 3) >= 1;
          REQUIRE((cut || !(std::abs(grey(v) - grey(&before.image[3 * i])) > 3e-3)));
        }
      if (change == "gam") // monotonic: brighter stays brighter
        for (std::size_t i = 3; i < 3 * pixels; ++i)
          REQUIRE((before.image[i] > before.image[i - 1] ? r.image[i] > r.image[i - 1] : true));
    }
    INFO(name);
    CHECK(moved > 0.01);
  }
}

TEST_CASE("noise has the deviation that was asked for and no mean; blur keeps the mean and smooths") {
  Frame flat;
  std::fill(flat.rgb.begin(), flat.rgb.end(), std::uint8_t{120});
  double most = 0;
  for (std::int64_t epoch = 0; epoch < 16; ++epoch) {
    const Result r = run(parse_augment("noise=0.1", none()), flat, epoch);
    CHECK(!(std::abs(mean(r.image) - 120.0 / 255) > 0.1 * 5 / std::sqrt(3.0 * pixels)));
    most = std::max(most, deviation(r.image));
  }
  CHECK((most > 0.06 && most < 0.105));

  const Frame frame = coloured();
  const Result before = run(none(), frame);
  double least = 1;
  for (std::int64_t epoch = 0; epoch < 8; ++epoch) {
    const Result r = run(parse_augment("blur=3", none()), frame, epoch);
    CHECK(!(std::abs(mean(r.image) - mean(before.image)) > 5e-3));
    least = std::min(least, deviation(r.image) / deviation(before.image));
  }
  CHECK(least < 0.5);
}

TEST_CASE("cutout covers a part of the picture with the mean colour and leaves the depth") {
  Preprocess p = plain_preprocess();
  for (int c = 0; c < 3; ++c) p.mean[c] = 0.02f; // darker than every pixel: nothing else becomes 0
  const Frame frame = coloured();
  std::size_t covered = 0;
  for (std::int64_t epoch = 0; epoch < 10; ++epoch) {
    const Result r = run(parse_augment("cutout=2,cutout_size=0.5", none()), frame, epoch, 0, p);
    CHECK(r.depth == frame.depth);
    std::size_t here = 0;
    for (std::size_t i = 0; i < pixels; ++i) here += r.image[3 * i] == 0 && r.image[3 * i + 1] == 0;
    CHECK(here <= pixels / 2);
    covered += here;
  }
  CHECK(covered > pixels / 10); // a sixteenth for each on average
}

TEST_CASE("epochs, frames and seeds draw for themselves; the same three give the same bits") {
  const Augment all =
      parse_augment("rotation=10,scale=1.3,random_crop=0.7,contrast=0.2,saturation=0.2,hue=0.1,gamma=0.2,"
                    "blur=1,noise=0.05,cutout=2",
                    Augment{});
  const Frame frame = labelled({58, 58, 30.5f, 24});
  const Result a = run(all, frame, 1, 2);
  CHECK(a.image == run(all, frame, 1, 2).image);
  CHECK(a.image != run(all, frame, 2, 2).image);
  CHECK(a.image != run(all, frame, 1, 3).image);
}

TEST_CASE("strengths that make no sense are refused with their range") {
  const auto message = [](const std::string& text) { return error_of([&] { parse_augment(text, Augment{}); }); };
  CHECK(contains(message("scale=0.5"), "scale is \"0.5\": it must be 1 to 4"));
  CHECK(contains(message("random_crop=0"), "0.1 to 1"));
  CHECK(contains(message("rotation=200"), "0 to 180"));
  CHECK(contains(message("cutout=1.5"), "whole number"));
  CHECK(contains(message("rotatoin=5"), "did you mean rotation?"));
  CHECK(contains(message("hue"), "not name=number"));
  CHECK(contains(message("hue=x"), "not name=number"));
  CHECK(contains(message("hue=nan"), "0 to 0.5"));
  CHECK(parse_augment(" flip=1, hue=0.25,", Augment{}).hue == 0.25f);
}
