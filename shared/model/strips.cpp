#include "shared/model/strips.hpp"

namespace leadline {
namespace {

index_t larger(index_t a, index_t b) { return a > b ? a : b; }
index_t lesser(index_t a, index_t b) { return a < b ? a : b; }

constexpr index_t rows_per_strip = 16; ///< of the highest value of a group, about
constexpr int32_t max_strips = 64;

/// Where a strip's rows have to begin.
index_t row_multiple(const Node& node, const LayerShapes& shapes, Algorithm algorithm) {
  if (algorithm == Algorithm::winograd4) return 4;
  if (algorithm == Algorithm::winograd6) return 6;
  index_t multiple = 1;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (requires(const typename Layer::Params& p) { Layer::strip_multiple(p, shapes); })
      multiple = Layer::strip_multiple(node.get<Layer>(), shapes);
  });
  return multiple;
}

/// f(source) for the inputs of nodes (i, last] that are node i's output.
template <class F> void for_each_reader(const GraphView& graph, int32_t i, int32_t last, const F& f) {
  const int32_t value = graph.nodes[i].output;
  for (int32_t r = i + 1; r <= last; ++r)
    for (int s = 0; s < graph.nodes[r].num_inputs; ++s)
      if (graph.nodes[r].inputs[s] == value) f(r);
}

/// Whether a node can be in a group.
bool runs_in_strips(const GraphView& graph, int32_t i, const ValuePlan* values, const NodePlan* nodes) {
  if (graph.runs_on_bytes(i)) return false;
  const LayerShapes shapes = node_shapes(graph, i, values);
  for (int s = 0; s < shapes.num_src; ++s)
    if (shapes.src[s].n != 1) return false;
  const Algorithm algorithm = nodes[i].algorithm;
  Rows src;
  return runs_rows(algorithm) && shapes.dst.n == 1 &&
         strip_node(graph.nodes[i], shapes, {0, row_multiple(graph.nodes[i], shapes, algorithm)}, &src, nullptr) &&
         strip_node(graph.nodes[i], shapes, {0, shapes.dst.h}, &src, nullptr);
}

int32_t strips_of(const GraphView& graph, int32_t first, int32_t last, const ValuePlan* values) {
  index_t rows = 0;
  for (int32_t i = first; i <= last; ++i) rows = larger(rows, values[graph.nodes[i].output].shape.h);
  return static_cast<int32_t>(lesser(rows / rows_per_strip, max_strips));
}

/// Makes nodes first to last a group of `strips` parts; of single nodes if `strips` is below 2.
void set_group(const GraphView& graph, ValuePlan* values, NodePlan* nodes, int32_t first, int32_t last,
               int32_t strips) {
  const bool grouped = strips > 1;
  for (int32_t i = first; i <= last; ++i) {
    nodes[i].group_first = grouped ? first : i;
    nodes[i].group_last = grouped ? last : i;
    nodes[i].strips = grouped ? strips : 1;
    nodes[i].early_strips = 0;
    nodes[i].made = 0;
  }
  if (!grouped) return;
  // What the first part would need at once, in parts.
  want_strip(graph, values, nodes, first, 0);
  index_t early = 0;
  for (int32_t i = first; i <= last; ++i) {
    const index_t rows = values[graph.nodes[i].output].shape.h;
    if (rows >= strips) early = larger(early, nodes[i].wanted * strips / rows - 1);
  }
  early = lesser(early, strips);
  for (int32_t i = first; i <= last; ++i) {
    nodes[i].early_strips = static_cast<int32_t>(early);
    nodes[i].strips = strips + nodes[i].early_strips;
  }
}

constexpr index_t floor_div(index_t a, index_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

} // namespace

