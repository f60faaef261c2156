// The SIMD kernels of every ISA level that this CPU runs, against the portable ones; levels that fuse multiply-adds
// must agree with each other to the bit, whatever their vector width.
#include "shared/layers/batch_norm2d.hpp"
#include "shared/layers/conv2d.hpp"
#include "shared/layers/conv_transpose2d.hpp"
#include "shared/layers/linear.hpp"
#include "tests/shared/layers/host_support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace leadline;
using leadline::testing::Bytes;
using leadline::testing::Draw;
using leadline::testing::same_bits;

namespace {

template <class T> struct Results { std::vector<T> dst, diff_src, diff_weights, diff_bias; };

// Both passes with inputs that are slices of wider tensors; gradients are added to ones.
template <class Layer, class T>
Results<T> run(const typename Layer::Params& params, const Shape& src, Algorithm algorithm) {
  LayerShapes shapes;
  shapes.num_src = 1;
  shapes.src[0] = src;
  REQUIRE(Layer::infer(params, shapes.src, 1, &shapes.dst) == Status::ok);
  Layer::weight_shapes(params, shapes.src, shapes.weights);
  Draw draw{5};
  const index_t wide = src.c + 3, wide_dst = shapes.dst.c + 2;
  const auto x = draw.values<T>(src.pixels() * wide), dy = draw.values<T>(shapes.dst.pixels() * wide_dst);
  const auto weights = draw.values<T>(shapes.weights[0].count()), bias = draw.values<T>(shapes.weights[1].count());
  Results<T> r;
  std::vector<T> y(static_cast<size_t>(shapes.dst.pixels() * wide_dst), T(9)), dx(x.size(), T(1));
  r.diff_weights.assign(weights.size(), T(1));
  r.diff_bias.assign(bias.size(), T(1));
  const auto slice = [](auto* data, Shape shape, index_t channels, index_t first) {
    const index_t count = shape.c;
    shape.c = channels;
    return Tensor<std::remove_pointer_t<decltype(data)>>(data, shape).channels(first, count);
  };

  const Bytes forward(Layer::workspace_bytes(shapes, params, Pass::training_forward, algorithm, sizeof(T)));
  ForwardArgs<T> f;
  f.num_src = 1;
  f.src[0] = slice(x.data(), src, wide, 2);
  f.weights[0] = {weights.data(), shapes.weights[0]};
  f.weights[1] = {bias.data(), shapes.weights[1]};
  f.dst = slice(y.data(), shapes.dst, wide_dst, 1);
  f.workspace = {forward.data, forward.size};
  f.algorithm = algorithm;
  Layer::template forward<T>(HostExec(), params, f);

  const Bytes backward(Layer::workspace_bytes(shapes, params, Pass::backward, algorithm, sizeof(T)));
  BackwardArgs<T> b;
  b.num_src = 1;
  b.src[0] = f.src[0];
  b.weights[0] = f.weights[0];
  b.diff_dst = slice(dy.data(), shapes.dst, wide_dst, 0);
  b.diff_src[0] = slice(dx.data(), src, wide, 3);
  b.accumulate_src[0] = true;
  b.diff_weights[0] = {r.diff_weights.data(), shapes.weights[0]};
  b.diff_weights[1] = {r.diff_bias.data(), shapes.weights[1]};
  b.accumulate_weights = true;
  b.workspace = {backward.data, backward.size};
  b.algorithm = algorithm;
  typename Layer::Params plain = params;
  plain.activation = {};
  Layer::template backward<T>(HostExec(), plain, b);
  r.dst = y; // with what lies between the slices: it must not change
  r.diff_src = dx;
  return r;
}

template <class T> double relative_error(const std::vector<T>& a, const std::vector<T>& b) {
  double largest = 1e-30, error = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::fmax(largest, std::fabs(static_cast<double>(a[i])));
    const double e = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(e <= error)) error = e;
  }
  return error / largest;
}

template <class T> void check(const Results<T>& expected, const Results<T>& actual, double tolerance) {
  CHECK_FALSE(!(relative_error(expected.dst, actual.dst) <= tolerance));
  CHECK_FALSE(!(relative_error(expected.diff_src, actual.diff_src) <= tolerance));
  CHECK_FALSE(!(relative_error(expected.diff_weights, actual.diff_weights) <= tolerance));
  CHECK_FALSE(!(relative_error(expected.diff_bias, actual.diff_bias) <= tolerance));
}

