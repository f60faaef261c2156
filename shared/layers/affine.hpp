// A linear map of values: puts a head's output into a depth range.
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

/// dst = scale * src + shift.
struct Affine {
  static constexpr const char* name = "affine";
  struct Params {
    float scale = 1, shift = 0;
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;
  static constexpr bool pointwise = true;
  static constexpr unsigned forward_in_place = 0b1;
  static constexpr bool backward_in_place = true;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    if (const Status status = check_shape(src[0]); status != Status::ok) return status;
    return math::isfinite(params.scale) && math::isfinite(params.shift) ? Status::ok : Status::invalid_argument;
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const T scale = decimal<T>(params.scale), shift = decimal<T>(params.shift);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T* x = &src(n, h, w, 0);
      T* y = &dst(n, h, w, 0);
      for (index_t c = first; c < last; ++c) y[c] = scale * x[c] + shift;
    };
    parallel_elements(exec, "leadline::affine::forward", dst.shape, kernel, src, dst);
  }

  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const T scale = decimal<T>(params.scale);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T* dy = &diff_dst(n, h, w, 0);
      T* dx = &diff_src(n, h, w, 0);
      for (index_t c = first; c < last; ++c) store(dx[c], scale * dy[c], accumulate);
    };
    parallel_elements(exec, "leadline::affine::backward", diff_src.shape, kernel, diff_dst, diff_src);
  }
};

} // namespace leadline
