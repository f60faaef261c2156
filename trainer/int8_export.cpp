#include "trainer/int8_export.hpp"

#include "data/error.hpp"
#include "inference/golden.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/planned_pass.hpp"
#include "trainer/predictor.hpp"
#include "trainer/table.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <type_traits>

namespace leadline::trainer {

namespace {

namespace fs = std::filesystem;
using Answers = std::vector<std::vector<float>>; ///< one for each frame

/// Bytes are the CPU's: on a GPU's exec they would be computed one by one.
using BytesExec = std::conditional_t<DefaultExec::on_host, DefaultExec, HostExec>;

constexpr size_t probe_frames = 4; ///< that a layer's noise is measured on

/// A file that goes when this does.
struct TemporaryFile {
  std::string path;
  explicit TemporaryFile(std::string where) : path(std::move(where)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
};

/// Signal to noise in decibels: 10 log10 of the mean square of `wanted` over that of the difference.
class Noise {
public:
  void add(const std::vector<float>& wanted, const std::vector<float>& got) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double w = static_cast<double>(wanted[i]), d = static_cast<double>(got[i]) - w;
      signal_ += w * w;
      noise_ += d * d;
    }
  }
  double decibels() const { return noise_ > 0 ? 10 * std::log10(std::max(signal_, 1e-300) / noise_) : HUGE_VAL; }

private:
  double signal_ = 0, noise_ = 0;
};

/// The network's answers to some inputs, by the kernels that the engine has.
Answers answers_of(const ModelSpec& spec, const NetworkInputs& inputs) {
  PlannedPass<BytesExec> pass(BytesExec(), *spec.graph, device_weights(spec), PlanOptions());
  Answers answers;
  for (const std::vector<float>& input : inputs) {
    pass.upload_input(input);
    pass.run();
    answers.push_back(pass.download_output());
  }
  return answers;
}

double noise_between(const Answers& wanted, const Answers& got) {
  Noise noise;
  for (size_t f = 0; f < wanted.size(); ++f) noise.add(wanted[f], got[f]);
  return noise.decibels();
}

/// A float model with some of its layers on bytes.
class Candidate {
public:
  Candidate(const ModelSpec& spec, const std::vector<bool>& products, const std::vector<ValueRange>& ranges)
      : graph_(std::make_unique<Graph>(quantize_graph(*spec.graph, nodes_on_bytes(*spec.graph, products), ranges))),
        spec_(spec) {
    spec_.graph = graph_.get();
    spec_.weight_types = int8_weight_types(*graph_);
    spec_.golden.clear();
    if (!spec.algorithms.empty()) { // nodes keep theirs; those on bytes and at borders have no choice
      spec_.algorithms.assign(graph_->nodes.size(), automatic);
      const GraphView view = graph_->view();
      for (size_t i = 0; i < graph_->nodes.size(); ++i) {
        const auto& names = spec.graph->node_names;
        const auto old = std::find(names.begin(), names.end(), graph_->node_names[i]);
        if (old != names.end() && !view.runs_on_bytes(static_cast<int32_t>(i)))
          spec_.algorithms[i] = spec.algorithms[static_cast<size_t>(old - names.begin())];
      }
    }
    // Where floats become bytes behind float layers, levels of the CPU may round to different steps.
    bool only_input = true;
    for (const Node& node : graph_->nodes)
      only_input = only_input && (node.kind != layer_kind<Quantize> || node.inputs[0] == 0);
    spec_.golden_tolerance = only_input ? spec.golden_tolerance : 0.03f;
  }
  const ModelSpec& spec() const { return spec_; }
  std::unique_ptr<Graph> take_graph() { return std::move(graph_); }

private:
  std::unique_ptr<Graph> graph_;
  ModelSpec spec_;
};

/// Share of pixels whose depths are within 25% of each other.
double agreement(const std::vector<float>& a, const std::vector<float>& b) {
  size_t near = 0;
  for (size_t i = 0; i < a.size(); ++i) near += std::max(a[i], b[i]) < 1.25f * std::min(a[i], b[i]);
  return static_cast<double>(near) / static_cast<double>(std::max<size_t>(a.size(), 1));
}

/// delta1 of models on the same frames, by the real engine: against the truth, or where no frame has any, against f32.
class Meter {
public:
  Meter(const ModelSpec& spec, const std::string& path, const std::string& protocol, data::DatasetPtr frames)
      : path_(path), frames_(std::move(frames)), protocol_(protocol) {
    const data::Sample first = frames_->load(0);
    truth_ = std::any_of(first.depth.begin(), first.depth.end(), depth_is_valid);
    floats_ = measure(spec);
  }
  bool has_truth() const { return truth_; }
  const Evaluation& floats() const { return floats_.evaluation; }
  const Evaluation& last() const { return last_.evaluation; }

