#include "trainer/callbacks/nan_stop.hpp"

#include "trainer/text.hpp"

#include <cmath>

namespace leadline::trainer {

void NanStop::on_before_optimizer_step(const StepReport& report, RunControl& run) {
  if (std::isfinite(report.loss) && std::isfinite(report.gradient_norm)) return;
  const bool loss = !std::isfinite(report.loss);
  const std::string place = run.find_not_finite();
  throw NotFinite(
      {.field = loss ? "loss" : "gradient norm",
       .value = std::to_string(loss ? report.loss : report.gradient_norm),
       .reason = "epoch " + std::to_string(report.epoch + 1) + ", batch " + std::to_string(report.batch + 1) +
                 ": it is no longer a number, so training has diverged (learning rate " + exact(report.lr) +
                 "). First of all, " + (place.empty() ? "the loss overflowed" : place),
       .fix = "Lower optimizer.lr or scheduler.max_lr, add scheduler.warmup_steps or train.clip_norm, or look at "
              "the frames of this batch with `leadline data show`; the last checkpoint is unharmed"});
}

} // namespace leadline::trainer
