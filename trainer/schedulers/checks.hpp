// Checks of schedulers' options, with the message in one place.
#pragma once

#include "trainer/schedulers/scheduler.hpp"

namespace leadline::trainer::schedulers {

/// Throws unless `good`; `rule` continues "it must ...".
template <class Value>
void require(bool good, const char* scheduler, const char* field, Value value, const char* rule) {
  if (good) return;
  std::string text;
  if constexpr (requires { std::to_string(value); })
    text = std::to_string(value);
  else
    text = value;
  throw Error({.field = field, .value = text, .reason = std::string("scheduler ") + scheduler + ": it must " + rule});
}

/// A length that is 0 for "the whole run".
inline int64_t length_or_run(const char* scheduler, const char* field, int64_t length, int64_t total_steps) {
  require(length >= 0, scheduler, field, length, "not be negative (0 is the whole run)");
  const int64_t steps = length > 0 ? length : total_steps;
  require(steps > 0, scheduler, "total_steps", total_steps, "be positive: the run has no step");
  return steps;
}

constexpr double pi = 3.14159265358979323846;

/// From `start` at 0 to `end` at 1 along half a cosine.
inline double anneal_cos(double start, double end, double part) {
  return end + (start - end) / 2 * (1 + math::cos(pi * part));
}
inline double anneal_linear(double start, double end, double part) { return start + (end - start) * part; }

} // namespace leadline::trainer::schedulers
