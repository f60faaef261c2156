// Export: the engine gives the trainer's bits for every kind of U-Net; the file says what it should; failures leave
// nothing.
#include "tests/support/temp_dir.hpp"
#include "tests/trainer/toy_frames.hpp"
#include "trainer/autotune.hpp"
#include "trainer/export.hpp"
#include "trainer/train_loop.hpp"
#include "trainer/verify.hpp"

#include <leadline/leadline.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
namespace fs = std::filesystem;

namespace {

Checkpoint trained(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::pair<std::string, std::string>> all{{"train.epochs", "1"}};
  all.insert(all.end(), changes.begin(), changes.end());
  const auto loop = make_train_loop(toy_settings(all), toy_frames(8, 1), toy_frames(4, 2));
  loop->run();
  return loop->checkpoint();
}

} // namespace

TEST_CASE("the engine's answer is the trainer's, bit for bit") {
  const TempDir folder;
  const std::vector<std::vector<std::pair<std::string, std::string>>> networks{
      {},
      {{"model.up_sampling", "bilinear"}, {"model.activation", "silu"}, {"model.head", "softplus"}},
      {{"model.up_sampling", "nearest"}, {"model.norm", "group"}, {"model.activation", "hardswish"}},
      {{"model.norm", "none"}, {"model.head", "linear"}, {"model.activation", "leaky_relu"}},
      {{"train.precision", "f64"}, {"model.activation", "gelu"}, {"model.base_channels", "3"}},
      {{"model.network", "fastdepth"}, {"data.size", "32x64"}, {"model.width_multiplier", "0.25"}},
      {{"model.head", "tanh"}, {"model.skip", "add"}, {"model.dropout", "0.5"}},
      {{"model.head", "log_depth"}, {"model.skip", "none"}},
      {{"model.network", "residual_unet"}, {"model.up_sampling", "nearest"}},
      {{"model.network", "attention_unet"}, {"model.norm", "group"}},
      {{"model.network", "unet_plus_plus"}, {"model.deep_supervision", "true"}, {"model.up_sampling", "bilinear"}},
      {{"model.network", "mobile_unet"}, {"model.skip", "add"}},
      {{"model.network", "resnet18_unet"}, {"data.size", "32x64"}, {"model.width_multiplier", "0.125"}},
      {{"model.network", "resnet34_unet"}, {"data.size", "32x32"}, {"model.width_multiplier", "0.125"}},
      {{"model.network", "vgg11_unet"}, {"data.size", "16x32"}, {"model.width_multiplier", "0.125"}},
      {{"model.network", "vgg16_unet"}, {"data.size", "16x32"}, {"model.width_multiplier", "0.125"}},
      {{"model.network", "mobilenet_v2_unet"}, {"data.size", "32x64"}, {"model.width_multiplier", "0.25"}},
      {{"model.network", "efficientnet_lite0_unet"}, {"data.size", "32x64"}, {"model.width_multiplier", "0.25"}},
  };
  for (const auto& changes : networks) {
    const Checkpoint checkpoint = trained(changes);
    const std::string file = folder / "model.lead";
    INFO(checkpoint.settings);
    const ExportReport report = export_model(checkpoint, "c.h5", file); // verifies on HostExec and Kokkos
    CHECK(report.nodes_after < report.nodes_before);
    CHECK(report.fold_error <= 1e-5);
    CHECK(fs::file_size(file) == report.file_bytes);
    CHECK(folder.entries() == 1); // no temporary file is left
  }
}

TEST_CASE("weights in 16 bits: the file shrinks, and the engine still gives the trainer's bits") {
  const TempDir folder;
  const std::string file = folder / "model.lead";
  const Checkpoint checkpoint = trained({{"model.base_channels", "8"}});
  const ExportReport plain = export_model(checkpoint, "c.h5", file);
  CHECK(plain.weight_bytes >= plain.float_weight_bytes); // padding
  CHECK(plain.round_error == 0);
  const auto frames = toy_frames(4, 2);
  for (const WeightType type : {WeightType::f16, WeightType::bf16}) {
    const ExportReport report = export_model(checkpoint, "c.h5", file, {.weights = type});
    CAPTURE(weight_type_name(type));
    CHECK(report.weight_bytes * 10 < plain.weight_bytes * 6);
    CHECK(report.round_error > 0);
    CHECK(report.round_error <= (type == WeightType::f16 ? 1e-2 : 1e-1));
    const Parity parity = verify_parity(checkpoint, "c.h5", file, *frames, 4);
    INFO(parity.table);
    CHECK(parity.passed);
    CHECK(parity.rows.front().same_bits == 4);
    CHECK(parity.rows[1].same_bits < 4); // beside the network as it was trained
    CHECK(parity.rows[1].limit > 1e-4);
  }
}

