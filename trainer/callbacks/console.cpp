#include "trainer/callbacks/console.hpp"

#include "data/error.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <ctime>
#include <unistd.h>

namespace leadline::trainer {

Console::Console(std::FILE* out, bool terminal, const std::string& log_file, bool append)
    : out_(out), terminal_(terminal), log_file_(log_file), append_(append) {}

Console::~Console() {
  if (log_) std::fclose(log_);
}

void Console::line(const std::string& text) {
  clear_bar();
  std::fprintf(out_, "%s\n", text.c_str());
  std::fflush(out_);
  if (!log_) return;
  const std::time_t now = std::time(nullptr);
  char stamp[32] = "";
  std::strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", std::localtime(&now));
  std::fprintf(log_, "%s  %s\n", stamp, text.c_str());
  std::fflush(log_);
}

void Console::clear_bar() {
  if (bar_) std::fprintf(out_, "\r\033[K");
  bar_ = false;
}

void Console::on_start(const RunInfo& info, RunControl&) {
  info_ = info;
  if (!log_file_.empty() && !log_) log_ = std::fopen(log_file_.c_str(), append_ ? "a" : "w");
  if (!log_file_.empty() && !log_)
    throw Error({.file = log_file_, .reason = "the log can't be written", .fix = "Check the folder's permissions"});
  line(info.network + ": " + std::to_string(info.parameters) + " parameters, " +
       decimals(static_cast<double>(info.bytes) / (1 << 20), 0) + " MiB, on " + info.exec);
  if (log_) std::fprintf(log_, "%s", info.summary.c_str());
  line(std::to_string(info.train_frames) + " training and " + std::to_string(info.val_frames) + " validation frames; " +
       std::to_string(info.epochs) + " epochs of " + std::to_string(info.steps_per_epoch) + " steps with " +
       std::to_string(info.batch_size) + " frames");
  if (!info.dir.empty()) line("run directory: " + info.dir);
  if (info.first_epoch > 0 || info.first_batch > 0)
    line("goes on after epoch " + std::to_string(info.first_epoch) + ", batch " + std::to_string(info.first_batch));
}

std::string Console::time_left(double seconds, index_t steps_done) const {
  const index_t begun_at = info_.first_epoch * info_.steps_per_epoch + info_.first_batch;
  const index_t left = info_.epochs * info_.steps_per_epoch - begun_at - steps_done;
  return duration(seconds / static_cast<double>(std::max<index_t>(steps_done, 1)) * static_cast<double>(left));
}

void Console::on_step(const StepReport& report, RunControl&) {
  ++steps_;
  latest_ = report;
  smooth_loss_ = steps_ == 1 ? report.loss : 0.9 * smooth_loss_ + 0.1 * report.loss;
  const double every = terminal_ ? 0.1 : seconds_between_lines;
  if (report.seconds - last_shown_ < every) return;
  last_shown_ = report.seconds;
  const index_t done = report.batch + 1;
  const std::string numbers = std::to_string(done) + "/" + std::to_string(info_.steps_per_epoch) + "  loss " +
                              decimals(smooth_loss_, 4) + "  " +
                              decimals(static_cast<double>(report.images) / std::max(report.seconds, 1e-9), 1) +
                              " images/s  ETA " + time_left(report.seconds, steps_);
  const std::string epoch = "epoch " + std::to_string(report.epoch + 1) + "/" + std::to_string(info_.epochs);
  if (!terminal_) {
    line(epoch + "  step " + numbers);
    return;
  }
  constexpr index_t width = 24;
  const auto filled = static_cast<size_t>(width * done / info_.steps_per_epoch);
  clear_bar();
  std::fprintf(out_, "%s [%s%s] %s", epoch.c_str(), std::string(filled, '#').c_str(),
               std::string(static_cast<size_t>(width) - filled, '.').c_str(), numbers.c_str());
  std::fflush(out_);
  bar_ = true;
}

void Console::on_epoch_end(const EpochReport& report, RunControl&) {
  std::string text = "epoch " + std::to_string(report.epoch) + "/" + std::to_string(info_.epochs) + "  loss " +
                     decimals(report.train_loss, 4);
  for (const NamedNumber& metric : report.metrics)
    if (metric.first == "delta1" || metric.first == "abs_rel" || metric.first == "rmse")
      text += "  " + metric.first + " " + decimals(metric.second, 4);
  text += "  " + decimals(report.images_per_second, 1) + " images/s  " + duration(report.seconds);
  if (report.epoch < info_.epochs) text += "  ETA " + time_left(latest_.seconds, steps_);
  line(text + (report.best ? "  best " + info_.monitor : ""));
  if (report.note != note_) line(note_ = report.note);
}

void Console::on_stop(RunControl&) {
  line("stopped after " + std::to_string(latest_.step) + " steps" +
       (info_.dir.empty() ? "" : "; go on with: leadline train --resume " + info_.dir));
}

void Console::on_finish(RunControl& run) {
  if (!run.finish_reason().empty()) line(run.finish_reason());
  line("done: " + std::to_string(latest_.images) + " images in " + duration(latest_.seconds));
}

CallbackEntry console_entry() {
  return {"console", {}, [](const Settings&, const RunDirectory& run, bool resumed) -> std::unique_ptr<Callback> {
            return std::make_unique<Console>(stdout, isatty(STDOUT_FILENO) != 0, run.log(), resumed);
          }};
}

} // namespace leadline::trainer