template <class Layer, class T>
void check_levels(const typename Layer::Params& params, const Shape& src, double tolerance,
                  Algorithm algorithm = Algorithm::host_gemm) {
  Shape dst;
  if (Layer::infer(params, &src, 1, &dst) != Status::ok) return;
  host::force_host_kernels(nullptr);
  const Results<T> expected = run<Layer, T>(params, src, Algorithm::portable);
  std::unique_ptr<Results<T>> fused;
  for (const char* isa : {"x86-64", "x86-64-v3", "x86-64-v4", host::host_kernels().isa}) {
    if (!host::force_host_kernels(isa)) continue;
    INFO(Layer::name << " on " << isa << ", source " << src.n << "x" << src.h << "x" << src.w << "x" << src.c << " to "
                     << dst.h << "x" << dst.w << "x" << dst.c);
    const Results<T> actual = run<Layer, T>(params, src, algorithm);
    check(expected, actual, tolerance);
    if (std::string(isa) == "x86-64") continue; // rounds products, unlike the others
    if (fused) {
      CHECK(same_bits(fused->dst, actual.dst));
      CHECK(same_bits(fused->diff_src, actual.diff_src));
    } else {
      fused = std::make_unique<Results<T>>(actual);
    }
  }
  host::force_host_kernels(nullptr);
}

} // namespace

TEST_CASE("SIMD convolutions of every ISA level agree with the portable ones on random shapes") {
  Draw draw{5};
  draw.next = 1000000;
  for (int i = 0; i < 60; ++i) {
    Conv2d::Params c;
    c.kernel_h = draw.integer(1, 5);
    c.kernel_w = draw.integer(1, 5);
    c.stride_h = draw.integer(1, 3);
    c.stride_w = draw.integer(1, 3);
    c.padding_top = draw.integer(0, 3);
    c.padding_bottom = draw.integer(0, 3);
    c.padding_left = draw.integer(0, 3);
    c.padding_right = draw.integer(0, 3);
    c.dilation_h = draw.integer(1, 2);
    c.dilation_w = draw.integer(1, 2);
    c.activation = make_activation(static_cast<ActivationKind>(draw.integer(0, num_activations - 1)));
    int32_t channels = draw.integer(1, 40);
    c.out_channels = draw.integer(1, 70);
    if (i % 4 == 1) c.groups = c.out_channels = channels; // depthwise
    if (i % 4 == 2) {
      c.groups = draw.integer(2, 4);
      channels = c.groups * draw.integer(1, 7);
      c.out_channels = c.groups * draw.integer(1, 19);
    }
    const Shape src{draw.integer(0, 3), draw.integer(1, 29), draw.integer(1, 29), channels};
    check_levels<Conv2d, float>(c, src, 2e-5);
    check_levels<Conv2d, double>(c, src, 1e-12);

    ConvTranspose2d::Params t;
    t.out_channels = c.out_channels;
    t.kernel_h = draw.integer(1, 4);
    t.kernel_w = draw.integer(1, 4);
    t.stride_h = draw.integer(1, 3);
    t.stride_w = draw.integer(1, 3);
    t.padding_h = draw.integer(0, 1);
    t.padding_w = draw.integer(0, 1);
    t.dilation_h = draw.integer(1, 2);
    t.dilation_w = draw.integer(1, 2);
    t.output_padding_h = draw.integer(0, 1);
    t.groups = c.groups;
    t.activation = c.activation;
    check_levels<ConvTranspose2d, float>(t, src, 2e-5);
    check_levels<ConvTranspose2d, double>(t, src, 1e-12);

    Linear::Params l;
    l.out_features = c.out_channels;
    l.activation = c.activation;
    check_levels<Linear, float>(l, src, 2e-5);
    check_levels<Linear, double>(l, {src.n * 7, 1, 1, channels}, 1e-12);
  }
}

TEST_CASE("Winograd convolutions of every ISA level agree with the portable ones on random shapes") {
  Draw draw{5};
  draw.next = 2000000;
  for (int i = 0; i < 60; ++i) {
    Conv2d::Params c;
    c.kernel_h = c.kernel_w = 3;
    c.padding_top = draw.integer(0, 3);
    c.padding_bottom = draw.integer(0, 3);
    c.padding_left = draw.integer(0, 3);
    c.padding_right = draw.integer(0, 3);
    c.activation = make_activation(static_cast<ActivationKind>(draw.integer(0, num_activations - 1)));
    c.out_channels = draw.integer(1, 70);
    const Shape src{draw.integer(0, 3), draw.integer(1, 29), draw.integer(1, i % 5 == 0 ? 70 : 29),
                    draw.integer(1, 70)};
    for (const Algorithm algorithm : {Algorithm::winograd4, Algorithm::winograd6}) {
      INFO(algorithm_name(algorithm));
      check_levels<Conv2d, float>(c, src, 3e-5, algorithm);
    }
    ConvTranspose2d::Params t;
    t.out_channels = c.out_channels;
    t.kernel_h = t.kernel_w = 3;
    t.padding_h = draw.integer(0, 2);
    t.padding_w = draw.integer(0, 2);
    check_levels<ConvTranspose2d, float>(t, src, 3e-5, Algorithm::winograd4);
  }
}

