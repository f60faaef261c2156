// NAdam: Adam with Nesterov's momentum. (Dozat, ICLR workshop 2016, in PyTorch's form.)
//
//   mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2);   m, v as in Adam;   P = mu_1 ... mu_t
//   w -= lr ((1 - mu_t) / (1 - P) g + mu_{t+1} / (1 - P mu_{t+1}) m) / (sqrt(v / (1 - beta2^t)) + eps)
//
// States: exp_avg, exp_avg_sq, and the number mu_product (P).
#pragma once

#include "trainer/optimizers/adam.hpp"

namespace leadline::trainer::optimizers {

template <class T> struct NadamRule {
  T gradient_step, average_step, root_correction, eps, beta2, rest1, rest2, weight_decay;
  T shrink; // decoupled weight decay: what the weight is multiplied by first; else 1

  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T gradient, const detail::StateArrays<T>& states,
                                           index_t i) const {
    T &m = states.at[0][i], &v = states.at[1][i];
    weight *= shrink;
    const T g = gradient + weight_decay * weight;
    m = m + rest1 * (g - m);
    v = beta2 * v + rest2 * (g * g);
    const T root = math::sqrt(v) / root_correction + eps;
    weight -= gradient_step * (g / root) + average_step * (m / root);
  }
};

template <class T, class Exec> class Nadam final : public Optimizer<T, Exec> {
public:
  Nadam(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : Optimizer<T, Exec>(exec, weights, params, {"exp_avg", "exp_avg_sq"}) {
    require_betas("nadam", params);
  }
  const char* name() const override { return "nadam"; }
  bool has_momentum() const override { return true; }
  double momentum() const override { return this->params_.beta1; }
  void set_momentum(double momentum) override { this->params_.beta1 = momentum; }
  std::vector<OptimizerScalar> scalars() override { return {{"mu_product", &mu_product_}}; }

private:
  void update() override {
    const OptimizerParams& p = this->params_;
    const int64_t t = this->steps();
    const double mu = momentum_at(t), mu_next = momentum_at(t + 1);
    mu_product_ *= mu;
    this->for_each_weight("leadline::optimizer::nadam",
                          NadamRule<T>{static_cast<T>(p.lr * (1 - mu) / (1 - mu_product_)),
                                       static_cast<T>(p.lr * mu_next / (1 - mu_product_ * mu_next)),
                                       static_cast<T>(math::sqrt(1 - math::powi(p.beta2, t))), static_cast<T>(p.eps),
                                       static_cast<T>(p.beta2), static_cast<T>(1 - p.beta1),
                                       static_cast<T>(1 - p.beta2),
                                       static_cast<T>(p.decoupled_weight_decay ? 0 : p.weight_decay),
                                       static_cast<T>(p.decoupled_weight_decay ? 1 - p.lr * p.weight_decay : 1)});
  }
  double momentum_at(int64_t t) const {
    return this->params_.beta1 * (1 - 0.5 * math::pow(0.96, static_cast<double>(t) * this->params_.momentum_decay));
  }

  double mu_product_ = 1.0;
};

} // namespace leadline::trainer::optimizers
