// What happens to one number: losses with their derivatives, and the optimizers' updates, as scikit-learn has them. The
// host's vector kernels (kernels.cpp) and the kernels of other execs (exec_steps.cpp) are loops over these.
#pragma once

#include "shared/core/math.hpp"
#include "trainer/mlp/kernels.hpp"

namespace leadline::trainer::mlp {

/// A probability that has a logarithm, and so has its rest.
template <class T> LEADLINE_INLINE_FUNCTION T clipped(T p) {
  constexpr T epsilon = sizeof(T) == 8 ? T(0x1p-52) : T(0x1p-23);
  p = p < epsilon ? epsilon : p;
  return p > T{1} - epsilon ? T{1} - epsilon : p;
}

/// The loss of one output z for the truth y; z becomes the loss' derivative by it. Not for the log losses.
template <class T> LEADLINE_INLINE_FUNCTION T regression_loss(Loss loss, T& z, T y, T huber_delta) {
  if (loss == Loss::poisson) { // y log(y / mu) - y + mu, and mu - y by log(mu)
    const T mu = math::exp(z);
    z = mu - y;
    return (y == T{0} ? T{0} : y * math::log(y / mu)) - y + mu;
  }
  const T error = z - y, size = math::abs(error);
  const T sign = error > T{0} ? T{1} : error < T{0} ? T{-1} : error;
  if (loss == Loss::absolute_error) {
    z = sign;
    return size;
  }
  const bool square = loss == Loss::squared_error || size <= huber_delta;
  z = square ? error : sign * huber_delta;
  return square ? T{0.5} * error * error : huber_delta * (size - T{0.5} * huber_delta);
}

/// D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015; `lr` has the bias corrections in it.
template <class T>
LEADLINE_INLINE_FUNCTION void adam_update(T& w, T gradient, T& m, T& v, T lr, T beta1, T beta2, T epsilon) {
  m = beta1 * m + (T{1} - beta1) * gradient;
  v = beta2 * v + (T{1} - beta2) * (gradient * gradient);
  w -= lr * m / (math::sqrt(v) + epsilon);
}

template <class T>
LEADLINE_INLINE_FUNCTION void sgd_update(T& w, T gradient, T& velocity, T lr, T momentum, bool nesterov) {
  velocity = momentum * velocity - lr * gradient;
  w += nesterov ? momentum * velocity - lr * gradient : velocity;
}

} // namespace leadline::trainer::mlp
