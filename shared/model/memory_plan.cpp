#include "shared/model/memory_plan.hpp"

#include "shared/model/fuse.hpp"
#include "shared/model/strips.hpp"

namespace leadline {

namespace {

size_t larger(size_t a, size_t b) { return a > b ? a : b; }

enum class PlaceOrder { size, size_times_life, time, life };
constexpr PlaceOrder place_orders[] = {PlaceOrder::size, PlaceOrder::size_times_life, PlaceOrder::time,
                                       PlaceOrder::life};

/// Whether `a` is placed before `b`, the later of the two in the list.
bool placed_before(const Interval& a, const Interval& b, PlaceOrder by) {
  const double life_a = static_cast<double>(a.last) - a.first + 1, life_b = static_cast<double>(b.last) - b.first + 1;
  switch (by) {
  case PlaceOrder::size: break;
  case PlaceOrder::size_times_life: {
    const double area_a = life_a * static_cast<double>(a.bytes), area_b = life_b * static_cast<double>(b.bytes);
    if (area_a != area_b) return area_a > area_b;
    break;
  }
  case PlaceOrder::time:
    if (a.first != b.first) return a.first < b.first;
    break;
  case PlaceOrder::life:
    if (life_a != life_b) return life_a > life_b;
    break;
  }
  return a.bytes >= b.bytes;
}

/// Sets `order`: interval intervals[k].order is the k-th to be placed. Binary insertion: it takes no memory, and at
/// most count^2 / 4 moves.
void sort_intervals(Interval* intervals, int32_t count, PlaceOrder by) {
  for (int32_t i = 0; i < count; ++i) {
    int32_t low = 0, high = i;
    while (low < high) {
      const int32_t middle = low + (high - low) / 2;
      if (placed_before(intervals[intervals[middle].order], intervals[i], by))
        low = middle + 1;
      else
        high = middle;
    }
    for (int32_t k = i; k > low; --k) intervals[k].order = intervals[k - 1].order;
    intervals[low].order = i;
  }
}

/// Places all in their order; the end of the highest, SIZE_MAX where it is too high. What is placed is a list by rising
/// offset, so that the lowest gap is found in one walk.
size_t place_intervals(Interval* intervals, int32_t count) {
  size_t total = 0;
  int32_t lowest = no_index;
  for (int32_t k = 0; k < count; ++k) {
    const int32_t i = intervals[k].order;
    Interval& interval = intervals[i];
    const size_t bytes = align_up(interval.bytes);
    size_t place = 0;
    for (int32_t p = lowest; p != no_index; p = intervals[p].above) {
      const Interval& other = intervals[p];
      if (other.last < interval.first || interval.last < other.first) continue;
      if (other.place >= place + bytes) break;
      place = larger(place, other.place + align_up(other.bytes));
    }
    if (place > SIZE_MAX / 4) return SIZE_MAX;
    interval.place = place;
    total = larger(total, place + bytes);
    int32_t* link = &lowest;
    while (*link != no_index && intervals[*link].place <= place) link = &intervals[*link].above;
    interval.above = *link;
    *link = i;
  }
  return total;
}

/// Puts the interval whose end is highest first in the order; false if it is first already.
bool promote_highest(Interval* intervals, int32_t count) {
  int32_t highest = 0;
  const auto end = [&](int32_t k) {
    const Interval& interval = intervals[intervals[k].order];
    return interval.place + align_up(interval.bytes);
  };
  for (int32_t k = 1; k < count; ++k)
    if (end(k) > end(highest)) highest = k;
  const int32_t i = intervals[highest].order;
  for (int32_t k = highest; k > 0; --k) intervals[k].order = intervals[k - 1].order;
  intervals[0].order = i;
  return highest > 0;
}

/// The largest sum of one step. Some buffer begins there.
size_t largest_sum(const Interval* intervals, int32_t count) {
  size_t largest = 0;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t step = intervals[i].first;
    size_t sum = 0;
    for (int32_t k = 0; k < count; ++k)
      if (intervals[k].first <= step && step <= intervals[k].last) sum += align_up(intervals[k].bytes);
    largest = larger(largest, sum);
  }
  return largest;
}

} // namespace

