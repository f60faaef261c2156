// Steps of sgd and adam on any exec (OpenMP, CUDA, HIP, ...), by the layers that depth networks train with:
// GraphSession computes forward and backward, and losses and updates are rules.hpp's. Samples, weights and the
// optimizer's state lie in the exec's memory from the first step to the last; a step takes row numbers there and brings
// its loss back.
//
// The same bits for any number of threads, and on all host execs; not those of the host's own kernels (network.hpp),
// which sum in another order, nor their dropout.
#pragma once

#include "trainer/mlp/network.hpp"

#include <memory>
#include <string>
#include <vector>

namespace leadline::trainer::mlp {

/// Coefficients `[fan_in, fan_out]` and intercepts by turns, layer by layer: of parameters, or of moments.
template <class T> using LayerArrays = std::vector<std::vector<T>>;

template <class T> struct Update {
  bool adam;
  T lr;
  T beta_1, beta_2, epsilon; ///< of adam
  T momentum;                ///< of sgd
  bool nesterov;
};

/// What steps change.
template <class T> struct StepState {
  LayerArrays<T> parameters, first, second; ///< first: velocity, or both moments
};

template <class T> class ExecSteps {
public:
  virtual ~ExecSteps() = default;
  /// One step on the n rows `rows`; the mean loss before it, with the penalty. `seed` and `number` choose what drops
  /// out.
  virtual double step(const index_t* rows, index_t n, uint64_t seed, uint64_t number, const Update<T>& update) = 0;
  virtual StepState<T> state() const = 0;
};

/// `exec`: "layers" (the host, no Kokkos) or "kokkos" (what Kokkos was built for, and must have been started). Copies
/// `rows` samples and the state; `batch`: rows of the largest step. Throws leadline::Error.
template <class T>
std::unique_ptr<ExecSteps<T>> make_exec_steps(const std::string& exec, const NetworkShape& shape,
                                              const Samples<T>& samples, index_t rows, index_t batch,
                                              const StepState<T>& state);

} // namespace leadline::trainer::mlp
