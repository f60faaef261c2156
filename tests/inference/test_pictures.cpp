// leadline_run: every way a camera stores a picture, every form of depth, and what is said to wrong use.
#include "inference/src/picture.hpp"
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

using namespace leadline;
using namespace leadline::test;

namespace {

constexpr int net_h = 12, net_w = 20;

std::vector<uint8_t> noise_bytes(size_t count, uint64_t seed) {
  std::vector<uint8_t> bytes(count);
  const Philox random(seed);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(random.bits(i));
  return bytes;
}

leadline_picture picture_of(const void* data, int width, int height, int32_t format = LEADLINE_RGB8) {
  leadline_picture p{};
  p.struct_size = sizeof p;
  p.format = format;
  p.width = width;
  p.height = height;
  p.planes[0] = data;
  return p;
}

leadline_depth depth_in(std::vector<float>& to) {
  leadline_depth d{};
  d.struct_size = sizeof d;
  d.data = to.data();
  d.bytes = to.size() * sizeof(float);
  return d;
}

/// A model with a session for pictures of any size.
struct Engine {
  explicit Engine(CropMode crop = CropMode::none, OutputKind kind = OutputKind::metric_depth)
      : graph(tiny_unet(net_h, net_w)), spec(make_spec(graph)) {
    spec.preprocess.crop = crop;
    spec.output = kind;
    if (kind != OutputKind::metric_depth) spec.max_depth = 0;
    spec.fx = spec.fy = 15;
    file.emplace(encode_model(spec));
    REQUIRE(model.open_memory(file->data(), file->size(), error) == LEADLINE_OK);
    REQUIRE(session.create(model, error) == LEADLINE_OK);
  }
  std::vector<float> rgb8(const std::vector<uint8_t>& rgb, int width, int height) {
    std::vector<float> depth(net_h * net_w);
    REQUIRE(session.run_rgb8(rgb.data(), width, height, depth.data(), depth.size()) == LEADLINE_OK);
    return depth;
  }
  std::vector<float> run(const leadline_picture& picture) {
    std::vector<float> depth(net_h * net_w, -1.0f);
    REQUIRE(session.run(picture, depth_in(depth)) == LEADLINE_OK);
    return depth;
  }

  Graph graph;
  ModelSpec spec;
  std::optional<AlignedBytes> file;
  ErrorText error;
  Model model;
  Session session;
};

/// R, G, B of an upright picture, as PictureRows reads it.
std::vector<uint8_t> rows_of(const leadline_picture& picture) {
  REQUIRE(check_picture(picture) == LEADLINE_OK);
  const PictureRows rows(picture);
  std::vector<uint8_t> all, scratch(static_cast<size_t>(3 * rows.width));
  for (int y = 0; y < rows.height; ++y) {
    const uint8_t* row = rows.row(y, scratch.data());
    all.insert(all.end(), row, row + 3 * rows.width);
  }
  return all;
}

} // namespace

TEST_CASE("formats that only order bytes give the bits of packed RGB") {
  Engine engine;
  for (const auto& [w, h] : {std::pair{20, 12}, {33, 7}, {1, 1}}) {
    const size_t pixels = static_cast<size_t>(w * h);
    const std::vector<uint8_t> rgb = noise_bytes(3 * pixels, 1);
    const std::vector<float> expected = engine.rgb8(rgb, w, h);
    std::vector<uint8_t> bgr(3 * pixels), rgba(4 * pixels, 7), bgra(4 * pixels, 9), grey(pixels), grey_rgb(3 * pixels);
    std::vector<float> floats(3 * pixels);
    for (size_t i = 0; i < pixels; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        bgr[3 * i + c] = rgb[3 * i + 2 - c];
        rgba[4 * i + c] = rgb[3 * i + c];
        bgra[4 * i + c] = rgb[3 * i + 2 - c];
        floats[3 * i + c] = static_cast<float>(rgb[3 * i + c]) / 255;
        grey_rgb[3 * i + c] = rgb[3 * i];
      }
      grey[i] = rgb[3 * i];
    }
    CHECK(engine.run(picture_of(rgb.data(), w, h)) == expected);
    CHECK(engine.run(picture_of(bgr.data(), w, h, LEADLINE_BGR8)) == expected);
    CHECK(engine.run(picture_of(rgba.data(), w, h, LEADLINE_RGBA8)) == expected);
    CHECK(engine.run(picture_of(bgra.data(), w, h, LEADLINE_BGRA8)) == expected);
    CHECK(engine.run(picture_of(floats.data(), w, h, LEADLINE_RGB_F32)) == expected);
    CHECK(engine.run(picture_of(grey.data(), w, h, LEADLINE_GRAY8)) == engine.rgb8(grey_rgb, w, h));
  }
}

