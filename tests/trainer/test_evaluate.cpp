// Predictions of networks and of files, alignment, resolution: the numbers are what they say they are.
#include "data/depth_filters.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/trainer/toy_frames.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/export.hpp"
#include "trainer/train_loop.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <filesystem>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

double metric(const Evaluation& evaluation, const std::string& name, size_t row = 0) {
  for (const NamedNumber& number : evaluation.rows.at(row).metrics)
    if (number.first == name) return number.second;
  return std::nan("");
}

/// Says `change(truth)` of every pixel, holes included.
template <class Change> PredictionSource changed_truth(const Change& change) {
  return {"changed", [change](size_t, const data::Sample& frame) -> PlacedDepth {
            data::DepthMap map{frame.height, frame.width, frame.depth};
            for (float& value : map.metres) value = change(depth_is_valid(value) ? value : 2.0f);
            return {map, {0, 0, frame.height, frame.width}};
          }};
}

Checkpoint trained() {
  const auto loop = make_train_loop(toy_settings({{"train.epochs", "2"}}), toy_frames(8, 1), toy_frames(4, 2));
  loop->run();
  return loop->checkpoint();
}

} // namespace

TEST_CASE("alignment takes away what it is named for, and nothing else") {
  const auto frames = toy_frames(4, 3);
  const auto measure = [&](const PredictionSource& source, Alignment alignment) {
    return metric(evaluate({source}, *frames, {.protocol = "raw", .alignment = alignment}), "abs_rel");
  };
  const auto scaled = changed_truth([](float t) { return 0.4f * t; });
  const auto shifted = changed_truth([](float t) { return 0.5f * t + 0.7f; });
  const auto inverse = changed_truth([](float t) { return 1 / (3 / t + 0.2f); });
  CHECK(!(std::abs(measure(scaled, Alignment::none) - 0.6) > 1e-6));
  CHECK(!(measure(scaled, Alignment::median) > 1e-6));
  CHECK(!(measure(scaled, Alignment::scale_shift) > 1e-5));
  CHECK(measure(shifted, Alignment::median) > 0.05);
  CHECK(!(measure(shifted, Alignment::scale_shift) > 1e-5));
  CHECK(measure(inverse, Alignment::scale_shift) > 0.01);
  CHECK(!(measure(inverse, Alignment::disparity) > 1e-5));
  // a constant has no shift to fit: it becomes a constant, and stays a number
  const auto constant = changed_truth([](float) { return 2.0f; });
  for (const Alignment alignment : {Alignment::median, Alignment::scale_shift, Alignment::disparity})
    CHECK((measure(constant, alignment) > 0.05 && measure(constant, alignment) < 1));
  const Evaluation said = evaluate({scaled}, *frames, {.protocol = "raw", .alignment = Alignment::median});
  CHECK_THAT(said.table, ContainsSubstring("ALIGNED by median"));
}

TEST_CASE("pixels outside the protocol, holes and missing predictions don't move the fit") {
  const DepthProtocol& protocol = depth_protocol("raw");
  data::DepthMap truth{2, 4, {1, 2, 3, 4, 0, 50, std::nanf(""), 5}};
  data::DepthMap prediction{2, 4, {2, 4, 6, 8, 900, 900, 900, 0}};
  align_depth(Alignment::scale_shift, protocol, truth, &prediction);
  for (size_t i = 0; i < 4; ++i) CHECK(!(std::abs(prediction.metres[i] - truth.metres[i]) > 1e-5f));
  CHECK(prediction.metres[7] == 0);
}

TEST_CASE("resolution: at the prediction's size or the frame's, and the table says which") {
  const auto frames = toy_frames(3, 4);
  // Half the size, exact where a block is one surface.
  const PredictionSource half{"half", [](size_t, const data::Sample& frame) -> PlacedDepth {
                                data::DepthMap map{8, 12, std::vector<float>(96)};
                                resize_depth_nearest(frame.depth.data(), 16, 24, 24, 8, 12, map.metres.data());
                                return {map, {0, 0, 16, 24}};
                              }};
  const Evaluation small = evaluate({half}, *frames, {.protocol = "raw"});
  CHECK(metric(small, "abs_rel") == 0);
  const Evaluation large = evaluate({half}, *frames, {.protocol = "raw", .resolution = Resolution::frame});
  CHECK((metric(large, "abs_rel") > 0 && metric(large, "abs_rel") < 0.2));
  CHECK(large.rows[0].frames[0].pixels > 3 * small.rows[0].frames[0].pixels);
  CHECK_THAT(large.table, ContainsSubstring("enlarged"));
}

