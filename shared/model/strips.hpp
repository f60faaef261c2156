// Strip-wise execution: a group of consecutive nodes runs some rows at a time, so that values which only the group
// reads never exist as a whole. Their buffers are windows: they hold the rows that the group's readers still need, and
// the new ones. Rows are never computed twice, and each is made from the rows and by the algorithm that would have made
// it as part of the whole, tiles of Winograd's algorithm included: the bits are the same.
//
// Strip k of a group: from the last node to the first, each node is asked for the rows that its readers need; a node
// that nobody in the group reads does the k-th part of its output. Then, from the first to the last, each lets go of
// what is no longer needed and makes the rows that are missing. The first row at the end of a long chain needs many
// rows at its beginning: they are made little by little, in early strips for which the end's rows are negative numbers.
#pragma once

#include "shared/model/memory_plan.hpp"

namespace leadline {

/// Which rows of its sources a node needs for rows `dst` of its output (sources of another height than the first are
/// needed as a whole), and its parameters for these rows alone; `params` may be null. False if it only runs as a whole.
bool strip_node(const Node& node, const LayerShapes& shapes, Rows dst, Rows* src, unsigned char* params);

/// Whether rows of a node may run by an algorithm: not where kernels keep the shape of the whole with their weights.
constexpr bool runs_rows(Algorithm algorithm) {
  return algorithm == Algorithm::portable || algorithm == Algorithm::host_gemm || algorithm == Algorithm::winograd4 ||
         algorithm == Algorithm::winograd6;
}

/// Row `kept` of the tensor's value lies first in its memory: the tensor of `rows`.
template <class T> Tensor<T> rows_of(Tensor<T> tensor, index_t kept, Rows rows) {
  tensor.data += (rows.first - kept) * tensor.stride_h;
  tensor.shape.h = rows.last - rows.first;
  return tensor;
}

/// Sets `wanted` of the nodes of the group that begins with node `first`, for strip k.
void want_strip(const GraphView& graph, const ValuePlan* values, NodePlan* nodes, int32_t first, int32_t k);

/// The first row of node i's output that somebody in its group still needs, at most `made`.
index_t first_needed_row(const GraphView& graph, const ValuePlan* values, const NodePlan* nodes, int32_t i);

/// Calls f(i, old kept) for nodes of the group that begins with `first`, strip by strip, until it says no. Node i is to
/// make rows [made, wanted) of its output, whose window begins with row `kept` from now on.
template <class F>
bool run_strips(const GraphView& graph, ValuePlan* values, NodePlan* nodes, int32_t first, const F& f) {
  const int32_t last = nodes[first].group_last;
  for (int32_t i = first; i <= last; ++i) {
    nodes[i].made = nodes[i].wanted = 0;
    values[graph.nodes[i].output].kept = 0;
  }
  for (int32_t k = 0; k < nodes[first].strips; ++k) {
    want_strip(graph, values, nodes, first, k);
    for (int32_t i = first; i <= last; ++i) {
      if (nodes[i].wanted <= nodes[i].made) continue;
      ValuePlan& value = values[graph.nodes[i].output];
      const index_t old_kept = value.kept;
      if (value.window > 0) value.kept = first_needed_row(graph, values, nodes, i);
      if (!f(i, old_kept)) return false;
      nodes[i].made = nodes[i].wanted;
    }
  }
  return true;
}

/// Sets the windows of the values that only the group reads (those whose `last` lies in it) and the scratch that its
/// nodes need, from its first `strips` strips.
void measure_strips(const GraphView& graph, ValuePlan* values, NodePlan* nodes, int32_t first, int32_t strips,
                    const PlanOptions& options);

/// Chooses groups such that values and scratch keep to `target` bytes, or to little more than the least that is
/// possible, with as little done twice as possible: a group's weights are read, and packed where they aren't kept, in
/// each strip. Nodes' algorithms and scratch are known, lifetimes are those of values that share no buffer.
/// `scratch`: num_nodes. Takes num_nodes^2 steps, at most.
void choose_strips(const GraphView& graph, ValuePlan* values, NodePlan* nodes, const PlanOptions& options,
                   size_t target, Interval* scratch);

} // namespace leadline