TEST_CASE("verification sees a model that answers otherwise") {
  const TempDir folder;
  const Checkpoint checkpoint = trained({});
  Graph graph;
  ModelSpec spec = model_spec(checkpoint, "c.h5", &graph);
  write_model(folder / "model.lead", spec);
  CHECK_NOTHROW(verify_model(folder / "model.lead", spec));
  spec.weights.back()[0] = std::nextafter(spec.weights.back()[0], 100.0f) + 0.01f; // the head's bias
  CHECK_THROWS_MATCHES(verify_model(folder / "model.lead", spec), Error, MessageMatches(ContainsSubstring("differs")));
}

TEST_CASE("algorithms that are asked for or measured are recorded, and the bits are still the trainer's") {
  const TempDir folder;
  const Checkpoint checkpoint = trained({});
  const std::string file = folder / "model.lead";
  std::vector<Algorithm> chosen;
  std::string report;
  const std::vector<std::function<std::vector<Algorithm>(const Graph&, const std::vector<std::vector<float>>&)>>
      choices{
          [](const Graph& graph, const auto&) { return parse_algorithms("winograd4", graph); },
          [](const Graph& graph, const auto&) {
            return parse_algorithms("host_gemm," + graph.node_names[0] + "=portable", graph);
          },
          [&](const Graph& graph, const auto& weights) {
            return autotune(graph, weights, ComputePrecision::bf16, 2, &report);
          },
      };
  for (const auto& choose : choices) {
    const auto check = [&](const Graph& graph, const std::vector<std::vector<float>>& weights) {
      chosen = choose(graph, weights);
      CHECK_THROWS_AS(parse_algorithms("fastest", graph), Error);
      CHECK_THROWS_AS(parse_algorithms("no_such_layer=winograd4", graph), Error);
      return chosen;
    };
    export_model(checkpoint, "c.h5", file, {.choose = check});
    leadline::ErrorText error;
    Model model;
    REQUIRE(model.open_file(file.c_str(), error) == LEADLINE_OK);
    Session session;
    REQUIRE(session.create(model, error) == LEADLINE_OK);
    for (size_t i = 0; i < chosen.size(); ++i) {
      if (chosen[i] == automatic) continue;
      leadline_node_plan plan{};
      plan.struct_size = sizeof plan;
      REQUIRE(leadline_session_get_node(session.get(), static_cast<int32_t>(i), &plan) == LEADLINE_OK);
      const std::string ran = plan.algorithm;
      CHECK((ran == algorithm_name(chosen[i]) || ran == "host_gemm")); // what can't be done is done by host_gemm
    }
  }
  CHECK(report.find(" ms") != std::string::npos);
}

TEST_CASE("the file carries size, preprocessing, range, cameras and origin") {
  const TempDir folder;
  const Checkpoint checkpoint =
      trained({{"run.data_licence", "CC BY 4.0"}, {"data.crop", "centre"}, {"data.mean", "0.1, 0.2, 0.3"}});
  export_model(checkpoint, "c.h5", folder / "model.lead");
  Model model;
  leadline::ErrorText error;
  REQUIRE(model.open_file((folder / "model.lead").c_str(), error) == LEADLINE_OK);
  const leadline_model_info info = model.info();
  CHECK(std::string(info.name) == "unet");
  CHECK(info.input_height == 16);
  CHECK(info.input_width == 24);
  CHECK(info.size_multiple == 4);
  CHECK(info.crops_centre == 1);
  CHECK(info.focal_x == 20);
  CHECK(info.output_kind == LEADLINE_METRIC_DEPTH);
  CHECK(info.min_depth == 0.1f);
  CHECK(std::abs(info.max_depth - 8) <= 1e-6f);
  CHECK(info.has_golden == 1);
  CHECK(std::string(model.provenance("licence")) == "CC BY 4.0");
  CHECK(std::string(model.provenance("data")) == "toy");
  CHECK_THAT(model.provenance("metric"), ContainsSubstring("delta1") && ContainsSubstring("protocol raw"));
}

