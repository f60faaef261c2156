// Params are stored as float; double computations want the number that the user wrote.
#pragma once

#include "shared/core/config.hpp"

namespace leadline {

/// The double nearest to the decimal number of at most seven digits that `value` is the float of: 0.1 for 0.1f, where a
/// plain conversion gives 0.100000001490. Other values are converted plainly. `float(decimal(value)) == value`.
inline double decimal(float value) {
  const double x = static_cast<double>(value);
  const double magnitude = x < 0 ? -x : x;
  if (!(magnitude >= 1e-15 && magnitude < 1e7)) return x;
  double scale = 1; // a power of ten up to 1e21: exact
  while (magnitude * scale < 1e6) scale *= 10;
  const double nearest = static_cast<double>(static_cast<int64_t>(magnitude * scale + 0.5)) / scale;
  const double result = x < 0 ? -nearest : nearest;
  return static_cast<float>(result) == value ? result : x;
}

/// The same for computations in T: floats stay what they are.
template <class T> T decimal(float value) {
  if constexpr (sizeof(T) > sizeof(float))
    return static_cast<T>(decimal(value));
  else
    return static_cast<T>(value);
}

} // namespace leadline
