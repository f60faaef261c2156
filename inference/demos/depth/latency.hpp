// How long frames took: percentiles over all of them, and frames a second of late.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <vector>

namespace leadline::demo {

/// Milliseconds of a clock. C's: <chrono> of g++ 14 is too much for clang 14.
inline double now() {
  std::timespec time{};
  std::timespec_get(&time, TIME_UTC);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

class Latency {
public:
  void add(double milliseconds) {
    const double time = now();
    if (!values_.empty()) period_ = period_ == 0 ? time - last_ : 0.9 * period_ + 0.1 * (time - last_);
    last_ = time;
    values_.push_back(milliseconds);
  }
  std::size_t count() const { return values_.size(); }
  /// The smallest value that at least `part` of all aren't above; 0 where there is none.
  double percentile(double part) const {
    if (values_.empty()) return 0;
    std::vector<double> sorted = values_;
    const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1) + 0.5);
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at), sorted.end());
    return sorted[at];
  }
  /// All that happens between two frames counts; 0 before the second.
  double frames_a_second() const { return period_ > 0 ? 1000 / period_ : 0; }

private:
  std::vector<double> values_;
  double last_ = 0, period_ = 0;
};

} // namespace leadline::demo
