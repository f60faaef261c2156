// Runs a planned pass: the loop that the edge engine, the trainer's evaluation of an exported graph and the tests
// share.
#pragma once

#include "shared/model/fuse.hpp"
#include "shared/model/strips.hpp"

namespace leadline {

/// What node `i` multiplies with, as floats at `values`, if it is stored in fewer bits; `weight` then points there.
template <class T, class Exec>
void decode_node(const Exec& exec, const GraphView& graph, int32_t i, const void* const* weights, unsigned char* values,
                 Tensor<const T>* weight) {
  if constexpr (Exec::on_host && sizeof(T) == sizeof(float)) {
    if (!stored_reduced(graph, i)) return;
    float* const floats = reinterpret_cast<float*>(values);
    decode_weight(exec, graph, i, weights[graph.nodes[i].weights[0]], floats);
    weight->data = floats;
  }
}

/// What a node that runs on bytes multiplies with, as it is stored; weight 1 is the bias.
inline Int8Weights int8_weights(const Node& node, index_t channels, const void* const* weights) {
  Int8Weights w;
  if (node.weights[0] == no_index) return w;
  const Int8Weight stored = int8_weight(weights[node.weights[0]], channels);
  w.scales = stored.scales;
  w.values = stored.values;
  if (node.weights[1] != no_index) w.bias = static_cast<const float*>(weights[node.weights[1]]);
  return w;
}

/// prepare_node and run_node for a node that runs on bytes.
template <class Exec>
void prepare_node_int8(const Exec& exec, const GraphView& graph, int32_t i, const ValuePlan* values,
                       const NodePlan* nodes, const void* const* weights, unsigned char* arena) {
  const Node& node = graph.nodes[i];
  Int8PrepareArgs args;
  args.shapes = node_shapes(graph, i, values);
  args.src = graph.value_quantization(node.inputs[0]);
  args.dst = graph.value_quantization(node.output);
  args.weights = int8_weights(node, args.shapes.dst.c, weights);
  args.prepared = arena + nodes[i].prepared_offset;
  args.algorithm = nodes[i].algorithm;
  prepare_layer_int8(exec, node.kind, node.params, args);
}
template <class Exec>
void run_node_int8(const Exec& exec, const GraphView& graph, int32_t i, const ValuePlan* values, const NodePlan* nodes,
                   const PlanSummary& summary, const void* const* weights, unsigned char* arena) {
  const Node& node = graph.nodes[i];
  Int8Args args;
  args.num_src = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) {
    args.src_quantization[s] = graph.value_quantization(node.inputs[s]);
    if (args.src_quantization[s].quantized())
      args.src[s] = value_tensor<uint8_t>(values, node.inputs[s], arena);
    else
      args.float_src = value_tensor<float>(values, node.inputs[s], arena);
  }
  args.dst_quantization = graph.value_quantization(node.output);
  if (args.dst_quantization.quantized())
    args.dst = value_tensor<uint8_t>(values, node.output, arena);
  else
    args.float_dst = value_tensor<float>(values, node.output, arena);
  args.weights = int8_weights(node, values[node.output].shape.c, weights);
  if (nodes[i].prepared_bytes > 0) args.prepared = arena + nodes[i].prepared_offset;
  args.workspace = {arena + nodes[i].workspace_offset, nodes[i].workspace_bytes, summary.threads};
  args.algorithm = nodes[i].algorithm;
  forward_layer_int8(exec, node.kind, node.params, args);
}

/// Brings the weights of node `i` into the form that its planned kernel reads; nothing where it reads them as they are.
/// The values' part of the arena is scratch.
template <class T, class Exec>
void prepare_node(const Exec& exec, const GraphView& graph, int32_t i, const ValuePlan* values, const NodePlan* nodes,
                  const void* const* weights, unsigned char* arena) {
  const bool decoded = nodes[i].decoded_bytes > 0 && !nodes[i].in_run;
  if (nodes[i].prepared_bytes == 0 && !decoded) return;
  if (graph.runs_on_bytes(i)) return prepare_node_int8(exec, graph, i, values, nodes, weights, arena);
  const Node& node = graph.nodes[i];
  PrepareArgs<T> args;
  args.shapes = node_shapes(graph, i, values);
  for (int w = 0; w < max_weights; ++w) args.weights[w] = weight_tensor<T>(graph, weights, node.weights[w]);
  decode_node<T>(exec, graph, i, weights, decoded ? arena + nodes[i].decoded_offset : arena, &args.weights[0]);
  if (nodes[i].prepared_bytes == 0) return;
  args.prepared = arena + nodes[i].prepared_offset;
  args.algorithm = nodes[i].algorithm;
  prepare_layer<T>(exec, node.kind, node.params, args);
}

