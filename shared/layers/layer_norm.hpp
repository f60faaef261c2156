// Layer normalisation over channels. J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016.
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

/// dst = (src - mean) / sqrt(var + eps) * weight[c] + bias[c], the statistics those of each pixel's channels.
///
/// Weights: weight, bias, [1,1,1,C], each optional (1 and 0).
struct LayerNorm {
  static constexpr const char* name = "layer_norm";
  struct Params {
    float eps = 1e-5f;
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 2;
  static constexpr unsigned optional_weights = 0b0011;
  static constexpr bool backward_reads_src = true, backward_reads_dst = false;
  static constexpr bool recomputes = true, backward_in_place = true;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    if (const Status status = check_shape(src[0]); status != Status::ok) return status;
    return math::isfinite(params.eps) && params.eps > 0 ? Status::ok : Status::invalid_argument;
  }
  static void weight_shapes(const Params&, const Shape* src, Shape* weights) {
    for (int i = 0; i < 2; ++i) weights[i] = {1, 1, 1, src[0].c};
  }

  /// mean, rstd: [N,H,W] each.
  static size_t saved_bytes(const LayerShapes& shapes, const Params&, size_t element) {
    return 2 * static_cast<size_t>(shapes.dst.pixels()) * element;
  }
  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass pass, Algorithm, size_t) {
    return pass == Pass::backward ? reduce_pixels_bytes<double>(shapes.dst, PixelGroups::all, 2) : 0;
  }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const index_t channels = src.shape.c, pixels = src.shape.pixels();
    const double eps = decimal(params.eps);
    T* const saved = static_cast<T*>(args.saved);
    const T *weight = args.weights[0].data, *bias = args.weights[1].data;
    const bool recompute = args.recompute;
    parallel_for(exec, "leadline::layer_norm::forward", pixels, [=] LEADLINE_FUNCTION(index_t p) {
      const T* x = src.pixel(p);
      T* y = dst.pixel(p);
      T mean, rstd;
      if (recompute) {
        mean = saved[p];
        rstd = saved[pixels + p];
      } else {
        double total = 0, squares = 0;
        for (index_t c = 0; c < channels; ++c) total += static_cast<double>(x[c]);
        const double center = total / static_cast<double>(channels);
        for (index_t c = 0; c < channels; ++c) {
          const double d = static_cast<double>(x[c]) - center;
          squares += d * d;
        }
        mean = static_cast<T>(center);
        rstd = static_cast<T>(1 / math::sqrt(squares / static_cast<double>(channels) + eps));
        if (saved) {
          saved[p] = mean;
          saved[pixels + p] = rstd;
        }
      }
      for (index_t c = 0; c < channels; ++c)
        y[c] = (x[c] - mean) * rstd * (weight ? weight[c] : T(1)) + (bias ? bias[c] : T(0));
    });
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0], diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    const Shape shape = diff_dst.shape;
    const index_t channels = shape.c, pixels = shape.pixels();
    const T *const means = static_cast<const T*>(args.saved), *const rstds = means + pixels;
    const T* const weight = args.weights[0].data;
    T *const diff_weight = args.diff_weights[0].data, *const diff_bias = args.diff_weights[1].data;
    const bool accumulate_src = args.accumulate_src[0], accumulate_weights = args.accumulate_weights;

    if (diff_weight || diff_bias)
      reduce_pixels<2>(
          exec, "leadline::layer_norm::backward_weights", shape, PixelGroups::all,
          [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, double* total,
                                index_t stride) {
            const index_t p = (n * shape.h + h) * shape.w + w;
            const T *x = &src(n, h, w, 0), *dy = &diff_dst(n, h, w, 0);
            const T mean = means[p], rstd = rstds[p];
            for (index_t c = first; c < last; ++c) {
              total[c - first] += static_cast<double>(dy[c]);
              total[stride + c - first] += static_cast<double>(dy[c]) * static_cast<double>((x[c] - mean) * rstd);
            }
          },
          reinterpret_cast<double*>(args.workspace.data),
          [=] LEADLINE_FUNCTION(index_t, index_t c, const double* total) {
            if (diff_weight) store(diff_weight[c], static_cast<T>(total[1]), accumulate_weights);
            if (diff_bias) store(diff_bias[c], static_cast<T>(total[0]), accumulate_weights);
          });
    if (!diff_src) return;
    parallel_for(exec, "leadline::layer_norm::backward", pixels, [=] LEADLINE_FUNCTION(index_t p) {
      const T *x = src.pixel(p), *dy = diff_dst.pixel(p);
      T* dx = diff_src.pixel(p);
      const T mean = means[p], rstd = rstds[p];
      double total = 0, total_x = 0;
      for (index_t c = 0; c < channels; ++c) {
        const double g = static_cast<double>(dy[c]) * (weight ? static_cast<double>(weight[c]) : 1);
        total += g;
        total_x += g * static_cast<double>((x[c] - mean) * rstd);
      }
      const T offset = static_cast<T>(total / static_cast<double>(channels));
      const T slope = static_cast<T>(total_x / static_cast<double>(channels));
      for (index_t c = 0; c < channels; ++c) {
        const T g = dy[c] * (weight ? weight[c] : T(1));
        store(dx[c], rstd * (g - offset - (x[c] - mean) * rstd * slope), accumulate_src);
      }
    });
  }
};

} // namespace leadline
