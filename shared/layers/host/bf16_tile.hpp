// The register tile of the bf16 kernels, in three forms: matrix registers (AMX), dot products of pairs (AVX512-BF16),
// and float arithmetic for everything else. Included by bf16_kernels.cpp alone.
//
//   tile[r][j] = sum over lines l and k of a[l][r][k] * b[l][k][j],   r < rows, j < 32, k < 32
//
// `a` has one line of 32 values per row and step, b has its k in pairs: `[half][pair][16][2]`. Forward and data
// gradient: rows are pixels, k channels, j channels written. Weight gradient: rows are channels of the output side, k
// pixels, j channels of the image. Each element is summed in the order of lines, whatever the number of rows: no
// blocking choice changes a bit of a result.
#pragma once

#include "shared/layers/host/bf16.hpp"
#include "shared/layers/host/simd.hpp"

#include <string.h>

#if defined(LEADLINE_TILE_OPERATIONS)
#include LEADLINE_TILE_OPERATIONS
#elif defined(__AMX_BF16__)
#include "shared/layers/host/amx_tiles.hpp"
#endif

#define LEADLINE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define LEADLINE_UNROLL LEADLINE_PRAGMA(clang loop unroll(full))
#else
#define LEADLINE_UNROLL LEADLINE_PRAGMA(GCC unroll 16)
#endif

namespace leadline::host {
namespace {

struct TileOperands {
  const uint16_t* a;
  const uint16_t* b;
  index_t a_block, a_low; ///< distance of a's blocks, and of the low halves
  const index_t* taps;    ///< distances within a block of a: a line for each
  index_t num_taps;
  index_t blocks;                ///< lines: blocks * num_taps
  int last_pairs;                ///< of the last block, the others have 16; what follows is zero
  index_t b_step, b_half, b_low; ///< from line to line, to columns 16 to 31, to the low halves
};

#if defined(LEADLINE_TILE_OPERATIONS) || defined(__AMX_BF16__)

constexpr int bf16_tile_rows = 32;
using MatrixRegisters = TileRegisters; // configured while this lives

constexpr int a_pitch = 2 * bf16_block, b_pitch = 64, tile_pitch = 4 * bf16_panel; // bytes

// 2 x 2 registers: 0 to 3 are sums, 4 and 5 rows of a, 6 and 7 columns of b.
template <bool more_rows> LEADLINE_ALWAYS_INLINE void load_rows(const uint16_t* a) {
  tile_load<4>(a, a_pitch);
  if constexpr (more_rows) tile_load<5>(a + 16 * bf16_block, a_pitch);
}
template <bool more_columns> LEADLINE_ALWAYS_INLINE void load_columns(const uint16_t* b, index_t b_half) {
  tile_load<6>(b, b_pitch);
  if constexpr (more_columns) tile_load<7>(b + b_half, b_pitch);
}
template <bool more_rows, bool more_columns> LEADLINE_ALWAYS_INLINE void add_products() {
  tile_dot_product<0, 4, 6>();
  if constexpr (more_columns) tile_dot_product<1, 4, 7>();
  if constexpr (more_rows) tile_dot_product<2, 5, 6>();
  if constexpr (more_rows && more_columns) tile_dot_product<3, 5, 7>();
}

template <bool more_rows, bool more_columns, bool split>
__attribute__((noinline)) void multiply_tile_of(const TileOperands& o, float* tile) {
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  const uint16_t* line = o.b;
  const index_t num_taps = o.num_taps, b_step = o.b_step, b_half = o.b_half, a_low = o.a_low, b_low = o.b_low;
  const index_t* const taps = o.taps;
  for (index_t block = 0; block < o.blocks; ++block)
    for (index_t t = 0; t < num_taps; ++t, line += b_step) {
      const uint16_t* a = o.a + block * o.a_block + taps[t];
      load_rows<more_rows>(a);
      load_columns<more_columns>(line, b_half);
      add_products<more_rows, more_columns>();
      if constexpr (split) {
        load_columns<more_columns>(line + b_low, b_half);
        add_products<more_rows, more_columns>();
        load_rows<more_rows>(a + a_low);
        load_columns<more_columns>(line, b_half);
        add_products<more_rows, more_columns>();
      }
    }
  tile_store<0>(tile, tile_pitch);
  if constexpr (more_columns) tile_store<1>(tile + 16, tile_pitch);
  if constexpr (more_rows) tile_store<2>(tile + 16 * bf16_panel, tile_pitch);
  if constexpr (more_rows && more_columns) tile_store<3>(tile + 16 * bf16_panel + 16, tile_pitch);
}

template <bool split> void multiply_tile(const TileOperands& o, int rows, bool more_columns, float* tile) {
  if (rows > 16)
    return more_columns ? multiply_tile_of<true, true, split>(o, tile) : multiply_tile_of<true, false, split>(o, tile);
  more_columns ? multiply_tile_of<false, true, split>(o, tile) : multiply_tile_of<false, false, split>(o, tile);
}

#else

struct MatrixRegisters {}; // nothing to configure

// The bits of values 2 p and 2 p + 1 of a line.
LEADLINE_ALWAYS_INLINE uint32_t load_pair(const uint16_t* line, int p) {
  uint32_t pair;
  memcpy(&pair, line + 2 * p, sizeof pair);
  return pair;
}

#if defined(__AVX512BF16__)

constexpr int bf16_tile_rows = 14;

template <int V> struct PairVectors {
  __m512bh v[V];
  LEADLINE_ALWAYS_INLINE PairVectors(const uint16_t* b, index_t half) {
    LEADLINE_UNROLL
    for (int i = 0; i < V; ++i) v[i] = (__m512bh)_mm512_loadu_si512(b + i * half);
  }
};

// sum[r] += the pair p of a's row r times a pair of rows of b.
template <int R, int V>
LEADLINE_ALWAYS_INLINE void multiply_pair(const uint16_t* a, int p, const PairVectors<V>& b, __m512 (&sum)[R][V]) {
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m512bh x = (__m512bh)_mm512_set1_epi32(static_cast<int>(load_pair(a + r * bf16_block, p)));
    LEADLINE_UNROLL
    for (int v = 0; v < V; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], x, b.v[v]);
  }
}

