// Weight gradients of 3x3 convolutions of stride 1 by Winograd's F(3x3, 4x4). A. Lavin, S. Gray, "Fast algorithms for
// convolutional neural networks", CVPR 2016. Included by host_kernels.cpp alone.
//
// A 4x4 tile y of the output side's gradient and the 6x6 tile d of the image that it meets give 3x3 taps,
//   dW = G^T [ sum over tiles (B^T d B) . (A y A^T) ] G,
// with the matrices of the forward F(4x4, 3x3): 36 products per tile and pair of channels where the direct form has
// 144. At each of the 36 positions the sum over tiles is a matrix product [output channels x tiles] * [tiles x image
// channels]. A task transforms a chunk of tiles into its cache, multiplies, goes on to the next chunk, and turns its
// sums into taps at the end. Where the sums of all positions don't fit into a core's cache, a task has one row of
// positions alone: applying B^T and A to columns first, it computes no more of the transforms than it needs.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"
#include "shared/layers/host/training_kernels.hpp"
#include "shared/layers/host/winograd.hpp"

namespace leadline::host {
namespace {

using GradientVector = Simd<float>::vector;
constexpr int gradient_lanes = Simd<float>::lanes, gradient_width = 2 * gradient_lanes;
constexpr int winograd_n = 6, winograd_m = 4; // source and output tile
constexpr int every_row = -1;
// Transformed tiles of the output side lie in blocks of so many channels: whole vectors, whole register tiles.
constexpr int output_block = gradient_rows > gradient_lanes ? gradient_rows : gradient_lanes;

// Row `row` of B^T d, or all six.
template <int row> LEADLINE_ALWAYS_INLINE void image_columns(const GradientVector* d, GradientVector* t) {
  if constexpr (row == every_row) Winograd<4>::source(d, t);
  if constexpr (row == 0) t[0] = multiply_add(4.0f, d[0], multiply_add(-5.0f, d[2], d[4]));
  if constexpr (row == 1) t[0] = multiply_add(-4.0f, d[2] + d[1], d[4] + d[3]);
  if constexpr (row == 2) t[0] = multiply_add(-4.0f, d[2] - d[1], d[4] - d[3]);
  if constexpr (row == 3) t[0] = multiply_add(2.0f, d[3] - d[1], d[4] - d[2]);
  if constexpr (row == 4) t[0] = multiply_add(-2.0f, d[3] - d[1], d[4] - d[2]);
  if constexpr (row == 5) t[0] = multiply_add(4.0f, d[1], multiply_add(-5.0f, d[3], d[5]));
}

// Row `row` of A y, or all six.
template <int row> LEADLINE_ALWAYS_INLINE void output_columns(const GradientVector* y, GradientVector* t) {
  const GradientVector a = y[0] + y[2], b = y[1] + y[3];
  const GradientVector c = multiply_add(4.0f, y[2], y[0]), d = multiply_add(4.0f, y[3], y[1]);
  if constexpr (row == every_row) {
    t[0] = y[0];
    t[1] = a + b;
    t[2] = a - b;
    t[3] = multiply_add(2.0f, d, c);
    t[4] = multiply_add(-2.0f, d, c);
    t[5] = y[3];
  }
  if constexpr (row == 0) t[0] = y[0];
  if constexpr (row == 1) t[0] = a + b;
  if constexpr (row == 2) t[0] = a - b;
  if constexpr (row == 3) t[0] = multiply_add(2.0f, d, c);
  if constexpr (row == 4) t[0] = multiply_add(-2.0f, d, c);
  if constexpr (row == 5) t[0] = y[3];
}

// t = G^T p: six sums into three taps.
LEADLINE_ALWAYS_INLINE void taps_of(const GradientVector* p, GradientVector* t) {
  const GradientVector a = (p[1] + p[2]) * (1.0f / 6), b = p[3] + p[4];
  t[0] = multiply_add(0.25f, p[0], multiply_add(1.0f / 24, b, -a));
  t[1] = multiply_add(1.0f / 12, p[3] - p[4], (p[2] - p[1]) * (1.0f / 6));
  t[2] = multiply_add(1.0f / 6, b, p[5] - a);
}

// Up to a vector of channels that begin at p; what lies beyond the last is zero.
LEADLINE_ALWAYS_INLINE GradientVector load_channels_of(const float* p, index_t count) {
  if (count >= gradient_lanes) return Simd<float>::load(p);
  alignas(64) float values[gradient_lanes] = {};
  for (index_t c = 0; c < count; ++c) values[c] = p[c];
  return Simd<float>::load(values);
}

// Pixels (y + i, x + j) for i < rows, j < columns, zero outside of the tensor, channels [0, count) of p.
template <int rows>
LEADLINE_ALWAYS_INLINE void load_column(const float* p, index_t y, index_t x, index_t h, index_t w, index_t stride_h,
                                        index_t stride_w, index_t count, GradientVector* d) {
  const bool column_inside = x >= 0 && x < w;
  if (column_inside && y >= 0 && y + rows <= h && count >= gradient_lanes) {
    LEADLINE_UNROLL
    for (int i = 0; i < rows; ++i) d[i] = Simd<float>::load(p + (y + i) * stride_h + x * stride_w);
    return;
  }
  for (int i = 0; i < rows; ++i)
    d[i] = column_inside && y + i >= 0 && y + i < h ? load_channels_of(p + (y + i) * stride_h + x * stride_w, count)
                                                    : GradientVector{};
}

constexpr index_t gradient_strip = 8; // tiles whose columns are transformed in one go

// transformed[position][panel][tile][lane] = B^T d B of `count` tiles from `first` on, channels [c0, c1).
template <int row>
void transform_image(const WinogradGradientJob& job, index_t first, index_t count, index_t c0, index_t c1,
                     float* transformed) {
  constexpr int rows = row == every_row ? winograd_n : 1;
  alignas(64) float columns[rows][(gradient_strip * winograd_m + 2) * gradient_lanes];
  for (index_t c = c0; c < c1; c += gradient_lanes)
    for (index_t t = 0; t < count;) {
      const index_t tile_row = (first + t) / job.tiles_w, column = (first + t) % job.tiles_w;
      const index_t strip = smaller(smaller(gradient_strip, count - t), job.tiles_w - column);
      const index_t y = tile_row % job.tiles_h * winograd_m - job.padding_top,
                    x = column * winograd_m - job.padding_left;
      const float* image = job.image + tile_row / job.tiles_h * job.image_stride_n + c;
      for (index_t i = 0; i < strip * winograd_m + 2; ++i) {
        GradientVector d[winograd_n], u[rows];
        load_column<winograd_n>(image, y, x + i, job.ih, job.iw, job.image_stride_h, job.image_stride_w, c1 - c, d);
        image_columns<row>(d, u);
        LEADLINE_UNROLL
        for (int r = 0; r < rows; ++r) Simd<float>::store(&columns[r][i * gradient_lanes], u[r]);
      }
      const index_t panel = (c - c0) / gradient_width, half = (c - c0) % gradient_width;
      float* to = transformed + (panel * job.tiles_per_chunk + t) * gradient_width + half;
      for (index_t s = 0; s < strip; ++s, to += gradient_width)
        for (int r = 0; r < rows; ++r) {
          GradientVector d[winograd_n], u[winograd_n];
          LEADLINE_UNROLL
          for (int j = 0; j < winograd_n; ++j)
            d[j] = Simd<float>::load(&columns[r][(s * winograd_m + j) * gradient_lanes]);
          image_columns<every_row>(d, u);
          LEADLINE_UNROLL
          for (int j = 0; j < winograd_n; ++j)
            Simd<float>::store(to + (r * winograd_n + j) * job.image_position_stride, u[j]);
        }
      t += strip;
    }
}

// transformed[position][block][tile][channel of the block] = A y A^T of `count` tiles from `first` on, channels [c0,
// c1).
template <int row>
void transform_output(const WinogradGradientJob& job, index_t first, index_t count, index_t c0, index_t c1,
                      float* transformed) {
  constexpr int rows = row == every_row ? winograd_n : 1;
  const index_t blocks = (c1 - c0 + output_block - 1) / output_block; // channels beyond c1 are zero
  for (index_t c = c0; c < c0 + blocks * output_block; c += gradient_lanes)
    for (index_t t = 0; t < count; ++t) {
      const index_t tile_row = (first + t) / job.tiles_w, column = (first + t) % job.tiles_w;
      const index_t y = tile_row % job.tiles_h * winograd_m, x = column * winograd_m;
      const float* output = job.output + tile_row / job.tiles_h * job.output_stride_n + c;
      GradientVector u[rows][winograd_m];
      for (int j = 0; j < winograd_m; ++j) {
        GradientVector d[winograd_m], v[rows];
        load_column<winograd_m>(output, y, x + j, job.oh, job.ow, job.output_stride_h, job.output_stride_w, c1 - c, d);
        output_columns<row>(d, v);
        LEADLINE_UNROLL
        for (int r = 0; r < rows; ++r) u[r][j] = v[r];
      }
      float* to =
          transformed + ((c - c0) / output_block * job.tiles_per_chunk + t) * output_block + (c - c0) % output_block;
      for (int r = 0; r < rows; ++r) {
        GradientVector v[winograd_n];
        output_columns<every_row>(u[r], v);
        LEADLINE_UNROLL
        for (int j = 0; j < winograd_n; ++j)
          Simd<float>::store(to + (r * winograd_n + j) * job.output_position_stride, v[j]);
      }
    }
}

// Asks for the pixels that tile `tile` is the first to read, channels [c0, c1) of the image and [o0, o1) of the output
// side: they are on their way while a chunk is multiplied.
void prefetch_tile(const WinogradGradientJob& job, index_t tile, index_t o0, index_t o1, index_t c0, index_t c1) {
  constexpr index_t line = 64 / sizeof(float);
  const index_t tile_row = tile / job.tiles_w, n = tile_row / job.tiles_h;
  const index_t y0 = tile_row % job.tiles_h * winograd_m, x0 = tile % job.tiles_w * winograd_m;
  for (index_t y = y0; y < smaller(y0 + winograd_m, job.oh); ++y)
    for (index_t x = x0; x < smaller(x0 + winograd_m, job.ow); ++x) {
      const float* output = job.output + n * job.output_stride_n + y * job.output_stride_h + x * job.output_stride_w;
      for (index_t o = o0; o < o1; o += line) __builtin_prefetch(output + o, 0, 2);
      const index_t iy = y + 2 - job.padding_top, ix = x + 2 - job.padding_left;
      if (iy < 0 || iy >= job.ih || ix < 0 || ix >= job.iw) continue;
      const float* image = job.image + n * job.image_stride_n + iy * job.image_stride_h + ix * job.image_stride_w;
      for (index_t c = c0; c < c1; c += line) __builtin_prefetch(image + c, 0, 2);
    }
}

// sums[r][..] += sum over q of a[q * output_block + r] * b[q * width + ..]: gradient_rows rows by V vectors.
template <int V> void multiply_tiles(const float* a, const float* b, index_t count, float* sums) {
  using S = Simd<float>;
  GradientVector sum[gradient_rows][V];
  LEADLINE_UNROLL
  for (int r = 0; r < gradient_rows; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) sum[r][v] = GradientVector{};
  for (index_t q = 0; q < count; ++q, a += output_block, b += gradient_width) {
    GradientVector panel[V];
    LEADLINE_UNROLL
    for (int v = 0; v < V; ++v) panel[v] = S::load(b + v * gradient_lanes);
    LEADLINE_UNROLL
    for (int r = 0; r < gradient_rows; ++r) LEADLINE_UNROLL
    for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(a[r], panel[v], sum[r][v]);
  }
  LEADLINE_UNROLL
  for (int r = 0; r < gradient_rows; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) {
    float* to = sums + r * gradient_width + v * gradient_lanes;
    S::store(to, S::load(to) + sum[r][v]);
  }
}

template <int row>
void winograd_gradient_rows(const WinogradGradientJob& job, index_t slot, index_t o0, index_t o1, index_t c0,
                            index_t c1, float* scratch, float* partial) {
  constexpr int positions = (row == every_row ? winograd_n : 1) * winograd_n;
  const index_t output_rows = (o1 - o0 + gradient_rows - 1) / gradient_rows * gradient_rows;
  const index_t panels = (c1 - c0 + gradient_width - 1) / gradient_width;
  const index_t panel_values = output_rows * gradient_width, position_values = panels * panel_values;
  float* sums = scratch; // [position][panel][output channel][width]
  float* image = sums + positions * position_values;
  float* output = image + positions * job.image_position_stride;
  for (index_t i = 0; i < positions * position_values; ++i) sums[i] = 0;

  const index_t last = (slot + 1) * job.tiles / job.slots;
  for (index_t first = slot * job.tiles / job.slots; first < last; first += job.tiles_per_chunk) {
    const index_t count = smaller(job.tiles_per_chunk, last - first);
    transform_image<row>(job, first, count, c0, c1, image);
    transform_output<row>(job, first, count, o0, o1, output);
    const index_t next = first + count, next_count = smaller(job.tiles_per_chunk, last - next);
    for (int p = 0; p < positions; ++p) {
      for (index_t t = p * next_count / positions; t < (p + 1) * next_count / positions; ++t)
        prefetch_tile(job, next + t, o0, o1, c0, c1);
      for (index_t panel = 0; panel < panels; ++panel) {
        const float* b = image + p * job.image_position_stride + panel * job.tiles_per_chunk * gradient_width;
        const bool two = c1 - c0 - panel * gradient_width > gradient_lanes;
        for (index_t o = 0; o < output_rows; o += gradient_rows) {
          const float* a = output + p * job.output_position_stride +
                           o / output_block * output_block * job.tiles_per_chunk + o % output_block;
          float* to = sums + p * position_values + panel * panel_values + o * gradient_width;
          if (two)
            multiply_tiles<2>(a, b, count, to);
          else
            multiply_tiles<1>(a, b, count, to);
        }
      }
    }
  }

  // Taps: [3 or 9][output channel][image channel].
  for (index_t panel = 0; panel < panels; ++panel)
    for (index_t o = 0; o < o1 - o0; ++o)
      for (index_t c = panel * gradient_width; c < smaller(c1 - c0, (panel + 1) * gradient_width);
           c += gradient_lanes) {
        const float* from = sums + panel * panel_values + o * gradient_width + c % gradient_width;
        constexpr int rows = positions / winograd_n;
        GradientVector half[3][winograd_n], taps[3][3];
        for (int r = 0; r < rows; ++r) { // along each row of positions, then down the columns
          GradientVector p[winograd_n], t[3];
          LEADLINE_UNROLL
          for (int j = 0; j < winograd_n; ++j) p[j] = Simd<float>::load(from + (r * winograd_n + j) * position_values);
          taps_of(p, t);
          LEADLINE_UNROLL
          for (int j = 0; j < 3; ++j) half[j][r] = t[j];
        }
        float* to = partial + (o0 + o) * job.padded_ic + c0 + c;
        if constexpr (rows == winograd_n) {
          LEADLINE_UNROLL
          for (int j = 0; j < 3; ++j) {
            GradientVector t[3];
            taps_of(half[j], t);
            LEADLINE_UNROLL
            for (int i = 0; i < 3; ++i) taps[i][j] = t[i];
          }
          for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) Simd<float>::store(to + (i * 3 + j) * job.partial_tap_values, taps[i][j]);
        } else {
          for (int j = 0; j < 3; ++j) Simd<float>::store(to + j * job.partial_tap_values, half[j][0]);
        }
      }
}

// A task: a slot of tiles, one row of positions or all, a block of output channels, a block of image channels.
void winograd_gradient(const WinogradGradientJob& job, unsigned char* scratch, index_t task) {
  const index_t ic_block = task % job.ic_blocks, oc_block = task / job.ic_blocks % job.oc_blocks;
  const index_t group = task / (job.ic_blocks * job.oc_blocks) % job.row_groups;
  const index_t slot = task / (job.ic_blocks * job.oc_blocks * job.row_groups);
  const index_t c0 = ic_block * job.ic_per_block, c1 = smaller(c0 + job.ic_per_block, job.ic);
  const index_t o0 = oc_block * job.oc_per_block, o1 = smaller(o0 + job.oc_per_block, job.oc);
  const index_t parts = job.row_groups == 1 ? 9 : 3;
  float* partial = job.partial + (slot * job.row_groups + group) * parts * job.partial_tap_values;
  float* own = reinterpret_cast<float*>(scratch);
  if (job.row_groups == 1) return winograd_gradient_rows<every_row>(job, slot, o0, o1, c0, c1, own, partial);
  switch (group) {
  case 0: return winograd_gradient_rows<0>(job, slot, o0, o1, c0, c1, own, partial);
  case 1: return winograd_gradient_rows<1>(job, slot, o0, o1, c0, c1, own, partial);
  case 2: return winograd_gradient_rows<2>(job, slot, o0, o1, c0, c1, own, partial);
  case 3: return winograd_gradient_rows<3>(job, slot, o0, o1, c0, c1, own, partial);
  case 4: return winograd_gradient_rows<4>(job, slot, o0, o1, c0, c1, own, partial);
  default: return winograd_gradient_rows<5>(job, slot, o0, o1, c0, c1, own, partial);
  }
}

} // namespace
} // namespace leadline::host
