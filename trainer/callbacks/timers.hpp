// timers.csv: where the time of every epoch went; and an end to runs that have a limited time.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

#include <chrono>

namespace leadline::trainer {

/// One line an epoch: seconds that its steps waited for data, that they computed, of validation, and of the rest
/// (listeners), and trained images per second. Appended to what is there. A run that has used up `max_seconds` (0: no
/// limit; resumed runs count anew) is stopped after its step, like by a signal.
class Timers final : public Callback {
public:
  Timers(std::string file, double max_seconds) : file_(std::move(file)), max_seconds_(max_seconds) {}
  void on_start(const RunInfo& info, RunControl& run) override;
  void on_epoch_start(index_t epoch, RunControl& run) override;
  void on_step(const StepReport& report, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  std::string file_;
  double max_seconds_, data_ = 0, step_ = 0;
  std::chrono::steady_clock::time_point start_;
};

CallbackEntry timers_entry();

} // namespace leadline::trainer
