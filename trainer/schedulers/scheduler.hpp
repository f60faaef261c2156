// What a scheduler is: the learning rate (and momentum, where it is cycled) of a step, a pure function of its number.
//
// The formulas and option names are PyTorch's, in closed form: a run that resumes at step s asks for step s, nothing
// has to be replayed. Only `plateau` remembers something, and can save it.
#pragma once

#include "data/error.hpp"
#include "shared/core/math.hpp"
#include "trainer/registry.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace leadline::trainer {

/// Options of all schedulers under PyTorch's names (in lower case); each scheduler reads its own.
/// Every length counts steps, the optimizer's updates.
struct SchedulerParams {
  double lr = 1e-3; ///< the optimizer's own rate, which most schedules scale

  double max_lr = 0.0;                 ///< one_cycle, cyclic: the peak; 0: lr
  double pct_start = 0.3;              ///< one_cycle: part of the run that the rise takes
  std::string anneal_strategy = "cos"; ///< one_cycle: cos or linear
  bool three_phase = false;            ///< one_cycle: rise, fall to the start, then to the end
  double div_factor = 25.0;            ///< one_cycle: the start is max_lr / div_factor
  double final_div_factor = 1e4;       ///< one_cycle: the end is start / final_div_factor
  bool cycle_momentum = true;          ///< one_cycle, cyclic: momentum falls while the rate rises
  double base_momentum = 0.85;         ///< one_cycle, cyclic: momentum at the peak
  double max_momentum = 0.95;          ///< one_cycle, cyclic: momentum at the ends

  int64_t step_size = 30;            ///< step: a factor gamma every so many steps
  double gamma = 0.1;                ///< step, multistep, exponential; cyclic's exp_range
  std::vector<int64_t> milestones{}; ///< multistep: a factor gamma at each
  int64_t t_max = 0;                 ///< cosine: half a period; 0: the whole run
  double eta_min = 0.0;              ///< cosine, cosine_restarts: the lowest rate
  int64_t t_0 = 10;                  ///< cosine_restarts: length of the first period
  int64_t t_mult = 1;                ///< cosine_restarts: each period is so many times the one before
  int64_t total_iters = 0;           ///< polynomial, linear, constant: length; 0: the whole run
  double power = 1.0;                ///< polynomial
  double factor = 0.0;               ///< constant: lr * factor for total_iters steps, then lr (0: 1);
                                     ///< plateau: what the rate is multiplied by (0: 0.1)
  double start_factor = 1.0 / 3.0;   ///< linear: from lr * start_factor
  double end_factor = 1.0;           ///< linear: to lr * end_factor
  double base_lr = 0.0;              ///< cyclic: the lowest rate; 0: lr
  int64_t step_size_up = 2000;       ///< cyclic: length of a rise
  int64_t step_size_down = 0;        ///< cyclic: length of a fall; 0: step_size_up
  std::string mode{};                ///< cyclic: triangular, triangular2 or exp_range; plateau: min or max;
                                     ///< empty: the first of these

  int64_t patience = 10;              ///< plateau: observations without improvement that it bears
  double threshold = 1e-4;            ///< plateau: what counts as an improvement
  std::string threshold_mode = "rel"; ///< plateau: rel or abs
  int64_t cooldown = 0;               ///< plateau: observations to wait after a cut
  double min_lr = 0.0;                ///< plateau
  double plateau_eps = 1e-8;          ///< plateau: smaller cuts are not made

  int64_t warmup_steps = 0;              ///< all: rise linearly from lr(0) / warmup_steps before the schedule begins
  std::map<std::string, double> extra{}; ///< options of schedulers that a user's program registered
};

/// What the optimizer is given before a step.
struct Rates {
  double lr = 0.0;
  std::optional<double> momentum{}; ///< sgd's momentum or Adam's beta1; empty: leave it alone
};

/// A schedule. Pure, hence thread-safe, but for `observe` and `set_state`.
class Scheduler {
public:
  virtual ~Scheduler() = default;
  virtual const char* name() const = 0;
  /// Rates of step `step`, counted from 0. Steps past the end of a schedule get its last rates.
  virtual Rates at(int64_t step) const = 0;
  double lr(int64_t step) const { return at(step).lr; }

  /// plateau: the metric of a validation; the others don't look at it.
  virtual void observe(double /*metric*/) {}
  /// What `observe` left behind, for checkpoints: empty where nothing is remembered.
  virtual std::vector<double> state() const { return {}; }
  virtual void set_state(const std::vector<double>&) {}
};

using SchedulerRegistry = Registry<Scheduler, const SchedulerParams&, int64_t>;

/// The schedulers that are known, built-in ones first; `scheduler_registry().add(...)` adds a user's.
SchedulerRegistry& scheduler_registry();

/// PyTorch's defaults for a scheduler, which differ in momentum; SchedulerParams' own for the others.
SchedulerParams default_scheduler_params(const std::string& name);

/// Makes a scheduler for a run of `total_steps` steps, or a sequence: "linear:100, cosine:400, constant", where each
/// part has its length in steps for its whole run and the last has the rest. Throws leadline::Error for unknown names
/// and impossible options.
std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const SchedulerParams& params, int64_t total_steps);

} // namespace leadline::trainer
