#include "shared/model/reorder.hpp"

#include "shared/model/memory_plan.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace leadline {

namespace {

bool pointwise(const Node& node) {
  if (node.kind != layer_kind<Conv2d>) return false;
  const Conv2d::Params p = node.get<Conv2d>();
  return p.kernel_h == 1 && p.kernel_w == 1 && p.stride_h == 1 && p.stride_w == 1 && p.padding_top == 0 &&
         p.padding_bottom == 0 && p.padding_left == 0 && p.padding_right == 0;
}

/// The one node that reads `value`, which is no output of the graph; -1 if there is none or several.
int only_reader(const Graph& graph, int32_t value) {
  if (std::count(graph.outputs.begin(), graph.outputs.end(), value) != 0) return -1;
  int reader = -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const auto reads = std::count(node.inputs, node.inputs + node.num_inputs, value);
    if (reads == 0) continue;
    if (reads > 1 || reader >= 0) return -1;
    reader = static_cast<int>(i);
  }
  return reader;
}

/// What the search knows of a graph.
struct OrderProblem {
  std::vector<size_t> bytes;             ///< of each value
  std::vector<int> producer;             ///< of each value; -1: the input
  std::vector<std::vector<int>> readers; ///< of each value, once each
  std::vector<bool> is_output;
  std::vector<bool> takes_over; ///< per node: its output can lie where sources lay that die with it

  explicit OrderProblem(const Graph& graph)
      : producer(static_cast<size_t>(graph.num_values), -1), readers(producer.size()), is_output(producer.size()) {
    for (const Shape& shape : graph.infer(graph.input_shape))
      bytes.push_back(align_up(static_cast<size_t>(shape.count()) * sizeof(float)));
    for (const int32_t v : graph.outputs) is_output[static_cast<size_t>(v)] = true;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      producer[static_cast<size_t>(node.output)] = static_cast<int>(i);
      for (int s = 0; s < node.num_inputs; ++s) {
        std::vector<int>& list = readers[static_cast<size_t>(node.inputs[s])];
        if (list.empty() || list.back() != static_cast<int>(i)) list.push_back(static_cast<int>(i));
      }
      bool over = node.kind == layer_kind<Concat>;
      visit_layer(node.kind, [&](auto tag) { over = over || forward_in_place<typename decltype(tag)::Layer>() != 0; });
      takes_over.push_back(over);
    }
  }
};

/// Some nodes have run: the best way to get there.
struct OrderState {
  size_t peak = 0, live = 0; ///< largest sum of values so far, and that of now
  double area = 0;           ///< of all sums: of equal peaks the lower profile wins
  const std::vector<bool>* before = nullptr;
  int node = -1; ///< that ran last
};

