// 3x3 convolutions of stride 1 on bytes by Winograd's F(4x4, 3x3), exactly. Included by int8_kernels.cpp alone.
//
// Everything is computed modulo 2^32. Scaled to integers, G's rows are (1 0 0), (-1 -1 -1), (-1 1 -1), (1 2 4),
// (1 -2 4), (0 0 1), 4, 6, 6, 24, 24 and 1 times too large: transformed weights have at most 49 * 128, transformed
// pixels at most 100 * 255 in 16 bits. A^T with the columns 24 / 4, 24 / 6, ... times larger makes 24^2 = 64 * 9 times
// the sum. 9 has an inverse modulo 2^32; what is left of 64 times the sum gives the sum, if it has no more than 26
// bits. Weights for which it could have more are refused when they are packed (conv_int8.hpp).
#pragma once

#include "shared/layers/host/int8_apply.hpp"

namespace leadline::host {
namespace {

#if defined(__AVX512VNNI__)
typedef short Words __attribute__((vector_size(64)));
typedef unsigned Sums __attribute__((vector_size(64))); // unsigned: they wrap
typedef int SignedSums __attribute__((vector_size(64)));
constexpr int winograd_positions = 36;

// t = B^T d.
LEADLINE_ALWAYS_INLINE void winograd_source(const Words* d, Words* t) {
  const Words a = d[4] - (d[2] << 2), b = d[3] - (d[1] << 2), c = d[4] - d[2], e = (d[3] - d[1]) << 1;
  t[0] = (d[0] << 2) - d[2] * 5 + d[4];
  t[1] = a + b;
  t[2] = a - b;
  t[3] = c + e;
  t[4] = c - e;
  t[5] = (d[1] << 2) - d[3] * 5 + d[5];
}
// y = 24 A^T p, p in units of G's rows.
LEADLINE_ALWAYS_INLINE void winograd_destination(const Sums* p, Sums* y) {
  const Sums a = (p[1] + p[2]) << 2, b = (p[1] - p[2]) << 2, c = p[3] + p[4], d = (p[3] - p[4]) << 1;
  y[0] = p[0] * 6 + a + c;
  y[1] = b + d;
  y[2] = a + (c << 2);
  y[3] = b + (d << 2) + p[5] * 24;
}

struct WinogradTile {
  index_t n, y, x; // image; first destination pixel
};
LEADLINE_ALWAYS_INLINE WinogradTile tile_place(const Int8WinogradJob& job, index_t tile) {
  const index_t row = tile / job.tiles_w;
  return {row / job.tiles_h, row % job.tiles_h * 4, tile % job.tiles_w * 4};
}

// transformed[position][tile][channel] of tiles [first, first + count).
inline void winograd_fill(const Int8WinogradJob& job, index_t first, index_t count, int16_t* transformed) {
  const Words zero_point = Words{} + static_cast<short>(job.src_zero_point);
  const index_t position_stride = int8_winograd_tiles * job.padded_k;
  for (index_t t = 0; t < count; ++t) {
    const WinogradTile place = tile_place(job, first + t);
    const uint8_t* image = job.src + place.n * job.src_stride_n;
    for (index_t c = 0; c < job.channels; c += 32) {
      const index_t left = job.channels - c;
      const __mmask32 mask = left >= 32 ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
      Words columns[6][6]; // [row of B^T][column of the tile]
      for (index_t j = 0; j < 6; ++j) {
        const index_t x = place.x + j - job.padding_left;
        Words d[6], t1[6];
        LEADLINE_UNROLL
        for (int i = 0; i < 6; ++i) {
          const index_t y = place.y + i - job.padding_top;
          const bool inside = y >= 0 && y < job.src_h && x >= 0 && x < job.src_w;
          d[i] = Words{};
          if (inside) {
            const uint8_t* from = image + y * job.src_stride_h + x * job.src_stride_w + c;
            d[i] = reinterpret_cast<Words>(_mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, from))) - zero_point;
          }
        }
        winograd_source(d, t1);
        LEADLINE_UNROLL
        for (int i = 0; i < 6; ++i) columns[i][j] = t1[i];
      }
      int16_t* to = transformed + t * job.padded_k + c;
      LEADLINE_UNROLL
      for (int i = 0; i < 6; ++i) {
        Words t2[6];
        winograd_source(columns[i], t2);
        LEADLINE_UNROLL
        for (int j = 0; j < 6; ++j)
          _mm512_store_si512(to + (i * 6 + j) * position_stride, reinterpret_cast<__m512i>(t2[j]));
      }
    }
  }
}

