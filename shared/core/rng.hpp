// Counter-based random numbers: the value at (key, counter) needs no state, so any thread or rank gets the same ones.
#pragma once

#include "shared/core/config.hpp"

namespace leadline {

/// Four independent 32-bit words.
struct PhiloxBlock {
  uint32_t word[4];
};

/// Philox4x32-10: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
LEADLINE_INLINE_FUNCTION PhiloxBlock philox4x32(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  uint32_t x0 = static_cast<uint32_t>(counter_low), x1 = static_cast<uint32_t>(counter_low >> 32);
  uint32_t x2 = static_cast<uint32_t>(counter_high), x3 = static_cast<uint32_t>(counter_high >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * x0, b = uint64_t{0xCD9E8D57u} * x2;
    const uint32_t y0 = static_cast<uint32_t>(b >> 32) ^ x1 ^ k0, y2 = static_cast<uint32_t>(a >> 32) ^ x3 ^ k1;
    x1 = static_cast<uint32_t>(b);
    x3 = static_cast<uint32_t>(a);
    x0 = y0;
    x2 = y2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{x0, x1, x2, x3}};
}

/// Random words by position: `Philox(seed, stream)` names a sequence, every draw is a pure function of its index.
/// Streams keep uses apart (epoch, sample, node, ...): combine ids with `philox_stream`.
class Philox {
public:
  LEADLINE_INLINE_FUNCTION explicit Philox(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// Words 4i to 4i + 3 of the sequence.
  LEADLINE_INLINE_FUNCTION PhiloxBlock block(uint64_t i) const { return philox4x32(seed_, i, stream_); }
  /// The `i`-th 32-bit word of the sequence.
  LEADLINE_INLINE_FUNCTION uint32_t bits(uint64_t i) const { return block(i / 4).word[i % 4]; }
  /// Uniform in [0, 1), 24 random bits: exact in float.
  LEADLINE_INLINE_FUNCTION float uniform(uint64_t i) const { return static_cast<float>(bits(i) >> 8) * 0x1p-24f; }
  /// Uniform in [0, 1), 53 random bits (words 2i and 2i+1).
  LEADLINE_INLINE_FUNCTION double uniform_double(uint64_t i) const {
    const PhiloxBlock block = philox4x32(seed_, i / 2, stream_);
    const uint64_t high = block.word[i % 2 * 2], low = block.word[i % 2 * 2 + 1];
    return static_cast<double>((high << 21) | (low >> 11)) * 0x1p-53;
  }
  /// Uniform integer in [0, n), 0 < n <= 2^32; the bias is below n / 2^53.
  LEADLINE_INLINE_FUNCTION uint64_t below(uint64_t i, uint64_t n) const {
    return static_cast<uint64_t>(uniform_double(i) * static_cast<double>(n));
  }

private:
  uint64_t seed_, stream_;
};

/// Folds two ids into one stream number (one Philox block as the hash).
LEADLINE_INLINE_FUNCTION uint64_t philox_stream(uint64_t a, uint64_t b, uint64_t c = 0) {
  const PhiloxBlock block = philox4x32(a ^ 0x6C6561646C696E65ull, b, c);
  return (uint64_t{block.word[0]} << 32) | block.word[1];
}

} // namespace leadline
