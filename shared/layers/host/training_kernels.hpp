// The CPU kernels that only training calls: double precision, gradients, batch norm's passes. As host_kernels.hpp, but
// in a library of their own (leadline_training_kernels), so that devices don't carry them.
#pragma once

#include "shared/layers/host/bf16.hpp"
#include "shared/layers/host/host_kernels.hpp"

namespace leadline::host {

/// Weight gradients: partial sums of slots of output rows. One channel per group: `[slot][tap][C]`; few output
/// channels: `[slot][oc][tap][C]`; else `[slot][group][panel][tap][group_ic][panel_width]`.
template <class T> struct WeightGradientJob {
  const T* image;
  const T* output;
  T* partial;
  index_t n, ih, iw, oh, ow, kh, kw, stride_h, stride_w, padding_top, padding_left, dilation_h, dilation_w;
  index_t groups, group_ic, group_oc;
  index_t image_stride_n, image_stride_h, image_stride_w, output_stride_n, output_stride_h, output_stride_w;
  index_t rows_per_chunk, chunks_per_image, slots;
  index_t partial_values; ///< of one slot
  index_t channels;       ///< of the image
  bool few;               ///< one group, few output channels: vectors run over the image's channels
  // One channel per group, and few output channels, need nothing of what follows.
  index_t panel_blocks, panels_per_block, ic_blocks, ic_per_block; ///< a task is a slot, a group, one of each
  index_t rows_per_step;                                           ///< output rows that a register tile sums at a time
  index_t channel_block;                                           ///< image channels that lie next to each other
  index_t padded_w;                                                ///< columns of the zero-padded copy of image rows
  index_t chunk_pixels, image_values;                              ///< of that copy: pixels; all its values
};

/// Weight gradients of 3x3 convolutions of stride 1 by Winograd's F(3x3, 4x4): floats, one group.
struct WinogradGradientJob {
  const float *image, *output;
  float* partial; ///< `[slots][row_groups][parts][oc][padded_ic]`, 9 parts (taps) or 3 (taps of one row of positions)
  index_t ih, iw, oh, ow, padding_top, padding_left, ic, oc;
  index_t image_stride_n, image_stride_h, image_stride_w, output_stride_n, output_stride_h, output_stride_w;
  index_t tiles_h, tiles_w, tiles;                 ///< tiles of 4x4 output pixels of an image, and of all images
  index_t slots, row_groups, oc_blocks, ic_blocks; ///< tasks: one of each
  index_t oc_per_block, ic_per_block, tiles_per_chunk;
  index_t image_position_stride, output_position_stride; ///< of transformed tiles, elements
  index_t padded_ic, partial_tap_values;                 ///< one part of one slot: oc * padded_ic
};

/// The activations that are part of batch norm's kernels; numbered as ActivationKind is.
enum class NormActivation : int32_t { identity = 0, relu = 1, relu6 = 2, leaky_relu = 3 };

/// Batch norm over a run of evenly spaced pixels: z = (src - mean) * scale + bias, dst = activation(z), and backward
/// diff_src = scale * dz - offset - slope * (src - mean), dz the gradient with respect to z.
template <class T> struct NormJob {
  const T *src, *diff_dst;
  T* dst;                                    ///< backward: diff_src, which may be diff_dst
  index_t src_step, diff_dst_step, dst_step; ///< from pixel to pixel
  index_t pixels, channels;
  const T* shift; ///< statistics: sums of src - shift
  const T *mean, *scale, *bias, *offset, *slope;
  NormActivation activation;
  T alpha;
  bool accumulate;
};
template <class T> struct NormTable {
  void (*sums)(const NormJob<T>& job, double* total); ///< total[c] += src: bias gradients
  /// total[c] += d, total[channels + c] += d^2, d = src - shift
  void (*statistics)(const NormJob<T>& job, double* total);
  void (*forward)(const NormJob<T>& job);
  /// total[c] += dz, total[channels + c] += dz * (src - mean)
  void (*backward_sums)(const NormJob<T>& job, double* total);
  void (*backward)(const NormJob<T>& job);
};

/// One level's functions for one type.
template <class T> struct TrainingTable {
  void (*weight_gradient)(const WeightGradientJob<T>& job, unsigned char* scratch, index_t task);
  void (*depthwise_gradient)(const WeightGradientJob<T>& job, unsigned char* scratch, index_t slot);
  NormTable<T> norm;
};

struct TrainingKernels {
  const char* isa;
  KernelTable<double> f64;
  TrainingTable<float> f32_training;
  TrainingTable<double> f64_training;
  void (*winograd_gradient)(const WinogradGradientJob& job, unsigned char* scratch, index_t task);
};

/// Those of the level that host_kernels() is of. Thread-safe.
const TrainingKernels& training_kernels();

template <class T> const TrainingTable<T>& training_table();
template <> inline const TrainingTable<float>& training_table<float>() { return training_kernels().f32_training; }
template <> inline const TrainingTable<double>& training_table<double>() { return training_kernels().f64_training; }

/// Forward kernels for T: floats' are every program's, doubles' are training's.
template <class T> const KernelTable<T>& kernel_table();
template <> inline const KernelTable<float>& kernel_table<float>() { return host_kernels().f32; }
template <> inline const KernelTable<double>& kernel_table<double>() { return training_kernels().f64; }

/// The weight gradient's kernel beside bf16_kernels(). Thread-safe.
using Bf16Gradient = void (*)(const Bf16GradientJob& job, unsigned char* scratch, index_t task);
Bf16Gradient bf16_gradient();
/// Uses this kernel from now on; null: the one that belongs to bf16_kernels() again. For tests, as use_bf16_kernels.
void use_bf16_gradient(Bf16Gradient kernel);

} // namespace leadline::host
