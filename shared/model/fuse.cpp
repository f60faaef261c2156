#include "shared/model/fuse.hpp"

namespace leadline {

namespace {

/// The one node that reads `value`, once, and that the network doesn't return; no_index where there is no such node.
int32_t only_reader(const GraphView& graph, int32_t value) {
  for (int32_t o = 0; o < graph.num_outputs; ++o)
    if (graph.outputs[o] == value) return no_index;
  int32_t reader = no_index;
  for (int32_t i = 0; i < graph.num_nodes; ++i)
    for (int s = 0; s < graph.nodes[i].num_inputs; ++s) {
      if (graph.nodes[i].inputs[s] != value) continue;
      if (reader != no_index) return no_index;
      reader = i;
    }
  return reader;
}

/// The node before `i` that makes `value`; no_index for the network's input.
int32_t producer(const GraphView& graph, int32_t i, int32_t value) {
  while (--i >= 0 && graph.nodes[i].output != value) {
  }
  return i; // no_index is -1
}

/// Whether a node reads and writes floats, all of its rows at once.
bool runs_whole(const GraphView& graph, const NodePlan* nodes, int32_t i) {
  bool whole = !nodes[i].in_strips() && !graph.value_quantization(graph.nodes[i].output).quantized();
  for (int s = 0; s < graph.nodes[i].num_inputs; ++s)
    whole = whole && !graph.value_quantization(graph.nodes[i].inputs[s]).quantized();
  return whole;
}

/// A convolution whose weights lie packed for the kernels of host_gemm.
bool packed_conv(const GraphView& graph, const NodePlan* nodes, int32_t i) {
  return graph.nodes[i].kind == layer_kind<Conv2d> && nodes[i].algorithm == Algorithm::host_gemm && !nodes[i].in_run &&
         nodes[i].prepared_bytes > 0 && runs_whole(graph, nodes, i);
}

ConvGeometry geometry_of(const Node& node, const ValuePlan* values) {
  return Conv2d::geometry(node.get<Conv2d>(), values[node.inputs[0]].shape, values[node.output].shape);
}

/// Nearest up-sampling that makes whole blocks of pixels of each one.
bool repeats_pixels(const Node& node, const ValuePlan* values) {
  if (node.kind != layer_kind<Resize> || node.get<Resize>().mode != ResizeMode::nearest) return false;
  const Shape &src = values[node.inputs[0]].shape, &dst = values[node.output].shape;
  return dst.h % src.h == 0 && dst.w % src.w == 0;
}

} // namespace

void fuse_nodes(const GraphView& graph, const ValuePlan* values, int threads, NodePlan* nodes) {
  for (int32_t i = 0; i < graph.num_nodes; ++i) nodes[i].fused_into = no_index;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    if (!packed_conv(graph, nodes, i)) continue;
    const ConvGeometry pointwise = geometry_of(graph.nodes[i], values);
    if (!host::is_pointwise(pointwise)) continue;
    FusedNodes fused;
    int32_t last = i;
    const int32_t resize = only_reader(graph, graph.nodes[last].output);
    if (resize != no_index && runs_whole(graph, nodes, resize) && repeats_pixels(graph.nodes[resize], values))
      last = fused.resize = resize;
    const int32_t add = only_reader(graph, graph.nodes[last].output);
    if (add != no_index && graph.nodes[add].kind == layer_kind<Add> && runs_whole(graph, nodes, add) &&
        values[graph.nodes[add].inputs[0]].shape == values[graph.nodes[add].inputs[1]].shape)
      last = fused.add = add;
    const int32_t before = producer(graph, i, graph.nodes[i].inputs[0]);
    if (before != no_index && packed_conv(graph, nodes, before) &&
        only_reader(graph, graph.nodes[before].output) == i &&
        host::depthwise_joins(geometry_of(graph.nodes[before], values)))
      fused.depthwise = before;
    if (last == i && fused.depthwise == no_index && !host::pointwise_copies(pointwise)) continue;
    const int32_t parts[] = {i, fused.depthwise, fused.resize, fused.add};
    for (const int32_t node : parts)
      if (node != no_index) {
        nodes[node].fused_into = last;
        nodes[node].workspace_bytes = 0;
      }
    const ConvGeometry depthwise = fused.depthwise == no_index ? pointwise : geometry_of(graph.nodes[before], values);
    nodes[last].workspace_bytes =
        host::pointwise_workspace_bytes(fused.depthwise == no_index ? nullptr : &depthwise, pointwise, threads);
  }
}

FusedNodes fused_nodes(const GraphView& graph, const NodePlan* nodes, int32_t i) {
  FusedNodes fused;
  const auto part = [&](int32_t node, LayerKind kind) {
    return node != no_index && nodes[node].fused_into == i && graph.nodes[node].kind == kind;
  };
  int32_t at = i;
  if (part(at, layer_kind<Add>)) {
    fused.add = at;
    const Node& add = graph.nodes[at];
    const int32_t first = producer(graph, at, add.inputs[0]);
    at = first != no_index && nodes[first].fused_into == i ? first : producer(graph, at, add.inputs[1]);
  }
  if (part(at, layer_kind<Resize>)) {
    fused.resize = at;
    at = producer(graph, at, graph.nodes[at].inputs[0]);
  }
  fused.pointwise = at;
  at = producer(graph, at, graph.nodes[at].inputs[0]);
  if (part(at, layer_kind<Conv2d>)) fused.depthwise = at;
  return fused;
}

} // namespace leadline
