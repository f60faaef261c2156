// Activation functions: one layer, and the epilogue that conv2d, conv_transpose2d and linear apply to their results.
#pragma once

#include "shared/layers/quantization.hpp"

namespace leadline {

/// Names and formulas as in torch.nn.functional.
enum class ActivationKind : int32_t {
  identity = 0,
  relu = 1,
  relu6 = 2,
  leaky_relu = 3, ///< x > 0 ? x : alpha x
  elu = 4,        ///< x > 0 ? x : alpha (exp(x) - 1)
  sigmoid = 5,
  tanh = 6,
  silu = 7,      ///< x sigmoid(x)
  gelu = 8,      ///< x Phi(x), the erf form
  hardswish = 9, ///< x relu6(x + 3) / 6
  softplus = 10, ///< log(1 + exp(x)), x itself above 20
  exp = 11,      ///< from logarithms of depth to metres; not for hidden layers
};
constexpr int num_activations = 12;

/// PyTorch's name, static storage.
inline const char* activation_name(ActivationKind kind) {
  constexpr const char* names[num_activations] = {"identity", "relu", "relu6", "leaky_relu", "elu",      "sigmoid",
                                                  "tanh",     "silu", "gelu",  "hardswish",  "softplus", "exp"};
  const auto i = static_cast<int32_t>(kind);
  return i >= 0 && i < num_activations ? names[i] : "unknown";
}

/// A function and its one parameter. `alpha` defaults as in PyTorch: leaky_relu 0.01, elu 1.
struct ActivationParams {
  ActivationKind kind = ActivationKind::identity;
  float alpha = 0;
};

/// PyTorch's default alpha.
inline ActivationParams make_activation(ActivationKind kind) {
  return {kind, kind == ActivationKind::leaky_relu ? 0.01f : kind == ActivationKind::elu ? 1.0f : 0.0f};
}

inline Status check_activation(const ActivationParams& params) {
  const auto kind = static_cast<int32_t>(params.kind);
  return kind < 0 || kind >= num_activations || !math::isfinite(params.alpha) ? Status::invalid_argument : Status::ok;
}

/// f(x).
template <class T> LEADLINE_INLINE_FUNCTION T activate(ActivationKind kind, T alpha, T x) {
  switch (kind) {
  case ActivationKind::identity: return x;
  case ActivationKind::relu: return x < T(0) ? T(0) : x; // NaN passes through
  case ActivationKind::relu6: return x < T(0) ? T(0) : x > T(6) ? T(6) : x;
  case ActivationKind::leaky_relu: return x > T(0) ? x : alpha * x;
  case ActivationKind::elu: return x > T(0) ? x : alpha * math::expm1(x);
  case ActivationKind::sigmoid: return math::sigmoid(x);
  case ActivationKind::tanh: return math::tanh(x);
  case ActivationKind::silu: return x * math::sigmoid(x);
  case ActivationKind::gelu: return T(0.5) * x * (T(1) + math::erf(x * T(0.70710678118654752440)));
  case ActivationKind::hardswish: return x <= T(-3) ? T(0) * x : x >= T(3) ? x : x * (x + T(3)) / T(6);
  case ActivationKind::softplus: return x > T(20) ? x : math::log1p(math::exp(x));
  case ActivationKind::exp: return math::exp(x);
  }
  return x;
}

/// f'(x) from x. At kinks the value is PyTorch's: relu'(0) = 0, hardswish'(±3) one-sided.
template <class T> LEADLINE_INLINE_FUNCTION T activate_derivative(ActivationKind kind, T alpha, T x) {
  switch (kind) {
  case ActivationKind::identity: return T(1);
  case ActivationKind::relu: return x > T(0) ? T(1) : T(0);
  case ActivationKind::relu6: return x > T(0) && x < T(6) ? T(1) : T(0);
  case ActivationKind::leaky_relu: return x > T(0) ? T(1) : alpha;
  case ActivationKind::elu: return x > T(0) ? T(1) : alpha * math::exp(x);
  case ActivationKind::sigmoid: {
    const T s = math::sigmoid(x);
    return s * (T(1) - s);
  }
  case ActivationKind::tanh: {
    const T t = math::tanh(x);
    return T(1) - t * t;
  }
  case ActivationKind::silu: {
    const T s = math::sigmoid(x);
    return s * (T(1) + x * (T(1) - s));
  }
  case ActivationKind::gelu: // Phi(x) + x phi(x)
    return T(0.5) * (T(1) + math::erf(x * T(0.70710678118654752440))) +
           x * T(0.39894228040143267794) * math::exp(T(-0.5) * x * x);
  case ActivationKind::hardswish: return x < T(-3) ? T(0) : x > T(3) ? T(1) : x / T(3) + T(0.5);
  case ActivationKind::softplus: return x > T(20) ? T(1) : math::sigmoid(x);
  case ActivationKind::exp: return math::exp(x);
  }
  return T(1);
}

/// dy f'(x). Where f' is 0 or 1 nothing is multiplied: that keeps signs of zero, and what isn't finite, out of
/// gradients that are cut off.
template <class T> LEADLINE_INLINE_FUNCTION T activate_backward(ActivationKind kind, T alpha, T x, T dy) {
  switch (kind) {
  case ActivationKind::identity: return dy;
  case ActivationKind::relu: return x > T(0) ? dy : T(0);
  case ActivationKind::relu6: return x > T(0) ? (x < T(6) ? dy : T(0)) : T(0);
  case ActivationKind::leaky_relu: return x > T(0) ? dy : alpha * dy;
  default: return dy * activate_derivative(kind, alpha, x);
  }
}

namespace detail {

template <ActivationKind kind, class T>
LEADLINE_INLINE_FUNCTION void activate_loop(T alpha, const T* x, T* y, index_t first, index_t last) {
  for (index_t i = first; i < last; ++i) y[i] = activate(kind, alpha, x[i]);
}

template <ActivationKind kind, class T>
LEADLINE_INLINE_FUNCTION void activate_backward_loop(T alpha, const T* x, const T* dy, T* dx, bool accumulate,
                                                     index_t first, index_t last) {
  if (accumulate)
    for (index_t i = first; i < last; ++i) dx[i] += activate_backward(kind, alpha, x[i], dy[i]);
  else
    for (index_t i = first; i < last; ++i) dx[i] = activate_backward(kind, alpha, x[i], dy[i]);
}

} // namespace detail

/// Calls MACRO(kind) for each kind: the choice is made outside the loops, so that they vectorise.
#define LEADLINE_FOR_EACH_ACTIVATION(MACRO)                                                                            \
  MACRO(identity)                                                                                                      \
  MACRO(relu)                                                                                                          \
  MACRO(relu6)                                                                                                         \
  MACRO(leaky_relu)                                                                                                    \
  MACRO(elu)                                                                                                           \
  MACRO(sigmoid)                                                                                                       \
  MACRO(tanh)                                                                                                          \
  MACRO(silu)                                                                                                          \
  MACRO(gelu)                                                                                                          \
  MACRO(hardswish)                                                                                                     \
  MACRO(softplus)                                                                                                      \
  MACRO(exp)

/// y[i] = f(x[i]) for i in [first, last); y may be x.
template <class T>
LEADLINE_INLINE_FUNCTION void activate_range(ActivationKind kind, T alpha, const T* x, T* y, index_t first,
                                             index_t last) {
  switch (kind) {
#define LEADLINE_CASE(kind)                                                                                            \
  case ActivationKind::kind: return detail::activate_loop<ActivationKind::kind>(alpha, x, y, first, last);
    LEADLINE_FOR_EACH_ACTIVATION(LEADLINE_CASE)
#undef LEADLINE_CASE
  }
}

/// dx[i] = dy[i] f'(x[i]) for i in [first, last), or added to it.
template <class T>
LEADLINE_INLINE_FUNCTION void activate_backward_range(ActivationKind kind, T alpha, const T* x, const T* dy, T* dx,
                                                      bool accumulate, index_t first, index_t last) {
  switch (kind) {
#define LEADLINE_CASE(kind)                                                                                            \
  case ActivationKind::kind:                                                                                           \
    return detail::activate_backward_loop<ActivationKind::kind>(alpha, x, dy, dx, accumulate, first, last);
    LEADLINE_FOR_EACH_ACTIVATION(LEADLINE_CASE)
#undef LEADLINE_CASE
  }
}
#undef LEADLINE_FOR_EACH_ACTIVATION

/// Whether bytes can be the results of f: then it is a clamp.
inline bool has_byte_range(ActivationKind kind) {
  return kind == ActivationKind::identity || kind == ActivationKind::relu || kind == ActivationKind::relu6;
}
/// The bytes that stand for results of such an f.
inline ByteRange byte_range(const Quantization& dst, ActivationKind kind) {
  ByteRange range = byte_range(dst);
  if (kind != ActivationKind::identity) range.low = 0;
  if (kind == ActivationKind::relu6) {
    const float six = 6.0f / dst.scale;
    if (six < range.high) range.high = round_half_even(six);
  }
  return range;
}

/// dst = f(src), element by element.
struct Activation {
  static constexpr const char* name = "activation";
  using Params = ActivationParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = true, backward_reads_dst = false;
  static constexpr bool pointwise = true;
  static constexpr unsigned forward_in_place = 0b1;
  static constexpr bool recomputes = true, backward_in_place = true;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    const Status status = check_shape(src[0]);
    return status == Status::ok ? check_activation(params) : status;
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const ActivationKind kind = params.kind;
    const T alpha = decimal<T>(params.alpha);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      activate_range(kind, alpha, &src(n, h, w, 0), &dst(n, h, w, 0), first, last);
    };
    parallel_elements(exec, "leadline::activation::forward", dst.shape, kernel, src, dst);
  }

  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0], diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const ActivationKind kind = params.kind;
    const T alpha = decimal<T>(params.alpha);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      activate_backward_range(kind, alpha, &src(n, h, w, 0), &diff_dst(n, h, w, 0), &diff_src(n, h, w, 0), accumulate,
                              first, last);
    };
    parallel_elements(exec, "leadline::activation::backward", diff_src.shape, kernel, src, diff_dst, diff_src);
  }

  static constexpr Int8Grid int8_grid = Int8Grid::free;
  static const char* check_int8(const Params& params, const LayerShapes&) {
    return has_byte_range(params.kind) ? nullptr : "a quantised result can have relu or relu6, no other activation";
  }

  template <class Exec> static void forward_int8(const Exec& exec, const Params& params, const Int8Args& args) {
    const Tensor<const uint8_t> src = args.src[0];
    const Tensor<uint8_t> dst = args.dst;
    const int32_t zero_point = args.src_quantization[0].zero_point;
    const float multiplier = args.src_quantization[0].scale / args.dst_quantization.scale;
    const ByteRange range = byte_range(args.dst_quantization, params.kind);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const uint8_t* x = &src(n, h, w, 0);
      uint8_t* y = &dst(n, h, w, 0);
      const ByteRange bounds = range; // a byte that is written could be any of the captures'
      const float factor = multiplier;
      const int32_t zero = zero_point;
      for (index_t c = first; c < last; ++c) y[c] = requantize(x[c] - zero, factor, bounds);
    };
    parallel_elements(exec, "leadline::activation::forward_int8", dst.shape, kernel, src, dst);
  }
};

} // namespace leadline
