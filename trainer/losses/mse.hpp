// Mean squared error: mean d^2 over valid elements, d = prediction - target.
#pragma once

#include "trainer/losses/pointwise.hpp"

namespace leadline::trainer::losses {

template <class T> struct MseRule {
  static constexpr const char *name = "mse", *label = "leadline::loss::mse";
  explicit MseRule(const LossParams&) {}
  LEADLINE_INLINE_FUNCTION T value(T d) const { return d * d; }
  LEADLINE_INLINE_FUNCTION T derivative(T d) const { return T{2} * d; }
};

template <class T, class Exec> using Mse = PointwiseLoss<T, Exec, MseRule<T>>;

} // namespace leadline::trainer::losses
