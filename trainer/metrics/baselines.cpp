#include "trainer/metrics/baselines.hpp"

#include <cstring>
#include <limits>

namespace leadline::trainer {

namespace {

// Positive floats are ordered as their bits are. A bin holds those that agree in exponent and upper 16 bits of the
// mantissa; exponents outside of 2^-10 ... 2^10 metres share the first or last bin.
constexpr int dropped_bits = 7, bins_per_octave = 1 << 16, lowest_exponent = -10, octaves = 20;
constexpr index_t bins = index_t{octaves} * bins_per_octave;
constexpr index_t first_bin = index_t{127 + lowest_exponent} * bins_per_octave;

index_t bin_of(float depth) {
  uint32_t bits;
  std::memcpy(&bits, &depth, sizeof bits);
  const index_t bin = static_cast<index_t>(bits >> dropped_bits) - first_bin;
  return bin < 0 ? 0 : (bin < bins ? bin : bins - 1);
}

/// The middle of a bin.
double depth_of(index_t bin) {
  const uint32_t bits = (static_cast<uint32_t>(bin + first_bin) << dropped_bits) | (1u << (dropped_bits - 1));
  float depth;
  std::memcpy(&depth, &bits, sizeof depth);
  return static_cast<double>(depth);
}

} // namespace

DepthBaselines::DepthBaselines(index_t height, index_t width)
    : height_(height), width_(width), histogram_(static_cast<size_t>(bins)), sum_(static_cast<size_t>(height * width)),
      count_(static_cast<size_t>(height * width)) {}

void DepthBaselines::add(const float* depth, index_t n) {
  const index_t area = height_ * width_;
  for (index_t i = 0; i < n * area; ++i) {
    const float value = depth[i];
    if (!(value > 0 && value <= std::numeric_limits<float>::max())) continue;
    const size_t pixel = static_cast<size_t>(i % area);
    sum_[pixel] += static_cast<double>(value);
    ++count_[pixel];
    ++histogram_[static_cast<size_t>(bin_of(value))];
    ++valid_;
  }
  frames_ += n;
}

double DepthBaselines::median() const {
  const index_t wanted = (valid_ + 1) / 2; // the lower one of an even number, counted from 1
  index_t seen = 0;
  for (index_t bin = 0; bin < bins; ++bin) {
    seen += histogram_[static_cast<size_t>(bin)];
    if (wanted > 0 && seen >= wanted) return depth_of(bin);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<float> DepthBaselines::mean_map() const {
  std::vector<float> map = constant_map();
  for (size_t i = 0; i < map.size(); ++i)
    if (count_[i] > 0) map[i] = static_cast<float>(sum_[i] / static_cast<double>(count_[i]));
  return map;
}

std::vector<float> DepthBaselines::constant_map() const {
  return std::vector<float>(sum_.size(), static_cast<float>(median()));
}

} // namespace leadline::trainer
