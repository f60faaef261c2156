#include "trainer/verify.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"

#include "trainer/export.hpp"
#include "trainer/planned_pass.hpp"
#include "trainer/predictor.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace leadline::trainer {

namespace {

using Answers = std::vector<std::vector<float>>; ///< of each frame

/// How far depth may be from that of the weights as they were trained.
double storage_limit(leadline_weight_type type) {
  switch (type) {
  case LEADLINE_WEIGHTS_F32: return 1e-4;
  case LEADLINE_WEIGHTS_F16: return 2e-3;
  case LEADLINE_WEIGHTS_BF16: return 2e-2;
  case LEADLINE_WEIGHTS_INT8: return 5e-2;
  }
  return 0;
}

/// A file's own graph and weights, for one that the checkpoint alone doesn't lead to: calibration is part of it.
struct StoredModel {
  Graph graph;
  std::vector<std::vector<unsigned char>> weights; ///< as device_weights gives them

  explicit StoredModel(const std::string& path) {
    const std::vector<unsigned char> bytes = data::read_file(path);
    AlignedMemory memory;
    if (!memory.allocate(bytes.size())) throw std::bad_alloc();
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    ModelView view;
    char text[512];
    Message message(text, sizeof text);
    if (read_model(memory.data(), bytes.size(), true, &view, &message) != Status::ok)
      throw Error({.file = path, .reason = text});
    const GraphView& from = view.graph;
    graph.name = view.string(view.name);
    graph.nodes.assign(from.nodes, from.nodes + from.num_nodes);
    graph.weight_shapes.assign(from.weight_shapes, from.weight_shapes + from.num_weights);
    graph.input_shape = view.default_shape();
    graph.num_values = from.num_values;
    graph.outputs.assign(from.outputs, from.outputs + from.num_outputs);
    if (from.quantization) graph.quantization.assign(from.quantization, from.quantization + from.num_values);
    weights.resize(graph.weight_shapes.size());
    for (int32_t w = 0; w < from.num_weights; ++w) { // biases and norms
      if (from.weight_type(w) != WeightType::f32) continue;
      const auto* stored = static_cast<const unsigned char*>(view.weight(w));
      weights[static_cast<size_t>(w)].assign(stored, stored + 4 * from.weight_shapes[w].count());
    }
    for (int32_t i = 0; i < from.num_nodes; ++i) {
      const int32_t w = from.nodes[i].weights[0];
      if (w == no_index || from.weight_type(w) == WeightType::f32) continue;
      const Shape& shape = from.weight_shapes[w];
      std::vector<unsigned char>& to = weights[static_cast<size_t>(w)];
      if (from.runs_on_bytes(i)) {
        const index_t channels = weight_channels(from.nodes[i], 0, shape).count;
        const auto* stored = static_cast<const unsigned char*>(view.weight(w));
        to.assign(stored, stored + weight_layout(WeightType::int8, channels, shape.count()).bytes);
        continue;
      }
      std::vector<float> floats(static_cast<size_t>(shape.count()));
      decode_weight(HostExec(), from, i, view.weight(w), floats.data());
      const auto* decoded = reinterpret_cast<const unsigned char*>(floats.data());
      to.assign(decoded, decoded + floats.size() * sizeof(float));
    }
  }
  bool on_bytes() const { return !graph.quantization.empty(); }
};

/// The engine's plan as the trainer spells it, and how the file stores the weights of `spec`, whose graph is
/// `graph`. `path` is what messages call the model.
std::vector<Algorithm> plan_of(const std::string& path, const Graph& graph, ModelSpec* spec,
                               leadline_weight_type* stored) {
  leadline::Model model;
  leadline::Session session;
  leadline::ErrorText error;
  if (model.open_file(path.c_str(), error) != LEADLINE_OK || session.create(model, error) != LEADLINE_OK)
    throw Error({.file = path, .reason = error.text});
  if (model.info().nodes != static_cast<int32_t>(graph.nodes.size()))
    throw Error({.file = path,
                 .reason = "it has " + std::to_string(model.info().nodes) + " layers, the run's network " +
                           std::to_string(graph.nodes.size()),
                 .fix = "Compare it with the run that it was exported from"});
  *stored = model.info().weight_type;
  spec->weight_types.assign(spec->weights.size(), WeightType::f32);
  std::vector<Algorithm> algorithms;
  for (int32_t i = 0; i < model.info().nodes; ++i) {
    leadline_node_plan node{};
    node.struct_size = sizeof node;
    leadline_session_get_node(session.get(), i, &node);
    leadline_node_info about{};
    about.struct_size = sizeof about;
    leadline_model_get_node(model.get(), i, &about);
    const int32_t weight = graph.nodes[static_cast<size_t>(i)].weights[0];
    if (about.weight_type != LEADLINE_WEIGHTS_F32 && weight != no_index)
      spec->weight_types[static_cast<size_t>(weight)] = static_cast<WeightType>(about.weight_type);
    Algorithm chosen = automatic;
    for (int a = 0; a < num_algorithms; ++a)
      if (std::strcmp(node.algorithm, algorithm_name(static_cast<Algorithm>(a))) == 0)
        chosen = static_cast<Algorithm>(a);
    algorithms.push_back(chosen);
  }
  return algorithms;
}

ParityRow compare(const std::string& what, const Answers& wanted, const Answers& got, double limit) {
  ParityRow row{what};
  row.limit = limit;
  double sum = 0;
  size_t pixels = 0;
  for (size_t f = 0; f < wanted.size(); ++f) {
    ++row.frames;
    row.same_bits += wanted[f].size() == got[f].size() &&
                     std::memcmp(wanted[f].data(), got[f].data(), wanted[f].size() * sizeof(float)) == 0;
    for (size_t i = 0; i < wanted[f].size(); ++i) {
      const double a = static_cast<double>(wanted[f][i]), difference = std::abs(static_cast<double>(got[f][i]) - a);
      row.largest = difference > row.largest || std::isnan(difference) ? difference : row.largest;
      sum += difference / std::max(std::abs(a), 1e-3);
      ++pixels;
    }
  }
  row.mean_relative = sum / static_cast<double>(std::max<size_t>(pixels, 1));
  row.passed = limit == 0 ? row.same_bits == row.frames : row.mean_relative <= limit;
  return row;
}

std::string table_of(const std::vector<ParityRow>& rows) {
  size_t width = 4;
  for (const ParityRow& row : rows) width = std::max(width, row.what.size());
  std::string text = "beside the engine       " + std::string(width > 24 ? width - 24 : 0, ' ');
  width = std::max<size_t>(width, 24);
  text += "   same bits  largest [m]  mean relative      limit\n";
  for (const ParityRow& row : rows) {
    char line[160];
    const std::string equal = std::to_string(row.same_bits) + "/" + std::to_string(row.frames);
    std::snprintf(line, sizeof line, "   %9s  %11.2e  %13.2e  %9s  %s\n", equal.c_str(), row.largest, row.mean_relative,
                  row.limit == 0 ? "bits" : exact(row.limit).c_str(), row.passed ? "passed" : "FAILED");
    text += row.what + std::string(width - row.what.size(), ' ') + line;
  }
  return text;
}

} // namespace