template <int R, int V, bool split>
__attribute__((noinline)) void multiply_tile_of(const TileOperands& o, float* tile) {
  __m512 sum[R][V];
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) sum[r][v] = _mm512_setzero_ps();
  const uint16_t* line = o.b;
  for (index_t block = 0; block < o.blocks; ++block) {
    const int pairs = block + 1 == o.blocks ? o.last_pairs : bf16_block / 2;
    for (index_t t = 0; t < o.num_taps; ++t, line += o.b_step) {
      const uint16_t* a = o.a + block * o.a_block + o.taps[t];
      for (int p = 0; p < pairs; ++p) {
        const uint16_t* b = line + p * 32;
        const PairVectors<V> high(b, o.b_half);
        multiply_pair<R, V>(a, p, high, sum);
        if constexpr (split) {
          multiply_pair<R, V>(a + o.a_low, p, high, sum);
          multiply_pair<R, V>(a, p, PairVectors<V>(b + o.b_low, o.b_half), sum);
        }
      }
    }
  }
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) _mm512_storeu_ps(tile + r * bf16_panel + v * 16, sum[r][v]);
}

// Up to bf16_tile_rows rows: an even number is computed, so the lines behind the last row must exist.
template <int R, bool split> void multiply_rows(const TileOperands& o, int rows, bool more_columns, float* tile) {
  if constexpr (R > 2)
    if (rows <= R - 2) return multiply_rows<R - 2, split>(o, rows, more_columns, tile);
  if (more_columns)
    multiply_tile_of<R, 2, split>(o, tile);
  else
    multiply_tile_of<R, 1, split>(o, tile);
}

template <bool split> void multiply_tile(const TileOperands& o, int rows, bool more_columns, float* tile) {
  multiply_rows<bf16_tile_rows, split>(o, rows, more_columns, tile);
}

#else // float arithmetic: products of bf16 numbers are exact in float, so all levels agree, fused or not

constexpr int bf16_tile_rows = tile_rows;
constexpr int bf16_columns_at_once = 2 * Simd<float>::lanes;

typedef uint32_t PairVector __attribute__((vector_size(vector_bytes)));
typedef uint32_t UnalignedPairs __attribute__((vector_size(vector_bytes), aligned(2), may_alias));

template <int R, int V, bool split> void multiply_columns(const TileOperands& o, index_t column, float* tile) {
  using S = Simd<float>;
  constexpr int lanes = S::lanes;
  S::vector sum[R][V];
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) sum[r][v] = S::vector{};
  const uint16_t* line = o.b + column / 16 * o.b_half + column % 16 * 2;
  for (index_t block = 0; block < o.blocks; ++block) {
    const int pairs = block + 1 == o.blocks ? o.last_pairs : bf16_block / 2;
    for (index_t t = 0; t < o.num_taps; ++t, line += o.b_step)
      for (int pass = 0; pass < (split ? 3 : 1); ++pass) { // high high, low high, high low
        const uint16_t* a = o.a + block * o.a_block + o.taps[t] + (pass == 1 ? o.a_low : 0);
        const uint16_t* b = line + (pass == 2 ? o.b_low : 0);
        for (int p = 0; p < pairs; ++p, b += 32) {
          S::vector even[V], odd[V];
          LEADLINE_UNROLL
          for (int v = 0; v < V; ++v) {
            const index_t at = column % 16 + v * lanes < 16 ? v * lanes * 2 : o.b_half + (v * lanes - 16) * 2;
            const PairVector both = *reinterpret_cast<const UnalignedPairs*>(b + at);
            even[v] = (S::vector)(both << 16);
            odd[v] = (S::vector)(both & 0xffff0000u);
          }
          LEADLINE_UNROLL
          for (int r = 0; r < R; ++r) {
            const uint32_t both = load_pair(a + r * bf16_block, p);
            const float x = __builtin_bit_cast(float, both << 16), y = __builtin_bit_cast(float, both & 0xffff0000u);
            LEADLINE_UNROLL
            for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(y, odd[v], multiply_add(x, even[v], sum[r][v]));
          }
        }
      }
  }
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) S::store(tile + r * bf16_panel + column + v * lanes, sum[r][v]);
}

template <int R, int V, bool split>
__attribute__((noinline)) void multiply_tile_of(const TileOperands& o, float* tile) {
  for (index_t column = 0; column < 16 * V; column += bf16_columns_at_once)
    if constexpr (bf16_columns_at_once == 32)
      multiply_columns<R, V, split>(o, column, tile);
    else
      multiply_columns<R, 2, split>(o, column, tile);
}

template <bool split> void multiply_tile(const TileOperands& o, int, bool more_columns, float* tile) {
  more_columns ? multiply_tile_of<bf16_tile_rows, 2, split>(o, tile)
               : multiply_tile_of<bf16_tile_rows, 1, split>(o, tile);
}

#endif

#endif

} // namespace
} // namespace leadline::host
