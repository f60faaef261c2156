#include "trainer/export.hpp"

#include "data/image_io.hpp"
#include "inference/golden.hpp"
#include "shared/model/fold.hpp"
#include "shared/model/reorder.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/mlp/fitted.hpp"
#include "trainer/networks/parts.hpp"
#include "trainer/onnx_writer.hpp"
#include "trainer/planned_pass.hpp"
#include "trainer/quantization_aware.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/text.hpp"
#include "trainer/train_settings.hpp"
#include "trainer/weight_io.hpp"

#include <leadline/leadline.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <tuple>

namespace leadline::trainer {

namespace {

/// The smallest power of two such that every multiple of it is a size that the graph takes and answers in full; 0 if
/// the graph is made for one size.
int32_t size_multiple(const Graph& graph) {
  for (int32_t multiple = 1; multiple <= 256; multiple *= 2) {
    bool good = true;
    for (index_t k = 1; k <= 4 && good; ++k) {
      const Shape input{1, multiple * k, multiple * (k + 1), graph.input_shape.c};
      try {
        const Shape output = graph.infer(input)[static_cast<size_t>(graph.outputs[0])];
        good = output.h == input.h && output.w == input.w;
      } catch (const std::invalid_argument&) {
        good = false;
      }
    }
    if (good) return multiple;
  }
  return 0;
}

/// The golden input through a session of the trainer.
template <class T, class Exec>
std::vector<T> run_golden(const Exec& exec, const Graph& graph, const std::vector<std::vector<T>>& weights,
                          uint64_t seed) {
  GraphSession<T, Exec> session(exec, graph, graph.input_shape, false);
  for (int i = 0; i < session.num_weights(); ++i) session.set_weight(i, weights[static_cast<size_t>(i)]);
  std::vector<T> input(static_cast<size_t>(graph.input_shape.count()));
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<T>(golden_input(seed, static_cast<index_t>(i)));
  session.upload(input.data(), session.input());
  session.forward(false);
  std::vector<T> output(static_cast<size_t>(session.output().shape.count()));
  session.download(session.output(), output.data());
  return output;
}

/// The golden input through the file's plan on an exec of the trainer.
template <class Exec> std::vector<float> run_planned(const Exec& exec, const ModelSpec& spec) {
  PlanOptions options;
  if (!spec.algorithms.empty()) options.algorithms = spec.algorithms.data();
  PlannedPass<Exec> pass(exec, *spec.graph, device_weights(spec), options);
  std::vector<float> pixels(static_cast<size_t>(pass.input_values()));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = golden_input(spec.golden_seed, static_cast<index_t>(i));
  pass.upload_input(pixels);
  pass.run();
  return pass.download_output();
}

/// The network's own depth range: its head's, if it is one of ours.
void set_depth_range(const Settings& settings, ModelSpec* spec) {
  constexpr float cap = 100.0f; // metres: what an unbounded head may say indoors and out
  spec->min_depth = 0;
  spec->max_depth = cap;
  for (const OptionSpec& option : find_network(settings).options) {
    if (option.key != "model.head") continue;
    const HeadSettings head = head_settings(settings);
    std::tie(spec->min_depth, spec->max_depth) = depth_range(head.head, head.min_depth, head.max_depth);
    spec->max_depth = std::min(spec->max_depth, std::max(cap, head.max_depth));
  }
}

std::map<std::string, std::string> provenance(const Checkpoint& checkpoint, const Settings& settings) {
  std::map<std::string, std::string> entries;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) entries[key] = value;
  };
  add("network", settings.text("model.network"));
  add("data", settings.text("data.train"));
  add("validation", settings.text("data.val").empty() ? settings.text("data.val_fraction") + " of the training frames"
                                                      : settings.text("data.val"));
  add("licence", settings.text("run.data_licence"));
  add("pretraining", settings.text("run.pretraining"));
  add("loss", settings.text("loss.name"));
  add("epochs", std::to_string(checkpoint.epoch));
  add("seed", std::to_string(checkpoint.seed));
  add("precision", checkpoint.precision);
  add("leadline", leadline_version_string());
  std::string metric;
  for (const NamedNumber& number : checkpoint.metrics)
    if (number.first == "delta1" || number.first == "abs_rel" || number.first == "rmse")
      metric += number.first + " " + decimals(number.second, 4) + ", ";
  if (!metric.empty()) add("metric", metric + "protocol " + checkpoint.protocol);
  return entries;
}

