#include "data/augment.hpp"

#include "data/dataset.hpp" // nearest_word
#include "data/error.hpp"
#include "shared/core/math.hpp"
#include "shared/core/rng.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

namespace leadline::data {
namespace {

constexpr std::uint64_t augment_stream = 0x4155474Dull; // "AUGM": keeps these numbers apart from those of other uses
constexpr std::uint64_t noise_stream = 0x4E4F495345ull; // "NOISE"
constexpr double pi = 3.14159265358979323846;

constexpr AugmentField fields[] = {
    {"flip", &Augment::flip_probability, 0, 1, "probability of mirroring a training frame left-right"},
    {"rotation", &Augment::rotation, 0, 180, "turned by U(-x, x) degrees about the optical axis"},
    {"scale", &Augment::scale, 1, 4, "U(1, x) times nearer: larger about the principal point, depth divided by it"},
    {"random_crop", &Augment::random_crop, 0.1, 1,
     "random window with sides U(x, 1) of the frame's, enlarged; depth stays"},
    {"brightness_gain", &Augment::brightness_gain, 0, 0.99, "each channel times 1 + U(-x, x)"},
    {"brightness_shift", &Augment::brightness_shift, 0, 0.99, "all channels plus U(-x, x)"},
    {"contrast", &Augment::contrast, 0, 1, "distance from the picture's mean grey times 1 + U(-x, x)"},
    {"saturation", &Augment::saturation, 0, 1, "distance from the pixel's grey times 1 + U(-x, x)"},
    {"hue", &Augment::hue, 0, 0.5, "colours turned by U(-x, x) of a full circle"},
    {"gamma", &Augment::gamma, 0, 0.9, "values to the power of 1 + U(-x, x)"},
    {"blur", &Augment::blur, 0, 20, "Gaussian blur of U(0, x) pixels"},
    {"noise", &Augment::noise, 0, 1, "normal noise of U(0, x) of the full range"},
    {"cutout", &Augment::cutout, 0, 64, "rectangles that are replaced by the mean colour; their depth stays"},
    {"cutout_size", &Augment::cutout_size, 0, 1, "their sides: U(0, x) of the frame's"},
};

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// The dice of one frame in one epoch; each change has numbers of its own, so that turning one on leaves the others.
class Dice {
public:
  Dice(std::uint64_t seed, std::int64_t epoch, std::size_t index)
      : random_(seed, philox_stream(augment_stream, static_cast<std::uint64_t>(epoch), index)) {}
  float uniform(std::uint64_t i) const { return random_.uniform(i); }
  float between(std::uint64_t i, float low, float high) const { return low + (high - low) * random_.uniform(i); }
  float symmetric(std::uint64_t i, float strength) const { return (2 * random_.uniform(i) - 1) * strength; }

private:
  Philox random_;
};
/// Which number is whose.
enum : std::uint64_t {
  dice_flip = 0,
  dice_gain = 1, // and 2, 3
  dice_shift = 4,
  dice_rotation,
  dice_scale,
  dice_crop, // and two for the place
  dice_crop_x,
  dice_crop_y,
  dice_contrast,
  dice_saturation,
  dice_hue,
  dice_gamma,
  dice_blur,
  dice_noise,
  dice_cutout = 32, // four for each rectangle
};

/// Where a pixel of the changed picture comes from.
struct PixelMap {
  double cx, cy;       // the point that turning and scaling leave in place
  double aspect;       // fx / fy: a turn is one of the scene, whose pixels needn't be square here
  double cosine, sine; // of the turn, divided by the scale
  double zoom, x0, y0; // of the window
  bool flip;
  int height, width;

