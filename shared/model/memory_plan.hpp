// Which value lies where, and when: one arena for all values of a pass, offsets chosen before anything runs.
#pragma once

#include "shared/model/graph.hpp"
#include "shared/model/weight_storage.hpp"

namespace leadline {

/// A buffer that must exist from step `first` to step `last` (inclusive).
struct Interval {
  size_t bytes = 0;
  int32_t first = 0, last = 0;
  size_t offset = 0; ///< result
};

/// Assigns offsets so that buffers alive at the same step don't overlap: largest first, lowest free offset (greedy by
/// size, Y. Pisarchyk and J. Lee, "Efficient memory management for deep neural net inference", 2020). Offsets are
/// multiples of `workspace_alignment`. Deterministic. Fails with overflow when the total doesn't fit size_t.
Status plan_intervals(Interval* intervals, int32_t count, size_t* total);

/// A value's place. A value may be a slice of channels of another one, its root: that is how concat costs nothing.
struct ValuePlan {
  Shape shape;
  Layout layout = Layout::nhwc;
  int32_t root = no_index;     ///< itself, or the value in whose buffer it lives
  int32_t channel_offset = 0;  ///< first channel within the root
  int32_t first = 0, last = 0; ///< steps; of a root: those of everything that lives in it
  uint64_t offset = 0;         ///< bytes from the start of the arena, of the root
};

/// A node's choices.
struct NodePlan {
  Algorithm algorithm = Algorithm::portable;
  bool skip = false; ///< nothing to do: a concat whose inputs already lie in place
  size_t workspace_bytes = 0;
  size_t prepared_offset = 0, prepared_bytes = 0; ///< in the arena; 0 bytes: weights are used as they are, or
                                                  ///< prepared in the workspace in each run where `in_run` says so
  bool in_run = false;
  /// Weights that are stored in fewer bits, as the floats that the kernel reads: beside the prepared ones, or at the
  /// workspace's end in each run. 0 bytes: there are none, or only `prepare` reads them.
  size_t decoded_offset = 0, decoded_bytes = 0;
};

/// What a plan depends on besides graph and shapes.
struct PlanOptions {
  bool on_host = true;
  size_t element = sizeof(float);
  int threads = 1; ///< how many get scratch of their own; no choice depends on it
  /// Bytes that values, scratch of one thread and prepared weights should keep to; 0: as fast as can be. The plan is
  /// the fastest that fits, or the smallest where none does.
  size_t memory_limit = 0;
  ComputePrecision precision = ComputePrecision::full; ///< bf16: nodes may use it where it is faster
  Algorithm every = automatic;                         ///< for all nodes that have algorithms; automatic: see the next
  const Algorithm* algorithms = nullptr; ///< one per node, `automatic` where the plan is free; null: it is everywhere
};

struct PlanSummary {
  size_t arena_bytes = 0;      ///< values, workspace and prepared weights together
  size_t prepared_bytes = 0;   ///< of them: prepared and decoded weights, at the arena's end
  size_t workspace_offset = 0; ///< one workspace, shared by all nodes
  size_t workspace_bytes = 0;
  int threads = 1; ///< of PlanOptions
};

/// The algorithm that a plan chooses by default: a function of shapes, ISA level and kind of exec alone, never of
/// threads or timing. Training's forward and inference choose the same. `backward`: for the data gradient; small
/// gradients are sums of large products there, so more exact algorithms alone are considered.
Algorithm default_algorithm(const Node& node, const LayerShapes& shapes, bool on_host, size_t element,
                            ComputePrecision precision, bool backward);

/// Whether a file or a user may ask for `algorithm` in nodes of this kind.
bool allowed_algorithm(LayerKind kind, Algorithm algorithm);

/// Marks the values that can live inside the output of a concat: produced by a node, consumed as they are, and not yet
/// part of another concat. Sets `root`, `channel_offset` of every value and `skip` of concats that become empty.
void alias_concats(const GraphView& graph, ValuePlan* values, NodePlan* nodes);

/// Plans an inference pass for one input shape. `values` has num_values entries, `nodes` num_nodes, `scratch`
/// num_values + 1 intervals. The memory is the caller's; nothing is allocated.
Status plan_inference(const GraphView& graph, const Shape& input, const PlanOptions& options, ValuePlan* values,
                      NodePlan* nodes, Interval* scratch, PlanSummary* summary, GraphError* error);

/// The tensor of a value in an arena.
template <class T> Tensor<T> value_tensor(const ValuePlan* values, int32_t v, unsigned char* arena) {
  const ValuePlan& root = values[values[v].root];
  Tensor<T> whole(reinterpret_cast<T*>(arena + root.offset), root.shape);
  Tensor<T> slice = whole.channels(values[v].channel_offset, values[v].shape.c);
  return slice;
}

/// Weight `w` of the table; null for no_index.
template <class T> Tensor<const T> weight_tensor(const GraphView& graph, const void* const* weights, int32_t w) {
  return w == no_index ? Tensor<const T>() : Tensor<const T>(static_cast<const T*>(weights[w]), graph.weight_shapes[w]);
}

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
  args.shapes.num_src = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) args.shapes.src[s] = values[node.inputs[s]].shape;
  args.shapes.dst = values[node.output].shape;
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
  args.workspace = {arena + summary.workspace_offset, summary.workspace_bytes, summary.threads};
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
  args.shapes.num_src = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) args.shapes.src[s] = values[node.inputs[s]].shape;
  args.shapes.dst = values[node.output].shape;
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

/// Runs node `i` of a planned pass. `weights[w]` points to weight w, dense, in the exec's memory, as do `arena` (after
/// prepare_inference) and the values in it.
template <class T, class Exec>
void run_node(const Exec& exec, const GraphView& graph, int32_t i, const ValuePlan* values, const NodePlan* nodes,
              const PlanSummary& summary, const void* const* weights, unsigned char* arena) {
  if (nodes[i].skip) return;
  if (graph.runs_on_bytes(i)) return run_node_int8(exec, graph, i, values, nodes, summary, weights, arena);
  const Node& node = graph.nodes[i];
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
  args.workspace = {arena + summary.workspace_offset, summary.workspace_bytes, summary.threads};
  args.algorithm = nodes[i].algorithm;
  forward_layer<T>(exec, node.kind, node.params, args);
}

/// Runs an inference pass: the same loop for the trainer's evaluation of an exported graph and for the edge engine.
template <class T, class Exec>
void run_inference(const Exec& exec, const GraphView& graph, const ValuePlan* values, const NodePlan* nodes,
                   const PlanSummary& summary, const void* const* weights, unsigned char* arena) {
  for (int32_t i = 0; i < graph.num_nodes; ++i) run_node<T>(exec, graph, i, values, nodes, summary, weights, arena);
}

} // namespace leadline