/// What comes last: storage, plan, and the answer of what is then whole.
void finish(const ExportOptions& options, ModelSpec* spec) {
  if (options.choose) spec->algorithms = options.choose(*spec->graph, spec->weights);
  if (options.weights != WeightType::f32) spec->weight_types = weight_types(*spec->graph, options.weights);
  spec->golden = compute_golden(*spec);
}

[[noreturn]] void engine_failed(const std::string& path, const std::string& what, leadline_status status,
                                const ErrorText& error) {
  throw Error({.file = path,
               .reason = "the engine refuses the exported model (" + what + "): " + leadline_status_text(status) +
                         (error.text[0] ? std::string("; ") + error.text : ""),
               .fix = "Nothing was written. This is a fault of Leadline: please report it with the run's config.ini"});
}

/// Runs the file in the engine as a device would.
std::vector<float> run_engine(const std::string& path, uint64_t seed, float* golden_error) {
  ErrorText error;
  Model model;
  if (const leadline_status status = model.open_file(path.c_str(), error); status != LEADLINE_OK)
    engine_failed(path, "open", status, error);
  Session session;
  if (const leadline_status status = session.create(model, error); status != LEADLINE_OK)
    engine_failed(path, "session", status, error);
  const leadline_session_info info = session.info();
  std::vector<float> input(static_cast<size_t>(info.input_height) * static_cast<size_t>(info.input_width) *
                           static_cast<size_t>(info.input_channels));
  for (size_t i = 0; i < input.size(); ++i) input[i] = golden_input(seed, static_cast<index_t>(i));
  std::vector<float> output(session.output_values());
  if (const leadline_status status = session.run_raw(input.data(), input.size(), output.data(), output.size());
      status != LEADLINE_OK)
    engine_failed(path, "run", status, error);
  if (const leadline_status status = session.self_test(golden_error); status != LEADLINE_OK)
    engine_failed(path, "self-test, error " + exact(static_cast<double>(*golden_error)), status, error);
  return output;
}

void same_bits(const std::string& path, const std::string& exec, const std::vector<float>& engine,
               const std::vector<float>& trainer) {
  if (engine.size() == trainer.size() && std::memcmp(engine.data(), trainer.data(), engine.size() * sizeof(float)) == 0)
    return;
  size_t first = 0;
  while (first < std::min(engine.size(), trainer.size()) &&
         std::memcmp(&engine[first], &trainer[first], sizeof(float)) == 0)
    ++first;
  throw Error({.file = path,
               .field = "output value " + std::to_string(first),
               .reason = "the engine's answer differs from the trainer's on " + exec,
               .fix = "Nothing was written. This is a fault of Leadline: please report it with the run's config.ini"});
}

} // namespace

std::vector<Algorithm> parse_algorithms(const std::string& text, const Graph& graph) {
  const auto algorithm_of = [&](const std::string& name) {
    std::string known;
    for (int i = 0; i < num_algorithms; ++i) {
      if (name == algorithm_name(static_cast<Algorithm>(i))) return static_cast<Algorithm>(i);
      known += std::string(i > 0 ? ", " : "") + algorithm_name(static_cast<Algorithm>(i));
    }
    if (name == "automatic") return automatic;
    throw Error({.file = "leadline export",
                 .field = "--algorithm",
                 .value = name,
                 .reason = "there is no such algorithm",
                 .fix = "Use automatic, " + known});
  };
  std::vector<Algorithm> algorithms(graph.nodes.size(), automatic);
  for (size_t start = 0; start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    const std::string entry = text.substr(start, comma - start);
    start = comma + 1;
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) {
      const Algorithm algorithm = algorithm_of(entry);
      for (size_t i = 0; i < algorithms.size(); ++i)
        if (allowed_algorithm(graph.nodes[i].kind, Algorithm::host_gemm)) algorithms[i] = algorithm;
      continue;
    }
    const std::string name = entry.substr(0, equals);
    const auto node = std::find(graph.node_names.begin(), graph.node_names.end(), name);
    if (node == graph.node_names.end())
      throw Error({.file = "leadline export",
                   .field = "--algorithm",
                   .value = entry,
                   .reason = "the exported network has no layer of that name",
                   .fix = "`leadline inspect` lists them: batch norms and activations are folded away"});
    const auto at = static_cast<size_t>(node - graph.node_names.begin());
    algorithms[at] = algorithm_of(entry.substr(equals + 1));
    if (!allowed_algorithm(graph.nodes[at].kind, algorithms[at]))
      throw Error({.file = "leadline export",
                   .field = "--algorithm",
                   .value = entry,
                   .reason = std::string("a ") + layer_name(graph.nodes[at].kind) + " layer has no such algorithm",
                   .fix = "Leave it out"});
  }
  return algorithms;
}

