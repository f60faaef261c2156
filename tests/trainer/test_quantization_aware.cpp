// Quantisation-aware fine-tuning: weights rounded as the file holds them, values as bytes hold them, gradients for the
// masters; what calibration alone loses comes back; runs resume; and what can't be is said.
#include "tests/support/temp_dir.hpp"
#include "tests/trainer/toy_runs.hpp"
#include "trainer/export.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/quantization_aware.hpp"
#include "trainer/verify.hpp"
#include "trainer/weight_rounding.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

using Changes = std::vector<std::pair<std::string, std::string>>;

/// A float run of one file, as `leadline train` leaves it.
struct FloatRun {
  TempDir folder;
  std::string file = folder / "checkpoints/best.h5";
  Checkpoint checkpoint;

  explicit FloatRun(const Changes& changes = {}, int uneven = 1) {
    Changes all{{"model.base_channels", "8"}, {"train.epochs", "6"}};
    all.insert(all.end(), changes.begin(), changes.end());
    checkpoint = train(toy_settings(all)).end;
    if (uneven > 1) make_uneven(uneven);
    std::filesystem::create_directories(folder / "checkpoints");
    write_checkpoint(file, checkpoint);
  }

  NamedArray& weight(const std::string& name) {
    return *std::find_if(checkpoint.weights.begin(), checkpoint.weights.end(),
                         [&](const NamedArray& array) { return array.name == name; });
  }
  /// The same function with every other channel between the two convolutions of a block scaled down by `factor`: a
  /// relu's scale can be moved into the next layer. One grid for all channels leaves few steps to the small ones.
  void make_uneven(int factor) {
    for (const std::string block : {"down.0", "down.1", "down.2", "dec.1", "dec.0"}) {
      const index_t channels = weight(block + ".1.weight").shape[0];
      NamedArray& next = weight(block + ".3.weight");
      const index_t taps = next.shape[2] * next.shape[3];
      for (index_t c = 1; c < channels; c += 2) {
        for (const char* name : {".1.weight", ".1.bias"}) weight(block + name).values[static_cast<size_t>(c)] /= factor;
        for (index_t o = 0; o < next.shape[0]; ++o)
          for (index_t k = 0; k < taps; ++k) next.values[static_cast<size_t>((o * channels + c) * taps + k)] *= factor;
      }
    }
  }

  Settings fine_tuning(const Changes& changes = {}) const {
    Changes all{{"model.base_channels", "8"},
                {"model.weights", file},
                {"quantize.aware", "true"},
                {"train.epochs", "2"},
                {"optimizer.lr", "5e-4"}};
    all.insert(all.end(), changes.begin(), changes.end());
    return toy_settings(all);
  }
};

MeanDifference int8_loss(const Checkpoint& checkpoint, const std::string& file, const std::string& path,
                         std::string* report) {
  ExportOptions options;
  options.int8.frames = toy_frames(24, 3);
  options.int8.calibration_frames = 8;
  options.int8.max_delta1_loss = 1;
  *report = export_model(checkpoint, file, path, options).int8_report;
  Graph graph;
  const ModelSpec spec = model_spec(checkpoint, file, &graph);
  if (!checkpoint.ranges.empty()) options.int8.ranges = ranges_of(graph, checkpoint.ranges, file);
  return quantize_model(spec, path, "raw", options.int8).delta1;
}

} // namespace

