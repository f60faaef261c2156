// AMX's matrix registers in software, bit for bit as Intel's manual describes them (Software Developer's Manual, volume
// 2: LDTILECFG, TILELOADD, TILESTORED, TDPBF16PS, TILERELEASE), with the checks that the processor makes: what would be
// a fault there ends the program here. It shows on any CPU that the kernels configure, load, multiply and store as they
// should. Takes the place of shared/layers/host/amx_tiles.hpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace leadline::host {
namespace {

struct EmulatedTile {
  int rows = 0, row_bytes = 0; // 0: not configured
  alignas(64) unsigned char data[16][64] = {};
};
thread_local bool tiles_configured = false;
thread_local EmulatedTile emulated_tiles[8];

inline void tile_check(bool fine, const char* what) {
  if (fine) return;
  std::fprintf(stderr, "emulated matrix registers: %s\n", what);
  std::abort();
}
inline EmulatedTile& tile_of(int tile) {
  tile_check(tiles_configured, "used before they are configured");
  tile_check(tile >= 0 && tile < 8, "there are eight");
  EmulatedTile& t = emulated_tiles[tile];
  tile_check(t.rows > 0 && t.row_bytes > 0, "used, but not configured");
  return t;
}

class TileRegisters {
public:
  TileRegisters() {
    tile_check(!tiles_configured, "configured twice by one thread: the first owner would lose its values");
    tiles_configured = true;
    for (EmulatedTile& t : emulated_tiles) {
      t = EmulatedTile();
      t.rows = 16;
      t.row_bytes = 64;
      std::memset(t.data, 0xff, sizeof t.data); // NaN: LDTILECFG zeroes them, but kernels shouldn't count on it
    }
  }
  ~TileRegisters() { tiles_configured = false; }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

template <int tile> inline void tile_zero() { std::memset(tile_of(tile).data, 0, sizeof tile_of(tile).data); }
template <int tile> inline void tile_load(const void* rows, size_t pitch) {
  EmulatedTile& t = tile_of(tile);
  for (int r = 0; r < t.rows; ++r)
    std::memcpy(t.data[r], static_cast<const unsigned char*>(rows) + static_cast<size_t>(r) * pitch,
                static_cast<size_t>(t.row_bytes));
}
template <int tile> inline void tile_store(void* rows, size_t pitch) {
  const EmulatedTile& t = tile_of(tile);
  for (int r = 0; r < t.rows; ++r)
    std::memcpy(static_cast<unsigned char*>(rows) + static_cast<size_t>(r) * pitch, t.data[r],
                static_cast<size_t>(t.row_bytes));
}

// Denormals count as zero and become zero.
inline float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }
inline float tile_value(const unsigned char* row, int i) { // a bf16 as float
  uint16_t bits;
  std::memcpy(&bits, row + 2 * i, sizeof bits);
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return flush(value);
}

// Even and odd products in sums of their own, which are added to the result at the end.
template <int sum, int a, int b> inline void tile_dot_product() {
  EmulatedTile &s = tile_of(sum), &x = tile_of(a), &y = tile_of(b);
  tile_check(sum != a && sum != b && a != b, "operands must differ");
  tile_check(s.rows == x.rows && x.row_bytes == 4 * y.rows && s.row_bytes == y.row_bytes, "shapes don't fit");
  for (int m = 0; m < s.rows; ++m)
    for (int n = 0; n < s.row_bytes / 4; ++n) {
      float even = 0, odd = 0, total;
      for (int k = 0; k < x.row_bytes / 4; ++k) {
        even = flush(std::fma(tile_value(x.data[m], 2 * k), tile_value(y.data[k], 2 * n), even));
        odd = flush(std::fma(tile_value(x.data[m], 2 * k + 1), tile_value(y.data[k], 2 * n + 1), odd));
      }
      std::memcpy(&total, s.data[m] + 4 * n, sizeof total);
      total = flush(flush(total) + flush(even + odd));
      std::memcpy(s.data[m] + 4 * n, &total, sizeof total);
    }
}

} // namespace
} // namespace leadline::host
