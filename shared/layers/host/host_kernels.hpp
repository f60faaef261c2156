// The CPU kernels' seam: plain jobs, and a table of functions per ISA level. Here is what a device needs: floats,
// forward passes. Doubles and gradients are in training_kernels.hpp, which libleadline.a doesn't have.
//
// host_kernels.cpp is compiled once per level; everything in it has internal linkage, so that no inline function
// compiled for a newer CPU can replace one that an older CPU runs. Only the tables' names are visible, and the jobs
// here have no member functions. conv_host.hpp fills jobs and launches their tasks on an exec.
#pragma once

#include "shared/core/config.hpp"
#include "shared/core/selection.hpp"

namespace leadline::host {

/// One kernel tap: where the source pixel lies relative to the (strided) destination pixel.
struct Tap {
  int32_t y, x;
};

/// Destination pixels that share the same taps. A convolution has one phase; its transpose has one per residue of
/// (y, x) modulo the stride.
struct Phase {
  index_t grid_h, grid_w;   ///< destination pixels of an image in this phase
  index_t start_h, start_w; ///< the first one; the others follow in steps of job.dst_step
  int32_t first_tap, taps;  ///< in job.taps, sorted by (y, x)
  int32_t min_y, max_y, min_x, max_x;
  index_t first_tile, tiles; ///< tiles of `tile_pixels` destination pixels, images one after the other
};

/// dst = activation(bias + sum over taps of src * weights), per group; both directions of a convolution.
template <class T> struct ApplyJob {
  const T* src;
  T* dst;
  const T* bias;   ///< null: none
  const T* panels; ///< packed weights: per group and panel `[taps][group_k][panel_width]`
  const T* zeros;  ///< group_k zeros: what taps outside the image read
  const Tap* taps;
  const Phase* phases;
  int32_t num_phases;
  bool joint; ///< all phases have the same grid and read the same pixels: a tile of the first goes through all of them
  index_t src_h, src_w, src_stride_n, src_stride_h, src_stride_w;
  index_t dst_stride_n, dst_stride_h, dst_stride_w;
  index_t src_step_h, src_step_w; ///< source pixels per destination pixel of a phase's grid
  index_t dst_step_h, dst_step_w;
  index_t n, groups, group_k, group_m;    ///< images; channels read and written per group
  index_t panels_per_group, panel_values; ///< values of one panel: all taps * group_k * panel_width
  index_t tiles_per_task, panels_per_task, tile_tasks;
  bool accumulate;
  int32_t epilogue; ///< 0: none, 1: relu, 2: relu6, 3: activate()
  /// Applies any activation to a row in place. A function of the baseline ISA.
  void (*activate)(const void* params, T* row, index_t count);
  const void* activation;
};

/// Destination pixels of a depthwise convolution that share the same taps: a regular grid of them.
struct DepthwisePhase {
  index_t grid_h, grid_w;   ///< destination pixels of an image in this phase
  index_t start_h, start_w; ///< the first one; the others follow in steps of job.dst_step
  index_t src_y, src_x;     ///< where the first tap of the first pixel reads, may lie outside of the image
  int32_t taps_h, taps_w;
  index_t first_tap; ///< in job.weights
  index_t first_row; ///< rows of the phases before it, all images
};

/// dst = activation(bias + sum over taps of src * weights), one channel per group, both directions.
template <class T> struct DepthwiseJob {
  const T* src;
  T* dst;
  const T* bias;    ///< null: none
  const T* weights; ///< `[tap][C]`, phase by phase, taps by rising source row and column
  const DepthwisePhase* phases;
  index_t n, channels, src_h, src_w, src_stride_n, src_stride_h, src_stride_w;
  index_t dst_stride_n, dst_stride_h, dst_stride_w;
  index_t dst_block_stride;       ///< from a vector of channels to the next: a vector, unless they lie in blocks
  index_t src_step_h, src_step_w; ///< source pixels per destination pixel of a phase's grid
  index_t dst_step_h, dst_step_w;
  index_t tap_step_h, tap_step_w; ///< source pixels from tap to tap
  index_t rows, tasks;            ///< of all phases and images; a task is a range of rows
  int32_t epilogue;               ///< 0: none, 1: relu, 2: relu6, 3: activate()
  bool accumulate;
  void (*activate)(const void* params, T* row, index_t count);
  const void* activation;
};

/// dst = activation(bias + 1x1 convolution) at the nearest pixel, plus residual; floats, one group.
struct PointwiseJob {
  const DepthwiseJob<float>* depthwise; ///< what makes the source; null: src has it
  const float *src, *residual, *bias;   ///< residual and bias null: none
  const float* weights;                 ///< packed: per panel `[channels][panel_width]`
  float* dst;
  index_t src_stride_n, src_stride_h, src_stride_w;
  index_t residual_stride_n, residual_stride_h, residual_stride_w;
  index_t dst_stride_n, dst_stride_h, dst_stride_w;
  index_t n, h, w, channels, dst_channels; ///< of the convolution's results
  index_t up_h, up_w;                      ///< pixels of dst per result
  index_t panels, row_blocks, panel_blocks;
  index_t block_stride;  ///< in a worker's scratch, elements from a block of channels to the next
  index_t places_offset; ///< bytes, in the same
  int32_t epilogue;      ///< 0: none, 1: relu, 2: relu6, 3: activate()
  void (*activate)(const void* params, float* row, index_t count);
  const void* activation;
};

/// dst = activation(bias + convolution), 3x3 and stride 1, by Winograd's F(m x m, 3x3); floats, one group.
struct WinogradJob {
  const float *src, *bias; ///< bias null: none
  const float* weights;    ///< transformed: `[positions][panels][channels][panel_width]`
  float* dst;
  index_t src_h, src_w, src_stride_n, src_stride_h, src_stride_w;
  index_t dst_h, dst_w, dst_stride_n, dst_stride_h, dst_stride_w;
  index_t offset_y, offset_x;             ///< source pixel of tap (0, 0) less the destination pixel
  index_t channels, dst_channels, panels; ///< panels of panel_width destination channels
  index_t tiles_h, tiles_w, tiles;        ///< tiles of an image, and of all images
  index_t tile_blocks, panel_blocks;      ///< a block of work is a block of tiles times a block of panels
  index_t tiles_per_block, panels_per_pass;
  index_t source_position_stride, product_position_stride, product_panel_stride; ///< in a worker's scratch, elements
  int32_t epilogue; ///< 0: none, 1: relu, 2: relu6, 3: activate()
  bool accumulate;
  void (*activate)(const void* params, float* row, index_t count);
  const void* activation;
};

/// transformed = G g G^T of every pair of channels. One task: a panel and a vector of source channels.
struct WinogradWeightsJob {
  const float* weights;
  float* transformed;
  index_t stride_m, stride_k, stride_tap; ///< of weights, over destination channels, source channels, taps
  index_t channels, dst_channels, panels;
  bool flip; ///< taps in reverse order: the data gradient
};

/// How kernels cut channels and pixels: what plans need to know.
struct TileSizes {
  int32_t panel_width; ///< output channels of one panel: two vectors
  int32_t tile_pixels; ///< pixels of one register tile
};

/// One level's functions. `few` writes few channels per group, weights as `[group][m][tap][group_k]`.
template <class T> struct KernelTable {
  void (*apply)(const ApplyJob<T>& job, index_t task);
  void (*apply_few)(const ApplyJob<T>& job, index_t task);
  void (*depthwise)(const DepthwiseJob<T>& job, index_t task);
};

/// Winograd's kernels for one tile size, floats alone.
struct WinogradTable {
  void (*run)(const WinogradJob& job, unsigned char* scratch, index_t block);
  void (*transform_weights)(const WinogradWeightsJob& job, index_t task);
};

/// Max-pooling; tasks are rows of results.
struct MaxPoolJob {
  const float* src;
  float* dst;
  int32_t* winners; ///< number in its window of each result, `[N,H,W,C]`; null: not wanted
  index_t src_h, src_w, dst_h, dst_w, channels;
  index_t src_stride_n, src_stride_h, src_stride_w, dst_stride_n, dst_stride_h, dst_stride_w;
  index_t kernel_h, kernel_w, stride_h, stride_w, padding_top, padding_left;
};

/// What inference calls; training_kernels.hpp has the rest.
struct HostKernels {
  const char* isa; ///< "x86-64-v4", "x86-64-v3", "armv8", "baseline": part of every plan's record
  TileSizes f32_sizes, f64_sizes;
  int32_t gradient_rows; ///< output channels of a weight gradient's register tile
  KernelTable<float> f32;
  WinogradTable winograd4, winograd6; ///< empty where built_winograd says that there are none
  void (*pointwise)(const PointwiseJob& job, unsigned char* scratch, index_t block); ///< shares Winograd's products
  void (*max_pool)(const MaxPoolJob& job, index_t row);
};

/// The level in use: the best that this CPU (and its operating system) runs, unless one was forced. Thread-safe. Where
/// the CPU has none of the levels that were built, the last of them, whose functions mustn't be called.
const HostKernels& host_kernels();
/// Whether the CPU has one of the levels that were built; always, but for some selective builds. Thread-safe.
bool isa_supported();
/// Name of the level in use; "portable" in a build without SIMD kernels. Thread-safe.
const char* isa_name();
/// Uses the level of that name from now on; null: the best again. False, and nothing changes, where this build or CPU
/// doesn't have it. Workspaces planned for another level are no longer large enough: force before planning.
bool force_host_kernels(const char* isa);
/// How often force_host_kernels has changed the level: what was planned at another count mustn't run. Thread-safe.
uint32_t level_changes();
/// Names of the levels that this build and CPU have, best first; null behind the last. Thread-safe.
const char* isa_level(int index);
/// What the CPU calls itself; empty where it doesn't say. `name` has room for 49 characters.
void cpu_name(char* name);

/// Of kernels for T, which is float or double.
template <class T> const TileSizes& tile_sizes() {
  return sizeof(T) == sizeof(float) ? host_kernels().f32_sizes : host_kernels().f64_sizes;
}

} // namespace leadline::host
