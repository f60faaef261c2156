// L-BFGS with a fixed step or a line search for the strong Wolfe conditions, step by step as PyTorch's LBFGS does it.
// (Nocedal, Wright, "Numerical optimization", 2006: algorithms 7.4, 7.5, 3.5, 3.6.) For small problems and full
// batches.
//
// One `step(closure)` makes up to max_iter iterations. It keeps 2 * history_size arrays of the weights' size.
// States: d (the last direction), prev_flat_grad, old_dirs_k and old_stps_k (a ring of pairs, those in use), each of
// all weights in one row, and numbers.
#pragma once

#include "shared/core/reduce.hpp"
#include "trainer/optimizers/optimizer.hpp"

namespace leadline::trainer::optimizers {

/// flat[i] = gradient.
template <class T> struct GatherGradientRule {
  LEADLINE_INLINE_FUNCTION void operator()(T&, T gradient, const detail::StateArrays<T>& states, index_t i) const {
    states.at[0][i] = gradient;
  }
};
/// flat[i] = weight.
template <class T> struct GatherWeightRule {
  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T, const detail::StateArrays<T>& states, index_t i) const {
    states.at[0][i] = weight;
  }
};
/// weight = flat[i] + t * direction[i].
template <class T> struct MoveRule {
  T t;
  LEADLINE_INLINE_FUNCTION void operator()(T& weight, T, const detail::StateArrays<T>& states, index_t i) const {
    weight = states.at[0][i] + t * states.at[1][i];
  }
};

/// y = a * x + b * y; b = 0 overwrites.
template <class T, class Exec> void flat_axpby(const Exec& exec, index_t count, T a, const T* x, T b, T* y) {
  parallel_for(exec, "leadline::optimizer::lbfgs::axpby", count,
               [=] LEADLINE_FUNCTION(index_t i) { y[i] = b == T{0} ? a * x[i] : a * x[i] + b * y[i]; });
}

/// Dot product, sum and maximum of magnitudes of a and b, at once.
struct FlatSums {
  double dot = 0, sum_abs = 0, max_abs = 0; // of magnitudes: those of a
  LEADLINE_INLINE_FUNCTION FlatSums& operator+=(const FlatSums& other) {
    dot += other.dot;
    sum_abs += other.sum_abs;
    max_abs = math::max(max_abs, other.max_abs);
    return *this;
  }
};

template <class T, class Exec>
void flat_sums(const Exec& exec, index_t count, const T* a, const T* b, FlatSums* partial, FlatSums* result) {
  reduce_columns(
      exec, "leadline::optimizer::lbfgs::sums", count, 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        const double x = static_cast<double>(a[i]), magnitude = math::abs(x);
        return FlatSums{x * static_cast<double>(b[i]), magnitude, magnitude};
      },
      partial, [=] LEADLINE_FUNCTION(index_t, const FlatSums& sums) { *result = sums; });
}

/// A point of a line search: step length, loss, slope along the direction, and the gradient there.
template <class View> struct LinePoint {
  double t = 0, loss = 0, slope = 0;
  View gradient;
};

/// The minimiser of the cubic through two points with their slopes, limited to [low, high].
inline double cubic_minimum(double x1, double f1, double g1, double x2, double f2, double g2, double low, double high) {
  const double d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2), square = d1 * d1 - g1 * g2;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = math::sqrt(square);
  const double at = x1 <= x2 ? x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
                             : x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2));
  return std::min(std::max(at, low), high);
}

inline std::vector<std::string> lbfgs_states(const OptimizerParams& params) {
  if (params.history_size < 1 || params.max_iter < 1)
    throw Error("optimizer lbfgs: history_size and max_iter must be positive, but are " +
                std::to_string(params.history_size) + " and " + std::to_string(params.max_iter) + ".");
  std::vector<std::string> names{"d", "prev_flat_grad"};
  for (int k = 0; k < params.history_size; ++k) {
    names.push_back("old_dirs_" + std::to_string(k));
    names.push_back("old_stps_" + std::to_string(k));
  }
  return names;
}

