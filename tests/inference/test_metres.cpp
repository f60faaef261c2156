// Metres from known distances, and steady depth from video.
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace leadline;
using namespace leadline::test;

namespace {

leadline_calibration calibration() {
  leadline_calibration c{};
  c.struct_size = sizeof c;
  return c;
}

/// Readings of places from 1 to 6, whose truth is scale * predicted + shift with some noise; every `wrong`-th is far
/// off.
std::vector<leadline_reading> readings(int count, double scale, double shift, double noise, int wrong) {
  std::vector<leadline_reading> all;
  const Philox random(11);
  for (int i = 0; i < count; ++i) {
    const auto k = static_cast<uint64_t>(i);
    const double predicted = 1 + 5 * random.uniform_double(3 * k);
    double metres = scale * predicted + shift;
    metres *= 1 + noise * (2 * random.uniform_double(3 * k + 1) - 1);
    if (wrong > 0 && i % wrong == 0) metres = 0.2 + 15 * random.uniform_double(3 * k + 2);
    all.push_back({static_cast<float>(predicted), static_cast<float>(metres)});
  }
  return all;
}

} // namespace

TEST_CASE("one point gives a scale, two give scale and shift") {
  leadline_calibration c = calibration();
  const leadline_reading two[] = {{2, 3}, {4, 7}};
  REQUIRE(leadline_calibrate_scale(two, 1, 0, &c) == LEADLINE_OK);
  CHECK((c.scale == 1.5f && c.shift == 0 && c.used == 1));
  REQUIRE(leadline_calibrate_scale(two, 2, 1, &c) == LEADLINE_OK);
  CHECK((std::abs(c.scale - 2) < 1e-6f && std::abs(c.shift + 1) < 1e-6f && c.used == 2 && c.rms_metres < 1e-6f));
}

TEST_CASE("many noisy readings with outliers still give the truth") {
  for (const int wrong : {0, 5, 3})
    for (const int count : {12, 100, 1000})
      for (const int with_shift : {0, 1}) {
        INFO(count << " readings, every " << wrong << "th wrong, shift " << with_shift);
        const double shift = with_shift ? 0.4 : 0;
        const auto all = readings(count, 1.3, shift, 0.02, wrong);
        leadline_calibration c = calibration();
        REQUIRE(leadline_calibrate_scale(all.data(), count, with_shift, &c) == LEADLINE_OK);
        for (const double predicted : {1.0, 3.0, 6.0}) {
          const double wanted = 1.3 * predicted + shift;
          const double got = static_cast<double>(c.scale) * predicted + static_cast<double>(c.shift);
          CHECK(!(std::abs(got - wanted) > (with_shift ? 0.05 : 0.02) * wanted));
        }
        CHECK(c.used + c.outliers == std::min(count, 128));
        CHECK(c.used >= c.outliers);
      }
}

TEST_CASE("readings that can't be used are left out, contradictions are said") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const leadline_reading bad[] = {{nan, 1}, {1, nan}, {0, 2}, {2, -1}, {3, std::numeric_limits<float>::infinity()},
                                  {2, 4}};
  leadline_calibration c = calibration();
  REQUIRE(leadline_calibrate_scale(bad, 6, 0, &c) == LEADLINE_OK);
  CHECK((c.scale == 2 && c.used == 1));
  CHECK(leadline_calibrate_scale(bad, 5, 0, &c) == LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_calibrate_scale(bad, 6, 1, &c) == LEADLINE_INVALID_ARGUMENT);
  const leadline_reading inverse[] = {{1, 5}, {2, 4}, {3, 3}};
  CHECK(leadline_calibrate_scale(inverse, 3, 1, &c) == LEADLINE_UNSUPPORTED);
  const leadline_reading same[] = {{2, 5}, {2, 5}};
  CHECK(leadline_calibrate_scale(same, 2, 1, &c) == LEADLINE_UNSUPPORTED);
  CHECK(leadline_calibrate_scale(nullptr, 2, 1, &c) == LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_calibrate_scale(same, 0, 0, &c) == LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_calibrate_scale(same, 2, 0, nullptr) == LEADLINE_INVALID_ARGUMENT);
  leadline_calibration old{};
  CHECK(leadline_calibrate_scale(same, 2, 0, &old) == LEADLINE_INVALID_ARGUMENT);
}

