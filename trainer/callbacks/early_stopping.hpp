// Ends a run that gets no better. Options and defaults are those of PyTorch Lightning's EarlyStopping.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

#include <limits>

namespace leadline::trainer {

struct EarlyStoppingOptions {
  std::string monitor = "delta1"; ///< a metric of the validation, or train_loss
  index_t patience = 3;           ///< that many values in a row without improvement end the run
  double min_delta = 0;           ///< what counts as an improvement
  /// A value as good as the first, or worse than the second, ends the run at once; NaN: no such value.
  double stopping_threshold = std::numeric_limits<double>::quiet_NaN();
  double divergence_threshold = std::numeric_limits<double>::quiet_NaN();
};

/// Looks at every validation (train_loss: at every epoch). A value that isn't finite ends the run, too.
class EarlyStopping final : public Callback {
public:
  explicit EarlyStopping(const EarlyStoppingOptions& options);
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

  std::string state_name() const override { return "early_stopping"; }
  std::vector<double> state() const override { return {best_, static_cast<double>(waited_)}; }
  void set_state(const std::vector<double>& state) override;

private:
  /// Whether a is better than b by more than `delta`.
  bool better(double a, double b, double delta) const { return maximise_ ? a - delta > b : a + delta < b; }

  EarlyStoppingOptions options_;
  bool maximise_;
  double best_;
  index_t waited_ = 0;
};

CallbackEntry early_stopping_entry();

} // namespace leadline::trainer
