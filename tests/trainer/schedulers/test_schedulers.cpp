// Schedules at their corners: ends, warm-up, resume, and options that make no sense.
#include "trainer/schedulers/scheduler.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <limits>

using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;

namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-12 * std::abs(b) + 1e-18; }

} // namespace

TEST_CASE("one cycle rises from max_lr / 25, peaks, and ends 1e4 below its start, momentum the other way round") {
  SchedulerParams p;
  p.lr = 1e-3;
  p.max_lr = 2e-3;
  const auto cycle = make_scheduler("one_cycle", p, 1000);
  CHECK(near(cycle->lr(0), 2e-3 / 25));
  CHECK(near(cycle->lr(299), 2e-3));
  CHECK(near(cycle->lr(999), 2e-3 / 25 / 1e4));
  CHECK(near(*cycle->at(0).momentum, 0.95));
  CHECK(near(*cycle->at(299).momentum, 0.85));
  CHECK(near(*cycle->at(999).momentum, 0.95));
  CHECK(cycle->lr(5000) == cycle->lr(999)); // a run that goes on stays at the end
  for (int64_t step = 1; step < 1000; ++step)
    CHECK((step <= 299 ? cycle->lr(step) > cycle->lr(step - 1) : cycle->lr(step) < cycle->lr(step - 1)));
  p.cycle_momentum = false;
  CHECK_FALSE(make_scheduler("one_cycle", p, 1000)->at(3).momentum.has_value());
  p.max_lr = 0; // then lr is the peak
  CHECK(near(make_scheduler("one_cycle", p, 1000)->lr(299), 1e-3));
  for (const int64_t steps : {1, 2, 3}) // nothing to divide by
    for (const bool three : {false, true}) {
      p.three_phase = three;
      const auto tiny = make_scheduler("one_cycle", p, steps);
      for (int64_t step = 0; step < steps; ++step) CHECK((tiny->lr(step) > 0 && tiny->lr(step) <= 1e-3));
    }
}

TEST_CASE("constant is constant") {
  SchedulerParams p;
  p.lr = 0.25;
  const auto constant = make_scheduler("constant", p, 10);
  for (const int64_t step : {0, 5, 9, 100}) CHECK(constant->lr(step) == 0.25);
  CHECK_FALSE(constant->at(0).momentum.has_value());
}

TEST_CASE("lengths of 0 are the whole run") {
  SchedulerParams p;
  p.lr = 1;
  p.eta_min = 0.1;
  CHECK(near(make_scheduler("cosine", p, 50)->lr(25), 0.55));
  CHECK(near(make_scheduler("cosine", p, 50)->lr(50), 0.1));
  CHECK(near(make_scheduler("polynomial", p, 50)->lr(10), 0.8));
  CHECK(make_scheduler("polynomial", p, 50)->lr(70) == 0);
  p.start_factor = 0;
  p.end_factor = 2;
  CHECK(near(make_scheduler("linear", p, 50)->lr(25), 1));
}

TEST_CASE("warm-up rises linearly to the schedule's first rate and leaves it its shape") {
  SchedulerParams p;
  p.lr = 1;
  p.warmup_steps = 4;
  const auto warm = make_scheduler("cosine", p, 24);
  CHECK(near(warm->lr(0), 0.25));
  CHECK(near(warm->lr(3), 1));
  p.warmup_steps = 0;
  const auto cold = make_scheduler("cosine", p, 20);
  for (int64_t step = 0; step < 20; ++step) CHECK(warm->lr(step + 4) == cold->lr(step));
  CHECK(std::string(warm->name()) == "cosine");
}

TEST_CASE("cyclic with unequal sides") {
  SchedulerParams p;
  p.base_lr = 0.1;
  p.max_lr = 0.5;
  p.step_size_up = 2;
  p.step_size_down = 6;
  p.mode = "triangular";
  const auto cyclic = make_scheduler("cyclic", p, 100);
  CHECK(near(cyclic->lr(0), 0.1));
  CHECK(near(cyclic->lr(2), 0.5));
  CHECK(near(cyclic->lr(5), 0.3));
  CHECK(near(cyclic->lr(10), 0.5));
  CHECK(near(*cyclic->at(2).momentum, 0.85));
  p.mode = "exp_range";
  p.gamma = 0.9;
  CHECK(near(make_scheduler("cyclic", p, 100)->lr(2), 0.1 + 0.4 * 0.81));
}

