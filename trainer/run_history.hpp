// What a run has told so far, read back from its directory: for reports and comparisons.
#pragma once

#include "trainer/json_lines.hpp"
#include "trainer/run_directory.hpp"

#include <vector>

namespace leadline::trainer {

/// Lines as loggers/jsonl_logger.hpp writes them.
struct RunHistory {
  JsonLine start;                      ///< the newest; empty where the run had no jsonl logger
  std::vector<JsonLine> steps, epochs; ///< steps: none where the run had no jsonl logger
  JsonLine end;                        ///< "finish", "stop" or "error" behind the newest start; empty: it still runs

  /// One member of each line; NaN where a line doesn't have it.
  static std::vector<double> column(const std::vector<JsonLine>& lines, const std::string& name);
};

/// The epoch with the best value of a metric, the first of equal ones; null where none has a value.
const JsonLine* best_epoch(const RunHistory& history, const std::string& metric);

/// From metrics.jsonl, or if that isn't there metrics.csv. Throws leadline::Error where neither is, or a line is
/// broken.
RunHistory read_run_history(const RunDirectory& run);

} // namespace leadline::trainer