Status plan_intervals(Interval* intervals, int32_t count, size_t* total, size_t* least) {
  size_t sum = 0;
  for (int32_t i = 0; i < count; ++i) {
    if (intervals[i].bytes > SIZE_MAX / 8 - sum) return Status::overflow;
    sum += align_up(intervals[i].bytes);
  }
  const size_t bound = largest_sum(intervals, count);
  // A placement takes up to count^2 steps; small graphs can afford many.
  constexpr int32_t most_steps = 1 << 24, most_rounds = 64;
  const int64_t affordable = most_steps / (int64_t{count} * count + 1);
  const int32_t rounds = affordable < most_rounds ? static_cast<int32_t>(affordable) + 1 : most_rounds;
  *total = count > 0 ? SIZE_MAX : 0;
  for (const PlaceOrder by : place_orders) {
    sort_intervals(intervals, count, by);
    for (int32_t round = 0; round < rounds && bound < *total; ++round) {
      const size_t end = place_intervals(intervals, count);
      if (end < *total) {
        *total = end;
        for (int32_t i = 0; i < count; ++i) intervals[i].offset = intervals[i].place;
      }
      if (!promote_highest(intervals, count)) break;
    }
  }
  if (least) *least = bound;
  return *total == SIZE_MAX ? Status::overflow : Status::ok;
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
  for (int32_t i = 0; i < graph.num_nodes; ++i) nodes[i].skip = false;
  // Walked backwards, so that a concat that is itself part of a later one already knows its root.
  for (int32_t i = graph.num_nodes - 1; i >= 0; --i) {
    const Node& node = graph.nodes[i];
    if (node.kind != layer_kind<Concat> || nodes[i].in_strips()) continue;
    bool all_in_place = true;
    int32_t channel = values[node.output].channel_offset;
    for (int s = 0; s < node.num_inputs; ++s) {
      const int32_t v = node.inputs[s];
      bool aliasable = v != graph.input && values[v].root == v && values[v].window == 0;
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

void alias_in_place(const GraphView& graph, ValuePlan* values, const NodePlan* nodes) {
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    const Node& node = graph.nodes[i];
    if (nodes[i].fused_into != no_index) continue; // reads more than one pixel's surroundings while it writes
    unsigned sources = 0;
    if (!graph.runs_on_bytes(i))
      visit_layer(node.kind, [&](auto tag) { sources = forward_in_place<typename decltype(tag)::Layer>(); });
    const int32_t dst = node.output;
    for (int s = 0; s < node.num_inputs && !nodes[i].in_strips(); ++s) {
      const int32_t src = node.inputs[s];
      ValuePlan& root = values[values[src].root];
      // Nobody reads anything of src's buffer later, and other sources there are read pixel by pixel as dst is written.
      bool can = (sources >> s & 1) != 0 && values[src].shape == values[dst].shape && root.last == i && src != dst;
      for (int t = 0; t < node.num_inputs; ++t)
        can = can &&
              (values[node.inputs[t]].root != values[src].root || values[node.inputs[t]].shape == values[dst].shape);
      if (!can) continue;
      if (values[dst].root == dst && root.shape == values[dst].shape) {
        values[dst].root = values[src].root;
        if (values[dst].last > root.last) root.last = values[dst].last;
        break;
      }
      // dst is a slice of a concat that exists already when src is made: src may be that slice, if it is all there is
      // in its buffer.
      const int32_t whole = values[dst].root;
      can = whole != dst && values[src].root == src && src != graph.input && values[whole].first <= root.first;
      for (int32_t v = 0; v < graph.num_values && can; ++v) can = v == src || values[v].root != src;
      if (!can) continue;
      values[src].root = whole;
      values[src].channel_offset = values[dst].channel_offset;
      break;
    }
  }
}

void find_lifetimes(const GraphView& graph, ValuePlan* values, const NodePlan* nodes) {
  for (int32_t v = 0; v < graph.num_values; ++v) {
    values[v].first = INT32_MAX;
    values[v].last = -1;
  }
  const auto alive = [&](int32_t v, int32_t first, int32_t last) {
    ValuePlan& root = values[values[v].root];
    if (first < root.first) root.first = first;
    if (last > root.last) root.last = last;
  };
  alive(graph.input, 0, 0);
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    const bool fused = nodes[i].fused_into != no_index;
    const int32_t first = fused ? nodes[i].fused_into : nodes[i].group_first;
    const int32_t last = fused ? nodes[i].fused_into : nodes[i].group_last;
    for (int s = 0; s < graph.nodes[i].num_inputs; ++s) alive(graph.nodes[i].inputs[s], first, last);
    alive(graph.nodes[i].output, first, last);
  }
  for (int32_t o = 0; o < graph.num_outputs; ++o) alive(graph.outputs[o], graph.num_nodes, graph.num_nodes);
  for (int32_t i = 0; i < graph.num_nodes; ++i) { // what lies between fused nodes is nowhere
    if (nodes[i].fused_into == no_index || nodes[i].fused_into == i) continue;
    values[graph.nodes[i].output].first = INT32_MAX;
    values[graph.nodes[i].output].last = -1;
  }
}

LayerShapes node_shapes(const GraphView& graph, int32_t i, const ValuePlan* values) {
  const Node& node = graph.nodes[i];
  LayerShapes shapes;
  shapes.num_src = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) shapes.src[s] = values[node.inputs[s]].shape;
  for (int w = 0; w < max_weights; ++w)
    if (node.weights[w] != no_index) shapes.weights[w] = graph.weight_shapes[node.weights[w]];
  shapes.dst = values[node.output].shape;
  return shapes;
}

