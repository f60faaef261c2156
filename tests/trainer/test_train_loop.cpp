// The loop: it learns, it resumes to the same bits from anywhere, it tells its listeners, it refuses what can't go on.
#include "tests/support/temp_dir.hpp"
#include "tests/trainer/toy_runs.hpp"
#include "trainer/callbacks/checkpoint_writer.hpp"
#include "trainer/callbacks/console.hpp"
#include "trainer/callbacks/prediction_pictures.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/loggers/csv_logger.hpp"
#include "trainer/weight_io.hpp"

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

double metric(const EpochReport& report, const std::string& name) {
  for (const NamedNumber& number : report.metrics)
    if (number.first == name) return number.second;
  FAIL("no metric " << name);
  return 0;
}

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

TEST_CASE("a network learns toy depth, with AdamW and with plain SGD") {
  for (const auto& [optimizer, lr] :
       std::vector<std::pair<std::string, std::string>>{{"adamw", "1e-2"}, {"sgd", "1e-2"}}) {
    INFO(optimizer);
    const Run run = train(toy_settings({{"optimizer.name", optimizer}, {"optimizer.lr", lr}, {"train.epochs", "10"}}));
    REQUIRE(run.diary.epochs.size() == 10);
    CHECK(run.diary.epochs.back().train_loss < 0.6 * run.diary.epochs.front().train_loss);
    CHECK(metric(run.diary.epochs.back(), "rmse") < metric(run.diary.epochs.front(), "rmse"));
  }
}

TEST_CASE("listeners are told what happens") {
  const Run run = train(toy_settings({{"train.val_every", "3"}}));
  CHECK(run.diary.info.steps_per_epoch == 5); // 22 frames in batches of 4, the last two left out
  CHECK(run.diary.info.train_frames == 22);
  REQUIRE(run.diary.steps.size() == 20);
  CHECK(run.diary.steps[7].epoch == 1);
  CHECK(run.diary.steps[7].batch == 2);
  CHECK(run.diary.steps[7].step == 8);
  CHECK(run.diary.steps.back().images == 80);
  REQUIRE(run.diary.epochs.size() == 4);
  CHECK_FALSE(run.diary.epochs[0].validated);
  CHECK(run.diary.epochs[2].validated);
  CHECK(run.diary.epochs[3].validated); // the last always
  CHECK(run.diary.epochs[2].predictions.size() == 2);
  CHECK(run.diary.epochs[2].predictions[1].name == "toy frame 2"); // evenly spaced: 0 and 5 / 2
  CHECK(run.diary.finished == 1);
  CHECK(run.diary.stopped == 0);
  double sum = 0;
  for (int i = 0; i < 5; ++i) sum += run.diary.steps[static_cast<size_t>(i)].loss;
  CHECK(run.diary.epochs[0].train_loss == sum / 5);
}

TEST_CASE("a resumed run has the bits of one that never stopped") {
  using Choice = std::pair<const char*, const char*>;
  for (const auto& [precision, scheduler] : {Choice{"f32", "one_cycle"}, Choice{"f64", "constant"}}) {
    const Settings settings = toy_settings({{"train.precision", precision},
                                            {"scheduler.name", scheduler},
                                            {"train.micro_batch", "2"},
                                            {"model.dropout", "0.3"}});
    const Run whole = train(settings);
    for (const index_t stop_at : {1, 10, 13}) { // in the middle of epochs and at the end of one
      INFO(precision << ", " << scheduler << ", stopped after step " << stop_at);
      const Run first = train(settings, nullptr, stop_at);
      CHECK(first.result.stopped);
      CHECK(first.diary.stopped == 1);
      CHECK(first.end.step == stop_at);
      const Run second = train(settings, &first.end);
      CHECK_FALSE(second.result.stopped);
      check_same_bits(second.end, whole.end);
      CHECK(second.diary.epochs.back().train_loss == whole.diary.epochs.back().train_loss);
    }
  }
}