Parity verify_parity(const Checkpoint& checkpoint, const std::string& file, const std::string& path,
                     const data::Dataset& frames, size_t count) {
  std::vector<data::Sample> samples;
  count = std::min(count, frames.size());
  for (size_t k = 0; k < count; ++k) samples.push_back(frames.load((2 * k + 1) * frames.size() / (2 * count)));
  const auto picture = [](const data::Sample& s) { return packed_image(s.rgb.data(), s.height, s.width); };
  const auto answers = [&](Predictor& network) {
    Answers all;
    for (const data::Sample& sample : samples) all.push_back(network.predict(picture(sample)).depth.metres);
    return all;
  };

  char error[256];
  leadline_set_isa(nullptr, error, sizeof error);
  const auto engine = model_predictor(path, 1);
  const Answers wanted = answers(*engine);
  Parity parity;

  Graph graph;
  ModelSpec spec = model_spec(checkpoint, file, &graph);
  if (spec.preprocess.height != engine->height || spec.preprocess.width != engine->width)
    throw Error({.file = path,
                 .reason = "it answers " + std::to_string(engine->height) + "x" + std::to_string(engine->width) +
                           ", the run " + std::to_string(spec.preprocess.height) + "x" +
                           std::to_string(spec.preprocess.width),
                 .fix = "Compare it with the run that it was exported from"});
  leadline_weight_type stored = LEADLINE_WEIGHTS_F32;
  const StoredModel in_file(path);
  if (in_file.graph.weight_shapes != graph.weight_shapes)
    throw Error({.file = path,
                 .reason = "its weights have other shapes than the run's network",
                 .fix = "Compare it with the run that it was exported from"});
  {
    const Graph& planned_graph = in_file.on_bytes() ? in_file.graph : graph;
    const std::vector<Algorithm> algorithms = plan_of(path, planned_graph, &spec, &stored);
    PlanOptions options;
    options.algorithms = algorithms.data();
    PlannedPass<DefaultExec> pass(DefaultExec(), planned_graph,
                                  in_file.on_bytes() ? in_file.weights : device_weights(spec), options);
    Answers planned;
    for (const data::Sample& sample : samples) {
      const ImageView8 view = picture(sample);
      std::vector<float> input(static_cast<size_t>(pass.input_values()));
      std::vector<uint32_t> workspace(preprocess_workspace_bytes(spec.preprocess, view.height, view.width) / 4 + 1);
      preprocess_rgb8(spec.preprocess, view, workspace.data(), 4 * workspace.size(), input.data());
      pass.upload_input(input);
      pass.run();
      planned.push_back(pass.download_output());
    }
    parity.rows.push_back(
        compare("trainer's kernels, the file's plan", wanted, planned, DefaultExec::on_host ? 0 : 1e-5));
  }
  parity.rows.push_back(compare("checkpoint, as trained", wanted, answers(*checkpoint_predictor(checkpoint, file)),
                                storage_limit(stored)));
  for (int32_t i = 1; const char* level = leadline_isa_level(i); ++i) {
    leadline_set_isa(level, error, sizeof error);
    parity.rows.push_back(compare(std::string("engine at ") + level, wanted, answers(*model_predictor(path, 1)),
                                  in_file.on_bytes() ? 1e-2 : 1e-4));
  }
  leadline_set_isa(nullptr, error, sizeof error);
  parity.rows.push_back(
      compare("engine, bf16 products", wanted, answers(*model_predictor(path, 1, LEADLINE_PRECISION_BF16)), 2e-2));
  parity.passed = std::all_of(parity.rows.begin(), parity.rows.end(), [](const ParityRow& r) { return r.passed; });
  parity.table = table_of(parity.rows);
  return parity;
}

} // namespace leadline::trainer