TEST_CASE("Y, U, V become R, G, B as the standards have it, within one level") {
  const double kr[] = {0.299, 0.2126, 0.2627}, kb[] = {0.114, 0.0722, 0.0593};
  for (const auto& [w, h] : {std::pair{8, 6}, {7, 5}, {1, 1}})
    for (int32_t matrix = 0; matrix < 3; ++matrix)
      for (int32_t full = 0; full < 2; ++full) {
        const int pairs = (w + 1) / 2, lines = (h + 1) / 2;
        const std::vector<uint8_t> luma = noise_bytes(static_cast<size_t>(w * h), 2);
        const std::vector<uint8_t> chroma = noise_bytes(static_cast<size_t>(2 * pairs * lines), 3);
        std::vector<uint8_t> swapped(chroma.size()), yuyv(static_cast<size_t>(4 * pairs * h));
        for (size_t i = 0; i < chroma.size(); ++i) swapped[i] = chroma[i ^ 1];
        for (int y = 0; y < h; ++y)
          for (int x = 0; x < w; ++x) {
            uint8_t* pair = &yuyv[static_cast<size_t>(4 * (y * pairs + x / 2))];
            pair[2 * (x % 2)] = luma[static_cast<size_t>(y * w + x)];
            pair[1] = chroma[static_cast<size_t>(2 * (y / 2 * pairs + x / 2))];
            pair[3] = chroma[static_cast<size_t>(2 * (y / 2 * pairs + x / 2) + 1)];
          }
        leadline_picture nv12 = picture_of(luma.data(), w, h, LEADLINE_NV12);
        nv12.planes[1] = chroma.data();
        leadline_picture nv21 = picture_of(luma.data(), w, h, LEADLINE_NV21);
        nv21.planes[1] = swapped.data();
        leadline_picture packed = picture_of(yuyv.data(), w, h, LEADLINE_YUYV);
        for (leadline_picture* p : {&nv12, &nv21, &packed}) {
          p->colour_matrix = matrix;
          p->full_range = full;
        }
        const std::vector<uint8_t> rgb = rows_of(nv12);
        for (int y = 0; y < h; ++y)
          for (int x = 0; x < w; ++x) {
            const size_t c = static_cast<size_t>(2 * (y / 2 * pairs + x / 2));
            const double r = kr[matrix], b = kb[matrix], g = 1 - r - b;
            const double Y =
                full ? luma[static_cast<size_t>(y * w + x)] : (luma[static_cast<size_t>(y * w + x)] - 16) * 255.0 / 219;
            const double u = (chroma[c] - 128) * (full ? 1.0 : 255.0 / 224);
            const double v = (chroma[c + 1] - 128) * (full ? 1.0 : 255.0 / 224);
            const double expected[3] = {Y + 2 * (1 - r) * v, Y - 2 * b * (1 - b) / g * u - 2 * r * (1 - r) / g * v,
                                        Y + 2 * (1 - b) * u};
            for (size_t k = 0; k < 3; ++k)
              REQUIRE(!(std::abs(std::clamp(expected[k], 0.0, 255.0) - rgb[static_cast<size_t>(3 * (y * w + x)) + k]) >
                        0.51));
          }
        CHECK(rows_of(nv21) == rgb);
        CHECK(rows_of(packed) == rgb);
      }
}

