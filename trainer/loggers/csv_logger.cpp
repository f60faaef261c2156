#include "trainer/loggers/csv_logger.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <fstream>

namespace leadline::trainer {

namespace {

constexpr const char* metric_columns = "delta1,delta2,delta3,abs_rel,sq_rel,rmse,rmse_log,log10,silog,mae";

[[noreturn]] void cannot_write(const std::string& file) {
  throw Error({.file = file,
               .reason = "the file can't be written",
               .fix = "Check that its folder may be written to and that the disk isn't full"});
}

} // namespace

void CsvLogger::on_start(const RunInfo& info, RunControl&) {
  std::string kept = std::string("epoch,step,lr,train_loss,") + metric_columns + "\n";
  std::ifstream old(file_);
  std::string line;
  for (bool header = true; std::getline(old, line); header = false)
    if (!header && std::atoll(line.c_str()) <= info.first_epoch && info.first_epoch > 0) kept += line + "\n";
  old.close();
  data::write_file(file_, kept.data(), kept.size());
}

void CsvLogger::on_epoch_end(const EpochReport& report, RunControl&) {
  std::string line = std::to_string(report.epoch) + "," + std::to_string(report.step) + "," + exact(report.lr) + "," +
                     exact(report.train_loss);
  if (report.validated)
    for (const NamedNumber& metric : report.metrics) line += "," + exact(metric.second);
  else
    line += std::string(static_cast<size_t>(std::count(
                            metric_columns, metric_columns + std::char_traits<char>::length(metric_columns), ',')) +
                            1,
                        ',');
  std::ofstream out(file_, std::ios::app | std::ios::binary);
  if (!(out << line << "\n") || !out.flush()) cannot_write(file_);
}

CallbackEntry csv_logger_entry() {
  return {"csv_logger", logger_options(),
          [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            if (!wants_logger(settings, "csv")) return nullptr;
            return std::make_unique<CsvLogger>(run.metrics());
          }};
}

} // namespace leadline::trainer
