#include "trainer/mlp/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

namespace leadline::trainer::mlp {

namespace {

/// One point of a line search: step, value, slope.
struct Point {
  double step = 0, value = 0, slope = 0;
};

/// More' and Thuente's search for a step with sufficient decrease and curvature: `next` takes the value and slope at
/// the last step and says whether the search goes on with another.
class LineSearch {
public:
  LineSearch(double value, double slope, double first_step, double largest)
      : start_{0, value, slope}, best_(start_), other_(start_), step_(first_step), largest_(largest), width_(largest),
        previous_width_(2 * largest), high_(first_step * (1 + extrapolate_most)) {}

  double step() const { return step_; }

  bool next(double value, double slope) {
    const double wanted_slope = decrease * start_.slope, bound = start_.value + step_ * wanted_slope;
    if (modified_ && value <= bound && slope >= 0) modified_ = false;
    const bool stuck = bracketed_ && (step_ <= low_ || step_ >= high_ || high_ - low_ <= interval * high_);
    const bool at_end = step_ == largest_ && value <= bound && slope <= wanted_slope;
    const bool at_begin = step_ == 0 && (value > bound || slope >= wanted_slope);
    const bool good = value <= bound && std::abs(slope) <= curvature * -start_.slope;
    if (stuck || at_end || at_begin || good) return false;

    if (modified_ && value <= best_.value && value > bound) {
      // Until a step decreases enough, the search runs on f(step) - step * wanted_slope.
      const auto tilted = [&](Point p, double sign) {
        return Point{p.step, p.value - sign * p.step * wanted_slope, p.slope - sign * wanted_slope};
      };
      best_ = tilted(best_, 1);
      other_ = tilted(other_, 1);
      advance(tilted({step_, value, slope}, 1));
      best_ = tilted(best_, -1);
      other_ = tilted(other_, -1);
    } else {
      advance({step_, value, slope});
    }

    if (bracketed_) {
      const double width = std::abs(other_.step - best_.step);
      if (width >= 0.66 * previous_width_) step_ = best_.step + 0.5 * (other_.step - best_.step);
      previous_width_ = width_;
      width_ = width;
      low_ = std::min(best_.step, other_.step);
      high_ = std::max(best_.step, other_.step);
    } else {
      low_ = step_ + extrapolate_least * (step_ - best_.step);
      high_ = step_ + extrapolate_most * (step_ - best_.step);
    }
    step_ = std::clamp(step_, 0.0, largest_);
    if (bracketed_ && (step_ <= low_ || step_ >= high_ || high_ - low_ <= interval * high_)) step_ = best_.step;
    return true;
  }

private:
  static constexpr double decrease = 1e-3, curvature = 0.9, interval = 0.1; // ftol, gtol, xtol
  static constexpr double extrapolate_least = 1.1, extrapolate_most = 4;

  /// Chooses the next step from the interval's ends and the point just tried, and makes the interval smaller.
  void advance(const Point& now) {
    const double sign = (now.slope > 0 ? 1 : now.slope < 0 ? -1 : 0) * (best_.slope > 0 ? 1 : best_.slope < 0 ? -1 : 0);
    // The cubic through two points and their slopes: its minimum divides the way from `to` back to `from`.
    const auto cubic = [](const Point& from, const Point& to, bool may_have_none, double* gamma) {
      const double theta = 3 * (from.value - to.value) / (to.step - from.step) + from.slope + to.slope;
      const double scale = std::max({std::abs(theta), std::abs(from.slope), std::abs(to.slope)});
      double square = theta / scale * (theta / scale) - from.slope / scale * (to.slope / scale);
      if (may_have_none) square = std::max(0.0, square);
      *gamma = scale * std::sqrt(square);
      return theta;
    };
    double next, gamma;
    if (now.value > best_.value) { // too far: a minimum lies between
      const double theta = cubic(best_, now, false, &gamma);
      if (now.step < best_.step) gamma = -gamma;
      const double r = (gamma - best_.slope + theta) / (gamma - best_.slope + gamma + now.slope);
      const double by_cubic = best_.step + r * (now.step - best_.step);
      const double chord = (best_.value - now.value) / (now.step - best_.step);
      const double by_square = best_.step + best_.slope / (chord + best_.slope) / 2 * (now.step - best_.step);
      next = std::abs(by_cubic - best_.step) <= std::abs(by_square - best_.step)
                 ? by_cubic
                 : by_cubic + (by_square - by_cubic) / 2;
      bracketed_ = true;
    } else if (sign < 0) { // lower, but the slope has turned: a minimum lies between
      const double theta = cubic(best_, now, false, &gamma);
      if (now.step > best_.step) gamma = -gamma;
      const double r = (gamma - now.slope + theta) / (gamma - now.slope + gamma + best_.slope);
      const double by_cubic = now.step + r * (best_.step - now.step);
      const double by_secant = now.step + now.slope / (now.slope - best_.slope) * (best_.step - now.step);
      next = std::abs(by_cubic - now.step) > std::abs(by_secant - now.step) ? by_cubic : by_secant;
      bracketed_ = true;
    } else if (std::abs(now.slope) < std::abs(best_.slope)) { // lower and flatter
      const double theta = cubic(best_, now, true, &gamma);
      if (now.step > best_.step) gamma = -gamma;
      const double r = (gamma - now.slope + theta) / (gamma + (best_.slope - now.slope) + gamma);
      const double by_cubic = r < 0 && gamma != 0     ? now.step + r * (best_.step - now.step)
                              : now.step > best_.step ? high_
                                                      : low_;
      const double by_secant = now.step + now.slope / (now.slope - best_.slope) * (best_.step - now.step);
      const bool nearer = std::abs(by_cubic - now.step) < std::abs(by_secant - now.step);
      if (bracketed_) {
        next = nearer ? by_cubic : by_secant;
        const double limit = now.step + 0.66 * (other_.step - now.step);
        next = now.step > best_.step ? std::min(limit, next) : std::max(limit, next);
      } else {
        next = std::abs(by_cubic - now.step) > std::abs(by_secant - now.step) ? by_cubic : by_secant;
        next = std::min(std::max(next, low_), high_);
      }
    } else if (bracketed_) { // lower and at least as steep
      const double theta = cubic(other_, now, false, &gamma);
      if (now.step > other_.step) gamma = -gamma;
      const double r = (gamma - now.slope + theta) / (gamma - now.slope + gamma + other_.slope);
      next = now.step + r * (other_.step - now.step);
    } else {
      next = now.step > best_.step ? high_ : low_;
    }
    if (now.value > best_.value) {
      other_ = now;
    } else {
      if (sign < 0) other_ = best_;
      best_ = now;
    }
    step_ = next;
  }

