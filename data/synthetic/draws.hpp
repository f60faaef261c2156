// Random choices of one scene: a sequence of draws over the counter-based generator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "data/synthetic/geometry.hpp"
#include "shared/core/rng.hpp"

namespace leadline::data::synthetic {

/// Draws in order from the stream (seed, stream). Note for callers: two draws never stand in one argument list, whose
/// order of evaluation C++ leaves open; braces and statements have an order.
class Draws {
public:
  Draws(uint64_t seed, uint64_t stream) : source_(seed, stream) {}

  /// Uniform in [0, 1).
  double unit() { return source_.uniform_double(next_++); }
  double uniform(double low, double high) { return low + (high - low) * unit(); }
  bool chance(double probability) { return unit() < probability; }
  /// Uniform integer in [0, n), n > 0.
  int below(int n) { return static_cast<int>(unit() * n); }
  int between(int low, int high) { return low + below(high - low + 1); }
  uint32_t bits() { return static_cast<uint32_t>(unit() * 4294967296.0); }
  template <class T, size_t count> T pick(const std::array<T, count>& from) {
    return from[static_cast<size_t>(below(static_cast<int>(count)))];
  }

private:
  Philox source_;
  uint64_t next_ = 0;
};

} // namespace leadline::data::synthetic
