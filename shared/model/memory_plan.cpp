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

Algorithm default_algorithm(LayerKind kind, bool on_host) {
  const bool gemm_shaped =
      kind == layer_kind<Conv2d> || kind == layer_kind<ConvTranspose2d> || kind == layer_kind<Linear>;
  return on_host && gemm_shaped ? Algorithm::host_gemm : Algorithm::portable;
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

Status plan_inference(const GraphView& graph, const Shape& input, bool on_host, size_t element, ValuePlan* values,
                      NodePlan* nodes, Interval* scratch, PlanSummary* summary, GraphError* error,
                      const Algorithm* algorithms) {
  // Shapes are inferred into a contiguous array first, at the start of the values' memory, which is still unused.
  static_assert(sizeof(ValuePlan) >= 2 * sizeof(Shape) && alignof(ValuePlan) >= alignof(Shape));
  Shape* shapes = reinterpret_cast<Shape*>(values);
  LEADLINE_TRY(infer_shapes(graph, input, shapes, error));

  size_t workspace = 0;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    nodes[i] = NodePlan{algorithms ? algorithms[i] : default_algorithm(graph.nodes[i].kind, on_host), false, 0};
    const LayerShapes around = node_shapes(graph, i, shapes);
    visit_layer(graph.nodes[i].kind, [&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      nodes[i].workspace_bytes = Layer::workspace_bytes(around, graph.nodes[i].template get<Layer>(), Pass::inference,
                                                        nodes[i].algorithm, element);
    });
    if (nodes[i].workspace_bytes > workspace) workspace = nodes[i].workspace_bytes;
  }
  // Spread from the last to the first: values[v] overwrites only shapes behind shapes[v] (and shapes[0] itself).
  for (int32_t v = graph.num_values - 1; v >= 0; --v) {
    const Shape shape = shapes[v];
    values[v] = ValuePlan{shape, Layout::nhwc, v, 0, INT32_MAX, -1, 0};
  }
  alias_concats(graph, values, nodes);

  // Lifetimes, gathered at the roots. The input is written before step 0, outputs are read after the last.
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

  int32_t count = 0;
  for (int32_t v = 0; v < graph.num_values; ++v) {
    if (values[v].root != v) continue;
    const uint64_t bytes = static_cast<uint64_t>(values[v].shape.count()) * element;
    if (bytes > SIZE_MAX / 4) return Status::overflow;
    scratch[count++] = Interval{static_cast<size_t>(bytes), values[v].first, values[v].last, 0};
  }
  scratch[count++] = Interval{workspace, 0, graph.num_nodes, 0};
  LEADLINE_TRY(plan_intervals(scratch, count, &summary->arena_bytes));
  summary->workspace_offset = scratch[--count].offset;
  summary->workspace_bytes = workspace;
  for (int32_t v = graph.num_values - 1; v >= 0; --v)
    if (values[v].root == v) values[v].offset = scratch[--count].offset;
  return Status::ok;
}

} // namespace leadline
