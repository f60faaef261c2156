// Stochastic gradient descent with momentum. (Sutskever et al., ICML 2013, in PyTorch's form.)
//
//   g += weight_decay w;   b = momentum b + (1 - dampening) g   (b = g in the first step);
//   w -= lr (nesterov ? g + momentum b : b)                     (without momentum: w -= lr g)
#pragma once

#include "trainer/optimizers/optimizer.hpp"

namespace leadline::trainer::optimizers {

template <class T> struct SgdRule {
  T lr, momentum, keep, weight_decay; // keep: 1 - dampening
  bool with_momentum, nesterov, first;

  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T gradient, const detail::StateArrays<T>& states,
                                           index_t i) const {
    T g = gradient + weight_decay * weight;
    if (with_momentum) {
      T& buffer = states.at[0][i];
      buffer = first ? g : momentum * buffer + keep * g;
      g = nesterov ? g + momentum * buffer : buffer;
    }
    weight -= lr * g;
  }
};

template <class T, class Exec> class Sgd final : public Optimizer<T, Exec> {
public:
  Sgd(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : Optimizer<T, Exec>(exec, weights, params,
                           params.momentum != 0 ? std::vector<std::string>{"momentum_buffer"}
                                                : std::vector<std::string>{}) {
    if (params.nesterov && (params.momentum <= 0 || params.dampening != 0))
      throw Error("optimizer sgd: nesterov needs a momentum above 0 and dampening 0. Set momentum = 0.9, or "
                  "nesterov = false.");
  }
  const char* name() const override { return "sgd"; }
  bool has_momentum() const override { return this->params_.momentum != 0 || this->bytes() != 0; }
  double momentum() const override { return this->params_.momentum; }
  void set_momentum(double momentum) override {
    if (!has_momentum())
      throw Error("optimizer sgd: a schedule that cycles momentum needs one to begin with. Set momentum = 0.9, or "
                  "cycle_momentum = false.");
    this->params_.momentum = momentum;
  }

private:
  void update() override {
    const OptimizerParams& p = this->params_;
    this->for_each_weight("leadline::optimizer::sgd",
                          SgdRule<T>{static_cast<T>(p.lr), static_cast<T>(p.momentum), static_cast<T>(1 - p.dampening),
                                     static_cast<T>(p.weight_decay), has_momentum(), p.nesterov, this->steps() == 1});
  }
};

} // namespace leadline::trainer::optimizers
