// Batch normalisation over N, H, W, and an activation behind it. S. Ioffe, C. Szegedy, "Batch normalization", ICML
// 2015.
#pragma once

#include "shared/layers/activation.hpp"
#include "shared/layers/host/training_kernels.hpp"

namespace leadline {

/// dst = activation((src - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]).
///
/// Weights: weight, bias, running_mean, running_var, each [1,1,1,C]; weight and bias may be absent (1 and 0).
/// In training mean and var are those of the batch (var with divisor N H W), otherwise the running ones. Forward never
/// writes the running statistics: a step may consist of several micro-batches, whose statistics the trainer combines
/// before one `update_state`.
///
/// With an activation, forward and backward give the bits of the two layers one after the other, in fewer passes over
/// memory: backward computes the activation's argument again from src.
struct BatchNorm2d {
  static constexpr const char* name = "batch_norm2d";
  struct Params {
    float eps = 1e-5f;
    float momentum = 0.1f;         ///< of `update_state`, in [0, 1]
    ActivationParams activation{}; ///< identity: none
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 2;
  static constexpr unsigned optional_weights = 0b0011;
  static constexpr bool backward_reads_src = true, backward_reads_dst = false;
  static constexpr bool pointwise = true;
  static constexpr unsigned forward_in_place = 0b1;
  static constexpr bool recomputes = true, backward_in_place = true;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    if (const Status status = check_shape(src[0]); status != Status::ok) return status;
    const bool good = math::isfinite(params.eps) && params.eps > 0 && params.momentum >= 0 && params.momentum <= 1;
    return good ? check_activation(params.activation) : Status::invalid_argument;
  }
  static void weight_shapes(const Params&, const Shape* src, Shape* weights) {
    for (int i = 0; i < 4; ++i) weights[i] = {1, 1, 1, src[0].c};
  }

  /// What a training forward leaves in `saved`: three arrays of C elements. The unbiased variance has divisor
  /// N H W - 1 (1 for a single pixel); an empty batch has the statistics of zeros.
  template <class T> struct Statistics { T *mean, *rstd, *unbiased_var; };
  template <class T> static Statistics<T> statistics(void* saved, index_t channels) {
    T* mean = static_cast<T*>(saved);
    return {mean, mean + channels, mean + 2 * channels};
  }
  template <class T> static Statistics<const T> statistics(const void* saved, index_t channels) {
    const T* mean = static_cast<const T*>(saved);
    return {mean, mean + channels, mean + 2 * channels};
  }
  static size_t saved_bytes(const LayerShapes& shapes, const Params&, size_t element) {
    return 3 * static_cast<size_t>(shapes.dst.c) * element;
  }

