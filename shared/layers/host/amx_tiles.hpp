// The eight matrix registers of AMX, each 16 rows of 64 bytes. Included by bf16_tile.hpp alone, at the level that has
// them.
//
// They are off until a thread configures them, and a context switch saves 8 KiB for a thread that has: so they are
// configured for as long as one task runs, on whichever thread that is, and released behind it. The instructions are
// written out: g++'s intrinsics don't say that they read memory.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace leadline::host {
namespace {

class TileRegisters {
public:
  TileRegisters() {
    // Palette 1: start row, then the bytes of a row and the number of rows of each register; 64 bytes in all.
    struct alignas(64) Configuration {
      uint8_t palette, start_row, reserved[14];
      uint16_t row_bytes[16];
      uint8_t rows[16];
    };
    static_assert(sizeof(Configuration) == 64);
    Configuration configuration = {};
    configuration.palette = 1;
    for (int i = 0; i < 8; ++i) {
      configuration.row_bytes[i] = 64;
      configuration.rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(configuration) : "memory");
  }
  ~TileRegisters() { __asm__ volatile("tilerelease" : : : "memory"); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

template <int tile> inline __attribute__((always_inline)) void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
}
/// 16 rows of 64 bytes, `pitch` bytes apart.
template <int tile> inline __attribute__((always_inline)) void tile_load(const void* rows, size_t pitch) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(pitch), "i"(tile) : "memory");
}
template <int tile> inline __attribute__((always_inline)) void tile_store(void* rows, size_t pitch) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(pitch), "i"(tile) : "memory");
}
/// sum[m][n] += sum over k of a[m][2 k] b[k][2 n] + a[m][2 k + 1] b[k][2 n + 1], m, n, k < 16.
template <int sum, int a, int b> inline __attribute__((always_inline)) void tile_dot_product() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(a), "i"(b));
}

} // namespace
} // namespace leadline::host
