// Listeners: what they are told and when, what they may ask, and each of the built-in ones.
#include "tests/support/temp_dir.hpp"
#include "tests/trainer/toy_runs.hpp"
#include "trainer/callbacks/callbacks.hpp"
#include "trainer/callbacks/checkpoint_writer.hpp"
#include "trainer/callbacks/early_stopping.hpp"
#include "trainer/callbacks/nan_stop.hpp"
#include "trainer/callbacks/stop_on_signal.hpp"
#include "trainer/callbacks/timers.hpp"

#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sys/resource.h>

using namespace leadline;
using namespace leadline::testing;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
namespace fs = std::filesystem;

namespace {

/// Calls what it is given at each event.
struct Probe final : Callback {
  std::function<void(const StepReport&, RunControl&)> before, step;
  std::function<void(const EpochReport&, RunControl&)> epoch;
  std::function<void(const std::string&)> event;
  void tell(const std::string& text) const {
    if (event) event(text);
  }
  void on_start(const RunInfo&, RunControl&) override { tell("start"); }
  void on_epoch_start(index_t e, RunControl&) override { tell("epoch_start " + std::to_string(e)); }
  void on_before_optimizer_step(const StepReport& report, RunControl& run) override {
    tell("before " + std::to_string(report.step));
    if (before) before(report, run);
  }
  void on_step(const StepReport& report, RunControl& run) override {
    tell("step " + std::to_string(report.step));
    if (step) step(report, run);
  }
  void on_validation(const EpochReport& report, RunControl&) override {
    tell("validation " + std::to_string(report.epoch));
  }
  void on_epoch_end(const EpochReport& report, RunControl& run) override {
    tell("epoch_end " + std::to_string(report.epoch));
    if (epoch) epoch(report, run);
  }
  void on_stop(RunControl&) override { tell("stop"); }
  void on_finish(RunControl&) override { tell("finish"); }
  void on_error(const std::exception& error, RunControl&) override { tell(std::string("error ") + error.what()); }
};

std::unique_ptr<TrainLoop> toy_loop(const Settings& settings) {
  return make_train_loop(settings, toy_frames(22, 1), toy_frames(5, 2));
}

/// What a listener that only ends runs needs of one.
struct FakeRun final : RunControl {
  Settings given = toy_settings();
  std::string reason;
  int stops = 0;
  const Settings& settings() const override { return given; }
  Checkpoint checkpoint() const override { return {}; }
  void request_stop() override { ++stops; }
  void finish_early(const std::string& why) override { reason = why; }
  const std::string& finish_reason() const override { return reason; }
  std::vector<std::string> weight_names() const override { return {}; }
  NamedArray weight(const std::string&) const override { return {}; }
  NamedArray gradient(const std::string&) const override { return {}; }
  std::string find_not_finite() override { return ""; }
};

EpochReport epoch_with(index_t epoch, double delta1, double loss = 1) {
  EpochReport report;
  report.epoch = epoch;
  report.train_loss = loss;
  report.validated = true;
  report.metrics = {{"delta1", delta1}, {"rmse", 10 - delta1}};
  return report;
}

/// After how many of these values the run ends; 0: not at all. The reason goes to `reason`.
index_t ends_after(const EarlyStoppingOptions& options, const std::vector<double>& values,
                   std::string* reason = nullptr) {
  EarlyStopping stopping(options);
  FakeRun run;
  for (size_t i = 0; i < values.size(); ++i) {
    stopping.on_epoch_end(epoch_with(static_cast<index_t>(i + 1), values[i], values[i]), run);
    if (run.reason.empty()) continue;
    if (reason) *reason = run.reason;
    return static_cast<index_t>(i + 1);
  }
  return 0;
}

} // namespace

TEST_CASE("events come in the documented order") {
  std::vector<std::string> events;
  auto probe = std::make_unique<Probe>();
  probe->event = [&](const std::string& text) { events.push_back(text); };
  const auto loop =
      toy_loop(toy_settings({{"train.epochs", "2"}, {"train.val_every", "2"}, {"data.batch_size", "11"}}));
  loop->add(std::move(probe));
  loop->run();
  CHECK(events == std::vector<std::string>{"start", "epoch_start 0", "before 1", "step 1", "before 2", "step 2",
                                           "epoch_end 1", "epoch_start 1", "before 3", "step 3", "before 4", "step 4",
                                           "validation 2", "epoch_end 2", "finish"});
}

