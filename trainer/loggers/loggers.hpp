// Listeners that keep a run's numbers in files: run.loggers names those that a run wants.
//
//     csv          RUN/metrics.csv      one line an epoch; no times: equal runs write equal bytes
//     jsonl        RUN/metrics.jsonl    every step and epoch with their times, the network and the machine
//     tensorboard  RUN/tensorboard/     event files for TensorBoard, also importable into Weights & Biases
//
// A resumed run goes on in them, and drops what was written after the checkpoint where it goes on.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

namespace leadline::trainer {

/// Updates made before a run starts or goes on: what its files may hold already.
inline index_t steps_before(const RunInfo& info) { return info.first_epoch * info.steps_per_epoch + info.first_batch; }

/// Whether run.loggers names this one. Throws leadline::Error for a name that isn't known.
bool wants_logger(const Settings& settings, const std::string& name);

/// run.loggers and run.log_every, which all loggers share.
std::vector<OptionSpec> logger_options();
/// Steps between two that are logged.
index_t log_every_settings(const Settings& settings);

} // namespace leadline::trainer
