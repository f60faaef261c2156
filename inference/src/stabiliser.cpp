// Steady depth from video: what jumps from frame to frame without anything having moved is smoothed away.
//
// Networks answer each frame by itself, so the same wall is 2.9 m, 3.1 m, 3.0 m, ...: mostly one scale and shift for
// the whole frame, and some noise on top. For each frame:
//   1. a robust line (scale, shift) maps it onto the frame before, as that was given out;
//   2. the frame follows the line for a part of the way: an exponential mean of scale and shift, which has no drift.
//   The
//      part shrinks while scale keeps changing in one direction (D. Trigg, A. Leach, Op. Res. Quarterly 18, 1967): then
//      the camera moves, and following the past would be a lag;
//   3. each pixel is averaged with what it was, unless it differs by more than noise does: then something has moved,
//   and
//      it takes its new value at once.
// If most pixels don't fit the line, the scene has changed: the frame is given out as it came, and begins a new past.
#include "inference/src/engine.hpp"
#include "inference/src/float_environment.hpp"
#include "inference/src/robust.hpp"
#include "shared/core/image.hpp"
#include "shared/core/math.hpp"

struct leadline_stabiliser {
  int32_t width, height;
  bool has_past;
  double error, absolute_error;    ///< exponential means of the log of scale changes
  float* past;                     ///< [height, width] as given out; 0: none
  float *before, *after, *scratch; ///< samples of step 1
};

namespace leadline {
namespace {

constexpr int most_samples = 4096;
constexpr float pixel_gain = 0.4f;             // of the new value in step 3
constexpr double follow = 0.5;                 // how far step 2 goes at most
constexpr double renewal = 0.2;                // of step 2's means
constexpr float noise = 0.04f, motion = 0.10f; // relative differences: up to this / from this on
constexpr double loose = 0.05;                 // relative residual at which a sample's weight is a quarter
constexpr float agrees = 0.10f;                // relative residual of a sample that fits the line
constexpr float scene_share = 0.5f;            // fewer that fit: another scene

/// x between 0 and 1.
template <class T> T between_0_and_1(T x) { return x < 0 ? T{0} : x > 1 ? T{1} : x; }

struct StateLayout {
  size_t past, before, after, scratch, total;
};

StateLayout layout_of(int32_t width, int32_t height) {
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  const size_t samples = align_up(most_samples * sizeof(float));
  StateLayout layout{};
  layout.past = align_up(sizeof(leadline_stabiliser));
  layout.before = layout.past + align_up(pixels * sizeof(float));
  layout.after = layout.before + samples;
  layout.scratch = layout.after + samples;
  layout.total = layout.scratch + samples;
  return layout;
}

/// Up to most_samples pixels, evenly spread, that are known in both frames.
int collect(leadline_stabiliser& s, const float* depth) {
  const int64_t pixels = int64_t{s.width} * s.height;
  int64_t step = (pixels + most_samples - 1) / most_samples;
  if (step % 2 == 0) ++step; // not along a column of an even width
  int n = 0;
  for (int64_t i = 0; i < pixels && n < most_samples; i += step)
    if (depth_is_valid(depth[i]) && s.past[i] > 0) {
      s.before[n] = depth[i];
      s.after[n++] = s.past[i];
    }
  return n;
}

/// The line that takes this frame's samples to the past's; false if they don't belong together.
bool find_line(leadline_stabiliser& s, int n, Line* line) {
  for (int i = 0; i < n; ++i) s.scratch[i] = s.after[i] / s.before[i];
  *line = {static_cast<double>(median(s.scratch, n)), 0};
  const auto residual = [&](int i) {
    const double wanted = static_cast<double>(s.after[i]);
    return (line->scale * static_cast<double>(s.before[i]) + line->shift - wanted) / wanted;
  };
  for (int round = 0; round < 4; ++round) { // reweighted least squares with Geman and McClure's weights
    const Line from = *line;
    const auto weight = [&](int i) {
      const double wanted = static_cast<double>(s.after[i]);
      const double error = (from.scale * static_cast<double>(s.before[i]) + from.shift - wanted) / wanted / loose;
      const double part = 1 / (1 + error * error);
      return part * part / (wanted * wanted);
    };
    *line = fit_line(s.before, s.after, n, 0.05, weight);
  }
  int fitting = 0;
  for (int i = 0; i < n; ++i) fitting += math::abs(residual(i)) < static_cast<double>(agrees);
  return line->scale > 0 && static_cast<float>(fitting) >= scene_share * static_cast<float>(n);
}

/// How much of the way to the line this frame goes; remembers how scale has been changing.
double part_of_the_way(leadline_stabiliser& s, int n, const Line& line) {
  for (int i = 0; i < n; ++i) s.scratch[i] = s.before[i];
  const double typical = static_cast<double>(median(s.scratch, n));
  const double ratio = (line.scale * typical + line.shift) / typical;
  const double change = math::log(ratio > 1e-6 ? ratio : 1e-6);
  s.error += renewal * (change - s.error);
  s.absolute_error += renewal * (math::abs(change) - s.absolute_error);
  const double one_sided =
      s.absolute_error > 0 ? math::abs(s.error) / s.absolute_error : 0.0; // 1: always one direction
  const double moving = between_0_and_1((one_sided - 0.5) / 0.4);
  return follow * (1 - moving);
}

void forget(leadline_stabiliser& s) {
  s.has_past = false;
  s.error = s.absolute_error = 0;
}

} // namespace
} // namespace leadline

