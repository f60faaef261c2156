// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) and F(6x6, 3x3): source transform, matrix products,
// destination transform with bias and activation, block by block of tiles so that everything between stays in cache.
// Included by host_kernels.cpp alone.
//
// For each of the n^2 positions in a tile the products are one matrix product [tiles x source channels] * [source
// channels x destination channels]. Each result is one chain of multiply-adds over the channels: how tiles are cut into
// blocks changes no bit.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"
#include "shared/layers/host/winograd.hpp"

#include <string.h>

namespace leadline::host {
namespace {

constexpr int lanes = Simd<float>::lanes;
using Vector = Simd<float>::vector;

// product[r][j] = sum over k of tiles[k / lanes][r][k % lanes] * weights[k][j], R rows by V vectors.
template <int R, int V>
void multiply_position(const float* tiles, index_t block_stride, const float* weights, index_t channels,
                       float* product) {
  constexpr int width = 2 * lanes;
  Vector sum[R][V];
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) sum[r][v] = Vector{};
  for (index_t first = 0; first < channels; first += lanes, tiles += block_stride) {
    const int count = channels - first < lanes ? static_cast<int>(channels - first) : lanes;
    for (int k = 0; k < count; ++k, weights += width) {
      Vector b[V];
      LEADLINE_UNROLL
      for (int v = 0; v < V; ++v) b[v] = Simd<float>::load(weights + v * lanes);
      LEADLINE_UNROLL
      for (int r = 0; r < R; ++r) {
        const float a = tiles[r * lanes + k];
        LEADLINE_UNROLL
        for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(a, b[v], sum[r][v]);
      }
    }
  }
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) Simd<float>::store(product + r * width + v * lanes, sum[r][v]);
}

// Any number of rows up to tile_rows, and one or two vectors, by recursion over the template argument.
template <int R>
void multiply_position_rows(int rows, bool two, const float* tiles, index_t block_stride, const float* weights,
                            index_t channels, float* product) {
  if (rows == R)
    return two ? multiply_position<R, 2>(tiles, block_stride, weights, channels, product)
               : multiply_position<R, 1>(tiles, block_stride, weights, channels, product);
  if constexpr (R > 1) multiply_position_rows<R - 1>(rows, two, tiles, block_stride, weights, channels, product);
}

// Where a block of tiles lies: tiles are counted along rows of tiles, images one after the other.
struct TilePlace {
  index_t n, y, x; // image; first destination pixel
  index_t left;    // tiles left in this row of tiles, this one included
};

template <int m> TilePlace place_of(const WinogradJob& job, index_t tile) {
  const index_t row = tile / job.tiles_w, column = tile % job.tiles_w;
  return {row / job.tiles_h, row % job.tiles_h * m, column * m, job.tiles_w - column};
}

constexpr int strip_tiles = 14; // tiles whose columns are transformed in one go

// transformed[position][channel block][tile][lane] = B^T d B of tiles [first, first + count).
template <int m> void transform_source(const WinogradJob& job, index_t first, index_t count, float* transformed) {
  constexpr int n = Winograd<m>::n;
  alignas(64) float columns[n][(strip_tiles * m + 2) * lanes];
  const index_t block_stride = job.tiles_per_block * lanes, position_stride = job.source_position_stride;
  for (index_t c = 0, block = 0; c < job.channels; c += lanes, ++block) {
    const int used = job.channels - c < lanes ? static_cast<int>(job.channels - c) : lanes;
    for (index_t t = 0; t < count;) {
      const TilePlace place = place_of<m>(job, first + t);
      index_t strip = smaller(smaller(strip_tiles, count - t), place.left);
      const index_t y = place.y + job.offset_y, x0 = place.x + job.offset_x, width = strip * m + 2;
      const float* row[n];
      bool inside[n];
      for (int i = 0; i < n; ++i) {
        inside[i] = y + i >= 0 && y + i < job.src_h;
        row[i] = inside[i] ? job.src + place.n * job.src_stride_n + (y + i) * job.src_stride_h + c : nullptr;
      }
      for (index_t x = 0; x < width; ++x) {
        Vector d[n], t1[n];
        const index_t sx = x0 + x;
        const bool column_inside = sx >= 0 && sx < job.src_w;
        if (column_inside && used == lanes) {
          const index_t at = sx * job.src_stride_w;
          LEADLINE_UNROLL
          for (int i = 0; i < n; ++i) d[i] = inside[i] ? Simd<float>::load(row[i] + at) : Vector{};
        } else {
          for (int i = 0; i < n; ++i)
            d[i] = column_inside && inside[i] ? load_some<float>(row[i] + sx * job.src_stride_w, used) : Vector{};
        }
        Winograd<m>::source(d, t1);
        LEADLINE_UNROLL
        for (int i = 0; i < n; ++i) Simd<float>::store(&columns[i][x * lanes], t1[i]);
      }
      for (index_t s = 0; s < strip; ++s) {
        float* to = transformed + block * block_stride + (t + s) * lanes;
        for (int i = 0; i < n; ++i) {
          Vector d[n], t2[n];
          LEADLINE_UNROLL
          for (int j = 0; j < n; ++j) d[j] = Simd<float>::load(&columns[i][(s * m + j) * lanes]);
          Winograd<m>::source(d, t2);
          LEADLINE_UNROLL
          for (int j = 0; j < n; ++j) Simd<float>::store(to + (i * n + j) * position_stride, t2[j]);
        }
      }
      t += strip;
    }
  }
}

