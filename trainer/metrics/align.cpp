#include "trainer/metrics/align.hpp"

#include <algorithm>

namespace leadline::trainer {

namespace {

/// The lower one of an even number.
double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Line {
  double scale, shift;
};

/// y = scale * x + shift by least squares; through 0 where x tells nothing about a shift.
Line fit(const std::vector<double>& x, const std::vector<double>& y) {
  const double n = static_cast<double>(x.size());
  double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum_x += x[i];
    sum_y += y[i];
  }
  const double mean_x = sum_x / n, mean_y = sum_y / n;
  for (size_t i = 0; i < x.size(); ++i) {
    sum_xx += (x[i] - mean_x) * (x[i] - mean_x);
    sum_xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  if (!(sum_xx > 1e-12 * n * mean_x * mean_x)) return {mean_y / mean_x, 0};
  const double scale = sum_xy / sum_xx;
  return {scale, mean_y - scale * mean_x};
}

} // namespace

const std::vector<std::string>& alignment_names() {
  static const std::vector<std::string> names{"none", "median", "scale_shift", "disparity"};
  return names;
}

void align_depth(Alignment alignment, const DepthProtocol& protocol, const data::DepthMap& truth,
                 data::DepthMap* prediction) {
  if (alignment == Alignment::none) return;
  const CropBox box = crop_box(protocol, truth.height, truth.width);
  std::vector<double> predicted, wanted;
  for (index_t y = box.top; y < box.bottom; ++y)
    for (index_t x = box.left; x < box.right; ++x) {
      const size_t i = static_cast<size_t>(y * truth.width + x);
      const double t = static_cast<double>(truth.metres[i]);
      if (!(t > protocol.min_depth && t < protocol.max_depth) || !depth_is_valid(prediction->metres[i])) continue;
      predicted.push_back(static_cast<double>(prediction->metres[i]));
      wanted.push_back(t);
    }
  if (predicted.empty()) return;
  if (alignment == Alignment::disparity)
    for (size_t i = 0; i < predicted.size(); ++i) {
      predicted[i] = 1 / predicted[i];
      wanted[i] = 1 / wanted[i];
    }
  const Line line =
      alignment == Alignment::median ? Line{median_of(wanted) / median_of(predicted), 0} : fit(predicted, wanted);
  // What falls to 0 or below is farther (as disparity) or nearer (as depth) than anything: the protocol's limits.
  const double farthest = protocol.clamp_max < 1e30 ? protocol.clamp_max : 1e30;
  for (float& value : prediction->metres) {
    if (!depth_is_valid(value)) continue;
    const double x = static_cast<double>(value);
    double y = line.scale * (alignment == Alignment::disparity ? 1 / x : x) + line.shift;
    if (alignment == Alignment::disparity) y = y > 1 / farthest ? 1 / y : farthest;
    value = static_cast<float>(std::clamp(y, protocol.clamp_min, farthest));
  }
}

} // namespace leadline::trainer