TEST_CASE("a calibrated session answers in metres, relative models too") {
  const Graph graph = tiny_unet(8, 8);
  for (const OutputKind kind : {OutputKind::metric_depth, OutputKind::relative_depth}) {
    ModelSpec spec = make_spec(graph);
    spec.output = kind;
    if (kind == OutputKind::relative_depth) spec.max_depth = 0;
    const AlignedBytes file(encode_model(spec));
    ErrorText error;
    Model model;
    Session session;
    REQUIRE(model.open_memory(const_cast<AlignedBytes&>(file).data(), file.size(), error) == LEADLINE_OK);
    REQUIRE(session.create(model, error) == LEADLINE_OK);
    const std::vector<uint8_t> rgb(8 * 8 * 3, 90);
    leadline_picture picture{};
    picture.struct_size = sizeof picture;
    picture.width = picture.height = 8;
    picture.planes[0] = rgb.data();
    std::vector<float> plain(64), metres(64);
    std::vector<uint16_t> millimetres(64);
    leadline_depth depth{};
    depth.struct_size = sizeof depth;
    depth.data = plain.data();
    depth.bytes = 256;
    REQUIRE(session.run(picture, depth) == LEADLINE_OK);
    leadline_calibration c = calibration();
    c.scale = 2;
    c.shift = 0.25f;
    REQUIRE(leadline_session_set_calibration(session.get(), &c) == LEADLINE_OK);
    depth.data = metres.data();
    REQUIRE(session.run(picture, depth) == LEADLINE_OK);
    for (size_t i = 0; i < 64; ++i) REQUIRE(metres[i] == 2 * plain[i] + 0.25f);
    depth.data = millimetres.data();
    depth.bytes = 128;
    depth.format = LEADLINE_DEPTH_MILLIMETRES_U16;
    REQUIRE(session.run(picture, depth) == LEADLINE_OK);
    c.scale = -1;
    CHECK(leadline_session_set_calibration(session.get(), &c) == LEADLINE_INVALID_ARGUMENT);
    c.scale = std::numeric_limits<float>::quiet_NaN();
    CHECK(leadline_session_set_calibration(session.get(), &c) == LEADLINE_INVALID_ARGUMENT);
    REQUIRE(leadline_session_set_calibration(session.get(), nullptr) == LEADLINE_OK);
    CHECK(session.run(picture, depth) == (kind == OutputKind::metric_depth ? LEADLINE_OK : LEADLINE_UNSUPPORTED));
  }
}