  /// running = (1 - momentum) running + momentum batch, for arrays of C elements in the exec's memory. `mean` and
  /// `unbiased_var` are means over the step's micro-batches (each one's are in its `statistics`).
  template <class T, class Exec>
  static void update_state(const Exec& exec, const Params& params, index_t channels, const T* mean,
                           const T* unbiased_var, T* running_mean, T* running_var) {
    const double momentum = decimal(params.momentum), keep = 1 - momentum;
    parallel_for(exec, "leadline::batch_norm2d::update_state", channels, [=] LEADLINE_FUNCTION(index_t c) {
      running_mean[c] =
          static_cast<T>(keep * static_cast<double>(running_mean[c]) + momentum * static_cast<double>(mean[c]));
      running_var[c] =
          static_cast<T>(keep * static_cast<double>(running_var[c]) + momentum * static_cast<double>(unbiased_var[c]));
    });
  }

  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass pass, Algorithm, size_t element) {
    const bool sums = pass != Pass::inference;
    return element == sizeof(float) ? Scratch<float>(nullptr, shapes.dst, sums).bytes
                                    : Scratch<double>(nullptr, shapes.dst, sums).bytes;
  }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0];
    const Tensor<T> dst = args.dst;
    const bool training = Exec::trains && args.training;
    const Scratch<T> scratch(args.workspace.data, src.shape, training);
    const T *weight = args.weights[0].data, *bias = args.weights[1].data;
    T *const mean = scratch.mean, *const scale = scratch.scale, *const offset = scratch.bias;
    const auto factors = [=] LEADLINE_FUNCTION(index_t c, T center, double rstd) {
      mean[c] = center;
      scale[c] = static_cast<T>(rstd * (weight ? static_cast<double>(weight[c]) : 1));
      offset[c] = bias ? bias[c] : T(0);
    };
    if constexpr (Exec::trains)
      if (training) {
        const Statistics<T> saved = statistics<T>(args.saved, src.shape.c);
        if (!args.recompute) batch_statistics(exec, params, src, saved, scratch.sums);
        parallel_for(exec, "leadline::batch_norm2d::factors", src.shape.c, [=] LEADLINE_FUNCTION(index_t c) {
          factors(c, saved.mean[c], static_cast<double>(saved.rstd[c]));
        });
      }
    if (!training) {
      const double eps = decimal(params.eps);
      const T *running_mean = args.weights[2].data, *running_var = args.weights[3].data;
      parallel_for(exec, "leadline::batch_norm2d::factors", src.shape.c, [=] LEADLINE_FUNCTION(index_t c) {
        factors(c, running_mean[c], 1 / math::sqrt(static_cast<double>(running_var[c]) + eps));
      });
    }

    if constexpr (Exec::on_host && Exec::trains) // exported networks have few of these: devices take the loops below
      if (has_host_kernels(params)) {
        const auto kernel = host::training_table<T>().norm.forward;
        const host::NormJob<T> job = host_job(params, scratch, src, Tensor<const T>(), dst, false);
        parallel_for(exec, "leadline::batch_norm2d::forward", dst.shape.n * dst.shape.h, [=](index_t row) {
          host::NormJob<T> run = job;
          run.src = &src(row / dst.shape.h, row % dst.shape.h, 0, 0);
          run.dst = &dst(row / dst.shape.h, row % dst.shape.h, 0, 0);
          run.pixels = dst.shape.w;
          kernel(run);
        });
        return;
      }
    const ActivationKind kind = params.activation.kind;
    const T alpha = decimal<T>(params.activation.alpha);
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T* x = &src(n, h, w, 0);
      T* y = &dst(n, h, w, 0);
      for (index_t c = first; c < last; ++c) y[c] = (x[c] - mean[c]) * scale[c] + offset[c];
      activate_range(kind, alpha, y, y, first, last);
    };
    parallel_pixels(exec, "leadline::batch_norm2d::forward", dst.shape, kernel);
  }

  /// With dz the gradient before the activation and g = dz * weight * rstd: diff_src = g, in training less its
  /// projections on 1 and on the normalised src.
  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    const Tensor<const T> src = args.src[0], diff_dst = args.diff_dst;
    const Tensor<T> diff_src = args.diff_src[0];
    const bool training = args.training, accumulate_src = args.accumulate_src[0];
    const bool accumulate_weights = args.accumulate_weights;
    const Scratch<T> scratch(args.workspace.data, diff_dst.shape, true);
    const Statistics<const T> saved = statistics<T>(args.saved, diff_dst.shape.c);
    const T *weight = args.weights[0].data, *running_mean = args.weights[2].data, *running_var = args.weights[3].data;
    const T* const bias = args.weights[1].data;
    T *const diff_weight = args.diff_weights[0].data, *const diff_bias = args.diff_weights[1].data;
    T *const mean = scratch.mean, *const scale = scratch.scale, *const shift = scratch.bias;
    T *const offset = scratch.offset, *const slope = scratch.slope;
    const double eps = decimal(params.eps), pixels = static_cast<double>(diff_dst.shape.pixels());
    const ActivationKind kind = params.activation.kind;
    const T alpha = decimal<T>(params.activation.alpha);

    parallel_for(exec, "leadline::batch_norm2d::factors", diff_dst.shape.c, [=] LEADLINE_FUNCTION(index_t c) {
      const double rstd =
          training ? static_cast<double>(saved.rstd[c]) : 1 / math::sqrt(static_cast<double>(running_var[c]) + eps);
      mean[c] = training ? saved.mean[c] : running_mean[c];
      scale[c] = static_cast<T>(rstd * (weight ? static_cast<double>(weight[c]) : 1));
      shift[c] = bias ? bias[c] : T(0);
    });
    const auto finish = [=] LEADLINE_FUNCTION(index_t, index_t c, const double* total) {
      const double rstd =
          training ? static_cast<double>(saved.rstd[c]) : 1 / math::sqrt(static_cast<double>(running_var[c]) + eps);
      const double g = rstd * (weight ? static_cast<double>(weight[c]) : 1);
      if (diff_weight) store(diff_weight[c], static_cast<T>(total[1] * rstd), accumulate_weights);
      if (diff_bias) store(diff_bias[c], static_cast<T>(total[0]), accumulate_weights);
      if (pixels == 0) return;
      offset[c] = static_cast<T>(g * total[0] / pixels);
      slope[c] = static_cast<T>(g * rstd * rstd * total[1] / pixels);
    };

    if constexpr (Exec::on_host)
      if (training && has_host_kernels(params)) {
        const host::NormTable<T>& kernels = host::training_table<T>().norm;
        const host::NormJob<T> job = host_job(params, scratch, src, diff_dst, diff_src, accumulate_src);
        const auto sums = kernels.backward_sums;
        const auto apply = kernels.backward;
        reduce_pixel_runs<2>(
            exec, "leadline::batch_norm2d::backward_sums", diff_dst.shape,
            evenly_spaced(src) && evenly_spaced(diff_dst),
            [=](index_t n, index_t h, index_t w, index_t count, double* total) {
              host::NormJob<T> run = job;
              run.src = &src(n, h, w, 0);
              run.diff_dst = &diff_dst(n, h, w, 0);
              run.pixels = count;
              sums(run, total);
            },
            scratch.sums, finish);
        if (!diff_src) return;
        parallel_for(exec, "leadline::batch_norm2d::backward", src.shape.n * src.shape.h, [=](index_t row) {
          const index_t n = row / src.shape.h, h = row % src.shape.h;
          host::NormJob<T> run = job;
          run.src = &src(n, h, 0, 0);
          run.diff_dst = &diff_dst(n, h, 0, 0);
          run.dst = &diff_src(n, h, 0, 0);
          run.pixels = src.shape.w;
          apply(run);
        });
        return;
      }
    // The gradient before the activation.
    const auto before = [=] LEADLINE_FUNCTION(index_t c, T x, T dy) {
      return activate_backward(kind, alpha, (x - mean[c]) * scale[c] + shift[c], dy);
    };
    reduce_pixels<2>(
        exec, "leadline::batch_norm2d::backward_sums", diff_dst.shape, PixelGroups::all,
        [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, double* total,
                              index_t stride) {
          const T *x = &src(n, h, w, 0), *dy = &diff_dst(n, h, w, 0);
          for (index_t c = first; c < last; ++c) {
            const double dz = static_cast<double>(before(c, x[c], dy[c]));
            total[c - first] += dz;
            total[stride + c - first] += dz * static_cast<double>(x[c] - mean[c]);
          }
        },
        scratch.sums, finish);
    if (!diff_src) return;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T *x = &src(n, h, w, 0), *dy = &diff_dst(n, h, w, 0);
      T* dx = &diff_src(n, h, w, 0);
      if (!training)
        for (index_t c = first; c < last; ++c) store(dx[c], scale[c] * before(c, x[c], dy[c]), accumulate_src);
      else
        for (index_t c = first; c < last; ++c)
          store(dx[c], scale[c] * before(c, x[c], dy[c]) - offset[c] - slope[c] * (x[c] - mean[c]), accumulate_src);
    };
    parallel_pixels(exec, "leadline::batch_norm2d::backward", diff_src.shape, kernel);
  }

  /// Mean and variance of each channel, in one pass over memory: sums of d and d^2 in double, d = x - the channel's
  /// first element. That shift keeps the variance's relative error below about pixels * 2^-52, however large the mean.
  template <class T, class Exec>
  static void batch_statistics(const Exec& exec, const Params& params, const Tensor<const T>& src,
                               const Statistics<T>& saved, double* sums) {
    const double eps = decimal(params.eps), pixels = static_cast<double>(src.shape.pixels());
    const auto finish = [=] LEADLINE_FUNCTION(index_t, index_t c, const double* total) {
      const bool empty = pixels == 0;
      const double shift = empty ? 0 : static_cast<double>(src.data[c]);
      const double d = empty ? 0 : total[0] / pixels;
      double squares = total[1] - d * total[0]; // sum of squared deviations
      if (squares < 0) squares = 0;
      saved.mean[c] = static_cast<T>(shift + d);
      saved.rstd[c] = static_cast<T>(1 / math::sqrt((empty ? 0 : squares / pixels) + eps));
      saved.unbiased_var[c] = static_cast<T>(squares / (pixels > 1 ? pixels - 1 : 1));
    };
    if constexpr (Exec::on_host) {
      const auto kernel = host::training_table<T>().norm.statistics;
      reduce_pixel_runs<2>(
          exec, "leadline::batch_norm2d::statistics", src.shape, evenly_spaced(src),
          [=](index_t n, index_t h, index_t w, index_t count, double* total) {
            host::NormJob<T> run{};
            run.src = &src(n, h, w, 0);
            run.src_step = src.stride_w;
            run.shift = src.data;
            run.pixels = count;
            run.channels = src.shape.c;
            kernel(run, total);
          },
          sums, finish);
    } else {
      reduce_pixels<2>(
          exec, "leadline::batch_norm2d::statistics", src.shape, PixelGroups::all,
          [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, double* total,
                                index_t stride) {
            const T *x = &src(n, h, w, 0), *shift = src.data;
            for (index_t c = first; c < last; ++c) {
              const double d = static_cast<double>(x[c]) - static_cast<double>(shift[c]);
              total[c - first] += d;
              total[stride + c - first] += d * d;
            }
          },
          sums, finish);
    }
  }

  /// The workspace: per-channel factors of the element-wise passes, and partial sums.
  template <class T> struct Scratch {
    T *mean, *scale, *bias, *offset, *slope;
    double* sums;
    size_t bytes;

    Scratch(unsigned char* base, const Shape& shape, bool with_sums) {
      ScratchCursor cursor(base);
      mean = cursor.take<T>(shape.c);
      scale = cursor.take<T>(shape.c);
      bias = cursor.take<T>(shape.c);
      offset = with_sums ? cursor.take<T>(shape.c) : nullptr;
      slope = with_sums ? cursor.take<T>(shape.c) : nullptr;
      sums = with_sums ? cursor.take_sums<double>(shape, PixelGroups::all, 2) : nullptr;
      bytes = cursor.bytes();
    }
  };

