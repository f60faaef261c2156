// Huber loss: d^2 / 2 up to |d| = delta, delta (|d| - delta / 2) beyond; mean over valid elements. (Huber 1964.)
#pragma once

#include "trainer/losses/pointwise.hpp"

namespace leadline::trainer::losses {

template <class T> struct HuberRule {
  static constexpr const char *name = "huber", *label = "leadline::loss::huber";
  T delta;
  explicit HuberRule(const LossParams& params) : delta(static_cast<T>(params.delta)) {
    if (!(params.delta > 0))
      throw Error({.field = "delta",
                   .value = std::to_string(params.delta),
                   .reason = "the huber loss needs a positive one",
                   .fix = "PyTorch's default is 1"});
  }
  LEADLINE_INLINE_FUNCTION T value(T d) const {
    const T a = math::abs(d);
    return a <= delta ? T{0.5} * d * d : delta * (a - T{0.5} * delta);
  }
  LEADLINE_INLINE_FUNCTION T derivative(T d) const { return math::abs(d) <= delta ? d : delta * sign(d); }
};

template <class T, class Exec> using Huber = PointwiseLoss<T, Exec, HuberRule<T>>;

} // namespace leadline::trainer::losses
