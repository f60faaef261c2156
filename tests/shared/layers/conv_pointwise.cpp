// Pointwise convolutions that run with what surrounds them (a depthwise one before, up-sampling and a sum behind) give
// the bits of the layers one by one: odd sizes, channel tails, batches, slices, epilogues, every ISA level, any number
// of threads.
#include "shared/layers/add.hpp"
#include "shared/layers/conv2d.hpp"
#include "shared/layers/resize.hpp"
#include "tests/shared/layers/host_support.hpp"

using namespace leadline;
using namespace leadline::testing;

namespace {

constexpr index_t gap = 3; // channels of a tensor that are no part of a slice

template <class U> Tensor<U> slice(U* data, Shape shape, index_t first) {
  const index_t channels = shape.c;
  shape.c += gap;
  return Tensor<U>(data, shape).channels(first, channels);
}
Tensor<const float> dense(const std::vector<float>& values, Shape shape) { return {values.data(), shape}; }

// One convolution's weights as its kernel reads them.
struct Prepared : Bytes {
  Prepared(const ConvGeometry& g, const std::vector<float>& values)
      : Bytes(host::conv_prepared_bytes<float>(g, ConvDirection::apply, Algorithm::host_gemm)) {
    host::conv_prepare(HostExec(), "test", g, ConvDirection::apply, Algorithm::host_gemm,
                       dense(values, {g.oc, g.kh, g.kw, g.group_ic()}), data);
  }
};

struct Problem {
  bool has_depthwise, has_sum;
  index_t up_h, up_w;
  Conv2d::Params depthwise, pointwise;
  Shape src, middle, result, dst; // middle: what the depthwise convolution makes
  std::vector<float> x, residual, depthwise_weights, depthwise_bias, weights, bias;

  explicit Problem(Draw* draw) {
    const index_t channels[] = {2, 3, 8, 16, 17, 32, 33, 64, 100, 520};
    const ActivationKind kinds[] = {ActivationKind::identity, ActivationKind::relu, ActivationKind::relu6,
                                    ActivationKind::silu};
    const auto activation = [&] { return make_activation(kinds[draw->integer(0, 3)]); };
    has_depthwise = draw->integer(0, 3) > 0;
    has_sum = draw->integer(0, 1) == 1;
    up_h = draw->integer(1, 3);
    up_w = draw->integer(0, 1) == 1 ? up_h : draw->integer(1, 3);
    src = {draw->integer(1, 3), draw->integer(1, 19), draw->integer(1, 19), channels[draw->integer(0, 9)]};
    middle = src;
    if (has_depthwise) {
      const auto c = static_cast<int32_t>(src.c), k = static_cast<int32_t>(1 + 2 * draw->integer(0, 2)),
                 s = static_cast<int32_t>(draw->integer(1, 2)), d = static_cast<int32_t>(draw->integer(1, 2));
      const int32_t p = d * (k - 1) / 2;
      depthwise = {c, k, k, s, s, p, p, p, p, d, d, c, activation()};
      REQUIRE(Conv2d::infer(depthwise, &src, 1, &middle) == Status::ok);
    }
    pointwise.out_channels = static_cast<int32_t>(5 + draw->integer(0, 80));
    pointwise.activation = activation();
    REQUIRE(Conv2d::infer(pointwise, &middle, 1, &result) == Status::ok);
    dst = {result.n, result.h * up_h, result.w * up_w, result.c};
    x = draw->values<float>(src.pixels() * (src.c + gap));
    residual = draw->values<float>(dst.pixels() * (dst.c + gap));
    depthwise_weights = draw->values<float>(has_depthwise ? src.c * depthwise.kernel_h * depthwise.kernel_w : 0);
    depthwise_bias = draw->values<float>(src.c);
    weights = draw->values<float>(result.c * middle.c);
    bias = draw->values<float>(result.c);
  }