size_t node_workspace(const Node& node, const LayerShapes& shapes, Algorithm algorithm, bool in_run, size_t element) {
  size_t bytes = 0;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    const auto params = node.get<Layer>();
    bytes = Layer::workspace_bytes(shapes, params, Pass::inference, algorithm, element);
    if (in_run) bytes += in_run_bytes<Layer>(shapes, params, algorithm, element);
  });
  return bytes;
}

namespace {

/// Bytes of what node `i` multiplies with as floats, where it is stored in fewer bits.
size_t float_weight_bytes(const GraphView& graph, int32_t i) {
  return stored_reduced(graph, i)
             ? static_cast<size_t>(graph.weight_shapes[graph.nodes[i].weights[0]].count()) * sizeof(float)
             : 0;
}

/// Scratch of node `i` when it runs at once.
size_t whole_workspace(const GraphView& graph, int32_t i, const LayerShapes& shapes, Algorithm algorithm, bool in_run,
                       size_t element) {
  const Node& node = graph.nodes[i];
  if (!graph.runs_on_bytes(i)) return node_workspace(node, shapes, algorithm, in_run, element);
  size_t bytes = 0;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    const auto params = node.get<Layer>();
    bytes = workspace_bytes_int8<Layer>(shapes, params, algorithm);
    if (in_run) bytes += prepared_bytes_int8<Layer>(shapes, params, algorithm);
  });
  return bytes;
}

/// Room for weights that are decoded in each run, behind the rest of the workspace.
void add_decoded(NodePlan* plan) {
  if (!plan->in_run || plan->decoded_bytes == 0) return;
  plan->decoded_offset = align_up(plan->workspace_bytes); // from the workspace's start, for now
  plan->workspace_bytes = plan->decoded_offset + plan->decoded_bytes;
}

