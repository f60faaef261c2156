// L-BFGS-B without bounds, as scipy.optimize.minimize(method="L-BFGS-B") runs it: C. Zhu, R. Byrd, P. Lu, J. Nocedal,
// "Algorithm 778: L-BFGS-B", ACM TOMS 23(4), 1997, its line search that of J. More' and D. Thuente, "Line search
// algorithms with guaranteed sufficient decrease", ACM TOMS 20(3), 1994. (trainer/optimizers/lbfgs.hpp is PyTorch's
// L-BFGS: another line search, other stopping rules.)
#pragma once

#include "trainer/mlp/network.hpp"

#include <functional>
#include <string>

namespace leadline::trainer::mlp {

struct LbfgsOptions {
  int corrections = 10;
  double relative_reduction = 2.2204460492503131e-09; ///< stop when f decreases by less than this share of max(|f|, 1)
  double gradient_tolerance = 1e-5;                   ///< stop when no |g| is larger
  int64_t max_evaluations = 15000;                    ///< looked at after an iteration, as scipy does
  int64_t max_iterations = 15000;
  int max_line_search = 20; ///< evaluations in one
};

struct LbfgsResult {
  double loss = 0;
  int64_t iterations = 0, evaluations = 0;
  int status = 0; ///< 0: converged, 1: a limit was reached, 2: the line search failed
  std::string message;
};

/// Minimises f from x on; x becomes the best point. `f(x, g)` returns the value and writes the gradient. `iteration` is
/// told value and number after each; if it returns false, the search ends there.
LbfgsResult minimize_lbfgs(const LbfgsOptions& options, AlignedVector<double>& x,
                           const std::function<double(const AlignedVector<double>&, AlignedVector<double>&)>& f,
                           const std::function<bool(int64_t, double)>& iteration = {});

} // namespace leadline::trainer::mlp