  MeanDifference loss(const ModelSpec& spec) {
    last_ = measure(spec);
    if (truth_) {
      std::vector<double> before, after;
      for (size_t f = 0; f < floats_.evaluation.rows[0].frames.size(); ++f) {
        const double a = floats_.evaluation.rows[0].frames[f].delta1, b = last_.evaluation.rows[0].frames[f].delta1;
        if (!std::isfinite(a)) continue; // no valid pixel
        before.push_back(a);
        after.push_back(b);
      }
      return mean_difference(before, after);
    }
    std::vector<double> same(floats_.answers.size(), 1.0), agree;
    for (size_t f = 0; f < same.size(); ++f) agree.push_back(agreement(floats_.answers[f], last_.answers[f]));
    return mean_difference(same, agree);
  }

private:
  struct Measured {
    Evaluation evaluation; ///< with truth
    Answers answers;       ///< without
  };
  Measured measure(const ModelSpec& spec) const {
    const TemporaryFile file(path_ + ".measured");
    write_model(file.path, spec);
    const std::unique_ptr<Predictor> engine = model_predictor(file.path, 0);
    Measured measured;
    if (truth_) {
      measured.evaluation = evaluate(prediction_sources(*engine, false), *frames_, {.protocol = protocol_});
      return measured;
    }
    for (size_t i = 0; i < frames_->size(); ++i) {
      const data::Sample s = frames_->load(i);
      measured.answers.push_back(engine->predict(packed_image(s.rgb.data(), s.height, s.width)).depth.metres);
    }
    return measured;
  }

  std::string path_;
  data::DatasetPtr frames_;
  std::string protocol_;
  bool truth_ = false;
  Measured floats_, last_;
};

/// Which frames calibrate, and which measure: others, where there are at least as many.
void split_frames(const Int8Options& options, std::vector<size_t>* calibration, std::vector<size_t>* measured) {
  const size_t size = options.frames->size();
  *calibration = spread(size, options.ranges.empty() ? options.calibration_frames : 0);
  std::vector<size_t> rest;
  for (size_t i = 0, k = 0; i < size; ++i) {
    const bool taken = k < calibration->size() && (*calibration)[k] == i;
    k += taken;
    if (!taken || size < 2 * calibration->size()) rest.push_back(i);
  }
  for (const size_t k : spread(rest.size(), options.measured_frames)) measured->push_back(rest[k]);
}

std::string db(double value) { return std::isfinite(value) ? decimals(value, 1) : "exact"; }

std::string layer_table(const std::vector<Int8Layer>& layers) {
  std::vector<std::vector<std::string>> rows{{"layer", "kind", "runs in", "result dB", "alone dB", "why float"}};
  for (const Int8Layer& layer : layers) {
    const bool can = layer.on_bytes || layer.alone_db != 0;
    rows.push_back({layer.name, layer.kind, layer.on_bytes ? "int8" : "float",
                    layer.on_bytes ? db(layer.together_db) : "", can ? db(layer.alone_db) : "", layer.why_float});
  }
  return text_table(rows, false);
}

std::string metrics_table(const Meter& meter, const std::string& reference) {
  std::vector<std::vector<std::string>> rows{{"", reference, "int8", "difference"}};
  const EvaluationRow &before = meter.floats().rows[0], &after = meter.last().rows[0];
  for (size_t m = 0; m < before.metrics.size(); ++m) {
    const double a = before.metrics[m].second, b = after.metrics[m].second;
    rows.push_back({before.metrics[m].first, decimals(a, 4), decimals(b, 4), decimals(b - a, 4)});
  }
  return text_table(rows, false);
}

std::string loss_line(const MeanDifference& d, const Meter& meter, const std::string& protocol) {
  const std::string interval = " (95% interval " + decimals(d.low, 4) + " to " + decimals(d.high, 4) + ", " +
                               std::to_string(d.frames) + " frames)";
  if (!meter.has_truth())
    return "no ground truth: int8 and f32 agree within 25% at " + decimals(100 * d.after, 2) +
           "% of the pixels, loss " + decimals(d.loss, 4) + interval;
  return "delta1 " + decimals(d.before, 4) + " in f32, " + decimals(d.after, 4) + " in int8 (protocol " + protocol +
         "): loss " + decimals(d.loss, 4) + interval;
}

} // namespace

