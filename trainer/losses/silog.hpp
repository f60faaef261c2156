// Scale-invariant log loss: scale * sqrt(mean d^2 - lambda (mean d)^2), d = ln prediction - ln target, over the valid
// pixels of the whole micro-batch. (Eigen, Puhrsch, Fergus, NIPS 2014; the root and scale 10, lambda 0.85 are BTS's.)
// log_rmse, the RMS of d, is the case lambda = 0, scale = 1.
//
// Two guards, so that no prediction makes a NaN:
// - Below `min_depth` the logarithm is continued by its tangent, ln m + (p - m) / m: once differentiable, finite for
//   zero and negative predictions, and its gradient still points to the depths that are possible.
// - The root's derivative is taken at no less than 1e-6: a perfect prediction has gradient 0.
#pragma once

#include "trainer/losses/elements.hpp"

namespace leadline::trainer::losses {

struct SilogSums {
  double count = 0, d = 0, d_squared = 0;
  LEADLINE_INLINE_FUNCTION SilogSums& operator+=(const SilogSums& other) {
    count += other.count;
    d += other.d;
    d_squared += other.d_squared;
    return *this;
  }
};

/// What the gradient of each pixel needs: diff = slope * (d - offset) * dln(p)/dp.
struct SilogGradient {
  double slope, offset;
};

/// The natural logarithm, continued by its tangent below m.
template <class T> LEADLINE_INLINE_FUNCTION T guarded_log(T p, T m) {
  const bool below = p < m;
  return math::log(below ? m : p) + (below ? (p - m) / m : T{0});
}
template <class T> LEADLINE_INLINE_FUNCTION T guarded_log_derivative(T p, T m) { return T{1} / (p < m ? m : p); }

template <class T, class Exec>
void silog_forward_backward(const Exec& exec, double lambda, double scale, T min_depth, const LossArgs<T>& args,
                            Scratch scratch) {
  const Elements<const T> prediction(args.prediction), target(args.target);
  const Elements<T> diff(args.diff_prediction);
  const bool want_gradient = static_cast<bool>(args.diff_prediction);
  const index_t count = args.prediction.shape.count();
  SilogGradient* gradient = scratch.take<SilogGradient>(1);
  T* value = args.value;
  reduce_columns(
      exec, "leadline::loss::silog", count, 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        const T t = target[i];
        if (!is_valid(Valid::positive, t)) return SilogSums{};
        const T d = guarded_log(prediction[i], min_depth) - math::log(t);
        if (want_gradient) diff[i] = d; // for the second pass: logarithms are what this loss costs
        const double wide = static_cast<double>(d);
        return SilogSums{1.0, wide, wide * wide};
      },
      scratch.take<SilogSums>(reduce_chunks(count)),
      [=] LEADLINE_FUNCTION(index_t, const SilogSums& sums) {
        const double n = sums.count > 0 ? sums.count : 1.0, mean = sums.d / n;
        const double square = sums.d_squared / n - lambda * mean * mean;
        const double root = square < 0 ? 0.0 : math::sqrt(square); // rounding, where lambda is 1; NaN stays NaN
        *value = static_cast<T>(scale * root);
        *gradient = {scale / (n * (root < 1e-6 ? 1e-6 : root)), lambda * mean};
      });
  if (!want_gradient) return;
  parallel_for(exec, "leadline::loss::silog::backward", count, [=] LEADLINE_FUNCTION(index_t i) {
    if (is_valid(Valid::positive, target[i])) {
      const double d = static_cast<double>(diff[i]);
      diff[i] =
          static_cast<T>(gradient->slope * (d - gradient->offset)) * guarded_log_derivative(prediction[i], min_depth);
    } else {
      diff[i] = T{0};
    }
  });
}

template <class T, class Exec> class Silog final : public Loss<T, Exec> {
public:
  Silog(const char* name, double lambda, double scale, double min_depth)
      : name_(name), lambda_(lambda), scale_(scale), min_depth_(static_cast<T>(min_depth)) {
    if (!(lambda >= 0 && lambda <= 1))
      throw Error({.field = "silog_lambda",
                   .value = std::to_string(lambda),
                   .reason = "it must lie in [0, 1]: beyond 1 the root's argument can be negative",
                   .fix = "0.85 is the usual value"});
    if (!(min_depth > 0 && min_depth < 1e6))
      throw Error({.field = "min_depth",
                   .value = std::to_string(min_depth),
                   .reason = "it must be a positive depth in metres",
                   .fix = "0.001 is the usual value"});
  }
  const char* name() const override { return name_; }
  size_t workspace_bytes(const Shape& prediction) const override {
    return Scratch::bytes<SilogGradient>(1) + reduce_columns_bytes<SilogSums>(prediction.count(), 1);
  }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    require_depth(name_, args.prediction.shape);
    require_shape(name_, args.prediction.shape, "target", args.target.shape);
    silog_forward_backward<T>(exec, lambda_, scale_, min_depth_, args, Scratch(args.workspace));
  }

private:
  const char* name_;
  double lambda_, scale_;
  T min_depth_;
};

} // namespace leadline::trainer::losses
