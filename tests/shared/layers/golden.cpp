// Every case of torch_layers.h5: what PyTorch computes, forward and all gradients, on every exec, in both precisions,
// with every algorithm, overwriting and accumulating. Nothing about the cases is known here but the operations and
// their options; an unknown one fails.
#include "tests/shared/layers/layer_runner.hpp"
#include "tests/support/golden_file.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <stdexcept>

using namespace leadline;
using namespace leadline::testing;

namespace {

[[noreturn]] void fail(const GoldenGroup& group, const std::string& what) {
  throw std::runtime_error(group.path + ": " + what);
}

/// How an array's axes become N, H, W, C.
enum class Axes {
  channels_second, ///< [N,C], [N,C,H,W]
  channels_last,   ///< [...,C]: all leading axes are pixels
  vector,          ///< [C]
  conv,            ///< OIHW as [O,KH,KW,I]; also the transposed convolution's IOHW as [I,KH,KW,O]
  matrix,          ///< [out,in] as [out,1,1,in]
};

Value convert(const GoldenGroup& group, const std::string& name, Axes axes) {
  const GoldenArray& array = group.array(name);
  const std::vector<int64_t>& d = array.dims;
  const bool as_pixels = axes == Axes::channels_last && !d.empty() && d.size() <= 4;
  if (as_pixels || (axes == Axes::vector && d.size() == 1) || (axes == Axes::matrix && d.size() == 2)) {
    Shape shape{1, 1, 1, d.back()};
    if (d.size() > 1) shape.n = d[0];
    if (d.size() > 2) shape.w = d[d.size() - 2];
    if (d.size() > 3) shape.h = d[1];
    Value value(shape);
    value.data = array.values;
    return value;
  }
  if (axes == Axes::vector || axes == Axes::matrix || axes == Axes::channels_last || (d.size() != 4 && d.size() != 2) ||
      (axes == Axes::conv && d.size() != 4))
    fail(group, name + " has " + std::to_string(d.size()) + " axes, which the test doesn't know here");
  const Shape shape = d.size() == 2 ? Shape{d[0], 1, 1, d[1]} : Shape{d[0], d[2], d[3], d[1]};
  Value value(shape);
  for (index_t n = 0; n < shape.n; ++n)
    for (index_t c = 0; c < shape.c; ++c)
      for (index_t h = 0; h < shape.h; ++h)
        for (index_t w = 0; w < shape.w; ++w)
          value.data[static_cast<size_t>(((n * shape.h + h) * shape.w + w) * shape.c + c)] =
              array.values[static_cast<size_t>(((n * shape.c + c) * shape.h + h) * shape.w + w)];
  return value;
}

/// PyTorch's int-or-pair options: {height, width}.
std::array<int32_t, 2> pair(const GoldenGroup& group, const std::string& name) {
  const std::vector<double> v = group.numbers(name);
  if (v.empty() || v.size() > 2) fail(group, name + " is neither a number nor a pair");
  for (const double x : v)
    if (x != std::floor(x)) fail(group, name + " isn't whole");
  return {static_cast<int32_t>(v.front()), static_cast<int32_t>(v.back())};
}

struct GoldenProblem {
  Problem problem;
  Axes activations = Axes::channels_second, weight = Axes::vector;
};

/// The axis `dim` must be the channels'.
void require_channel_dim(const GoldenGroup& group) {
  const int rank = static_cast<int>(group.array("dst").dims.size());
  const int dim = group.integer("dim");
  if ((dim < 0 ? dim + rank : dim) != 1) fail(group, "dim is not the channels' axis");
}

template <class Pool> Problem pool2d(const GoldenGroup& group) {
  Pool2dParams p;
  const auto kernel = pair(group, "kernel_size");
  const auto stride = group.has("stride") ? pair(group, "stride") : kernel;
  const auto padding = group.has("padding") ? pair(group, "padding") : std::array<int32_t, 2>{0, 0};
  p.kernel_h = kernel[0], p.kernel_w = kernel[1];
  p.stride_h = stride[0], p.stride_w = stride[1];
  p.padding_top = p.padding_bottom = padding[0];
  p.padding_left = p.padding_right = padding[1];
  if (group.has("count_include_pad")) p.count_include_pad = group.boolean("count_include_pad");
  return Problem::of<Pool>(p);
}

GoldenProblem read_problem(const GoldenGroup& group) {
  const std::string op = group.text("op");
  GoldenProblem g;
  if (op == "conv2d") {
    Conv2d::Params p;
    const auto stride = pair(group, "stride"), dilation = pair(group, "dilation");
    p.stride_h = stride[0], p.stride_w = stride[1];
    p.dilation_h = dilation[0], p.dilation_w = dilation[1];
    p.groups = group.integer("groups");
    if (group.has("padding")) {
      const auto padding = pair(group, "padding");
      p.padding_top = p.padding_bottom = padding[0];
      p.padding_left = p.padding_right = padding[1];
    } else {
      p.padding_top = group.integer("padding_top"), p.padding_bottom = group.integer("padding_bottom");
      p.padding_left = group.integer("padding_left"), p.padding_right = group.integer("padding_right");
    }
    const std::vector<int64_t>& d = group.array("weight").dims;
    p.out_channels = static_cast<int32_t>(d.at(0));
    p.kernel_h = static_cast<int32_t>(d.at(2)), p.kernel_w = static_cast<int32_t>(d.at(3));
    g.problem = Problem::of<Conv2d>(p);
    g.weight = Axes::conv;
  } else if (op == "conv_transpose2d") {
    ConvTranspose2d::Params p;
    const auto stride = pair(group, "stride"), dilation = pair(group, "dilation"), padding = pair(group, "padding"),
               output_padding = pair(group, "output_padding");
    p.stride_h = stride[0], p.stride_w = stride[1];
    p.dilation_h = dilation[0], p.dilation_w = dilation[1];
    p.padding_h = padding[0], p.padding_w = padding[1];
    p.output_padding_h = output_padding[0], p.output_padding_w = output_padding[1];
    p.groups = group.integer("groups");
    const std::vector<int64_t>& d = group.array("weight").dims;
    p.out_channels = static_cast<int32_t>(d.at(1)) * p.groups;
    p.kernel_h = static_cast<int32_t>(d.at(2)), p.kernel_w = static_cast<int32_t>(d.at(3));
    g.problem = Problem::of<ConvTranspose2d>(p);
    g.weight = Axes::conv;
  } else if (op == "linear") {
    Linear::Params p;
    p.out_features = static_cast<int32_t>(group.array("weight").dims.at(0));
    g.problem = Problem::of<Linear>(p);
    g.activations = Axes::channels_last;
    g.weight = Axes::matrix;
  } else if (op == "max_pool2d") {
    g.problem = pool2d<MaxPool2d>(group);
  } else if (op == "avg_pool2d") {
    g.problem = pool2d<AvgPool2d>(group);
  } else if (op == "global_max_pool2d") {
    g.problem = Problem::of<GlobalMaxPool2d>({});
  } else if (op == "global_avg_pool2d") {
    g.problem = Problem::of<GlobalAvgPool2d>({});
  } else if (op == "interpolate") {
    Resize::Params p;
    const std::string mode = group.text("mode");
    if (mode != "nearest" && mode != "bilinear") fail(group, "mode \"" + mode + "\" is unknown");
    p.mode = mode == "nearest" ? ResizeMode::nearest : ResizeMode::bilinear;
    p.align_corners = group.has("align_corners") && group.boolean("align_corners");
    if (group.has("scale_factor")) {
      const auto scale = pair(group, "scale_factor");
      p.scale_h = scale[0], p.scale_w = scale[1];
    } else {
      p.height = group.integer("height"), p.width = group.integer("width");
    }
    g.problem = Problem::of<Resize>(p);
  } else if (op == "batch_norm2d") {
    const BatchNorm2d::Params p{static_cast<float>(group.number("eps")), static_cast<float>(group.number("momentum"))};
    g.problem = Problem::of<BatchNorm2d>(p);
    g.problem.training = group.boolean("training");
    g.problem.weights[2] = convert(group, "running_mean_before", Axes::vector);
    g.problem.weights[3] = convert(group, "running_var_before", Axes::vector);
  } else if (op == "group_norm") {
    g.problem = Problem::of<GroupNorm>({group.integer("num_groups"), static_cast<float>(group.number("eps"))});
  } else if (op == "layer_norm") {
    g.problem = Problem::of<LayerNorm>({static_cast<float>(group.number("eps"))});
    g.activations = Axes::channels_last;
  } else if (op == "concat") {
    require_channel_dim(group);
    g.problem = Problem::of<Concat>({});
  } else if (op == "add") {
    g.problem = Problem::of<Add>({});
  } else if (op == "mul") {
    g.problem = Problem::of<Mul>({});
  } else if (op == "pad") {
    Pad::Params p;
    p.padding_top = group.integer("padding_top"), p.padding_bottom = group.integer("padding_bottom");
    p.padding_left = group.integer("padding_left"), p.padding_right = group.integer("padding_right");
    p.value = static_cast<float>(group.number("value", 0));
    g.problem = Problem::of<Pad>(p);
  } else if (op == "softmax") {
    require_channel_dim(group);
    g.problem = Problem::of<Softmax>({});
  } else {
    int kind = 0;
    while (kind < num_activations && op != activation_name(static_cast<ActivationKind>(kind))) ++kind;
    if (kind == num_activations) fail(group, "operation \"" + op + "\" is unknown");
    ActivationParams p = make_activation(static_cast<ActivationKind>(kind));
    p.alpha = static_cast<float>(group.number(op == "leaky_relu" ? "negative_slope" : "alpha", p.alpha));
    g.problem = Problem::of<Activation>(p);
  }
  for (int i = 0; group.has_array("src_" + std::to_string(i)); ++i)
    g.problem.src.push_back(convert(group, "src_" + std::to_string(i), g.activations));
  if (group.has_array("weight")) g.problem.weights[0] = convert(group, "weight", g.weight);
  if (group.has_array("bias")) g.problem.weights[1] = convert(group, "bias", Axes::vector);
  g.problem.diff_dst = convert(group, "diff_dst", g.activations);
  return g;
}

Result expected_result(const GoldenGroup& group, const GoldenProblem& g) {
  Result expected;
  expected.dst = convert(group, "dst", g.activations);
  for (size_t i = 0; i < g.problem.src.size(); ++i)
    expected.diff_src.push_back(convert(group, "diff_src_" + std::to_string(i), g.activations));
  if (group.has_array("weight")) expected.diff_weights[0] = convert(group, "diff_weight", g.weight);
  if (group.has_array("bias")) expected.diff_weights[1] = convert(group, "diff_bias", Axes::vector);
  if (group.has_array("running_mean_after")) {
    expected.running_mean = convert(group, "running_mean_after", Axes::vector);
    expected.running_var = convert(group, "running_var_after", Axes::vector);
  }
  return expected;
}

void compare(const Result& result, const Result& expected, double tolerance, const std::string& what) {
  const auto one = [&](const std::string& name, const Value& a, const Value& b) {
    INFO(what << ": " << name << " " << to_string(a.shape) << ", expected " << to_string(b.shape) << ", relative error "
              << relative_error(a, b));
    CHECK(relative_error(a, b) <= tolerance);
  };
  one("dst", result.dst, expected.dst);
  REQUIRE(result.diff_src.size() == expected.diff_src.size());
  for (size_t i = 0; i < expected.diff_src.size(); ++i)
    one("diff_src_" + std::to_string(i), result.diff_src[i], expected.diff_src[i]);
  for (size_t i = 0; i < max_weights; ++i) one("diff_weights", result.diff_weights[i], expected.diff_weights[i]);
  if (!expected.running_mean.absent()) {
    one("running_mean", result.running_mean, expected.running_mean);
    one("running_var", result.running_var, expected.running_var);
  }
}

/// The gradients added to what an accumulating run starts from.
Result accumulated(Result expected, Precision precision) {
  const auto add = [&](Value* value) {
    for (size_t i = 0; i < value->data.size(); ++i) {
      const double sum = value->data[i] + accumulate_start(i);
      value->data[i] = precision == Precision::f64 ? sum : static_cast<double>(static_cast<float>(sum));
    }
  };
  for (Value& value : expected.diff_src) add(&value);
  for (Value& value : expected.diff_weights) add(&value);
  return expected;
}

} // namespace

