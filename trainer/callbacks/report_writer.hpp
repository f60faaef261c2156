// report.html after each epoch and at the end (report.hpp).
#pragma once

#include "trainer/callbacks/callbacks.hpp"

namespace leadline::trainer {

/// A report that can't be made is told once and doesn't end the run.
class ReportWriter final : public Callback {
public:
  explicit ReportWriter(RunDirectory run) : run_(std::move(run)) {}
  void on_epoch_end(const EpochReport& report, RunControl& run) override;
  void on_stop(RunControl& run) override;
  void on_finish(RunControl& run) override;
  void on_error(const std::exception& error, RunControl& run) override;

private:
  void write();

  RunDirectory run_;
  bool told_ = false;
};

CallbackEntry report_writer_entry();

} // namespace leadline::trainer
