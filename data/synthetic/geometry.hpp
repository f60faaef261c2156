// The little geometry that the room renderer needs: vectors, frames, rays, boxes, colours. Only + - * / and sqrt are
// used, which IEEE 754 defines to the last bit: the same scene gives the same picture with any compiler.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace leadline::data::synthetic {

/// A point or direction, metres.
struct Vec3 {
  double x = 0, y = 0, z = 0;
};

inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator-(Vec3 a) { return {-a.x, -a.y, -a.z}; }
inline Vec3 operator*(Vec3 a, double s) { return {a.x * s, a.y * s, a.z * s}; }
inline double dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
inline double length(Vec3 a) { return std::sqrt(dot(a, a)); }
inline Vec3 normalised(Vec3 a) { return a * (1.0 / length(a)); }
inline Vec3 min(Vec3 a, Vec3 b) { return {std::min(a.x, b.x), std::min(a.y, b.y), std::min(a.z, b.z)}; }
inline Vec3 max(Vec3 a, Vec3 b) { return {std::max(a.x, b.x), std::max(a.y, b.y), std::max(a.z, b.z)}; }

inline constexpr double pi = 3.14159265358979323846;
inline constexpr double degrees = pi / 180;

struct SinCos {
  double sin, cos;
};

/// Sine and cosine for |angle| <= 2 pi, about 1e-15 absolute: Taylor series of a sixteenth of the angle, then four
/// doublings. (libm's differ in the last bit from one C library to the next.)
inline SinCos sin_cos(double angle) {
  const double a = angle / 16, q = a * a;
  double s = a * (1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (1 - q / 110 * (1 - q / 156))))));
  // One minus cosine instead of cosine: the doublings would lose digits near one.
  double v = q / 2 * (1 - q / 12 * (1 - q / 30 * (1 - q / 56 * (1 - q / 90 * (1 - q / 132)))));
  for (int i = 0; i < 4; ++i) {
    const double sine = s;
    s = 2 * sine * (1 - v);
    v = 2 * sine * sine;
  }
  return {s, 1 - v};
}

/// Rigid placement: local axes in world coordinates, orthonormal and right-handed.
struct Frame {
  Vec3 origin, x{1, 0, 0}, y{0, 1, 0}, z{0, 0, 1};

  Vec3 direction_to_world(Vec3 d) const { return x * d.x + y * d.y + z * d.z; }
  Vec3 to_world(Vec3 p) const { return origin + direction_to_world(p); }
  Vec3 direction_to_local(Vec3 d) const { return {dot(x, d), dot(y, d), dot(z, d)}; }
  Vec3 to_local(Vec3 p) const { return direction_to_local(p - origin); }
  /// The frame `inner`, given in this frame's coordinates, in world coordinates.
  Frame operator*(const Frame& inner) const {
    return {to_world(inner.origin), direction_to_world(inner.x), direction_to_world(inner.y),
            direction_to_world(inner.z)};
  }
};

/// Rotations about one axis, radians, counter-clockwise seen from the axis' tip.
inline Frame turned_about_x(Vec3 origin, double angle) {
  const auto [s, c] = sin_cos(angle);
  return {origin, {1, 0, 0}, {0, c, s}, {0, -s, c}};
}
inline Frame turned_about_y(Vec3 origin, double angle) {
  const auto [s, c] = sin_cos(angle);
  return {origin, {c, 0, -s}, {0, 1, 0}, {s, 0, c}};
}
inline Frame turned_about_z(Vec3 origin, double angle) {
  const auto [s, c] = sin_cos(angle);
  return {origin, {c, s, 0}, {-s, c, 0}, {0, 0, 1}};
}

/// `direction` need not have length one: `at(t)` moves by multiples of it.
struct Ray {
  Vec3 origin, direction;
  Vec3 at(double t) const { return origin + direction * t; }
};

/// Axis-aligned box; empty as constructed.
struct Aabb {
  Vec3 low{1e30, 1e30, 1e30}, high{-1e30, -1e30, -1e30};

  void include(const Aabb& b) {
    low = min(low, b.low);
    high = max(high, b.high);
  }
  Vec3 centre() const { return (low + high) * 0.5; }
  double distance(Vec3 p) const {
    const Vec3 outside = max(max(low - p, p - high), Vec3{0, 0, 0});
    return length(outside);
  }
};

/// Linear light or reflectance, red green blue.
struct Rgb {
  float r = 0, g = 0, b = 0;
};

inline Rgb operator+(Rgb a, Rgb b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
inline Rgb operator*(Rgb a, Rgb b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
inline Rgb operator*(Rgb a, float s) { return {a.r * s, a.g * s, a.b * s}; }
inline Rgb mix(Rgb a, Rgb b, float t) { return a * (1 - t) + b * t; }
inline float luminance(Rgb a) { return 0.2126f * a.r + 0.7152f * a.g + 0.0722f * a.b; }

} // namespace leadline::data::synthetic