// products[tile][32 channels] of one position and panel: R tiles.
template <int R>
LEADLINE_ALWAYS_INLINE void winograd_multiply(const int16_t* tiles, index_t padded_k, const int16_t* weights,
                                              int32_t* products) {
  __m512i sum[R][2];
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
  for (index_t k = 0; k < padded_k; k += 2, weights += 64) {
    const __m512i w0 = _mm512_load_si512(weights), w1 = _mm512_load_si512(weights + 32);
    LEADLINE_UNROLL
    for (int r = 0; r < R; ++r) {
      int32_t pair;
      memcpy(&pair, tiles + r * padded_k + k, 4);
      const __m512i pixel = _mm512_set1_epi32(pair);
      sum[r][0] = _mm512_dpwssd_epi32(sum[r][0], pixel, w0);
      sum[r][1] = _mm512_dpwssd_epi32(sum[r][1], pixel, w1);
    }
  }
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) {
    _mm512_store_si512(products + r * 32, sum[r][0]);
    _mm512_store_si512(products + r * 32 + 16, sum[r][1]);
  }
}

inline void winograd_finish(const Int8WinogradJob& job, const int32_t* products, index_t tile, index_t panel) {
  constexpr index_t position_stride = int8_winograd_tiles * 32;
  constexpr unsigned inverse_of_9 = 0x38E38E39;
  const WinogradTile place = tile_place(job, tile);
  const index_t first_m = panel * 32, used = smaller(32, job.dst_channels - first_m);
  alignas(64) SignedSums results[16][2];
  for (int v = 0; v < 2; ++v) {
    const SignedSums start = reinterpret_cast<SignedSums>(_mm512_loadu_si512(job.sums + first_m + 16 * v));
    Sums half[4][6];
    LEADLINE_UNROLL
    for (int j = 0; j < 6; ++j) {
      Sums p[6], y[4];
      LEADLINE_UNROLL
      for (int i = 0; i < 6; ++i)
        p[i] = reinterpret_cast<Sums>(_mm512_load_si512(products + (i * 6 + j) * position_stride + 16 * v));
      winograd_destination(p, y);
      LEADLINE_UNROLL
      for (int i = 0; i < 4; ++i) half[i][j] = y[i];
    }
    LEADLINE_UNROLL
    for (int i = 0; i < 4; ++i) {
      Sums y[4];
      winograd_destination(half[i], y);
      LEADLINE_UNROLL
      for (int j = 0; j < 4; ++j)
        results[i * 4 + j][v] = (reinterpret_cast<SignedSums>(y[j] * inverse_of_9) >> 6) + start;
    }
  }
  const BytePacker pack(job.low, job.high, job.zero_point, used);
  __m512 multipliers[2];
  for (int v = 0; v < 2; ++v) multipliers[v] = _mm512_loadu_ps(job.multipliers + first_m + 16 * v);
  uint8_t* image = job.dst + place.n * job.dst_stride_n + first_m;
  for (index_t i = 0; i < 4 && place.y + i < job.dst_h; ++i)
    for (index_t j = 0; j < 4 && place.x + j < job.dst_w; ++j)
      pack.store(reinterpret_cast<__m512i>(results[i * 4 + j][0]), reinterpret_cast<__m512i>(results[i * 4 + j][1]),
                 multipliers[0], multipliers[1],
                 image + (place.y + i) * job.dst_stride_h + (place.x + j) * job.dst_stride_w);
}

// Block `block` of tiles, in `scratch`.
void int8_winograd(const Int8WinogradJob& job, unsigned char* scratch, index_t block) {
  int16_t* const transformed = reinterpret_cast<int16_t*>(scratch);
  int32_t* const products =
      reinterpret_cast<int32_t*>(scratch + winograd_positions * int8_winograd_tiles * job.padded_k * 2);
  const index_t first = block * int8_winograd_tiles, count = smaller(int8_winograd_tiles, job.tiles - first);
  winograd_fill(job, first, count, transformed);
  // Tiles beyond the last one are computed from what lies there, and not stored.
  for (index_t panel = 0; panel < job.panels; ++panel) {
    for (index_t position = 0; position < winograd_positions; ++position)
      for (index_t t = 0; t < count; t += tile_rows)
        winograd_multiply<tile_rows>(transformed + (position * int8_winograd_tiles + t) * job.padded_k, job.padded_k,
                                     job.weights + (panel * winograd_positions + position) * job.padded_k * 32,
                                     products + (position * int8_winograd_tiles + t) * 32);
    for (index_t t = 0; t < count; ++t) winograd_finish(job, products + t * 32, first + t, panel);
  }
}
#endif

} // namespace
} // namespace leadline::host
