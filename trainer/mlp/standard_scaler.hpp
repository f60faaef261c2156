// Features with mean 0 and variance 1, as scikit-learn's StandardScaler makes them. Host only.
#pragma once

#include <cstddef>
#include <vector>

namespace leadline::trainer::mlp {

struct StandardScaler {
  std::vector<double> mean, scale; ///< of each column; `scale` is the standard deviation over all rows, 1 for constants

  /// x [n, columns]. The variance is the two-pass sum with its correction: T. Chan, G. Golub, R. LeVeque, "Algorithms
  /// for computing the sample variance", The American Statistician 37(3), 1983.
  static StandardScaler fit(const std::vector<double>& x, size_t columns);
  /// (x - mean) / scale, in place.
  void transform(std::vector<double>& x) const;
};

} // namespace leadline::trainer::mlp
