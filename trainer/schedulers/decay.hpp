// Schedules that only go down (or, linear, up): polynomial, linear, exponential, step, multistep.
#pragma once

#include "trainer/schedulers/checks.hpp"

#include <algorithm>

namespace leadline::trainer::schedulers {

/// lr (1 - step / total_iters)^power, then 0.
class Polynomial final : public Scheduler {
public:
  Polynomial(const SchedulerParams& p, int64_t total_steps)
      : lr_(p.lr), power_(p.power), steps_(length_or_run(name(), "total_iters", p.total_iters, total_steps)) {
    require(p.power >= 0, name(), "power", p.power, "not be negative");
  }
  const char* name() const override { return "polynomial"; }
  Rates at(int64_t step) const override {
    const double part = static_cast<double>(std::min(step, steps_)) / static_cast<double>(steps_);
    return {lr_ * math::pow(1 - part, power_)};
  }

private:
  double lr_, power_;
  int64_t steps_;
};

/// From lr * start_factor to lr * end_factor in total_iters steps.
class Linear final : public Scheduler {
public:
  Linear(const SchedulerParams& p, int64_t total_steps)
      : lr_(p.lr), from_(p.start_factor), to_(p.end_factor),
        steps_(length_or_run(name(), "total_iters", p.total_iters, total_steps)) {
    require(from_ >= 0, name(), "start_factor", from_, "not be negative");
    require(to_ >= 0, name(), "end_factor", to_, "not be negative");
  }
  const char* name() const override { return "linear"; }
  Rates at(int64_t step) const override {
    const double part = static_cast<double>(std::min(step, steps_)) / static_cast<double>(steps_);
    return {lr_ * anneal_linear(from_, to_, part)};
  }

private:
  double lr_, from_, to_;
  int64_t steps_;
};

/// lr gamma^step.
class Exponential final : public Scheduler {
public:
  Exponential(const SchedulerParams& p, int64_t) : lr_(p.lr), gamma_(p.gamma) {
    require(gamma_ > 0, name(), "gamma", gamma_, "be positive");
  }
  const char* name() const override { return "exponential"; }
  Rates at(int64_t step) const override { return {lr_ * math::powi(gamma_, step)}; }

private:
  double lr_, gamma_;
};

/// lr gamma^(step / step_size), rounded down.
class Step final : public Scheduler {
public:
  Step(const SchedulerParams& p, int64_t) : lr_(p.lr), gamma_(p.gamma), size_(p.step_size) {
    require(gamma_ > 0, name(), "gamma", gamma_, "be positive");
    require(size_ > 0, name(), "step_size", size_, "be positive");
  }
  const char* name() const override { return "step"; }
  Rates at(int64_t step) const override { return {lr_ * math::powi(gamma_, step / size_)}; }

private:
  double lr_, gamma_;
  int64_t size_;
};

/// lr gamma^(milestones reached).
class MultiStep final : public Scheduler {
public:
  MultiStep(const SchedulerParams& p, int64_t) : lr_(p.lr), gamma_(p.gamma), milestones_(p.milestones) {
    require(gamma_ > 0, name(), "gamma", gamma_, "be positive");
    require(!milestones_.empty(), name(), "milestones", "", "hold at least one step");
    for (size_t i = 0; i < milestones_.size(); ++i) {
      require(milestones_[i] >= 0, name(), "milestones", milestones_[i], "not hold a negative step");
      require(i == 0 || milestones_[i] >= milestones_[i - 1], name(), "milestones", milestones_[i],
              "hold steps in rising order");
    }
  }
  const char* name() const override { return "multistep"; }
  Rates at(int64_t step) const override {
    return {lr_ *
            math::powi(gamma_, std::upper_bound(milestones_.begin(), milestones_.end(), step) - milestones_.begin())};
  }

private:
  double lr_, gamma_;
  std::vector<int64_t> milestones_;
};

} // namespace leadline::trainer::schedulers