MeanDifference mean_difference(const std::vector<double>& before, const std::vector<double>& after) {
  MeanDifference result;
  const size_t n = result.frames = before.size();
  if (n == 0) return result;
  const auto mean = [n](const auto& value) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += value(i);
    return sum / static_cast<double>(n);
  };
  result.before = mean([&](size_t i) { return before[i]; });
  result.after = mean([&](size_t i) { return after[i]; });
  result.loss = result.before - result.after;
  constexpr uint64_t rounds = 2000;
  std::vector<double> losses;
  for (uint64_t r = 0; r < rounds; ++r) {
    const Philox random(1, r);
    losses.push_back(mean([&](size_t i) {
      const size_t k = random.below(i, n);
      return before[k] - after[k];
    }));
  }
  std::sort(losses.begin(), losses.end());
  result.low = losses[rounds / 40];
  result.high = losses[rounds - 1 - rounds / 40];
  return result;
}

Int8Model quantize_model(const ModelSpec& spec, const std::string& path, const std::string& protocol,
                         const Int8Options& options) {
  const Graph& graph = *spec.graph;
  if (spec.output == OutputKind::values || graph.input_shape.c != 3)
    throw Error({.file = path,
                 .field = "--precision",
                 .value = "int8",
                 .reason = "calibration is for networks that turn pictures into depth",
                 .fix = "Use --precision f16"});
  if (options.frames->size() == 0)
    throw Error({.file = path, .field = "--calibrate", .reason = "these data have no frames"});

  // Which layers can, and what for.
  const Int8Products can = int8_products(graph);
  if (const std::string why = can.too_few(graph); !why.empty() && (can.able_macs == 0 || !options.force))
    throw Error({.file = path,
                 .field = "--precision",
                 .value = "int8",
                 .reason = why,
                 .fix = "Train with --model.activation relu or relu6, or use --precision f16"});
  Int8Model result;
  const std::vector<size_t>& nodes = can.nodes; // of result.layers
  const std::vector<bool>& able = can.able;
  for (const size_t i : nodes)
    result.layers.push_back({graph.node_names[i], layer_name(graph.nodes[i].kind), false, 0, 0, can.obstacles[i]});

  std::vector<size_t> calibration, measured;
  split_frames(options, &calibration, &measured);
  const bool trained = !options.ranges.empty();
  const NetworkInputs inputs = network_inputs(spec.preprocess, *options.frames,
                                              trained ? spread(options.frames->size(), probe_frames) : calibration);
  const std::vector<ValueRange> ranges =
      trained ? options.ranges : observe_ranges(graph, spec.weights, inputs, options.method);

  // What each layer costs alone: the network's answer with only this one on bytes.
  const NetworkInputs probes(inputs.begin(), inputs.begin() + std::min<ptrdiff_t>(std::ssize(inputs), probe_frames));
  const Answers wanted = answers_of(spec, probes);
  std::vector<size_t> worst; // layers, the one that costs most first
  for (size_t k = 0; k < nodes.size(); ++k) {
    if (!able[nodes[k]]) continue;
    std::vector<bool> one(graph.nodes.size());
    one[nodes[k]] = true;
    result.layers[k].alone_db = noise_between(wanted, answers_of(Candidate(spec, one, ranges).spec(), probes));
    worst.push_back(k);
  }
  std::stable_sort(worst.begin(), worst.end(),
                   [&](size_t a, size_t b) { return result.layers[a].alone_db < result.layers[b].alone_db; });

  std::vector<bool> products = able;
  Meter meter(options.reference ? *options.reference : spec, path, protocol,
              std::make_shared<data::Subset>(options.frames, measured));
  double share = 1;
  size_t moved = 0;
  std::unique_ptr<Candidate> best;
  for (;;) {
    best = std::make_unique<Candidate>(spec, products, ranges);
    result.delta1 = meter.loss(best->spec());
    if (result.delta1.loss <= options.max_delta1_loss || options.force) break;
    // Half as many again in each round: a few rounds reach any number of layers.
    const size_t target = std::min(worst.size(), moved + std::max<size_t>(1, moved / 2));
    double next_share = share;
    for (size_t k = moved; k < target; ++k) next_share -= can.macs[nodes[worst[k]]] / can.able_macs;
    if (target == moved || next_share < least_int8_share)
      throw Error({.file = path,
                   .field = "--max_delta1_loss",
                   .value = exact(options.max_delta1_loss),
                   .reason = loss_line(result.delta1, meter, protocol) + ", with " + std::to_string(moved) +
                             " layers in float and " + decimals(100 * share, 0) + "% of the products on bytes",
                   .fix = "Nothing was written. " + options.advice +
                          (trained ? "Train it longer" : "Calibrate with more frames or --calibration min_max") +
                          ", allow more loss, use --precision f16, or take it as it is with --force"});
    for (; moved < target; ++moved) {
      products[nodes[worst[moved]]] = false;
      result.layers[worst[moved]].why_float =
          "costs most alone; without it delta1 lost " + decimals(result.delta1.loss, 4);
    }
    share = next_share;
  }

  // Each layer's own result beside the float network's.
  const ModelSpec& chosen = best->spec();
  const PlannedPass<BytesExec> floats(BytesExec(), graph, spec.weights, PlanOptions());
  const PlannedPass<BytesExec> bytes(BytesExec(), *chosen.graph, device_weights(chosen), PlanOptions());
  std::vector<Noise> noise(nodes.size());
  for (const std::vector<float>& probe : probes) {
    Answers results(nodes.size());
    floats.upload_input(probe);
    for (size_t i = 0, k = 0; i < graph.nodes.size(); ++i) {
      floats.run_node(static_cast<int32_t>(i));
      if (k < nodes.size() && nodes[k] == i) results[k++] = floats.download(graph.nodes[i].output);
    }
    bytes.upload_input(probe);
    for (size_t i = 0; i < chosen.graph->nodes.size(); ++i) {
      bytes.run_node(static_cast<int32_t>(i));
      for (size_t k = 0; k < nodes.size(); ++k)
        if (result.layers[k].name == chosen.graph->node_names[i])
          noise[k].add(results[k], bytes.download(chosen.graph->nodes[i].output));
    }
  }
  for (size_t k = 0; k < nodes.size(); ++k) {
    result.layers[k].on_bytes = products[nodes[k]];
    result.layers[k].together_db = noise[k].decibels();
  }

  const std::string calibrated =
      trained ? "ranges as they were trained with"
              : std::to_string(calibration.size()) + " frames calibrated, " +
                    (options.frames->size() < 2 * calibration.size() ? "the same" : "others") + " measured";
  result.report = layer_table(result.layers) + "\n" +
                  (meter.has_truth() ? metrics_table(meter, options.reference_name) + "\n" : "") +
                  loss_line(result.delta1, meter, protocol) + "\n" + calibrated + "; " + decimals(100 * share, 0) +
                  "% of the products that could run on bytes do\n";
  if (result.delta1.high > options.max_delta1_loss && result.delta1.loss <= options.max_delta1_loss)
    result.report += "the interval reaches beyond the limit of " + exact(options.max_delta1_loss) +
                     ": measure on more frames to be sure\n";
  if (options.force && result.delta1.loss > options.max_delta1_loss)
    result.report += "WARNING: more than the limit of " + exact(options.max_delta1_loss) + " is lost (--force)\n";
  result.spec = chosen;
  result.graph = best->take_graph();
  result.spec.provenance["quantised"] =
      "int8, " +
      (trained ? "trained for it"
               : std::to_string(calibration.size()) + " frames, " +
                     (options.method == RangeMethod::percentile ? "percentile" : "min_max")) +
      "; delta1 loss " + decimals(result.delta1.loss, 4) + " on " + std::to_string(result.delta1.frames) + " frames";
  result.spec.golden = compute_golden(result.spec);
  return result;
}

} // namespace leadline::trainer
