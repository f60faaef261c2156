// All optimizers by name. Adding one: a header in this folder and two lines below; a user's program calls
//   optimizer_registry<float, Exec>().add("mine", ...).
#pragma once

#include "trainer/optimizers/adadelta.hpp"
#include "trainer/optimizers/adagrad.hpp"
#include "trainer/optimizers/adam.hpp"
#include "trainer/optimizers/adamw.hpp"
#include "trainer/optimizers/lbfgs.hpp"
#include "trainer/optimizers/nadam.hpp"
#include "trainer/optimizers/radam.hpp"
#include "trainer/optimizers/rmsprop.hpp"
#include "trainer/optimizers/sgd.hpp"

#include <memory>

namespace leadline::trainer {

namespace detail {

template <class Made, class T, class Exec>
std::unique_ptr<Optimizer<T, Exec>> new_optimizer(const Exec& exec, const std::vector<WeightSlot<T>>& weights,
                                                  const OptimizerParams& params) {
  return std::make_unique<Made>(exec, weights, params);
}

template <class T, class Exec> OptimizerRegistry<T, Exec> builtin_optimizers() {
  OptimizerRegistry<T, Exec> registry("optimizer");
  registry.add("sgd", new_optimizer<optimizers::Sgd<T, Exec>, T, Exec>);
  registry.add("adam", new_optimizer<optimizers::Adam<T, Exec>, T, Exec>);
  registry.add("adamw", new_optimizer<optimizers::AdamW<T, Exec>, T, Exec>);
  registry.add("rmsprop", new_optimizer<optimizers::Rmsprop<T, Exec>, T, Exec>);
  registry.add("adagrad", new_optimizer<optimizers::Adagrad<T, Exec>, T, Exec>);
  registry.add("adadelta", new_optimizer<optimizers::Adadelta<T, Exec>, T, Exec>);
  registry.add("nadam", new_optimizer<optimizers::Nadam<T, Exec>, T, Exec>);
  registry.add("radam", new_optimizer<optimizers::Radam<T, Exec>, T, Exec>);
  registry.add("lbfgs", new_optimizer<optimizers::Lbfgs<T, Exec>, T, Exec>);
  return registry;
}

} // namespace detail

/// The optimizers that are known for this element type and exec, built-in ones first.
template <class T, class Exec> OptimizerRegistry<T, Exec>& optimizer_registry() {
  static OptimizerRegistry<T, Exec> registry = detail::builtin_optimizers<T, Exec>();
  return registry;
}

/// Makes an optimizer for these weights. Throws leadline::Error for unknown names (with the nearest known one) and
/// impossible options.
template <class T, class Exec>
std::unique_ptr<Optimizer<T, Exec>> make_optimizer(const std::string& name, const OptimizerParams& params,
                                                   const Exec& exec, const std::vector<WeightSlot<T>>& weights) {
  if (!(params.lr >= 0 && params.eps >= 0 && params.weight_decay >= 0 && params.momentum >= 0))
    throw Error("optimizer " + name + ": lr, eps, weight_decay and momentum can't be negative or NaN, but are " +
                std::to_string(params.lr) + ", " + std::to_string(params.eps) + ", " +
                std::to_string(params.weight_decay) + " and " + std::to_string(params.momentum) + ".");
  return optimizer_registry<T, Exec>().make(name, exec, weights, params);
}

} // namespace leadline::trainer
