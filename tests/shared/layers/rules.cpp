// Single rules: ties and NaN, what sizes and parameters are refused, numerics that random cases don't reach.
#include "tests/shared/layers/cases.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <limits>

using namespace leadline;
using namespace leadline::testing;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// A problem with one source of one channel.
template <class Layer>
Problem one_channel(const typename Layer::Params& params, index_t h, index_t w, const std::vector<double>& src,
                    const std::vector<double>& diff_dst) {
  Problem problem = Problem::of<Layer>(params);
  problem.src.emplace_back(Shape{1, h, w, 1});
  problem.src[0].data = src;
  problem.diff_dst = Value(problem.shapes().dst);
  problem.diff_dst.data = diff_dst;
  return problem;
}

} // namespace

TEST_CASE("max_pool2d: of equal values the first wins, NaN wins over all") {
  const RunOptions options;
  Result r = run_layer(one_channel<MaxPool2d>({}, 2, 2, {5, 5, 5, 5}, {2}), options);
  CHECK(r.diff_src[0].data == std::vector<double>{2, 0, 0, 0});
  r = run_layer(one_channel<MaxPool2d>({}, 2, 2, {1, 7, 3, 7}, {2}), options);
  CHECK(r.dst.data[0] == 7);
  CHECK(r.diff_src[0].data == std::vector<double>{0, 2, 0, 0});
  r = run_layer(one_channel<MaxPool2d>({}, 2, 2, {1, nan_value, 3, 9}, {2}), options);
  CHECK(std::isnan(r.dst.data[0]));
  CHECK(r.diff_src[0].data == std::vector<double>{0, 2, 0, 0});
  // Nothing is larger than minus infinity, not even padding.
  const double low = -std::numeric_limits<double>::infinity();
  Pool2dParams padded;
  padded.kernel_h = padded.kernel_w = 3;
  padded.padding_top = padded.padding_left = 2;
  r = run_layer(one_channel<MaxPool2d>(padded, 1, 1, {low}, {2}), options);
  CHECK(r.dst.data[0] == low);
  CHECK(r.diff_src[0].data == std::vector<double>{2});
}

TEST_CASE("global_max_pool2d: equal maxima share the gradient, NaN wins") {
  const RunOptions options;
  Result r = run_layer(one_channel<GlobalMaxPool2d>({}, 2, 3, {4, 1, 4, 4, 0, 4}, {2}), options);
  CHECK(r.dst.data[0] == 4);
  CHECK(r.diff_src[0].data == std::vector<double>{0.5, 0, 0.5, 0.5, 0, 0.5});
  r = run_layer(one_channel<GlobalMaxPool2d>({}, 1, 3, {4, nan_value, 9}, {2}), options);
  CHECK(std::isnan(r.dst.data[0]));
}

TEST_CASE("activations keep NaN and have PyTorch's values at their kinks") {
  for (int kind = 0; kind < num_activations; ++kind) {
    const ActivationParams params = make_activation(static_cast<ActivationKind>(kind));
    INFO(activation_name(params.kind));
    for (const Precision precision : {Precision::f64, Precision::f32}) {
      RunOptions options;
      options.precision = precision;
      const Result r = run_layer(one_channel<Activation>(params, 1, 2, {nan_value, 0.5}, {1, 1}), options);
      CHECK(std::isnan(r.dst.data[0]));
      CHECK(std::isfinite(r.dst.data[1]));
    }
  }
  const auto slope = [](ActivationKind kind, double x) {
    return run_layer(one_channel<Activation>(make_activation(kind), 1, 1, {x}, {1}), {}).diff_src[0].data[0];
  };
  CHECK(slope(ActivationKind::relu, 0) == 0);
  CHECK(slope(ActivationKind::relu6, 0) == 0);
  CHECK(slope(ActivationKind::relu6, 6) == 0);
  CHECK(slope(ActivationKind::leaky_relu, 0) == 0.01);
}

