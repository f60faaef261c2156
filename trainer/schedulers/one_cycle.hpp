// One cycle: the rate rises from max_lr / div_factor to max_lr during pct_start of the run and falls to
// 1 / final_div_factor of its start during the rest, along half cosines or lines; momentum (or beta1) does the
// opposite. three_phase: it falls to the start as fast as it rose, then on to the end. (Smith, Topin, arXiv 1708.07120,
// in the form of PyTorch's OneCycleLR, which counts the last step as the end of the last phase.)
#pragma once

#include "trainer/schedulers/checks.hpp"

namespace leadline::trainer::schedulers {

class OneCycle final : public Scheduler {
public:
  OneCycle(const SchedulerParams& p, int64_t total_steps)
      : cosine_(p.anneal_strategy == "cos"), cycle_momentum_(p.cycle_momentum), total_steps_(total_steps) {
    require(total_steps > 0, name(), "total_steps", total_steps, "be positive: the run has no step");
    require(p.pct_start >= 0 && p.pct_start <= 1, name(), "pct_start", p.pct_start, "lie in [0, 1]");
    require(p.div_factor > 0, name(), "div_factor", p.div_factor, "be positive");
    require(p.final_div_factor > 0, name(), "final_div_factor", p.final_div_factor, "be positive");
    require(p.max_lr >= 0, name(), "max_lr", p.max_lr, "not be negative (0 takes lr)");
    require(cosine_ || p.anneal_strategy == "linear", name(), "anneal_strategy", p.anneal_strategy, "be cos or linear");
    const double total = static_cast<double>(total_steps), peak = p.max_lr > 0 ? p.max_lr : p.lr;
    const double start = peak / p.div_factor, end = start / p.final_div_factor;
    const double high = p.max_momentum, low = p.base_momentum;
    phases_.push_back({p.pct_start * total - 1, start, peak, high, low});
    if (p.three_phase) {
      phases_.push_back({2 * p.pct_start * total - 2, peak, start, low, high});
      phases_.push_back({total - 1, start, end, high, high});
    } else {
      phases_.push_back({total - 1, peak, end, low, high});
    }
  }
  const char* name() const override { return "one_cycle"; }
  Rates at(int64_t step) const override {
    const double s = static_cast<double>(step < total_steps_ ? step : total_steps_ - 1);
    double from = 0; // where the phase begins: the end of the one before
    for (const Phase& phase : phases_) {
      if (s <= phase.last || &phase == &phases_.back()) {
        const double part = phase.last > from ? (s - from) / (phase.last - from) : 1.0;
        const auto anneal = cosine_ ? anneal_cos : anneal_linear;
        Rates rates{anneal(phase.lr_from, phase.lr_to, part)};
        if (cycle_momentum_) rates.momentum = anneal(phase.momentum_from, phase.momentum_to, part);
        return rates;
      }
      from = phase.last;
    }
    return {};
  }

private:
  struct Phase {
    double last, lr_from, lr_to, momentum_from, momentum_to; // last: the step that ends it, not always whole
  };
  std::vector<Phase> phases_;
  bool cosine_, cycle_momentum_;
  int64_t total_steps_;
};

} // namespace leadline::trainer::schedulers
