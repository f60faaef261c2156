// From a trained graph to the one that devices run: batch norms become part of the convolutions before them,
// activations their epilogues, and what does nothing disappears. Host only, uses the standard library; the edge library
// doesn't see it.
#pragma once

#include "shared/model/graph_builder.hpp"

#include <vector>

namespace leadline {

/// A graph for inference with its weights, in the order of `graph.weight_shapes` and the internal layouts.
struct FoldedGraph {
  Graph graph;
  std::vector<std::vector<float>> weights;
};

/// Rewrites an evaluation pass (running statistics) into one with fewer nodes and the same values up to rounding:
///   - identity activations, affine maps with scale 1, shift 0, and dropout are left out;
///   - batch_norm2d and affine directly after conv2d, conv_transpose2d or linear are multiplied into its weights and
///   bias
///     (B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
///     inference", 2018, section 3.2), unless somebody else reads the value between;
///   - an activation after one of these three, or after a batch norm that stays, becomes its epilogue, under the same
///     condition;
///   - up_sample_late (reorder.hpp), unless `reorder` is false.
/// Weights are computed in double and rounded once. Names of nodes and weights stay; a new bias is called NODE.bias.
FoldedGraph fold_graph(const Graph& graph, const std::vector<std::vector<double>>& weights, bool reorder = true);

/// The graph that training sessions run: each activation whose batch norm's result nobody else reads becomes part of
/// that norm, which then has the activation's output. Same bits forward and backward, two passes over memory less each
/// way. The table of weights and the names of the nodes that stay don't change.
Graph fuse_activations(const Graph& graph);

} // namespace leadline
