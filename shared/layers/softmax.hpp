// Softmax over channels.
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

/// dst[..., c] = exp(src[..., c] - m) / sum over channels of exp(src - m), m the largest channel.
struct Softmax {
  static constexpr const char* name = "softmax";
  using Params = NoParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = true;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    const Status status = check_shape(src[0]);
    return status == Status::ok ? check_no_params(params) : status;
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec> static void forward(const Exec& exec, const Params&, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const index_t channels = dst.shape.c;
    parallel_for(exec, "leadline::softmax::forward", dst.shape.pixels(), [=] LEADLINE_FUNCTION(index_t p) {
      const T* x = src.pixel(p);
      T* y = dst.pixel(p);
      T largest = x[0];
      for (index_t c = 1; c < channels; ++c) largest = x[c] > largest ? x[c] : largest;
      for (index_t c = 0; c < channels; ++c) y[c] = math::exp(x[c] - largest);
      T total = 0;
      for (index_t c = 0; c < channels; ++c) total += y[c];
      for (index_t c = 0; c < channels; ++c) y[c] /= total;
    });
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const Tensor<const T> dst = args.dst, diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const index_t channels = dst.shape.c;
    parallel_for(exec, "leadline::softmax::backward", dst.shape.pixels(), [=] LEADLINE_FUNCTION(index_t p) {
      const T *y = dst.pixel(p), *dy = diff_dst.pixel(p);
      T* dx = diff_src.pixel(p);
      T total = 0;
      for (index_t c = 0; c < channels; ++c) total += y[c] * dy[c];
      for (index_t c = 0; c < channels; ++c) store(dx[c], y[c] * (dy[c] - total), accumulate);
    });
  }
};

} // namespace leadline