/// Gives node `i` an algorithm, and what that takes: scratch, and its prepared or decoded weights, in the arena or
/// within the scratch.
void set_algorithm(NodePlan* plan, const GraphView& graph, int32_t i, const LayerShapes& shapes, Algorithm algorithm,
                   bool in_run, size_t element) {
  const Node& node = graph.nodes[i];
  plan->algorithm = algorithm;
  plan->prepared_bytes = 0;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    const auto params = node.get<Layer>();
    if (graph.runs_on_bytes(i)) {
      plan->prepared_bytes = prepared_bytes_int8<Layer>(shapes, params, algorithm);
    } else {
      if constexpr (has_algorithms<Layer>()) plan->algorithm = Layer::effective(shapes, params, algorithm, element);
      plan->prepared_bytes = prepared_bytes<Layer>(shapes, params, algorithm, element);
    }
  });
  plan->in_run = in_run && plan->prepared_bytes > 0;
  plan->decoded_bytes = plan->in_run || plan->prepared_bytes == 0 ? float_weight_bytes(graph, i) : 0;
  plan->workspace_bytes = whole_workspace(graph, i, shapes, algorithm, plan->in_run, element);
  if (plan->in_run) plan->prepared_bytes = 0;
  add_decoded(plan);
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
void choose_algorithms(const GraphView& graph, const ValuePlan* values, const PlanOptions& options, size_t room,
                       NodePlan* nodes) {
  const auto asked = [&](int32_t i) {
    const Algorithm algorithm = options.algorithms ? options.algorithms[i] : automatic;
    return allowed_algorithm(graph.nodes[i].kind, options.every) && options.every != automatic ? options.every
                                                                                               : algorithm;
  };
  const auto fastest = [&](int32_t i, const LayerShapes& around) {
    const Node& node = graph.nodes[i];
    const auto by_default = [&](ComputePrecision precision) {
      return default_algorithm(node, around, options.on_host, options.element, precision, false);
    };
    Algorithm algorithm = asked(i) != automatic ? asked(i) : by_default(options.precision);
    if (graph.runs_on_bytes(i)) {
      const bool plain = asked(i) == Algorithm::portable || asked(i) == Algorithm::host_gemm;
      algorithm = plain ? asked(i) : Algorithm::int8;
    }
    if (nodes[i].in_strips() && !runs_rows(algorithm)) algorithm = by_default(ComputePrecision::full);
    NodePlan plan = nodes[i];
    set_algorithm(&plan, graph, i, around, algorithm, false, options.element);
    return plan;
  };
  size_t workspace = 0, prepared = 0;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    const LayerShapes around = node_shapes(graph, i, values);
    const NodePlan fast = fastest(i, around);
    nodes[i] = fast;
    if (room != SIZE_MAX && fast.prepared_bytes > 0) {
      const Node& node = graph.nodes[i];
      set_algorithm(&nodes[i], graph, i, around, asked(i) == automatic ? Algorithm::host_gemm : fast.algorithm, true,
                    options.element);
      // about a byte per clock, in each strip
      const size_t packed = larger(nodes[i].workspace_bytes, fast.prepared_bytes);
      const double packing = nodes[i].strips * static_cast<double>(packed) / 16;
      nodes[i].gain =
          (node_cost(node, around, nodes[i].algorithm) + packing - node_cost(node, around, fast.algorithm)) /
          static_cast<double>(fast.prepared_bytes);
      nodes[i].fast_bytes = align_up(fast.prepared_bytes);
      nodes[i].fast_workspace = larger(fast.workspace_bytes, float_weight_bytes(graph, i));
    }
    workspace = larger(workspace, nodes[i].workspace_bytes);
    if (!nodes[i].in_run) prepared += align_up(nodes[i].prepared_bytes) + align_up(nodes[i].decoded_bytes);
  }
  if (room == SIZE_MAX) return;
  for (;;) {
    int32_t best = no_index;
    for (int32_t i = 0; i < graph.num_nodes; ++i)
      if (nodes[i].in_run && nodes[i].gain > (best == no_index ? 0 : nodes[best].gain) &&
          prepared + nodes[i].fast_bytes + larger(workspace, nodes[i].fast_workspace) <= room)
        best = i;
    if (best == no_index) return;
    nodes[best] = fastest(best, node_shapes(graph, best, values));
    prepared += align_up(nodes[best].prepared_bytes);
    workspace = larger(workspace, nodes[best].workspace_bytes);
  }
}

/// Ends with no groups, and every value a buffer of its own.
void run_whole(const GraphView& graph, ValuePlan* values, NodePlan* nodes) {
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    nodes[i].group_first = nodes[i].group_last = i;
    nodes[i].strips = 1;
  }
  for (int32_t v = 0; v < graph.num_values; ++v) {
    values[v].root = v;
    values[v].window = 0;
  }
}

