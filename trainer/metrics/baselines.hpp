// What a network has to beat: one constant depth, and the mean depth of each pixel over the training set.
#pragma once

#include "shared/core/config.hpp"

#include <vector>

namespace leadline::trainer {

/// Accumulates the ground truth of a training set, batch by batch, in bounded memory (a histogram of about 11 MB and
/// two numbers a pixel), on the host: it reads what the loader gives before that goes to the exec. Not thread-safe.
class DepthBaselines {
public:
  /// Frames of `height` x `width`.
  DepthBaselines(index_t height, index_t width);

  /// Adds `n` frames, dense `[n,height,width]` metres; values that are not positive and finite are no ground truth.
  void add(const float* depth, index_t n);

  /// Median of all valid depths (the lower one of an even number), to 2^-16 of its value; NaN without any.
  double median() const;
  /// Mean valid depth of each pixel, `[height,width]`; the median where a pixel never had one.
  std::vector<float> mean_map() const;
  /// The median everywhere, `[height,width]`.
  std::vector<float> constant_map() const;

  index_t frames() const { return frames_; }
  index_t valid_pixels() const { return valid_; }

private:
  index_t height_, width_, frames_ = 0, valid_ = 0;
  std::vector<index_t> histogram_;
  std::vector<double> sum_;
  std::vector<index_t> count_;
};

} // namespace leadline::trainer
