// Schedules one after the other, each from its own step 0: PyTorch's SequentialLR. (A linear rise before one schedule
// is simpler said with warmup_steps.)
#pragma once

#include "trainer/schedulers/checks.hpp"

#include <utility>

namespace leadline::trainer::schedulers {

/// `length` steps of each part but the last, which goes on for ever. A plateau, which watches a metric rather than
/// steps, may be a part, too: it observes from the beginning.
class Sequence final : public Scheduler {
public:
  struct Part {
    std::unique_ptr<Scheduler> scheduler;
    int64_t length;
  };
  Sequence(std::string name, std::vector<Part> parts) : name_(std::move(name)), parts_(std::move(parts)) {}
  const char* name() const override { return name_.c_str(); }
  Rates at(int64_t step) const override {
    for (const Part& part : parts_) {
      if (&part == &parts_.back() || step < part.length) return part.scheduler->at(step);
      step -= part.length;
    }
    return {};
  }
  void observe(double metric) override {
    for (const Part& part : parts_) part.scheduler->observe(metric);
  }
  std::vector<double> state() const override {
    std::vector<double> all;
    for (const Part& part : parts_) {
      const std::vector<double> one = part.scheduler->state();
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }
  void set_state(const std::vector<double>& state) override {
    size_t first = 0;
    for (const Part& part : parts_) {
      const size_t count = part.scheduler->state().size();
      if (first + count > state.size()) break; // the part says what is wrong with too few
      part.scheduler->set_state(
          {state.begin() + static_cast<ptrdiff_t>(first), state.begin() + static_cast<ptrdiff_t>(first + count)});
      first += count;
    }
  }

private:
  std::string name_;
  std::vector<Part> parts_;
};

} // namespace leadline::trainer::schedulers
