// Adagrad. (Duchi, Hazan, Singer, JMLR 2011.)
//
//   g += weight_decay w;   s += g^2;   w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
//
// State: sum (s), first filled with initial_accumulator_value.
#pragma once

#include "trainer/optimizers/optimizer.hpp"

namespace leadline::trainer::optimizers {

template <class T> struct AdagradRule {
  T lr, eps, weight_decay;

  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T gradient, const detail::StateArrays<T>& states,
                                           index_t i) const {
    const T g = gradient + weight_decay * weight;
    T& sum = states.at[0][i];
    sum += g * g;
    weight -= lr * (g / (math::sqrt(sum) + eps));
  }
};

/// Sets the first state of every element.
template <class T> struct FillRule {
  T value;
  LEADLINE_INLINE_FUNCTION void operator()(T&, T, const detail::StateArrays<T>& states, index_t i) const {
    states.at[0][i] = value;
  }
};

template <class T, class Exec> class Adagrad final : public Optimizer<T, Exec> {
public:
  Adagrad(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : Optimizer<T, Exec>(exec, weights, params, {"sum"}) {
    if (params.initial_accumulator_value != 0)
      this->for_each_weight("leadline::optimizer::adagrad::fill",
                            FillRule<T>{static_cast<T>(params.initial_accumulator_value)});
  }
  const char* name() const override { return "adagrad"; }

private:
  void update() override {
    const OptimizerParams& p = this->params_;
    const double lr = p.lr / (1 + static_cast<double>(this->steps() - 1) * p.lr_decay);
    this->for_each_weight("leadline::optimizer::adagrad",
                          AdagradRule<T>{static_cast<T>(lr), static_cast<T>(p.eps), static_cast<T>(p.weight_decay)});
  }
};

} // namespace leadline::trainer::optimizers
