// First weights by the usual rules, from counter-based random numbers.
#pragma once

#include "shared/model/graph_builder.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace leadline::trainer {

/// How weights and biases of convolutions and linear layers begin; norms begin as the identity. `fan_in` is how many
/// products an output sums, `fan_out` how many an input is in, both counted as PyTorch does from a weight's shape.
enum class Initialisation {
  /// Weights and biases uniform in ±1/sqrt(fan_in): the default of PyTorch's modules.
  pytorch,
  /// Weights uniform in ±sqrt(6 / fan_in), biases 0: variance 2 / fan_in, for relu networks. K. He et al., "Delving
  /// deep
  /// into rectifiers", 2015.
  kaiming_uniform,
  /// Weights normal with that variance, biases 0.
  kaiming_normal,
  /// Weights uniform in ±sqrt(6 / (fan_in + fan_out)), biases 0. X. Glorot, Y. Bengio, "Understanding the difficulty of
  /// training deep feedforward neural networks", AISTATS 2010.
  xavier_uniform,
  /// Weights normal with variance 2 / (fan_in + fan_out), biases 0.
  xavier_normal,
  /// Weights an orthogonal matrix (outputs times the rest), biases 0: rows, or columns where there are fewer, of length
  /// 1 at right angles. A. M. Saxe, J. L. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of
  /// learning
  /// in deep linear neural networks", 2014.
  orthogonal,
  /// Weights and biases uniform in ±sqrt(6 / (fan_in + fan_out)), 2 instead of 6 where the network's activation is
  /// sigmoid: what scikit-learn's MLPs draw (the bounds; the numbers are ours).
  sklearn,
};

/// Names as in `model.initialisation`, in the order of the enumerators.
const std::vector<std::string>& initialisation_names();

/// The initial values of weight `i` of a graph, in the internal layout. A pure function of (graph, i, rule, seed): the
/// same on every machine, whatever T the trainer converts it to. `zero_final_bias`: the biases of layers that no other
/// layer with weights follows, a depth head's, are 0.
std::vector<double> initial_weight(const Graph& graph, int i, Initialisation rule, uint64_t seed,
                                   bool zero_final_bias = false);

} // namespace leadline::trainer