/// Places everything for the algorithms and groups that are chosen.
Status place(const GraphView& graph, const PlanOptions& options, bool alias, ValuePlan* values, NodePlan* nodes,
             Interval* scratch, PlanSummary* summary) {
  for (int32_t v = 0; v < graph.num_values; ++v) {
    values[v].root = v;
    values[v].channel_offset = 0;
    values[v].window = values[v].kept = 0;
  }
  for (int32_t i = 0; i < graph.num_nodes; ++i) nodes[i].fused_into = no_index;
  find_lifetimes(graph, values, nodes);
  summary->workspace_bytes = 0;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    if (nodes[i].in_strips()) {
      if (nodes[i].group_first == i) measure_strips(graph, values, nodes, i, nodes[i].strips, options);
    } else {
      LayerShapes around = node_shapes(graph, i, values);
      around.threads = options.threads;
      nodes[i].workspace_bytes =
          whole_workspace(graph, i, around, nodes[i].algorithm, nodes[i].in_run, options.element);
    }
  }
  if (built_host_kernels && built_winograd && options.fuse && options.on_host && options.element == sizeof(float)) {
    fuse_nodes(graph, values, options.threads, nodes);
    find_lifetimes(graph, values, nodes);
  }
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    add_decoded(&nodes[i]);
    if (nodes[i].workspace_bytes > SIZE_MAX / 8) return Status::overflow;
    summary->workspace_bytes = larger(summary->workspace_bytes, nodes[i].workspace_bytes);
  }
  if (alias) {
    alias_concats(graph, values, nodes);
    find_lifetimes(graph, values, nodes);
  } else {
    for (int32_t i = 0; i < graph.num_nodes; ++i) nodes[i].skip = false;
  }
  alias_in_place(graph, values, nodes);

  int32_t count = 0;
  for (int32_t v = 0; v < graph.num_values; ++v) {
    if (values[v].root != v) continue;
    const size_t bytes = values[v].last < 0 ? 0 : buffer_bytes(graph, values, v, options.element);
    if (bytes > SIZE_MAX / 4) return Status::overflow;
    scratch[count++] = Interval{bytes, values[v].first, values[v].last};
  }
  // Nodes of a group take turns, so they share their scratch: it stands at the first one.
  const int32_t num_roots = count;
  for (int32_t i = 0; i < graph.num_nodes; i = nodes[i].group_last + 1) {
    size_t bytes = 0;
    for (int32_t k = i; k <= nodes[i].group_last; ++k) bytes = larger(bytes, nodes[k].workspace_bytes);
    if (bytes > 0) scratch[count++] = Interval{bytes, i, nodes[i].group_last};
  }
  LEADLINE_TRY(plan_intervals(scratch, count, &summary->arena_bytes, &summary->least_bytes));
  count = 0;
  for (int32_t v = 0; v < graph.num_values; ++v)
    if (values[v].root == v) values[v].offset = scratch[count++].offset;
  count = num_roots;
  for (int32_t i = 0; i < graph.num_nodes; i = nodes[i].group_last + 1) {
    bool any = false;
    for (int32_t k = i; k <= nodes[i].group_last; ++k) any = any || nodes[k].workspace_bytes > 0;
    for (int32_t k = i; k <= nodes[i].group_last; ++k) nodes[k].workspace_offset = any ? scratch[count].offset : 0;
    if (any) ++count;
  }

  // Weights that only `prepare` reads are decoded where values will lie.
  size_t decoding = 0, prepared = 0;
  for (int32_t i = 0; i < graph.num_nodes; ++i)
    if (nodes[i].prepared_bytes > 0) decoding = larger(decoding, align_up(float_weight_bytes(graph, i)));
  summary->arena_bytes = larger(summary->arena_bytes, decoding);
  summary->least_bytes = larger(summary->least_bytes, decoding);
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    NodePlan& node = nodes[i];
    const size_t kept = node.in_run ? 0 : larger(node.prepared_bytes, node.decoded_bytes); // never both
    if (kept > SIZE_MAX / 8 - prepared) return Status::overflow;
    node.prepared_offset = summary->arena_bytes + prepared; // at the end
    node.decoded_offset = node.in_run ? node.workspace_offset + node.decoded_offset : node.prepared_offset;
    prepared += align_up(kept);
  }
  if (prepared > SIZE_MAX / 4 - summary->arena_bytes) return Status::overflow;
  summary->prepared_bytes = prepared;
  summary->threads = options.threads;
  summary->arena_bytes += prepared;
  summary->least_bytes += prepared;
  return Status::ok;
}

} // namespace

