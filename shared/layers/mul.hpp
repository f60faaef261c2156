// Element-wise product of two tensors: attention, gates, squeeze-and-excitation.
#pragma once

#include "shared/layers/broadcast.hpp"

namespace leadline {

/// dst = src[0] * src[1]; src[1] is [N,H,W,C], [N,1,1,C], [N,H,W,1] or [1,1,1,C].
struct Mul {
  static constexpr const char* name = "mul";
  using Params = NoParams;
  static constexpr int min_inputs = 2, max_inputs = 2;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = true, backward_reads_dst = false;
  static constexpr bool pointwise = true;
  static constexpr unsigned forward_in_place = 0b11;

  static Status infer(const Params& params, const Shape* src, int num_src, Shape* dst) {
    return detail::infer_broadcast(params, src, num_src, dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass pass, Algorithm, size_t) {
    return pass == Pass::backward ? detail::reduce_broadcast_bytes(shapes.src[0], shapes.src[1]) : 0;
  }

  template <class T, class Exec> static void forward(const Exec& exec, const Params&, const ForwardArgs<T>& args) {
    multiply(exec, "leadline::mul::forward", args.src[0], args.src[1], args.dst, false);
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const Tensor<const T> a = args.src[0], diff_dst = args.diff_dst;
    if (args.diff_src[0])
      multiply(exec, "leadline::mul::backward_first", diff_dst, args.src[1], args.diff_src[0], args.accumulate_src[0]);
    if (args.diff_src[1])
      detail::reduce_broadcast(
          exec, "leadline::mul::backward_second", diff_dst.shape,
          [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t c) {
            return diff_dst(n, h, w, c) * a(n, h, w, c);
          },
          args.diff_src[1], args.accumulate_src[1], args.workspace);
  }

  /// y = x * factor, the factor repeated to x's shape.
  template <class T, class Exec>
  static void multiply(const Exec& exec, const char* label, const Tensor<const T>& x_, const Tensor<const T>& factor_,
                       const Tensor<T>& y_, bool accumulate) {
    const Tensor<const T> x = x_, factor = detail::repeat_pixels(factor_);
    const Tensor<T> y = y_;
    const bool one_channel = factor.shape.c != x.shape.c;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T *a = &x(n, h, w, 0), *b = &factor(n, h, w, 0);
      T* out = &y(n, h, w, 0);
      if (one_channel)
        for (index_t c = first; c < last; ++c) store(out[c], a[c] * b[0], accumulate);
      else
        for (index_t c = first; c < last; ++c) store(out[c], a[c] * b[c], accumulate);
    };
    parallel_pixels(exec, label, y.shape, kernel);
  }
};

} // namespace leadline