using namespace leadline;

size_t leadline_stabiliser_bytes(int32_t width, int32_t height) {
  return detail::valid_size(height, width) ? layout_of(width, height).total : 0;
}

leadline_status leadline_stabiliser_create(int32_t width, int32_t height, void* memory, size_t bytes,
                                           leadline_stabiliser** stabiliser) {
  if (!memory || !stabiliser || reinterpret_cast<uintptr_t>(memory) % LEADLINE_ALIGNMENT != 0)
    return LEADLINE_INVALID_ARGUMENT;
  if (!detail::valid_size(height, width)) return LEADLINE_INVALID_SHAPE;
  const StateLayout layout = layout_of(width, height);
  if (bytes < layout.total) return LEADLINE_OUT_OF_MEMORY;
  unsigned char* base = static_cast<unsigned char*>(memory);
  leadline_stabiliser* s = reinterpret_cast<leadline_stabiliser*>(base);
  *s = leadline_stabiliser{};
  s->width = width;
  s->height = height;
  s->past = reinterpret_cast<float*>(base + layout.past);
  s->before = reinterpret_cast<float*>(base + layout.before);
  s->after = reinterpret_cast<float*>(base + layout.after);
  s->scratch = reinterpret_cast<float*>(base + layout.scratch);
  *stabiliser = s;
  return LEADLINE_OK;
}

void leadline_stabiliser_reset(leadline_stabiliser* stabiliser) {
  if (stabiliser) forget(*stabiliser);
}

leadline_status leadline_stabiliser_run(leadline_stabiliser* s, const float* depth, float* steady,
                                        int32_t* scene_changed) {
  if (!s || !depth || !steady) return LEADLINE_INVALID_ARGUMENT;
  const FloatEnvironment environment;
  const int64_t pixels = int64_t{s->width} * s->height;
  Line line{1, 0};
  bool locked = false;
  if (s->has_past) {
    const int n = collect(*s, depth);
    locked = n > 0 && find_line(*s, n, &line);
    if (locked) {
      const double part = part_of_the_way(*s, n, line);
      line = {1 + part * (line.scale - 1), part * line.shift};
    }
  }
  if (scene_changed) *scene_changed = s->has_past && !locked;
  if (!locked) forget(*s);
  const float scale = static_cast<float>(line.scale), shift = static_cast<float>(line.shift);
  for (int64_t i = 0; i < pixels; ++i) {
    float value = 0;
    if (depth_is_valid(depth[i])) {
      value = depth[i];
      if (locked) {
        const float moved = scale * value + shift; // a shift may not turn a near pixel inside out
        value = moved > 0.1f * value ? moved : value;
      }
      if (const float was = s->past[i]; locked && was > 0) {
        const float difference = value - was, relative = (difference < 0 ? -difference : difference) / was;
        const float t = between_0_and_1((relative - noise) / (motion - noise));
        value = was + (pixel_gain + (1 - pixel_gain) * (t * t * (3 - 2 * t))) * difference;
      }
    }
    s->past[i] = value;
    steady[i] = value;
  }
  s->has_past = true;
  return LEADLINE_OK;
}