TEST_CASE("rotation turns a stored picture upright, with crop and bottom-up rows too") {
  for (const CropMode crop : {CropMode::none, CropMode::centre_crop}) {
    Engine engine(crop);
    const int w = 26, h = 9;
    const std::vector<uint8_t> upright = noise_bytes(static_cast<size_t>(3 * w * h), 4);
    const std::vector<float> expected = engine.rgb8(upright, w, h);
    for (const int rotation : {0, 90, 180, 270}) {
      // stored so that turning it `rotation` degrees clockwise gives `upright`
      const bool turned = rotation % 180 != 0;
      const int sw = turned ? h : w, sh = turned ? w : h;
      std::vector<uint8_t> stored(upright.size());
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x) {
          const int v = rotation == 0 ? y : rotation == 90 ? w - 1 - x : rotation == 180 ? h - 1 - y : x;
          const int u = rotation == 0 ? x : rotation == 90 ? y : rotation == 180 ? w - 1 - x : h - 1 - y;
          std::copy_n(&upright[static_cast<size_t>(3 * (y * w + x))], 3,
                      &stored[static_cast<size_t>(3 * (v * sw + u))]);
        }
      leadline_picture p = picture_of(stored.data(), sw, sh);
      p.rotation = rotation;
      CHECK(engine.run(p) == expected);
      // the same rows from bottom to top, with gaps
      const ptrdiff_t stride = 3 * sw + 2;
      std::vector<uint8_t> flipped(static_cast<size_t>(stride * sh), 0xEE);
      for (int y = 0; y < sh; ++y)
        std::copy_n(&stored[static_cast<size_t>(3 * y * sw)], 3 * sw,
                    &flipped[static_cast<size_t>((sh - 1 - y) * stride)]);
      p.planes[0] = flipped.data() + (sh - 1) * stride;
      p.strides[0] = -stride;
      CHECK(engine.run(p) == expected);
    }
  }
}

TEST_CASE("depth as millimetres, as its inverse, at the picture's size, with gaps between rows") {
  Engine engine(CropMode::centre_crop);
  const int w = 64, h = 24; // the network sees the middle 40 columns
  const std::vector<uint8_t> rgb = noise_bytes(static_cast<size_t>(3 * w * h), 5);
  const std::vector<float> metres = engine.rgb8(rgb, w, h);
  const leadline_picture picture = picture_of(rgb.data(), w, h);

  std::vector<uint16_t> millimetres(net_h * (net_w + 3), 0xAAAA);
  leadline_depth to{};
  to.struct_size = sizeof to;
  to.format = LEADLINE_DEPTH_MILLIMETRES_U16;
  to.data = millimetres.data();
  to.row_stride = 2 * (net_w + 3);
  to.bytes = millimetres.size() * 2;
  REQUIRE(engine.session.run(picture, to) == LEADLINE_OK);
  std::vector<float> inverse(net_h * net_w);
  leadline_depth inv = depth_in(inverse);
  inv.format = LEADLINE_DEPTH_INVERSE_F32;
  REQUIRE(engine.session.run(picture, inv) == LEADLINE_OK);
  for (int y = 0; y < net_h; ++y) {
    for (int x = 0; x < net_w; ++x) {
      const float m = metres[static_cast<size_t>(y * net_w + x)];
      REQUIRE(
          !(std::abs(static_cast<float>(millimetres[static_cast<size_t>(y * (net_w + 3) + x)]) - 1000 * m) > 0.51f));
      REQUIRE(inverse[static_cast<size_t>(y * net_w + x)] == 1 / m);
    }
    for (int x = net_w; x < net_w + 3; ++x) REQUIRE(millimetres[static_cast<size_t>(y * (net_w + 3) + x)] == 0xAAAA);
  }
}

TEST_CASE("depth at the picture's size is the network's, linearly enlarged, made smaller, and cut") {
  Engine engine(CropMode::centre_crop);
  for (const auto& [w, h] : {std::pair{64, 24}, std::pair{40, 24}, std::pair{7, 4}, std::pair{5, 3}, std::pair{1, 1},
                             std::pair{1, 60}, std::pair{299, 3}, std::pair{21, 13}}) {
    CAPTURE(w, h);
    const std::vector<uint8_t> rgb = noise_bytes(static_cast<size_t>(3 * w * h), 5);
    const std::vector<float> metres = engine.rgb8(rgb, w, h);
    std::vector<float> large(static_cast<size_t>(w * h), -1.0f);
    leadline_depth whole = depth_in(large);
    whole.picture_size = 1;
    REQUIRE(engine.session.run(picture_of(rgb.data(), w, h), whole) == LEADLINE_OK);
    const CropWindow window = crop_window(CropMode::centre_crop, h, w, net_h, net_w);
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        CAPTURE(y, x);
        const float value = large[static_cast<size_t>(y * w + x)];
        const int inner_x = x - window.x, inner_y = y - window.y;
        if (inner_x < 0 || inner_x >= window.width || inner_y < 0 || inner_y >= window.height) {
          REQUIRE(value == 0);
          continue;
        }
        const double u = std::clamp((inner_x + 0.5) * net_w / window.width - 0.5, 0.0, net_w - 1.0);
        const double v = std::clamp((inner_y + 0.5) * net_h / window.height - 0.5, 0.0, net_h - 1.0);
        const int left = std::min(static_cast<int>(u), net_w - 2), top = std::min(static_cast<int>(v), net_h - 2);
        const auto at = [&](int row, int column) {
          return static_cast<double>(metres[static_cast<size_t>(row * net_w + column)]);
        };
        const double a = u - left, b = v - top;
        const double expected = (1 - b) * ((1 - a) * at(top, left) + a * at(top, left + 1)) +
                                b * ((1 - a) * at(top + 1, left) + a * at(top + 1, left + 1));
        REQUIRE(!(std::abs(static_cast<double>(value) - expected) > 1e-5));
      }
  }
}

