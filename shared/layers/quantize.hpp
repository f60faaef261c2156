// The borders between floats and bytes: quantize and dequantize.
//
// In a graph whose values are quantised they convert. In a graph of floats, which is how the trainer runs, quantize
// rounds its source to the values that bytes can stand for ("fake quantisation") and dequantize does nothing: training
// with these nodes in place is quantisation-aware training (B. Jacob et al., 2018). The gradient passes straight
// through where nothing was clamped (Y. Bengio, N. Leonard and A. Courville, "Estimating or propagating gradients
// through stochastic neurons", 2013).
#pragma once

#include "shared/layers/quantization.hpp"

namespace leadline {

/// Scale and zero point of the side that is, or stands for, bytes.
struct QuantizeParams {
  float scale = 1;
  int32_t zero_point = 0;

  LEADLINE_INLINE_FUNCTION Quantization quantization() const { return {scale, zero_point}; }
};

namespace detail {

inline Status infer_quantize(const QuantizeParams& params, const Shape& src, Shape* dst) {
  *dst = src;
  if (const Status status = check_shape(src); status != Status::ok) return status;
  return valid_quantization(params.quantization()) && params.scale != 0 ? Status::ok : Status::invalid_argument;
}

} // namespace detail

/// dst = clamp(round(src / scale) + zero_point, 0, 255); of floats the real that this byte stands for.
struct Quantize {
  static constexpr const char* name = "quantize";
  using Params = QuantizeParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = true, backward_reads_dst = false;
  static constexpr bool backward_in_place = true;
  static constexpr Int8Grid int8_grid = Int8Grid::to_bytes;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    return detail::infer_quantize(params, src[0], dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }
  static const char* check_int8(const Params&, const LayerShapes&) { return nullptr; }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const T scale = static_cast<T>(params.scale), inverse = static_cast<T>(1.0f / params.scale);
    const ByteRange range = byte_range(params.quantization());
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T* x = &src(n, h, w, 0);
      T* y = &dst(n, h, w, 0);
      for (index_t c = first; c < last; ++c)
        y[c] = scale * static_cast<T>(to_byte(static_cast<float>(x[c] * inverse), range) - range.zero_point);
    };
    parallel_elements(exec, "leadline::quantize::forward", dst.shape, kernel, src, dst);
  }

  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0], diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const ByteRange range = byte_range(params.quantization());
    const T low = static_cast<T>(params.scale) * static_cast<T>(range.low - 0.5f);
    const T high = static_cast<T>(params.scale) * static_cast<T>(range.high + 0.5f);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T *x = &src(n, h, w, 0), *dy = &diff_dst(n, h, w, 0);
      T* dx = &diff_src(n, h, w, 0);
      for (index_t c = first; c < last; ++c) store(dx[c], x[c] > low && x[c] < high ? dy[c] : T(0), accumulate);
    };
    parallel_elements(exec, "leadline::quantize::backward", diff_src.shape, kernel, src, diff_dst, diff_src);
  }

  template <class Exec> static void forward_int8(const Exec& exec, const Params& params, const Int8Args& args) {
    const Tensor<const float> src = args.float_src;
    const Tensor<uint8_t> dst = args.dst;
    const float inverse = 1.0f / params.scale;
    const ByteRange range = byte_range(params.quantization());
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const float* x = &src(n, h, w, 0);
      uint8_t* y = &dst(n, h, w, 0);
      const ByteRange bounds = range; // a byte that is written could be any of the captures'
      const float steps = inverse;
      for (index_t c = first; c < last; ++c) y[c] = to_byte(x[c] * steps, bounds);
    };
    parallel_elements(exec, "leadline::quantize::forward_int8", dst.shape, kernel, src, dst);
  }
};

/// dst = scale * (src - zero_point); of floats src itself.
struct Dequantize {
  static constexpr const char* name = "dequantize";
  using Params = QuantizeParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;
  static constexpr bool backward_in_place = true;
  static constexpr Int8Grid int8_grid = Int8Grid::to_floats;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    return detail::infer_quantize(params, src[0], dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }
  static const char* check_int8(const Params&, const LayerShapes&) { return nullptr; }

  template <class T, class Exec> static void forward(const Exec& exec, const Params&, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      for (index_t c = first; c < last; ++c) dst(n, h, w, c) = src(n, h, w, c);
    };
    parallel_elements(exec, "leadline::dequantize::forward", dst.shape, kernel, src, dst);
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      for (index_t c = first; c < last; ++c) store(diff_src(n, h, w, c), diff_dst(n, h, w, c), accumulate);
    };
    parallel_elements(exec, "leadline::dequantize::backward", diff_src.shape, kernel, diff_dst, diff_src);
  }

  template <class Exec> static void forward_int8(const Exec& exec, const Params& params, const Int8Args& args) {
    const Tensor<const uint8_t> src = args.src[0];
    const Tensor<float> dst = args.float_dst;
    const float scale = params.scale;
    const int32_t zero_point = params.zero_point;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const uint8_t* x = &src(n, h, w, 0);
      float* y = &dst(n, h, w, 0);
      const float step = scale;
      const int32_t zero = zero_point;
      for (index_t c = first; c < last; ++c) y[c] = step * static_cast<float>(x[c] - zero);
    };
    parallel_elements(exec, "leadline::dequantize::forward_int8", dst.shape, kernel, src, dst);
  }
};

} // namespace leadline