TEST_CASE("resize: nearest sources are exact where floating point would round") {
  const auto source = [](index_t in, index_t out, index_t i) {
    return leadline::detail::ResizeAxis{in, out, ResizeMode::nearest, false}.nearest(i);
  };
  CHECK(source(2, 82, 40) == 0);
  CHECK(source(2, 82, 41) == 1); // 0 if 2/82 were a float
  CHECK(source(2, 98, 49) == 1); // 0 if 2/98 were a double
  CHECK(source(7, 14, 13) == 6);
  CHECK(source(5, 3, 2) == 3);
}

TEST_CASE("resize: first(j) counts the pixels that read sources before j") {
  for (const ResizeMode mode : {ResizeMode::nearest, ResizeMode::bilinear})
    for (const bool align : {false, true})
      for (index_t in = 1; in <= 40; ++in)
        for (index_t out : {1, 2, 3, 5, 8, 13, 21, 34, 40, 41, 82, 94, 127}) {
          const leadline::detail::ResizeAxis axis{in, out, mode, align};
          for (index_t j = -1; j <= in + 1; ++j) {
            index_t expected = 0;
            while (expected < out && axis.taps<double>(expected).i0 < j) ++expected;
            if (axis.first(j) == expected) continue;
            INFO("in " << in << ", out " << out << ", j " << j << ", align " << align);
            REQUIRE(axis.first(j) == expected);
          }
        }
}

TEST_CASE("decimal: the number that was written") {
  CHECK(decimal(0.1f) == 0.1);
  CHECK(decimal(1e-5f) == 1e-5);
  CHECK(decimal(-0.01f) == -0.01);
  CHECK(decimal(9.999999f) == 9.999999);
  CHECK(decimal(0.0f) == 0.0);
  CHECK(decimal(1e-30f) == static_cast<double>(1e-30f));
  CHECK(decimal(0.333333343f) == static_cast<double>(0.333333343f)); // 1/3: not a short decimal
  CHECK(std::isinf(decimal(std::numeric_limits<float>::infinity())));
  CHECK(std::isnan(decimal(std::numeric_limits<float>::quiet_NaN())));
  Draw draw(3);
  for (int i = 0; i < 10000; ++i) {
    const float value = static_cast<float>(draw.uniform(-10, 10) * std::pow(10.0, draw.between(-12, 7)));
    REQUIRE(static_cast<float>(decimal(value)) == value);
  }
}

TEST_CASE("batch_norm2d: statistics survive a mean far above the deviations") {
  Draw draw(11);
  for (const double offset : {0.0, 1e3, 1e6}) {
    Problem problem = Problem::of<BatchNorm2d>({});
    problem.src.push_back(random_value({2, 30, 20, 5}, &draw));
    Value& src = problem.src[0];
    for (double& v : src.data) v = static_cast<double>(static_cast<float>(std::round(v * 64) + offset));
    for (size_t i = 0; i < 4; ++i) problem.weights[i] = Value({1, 1, 1, 5});
    for (size_t c = 0; c < 5; ++c) problem.weights[0].data[c] = problem.weights[3].data[c] = 1;
    for (const Precision precision : {Precision::f64, Precision::f32}) {
      RunOptions options;
      options.precision = precision;
      const Result result = run_layer(problem, options);
      for (size_t c = 0; c < 5; ++c) {
        long double sum = 0, squares = 0;
        for (size_t i = c; i < src.data.size(); i += 5) sum += src.data[i];
        const long double mean = sum / 1200;
        for (size_t i = c; i < src.data.size(); i += 5) squares += (src.data[i] - mean) * (src.data[i] - mean);
        const double running_mean = static_cast<double>(0.1L * mean);
        const double running_var = static_cast<double>(0.9L + 0.1L * squares / 1199);
        const double tolerance = precision == Precision::f64 ? 1e-13 : 2e-7;
        INFO("offset " << offset << ", " << to_string(precision));
        CHECK(std::abs(result.running_mean.data[c] - running_mean) <= tolerance * (1 + std::abs(running_mean)));
        CHECK(std::abs(result.running_var.data[c] - running_var) <= tolerance * running_var);
      }
    }
  }
}

