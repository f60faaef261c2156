// The bf16 kernels, compiled once per ISA level (LEADLINE_ISA names it) as host_kernels.cpp is: everything in the files
// included here has internal linkage, the table at the end is all that the linker sees.
#include "shared/layers/host/bf16_strips.hpp"
#include "shared/layers/host/bf16_tile.hpp"

namespace leadline::host {
namespace {

// dst[j] = or += activation(row[j] + bias[j]).
LEADLINE_ALWAYS_INLINE void finish_row(const Bf16ApplyJob& job, float* __restrict row, const float* bias, index_t count,
                                       float* __restrict dst) {
  if (bias)
    for (index_t j = 0; j < count; ++j) row[j] += bias[j];
  if (job.epilogue == 1 || job.epilogue == 2)
    for (index_t j = 0; j < count; ++j) row[j] = row[j] < 0.0f ? 0.0f : row[j]; // NaN passes through
  if (job.epilogue == 2)
    for (index_t j = 0; j < count; ++j) row[j] = row[j] > 6.0f ? 6.0f : row[j];
  if (job.epilogue == 3) job.activate(job.activation, row, count);
  if (job.accumulate)
    for (index_t j = 0; j < count; ++j) dst[j] += row[j];
  else
    for (index_t j = 0; j < count; ++j) dst[j] = row[j];
}

void multiply(const Bf16ApplyJob& job, const uint16_t* strip, index_t block, index_t first, index_t last) {
  const MatrixRegisters registers;
  (void)registers;
  const Bf16Strips& s = job.strips;
  const BlockPlace place = place_of(s, block);
  constexpr index_t no_offset = 0;
  const index_t panel_step = bf16_panel_block * (s.split ? 2 : 1);
  alignas(64) float tile[bf16_tile_rows * bf16_panel];
  for (index_t panel = first; panel < last; ++panel) {
    const index_t m = panel * bf16_panel, columns = smaller(bf16_panel, job.group_m - m);
    const index_t channel = place.group * job.group_m + m;
    const float* bias = job.bias ? job.bias + channel : nullptr;
    const uint16_t* packed = job.panels + (place.group * job.panels_per_group + panel) * job.panel_lines * panel_step;
    const uint16_t* phase_strip = strip;
    for (int32_t p = 0; p < s.num_phases; ++p) {
      const Bf16Phase& phase = s.phases[p];
      const index_t height = smaller(place.height, phase.grid_h - place.y);
      const index_t width = smaller(place.width, phase.grid_w - place.x);
      const index_t k = s.gather ? phase.taps * s.group_k : s.group_k;
      TileOperands operands;
      operands.blocks = (k + bf16_block - 1) / bf16_block;
      operands.last_pairs = static_cast<int>((k - (operands.blocks - 1) * bf16_block + 1) / 2);
      operands.a_block = s.line_stride;
      operands.a_low = s.values;
      operands.taps = s.gather ? &no_offset : job.tap_offsets + phase.first_tap;
      operands.num_taps = s.gather ? 1 : phase.taps;
      operands.b = packed + phase.first_line * panel_step;
      operands.b_step = panel_step;
      operands.b_half = bf16_panel_block / 2;
      operands.b_low = bf16_panel_block;
      // Tiles run over the rows of the strip, the columns between a row's last pixel and the next row's first included.
      const index_t pixels = height > 0 && width > 0 ? (height - 1) * s.pitch + width : 0;
      for (index_t f = 0; f < pixels; f += bf16_tile_rows) {
        const int rows = static_cast<int>(smaller(bf16_tile_rows, pixels - f));
        operands.a = phase_strip + f * bf16_block;
        if (s.split)
          multiply_tile<true>(operands, rows, columns > 16, tile);
        else
          multiply_tile<false>(operands, rows, columns > 16, tile);
        index_t y = f / s.pitch, x = f % s.pitch;
        for (int r = 0; r < rows; ++r) {
          if (x < width) {
            float* dst = job.dst + place.n * job.dst_stride_n +
                         (phase.start_h + (place.y + y) * job.dst_step_h) * job.dst_stride_h +
                         (phase.start_w + (place.x + x) * job.dst_step_w) * job.dst_stride_w + channel;
            if (columns == bf16_panel)
              finish_row(job, tile + r * bf16_panel, bias, bf16_panel, dst);
            else
              finish_row(job, tile + r * bf16_panel, bias, columns, dst);
          }
          if (++x == s.pitch) {
            x = 0;
            ++y;
          }
        }
      }
      if (s.gather) phase_strip += phase.lines * s.line_stride;
    }
  }
}

} // namespace

#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
/// bf16_kernels_v4_amx and so on.
extern const Bf16Kernels LEADLINE_JOIN(bf16_kernels_, LEADLINE_ISA);
const Bf16Kernels LEADLINE_JOIN(bf16_kernels_, LEADLINE_ISA) = {LEADLINE_ISA_NAME, fill, multiply};

} // namespace leadline::host
