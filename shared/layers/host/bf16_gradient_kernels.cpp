// The bf16 weight gradient, which only training calls, compiled once per ISA level as bf16_kernels.cpp is: the pointer
// at the end is all that the linker sees.
#include "shared/layers/host/bf16_strips.hpp"
#include "shared/layers/host/bf16_tile.hpp"
#include "shared/layers/host/training_kernels.hpp"

namespace leadline::host {
namespace {

typedef uint16_t Line __attribute__((vector_size(64)));

LEADLINE_ALWAYS_INLINE void interleave(const Line& a, const Line& b, Line& low, Line& high) {
  const Line x = a, y = b;
  low = __builtin_shufflevector(x, y, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11,
                                43, 12, 44, 13, 45, 14, 46, 15, 47);
  high = __builtin_shufflevector(x, y, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56, 25, 57,
                                 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
}
LEADLINE_ALWAYS_INLINE void load_line(const uint16_t* from, Line& line) { memcpy(&line, from, sizeof line); }
LEADLINE_ALWAYS_INLINE void store_line(const Line& line, uint16_t* to) { memcpy(to, &line, sizeof line); }

// Lines of 32 channels to pairs of pixels, `[16 channels][pair][16][2]`; pairs begin at even or odd pixels.
void pair_pixels(const uint16_t* lines, index_t count, index_t first, index_t lanes_stride, uint16_t* pairs) {
  const Line zero = {};
  for (index_t i = first, j = 0; i < count; i += 2, ++j) {
    Line a, b, low, high;
    load_line(lines + i * bf16_block, a);
    if (i + 1 < count)
      load_line(lines + (i + 1) * bf16_block, b);
    else
      b = zero;
    interleave(a, b, low, high);
    store_line(low, pairs + j * bf16_block);
    store_line(high, pairs + lanes_stride + j * bf16_block);
  }
}

// Transposes 32 lines of 32: five perfect shuffles.
void turn_lines(const uint16_t* from, uint16_t* to) {
  Line lines[2][32];
  for (int i = 0; i < 32; ++i) load_line(from + i * bf16_block, lines[0][i]);
  for (int step = 0; step < 5; ++step)
    for (int i = 0; i < 16; ++i)
      interleave(lines[step & 1][i], lines[step & 1][i + 16], lines[~step & 1][2 * i], lines[~step & 1][2 * i + 1]);
  for (int i = 0; i < 32; ++i) store_line(lines[1][i], to + i * bf16_block);
}

// A task sums the chunks [slot * chunks / slots, ...) for some rows of the result.
void gradient(const Bf16GradientJob& job, unsigned char* scratch, index_t task) {
  const MatrixRegisters registers;
  (void)registers;
  const Bf16Strips& s = job.image;
  const bool split = s.split;
  const index_t halves = split ? 2 : 1, slot = task / job.parts, part = task % job.parts;
  const index_t first_o = part * job.group_oc / job.parts, last_o = (part + 1) * job.group_oc / job.parts;
  const index_t k = s.gather ? job.taps * s.group_k : s.group_k, k_blocks = (k + bf16_block - 1) / bf16_block;
  const index_t num_taps = s.gather ? 1 : job.taps, lines = s.line_stride / bf16_block;
  float* partial = job.partial + slot * job.partial_values;
  for (index_t i = 0; i < s.groups * num_taps * job.panels; ++i)
    for (index_t j = first_o * bf16_panel; j < last_o * bf16_panel; ++j)
      partial[i * job.group_oc * bf16_panel + j] = 0.0f;

  uint16_t* const pairs = reinterpret_cast<uint16_t*>(scratch);
  uint16_t* const turned = pairs + halves * job.pairs_values;
  uint16_t* const strip = turned + halves * job.turned_values;
  alignas(64) float tile[bf16_tile_rows * bf16_panel];
  constexpr index_t no_offset = 0;
  const index_t row_tiles = (last_o - first_o + bf16_tile_rows - 1) / bf16_tile_rows;
  const index_t rows_per_tile = row_tiles == 0 ? 1 : ((last_o - first_o + row_tiles - 1) / row_tiles + 1) / 2 * 2;
  const index_t chunks = s.n * s.blocks_h * s.blocks_w * s.groups;

  for (index_t chunk = slot * chunks / job.slots; chunk < (slot + 1) * chunks / job.slots; ++chunk) {
    const BlockPlace place = place_of(s, chunk);
    fill(s, chunk, strip);
    for (index_t half = 0; half < halves; ++half)
      for (index_t b = 0; b < k_blocks; ++b)
        for (index_t odd = 0; odd < (s.gather ? 1 : 2); ++odd)
          pair_pixels(strip + half * s.values + b * s.line_stride, lines, odd, job.lanes_stride,
                      pairs + half * job.pairs_values + (odd * k_blocks + b) * 2 * job.lanes_stride);
    fill(job.output, chunk, strip);
    const index_t pixels = ((place.height - 1) * s.pitch + place.width + bf16_block - 1) / bf16_block * bf16_block;
    for (index_t half = 0; half < halves; ++half)
      for (index_t f = 0; f < pixels; f += bf16_block)
        for (index_t o = 0; o < job.padded_oc; o += bf16_block)
          turn_lines(strip + half * job.output.values + o / bf16_block * job.output.line_stride + f * bf16_block,
                     turned + half * job.turned_values + (f / bf16_block * job.padded_oc + o) * bf16_block);

    TileOperands operands;
    operands.a_block = job.padded_oc * bf16_block;
    operands.a_low = job.turned_values;
    operands.taps = &no_offset;
    operands.num_taps = 1;
    operands.blocks = pixels / bf16_block;
    operands.last_pairs = bf16_block / 2;
    operands.b_step = bf16_block / 2 * bf16_block;
    operands.b_half = job.lanes_stride;
    operands.b_low = job.pairs_values;
    for (index_t panel = 0; panel < job.panels; ++panel)
      for (index_t t = 0; t < num_taps; ++t) {
        const index_t offset = s.gather ? 0 : job.tap_offsets[t] / bf16_block; // pixels
        operands.b = pairs + ((offset & 1) * k_blocks + panel) * 2 * job.lanes_stride + offset / 2 * bf16_block;
        float* result = partial + ((place.group * num_taps + t) * job.panels + panel) * job.group_oc * bf16_panel;
        for (index_t o = first_o; o < last_o; o += rows_per_tile) {
          const int rows = static_cast<int>(smaller(rows_per_tile, last_o - o));
          operands.a = turned + o * bf16_block;
          const bool more_columns = k - panel * bf16_panel > 16;
          if (split)
            multiply_tile<true>(operands, rows, more_columns, tile);
          else
            multiply_tile<false>(operands, rows, more_columns, tile);
          const index_t columns = more_columns ? 32 : 16;
          for (index_t r = 0; r < rows; ++r)
            for (index_t j = 0; j < columns; ++j) result[(o + r) * bf16_panel + j] += tile[r * bf16_panel + j];
        }
      }
  }
}

} // namespace

#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
/// bf16_gradient_v4_amx and so on.
extern const Bf16Gradient LEADLINE_JOIN(bf16_gradient_, LEADLINE_ISA);
const Bf16Gradient LEADLINE_JOIN(bf16_gradient_, LEADLINE_ISA) = gradient;

} // namespace leadline::host
