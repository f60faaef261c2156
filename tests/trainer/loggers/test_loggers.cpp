// Loggers on a real run: every step is there once, also where a run was killed and went on.
#include "event_records.hpp"

#include "tests/trainer/toy_frames.hpp"
#include "trainer/callbacks/checkpoint_writer.hpp"
#include "trainer/loggers/csv_logger.hpp"
#include "trainer/loggers/jsonl_logger.hpp"
#include "trainer/loggers/tensorboard_logger.hpp"
#include "trainer/train_loop.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <filesystem>
#include <unistd.h>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
namespace fs = std::filesystem;

namespace {

/// Ends the run as a crash does.
struct Crash final : Callback {
  index_t at;
  explicit Crash(index_t step) : at(step) {}
  void on_step(const StepReport& report, RunControl&) override {
    if (report.step == at) throw std::runtime_error("crash");
  }
};

} // namespace

TEST_CASE("a run that was killed and went on has every step and epoch once") {
  const RunDirectory dir{(fs::temp_directory_path() / ("leadline_loggers_" + std::to_string(getpid()))).string()};
  fs::remove_all(dir.path);
  make_folders(dir);
  // 5 steps an epoch; a checkpoint every 2 steps. The run dies in step 8 of 15 when the newest checkpoint is that of 6.
  const Settings settings = toy_settings({{"train.epochs", "3"}});
  const auto run = [&](const Checkpoint* start, index_t crash) {
    const auto loop = make_train_loop(settings, toy_frames(22, 1), toy_frames(5, 2));
    if (start) loop->restore(*start, dir.last());
    loop->add(std::make_unique<CsvLogger>(dir.metrics()));
    loop->add(std::make_unique<JsonlLogger>(dir.lines(), 1));
    loop->add(std::make_unique<TensorboardLogger>(dir.tensorboard(), 1, 1));
    loop->add(std::make_unique<Crash>(crash));
    loop->add(std::make_unique<CheckpointWriter>(dir, 2));
    loop->run();
  };
  CHECK_THROWS(run(nullptr, 8));
  CHECK(read_json_lines(dir.lines()).back().text_of("message") == "crash");
  const Checkpoint checkpoint = read_checkpoint(dir.last());
  REQUIRE(checkpoint.step == 6);
  run(&checkpoint, 0);

  std::vector<double> steps, epochs, losses;
  int starts = 0;
  for (const JsonLine& line : read_json_lines(dir.lines())) {
    const std::string event = line.text_of("event");
    starts += event == "start" ? 1 : 0;
    CHECK(event != "error");
    if (event == "step") {
      steps.push_back(line.number_of("step"));
      losses.push_back(line.number_of("loss"));
      CHECK(line.number_of("gradient_norm") > 0);
    }
    if (event == "epoch") {
      epochs.push_back(line.number_of("epoch"));
      CHECK(line.number_of("delta1") >= 0);
    }
  }
  CHECK(starts == 2);
  CHECK(steps == std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  CHECK(epochs == std::vector<double>{1, 2, 3});
  CHECK(read_json_lines(dir.lines()).back().text_of("event") == "finish");

  std::map<uint64_t, double> events;
  size_t points = 0, pictures = 0, histograms = 0, epoch_points = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(dir.tensorboard())) {
    bool whole = false;
    for (const std::string& record : records_of(entry.path().string(), &whole)) {
      const std::vector<Field> event = fields_of(record);
      const Field* summary = find(event, 5);
      if (!summary) continue;
      for (const Field& value : fields_of(summary->bytes)) {
        const std::vector<Field> parts = fields_of(value.bytes);
        pictures += find(parts, 4) ? 1 : 0;
        histograms += find(parts, 5) ? 1 : 0;
        epoch_points += find(parts, 1)->bytes == "val/delta1" ? 1 : 0;
        if (find(parts, 1)->bytes != "train/loss") continue;
        events[find(event, 2)->integer] = find(parts, 2)->real();
        ++points;
      }
    }
    CHECK(whole);
  }
  REQUIRE(points == 15);
  REQUIRE(events.size() == 15);
  for (size_t i = 0; i < losses.size(); ++i)
    CHECK(std::abs(events.at(i + 1) - losses[i]) <= 1e-6 * std::abs(losses[i]));
  CHECK(epoch_points == 3);
  CHECK(pictures == 3 * 2); // run.pictures
  CHECK(histograms > 3 * 2 * 4);
  fs::remove_all(dir.path);
}

TEST_CASE("run.loggers names what there is") {
  CHECK(wants_logger(toy_settings(), "csv"));
  CHECK_FALSE(wants_logger(toy_settings(), "tensorboard"));
  CHECK(wants_logger(toy_settings({{"run.loggers", "tensorboard ,csv"}}), "tensorboard"));
  CHECK_FALSE(wants_logger(toy_settings({{"run.loggers", ""}}), "csv"));
  CHECK_THROWS_MATCHES(wants_logger(toy_settings({{"run.loggers", "csv, wandb"}}), "csv"), Error,
                       MessageMatches(ContainsSubstring("wandb") && ContainsSubstring("tensorboard")));
}
