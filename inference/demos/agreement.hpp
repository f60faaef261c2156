// Is a picture like those that the network was trained on? A network that knows what it sees says the same of a picture
// and of its mirror image; where it doesn't, its metres are guesses. (Averaging over mirror images is an old habit of
// depth networks, e.g. Godard et al., CVPR 2017; here their difference is what counts.) No library but the C one.
#pragma once

#include <cstdint>

namespace leadline::demo {

/// Mean over pixels of |a - b| / ((a + b) / 2) for depth `a` [height, width] and `b`, what was said of the mirror
/// image, as it came: not mirrored back. `apart` (may be null) receives each pixel's. Pixels without depth (not above
/// 0) count as 2, the most that there is; so does a picture without pixels.
inline float mirror_disagreement(const float* a, const float* b, std::int32_t height, std::int32_t width,
                                 float* apart = nullptr) {
  double sum = 0;
  for (std::int32_t y = 0; y < height; ++y)
    for (std::int32_t x = 0; x < width; ++x) {
      const std::int64_t at = std::int64_t{y} * width + x;
      const float p = a[at], q = b[std::int64_t{y} * width + width - 1 - x];
      const float difference = p > q ? p - q : q - p;
      const float value = p > 0 && q > 0 && p + q < 3e38f ? 2 * difference / (p + q) : 2.0f;
      if (apart) apart[at] = value;
      sum += static_cast<double>(value);
    }
  return height > 0 && width > 0 ? static_cast<float>(sum / (static_cast<double>(height) * width)) : 2.0f;
}

} // namespace leadline::demo
