// Every case of torch_schedulers.h5: learning rate, and momentum where it is cycled, within 1e-10.
#include "tests/support/golden_file.hpp"
#include "trainer/schedulers/scheduler.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

using namespace leadline::testing;
using namespace leadline::trainer;

namespace {

const std::map<std::string, std::string>& names() {
  static const std::map<std::string, std::string> map{
      {"ConstantLR", "constant"},       {"OneCycleLR", "one_cycle"},
      {"CosineAnnealingLR", "cosine"},  {"CosineAnnealingWarmRestarts", "cosine_restarts"},
      {"PolynomialLR", "polynomial"},   {"LinearLR", "linear"},
      {"ExponentialLR", "exponential"}, {"StepLR", "step"},
      {"MultiStepLR", "multistep"},     {"CyclicLR", "cyclic"},
      {"ReduceLROnPlateau", "plateau"}};
  return map;
}

SchedulerParams params_of(const GoldenGroup& group, int64_t* total_steps) {
  SchedulerParams p;
  for (const auto& [name, attribute] : group.attributes) {
    if (name == "scheduler") continue;
    const auto whole = [&, key = name] { return static_cast<int64_t>(group.integer(key)); };
    if (name == "lr")
      p.lr = group.number(name);
    else if (name == "momentum")
      CHECK(group.number(name) > 0); // the optimizer's own, replaced where a schedule cycles it
    else if (name == "total_steps")
      *total_steps = whole();
    else if (name == "max_lr")
      p.max_lr = group.number(name);
    else if (name == "pct_start")
      p.pct_start = group.number(name);
    else if (name == "anneal_strategy")
      p.anneal_strategy = group.text(name);
    else if (name == "three_phase")
      p.three_phase = group.boolean(name);
    else if (name == "div_factor")
      p.div_factor = group.number(name);
    else if (name == "final_div_factor")
      p.final_div_factor = group.number(name);
    else if (name == "cycle_momentum")
      p.cycle_momentum = group.boolean(name);
    else if (name == "step_size")
      p.step_size = whole();
    else if (name == "gamma")
      p.gamma = group.number(name);
    else if (name == "milestones")
      for (const double milestone : group.numbers(name)) p.milestones.push_back(static_cast<int64_t>(milestone));
    else if (name == "T_max")
      p.t_max = whole();
    else if (name == "eta_min")
      p.eta_min = group.number(name);
    else if (name == "T_0")
      p.t_0 = whole();
    else if (name == "T_mult")
      p.t_mult = whole();
    else if (name == "total_iters")
      p.total_iters = whole();
    else if (name == "power")
      p.power = group.number(name);
    else if (name == "factor")
      p.factor = group.number(name);
    else if (name == "start_factor")
      p.start_factor = group.number(name);
    else if (name == "base_lr")
      p.base_lr = group.number(name);
    else if (name == "step_size_up")
      p.step_size_up = whole();
    else if (name == "mode")
      p.mode = group.text(name);
    else if (name == "patience")
      p.patience = whole();
    else if (name == "threshold")
      p.threshold = group.number(name);
    else if (name == "cooldown")
      p.cooldown = whole();
    else if (name == "min_lr")
      p.min_lr = group.number(name);
    else
      FAIL(group.path << ": unknown attribute " << name);
  }
  return p;
}

} // namespace

TEST_CASE("every case of torch_schedulers.h5 is reproduced") {
  const GoldenGroup file = read_golden("torch_schedulers.h5");
  REQUIRE(file.groups.size() >= 1);
  for (const auto& [name, group] : file.groups) {
    INFO(name);
    REQUIRE(names().count(group.text("scheduler")) == 1);
    const std::vector<double>& lr = group.array("learning_rate").values;
    int64_t total_steps = static_cast<int64_t>(lr.size());
    const SchedulerParams params = params_of(group, &total_steps);
    const auto scheduler = make_scheduler(names().at(group.text("scheduler")), params, total_steps);
    const std::vector<double> none;
    const std::vector<double>& momentum = group.has_array("momentum") ? group.array("momentum").values : none;
    const std::vector<double>& metric = group.has_array("metric") ? group.array("metric").values : none;
    for (size_t step = 0; step < lr.size(); ++step) {
      INFO("step " << step);
      const Rates rates = scheduler->at(static_cast<int64_t>(step));
      CHECK_FALSE(!(std::abs(rates.lr - lr[step]) <= 1e-10 * lr[step]));
      CHECK(rates.momentum.has_value() == !momentum.empty());
      if (rates.momentum) CHECK_FALSE(!(std::abs(*rates.momentum - momentum.at(step)) <= 1e-10));
      if (!metric.empty()) scheduler->observe(metric.at(step));
    }
    CHECK(group.unread() == "");
  }
}
