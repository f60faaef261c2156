// int8 from calibration to file: ranges, grids, what is measured and refused, and that trainer and engine agree.
#include "tests/support/temp_dir.hpp"
#include "tests/trainer/toy_frames.hpp"
#include "trainer/export.hpp"
#include "trainer/int8_export.hpp"
#include "trainer/train_loop.hpp"
#include "trainer/verify.hpp"

#include <leadline/leadline.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <fstream>
#include <iterator>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

Checkpoint trained(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::pair<std::string, std::string>> all{{"train.epochs", "2"}, {"model.base_channels", "8"}};
  all.insert(all.end(), changes.begin(), changes.end());
  const auto loop = make_train_loop(toy_settings(all), toy_frames(16, 1), toy_frames(4, 2));
  loop->run();
  return loop->checkpoint();
}

Int8Options int8_options(size_t frames = 12) {
  Int8Options options;
  options.frames = toy_frames(frames, 3);
  options.calibration_frames = 4;
  options.max_delta1_loss = 1; // anything
  return options;
}

} // namespace

TEST_CASE("a range is what a value held, with or without its outliers") {
  RangeObserver observer;
  std::vector<float> values;
  for (int i = 0; i < 20000; ++i) values.push_back(static_cast<float>(i) / 20000);
  observer.add(values);
  observer.add({-40.0f, 100.0f}); // widens the histogram, which keeps its counts
  CHECK(observer.range(RangeMethod::min_max).low == -40);
  CHECK(observer.range(RangeMethod::min_max).high == 100);
  CHECK(std::abs(observer.range(RangeMethod::percentile).high - 1) <= 0.07); // a bin is 1/16
  CHECK(observer.range(RangeMethod::percentile).low == 0);

  RangeObserver positive;
  positive.add({3, 4, 5});
  CHECK(positive.range(RangeMethod::min_max).low == 0); // zero is always a value: padding
  CHECK(RangeObserver().range(RangeMethod::percentile).high == 0);
}

TEST_CASE("a grid has zero on it and covers its range") {
  const Quantization relu = quantization_of({0, 5.1});
  CHECK(relu.zero_point == 0);
  CHECK(std::abs(relu.scale - 0.02f) <= 1e-6f);
  const Quantization both = quantization_of({-1, 3});
  CHECK(both.zero_point == 64);
  CHECK(std::abs(both.scale - 4.0f / 255) <= 1e-6f);
  CHECK(quantization_of({0, 0}).quantized()); // a dead layer
  CHECK(valid_quantization(quantization_of({-1e30, 1e30})));
}

TEST_CASE("a mean's difference and its interval") {
  const MeanDifference same = mean_difference({0.5, 0.25, 1}, {0.5, 0.25, 1});
  CHECK(same.loss == 0);
  CHECK(same.low == 0);
  CHECK(same.high == 0);
  std::vector<double> before, after;
  for (int i = 0; i < 100; ++i) {
    before.push_back(0.8);
    after.push_back(0.8 - 0.002 * (i % 10)); // mean 0.009, standard error 0.00057
  }
  const MeanDifference loss = mean_difference(before, after);
  CHECK(std::abs(loss.loss - 0.009) <= 1e-9);
  CHECK(std::abs(loss.low - (0.009 - 0.00113)) <= 3e-4);
  CHECK(std::abs(loss.high - (0.009 + 0.00113)) <= 3e-4);
  CHECK(mean_difference({}, {}).frames == 0);
}

TEST_CASE("int8 the whole way: calibrated, measured, written, verified, for networks of several kinds") {
  const TempDir folder;
  const std::vector<std::vector<std::pair<std::string, std::string>>> networks{
      {},
      {{"model.up_sampling", "bilinear"}, {"model.head", "softplus"}},
      {{"model.network", "fastdepth"}, {"data.size", "32x64"}, {"model.width_multiplier", "0.25"}},
      {{"model.network", "residual_unet"}, {"model.up_sampling", "nearest"}},
      {{"model.network", "mobile_unet"}, {"model.skip", "add"}},
  };
  for (const auto& changes : networks) {
    const Checkpoint checkpoint = trained(changes);
    INFO(checkpoint.settings);
    const std::string file = folder / "model.lead";
    ExportOptions options;
    options.int8 = int8_options();
    const ExportReport report = export_model(checkpoint, "c.h5", file, options); // proves: engine = trainer's kernels
    INFO(report.int8_report);
    CHECK_THAT(report.int8_report, ContainsSubstring("runs in") && ContainsSubstring("delta1") &&
                                       ContainsSubstring("8 frames") && ContainsSubstring("4 frames calibrated"));
    CHECK(folder.entries() == 1);
    Model model;
    Session session;
    leadline::ErrorText error;
    REQUIRE(model.open_file(file.c_str(), error) == LEADLINE_OK);
    REQUIRE(session.create(model, error) == LEADLINE_OK);
    CHECK(session.self_test() == LEADLINE_OK);
    CHECK(model.info().weight_type == LEADLINE_WEIGHTS_INT8);
    CHECK(model.provenance("quantised"));
    const auto frames = toy_frames(4, 2);
    const Parity parity = verify_parity(checkpoint, "c.h5", file, *frames, 4);
    INFO(parity.table);
    CHECK(parity.rows.front().same_bits == 4);
    CHECK(parity.rows[1].same_bits == 0); // beside the network as it was trained
  }
}

