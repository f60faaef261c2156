// Ctrl-C, SIGTERM and SIGUSR1 (what batch systems send before a job's time is over) finish the step, save, and stop the
// run; the second signal ends the program at once.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

namespace leadline::trainer {

/// Handles the signals from its construction to its destruction. One at a time in a program.
class StopOnSignal final : public Callback {
public:
  StopOnSignal();
  ~StopOnSignal() override;
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  /// Whether a signal has come; for work that isn't a run.
  bool requested() const;
  void on_step(const StepReport& report, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  void (*before_[3])(int) = {};
};

CallbackEntry stop_on_signal_entry();

} // namespace leadline::trainer