bool strip_node(const Node& node, const LayerShapes& shapes, Rows dst, Rows* src, unsigned char* params) {
  bool can = false;
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (is_pointwise<Layer>()) {
      *src = dst;
      can = true;
    } else if constexpr (requires(typename Layer::Params * p) { Layer::strip(p, shapes, dst, src); }) {
      typename Layer::Params p = node.get<Layer>();
      can = Layer::strip(&p, shapes, dst, src);
      if (params) memcpy(params, &p, sizeof p);
    }
  });
  return can;
}

void want_strip(const GraphView& graph, const ValuePlan* values, NodePlan* nodes, int32_t first, int32_t k) {
  const int32_t last = nodes[first].group_last;
  for (int32_t i = last; i >= first; --i) {
    NodePlan& node = nodes[i];
    const index_t rows = values[graph.nodes[i].output].shape.h;
    index_t wanted = -rows;
    bool read = false;
    for_each_reader(graph, i, last, [&](int32_t r) {
      read = true;
      const LayerShapes shapes = node_shapes(graph, r, values);
      Rows src{0, rows}; // as a whole
      if (shapes.src[0].h == rows) {
        // Before the first row: as far before what that needs.
        const index_t row = nodes[r].wanted - 1, inside = larger(row, 0);
        strip_node(graph.nodes[r], shapes, {inside, inside + 1}, &src, nullptr);
        if (row < 0) src.last += floor_div(row * rows, shapes.dst.h);
      }
      wanted = larger(wanted, src.last);
    });
    const index_t parts = node.strips - node.early_strips;
    if (!read) wanted = -floor_div(-rows * (k + 1 - node.early_strips), parts); // rounded up
    const index_t multiple = row_multiple(graph.nodes[i], node_shapes(graph, i, values), node.algorithm);
    wanted = -floor_div(-wanted, multiple) * multiple;
    node.wanted = k + 1 == node.strips ? rows : lesser(wanted, rows);
  }
  for (int32_t i = first; i <= last; ++i) nodes[i].wanted = larger(nodes[i].wanted, nodes[i].made);
}

index_t first_needed_row(const GraphView& graph, const ValuePlan* values, const NodePlan* nodes, int32_t i) {
  index_t needed = nodes[i].made;
  for_each_reader(graph, i, nodes[i].group_last, [&](int32_t r) {
    const LayerShapes shapes = node_shapes(graph, r, values);
    if (nodes[r].made >= shapes.dst.h) return;
    Rows src;
    if (shapes.src[0].h == values[graph.nodes[i].output].shape.h)
      strip_node(graph.nodes[r], shapes, {nodes[r].made, nodes[r].made + 1}, &src, nullptr);
    needed = lesser(needed, src.first);
  });
  return needed;
}

void measure_strips(const GraphView& graph, ValuePlan* values, NodePlan* nodes, int32_t first, int32_t strips,
                    const PlanOptions& options) {
  const int32_t last = nodes[first].group_last;
  const auto inside = [&](const ValuePlan& value) {
    return value.last <= last; // nobody behind the group reads it
  };
  for (int32_t i = first; i <= last; ++i) {
    nodes[i].workspace_bytes = 0;
    ValuePlan& value = values[graph.nodes[i].output];
    value.window = inside(value) ? 1 : 0;
  }
  int32_t begun = 0;
  run_strips(graph, values, nodes, first, [&](int32_t i, index_t) {
    if (i == first && begun++ == strips) return false;
    const Node& node = graph.nodes[i];
    ValuePlan& value = values[node.output];
    if (value.window > 0) value.window = larger(value.window, nodes[i].wanted - value.kept);
    LayerShapes shapes = node_shapes(graph, i, values);
    shapes.threads = options.threads;
    const Rows rows{nodes[i].made, nodes[i].wanted};
    Rows src;
    Node part = node;
    strip_node(node, shapes, rows, &src, part.params);
    for (int s = shapes.num_src - 1; s >= 0; --s)
      if (shapes.src[s].h == shapes.src[0].h) shapes.src[s].h = src.last - src.first;
    shapes.dst.h = rows.last - rows.first;
    const size_t bytes = node_workspace(part, shapes, nodes[i].algorithm, nodes[i].in_run, options.element);
    if (bytes > nodes[i].workspace_bytes) nodes[i].workspace_bytes = bytes;
    return true;
  });
}

