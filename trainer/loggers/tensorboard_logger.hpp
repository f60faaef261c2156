// RUN/tensorboard/events.out.tfevents...: `tensorboard --logdir runs` shows it.
#pragma once

#include "trainer/loggers/event_file.hpp"
#include "trainer/loggers/loggers.hpp"

#include <memory>

namespace leadline::trainer {

/// Scalars train/loss, train/lr, train/gradient_norm by step, train/epoch_loss, val/METRIC and time/... by epoch (at
/// the epoch's last step); pictures (input | depth | prediction) of the validation; histograms of weights and
/// gradients.
class TensorboardLogger final : public Callback {
public:
  /// `every`: steps between two that are written. `histograms`: epochs between two histograms; 0: none.
  TensorboardLogger(std::string folder, index_t every, index_t histograms)
      : folder_(std::move(folder)), every_(every), histograms_(histograms) {}
  void on_start(const RunInfo& info, RunControl& run) override;
  void on_step(const StepReport& report, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  std::string folder_;
  index_t every_, histograms_;
  index_t steps_per_epoch_ = 0;
  std::unique_ptr<EventFile> file_;
};

CallbackEntry tensorboard_logger_entry();

} // namespace leadline::trainer
