// Random problems for every layer: odd sizes, channel counts off the SIMD width, empty batches, every option.
// A new layer adds a list to cases.cpp; a test fails for a layer that has none.
#pragma once

#include "shared/core/rng.hpp"
#include "tests/shared/layers/layer_runner.hpp"

namespace leadline::testing {

struct Case {
  std::string name;
  Problem problem;
  bool finite_differences = true; ///< off for large problems
};

const std::vector<Case>& all_cases();

/// A sequence of random numbers.
class Draw {
public:
  explicit Draw(uint64_t seed) : philox_(seed) {}
  double uniform(double low, double high) { return low + (high - low) * philox_.uniform_double(next_++); }
  int below(int n) { return static_cast<int>(uniform(0, n)); }
  int between(int low, int high) { return low + below(high - low + 1); }

private:
  Philox philox_;
  uint64_t next_ = 0;
};

/// Uniform in [-1.5, 1.5].
Value random_value(const Shape& shape, Draw* draw);
/// A random permutation of distinct values, at least 0.02 apart and 0.01 from 0: no step of a finite difference
/// changes which one is the largest.
Value distinct_value(const Shape& shape, Draw* draw);

} // namespace leadline::testing
