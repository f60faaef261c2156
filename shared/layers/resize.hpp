// Nearest and bilinear resize, as torch.nn.functional.interpolate computes them (without antialiasing).
#pragma once

#include "shared/layers/quantization.hpp"

namespace leadline {

enum class ResizeMode : int32_t {
  nearest = 0,  ///< source = floor(i in / out)
  bilinear = 1, ///< source = (i + 1/2) in / out - 1/2, not below 0; with align_corners i (in - 1) / (out - 1)
};

namespace detail {

/// Two source pixels of one axis and their weights.
template <class T> struct ResizeTaps {
  index_t i0, i1;
  T w0, w1;
};

/// One axis of a resize. Source coordinates are exact: quotients of integers, the same for every T and exec.
struct ResizeAxis {
  index_t in, out;
  ResizeMode mode;
  bool align_corners;

  LEADLINE_INLINE_FUNCTION index_t nearest(index_t i) const { return i * in / out; }

  template <class T> LEADLINE_INLINE_FUNCTION ResizeTaps<T> taps(index_t i) const {
    if (mode == ResizeMode::nearest) return {nearest(i), nearest(i), T(1), T(0)};
    // source coordinate = numerator / denominator
    index_t numerator, denominator;
    if (align_corners) {
      denominator = out > 1 ? out - 1 : 1;
      numerator = out > 1 ? i * (in - 1) : 0;
    } else {
      denominator = 2 * out;
      numerator = (2 * i + 1) * in - out;
      if (numerator < 0) numerator = 0;
    }
    const index_t i0 = numerator / denominator;
    const T w1 = static_cast<T>(numerator - i0 * denominator) / static_cast<T>(denominator);
    return {i0, i0 + 1 < in ? i0 + 1 : i0, T(1) - w1, w1};
  }

  /// The smallest i in [0, out] with taps(i).i0 >= j: those that read j lie in [first(j - 1), first(j + 1)).
  LEADLINE_INLINE_FUNCTION index_t first(index_t j) const {
    if (j <= 0) return 0;
    if (j >= in) return out;
    index_t i;
    if (mode == ResizeMode::nearest) {
      i = (j * out + in - 1) / in; // ceil(j out / in)
    } else if (align_corners) {
      i = out > 1 ? (j * (out - 1) + in - 2) / (in - 1) : out; // ceil(j (out - 1) / (in - 1))
    } else {
      const index_t numerator = (2 * j + 1) * out - in; // 2 i in >= numerator
      i = numerator <= 0 ? 0 : (numerator + 2 * in - 1) / (2 * in);
    }
    return i < out ? i : out;
  }
};

/// Nearest, pixel by pixel without divisions: maps of one channel are ordinary.
template <class T, class Exec>
void copy_nearest(const Exec& exec, const char* label, const ResizeAxis& rows, const ResizeAxis& columns,
                  const Tensor<const T>& src, const Tensor<T>& dst) {
  parallel_for(exec, label, dst.shape.n * dst.shape.h, [=](index_t row) {
    const index_t n = row / dst.shape.h, oh = row % dst.shape.h, channels = dst.shape.c;
    const index_t in = columns.in, out = columns.out, src_step = src.stride_w, dst_step = dst.stride_w;
    const T* x = &src(n, rows.nearest(oh), 0, 0);
    T* y = &dst(n, oh, 0, 0);
    index_t part = 0; // ow in modulo out
    for (index_t ow = 0; ow < out; ++ow, y += dst_step) {
      for (index_t c = 0; c < channels; ++c) y[c] = x[c];
      for (part += in; part >= out; part -= out) x += src_step;
    }
  });
}

} // namespace detail

/// dst = src resized to height x width, or by whole factors where those are 0.
struct Resize {
  static constexpr const char* name = "resize";
  struct Params {
    ResizeMode mode = ResizeMode::nearest;
    int32_t height = 0, width = 0;    ///< output pixels; 0: scale_h (scale_w) times the input
    int32_t scale_h = 2, scale_w = 2; ///< ignored where height (width) is given
    int32_t align_corners = 0;        ///< bilinear only
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;