/// A good order of the nodes; empty if there is none but the graph's own.
std::vector<size_t> search_order(const Graph& graph) {
  constexpr size_t most_states = 600;
  const OrderProblem problem(graph);
  const size_t n = graph.nodes.size();
  using Level = std::map<std::vector<bool>, OrderState>;
  std::vector<Level> levels(n + 1);
  OrderState start;
  start.live = start.peak = problem.bytes[0];
  levels[0].emplace(std::vector<bool>(n), start);
  for (size_t k = 0; k < n; ++k) {
    if (levels[k].size() > most_states) { // keep the best
      std::vector<std::pair<std::pair<size_t, double>, const std::vector<bool>*>> ranked;
      for (const auto& [done, state] : levels[k]) ranked.push_back({{state.peak, state.area}, &done});
      std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first < b.first : *a.second < *b.second;
      });
      Level kept;
      for (size_t i = 0; i < most_states; ++i) kept.insert(levels[k].extract(*ranked[i].second));
      levels[k] = std::move(kept);
    }
    for (const auto& [done, state] : levels[k])
      for (size_t i = 0; i < n; ++i) {
        const Node& node = graph.nodes[i];
        bool ready = !done[i];
        for (int s = 0; s < node.num_inputs && ready; ++s) {
          const int from = problem.producer[static_cast<size_t>(node.inputs[s])];
          ready = from < 0 || done[static_cast<size_t>(from)];
        }
        if (!ready) continue;
        size_t dying = 0;
        for (int s = 0; s < node.num_inputs; ++s) {
          const auto v = static_cast<size_t>(node.inputs[s]);
          bool dies =
              !problem.is_output[v] && std::find(node.inputs, node.inputs + s, node.inputs[s]) == node.inputs + s;
          for (const int r : problem.readers[v])
            dies = dies && (static_cast<size_t>(r) == i || done[static_cast<size_t>(r)]);
          if (dies) dying += problem.bytes[v];
        }
        const auto output = static_cast<size_t>(node.output);
        const size_t made = problem.bytes[output];
        const size_t over = problem.takes_over[i] ? std::min(dying, made) : 0;
        OrderState next;
        next.peak = std::max(state.peak, state.live + made - over);
        const bool unused = problem.readers[output].empty() && !problem.is_output[output];
        next.live = state.live + made - dying - (unused ? made : 0);
        next.area = state.area + static_cast<double>(state.live + made - over);
        next.before = &done;
        next.node = static_cast<int>(i);
        std::vector<bool> set = done;
        set[i] = true;
        const auto [at, is_new] = levels[k + 1].try_emplace(std::move(set), next);
        if (!is_new && std::pair(next.peak, next.area) < std::pair(at->second.peak, at->second.area)) at->second = next;
      }
  }
  std::vector<size_t> order(n);
  const std::vector<bool>* done = &levels[n].begin()->first;
  for (size_t k = n; k > 0; --k) {
    const OrderState& state = levels[k].at(*done);
    order[k - 1] = static_cast<size_t>(state.node);
    done = state.before;
  }
  return order;
}

/// Bytes of the fastest plan and of the smallest.
std::pair<size_t, size_t> planned_bytes(const Graph& graph) {
  std::vector<ValuePlan> values(static_cast<size_t>(graph.num_values));
  std::vector<NodePlan> nodes(graph.nodes.size());
  std::vector<Interval> scratch(values.size() + nodes.size());
  const auto bytes = [&](size_t limit) {
    PlanOptions options;
    options.memory_limit = limit;
    PlanSummary summary;
    GraphError error;
    const Status status = plan_inference(graph.view(), graph.input_shape, options, values.data(), nodes.data(),
                                         scratch.data(), &summary, &error);
    return status == Status::ok ? summary.arena_bytes : SIZE_MAX;
  };
  return {bytes(0), bytes(1)};
}

} // namespace

void least_memory_order(Graph* graph) {
  const std::vector<size_t> order = search_order(*graph);
  Graph other = *graph;
  for (size_t i = 0; i < order.size(); ++i) {
    other.nodes[i] = graph->nodes[order[i]];
    other.node_names[i] = graph->node_names[order[i]];
  }
  const auto [fast, small] = planned_bytes(*graph);
  const auto [other_fast, other_small] = planned_bytes(other);
  if (other_fast <= fast && other_small <= small && (other_fast < fast || other_small < small))
    *graph = std::move(other);
}

void up_sample_late(Graph* graph) {
  // From the last node to the first: an up-sampling that has moved back may move again, over the next convolution.
  for (size_t i = graph->nodes.size(); i-- > 0;) {
    for (size_t at = i;;) {
      const std::vector<Shape> shapes = graph->infer(graph->input_shape);
      Node& up = graph->nodes[at];
      if (up.kind != layer_kind<Resize> || up.get<Resize>().mode != ResizeMode::nearest) break;
      if (shapes[static_cast<size_t>(up.output)].pixels() <= shapes[static_cast<size_t>(up.inputs[0])].pixels()) break;
      const int reader = only_reader(*graph, up.output);
      if (reader < 0 || !pointwise(graph->nodes[static_cast<size_t>(reader)])) break;
      Node& conv = graph->nodes[static_cast<size_t>(reader)];
      // The convolution now makes the value between, the up-sampling the last one.
      conv.inputs[0] = up.inputs[0];
      up.inputs[0] = up.output;
      std::swap(conv.output, up.output);
      std::swap(up, conv);
      std::swap(graph->node_names[at], graph->node_names[static_cast<size_t>(reader)]);
      at = static_cast<size_t>(reader);
    }
  }
}

} // namespace leadline