TEST_CASE("a listener's exception ends the run, and all are told") {
  std::vector<std::string> events;
  auto probe = std::make_unique<Probe>();
  probe->event = [&](const std::string& text) { events.push_back(text); };
  auto thrower = std::make_unique<Probe>();
  thrower->step = [](const StepReport&, RunControl&) { throw std::out_of_range("too far"); };
  thrower->event = [](const std::string& text) {
    if (text.rfind("error", 0) == 0) throw std::runtime_error("dropped");
  };
  const auto loop = toy_loop(toy_settings());
  loop->add(std::move(thrower));
  loop->add(std::move(probe));
  CHECK_THROWS_AS(loop->run(), std::out_of_range);
  CHECK(events.back() == "error too far");
}

TEST_CASE("weights and gradients are there by name") {
  const Settings settings =
      toy_settings({{"train.precision", "f64"}, {"optimizer.name", "sgd"}, {"optimizer.lr", "0.125"}});
  std::vector<NamedArray> weights, gradients;
  std::string message;
  double square = 0, norm = 0;
  auto probe = std::make_unique<Probe>();
  probe->before = [&](const StepReport& report, RunControl& run) {
    norm = report.gradient_norm;
    for (const std::string& name : run.weight_names()) {
      weights.push_back(run.weight(name));
      gradients.push_back(run.gradient(name));
      for (const double g : gradients.back().values) square += g * g;
    }
    try {
      run.gradient("down.0.0.wait");
    } catch (const Error& error) {
      message = error.what();
    }
  };
  size_t checked = 0;
  probe->step = [&](const StepReport& report, RunControl& run) {
    CHECK(report.data_seconds >= 0);
    CHECK(report.step_seconds > 0);
    for (size_t w = 0; w < weights.size(); ++w) {
      const NamedArray now = run.weight(weights[w].name);
      CHECK(now.shape == weights[w].shape);
      for (size_t i = 0; i < now.values.size(); ++i, ++checked)
        CHECK(now.values[i] == weights[w].values[i] - 0.125 * gradients[w].values[i]);
    }
    run.request_stop();
  };
  const auto loop = toy_loop(settings);
  loop->add(std::move(probe));
  CHECK(loop->run().stopped);
  CHECK(checked == static_cast<size_t>(loop->info().parameters));
  CHECK_FALSE(!(std::abs(std::sqrt(square) - norm) <= 1e-12 * norm));
  CHECK_THAT(message, ContainsSubstring("down.0.0.weight"));
}

TEST_CASE("numbers that are no longer numbers are found where they arose") {
  const auto message = [](const std::string& weight, double value) {
    const Settings settings = toy_settings({{"train.micro_batch", "2"}, {"model.head", "linear"}, {"loss.name", "l1"}});
    Checkpoint broken = train(settings, nullptr, 2).end;
    for (NamedArray& array : broken.weights)
      if (array.name == weight) std::fill(array.values.begin(), array.values.end(), value);
    const auto loop = toy_loop(settings);
    loop->restore(broken, "broken.h5");
    const std::vector<NamedArray> before = loop->checkpoint().weights;
    std::string text;
    try {
      loop->run();
    } catch (const NotFinite& error) {
      text = error.what();
    }
    size_t unchanged = 0; // nothing that is trained was touched
    for (const NamedArray& array : loop->checkpoint().weights)
      for (const NamedArray& old : before)
        if (old.name == array.name && old.name.find("weight") != std::string::npos && old.name != weight)
          unchanged += old.values == array.values;
    CHECK(unchanged > 3);
    return text;
  };
  CHECK_THAT(message("down.1.0.weight", std::numeric_limits<double>::quiet_NaN()),
             ContainsSubstring("weight \"down.1.0.weight\" holds") && ContainsSubstring("epoch 1, batch 3"));
  // 3e38 times anything above 1 and summed: infinite, at the head and nowhere before.
  CHECK_THAT(message("head.weight", 3e38),
             ContainsSubstring("result of layer \"head") && ContainsSubstring("NaN or inf"));
}

TEST_CASE("early stopping") {
  EarlyStoppingOptions options;
  CHECK(ends_after(options, {1, 2, 2, 2, 3, 3, 3, 2}) == 8); // the third in a row
  CHECK(ends_after(options, {1, 2, 3, 4, 5}) == 0);
  options.min_delta = 0.5;
  CHECK(ends_after(options, {1, 1.4, 1.5, 1.3}) == 4);
  CHECK(ends_after(options, {1, 1.4, 1.6, 1.3, 1.2}) == 0);
  options = {};
  options.monitor = "train_loss";
  options.patience = 1;
  std::string reason;
  CHECK(ends_after(options, {3, 2, 2.5}, &reason) == 3);
  CHECK_THAT(reason, ContainsSubstring("train_loss = 2.5000") && ContainsSubstring("2.0000"));
  options.patience = 100;
  options.stopping_threshold = 1;
  CHECK(ends_after(options, {3, 2, 1}, &reason) == 3);
  CHECK_THAT(reason, ContainsSubstring("stopping_threshold = 1"));
  options.divergence_threshold = 5;
  CHECK(ends_after(options, {3, 5, 5.1}, &reason) == 3);
  CHECK_THAT(reason, ContainsSubstring("divergence_threshold = 5"));
  CHECK(ends_after(options, {3, std::nan("")}, &reason) == 2);
  CHECK_THAT(reason, ContainsSubstring("no number"));
}

