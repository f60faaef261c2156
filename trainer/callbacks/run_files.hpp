// What a run leaves in its directory while it goes on: metrics.csv, checkpoints, prediction pictures.
#pragma once

#include "trainer/callbacks/callback.hpp"
#include "trainer/run_directory.hpp"

namespace leadline::trainer {

/// metrics.csv: epoch, step, lr, train_loss and the ten metrics. No times in it: equal runs write equal bytes. A
/// resumed run drops the lines after the epoch where it goes on.
class CsvLogger final : public Callback {
public:
  explicit CsvLogger(std::string file) : file_(std::move(file)) {}
  void on_start(const RunInfo& info, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  std::string file_;
};

/// last.h5 at the end of each epoch, every `every_steps` steps (0: not within an epoch) and when the run is stopped;
/// best.h5 when the monitored metric was never better. Both appear whole or not at all.
class CheckpointWriter final : public Callback {
public:
  CheckpointWriter(RunDirectory run, index_t every_steps) : run_(std::move(run)), every_steps_(every_steps) {}
  void on_step(const StepReport& report, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;
  void on_stop(RunControl& run) override;

private:
  RunDirectory run_;
  index_t every_steps_;
};

/// predictions/epoch_XXX.png after each validation.
class PredictionPictures final : public Callback {
public:
  explicit PredictionPictures(std::string folder) : folder_(std::move(folder)) {}
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  std::string folder_;
};

/// Asks the run to stop once `*flag` isn't 0: a signal handler sets it.
class StopOnFlag final : public Callback {
public:
  explicit StopOnFlag(const volatile int* flag) : flag_(flag) {}
  void on_step(const StepReport&, RunControl& run) override {
    if (*flag_ != 0) run.request_stop();
  }
  void on_epoch_end(const EpochReport&, RunControl& run) override {
    if (*flag_ != 0) run.request_stop();
  }

private:
  const volatile int* flag_;
};

} // namespace leadline::trainer
