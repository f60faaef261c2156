#include "trainer/schedulers/constant.hpp"
#include "trainer/schedulers/cosine.hpp"
#include "trainer/schedulers/cyclic.hpp"
#include "trainer/schedulers/decay.hpp"
#include "trainer/schedulers/one_cycle.hpp"
#include "trainer/schedulers/plateau.hpp"
#include "trainer/schedulers/scheduler.hpp"

namespace leadline::trainer {

namespace {

template <class S> std::unique_ptr<Scheduler> make(const SchedulerParams& params, int64_t total_steps) {
  return std::make_unique<S>(params, total_steps);
}

/// Rises linearly to another schedule's first rate, then follows that schedule.
class WarmUp final : public Scheduler {
public:
  WarmUp(std::unique_ptr<Scheduler> then, int64_t steps) : then_(std::move(then)), steps_(steps) {}
  const char* name() const override { return then_->name(); }
  Rates at(int64_t step) const override {
    if (step >= steps_) return then_->at(step - steps_);
    Rates rates = then_->at(0);
    rates.lr *= static_cast<double>(step + 1) / static_cast<double>(steps_);
    return rates;
  }
  void observe(double metric) override { then_->observe(metric); }
  std::vector<double> state() const override { return then_->state(); }
  void set_state(const std::vector<double>& state) override { then_->set_state(state); }

private:
  std::unique_ptr<Scheduler> then_;
  int64_t steps_;
};

} // namespace

SchedulerRegistry& scheduler_registry() {
  static SchedulerRegistry registry = [] {
    using namespace schedulers;
    SchedulerRegistry builtin("scheduler");
    builtin.add("constant", make<Constant>);
    builtin.add("one_cycle", make<OneCycle>);
    builtin.add("cosine", make<Cosine>);
    builtin.add("cosine_restarts", make<CosineRestarts>);
    builtin.add("polynomial", make<Polynomial>);
    builtin.add("linear", make<Linear>);
    builtin.add("exponential", make<Exponential>);
    builtin.add("step", make<Step>);
    builtin.add("multistep", make<MultiStep>);
    builtin.add("cyclic", make<Cyclic>);
    builtin.add("plateau", make<Plateau>);
    return builtin;
  }();
  return registry;
}

std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const SchedulerParams& params, int64_t total_steps) {
  if (!(params.lr >= 0 && math::isfinite(params.lr)))
    throw Error({.field = "lr",
                 .value = std::to_string(params.lr),
                 .reason = "a learning rate can't be negative, infinite or NaN",
                 .fix = "0.001 is a usual value for Adam, 0.1 for SGD"});
  if (params.warmup_steps < 0 || (params.warmup_steps > 0 && params.warmup_steps >= total_steps))
    throw Error({.field = "warmup_steps",
                 .value = std::to_string(params.warmup_steps),
                 .reason = "the run has " + std::to_string(total_steps) + " steps",
                 .fix = "Choose fewer, or train for more epochs"});
  auto scheduler = scheduler_registry().make(name, params, total_steps - params.warmup_steps);
  if (params.warmup_steps > 0) return std::make_unique<WarmUp>(std::move(scheduler), params.warmup_steps);
  return scheduler;
}

} // namespace leadline::trainer