  static Status infer(const Params& p, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    if (const Status status = check_shape(src[0]); status != Status::ok) return status;
    if (p.mode != ResizeMode::nearest && p.mode != ResizeMode::bilinear) return Status::invalid_argument;
    if (!is_bool(p.align_corners) || (p.align_corners && p.mode == ResizeMode::nearest))
      return Status::invalid_argument;
    if (p.height < 0 || p.width < 0 || p.scale_h < 0 || p.scale_w < 0) return Status::invalid_argument;
    if ((p.height == 0 && p.scale_h == 0) || (p.width == 0 && p.scale_w == 0)) return Status::invalid_argument;
    dst->h = p.height ? p.height : src[0].h * p.scale_h;
    dst->w = p.width ? p.width : src[0].w * p.scale_w;
    return check_shape(*dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  /// Nearest, by whole factors: what lies between rows of the source is the same everywhere.
  static index_t strip_multiple(const Params&, const LayerShapes& shapes) { return shapes.dst.h / shapes.src[0].h; }
  static bool strip(Params* p, const LayerShapes& shapes, Rows dst, Rows* src) {
    const index_t factor = shapes.dst.h / shapes.src[0].h;
    if (p->mode != ResizeMode::nearest || factor * shapes.src[0].h != shapes.dst.h) return false;
    *src = {dst.first / factor, (dst.last + factor - 1) / factor};
    return true;
  }
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const bool align = params.align_corners != 0, nearest = params.mode == ResizeMode::nearest;
    const detail::ResizeAxis rows{src.shape.h, dst.shape.h, params.mode, align};
    const detail::ResizeAxis columns{src.shape.w, dst.shape.w, params.mode, align};
    if constexpr (Exec::on_host)
      if (nearest) return detail::copy_nearest(exec, "leadline::resize::forward", rows, columns, src, dst);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t oh, index_t ow, index_t first, index_t last) {
      T* y = &dst(n, oh, ow, 0);
      if (nearest) {
        const T* x = &src(n, rows.nearest(oh), columns.nearest(ow), 0);
        for (index_t c = first; c < last; ++c) y[c] = x[c];
        return;
      }
      const detail::ResizeTaps<T> h = rows.taps<T>(oh), w = columns.taps<T>(ow);
      const T *x00 = &src(n, h.i0, w.i0, 0), *x01 = &src(n, h.i0, w.i1, 0);
      const T *x10 = &src(n, h.i1, w.i0, 0), *x11 = &src(n, h.i1, w.i1, 0);
      for (index_t c = first; c < last; ++c)
        y[c] = h.w0 * (w.w0 * x00[c] + w.w1 * x01[c]) + h.w1 * (w.w0 * x10[c] + w.w1 * x11[c]);
    };
    parallel_pixels(exec, "leadline::resize::forward", dst.shape, kernel);
  }

  /// Gather form: every source pixel sums, in order, over the pixels that read it.
  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    if (!diff_src) return;
    const bool accumulate = args.accumulate_src[0], align = params.align_corners != 0;
    const detail::ResizeAxis rows{diff_src.shape.h, diff_dst.shape.h, params.mode, align};
    const detail::ResizeAxis columns{diff_src.shape.w, diff_dst.shape.w, params.mode, align};
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      T* dx = &diff_src(n, h, w, 0);
      if (!accumulate)
        for (index_t c = first; c < last; ++c) dx[c] = T(0);
      const index_t oh_end = rows.first(h + 1), ow_begin = columns.first(w - 1), ow_end = columns.first(w + 1);
      for (index_t oh = rows.first(h - 1); oh < oh_end; ++oh) {
        const detail::ResizeTaps<T> ht = rows.taps<T>(oh);
        const T wh = (ht.i0 == h ? ht.w0 : T(0)) + (ht.i1 == h ? ht.w1 : T(0));
        if (wh == T(0)) continue;
        for (index_t ow = ow_begin; ow < ow_end; ++ow) {
          const detail::ResizeTaps<T> wt = columns.taps<T>(ow);
          const T weight = wh * ((wt.i0 == w ? wt.w0 : T(0)) + (wt.i1 == w ? wt.w1 : T(0)));
          if (weight == T(0)) continue;
          const T* dy = &diff_dst(n, oh, ow, 0);
          for (index_t c = first; c < last; ++c) dx[c] += weight * dy[c];
        }
      }
    };
    parallel_pixels(exec, "leadline::resize::backward", diff_src.shape, kernel);
  }

  static constexpr Int8Grid int8_grid = Int8Grid::same;
  static const char* check_int8(const Params&, const LayerShapes&) { return nullptr; }

  /// Bilinear: weights are multiples of 1/2048, so that sums are exact; rounded to nearest, ties up.
  template <class Exec> static void forward_int8(const Exec& exec, const Params& params, const Int8Args& args) {
    const Tensor<const uint8_t> src = args.src[0];
    const Tensor<uint8_t> dst = args.dst;
    const bool align = params.align_corners != 0, nearest = params.mode == ResizeMode::nearest;
    const detail::ResizeAxis rows{src.shape.h, dst.shape.h, params.mode, align};
    const detail::ResizeAxis columns{src.shape.w, dst.shape.w, params.mode, align};
    if constexpr (Exec::on_host)
      if (nearest) return detail::copy_nearest(exec, "leadline::resize::forward_int8", rows, columns, src, dst);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t oh, index_t ow, index_t first, index_t last) {
      uint8_t* y = &dst(n, oh, ow, 0);
      if (nearest) {
        const uint8_t* x = &src(n, rows.nearest(oh), columns.nearest(ow), 0);
        for (index_t c = first; c < last; ++c) y[c] = x[c];
        return;
      }
      constexpr int32_t one = 2048;
      const detail::ResizeTaps<float> h = rows.taps<float>(oh), w = columns.taps<float>(ow);
      const int32_t h1 = static_cast<int32_t>(round_half_even(h.w1 * one)), h0 = one - h1;
      const int32_t w1 = static_cast<int32_t>(round_half_even(w.w1 * one)), w0 = one - w1;
      const uint8_t *x00 = &src(n, h.i0, w.i0, 0), *x01 = &src(n, h.i0, w.i1, 0);
      const uint8_t *x10 = &src(n, h.i1, w.i0, 0), *x11 = &src(n, h.i1, w.i1, 0);
      for (index_t c = first; c < last; ++c)
        y[c] = static_cast<uint8_t>(
            (h0 * (w0 * x00[c] + w1 * x01[c]) + h1 * (w0 * x10[c] + w1 * x11[c]) + one * one / 2) / (one * one));
    };
    parallel_pixels(exec, "leadline::resize::forward_int8", dst.shape, kernel);
  }
};

} // namespace leadline