TEST_CASE("metric depth follows the camera's focal length; relative depth doesn't") {
  const int w = 40, h = 24;
  const std::vector<uint8_t> rgb = noise_bytes(static_cast<size_t>(3 * w * h), 6);
  leadline_picture p = picture_of(rgb.data(), w, h);
  Engine engine;
  const std::vector<float> plain = engine.run(p);
  p.focal_x = 30; // 15 pixels at the network's width: that of the training pictures
  CHECK(engine.run(p) == plain);
  p.focal_x = 60;
  const std::vector<float> longer = engine.run(p);
  for (size_t i = 0; i < plain.size(); ++i) REQUIRE(longer[i] == 2 * plain[i]);
  Engine relative(CropMode::none, OutputKind::relative_depth);
  p.focal_x = 0;
  const std::vector<float> before = relative.run(p);
  p.focal_x = 60;
  CHECK(relative.run(p) == before);
}

TEST_CASE("a run can be stopped before any layer, and the next one is whole") {
  Engine engine;
  const std::vector<uint8_t> rgb = noise_bytes(3 * net_w * net_h, 7);
  const std::vector<float> expected = engine.rgb8(rgb, net_w, net_h);
  struct Countdown {
    int left;
    static int32_t stop(void* self) { return static_cast<Countdown*>(self)->left-- == 0; }
  };
  const int nodes = engine.model.info().nodes;
  for (int layer = 0; layer < nodes; ++layer) {
    Countdown countdown{layer};
    REQUIRE(leadline_session_set_stop(engine.session.get(), &Countdown::stop, &countdown) == LEADLINE_OK);
    std::vector<float> depth(expected.size(), -7.0f);
    REQUIRE(engine.session.run(picture_of(rgb.data(), net_w, net_h), depth_in(depth)) == LEADLINE_CANCELLED);
    REQUIRE(engine.session.run_rgb8(rgb.data(), net_w, net_h, depth.data(), depth.size()) == LEADLINE_OK); // left < 0
    countdown.left = layer;
    REQUIRE(engine.session.self_test() == LEADLINE_UNSUPPORTED); // this model has no golden sample
    REQUIRE(depth == expected);
  }
  REQUIRE(leadline_session_set_stop(engine.session.get(), nullptr, nullptr) == LEADLINE_OK);
  CHECK(engine.rgb8(rgb, net_w, net_h) == expected);
}

TEST_CASE("the caller's clock times every layer") {
  Engine engine;
  const int32_t nodes = engine.model.info().nodes;
  struct Ticks {
    int64_t now = 0;
    static int64_t read(void* self) { return ++static_cast<Ticks*>(self)->now; }
  } ticks;
  std::vector<int64_t> times(static_cast<size_t>(nodes), 100);
  const std::vector<uint8_t> rgb = noise_bytes(3 * net_w * net_h, 8);
  REQUIRE(leadline_session_set_clock(engine.session.get(), &Ticks::read, &ticks, times.data(), nodes - 1) ==
          LEADLINE_OUT_OF_MEMORY);
  REQUIRE(leadline_session_set_clock(engine.session.get(), &Ticks::read, &ticks, nullptr, nodes) ==
          LEADLINE_INVALID_ARGUMENT);
  REQUIRE(leadline_session_set_clock(engine.session.get(), &Ticks::read, &ticks, times.data(), nodes) == LEADLINE_OK);
  engine.rgb8(rgb, net_w, net_h);
  engine.rgb8(rgb, net_w, net_h);
  for (const int64_t time : times) CHECK(time == 102); // one tick in each run
  REQUIRE(leadline_session_set_clock(engine.session.get(), nullptr, nullptr, nullptr, 0) == LEADLINE_OK);
  engine.rgb8(rgb, net_w, net_h);
  CHECK(times[0] == 102);
}