TEST_CASE("weights are rounded to what the file holds, and come back") {
  GraphBuilder b("net", {1, 6, 6, 6});
  Conv2d::Params conv;
  conv.out_channels = 4, conv.kernel_h = conv.kernel_w = 3, conv.groups = 2;
  ConvTranspose2d::Params up;
  up.out_channels = 6, up.kernel_h = up.kernel_w = 2, up.stride_h = up.stride_w = 2, up.groups = 2;
  b.output(b.add<ConvTranspose2d>(up, {b.add<Conv2d>(conv, {b.input()}, "conv")}, "up"));
  const Graph graph = b.finish();
  ModelSpec spec;
  spec.graph = &graph;
  for (size_t w = 0; w < graph.weight_shapes.size(); ++w) {
    std::vector<float> values;
    const Philox random(5, w);
    for (index_t i = 0; i < graph.weight_shapes[w].count(); ++i)
      values.push_back(i % 7 == 0 ? 0.0f : random.uniform(static_cast<uint64_t>(i)) - 0.5f);
    spec.weights.push_back(values);
  }
  std::fill_n(spec.weights[0].begin(), 27, 0.0f); // a channel of zeros
  spec.weight_types = weight_types(graph, WeightType::int8);
  const std::vector<std::vector<float>> wanted = stored_weights(spec);

  const DefaultExec exec;
  GraphSession<float, DefaultExec> session(exec, graph, graph.input_shape, false);
  std::vector<WeightRounding<float, DefaultExec>::Weight> weights;
  for (int w = 0; w < session.num_weights(); ++w) session.set_weight(w, spec.weights[static_cast<size_t>(w)]);
  for (const Node& node : graph.nodes) {
    const Tensor<float> weight = session.weight(node.weights[0]);
    weights.push_back({weight, weight_channels(node, 0, weight.shape)});
  }
  const WeightRounding<float, DefaultExec> rounding(exec, weights);
  CHECK(rounding.on());
  rounding.round();
  for (int w = 0; w < session.num_weights(); ++w) CHECK(session.get_weight(w) == wanted[static_cast<size_t>(w)]);
  CHECK(session.get_weight(0) != spec.weights[0]);
  rounding.restore();
  for (int w = 0; w < session.num_weights(); ++w) CHECK(session.get_weight(w) == spec.weights[static_cast<size_t>(w)]);
  CHECK_FALSE(WeightRounding<float, DefaultExec>(exec, {}).on());
}

TEST_CASE("a step moves the masters by the gradient at the rounded weights") {
  const FloatRun run;
  struct Watcher final : Callback {
    std::vector<NamedArray> weights, gradients;
    void on_before_optimizer_step(const StepReport&, RunControl& control) override {
      for (const std::string& name : control.weight_names()) {
        weights.push_back(control.weight(name));
        gradients.push_back(control.gradient(name));
      }
      control.request_stop();
    }
  };
  const auto loop = make_train_loop(
      run.fine_tuning({{"optimizer.name", "sgd"}, {"optimizer.lr", "0.125"}, {"train.precision", "f64"}}),
      toy_frames(22, 1), toy_frames(5, 2));
  const Checkpoint begin = loop->checkpoint();
  REQUIRE(begin.weights.size() == begin.trained_weights.size());
  auto watcher = std::make_unique<Watcher>();
  Watcher* const seen = watcher.get();
  loop->add(std::move(watcher));
  loop->run();
  const Checkpoint end = loop->checkpoint();
  REQUIRE(seen->weights.size() == end.trained_weights.size()); // norms are folded: all that is left can be trained
  size_t rounded = 0, moved = 0;
  for (size_t w = 0; w < seen->weights.size(); ++w) {
    INFO(end.weights[w].name);
    CHECK(seen->weights[w].values == begin.trained_weights[w].values);
    for (size_t i = 0; i < seen->weights[w].values.size(); ++i) {
      const double step = 0.125 * seen->gradients[w].values[i];
      moved += step != 0;
      CHECK(std::abs(end.trained_weights[w].values[i] - (begin.trained_weights[w].values[i] - step)) <= 1e-12);
    }
    rounded += end.weights[w].values != end.trained_weights[w].values;
    double largest = 0;
    for (const double value : end.weights[w].values) largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < end.weights[w].values.size();
         ++i) // half a step of the channel's grid, whose own is no wider
      CHECK(std::abs(end.weights[w].values[i] - end.trained_weights[w].values[i]) <= largest / 127 / 2 * (1 + 1e-9));
  }
  CHECK(moved > 1000);
  CHECK(rounded >= 10); // all convolutions but the head
}

TEST_CASE("training sees what the device computes") {
  const FloatRun run;
  for (const Changes& changes : {Changes{}, Changes{{"quantize.calibration", "min_max"}}}) {
    const Checkpoint tuned = train(run.fine_tuning(changes)).end;
    REQUIRE_FALSE(tuned.ranges.empty());
    const std::string model = run.folder / "model.lead";
    std::string report;
    int8_loss(tuned, "tuned.h5", model, &report);
    INFO(report);
    CHECK_THAT(report, ContainsSubstring("ranges as they were trained with") && ContainsSubstring("f32, " + run.file) &&
                           ContainsSubstring("100% of the products"));
    const auto frames = toy_frames(6, 9);
    const Parity parity = verify_parity(tuned, "tuned.h5", model, *frames, 6);
    INFO(parity.table);
    CHECK(parity.passed);
    CHECK(parity.rows[1].mean_relative < 4e-3); // now and then a value rounds to the other side
  }
}

