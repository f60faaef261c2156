#include "trainer/loggers/jsonl_logger.hpp"

#include "shared/layers/host/host_kernels.hpp" // cpu_name
#include "trainer/compute.hpp"

#include <leadline/leadline.h>

#include <cmath>
#include <ctime>
#include <filesystem>

namespace leadline::trainer {

namespace {

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  char text[32] = "";
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

} // namespace

void JsonlLogger::write(const JsonLine& line) const { append_json_line(file_, line); }

void JsonlLogger::on_start(const RunInfo& info, RunControl&) {
  step_ = steps_before(info);
  std::vector<JsonLine> kept;
  if (step_ > 0 && std::filesystem::exists(file_))
    for (const JsonLine& line : read_json_lines(file_)) {
      const bool later = line.text_of("event") == "epoch"
                             ? line.number_of("epoch") > static_cast<double>(info.first_epoch)
                             : line.number_of("step") > static_cast<double>(step_);
      if (!later && line.text_of("event") != "finish") kept.push_back(line);
    }
  char cpu[64] = "";
  host::cpu_name(cpu);
  kept.push_back(JsonLine()
                     .text("event", "start")
                     .text("time", time_text())
                     .integer("step", step_)
                     .text("network", info.network)
                     .integer("parameters", info.parameters)
                     .integer("bytes", static_cast<index_t>(info.bytes))
                     .integer("train_frames", info.train_frames)
                     .integer("val_frames", info.val_frames)
                     .integer("epochs", info.epochs)
                     .integer("steps_per_epoch", info.steps_per_epoch)
                     .integer("batch_size", info.batch_size)
                     .text("protocol", info.protocol)
                     .text("monitor", info.monitor)
                     .text("exec", info.exec)
                     .text("cpu", cpu)
                     .text("isa", host::host_kernels().isa)
                     .text("leadline", leadline_version_string())
                     .text("libraries", Compute::description()));
  write_json_lines(file_, kept);
}

void JsonlLogger::on_step(const StepReport& report, RunControl&) {
  step_ = report.step;
  if (report.step % every_ != 0) return;
  JsonLine line;
  line.text("event", "step")
      .integer("step", report.step)
      .integer("epoch", report.epoch + 1)
      .number("loss", report.loss)
      .number("lr", report.lr)
      .number("gradient_norm", report.gradient_norm)
      .number("seconds", report.seconds)
      .number("data_seconds", report.data_seconds)
      .number("step_seconds", report.step_seconds);
  if (report.momentum) line.number("momentum", *report.momentum);
  if (report.group_lr.size() > 1)
    for (const NamedNumber& group : report.group_lr) line.number("lr/" + group.first, group.second);
  write(line);
}

void JsonlLogger::on_epoch_end(const EpochReport& report, RunControl&) {
  JsonLine line;
  line.text("event", "epoch")
      .integer("epoch", report.epoch)
      .integer("step", report.step)
      .number("train_loss", report.train_loss)
      .number("lr", report.lr)
      .number("seconds", report.seconds)
      .number("data_seconds", report.data_seconds)
      .number("images_per_second", report.images_per_second);
  if (report.validated) {
    line.number("validation_seconds", report.validation_seconds).boolean("best", report.best);
    for (const NamedNumber& metric : report.metrics) line.number(metric.first, metric.second);
    if (!report.note.empty()) line.text("note", report.note);
  }
  write(line);
}

void JsonlLogger::on_stop(RunControl&) { write(JsonLine().text("event", "stop").integer("step", step_)); }

void JsonlLogger::on_finish(RunControl&) { write(JsonLine().text("event", "finish").integer("step", step_)); }

void JsonlLogger::on_error(const std::exception& error, RunControl&) {
  write(JsonLine().text("event", "error").integer("step", step_).text("message", error.what()));
}

CallbackEntry jsonl_logger_entry() {
  return {"jsonl_logger", {}, [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            if (!wants_logger(settings, "jsonl")) return nullptr;
            return std::make_unique<JsonlLogger>(run.lines(), log_every_settings(settings));
          }};
}

} // namespace leadline::trainer