  static void run_conv(const Conv2d::Params& params, Tensor<const float> from, const std::vector<float>& values,
                       const std::vector<float>& shift, Tensor<float> to) {
    const ConvGeometry g = Conv2d::geometry(params, from.shape, to.shape);
    const Prepared prepared(g, values);
    const Bytes workspace(host::conv_run_bytes<float>(g, ConvDirection::apply, Algorithm::host_gemm, 1));
    host::conv_run(HostExec(), "test", g, ConvDirection::apply, Algorithm::host_gemm, from, Tensor<const float>(),
                   prepared.data, dense(shift, {1, 1, 1, g.oc}), params.activation, to, false,
                   {workspace.data, workspace.size, 1});
  }

  // All of dst's tensor, layer by layer.
  std::vector<float> one_by_one() const {
    std::vector<float> between(static_cast<size_t>(middle.count())), made(static_cast<size_t>(result.count()));
    std::vector<float> all(static_cast<size_t>(dst.pixels() * (dst.c + gap)), 7);
    const Tensor<float> a(between.data(), middle), b(made.data(), result), to = slice(all.data(), dst, 1);
    Tensor<const float> source = slice(x.data(), src, 2);
    if (has_depthwise) {
      run_conv(depthwise, source, depthwise_weights, depthwise_bias, a);
      source = a;
    }
    run_conv(pointwise, source, weights, bias, b);
    ForwardArgs<float> args;
    args.num_src = 1;
    args.src[0] = b;
    args.dst = to;
    Resize::forward<float>(
        HostExec(), {ResizeMode::nearest, 0, 0, static_cast<int32_t>(up_h), static_cast<int32_t>(up_w), 0}, args);
    if (has_sum) {
      args.num_src = 2;
      args.src[0] = to;
      args.src[1] = slice(residual.data(), dst, 0);
      Add::forward<float>(HostExec(), {}, args);
    }
    return all;
  }
  std::vector<float> at_once(const HostExec& exec) const {
    std::vector<float> all(static_cast<size_t>(dst.pixels() * (dst.c + gap)), 7);
    const ConvGeometry g = Conv2d::geometry(pointwise, middle, result);
    REQUIRE(host::is_pointwise(g));
    const Prepared prepared(g, weights);
    const host::PreparedConv conv{g, prepared.data, dense(bias, {1, 1, 1, g.oc}), pointwise.activation};
    const Tensor<const float> other = has_sum ? slice(residual.data(), dst, 0) : Tensor<const float>();
    const ConvGeometry first = has_depthwise ? Conv2d::geometry(depthwise, src, middle) : g;
    const Prepared first_prepared(first, has_depthwise ? depthwise_weights : weights);
    const host::PreparedConv before{first, first_prepared.data, dense(depthwise_bias, {1, 1, 1, src.c}),
                                    depthwise.activation};
    const Bytes workspace(host::pointwise_workspace_bytes(has_depthwise ? &first : nullptr, g, exec.threads()));
    host::pointwise_run(exec, "test", has_depthwise ? &before : nullptr, conv, slice(x.data(), src, 2), other,
                        slice(all.data(), dst, 1), {workspace.data, workspace.size, exec.threads()});
    return all;
  }
};

} // namespace

TEST_CASE("separable convolutions that run as one give the bits of their layers") {
  const Pool two(2), three(3);
  Draw draw;
  for (int i = 0; i < 120; ++i) {
    const Problem problem(&draw);
    for_each_level([&](const char* isa) {
      INFO("problem " << i << " on " << isa << ": " << problem.src.n << "x" << problem.src.h << "x" << problem.src.w
                      << "x" << problem.src.c << " to " << problem.dst.h << "x" << problem.dst.w << "x" << problem.dst.c
                      << (problem.has_depthwise ? ", depthwise" : "") << (problem.has_sum ? ", sum" : ""));
      const std::vector<float> expected = problem.one_by_one();
      CHECK(same_bits(problem.at_once(HostExec()), expected));
      CHECK(same_bits(problem.at_once(HostExec(&two.runner)), expected));
      CHECK(same_bits(problem.at_once(HostExec(&three.runner)), expected));
    });
  }
}
