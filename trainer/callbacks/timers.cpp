#include "trainer/callbacks/timers.hpp"

#include "data/error.hpp"
#include "trainer/text.hpp"

#include <filesystem>
#include <fstream>

namespace leadline::trainer {

namespace {

void append(const std::string& file, const std::string& line) {
  std::ofstream out(file, std::ios::app | std::ios::binary);
  if (!(out << line << "\n") || !out.flush())
    throw Error({.file = file,
                 .reason = "the file can't be written",
                 .fix = "Check that its folder may be written to and that the disk isn't full"});
}

} // namespace

void Timers::on_start(const RunInfo& info, RunControl&) {
  if (info.first_epoch == 0 && info.first_batch == 0) std::filesystem::remove(file_);
  if (!std::filesystem::exists(file_))
    append(file_, "epoch,data_seconds,step_seconds,validation_seconds,other_seconds,images_per_second");
}

void Timers::on_epoch_start(index_t, RunControl&) {
  data_ = step_ = 0;
  start_ = std::chrono::steady_clock::now();
}

void Timers::on_step(const StepReport& report, RunControl& run) {
  data_ += report.data_seconds;
  step_ += report.step_seconds;
  if (max_seconds_ > 0 && report.seconds >= max_seconds_) run.request_stop();
}

void Timers::on_epoch_end(const EpochReport& report, RunControl&) {
  const double all = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  append(file_, std::to_string(report.epoch) + "," + decimals(data_, 3) + "," + decimals(step_, 3) + "," +
                    decimals(report.validation_seconds, 3) + "," +
                    decimals(all - data_ - step_ - report.validation_seconds, 3) + "," +
                    decimals(report.images_per_second, 2));
}

CallbackEntry timers_entry() {
  return {"timers",
          {{"run.max_minutes", "0", "stops and saves when they are over, for --resume; 0: no limit"}},
          [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            return std::make_unique<Timers>(run.timers(), 60 * settings.real("run.max_minutes", 0, 1e9));
          }};
}

} // namespace leadline::trainer
