// Group normalisation. Y. Wu, K. He, "Group normalization", ECCV 2018.
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

/// dst = (src - mean) / sqrt(var + eps) * weight[c] + bias[c], the statistics those of each sample's groups of
/// C / num_groups consecutive channels over H, W. num_groups = 1 normalises whole samples, C is instance norm.
///
/// Weights: weight, bias, [1,1,1,C], each optional (1 and 0).
struct GroupNorm {
  static constexpr const char* name = "group_norm";
  struct Params {
    int32_t num_groups = 1; ///< divides C
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
    if (params.num_groups < 1 || !math::isfinite(params.eps) || params.eps <= 0) return Status::invalid_argument;
    return src[0].c % params.num_groups == 0 ? Status::ok : Status::invalid_shape;
  }
  static void weight_shapes(const Params&, const Shape* src, Shape* weights) {
    for (int i = 0; i < 2; ++i) weights[i] = {1, 1, 1, src[0].c};
  }

  /// mean, rstd: [N,C] each, a group's value repeated for its channels.
  static size_t saved_bytes(const LayerShapes& shapes, const Params&, size_t element) {
    return 2 * static_cast<size_t>(shapes.dst.n * shapes.dst.c) * element;
  }
  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass, Algorithm, size_t element) {
    return element == sizeof(float) ? Scratch<float>(nullptr, shapes.dst).bytes
                                    : Scratch<double>(nullptr, shapes.dst).bytes;
  }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const Shape shape = src.shape;
    const Scratch<T> scratch(args.workspace.data, shape);
    T* const mean = args.saved ? static_cast<T*>(args.saved) : scratch.mean;
    T* const rstd = args.saved ? mean + shape.n * shape.c : scratch.rstd;
    const T *weight = args.weights[0].data, *bias = args.weights[1].data;

    if (!args.recompute) group_statistics(exec, params, src, scratch.first, scratch.second, scratch.sums, mean, rstd);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T *x = &src(n, h, w, 0), *m = mean + n * shape.c, *r = rstd + n * shape.c;
      T* y = &dst(n, h, w, 0);
      for (index_t c = first; c < last; ++c)
        y[c] = (x[c] - m[c]) * r[c] * (weight ? weight[c] : T(1)) + (bias ? bias[c] : T(0));
    };
    parallel_pixels(exec, "leadline::group_norm::forward", shape, kernel);
  }

  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0], diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    const Shape shape = diff_dst.shape;
    const index_t groups = params.num_groups, width = shape.c / groups;
    const double elements = static_cast<double>(shape.h * shape.w) * static_cast<double>(width);
    const Scratch<T> scratch(args.workspace.data, shape);
    double *const sum_dy = scratch.first, *const sum_dy_x = scratch.second;
    const T* const mean = static_cast<const T*>(args.saved);
    const T* const rstd = mean + shape.n * shape.c;
    const T* const weight = args.weights[0].data;
    T *const diff_weight = args.diff_weights[0].data, *const diff_bias = args.diff_weights[1].data;
    T *const offset = scratch.mean, *const slope = scratch.rstd;
    const bool accumulate_src = args.accumulate_src[0], accumulate_weights = args.accumulate_weights;

    // Per sample and channel: the sums of diff_dst and of diff_dst times the normalised src.
    reduce_pixels<2>(
        exec, "leadline::group_norm::backward_sums", shape, PixelGroups::per_sample,
        [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, double* total,
                              index_t stride) {
          const T *x = &src(n, h, w, 0), *dy = &diff_dst(n, h, w, 0), *m = mean + n * shape.c;
          for (index_t c = first; c < last; ++c) {
            total[c - first] += static_cast<double>(dy[c]);
            total[stride + c - first] += static_cast<double>(dy[c]) * static_cast<double>(x[c] - m[c]);
          }
        },
        scratch.sums,
        [=] LEADLINE_FUNCTION(index_t n, index_t c, const double* total) {
          const index_t i = n * shape.c + c;
          sum_dy[i] = total[0];
          sum_dy_x[i] = total[1] * static_cast<double>(rstd[i]);
        });
    if (diff_weight || diff_bias)
      parallel_for(exec, "leadline::group_norm::backward_weights", shape.c, [=] LEADLINE_FUNCTION(index_t c) {
        double total = 0, total_x = 0;
        for (index_t i = c; i < shape.n * shape.c; i += shape.c) {
          total += sum_dy[i];
          total_x += sum_dy_x[i];
        }
        if (diff_weight) store(diff_weight[c], static_cast<T>(total_x), accumulate_weights);
        if (diff_bias) store(diff_bias[c], static_cast<T>(total), accumulate_weights);
      });
    if (!diff_src) return;
    parallel_for(exec, "leadline::group_norm::backward_groups", shape.n * groups, [=] LEADLINE_FUNCTION(index_t i) {
      const index_t channel = i % groups * width, first = i / groups * shape.c + channel;
      double total = 0, total_x = 0;
      for (index_t k = 0; k < width; ++k) {
        const double scale = weight ? static_cast<double>(weight[channel + k]) : 1;
        total += scale * sum_dy[first + k];
        total_x += scale * sum_dy_x[first + k];
      }
      const double r = static_cast<double>(rstd[first]);
      for (index_t k = 0; k < width; ++k) {
        offset[first + k] = static_cast<T>(r * total / elements);
        slope[first + k] = static_cast<T>(r * r * total_x / elements);
      }
    });
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T *x = &src(n, h, w, 0), *dy = &diff_dst(n, h, w, 0);
      const T *m = mean + n * shape.c, *r = rstd + n * shape.c, *o = offset + n * shape.c, *s = slope + n * shape.c;
      T* dx = &diff_src(n, h, w, 0);
      for (index_t c = first; c < last; ++c)
        store(dx[c], dy[c] * r[c] * (weight ? weight[c] : T(1)) - o[c] - s[c] * (x[c] - m[c]), accumulate_src);
    };
    parallel_pixels(exec, "leadline::group_norm::backward", shape, kernel);
  }

  /// mean and 1 / sqrt(var + eps) of each sample's groups, repeated for their channels.
  template <class T, class Exec>
  static void group_statistics(const Exec& exec, const Params& params, const Tensor<const T>& src, double* channel_mean,
                               double* channel_squares, double* sums, T* mean, T* rstd) {
    const Shape shape = src.shape;
    const index_t groups = params.num_groups, width = shape.c / groups;
    const double pixels = static_cast<double>(shape.h * shape.w), eps = decimal(params.eps);
    // Each channel's mean and sum of squared deviations, shifted by its first element as in batch norm ...
    reduce_pixels<2>(
        exec, "leadline::group_norm::statistics", shape, PixelGroups::per_sample,
        [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, double* total,
                              index_t stride) {
          const T *x = &src(n, h, w, 0), *shift = &src(n, 0, 0, 0);
          for (index_t c = first; c < last; ++c) {
            const double d = static_cast<double>(x[c]) - static_cast<double>(shift[c]);
            total[c - first] += d;
            total[stride + c - first] += d * d;
          }
        },
        sums,
        [=] LEADLINE_FUNCTION(index_t n, index_t c, const double* total) {
          const double d = total[0] / pixels;
          channel_mean[n * shape.c + c] = static_cast<double>(src(n, 0, 0, c)) + d;
          channel_squares[n * shape.c + c] = total[1] - d * total[0];
        });
    // ... then a group's from its channels': the squares within them and between their means.
    parallel_for(exec, "leadline::group_norm::groups", shape.n * groups, [=] LEADLINE_FUNCTION(index_t i) {
      const index_t first = i / groups * shape.c + i % groups * width;
      double center = 0, squares = 0;
      for (index_t c = first; c < first + width; ++c) center += channel_mean[c];
      center /= static_cast<double>(width);
      for (index_t c = first; c < first + width; ++c) {
        const double d = channel_mean[c] - center;
        squares += channel_squares[c] + pixels * d * d;
      }
      if (squares < 0) squares = 0;
      const double scale = 1 / math::sqrt(squares / (pixels * static_cast<double>(width)) + eps);
      for (index_t c = first; c < first + width; ++c) {
        mean[c] = static_cast<T>(center);
        rstd[c] = static_cast<T>(scale);
      }
    });
  }

  /// The workspace: two numbers per sample and channel, the statistics where nobody saves them, and partial sums.
  template <class T> struct Scratch {
    double *first, *second;
    T *mean, *rstd;
    double* sums;
    size_t bytes;

    Scratch(unsigned char* base, const Shape& shape) {
      ScratchCursor cursor(base);
      first = cursor.take<double>(shape.n * shape.c);
      second = cursor.take<double>(shape.n * shape.c);
      mean = cursor.take<T>(shape.n * shape.c);
      rstd = cursor.take<T>(shape.n * shape.c);
      sums = cursor.take_sums<double>(shape, PixelGroups::per_sample, 2);
      bytes = cursor.bytes();
    }
  };
};

} // namespace leadline
