// Robust statistics in the caller's memory, for metres from few readings and for steady video.
#pragma once

#include "shared/core/config.hpp"

namespace leadline {

/// The k-th smallest of n values, which it reorders (C. A. R. Hoare's selection). 0 <= k < n; no NaN.
inline float select_smallest(float* values, int n, int k) {
  int low = 0, high = n - 1;
  while (low < high) {
    const float pivot = values[(low + high) / 2];
    int i = low, j = high;
    while (i <= j) {
      while (values[i] < pivot) ++i;
      while (values[j] > pivot) --j;
      if (i > j) break;
      const float swapped = values[i];
      values[i++] = values[j];
      values[j--] = swapped;
    }
    if (k <= j)
      high = j;
    else if (k >= i)
      low = i;
    else
      break;
  }
  return values[k];
}

/// The lower one of an even number.
inline float median(float* values, int n) { return select_smallest(values, n, (n - 1) / 2); }

/// y = scale * x + shift.
struct Line {
  double scale, shift;
};

/// Least squares with weights, about the weighted means. Where x hardly varies (its deviation below `least_spread` of
/// its mean) a shift can't be told from a scale: the line then goes through 0.
template <class Weight>
Line fit_line(const float* x, const float* y, int n, double least_spread, const Weight& weight) {
  double sum = 0, mean_x = 0, mean_y = 0;
  for (int i = 0; i < n; ++i) {
    const double w = weight(i);
    sum += w;
    mean_x += w * static_cast<double>(x[i]);
    mean_y += w * static_cast<double>(y[i]);
  }
  if (!(sum > 0)) return {1, 0};
  mean_x /= sum;
  mean_y /= sum;
  double xx = 0, xy = 0;
  for (int i = 0; i < n; ++i) {
    const double w = weight(i), dx = static_cast<double>(x[i]) - mean_x;
    xx += w * dx * dx;
    xy += w * dx * (static_cast<double>(y[i]) - mean_y);
  }
  if (!(xx > least_spread * least_spread * mean_x * mean_x * sum)) return {mean_y / mean_x, 0};
  return {xy / xx, mean_y - xy / xx * mean_x};
}

} // namespace leadline
