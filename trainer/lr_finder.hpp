// A learning rate range test: training begins with a tiny rate that grows with every step; where the loss falls fastest
// is a good rate, where it explodes is too much. (Smith, WACV 2017; defaults and smoothing are those of PyTorch
// Lightning's learning rate finder; the suggestion is less easily misled by batches that happen to be easy or hard.)
#pragma once

#include "data/dataset.hpp"
#include "trainer/plot.hpp"
#include "trainer/settings.hpp"

#include <limits>
#include <vector>

namespace leadline::trainer {

struct LrFinderOptions {
  double min_lr = 1e-8, max_lr = 1;
  index_t steps = 100;
  double stop_factor = 4; ///< ends where the smoothed loss is so many times its lowest
};

struct LrFinderResult {
  std::vector<double> lr, loss; ///< of each step
  std::vector<double> smooth;   ///< averages of the losses so far, the latest weighted most (0.98 per step)
  bool exploded = false;        ///< whether it ended before max_lr
  /// Where the loss falls fastest over the logarithm of lr; NaN: it surely falls nowhere.
  double suggestion = std::numeric_limits<double>::quiet_NaN();
};

/// The rate around which a line through the losses within a decade on either side falls most steeply, among those whose
/// fall is surely one (two standard errors) and that lie at most two decades below the rate at which nine tenths of the
/// whole fall are reached. NaN if there is none, or fewer than six points there.
double steepest_lr(const std::vector<double>& lr, const std::vector<double>& loss);

/// Runs the test with a run's settings, but for its schedule and length; saves nothing. Throws leadline::Error.
LrFinderResult find_lr(const Settings& settings, const data::DatasetPtr& train, const data::DatasetPtr& val,
                       const LrFinderOptions& options);

Plot lr_plot(const LrFinderResult& result);

} // namespace leadline::trainer
