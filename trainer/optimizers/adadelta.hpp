// Adadelta. (Zeiler, arXiv 1212.5701.)
//
//   g += weight_decay w;   s = rho s + (1 - rho) g^2;   u = sqrt(a + eps) / sqrt(s + eps) g;
//   a = rho a + (1 - rho) u^2;   w -= lr u
//
// States: square_avg (s), acc_delta (a).
#pragma once

#include "trainer/optimizers/optimizer.hpp"

namespace leadline::trainer::optimizers {

template <class T> struct AdadeltaRule {
  T lr, rho, rest, eps, weight_decay; // rest: 1 - rho

  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T gradient, const detail::StateArrays<T>& states,
                                           index_t i) const {
    const T g = gradient + weight_decay * weight;
    T &square = states.at[0][i], &moved = states.at[1][i];
    square = rho * square + rest * (g * g);
    const T update = math::sqrt(moved + eps) / math::sqrt(square + eps) * g;
    moved = rho * moved + rest * (update * update);
    weight -= lr * update;
  }
};

template <class T, class Exec> class Adadelta final : public Optimizer<T, Exec> {
public:
  Adadelta(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : Optimizer<T, Exec>(exec, weights, params, {"square_avg", "acc_delta"}) {}
  const char* name() const override { return "adadelta"; }

private:
  void update() override {
    const OptimizerParams& p = this->params_;
    this->for_each_weight("leadline::optimizer::adadelta",
                          AdadeltaRule<T>{static_cast<T>(p.lr), static_cast<T>(p.rho), static_cast<T>(1 - p.rho),
                                          static_cast<T>(p.eps), static_cast<T>(p.weight_decay)});
  }
};

} // namespace leadline::trainer::optimizers
