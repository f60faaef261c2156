#include "trainer/callbacks/report_writer.hpp"

#include "data/error.hpp"
#include "trainer/report.hpp"

#include <cstdio>

namespace leadline::trainer {

void ReportWriter::write() {
  try {
    write_report(run_);
  } catch (const Error& error) {
    if (!told_) std::fprintf(stderr, "leadline: warning: no report: %s\n", error.what());
    told_ = true;
  }
}

void ReportWriter::on_epoch_end(const EpochReport&, RunControl&) { write(); }
void ReportWriter::on_stop(RunControl&) { write(); }
void ReportWriter::on_finish(RunControl&) { write(); }
void ReportWriter::on_error(const std::exception&, RunControl&) { write(); }

CallbackEntry report_writer_entry() {
  return {"report_writer",
          {{"run.report",
            "true",
            "report.html after each epoch, and at the end with metrics of the best checkpoint",
            {"true", "false"}}},
          [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            if (!settings.boolean("run.report")) return nullptr;
            return std::make_unique<ReportWriter>(run);
          }};
}

} // namespace leadline::trainer
