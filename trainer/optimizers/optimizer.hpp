// What an optimizer is: the update of all weights from their gradients, in one launch, on the exec.
//
// The formulas and the names of options and state tensors are PyTorch's, so that recipes carry over.
#pragma once

#include "data/error.hpp"
#include "shared/core/kokkos_exec.hpp"
#include "shared/core/math.hpp"
#include "shared/core/tensor.hpp"
#include "trainer/optimizers/optimizer_params.hpp"
#include "trainer/registry.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace leadline::trainer {

/// One weight and its gradient, dense, in the exec's memory, owned by the caller (GraphSession) and in place for the
/// optimizer's life.
template <class T> struct WeightSlot {
  std::string name; ///< as in the graph's table of weights
  Tensor<T> weight;
  Tensor<const T> gradient;
};

/// One tensor of an optimizer's state, for checkpoints: read or overwrite `values` (dense, the weight's shape, in the
/// exec's memory).
template <class T> struct OptimizerState {
  std::string weight; ///< the weight's name; empty: it is of all weights, in one row
  std::string name;   ///< PyTorch's name: "momentum_buffer", "exp_avg", ...
  Tensor<T> values;
};

/// One number of an optimizer's state besides `steps`, for checkpoints: read or overwrite `*value`.
struct OptimizerScalar {
  std::string name;
  double* value;
};

namespace detail {

/// A piece of one weight; pieces are short so that threads share the work evenly whatever the weights' sizes are.
template <class T> struct WeightBlock {
  T* weight;
  const T* gradient;
  index_t state; ///< offset of the piece in each state array
  index_t count;
};
constexpr index_t weight_block = 4096;

/// The state arrays of one optimizer, each with room for all weights.
constexpr int max_optimizer_states = 4;
template <class T> struct StateArrays {
  T* at[max_optimizer_states] = {};
};

/// rule(weight, gradient, states, i) for every element of every weight, where state k of the element is
/// `states.at[k][i]`. One launch. Elements are independent, hence the same bits for any thread count.
template <class T, class Exec, class Rule>
void for_each_weight(const Exec& exec, const char* label, const WeightBlock<T>* blocks, index_t num_blocks,
                     const StateArrays<T>& states, const Rule& rule) {
  if constexpr (Exec::on_host) {
    parallel_tasks(exec, label, num_blocks, [=](index_t b) {
      const WeightBlock<T> block = blocks[b];
      for (index_t j = 0; j < block.count; ++j) rule(block.weight[j], block.gradient[j], states, block.state + j);
    });
  } else {
    parallel_for(exec, label, num_blocks * weight_block, [=] LEADLINE_FUNCTION(index_t i) {
      const WeightBlock<T> block = blocks[i / weight_block];
      const index_t j = i % weight_block;
      if (j < block.count) rule(block.weight[j], block.gradient[j], states, block.state + j);
    });
  }
}

} // namespace detail

