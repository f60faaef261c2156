#include "trainer/verify.hpp"

#include "data/error.hpp"

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

/// The engine's plan as the trainer spells it. `path` is what messages call the model.
std::vector<Algorithm> plan_of(const std::string& path, const Graph& graph) {
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
  std::vector<Algorithm> algorithms;
  for (int32_t i = 0; i < model.info().nodes; ++i) {
    leadline_node_plan node{};
    node.struct_size = sizeof node;
    leadline_session_get_node(session.get(), i, &node);
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
  std::string text = "beside the engine in f32" + std::string(width > 24 ? width - 24 : 0, ' ');
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
  {
    const std::vector<Algorithm> algorithms = plan_of(path, graph);
    PlanOptions options;
    options.algorithms = algorithms.data();
    PlannedPass<DefaultExec> pass(DefaultExec(), graph, spec.weights, options);
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
  parity.rows.push_back(
      compare("checkpoint, as trained", wanted, answers(*checkpoint_predictor(checkpoint, file)), 1e-4));
  for (int32_t i = 1; const char* level = leadline_isa_level(i); ++i) {
    leadline_set_isa(level, error, sizeof error);
    parity.rows.push_back(compare(std::string("engine at ") + level, wanted, answers(*model_predictor(path, 1)), 1e-4));
  }
  leadline_set_isa(nullptr, error, sizeof error);
  parity.rows.push_back(
      compare("engine, bf16 products", wanted, answers(*model_predictor(path, 1, LEADLINE_PRECISION_BF16)), 2e-2));
  parity.passed = std::all_of(parity.rows.begin(), parity.rows.end(), [](const ParityRow& r) { return r.passed; });
  parity.table = table_of(parity.rows);
  return parity;
}

} // namespace leadline::trainer