/// Prepares all nodes: once before the first run, and after weights have changed.
template <class T, class Exec>
void prepare_inference(const Exec& exec, const GraphView& graph, const ValuePlan* values, const NodePlan* nodes,
                       const void* const* weights, unsigned char* arena) {
  for (int32_t i = 0; i < graph.num_nodes; ++i) prepare_node<T>(exec, graph, i, values, nodes, weights, arena);
}

/// Runs node `i` of a planned pass; of a node that runs strip by strip, the rows that are wanted next. `weights[w]`
/// points to weight w, dense, in the exec's memory, as do `arena` (after prepare_inference) and the values in it.
template <class T, class Exec>
void run_node(const Exec& exec, const GraphView& graph, int32_t i, const ValuePlan* values, const NodePlan* nodes,
              const PlanSummary& summary, const void* const* weights, unsigned char* arena) {
  if (nodes[i].skip) return;
  if (graph.runs_on_bytes(i)) return run_node_int8(exec, graph, i, values, nodes, summary, weights, arena);
  if (nodes[i].fused_into != no_index) {
    if constexpr (built_host_kernels && built_winograd && Exec::on_host && sizeof(T) == sizeof(float))
      if (nodes[i].fused_into == i)
        run_fused(exec, graph, i, values, nodes, weights, arena,
                  {arena + nodes[i].workspace_offset, nodes[i].workspace_bytes, summary.threads});
    return;
  }
  const Node& node = graph.nodes[i];
  unsigned char params[max_params_bytes];
  memcpy(params, node.params, sizeof params);
  ForwardArgs<T> args;
  args.num_src = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) args.src[s] = value_tensor<T>(values, node.inputs[s], arena);
  for (int w = 0; w < max_weights; ++w) args.weights[w] = weight_tensor<T>(graph, weights, node.weights[w]);
  if (nodes[i].prepared_bytes > 0) args.prepared = arena + nodes[i].prepared_offset;
  if (nodes[i].decoded_bytes > 0) {
    unsigned char* const decoded = arena + nodes[i].decoded_offset;
    if (nodes[i].in_run) decode_node<T>(exec, graph, i, weights, decoded, &args.weights[0]);
    args.weights[0].data = reinterpret_cast<const T*>(decoded);
  }
  args.dst = value_tensor<T>(values, node.output, arena);
  if (nodes[i].in_strips()) {
    const Rows rows{nodes[i].made, nodes[i].wanted};
    Rows src;
    strip_node(node, node_shapes(graph, i, values), rows, &src, params);
    for (int s = 0; s < node.num_inputs; ++s)
      if (values[node.inputs[s]].shape.h == values[node.inputs[0]].shape.h)
        args.src[s] = rows_of(args.src[s], values[node.inputs[s]].kept, src);
    args.dst = rows_of(args.dst, values[node.output].kept, rows);
  }
  // What weights are decoded to lies behind the scratch.
  const bool decodes = nodes[i].in_run && nodes[i].decoded_bytes > 0;
  const size_t scratch = decodes ? nodes[i].decoded_offset - nodes[i].workspace_offset : nodes[i].workspace_bytes;
  args.workspace = {arena + nodes[i].workspace_offset, scratch, summary.threads};
  args.algorithm = nodes[i].algorithm;
  forward_layer<T>(exec, node.kind, params, args);
}

/// Calls f(i) for what a pass has to run, in order, until it says no; node i then goes through run_node. Nodes that run
/// strip by strip come many times, and what their readers still need of earlier strips is moved to their windows'
/// start.
template <class T, class F>
bool for_each_run(const GraphView& graph, ValuePlan* values, NodePlan* nodes, unsigned char* arena, const F& f) {
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    if (!nodes[i].in_strips()) {
      if (!f(i)) return false;
      continue;
    }
    const bool done = run_strips(graph, values, nodes, i, [&](int32_t node, index_t old_kept) {
      const ValuePlan& value = values[graph.nodes[node].output];
      if (value.window > 0 && value.kept > old_kept && nodes[node].made > value.kept) {
        unsigned char* const base = arena + value.offset;
        const size_t row = static_cast<size_t>(value.shape.w * value.shape.c) * sizeof(T);
        memmove(base, base + static_cast<size_t>(value.kept - old_kept) * row,
                static_cast<size_t>(nodes[node].made - value.kept) * row);
      }
      return f(node);
    });
    if (!done) return false;
    i = nodes[i].group_last;
  }
  return true;
}

/// Runs an inference pass: the same loop for the trainer's evaluation of an exported graph and for the edge engine.
template <class T, class Exec>
void run_inference(const Exec& exec, const GraphView& graph, ValuePlan* values, NodePlan* nodes,
                   const PlanSummary& summary, const void* const* weights, unsigned char* arena) {
  for_each_run<T>(graph, values, nodes, arena, [&](int32_t i) {
    run_node<T>(exec, graph, i, values, nodes, summary, weights, arena);
    return true;
  });
}

} // namespace leadline
