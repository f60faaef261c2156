#include "trainer/lr_finder.hpp"

#include "trainer/callbacks/nan_stop.hpp"
#include "trainer/text.hpp"
#include "trainer/train_loop.hpp"

#include <algorithm>
#include <cmath>

namespace leadline::trainer {

namespace {

/// Notes each step, and stops the run where it has seen enough.
class Recorder final : public Callback {
public:
  Recorder(LrFinderResult* result, const LrFinderOptions& options) : result_(result), options_(options) {}
  void on_step(const StepReport& report, RunControl& run) override {
    constexpr double keep = 0.98;
    average_ = keep * average_ + (1 - keep) * report.loss;
    const double smooth = average_ / (1 - std::pow(keep, static_cast<double>(report.step)));
    result_->lr.push_back(report.lr);
    result_->loss.push_back(report.loss);
    result_->smooth.push_back(smooth);
    lowest_ = std::min(lowest_, smooth);
    result_->exploded = smooth > options_.stop_factor * lowest_;
    if (result_->exploded || report.step >= options_.steps) run.request_stop();
  }

private:
  LrFinderResult* result_;
  LrFinderOptions options_;
  double average_ = 0, lowest_ = std::numeric_limits<double>::infinity();
};

} // namespace

double steepest_lr(const std::vector<double>& lr, const std::vector<double>& loss) {
  // Batches differ by more than one step changes the loss: what counts are lines and means over a decade or two.
  constexpr double half_window = 1; // decades, of the lines
  constexpr double half_mean = 0.5; // decades, of the means
  constexpr double reach = 2;       // decades below the rate that has learned nearly all
  constexpr double sure = -2;       // slope in its own standard errors
  constexpr size_t least_points = 6;
  struct Fit {
    double n = 0, mean = 0, slope = 0, error = 0;
  };
  // Sums over all points before each: those of a window are differences.
  struct Sums {
    double x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  };
  std::vector<double> decade;
  std::vector<Sums> before(1);
  for (size_t i = 0; i < lr.size(); ++i) {
    const double x = std::log10(lr[i] / lr.front()), y = loss[i];
    const Sums& s = before.back();
    decade.push_back(x);
    before.push_back({s.x + x, s.y + y, s.xx + x * x, s.xy + x * y, s.yy + y * y});
  }
  const auto fit = [&](size_t i, double half) {
    const auto first = std::lower_bound(decade.begin(), decade.end(), decade[i] - half - 1e-9),
               last = std::upper_bound(decade.begin(), decade.end(), decade[i] + half + 1e-9);
    const Sums &low = before[static_cast<size_t>(first - decade.begin())],
               &high = before[static_cast<size_t>(last - decade.begin())];
    Fit f;
    f.n = static_cast<double>(last - first);
    const double x = high.x - low.x, y = high.y - low.y, sxx = high.xx - low.xx - x * x / f.n,
                 sxy = high.xy - low.xy - x * y / f.n, syy = high.yy - low.yy - y * y / f.n;
    f.mean = y / f.n;
    f.slope = sxy / sxx;
    f.error = std::sqrt(std::max(syy - f.slope * sxy, 0.0) / (f.n - 2) / sxx);
    return f;
  };
  // Where nine tenths of all that was learned are learned: an earlier fall is chance if it is far from there.
  std::vector<double> means;
  for (size_t i = 0; i < lr.size(); ++i) means.push_back(fit(i, half_mean).mean);
  if (means.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double lowest = *std::min_element(means.begin(), means.end());
  size_t learned = 0;
  while (means[learned] > lowest + 0.1 * (means.front() - lowest)) ++learned;

  double best = 0, at = std::numeric_limits<double>::quiet_NaN();
  for (size_t i = 0; i < lr.size(); ++i) {
    if (lr[i] < lr.front() * std::pow(10, half_window) || lr[i] > lr.back() / std::pow(10, half_window)) continue;
    if (lr[i] < lr[learned] / std::pow(10, reach)) continue;
    const Fit f = fit(i, half_window);
    if (f.n >= least_points && f.slope < best && f.slope <= sure * f.error) {
      best = f.slope;
      at = lr[i];
    }
  }
  return at;
}

LrFinderResult find_lr(const Settings& settings, const data::DatasetPtr& train, const data::DatasetPtr& val,
                       const LrFinderOptions& options) {
  // The rate of step s is min_lr (max_lr / min_lr)^(s / (steps - 1)): the exponential schedule.
  Settings own = settings;
  const auto set = [&](const char* key, const std::string& value) { own.set(key, value, "leadline lr_find"); };
  const double gamma = std::pow(options.max_lr / options.min_lr, 1.0 / static_cast<double>(options.steps - 1));
  set("optimizer.lr", exact(options.min_lr));
  set("scheduler.name", "exponential");
  set("scheduler.unit", "step");
  set("scheduler.gamma", exact(gamma));
  set("scheduler.warmup_steps", "0");
  set("train.epochs", "1000000"); // it is stopped before
  set("train.val_every", "1000000");
  set("train.ema", "0");
  set("eval.baseline_frames", "0");

  LrFinderResult result;
  const std::unique_ptr<TrainLoop> loop = make_train_loop(own, train, val);
  loop->add(std::make_unique<Recorder>(&result, options));
  try {
    loop->run();
  } catch (const NotFinite&) { // where this rate leads is known now
    if (result.lr.size() < 3) throw;
    result.exploded = true;
  }
  result.suggestion = steepest_lr(result.lr, result.loss);
  return result;
}

Plot lr_plot(const LrFinderResult& result) {
  Plot plot;
  plot.title = "Loss while the learning rate grows";
  plot.x = {.title = "learning rate", .log = true};
  plot.y = {.title = "loss"};
  plot.series = {{.name = "batch", .x = result.lr, .y = result.loss, .mark = Mark::points},
                 {.name = "smoothed", .x = result.lr, .y = result.smooth}};
  double low = std::numeric_limits<double>::infinity(); // an explosion would hide the rest
  for (const double value : result.smooth) low = std::min(low, value);
  if (result.exploded && low > 0) {
    double start = 0;
    for (size_t i = 0; i < std::min<size_t>(10, result.loss.size()); ++i) start = std::max(start, result.loss[i]);
    plot.y.max = std::max(1.2 * start, 3 * low);
  }
  if (std::isfinite(result.suggestion)) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2g", result.suggestion);
    plot.markers = {{result.suggestion, text}};
  }
  return plot;
}

} // namespace leadline::trainer
