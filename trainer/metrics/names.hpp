// Names of metrics and protocols, for options, tables and files that compute none.
#pragma once

#include <string>
#include <vector>

namespace leadline::trainer {

/// In the order of DepthMetrics' values.
inline const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names{"delta1", "delta2",   "delta3", "abs_rel", "sq_rel",
                                              "rmse",   "rmse_log", "log10",  "silog",   "mae"};
  return names;
}

/// An option's choices: `first`, the metrics, `last`.
inline std::vector<std::string> metric_choices(std::vector<std::string> first, const std::vector<std::string>& last) {
  first.insert(first.end(), metric_names().begin(), metric_names().end());
  first.insert(first.end(), last.begin(), last.end());
  return first;
}

/// Whether more of a metric is better: true of delta1 to delta3 alone.
inline bool larger_is_better(const std::string& metric) { return metric.rfind("delta", 0) == 0; }

/// In the order of depth_protocols().
inline const std::vector<std::string>& protocol_names() {
  static const std::vector<std::string> names{"raw", "eigen", "densedepth", "fastdepth", "garg"};
  return names;
}

} // namespace leadline::trainer
