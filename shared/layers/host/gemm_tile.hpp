// The register tile of forward and data gradient as matrix products. Included by host_kernels.cpp alone.
//
// A tile of `tile_rows` rows by one or two vectors of columns,
//   tile[r][j] += sum over segments s, steps q of rows[s][r][q * step] * panel[s][q][j]:
// rows are pixels, q runs over channels (and over neighbouring taps where they lie next to each other in memory), the
// panel holds weights. Row pointers replace a copy of the patches (im2col): a tap outside the image points to zeros.
// Each tile element is one chain of multiply-adds in a fixed order, so no blocking choice changes a bit.
#pragma once

#include "shared/layers/host/host_kernels.hpp"
#include "shared/layers/host/simd.hpp"

#include <stddef.h>

#define LEADLINE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define LEADLINE_UNROLL LEADLINE_PRAGMA(clang loop unroll(full))
#else
#define LEADLINE_UNROLL LEADLINE_PRAGMA(GCC unroll 16)
#endif

namespace leadline::host {
namespace {

constexpr int max_segments = 32; // row pointers held at once: bounds the stack

constexpr index_t smaller(index_t a, index_t b) { return a < b ? a : b; }

// A tile in registers: tile_rows rows of V vectors.
template <class T, int V> struct Tile {
  using S = Simd<T>;
  typename S::vector sum[tile_rows][V];

  LEADLINE_ALWAYS_INLINE void zero() {
    LEADLINE_UNROLL
    for (int r = 0; r < tile_rows; ++r) LEADLINE_UNROLL
    for (int v = 0; v < V; ++v) sum[r][v] = typename S::vector{};
  }
  // sum[r][j] += sum over segments s, steps q of rows[s][r][q * step] * panel[s][q][j].
  LEADLINE_ALWAYS_INLINE void multiply(const T* const (*rows)[tile_rows], int segments, index_t count, index_t step,
                                       const T* panel) {
    constexpr int width = 2 * S::lanes;
    for (int s = 0; s < segments; ++s) {
      const T* const* row = rows[s];
      for (index_t q = 0, at = 0; q < count; ++q, at += step) {
        typename S::vector b[V];
        LEADLINE_UNROLL
        for (int v = 0; v < V; ++v) b[v] = S::load(panel + v * S::lanes);
        panel += width;
        LEADLINE_UNROLL
        for (int r = 0; r < tile_rows; ++r) {
          const T a = row[r][at];
          LEADLINE_UNROLL
          for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(a, b[v], sum[r][v]);
        }
      }
    }
  }
};

} // namespace
} // namespace leadline::host
