// Nodes on bytes: against sums written out here in 64 bits, by every algorithm, on every ISA level, for any number of
// threads.
#include "shared/model/graph_builder.hpp"
#include "shared/model/run_plan.hpp"
#include "tests/shared/layers/host_support.hpp"

#include <cstdlib>
#include <limits>

using namespace leadline;
using namespace leadline::testing;

namespace {

/// A graph with quantised values, and its weights as a model file stores them.
struct Model {
  Graph graph;
  std::vector<std::vector<unsigned char>> weights; ///< one for each of the graph's

  void set_floats(int32_t w, const std::vector<float>& values) {
    std::vector<unsigned char>& bytes = entry(w);
    bytes.resize(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  void set_int8(int32_t w, const std::vector<float>& scales, const std::vector<int8_t>& values) {
    set_floats(w, scales);
    std::vector<unsigned char>& bytes = entry(w);
    const size_t at = align_up(bytes.size(), 64);
    bytes.resize(at + values.size());
    std::memcpy(bytes.data() + at, values.data(), values.size());
  }
  std::vector<unsigned char>& entry(int32_t w) {
    weights.resize(graph.weight_shapes.size());
    return weights[static_cast<size_t>(w)];
  }
};

struct RunChoice {
  Algorithm every = automatic;
  const Runner* runner = nullptr;
  size_t memory_limit = 0;
};

/// The graph's first output for that input, in an arena of exactly as many bytes as planned.
std::vector<float> run(const Model& model, const std::vector<float>& input, const RunChoice& choice = {}) {
  const GraphView view = model.graph.view();
  std::vector<ValuePlan> values(static_cast<size_t>(view.num_values));
  std::vector<NodePlan> nodes(static_cast<size_t>(view.num_nodes));
  std::vector<Interval> scratch(static_cast<size_t>(view.num_values + view.num_nodes));
  PlanSummary summary;
  PlanOptions options;
  options.every = choice.every;
  options.threads = choice.runner ? choice.runner->threads : 1;
  options.memory_limit = choice.memory_limit;
  GraphError error;
  const Status status = plan_inference(view, model.graph.input_shape, options, values.data(), nodes.data(),
                                       scratch.data(), &summary, &error);
  INFO(error.what);
  REQUIRE(status == Status::ok);
  const Bytes arena(summary.arena_bytes);
  std::vector<Bytes*> owned;
  std::vector<const void*> weights;
  for (const auto& bytes : model.weights) {
    owned.push_back(new Bytes(bytes.size()));
    if (!bytes.empty()) std::memcpy(owned.back()->data, bytes.data(), bytes.size());
    weights.push_back(owned.back()->data);
  }
  const HostExec exec(choice.runner);
  prepare_inference<float>(exec, view, values.data(), nodes.data(), weights.data(), arena.data);
  const Tensor<float> in = value_tensor<float>(values.data(), view.input, arena.data);
  if (!input.empty()) std::memcpy(in.data, input.data(), input.size() * sizeof(float));
  run_inference<float>(exec, view, values.data(), nodes.data(), summary, weights.data(), arena.data);
  const Tensor<float> out = value_tensor<float>(values.data(), view.outputs[0], arena.data);
  std::vector<float> result(out.data, out.data + out.shape.count());
  for (Bytes* bytes : owned) delete bytes;
  return result;
}

/// Algorithms, memory limits, numbers of threads and ISA levels all give these bits.
void require_everywhere(const Model& model, const std::vector<float>& input, const std::vector<float>& expected) {
  static Pool pool(3);
  REQUIRE(same_bits(run(model, input, {Algorithm::portable}), expected));
  for_each_level([&](const char* isa) {
    INFO(isa);
    REQUIRE(same_bits(run(model, input), expected));
    REQUIRE(same_bits(run(model, input, {automatic, &pool.runner}), expected));
    REQUIRE(same_bits(run(model, input, {Algorithm::host_gemm}), expected));
    REQUIRE(same_bits(run(model, input, {automatic, nullptr, 1}), expected)); // weights are prepared in each run
  });
  // The level in use without being asked: what the CPU has beyond those.
  REQUIRE(same_bits(run(model, input), expected));
  REQUIRE(same_bits(run(model, input, {automatic, &pool.runner}), expected));
  REQUIRE(same_bits(run(model, input, {automatic, nullptr, 1}), expected));
}

Quantization random_quantization(Draw* draw) {
  return {static_cast<float>(0.01 + 0.02 * std::fabs(draw->real())), static_cast<int32_t>(draw->integer(0, 255))};
}

/// Input values that fall on all bytes, and some beyond.
std::vector<float> random_input(const Shape& shape, const Quantization& q, Draw* draw) {
  std::vector<float> input(static_cast<size_t>(shape.count()));
  for (float& x : input)
    x = q.scale * static_cast<float>(draw->integer(-10, 265) - q.zero_point) +
        0.4f * q.scale * static_cast<float>(draw->real());
  return input;
}

std::vector<int> bytes_of(const std::vector<float>& values, const Quantization& q) {
  std::vector<int> bytes;
  for (const float x : values) {
    const float y = std::nearbyint(x * (1.0f / q.scale)) + static_cast<float>(q.zero_point);
    bytes.push_back(static_cast<int>(std::fmin(std::fmax(y, 0.0f), 255.0f)));
  }
  return bytes;
}
std::vector<float> floats_of(const std::vector<int>& bytes, const Quantization& q) {
  std::vector<float> values;
  for (const int b : bytes) values.push_back(q.scale * static_cast<float>(b - q.zero_point));
  return values;
}

/// A sum in units of the result, rounded and clamped.
int clamp_byte(float x, const Quantization& dst, ActivationKind activation) {
  const int low = activation == ActivationKind::identity ? 0 : dst.zero_point;
  int high = 255;
  if (activation == ActivationKind::relu6)
    high = static_cast<int>(std::fmin(255.0f, std::nearbyint(6.0f / dst.scale) + static_cast<float>(dst.zero_point)));
  const double y = static_cast<double>(std::nearbyint(x)) + dst.zero_point;
  return static_cast<int>(std::fmin(std::fmax(y, low), high));
}

/// Between quantize and dequantize: input -> [1] -> layer -> [2] -> output [3].
template <class Layer>
Model wrap(const typename Layer::Params& params, const Shape& shape, const Quantization& src, const Quantization& dst,
           unsigned without = 0) {
  GraphBuilder b("int8", shape);
  const int32_t bytes = b.add<Quantize>({src.scale, src.zero_point}, {b.input()}, "quantize");
  const int32_t y = b.add<Layer>(params, {bytes}, "layer", without);
  b.output(b.add<Dequantize>({dst.scale, dst.zero_point}, {y}, "dequantize"));
  Model model;
  model.graph = b.finish();
  model.graph.quantization = {{}, src, dst, {}};
  return model;
}

/// A convolution (or its transpose, or linear) with random weights: what it gives by the definition.
struct ConvCheck {
  ConvGeometry g;
  bool transposed;
  ActivationKind activation;
  int largest_weight = 127;

  void operator()(Model& model, const Quantization& src, const Quantization& dst, Draw* draw) const {
    const index_t group_ic = g.group_ic(), group_oc = g.group_oc();
    const index_t dst_c = transposed ? g.ic : g.oc, src_c = transposed ? g.oc : g.ic;
    const index_t src_h = transposed ? g.oh : g.ih, src_w = transposed ? g.ow : g.iw;
    const index_t dst_h = transposed ? g.ih : g.oh, dst_w = transposed ? g.iw : g.ow;
    const Node& node = model.graph.nodes[1];
    const bool has_bias = node.weights[1] != no_index;
    std::vector<int8_t> weights(static_cast<size_t>(g.oc * g.taps() * group_ic));
    for (int8_t& w : weights) w = static_cast<int8_t>(draw->integer(-largest_weight, largest_weight));
    std::vector<float> scales, bias;
    for (index_t m = 0; m < dst_c; ++m) {
      // results that fill the range of bytes
      const index_t k = g.taps() * (transposed ? group_oc : group_ic);
      scales.push_back(
          static_cast<float>((1 + std::fabs(draw->real())) * 127 * static_cast<double>(dst.scale) /
                             (static_cast<double>(src.scale) * 127 * 73 * std::sqrt(static_cast<double>(k)))));
      bias.push_back(static_cast<float>(60 * static_cast<double>(dst.scale) * draw->real()));
    }
    model.set_int8(node.weights[0], scales, weights);
    if (has_bias) model.set_floats(node.weights[1], bias);

    const std::vector<float> input = random_input({g.n, src_h, src_w, src_c}, src, draw);
    const std::vector<int> bytes = bytes_of(input, src);
    std::vector<int64_t> sums(static_cast<size_t>(g.n * dst_h * dst_w * dst_c));
    // Every meeting of an output pixel, an image pixel and a tap.
    for (index_t n = 0; n < g.n; ++n)
      for (index_t oy = 0; oy < g.oh; ++oy)
        for (index_t ox = 0; ox < g.ow; ++ox)
          for (index_t kh = 0; kh < g.kh; ++kh)
            for (index_t kw = 0; kw < g.kw; ++kw) {
              const index_t iy = oy * g.stride_h - g.padding_top + kh * g.dilation_h;
              const index_t ix = ox * g.stride_w - g.padding_left + kw * g.dilation_w;
              if (iy < 0 || iy >= g.ih || ix < 0 || ix >= g.iw) continue;
              for (index_t o = 0; o < g.oc; ++o)
                for (index_t i = 0; i < group_ic; ++i) {
                  const index_t c = o / group_oc * group_ic + i;
                  const int w = weights[static_cast<size_t>(((o * g.kh + kh) * g.kw + kw) * group_ic + i)];
                  const index_t out = ((n * g.oh + oy) * g.ow + ox) * g.oc + o,
                                in = ((n * g.ih + iy) * g.iw + ix) * g.ic + c;
                  sums[static_cast<size_t>(transposed ? in : out)] +=
                      (bytes[static_cast<size_t>(transposed ? out : in)] - src.zero_point) * w;
                }
            }
    std::vector<int> expected;
    for (size_t i = 0; i < sums.size(); ++i) {
      const size_t m = i % static_cast<size_t>(dst_c);
      const double unit = static_cast<double>(src.scale) * static_cast<double>(scales[m]);
      const int64_t sum = sums[i] + (has_bias ? std::llrint(static_cast<double>(bias[m]) / unit) : 0);
      expected.push_back(clamp_byte(static_cast<float>(sum) * (src.scale * scales[m] / dst.scale), dst, activation));
    }
    require_everywhere(model, input, floats_of(expected, dst));
  }
};

ActivationKind random_activation(Draw* draw) { return static_cast<ActivationKind>(draw->integer(0, 2)); }

void check_conv(const Conv2d::Params& p, const Shape& shape, Draw* draw, int largest_weight = 127) {
  Shape dst;
  if (Conv2d::infer(p, &shape, 1, &dst) != Status::ok) return;
  INFO("conv2d " << shape.n << "x" << shape.h << "x" << shape.w << "x" << shape.c << " oc " << p.out_channels
                 << " kernel " << p.kernel_h << "x" << p.kernel_w << " stride " << p.stride_h << "x" << p.stride_w
                 << " dilation " << p.dilation_h << "x" << p.dilation_w << " groups " << p.groups << " activation "
                 << activation_name(p.activation.kind));
  const Quantization from = random_quantization(draw), to = random_quantization(draw);
  Model model = wrap<Conv2d>(p, shape, from, to, draw->integer(0, 3) == 0 ? 0b10u : 0u);
  ConvCheck{Conv2d::geometry(p, shape, dst), false, p.activation.kind, largest_weight}(model, from, to, draw);
}

} // namespace

TEST_CASE("the level that a CPU was chosen for") { // where a script knows it: tests/support/qemu.sh
  if (const char* expected = std::getenv("LEADLINE_TEST_INT8_LEVEL"))
    CHECK(host::int8_kernels().isa == std::string(expected));
}

TEST_CASE("conv2d on bytes") {
  Draw draw(3);
  for (int i = 0; i < 60; ++i) {
    Conv2d::Params p;
    const index_t channels[] = {1, 3, 4, 5, 16, 17, 32, 33, 48};
    p.groups = static_cast<int32_t>(draw.integer(0, 4) == 0 ? draw.integer(2, 3) : 1);
    p.out_channels = static_cast<int32_t>(p.groups * channels[draw.integer(0, 8)]);
    p.kernel_h = static_cast<int32_t>(draw.integer(1, 4)), p.kernel_w = static_cast<int32_t>(draw.integer(1, 4));
    p.stride_h = static_cast<int32_t>(draw.integer(1, 3)), p.stride_w = static_cast<int32_t>(draw.integer(1, 3));
    p.padding_top = static_cast<int32_t>(draw.integer(0, 2)),
    p.padding_bottom = static_cast<int32_t>(draw.integer(0, 2));
    p.padding_left = static_cast<int32_t>(draw.integer(0, 2)),
    p.padding_right = static_cast<int32_t>(draw.integer(0, 2));
    p.dilation_h = static_cast<int32_t>(draw.integer(1, 2)), p.dilation_w = static_cast<int32_t>(draw.integer(1, 2));
    p.activation = make_activation(random_activation(&draw));
    check_conv(p,
               {draw.integer(1, 2), draw.integer(1, 19), draw.integer(1, 19), p.groups * channels[draw.integer(0, 8)]},
               &draw);
  }
  Conv2d::Params p; // as networks have it
  p.out_channels = 70;
  p.kernel_h = p.kernel_w = 3;
  p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = 1;
  p.activation = make_activation(ActivationKind::relu);
  check_conv(p, {1, 15, 28, 64}, &draw);
  for (const index_t channels : {32, 40, 64, 100, 160, 256}) // Winograd's, and sums that have too many bits for it
    for (const bool small : {true, false}) {
      p.out_channels = static_cast<int32_t>(draw.integer(32, 70));
      p.padding_top = static_cast<int32_t>(draw.integer(0, 2)),
      p.padding_right = static_cast<int32_t>(draw.integer(0, 2));
      p.activation = make_activation(random_activation(&draw));
      check_conv(p, {2, draw.integer(20, 29), draw.integer(20, 29), channels}, &draw, small ? 20 : 127);
    }
  p.out_channels = 70;
  p.padding_top = p.padding_right = 1;
  p.kernel_h = p.kernel_w = 1;
  p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = 0;
  check_conv(p, {2, 7, 7, 130}, &draw);
  check_conv(p, {0, 7, 7, 3}, &draw);
}

TEST_CASE("depthwise conv2d on bytes") {
  Draw draw(4);
  for (int i = 0; i < 60; ++i) {
    Conv2d::Params p;
    const index_t channels[] = {2, 3, 7, 16, 33, 64, 65, 100, 130};
    p.groups = p.out_channels = static_cast<int32_t>(channels[draw.integer(0, 8)]);
    const bool usual = i % 2 == 0;
    p.kernel_h = static_cast<int32_t>(usual ? 2 * draw.integer(1, 2) + 1 : draw.integer(1, 9));
    p.kernel_w = static_cast<int32_t>(usual ? p.kernel_h : draw.integer(1, 9));
    p.stride_h = p.stride_w = static_cast<int32_t>(draw.integer(1, usual ? 2 : 4));
    if (!usual)
      p.dilation_h = static_cast<int32_t>(draw.integer(1, 2)), p.dilation_w = static_cast<int32_t>(draw.integer(1, 3));
    p.padding_top = p.padding_bottom = p.kernel_h / 2;
    p.padding_left = p.kernel_w / 2, p.padding_right = static_cast<int32_t>(draw.integer(0, p.kernel_w / 2));
    p.activation = make_activation(random_activation(&draw));
    check_conv(p, {draw.integer(1, 2), draw.integer(1, 19), draw.integer(1, 40), p.groups}, &draw);
  }
}

TEST_CASE("conv_transpose2d on bytes") {
  Draw draw(5);
  for (int i = 0; i < 40; ++i) {
    ConvTranspose2d::Params p;
    const index_t channels[] = {1, 3, 4, 5, 16, 17, 32, 33};
    p.groups = static_cast<int32_t>(draw.integer(0, 3) == 0 ? draw.integer(2, 3) : 1);
    p.out_channels = static_cast<int32_t>(p.groups * channels[draw.integer(0, 7)]);
    p.kernel_h = static_cast<int32_t>(draw.integer(1, 5)), p.kernel_w = static_cast<int32_t>(draw.integer(1, 5));
    p.stride_h = static_cast<int32_t>(draw.integer(1, 3)), p.stride_w = static_cast<int32_t>(draw.integer(1, 3));
    p.padding_h = static_cast<int32_t>(draw.integer(0, 2)), p.padding_w = static_cast<int32_t>(draw.integer(0, 2));
    p.dilation_h = static_cast<int32_t>(draw.integer(1, 2)), p.dilation_w = static_cast<int32_t>(draw.integer(1, 2));
    p.output_padding_h = p.stride_h > 1 ? 1 : 0;
    p.activation = make_activation(random_activation(&draw));
    const Shape shape{draw.integer(1, 2), draw.integer(1, 9), draw.integer(1, 9),
                      p.groups * channels[draw.integer(0, 7)]};
    Shape dst;
    if (ConvTranspose2d::infer(p, &shape, 1, &dst) != Status::ok) continue;
    INFO("case " << i);
    const Quantization from = random_quantization(&draw), to = random_quantization(&draw);
    Model model = wrap<ConvTranspose2d>(p, shape, from, to, draw.integer(0, 3) == 0 ? 0b10u : 0u);
    ConvCheck{ConvTranspose2d::geometry(p, shape, dst), true, p.activation.kind}(model, from, to, &draw);
  }
}

TEST_CASE("linear on bytes") {
  Draw draw(6);
  for (const Shape shape : {Shape{3, 1, 1, 33}, Shape{1, 5, 7, 4}, Shape{2, 1, 1, 200}}) {
    Linear::Params p;
    p.out_features = 37;
    p.activation = make_activation(ActivationKind::relu);
    const Quantization from = random_quantization(&draw), to = random_quantization(&draw);
    Model model = wrap<Linear>(p, shape, from, to);
    ConvCheck{Linear::geometry(shape, 37, true), false, p.activation.kind}(model, from, to, &draw);
  }
}

TEST_CASE("pooling, nearest resize and concat keep bytes as they are, activation changes their scale") {
  Draw draw(7);
  for (const index_t channels : {1, 3, 16, 33}) {
    const Shape shape{2, 7, 9, channels};
    const Quantization q = random_quantization(&draw), other = random_quantization(&draw);
    const std::vector<float> input = random_input(shape, q, &draw);
    const std::vector<int> bytes = bytes_of(input, q);
    const auto at = [&](index_t n, index_t y, index_t x, index_t c) {
      return bytes[static_cast<size_t>(((n * 7 + y) * 9 + x) * channels + c)];
    };

    Pool2dParams pool;
    pool.kernel_h = pool.kernel_w = 3;
    pool.padding_top = pool.padding_left = pool.padding_right = 1;
    std::vector<int> expected;
    for (index_t n = 0; n < 2; ++n)
      for (index_t y = 0; y < 3; ++y)
        for (index_t x = 0; x < 5; ++x)
          for (index_t c = 0; c < channels; ++c) {
            int best = 0;
            for (index_t i = std::max<index_t>(0, 2 * y - 1); i < std::min<index_t>(7, 2 * y + 2); ++i)
              for (index_t j = std::max<index_t>(0, 2 * x - 1); j < std::min<index_t>(9, 2 * x + 2); ++j)
                best = std::max(best, at(n, i, j, c));
            expected.push_back(best);
          }
    require_everywhere(wrap<MaxPool2d>(pool, shape, q, q), input, floats_of(expected, q));

    expected.clear();
    for (index_t n = 0; n < 2; ++n)
      for (index_t y = 0; y < 14; ++y)
        for (index_t x = 0; x < 18; ++x)
          for (index_t c = 0; c < channels; ++c) expected.push_back(at(n, y / 2, x / 2, c));
    require_everywhere(wrap<Resize>({}, shape, q, q), input, floats_of(expected, q));

    for (const ActivationKind kind : {ActivationKind::identity, ActivationKind::relu, ActivationKind::relu6}) {
      expected.clear();
      for (const int b : bytes)
        expected.push_back(clamp_byte(static_cast<float>(b - q.zero_point) * (q.scale / other.scale), other, kind));
      require_everywhere(wrap<Activation>(make_activation(kind), shape, q, other), input, floats_of(expected, other));
    }
  }
}

TEST_CASE("bilinear resize of bytes is that of reals, to half a step") {
  Draw draw(8);
  const Shape shape{1, 5, 6, 7};
  const Quantization q = random_quantization(&draw);
  for (const int align : {0, 1}) {
    Resize::Params p;
    p.mode = ResizeMode::bilinear;
    p.height = 13, p.width = 9;
    p.align_corners = align;
    const Model model = wrap<Resize>(p, shape, q, q);
    Model floats = model; // the same graph, where quantize rounds and nothing is bytes
    floats.graph.quantization.clear();
    const std::vector<float> input = random_input(shape, q, &draw);
    const std::vector<float> expected = run(floats, input), actual = run(model, input);
    require_everywhere(model, input, actual);
    REQUIRE(actual.size() == expected.size());
    for (size_t i = 0; i < actual.size(); ++i) REQUIRE(std::fabs(actual[i] - expected[i]) <= 0.6f * q.scale);
  }
}

TEST_CASE("add on bytes, with and without repeating") {
  Draw draw(9);
  for (const Shape second : {Shape{2, 3, 5, 33}, Shape{2, 1, 1, 33}, Shape{2, 3, 5, 1}}) {
    const Shape shape{2, 3, 5, 33};
    const Quantization q = random_quantization(&draw), first = random_quantization(&draw),
                       to = random_quantization(&draw);
    GraphBuilder b("add", shape);
    int32_t z = b.add<Quantize>({q.scale, q.zero_point}, {b.input()}, "quantize");
    const int32_t x = b.add<Activation>({}, {z}, "x");
    Model model;
    if (!(second == shape)) { // a convolution over all pixels, or with one output channel
      Conv2d::Params p;
      p.out_channels = static_cast<int32_t>(second.c);
      p.kernel_h = second.h == 1 ? 3 : 1, p.kernel_w = second.w == 1 ? 5 : 1;
      z = b.add<Conv2d>(p, {z}, "z");
    } else {
      z = b.add<Activation>({}, {z}, "z");
    }
    b.output(b.add<Dequantize>({to.scale, to.zero_point}, {b.add<Add>({}, {x, z}, "add")}, "dequantize"));
    model.graph = b.finish();
    model.graph.quantization = {{}, q, first, q, to, {}};
    for (size_t w = 0; w < model.graph.weight_shapes.size(); w += 2) {
      const Shape weight = model.graph.weight_shapes[w];
      std::vector<int8_t> values(static_cast<size_t>(weight.count()));
      for (int8_t& v : values) v = static_cast<int8_t>(draw.integer(-127, 127));
      model.set_int8(static_cast<int32_t>(w), std::vector<float>(static_cast<size_t>(weight.n), 0.002f), values);
      model.set_floats(static_cast<int32_t>(w) + 1, std::vector<float>(static_cast<size_t>(weight.n), 0.1f));
    }
    // What goes into the sum is what these two outputs are.
    Model left = model, right = model;
    for (Model* m : {&left, &right}) {
      const bool is_left = m == &left;
      m->graph.nodes.erase(m->graph.nodes.begin() + 3);
      m->graph.node_names.erase(m->graph.node_names.begin() + 3);
      m->graph.nodes[3].inputs[0] = is_left ? x : z;
      const Quantization of = is_left ? first : q;
      m->graph.nodes[3].set<Dequantize>({of.scale, of.zero_point});
      m->graph.nodes[3].output = 4;
      m->graph.outputs = {4};
      m->graph.num_values = 5;
      m->graph.quantization = {{}, q, first, q, {}};
    }
    const std::vector<float> input = random_input(shape, q, &draw);
    const std::vector<int> a = bytes_of(run(left, input), first), c = bytes_of(run(right, input), q);
    std::vector<int> expected;
    for (size_t i = 0; i < a.size(); ++i) {
      const size_t channel = i % 33, pixel = i / 33, sample = pixel / 15;
      const size_t j = second.c == 1 ? pixel : second.h == 1 ? sample * 33 + channel : i;
      const float sum = static_cast<float>(a[i] - first.zero_point) * (first.scale / to.scale) +
                        static_cast<float>(c[j] - q.zero_point) * (q.scale / to.scale);
      expected.push_back(clamp_byte(sum, to, ActivationKind::identity));
    }
    require_everywhere(model, input, floats_of(expected, to));
  }
}

namespace {

/// A U-Net of two levels on bytes, with a skip that is concatenated in place, and random weights.
Model small_unet(const Shape& shape, Draw* draw) {
  GraphBuilder b("unet", shape);
  const auto conv = [&](int32_t x, int32_t channels, const char* name, int32_t stride = 1, int32_t groups = 1) {
    Conv2d::Params p;
    p.out_channels = channels;
    p.kernel_h = p.kernel_w = 3;
    p.stride_h = p.stride_w = stride;
    p.groups = groups;
    p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = 1;
    p.activation = make_activation(ActivationKind::relu);
    return b.add<Conv2d>(p, {x}, name);
  };
  const int32_t bytes = b.add<Quantize>({1.0f / 64, 128}, {b.input()}, "quantize");
  const int32_t skip = conv(bytes, 20, "in");
  int32_t x = conv(b.add<MaxPool2d>({}, {skip}, "pool"), 40, "down");
  x = conv(x, 40, "depthwise", 1, 40);
  ConvTranspose2d::Params up;
  up.out_channels = 20;
  up.kernel_h = up.kernel_w = up.stride_h = up.stride_w = 2;
  up.activation = make_activation(ActivationKind::relu);
  x = b.add<ConvTranspose2d>(up, {x}, "up");
  x = b.add<Concat>({}, {skip, x}, "concat");
  x = conv(x, 1, "head");
  b.output(b.add<Dequantize>({1.0f / 200, 0}, {x}, "dequantize"));
  Model model;
  model.graph = b.finish();
  const Quantization in{1.0f / 64, 128}, q{1.0f / 48, 0}, deep{1.0f / 40, 0}, out{1.0f / 200, 0};
  model.graph.quantization = {{}, in, q, q, deep, deep, q, q, out, {}};
  for (const Node& node : model.graph.nodes) {
    if (node.weights[0] == no_index) continue;
    const Shape weight = model.graph.weight_shapes[static_cast<size_t>(node.weights[0])];
    const size_t channels = static_cast<size_t>(node.kind == layer_kind<ConvTranspose2d> ? weight.c : weight.n);
    std::vector<int8_t> values(static_cast<size_t>(weight.count()));
    for (int8_t& v : values) v = static_cast<int8_t>(draw->integer(-127, 127));
    std::vector<float> scales(channels), bias(channels);
    for (float& s : scales)
      s = static_cast<float>((1.6 + 0.3 * draw->real()) / (127 * std::sqrt(weight.count() / channels)));
    for (float& v : bias) v = static_cast<float>(0.5 * draw->real());
    model.set_int8(node.weights[0], scales, values);
    model.set_floats(node.weights[1], bias);
  }
  return model;
}

} // namespace

TEST_CASE("a whole network on bytes: near the same graph in floats") {
  Draw draw(10);
  const Shape shape{1, 22, 18, 3};
  Model model = small_unet(shape, &draw);
  std::vector<float> input(static_cast<size_t>(shape.count()));
  for (float& x : input) x = static_cast<float>(2 * draw.real());
  const std::vector<float> actual = run(model, input);
  require_everywhere(model, input, actual);

  // Weights decoded, values as they are: what is left is the rounding of values.
  Model floats = model;
  floats.graph.quantization.clear();
  for (const Node& node : model.graph.nodes) {
    if (node.weights[0] == no_index) continue;
    const Shape weight = model.graph.weight_shapes[static_cast<size_t>(node.weights[0])];
    const index_t channels = node.kind == layer_kind<ConvTranspose2d> ? weight.c : weight.n;
    const unsigned char* entry = model.weights[static_cast<size_t>(node.weights[0])].data();
    std::vector<float> scales(static_cast<size_t>(channels)), values;
    std::memcpy(scales.data(), entry, scales.size() * sizeof(float));
    const signed char* bytes =
        reinterpret_cast<const signed char*>(entry + align_up(scales.size() * sizeof(float), 64));
    for (index_t i = 0; i < weight.count(); ++i)
      values.push_back(static_cast<float>(bytes[i]) *
                       scales[static_cast<size_t>(
                           node.kind == layer_kind<ConvTranspose2d> ? i % weight.c : i / (weight.count() / weight.n))]);
    floats.set_floats(node.weights[0], values);
  }
  const std::vector<float> expected = run(floats, input);
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double y = std::fmin(static_cast<double>(expected[i]), 255.0 / 200); // where bytes end
    error += (static_cast<double>(actual[i]) - y) * (static_cast<double>(actual[i]) - y);
    size += y * y;
  }
  INFO("noise " << error << " of " << size);
  REQUIRE(size > 0);
  CHECK(error <= 0.01 * size);
}

TEST_CASE("bytes take a byte each") {
  Draw draw(11);
  const Shape shape{1, 64, 64, 3};
  const Model model = small_unet(shape, &draw);
  Model floats = model;
  floats.graph.quantization.clear();
  const auto bytes = [&](const Model& m) {
    const GraphView view = m.graph.view();
    std::vector<ValuePlan> values(static_cast<size_t>(view.num_values));
    std::vector<NodePlan> nodes(static_cast<size_t>(view.num_nodes));
    std::vector<Interval> scratch(static_cast<size_t>(view.num_values + view.num_nodes));
    PlanSummary summary;
    GraphError error;
    PlanOptions options;
    options.every = Algorithm::portable;
    REQUIRE(plan_inference(view, shape, options, values.data(), nodes.data(), scratch.data(), &summary, &error) ==
            Status::ok);
    return summary.arena_bytes - summary.prepared_bytes;
  };
  CHECK(static_cast<double>(bytes(model)) < 0.3 * static_cast<double>(bytes(floats)));
}

TEST_CASE("what can't run on bytes is refused") {
  Draw draw(12);
  const Shape shape{1, 8, 8, 3};
  Model model = small_unet(shape, &draw);
  std::vector<Shape> values(static_cast<size_t>(model.graph.num_values));
  const auto refused = [&](const char* why) {
    GraphError error;
    const Status status = infer_shapes(model.graph.view(), shape, values.data(), &error);
    INFO(error.what);
    CHECK(status == Status::invalid_model);
    CHECK(std::strstr(error.what, why) != nullptr);
  };
  const std::vector<Quantization> good = model.graph.quantization;
  GraphError error;
  REQUIRE(infer_shapes(model.graph.view(), shape, values.data(), &error) == Status::ok);
  for (const float scale : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0f,
                            1e-13f, 1e13f, 1e-42f}) {
    model.graph.quantization[2].scale = scale;
    refused("scale");
    model.graph.quantization = good;
  }
  for (const int32_t zero_point : {-1, 256, std::numeric_limits<int32_t>::min()}) {
    model.graph.quantization[2].zero_point = zero_point;
    refused("zero point");
    model.graph.quantization = good;
  }
  model.graph.quantization[1].scale *= 2; // quantize says otherwise
  refused("differs");
  model.graph.quantization = good;
  model.graph.quantization[3].scale *= 2; // a pool can't change it
  refused("differ");
  model.graph.quantization = good;
  model.graph.quantization[2] = {};
  refused("others aren't");
  model.graph.quantization = good;
  model.graph.quantization[0] = {1, 0};
  refused("input");
  model.graph.quantization = good;
  model.graph.quantization.back() = {1, 0};
  refused("output");
  model.graph.quantization = good;
  const Node conv = model.graph.nodes[1];
  Conv2d::Params p = conv.get<Conv2d>();
  p.activation = make_activation(ActivationKind::silu);
  model.graph.nodes[1].set<Conv2d>(p);
  refused("relu");
  model.graph.nodes[1] = conv;

  GraphBuilder b("softmax", shape);
  const int32_t x = b.add<Quantize>({1, 0}, {b.input()}, "q");
  b.output(b.add<Dequantize>({1, 0}, {b.add<Softmax>({}, {x}, "softmax")}, "d"));
  model.graph = b.finish();
  model.graph.quantization = {{}, {1, 0}, {1, 0}, {}};
  values.resize(4);
  refused("can't run on bytes");

  GraphBuilder deep("deep", {1, 8, 8, 4000});
  Conv2d::Params wide;
  wide.kernel_h = wide.kernel_w = 3;
  const int32_t y = deep.add<Conv2d>(wide, {deep.add<Quantize>({1, 0}, {deep.input()}, "q")}, "conv");
  deep.output(deep.add<Dequantize>({1, 0}, {y}, "d"));
  model.graph = deep.finish();
  model.graph.quantization = {{}, {1, 0}, {1, 0}, {}};
  CHECK(infer_shapes(model.graph.view(), model.graph.input_shape, values.data(), &error) == Status::invalid_model);
  CHECK(std::strstr(error.what, "32 bits") != nullptr);
}
