// The seam of the kernels on bytes, as host_kernels.hpp is that of floats: jobs, and a table of functions per ISA
// level. All levels give the same bytes; they differ in how weights are packed, so a session keeps to the level that it
// was planned on.
#pragma once

#include "shared/layers/host/host_kernels.hpp"

namespace leadline::host {

/// Whether this architecture has kernels of its own. Others run the portable form, and nothing here becomes code.
#if defined(__x86_64__) || defined(__aarch64__)
constexpr bool has_int8_kernels = true;
#else
constexpr bool has_int8_kernels = false;
#endif

constexpr int int8_block = 4;                   ///< channels read by one step of a kernel
constexpr index_t int8_depthwise_channels = 64; ///< of a block of the interleaving depthwise kernel
constexpr index_t int8_depthwise_strip = 14;    ///< pixels that it works on together
constexpr index_t int8_depthwise_columns = 48;  ///< source columns that they may read
constexpr index_t int8_depthwise_rows = 8;      ///< taps of a column that it can do

/// dst = requantize(bias + sum over taps of src * weights). Of ApplyJob, bias, panels, epilogue and activation aren't
/// used; taps outside of the image read `zeros`, which are zero points.
struct Int8ApplyJob : ApplyJob<uint8_t> {
  const void* weights;      ///< `[group][panel][tap][block][panel_width][4]` of int8_t or int16_t
  const int32_t* sums;      ///< what a sum begins with: `[phase][group][panel][panel_width]`
  const float* multipliers; ///< `[group][panel][panel_width]`
  index_t blocks;           ///< of channels read, per tap
  index_t padded_m;         ///< group * panels_per_group * panel_width
  float low, high;          ///< ByteRange
  int32_t zero_point;
};

/// The same for one channel per group, output side from image side.
struct Int8DepthwiseJob {
  const uint8_t* src;
  uint8_t* dst;
  const uint8_t* zeros; ///< zero points, a block of channels
  /// Interleaving: int8_t `[block][row][row group][tap column][4][16][4]`, for each of the destination rows that are
  /// worked on together, by groups of 4 of the source rows that they read. Else int16_t `[tap][C]`.
  const void* weights;
  const int32_t* sums;      ///< per channel
  const float* multipliers; ///< likewise
  index_t n, channels, src_h, src_w, dst_h, dst_w;
  index_t src_stride_n, src_stride_h, src_stride_w, dst_stride_n, dst_stride_h, dst_stride_w;
  index_t kernel_h, kernel_w, stride_h, stride_w, padding_top, padding_left, dilation_h, dilation_w;
  index_t rows_per_task;
  index_t rows_together, row_groups; ///< interleaving
  int32_t src_zero_point;
  float low, high;
  int32_t zero_point;
};

constexpr index_t int8_winograd_tiles = 28; ///< of 4x4 destination pixels: a block of work

/// A 3x3 convolution of stride 1, one group, by Winograd's F(4x4, 3x3) in whole numbers.
struct Int8WinogradJob {
  const uint8_t* src;
  uint8_t* dst;
  const int16_t* weights; ///< transformed: `[panel][36][padded_k / 2][32][2]`
  const int32_t* sums;    ///< what a sum begins with, per channel, whole panels
  const float* multipliers;
  index_t channels, dst_channels, padded_k, panels; ///< padded_k: a multiple of 32; panels of 32
  index_t src_h, src_w, src_stride_n, src_stride_h, src_stride_w;
  index_t dst_h, dst_w, dst_stride_n, dst_stride_h, dst_stride_w;
  index_t padding_top, padding_left;
  index_t tiles_h, tiles_w, tiles; ///< of an image, and of all images
  int32_t src_zero_point;
  float low, high;
  int32_t zero_point;
};

/// dst[i] = requantize(a_multiplier * (a[i] - a_zero_point) + ...), both products and their sum rounded to float.
struct Int8AddJob {
  const uint8_t *a, *b;
  uint8_t* dst;
  index_t count;
  bool repeat_b; ///< b is one byte
  float a_multiplier, b_multiplier;
  int32_t a_zero_point, b_zero_point;
  float low, high; ///< ByteRange
  int32_t zero_point;
};

struct Int8Kernels {
  const char* isa;      ///< "x86-64-v4+vnni", "aarch64+dotprod", or as HostKernels
  int32_t panel_width;  ///< output channels of a panel
  int32_t weight_bytes; ///< of a packed weight
  int32_t tile_pixels;
  int32_t src_offset; ///< what `apply` takes from source bytes before it multiplies: its sums begin without it
  bool interleaves;   ///< which of the depthwise kernels it is
  void (*apply)(const Int8ApplyJob& job, index_t task);
  void (*depthwise)(const Int8DepthwiseJob& job, index_t task);
  void (*add)(const Int8AddJob& job); ///< on all levels
  /// Null where it isn't worth it. `scratch`: int8_winograd_scratch.
  void (*winograd)(const Int8WinogradJob& job, unsigned char* scratch, index_t block);
};

constexpr size_t int8_winograd_scratch(index_t padded_k) {
  return static_cast<size_t>(36 * int8_winograd_tiles * (padded_k * 2 + 32 * 4));
}

/// The best level that this CPU has, or what force_host_kernels chose. Thread-safe.
const Int8Kernels& int8_kernels();

} // namespace leadline::host
