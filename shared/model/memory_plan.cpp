#include "shared/model/memory_plan.hpp"

namespace leadline {

Status plan_intervals(Interval* intervals, int32_t count, size_t* total) {
  constexpr size_t unplaced = SIZE_MAX;
  for (int32_t i = 0; i < count; ++i) intervals[i].offset = unplaced;
  *total = 0;
  for (int32_t placed = 0; placed < count; ++placed) {
    int32_t next = no_index;
    for (int32_t i = 0; i < count; ++i)
      if (intervals[i].offset == unplaced && (next == no_index || intervals[i].bytes > intervals[next].bytes)) next = i;
    Interval& interval = intervals[next];
    if (interval.bytes > SIZE_MAX / 4) return Status::overflow;
    const size_t bytes = align_up(interval.bytes);

    // Lowest offset at which nothing that is alive at the same time lies: jump behind whatever is in the way.
    size_t offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (int32_t i = 0; i < count; ++i) {
        const Interval& other = intervals[i];
        if (other.offset == unplaced || other.last < interval.first || interval.last < other.first) continue;
        if (offset < other.offset + align_up(other.bytes) && other.offset < offset + bytes) {
          offset = other.offset + align_up(other.bytes);
          moved = true;
        }
      }
    }
    if (offset > SIZE_MAX / 4) return Status::overflow;
    interval.offset = offset;
    if (offset + bytes > *total) *total = offset + bytes;
  }
  return Status::ok;
}

Algorithm default_algorithm(const Node& node, const LayerShapes& shapes, bool on_host, size_t element,
                            ComputePrecision precision, bool backward) {
  Algorithm algorithm = Algorithm::portable;
  if (!on_host) return algorithm;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (has_algorithms<Layer>())
      algorithm = element == sizeof(float) ? Layer::choose(shapes, node.get<Layer>(), precision, backward)
                                           : Algorithm::host_gemm;
  });
  return algorithm;
}

bool allowed_algorithm(LayerKind kind, Algorithm algorithm) {
  if (algorithm == automatic || algorithm == Algorithm::portable) return true;
  bool has = false;
  visit_layer(kind, [&](auto tag) { has = has_algorithms<typename decltype(tag)::Layer>(); });
  return has && static_cast<int>(algorithm) < num_algorithms;
}

void alias_concats(const GraphView& graph, ValuePlan* values, NodePlan* nodes) {
  for (int32_t v = 0; v < graph.num_values; ++v) {
    values[v].root = v;
    values[v].channel_offset = 0;
  }
  // Walked backwards, so that a concat that is itself part of a later one already knows its root.
  for (int32_t i = graph.num_nodes - 1; i >= 0; --i) {
    const Node& node = graph.nodes[i];
    if (node.kind != layer_kind<Concat>) continue;
    bool all_in_place = true;
    int32_t channel = values[node.output].channel_offset;
    for (int s = 0; s < node.num_inputs; ++s) {
      const int32_t v = node.inputs[s];
      bool aliasable = v != graph.input && values[v].root == v;
      for (int32_t o = 0; o < graph.num_outputs; ++o) aliasable = aliasable && graph.outputs[o] != v;
      if (aliasable) {
        values[v].root = values[node.output].root;
        values[v].channel_offset = channel;
      } else {
        all_in_place = false;
      }
      channel += static_cast<int32_t>(values[v].shape.c);
    }
    nodes[i].skip = all_in_place;
  }
}

namespace {

size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/// Bytes of what node `i` multiplies with as floats, where it is stored in fewer bits.
size_t float_weight_bytes(const GraphView& graph, int32_t i) {
  return stored_reduced(graph, i)
             ? static_cast<size_t>(graph.weight_shapes[graph.nodes[i].weights[0]].count()) * sizeof(float)
             : 0;
}

/// What node `i` takes with some algorithm: scratch, and its prepared or decoded weights, in the arena or within the
/// scratch.
NodePlan node_plan(const GraphView& graph, int32_t i, const LayerShapes& shapes, Algorithm algorithm, bool in_run,
                   size_t element) {
  const Node& node = graph.nodes[i];
  NodePlan plan;
  plan.algorithm = algorithm;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    const auto params = node.get<Layer>();
    size_t prepared;
    if (graph.runs_on_bytes(i)) {
      prepared = prepared_bytes_int8<Layer>(shapes, params, algorithm);
      plan.workspace_bytes = workspace_bytes_int8<Layer>(shapes, params, algorithm);
    } else {
      if constexpr (has_algorithms<Layer>()) plan.algorithm = Layer::effective(shapes, params, algorithm, element);
      prepared = prepared_bytes<Layer>(shapes, params, algorithm, element);
      plan.workspace_bytes = Layer::workspace_bytes(shapes, params, Pass::inference, algorithm, element);
    }
    plan.in_run = in_run && prepared > 0;
    if (plan.in_run)
      plan.workspace_bytes += prepared;
    else
      plan.prepared_bytes = prepared;
  });
  if (plan.in_run || plan.prepared_bytes == 0) plan.decoded_bytes = float_weight_bytes(graph, i);
  if (plan.in_run && plan.decoded_bytes > 0) {
    plan.decoded_offset = align_up(plan.workspace_bytes); // from the workspace's start
    plan.workspace_bytes = plan.decoded_offset + plan.decoded_bytes;
  }
  return plan;
}