TEST_CASE("golden: every case of torch_layers.h5 is reproduced") {
  const GoldenGroup file = read_golden("torch_layers.h5");
  REQUIRE(!file.groups.empty());
  REQUIRE(file.unread() == "");
  for (const auto& [name, group] : file.groups) {
    const GoldenProblem golden = read_problem(group);
    const Result expected = expected_result(group, golden);
    INFO(group.path);
    REQUIRE(group.unread() == "");
    REQUIRE(group.groups.empty());
    for (const Place place : places())
      for (const Precision precision : {Precision::f64, Precision::f32})
        for (const Algorithm algorithm : algorithms(golden.problem.kind))
          for (const bool accumulate : {false, true}) {
            if (place == Place::kokkos && !kokkos_on_host() && algorithm != Algorithm::portable) continue;
            RunOptions options;
            options.place = place;
            options.precision = precision;
            options.algorithm = algorithm;
            options.accumulate = accumulate;
            const Result result = run_layer(golden.problem, options);
            const std::string what = std::string(to_string(place)) + ", " + to_string(precision) + ", " +
                                     algorithm_name(algorithm) + (accumulate ? ", accumulating" : "");
            INFO(what);
            REQUIRE(result.status == Status::ok);
            compare(result, accumulate ? accumulated(expected, precision) : expected,
                    precision == Precision::f64 ? 1e-12 : 3e-5, what);
          }
  }
}
