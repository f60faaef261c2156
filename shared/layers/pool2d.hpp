// Max and average pooling over windows.
#pragma once

#include "shared/layers/host/pool_host.hpp"
#include "shared/layers/quantization.hpp"

namespace leadline {

/// Window, step and border of a pooling; everything counts pixels. Output extents are rounded down.
struct Pool2dParams {
  int32_t kernel_h = 2, kernel_w = 2;
  int32_t stride_h = 2, stride_w = 2;
  int32_t padding_top = 0, padding_bottom = 0, padding_left = 0, padding_right = 0; ///< each smaller than the kernel
  int32_t count_include_pad = 1; ///< average pooling: 1 divides by the kernel's area, 0 by the pixels inside the image
};

namespace detail {

/// Windows along one axis: count = (extent + padding - kernel) / stride + 1, rounded down.
inline Status count_windows(index_t extent, int32_t kernel, int32_t stride, int32_t before, int32_t after,
                            index_t* count) {
  if (kernel < 1 || kernel > max_extent || stride < 1 || stride > max_extent) return Status::invalid_argument;
  // A window that saw nothing but padding would have no maximum.
  if (before < 0 || before >= kernel || after < 0 || after >= kernel) return Status::invalid_argument;
  const index_t padded = extent + before + after;
  if (padded < kernel) return Status::invalid_shape;
  *count = (padded - kernel) / stride + 1;
  return Status::ok;
}

inline Status infer_pool2d(const Pool2dParams& p, const Shape& src, Shape* dst) {
  *dst = src;
  if (const Status status = check_shape(src); status != Status::ok) return status;
  if (!is_bool(p.count_include_pad)) return Status::invalid_argument;
  Status status = count_windows(src.h, p.kernel_h, p.stride_h, p.padding_top, p.padding_bottom, &dst->h);
  if (status != Status::ok) return status;
  status = count_windows(src.w, p.kernel_w, p.stride_w, p.padding_left, p.padding_right, &dst->w);
  if (status != Status::ok) return status;
  if (index_t{p.kernel_h} * p.kernel_w > INT32_MAX) return Status::invalid_argument; // taps are numbered in int32
  return check_shape(*dst);
}

inline bool strip_pool2d(Pool2dParams* p, const Shape& src, Rows dst, Rows* rows) {
  return window_rows(p->kernel_h, p->stride_h, src.h, dst, &p->padding_top, &p->padding_bottom, rows);
}

/// The part of one window's axis that lies inside the image: taps [first, last), tap k at pixel start + k.
struct PoolSpan {
  index_t start, first, last;

  LEADLINE_INLINE_FUNCTION PoolSpan(index_t window, index_t stride, index_t before, index_t kernel, index_t extent)
      : start(window * stride - before), first(start < 0 ? -start : 0),
        last(start + kernel > extent ? extent - start : kernel) {}
};

/// The windows [first, last) of one axis that cover pixel x; x is tap x - (window * stride - before) of each.
struct PoolReaders {
  index_t first, last;

