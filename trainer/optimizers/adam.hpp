// Adam, with AMSGrad on request. (Kingma, Ba, ICLR 2015; Reddi et al., ICLR 2018.)
//
//   g += weight_decay w;   m = beta1 m + (1 - beta1) g;   v = beta2 v + (1 - beta2) g^2;
//   w -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)          amsgrad: the largest v so far
//
// States: exp_avg (m), exp_avg_sq (v), max_exp_avg_sq (amsgrad). A schedule that cycles momentum cycles beta1; the bias
// correction uses the beta1 of its step, as PyTorch's does.
#pragma once

#include "trainer/optimizers/optimizer.hpp"

namespace leadline::trainer::optimizers {

template <class T> struct AdamRule {
  T step_size, root_correction, eps; // lr / (1 - beta1^t), sqrt(1 - beta2^t)
  T beta2, rest1, rest2;             // rest: 1 - beta
  T weight_decay;                    // added to the gradient
  T shrink;                          // adamw: what the weight is multiplied by first; adam: 1
  bool amsgrad;

  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T gradient, const detail::StateArrays<T>& states,
                                           index_t i) const {
    T &m = states.at[0][i], &v = states.at[1][i];
    const T w = weight * shrink, g = gradient + weight_decay * w;
    m = m + rest1 * (g - m);
    v = beta2 * v + rest2 * (g * g);
    T largest = v;
    if (amsgrad) {
      T& seen = states.at[2][i];
      largest = seen = math::max(seen, v);
    }
    weight = w - step_size * (m / (math::sqrt(largest) / root_correction + eps));
  }
};

inline std::vector<std::string> adam_states(const OptimizerParams& params) {
  if (params.amsgrad) return {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  return {"exp_avg", "exp_avg_sq"};
}

/// Betas of the Adam family must lie in [0, 1).
inline void require_betas(const char* optimizer, const OptimizerParams& params) {
  for (const double beta : {params.beta1, params.beta2})
    if (!(beta >= 0 && beta < 1))
      throw Error(std::string("optimizer ") + optimizer + ": beta1 and beta2 must lie in [0, 1), but are " +
                  std::to_string(params.beta1) + " and " + std::to_string(params.beta2) +
                  ". The usual values are 0.9 and 0.999.");
}

/// Adam and AdamW: they differ in what weight decay does.
template <class T, class Exec> class AdamFamily : public Optimizer<T, Exec> {
public:
  AdamFamily(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params, bool decoupled)
      : Optimizer<T, Exec>(exec, weights, params, adam_states(params)), decoupled_(decoupled) {
    require_betas(decoupled ? "adamw" : "adam", params);
  }
  const char* name() const override { return decoupled_ ? "adamw" : "adam"; }
  bool has_momentum() const override { return true; }
  double momentum() const override { return this->params_.beta1; }
  void set_momentum(double momentum) override { this->params_.beta1 = momentum; }

private:
  void update() override {
    const OptimizerParams& p = this->params_;
    const int64_t t = this->steps();
    this->for_each_weight(decoupled_ ? "leadline::optimizer::adamw" : "leadline::optimizer::adam",
                          AdamRule<T>{static_cast<T>(p.lr / (1 - math::powi(p.beta1, t))),
                                      static_cast<T>(math::sqrt(1 - math::powi(p.beta2, t))), static_cast<T>(p.eps),
                                      static_cast<T>(p.beta2), static_cast<T>(1 - p.beta1), static_cast<T>(1 - p.beta2),
                                      static_cast<T>(decoupled_ ? 0.0 : p.weight_decay),
                                      static_cast<T>(decoupled_ ? 1 - p.lr * p.weight_decay : 1.0), p.amsgrad});
  }

  bool decoupled_;
};

template <class T, class Exec> class Adam final : public AdamFamily<T, Exec> {
public:
  Adam(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : AdamFamily<T, Exec>(exec, weights, params, false) {}
};

} // namespace leadline::trainer::optimizers