namespace {

constexpr int H = 48, W = 64;

/// Depth of a room 5 m wide and 8 m long with a box in it, from a camera at (x, z) that looks along +z, turned by
/// `yaw`.
std::vector<float> room(double x, double z, double yaw, double box) {
  std::vector<float> depth;
  const double c = std::cos(yaw), s = std::sin(yaw);
  for (int row = 0; row < H; ++row)
    for (int column = 0; column < W; ++column) {
      const double u = (column - W / 2 + 0.5) / 60, v = (row - H / 2 + 0.5) / 60;
      const double dx = u * c + s, dy = v, dz = -u * s + c;
      double nearest = 1e9;
      const auto hit = [&](double distance, double along) {
        if (std::abs(along) > 1e-9 && distance / along > 1e-3) nearest = std::min(nearest, distance / along);
      };
      hit(1.2, dy), hit(-1.3, dy), hit(8 - z, dz), hit(2.5 - x, dx), hit(-2.5 - x, dx);
      const double t = (3.4 - z) / dz, at = x + t * dx;
      if (t > 0 && at > box && at < box + 0.8 && t * dy > -0.3) nearest = std::min(nearest, t);
      depth.push_back(static_cast<float>(nearest));
    }
  return depth;
}

double normal(const Philox& random, uint64_t i) {
  return std::sqrt(-2 * std::log(1 - random.uniform_double(2 * i))) *
         std::cos(6.283185307179586 * random.uniform_double(2 * i + 1));
}

/// What a network makes of a frame: another scale and shift every time, and smooth noise.
std::vector<float> answer(const std::vector<float>& truth, uint64_t frame, double scale_noise, double shift_noise) {
  const Philox random(21, frame);
  std::vector<float> depth(truth.size());
  const double scale = std::exp(scale_noise * normal(random, 0)), shift = shift_noise * normal(random, 1);
  double waves[4][3];
  for (uint64_t k = 0; k < 4; ++k)
    for (uint64_t j = 0; j < 3; ++j) waves[k][j] = 6.28 * random.uniform_double(100 + 3 * k + j);
  for (int y = 0; y < H; ++y)
    for (int x = 0; x < W; ++x) {
      double noise = 0;
      for (const auto& wave : waves) noise += 0.01 * std::sin(wave[0] * y / 8 + wave[1] * x / 8 + wave[2]);
      const size_t i = static_cast<size_t>(y * W + x);
      depth[i] = static_cast<float>(static_cast<double>(truth[i]) * scale * (1 + noise) + shift);
    }
  return depth;
}

struct Stabiliser {
  Stabiliser() : memory(std::vector<unsigned char>(leadline_stabiliser_bytes(W, H), 0xFF)) {
    REQUIRE(leadline_stabiliser_create(W, H, memory.data(), memory.size(), &handle) == LEADLINE_OK);
  }
  std::vector<float> run(const std::vector<float>& depth) {
    std::vector<float> steady(depth.size());
    REQUIRE(leadline_stabiliser_run(handle, depth.data(), steady.data(), &changed) == LEADLINE_OK);
    return steady;
  }
  AlignedBytes memory;
  leadline_stabiliser* handle = nullptr;
  int32_t changed = 0;
};

double abs_rel(const std::vector<float>& p, const std::vector<float>& t) {
  double sum = 0;
  for (size_t i = 0; i < t.size(); ++i) sum += std::abs(static_cast<double>(p[i] - t[i])) / static_cast<double>(t[i]);
  return sum / static_cast<double>(t.size());
}

/// Mean change of log depth between frames that the truth doesn't explain.
double flicker(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& ta,
               const std::vector<float>& tb) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += std::abs(std::log(static_cast<double>(b[i] / a[i])) - std::log(static_cast<double>(tb[i] / ta[i])));
  return sum / static_cast<double>(a.size());
}

} // namespace

TEST_CASE("a moving camera: a third of the flicker or less, and no worse depth") {
  for (const double speed : {0.0, 0.005, 0.01}) { // metres a frame; 0.01 is 0.3 m/s at 30 frames/s
    INFO(speed << " m a frame");
    Stabiliser stabiliser;
    double raw_flicker = 0, steady_flicker = 0, raw_error = 0, steady_error = 0;
    std::vector<float> before_raw, before_steady, before_truth;
    for (int t = 0; t < 120; ++t) {
      const std::vector<float> truth =
          room(0.3 * std::sin(2 * speed * t), speed * t, 0.15 * std::sin(0.02 * t), 0.01 * t - 1);
      const std::vector<float> raw = answer(truth, static_cast<uint64_t>(t), 0.04, 0.03);
      const std::vector<float> steady = stabiliser.run(raw);
      CHECK(stabiliser.changed == 0);
      if (t > 0) {
        raw_flicker += flicker(before_raw, raw, before_truth, truth);
        steady_flicker += flicker(before_steady, steady, before_truth, truth);
      }
      raw_error += abs_rel(raw, truth);
      steady_error += abs_rel(steady, truth);
      before_raw = raw;
      before_steady = steady;
      before_truth = truth;
    }
    INFO("flicker " << raw_flicker << " -> " << steady_flicker << ", abs_rel sums " << raw_error << " -> "
                    << steady_error);
    CHECK(steady_flicker < raw_flicker / 3);
    CHECK(steady_error < 1.02 * raw_error);
  }
}

