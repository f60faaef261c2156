// lr, or lr * factor for the first total_iters steps and lr from then on (PyTorch's ConstantLR).
#pragma once

#include "trainer/schedulers/checks.hpp"

namespace leadline::trainer::schedulers {

class Constant final : public Scheduler {
public:
  Constant(const SchedulerParams& p, int64_t)
      : lr_(p.lr), factor_(p.factor == 0 ? 1.0 : p.factor), steps_(p.total_iters) {
    require(factor_ > 0, name(), "factor", p.factor, "be positive");
    require(steps_ >= 0, name(), "total_iters", steps_, "not be negative (0 is the whole run)");
  }
  const char* name() const override { return "constant"; }
  Rates at(int64_t step) const override { return {steps_ == 0 || step < steps_ ? lr_ * factor_ : lr_}; }

private:
  double lr_, factor_;
  int64_t steps_;
};

} // namespace leadline::trainer::schedulers
