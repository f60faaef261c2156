// Half a cosine from lr to eta_min, once (cosine) or again and again (cosine_restarts).
// (Loshchilov, Hutter, "SGDR", ICLR 2017.)
#pragma once

#include "trainer/schedulers/checks.hpp"

namespace leadline::trainer::schedulers {

/// eta_min + (lr - eta_min) (1 + cos(pi step / t_max)) / 2. Beyond t_max the cosine goes on, up again, as PyTorch's
/// does; with t_max = 0 the run ends at eta_min.
class Cosine final : public Scheduler {
public:
  Cosine(const SchedulerParams& p, int64_t total_steps)
      : lr_(p.lr), eta_min_(p.eta_min), t_max_(length_or_run(name(), "t_max", p.t_max, total_steps)) {
    require(p.eta_min >= 0, name(), "eta_min", p.eta_min, "not be negative");
  }
  const char* name() const override { return "cosine"; }
  Rates at(int64_t step) const override {
    const double part = static_cast<double>(step % (2 * t_max_)) / static_cast<double>(t_max_);
    return {anneal_cos(lr_, eta_min_, part)};
  }

private:
  double lr_, eta_min_;
  int64_t t_max_;
};

/// The first period has t_0 steps, each later one t_mult times those of the one before.
class CosineRestarts final : public Scheduler {
public:
  CosineRestarts(const SchedulerParams& p, int64_t) : lr_(p.lr), eta_min_(p.eta_min), t_0_(p.t_0), t_mult_(p.t_mult) {
    require(t_0_ > 0, name(), "t_0", t_0_, "be positive");
    require(t_mult_ > 0, name(), "t_mult", t_mult_, "be positive");
    require(p.eta_min >= 0, name(), "eta_min", p.eta_min, "not be negative");
  }
  const char* name() const override { return "cosine_restarts"; }
  Rates at(int64_t step) const override {
    int64_t period = t_0_, into = step;
    if (t_mult_ == 1)
      into %= period;
    else
      for (; into >= period; period *= t_mult_) into -= period;
    return {anneal_cos(lr_, eta_min_, static_cast<double>(into) / static_cast<double>(period))};
  }

private:
  double lr_, eta_min_;
  int64_t t_0_, t_mult_;
};

} // namespace leadline::trainer::schedulers
