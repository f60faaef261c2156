// The gradient of all weights as one vector: its norm, and what keeps it short. On the exec, one pass each.
//
// Clipping by norm scales the whole vector by min(1, max_norm / (norm + 1e-6)), by value it clamps each element
// (Pascanu, Mikolov, Bengio, ICML 2013; the forms are those of PyTorch's clip_grad_norm_ and clip_grad_value_).
#pragma once

#include "shared/core/math.hpp"
#include "shared/core/reduce.hpp"
#include "trainer/device_buffer.hpp"

namespace leadline::trainer {

/// Sums of squares run side by side, so that they vectorise: element i goes to sum i % norm_columns.
constexpr index_t norm_columns = 16;
constexpr index_t norm_rows(index_t count) { return (count + norm_columns - 1) / norm_columns; }

/// results[c]: the sum of the squares of elements c, c + norm_columns, ...
template <class T, class Exec>
void sums_of_squares(const Exec& exec, const T* values, index_t count, double* partial, double* results) {
  reduce_columns(
      exec, "leadline::optimizer::norm", norm_rows(count), norm_columns,
      [=] LEADLINE_FUNCTION(index_t row, index_t column) {
        const index_t i = row * norm_columns + column;
        const double x = i < count ? static_cast<double>(values[i]) : 0.0;
        return x * x;
      },
      partial, [=] LEADLINE_FUNCTION(index_t column, const double& sum) { results[column] = sum; });
}

template <class T, class Exec> void scale_values(const Exec& exec, T* values, index_t count, T factor) {
  parallel_for(exec, "leadline::optimizer::scale", count, [=] LEADLINE_FUNCTION(index_t i) { values[i] *= factor; });
}

/// NaN stays NaN.
template <class T, class Exec> void clamp_values(const Exec& exec, T* values, index_t count, T limit) {
  parallel_for(exec, "leadline::optimizer::clamp", count, [=] LEADLINE_FUNCTION(index_t i) {
    const T x = values[i];
    values[i] = x > limit ? limit : (x < -limit ? -limit : x);
  });
}

/// Measures and clips one gradient vector, which is the caller's and stays in place. Sums are in double and in a fixed
/// order: the same bits for any thread count. Not thread-safe.
template <class T, class Exec> class GradientClipping {
public:
  /// `max_norm`, `max_value`: 0 for no limit.
  GradientClipping(const Exec& exec, const Tensor<T>& gradient, double max_norm, double max_value)
      : exec_(exec), gradient_(gradient), max_norm_(max_norm), max_value_(max_value),
        results_(exec, size_t{norm_columns} * sizeof(double)),
        partial_(exec, reduce_columns_bytes<double>(norm_rows(gradient.shape.count()), norm_columns)) {}

  /// The L2 norm; not finite if any element isn't. Waits for the exec.
  double norm() const {
    auto* results = reinterpret_cast<double*>(results_.data());
    sums_of_squares<T>(exec_, gradient_.data, gradient_.shape.count(), reinterpret_cast<double*>(partial_.data()),
                       results);
    double sums[norm_columns], square = 0;
    exec_.fence();
    copy_to_host(exec_, sums, results, sizeof sums);
    for (const double sum : sums) square += sum;
    return math::sqrt(square);
  }

  /// Clips by norm, then by value, where there are limits; `norm` is what norm() gave.
  void clip(double norm) const {
    const index_t count = gradient_.shape.count();
    if (const double factor = max_norm_ / (norm + 1e-6); max_norm_ > 0 && factor < 1)
      scale_values<T>(exec_, gradient_.data, count, static_cast<T>(factor));
    if (max_value_ > 0) clamp_values<T>(exec_, gradient_.data, count, static_cast<T>(max_value_));
  }

private:
  Exec exec_;
  Tensor<T> gradient_;
  double max_norm_, max_value_;
  DeviceBuffer<Exec> results_, partial_;
};

} // namespace leadline::trainer