TEST_CASE("a run that stops early is complete, and a resumed one remembers how long it waited") {
  const Settings settings = toy_settings(
      {{"early_stopping.monitor", "train_loss"}, {"early_stopping.min_delta", "1000"}, {"train.epochs", "9"}});
  const auto run = [&](const Checkpoint* start, index_t stop_at) {
    Diary diary;
    const auto loop = toy_loop(settings);
    if (start) loop->restore(*start, "earlier.h5");
    for (auto& callback : make_callbacks(settings, {}, true))
      if (callback->state_name() == "early_stopping") loop->add(std::move(callback));
    loop->add(std::make_unique<Writer>(&diary, stop_at));
    const RunResult result = loop->run();
    CHECK(diary.finished == (stop_at ? 0 : 1));
    CHECK(result.finish_reason.empty() == (stop_at != 0));
    return loop->checkpoint();
  };
  const Checkpoint whole = run(nullptr, 0);
  CHECK(whole.epoch == 4); // the first is an improvement over nothing, three are not
  const Checkpoint half = run(nullptr, 12);
  CHECK(half.callbacks.size() == 1);
  check_same_bits(run(&half, 0), whole);
}

TEST_CASE("signals stop the run, once") {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    const auto handler = std::signal(signal, SIG_IGN); // what the program had before
    {
      auto probe = std::make_unique<Probe>();
      probe->before = [&](const StepReport& report, RunControl&) {
        if (report.step == 3) std::raise(signal);
      };
      const auto loop = toy_loop(toy_settings());
      loop->add(std::move(probe));
      loop->add(std::make_unique<StopOnSignal>());
      const RunResult result = loop->run();
      CHECK(result.stopped);
      CHECK(result.step == 3); // the step was finished
    }
    CHECK(std::signal(signal, handler) == SIG_IGN);
  }
}

TEST_CASE("the best few checkpoints are kept, through a resume, too") {
  const TempDir folder;
  const Settings settings = toy_settings({{"train.epochs", "6"},
                                          {"scheduler.name", "cosine_restarts"},
                                          {"optimizer.lr", "0.1"},
                                          {"run.checkpoint_top_k", "2"},
                                          {"eval.monitor", "rmse"}});
  const auto run = [&](const std::string& name, const Checkpoint* start, index_t stop_at) {
    const RunDirectory dir{folder / name};
    make_folders(dir);
    Run out;
    const auto loop = toy_loop(settings);
    if (start) loop->restore(*start, "earlier.h5");
    loop->add(std::make_unique<Writer>(&out.diary, stop_at));
    for (auto& callback : make_callbacks(settings, dir, true))
      if (callback->state_name() == "checkpoint_writer") loop->add(std::move(callback));
    loop->run();
    return out.diary;
  };
  const auto kept = [&](const std::string& name) {
    std::set<std::string> files;
    for (const auto& entry : fs::directory_iterator(fs::path(folder / name) / "checkpoints"))
      files.insert(entry.path().filename().string());
    return files;
  };
  const Diary diary = run("whole", nullptr, 0);
  std::vector<std::pair<double, index_t>> ranks;
  for (const EpochReport& report : diary.epochs) ranks.push_back({report.monitored, report.epoch});
  std::sort(ranks.begin(), ranks.end());
  std::set<std::string> expected{"last.h5", "best.h5"};
  for (size_t i = 0; i < 2; ++i)
    expected.insert(fs::path(RunDirectory{}.of_epoch(ranks[i].second)).filename().string());
  CHECK(kept("whole") == expected);
  CHECK(read_checkpoint(RunDirectory{folder / "whole"}.of_epoch(ranks[0].second)).epoch == ranks[0].second);

  run("again", nullptr, 17);
  const Checkpoint half = read_checkpoint(RunDirectory{folder / "again"}.last());
  run("again", &half, 0);
  CHECK(kept("again") == expected);
}

