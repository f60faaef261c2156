#include "trainer/quantization_aware.hpp"

#include "data/error.hpp"
#include "shared/model/fold.hpp"
#include "trainer/train_settings.hpp"
#include "trainer/weight_io.hpp"

#include <algorithm>

namespace leadline::trainer {

namespace {

/// What a checkpoint calls a value: the node that makes it.
std::vector<std::string> value_names(const Graph& graph) {
  std::vector<std::string> names(static_cast<size_t>(graph.num_values), "input");
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    names[static_cast<size_t>(graph.nodes[i].output)] = graph.node_names[i];
  return names;
}

std::vector<std::vector<double>> zeros_of(const Graph& graph) {
  std::vector<std::vector<double>> weights;
  for (const Shape& shape : graph.weight_shapes) weights.emplace_back(static_cast<size_t>(shape.count()));
  return weights;
}

/// Takes the fused activation out of a node that can't be trained with one, and returns it.
ActivationParams take_activation(Node& node) {
  ActivationParams taken = make_activation(ActivationKind::identity);
  const auto take = [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    auto params = node.get<Layer>();
    std::swap(taken, params.activation);
    node.set<Layer>(params);
  };
  if (node.kind == layer_kind<Conv2d>) take(LayerTag<Conv2d>{});
  if (node.kind == layer_kind<ConvTranspose2d>) take(LayerTag<ConvTranspose2d>{});
  if (node.kind == layer_kind<Linear>) take(LayerTag<Linear>{});
  return taken;
}

/// Whether a node's results are among its sources' values, so that they needn't be rounded again.
bool keeps_values(const Node& node) {
  return shares_grid(node.kind) && (node.kind != layer_kind<Resize> || node.get<Resize>().mode == ResizeMode::nearest);
}

} // namespace

bool quantization_aware(const Settings& settings) { return settings.boolean("quantize.aware"); }

Graph float_graph(const Settings& settings) {
  const Graph graph = graph_settings(settings);
  return quantization_aware(settings) ? fold_graph(graph, zeros_of(graph)).graph : graph; // whatever the weights are
}

TrainingGraph round_values(const Graph& floats, const std::vector<ValueRange>& ranges) {
  const std::vector<bool> on_bytes = nodes_on_bytes(floats, int8_products(floats).able);
  const std::vector<Quantization> grids = value_grids(floats, on_bytes, ranges);
  const std::vector<std::string> names = value_names(floats);
  TrainingGraph result;
  Graph& graph = result.graph = floats;
  graph.nodes.clear();
  graph.node_names.clear();
  graph.outputs.clear();
  graph.num_values = 1;
  // The old values in the new graph: as they are made, and rounded (no_index: not yet).
  std::vector<int32_t> made(static_cast<size_t>(floats.num_values), no_index), rounded = made;
  made[0] = 0;
  const auto add = [&](const Node& node, const std::string& name) {
    graph.nodes.push_back(node);
    graph.node_names.push_back(name);
    return graph.nodes.back().output = graph.num_values++;
  };
  const auto behind = [&]<class Layer>(LayerTag<Layer>, const typename Layer::Params& params, int32_t value,
                                       const std::string& name) {
    Node node;
    node.set<Layer>(params);
    node.num_inputs = 1;
    node.inputs[0] = value;
    return add(node, name);
  };
  const auto as_bytes = [&](int32_t value) {
    const auto v = static_cast<size_t>(value);
    if (rounded[v] == no_index)
      rounded[v] = behind(LayerTag<Quantize>{}, {grids[v].scale, grids[v].zero_point}, made[v], names[v] + ".quantize");
    return rounded[v];
  };
  for (size_t i = 0; i < floats.nodes.size(); ++i) {
    Node node = floats.nodes[i];
    const auto v = static_cast<size_t>(node.output);
    for (int s = 0; s < node.num_inputs; ++s)
      node.inputs[s] = on_bytes[i] ? as_bytes(node.inputs[s]) : made[static_cast<size_t>(node.inputs[s])];
    const ActivationParams activation = take_activation(node);
    if (on_bytes[i] && node.weights[0] != no_index) result.rounded.push_back(static_cast<int32_t>(graph.nodes.size()));
    made[v] = add(node, names[v]);
    if (activation.kind != ActivationKind::identity)
      made[v] = behind(LayerTag<Activation>{}, activation, made[v], names[v] + ".activation");
    if (!on_bytes[i]) continue;
    if (keeps_values(floats.nodes[i])) rounded[v] = made[v];
    made[v] = as_bytes(static_cast<int32_t>(v)); // floats, too, are made from the bytes
  }
  for (const int32_t v : floats.outputs) graph.outputs.push_back(made[static_cast<size_t>(v)]);
  graph.infer(graph.input_shape);
  for (size_t v = 0; v < names.size(); ++v) result.ranges.push_back({names[v], {2}, {ranges[v].low, ranges[v].high}});
  return result;
}

std::vector<ValueRange> ranges_of(const Graph& graph, const std::vector<NamedArray>& ranges, const std::string& file) {
  std::vector<ValueRange> found;
  for (const std::string& name : value_names(graph)) {
    const auto range =
        std::find_if(ranges.begin(), ranges.end(), [&](const NamedArray& array) { return array.name == name; });
    if (range == ranges.end() || range->values.size() != 2 || !(range->values[0] <= 0) || !(range->values[1] >= 0))
      throw Error({.file = file,
                   .field = "range " + name,
                   .reason = range == ranges.end() ? "the checkpoint is of another network: this one is missing"
                                                   : "it isn't a number up to 0 and one from 0",
                   .fix = "Use the settings that it was trained with, or train again from the float run"});
    found.push_back({range->values[0], range->values[1]});
  }
  return found;
}

TrainingGraph training_graph(const Settings& settings, const std::vector<NamedArray>& ranges, const std::string& file) {
  Graph floats = float_graph(settings);
  if (!quantization_aware(settings)) return {std::move(floats), {}, {}};
  return round_values(floats, ranges_of(floats, ranges, file));
}

Checkpoint quantization_aware_start(const Settings& settings, const Checkpoint& trained, const std::string& file,
                                    const data::Dataset& frames) {
  if (!trained.ranges.empty())
    throw Error({.file = file,
                 .field = "quantize.aware",
                 .value = "true",
                 .reason = "this run has been trained with int8's rounding, and is folded",
                 .fix = "Go on with --resume and more epochs, or begin with the float run that it began with"});
  const Graph graph = graph_settings(settings);
  check_weights(graph, trained.weights, file);
  std::vector<std::vector<double>> weights;
  for (int i = 0; i < static_cast<int>(graph.weight_shapes.size()); ++i)
    weights.push_back(internal_values<double>(graph, i, trained.weights));
  const FoldedGraph folded = fold_graph(graph, weights);
  if (const std::string why = int8_products(folded.graph).too_few(folded.graph); !why.empty())
    settings.fail("quantize.aware", why, "Train with model.activation relu or relu6 first, or leave it out");

  const auto most = static_cast<size_t>(settings.integer("quantize.calibration_frames", 1, 1 << 20));
  const std::vector<ValueRange> ranges = observe_ranges(
      folded.graph, folded.weights, network_inputs(preprocess_settings(settings), frames, spread(frames.size(), most)),
      settings.text("quantize.calibration") == "min_max" ? RangeMethod::min_max : RangeMethod::percentile);
  Checkpoint start = trained;
  start.ranges = round_values(folded.graph, ranges).ranges;
  start.weights.clear();
  start.trained_weights.clear();
  for (int i = 0; i < static_cast<int>(folded.weights.size()); ++i)
    start.weights.push_back(pytorch_array(folded.graph, i, folded.graph.weight_names[static_cast<size_t>(i)],
                                          folded.weights[static_cast<size_t>(i)]));
  return start;
}

} // namespace leadline::trainer
