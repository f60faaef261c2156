// Nodes that run as one because what lies between them never needs to be in memory: a pointwise convolution with the
// depthwise one that makes its source, nearest up-sampling by whole factors and a sum behind it. A property of the plan
// that changes no bit; separable networks (MobileNet, FastDepth) are made of these.
#pragma once

#include "shared/model/graph.hpp"
#include "shared/model/memory_plan.hpp"

namespace leadline {

/// The nodes that one of them runs; no_index: there is none.
struct FusedNodes {
  int32_t depthwise = no_index, pointwise = no_index, resize = no_index, add = no_index;
};

/// Sets `fused_into` of all nodes, whose algorithms and strips are chosen, and the scratch of those that run others,
/// for so many threads; of `values` it reads the shapes. Floats, on the host.
void fuse_nodes(const GraphView& graph, const ValuePlan* values, int threads, NodePlan* nodes);

/// What node `i` runs, which is fused into itself.
FusedNodes fused_nodes(const GraphView& graph, const NodePlan* nodes, int32_t i);

/// Runs all that is fused into node `i`.
template <class Exec>
void run_fused(const Exec& exec, const GraphView& graph, int32_t i, const ValuePlan* values, const NodePlan* nodes,
               const void* const* weights, unsigned char* arena, Workspace workspace) {
  const FusedNodes fused = fused_nodes(graph, nodes, i);
  const auto prepared = [&](int32_t n) {
    const Node& node = graph.nodes[n];
    const auto params = node.get<Conv2d>();
    return host::PreparedConv{Conv2d::geometry(params, values[node.inputs[0]].shape, values[node.output].shape),
                              arena + nodes[n].prepared_offset, weight_tensor<float>(graph, weights, node.weights[1]),
                              params.activation};
  };
  const host::PreparedConv pointwise = prepared(fused.pointwise);
  host::PreparedConv depthwise;
  if (fused.depthwise != no_index) depthwise = prepared(fused.depthwise);
  const Node& first = graph.nodes[fused.depthwise != no_index ? fused.depthwise : fused.pointwise];
  Tensor<const float> residual;
  if (fused.add != no_index) {
    const Node& add = graph.nodes[fused.add];
    const int32_t made = graph.nodes[fused.resize != no_index ? fused.resize : fused.pointwise].output;
    residual = value_tensor<float>(values, add.inputs[add.inputs[0] == made ? 1 : 0], arena);
  }
  host::pointwise_run(exec, "leadline::conv2d::separable", fused.depthwise != no_index ? &depthwise : nullptr,
                      pointwise, value_tensor<float>(values, first.inputs[0], arena), residual,
                      value_tensor<float>(values, graph.nodes[i].output, arena), workspace);
}

} // namespace leadline
