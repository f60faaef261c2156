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
  // for plan_intervals itself
  size_t place = 0;
  int32_t above = 0, order = 0;
};

/// Assigns offsets, multiples of `workspace_alignment`, so that buffers alive at the same step don't overlap. `least`
/// receives what no placement can do without: the largest sum over the buffers of one step. Each buffer takes the
/// lowest free offset, in several orders (by size: Y. Pisarchyk and J. Lee, "Efficient memory management for deep
/// neural net inference", 2020; by size times life; by time), and again with what came to lie highest put first, until
/// `least` is reached or a number of tries that bounds the time: about count^2, well below a second for the largest
/// graph. Deterministic. Fails with overflow when the total doesn't fit size_t.
Status plan_intervals(Interval* intervals, int32_t count, size_t* total, size_t* least = nullptr);

/// A value's place. A value may be a slice of channels of another one, its root: that is how concat costs nothing; or
/// all of it, where a node works in place.
struct ValuePlan {
  Shape shape;
  Layout layout = Layout::nhwc;
  int32_t root = no_index;     ///< itself, or the value in whose buffer it lives
  int32_t channel_offset = 0;  ///< first channel within the root
  int32_t first = 0, last = 0; ///< steps; of a root: those of everything that lives in it
  uint64_t offset = 0;         ///< bytes from the start of the arena, of the root
  index_t window = 0;          ///< rows that its buffer has room for at a time (strips.hpp); 0: all
  index_t kept = 0;            ///< while strips run: the row that lies first in the buffer
};

/// Bytes of the buffer of root `v`: of its window where it has one; bytes of a quantised value, and what kernels may
/// read behind them.
inline size_t buffer_bytes(const GraphView& graph, const ValuePlan* values, int32_t v, size_t element) {
  Shape shape = values[v].shape;
  if (values[v].window > 0) shape.h = values[v].window;
  const size_t count = static_cast<size_t>(shape.count());
  return graph.value_quantization(v).quantized() ? count + int8_slack : count * element;
}

/// A node's choices.
struct NodePlan {
  Algorithm algorithm = Algorithm::portable;
  bool skip = false; ///< nothing to do: a concat whose inputs already lie in place
  size_t workspace_offset = 0, workspace_bytes = 0;
  size_t prepared_offset = 0, prepared_bytes = 0; ///< in the arena; 0 bytes: weights are used as they are, or
                                                  ///< prepared in the workspace in each run where `in_run` says so
  bool in_run = false;
  /// Weights that are stored in fewer bits, as the floats that the kernel reads: beside the prepared ones, or at the
  /// workspace's end in each run. 0 bytes: there are none, or only `prepare` reads them.
  size_t decoded_offset = 0, decoded_bytes = 0;
  int32_t group_first = 0, group_last = 0; ///< nodes that run strip by strip with it (strips.hpp); itself: all at once
  int32_t strips = 1;
  int32_t early_strips = 0;      ///< of them: those before the group's last node has anything to do
  int32_t fused_into = no_index; ///< the node that runs this one with its own, itself included (fuse.hpp)
  index_t made = 0, wanted = 0;  ///< while strips run: rows of the output
  // while algorithms are chosen: what the fastest gains per byte of its weights, and what it takes
  double gain = 0;
  size_t fast_bytes = 0, fast_workspace = 0;

  bool in_strips() const { return built_strips && strips > 1; }
};

/// Whether nodes may run strip by strip, which takes less memory and gives the same bits.
enum class Strips : uint8_t {
  if_needed = 0, ///< where a memory limit asks for it
  never = 1,
  always = 2, ///< wherever that makes the arena smaller
};

/// What a plan depends on besides graph and shapes.
struct PlanOptions {
  bool on_host = true;
  size_t element = sizeof(float);
  int threads = 1; ///< how many get scratch of their own; no choice depends on it
  /// Bytes that values, scratch of one thread and prepared weights should keep to; 0: as fast as can be. The plan is
  /// the fastest that fits, or the smallest where none does.
  size_t memory_limit = 0;
  bool fuse = false; ///< run nodes as one where nothing between them is asked for (fuse.hpp): same bits, less memory
  ComputePrecision precision = ComputePrecision::full; ///< bf16: nodes may use it where it is faster
  Strips strips = Strips::if_needed;                   ///< execs on the host alone
  Algorithm every = automatic;                         ///< for all nodes that have algorithms; automatic: see the next
  const Algorithm* algorithms = nullptr; ///< one per node, `automatic` where the plan is free; null: it is everywhere
};

struct PlanSummary {
  size_t arena_bytes = 0;     ///< values, workspace and prepared weights together
  size_t prepared_bytes = 0;  ///< of them: prepared and decoded weights, at the arena's end
  size_t least_bytes = 0;     ///< what no placement of these buffers could do without; equal: the plan is optimal
  size_t workspace_bytes = 0; ///< the largest of a node
  int threads = 1;            ///< of PlanOptions
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

/// Lets nodes that work element by element write their output where their input lies, if nobody reads that later and
/// both are as large. Call after alias_concats and find_lifetimes, whose results it keeps right.
void alias_in_place(const GraphView& graph, ValuePlan* values, const NodePlan* nodes);

/// Which step needs which value first and last, gathered at the roots. The input is written before step 0, outputs are
/// read after the last. What runs strip by strip is one step for all that it reads and writes.
void find_lifetimes(const GraphView& graph, ValuePlan* values, const NodePlan* nodes);

/// Scratch of a node that runs on floats, for shapes and parameters, weights that are prepared in each run included.
size_t node_workspace(const Node& node, const LayerShapes& shapes, Algorithm algorithm, bool in_run, size_t element);

/// The shapes around node `i`.
LayerShapes node_shapes(const GraphView& graph, int32_t i, const ValuePlan* values);

/// Plans an inference pass for one input shape. `values` has num_values entries, `nodes` num_nodes, `scratch`
/// num_values + num_nodes intervals. The memory is the caller's; nothing is allocated.
Status plan_inference(const GraphView& graph, const Shape& input, const PlanOptions& options, ValuePlan* values,
                      NodePlan* nodes, Interval* scratch, PlanSummary* summary, GraphError* error);

/// The tensor of a value in an arena; of one that has a window: the rows that it has room for.
template <class T> Tensor<T> value_tensor(const ValuePlan* values, int32_t v, unsigned char* arena) {
  const ValuePlan& root = values[values[v].root];
  Shape shape = root.shape;
  if (root.window > 0) shape.h = root.window;
  Tensor<T> whole(reinterpret_cast<T*>(arena + root.offset), shape);
  Tensor<T> slice = whole.channels(values[v].channel_offset, values[v].shape.c);
  return slice;
}

/// Weight `w` of the table; null for no_index.
template <class T> Tensor<const T> weight_tensor(const GraphView& graph, const void* const* weights, int32_t w) {
  return w == no_index ? Tensor<const T>() : Tensor<const T>(static_cast<const T*>(weights[w]), graph.weight_shapes[w]);
}

} // namespace leadline
