// The bf16 kernels' seam: plain jobs and a table of functions per ISA level, as host_kernels.hpp has them for float.
//
// Values stay float in memory. A task rounds the source pixels that it needs to bf16 in a strip of its scratch, where
// 32 channels of a pixel are one cache line; products of bf16 are summed in float. With `split` a value is the sum of
// two bf16 numbers, high + low, and a product is high high + high low + low high: float's accuracy but for the last few
// bits, at three times the products.
//
// bf16_kernels.cpp (and for training bf16_gradient_kernels.cpp) is compiled once per level and keeps everything
// internal but its table. conv_bf16.hpp fills jobs and launches their tasks on an exec.
#pragma once

#include "shared/core/config.hpp"
#include "shared/core/half.hpp"

namespace leadline::host {

constexpr index_t bf16_block = 32;                            ///< values of a strip's line
constexpr index_t bf16_panel = 32;                            ///< channels written together: two vectors of 16
constexpr index_t bf16_panel_block = bf16_block * bf16_panel; ///< values of one step of a panel
constexpr index_t bf16_slack = 32;                            ///< zero lines behind the lines of a strip
constexpr index_t bf16_gather_channels = 8;                   ///< up to here taps share lines

/// What rounding left over, rounded too; zero where `high` is infinite or NaN.
LEADLINE_ALWAYS_INLINE uint16_t bf16_rest(float value, uint16_t high) {
  const uint32_t rest = bf16_bits_of(__builtin_bit_cast(uint32_t, value - widen_bf16(high)));
  return static_cast<uint16_t>((high & 0x7f80u) == 0x7f80u ? 0u : rest);
}

/// A tap of a phase: the source pixel of grid pixel (y, x) lies at row y + tap.y, column x + tap.x of a plane.
struct Bf16Tap {
  int32_t plane, y, x;
  int32_t run;     ///< taps from here on that read neighbouring source pixels (gathering copies them together)
  int32_t weights; ///< the tap's place in the weights
};

/// Destination pixels that share the same taps: one phase for a convolution, one per residue modulo the stride for its
/// transpose.
struct Bf16Phase {
  index_t grid_h, grid_w;   ///< destination pixels of an image in this phase
  index_t start_h, start_w; ///< the first one; the others follow in steps of dst_step
  int32_t first_tap, taps;  ///< sorted by (y, x)
  index_t lines;            ///< steps of 32 products: blocks of channels times taps
  index_t first_line;       ///< in a panel
};

/// Source pixels with the same residue modulo the source step, when only the pixels of some residues are read.
struct Bf16Plane {
  int32_t y, x;
};

/// Where strips come from and how they lie: `[block of 32 channels][plane][row][pitch][32]`, or, when `gather`,
/// `[phase][block of 32 (tap, channel)][row][pitch][32]`: few channels would leave most of a line empty.
struct Bf16Strips {
  const float* src;
  index_t n, h, w, stride_n, stride_h, stride_w;
  index_t groups, group_k; ///< channels read per group
  index_t step_h, step_w;  ///< source pixels per grid pixel
  const Bf16Tap* taps;
  const Bf16Phase* phases;
  const Bf16Plane* planes;
  int32_t num_phases, num_planes;
  int32_t min_y, max_y, min_x, max_x; ///< of all taps
  index_t grid_h, grid_w;             ///< the largest phase's
  index_t block_h, block_w;           ///< grid pixels of a block
  index_t blocks_h, blocks_w;         ///< blocks of an image
  index_t rows, pitch;                ///< of one plane in a strip
  index_t line_stride;                ///< values from one block of 32 to the next: a plane's and slack
  index_t values;                     ///< of a strip; the low halves follow at this distance
  index_t compact_values;             ///< gather: bf16 pixels before their taps are put together
  bool gather, split;
};

/// dst = activation(bias + sum over taps of src * weights), per group; both directions of a convolution.
struct Bf16ApplyJob {
  Bf16Strips strips;
  float* dst;
  const float* bias;          ///< null: none
  const uint16_t* panels;     ///< packed weights: `[group][panel][line][high, low][2][16 pairs][16][2]`
  const index_t* tap_offsets; ///< in a strip, per tap
  index_t dst_stride_n, dst_stride_h, dst_stride_w, dst_step_h, dst_step_w;
  index_t group_m, panels_per_group, panel_lines;
  int32_t epilogue; ///< 0: none, 1: relu, 2: relu6, 3: `activate`
  bool accumulate;
  /// Applies the activation to a row in place. A function of the baseline ISA.
  void (*activate)(const void* params, float* row, index_t count);
  const void* activation;
};

/// partial[slot][group][tap][c panel][oc][32] = sum over the slot's chunks of output side * image. K runs over pixels.
struct Bf16GradientJob {
  Bf16Strips image;  ///< chunks are its blocks
  Bf16Strips output; ///< the same blocks and pitch, no halo
  const index_t* tap_offsets;
  float* partial;
  index_t scratch_bytes; ///< per worker
  index_t group_oc, padded_oc, panels, taps;
  index_t pixels;        ///< of a chunk, a multiple of 32
  index_t lanes_stride;  ///< values of 16 channels' pixel pairs
  index_t pairs_values;  ///< of all channels, both parities; the low halves follow
  index_t turned_values; ///< of the output side turned to `[pixels / 32][padded_oc][32]`; the low halves follow
  index_t slots, parts;  ///< task = slot * parts + part: a part is some of the rows (oc)
  index_t partial_values;
};

/// One level's functions.
struct Bf16Kernels {
  const char* isa; ///< "x86-64-v4+amx", "x86-64-v4+bf16", or a level that multiplies in float: part of a plan's record
  /// Fills the strip of a block: `[image][block row][block column][group]`, the group fastest.
  void (*fill)(const Bf16Strips& strips, index_t block, uint16_t* strip);
  /// dst of a block from its strip, for the panels [first, last) of its group.
  void (*multiply)(const Bf16ApplyJob& job, const uint16_t* strip, index_t block, index_t first, index_t last);
};

/// The best level that this CPU and its operating system run, unless one was forced. The first call asks the system for
/// the matrix registers where there are some; nothing else does. Thread-safe.
const Bf16Kernels& bf16_kernels();
/// How fast the kernels in use are, for the plan's cost model.
enum class Bf16Speed : uint8_t { imitated, vector, matrix };
Bf16Speed bf16_speed();
/// Uses these kernels from now on; null: the best again. For tests of kernels that this CPU can't run.
void use_bf16_kernels(const Bf16Kernels* kernels);

} // namespace leadline::host
