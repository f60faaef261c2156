// Mean absolute error: mean |d| over valid elements, d = prediction - target. The loss of FastDepth.
#pragma once

#include "trainer/losses/pointwise.hpp"

namespace leadline::trainer::losses {

template <class T> struct L1Rule {
  static constexpr const char *name = "l1", *label = "leadline::loss::l1";
  explicit L1Rule(const LossParams&) {}
  LEADLINE_INLINE_FUNCTION T value(T d) const { return math::abs(d); }
  LEADLINE_INLINE_FUNCTION T derivative(T d) const { return sign(d); }
};

template <class T, class Exec> using L1 = PointwiseLoss<T, Exec, L1Rule<T>>;

} // namespace leadline::trainer::losses