TEST_CASE("what calibration alone loses comes back by training") {
  const FloatRun run({{"train.epochs", "30"}}, 300);
  std::string report;
  const MeanDifference calibrated = int8_loss(run.checkpoint, run.file, run.folder / "a.lead", &report);
  INFO(report);
  const Run tuned = train(run.fine_tuning({{"train.epochs", "16"}}));
  const MeanDifference trained = int8_loss(tuned.end, "tuned.h5", run.folder / "b.lead", &report);
  INFO(report);
  CHECK(calibrated.before > 0.95);
  CHECK(calibrated.loss > 0.5);
  CHECK(trained.after > 0.85);
}

TEST_CASE("a run that trains for int8 resumes to the same bits, without the run that it began with") {
  const FloatRun run({{"model.network", "mobile_unet"}, {"model.up_sampling", "nearest"}, {"model.skip", "add"}});
  const Settings settings =
      run.fine_tuning({{"model.network", "mobile_unet"}, {"model.up_sampling", "nearest"}, {"model.skip", "add"}});
  const Run whole = train(settings), half = train(settings, nullptr, 7);
  std::filesystem::remove(run.file);
  const std::string file = run.folder / "half.h5"; // through the file, with all that it keeps
  write_checkpoint(file, half.end);
  const Checkpoint from = read_checkpoint(file);
  check_same_bits(train(settings, &from).end, whole.end);
  CHECK_THROWS_MATCHES(train(settings), Error, MessageMatches(ContainsSubstring(run.file)));

  Checkpoint other = from;
  other.ranges.pop_back();
  CHECK_THROWS_MATCHES(train(settings, &other), Error, MessageMatches(ContainsSubstring("range ")));
  const Settings floats = toy_settings({{"model.network", "mobile_unet"},
                                        {"model.base_channels", "8"},
                                        {"model.up_sampling", "nearest"},
                                        {"model.skip", "add"}});
  CHECK_THROWS_AS(train(floats, &from), Error);
}

TEST_CASE("fine-tuning for int8 says what it needs") {
  const FloatRun run;
  const auto refused = [&](const Changes& changes, const std::string& field, const std::string& what) {
    CHECK_THROWS_MATCHES(train(run.fine_tuning(changes)), Error,
                         MessageMatches(ContainsSubstring(field) && ContainsSubstring(what)));
  };
  refused({{"model.weights", ""}}, "quantize.aware", "model.weights");
  refused({{"train.ema", "0.99"}}, "train.ema", "quantize.aware");
  refused({{"optimizer.name", "lbfgs"}}, "optimizer.name", "smooth");
  refused({{"quantize.calibration_frames", "0"}}, "quantize.calibration_frames", "0");
  refused({{"model.activation", "silu"}}, "quantize.aware", "relu");
  const std::string tuned = run.folder / "tuned.h5";
  write_checkpoint(tuned, make_train_loop(run.fine_tuning(), toy_frames(8, 1), toy_frames(4, 2))->checkpoint());
  refused({{"model.weights", tuned}}, "tuned.h5", "--resume");
}

TEST_CASE("an export that loses too much names the command that helps") {
  const FloatRun run;
  ExportOptions options;
  options.int8.frames = toy_frames(12, 3);
  options.int8.max_delta1_loss = -2; // impossible
  CHECK_THROWS_MATCHES(export_model(run.checkpoint, run.file, run.folder / "m.lead", options), Error,
                       MessageMatches(!ContainsSubstring("--quantize.aware"))); // there is no config.ini
  run.folder.write("config.ini", "");
  CHECK_THROWS_MATCHES(export_model(run.checkpoint, run.file, run.folder / "m.lead", options), Error,
                       MessageMatches(ContainsSubstring("leadline train --config ") &&
                                      ContainsSubstring("--quantize.aware true") &&
                                      ContainsSubstring("--optimizer.lr 5e-04")));
  const Checkpoint tuned = make_train_loop(run.fine_tuning(), toy_frames(8, 1), toy_frames(4, 2))->checkpoint();
  CHECK_THROWS_MATCHES(export_model(tuned, "runs/t/checkpoints/best.h5", run.folder / "m.lead", options), Error,
                       MessageMatches(ContainsSubstring("Train it longer")));
}