void choose_strips(const GraphView& graph, ValuePlan* values, NodePlan* nodes, const PlanOptions& options,
                   size_t target, Interval* scratch) {
  const int32_t n = graph.num_nodes;
  // Groups are short, so that the number of those that are looked at times their length stays bounded.
  constexpr int32_t longest = 32, shortest = 6;
  const int32_t most_nodes = n > 512 ? shortest : longest;
  constexpr int32_t strips_to_steady_state = 4;
  /// What a group does more than once, in about values of weights.
  const auto repeated = [&](int32_t first, int32_t last) {
    constexpr size_t launch = 4096;
    size_t sum = 0;
    const int32_t strips = first < last ? strips_of(graph, first, last, values) : 0;
    for (int32_t i = first; i <= last; ++i) {
      const int32_t w = graph.nodes[i].weights[0];
      sum += static_cast<size_t>(strips) *
             (launch + (w == no_index ? 0 : static_cast<size_t>(graph.weight_shapes[w].count())));
    }
    return sum;
  };

  /// Bytes while nodes first to last run: at once where that is one node, else strip by strip; SIZE_MAX if they can't.
  const auto footprint = [&](int32_t first, int32_t last) -> size_t {
    size_t bytes = nodes[first].workspace_bytes;
    if (first < last) {
      const int32_t strips = strips_of(graph, first, last, values);
      if (strips < 2) return SIZE_MAX;
      bytes = 0;
      size_t whole[longest];
      for (int32_t i = first; i <= last; ++i) whole[i - first] = nodes[i].workspace_bytes;
      set_group(graph, values, nodes, first, last, strips);
      measure_strips(graph, values, nodes, first, nodes[first].early_strips + strips_to_steady_state, options);
      for (int32_t i = first; i <= last; ++i) {
        if (nodes[i].workspace_bytes > bytes) bytes = nodes[i].workspace_bytes;
        nodes[i].workspace_bytes = whole[i - first];
      }
      set_group(graph, values, nodes, first, last, 1);
    }
    for (int32_t v = 0; v < graph.num_values; ++v)
      if (values[v].first <= last && first <= values[v].last)
        bytes += align_up(buffer_bytes(graph, values, v, options.element));
    for (int32_t i = first; i <= last; ++i) values[graph.nodes[i].output].window = 0;
    return bytes;
  };

  // A node's entry: the smallest peak of a way to run the nodes up to it, what that repeats (`place`), and where the
  // last group begins.
  for (int round = 0; round < 2; ++round) {
    for (int32_t last = 0; last < n; ++last) {
      Interval& best = scratch[last];
      best.bytes = SIZE_MAX;
      for (int32_t first = last; first >= 0 && last - first < most_nodes; --first) {
        if (first < last && !runs_in_strips(graph, first, values, nodes)) break;
        if (first == last - 1 && !runs_in_strips(graph, last, values, nodes)) break;
        size_t peak = footprint(first, last);
        if (peak < target) peak = target;
        size_t cost = repeated(first, last);
        if (first > 0) {
          if (scratch[first - 1].bytes > peak) peak = scratch[first - 1].bytes;
          cost += scratch[first - 1].place;
        }
        if (peak < best.bytes || (peak == best.bytes && cost < best.place)) {
          best.bytes = peak;
          best.place = cost;
          best.first = first;
        }
      }
    }
    const size_t possible = scratch[n - 1].bytes; // again, with as little repeated as it takes
    if (possible > target) target = possible + possible / 16;
  }
  for (int32_t last = n - 1; last >= 0;) {
    const int32_t first = scratch[last].first;
    set_group(graph, values, nodes, first, last, first < last ? strips_of(graph, first, last, values) : 1);
    last = first - 1;
  }
}

} // namespace leadline
