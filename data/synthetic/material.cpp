#include "data/synthetic/material.hpp"

namespace leadline::data::synthetic {
namespace {

float clamp01(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
float smooth(float x) { return x * x * (3 - 2 * x); }
float smooth_step(float low, float high, float x) { return smooth(clamp01((x - low) / (high - low))); }

/// Floor without libm's rounding modes; |x| < 2^31.
int floor_int(double x) {
  const int i = static_cast<int>(x);
  return i - (x < i ? 1 : 0);
}

uint32_t hash(uint32_t x, uint32_t y, uint32_t seed) {
  uint32_t h = x * 0x9E3779B1u ^ (y * 0x85EBCA77u + 0x165667B1u) ^ seed * 0xC2B2AE3Du;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 12;
  h *= 0x297A2D39u;
  h ^= h >> 15;
  return h;
}
uint32_t hash(int x, int y, uint32_t seed) { return hash(static_cast<uint32_t>(x), static_cast<uint32_t>(y), seed); }
float unit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
/// Another number from the same hash.
uint32_t again(uint32_t h) { return hash(h, 0x51ED270Bu, 7u); }

/// Smooth noise in [0, 1], one lattice cell per unit.
float noise(double x, double y, uint32_t seed) {
  const int ix = floor_int(x), iy = floor_int(y);
  const float fx = smooth(static_cast<float>(x - ix)), fy = smooth(static_cast<float>(y - iy));
  const float n00 = unit(hash(ix, iy, seed)), n10 = unit(hash(ix + 1, iy, seed));
  const float n01 = unit(hash(ix, iy + 1, seed)), n11 = unit(hash(ix + 1, iy + 1, seed));
  return (n00 + (n10 - n00) * fx) * (1 - fy) + (n01 + (n11 - n01) * fx) * fy;
}

/// How much of a detail `size` metres wide survives a pixel `footprint` metres wide.
float visible(double size, double footprint) { return clamp01(static_cast<float>(1.6 - 1.2 * footprint / size)); }

/// Noise around zero with cells `size` wide, faded where the pixel is wider.
float detail(double u, double v, double size, uint32_t seed, double footprint) {
  const float keep = visible(size, footprint);
  return keep > 0 ? keep * (noise(u / size, v / size, seed) - 0.5f) : 0;
}

/// Share of a pixel `footprint` wide, `distance` from the middle of a line `width` wide, that the line covers.
float line_cover(double distance, double width, double footprint) {
  const double pixel = std::max(footprint, 1e-6);
  const double cover = (width / 2 + pixel / 2 - std::fabs(distance)) / pixel;
  return static_cast<float>(std::max(0.0, std::min({cover, width / pixel, 1.0})));
}

struct Cell {
  int index;      ///< which cell
  double place;   ///< 0..size within it
  double to_edge; ///< to the nearer end
};
Cell cell_of(double x, double size) {
  const int index = floor_int(x / size);
  const double place = x - index * size;
  return {index, place, std::min(place, size - place)};
}

Rgb grain(const Material& m, double u, double v, uint32_t seed, double footprint) {
  const double bend = 0.012 * noise(u * 1.7, v * 6, seed);
  float g = 0.9f * visible(0.03, footprint) * (noise(u * 1.3, (v + bend) * 34, seed + 1) - 0.5f);
  const float fine = visible(0.006, footprint);
  if (fine > 0) g += 0.5f * fine * (noise(u * 6, (v + bend) * 210, seed + 2) - 0.5f);
  g += 0.35f * (noise(u * 0.8, v * 4, seed + 3) - 0.5f);
  return mix(m.a, m.b, clamp01(0.45f + g));
}

Rgb board(const Material& m, double u, double v, double width, double board_length, double footprint) {
  const Cell row = cell_of(v, width);
  const double shift = unit(hash(row.index, 17, m.seed)) * board_length;
  const Cell column = cell_of(u + shift, board_length);
  const uint32_t id = hash(row.index, column.index, m.seed);
  const float tone = 0.78f + 0.44f * unit(id);
  Rgb colour = grain(m, u + unit(again(id)) * 9, v, id & 0xFFFFu, footprint) * tone;
  const float seam = std::max(line_cover(row.to_edge, 0.004, footprint), line_cover(column.to_edge, 0.003, footprint));
  return colour * (1 - 0.65f * seam);
}

Rgb tile_colour(const Material& m, Rgb base, uint32_t id, double u, double v, double footprint) {
  const float tone = 0.93f + 0.14f * unit(id);
  const float vein = detail(u, v, 0.09, id & 0xFFFu, footprint) + 0.5f * detail(u, v, 0.025, m.seed, footprint);
  return base * (tone * (1 + 0.16f * vein));
}

/// Where the edge of something is crossed by a soft pixel: 0 outside, 1 inside.
float inside(double signed_distance, double footprint) {
  return clamp01(static_cast<float>(0.5 - signed_distance / std::max(footprint, 1e-6)));
}

Rgb painting(const Material& m, double s, double t, double pixel) {
  // s to the right, t up, both 0..1; `pixel` in the same unit.
  const uint32_t kind = hash(1u, 2u, m.seed) % 4;
  const float hue = unit(hash(3u, 4u, m.seed));
  if (kind == 0) { // landscape: sky, sun, three ranges of hills
    const float y = static_cast<float>(t);
    Rgb colour = mix(paint_hsv(0.08 + 0.1 * hue, 0.35, 0.95), paint_hsv(0.55 + 0.1 * hue, 0.5, 0.75), y);
    const double sx = 0.2 + 0.6 * unit(hash(5u, 6u, m.seed)) - s, sy = 0.75 - t;
    colour = mix(colour, paint(1, 0.93, 0.7), inside(std::sqrt(sx * sx + sy * sy) - 0.07, pixel));
    for (int i = 0; i < 3; ++i) {
      const double ridge = 0.55 - 0.17 * i + 0.22 * (noise(s * (2.5 + i), i * 7.0, m.seed) - 0.5) +
                           0.05 * (noise(s * 11, i * 3.0, m.seed) - 0.5);
      const Rgb hill = paint_hsv(0.28 + 0.12 * hue + 0.07 * (2 - i), 0.25 + 0.15 * i, 0.62 - 0.16 * i);
      colour = mix(colour, hill, inside(t - ridge, pixel));
    }
    return colour;
  }
  if (kind == 1) { // coloured rectangles
    Rgb colour = paint(0.93, 0.91, 0.86);
    for (uint32_t i = 0; i < 6; ++i) {
      const uint32_t h = hash(i, 8u, m.seed), k = again(h), l = again(k);
      const double cx = unit(h), cy = unit(k), w = 0.08 + 0.25 * unit(l), v = 0.06 + 0.3 * unit(again(l));
      const double d = std::max(std::fabs(s - cx) - w, std::fabs(t - cy) - v);
      colour = mix(colour, paint_hsv(hue + 0.13 * i, 0.25 + 0.6 * unit(k), 0.3 + 0.65 * unit(l)), inside(d, pixel));
    }
    return colour;
  }
  if (kind == 2) { // soft brush strokes
    const float n = noise(s * 3, t * 5, m.seed), k = noise(s * 7 + 3 * n, t * 3, m.seed + 1);
    return mix(mix(paint_hsv(hue, 0.5, 0.75), paint_hsv(hue + 0.4, 0.45, 0.35), n), paint(0.95, 0.92, 0.85),
               smooth_step(0.55f, 0.75f, k));
  }
  // A head and shoulders before a plain ground.
  Rgb colour = mix(paint_hsv(hue, 0.3, 0.35), paint_hsv(hue, 0.25, 0.55), static_cast<float>(t));
  const double bx = (s - 0.5) / 0.38, by = (t + 0.05) / 0.42;
  colour = mix(colour, paint_hsv(hue + 0.45, 0.45, 0.3), inside(bx * bx + by * by - 1, pixel * 4));
  const double hx = (s - 0.5) / 0.17, hy = (t - 0.58) / 0.2, hair = (t - 0.63) / 0.21;
  colour = mix(colour, paint(0.25, 0.17, 0.12), inside(hx * hx / 1.25 + hair * hair - 1, pixel * 8));
  return mix(colour, paint(0.86, 0.68, 0.56), inside(hx * hx + hy * hy - 1, pixel * 8));
}

Rgb rug(const Material& m, double u, double v, double footprint) {
  const double eu = std::min(u, m.extent_u - u), ev = std::min(v, m.extent_v - v), edge = std::min(eu, ev);
  Rgb colour = m.a;
  colour = mix(colour, m.b, line_cover(edge - 0.09, 0.07, footprint));
  colour = mix(colour, m.b, line_cover(edge - 0.2, 0.02, footprint));
  if (edge > 0.24) {
    const double cu = std::fabs(u - m.extent_u / 2), cv = std::fabs(v - m.extent_v / 2);
    if (m.seed % 3 == 0) { // rings of lozenges
      const Cell ring = cell_of(cu + cv, m.scale);
      colour = mix(colour, m.b, 0.8f * line_cover(ring.to_edge, m.scale * 0.35, footprint));
    } else if (m.seed % 3 == 1) { // a lattice of dots
      const Cell i = cell_of(cu, m.scale), j = cell_of(cv, m.scale);
      const double du = i.place - m.scale / 2, dv = j.place - m.scale / 2;
      colour = mix(colour, m.b, inside(std::sqrt(du * du + dv * dv) - m.scale * 0.3, footprint));
    }
  }
  const float pile = detail(u, v, 0.012, m.seed, footprint) + detail(u, v, 0.15, m.seed + 1, footprint);
  return colour * (1 + 0.3f * pile);
}

Rgb books(const Material& m, double u, double v, double footprint) {
  // Spines 2 to 5 cm wide: a 7 cm cell holds two, parted at a random place.
  const Cell cell = cell_of(u, 0.07);
  const uint32_t h = hash(cell.index, 3, m.seed);
  const double parted = 0.02 + 0.03 * unit(h);
  const bool second = cell.place > parted;
  const uint32_t id = hash(cell.index, second ? 1 : 0, m.seed + 9), k = again(id);
  const double left = second ? cell.place - parted : cell.place, width = second ? 0.07 - parted : parted;
  // Mostly reds, browns, creams and blues; now and then any colour.
  const float pick = unit(k), hue = unit(id);
  const double tint = pick < 0.55f ? 0.97 + 0.16 * hue : pick < 0.85f ? 0.52 + 0.14 * hue : hue;
  Rgb colour = paint_hsv(tint, 0.1 + 0.6 * unit(again(id)), 0.2 + 0.65 * unit(again(k)));
  const double band = m.extent_v * (0.55 + 0.3 * unit(again(k + 1)));
  colour = mix(colour, paint(0.85, 0.8, 0.65), 0.7f * line_cover(v - band, 0.03, footprint));
  return colour * (1 - 0.75f * line_cover(std::min(left, width - left), 0.005, footprint));
}

} // namespace

Rgb paint_hsv(double hue, double saturation, double value) {
  const double h = (hue - floor_int(hue)) * 6;
  const auto channel = [&](double centre) {
    double away = std::fabs(h - centre);
    away = std::min(away, 6 - away);
    return value * (1 - saturation * std::max(0.0, std::min(1.0, away - 1)));
  };
  return paint(channel(0), channel(2), channel(4));
}

Rgb reflectance(const Material& m, double u, double v, double footprint) {
  switch (m.pattern) {
  case Pattern::plain:
    return m.a * (1 + 0.06f * (noise(u * 1.9, v * 1.9, m.seed) - 0.5f) + 0.05f * detail(u, v, 0.02, m.seed, footprint));
  case Pattern::wood: return grain(m, u, v, m.seed, footprint);
  case Pattern::planks: return board(m, u, v, m.scale, m.scale * 9, footprint);
  case Pattern::parquet: {
    const Cell i = cell_of(u, m.scale), j = cell_of(v, m.scale);
    const bool turned = ((i.index ^ j.index) & 1) != 0;
    return turned ? board(m, v, u, m.scale / 5, m.scale, footprint) : board(m, u, v, m.scale / 5, m.scale, footprint);
  }
  case Pattern::tiles: {
    const Cell i = cell_of(u, m.scale), j = cell_of(v, m.scale);
    const Rgb colour = tile_colour(m, m.a, hash(i.index, j.index, m.seed), u, v, footprint);
    return mix(colour, m.b, line_cover(std::min(i.to_edge, j.to_edge), 0.006, footprint));
  }
  case Pattern::checks: {
    const Cell i = cell_of(u, m.scale), j = cell_of(v, m.scale);
    const bool odd = ((i.index ^ j.index) & 1) != 0;
    const double edge = std::min(i.to_edge, j.to_edge);
    const Rgb base =
        mix(odd ? m.a : m.b, odd ? m.b : m.a, 0.5f * clamp01(static_cast<float>(1 - 2 * edge / footprint)));
    return tile_colour(m, base, hash(i.index, j.index, m.seed), u, v, footprint);
  }
  case Pattern::bricks: {
    const Cell row = cell_of(v, m.scale);
    const double brick = m.scale * 3.1;
    const Cell column = cell_of(u + (row.index & 1) * brick / 2, brick);
    const uint32_t id = hash(row.index, column.index, m.seed);
    const float rough = detail(u, v, 0.03, m.seed, footprint) + detail(u, v, 0.008, m.seed + 1, footprint);
    const Rgb colour = m.a * ((0.7f + 0.6f * unit(id)) * (1 + 0.5f * rough));
    return mix(colour, m.b, line_cover(std::min(row.to_edge, column.to_edge), 0.012, footprint));
  }
  case Pattern::carpet: {
    const float t = 0.5f + 1.2f * detail(u, v, 0.011, m.seed, footprint) +
                    0.6f * detail(u, v, 0.05, m.seed + 1, footprint) +
                    0.5f * (noise(u * 1.5, v * 1.5, m.seed + 2) - 0.5f);
    return mix(m.a, m.b, clamp01(t));
  }
  case Pattern::stripes: {
    const Cell i = cell_of(u, m.scale);
    const float wide = line_cover(i.place - m.scale / 2, m.scale * 0.45, footprint);
    const float thin = line_cover(i.to_edge, m.scale * 0.04, footprint);
    return mix(m.a, m.b, std::max(wide, 0.8f * thin)) * (1 + 0.05f * (noise(u * 2, v * 2, m.seed) - 0.5f));
  }
  case Pattern::diamonds: {
    const Cell row = cell_of(v, m.scale);
    const Cell column = cell_of(u + (row.index & 1) * m.scale / 2, m.scale);
    const double du = std::fabs(column.place - m.scale / 2), dv = std::fabs(row.place - m.scale / 2);
    const double d = m.seed % 2 ? du + dv - m.scale * 0.28 : std::sqrt(du * du + dv * dv) - m.scale * 0.22;
    const float figure = inside(d, footprint) - 0.7f * inside(d + m.scale * 0.1, footprint);
    return mix(m.a, m.b, clamp01(figure) * visible(m.scale, footprint)) *
           (1 + 0.05f * (noise(u * 2, v * 2, m.seed) - 0.5f));
  }
  case Pattern::fabric: {
    const float weave = detail(u, v * 0.5, 0.008, m.seed, footprint) + 0.8f * detail(u, v, 0.03, m.seed + 1, footprint);
    return mix(m.a, m.b, clamp01(0.5f + 0.9f * weave)) * (1 + 0.14f * (noise(u * 5, v * 5, m.seed + 2) - 0.5f));
  }
  case Pattern::folds: {
    const double x =
        u + 0.03 * noise(v * 0.7, u * 3, m.seed) + 0.4 * m.scale * noise(u / m.scale * 0.4, v * 0.3, m.seed + 1);
    const Cell fold = cell_of(x, m.scale);
    const float t = static_cast<float>(2 * fold.to_edge / m.scale);
    return m.a * (0.62f + 0.5f * (smooth(t) * visible(m.scale, footprint) + 0.5f * (1 - visible(m.scale, footprint))));
  }
  case Pattern::rug: return rug(m, u, v, footprint);
  case Pattern::picture: return painting(m, u / m.extent_u, v / m.extent_v, footprint / m.extent_u);
  case Pattern::books: return books(m, u, v, footprint);
  case Pattern::leaves: {
    const float n = detail(u, v, 0.05, m.seed, footprint) + 0.6f * detail(u, v, 0.018, m.seed + 1, footprint);
    return mix(m.a, m.b, clamp01(0.5f + 1.3f * n));
  }
  case Pattern::screen: {
    const double s = u / m.extent_u, t = v / m.extent_v;
    const Rgb ground = mix(m.a, m.b, static_cast<float>(0.5 * s + 0.5 * t));
    const Cell row = cell_of(t, 0.07);
    const double right = 0.1 + 0.55 * unit(hash(row.index, 1, m.seed));
    const bool text = m.seed % 2 && t > 0.1 && t < 0.85 && s > 0.08 && s < right;
    return text ? mix(ground, paint(0.95, 0.95, 0.97),
                      line_cover((row.place - 0.035) * m.extent_v, 0.03 * m.extent_v, footprint))
                : ground;
  }
  case Pattern::keys: {
    const Cell i = cell_of(u, m.scale), j = cell_of(v, m.scale);
    return mix(m.a, m.b, line_cover(std::min(i.to_edge, j.to_edge), m.scale * 0.2, footprint));
  }
  }
  return m.a;
}

Rgb sky_radiance(uint32_t seed, float brightness, Vec3 d) {
  // Direction on a box around the room instead of angles: no arc tangents, and buildings keep straight edges.
  const double flat = std::max({std::fabs(d.x), std::fabs(d.y), 1e-6});
  const double u = std::fabs(d.x) > std::fabs(d.y) ? d.y / flat + (d.x > 0 ? 4 : 8) : d.x / flat + (d.y > 0 ? 12 : 16);
  const double up = d.z / flat;
  const float cloudy = unit(hash(1u, 1u, seed));
  const float height = clamp01(static_cast<float>(up * 0.8));
  Rgb colour = mix(Rgb{0.95f, 1.0f, 1.05f}, mix(Rgb{0.32f, 0.55f, 1.0f}, Rgb{0.8f, 0.85f, 0.9f}, cloudy), height);
  colour = mix(colour, Rgb{1.15f, 1.13f, 1.1f}, smooth_step(0.5f, 0.8f, noise(u * 3, up * 6, seed)) * 0.8f);
  const uint32_t place = hash(2u, 2u, seed) % 3;
  if (place == 0) { // a street of houses
    const Cell house = cell_of(u, 0.22);
    const uint32_t id = hash(house.index, 5, seed);
    const double roof = -0.02 + 0.35 * unit(id);
    if (up < roof) {
      const Rgb wall = paint_hsv(0.03 + 0.1 * unit(again(id)), 0.2 + 0.3 * unit(again(id)), 0.45 + 0.3 * unit(id));
      const Cell wx = cell_of(house.place, 0.055), wy = cell_of(up + 4, 0.09);
      const bool pane = wx.to_edge > 0.014 && wy.to_edge > 0.022 && up > -0.5 && up < roof - 0.03;
      colour = pane ? Rgb{0.08f, 0.1f, 0.13f} : wall * 0.6f;
    }
  } else { // trees and a lawn, or hills far away
    const double rough = place == 1 ? 0.3 : 0.06;
    const double top = rough * (noise(u * 5, 0.5, seed) + 0.4 * noise(u * 23, 0.5, seed + 1) - 0.35);
    if (up < top) {
      const float n = noise(u * 30, up * 30, seed + 2);
      colour = mix(Rgb{0.06f, 0.13f, 0.04f}, Rgb{0.22f, 0.33f, 0.12f}, n * (place == 1 ? 1.0f : 0.5f));
    }
  }
  if (up < -0.12) colour = mix(Rgb{0.16f, 0.24f, 0.08f}, Rgb{0.3f, 0.3f, 0.27f}, place == 0 ? 1.0f : 0.15f);
  return colour * brightness;
}

} // namespace leadline::data::synthetic