TEST_CASE("a checkpoint, its exported model and its predictions in files get the same metrics") {
  const TempDir folder;
  const Checkpoint checkpoint = trained();
  const auto network = checkpoint_predictor(checkpoint, "toy.h5");
  const auto frames = toy_frames(5, 2);
  const auto sources = prediction_sources(*network, false);
  REQUIRE(sources.size() == 3);
  const Evaluation direct = evaluate(sources, *frames, {.protocol = "raw"});
  CHECK(direct.images == 5);

  const std::string model = folder / "toy.lead";
  export_model(checkpoint, "toy.h5", model);
  const auto engine = open_predictor(model, true, 1);
  CHECK(engine->height == 16);
  const Evaluation exported = evaluate(prediction_sources(*engine, false), *frames, {.protocol = "raw"});
  REQUIRE(exported.rows.size() == 1); // a model file knows no baselines
  for (size_t m = 0; m < 10; ++m)     // folding changes the last bits
    CHECK(!(std::abs(exported.rows[0].metrics[m].second - direct.rows[0].metrics[m].second) > 1e-4));

  const std::vector<std::string> keys = frame_keys(*frames);
  std::vector<float> all;
  for (size_t i = 0; i < frames->size(); ++i) {
    const PlacedDepth placed = sources[0].predict(i, frames->load(i));
    const std::string file = folder / keys[i];
    if (i % 2 == 0)
      data::write_npy(file + ".npy", {16, 24}, placed.depth.metres.data());
    else
      data::write_pfm(file + "_depth.pfm", placed.depth);
    all.insert(all.end(), placed.depth.metres.begin(), placed.depth.metres.end());
  }
  data::write_npy(folder / "all.npy", {5, 16, 24, 1}, all.data());
  for (const std::string& path : {folder.path(), folder / "all.npy"}) {
    const Evaluation files = evaluate({prediction_files(path, *frames, 0.001, false)}, *frames, {.protocol = "raw"});
    CHECK(files.rows[0].metrics == direct.rows[0].metrics);
  }
  // as 1/depth, with any scale and shift
  for (float& value : all) value = 5 / value + 3;
  data::write_npy(folder / "inverse.npy", {5, 16, 24}, all.data());
  const EvaluateOptions aligned{.protocol = "raw", .alignment = Alignment::disparity};
  const double before = metric(evaluate({sources[0]}, *frames, aligned), "abs_rel");
  const Evaluation after = evaluate({prediction_files(folder / "inverse.npy", *frames, 1, true)}, *frames, aligned);
  CHECK(!(std::abs(metric(after, "abs_rel") - before) > 1e-5));

  write_frame_metrics(folder / "frames.csv", direct);
  CHECK(fs::file_size(folder / "frames.csv") > 500);
}

TEST_CASE("the mean over a picture and its mirror image is the same for both") {
  const auto network = checkpoint_predictor(trained(), "toy.h5");
  data::Sample frame = toy_frames(1, 9)->load(0);
  const PlacedDepth straight = network->predict_flip_mean(packed_image(frame.rgb.data(), 16, 24));
  data::Sample mirrored = frame;
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 24; ++x)
      for (int c = 0; c < 3; ++c)
        mirrored.rgb[static_cast<size_t>((y * 24 + x) * 3 + c)] =
            frame.rgb[static_cast<size_t>((y * 24 + 23 - x) * 3 + c)];
  const PlacedDepth turned = network->predict_flip_mean(packed_image(mirrored.rgb.data(), 16, 24));
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 24; ++x)
      REQUIRE(straight.depth.metres[static_cast<size_t>(y * 24 + x)] ==
              turned.depth.metres[static_cast<size_t>(y * 24 + 23 - x)]);
}

TEST_CASE("what can't be evaluated is refused with its reason") {
  const TempDir folder;
  const auto frames = toy_frames(3, 1);
  const auto source = changed_truth([](float t) { return t; });
  const auto refuses = [](const auto& call, const std::string& a, const std::string& b) {
    try {
      call();
    } catch (const Error& error) {
      CHECK_THAT(error.what(), ContainsSubstring(a) && ContainsSubstring(b));
      return;
    }
    FAIL("nothing was refused: " << a);
  };
  refuses([&] { evaluate({source}, *frames, {.protocol = "egen"}); }, "egen", "eigen");
  refuses([&] { prediction_files(folder / "none", *frames, 1, false); }, "none", "no such");
  const PredictionSource empty = prediction_files(folder.path(), *frames, 1, false);
  refuses([&] { evaluate({empty}, *frames, {.protocol = "raw"}); }, "toy frame 0", ".npy");
  const std::vector<float> few(2 * 4 * 6, 1.0f);
  data::write_npy(folder / "few.npy", {2, 4, 6}, few.data());
  refuses([&] { prediction_files(folder / "few.npy", *frames, 1, false); }, "few.npy", "3 frames");
  refuses([&] { open_predictor(folder / "x.lead", true, 1); }, "x.lead", "");
  refuses([&] { open_predictor(folder / "x", true, 1); }, "x", "");
}
