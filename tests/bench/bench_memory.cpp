// bench_memory [--size 224x224] [--networks unet,fastdepth]: what the arena of a session takes, network by network, as
// a Markdown table. All by the planner that devices run; nothing is run here.
//
//   naive    the largest sum of values alive at one layer: order of the network's builder, batch norms folded,
//            activations fused, every value a buffer of its own that is freed after its last reader, concat copies,
//            nothing in place, nothing reordered, perfect packing, no scratch
//   fast     values and scratch of the default plan: concat without copies, work in place, the exported order
//   bound    the least that any placement of that plan's buffers can take: fast / bound is the planner's doing
//   strips   the same algorithms, in strips of rows where that takes less; the same bits
//   smallest `memory_limit` 1: in strips, by the algorithms that take least
// Prepared weights, the kernels' own form, come on top in fast and strips; smallest has none.
#include "shared/model/fold.hpp"
#include "shared/model/memory_plan.hpp"
#include "shared/model/reorder.hpp"
#include "trainer/networks/initialise.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/train_settings.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

using namespace leadline;
using namespace leadline::trainer;

namespace {

std::vector<OptionGroup> options() {
  std::vector<OptionGroup> groups{{"What to measure",
                                   {{"size", "224x224", "HEIGHTxWIDTH of the input"},
                                    {"networks", "", "names separated by commas; empty: all"},
                                    {"threads", "1", "CPU threads: each has scratch of its own"},
                                    {"help", "", "this text", {}, true}}}};
  for (const OptionGroup& group : train_option_groups())
    if (group.title == "Model") groups.push_back(group);
  return groups;
}

FoldedGraph folded(const Graph& trained, bool reorder) {
  std::vector<std::vector<double>> weights;
  for (int i = 0; i < static_cast<int>(trained.weight_shapes.size()); ++i)
    weights.push_back(initial_weight(trained, i, Initialisation::kaiming_normal, 1));
  return fold_graph(trained, weights, reorder);
}

size_t naive_bytes(const Graph& graph) {
  const std::vector<Shape> shapes = graph.infer(graph.input_shape);
  const int steps = static_cast<int>(graph.nodes.size());
  std::vector<int> first(shapes.size(), 0), last(shapes.size(), 0);
  for (int i = 0; i < steps; ++i) {
    const Node& node = graph.nodes[static_cast<size_t>(i)];
    first[static_cast<size_t>(node.output)] = last[static_cast<size_t>(node.output)] = i;
    for (int s = 0; s < node.num_inputs; ++s) last[static_cast<size_t>(node.inputs[s])] = i;
  }
  for (const int32_t v : graph.outputs) last[static_cast<size_t>(v)] = steps;
  size_t largest = 0;
  for (int i = 0; i < steps; ++i) {
    size_t sum = 0;
    for (size_t v = 0; v < shapes.size(); ++v)
      if (first[v] <= i && i <= last[v]) sum += align_up(static_cast<size_t>(shapes[v].count()) * sizeof(float));
    largest = std::max(largest, sum);
  }
  return largest;
}

PlanSummary plan(const Graph& graph, const PlanOptions& plan_options) {
  std::vector<ValuePlan> values(static_cast<size_t>(graph.num_values));
  std::vector<NodePlan> nodes(graph.nodes.size());
  std::vector<Interval> scratch(values.size() + nodes.size());
  PlanSummary summary;
  GraphError error;
  if (plan_inference(graph.view(), graph.input_shape, plan_options, values.data(), nodes.data(), scratch.data(),
                     &summary, &error) != Status::ok)
    throw std::runtime_error(graph.name + ": can't be planned: " + error.what);
  return summary;
}

int run(int argc, char** argv) {
  Settings settings(options());
  const std::vector<std::string> rest = read_command_line({argv + 1, argv + argc}, "bench_memory", settings);
  if (settings.given("help")) return std::printf("%s", option_help(options()).c_str()), 0;
  if (!rest.empty()) throw Error({.file = "bench_memory", .field = rest.front(), .reason = "is not an option"});
  const auto [height, width] = settings.size("size");
  const std::string wanted = "," + settings.text("networks") + ",";

  std::printf(
      "| network | naive MiB | fast MiB | fast / bound | strips MiB | smallest MiB | strips / naive | prepared weights "
      "MiB |\n|---|---|---|---|---|---|---|---|\n");
  for (const Network& network : networks()) {
    if (wanted != ",," && wanted.find("," + network.name + ",") == std::string::npos) continue;
    settings.set("model.network", network.name, "bench_memory");
    const Graph trained = build_network(settings, {1, height, width, 3});
    const size_t naive = naive_bytes(folded(trained, false).graph);
    Graph graph = folded(trained, true).graph;
    least_memory_order(&graph);

    PlanOptions fast_options;
    fast_options.threads = static_cast<int>(settings.integer("threads", 1, 1024));
    PlanOptions strip_options = fast_options, small_options = fast_options;
    fast_options.strips = Strips::never;
    strip_options.strips = Strips::always;
    small_options.memory_limit = 1;
    const PlanSummary fast = plan(graph, fast_options), strips = plan(graph, strip_options),
                      small = plan(graph, small_options);
    const auto mib = [](size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
    const size_t fast_bytes = fast.arena_bytes - fast.prepared_bytes;
    const size_t strip_bytes = strips.arena_bytes - strips.prepared_bytes;
    std::printf("| %s | %.2f | %.2f | %.4f | %.2f | %.2f | %.0f%% | %.2f |\n", network.name.c_str(), mib(naive),
                mib(fast_bytes),
                static_cast<double>(fast_bytes) / static_cast<double>(fast.least_bytes - fast.prepared_bytes),
                mib(strip_bytes), mib(small.arena_bytes),
                100.0 * static_cast<double>(strip_bytes) / static_cast<double>(naive), mib(fast.prepared_bytes));
    std::fflush(stdout);
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_memory: %s\n", error.what());
    return 2;
  }
}
