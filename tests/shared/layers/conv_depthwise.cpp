// Depthwise convolutions on host execs, both directions, against sums in double: odd sizes, channel tails, slices,
// strides, dilations, epilogues, every ISA level; and the same bits for any number of threads.
#include "shared/layers/host/conv_depthwise.hpp"
#include "tests/shared/layers/host_support.hpp"

using namespace leadline;
using namespace leadline::testing;

namespace {

constexpr index_t gap = 3; // channels of a tensor that are no part of a slice

template <class T> struct Problem {
  ConvGeometry g;
  ConvDirection direction;
  ActivationParams activation;
  bool accumulate;
  std::vector<T> src, weights, bias;

  bool transposed() const { return direction == ConvDirection::apply_transposed; }
  Shape src_shape() const { return transposed() ? Shape{g.n, g.oh, g.ow, g.oc} : Shape{g.n, g.ih, g.iw, g.ic}; }
  Shape dst_shape() const { return transposed() ? Shape{g.n, g.ih, g.iw, g.ic} : Shape{g.n, g.oh, g.ow, g.oc}; }
  template <class U> static Tensor<U> slice(U* data, Shape shape, index_t first) {
    const index_t channels = shape.c;
    shape.c += gap;
    return Tensor<U>(data, shape).channels(first, channels);
  }

  void fill(Draw* draw) {
    src = draw->values<T>(src_shape().pixels() * (g.groups + gap));
    weights = draw->values<T>(g.groups * g.taps());
    bias = draw->values<T>(g.groups);
  }
  static double start(size_t i) { return static_cast<double>(i % 7); } // what dst holds before

  // All of dst's tensor, with what lies between the slices.
  std::vector<double> expected() const {
    const Shape from = src_shape(), to = dst_shape();
    const Tensor<const T> x = slice(src.data(), from, 2);
    std::vector<double> all(static_cast<size_t>(to.pixels() * (to.c + gap)));
    for (size_t i = 0; i < all.size(); ++i) all[i] = start(i);
    const Tensor<double> y = slice(all.data(), to, 1);
    for (index_t n = 0; n < to.n; ++n)
      for (index_t i = 0; i < to.h; ++i)
        for (index_t j = 0; j < to.w; ++j)
          for (index_t c = 0; c < to.c; ++c) {
            double sum = static_cast<double>(bias[static_cast<size_t>(c)]);
            for (index_t kh = 0; kh < g.kh; ++kh)
              for (index_t kw = 0; kw < g.kw; ++kw) {
                index_t h = i * g.stride_h - g.padding_top + kh * g.dilation_h;
                index_t w = j * g.stride_w - g.padding_left + kw * g.dilation_w;
                if (transposed()) {
                  h = i + g.padding_top - kh * g.dilation_h;
                  w = j + g.padding_left - kw * g.dilation_w;
                  if (h % g.stride_h != 0 || w % g.stride_w != 0) continue;
                  h /= g.stride_h;
                  w /= g.stride_w;
                }
                if (h < 0 || h >= from.h || w < 0 || w >= from.w) continue;
                sum += static_cast<double>(x(n, h, w, c)) *
                       static_cast<double>(weights[static_cast<size_t>((c * g.kh + kh) * g.kw + kw)]);
              }
            const double value = activate(activation.kind, static_cast<double>(activation.alpha), sum);
            y(n, i, j, c) = accumulate ? y(n, i, j, c) + value : value;
          }
    return all;
  }

  std::vector<T> run(const HostExec& exec) const {
    const Shape to = dst_shape();
    std::vector<T> all(static_cast<size_t>(to.pixels() * (to.c + gap)));
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<T>(start(i));
    const Bytes prepared(host::depthwise_prepared_bytes<T>(g, direction));
    const Bytes workspace(host::depthwise_workspace_bytes<T>(g, direction));
    host::depthwise_prepare(exec, "test", g, direction, Tensor<const T>(weights.data(), {g.groups, g.kh, g.kw, 1}),
                            prepared.data);
    host::depthwise_run(exec, "test", g, direction, slice(src.data(), src_shape(), 2), prepared.data,
                        Tensor<const T>(bias.data(), {1, 1, 1, g.groups}), activation, slice(all.data(), to, 1),
                        accumulate, {workspace.data, workspace.size, exec.threads()});
    return all;
  }
};

template <class T> void check(const Problem<T>& problem, double tolerance) {
  static const Pool two(2), three(3);
  const ConvGeometry& g = problem.g;
  const std::vector<double> expected = problem.expected();
  std::vector<T> fused; // levels that fuse multiply-adds agree to the bit
  for_each_level([&](const char* isa) {
    INFO((problem.transposed() ? "transposed" : "apply")
         << " on " << isa << ": " << g.n << "x" << g.ih << "x" << g.iw << "x" << g.ic << " to " << g.oh << "x" << g.ow
         << ", kernel " << g.kh << "x" << g.kw << ", stride " << g.stride_h << "x" << g.stride_w << ", padding "
         << g.padding_top << "," << g.padding_left << ", dilation " << g.dilation_h << "x" << g.dilation_w << ", "
         << activation_name(problem.activation.kind) << (problem.accumulate ? ", added" : ""));
    const std::vector<T> alone = problem.run(HostExec());
    CHECK_FALSE(!(relative_error(alone, expected) <= tolerance));
    CHECK(same_bits(problem.run(HostExec(&two.runner)), alone));
    CHECK(same_bits(problem.run(HostExec(&three.runner)), alone));
    if (std::strcmp(isa, "x86-64") == 0) return; // rounds products, unlike the others
    if (!fused.empty()) CHECK(same_bits(alone, fused));
    fused = alone;
  });
}

} // namespace