TEST_CASE("first weights are those of the rule that the settings name") {
  for (const std::string& name : initialisation_names()) {
    const Settings settings =
        toy_settings({{"model.initialisation", name}, {"model.final_bias", "zero"}, {"train.precision", "f64"}});
    const Checkpoint begin = make_train_loop(settings, toy_frames(8, 1), toy_frames(4, 2))->checkpoint();
    const Graph graph = graph_settings(settings);
    for (int i = 0; i < static_cast<int>(graph.weight_shapes.size()); ++i) {
      INFO(name << ": " << graph.weight_names[static_cast<size_t>(i)]);
      CHECK(internal_values<double>(graph, i, begin.weights) ==
            initial_weight(graph, i, initialisation_settings(settings), seed_settings(settings), true));
    }
    CHECK(begin.weights.back().name == "head.bias");
    CHECK(begin.weights.back().values == std::vector<double>{0});
  }
}

TEST_CASE("a run begins with another one's weights") {
  const TempDir folder;
  const std::string file = folder / "first.h5";
  const Run first = train(toy_settings({{"train.ema", "0.9"}})); // its averages, which evaluation would use
  write_checkpoint(file, first.end);
  const Settings settings = toy_settings({{"model.weights", file}, {"train.ema", "0.5"}, {"train.seed", "5"}});
  const Checkpoint begin = make_train_loop(settings, toy_frames(8, 1), toy_frames(4, 2))->checkpoint();
  REQUIRE(begin.weights.size() == first.end.weights.size());
  for (size_t i = 0; i < begin.weights.size(); ++i) {
    CHECK(begin.weights[i].values == first.end.weights[i].values);
    CHECK(begin.trained_weights[i].values == first.end.weights[i].values);
  }
  CHECK(begin.step == 0);
  CHECK(train(settings).diary.steps.front().loss < first.diary.steps.front().loss); // it knows something already

  // Resumed, it needs that file no longer.
  const Run whole = train(settings), half = train(settings, nullptr, 7);
  fs::remove(file);
  CHECK_THROWS_MATCHES(train(settings), Error, MessageMatches(ContainsSubstring("first.h5")));
  const auto loop = make_train_loop(settings, toy_frames(22, 1), toy_frames(5, 2), &half.end);
  loop->restore(half.end, "earlier.h5");
  loop->run();
  check_same_bits(loop->checkpoint(), whole.end);

  write_checkpoint(file, first.end);
  CHECK_THROWS_MATCHES(train(toy_settings({{"model.weights", file}, {"model.base_channels", "5"}})), Error,
                       MessageMatches(ContainsSubstring("first.h5") && ContainsSubstring("down.0.0.weight")));
}

TEST_CASE("a checkpoint from between an epoch's last step and its end is as good as any") {
  struct Keeper final : Callback {
    explicit Keeper(Checkpoint* to) : kept(to) {}
    void on_step(const StepReport& report, RunControl& run) override {
      if (report.step == 10) *kept = run.checkpoint();
    }
    Checkpoint* kept;
  };
  for (const char* unit : {"step", "epoch"}) {
    const Settings settings = toy_settings({{"scheduler.name", "exponential"},
                                            {"scheduler.gamma", "0.9"},
                                            {"scheduler.unit", unit},
                                            {"train.ema", "0.9"}});
    Checkpoint kept;
    const auto loop = make_train_loop(settings, toy_frames(22, 1), toy_frames(5, 2));
    loop->add(std::make_unique<Keeper>(&kept));
    Diary whole;
    loop->add(std::make_unique<Writer>(&whole, 0));
    loop->run();
    CHECK(kept.epoch == 1);
    CHECK(kept.batch == 5);
    const Run resumed = train(settings, &kept);
    check_same_bits(resumed.end, loop->checkpoint());
    CHECK(resumed.diary.epochs.size() == 3);
    CHECK(resumed.diary.epochs[0].lr == whole.epochs[1].lr);
    CHECK(resumed.diary.epochs[0].train_loss == whole.epochs[1].train_loss);
  }
}