TEST_CASE("an ONNX file carries the folded network, what its input wants, and its origin") {
  const TempDir folder;
  const Checkpoint checkpoint = trained({{"run.data_licence", "CC BY 4.0"}, {"data.mean", "0.1, 0.2, 0.3"}});
  const ExportReport report = export_onnx(checkpoint, "c.h5", folder / "model.onnx");
  CHECK(report.nodes_after < report.nodes_before);
  CHECK(folder.entries() == 1);
  std::ifstream stream(folder / "model.onnx", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  CHECK(bytes.size() == report.file_bytes);
  for (const char* text : {"0.1, 0.2, 0.3", "0.25, 0.25, 0.25", "CC BY 4.0", "down.0.0.weight", "ConvTranspose"})
    CHECK_THAT(bytes, ContainsSubstring(text));
  CHECK_THAT(bytes, !ContainsSubstring("BatchNormalization"));
  CHECK_THROWS_AS(export_onnx(checkpoint, "c.h5", folder / "no/such/folder/model.onnx"), Error);
}

TEST_CASE("the engine answers a camera's picture as the trainer's validation does") {
  const TempDir folder;
  const Checkpoint checkpoint = trained({});
  export_model(checkpoint, "c.h5", folder / "model.lead");
  Model model;
  Session session;
  leadline::ErrorText error;
  REQUIRE(model.open_file((folder / "model.lead").c_str(), error) == LEADLINE_OK);
  REQUIRE(session.create(model, error) == LEADLINE_OK);
  const data::Sample frame = ToyFrames(4, 2).load(0);
  std::vector<float> depth(session.output_values());
  REQUIRE(session.run_rgb8(frame.rgb.data(), frame.width, frame.height, depth.data(), depth.size()) == LEADLINE_OK);

  struct Keep final : Callback {
    explicit Keep(std::vector<float>* out) : prediction(out) {}
    void on_epoch_end(const EpochReport& report, RunControl&) override {
      *prediction = report.predictions.at(0).prediction;
    }
    std::vector<float>* prediction;
  };
  std::vector<float> validation;
  const auto loop = make_train_loop(toy_settings({{"train.epochs", "1"}}), toy_frames(8, 1), toy_frames(4, 2));
  loop->add(std::make_unique<Keep>(&validation));
  loop->run();
  REQUIRE(validation.size() == depth.size());
  for (size_t i = 0; i < depth.size(); ++i) // up to the rounding of folding
    if (!(std::abs(depth[i] - validation[i]) <= 1e-4f * 8))
      FAIL("pixel " << i << ": " << depth[i] << " instead of " << validation[i]);
}

TEST_CASE("what can't be exported is refused and leaves the old file alone") {
  const TempDir folder;
  Checkpoint checkpoint = trained({});
  std::ofstream(folder / "model.lead") << "old";
  Checkpoint broken = checkpoint;
  broken.weights[0].values[0] = std::nan("");
  CHECK_THROWS_MATCHES(export_model(broken, "c.h5", folder / "model.lead"), Error,
                       MessageMatches(ContainsSubstring("down.0.0.weight") && ContainsSubstring("diverged")));
  broken = checkpoint;
  broken.weights.pop_back();
  CHECK_THROWS_MATCHES(export_model(broken, "c.h5", folder / "model.lead"), Error,
                       MessageMatches(ContainsSubstring("head.bias")));
  CHECK_THROWS_MATCHES(export_model(checkpoint, "c.h5", folder.path()), Error,
                       MessageMatches(ContainsSubstring("folder")));
  CHECK_THROWS_AS(export_model(checkpoint, "c.h5", folder / "no/such/folder/model.lead"), Error);
  CHECK(folder.entries() == 1);
  CHECK(fs::file_size(folder / "model.lead") == 3);
}
