// bench_model --model.network unet --size 224x224 --out DIR/NAME: writes NAME.lead and NAME.onnx, the same folded
// network with the same random weights, for bench_network and for other engines (peers.py). Any network and option of
// `leadline train` ([model] settings).
#include "inference/golden.hpp"
#include "shared/model/fold.hpp"
#include "trainer/networks/initialise.hpp"
#include "trainer/onnx_writer.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/train_settings.hpp"

#include <algorithm>
#include <cstdio>

using namespace leadline;
using namespace leadline::trainer;

namespace {

std::vector<OptionGroup> options() {
  std::vector<OptionGroup> groups{{"Model to write",
                                   {{"out", "", "path without ending: OUT.lead and OUT.onnx are written"},
                                    {"size", "224x224", "HEIGHTxWIDTH of the input"},
                                    {"seed", "1", "of the weights"},
                                    {"help", "", "this text", {}, true}}}};
  for (const OptionGroup& group : train_option_groups())
    if (group.title == "Model") groups.push_back(group);
  return groups;
}

/// An answer that is the same everywhere would prove nothing about engines that agree on it.
void check_answer(const std::vector<float>& golden) {
  const auto [low, high] = std::minmax_element(golden.begin(), golden.end());
  if (!(*high - *low > 1e-3f * std::max(1e-6f, std::max(*high, -*low))))
    throw Error({.field = "--seed",
                 .reason = "with these weights the network's answer is " + std::to_string(*high) + " everywhere",
                 .fix = "Take another seed"});
}

int run(int argc, char** argv) {
  Settings settings(options());
  const std::vector<std::string> rest = read_command_line({argv + 1, argv + argc}, "bench_model", settings);
  if (settings.given("help")) return std::printf("%s", option_help(options()).c_str()), 0;
  if (!rest.empty()) throw Error({.file = "bench_model", .field = rest.front(), .reason = "is not an option"});
  const auto [height, width] = settings.size("size");
  const std::string out = settings.required("out");

  const Graph trained = build_network(settings, {1, height, width, 3});
  std::vector<std::vector<double>> weights;
  for (int i = 0; i < static_cast<int>(trained.weight_shapes.size()); ++i)
    weights.push_back(initial_weight(trained, i, Initialisation::kaiming_normal,
                                     static_cast<uint64_t>(settings.integer("seed", 0, INT32_MAX))));
  // Other engines get the network as its authors drew it, with batch norms folded as all engines do; ours is exported
  // as `leadline export` does.
  const FoldedGraph plain = fold_graph(trained, weights, false);
  FoldedGraph folded = fold_graph(trained, weights);

  ModelSpec spec;
  spec.graph = &folded.graph;
  spec.weights = std::move(folded.weights);
  spec.preprocess.height = height;
  spec.preprocess.width = width;
  spec.output = OutputKind::values;
  spec.provenance = {{"network", trained.name}, {"data", "random weights"}};
  spec.golden = compute_golden(spec);
  check_answer(spec.golden);
  write_model(out + ".lead", spec);
  write_onnx(out + ".onnx", plain.graph, plain.weights);

  index_t parameters = 0, macs = 0;
  for (const Shape& shape : folded.graph.weight_shapes) parameters += shape.count();
  const std::vector<Shape> shapes = folded.graph.infer(folded.graph.input_shape);
  for (size_t i = 0; i < folded.graph.nodes.size(); ++i)
    macs += node_macs(folded.graph.view(), static_cast<int32_t>(i), shapes.data());
  std::printf("%s.lead, %s.onnx: %s, %dx%d, %zu layers, %.2f M parameters, %.2f GMAC\n", out.c_str(), out.c_str(),
              trained.name.c_str(), height, width, folded.graph.nodes.size(), static_cast<double>(parameters) * 1e-6,
              static_cast<double>(macs) * 1e-9);
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_model: error: %s\n", error.what());
    return 1;
  }
}
