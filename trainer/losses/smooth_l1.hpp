// Smooth L1 loss: d^2 / (2 beta) below |d| = beta, |d| - beta / 2 beyond; mean over valid elements. (Girshick 2015.)
// It is huber / beta for delta = beta; beta = 0 is l1.
#pragma once

#include "trainer/losses/pointwise.hpp"

namespace leadline::trainer::losses {

template <class T> struct SmoothL1Rule {
  static constexpr const char *name = "smooth_l1", *label = "leadline::loss::smooth_l1";
  T beta;
  explicit SmoothL1Rule(const LossParams& params) : beta(static_cast<T>(params.beta)) {
    if (!(params.beta >= 0))
      throw Error({.field = "beta",
                   .value = std::to_string(params.beta),
                   .reason = "the smooth_l1 loss can't have a negative one",
                   .fix = "PyTorch's default is 1"});
  }
  LEADLINE_INLINE_FUNCTION T value(T d) const {
    const T a = math::abs(d);
    return a < beta ? T{0.5} * d * d / beta : a - T{0.5} * beta;
  }
  LEADLINE_INLINE_FUNCTION T derivative(T d) const { return math::abs(d) < beta ? d / beta : sign(d); }
};

template <class T, class Exec> using SmoothL1 = PointwiseLoss<T, Exec, SmoothL1Rule<T>>;

} // namespace leadline::trainer::losses