uint64_t value_bytes(const GraphView& graph, int32_t v, const Shape& shape, size_t element) {
  const uint64_t count = static_cast<uint64_t>(shape.count());
  return graph.value_quantization(v).quantized() ? count + int8_slack : count * element;
}

double node_cost(const Node& node, const LayerShapes& shapes, Algorithm algorithm) {
  double cost = 0;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (has_algorithms<Layer>()) cost = Layer::cost(shapes, node.get<Layer>(), algorithm);
  });
  return cost;
}

/// Chooses every node's algorithm. `room`: bytes for scratch and prepared weights; SIZE_MAX: no limit. All nodes start
/// in their smallest form; then those that gain most per byte of prepared weights get their fastest, while there is
/// room.
void choose_algorithms(const GraphView& graph, const Shape* shapes, const PlanOptions& options, size_t room,
                       NodePlan* nodes) {
  const auto asked = [&](int32_t i) {
    const Algorithm algorithm = options.algorithms ? options.algorithms[i] : automatic;
    return allowed_algorithm(graph.nodes[i].kind, options.every) && options.every != automatic ? options.every
                                                                                               : algorithm;
  };
  const auto fastest = [&](int32_t i, const LayerShapes& around) {
    if (graph.runs_on_bytes(i)) {
      const bool plain = asked(i) == Algorithm::portable || asked(i) == Algorithm::host_gemm;
      return node_plan(graph, i, around, plain ? asked(i) : Algorithm::int8, false, options.element);
    }
    const Algorithm algorithm = asked(i) != automatic ? asked(i)
                                                      : default_algorithm(graph.nodes[i], around, options.on_host,
                                                                          options.element, options.precision, false);
    return node_plan(graph, i, around, algorithm, false, options.element);
  };
  size_t workspace = 0, prepared = 0;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    const LayerShapes around = node_shapes(graph, i, shapes);
    const NodePlan fast = fastest(i, around);
    nodes[i] = room == SIZE_MAX || fast.prepared_bytes == 0
                   ? fast
                   : node_plan(graph, i, around, asked(i) == automatic ? Algorithm::host_gemm : fast.algorithm, true,
                               options.element);
    workspace = larger(workspace, nodes[i].workspace_bytes);
    if (!nodes[i].in_run) prepared += align_up(nodes[i].prepared_bytes) + align_up(nodes[i].decoded_bytes);
  }
  if (room == SIZE_MAX) return;
  for (;;) {
    int32_t best = no_index;
    double best_gain = 0;
    for (int32_t i = 0; i < graph.num_nodes; ++i) {
      if (!nodes[i].in_run) continue;
      const LayerShapes around = node_shapes(graph, i, shapes);
      const NodePlan fast = fastest(i, around);
      const size_t scratch = larger(larger(workspace, fast.workspace_bytes), float_weight_bytes(graph, i));
      if (prepared + align_up(fast.prepared_bytes) + scratch > room) continue;
      const double packing = static_cast<double>(nodes[i].workspace_bytes) / 16; // about a byte per clock
      const double gain = (node_cost(graph.nodes[i], around, nodes[i].algorithm) + packing -
                           node_cost(graph.nodes[i], around, fast.algorithm)) /
                          static_cast<double>(fast.prepared_bytes);
      if (gain > best_gain) {
        best = i;
        best_gain = gain;
      }
    }
    if (best == no_index) return;
    nodes[best] = fastest(best, node_shapes(graph, best, shapes));
    prepared += align_up(nodes[best].prepared_bytes);
    workspace = larger(workspace, nodes[best].workspace_bytes);
  }
}

