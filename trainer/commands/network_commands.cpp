// leadline summary, graph: a network to look at before it is trained, or after
#include "shared/model/model_file.hpp"
#include "trainer/commands.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/graph_picture.hpp"
#include "trainer/optimizers/parameter_groups.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/summary.hpp"
#include "trainer/train_settings.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

namespace leadline::trainer {

namespace {

constexpr const char* summary_help =
    R"(leadline summary: a network's layers, shapes, parameters, multiply-adds and memory, in torchinfo's columns.

  leadline summary --model.network unet_plus_plus --data.size 96x128
  leadline summary --config trainer/configs/quickstart.ini --batch 8
  leadline summary runs/office                       a run, or a checkpoint
  leadline summary office.lead                       as devices run it: norms folded, activations fused
)";
constexpr const char* graph_help = R"(leadline graph --out FILE: a network's graph as DOT, or as SVG through Graphviz.

  leadline graph --model.network attention_unet --model.levels 2 --out attention.svg
  leadline graph --config trainer/configs/quickstart.ini --out unet.dot
  leadline graph office.lead --out office.svg
)";

/// The graph of a model file, with its names.
Graph read_model_graph(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.good() && !stream.eof()) throw Error({.file = file, .reason = "it can't be read"});
  const std::unique_ptr<void, void (*)(void*)> memory(
      std::aligned_alloc(model_alignment, align_up(bytes.size() + 1, model_alignment)), std::free);
  if (!memory) throw std::bad_alloc();
  std::copy(bytes.begin(), bytes.end(), static_cast<char*>(memory.get()));
  ModelView view;
  char text[512] = "";
  Message message(text, sizeof text);
  std::vector<Shape> values;
  Status status = read_model(memory.get(), bytes.size(), true, &view, &message);
  if (status == Status::ok) {
    const Shape input = view.default_shape();
    values.resize(static_cast<size_t>(view.graph.num_values));
    status = infer_model(view, static_cast<int32_t>(input.h), static_cast<int32_t>(input.w), values.data(), &message);
  }
  if (status != Status::ok)
    throw Error({.file = file,
                 .reason = std::string(status_text(status)) + (text[0] ? std::string(": ") + text : ""),
                 .fix = "Name a model.lead, a run directory or its checkpoint"});
  Graph graph;
  graph.name = view.string(view.name);
  graph.input_shape = view.default_shape();
  graph.num_values = view.graph.num_values;
  graph.outputs.assign(view.graph.outputs, view.graph.outputs + view.graph.num_outputs);
  graph.nodes.assign(view.graph.nodes, view.graph.nodes + view.graph.num_nodes);
  for (int32_t i = 0; i < view.graph.num_nodes; ++i) graph.node_names.push_back(view.string(view.node_names[i]));
  for (int32_t i = 0; i < view.graph.num_weights; ++i) {
    graph.weight_shapes.push_back(view.graph.weight_shapes[i]);
    graph.weight_names.push_back(view.string(view.weights[i].name));
    graph.trainable.push_back(false);
  }
  for (const Node& node : graph.nodes)
    visit_layer(node.kind, [&](auto tag) {
      for (int slot = 0; slot < decltype(tag)::Layer::trainable_weights; ++slot)
        if (node.weights[slot] != no_index) graph.trainable[static_cast<size_t>(node.weights[slot])] = true;
    });
  return graph;
}

struct ChosenNetwork {
  Graph graph;
  std::vector<bool> frozen; ///< for each weight; empty: a model file, of which nothing is known
};

ChosenNetwork network_of(const Settings& settings) {
  ChosenNetwork network{graph_settings(settings), {}};
  network.frozen.resize(network.graph.weight_shapes.size());
  for (const ParameterGroup& group : parameter_groups(settings, network.graph))
    for (const int weight : group.weights) network.frozen[static_cast<size_t>(weight)] = group.lr_factor == 0;
  return network;
}

/// What both commands look at: a model file, a run, or what the settings describe. False after --help.
bool choose_network(const std::string& command, const char* introduction, const OptionGroup& own,
                    const std::vector<std::string>& arguments, Settings* options, ChosenNetwork* network) {
  std::vector<OptionGroup> groups{own};
  for (OptionGroup& group : train_option_groups()) groups.push_back(std::move(group));
  std::vector<OptionGroup> shown{own};
  for (const OptionGroup& group : groups)
    if (group.title == "Model") shown.push_back(group);
  Settings command_line, settings(groups);
  std::vector<std::string> rest;
  if (!read_options(command, introduction, groups, arguments, &command_line, &rest, &shown)) return false;
  *options = command_line;
  if (rest.size() > 1)
    throw Error({.file = command,
                 .value = rest[1],
                 .reason = "one network at a time",
                 .fix = "Name one model.lead, run or checkpoint"});
  const auto settings_given = [&] {
    for (const std::string& key : command_line.keys())
      if (command_line.given(key) && (key == "config" || key.find('.') != std::string::npos)) return key;
    return std::string();
  };
  if (!rest.empty()) {
    if (const std::string key = settings_given(); !key.empty())
      throw Error({.file = command,
                   .field = "--" + key,
                   .reason = rest[0] + " has its own settings",
                   .fix = "Leave one of the two out"});
    if (rest[0].ends_with(".ini"))
      throw Error({.file = command,
                   .value = rest[0],
                   .reason = "a settings file is given by name",
                   .fix = "Use --config " + rest[0]});
    if (rest[0].ends_with(".lead") && std::filesystem::is_regular_file(rest[0])) {
      network->graph = read_model_graph(rest[0]);
      return true;
    }
    const std::string file = find_checkpoint(rest[0], true);
    *network = network_of(checkpoint_settings(read_checkpoint(file), file));
    return true;
  }
  apply_settings(command_line, settings);
  *network = network_of(settings);
  return true;
}

const OptionSpec config_option{"config", "", "settings file, as for leadline train"};

} // namespace

int summary_command(const std::vector<std::string>& arguments) {
  const OptionGroup own{"This command (and --data.size HxW, and what follows)",
                        {config_option, {"batch", "1", "inputs at once"}, help_option}};
  Settings options;
  ChosenNetwork network;
  if (!choose_network("leadline summary", summary_help, own, arguments, &options, &network)) return 0;
  std::printf("%s", summary_text(summarise(network.graph, options.integer("batch", 1, 65536), network.frozen)).c_str());
  return 0;
}

int graph_command(const std::vector<std::string>& arguments) {
  const OptionGroup own{"This command (and --data.size HxW, and what follows)",
                        {config_option, {"out", "", "picture to write: FILE.dot or FILE.svg"}, help_option}};
  Settings options;
  ChosenNetwork network;
  if (!choose_network("leadline graph", graph_help, own, arguments, &options, &network)) return 0;
  write_graph_picture(options.required("out"), network.graph);
  std::printf("%s: %s, %zu layers\n", options.text("out").c_str(), network.graph.name.c_str(),
              network.graph.nodes.size());
  return 0;
}

} // namespace leadline::trainer