TEST_CASE("2 epochs and 2 more are 4, also through a file") {
  const TempDir folder;
  const Run whole = train(toy_settings());
  const Run half = train(toy_settings({{"train.epochs", "2"}}));
  write_checkpoint(folder / "half.h5", half.end);
  const Checkpoint read = read_checkpoint(folder / "half.h5");
  check_same_bits(train(toy_settings(), &read).end, whole.end);
}

TEST_CASE("the same seed gives the same run, another seed another") {
  const Run a = train(toy_settings()), b = train(toy_settings()), c = train(toy_settings({{"train.seed", "9"}}));
  check_same_bits(a.end, b.end);
  CHECK(a.end.weights[0].values != c.end.weights[0].values);
}

TEST_CASE("loader threads and cache don't change a bit") {
  const Run a = train(toy_settings()),
            b = train(toy_settings({{"data.threads", "3"}, {"data.cache_mb", "0"}, {"data.prefetch", "1"}}));
  check_same_bits(a.end, b.end);
}

TEST_CASE("without drop_last the last batch is filled up and counts") {
  const Run run = train(toy_settings({{"data.drop_last", "false"}, {"train.epochs", "1"}}));
  CHECK(run.diary.info.steps_per_epoch == 6);
  CHECK(run.diary.steps.size() == 6);
  CHECK(std::isfinite(run.diary.steps.back().loss));
}

TEST_CASE("what can't go on is refused") {
  const Run run = train(toy_settings({{"train.epochs", "1"}}));
  const auto resumed = [&](const std::vector<std::pair<std::string, std::string>>& changes) {
    train(toy_settings(changes), &run.end);
  };
  CHECK_THROWS_MATCHES(resumed({{"model.base_channels", "5"}}), Error,
                       MessageMatches(ContainsSubstring("earlier.h5") && ContainsSubstring("down.0.0.weight")));
  CHECK_THROWS_MATCHES(resumed({{"model.levels", "1"}}), Error, MessageMatches(ContainsSubstring("another network")));
  CHECK_THROWS_MATCHES(resumed({{"optimizer.name", "sgd"}}), Error, MessageMatches(ContainsSubstring("optimizer")));
  CHECK_THROWS_MATCHES(resumed({{"train.precision", "f64"}}), Error, MessageMatches(ContainsSubstring("precision")));
  CHECK_THROWS_MATCHES(resumed({{"train.seed", "4"}}), Error, MessageMatches(ContainsSubstring("seed")));
  CHECK_THROWS_MATCHES(resumed({{"scheduler.name", "cosine"}}), Error, MessageMatches(ContainsSubstring("scheduler")));
  Checkpoint late = run.end;
  late.batch = 6;
  CHECK_THROWS_MATCHES(train(toy_settings(), &late), Error, MessageMatches(ContainsSubstring("batches")));
}

TEST_CASE("a run that diverges says so") {
  CHECK_THROWS_MATCHES(
      train(toy_settings(
          {{"optimizer.name", "sgd"}, {"optimizer.lr", "1e6"}, {"model.head", "linear"}, {"loss.name", "mse"}})),
      Error, MessageMatches(ContainsSubstring("diverged") && ContainsSubstring("optimizer.lr")));
}

TEST_CASE("settings that no run can have are refused before it starts") {
  CHECK_THROWS_MATCHES(train(toy_settings({{"data.batch_size", "32"}})), Error,
                       MessageMatches(ContainsSubstring("batch_size") && ContainsSubstring("22")));
  CHECK_THROWS_MATCHES(train(toy_settings({{"loss.name", "sillog"}})), Error,
                       MessageMatches(ContainsSubstring("silog")));
  CHECK_THROWS_MATCHES(train(toy_settings({{"optimizer.name", "adamm"}})), Error,
                       MessageMatches(ContainsSubstring("adam")));
  CHECK_THROWS_MATCHES(train(toy_settings({{"scheduler.name", "onecycle"}})), Error,
                       MessageMatches(ContainsSubstring("one_cycle")));
  const auto no_depth = std::make_shared<ToyFrames>(8, 1, false);
  // A frame without any depth is refused by the loader, with its name.
  CHECK_THROWS_AS(make_train_loop(toy_settings(), no_depth, toy_frames(4, 2))->run(), Error);
}

