// Maximum and mean over a whole picture: [N,H,W,C] -> [N,1,1,C].
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

namespace detail {

inline Status infer_global_pool2d(const NoParams& params, const Shape& src, Shape* dst) {
  *dst = {src.n, 1, 1, src.c};
  const Status status = check_shape(src);
  return status == Status::ok ? check_no_params(params) : status;
}

} // namespace detail

/// dst[n,0,0,c] = max over h, w; NaN wins. Backward shares a gradient evenly among equal maxima, as torch.amax does.
struct GlobalMaxPool2d {
  static constexpr const char* name = "global_max_pool2d";
  using Params = NoParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = true, backward_reads_dst = true;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    return detail::infer_global_pool2d(params, src[0], dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  /// Backward: the share of every maximum, [N,C].
  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass pass, Algorithm, size_t element) {
    return pass == Pass::backward ? align_up(static_cast<size_t>(shapes.src[0].n * shapes.src[0].c) * element) : 0;
  }

  template <class T, class Exec> static void forward(const Exec& exec, const Params&, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t, index_t, index_t first, index_t last) {
      T* y = &dst(n, 0, 0, 0);
      const T* start = &src(n, 0, 0, 0);
      for (index_t c = first; c < last; ++c) y[c] = start[c];
      for (index_t h = 0; h < src.shape.h; ++h)
        for (index_t w = 0; w < src.shape.w; ++w) {
          const T* x = &src(n, h, w, 0);
          for (index_t c = first; c < last; ++c) {
            const T value = x[c], best = y[c];
            y[c] = ((value > best) | (value != value)) ? value : best;
          }
        }
    };
    parallel_pixels(exec, "leadline::global_max_pool2d::forward", dst.shape, kernel);
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0], dst = args.dst, diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    T* const shares = reinterpret_cast<T*>(args.workspace.data);
    const auto count = [=] LEADLINE_FUNCTION(index_t n, index_t, index_t, index_t first, index_t last) {
      const T *y = &dst(n, 0, 0, 0), *dy = &diff_dst(n, 0, 0, 0);
      T* share = shares + n * dst.shape.c;
      for (index_t c = first; c < last; ++c) share[c] = T(0);
      for (index_t h = 0; h < src.shape.h; ++h)
        for (index_t w = 0; w < src.shape.w; ++w) {
          const T* x = &src(n, h, w, 0);
          for (index_t c = first; c < last; ++c) share[c] += x[c] == y[c] ? T(1) : T(0);
        }
      for (index_t c = first; c < last; ++c) share[c] = dy[c] / share[c];
    };
    parallel_pixels(exec, "leadline::global_max_pool2d::count", dst.shape, count);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T *x = &src(n, h, w, 0), *y = &dst(n, 0, 0, 0), *share = shares + n * dst.shape.c;
      T* dx = &diff_src(n, h, w, 0);
      for (index_t c = first; c < last; ++c) store(dx[c], x[c] == y[c] ? share[c] : T(0), accumulate);
    };
    parallel_pixels(exec, "leadline::global_max_pool2d::backward", diff_src.shape, kernel);
  }
};

/// dst[n,0,0,c] = mean over h, w.
struct GlobalAvgPool2d {
  static constexpr const char* name = "global_avg_pool2d";
  using Params = NoParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    return detail::infer_global_pool2d(params, src[0], dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass pass, Algorithm, size_t element) {
    if (pass == Pass::backward) return 0;
    return element == sizeof(float) ? reduce_pixels_bytes<float>(shapes.src[0], PixelGroups::per_sample, 1)
                                    : reduce_pixels_bytes<double>(shapes.src[0], PixelGroups::per_sample, 1);
  }

  template <class T, class Exec> static void forward(const Exec& exec, const Params&, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const T pixels = static_cast<T>(src.shape.h * src.shape.w);
    reduce_pixels<1>(
        exec, "leadline::global_avg_pool2d::forward", src.shape, PixelGroups::per_sample,
        [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, T * total, index_t) {
          const T* x = &src(n, h, w, 0);
          for (index_t c = first; c < last; ++c) total[c - first] += x[c];
        },
        reinterpret_cast<T*>(args.workspace.data),
        [=] LEADLINE_FUNCTION(index_t n, index_t c, const T* total) { dst(n, 0, 0, c) = total[0] / pixels; });
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const T pixels = static_cast<T>(diff_src.shape.h * diff_src.shape.w);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T* dy = &diff_dst(n, 0, 0, 0);
      T* dx = &diff_src(n, h, w, 0);
      for (index_t c = first; c < last; ++c) store(dx[c], dy[c] / pixels, accumulate);
    };
    parallel_pixels(exec, "leadline::global_avg_pool2d::backward", diff_src.shape, kernel);
  }
};

} // namespace leadline
