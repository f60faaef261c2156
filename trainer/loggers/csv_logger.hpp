// metrics.csv: epoch, step, lr, train_loss and the ten metrics.
#pragma once

#include "trainer/loggers/loggers.hpp"

namespace leadline::trainer {

/// No times in it: equal runs write equal bytes. A resumed run drops the lines after the epoch where it goes on.
class CsvLogger final : public Callback {
public:
  explicit CsvLogger(std::string file) : file_(std::move(file)) {}
  void on_start(const RunInfo& info, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  std::string file_;
};

CallbackEntry csv_logger_entry();

} // namespace leadline::trainer