TEST_CASE("plateau carries its memory over a resume, and NaN is no improvement") {
  SchedulerParams p;
  p.lr = 1;
  p.patience = 2;
  p.cooldown = 1;
  const double metrics[] = {5, 4, 4, 4, 4, 3, 4, std::numeric_limits<double>::quiet_NaN(), 4, 4, 4, 4, 4};
  const auto whole = make_scheduler("plateau", p, 100);
  auto cut = make_scheduler("plateau", p, 100);
  for (const double metric : metrics) {
    whole->observe(metric);
    cut->observe(metric);
    auto resumed = make_scheduler("plateau", p, 100);
    resumed->set_state(cut->state());
    cut = std::move(resumed);
    CHECK(cut->lr(0) == whole->lr(0));
  }
  CHECK(near(whole->lr(0), 0.001)); // cut at the fifth, ninth and thirteenth observation
  CHECK_THROWS_WITH(whole->set_state({1.0}), ContainsSubstring("another scheduler"));
}

TEST_CASE("a pure schedule has no memory") {
  const auto cosine = make_scheduler("cosine", {}, 10);
  const double before = cosine->lr(3);
  cosine->observe(1);
  CHECK(cosine->lr(3) == before);
  CHECK(cosine->state().empty());
}

TEST_CASE("impossible options are explained") {
  const auto message = [](const std::string& name, auto change, int64_t steps = 10) {
    SchedulerParams p;
    change(p);
    try {
      make_scheduler(name, p, steps);
    } catch (const leadline::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto nothing = [](SchedulerParams&) {};
  CHECK_THAT(message("onecycle", nothing), ContainsSubstring("Did you mean \"one_cycle\"?"));
  CHECK_THAT(message("one_cycle", nothing, 0), ContainsSubstring("total_steps"));
  CHECK_THAT(message("cosine", nothing, 0), ContainsSubstring("total_steps"));
  CHECK_THAT(message("constant", [](auto& p) { p.lr = -1; }), ContainsSubstring("lr"));
  CHECK_THAT(message("constant", [](auto& p) { p.lr = std::nan(""); }), ContainsSubstring("lr"));
  CHECK_THAT(message("one_cycle", [](auto& p) { p.pct_start = 1.5; }), ContainsSubstring("pct_start"));
  CHECK_THAT(message("one_cycle", [](auto& p) { p.anneal_strategy = "cosine"; }),
             ContainsSubstring("\"cosine\"") && ContainsSubstring("cos or linear"));
  CHECK_THAT(message("step", [](auto& p) { p.step_size = 0; }), ContainsSubstring("step_size"));
  CHECK_THAT(message("plateau", [](auto& p) { p.factor = 1.5; }), ContainsSubstring("factor"));
  CHECK_THAT(message("cyclic", [](auto& p) { p.mode = "square"; }), ContainsSubstring("triangular2"));
  CHECK_THAT(message("cosine_restarts", [](auto& p) { p.t_mult = 0; }), ContainsSubstring("t_mult"));
  CHECK_THAT(message("cosine", [](auto& p) { p.warmup_steps = 10; }), ContainsSubstring("warmup_steps"));
  CHECK(message("cosine", nothing).empty());
}

TEST_CASE("a program adds a schedule of its own") {
  struct Half final : Scheduler {
    explicit Half(double lr) : lr_(lr) {}
    const char* name() const override { return "half"; }
    Rates at(int64_t) const override { return {lr_ / 2}; }
    double lr_;
  };
  scheduler_registry().add("half", [](const SchedulerParams& p, int64_t) { return std::make_unique<Half>(p.lr); });
  SchedulerParams p;
  p.lr = 3;
  CHECK(make_scheduler("half", p, 1)->lr(0) == 1.5);
}
