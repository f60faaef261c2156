// RMSprop. (Hinton, lecture 6e, 2012; centered: Graves, arXiv 1308.0850.)
//
//   g += weight_decay w;   s = alpha s + (1 - alpha) g^2;   centered: a = alpha a + (1 - alpha) g
//   r = g / (sqrt(s - a^2) + eps);   b = momentum b + r;   w -= lr b
//
// States: square_avg (s), momentum_buffer (b), grad_avg (a), the last two where they are used.
#pragma once

#include "trainer/optimizers/optimizer.hpp"

namespace leadline::trainer::optimizers {

template <class T> struct RmspropRule {
  T lr, alpha, rest, eps, momentum, weight_decay; // rest: 1 - alpha
  int buffer, average;                            // the number of the state array; -1: none

  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T gradient, const detail::StateArrays<T>& states,
                                           index_t i) const {
    const T g = gradient + weight_decay * weight;
    T& square = states.at[0][i];
    square = alpha * square + rest * (g * g);
    T variance = square;
    if (average >= 0) {
      T& mean = states.at[average][i];
      mean = mean + rest * (g - mean);
      variance = square - mean * mean;
    }
    // s >= a^2 but for rounding: a gradient that never changes would give the root of a negative number.
    T step = g / (math::sqrt(variance < T{0} ? T{0} : variance) + eps);
    if (buffer >= 0) {
      T& b = states.at[buffer][i];
      step = b = momentum * b + step;
    }
    weight -= lr * step;
  }
};

inline std::vector<std::string> rmsprop_states(const OptimizerParams& params) {
  std::vector<std::string> names{"square_avg"};
  if (params.momentum != 0) names.push_back("momentum_buffer");
  if (params.centered) names.push_back("grad_avg");
  return names;
}

template <class T, class Exec> class Rmsprop final : public Optimizer<T, Exec> {
public:
  Rmsprop(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : Optimizer<T, Exec>(exec, weights, params, rmsprop_states(params)), buffer_(params.momentum != 0 ? 1 : -1),
        average_(params.centered ? (params.momentum != 0 ? 2 : 1) : -1) {}
  const char* name() const override { return "rmsprop"; }
  bool has_momentum() const override { return buffer_ >= 0; }
  double momentum() const override { return this->params_.momentum; }
  void set_momentum(double momentum) override {
    if (!has_momentum())
      throw Error("optimizer rmsprop: a schedule that cycles momentum needs one to begin with. Set momentum = 0.9, or "
                  "cycle_momentum = false.");
    this->params_.momentum = momentum;
  }

private:
  void update() override {
    const OptimizerParams& p = this->params_;
    this->for_each_weight("leadline::optimizer::rmsprop",
                          RmspropRule<T>{static_cast<T>(p.lr), static_cast<T>(p.alpha), static_cast<T>(1 - p.alpha),
                                         static_cast<T>(p.eps), static_cast<T>(p.momentum),
                                         static_cast<T>(p.weight_decay), buffer_, average_});
  }

  int buffer_, average_;
};

} // namespace leadline::trainer::optimizers
