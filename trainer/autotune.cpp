#include "trainer/autotune.hpp"

#include "shared/core/exec.hpp"
#include "shared/model/memory_plan.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>

namespace leadline::trainer {

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Shortest time of every node when all that can run by `algorithm`; infinity for nodes that run by another then.
std::vector<double> measure(const Graph& graph, const std::vector<const void*>& weights, Algorithm algorithm,
                            int rounds) {
  const GraphView view = graph.view();
  std::vector<ValuePlan> values(static_cast<size_t>(view.num_values));
  std::vector<NodePlan> nodes(static_cast<size_t>(view.num_nodes));
  std::vector<Interval> scratch(values.size() + 1);
  PlanSummary summary;
  GraphError error;
  PlanOptions options;
  options.every = algorithm;
  if (plan_inference(view, graph.input_shape, options, values.data(), nodes.data(), scratch.data(), &summary, &error) !=
      Status::ok)
    throw std::invalid_argument("autotune: the graph can't be planned: " + std::string(error.what));
  const std::unique_ptr<unsigned char, decltype(&std::free)> arena(
      static_cast<unsigned char*>(std::aligned_alloc(workspace_alignment, align_up(summary.arena_bytes))), &std::free);
  if (!arena) throw std::bad_alloc();
  prepare_inference<float>(HostExec(), view, values.data(), nodes.data(), weights.data(), arena.get());
  const Tensor<float> input = value_tensor<float>(values.data(), view.input, arena.get());
  for (index_t i = 0; i < input.shape.count(); ++i) input.data[i] = static_cast<float>(i % 7) - 3;

  std::vector<double> shortest(nodes.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < rounds; ++round)
    for (int32_t i = 0; i < view.num_nodes; ++i) {
      const double start = now();
      run_node<float>(HostExec(), view, i, values.data(), nodes.data(), summary, weights.data(), arena.get());
      const double seconds = now() - start;
      const auto at = static_cast<size_t>(i);
      if (nodes[at].algorithm == algorithm && seconds < shortest[at]) shortest[at] = seconds;
    }
  return shortest;
}

} // namespace

std::vector<Algorithm> autotune(const Graph& graph, const std::vector<std::vector<float>>& weights,
                                ComputePrecision precision, int rounds, std::string* report) {
  std::vector<const void*> pointers;
  for (const auto& weight : weights) pointers.push_back(weight.data());
  std::vector<Algorithm> candidates{Algorithm::host_gemm, Algorithm::winograd4, Algorithm::winograd6};
  if (precision == ComputePrecision::bf16) candidates.push_back(Algorithm::bf16);
  std::vector<std::vector<double>> seconds;
  for (const Algorithm candidate : candidates) seconds.push_back(measure(graph, pointers, candidate, rounds));

  std::vector<Algorithm> best(graph.nodes.size(), automatic);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!allowed_algorithm(graph.nodes[i].kind, Algorithm::host_gemm)) continue;
    size_t fastest = 0;
    for (size_t c = 1; c < candidates.size(); ++c)
      if (seconds[c][i] < seconds[fastest][i]) fastest = c;
    best[i] = candidates[fastest];
    char text[160];
    std::snprintf(text, sizeof text, "%-24s %-10s", graph.node_names[i].c_str(), algorithm_name(best[i]));
    *report += text;
    for (size_t c = 0; c < candidates.size(); ++c)
      if (seconds[c][i] < std::numeric_limits<double>::infinity()) {
        std::snprintf(text, sizeof text, "  %s %.3f ms", algorithm_name(candidates[c]), seconds[c][i] * 1e3);
        *report += text;
      }
    *report += '\n';
  }
  return best;
}

} // namespace leadline::trainer