TEST_CASE("NaN and infinite pixels are colours like others") {
  Engine engine;
  std::vector<float> floats(3 * net_w * net_h, 0.5f);
  floats[0] = std::numeric_limits<float>::quiet_NaN();
  floats[1] = std::numeric_limits<float>::infinity();
  floats[2] = -std::numeric_limits<float>::infinity();
  const std::vector<uint8_t> rgb = rows_of(picture_of(floats.data(), net_w, net_h, LEADLINE_RGB_F32));
  CHECK((rgb[0] == 0 && rgb[1] == 255 && rgb[2] == 0 && rgb[3] == 128));
  for (const float v : engine.run(picture_of(floats.data(), net_w, net_h, LEADLINE_RGB_F32))) REQUIRE(std::isfinite(v));
}

TEST_CASE("wrong use gets the status that says so, and writes nothing") {
  Engine engine;
  const int w = net_w, h = net_h;
  const std::vector<uint8_t> bytes = noise_bytes(static_cast<size_t>(16 * w * h), 9);
  std::vector<float> depth(static_cast<size_t>(w * h), -7.0f);
  const auto status = [&](const auto& change_picture, const auto& change_depth) {
    leadline_picture p = picture_of(bytes.data(), w, h);
    leadline_depth d = depth_in(depth);
    change_picture(p);
    change_depth(d);
    return leadline_run(engine.session.get(), &p, &d);
  };
  const auto same = [](auto&) {};
  const auto picture = [&](const auto& change) { return status(change, same); };
  const auto output = [&](const auto& change) { return status(same, change); };
  CHECK(picture([](leadline_picture& p) { p.planes[0] = nullptr; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.width = 0; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.height = -3; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.width = 5000; }) == LEADLINE_INVALID_SHAPE);
  CHECK(picture([](leadline_picture& p) { p.width = INT32_MAX; }) == LEADLINE_INVALID_SHAPE);
  CHECK(picture([](leadline_picture& p) { p.format = 9; }) == LEADLINE_UNSUPPORTED);
  CHECK(picture([](leadline_picture& p) { p.format = -1; }) == LEADLINE_UNSUPPORTED);
  CHECK(picture([](leadline_picture& p) { p.format = LEADLINE_NV12; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.rotation = 45; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.colour_matrix = 3; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.strides[0] = 59; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.strides[0] = -59; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.focal_x = -1; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.focal_x = std::numeric_limits<float>::quiet_NaN(); }) ==
        LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([&](leadline_picture& p) {
          p.format = LEADLINE_RGB_F32;
          p.planes[0] = bytes.data() + 1;
        }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(picture([](leadline_picture& p) { p.struct_size = 8; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(output([](leadline_depth& d) { d.data = nullptr; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(output([](leadline_depth& d) { d.bytes -= 1; }) == LEADLINE_OUT_OF_MEMORY);
  CHECK(output([](leadline_depth& d) { d.row_stride = 4 * net_w - 4; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(output([](leadline_depth& d) { d.row_stride = -4 * net_w; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(output([](leadline_depth& d) { d.row_stride = 4 * net_w + 4; }) == LEADLINE_OUT_OF_MEMORY);
  CHECK(output([](leadline_depth& d) { d.format = 3; }) == LEADLINE_UNSUPPORTED);
  CHECK(output([](leadline_depth& d) { d.struct_size = 0; }) == LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_run(nullptr, nullptr, nullptr) == LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_session_set_stop(nullptr, nullptr, nullptr) == LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_session_set_clock(nullptr, nullptr, nullptr, nullptr, 0) == LEADLINE_INVALID_ARGUMENT);
  for (const float v : depth) REQUIRE(v == -7.0f);

  Engine relative(CropMode::none, OutputKind::relative_depth);
  leadline_depth d = depth_in(depth);
  d.format = LEADLINE_DEPTH_MILLIMETRES_U16;
  CHECK(relative.session.run(picture_of(bytes.data(), w, h), d) == LEADLINE_UNSUPPORTED);
}