// dst = activation(bias + A^T P A) for tiles [first, first + count) and the channels of panels [panel, last_panel).
template <int m, Epilogue epilogue>
void transform_destination(const WinogradJob& job, const float* products, index_t first, index_t count, index_t panel,
                           index_t last_panel) {
  constexpr int n = Winograd<m>::n;
  constexpr index_t width = 2 * lanes;
  for (index_t p = panel; p < last_panel; ++p)
    for (index_t t = 0; t < count; ++t) {
      const TilePlace place = place_of<m>(job, first + t);
      const index_t rows = smaller(m, job.dst_h - place.y), cols = smaller(m, job.dst_w - place.x);
      for (index_t c = p * width, v = 0; v < 2 && c < job.dst_channels; c += lanes, ++v) {
        const int used = job.dst_channels - c < lanes ? static_cast<int>(job.dst_channels - c) : lanes;
        const float* from = products + (p - panel) * job.product_panel_stride + t * width + v * lanes;
        Vector half[m][n];
        for (int j = 0; j < n; ++j) {
          Vector d[n], r[m];
          LEADLINE_UNROLL
          for (int i = 0; i < n; ++i) d[i] = Simd<float>::load(from + (i * n + j) * job.product_position_stride);
          Winograd<m>::destination(d, r);
          LEADLINE_UNROLL
          for (int i = 0; i < m; ++i) half[i][j] = r[i];
        }
        const Vector bias = job.bias ? load_some<float>(job.bias + c, used) : Vector{};
        float* to = job.dst + place.n * job.dst_stride_n + place.y * job.dst_stride_h + place.x * job.dst_stride_w + c;
        for (index_t i = 0; i < rows; ++i, to += job.dst_stride_h) {
          Vector r[m];
          Winograd<m>::destination(half[i], r);
          LEADLINE_UNROLL
          for (int j = 0; j < m; ++j) r[j] = apply_epilogue<epilogue>(r[j] + bias);
          if (epilogue != Epilogue::other && !job.accumulate) {
            LEADLINE_UNROLL
            for (int j = 0; j < m; ++j)
              if (j < cols) store_some(to + j * job.dst_stride_w, r[j], used);
            continue;
          }
          alignas(64) float values[m][lanes];
          LEADLINE_UNROLL
          for (int j = 0; j < m; ++j) Simd<float>::store(values[j], r[j]);
          if (epilogue == Epilogue::other) job.activate(job.activation, &values[0][0], m * lanes);
          for (index_t j = 0; j < cols; ++j) {
            float* pixel = to + j * job.dst_stride_w;
            if (job.accumulate)
              for (int k = 0; k < used; ++k) pixel[k] += values[j][k];
            else
              for (int k = 0; k < used; ++k) pixel[k] = values[j][k];
          }
        }
      }
    }
}

// Asks for pixel `pixel` of each tile that transform_destination is going to write: products take long enough that none
// of its stores waits for memory.
template <int m>
void prefetch_destination(const WinogradJob& job, index_t first, index_t count, index_t panel, index_t last_panel,
                          int pixel) {
  constexpr index_t width = 2 * lanes;
  const index_t channel = panel * width, used = smaller(last_panel * width, job.dst_channels) - channel;
  for (index_t t = 0; t < count; ++t) {
    const TilePlace place = place_of<m>(job, first + t);
    const index_t y = place.y + pixel / m, x = place.x + pixel % m;
    if (y < job.dst_h && x < job.dst_w)
      prefetch_for_write(job.dst + place.n * job.dst_stride_n + y * job.dst_stride_h + x * job.dst_stride_w + channel,
                         used);
  }
}

