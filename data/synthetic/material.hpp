// What surfaces look like: procedural textures over two surface coordinates in metres.
#pragma once

#include <cstdint>

#include "data/synthetic/draws.hpp"
#include "data/synthetic/geometry.hpp"

namespace leadline::data::synthetic {

enum class Pattern : uint8_t {
  plain,    ///< one colour, slightly mottled
  wood,     ///< grain along u
  planks,   ///< floor boards along u, `scale` wide
  parquet,  ///< squares of side `scale`, boards turned by turns
  tiles,    ///< squares of side `scale`, joints in colour b
  checks,   ///< squares of side `scale`, colours a and b by turns
  bricks,   ///< `scale` high, joints in colour b
  carpet,   ///< speckle between a and b
  stripes,  ///< across u, period `scale`
  diamonds, ///< lattice of ornaments, period `scale`
  fabric,   ///< weave between a and b
  folds,    ///< curtain: soft stripes across u, period `scale`
  rug,      ///< borders and a field over the whole extent
  picture,  ///< a painting over the whole extent
  books,    ///< spines side by side along u
  leaves,   ///< patchy green
  screen,   ///< a lit display over the whole extent
  keys,     ///< rows of keys, pitch `scale`
};

struct Material {
  Pattern pattern = Pattern::plain;
  Rgb a{0.5f, 0.5f, 0.5f}, b{0.4f, 0.4f, 0.4f}; ///< reflectance, linear
  float scale = 1;                              ///< metres, per pattern
  float extent_u = 1, extent_v = 1;             ///< size of the piece, for patterns that fill it
  float gloss = 0;                              ///< mirror reflectance at normal incidence
  float roughness = 0.3f;                       ///< spread of the mirror direction
  float emission = 0;                           ///< radiance = emission * reflectance
  uint32_t seed = 0;
  bool sky = false;         ///< window glass: shows what is outside in the ray's direction
  bool casts_shadow = true; ///< false for glass, lamps and their shades
};

/// Reflectance at (u, v), metres; what is finer than `footprint` (metres per pixel) fades into its mean.
Rgb reflectance(const Material& material, double u, double v, double footprint);

/// Radiance (relative to `brightness` 1 = clear day) of what is outside, in the unit direction `d`, z up.
Rgb sky_radiance(uint32_t seed, float brightness, Vec3 d);

/// A colour given as the eye sees it (0..1, gamma 2) in linear reflectance.
inline Rgb paint(double r, double g, double b) {
  return {static_cast<float>(r * r), static_cast<float>(g * g), static_cast<float>(b * b)};
}

/// Hue in turns, saturation and value 0..1, as the eye sees them.
Rgb paint_hsv(double hue, double saturation, double value);

} // namespace leadline::data::synthetic
