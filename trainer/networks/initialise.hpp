// First weights: what PyTorch's modules draw by default, from counter-based random numbers.
#pragma once

#include "shared/model/graph_builder.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace leadline::trainer {

enum class Initialisation {
  /// Weights and biases of convolutions and linear layers uniform in ±1/sqrt(fan_in): PyTorch's default, which is
  /// Kaiming's uniform rule with a = sqrt(5) (K. He et al., "Delving deep into rectifiers", 2015).
  pytorch,
  /// Weights normal with variance 2 / fan_in, biases 0: the same paper's rule for relu networks.
  kaiming_normal,
};

/// The initial values of weight `i` of a graph, in the internal layout. Norms begin as the identity. A pure function of
/// (graph, i, rule, seed): the same on every machine, whatever T the trainer converts it to.
std::vector<double> initial_weight(const Graph& graph, int i, Initialisation rule, uint64_t seed);

} // namespace leadline::trainer
