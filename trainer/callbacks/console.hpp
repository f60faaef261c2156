// What a run tells the terminal and its log: a header, a progress bar with ETA, a line for each epoch.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

#include <cstdio>
#include <string>

namespace leadline::trainer {

/// On a terminal, a bar that is redrawn; elsewhere, plain lines about every `seconds_between_lines`.
class Console final : public Callback {
public:
  /// `log_file`: what is printed goes there, too (but not the bar); empty: nowhere. `append`: to what is there.
  Console(std::FILE* out, bool terminal, const std::string& log_file, bool append);
  ~Console() override;
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void on_start(const RunInfo& info, RunControl& run) override;
  void on_step(const StepReport& report, RunControl& run) override;
  void on_epoch_end(const EpochReport& report, RunControl& run) override;
  void on_stop(RunControl& run) override;
  void on_finish(RunControl& run) override;

  static constexpr double seconds_between_lines = 20;

private:
  void line(const std::string& text);
  void clear_bar();
  std::string time_left(double seconds, index_t steps_done) const;

  std::FILE* out_;
  bool terminal_, bar_ = false;
  std::string log_file_;
  bool append_ = false;
  std::FILE* log_ = nullptr; ///< open from on_start on
  RunInfo info_;
  double last_shown_ = 0, smooth_loss_ = 0;
  index_t steps_ = 0;
  StepReport latest_{};
  std::string note_;
};

CallbackEntry console_entry();

} // namespace leadline::trainer
