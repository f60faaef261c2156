// checkpoints/last.h5 and best.h5.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

namespace leadline::trainer {

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

CallbackEntry checkpoint_writer_entry();

} // namespace leadline::trainer
