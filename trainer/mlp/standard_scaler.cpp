#include "trainer/mlp/standard_scaler.hpp"

#include <cmath>
#include <limits>

namespace leadline::trainer::mlp {

StandardScaler StandardScaler::fit(const std::vector<double>& x, size_t columns) {
  StandardScaler scaler;
  const double n = static_cast<double>(x.size() / columns);
  for (size_t j = 0; j < columns; ++j) {
    double sum = 0, squares = 0, rest = 0;
    for (size_t i = j; i < x.size(); i += columns) sum += x[i];
    const double mean = sum / n;
    for (size_t i = j; i < x.size(); i += columns) {
      squares += (x[i] - mean) * (x[i] - mean);
      rest += x[i] - mean;
    }
    const double variance = (squares - rest * rest / n) / n;
    // A constant's variance isn't 0 where its mean is rounded; this is how far the sums' rounding may go. Dividing by
    // such a "deviation" would turn noise in the last bit into features of size 1.
    const double rounding = n * std::numeric_limits<double>::epsilon();
    const bool constant = !(variance > rounding * variance + rounding * mean * (rounding * mean));
    scaler.mean.push_back(mean);
    scaler.scale.push_back(constant ? 1 : std::sqrt(variance));
  }
  return scaler;
}

void StandardScaler::transform(std::vector<double>& x) const {
  for (size_t i = 0; i < x.size(); ++i) x[i] = (x[i] - mean[i % mean.size()]) / scale[i % mean.size()];
}

} // namespace leadline::trainer::mlp