  void source(int x, int y, double* u, double* v) const {
    const double dx = (x + 0.5 + x0) / zoom - 0.5 - cx, dy = ((y + 0.5 + y0) / zoom - 0.5 - cy) * aspect;
    *u = cx + (cosine * dx + sine * dy);
    *v = cy + (cosine * dy - sine * dx) / aspect;
    if (flip) *u = (width - 1) - *u;
  }
};

/// Samples picture (linearly, edges repeated) and depth (nearest: a mean over an edge would be a distance where nothing
/// is) into `image` [H, W, 3], 0 to 255, and `depth`.
void resample(const FrameView& frame, const PixelMap& map, double depth_scale, float* image, float* depth) {
  const int h = map.height, w = map.width;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x, image += 3, ++depth) {
      double u = 0, v = 0;
      map.source(x, y, &u, &v);
      const double nearest_u = std::floor(u + 0.5), nearest_v = std::floor(v + 0.5);
      const bool seen = nearest_u >= 0 && nearest_u < w && nearest_v >= 0 && nearest_v < h;
      const float metres =
          seen ? frame.depth[static_cast<std::ptrdiff_t>(nearest_v) * w + static_cast<std::ptrdiff_t>(nearest_u)] : 0;
      *depth = static_cast<float>(static_cast<double>(metres) / depth_scale);
      u = std::clamp(u, 0.0, static_cast<double>(w - 1));
      v = std::clamp(v, 0.0, static_cast<double>(h - 1));
      const auto left = static_cast<std::ptrdiff_t>(u), top = static_cast<std::ptrdiff_t>(v);
      const std::ptrdiff_t right = std::min<std::ptrdiff_t>(left + 1, w - 1);
      const std::ptrdiff_t bottom = std::min<std::ptrdiff_t>(top + 1, h - 1);
      const auto a = static_cast<float>(u - static_cast<double>(left));
      const auto b = static_cast<float>(v - static_cast<double>(top));
      for (int c = 0; c < 3; ++c) {
        const auto at = [&](std::ptrdiff_t row, std::ptrdiff_t column) {
          return static_cast<float>(frame.rgb[3 * (row * w + column) + c]);
        };
        const float above = at(top, left) + a * (at(top, right) - at(top, left));
        const float below = at(bottom, left) + a * (at(bottom, right) - at(bottom, left));
        image[c] = above + b * (below - above);
      }
    }
}

/// The same for a map that only mirrors or does nothing: exact copies.
void copy(const FrameView& frame, bool flip, int h, int w, float* image, float* depth) {
  for (std::ptrdiff_t y = 0; y < h; ++y)
    for (std::ptrdiff_t x = 0; x < w; ++x, image += 3, ++depth) {
      const std::ptrdiff_t from = y * w + (flip ? w - 1 - x : x);
      *depth = frame.depth[from];
      for (int c = 0; c < 3; ++c) image[c] = static_cast<float>(frame.rgb[3 * from + c]);
    }
}

/// Gaussian blur, separable, cut at three deviations, edges repeated.
void blur(float deviation, int h, int w, float* image) {
  const int reach = static_cast<int>(3 * deviation) + 1;
  std::vector<float> taps(static_cast<std::size_t>(2 * reach + 1));
  double sum = 0;
  const auto weight = [&](int i) {
    const double t = static_cast<double>(i) / static_cast<double>(deviation);
    return math::exp(-0.5 * t * t);
  };
  for (int i = -reach; i <= reach; ++i) sum += weight(i);
  for (int i = -reach; i <= reach; ++i) taps[static_cast<std::size_t>(i + reach)] = static_cast<float>(weight(i) / sum);
  std::vector<float> line(static_cast<std::size_t>(3 * std::max(h, w)));
  const auto along = [&](int length, std::ptrdiff_t stride, float* first) {
    for (int i = 0; i < length; ++i)
      for (int c = 0; c < 3; ++c) line[static_cast<std::size_t>(3 * i + c)] = first[i * stride + c];
    for (int i = 0; i < length; ++i) {
      float total[3] = {0, 0, 0};
      for (int k = -reach; k <= reach; ++k) {
        const float* value = &line[static_cast<std::size_t>(3 * std::clamp(i + k, 0, length - 1))];
        for (int c = 0; c < 3; ++c) total[c] += taps[static_cast<std::size_t>(k + reach)] * value[c];
      }
      for (int c = 0; c < 3; ++c) first[i * stride + c] = total[c];
    }
  };
  for (std::ptrdiff_t y = 0; y < h; ++y) along(w, 3, image + y * w * 3);
  for (std::ptrdiff_t x = 0; x < w; ++x) along(h, std::ptrdiff_t{3} * w, image + x * 3);
}

constexpr float grey_of(const float* rgb) { return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]; } // BT.601

