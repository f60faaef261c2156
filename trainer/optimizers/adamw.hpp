// AdamW: Adam with the weight decay taken out of the gradient: w *= 1 - lr weight_decay before Adam's step.
// (Loshchilov, Hutter, ICLR 2019.)
#pragma once

#include "trainer/optimizers/adam.hpp"

namespace leadline::trainer::optimizers {

template <class T, class Exec> class AdamW final : public AdamFamily<T, Exec> {
public:
  AdamW(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : AdamFamily<T, Exec>(exec, weights, params, true) {}
};

} // namespace leadline::trainer::optimizers
