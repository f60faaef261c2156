// Is a picture like those that the network was trained on, so that its metres mean something? Two questions to the
// network itself, each one more run:
//
// - Does it say the same of the picture's mirror image? Where it understands what it sees, it does. (Averaging over
// mirror
//   images is an old habit of depth networks, e.g. Godard et al., CVPR 2017; here their difference is what counts.)
// - Does it say something else of the picture upside down? Of noise and nonsense it says its habit: near below, far
// above,
//   whatever it is shown.
//
// Measured on the demo models in models/CARD.md. Needs the C API alone.
#pragma once

#include <leadline/leadline.h>

#include <math.h>

namespace leadline::demo {

/// The mirror image and the picture upside down are the same memory, read from its other ends. Strides must be given.
inline leadline_picture upside_down_view(leadline_picture picture) {
  picture.rotation = (picture.rotation + 180) % 360;
  return picture;
}
inline leadline_picture mirrored_view(leadline_picture picture) { // upside down, rows from bottom to top
  for (int plane = 0; plane < 2; ++plane) {
    if (!picture.planes[plane]) continue;
    const ptrdiff_t rows = plane == 0 ? picture.height : (picture.height + 1) / 2;
    picture.planes[plane] =
        static_cast<const unsigned char*>(picture.planes[plane]) + (rows - 1) * picture.strides[plane];
    picture.strides[plane] = -picture.strides[plane];
  }
  return upside_down_view(picture);
}

/// The most that either part, and so the whole, can be blamed for.
constexpr float greatest_doubt = 2;

/// Doubt about `depth` [height, width], from what was said of the mirrored and of the upside-down picture (both as they
/// came, not turned back). 0 is the best that there is:
///
///   mean of |a - b| / ((a + b) / 2) for a pixel and its mirror image, over the depths' standard deviation / mean,
///   + half the correlation of the depth with that of the picture upside down, where that is positive
///
/// `apart` (may be null) receives |a - b| / ((a + b) / 2) of each pixel: where the doubt is. Depth that isn't positive
/// and finite is doubted most.
inline float picture_doubt(const float* depth, const float* mirrored, const float* upside_down, int32_t height,
                           int32_t width, float* apart) {
  double apart_sum = 0, a_sum = 0, a2_sum = 0, b_sum = 0, b2_sum = 0, ab_sum = 0;
  bool valid = height > 0 && width > 0;
  for (int32_t y = 0; y < height; ++y)
    for (int32_t x = 0; x < width; ++x) {
      const int64_t at = int64_t{y} * width + x;
      const double a = static_cast<double>(depth[at]), b = static_cast<double>(upside_down[at]);
      const double m = static_cast<double>(mirrored[int64_t{y} * width + width - 1 - x]);
      const bool good = a > 0 && m > 0 && b > 0 && a < 1e30 && m < 1e30 && b < 1e30;
      const double difference = good ? 2 * fabs(a - m) / (a + m) : 2.0;
      if (apart) apart[at] = static_cast<float>(difference);
      valid = valid && good;
      apart_sum += difference;
      a_sum += a;
      a2_sum += a * a;
      b_sum += b;
      b2_sum += b * b;
      ab_sum += a * b;
    }
  if (!valid) return greatest_doubt;
  const double n = static_cast<double>(height) * width, mean = a_sum / n;
  const double a_variance = a2_sum / n - mean * mean, b_variance = b2_sum / n - b_sum / n * (b_sum / n);
  if (!(a_variance > 1e-12 * mean * mean)) return greatest_doubt; // all at one distance: it saw nothing
  const double covariance = ab_sum / n - mean * (b_sum / n);
  const double habit = b_variance > 0 ? covariance / sqrt(a_variance * b_variance) : 1;
  const double doubt = apart_sum / n * mean / sqrt(a_variance) + (habit > 0 ? habit / 2 : 0);
  return doubt < static_cast<double>(greatest_doubt) ? static_cast<float>(doubt) : greatest_doubt;
}

} // namespace leadline::demo