template <class T, class Exec> class Lbfgs final : public Optimizer<T, Exec> {
  using View = Kokkos::View<T*, typename Exec::memory_space>;
  using Point = LinePoint<View>;
  using Closure = std::function<double()>;

public:
  using Optimizer<T, Exec>::step;

  Lbfgs(const Exec& exec, const std::vector<WeightSlot<T>>& weights, const OptimizerParams& params)
      : Optimizer<T, Exec>(exec, weights, params, lbfgs_states(params)), history_(params.history_size),
        max_eval_(params.max_eval > 0 ? params.max_eval : params.max_iter * 5 / 4),
        ro_(static_cast<size_t>(params.history_size)), start_(make("start")),
        sums_("leadline::optimizer::lbfgs::sums", static_cast<size_t>(reduce_chunks(this->elements())) + 1) {}

  const char* name() const override { return "lbfgs"; }
  bool needs_closure() const override { return true; }
  void step() override {
    throw Error("optimizer lbfgs: it evaluates the loss several times in one step, which this loop doesn't offer. Take "
                "another optimizer here, for example adam.");
  }

  double step(const Closure& closure) override {
    this->count_step();
    const OptimizerParams& p = this->params_;
    const index_t n = this->elements();
    T *d = this->state_array(0), *previous = this->state_array(1);

    double loss = closure();
    const double first_loss = loss;
    View gradient = gathered_gradient();
    int evaluations = 1;
    bool at_optimum = largest(gradient.data()) <= p.tolerance_grad;
    for (int iteration = 1; !at_optimum && iteration <= p.max_iter; ++iteration) {
      iterations_ += 1;
      if (iterations_ == 1) {
        flat_axpby<T>(this->exec_, n, T{-1}, gradient.data(), T{0}, d);
        pairs_ = 0;
        scale_ = 1;
      } else {
        remember(gradient.data(), previous, d);
        direction(gradient.data(), d);
      }
      flat_axpby<T>(this->exec_, n, T{1}, gradient.data(), T{0}, previous);
      const double previous_loss = loss;
      t_ = iterations_ == 1 ? std::min(1.0, 1.0 / sums(gradient.data(), gradient.data()).sum_abs) * p.lr : p.lr;
      const double slope = sums(gradient.data(), d).dot;
      if (slope > -p.tolerance_change) break;

      gather_weights();
      int searched = 0;
      if (p.strong_wolfe) {
        const Point found = strong_wolfe(closure, {0, loss, slope, gradient}, t_, d, &searched);
        loss = found.loss;
        t_ = found.t;
        gradient = found.gradient;
        move(t_, d);
        at_optimum = largest(gradient.data()) <= p.tolerance_grad;
      } else {
        move(t_, d);
        if (iteration != p.max_iter) { // the last gradient would be thrown away
          loss = closure();
          gradient = gathered_gradient();
          at_optimum = largest(gradient.data()) <= p.tolerance_grad;
          searched = 1;
        }
      }
      evaluations += searched;
      if (evaluations >= max_eval_ || largest(d) * t_ <= p.tolerance_change ||
          math::abs(loss - previous_loss) < p.tolerance_change)
        break;
    }
    return first_loss;
  }

  /// Hundreds of vectors: as whole rows, and without the places of the ring that no pair has been written to.
  std::vector<OptimizerState<T>> states() const override {
    std::vector<OptimizerState<T>> all;
    const double pairs = pairs_ >= 1 ? std::min(pairs_, static_cast<double>(history_)) : 0; // of any checkpoint
    for (size_t k = 0; k < 2 + 2 * static_cast<size_t>(pairs); ++k)
      all.push_back({"", this->state_names()[k], Tensor<T>(this->state_array(k), {1, 1, 1, this->elements()})});
    return all;
  }
  std::vector<OptimizerScalar> scalars() override {
    std::vector<OptimizerScalar> all{
        {"n_iter", &iterations_}, {"t", &t_}, {"H_diag", &scale_}, {"pairs", &pairs_}, {"newest", &newest_}};
    for (size_t k = 0; k < ro_.size(); ++k) all.push_back({"ro_" + std::to_string(k), &ro_[k]});
    return all;
  }

private:
  void update() override {} // step(closure) does everything

  View make(const char* what) const {
    return View(std::string("leadline::optimizer::lbfgs::") + what, static_cast<size_t>(this->elements()));
  }
  View gathered_gradient() const {
    View flat = make("gradient");
    detail::StateArrays<T> arrays;
    arrays.at[0] = flat.data();
    this->for_each_weight("leadline::optimizer::lbfgs::gather", GatherGradientRule<T>{}, arrays);
    return flat;
  }
  void gather_weights() const {
    detail::StateArrays<T> arrays;
    arrays.at[0] = start_.data();
    this->for_each_weight("leadline::optimizer::lbfgs::gather", GatherWeightRule<T>{}, arrays);
  }
  /// Weights = start + t d.
  void move(double t, T* d) const {
    detail::StateArrays<T> arrays;
    arrays.at[0] = start_.data();
    arrays.at[1] = d;
    this->for_each_weight("leadline::optimizer::lbfgs::move", MoveRule<T>{static_cast<T>(t)}, arrays);
  }

  /// The one copy to the host: three numbers.
  FlatSums sums(const T* a, const T* b) const {
    flat_sums<T>(this->exec_, this->elements(), a, b, sums_.data() + 1, sums_.data());
    FlatSums result;
    Kokkos::View<FlatSums, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> host(&result);
    Kokkos::deep_copy(this->exec_.instance(), host, Kokkos::subview(sums_, 0));
    this->exec_.fence();
    return result;
  }
  double largest(const T* a) const { return sums(a, a).max_abs; }

  // Pair k of the ring: y (change of the gradient) and s (the step that made it).
  T* pair_y(int k) const { return this->state_array(2 + 2 * static_cast<size_t>(k)); }
  T* pair_s(int k) const { return this->state_array(3 + 2 * static_cast<size_t>(k)); }

  /// Takes the last step into the history unless it shows no positive curvature.
  void remember(const T* gradient, const T* previous, const T* d) {
    const index_t n = this->elements();
    // Where the pair goes: the oldest one's place when all are taken. Only kept if `pairs_`/`newest_` move on.
    const int k = (static_cast<int>(newest_) + 1) % history_;
    const View y = make("y"), s = make("s");
    flat_axpby<T>(this->exec_, n, T{1}, gradient, T{0}, y.data());
    flat_axpby<T>(this->exec_, n, T{-1}, previous, T{1}, y.data());
    flat_axpby<T>(this->exec_, n, static_cast<T>(t_), d, T{0}, s.data());
    const double ys = sums(y.data(), s.data()).dot;
    if (!(ys > 1e-10)) return;
    flat_axpby<T>(this->exec_, n, T{1}, y.data(), T{0}, pair_y(k));
    flat_axpby<T>(this->exec_, n, T{1}, s.data(), T{0}, pair_s(k));
    ro_[static_cast<size_t>(k)] = 1 / ys;
    scale_ = ys / sums(y.data(), y.data()).dot;
    newest_ = k;
    pairs_ = std::min(pairs_ + 1, static_cast<double>(history_));
  }

  /// d = -(approximate inverse Hessian) gradient: the two-loop recursion.
  void direction(const T* gradient, T* d) const {
    const index_t n = this->elements();
    const int pairs = static_cast<int>(pairs_);
    std::vector<double> alpha(static_cast<size_t>(history_));
    flat_axpby<T>(this->exec_, n, T{-1}, gradient, T{0}, d);
    for (int age = 0; age < pairs; ++age) { // newest first
      const int k = at_age(age);
      alpha[static_cast<size_t>(k)] = sums(pair_s(k), d).dot * ro_[static_cast<size_t>(k)];
      flat_axpby<T>(this->exec_, n, static_cast<T>(-alpha[static_cast<size_t>(k)]), pair_y(k), T{1}, d);
    }
    flat_axpby<T>(this->exec_, n, static_cast<T>(scale_), d, T{0}, d);
    for (int age = pairs - 1; age >= 0; --age) { // oldest first
      const int k = at_age(age);
      const double beta = sums(pair_y(k), d).dot * ro_[static_cast<size_t>(k)];
      flat_axpby<T>(this->exec_, n, static_cast<T>(alpha[static_cast<size_t>(k)] - beta), pair_s(k), T{1}, d);
    }
  }
  int at_age(int age) const { return (static_cast<int>(newest_) - age + history_) % history_; }

  /// The loss and gradient at start + t d.
  Point evaluate(const Closure& closure, double t, T* d) const {
    move(t, d);
    Point point;
    point.t = t;
    point.loss = closure();
    point.gradient = gathered_gradient();
    point.slope = sums(point.gradient.data(), d).dot;
    return point;
  }

  /// A step along d from `begin` that satisfies the strong Wolfe conditions, or the best one that was seen.
  Point strong_wolfe(const Closure& closure, const Point& begin, double t, T* d, int* evaluations) const {
    constexpr double c1 = 1e-4, c2 = 0.9;
    constexpr int max_searches = 25;
    const double tolerance = this->params_.tolerance_change, largest_d = largest(d);
    const auto too_high = [&](const Point& point) { return point.loss > begin.loss + c1 * point.t * begin.slope; };
    const auto flat_enough = [&](const Point& point) { return math::abs(point.slope) <= -c2 * begin.slope; };

    // First phase: lengthen the step until an interval holds a good one.
    Point before = begin, now = evaluate(closure, t, d);
    *evaluations = 1;
    Point bracket[2];
    bool done = false, found = false;
    int searches = 0;
    while (searches < max_searches && !found) {
      if (too_high(now) || (searches > 1 && now.loss >= before.loss) || now.slope >= 0 || flat_enough(now)) {
        const bool bad = too_high(now) || (searches > 1 && now.loss >= before.loss);
        found = true;
        done = !bad && flat_enough(now);
        bracket[0] = done ? now : before;
        bracket[1] = now;
        break;
      }
      const double low = now.t + 0.01 * (now.t - before.t), high = now.t * 10;
      const double next = cubic_minimum(before.t, before.loss, before.slope, now.t, now.loss, now.slope, low, high);
      before = now;
      now = evaluate(closure, next, d);
      ++*evaluations;
      ++searches;
    }
    if (!found) {
      bracket[0] = begin;
      bracket[1] = now;
    }

    // Second phase: shrink the interval.
    int low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
    bool little_progress = false;
    while (!done && searches < max_searches) {
      const double left = std::min(bracket[0].t, bracket[1].t), right = std::max(bracket[0].t, bracket[1].t);
      if ((right - left) * largest_d < tolerance) break;
      double next = cubic_minimum(bracket[0].t, bracket[0].loss, bracket[0].slope, bracket[1].t, bracket[1].loss,
                                  bracket[1].slope, left, right);
      // A point next to an end gains little: allowed once, then moved inwards.
      const double margin = 0.1 * (right - left);
      if (std::min(right - next, next - left) < margin) {
        if (little_progress || next >= right || next <= left) {
          next = math::abs(next - right) < math::abs(next - left) ? right - margin : left + margin;
          little_progress = false;
        } else {
          little_progress = true;
        }
      } else {
        little_progress = false;
      }
      now = evaluate(closure, next, d);
      ++*evaluations;
      ++searches;
      if (too_high(now) || now.loss >= bracket[low].loss) {
        bracket[1 - low] = now;
        low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
      } else {
        if (flat_enough(now))
          done = true;
        else if (now.slope * (bracket[1 - low].t - bracket[low].t) >= 0)
          bracket[1 - low] = bracket[low];
        bracket[low] = now;
      }
    }
    return bracket[low];
  }

  int history_, max_eval_;
  double iterations_ = 0, t_ = 0, scale_ = 1, pairs_ = 0, newest_ = -1;
  std::vector<double> ro_;
  View start_;
  Kokkos::View<FlatSums*, typename Exec::memory_space> sums_;
};

} // namespace leadline::trainer::optimizers
