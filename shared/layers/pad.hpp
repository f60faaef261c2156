// A border of constant value.
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

/// dst = src with a border: [N,H,W,C] -> [N, top + H + bottom, left + W + right, C].
struct Pad {
  static constexpr const char* name = "pad";
  struct Params {
    int32_t padding_top = 0, padding_bottom = 0, padding_left = 0, padding_right = 0; ///< pixels
    float value = 0;
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;

  static Status infer(const Params& p, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    if (const Status status = check_shape(src[0]); status != Status::ok) return status;
    if (p.padding_top < 0 || p.padding_bottom < 0 || p.padding_left < 0 || p.padding_right < 0)
      return Status::invalid_argument;
    if (!math::isfinite(p.value)) return Status::invalid_argument;
    dst->h += index_t{p.padding_top} + p.padding_bottom;
    dst->w += index_t{p.padding_left} + p.padding_right;
    return check_shape(*dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const index_t top = params.padding_top, left = params.padding_left;
    const T value = decimal<T>(params.value);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t oh, index_t ow, index_t first, index_t last) {
      const index_t h = oh - top, w = ow - left;
      T* y = &dst(n, oh, ow, 0);
      if (h >= 0 && h < src.shape.h && w >= 0 && w < src.shape.w) {
        const T* x = &src(n, h, w, 0);
        for (index_t c = first; c < last; ++c) y[c] = x[c];
      } else {
        for (index_t c = first; c < last; ++c) y[c] = value;
      }
    };
    parallel_pixels(exec, "leadline::pad::forward", dst.shape, kernel);
  }

  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const index_t top = params.padding_top, left = params.padding_left;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T* dy = &diff_dst(n, h + top, w + left, 0);
      T* dx = &diff_src(n, h, w, 0);
      for (index_t c = first; c < last; ++c) store(dx[c], dy[c], accumulate);
    };
    parallel_pixels(exec, "leadline::pad::backward", diff_src.shape, kernel);
  }
};

} // namespace leadline