  Point start_, best_, other_; // best_ and other_ are the ends of the interval
  double step_, largest_, width_, previous_width_;
  double low_ = 0, high_; // of the next step
  bool bracketed_ = false, modified_ = true;
};

struct Correction {
  AlignedVector<double> s, y;
  double rho; // 1 / (s y)
};

} // namespace

LbfgsResult minimize_lbfgs(const LbfgsOptions& options, AlignedVector<double>& x,
                           const std::function<double(const AlignedVector<double>&, AlignedVector<double>&)>& f,
                           const std::function<bool(int64_t, double)>& iteration) {
  const Kernels<double>& k = kernels<double>();
  const auto n = static_cast<index_t>(x.size());
  const auto dot = [&](const AlignedVector<double>& a, const AlignedVector<double>& b) {
    return k.dot(a.data(), b.data(), n);
  };
  const auto largest = [](const AlignedVector<double>& v) {
    double most = 0;
    for (const double e : v) most = std::abs(e) > most ? std::abs(e) : most;
    return most;
  };
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  LbfgsResult result;
  AlignedVector<double> g(x.size()), direction(x.size()), old_x(x.size()), old_g(x.size());
  std::vector<double> a(static_cast<size_t>(options.corrections));
  std::deque<Correction> corrections;
  double theta = 1; // 1 / theta times the identity is the first guess of the inverse Hessian
  double value = f(x, g);
  result.evaluations = 1;
  const auto finish = [&](int status, const char* message) {
    result.loss = value;
    result.status = status;
    result.message = message;
    return result;
  };
  if (largest(g) <= options.gradient_tolerance) return finish(0, "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL");
  for (;;) {
    // direction = -H g, by the two loops of J. Nocedal, "Updating quasi-Newton matrices with limited storage", 1980
    for (size_t i = 0; i < x.size(); ++i) direction[i] = -g[i];
    for (size_t c = corrections.size(); c-- > 0;) {
      a[c] = corrections[c].rho * dot(corrections[c].s, direction);
      k.axpy(-a[c], corrections[c].y.data(), direction.data(), n);
    }
    for (double& d : direction) d /= theta;
    for (size_t c = 0; c < corrections.size(); ++c)
      k.axpy(a[c] - corrections[c].rho * dot(corrections[c].y, direction), corrections[c].s.data(), direction.data(),
             n);

    const double old_value = value, old_slope = dot(g, direction);
    double slope = old_slope;
    old_x = x;
    old_g = g;
    bool failed = !(old_slope < 0);
    double step = 1;
    if (!failed) {
      constexpr double longest = 1e10;
      if (result.iterations == 0) step = std::min(1 / std::sqrt(dot(direction, direction)), longest);
      LineSearch search(value, slope, step, longest);
      for (int tried = 0;; ++tried) {
        step = search.step();
        if (tried == options.max_line_search || !std::isfinite(step)) {
          failed = true;
          break;
        }
        for (size_t i = 0; i < x.size(); ++i) x[i] = old_x[i] + step * direction[i];
        value = f(x, g);
        ++result.evaluations;
        slope = dot(g, direction);
        if (!search.next(value, slope)) break;
      }
    }
    if (failed) {
      x = old_x;
      g = old_g;
      value = old_value;
      if (corrections.empty()) return finish(2, "ABNORMAL: the line search found no lower point");
      corrections.clear(); // begin again with the steepest descent
      theta = 1;
      continue;
    }
    ++result.iterations;
    if (iteration && !iteration(result.iterations, value)) return finish(1, "STOP: CALLBACK REQUESTED HALT");
    if (result.iterations >= options.max_iterations) return finish(1, "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT");
    if (result.evaluations > options.max_evaluations)
      return finish(1, "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT");
    if (largest(g) <= options.gradient_tolerance) return finish(0, "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL");
    if (old_value - value <= options.relative_reduction * std::max({std::abs(old_value), std::abs(value), 1.0}))
      return finish(0, "CONVERGENCE: RELATIVE REDUCTION OF F <= FACTR*EPSMCH");

    const double curvature = (slope - old_slope) * step; // s y
    if (curvature <= epsilon * -old_slope * step) continue;
    Correction correction;
    if (corrections.size() == static_cast<size_t>(options.corrections)) {
      correction = std::move(corrections.front()); // its memory serves again
      corrections.pop_front();
    }
    correction.s.resize(x.size());
    correction.y.resize(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      correction.s[i] = step * direction[i];
      correction.y[i] = g[i] - old_g[i];
    }
    theta = dot(correction.y, correction.y) / curvature;
    correction.rho = 1 / curvature;
    corrections.push_back(std::move(correction));
  }
}

} // namespace leadline::trainer::mlp
