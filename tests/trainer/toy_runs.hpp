// Runs on toy frames, and what their listeners saw.
#pragma once

#include "tests/trainer/toy_frames.hpp"
#include "trainer/train_loop.hpp"

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <vector>

namespace leadline::testing {

using namespace leadline::trainer;

/// What a listener saw, in order.
struct Diary {
  RunInfo info;
  std::vector<StepReport> steps;
  std::vector<EpochReport> epochs;
  int stopped = 0, finished = 0;
};

class Writer final : public Callback {
public:
  Writer(Diary* diary, index_t stop_at) : diary_(diary), stop_at_(stop_at) {}
  void on_start(const RunInfo& info, RunControl&) override { diary_->info = info; }
  void on_step(const StepReport& report, RunControl& run) override {
    diary_->steps.push_back(report);
    if (report.step == stop_at_) run.request_stop();
  }
  void on_epoch_end(const EpochReport& report, RunControl&) override { diary_->epochs.push_back(report); }
  void on_stop(RunControl&) override { ++diary_->stopped; }
  void on_finish(RunControl&) override { ++diary_->finished; }

private:
  Diary* diary_;
  index_t stop_at_;
};

struct Run {
  Diary diary;
  RunResult result;
  Checkpoint end;
};

/// Trains; from `start` if it isn't null; until step `stop_at` if that isn't 0.
inline Run train(const Settings& settings, const Checkpoint* start = nullptr, index_t stop_at = 0, size_t frames = 22) {
  Run run;
  const auto loop = make_train_loop(settings, toy_frames(frames, 1), toy_frames(5, 2), start);
  if (start) loop->restore(*start, "earlier.h5");
  loop->add(std::make_unique<Writer>(&run.diary, stop_at));
  run.result = loop->run();
  run.end = loop->checkpoint();
  return run;
}

inline void check_same_bits(const Checkpoint& a, const Checkpoint& b) {
  REQUIRE(a.weights.size() == b.weights.size());
  for (size_t i = 0; i < a.weights.size(); ++i) {
    INFO(a.weights[i].name);
    CHECK(a.weights[i].values == b.weights[i].values);
  }
  REQUIRE(a.optimizer_state.size() == b.optimizer_state.size());
  for (size_t i = 0; i < a.optimizer_state.size(); ++i)
    CHECK(a.optimizer_state[i].values == b.optimizer_state[i].values);
  REQUIRE(a.trained_weights.size() == b.trained_weights.size());
  for (size_t i = 0; i < a.trained_weights.size(); ++i)
    CHECK(a.trained_weights[i].values == b.trained_weights[i].values);
  CHECK(a.optimizer_scalars == b.optimizer_scalars);
  CHECK(a.scheduler_state == b.scheduler_state);
  REQUIRE(a.callbacks.size() == b.callbacks.size());
  for (size_t i = 0; i < a.callbacks.size(); ++i) CHECK(a.callbacks[i].values == b.callbacks[i].values);
  CHECK(a.optimizer_steps == b.optimizer_steps);
  CHECK(a.step == b.step);
  CHECK(a.epoch == b.epoch);
  CHECK(a.loss_sum == b.loss_sum);
  CHECK(a.best == b.best);
  CHECK(a.best_epoch == b.best_epoch);
  CHECK(a.metrics == b.metrics);
}

} // namespace leadline::testing