TEST_CASE("kernels and strides beyond the SIMD kernels' limits fall back to the portable ones") {
  Conv2d::Params c;
  c.kernel_h = c.kernel_w = 70; // 4900 taps
  c.padding_top = c.padding_bottom = c.padding_left = c.padding_right = 35;
  check_levels<Conv2d, double>(c, {1, 5, 6, 2}, 1e-12);
  ConvTranspose2d::Params t;
  t.stride_h = 2;
  t.stride_w = 1100;
  check_levels<ConvTranspose2d, double>(t, {1, 2, 2, 1}, 1e-12);
}

namespace {

template <class T> void check_norm_levels(ActivationKind kind, const Shape& shape) {
  BatchNorm2d::Params params;
  params.activation = make_activation(kind);
  LayerShapes shapes;
  shapes.num_src = 1;
  shapes.src[0] = shapes.dst = shape;
  Draw draw{5};
  const index_t wide = shape.c + 5;
  const auto x = draw.values<T>(shape.pixels() * wide), dy = draw.values<T>(shape.pixels() * wide);
  const auto weight = draw.values<T>(shape.c), bias = draw.values<T>(shape.c);
  const Tensor<const T> src = Tensor<const T>(x.data(), {shape.n, shape.h, shape.w, wide}).channels(3, shape.c);
  const Tensor<const T> diff = Tensor<const T>(dy.data(), {shape.n, shape.h, shape.w, wide}).channels(1, shape.c);
  std::vector<std::vector<T>> first;
  for (const char* isa : {"x86-64", "x86-64-v3", "x86-64-v4", host::host_kernels().isa}) {
    if (!host::force_host_kernels(isa)) continue;
    std::vector<T> y(x.size(), T(9)), dx(x.size(), T(1)), dw(weight.size()), db(weight.size());
    const Bytes saved(BatchNorm2d::saved_bytes(shapes, params, sizeof(T)));
    const Bytes scratch(BatchNorm2d::workspace_bytes(shapes, params, Pass::backward, Algorithm::portable, sizeof(T)));
    ForwardArgs<T> f;
    f.num_src = 1;
    f.src[0] = src;
    f.weights[0] = {weight.data(), {1, 1, 1, shape.c}};
    f.weights[1] = {bias.data(), {1, 1, 1, shape.c}};
    f.dst = Tensor<T>(y.data(), {shape.n, shape.h, shape.w, wide}).channels(0, shape.c);
    f.saved = saved.data;
    f.workspace = {scratch.data, scratch.size};
    f.training = true;
    BatchNorm2d::forward<T>(HostExec(), params, f);
    BackwardArgs<T> b;
    b.num_src = 1;
    b.src[0] = src;
    b.weights[0] = f.weights[0];
    b.weights[1] = f.weights[1];
    b.diff_dst = diff;
    b.diff_src[0] = Tensor<T>(dx.data(), {shape.n, shape.h, shape.w, wide}).channels(2, shape.c);
    b.accumulate_src[0] = true;
    b.diff_weights[0] = {dw.data(), {1, 1, 1, shape.c}};
    b.diff_weights[1] = {db.data(), {1, 1, 1, shape.c}};
    b.saved = saved.data;
    b.workspace = f.workspace;
    BatchNorm2d::backward<T>(HostExec(), params, b);
    const std::vector<std::vector<T>> results{y, dx, dw, db};
    if (first.empty()) first = results;
    INFO(activation_name(kind) << " on " << isa << ", " << shape.c << " channels");
    for (size_t i = 0; i < results.size(); ++i) CHECK(same_bits(first[i], results[i]));
  }
  host::force_host_kernels(nullptr);
}

} // namespace

TEST_CASE("batch norm is the same bits on every ISA level") {
  Draw draw{5};
  for (const ActivationKind kind :
       {ActivationKind::identity, ActivationKind::relu, ActivationKind::relu6, ActivationKind::leaky_relu})
    for (int i = 0; i < 12; ++i) {
      const Shape shape{draw.integer(1, 3), draw.integer(1, 29), draw.integer(1, 29), draw.integer(1, 150)};
      check_norm_levels<float>(kind, shape);
      check_norm_levels<double>(kind, shape);
    }
}

TEST_CASE("an ISA level that is unknown or not there is refused") {
  const char* before = host::host_kernels().isa;
  CHECK_FALSE(host::force_host_kernels("pdp-11"));
  CHECK(std::strcmp(host::host_kernels().isa, before) == 0);
  CHECK(host::force_host_kernels(before));
  CHECK(host::force_host_kernels(nullptr));
}