TEST_CASE("int8 for other engines: the same calibration, bytes between QuantizeLinear and DequantizeLinear") {
  const TempDir folder;
  const std::string file = folder / "model.onnx";
  const ExportReport report = export_onnx(trained({}), "c.h5", file, int8_options());
  CHECK_THAT(report.int8_report, ContainsSubstring("delta1") && ContainsSubstring("4 frames calibrated"));
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  CHECK(bytes.size() == report.file_bytes);
  for (const char* text : {"QuantizeLinear", "DequantizeLinear", "down.0.0.weight.scale", "down.0.0.bias.scale",
                           "input.quantize", "metres", "8 frames"})
    CHECK_THAT(bytes, ContainsSubstring(text));
  CHECK(folder.entries() == 1);
}

TEST_CASE("what int8 loses decides: layers fall back to float, or nothing is written, unless it is forced") {
  const TempDir folder;
  const Checkpoint checkpoint = trained({});
  const std::string file = folder / "model.lead";
  ExportOptions options;
  options.int8 = int8_options();
  options.int8.max_delta1_loss = -2; // impossible
  CHECK_THROWS_MATCHES(export_model(checkpoint, "c.h5", file, options), Error,
                       MessageMatches(ContainsSubstring("--max_delta1_loss") && ContainsSubstring("layers in float") &&
                                      ContainsSubstring("--force")));
  CHECK(folder.entries() == 0);
  options.int8.force = true;
  const ExportReport forced = export_model(checkpoint, "c.h5", file, options);
  CHECK_THAT(forced.int8_report, ContainsSubstring("WARNING"));
  CHECK(folder.entries() == 1);

  // The search itself: a layer moves to float where that is what the limit takes.
  Graph graph;
  const ModelSpec spec = model_spec(checkpoint, "c.h5", &graph);
  const Int8Model all = quantize_model(spec, file, "raw", int8_options());
  size_t on_bytes = 0;
  for (const Int8Layer& layer : all.layers) {
    on_bytes += layer.on_bytes;
    CHECK(layer.on_bytes == layer.why_float.empty());
    if (layer.on_bytes) {
      CHECK(layer.alone_db > 10);
      CHECK(layer.together_db > 5);
    }
  }
  CHECK(on_bytes + 1 == all.layers.size()); // the head, whose sigmoid has no form for bytes
  CHECK(std::abs(all.delta1.before - all.delta1.after - all.delta1.loss) <= 1e-12);
  CHECK(all.delta1.low <= all.delta1.loss);
  CHECK(all.delta1.loss <= all.delta1.high);
}

TEST_CASE("without ground truth the measure is agreement with f32") {
  const TempDir folder;
  const Checkpoint checkpoint = trained({});
  Graph graph;
  const ModelSpec spec = model_spec(checkpoint, "c.h5", &graph);
  Int8Options options = int8_options();
  options.frames = std::make_shared<ToyFrames>(12, 3, false);
  const Int8Model model = quantize_model(spec, folder / "m.lead", "raw", options);
  CHECK_THAT(model.report, ContainsSubstring("no ground truth: int8 and f32 agree"));
  CHECK(model.delta1.before == 1);
  CHECK(model.delta1.after > 0.5);
  CHECK(folder.entries() == 0);
}

TEST_CASE("int8 says why it isn't possible") {
  const TempDir folder;
  const Checkpoint checkpoint = trained({{"model.activation", "silu"}});
  ExportOptions options;
  options.int8 = int8_options();
  CHECK_THROWS_MATCHES(export_model(checkpoint, "c.h5", folder / "m.lead", options), Error,
                       MessageMatches(ContainsSubstring("of this network's products can run on bytes") &&
                                      ContainsSubstring("relu or relu6")));
  options.int8.frames = toy_frames(0, 1);
  CHECK_THROWS_MATCHES(export_model(trained({}), "c.h5", folder / "m.lead", options), Error,
                       MessageMatches(ContainsSubstring("--calibrate")));
  CHECK(folder.entries() == 0);
}