TEST_CASE("depthwise convolutions agree with sums in double, in both directions") {
  Draw draw;
  const index_t channels[] = {2, 3, 5, 8, 16, 17, 31, 33, 64, 100};
  const ActivationKind kinds[] = {ActivationKind::identity, ActivationKind::relu, ActivationKind::relu6,
                                  ActivationKind::silu};
  for (int i = 0; i < 160; ++i) {
    ConvGeometry g{};
    g.n = draw.integer(1, 3);
    g.ic = g.oc = g.groups = channels[draw.integer(0, 9)];
    const bool usual = i % 2 == 0; // 3x3 and 5x5, stride 1 and 2: the shapes with kernels of their own
    g.kh = g.kw = usual ? 3 + 2 * draw.integer(0, 1) : draw.integer(1, 7);
    if (!usual) g.kw = draw.integer(1, 7);
    g.stride_h = g.stride_w = usual ? draw.integer(1, 2) : draw.integer(1, 4);
    g.dilation_h = g.dilation_w = usual ? 1 : draw.integer(1, 3);
    if (!usual) g.stride_w = draw.integer(1, 3), g.dilation_w = draw.integer(1, 4);
    g.padding_top = draw.integer(0, 3);
    g.padding_left = draw.integer(0, 3);
    g.oh = draw.integer(1, 11);
    g.ow = draw.integer(1, 30);
    // As large as the output side needs, less what padding below and to the right gives, plus what a stride leaves.
    const auto extent = [&](index_t out, index_t stride, index_t kernel, index_t dilation, index_t padding) {
      const index_t size = (out - 1) * stride + (kernel - 1) * dilation + 1 - padding + draw.integer(-2, stride - 1);
      return size < 1 ? 1 : size;
    };
    g.ih = extent(g.oh, g.stride_h, g.kh, g.dilation_h, g.padding_top);
    g.iw = extent(g.ow, g.stride_w, g.kw, g.dilation_w, g.padding_left);
    for (const ConvDirection direction : {ConvDirection::apply, ConvDirection::apply_transposed}) {
      Problem<float> f{g, direction, make_activation(kinds[draw.integer(0, 3)]), draw.integer(0, 2) == 0, {}, {}, {}};
      f.fill(&draw);
      check(f, 3e-6);
      Problem<double> d{g, direction, f.activation, f.accumulate, {}, {}, {}};
      d.fill(&draw);
      check(d, 1e-14);
    }
  }
}

TEST_CASE("depthwise convolutions of nothing write nothing, and values that are no numbers stay") {
  Draw draw;
  ConvGeometry g{0, 7, 9, 20, 7, 9, 20, 3, 3, 1, 1, 1, 1, 1, 1, 20};
  for (const ConvDirection direction : {ConvDirection::apply, ConvDirection::apply_transposed}) {
    Problem<float> problem{g, direction, {}, false, {}, {}, {}};
    problem.fill(&draw);
    CHECK(problem.run(HostExec()).empty());
  }
  g.n = 1;
  Problem<float> problem{g, ConvDirection::apply, make_activation(ActivationKind::relu6), false, {}, {}, {}};
  problem.fill(&draw);
  problem.bias.assign(problem.bias.size(), std::nanf(""));
  for_each_level([&](const char* isa) {
    INFO(isa);
    const std::vector<float> y = problem.run(HostExec());
    size_t count = 0;
    for (const float v : y) count += std::isnan(v);
    CHECK(count == static_cast<size_t>(7 * 9 * 20));
  });
}
