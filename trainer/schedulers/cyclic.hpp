// Triangles between base_lr and max_lr, each rise step_size_up and each fall step_size_down steps long; their height
// stays (triangular), halves each cycle (triangular2) or shrinks by gamma each step (exp_range). Momentum does the
// opposite. (Smith, WACV 2017.)
#pragma once

#include "trainer/schedulers/checks.hpp"

namespace leadline::trainer::schedulers {

class Cyclic final : public Scheduler {
public:
  Cyclic(const SchedulerParams& p, int64_t)
      : p_(p), up_(static_cast<double>(p.step_size_up)),
        period_(static_cast<double>(p.step_size_up + (p.step_size_down > 0 ? p.step_size_down : p.step_size_up))) {
    require(p.step_size_up > 0, name(), "step_size_up", p.step_size_up, "be positive");
    require(p.step_size_down >= 0, name(), "step_size_down", p.step_size_down,
            "not be negative (0 takes step_size_up)");
    require(p.mode.empty() || p.mode == "triangular" || p.mode == "triangular2" || p.mode == "exp_range", name(),
            "mode", p.mode, "be triangular, triangular2 or exp_range");
    require(p.gamma > 0, name(), "gamma", p.gamma, "be positive");
    if (p_.base_lr == 0) p_.base_lr = p.lr;
    require(p_.base_lr >= 0, name(), "base_lr", p.base_lr, "not be negative");
    require(p_.max_lr >= p_.base_lr, name(), "max_lr", p.max_lr, "be at least base_lr");
  }
  const char* name() const override { return "cyclic"; }
  Rates at(int64_t step) const override {
    const double turns = static_cast<double>(step) / period_, cycle = math::floor(turns);
    const double into = turns - cycle, peak = up_ / period_;
    double height = into <= peak ? into / peak : (into - 1) / (peak - 1);
    if (p_.mode == "triangular2")
      height *= math::pow(0.5, cycle);
    else if (p_.mode == "exp_range")
      height *= math::powi(p_.gamma, step);
    Rates rates{p_.base_lr + (p_.max_lr - p_.base_lr) * height};
    if (p_.cycle_momentum) rates.momentum = p_.max_momentum - (p_.max_momentum - p_.base_momentum) * height;
    return rates;
  }

private:
  SchedulerParams p_;
  double up_, period_;
};

} // namespace leadline::trainer::schedulers