  LEADLINE_INLINE_FUNCTION PoolReaders(index_t x, int32_t stride, int32_t before, int32_t kernel, index_t windows) {
    // window * stride <= end < window * stride + kernel; below 2^26, and 32-bit divisions are much the faster ones
    const uint32_t end = static_cast<uint32_t>(x) + static_cast<uint32_t>(before), step = static_cast<uint32_t>(stride);
    const uint32_t size = static_cast<uint32_t>(kernel);
    first = end < size ? 0 : (end - size) / step + 1;
    last = end / step + 1;
    if (last > windows) last = windows;
  }
};

} // namespace detail

/// dst[n,oh,ow,c] = max over the window. Of equal values the first in row order wins, NaN wins over all: PyTorch's
/// rules. Backward sends a gradient to the winner alone; `saved` holds its number in the window, int32 [N,OH,OW,C].
struct MaxPool2d {
  static constexpr const char* name = "max_pool2d";
  using Params = Pool2dParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    return detail::infer_pool2d(params, src[0], dst);
  }
  static bool strip(Params* params, const LayerShapes& shapes, Rows dst, Rows* src) {
    return detail::strip_pool2d(params, shapes.src[0], dst, src);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes& shapes, const Params&, size_t /*element*/) {
    return static_cast<size_t>(shapes.dst.count()) * sizeof(int32_t);
  }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Params p = params;
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    int32_t* const winners = static_cast<int32_t*>(args.saved);
    if constexpr (built_host_kernels && Exec::on_host && sizeof(T) == sizeof(float))
      return host::max_pool(exec, "leadline::max_pool2d::forward", p, src, dst, winners);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t oh, index_t ow, index_t first, index_t last) {
      const detail::PoolSpan rows(oh, p.stride_h, p.padding_top, p.kernel_h, src.shape.h);
      const detail::PoolSpan columns(ow, p.stride_w, p.padding_left, p.kernel_w, src.shape.w);
      T* y = &dst(n, oh, ow, 0);
      int32_t* winner = winners ? winners + ((n * dst.shape.h + oh) * dst.shape.w + ow) * dst.shape.c : nullptr;
      bool is_first = true;
      for (index_t kh = rows.first; kh < rows.last; ++kh)
        for (index_t kw = columns.first; kw < columns.last; ++kw) {
          const T* x = &src(n, rows.start + kh, columns.start + kw, 0);
          const int32_t tap = static_cast<int32_t>(kh * p.kernel_w + kw);
          if (is_first) {
            for (index_t c = first; c < last; ++c) y[c] = x[c];
            if (winner)
              for (index_t c = first; c < last; ++c) winner[c] = tap;
          } else if (winner) {
            for (index_t c = first; c < last; ++c) {
              const T value = x[c], best = y[c];
              const bool wins = (value > best) | (value != value);
              y[c] = wins ? value : best;
              winner[c] = wins ? tap : winner[c];
            }
          } else {
            for (index_t c = first; c < last; ++c) {
              const T value = x[c], best = y[c];
              y[c] = ((value > best) | (value != value)) ? value : best;
            }
          }
          is_first = false;
        }
    };
    parallel_pixels(exec, "leadline::max_pool2d::forward", dst.shape, kernel);
  }

  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Params p = params;
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const int32_t* const winners = static_cast<const int32_t*>(args.saved);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const Shape out = diff_dst.shape;
      const detail::PoolReaders rows(h, p.stride_h, p.padding_top, p.kernel_h, out.h);
      const detail::PoolReaders columns(w, p.stride_w, p.padding_left, p.kernel_w, out.w);
      T* dx = &diff_src(n, h, w, 0);
      if (!accumulate)
        for (index_t c = first; c < last; ++c) dx[c] = T(0);
      for (index_t oh = rows.first; oh < rows.last; ++oh)
        for (index_t ow = columns.first; ow < columns.last; ++ow) {
          const index_t kh = h + p.padding_top - oh * p.stride_h, kw = w + p.padding_left - ow * p.stride_w;
          const int32_t tap = static_cast<int32_t>(kh * p.kernel_w + kw);
          const int32_t* winner = winners + ((n * out.h + oh) * out.w + ow) * out.c;
          const T* dy = &diff_dst(n, oh, ow, 0);
          for (index_t c = first; c < last; ++c) {
            const T gradient = dy[c]; // read in any case: then the loop vectorises
            dx[c] += winner[c] == tap ? gradient : T(0);
          }
        }
    };
    parallel_pixels(exec, "leadline::max_pool2d::backward", diff_src.shape, kernel);
  }

  static constexpr Int8Grid int8_grid = Int8Grid::same;
  static const char* check_int8(const Params&, const LayerShapes&) { return nullptr; }

  template <class Exec> static void forward_int8(const Exec& exec, const Params& params, const Int8Args& args) {
    const Params p = params;
    const Tensor<const uint8_t> src = args.src[0];
    const Tensor<uint8_t> dst = args.dst;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t oh, index_t ow, index_t first, index_t last) {
      const detail::PoolSpan rows(oh, p.stride_h, p.padding_top, p.kernel_h, src.shape.h);
      const detail::PoolSpan columns(ow, p.stride_w, p.padding_left, p.kernel_w, src.shape.w);
      uint8_t* y = &dst(n, oh, ow, 0);
      for (index_t c = first; c < last; ++c) y[c] = 0;
      for (index_t kh = rows.first; kh < rows.last; ++kh)
        for (index_t kw = columns.first; kw < columns.last; ++kw) {
          const uint8_t* x = &src(n, rows.start + kh, columns.start + kw, 0);
          for (index_t c = first; c < last; ++c) y[c] = x[c] > y[c] ? x[c] : y[c];
        }
    };
    parallel_pixels(exec, "leadline::max_pool2d::forward_int8", dst.shape, kernel);
  }
};

