// The rate is multiplied by `factor` when a metric hasn't improved for more than `patience` observations
// (PyTorch's ReduceLROnPlateau). The only schedule with a memory: `state` and `set_state` carry it over a resume.
#pragma once

#include "trainer/schedulers/checks.hpp"

#include <algorithm>
#include <limits>

namespace leadline::trainer::schedulers {

class Plateau final : public Scheduler {
public:
  Plateau(const SchedulerParams& p, int64_t)
      : p_(p), factor_(p.factor == 0 ? 0.1 : p.factor), minimise_(p.mode != "max"), lr_(p.lr),
        best_(minimise_ ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity()) {
    require(factor_ > 0 && factor_ < 1, name(), "factor", p.factor, "lie in (0, 1)");
    require(p.mode.empty() || p.mode == "min" || p.mode == "max", name(), "mode", p.mode, "be min or max");
    require(p.threshold_mode == "rel" || p.threshold_mode == "abs", name(), "threshold_mode", p.threshold_mode,
            "be rel or abs");
    require(p.patience >= 0, name(), "patience", p.patience, "not be negative");
    require(p.cooldown >= 0, name(), "cooldown", p.cooldown, "not be negative");
    require(p.threshold >= 0, name(), "threshold", p.threshold, "not be negative");
  }
  const char* name() const override { return "plateau"; }
  Rates at(int64_t) const override { return {lr_}; }

  void observe(double metric) override {
    if (improved(metric)) {
      best_ = metric;
      bad_ = 0;
    } else {
      ++bad_; // a NaN metric too
    }
    if (waiting_ > 0) {
      --waiting_;
      bad_ = 0;
    }
    if (bad_ <= p_.patience) return;
    const double lower = std::max(lr_ * factor_, p_.min_lr);
    if (lr_ - lower > p_.plateau_eps) lr_ = lower;
    waiting_ = p_.cooldown;
    bad_ = 0;
  }

  std::vector<double> state() const override {
    return {lr_, best_, static_cast<double>(bad_), static_cast<double>(waiting_)};
  }
  void set_state(const std::vector<double>& state) override {
    if (state.size() != 4)
      throw Error("scheduler plateau: its saved state has " + std::to_string(state.size()) +
                  " numbers instead of 4. The checkpoint belongs to another scheduler.");
    lr_ = state[0];
    best_ = state[1];
    bad_ = static_cast<int64_t>(state[2]);
    waiting_ = static_cast<int64_t>(state[3]);
  }

private:
  bool improved(double metric) const {
    if (p_.threshold_mode == "rel")
      return minimise_ ? metric < best_ * (1 - p_.threshold) : metric > best_ * (1 + p_.threshold);
    return minimise_ ? metric < best_ - p_.threshold : metric > best_ + p_.threshold;
  }

  SchedulerParams p_;
  double factor_;
  bool minimise_;
  double lr_, best_;
  int64_t bad_ = 0, waiting_ = 0;
};

} // namespace leadline::trainer::schedulers