// Block `block` of tiles: all of the convolution for its destination pixels, in `scratch` of job.scratch_bytes.
template <int m> void winograd(const WinogradJob& job, unsigned char* scratch, index_t block) {
  constexpr int positions = Winograd<m>::n * Winograd<m>::n;
  constexpr index_t width = 2 * lanes;
  const index_t tile_block = block / job.panel_blocks, panel_block = block % job.panel_blocks;
  const index_t first = tile_block * job.tiles / job.tile_blocks;
  const index_t count = (tile_block + 1) * job.tiles / job.tile_blocks - first;
  const index_t last = (panel_block + 1) * job.panels / job.panel_blocks;
  float* const transformed = reinterpret_cast<float*>(scratch);
  float* const products = transformed + positions * job.source_position_stride;
  transform_source<m>(job, first, count, transformed);
  const index_t groups = (count + tile_rows - 1) / tile_rows;
  for (index_t panel = panel_block * job.panels / job.panel_blocks; panel < last; panel += job.panels_per_pass) {
    const index_t last_panel = smaller(panel + job.panels_per_pass, last);
    for (int position = 0; position < positions; ++position) {
      if (position < m * m) prefetch_destination<m>(job, first, count, panel, last_panel, position);
      for (index_t p = panel; p < last_panel; ++p) {
        const float* weights = job.weights + (position * job.panels + p) * job.channels * width;
        const bool two = job.dst_channels - p * width > lanes;
        for (index_t g = 0; g < groups; ++g) {
          const index_t a = g * count / groups, b = (g + 1) * count / groups;
          multiply_position_rows<tile_rows>(
              static_cast<int>(b - a), two, transformed + position * job.source_position_stride + a * lanes,
              job.tiles_per_block * lanes, weights, job.channels,
              products + position * job.product_position_stride + (p - panel) * job.product_panel_stride + a * width);
        }
      }
    }
    switch (static_cast<Epilogue>(job.epilogue)) {
    case Epilogue::none:
      transform_destination<m, Epilogue::none>(job, products, first, count, panel, last_panel);
      break;
    case Epilogue::relu:
      transform_destination<m, Epilogue::relu>(job, products, first, count, panel, last_panel);
      break;
    case Epilogue::relu6:
      transform_destination<m, Epilogue::relu6>(job, products, first, count, panel, last_panel);
      break;
    case Epilogue::other:
      transform_destination<m, Epilogue::other>(job, products, first, count, panel, last_panel);
      break;
    }
  }
}

// Panel `panel` of source channel block `k_block`: weights[position][panel][k][width] = G g G^T.
template <int m> void winograd_weights(const WinogradWeightsJob& job, index_t task) {
  constexpr int n = Winograd<m>::n;
  constexpr index_t width = 2 * lanes;
  const index_t k_blocks = (job.channels + lanes - 1) / lanes;
  const index_t panel = task / k_blocks, k0 = task % k_blocks * lanes, k1 = smaller(k0 + lanes, job.channels);
  const index_t position_stride = job.panels * job.channels * width;
  // In double: errors here would be in every product. Each vector of floats is two of doubles.
  using Wide = Simd<double>::vector;
  typedef float Half __attribute__((vector_size(vector_bytes / 2)));
  for (int v = 0; v < 2; ++v) {
    const index_t first = panel * width + v * lanes, used = smaller(lanes, job.dst_channels - first);
    alignas(64) float taps[lanes][9][lanes] = {};
    const auto copy = [&](index_t k, int tap, index_t j) {
      taps[k - k0][tap][j] =
          job.weights[k * job.stride_k + (first + j) * job.stride_m + (job.flip ? 8 - tap : tap) * job.stride_tap];
    };
    if (job.stride_k == 1) { // along memory: lines that lie powers of two apart don't stay in cache
      for (index_t j = 0; j < used; ++j)
        for (int tap = 0; tap < 9; ++tap)
          for (index_t k = k0; k < k1; ++k) copy(k, tap, j);
    } else {
      for (index_t k = k0; k < k1; ++k)
        for (int tap = 0; tap < 9; ++tap)
          for (index_t j = 0; j < used; ++j) copy(k, tap, j);
    }
    // Positions lie far apart, often a power of two: lines go to each in runs, not one by one in turns.
    constexpr index_t run = lanes / 2;
    for (index_t k2 = k0; k2 < k1; k2 += run) {
      const index_t count = smaller(run, k1 - k2);
      alignas(64) float results[run][n * n][lanes];
      float* to = job.transformed + (panel * job.channels + k2) * width + v * lanes;
      for (index_t k = 0; k < count; ++k) {
        for (int half = 0; half < lanes; half += lanes / 2) {
          Wide columns[3][n];
          for (int x = 0; x < 3; ++x) {
            Wide column[3];
            for (int y = 0; y < 3; ++y) {
              Half part;
              memcpy(&part, &taps[k2 + k - k0][3 * y + x][half], sizeof part);
              column[y] = __builtin_convertvector(part, Wide);
            }
            Winograd<m>::filter(column, columns[x]);
          }
          for (int i = 0; i < n; ++i) {
            const Wide row[3] = {columns[0][i], columns[1][i], columns[2][i]};
            Wide wide[n];
            Winograd<m>::filter(row, wide);
            for (int x = 0; x < n; ++x) {
              const Half part = __builtin_convertvector(wide[x], Half);
              memcpy(&results[k][i * n + x][half], &part, sizeof part);
            }
          }
        }
      }
      for (int position = 0; position < n * n; ++position, to += position_stride)
        for (index_t k = 0; k < count; ++k) Simd<float>::store(to + k * width, Simd<float>::load(results[k][position]));
    }
  }
}

} // namespace
} // namespace leadline::host
