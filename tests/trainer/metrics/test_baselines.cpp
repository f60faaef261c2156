// The two baselines against sorting and averaging.
#include "shared/core/rng.hpp"
#include "trainer/metrics/baselines.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

using namespace leadline;
using trainer::DepthBaselines;

TEST_CASE("median and mean map of a training set, batch by batch") {
  const index_t n = 7, h = 9, w = 11, area = h * w;
  const Philox random(3);
  std::vector<float> depth, valid;
  for (uint64_t i = 0; i < static_cast<uint64_t>(n * area); ++i) {
    const bool hole = random.uniform(2 * i) < 0.3f || i % static_cast<uint64_t>(area) == 5; // pixel 5 never has one
    depth.push_back(hole ? (i % 2 != 0 ? 0.0f : std::numeric_limits<float>::quiet_NaN())
                         : 0.2f + 9 * random.uniform(2 * i + 1));
    if (!hole) valid.push_back(depth.back());
  }
  DepthBaselines baselines(h, w);
  baselines.add(depth.data(), 3);
  baselines.add(depth.data() + 3 * area, 4);
  CHECK(baselines.frames() == n);
  CHECK(baselines.valid_pixels() == static_cast<index_t>(valid.size()));

  std::sort(valid.begin(), valid.end());
  const double median = static_cast<double>(valid[(valid.size() - 1) / 2]);
  CHECK_FALSE(!(std::abs(baselines.median() - median) <= median * 0x1p-16));
  const std::vector<float> map = baselines.mean_map(), constant = baselines.constant_map();
  REQUIRE(map.size() == static_cast<size_t>(area));
  for (index_t p = 0; p < area; ++p) {
    double sum = 0, count = 0;
    for (index_t i = 0; i < n; ++i) {
      const float value = depth[static_cast<size_t>(i * area + p)];
      if (value > 0) {
        sum += static_cast<double>(value);
        ++count;
      }
    }
    const double expected = count > 0 ? sum / count : median;
    CHECK_FALSE(!(std::abs(static_cast<double>(map[static_cast<size_t>(p)]) - expected) <= expected * 2e-5));
    CHECK(constant[static_cast<size_t>(p)] == static_cast<float>(baselines.median()));
  }
}

TEST_CASE("the lower median of an even number, far depths, and nothing at all") {
  DepthBaselines baselines(1, 4);
  CHECK(std::isnan(baselines.median()));
  const float none[4] = {0, -1, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  baselines.add(none, 1);
  CHECK(baselines.valid_pixels() == 0);
  const float four[4] = {1, 2, 3, 4};
  baselines.add(four, 1);
  CHECK_FALSE(!(std::abs(baselines.median() - 2) <= 2 * 0x1p-16));
  const float extreme[4] = {1e-30f, 1e-20f, 3e38f, 1e30f}; // share the first and the last bin, but count
  baselines.add(extreme, 1);
  CHECK_FALSE(!(std::abs(baselines.median() - 2) <= 2 * 0x1p-16));
}
