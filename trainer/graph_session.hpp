// A graph with memory on an exec: weights, gradients, planned activations; forward and backward over micro-batches.
#pragma once

#include "shared/core/kokkos_exec.hpp"
#include "shared/model/graph_builder.hpp"

#include <memory>
#include <string>
#include <vector>

namespace leadline::trainer {

/// What a training session computes again for backward instead of keeping it.
enum class Recompute {
  none,  ///< nothing: fewest operations
  cheap, ///< results of norms and activations, whose sources backward reads anyway: one pass over memory each, half of
         ///< the activations' memory less
};

/// Everything that one training run keeps on its exec. T is float or double; Exec is DefaultExec or HostExec.
///
/// A step: for every micro-batch m = 0, 1, ... { upload into input(); forward(true); write diff_output(); backward(m);
/// }, then finish_step(): gradients, and batch norm's statistics, of the micro-batches are combined pairwise by index
/// and averaged, and running statistics take one update. With one micro-batch that is exactly PyTorch's step.
///
/// An activation behind a batch norm runs as part of it (fold.hpp, fuse_activations); graph() stays as it was given.
///
/// Not thread-safe. Tensors point into the exec's memory and stay valid for the session's life.
template <class T, class Exec> class GraphSession {
public:
  /// `input` is the shape of one micro-batch, `[n,H,W,C]`; `training` reserves what backward needs.
  /// Throws std::invalid_argument for shapes that the graph refuses or a convolution with a fused activation in a
  /// training session. Results are the same bits whatever `recompute` says. `compute` bf16 lets convolutions multiply
  /// values rounded to bf16 where that is faster; weights, gradients and sums stay T.
  GraphSession(const Exec& exec, const Graph& graph, const Shape& input, bool training, bool want_diff_input = false,
               Recompute recompute = Recompute::cheap, ComputePrecision compute = ComputePrecision::full);
  ~GraphSession();
  GraphSession(const GraphSession&) = delete;
  GraphSession& operator=(const GraphSession&) = delete;

  const Exec& exec() const;
  const Graph& graph() const;

  Tensor<T> input() const;                ///< `[n,H,W,C]`, to be written before forward
  Tensor<T> output(int k = 0) const;      ///< valid from forward to the next forward
  Tensor<T> diff_output(int k = 0) const; ///< to be written before every backward, after forward (training sessions)
  Tensor<T> diff_input() const;           ///< valid after backward where want_diff_input was set, else null

  /// Weights lie in one block, each 64-byte aligned, in the order of the graph's table; state (running statistics) too.
  int num_weights() const;
  Tensor<T> weight(int i) const;
  Tensor<T> diff_weight(int i) const;                   ///< gradient, valid after finish_step; null for state
  void set_weight(int i, const std::vector<T>& values); ///< from the host, internal layout (weight_layout.hpp)
  std::vector<T> get_weight(int i) const;               ///< to the host
  std::vector<T> get_diff_weight(int i) const;
  /// All of them as one row `[1,1,1,C]`, in the order of the table, with padding between them: for passes over all at
  /// once. Padding is 0 in gradients; in weights it is 0 until somebody writes there.
  Tensor<T> all_weights() const;
  Tensor<T> all_diff_weights() const;

  /// Which random numbers dropout draws from now on: a pure function of seed, step, micro-batch, node and element, so
  /// that a resumed step, or a step computed twice, has the same masks. Until the first call: (0, 0).
  void set_step(uint64_t seed, uint64_t step);
  /// Runs all nodes on input(). `training` picks batch statistics over running ones.
  void forward(bool training);
  /// Gradients of micro-batch `m` (0-based, in order) from diff_output(), after forward(true).
  void backward(int m);
  /// Combines the step's micro-batches and updates running statistics.
  void finish_step();

  /// Whether every weight, result and gradient is looked at from now on for NaN and infinity; `not_finite` is then the
  /// place where the first stood, for people: empty if there was none. Waits for the exec after each node.
  void watch(bool on);
  std::string not_finite() const;

  /// Memory held on the exec, in bytes: weights, gradients, activations.
  size_t bytes() const;
  /// Whether the time of every node is taken from now on, which waits for the exec after each; starts from zero.
  void measure(bool on);
  /// One line per node: milliseconds of forward, backward and recomputing per pass since `measure`.
  std::string profile() const;
  /// One line per node: name, layer, output shape, parameters, MACs, algorithm.
  std::string summary() const;

  /// Copies between host and exec: dense tensors of the same count.
  void upload(const T* host, Tensor<T> device) const;
  void download(Tensor<const T> device, T* host) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace leadline::trainer
