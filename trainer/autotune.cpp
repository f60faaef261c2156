#include "trainer/autotune.hpp"

#include "trainer/planned_pass.hpp"

#include <chrono>
#include <cstdio>
#include <limits>

namespace leadline::trainer {

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Shortest time of every node when all that can run by `algorithm`; infinity for nodes that run by another then.
std::vector<double> measure(const Graph& graph, const std::vector<std::vector<float>>& weights, Algorithm algorithm,
                            int rounds) {
  PlanOptions options;
  options.every = algorithm;
  const PlannedPass<HostExec> pass(HostExec(), graph, weights, options);
  std::vector<float> pixels(static_cast<size_t>(pass.input_values()));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i % 7) - 3;
  pass.upload_input(pixels);

  std::vector<double> shortest(graph.nodes.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < rounds; ++round)
    for (int32_t i = 0; i < pass.num_nodes(); ++i) {
      const double start = now();
      pass.run_node(i);
      const double seconds = now() - start;
      const auto at = static_cast<size_t>(i);
      if (pass.algorithm(i) == algorithm && seconds < shortest[at]) shortest[at] = seconds;
    }
  return shortest;
}

} // namespace

std::vector<Algorithm> autotune(const Graph& graph, const std::vector<std::vector<float>>& weights,
                                ComputePrecision precision, int rounds, std::string* report) {
  std::vector<Algorithm> candidates{Algorithm::host_gemm, Algorithm::winograd4, Algorithm::winograd6};
  if (precision == ComputePrecision::bf16) candidates.push_back(Algorithm::bf16);
  std::vector<std::vector<double>> seconds;
  for (const Algorithm candidate : candidates) seconds.push_back(measure(graph, weights, candidate, rounds));

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
