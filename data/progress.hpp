// A bar with the time that is left, for people who wait at a terminal.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

#include <unistd.h>

namespace leadline::data {

/// "label [#####.....] 12/40  0:07 left" on a terminal, nothing where stderr is a file. Thread-safe.
class Progress {
public:
  Progress(std::string label, std::size_t total)
      : label_(std::move(label)), total_(total), shown_(isatty(STDERR_FILENO) != 0), begin_(clock::now()) {}
  ~Progress() { finish(); }
  /// Wipes the bar away.
  void finish() {
    if (drawn_) std::fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }
  void step() {
    const std::lock_guard lock(mutex_);
    ++done_;
    const auto now = clock::now();
    if (!shown_ || (now - last_ < std::chrono::milliseconds(100) && done_ < total_)) return;
    last_ = now;
    drawn_ = true;
    constexpr std::size_t bar = 30;
    const std::size_t filled = bar * done_ / std::max<std::size_t>(1, total_);
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    const auto left =
        static_cast<long>(seconds * static_cast<double>(total_ - done_) / static_cast<double>(done_) + 0.5);
    std::fprintf(stderr, "\r%s [%s%s] %zu/%zu  %ld:%02ld left \033[K", label_.c_str(), std::string(filled, '#').c_str(),
                 std::string(bar - filled, '.').c_str(), done_, total_, left / 60, left % 60);
    std::fflush(stderr);
  }

private:
  using clock = std::chrono::steady_clock;
  std::string label_;
  std::size_t total_, done_ = 0;
  bool shown_, drawn_ = false;
  clock::time_point begin_, last_{};
  std::mutex mutex_;
};

} // namespace leadline::data
