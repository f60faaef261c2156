#include "trainer/callbacks/early_stopping.hpp"

#include "data/error.hpp"
#include "trainer/metrics/names.hpp"
#include "trainer/text.hpp"

#include <cmath>

namespace leadline::trainer {

EarlyStopping::EarlyStopping(const EarlyStoppingOptions& options)
    : options_(options), maximise_(larger_is_better(options.monitor)),
      best_(maximise_ ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity()) {}

void EarlyStopping::on_epoch_end(const EpochReport& report, RunControl& run) {
  double value = report.train_loss;
  if (options_.monitor != "train_loss") {
    if (!report.validated) return;
    for (const NamedNumber& metric : report.metrics)
      if (metric.first == options_.monitor) value = metric.second;
  }
  const std::string what = "early stopping: " + options_.monitor + " = " + decimals(value, 4);
  if (!std::isfinite(value)) return run.finish_early(what + " is no number");
  if (const double goal = options_.stopping_threshold; !std::isnan(goal) && !better(goal, value, 0))
    return run.finish_early(what + " reached stopping_threshold = " + exact(goal));
  if (const double limit = options_.divergence_threshold; !std::isnan(limit) && better(limit, value, 0))
    return run.finish_early(what + " is worse than divergence_threshold = " + exact(limit));
  if (better(value, best_, options_.min_delta)) {
    best_ = value;
    waited_ = 0;
  } else if (++waited_ >= options_.patience) {
    run.finish_early(what + ", and nothing better than " + decimals(best_, 4) + " for " + std::to_string(waited_) +
                     (options_.monitor == "train_loss" ? " epochs" : " validations"));
  }
}

void EarlyStopping::set_state(const std::vector<double>& state) {
  if (state.size() != 2)
    throw Error({.field = "callbacks/early_stopping",
                 .value = std::to_string(state.size()) + " numbers",
                 .reason = "the checkpoint's state of early stopping has 2",
                 .fix = "Use the Leadline that wrote it"});
  best_ = state[0];
  waited_ = static_cast<index_t>(state[1]);
}

CallbackEntry early_stopping_entry() {
  return {"early_stopping",
          {{"early_stopping.monitor", "none", "ends a run that gets no better in this metric",
            metric_choices({"none", "train_loss"}, {})},
           {"early_stopping.patience", "3", "validations (train_loss: epochs) in a row without improvement"},
           {"early_stopping.min_delta", "0", "what counts as an improvement"},
           {"early_stopping.stopping_threshold", "", "a value as good as this ends the run; empty: none does"},
           {"early_stopping.divergence_threshold", "", "a value worse than this ends the run; empty: none does"}},
          [](const Settings& settings, const RunDirectory&, bool) -> std::unique_ptr<Callback> {
            EarlyStoppingOptions options;
            options.monitor = settings.text("early_stopping.monitor");
            if (options.monitor == "none") return nullptr;
            options.patience = settings.integer("early_stopping.patience", 1, 1000000);
            options.min_delta = settings.real("early_stopping.min_delta", 0, 1e12);
            for (const auto& [key, value] :
                 {std::pair{"early_stopping.stopping_threshold", &options.stopping_threshold},
                  std::pair{"early_stopping.divergence_threshold", &options.divergence_threshold}})
              if (!settings.text(key).empty()) *value = settings.real(key, -1e12, 1e12);
            return std::make_unique<EarlyStopping>(options);
          }};
}

} // namespace leadline::trainer