/// Contrast, saturation, hue and gamma of values 0 to 255, which they stay.
void change_colours(const Augment& a, const Dice& dice, std::size_t pixels, float* image) {
  const auto each = [&](const auto& change) {
    for (std::size_t i = 0; i < pixels; ++i) {
      change(image + 3 * i);
      for (std::size_t c = 0; c < 3; ++c) image[3 * i + c] = std::clamp(image[3 * i + c], 0.0f, 255.0f);
    }
  };
  if (a.contrast > 0) {
    const float gain = 1 + dice.symmetric(dice_contrast, a.contrast);
    double sum = 0;
    for (std::size_t i = 0; i < pixels; ++i) sum += static_cast<double>(grey_of(image + 3 * i));
    const float mean = static_cast<float>(sum / static_cast<double>(pixels));
    each([=](float* v) {
      for (int c = 0; c < 3; ++c) v[c] = mean + gain * (v[c] - mean);
    });
  }
  if (a.saturation > 0) {
    const float gain = 1 + dice.symmetric(dice_saturation, a.saturation);
    each([=](float* v) {
      const float grey = grey_of(v);
      for (int c = 0; c < 3; ++c) v[c] = grey + gain * (v[c] - grey);
    });
  }
  if (a.hue > 0) { // YIQ: brightness Y stays, (I, Q) turns
    const double angle = 2 * pi * static_cast<double>(dice.symmetric(dice_hue, a.hue));
    const auto cosine = static_cast<float>(math::cos(angle)), sine = static_cast<float>(math::sin(angle));
    each([=](float* v) {
      const float y = grey_of(v);
      const float i = 0.596f * v[0] - 0.274f * v[1] - 0.322f * v[2], q = 0.211f * v[0] - 0.523f * v[1] + 0.312f * v[2];
      const float i2 = cosine * i - sine * q, q2 = sine * i + cosine * q;
      v[0] = y + 0.956f * i2 + 0.621f * q2;
      v[1] = y - 0.272f * i2 - 0.647f * q2;
      v[2] = y - 1.106f * i2 + 1.703f * q2;
    });
  }
  if (a.gamma > 0) {
    const float power = 1 + dice.symmetric(dice_gamma, a.gamma);
    each([=](float* v) {
      for (int c = 0; c < 3; ++c) v[c] = 255 * math::pow(v[c] / 255, power);
    });
  }
}

} // namespace

std::span<const AugmentField> augment_fields() { return fields; }

void check_augment(const Augment& augment) {
  for (const AugmentField& field : fields) {
    const double value = static_cast<double>(augment.*field.value);
    constexpr double slack = 1e-6; // 0.99f is a little more than 0.99
    const bool whole = field.value != &Augment::cutout || value == std::floor(value);
    if (!(value >= field.min && value <= field.max + slack) || !whole)
      throw Error({.field = field.name,
                   .value = plain(value),
                   .reason = std::string("it must be ") + (whole ? "" : "a whole number, ") + plain(field.min) +
                             " to " + plain(field.max)});
  }
}

Augment parse_augment(const std::string& text, Augment base) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    part.erase(0, part.find_first_not_of(' ') == std::string::npos ? part.size() : part.find_first_not_of(' '));
    if (part.empty()) continue;
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string name = part.substr(0, equals);
    const auto* field =
        std::find_if(std::begin(fields), std::end(fields), [&](const auto& f) { return name == f.name; });
    if (field == std::end(fields)) {
      std::vector<std::string> names;
      std::string all;
      for (const AugmentField& f : fields) {
        names.emplace_back(f.name);
        all += (all.empty() ? "" : ", ") + names.back();
      }
      const std::string near = nearest_word(name, names);
      throw Error({.field = "augment",
                   .value = name,
                   .reason = "there is no such augmentation" + (near.empty() ? "" : "; did you mean " + near + "?"),
                   .fix = "Known: " + all});
    }
    const char *first = part.data() + std::min(equals + 1, part.size()), *last = part.data() + part.size();
    float value = 0;
    const auto [stop, error] = std::from_chars(first, last, value);
    if (error != std::errc{} || stop != last)
      throw Error(
          {.field = "augment", .value = part, .reason = "this is not name=number", .fix = "e.g. " + name + "=0.5"});
    base.*field->value = value;
  }
  check_augment(base);
  return base;
}