/// dst[n,oh,ow,c] = sum over the window / number of its pixels (`count_include_pad` says which are counted).
struct AvgPool2d {
  static constexpr const char* name = "avg_pool2d";
  using Params = Pool2dParams;
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    return detail::infer_pool2d(params, src[0], dst);
  }
  static bool strip(Params* params, const LayerShapes& shapes, Rows dst, Rows* src) {
    return detail::strip_pool2d(params, shapes.src[0], dst, src);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  /// What the sum over one window is divided by.
  static LEADLINE_INLINE_FUNCTION index_t area(const Params& p, const detail::PoolSpan& rows,
                                               const detail::PoolSpan& columns) {
    return p.count_include_pad ? index_t{p.kernel_h} * p.kernel_w
                               : (rows.last - rows.first) * (columns.last - columns.first);
  }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Params p = params;
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t oh, index_t ow, index_t first, index_t last) {
      const detail::PoolSpan rows(oh, p.stride_h, p.padding_top, p.kernel_h, src.shape.h);
      const detail::PoolSpan columns(ow, p.stride_w, p.padding_left, p.kernel_w, src.shape.w);
      const T divisor = static_cast<T>(area(p, rows, columns));
      T* y = &dst(n, oh, ow, 0);
      for (index_t c = first; c < last; ++c) y[c] = T(0);
      for (index_t kh = rows.first; kh < rows.last; ++kh)
        for (index_t kw = columns.first; kw < columns.last; ++kw) {
          const T* x = &src(n, rows.start + kh, columns.start + kw, 0);
          for (index_t c = first; c < last; ++c) y[c] += x[c];
        }
      for (index_t c = first; c < last; ++c) y[c] /= divisor;
    };
    parallel_pixels(exec, "leadline::avg_pool2d::forward", dst.shape, kernel);
  }

  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Params p = params;
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0];
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const Shape in = diff_src.shape, out = diff_dst.shape;
      const detail::PoolReaders rows(h, p.stride_h, p.padding_top, p.kernel_h, out.h);
      const detail::PoolReaders columns(w, p.stride_w, p.padding_left, p.kernel_w, out.w);
      T* dx = &diff_src(n, h, w, 0);
      if (!accumulate)
        for (index_t c = first; c < last; ++c) dx[c] = T(0);
      for (index_t oh = rows.first; oh < rows.last; ++oh)
        for (index_t ow = columns.first; ow < columns.last; ++ow) {
          const T divisor = static_cast<T>(area(p, detail::PoolSpan(oh, p.stride_h, p.padding_top, p.kernel_h, in.h),
                                                detail::PoolSpan(ow, p.stride_w, p.padding_left, p.kernel_w, in.w)));
          const T* dy = &diff_dst(n, oh, ow, 0);
          for (index_t c = first; c < last; ++c) dx[c] += dy[c] / divisor;
        }
    };
    parallel_pixels(exec, "leadline::avg_pool2d::backward", diff_src.shape, kernel);
  }
};

} // namespace leadline