TEST_CASE("last.h5 is written first, what is missing beside it when the run goes on, and a picture may fail") {
  const TempDir folder;
  const RunDirectory dir{folder / "run"};
  make_folders(dir);
  fs::create_directory(dir.best()); // stands for a disk without room for a second checkpoint
  fs::remove(dir.predictions());    // and for a picture
  const Settings settings = toy_settings({{"train.epochs", "2"}, {"run.checkpoint_top_k", "1"}, {"run.pictures", "1"}});
  const auto run = [&](const Checkpoint* start) {
    const auto loop = toy_loop(settings);
    if (start) loop->restore(*start, "earlier.h5");
    for (auto& callback : make_callbacks(settings, dir, start != nullptr)) loop->add(std::move(callback));
    return loop->run();
  };
  CHECK_THROWS_MATCHES(run(nullptr), Error, MessageMatches(ContainsSubstring("best.h5")));
  const Checkpoint saved = read_checkpoint(dir.last());
  REQUIRE(saved.epoch == 1);
  fs::remove(dir.best());
  fs::remove(dir.of_epoch(1));
  // Goes on for no step: what is there then was made at its start.
  const auto loop = toy_loop(settings);
  loop->restore(saved, "last.h5");
  for (auto& callback : make_callbacks(settings, dir, true))
    if (callback->state_name() == "checkpoint_writer") loop->add(std::move(callback));
  auto probe = std::make_unique<Probe>();
  probe->before = [](const StepReport&, RunControl&) { throw std::runtime_error("the test is over"); };
  loop->add(std::move(probe));
  CHECK_THROWS_MATCHES(loop->run(), std::runtime_error, MessageMatches(ContainsSubstring("the test is over")));
  for (const std::string& file : {dir.best(), dir.of_epoch(1)}) {
    const Checkpoint copy = read_checkpoint(file);
    CHECK(copy.epoch == 1);
    check_same_bits(copy, saved);
  }
}

TEST_CASE("timers say where the time went, and end a run whose time is over") {
  const TempDir folder;
  const std::string file = folder / "timers.csv";
  const auto loop = toy_loop(toy_settings({{"train.epochs", "3"}}));
  loop->add(std::make_unique<Timers>(file, 0));
  CHECK_FALSE(loop->run().stopped);
  std::ifstream in(file);
  std::string line;
  int lines = 0;
  for (; std::getline(in, line); ++lines) CHECK(std::count(line.begin(), line.end(), ',') == 5);
  CHECK(lines == 4);

  const auto hurried = toy_loop(toy_settings());
  hurried->add(std::make_unique<Timers>(file, 1e-9));
  CHECK(hurried->run().step == 1);
  const auto nowhere = toy_loop(toy_settings());
  nowhere->add(std::make_unique<Timers>("/nowhere/timers.csv", 0));
  CHECK_THROWS_MATCHES(nowhere->run(), Error, MessageMatches(ContainsSubstring("/nowhere/timers.csv")));
}

TEST_CASE("a program's own listener has options like the built-in ones") {
  static index_t made_with = 0;
  callback_registry().push_back({"counter",
                                 {{"counter.every", "5", "steps between two counts"}},
                                 [](const Settings& settings, const RunDirectory&, bool) -> std::unique_ptr<Callback> {
                                   made_with = settings.integer("counter.every", 1, 100);
                                   return std::make_unique<Probe>();
                                 }});
  const TempDir folder;
  const RunDirectory dir{folder.path()};
  CHECK(make_callbacks(toy_settings({{"counter.every", "7"}}), dir, false).size() >= 5);
  CHECK(made_with == 7);
  CHECK_THAT(toy_settings().to_ini(true), ContainsSubstring("[counter]\n# steps between two counts\nevery = 5"));
  CHECK_THROWS_MATCHES(make_callbacks(toy_settings({{"counter.every", "0"}}), dir, false), Error,
                       MessageMatches(ContainsSubstring("counter.every")));
  callback_registry().pop_back();
}

TEST_CASE("a full disk leaves the checkpoint before whole") {
  const TempDir folder;
  const std::string file = folder / "last.h5";
  Checkpoint checkpoint = train(toy_settings({{"train.epochs", "1"}})).end;
  write_checkpoint(file, checkpoint);
  const auto size = fs::file_size(file);
  // Files that may not grow beyond a part of that stand for the full disk: writes fail with an error in the same way.
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  checkpoint.step = 77;
  for (const double part : {0.0, 0.3, 0.9, 0.999}) {
    INFO("room for " << part);
    rlimit small = before;
    small.rlim_cur = static_cast<rlim_t>(part * static_cast<double>(size));
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::string message;
    try {
      write_checkpoint(file, checkpoint);
    } catch (const Error& error) {
      message = error.what();
    }
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK_THAT(message, ContainsSubstring("last.h5") && ContainsSubstring("disk"));
    CHECK(folder.entries() == 1); // no rest left behind
    CHECK(read_checkpoint(file).step != 77);
  }
  std::signal(SIGXFSZ, handler);
  write_checkpoint(file, checkpoint); // and with room again
  CHECK(read_checkpoint(file).step == 77);
}
