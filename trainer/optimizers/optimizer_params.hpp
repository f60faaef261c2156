// Options of optimizers; knows no Kokkos.
#pragma once

#include <map>
#include <string>

namespace leadline::trainer {

/// Options of all optimizers under PyTorch's names; each optimizer reads its own. PyTorch's defaults differ from one
/// optimizer to the next: start from `default_optimizer_params(name)`.
struct OptimizerParams {
  double lr = 1e-3;
  double weight_decay = 0.0;              ///< L2 penalty added to the gradient; adamw: decoupled from it
  double momentum = 0.0;                  ///< sgd, rmsprop
  double dampening = 0.0;                 ///< sgd
  bool nesterov = false;                  ///< sgd
  double beta1 = 0.9;                     ///< adam, adamw, nadam, radam
  double beta2 = 0.999;                   ///< adam, adamw, nadam, radam
  double eps = 1e-8;                      ///< all but sgd and lbfgs
  bool amsgrad = false;                   ///< adam, adamw
  double alpha = 0.99;                    ///< rmsprop
  bool centered = false;                  ///< rmsprop
  double lr_decay = 0.0;                  ///< adagrad
  double initial_accumulator_value = 0.0; ///< adagrad
  double rho = 0.9;                       ///< adadelta
  double momentum_decay = 4e-3;           ///< nadam
  bool decoupled_weight_decay = false;    ///< nadam, radam: weight_decay as adamw has it
  int max_iter = 20;                      ///< lbfgs: iterations of one step
  int max_eval = 0;                       ///< lbfgs: evaluations of one step; 0: max_iter * 5 / 4
  int history_size = 100;                 ///< lbfgs
  double tolerance_grad = 1e-7;           ///< lbfgs
  double tolerance_change = 1e-9;         ///< lbfgs
  bool strong_wolfe = false;              ///< lbfgs: line search; false: fixed step lr
  std::map<std::string, double> extra{};  ///< options of optimizers that a user's program registered
};

/// PyTorch's defaults for an optimizer; OptimizerParams' own for names that aren't built in.
inline OptimizerParams default_optimizer_params(const std::string& name) {
  OptimizerParams params;
  if (name == "adamw") params.weight_decay = 1e-2;
  if (name == "rmsprop" || name == "adagrad") params.lr = 1e-2;
  if (name == "adagrad") params.eps = 1e-10;
  if (name == "adadelta") {
    params.lr = 1.0;
    params.eps = 1e-6;
  }
  if (name == "nadam") params.lr = 2e-3;
  if (name == "lbfgs") params.lr = 1.0;
  return params;
}

} // namespace leadline::trainer
