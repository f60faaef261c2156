#include "trainer/loggers/tensorboard_logger.hpp"

#include "data/picture.hpp"

namespace leadline::trainer {

void TensorboardLogger::on_start(const RunInfo& info, RunControl&) {
  steps_per_epoch_ = info.steps_per_epoch;
  const index_t before = steps_before(info);
  if (before > 0) trim_event_files(folder_, before);
  file_ = std::make_unique<EventFile>(folder_, before > 0 ? before + 1 : 0);
}

void TensorboardLogger::on_step(const StepReport& report, RunControl& run) {
  if (report.step % every_ == 0) {
    EventSummary summary;
    summary.scalar("train/loss", report.loss);
    summary.scalar("train/lr", report.lr);
    summary.scalar("train/gradient_norm", report.gradient_norm);
    if (report.momentum) summary.scalar("train/momentum", *report.momentum);
    if (report.group_lr.size() > 1)
      for (const NamedNumber& group : report.group_lr) summary.scalar("train/lr_" + group.first, group.second);
    file_->add(report.step, summary);
  }
  // Gradients are there during a step only: an epoch's histograms are those of its last one.
  if (histograms_ == 0 || report.batch + 1 != steps_per_epoch_ || (report.epoch + 1) % histograms_ != 0) return;
  EventSummary summary;
  for (const std::string& name : run.weight_names()) {
    summary.histogram("weights/" + name, run.weight(name).values);
    summary.histogram("gradients/" + name, run.gradient(name).values);
  }
  file_->add(report.step, summary);
}

void TensorboardLogger::on_epoch_end(const EpochReport& report, RunControl&) {
  EventSummary summary;
  summary.scalar("train/epoch_loss", report.train_loss);
  summary.scalar("time/epoch_seconds", report.seconds);
  summary.scalar("time/images_per_second", report.images_per_second);
  summary.scalar("time/waiting_for_data_seconds", report.data_seconds);
  if (report.validated) {
    summary.scalar("time/validation_seconds", report.validation_seconds);
    for (const NamedNumber& metric : report.metrics) summary.scalar("val/" + metric.first, metric.second);
  }
  for (size_t i = 0; i < report.predictions.size(); ++i) {
    const Prediction& p = report.predictions[i];
    data::SheetRow row;
    row.image = data::RgbImage(p.height, p.width);
    row.image.rgb = p.rgb;
    row.depth = p.depth;
    row.prediction = p.prediction;
    const data::RgbImage sheet = data::contact_sheet({row});
    summary.image("predictions/" + std::to_string(i), sheet.height, sheet.width, data::encode_png(sheet));
  }
  file_->add(report.step, summary);
  file_->flush();
}

CallbackEntry tensorboard_logger_entry() {
  return {"tensorboard_logger",
          {{"run.histograms", "1", "tensorboard: epochs between two histograms of weights and gradients; 0: none"}},
          [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            const index_t histograms = settings.integer("run.histograms", 0, INT64_MAX);
            if (!wants_logger(settings, "tensorboard")) return nullptr;
            return std::make_unique<TensorboardLogger>(run.tensorboard(), log_every_settings(settings), histograms);
          }};
}

} // namespace leadline::trainer