/// Updates the weights it was made with. Owns its state on the exec. Not thread-safe.
template <class T, class Exec> class Optimizer {
public:
  using memory_space = typename Exec::memory_space;

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  virtual const char* name() const = 0;

  /// One update from the gradients as they are. Launches on the exec and returns without waiting.
  virtual void step() {
    ++steps_;
    update();
  }
  /// Whether `step()` can't do: the closure form below is needed.
  virtual bool needs_closure() const { return false; }
  /// One update from gradients that `closure` computes (forward, backward, finish_step) for the weights as they are;
  /// returns the loss that its first call gave. Only lbfgs calls it more than once, and can't do without it.
  virtual double step(const std::function<double()>& closure) {
    const double loss = closure();
    step();
    return loss;
  }

  /// The learning rate of the next step.
  double lr() const { return params_.lr; }
  void set_lr(double lr) { params_.lr = lr; }

  /// What one-cycle and cyclic schedules call momentum: sgd's and rmsprop's momentum, beta1 of the Adam family.
  virtual bool has_momentum() const { return false; }
  virtual double momentum() const { return 0.0; }
  virtual void set_momentum(double) {
    throw Error(
        std::string("optimizer ") + name() +
        " has no momentum that a schedule could cycle. Set cycle_momentum = false, or take sgd with a momentum, "
        "adam or adamw.");
  }

  /// Updates made so far.
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  /// All state tensors, weight by weight. With `steps`, `scalars` and the weights they are all that a resumed run
  /// needs; scalars come first, for they may say how many tensors there are.
  virtual std::vector<OptimizerState<T>> states() const {
    std::vector<OptimizerState<T>> all;
    for (size_t w = 0; w < weights_.size(); ++w)
      for (size_t k = 0; k < state_names_.size(); ++k)
        all.push_back({weights_[w].name, state_names_[k],
                       Tensor<T>(state_array(k) + state_offsets_[w], weights_[w].weight.shape)});
    return all;
  }
  virtual std::vector<OptimizerScalar> scalars() { return {}; }

  /// Bytes of state on the exec.
  size_t bytes() const { return state_.size() * sizeof(T); }

  const std::vector<WeightSlot<T>>& weights() const { return weights_; }

protected:
  /// `state_names`: the state tensors that every weight gets, all zero at first.
  Optimizer(const Exec& exec, std::vector<WeightSlot<T>> weights, const OptimizerParams& params,
            std::vector<std::string> state_names)
      : exec_(exec), params_(params), weights_(std::move(weights)), state_names_(std::move(state_names)) {
    constexpr index_t alignment = static_cast<index_t>(workspace_alignment / sizeof(T));
    std::vector<detail::WeightBlock<T>> blocks;
    for (const WeightSlot<T>& slot : weights_) {
      if (!(slot.weight.shape == slot.gradient.shape) || !slot.weight.dense() || !slot.gradient.dense())
        throw Error("optimizer: weight \"" + slot.name + "\" and its gradient must be dense and of one shape.");
      const index_t count = slot.weight.shape.count();
      for (index_t first = 0; first < count; first += detail::weight_block)
        blocks.push_back({slot.weight.data + first, slot.gradient.data + first, elements_ + first,
                          std::min(detail::weight_block, count - first)});
      state_offsets_.push_back(elements_);
      elements_ += (count + alignment - 1) / alignment * alignment;
    }
    num_blocks_ = static_cast<index_t>(blocks.size());
    blocks_ = Kokkos::View<detail::WeightBlock<T>*, memory_space>(
        Kokkos::view_alloc(Kokkos::WithoutInitializing, "leadline::optimizer::blocks"), blocks.size());
    Kokkos::deep_copy(
        blocks_,
        Kokkos::View<const detail::WeightBlock<T>*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(
            blocks.data(), blocks.size()));
    state_ = Kokkos::View<T*, memory_space>("leadline::optimizer::state",
                                            static_cast<size_t>(elements_) * state_names_.size());
    for (size_t k = 0; k < state_names_.size() && k < size_t{detail::max_optimizer_states}; ++k)
      arrays_.at[k] = state_array(k);
  }

  /// The update number `steps()`, counted from 1.
  virtual void update() = 0;

  /// See detail::for_each_weight; `states.at[k]` are the first state arrays, or those given.
  template <class Rule> void for_each_weight(const char* label, const Rule& rule) const {
    for_each_weight(label, rule, arrays_);
  }
  template <class Rule>
  void for_each_weight(const char* label, const Rule& rule, const detail::StateArrays<T>& arrays) const {
    detail::for_each_weight<T>(exec_, label, blocks_.data(), num_blocks_, arrays, rule);
  }

  /// State array k: `elements()` values, the weights back to back, each 64-byte aligned; what lies between is 0.
  T* state_array(size_t k) const { return state_.data() + static_cast<index_t>(k) * elements_; }
  index_t elements() const { return elements_; }
  const std::vector<std::string>& state_names() const { return state_names_; }
  void count_step() { ++steps_; }

  Exec exec_;
  OptimizerParams params_;

private:
  std::vector<WeightSlot<T>> weights_;
  std::vector<std::string> state_names_;
  std::vector<index_t> state_offsets_;
  detail::StateArrays<T> arrays_;
  Kokkos::View<detail::WeightBlock<T>*, memory_space> blocks_;
  Kokkos::View<T*, memory_space> state_;
  index_t num_blocks_ = 0, elements_ = 0;
  int64_t steps_ = 0;
};

/// Optimizers by name for one element type and exec, the built-in ones included (optimizers.hpp).
template <class T, class Exec>
using OptimizerRegistry =
    Registry<Optimizer<T, Exec>, const Exec&, const std::vector<WeightSlot<T>>&, const OptimizerParams&>;

} // namespace leadline::trainer