Intrinsics augment_frame(const Augment& a, const Preprocess& p, std::uint64_t seed, std::int64_t epoch,
                         std::size_t index, const FrameView& frame, float* image, float* depth) {
  const Dice dice(seed, epoch, index);
  const int h = p.height, w = p.width;
  const std::size_t pixels = static_cast<std::size_t>(h) * static_cast<std::size_t>(w);
  const bool flip = dice.uniform(dice_flip) < a.flip_probability;
  Intrinsics camera = frame.intrinsics;
  if (flip && camera.known()) camera.cx = static_cast<float>(w - 1) - camera.cx;

  if (a.rotation > 0 || a.scale > 1 || a.random_crop < 1) {
    const double angle = static_cast<double>(dice.symmetric(dice_rotation, a.rotation)) * pi / 180;
    const double scale = static_cast<double>(dice.between(dice_scale, 1, a.scale));
    const double zoom = 1 / static_cast<double>(dice.between(dice_crop, a.random_crop, 1));
    PixelMap map{};
    map.cx = camera.known() ? static_cast<double>(camera.cx) : (w - 1) / 2.0;
    map.cy = camera.known() ? static_cast<double>(camera.cy) : (h - 1) / 2.0;
    map.aspect = camera.known() ? static_cast<double>(camera.fx) / static_cast<double>(camera.fy) : 1.0;
    map.cosine = math::cos(angle) / scale;
    map.sine = math::sin(angle) / scale;
    map.zoom = zoom;
    map.x0 = (zoom - 1) * w * static_cast<double>(dice.uniform(dice_crop_x));
    map.y0 = (zoom - 1) * h * static_cast<double>(dice.uniform(dice_crop_y));
    map.flip = flip;
    map.height = h;
    map.width = w;
    resample(frame, map, scale, image, depth);
    if (camera.known())
      camera = {static_cast<float>(static_cast<double>(camera.fx) * zoom),
                static_cast<float>(static_cast<double>(camera.fy) * zoom),
                static_cast<float>((map.cx + 0.5) * zoom - 0.5 - map.x0),
                static_cast<float>((map.cy + 0.5) * zoom - 0.5 - map.y0)};
  } else {
    copy(frame, flip, h, w, image, depth);
  }

  if (a.blur > 0)
    if (const float deviation = a.blur * dice.uniform(dice_blur); deviation > 0.1f) blur(deviation, h, w, image);
  change_colours(a, dice, pixels, image);

  // ((v / 255) * gain + shift - mean) / std
  float scale[3], offset[3];
  normalise_factors(p.mean, p.std, scale, offset);
  const float shift = dice.symmetric(dice_shift, a.brightness_shift);
  for (std::uint64_t c = 0; c < 3; ++c) {
    scale[c] *= 1 + dice.symmetric(dice_gain + c, a.brightness_gain);
    offset[c] += shift / p.std[c];
  }
  const float deviation = a.noise * dice.uniform(dice_noise);
  const Philox noise(seed, philox_stream(noise_stream, static_cast<std::uint64_t>(epoch), index));
  const bool bgr = p.colour_order == ColourOrder::bgr;
  for (std::size_t i = 0; i < pixels; ++i) {
    float* v = image + 3 * i;
    for (std::size_t c = 0; c < 3; ++c) {
      v[c] = v[c] * scale[c] + offset[c];
      if (a.noise > 0) { // Box and Muller's transformation, one of its two numbers
        const std::uint64_t k = 3 * i + c;
        const float radius = math::sqrt(-2 * math::log(1 - noise.uniform(2 * k)));
        const auto turn = static_cast<float>(math::cos(2 * pi * static_cast<double>(noise.uniform(2 * k + 1))));
        v[c] += deviation / p.std[c] * radius * turn;
      }
    }
    if (bgr) std::swap(v[0], v[2]);
  }

  for (std::uint64_t k = 0; k < static_cast<std::uint64_t>(a.cutout); ++k) {
    const auto side = [&](std::uint64_t i, int whole) {
      return static_cast<int>(dice.between(dice_cutout + 4 * k + i, 0, a.cutout_size) * static_cast<float>(whole));
    };
    const auto place = [&](std::uint64_t i, int room) {
      return static_cast<int>(dice.uniform(dice_cutout + 4 * k + i) * static_cast<float>(room + 1));
    };
    const int high = side(0, h), wide = side(1, w), y = place(2, h - high), x = place(3, w - wide);
    for (int row = y; row < y + high; ++row) std::fill_n(image + 3 * (std::ptrdiff_t{row} * w + x), 3 * wide, 0.0f);
  }
  return camera;
}

} // namespace leadline::data