TEST_CASE("batch_norm2d: one pixel and an empty batch have finite results") {
  Draw draw(12);
  for (const index_t n : {0, 1}) {
    Problem problem = Problem::of<BatchNorm2d>({});
    problem.src.push_back(random_value({n, 1, 1, 3}, &draw));
    for (size_t i = 0; i < 4; ++i) problem.weights[i] = random_value({1, 1, 1, 3}, &draw);
    problem.diff_dst = random_value({n, 1, 1, 3}, &draw);
    const Result result = run_layer(problem, {});
    for (const Value& v :
         {result.dst, result.diff_src[0], result.diff_weights[0], result.running_mean, result.running_var})
      for (const double x : v.data) CHECK(std::isfinite(x));
  }
}

TEST_CASE("concat: a source or gradient that already is its slice isn't touched") {
  std::vector<float> whole(2 * 3 * 5);
  for (size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<float>(i);
  const std::vector<float> before = whole;
  const Tensor<float> dst(whole.data(), {1, 2, 3, 5});
  ForwardArgs<float> forward;
  forward.num_src = 2;
  forward.src[0] = Tensor<const float>(dst.channels(0, 2));
  forward.src[1] = Tensor<const float>(dst.channels(2, 3));
  forward.dst = dst;
  Concat::forward(HostExec(), {}, forward);
  CHECK(whole == before);
  BackwardArgs<float> backward;
  backward.num_src = 2;
  backward.src[0].shape = {1, 2, 3, 2};
  backward.diff_src[1] = dst.channels(2, 3);
  backward.diff_dst = dst;
  Concat::backward(HostExec(), {}, backward);
  CHECK(whole == before);
}

namespace {

template <class Layer> Status infer(const typename Layer::Params& params, const std::vector<Shape>& src) {
  Shape shapes[max_inputs], dst;
  for (size_t i = 0; i < src.size(); ++i) shapes[i] = src[i];
  return Layer::infer(params, shapes, static_cast<int>(src.size()), &dst);
}

} // namespace

TEST_CASE("infer refuses what forward can't do") {
  const Shape usual{1, 8, 8, 4};
  CHECK(infer<MaxPool2d>({0, 2, 2, 2, 0, 0, 0, 0, 1}, {usual}) == Status::invalid_argument);
  CHECK(infer<MaxPool2d>({2, 2, 0, 2, 0, 0, 0, 0, 1}, {usual}) == Status::invalid_argument);
  CHECK(infer<MaxPool2d>({2, 2, 2, 2, 2, 0, 0, 0, 1}, {usual}) == Status::invalid_argument); // padding >= kernel
  CHECK(infer<MaxPool2d>({2, 2, 2, 2, 0, 0, 0, -1, 1}, {usual}) == Status::invalid_argument);
  CHECK(infer<MaxPool2d>({9, 2, 2, 2, 0, 0, 0, 0, 1}, {usual}) == Status::invalid_shape);
  CHECK(infer<AvgPool2d>({2, 2, 2, 2, 0, 0, 0, 0, 2}, {usual}) == Status::invalid_argument);
  CHECK(infer<AvgPool2d>({}, {{1, 0, 8, 4}}) == Status::invalid_shape);
  CHECK(infer<GlobalAvgPool2d>({1}, {usual}) == Status::invalid_argument);
  CHECK(infer<Resize>({static_cast<ResizeMode>(7), 0, 0, 2, 2, 0}, {usual}) == Status::invalid_argument);
  CHECK(infer<Resize>({ResizeMode::nearest, 4, 4, 2, 2, 1}, {usual}) == Status::invalid_argument);
  CHECK(infer<Resize>({ResizeMode::bilinear, -4, 4, 2, 2, 1}, {usual}) == Status::invalid_argument);
  CHECK(infer<Resize>({ResizeMode::bilinear, 0, 4, 0, 2, 0}, {usual}) == Status::invalid_argument);
  CHECK(infer<Resize>({ResizeMode::bilinear, 0, 4, INT32_MAX, 2, 0}, {usual}) == Status::invalid_shape);
  CHECK(infer<BatchNorm2d>({0.0f, 0.1f}, {usual}) == Status::invalid_argument);
  CHECK(infer<BatchNorm2d>({1e-5f, 1.5f}, {usual}) == Status::invalid_argument);
  CHECK(infer<BatchNorm2d>({1e-5f, std::numeric_limits<float>::quiet_NaN()}, {usual}) == Status::invalid_argument);
  CHECK(infer<GroupNorm>({3, 1e-5f}, {usual}) == Status::invalid_shape);
  CHECK(infer<GroupNorm>({0, 1e-5f}, {usual}) == Status::invalid_argument);
  CHECK(infer<LayerNorm>({-1.0f}, {usual}) == Status::invalid_argument);
  CHECK(infer<Concat>({}, {}) == Status::invalid_argument);
  CHECK(infer<Concat>({}, {usual, {1, 8, 7, 4}}) == Status::invalid_shape);
  CHECK(infer<Add>({}, {usual}) == Status::invalid_argument);
  CHECK(infer<Add>({}, {usual, {1, 8, 8, 3}}) == Status::invalid_shape);
  CHECK(infer<Mul>({}, {usual, {1, 8, 1, 4}}) == Status::invalid_shape);
  CHECK(infer<Pad>({-1, 0, 0, 0, 0.0f}, {usual}) == Status::invalid_argument);
  CHECK(infer<Pad>({INT32_MAX, INT32_MAX, 0, 0, 0.0f}, {usual}) == Status::invalid_shape);
  CHECK(infer<Pad>({1, 0, 0, 0, std::numeric_limits<float>::infinity()}, {usual}) == Status::invalid_argument);
  CHECK(infer<Softmax>({}, {{1, 8, 8, 0}}) == Status::invalid_shape);
  CHECK(infer<Affine>({std::numeric_limits<float>::quiet_NaN(), 0.0f}, {usual}) == Status::invalid_argument);
  CHECK(infer<Dropout>({1.0f}, {usual}) == Status::invalid_argument);
  CHECK(infer<Dropout>({-0.1f}, {usual}) == Status::invalid_argument);
  CHECK(infer<Dropout>({std::numeric_limits<float>::quiet_NaN()}, {usual}) == Status::invalid_argument);
  CHECK(infer<Softmax>({}, {{max_extent, max_extent, max_extent, 4}}) == Status::overflow);
}

namespace {

/// Words that break things: borders, signs, floats that aren't numbers.
constexpr uint32_t hostile_words[] = {0,           1,           2,           3,           5,
                                      0xFFFFFFFFu, 0x7FFFFFFFu, 0x80000000u, 0x01000000u, 0x01000001u,
                                      0x00010000u, 0x7FC00000u, 0x7F800000u, 0xFF800000u, 0x3F800000u,
                                      0x3727C5ACu, 0x3DCCCCCDu, 0x00000001u, 0x0000FFFFu};
constexpr index_t hostile_extents[] = {
    INT64_MIN,     -1,       0, 1, 2, 3, 7, 64, 65536, max_extent, max_extent + 1, index_t{1} << 32, index_t{1} << 40,
    INT64_MAX / 2, INT64_MAX};

template <class T, size_t size> T pick(const T (&values)[size], Draw* draw) {
  return values[draw->below(static_cast<int>(size))];
}

/// Whatever infer says yes to must be computable: shapes and bytes without overflow.
template <class Layer> void check_accepted(const typename Layer::Params& params, const LayerShapes& given) {
  LayerShapes shapes = given;
  index_t count = 0;
  REQUIRE(checked_count(shapes.dst, &count) == Status::ok);
  for (int i = 0; i < shapes.num_src; ++i) REQUIRE(checked_count(shapes.src[i], &count) == Status::ok);
  Layer::weight_shapes(params, shapes.src, shapes.weights);
  for (const Shape& shape : shapes.weights) REQUIRE(checked_count(shape, &count) == Status::ok);
  for (const size_t element : {sizeof(float), sizeof(double)}) {
    REQUIRE(Layer::saved_bytes(shapes, params, element) < SIZE_MAX / 4);
    for (const Pass pass : {Pass::inference, Pass::training_forward, Pass::backward})
      for (const Algorithm algorithm : algorithms(layer_kind<Layer>))
        if (pass != Pass::backward || sizeof(size_t) == sizeof(index_t)) // nothing trains where addresses are narrow
          REQUIRE(Layer::workspace_bytes(shapes, params, pass, algorithm, element) < SIZE_MAX / 4);
  }
}

} // namespace

TEST_CASE("infer takes any bits and any shapes") {
  Draw draw(99);
#define LEADLINE_FUZZ(Layer, number)                                                                                   \
  for (int round = 0; round < 20000; ++round) {                                                                        \
    uint32_t words[(sizeof(Layer::Params) + 3) / 4];                                                                   \
    const int kind = draw.below(3); /* random bits, hostile words, small numbers */                                    \
    for (uint32_t & word : words)                                                                                      \
      word = kind == 0   ? static_cast<uint32_t>(draw.uniform(0, 4294967296.0))                                        \
             : kind == 1 ? pick(hostile_words, &draw)                                                                  \
                         : static_cast<uint32_t>(draw.below(4));                                                       \
    Layer::Params params;                                                                                              \
    memcpy(&params, words, sizeof params);                                                                             \
    LayerShapes shapes;                                                                                                \
    const bool hostile_shape = draw.below(2) == 0;                                                                     \
    for (Shape & s : shapes.src)                                                                                       \
      s = hostile_shape ? Shape{pick(hostile_extents, &draw), pick(hostile_extents, &draw),                            \
                                pick(hostile_extents, &draw), pick(hostile_extents, &draw)}                            \
                        : Shape{draw.below(3), draw.below(9), draw.below(9), draw.below(9)};                           \
    if (draw.below(2))                                                                                                 \
      for (Shape & s : shapes.src) s = shapes.src[0];                                                                  \
    shapes.num_src = draw.between(Layer::min_inputs, Layer::max_inputs);                                               \
    INFO(Layer::name << " of " << to_string(shapes.src[0]) << ", round " << round);                                    \
    if (Layer::infer(params, shapes.src, shapes.num_src, &shapes.dst) == Status::ok)                                   \
      check_accepted<Layer>(params, shapes);                                                                           \
  }
  LEADLINE_FOR_EACH_LAYER(LEADLINE_FUZZ)
#undef LEADLINE_FUZZ
}

TEST_CASE("what infer accepts runs within its memory") {
  Draw draw(100);
  int runs[64] = {};
  const auto fuzz = [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    for (int round = 0; round < 3000 && runs[static_cast<int>(layer_kind<Layer>)] < 60; ++round) {
      // A known good start, some of whose words are replaced by other small numbers.
      std::vector<const Problem*> starts;
      for (const Case& c : all_cases())
        if (c.problem.kind == layer_kind<Layer>) starts.push_back(&c.problem);
      Problem problem = *starts[static_cast<size_t>(draw.below(static_cast<int>(starts.size())))];
      for (size_t word = 0; word * 4 < sizeof(typename Layer::Params); ++word)
        if (draw.below(2)) {
          const int32_t value = draw.below(7);
          memcpy(problem.params.data() + 4 * word, &value, 4);
        }
      const Shape shape{draw.below(3), draw.between(1, 6), draw.between(1, 6), draw.between(1, 6)};
      for (Value& src : problem.src) src = random_value(shape, &draw);
      const LayerShapes shapes = problem.shapes();
      if (shapes.dst == Shape{} || shapes.dst.count() > 10000) continue;
      for (size_t i = 0; i < max_weights; ++i)
        problem.weights[i] = shapes.weights[i].count() ? random_value(shapes.weights[i], &draw) : Value();
      problem.diff_dst = random_value(shapes.dst, &draw);
      for (const Algorithm algorithm : algorithms(problem.kind)) {
        RunOptions options;
        options.algorithm = algorithm;
        options.precision = Precision::f32;
        options.sliced = draw.below(2) == 1;
        options.accumulate = draw.below(2) == 1;
        REQUIRE(run_layer(problem, options).status == Status::ok);
      }
      ++runs[static_cast<int>(layer_kind<Layer>)];
    }
    INFO(Layer::name);
    CHECK(runs[static_cast<int>(layer_kind<Layer>)] >= 5);
  };
#define LEADLINE_FUZZ(Layer, number) fuzz(LayerTag<Layer>{});
  LEADLINE_FOR_EACH_LAYER(LEADLINE_FUZZ)
#undef LEADLINE_FUZZ
}
