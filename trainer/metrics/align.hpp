// What is left of a prediction's error once its scale, or scale and shift, is known: a picture alone can't tell them
// surely. Metrics of aligned predictions are not comparable with others; tables say so.
#pragma once

#include "data/depth_io.hpp"
#include "trainer/metrics/depth_metrics.hpp"

namespace leadline::trainer {

enum class Alignment {
  none,
  median,      ///< times median(truth) / median(prediction) (C. Godard et al., ICCV 2019)
  scale_shift, ///< s * prediction + t, by least squares against depth
  disparity,   ///< 1 / (s / prediction + t), by least squares against 1 / depth (R. Ranftl et al., TPAMI 2022)
};

/// "none", "median", ..., in the enum's order.
const std::vector<std::string>& alignment_names();

/// Aligns one image by its valid pixels under `protocol`: both maps have one size; what is left out (crop, range, no
/// prediction) doesn't matter. With fewer than two valid pixels, or a prediction that is constant, scale alone is
/// fitted. Computed in double, in a fixed order.
void align_depth(Alignment alignment, const DepthProtocol& protocol, const data::DepthMap& truth,
                 data::DepthMap* prediction);

} // namespace leadline::trainer