ModelSpec model_spec(const Checkpoint& checkpoint, const std::string& file, Graph* graph,
                     const ExportOptions& options) {
  const Settings settings = checkpoint_settings(checkpoint, file);
  const Graph trained = float_graph(settings);
  check_weights(trained, checkpoint.weights, file);
  std::vector<std::vector<double>> weights;
  for (int i = 0; i < static_cast<int>(trained.weight_shapes.size()); ++i) {
    weights.push_back(internal_values<double>(trained, i, checkpoint.weights));
    for (const double value : weights.back())
      if (!std::isfinite(static_cast<float>(value)))
        throw Error({.file = file,
                     .field = "weight " + trained.weight_names[static_cast<size_t>(i)],
                     .value = exact(value),
                     .reason = "it is not a finite number, so the training has diverged",
                     .fix = "Export an earlier checkpoint"});
  }
  FoldedGraph folded = fold_graph(trained, weights);
  least_memory_order(&folded.graph);
  *graph = std::move(folded.graph);

  ModelSpec spec;
  spec.graph = graph;
  spec.weights = std::move(folded.weights);
  spec.preprocess = preprocess_settings(settings);
  spec.size_multiple = size_multiple(*graph);
  spec.fx = static_cast<float>(checkpoint.focal_x);
  spec.fy = static_cast<float>(checkpoint.focal_y);
  set_depth_range(settings, &spec);
  spec.provenance = provenance(checkpoint, settings);
  finish(options, &spec);
  return spec;
}

float verify_model(const std::string& path, const ModelSpec& spec) {
  float golden_error = 0;
  const std::vector<float> engine = run_engine(path, spec.golden_seed, &golden_error);
  same_bits(path, "HostExec", engine, run_planned(HostExec(), spec));
  if constexpr (DefaultExec::on_host) // a GPU's answer is close, not the same bits
    same_bits(path, "Kokkos", engine, run_planned(DefaultExec(), spec));
  return golden_error;
}