Status plan_inference(const GraphView& graph, const Shape& input, const PlanOptions& options, ValuePlan* values,
                      NodePlan* nodes, Interval* scratch, PlanSummary* summary, GraphError* error) {
  // Shapes are inferred into a contiguous array first, at the start of the values' memory, which is still unused, then
  // spread from the last to the first: values[v] overwrites only shapes behind shapes[v] (and shapes[0] itself).
  static_assert(sizeof(ValuePlan) >= 2 * sizeof(Shape) && alignof(ValuePlan) >= alignof(Shape));
  Shape* shapes = reinterpret_cast<Shape*>(values);
  LEADLINE_TRY(infer_shapes(graph, input, shapes, error));
  for (int32_t v = graph.num_values - 1; v >= 0; --v) {
    const Shape shape = shapes[v];
    values[v] = ValuePlan{shape, Layout::nhwc, v, 0, 0, 0, 0};
  }
  for (int32_t i = 0; i < graph.num_nodes; ++i) nodes[i] = NodePlan{};

  // As fast as can be, with the room of one thread: no choice depends on their number.
  PlanOptions one = options;
  one.threads = 1;
  const auto choose = [&](size_t room) { choose_algorithms(graph, values, options, room, nodes); };
  const auto placed = [&](const PlanOptions& with, bool alias) {
    return place(graph, with, alias, values, nodes, scratch, summary);
  };
  run_whole(graph, values, nodes);
  choose(SIZE_MAX);
  LEADLINE_TRY(placed(one, true));
  const bool fits = options.memory_limit == 0 || summary->arena_bytes <= options.memory_limit;
  const bool strips = built_strips && options.on_host && options.strips != Strips::never;
  if (fits && !(strips && options.strips == Strips::always))
    return options.threads == 1 ? Status::ok : placed(options, true);

  // Strips cost next to no time, slower algorithms much: values and scratch shrink first, as far as they have to.
  const size_t fast_prepared = summary->prepared_bytes;
  if (!fits) choose(0);
  LEADLINE_TRY(placed(one, true));
  size_t least = summary->arena_bytes;
  bool alias = true;
  if (strips) {
    run_whole(graph, values, nodes);
    find_lifetimes(graph, values, nodes);
    const size_t target = options.strips == Strips::always || options.memory_limit < fast_prepared
                              ? 0
                              : options.memory_limit - fast_prepared;
    choose_strips(graph, values, nodes, one, target, scratch);
    LEADLINE_TRY(placed(one, false));
    const size_t apart = summary->arena_bytes;
    LEADLINE_TRY(placed(one, true));
    alias = summary->arena_bytes <= apart;
    const size_t with_strips = alias ? summary->arena_bytes : apart;
    if (with_strips < least) {
      least = with_strips;
    } else {
      run_whole(graph, values, nodes);
      alias = true;
    }
  }
  // What the limit leaves is for faster algorithms. Their scratch and, in strips, their windows are larger: where the
  // estimate was too bold, less of them.
  if (!fits) {
    size_t room = options.memory_limit > least ? options.memory_limit - least : 0;
    for (int tries = 4;; --tries) {
      choose(room);
      LEADLINE_TRY(placed(one, alias));
      if (summary->arena_bytes <= options.memory_limit || room == 0) break;
      const size_t excess = summary->arena_bytes - options.memory_limit;
      room = tries > 0 && room > excess ? room - excess : 0;
    }
  }
  return placed(options, alias);
}

} // namespace leadline
