// RAdam: Adam whose adaptive rate is rectified while v has seen too few gradients. (Liu et al., ICLR 2020.)
//
//   r_inf = 2 / (1 - beta2) - 1;   r_t = r_inf - 2 t beta2^t / (1 - beta2^t);   m, v as in Adam, m' = m / (1 - beta1^t)
//   r_t > 5:  w -= lr m' sqrt((r_t - 4)(r_t - 2) r_inf / ((r_inf - 4)(r_inf - 2) r_t)) sqrt(1 - beta2^t) / (sqrt(v) +
//   eps) else:     w -= lr m'
//
// States: exp_avg, exp_avg_sq.
#pragma once

#include "trainer/optimizers/adam.hpp"

namespace leadline::trainer::optimizers {

template <class T> struct RadamRule {
  T step_size, eps, beta2, rest1, rest2, weight_decay;
  T shrink; // decoupled weight decay: what the weight is multiplied by first; else 1
  bool adaptive;

  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T gradient, const detail::StateArrays<T>& states,
                                           index_t i) const {
    T &m = states.at[0][i], &v = states.at[1][i];
    weight *= shrink;
    const T g = gradient + weight_decay * weight;
    m = m + rest1 * (g - m);
    v = beta2 * v + rest2 * (g * g);
    weight -= step_size * (adaptive ? m / (math::sqrt(v) + eps) : m);
  }
};

template <class T, class Exec> class Radam final : public Optimizer<T, Exec> {
public:
  Radam(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : Optimizer<T, Exec>(exec, weights, params, {"exp_avg", "exp_avg_sq"}) {
    require_betas("radam", params);
  }
  const char* name() const override { return "radam"; }
  bool has_momentum() const override { return true; }
  double momentum() const override { return this->params_.beta1; }
  void set_momentum(double momentum) override { this->params_.beta1 = momentum; }

private:
  void update() override {
    const OptimizerParams& p = this->params_;
    const int64_t t = this->steps();
    const double power = math::powi(p.beta2, t), correction = 1 - power;
    const double r_inf = 2 / (1 - p.beta2) - 1, r = r_inf - 2 * static_cast<double>(t) * power / correction;
    const bool adaptive = r > 5;
    double step_size = p.lr / (1 - math::powi(p.beta1, t));
    if (adaptive)
      step_size *= math::sqrt((r - 4) * (r - 2) * r_inf / ((r_inf - 4) * (r_inf - 2) * r)) * math::sqrt(correction);
    this->for_each_weight("leadline::optimizer::radam",
                          RadamRule<T>{static_cast<T>(step_size), static_cast<T>(p.eps), static_cast<T>(p.beta2),
                                       static_cast<T>(1 - p.beta1), static_cast<T>(1 - p.beta2),
                                       static_cast<T>(p.decoupled_weight_decay ? 0 : p.weight_decay),
                                       static_cast<T>(p.decoupled_weight_decay ? 1 - p.lr * p.weight_decay : 1),
                                       adaptive});
  }
};

} // namespace leadline::trainer::optimizers
