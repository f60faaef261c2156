// Metres from a few readings whose distance is known.
#include "inference/src/engine.hpp"
#include "inference/src/float_environment.hpp"
#include "inference/src/robust.hpp"
#include "shared/core/math.hpp"

#include <math.h>

namespace leadline {
namespace {

constexpr int most_readings = 128; // more are thinned out evenly: pairs grow with the square

/// Usable readings, dense.
struct Readings {
  float predicted[most_readings], metres[most_readings];
  int count = 0;
};

/// The residual that half of the readings keep below, relative to their distance.
float median_residual(const Readings& r, const Line& line, float* scratch) {
  for (int i = 0; i < r.count; ++i) {
    const double wanted = static_cast<double>(r.metres[i]);
    const double error = (line.scale * static_cast<double>(r.predicted[i]) + line.shift - wanted) / wanted;
    scratch[i] = static_cast<float>(error < 0 ? -error : error);
  }
  return select_smallest(scratch, r.count, r.count / 2);
}

} // namespace
} // namespace leadline

using namespace leadline;

leadline_status leadline_calibrate_scale(const leadline_reading* readings, int32_t count, int32_t with_shift,
                                         leadline_calibration* calibration) {
  if (!readings || !calibration || count < 1 || calibration->struct_size < first_bytes<leadline_calibration>)
    return LEADLINE_INVALID_ARGUMENT;
  const FloatEnvironment environment;
  Readings r;
  int64_t usable = 0;
  const auto valid = [](float v) { return v > 0 && v < 1e9f; };
  for (int32_t i = 0; i < count; ++i) usable += valid(readings[i].predicted) && valid(readings[i].metres);
  int64_t seen = 0;
  for (int32_t i = 0; i < count; ++i) {
    if (!valid(readings[i].predicted) || !valid(readings[i].metres)) continue;
    const int64_t before = seen * most_readings / usable, after = ++seen * most_readings / usable;
    if (usable > most_readings && before == after) continue;
    r.predicted[r.count] = readings[i].predicted;
    r.metres[r.count++] = readings[i].metres;
  }
  if (r.count < (with_shift ? 2 : 1)) return LEADLINE_INVALID_ARGUMENT;

  // Of all lines through one reading and 0 (or through two readings), the one that most readings lie near: the least
  // median of residuals bears up to half of them being wrong (P. Rousseeuw, J. Am. Stat. Assoc. 79, 1984).
  float scratch[most_readings];
  Line best{0, 0};
  float least = HUGE_VALF;
  const auto consider = [&](const Line& line) {
    if (!(line.scale > 0)) return; // nearer must stay nearer
    const float residual = median_residual(r, line, scratch);
    if (residual < least) {
      least = residual;
      best = line;
    }
  };
  for (int i = 0; i < r.count; ++i) {
    const double xi = static_cast<double>(r.predicted[i]), yi = static_cast<double>(r.metres[i]);
    if (!with_shift) consider({yi / xi, 0});
    for (int j = 0; with_shift && j < i; ++j) {
      const double dx = xi - static_cast<double>(r.predicted[j]), dy = yi - static_cast<double>(r.metres[j]);
      if (math::abs(dx) > 1e-3 * xi) consider({dy / dx, yi - dy / dx * xi});
    }
  }
  if (!(least < HUGE_VALF)) return LEADLINE_UNSUPPORTED;

  // Then least squares over those that agree with it. 1.4826 medians are a standard deviation of normal errors.
  const double near = 2.5 * 1.4826 * static_cast<double>(least) + 1e-6;
  int inliers = 0;
  const auto weight = [&](int i) {
    const double wanted = static_cast<double>(r.metres[i]);
    const double error = (best.scale * static_cast<double>(r.predicted[i]) + best.shift - wanted) / wanted;
    return math::abs(error) <= near ? 1 / (wanted * wanted) : 0.0;
  };
  for (int i = 0; i < r.count; ++i) inliers += weight(i) > 0;
  Line line = best;
  if (with_shift) {
    const Line fitted = fit_line(r.predicted, r.metres, r.count, 1e-4, weight);
    if (fitted.scale > 0) line = fitted;
  } else {
    double xy = 0, xx = 0;
    for (int i = 0; i < r.count; ++i) {
      const double x = static_cast<double>(r.predicted[i]);
      xy += weight(i) * x * static_cast<double>(r.metres[i]);
      xx += weight(i) * x * x;
    }
    line = {xy / xx, 0};
  }
  double squares = 0;
  for (int i = 0; i < r.count; ++i) {
    const double error =
        line.scale * static_cast<double>(r.predicted[i]) + line.shift - static_cast<double>(r.metres[i]);
    if (weight(i) > 0) squares += error * error;
  }
  leadline_calibration result{};
  result.scale = static_cast<float>(line.scale);
  result.shift = static_cast<float>(line.shift);
  result.used = inliers;
  result.outliers = r.count - inliers;
  result.rms_metres = static_cast<float>(math::sqrt(squares / (inliers > 0 ? inliers : 1)));
  return to_c(write_info(calibration, result));
}
