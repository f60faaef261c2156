// metrics.jsonl: a line for the start, each step, each epoch and the end; report.html and `leadline compare` read it.
#pragma once

#include "trainer/json_lines.hpp"
#include "trainer/loggers/loggers.hpp"

namespace leadline::trainer {

/// Lines have an "event": "start" (network, data, machine), "step" (loss, lr, gradient_norm, seconds), "epoch" (as in
/// metrics.csv, with times), "finish", "stop" or "error". Steps and epochs are counted from 1.
class JsonlLogger final : public Callback {
public:
  /// `every`: steps between two that are written.
  JsonlLogger(std::string file, index_t every) : file_(std::move(file)), every_(every) {}
  void on_start(const RunInfo& info, RunControl& run) override;
  void on_step(const StepReport& report, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;
  void on_stop(RunControl& run) override;
  void on_finish(RunControl& run) override;
  void on_error(const std::exception& error, RunControl& run) override;

private:
  void write(const JsonLine& line) const;

  std::string file_;
  index_t every_;
  index_t step_ = 0;
};

CallbackEntry jsonl_logger_entry();

} // namespace leadline::trainer
