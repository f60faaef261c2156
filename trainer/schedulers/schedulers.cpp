#include "trainer/schedulers/constant.hpp"
#include "trainer/schedulers/cosine.hpp"
#include "trainer/schedulers/cyclic.hpp"
#include "trainer/schedulers/decay.hpp"
#include "trainer/schedulers/one_cycle.hpp"
#include "trainer/schedulers/plateau.hpp"
#include "trainer/schedulers/scheduler.hpp"
#include "trainer/schedulers/sequence.hpp"
#include "trainer/settings.hpp" // parse_integer

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

/// "linear:100, cosine:400, constant".
std::unique_ptr<Scheduler> make_sequence(const std::string& text, const SchedulerParams& params, int64_t total_steps) {
  const auto fail = [&](const std::string& part, const std::string& reason) {
    throw Error({.field = "scheduler",
                 .value = text,
                 .reason = "\"" + part + "\" " + reason,
                 .fix = "A sequence looks like: linear:100, cosine:400, constant. The lengths are steps, below the " +
                        std::to_string(total_steps) + " of the run in all; the last part has none and takes the rest"});
  };
  std::vector<schedulers::Sequence::Part> parts;
  int64_t left = total_steps;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string part;
    for (size_t i = begin; i < end; ++i)
      if (text[i] != ' ') part += text[i];
    const size_t colon = part.find(':');
    const bool last = end == text.size();
    begin = end + 1;
    if (part.empty()) fail(part, "is no part of a sequence");
    if (last != (colon == std::string::npos)) fail(part, last ? "is the last and has a length" : "has no length");
    index_t length = left;
    if (!last && (!parse_integer(part.substr(colon + 1), &length) || length < 1))
      fail(part, "has a length that is no positive whole number");
    if (left -= length; left < 0 || (!last && left == 0)) fail(part, "is too long");
    parts.push_back({scheduler_registry().make(part.substr(0, colon), params, length), length});
  }
  return std::make_unique<schedulers::Sequence>(text, std::move(parts));
}

} // namespace

SchedulerParams default_scheduler_params(const std::string& name) {
  SchedulerParams params;
  if (name == "cyclic") {
    params.base_momentum = 0.8;
    params.max_momentum = 0.9;
  }
  return params;
}

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
  const int64_t steps = total_steps - params.warmup_steps;
  auto scheduler = name.find_first_of(":,") == std::string::npos ? scheduler_registry().make(name, params, steps)
                                                                 : make_sequence(name, params, steps);
  if (params.warmup_steps > 0) return std::make_unique<WarmUp>(std::move(scheduler), params.warmup_steps);
  return scheduler;
}

} // namespace leadline::trainer