TEST_CASE("a moving edge has its new depth within three frames") {
  Stabiliser stabiliser;
  for (int t = 0; t < 20; ++t) stabiliser.run(answer(room(0, 0, 0, -0.4), static_cast<uint64_t>(t), 0.02, 0));
  const std::vector<float> old_truth = room(0, 0, 0, -0.4), truth = room(0, 0, 0, 0.2); // the box jumps aside
  std::vector<float> steady;
  for (int t = 20; t < 23; ++t) steady = stabiliser.run(answer(truth, static_cast<uint64_t>(t), 0.02, 0));
  size_t moved = 0;
  for (size_t i = 0; i < truth.size(); ++i)
    if (std::abs(truth[i] - old_truth[i]) > 1) {
      ++moved;
      CHECK(!(std::abs(steady[i] - truth[i]) > 0.12f * truth[i]));
    }
  CHECK(moved > 100);
}

TEST_CASE("a change of scene lets go of the past at once") {
  Stabiliser stabiliser;
  for (int t = 0; t < 10; ++t) stabiliser.run(room(0, 0, 0, -0.4));
  std::vector<float> other(static_cast<size_t>(H * W));
  for (int y = 0; y < H; ++y)
    for (int x = 0; x < W; ++x) other[static_cast<size_t>(y * W + x)] = 1 + 3 * static_cast<float>((x / 8 + y / 8) % 2);
  CHECK(stabiliser.run(other) == other);
  CHECK(stabiliser.changed == 1);
  stabiliser.run(other);
  CHECK(stabiliser.changed == 0);
  leadline_stabiliser_reset(stabiliser.handle);
  const std::vector<float> back = room(0, 0, 0, -0.4);
  CHECK(stabiliser.run(back) == back);
  CHECK(stabiliser.changed == 0); // the first frame follows from nothing
}

TEST_CASE("metres don't drift over a thousand frames") {
  Stabiliser stabiliser;
  const std::vector<float> truth = room(0, 0, 0, -0.4);
  double late = 0;
  for (int t = 0; t < 1000; ++t) {
    const std::vector<float> steady = stabiliser.run(answer(truth, static_cast<uint64_t>(t), 0.05, 0.02));
    if (t < 500) continue;
    double ratio = 0;
    for (size_t i = 0; i < truth.size(); ++i) ratio += std::log(static_cast<double>(steady[i] / truth[i]));
    late += ratio / static_cast<double>(truth.size()) / 500;
  }
  CHECK(!(std::abs(late) > 0.01));
}

TEST_CASE("holes, frames without depth, in place, wrong use") {
  Stabiliser stabiliser;
  std::vector<float> depth = room(0, 0, 0, -0.4);
  stabiliser.run(depth);
  depth[5] = 0;
  depth[6] = std::numeric_limits<float>::quiet_NaN();
  depth[7] = -1;
  depth[8] = std::numeric_limits<float>::infinity();
  std::vector<float> steady = stabiliser.run(depth);
  for (size_t i = 5; i < 9; ++i) CHECK(steady[i] == 0);
  for (size_t i = 9; i < steady.size(); ++i) REQUIRE((std::isfinite(steady[i]) && steady[i] > 0));
  steady = stabiliser.run(std::vector<float>(depth.size(), 0.0f));
  CHECK(std::all_of(steady.begin(), steady.end(), [](float v) { return v == 0; }));
  std::vector<float> place = room(0, 0, 0, -0.4);
  const std::vector<float> expected = place;
  REQUIRE(leadline_stabiliser_run(stabiliser.handle, place.data(), place.data(), nullptr) == LEADLINE_OK);
  CHECK(place == expected);
  CHECK(leadline_stabiliser_run(nullptr, place.data(), place.data(), nullptr) == LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_stabiliser_run(stabiliser.handle, nullptr, place.data(), nullptr) == LEADLINE_INVALID_ARGUMENT);
  leadline_stabiliser* other = nullptr;
  CHECK(leadline_stabiliser_bytes(0, 4) == 0);
  CHECK(leadline_stabiliser_create(W, H, stabiliser.memory.data(), stabiliser.memory.size() - 1, &other) ==
        LEADLINE_OUT_OF_MEMORY);
  CHECK(leadline_stabiliser_create(W, H, stabiliser.memory.data() + 4, stabiliser.memory.size(), &other) ==
        LEADLINE_INVALID_ARGUMENT);
  CHECK(leadline_stabiliser_create(-1, H, stabiliser.memory.data(), stabiliser.memory.size(), &other) ==
        LEADLINE_INVALID_SHAPE);
  leadline_stabiliser_reset(nullptr);
}
