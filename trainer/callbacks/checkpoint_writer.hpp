// checkpoints/last.h5, best.h5 and the best few by epoch.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

#include <utility>

namespace leadline::trainer {

/// last.h5 at the end of each epoch, every `every_steps` steps (0: not within an epoch) and when the run is stopped;
/// best.h5 when the monitored metric was never better; epoch_XXX.h5 for the `top_k` best validations. All appear whole
/// or not at all: where the disk is full, the run ends with an error and the checkpoint before stays.
class CheckpointWriter final : public Callback {
public:
  CheckpointWriter(RunDirectory run, index_t every_steps, index_t top_k = 0)
      : run_(std::move(run)), every_steps_(every_steps), top_k_(top_k) {}
  void on_start(const RunInfo& info, RunControl& run) override;
  void on_step(const StepReport& report, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;
  void on_stop(RunControl& run) override;

  std::string state_name() const override { return top_k_ > 0 ? "checkpoint_writer" : ""; }
  std::vector<double> state() const override; ///< of each that is kept: value, epoch
  void set_state(const std::vector<double>& state) override;

private:
  RunDirectory run_;
  index_t every_steps_, top_k_;
  std::vector<std::pair<double, index_t>> kept_; ///< monitored value and epoch, best first
};

CallbackEntry checkpoint_writer_entry();

} // namespace leadline::trainer