private:
  /// The host kernels know the activations that are comparisons; exp and the like are the portable loops'.
  static bool has_host_kernels(const Params& params) {
    static_assert(static_cast<int32_t>(ActivationKind::identity) == 0 &&
                  static_cast<int32_t>(ActivationKind::relu) == static_cast<int32_t>(host::NormActivation::relu) &&
                  static_cast<int32_t>(ActivationKind::relu6) == static_cast<int32_t>(host::NormActivation::relu6) &&
                  static_cast<int32_t>(ActivationKind::leaky_relu) ==
                      static_cast<int32_t>(host::NormActivation::leaky_relu));
    return params.activation.kind <= ActivationKind::leaky_relu;
  }
  /// A host kernel's job but for its pixels.
  template <class T>
  static host::NormJob<T> host_job(const Params& params, const Scratch<T>& scratch, const Tensor<const T>& src,
                                   const Tensor<const T>& diff_dst, const Tensor<T>& dst, bool accumulate) {
    host::NormJob<T> job{};
    job.src_step = src.stride_w;
    job.diff_dst_step = diff_dst.stride_w;
    job.dst_step = dst.stride_w;
    job.channels = src.shape.c;
    job.mean = scratch.mean;
    job.scale = scratch.scale;
    job.bias = scratch.bias;
    job.offset = scratch.offset;
    job.slope = scratch.slope;
    job.activation = static_cast<host::NormActivation>(params.activation.kind);
    job.alpha = decimal<T>(params.activation.alpha);
    job.accumulate = accumulate;
    return job;
  }
};

} // namespace leadline