TEST_CASE("baselines are those of the training frames, unflipped") {
  const Run run = train(toy_settings({{"train.epochs", "1"}, {"eval.protocol", "raw"}}));
  CHECK(run.end.focal_x == 20);
  CHECK(run.end.median_depth > 1);
  CHECK(run.end.median_depth < 5);
  REQUIRE(run.end.mean_map.shape == std::vector<index_t>{16, 24});
  CHECK(run.end.mean_map.values.front() < 1.5); // left is near in every frame
  CHECK(run.end.mean_map.values.back() > 4);    // right is far
  const auto network = checkpoint_predictor(run.end, "c.h5");
  const Evaluation evaluation = evaluate(prediction_sources(*network, false), *toy_frames(5, 2), {.protocol = "raw"});
  REQUIRE(evaluation.rows.size() == 3);
  for (size_t i = 0; i < run.end.metrics.size(); ++i) // the loop's own validation says the same
    CHECK(evaluation.rows[0].metrics[i].second == run.end.metrics[i].second);
  CHECK(evaluation.rows[2].metrics[0].second > evaluation.rows[1].metrics[0].second); // the map knows where far is
  CHECK_THAT(evaluation.table, ContainsSubstring("constant depth") && ContainsSubstring("raw"));
}

TEST_CASE("the run directory holds what it should, and a resumed run leaves the same bytes") {
  const TempDir folder;
  const auto run_in = [&](const std::string& name, const Checkpoint* start, index_t stop_at) {
    const RunDirectory dir{folder / name};
    make_folders(dir);
    Diary diary;
    const auto loop = make_train_loop(toy_settings(), toy_frames(22, 1), toy_frames(5, 2));
    if (start) loop->restore(*start, dir.last());
    std::FILE* quiet = std::fopen("/dev/null", "w");
    loop->add(std::make_unique<Writer>(&diary, stop_at));
    loop->add(std::make_unique<Console>(quiet, false, dir.log(), start != nullptr));
    loop->add(std::make_unique<CsvLogger>(dir.metrics()));
    loop->add(std::make_unique<CheckpointWriter>(dir, 2));
    loop->add(std::make_unique<PredictionPictures>(dir.predictions()));
    loop->run();
    std::fclose(quiet);
    return dir;
  };
  const RunDirectory whole = run_in("whole", nullptr, 0);
  for (const std::string& file :
       {whole.metrics(), whole.log(), whole.last(), whole.best(), whole.predictions() + "/epoch_004.png"}) {
    INFO(file);
    CHECK(fs::exists(file));
  }
  const std::string metrics = text_of(whole.metrics());
  CHECK(std::count(metrics.begin(), metrics.end(), '\n') == 5);
  CHECK_THAT(text_of(whole.log()), ContainsSubstring("epoch 4/4"));

  // Killed after step 13, when the newest checkpoint is that of step 12; metrics.csv has two epochs.
  const RunDirectory again = run_in("again", nullptr, 12);
  const Checkpoint checkpoint = read_checkpoint(find_checkpoint(again.path, false));
  CHECK(checkpoint.step == 12);
  std::ofstream(again.metrics(), std::ios::app) << "3,15,0,0\n"; // written by the killed run after its checkpoint
  run_in("again", &checkpoint, 0);
  CHECK(text_of(again.metrics()) == metrics);
  const bool same_last = text_of(again.last()) == text_of(whole.last());
  const bool same_best = text_of(again.best()) == text_of(whole.best());
  CHECK(same_last);
  CHECK(same_best);
}