namespace {

/// The largest difference, relative to the largest value wanted.
double relative_difference(const std::vector<double>& wanted, const std::vector<double>& got) {
  double difference = 0, largest = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    difference = std::max(difference, std::abs(wanted[i] - got[i]));
    largest = std::max(largest, std::abs(wanted[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

/// Folding changes how sums are rounded, nothing else. Returns the largest difference, relative to the largest output.
double check_folding(const Checkpoint& checkpoint, const std::string& file, const Graph& trained,
                     const ModelSpec& spec) {
  std::vector<std::vector<double>> before, after;
  for (int i = 0; i < static_cast<int>(trained.weight_shapes.size()); ++i)
    before.push_back(internal_values<double>(trained, i, checkpoint.weights));
  for (const std::vector<float>& weight : spec.weights) after.emplace_back(weight.begin(), weight.end());
  const std::vector<double> wanted = run_golden(HostExec(), trained, before, spec.golden_seed);
  const std::vector<double> got = run_golden(HostExec(), *spec.graph, after, spec.golden_seed);
  const double error = relative_difference(wanted, got);
  if (!(error <= 1e-4))
    throw Error({.file = file,
                 .field = "folding",
                 .value = exact(error),
                 .reason = "folding batch norm into the convolutions changes the network's answer by more than 1e-4 of "
                           "its largest value: some running variance is almost 0, or the training has diverged",
                 .fix = "Export an earlier checkpoint, or train with a lower learning rate"});
  return error;
}

/// What a model file says besides the network, for readers of the ONNX file.
std::map<std::string, std::string> onnx_metadata(const ModelSpec& spec) {
  const Preprocess& p = spec.preprocess;
  const auto number = [](float value) { return exact(decimal(value)); }; // 0.45, not its nearest float
  const auto three = [&](const float* values) {
    return number(values[0]) + ", " + number(values[1]) + ", " + number(values[2]);
  };
  std::map<std::string, std::string> entries = spec.provenance;
  entries["input"] = "(rgb / 255 - mean) / std";
  entries["mean"] = three(p.mean);
  entries["std"] = three(p.std);
  entries["colour_order"] = p.colour_order == ColourOrder::rgb ? "rgb" : "bgr";
  entries["resize"] = p.resize == ResizeKernel::nearest ? "nearest" : "triangle, antialiased";
  entries["crop"] = p.crop == CropMode::none ? "none" : "centre";
  entries["output"] = "depth in metres";
  entries["min_depth"] = number(spec.min_depth);
  entries["max_depth"] = number(spec.max_depth);
  if (spec.fx > 0) entries["focal_length"] = number(spec.fx) + ", " + number(spec.fy);
  return entries;
}

/// What goes into the file for a fitted MLP: raw features in, values out. `error` is the largest difference between the
/// graph's and the model's own answers to the golden input, relative to the largest.
ModelSpec mlp_spec(const Checkpoint& checkpoint, const std::string& file, Graph* graph, const ExportOptions& options,
                   double* error) {
  const FittedMLP model = mlp_from_checkpoint(checkpoint, file);
  ModelSpec spec;
  *graph = mlp_graph(model, &spec.weights);
  spec.graph = graph;
  spec.preprocess.height = spec.preprocess.width = 1;
  spec.output = OutputKind::values;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) spec.provenance[key] = value;
  };
  add("network", "mlp");
  add("data", model.data);
  add("leadline", leadline_version_string());
  std::string classes;
  for (const std::string& name : model.classes) classes += (classes.empty() ? "" : ",") + name;
  if (classes.size() < 1000) add("classes", classes);
  for (const NamedNumber& metric : model.metrics) add(metric.first.c_str(), decimals(metric.second, 4));
  finish(options, &spec);
  std::vector<std::vector<double>> weights;
  for (const std::vector<float>& weight : spec.weights) weights.emplace_back(weight.begin(), weight.end());
  std::vector<double> input;
  for (index_t i = 0; i < graph->input_shape.count(); ++i)
    input.push_back(static_cast<double>(golden_input(spec.golden_seed, i)));
  const std::vector<double> wanted = model.predict(input, 1);
  *error = relative_difference(wanted, run_golden(HostExec(), *graph, weights, spec.golden_seed));
  return spec;
}

/// Folds a checkpoint, lets `write` make the file under a temporary name, and gives it its own if all went well.
template <class Write>
ExportReport export_file(const Checkpoint& checkpoint, const std::string& file, const std::string& path,
                         const ExportOptions& options, const Write& write) {
  namespace fs = std::filesystem;
  if (fs::is_directory(path))
    throw Error({.file = path,
                 .field = "--out",
                 .reason = "it is a folder",
                 .fix = "Name the model file, e.g. " + path + "/model.lead"});
  data::require_replaceable(path);
  ExportReport report;
  Graph graph;
  const std::string temporary = path + ".unverified";
  try {
    ModelSpec spec;
    if (checkpoint.network == "mlp") {
      spec = mlp_spec(checkpoint, file, &graph, options, &report.fold_error);
      report.nodes_before = graph.nodes.size();
    } else {
      spec = model_spec(checkpoint, file, &graph, options);
      const Graph trained = float_graph(checkpoint_settings(checkpoint, file));
      report.fold_error = check_folding(checkpoint, file, trained, spec);
      report.nodes_before = trained.nodes.size();
    }
    write(temporary, spec, &report);
    report.nodes_after = graph.nodes.size();
    report.file_bytes = fs::file_size(temporary);
    for (const Shape& shape : graph.weight_shapes) report.parameters += shape.count();
    report.float_weight_bytes = static_cast<size_t>(report.parameters) * sizeof(float);
    fs::rename(temporary, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    try {
      throw;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw Error({.file = path, .reason = error.what(), .fix = "Nothing was written"});
    }
  }
  return report;
}

/// What storing weights in fewer bits changed in the golden sample.
double rounding_error(const ModelSpec& spec) {
  if (spec.weight_types.empty() || !spec.graph->quantization.empty()) return 0;
  ModelSpec floats = spec;
  floats.weight_types.clear();
  const std::vector<float> wanted = compute_golden(floats);
  return relative_difference({wanted.begin(), wanted.end()}, {spec.golden.begin(), spec.golden.end()});
}

/// The float network that a quantisation-aware run began with, if that is still there: what int8 may lose little
/// against.
struct Reference {
  Graph graph;
  ModelSpec spec;
  std::string name;

  Reference(const Checkpoint& checkpoint, const std::string& file) {
    if (checkpoint.ranges.empty()) return;
    name = checkpoint_settings(checkpoint, file).text("model.weights");
    if (!std::filesystem::exists(name)) return;
    const std::string float_file = find_checkpoint(name, true);
    spec = model_spec(read_checkpoint(float_file), float_file, &graph);
  }
};

/// With what the checkpoint knows of int8, and what helps if too much is lost.
Int8Options int8_options(Int8Options options, const Graph& graph, const Checkpoint& checkpoint, const std::string& file,
                         const Reference& reference) {
  if (!checkpoint.ranges.empty()) {
    options.ranges = ranges_of(graph, checkpoint.ranges, file);
    if (reference.spec.graph) options.reference = &reference.spec;
    options.reference_name =
        reference.spec.graph ? "f32, " + reference.name : "f32, this run (" + reference.name + " is gone)";
    return options;
  }
  if (checkpoint.network == "mlp") return options;
  const Settings settings = checkpoint_settings(checkpoint, file);
  const std::string run = std::filesystem::path(file).parent_path().parent_path().string();
  if (const std::string config = RunDirectory{run}.config(); !run.empty() && std::filesystem::exists(config))
    options.advice = "Fine-tune the network for it: leadline train --config " + config + " --model.weights " + run +
                     " --quantize.aware true --scheduler.name cosine --optimizer.lr " +
                     exact(optimizer_settings(settings).lr / 10) + " --train.epochs " +
                     std::to_string(std::max<index_t>(1, checkpoint.epoch / 10)) + " --run.dir " + run +
                     "-int8, and export that. Or: ";
  return options;
}

/// The model on bytes, if there are frames for that; else without a graph.
Int8Model int8_model(const ModelSpec& floats, const Checkpoint& checkpoint, const std::string& file,
                     const std::string& path, const Int8Options& options, ExportReport* report) {
  if (!options.frames) return {};
  const Reference reference(checkpoint, file);
  Int8Model model = quantize_model(floats, path, checkpoint.protocol,
                                   int8_options(options, *floats.graph, checkpoint, file, reference));
  report->int8_report = model.report;
  return model;
}

} // namespace

ExportReport export_model(const Checkpoint& checkpoint, const std::string& file, const std::string& path,
                          const ExportOptions& options) {
  return export_file(checkpoint, file, path, options,
                     [&](const std::string& temporary, const ModelSpec& floats, ExportReport* report) {
                       const Int8Model int8 = int8_model(floats, checkpoint, file, path, options.int8, report);
                       const ModelSpec& spec = int8.graph ? int8.spec : floats;
                       write_model(temporary, spec);
                       report->golden_error = verify_model(temporary, spec);
                       Model model;
                       ErrorText error;
                       if (model.open_file(temporary.c_str(), error) == LEADLINE_OK)
                         report->weight_bytes = static_cast<size_t>(model.info().weight_bytes);
                       report->round_error = rounding_error(spec);
                     });
}

ExportReport export_onnx(const Checkpoint& checkpoint, const std::string& file, const std::string& path,
                         const Int8Options& int8) {
  return export_file(checkpoint, file, path, {},
                     [&](const std::string& temporary, const ModelSpec& floats, ExportReport* report) {
                       const Int8Model model = int8_model(floats, checkpoint, file, path, int8, report);
                       const ModelSpec& spec = model.graph ? model.spec : floats;
                       write_onnx(temporary, *spec.graph, spec.weights, onnx_metadata(spec));
                     });
}

} // namespace leadline::trainer
