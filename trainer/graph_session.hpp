// A graph with memory on an exec: weights, gradients, planned activations; forward and backward over micro-batches.
#pragma once

#include "shared/core/kokkos_exec.hpp"
#include "shared/model/graph_builder.hpp"
#include "shared/model/memory_plan.hpp"

#include <memory>
#include <string>
#include <vector>

namespace leadline::trainer {

/// Bytes on an exec, 64-byte aligned; moved, not copied.
template <class Exec> class DeviceBuffer;

/// Everything that one training run keeps on its exec. T is float or double.
///
/// A step: for every micro-batch m { upload into input(); forward(true); write diff_output(); backward(m); }, then
/// finish_step(count): gradients, and batch norm's statistics, of the micro-batches are combined pairwise by index and
/// averaged, running statistics take one update. With one micro-batch that is exactly PyTorch's step.
///
/// Not thread-safe. All Tensors point into the exec's memory and stay valid for the session's life.
template <class T, class Exec> class GraphSession {
public:
  /// `input` is the shape of one micro-batch, `[n,H,W,C]`; `training` reserves what backward needs.
  /// Throws std::invalid_argument for shapes the graph refuses, std::bad_alloc when memory is short.
  GraphSession(const Exec& exec, const Graph& graph, const Shape& input, bool training);
  ~GraphSession();
  GraphSession(const GraphSession&) = delete;
  GraphSession& operator=(const GraphSession&) = delete;

  const Exec& exec() const;
  const Graph& graph() const;

  Tensor<T> input() const;                 ///< `[n,H,W,C]`, to be written before forward
  Tensor<T> output(int k = 0) const;       ///< valid after forward
  Tensor<T> diff_output(int k = 0) const;  ///< to be written before backward (training sessions)
  Tensor<T> diff_input() const;            ///< null unless asked for with want_diff_input before the first backward

  /// All weights lie back to back in the order of the graph's table (each 64-byte aligned); trainable and state alike.
  int num_weights() const;
  Tensor<T> weight(int i) const;
  Tensor<T> diff_weight(int i) const;      ///< gradient after finish_step; null for state
  void set_weight(int i, const std::vector<T>& values); ///< from host, internal layout (see export_layout.hpp for PyTorch's)
  std::vector<T> get_weight(int i) const;               ///< to host
  std::vector<T> get_diff_weight(int i) const;

  /// Runs all nodes. `samples` <= n: only the first samples of the micro-batch count (a short last batch in evaluation).
  void forward(bool training);
  /// Gradients of micro-batch `m` (0-based, in order) from diff_output.
  void backward(int m);
  /// Combines the micro-batches of this step and updates running statistics.
  void finish_step();

  /// Memory held on the exec, in bytes: weights + gradients + arena.
  size_t bytes() const;
  /// One line per node: name, layer, output shape, parameters, MACs, algorithm.
  std::string summary() const;

  /// Copies between host and exec (dense tensors of the same count).
  void upload(const T* host, Tensor<T> device) const;
  void download(Tensor<const T> device, T* host) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace leadline::trainer