/// Which step needs which value first and last, gathered at the roots. The input is written before step 0, outputs are
/// read after the last.
void find_lifetimes(const GraphView& graph, ValuePlan* values) {
  const auto alive = [&](int32_t v, int32_t step) {
    ValuePlan& root = values[values[v].root];
    if (step < root.first) root.first = step;
    if (step > root.last) root.last = step;
  };
  alive(graph.input, 0);
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    for (int s = 0; s < graph.nodes[i].num_inputs; ++s) alive(graph.nodes[i].inputs[s], i);
    alive(graph.nodes[i].output, i);
  }
  for (int32_t o = 0; o < graph.num_outputs; ++o) alive(graph.outputs[o], graph.num_nodes);
}

} // namespace

Status plan_inference(const GraphView& graph, const Shape& input, const PlanOptions& options, ValuePlan* values,
                      NodePlan* nodes, Interval* scratch, PlanSummary* summary, GraphError* error) {
  // Shapes are inferred into a contiguous array first, at the start of the values' memory, which is still unused.
  static_assert(sizeof(ValuePlan) >= 2 * sizeof(Shape) && alignof(ValuePlan) >= alignof(Shape));
  Shape* shapes = reinterpret_cast<Shape*>(values);
  LEADLINE_TRY(infer_shapes(graph, input, shapes, error));

  // Values and intervals for the room that a memory limit leaves: they don't depend on algorithms.
  const auto place_values = [&](size_t workspace, size_t* total) {
    int32_t count = 0;
    for (int32_t v = 0; v < graph.num_values; ++v) {
      if (values[v].root != v) continue;
      const uint64_t bytes = value_bytes(graph, v, values[v].shape, options.element);
      if (bytes > SIZE_MAX / 4) return Status::overflow;
      scratch[count++] = Interval{static_cast<size_t>(bytes), values[v].first, values[v].last, 0};
    }
    scratch[count++] = Interval{workspace, 0, graph.num_nodes, 0};
    LEADLINE_TRY(plan_intervals(scratch, count, total));
    summary->workspace_offset = scratch[--count].offset;
    for (int32_t v = graph.num_values - 1; v >= 0; --v)
      if (values[v].root == v) values[v].offset = scratch[--count].offset;
    return Status::ok;
  };
  // Spread from the last to the first: values[v] overwrites only shapes behind shapes[v] (and shapes[0] itself).
  const auto spread = [&] {
    for (int32_t v = graph.num_values - 1; v >= 0; --v) {
      const Shape shape = shapes[v];
      values[v] = ValuePlan{shape, Layout::nhwc, v, 0, INT32_MAX, -1, 0};
    }
    alias_concats(graph, values, nodes);
    find_lifetimes(graph, values);
  };

  size_t room = SIZE_MAX;
  if (options.memory_limit > 0) {
    size_t values_bytes = 0;
    spread();
    LEADLINE_TRY(place_values(0, &values_bytes));
    room = options.memory_limit > values_bytes ? options.memory_limit - values_bytes : 0;
    LEADLINE_TRY(infer_shapes(graph, input, shapes, error)); // again: spread wrote over them
  }
  choose_algorithms(graph, shapes, options, room, nodes);

  size_t workspace = 0, prepared = 0, decoding = 0;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    LayerShapes around = node_shapes(graph, i, shapes);
    around.threads = options.threads;
    const NodePlan plan = node_plan(graph, i, around, nodes[i].algorithm, nodes[i].in_run, options.element);
    nodes[i] = plan;
    const size_t kept = plan.in_run ? 0 : larger(plan.prepared_bytes, plan.decoded_bytes); // never both
    if (kept > SIZE_MAX / 8 - prepared || plan.workspace_bytes > SIZE_MAX / 8) return Status::overflow;
    nodes[i].prepared_offset = prepared; // from the end of everything else, for now
    if (!plan.in_run) nodes[i].decoded_offset = prepared;
    prepared += align_up(kept);
    workspace = larger(workspace, plan.workspace_bytes);
    if (plan.prepared_bytes > 0) decoding = larger(decoding, float_weight_bytes(graph, i));
  }
  spread();
  LEADLINE_TRY(place_values(workspace, &summary->arena_bytes));
  summary->workspace_bytes = workspace;
  summary->prepared_bytes = prepared;
  summary->threads = options.threads;
  // Weights that only `prepare` reads are decoded where values will lie.
  summary->arena_bytes = align_up(larger(summary->arena_bytes, decoding));
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    nodes[i].prepared_offset += summary->arena_bytes;
    nodes[i].decoded_offset += nodes[i].in_run ? summary->workspace_offset : summary->arena_bytes;
  }
  if (prepared > SIZE_MAX / 4 - summary->arena_bytes) return Status::overflow;
  summary->arena_bytes += prepared;
  return Status::ok;
}

} // namespace leadline
