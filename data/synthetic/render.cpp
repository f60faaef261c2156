#include "data/synthetic/render.hpp"

#include <array>

namespace leadline::data::synthetic {
namespace {

// Light is gathered sparsely and shared among neighbours. Every second pixel, as on a chess board, follows one shadow
// ray to each light and one ray for light that comes from other surfaces; which point of the lamp and which direction,
// a pattern of 4x4 pixels decides. A filter then takes the mean over the 4x4 neighbours on the same surface: each pixel
// ends up with eight well-spread samples. Light that is smooth by nature (from windows, from other surfaces, dull
// reflections) is smoothed once more over a wider window. The surface's own texture is applied after the filter and
// stays sharp.
constexpr int tile = 4;
constexpr int pattern_size = 8;
constexpr bool gathers(int x, int y) { return (x + y) % 2 == 0; }
constexpr int pattern_place(int x, int y) { return x % tile / 2 + 2 * (y % tile); }

/// What the ray through the middle of a pixel found.
struct Surface {
  Vec3 position;
  Vec3 normal; ///< for shading: bent at bevels
  Vec3 geometric;
  Vec3 towards_eye;
  Rgb albedo;
  Rgb emission;
  float depth = 0;
  float gloss = 0, roughness = 0;
  int primitive = -1;
  int flat = -1; ///< number of the plane face that this is, -1 on curved and bevelled places
};

/// Light that arrives directly (irradiance over pi): from small sources, with sharp shadows, and from windows and
/// panels.
struct Direct {
  Rgb sharp, soft;
};

/// All the light of a place: with soft, also what other surfaces throw back; and what is mirrored (radiance).
struct Received {
  Rgb sharp, soft, mirrored;
};
Received operator+(const Received& a, const Received& b) {
  return {a.sharp + b.sharp, a.soft + b.soft, a.mirrored + b.mirrored};
}
Received operator*(const Received& a, float s) { return {a.sharp * s, a.soft * s, a.mirrored * s}; }

struct Sample2 {
  double u, v; ///< 0..1
};

/// Eight points that fill the square evenly: no two share a row or column of an 8x8 grid (nor, nearly, a diagonal), in
/// an order that puts neighbours of the pattern far apart.
constexpr std::array<Sample2, pattern_size> pattern = {{{0.0625, 0.4375},
                                                        {0.5625, 0.8125},
                                                        {0.8125, 0.1875},
                                                        {0.3125, 0.0625},
                                                        {0.6875, 0.5625},
                                                        {0.1875, 0.9375},
                                                        {0.4375, 0.3125},
                                                        {0.9375, 0.6875}}};

/// Two unit vectors that stand upright on `n` and on one another.
void tangents(Vec3 n, Vec3& u, Vec3& v) {
  u = normalised(cross(std::fabs(n.z) < 0.7 ? Vec3{0, 0, 1} : Vec3{1, 0, 0}, n));
  v = cross(n, u);
}

/// A point of the unit disc: squares of the unit square become rings (Shirley and Chiu 1997).
Sample2 disc(Sample2 s) {
  const double a = 2 * s.u - 1, b = 2 * s.v - 1;
  if (a == 0 && b == 0) return {0, 0};
  if (std::fabs(a) > std::fabs(b)) {
    const auto [sine, cosine] = sin_cos(pi / 4 * (b / a));
    return {a * cosine, a * sine};
  }
  const auto [sine, cosine] = sin_cos(pi / 4 * (a / b));
  return {b * sine, b * cosine};
}

class Renderer {
public:
  Renderer(const Scene& scene, int height, int width)
      : scene_(scene), height_(height), width_(width), guesses_(scene.lights.size() + 1, 0) {
    Vec3 u, v;
    tangents(normalised(scene.sun + Vec3{0, 0, 1e-9}), u, v);
    for (size_t i = 0; i < pattern_size; ++i) {
      disc_[i] = disc(pattern[i]);
      const double r = disc_[i].u * disc_[i].u + disc_[i].v * disc_[i].v, up = std::sqrt(1 - r);
      ball_[i] = {disc_[i].u, disc_[i].v, i % 2 ? up : -up};
      sun_[i] = scene.sun + (u * disc_[i].u + v * disc_[i].v) * 0.005; // half a degree wide
    }
  }

  Rendering run(const Exposure& exposure) {
    find_surfaces();
    gather_light();
    filter_light();
    compose();
    return develop(exposure);
  }

private:
  size_t at(int x, int y) const {
    return static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x);
  }
  const Material& material(int primitive) const {
    return scene_.materials[static_cast<size_t>(scene_.primitives[static_cast<size_t>(primitive)].material)];
  }

  Surface surface(const Ray& ray, const Hit& hit) const;
  Received receive(const Surface& s, size_t sample, Sample2 jitter);
  Direct direct(Vec3 p, Vec3 n, size_t sample, Sample2 jitter, bool shadows);
  Rgb light_without_shadows(Vec3 p, Vec3 n);
  Rgb radiance_seen(const Ray& ray);
  bool same_surface(const Surface& a, const Surface& b) const;
  bool needs_more_rays(int x, int y) const;
  Rgb shade(const Surface& s, const Received& light) const;
  Rgb shade_between(int x, int y, double dx, double dy);

  void find_surfaces();
  void gather_light();
  void filter_light();
  void compose();
  Rendering develop(const Exposure& exposure) const;

  const Scene& scene_;
  int height_, width_;
  std::array<Sample2, pattern_size> disc_;
  std::array<Vec3, pattern_size> ball_, sun_; ///< points of a unit ball; directions to points of the sun
  std::vector<int> guesses_;                  ///< what was last in the way, by light
  int seen_ = 0;                              ///< what the camera saw last
  std::vector<Surface> surfaces_;
  std::vector<Received> raw_, light_;
  std::vector<Rgb> picture_;
};

Surface Renderer::surface(const Ray& ray, const Hit& hit) const {
  Surface s;
  if (hit.primitive < 0) return s;
  const Primitive& primitive = scene_.primitives[static_cast<size_t>(hit.primitive)];
  const Material& m = material(hit.primitive);
  s.primitive = hit.primitive;
  s.depth = static_cast<float>(hit.t);
  s.position = ray.at(hit.t);
  s.geometric = s.normal = hit.geometric;
  s.towards_eye = -normalised(ray.direction);
  s.gloss = m.gloss;
  s.roughness = m.roughness;

  // Texture coordinates: the two axes along the face.
  const Vec3 p = hit.local + primitive.texture_origin;
  double u = p.x, v = p.y;
  bool swap = false;
  const Vec3 size = primitive.size;
  if (primitive.shape == Shape::box) {
    if (hit.face == 0)
      u = p.y, v = p.z, swap = !primitive.upright && size.z > size.y;
    else if (hit.face == 1)
      u = p.x, v = p.z, swap = !primitive.upright && size.z > size.x;
    else
      swap = !primitive.upright && size.y > size.x;
    if (primitive.upright && hit.face == 1 && m.pattern == Pattern::picture)
      u = m.extent_u - u; // fronts look along +y: left is at +x
  } else if (primitive.shape == Shape::frustum && hit.face == 0) {
    // Around the axis without arc tangents: the nearer of the four sides.
    u = p.z;
    v = std::fabs(hit.local.x) > std::fabs(hit.local.y) ? p.y : p.x + 3;
  } else if (primitive.shape == Shape::ellipsoid) {
    v = p.y + 0.5 * p.z;
  }
  if (swap) std::swap(u, v);

  if (m.sky) {
    s.emission = sky_radiance(scene_.sky_seed, scene_.sky_brightness, -s.towards_eye);
    return s;
  }
  const double facing = std::max(0.15, dot(s.geometric, s.towards_eye));
  s.albedo = reflectance(m, u, v, hit.t / scene_.camera.fx / std::sqrt(facing));
  if (m.emission > 0) s.emission = s.albedo * m.emission;

  if (primitive.shape == Shape::box) {
    const Vec3 q = hit.local;
    // A bevel narrower than a pixel would be met by chance and show as a dashed line.
    const bool wide_enough = primitive.bevel > hit.t / scene_.camera.fx;
    const double bevel = wide_enough ? primitive.bevel : 0;
    const auto bend = [&](double place, double half, bool own) {
      const double edge = half - std::fabs(place);
      return own || bevel <= 0 || edge >= bevel ? 0.0 : (place < 0 ? -1 : 1) * (1 - edge / bevel) * 0.85;
    };
    const Vec3 lean{bend(q.x, size.x, hit.face == 0), bend(q.y, size.y, hit.face == 1),
                    bend(q.z, size.z, hit.face == 2)};
    if (lean.x == 0 && lean.y == 0 && lean.z == 0)
      s.flat = 3 * hit.primitive + hit.face;
    else
      s.normal = normalised(s.geometric + primitive.frame.direction_to_world(lean));
  }
  return s;
}

/// Light from lamps, windows and the sun on the point p with normal n; `sample` chooses the points of the lamps,
/// `jitter` moves them a little.
Direct Renderer::direct(Vec3 p, Vec3 n, size_t sample, Sample2 jitter, bool shadows) {
  const auto wrapped = [](double x) { return x < 0 ? x + 1 : x >= 1 ? x - 1 : x; };
  const Sample2 point = {wrapped(pattern[sample].u + 0.3 * jitter.u), wrapped(pattern[sample].v + 0.3 * jitter.v)};
  const float negligible = 0.1f * luminance(scene_.ambient);
  Direct sum;
  for (size_t i = 0; i < scene_.lights.size(); ++i) {
    const Light& light = scene_.lights[i];
    Vec3 to = light.position - p;
    if (light.rectangle)
      to = to + light.u * (2 * point.u - 1) + light.v * (2 * point.v - 1);
    else
      to = to + ball_[sample] * light.radius;
    const double cosine = dot(n, to);
    if (cosine <= 0) continue;
    const double square = std::max(dot(to, to), 0.04), distance = std::sqrt(square);
    double share = cosine / (distance * square);
    if (light.rectangle) {
      const double leaving = -dot(light.normal, to) / distance;
      if (leaving <= 0) continue;
      share *= leaving;
    }
    const Rgb power = light.power * static_cast<float>(share);
    if (shadows && luminance(power) > negligible && scene_.occluded({p, to}, 1e-9, 1 - 1e-6, guesses_[i])) continue;
    Rgb& part = light.rectangle ? sum.soft : sum.sharp;
    part = part + power;
  }
  if (scene_.sunlight.r > 0) {
    const double cosine = dot(n, scene_.sun);
    if (cosine > 0) {
      bool through = false;
      for (const Opening& window : scene_.windows) {
        const double across = dot(scene_.sun, window.normal);
        if (across <= 1e-6) continue;
        const Vec3 at_window = p + scene_.sun * (dot(window.centre - p, window.normal) / across) - window.centre;
        through = through || (std::fabs(dot(at_window, window.u)) < dot(window.u, window.u) &&
                              std::fabs(dot(at_window, window.v)) < dot(window.v, window.v));
      }
      if (through && !(shadows && scene_.occluded({p, sun_[sample]}, 1e-9, 50, guesses_.back())))
        sum.sharp = sum.sharp + scene_.sunlight * static_cast<float>(cosine);
    }
  }
  return sum;
}

/// A rough guess of the light on a point, for surfaces that are seen by way of others.
Rgb Renderer::light_without_shadows(Vec3 p, Vec3 n) {
  const Direct shining = direct(p, n, 3, {0, 0}, false);
  const Rgb light = (shining.sharp + shining.soft) * 0.6f;
  // Close to a lamp a single sample would outshine all others.
  const float most = 2.5f * luminance(scene_.ambient), has = luminance(light);
  return light * (has > most ? most / has : 1.0f) + scene_.ambient;
}

/// Indirect light along a ray. Lamps and windows count as lights already and are dark here.
Rgb Renderer::radiance_seen(const Ray& ray) {
  const Hit hit = scene_.intersect(ray);
  if (hit.primitive < 0) return {};
  const Material& m = material(hit.primitive);
  if (m.sky || !m.casts_shadow) return {};
  const bool one_colour = m.pattern == Pattern::plain || m.pattern == Pattern::folds;
  const Rgb mean = one_colour ? m.a : mix(m.a, m.b, 0.4f);
  return mean * light_without_shadows(ray.at(hit.t), hit.geometric) + mean * m.emission;
}

Received Renderer::receive(const Surface& s, size_t sample, Sample2 jitter) {
  if (s.primitive < 0 || material(s.primitive).sky) return {};
  const Vec3 p = s.position + s.geometric * 1e-5;
  Received light;
  const Direct shining = direct(p, s.normal, sample, jitter, true);
  Vec3 u, v;
  tangents(s.normal, u, v);
  const Sample2 d = disc_[sample];
  // Turned a little from pixel to pixel, or the eight directions would show as eight faint shadows.
  const double spread = 0.8 * jitter.u, c = std::sqrt(1 - spread * spread), a = d.u * c - d.v * spread,
               b = d.u * spread + d.v * c;
  const Vec3 up = s.normal * std::sqrt(std::max(0.0, 1 - a * a - b * b));
  light.sharp = shining.sharp;
  light.soft = shining.soft + radiance_seen({p, u * a + v * b + up});

  if (s.gloss > 0) {
    const double facing = std::max(0.0, dot(s.normal, s.towards_eye));
    const double away = 1 - std::max(facing, dot(s.geometric, s.towards_eye)),
                 grazing = away * away * away * away * away;
    const float share = static_cast<float>(s.gloss + (1 - s.gloss) * grazing * (1 - s.roughness));
    const Vec3 mirror = s.normal * (2 * facing) - s.towards_eye;
    Vec3 mu, mv;
    tangents(mirror, mu, mv);
    const Vec3 to = normalised(mirror + (mu * a + mv * b) * (0.6 * s.roughness));
    if (share > 0.012f && dot(to, s.geometric) > 0.01) {
      const Ray ray{p, to};
      const Hit hit = scene_.intersect(ray);
      Rgb seen;
      if (hit.primitive >= 0) {
        const Material& m = material(hit.primitive);
        if (m.sky)
          seen = sky_radiance(scene_.sky_seed, scene_.sky_brightness * 2, to);
        else if (!m.casts_shadow)
          seen = m.a * std::min(2 * m.emission, 4 * luminance(scene_.ambient));
        else
          seen = m.a * light_without_shadows(ray.at(hit.t), hit.geometric);
      }
      light.mirrored = seen * share;
    }
  }
  return light;
}

void Renderer::find_surfaces() {
  surfaces_.resize(static_cast<size_t>(height_) * static_cast<size_t>(width_));
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x) {
      const Ray ray = scene_.camera.ray(x, y);
      surfaces_[at(x, y)] = surface(ray, scene_.intersect(ray, seen_));
    }
}

void Renderer::gather_light() {
  raw_.resize(surfaces_.size());
  for (int y = 0; y < height_; ++y)
    for (int x = y % 2; x < width_; x += 2) {
      uint32_t h = (static_cast<uint32_t>(x) * 0x9E3779B1u ^ static_cast<uint32_t>(y) * 0x85EBCA77u) * 0xC2B2AE3Du;
      h = (h ^ h >> 15) * 0x2C1B3C6Du;
      const Sample2 jitter = {(h >> 16) / 65536.0 - 0.5, (h & 0xFFFF) / 65536.0 - 0.5};
      raw_[at(x, y)] = receive(surfaces_[at(x, y)], pattern_place(x, y), jitter);
    }
}

bool Renderer::same_surface(const Surface& a, const Surface& b) const {
  if (a.flat >= 0 && a.flat == b.flat) return true;
  if (b.primitive < 0 || dot(a.normal, b.normal) < 0.93) return false;
  const double off = std::fabs(dot(a.geometric, b.position - a.position));
  return off < 0.01 + 0.004 * static_cast<double>(a.depth) && (a.gloss > 0) == (b.gloss > 0);
}

void Renderer::filter_light() {
  light_.resize(raw_.size());
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x) {
      const Surface& s = surfaces_[at(x, y)];
      if (s.primitive < 0) continue;
      Received sum;
      float count = 0;
      for (int j = std::max(0, y - 1); j <= std::min(height_ - 1, y + 2); ++j)
        for (int i = std::max(0, x - 1); i <= std::min(width_ - 1, x + 2); ++i)
          if (gathers(i, j) && ((i == x && j == y) || same_surface(s, surfaces_[at(i, j)]))) {
            sum = sum + raw_[at(i, j)];
            count += 1;
          }
      light_[at(x, y)] = count > 0 ? sum * (1 / count) : receive(s, pattern_place(x, y), {0, 0});
    }
  // The wider window: nine places, four pixels apart, each a mean already.
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x) {
      const Surface& s = surfaces_[at(x, y)];
      if (s.primitive < 0) continue;
      Received sum;
      float count = 0;
      for (int j = y - 4; j <= y + 4; j += 4)
        for (int i = x - 4; i <= x + 4; i += 4)
          if (i >= 0 && j >= 0 && i < width_ && j < height_ && same_surface(s, surfaces_[at(i, j)])) {
            sum = sum + light_[at(i, j)];
            count += 1;
          }
      raw_[at(x, y)] = sum * (1 / count);
    }
  for (size_t i = 0; i < light_.size(); ++i) {
    light_[i].soft = raw_[i].soft;
    if (surfaces_[i].roughness > 0.08f) light_[i].mirrored = raw_[i].mirrored;
  }
}

Rgb Renderer::shade(const Surface& s, const Received& light) const {
  return s.albedo * (light.sharp + light.soft) + light.mirrored + s.emission;
}

bool Renderer::needs_more_rays(int x, int y) const {
  const Surface& s = surfaces_[at(x, y)];
  for (int j = std::max(0, y - 1); j <= std::min(height_ - 1, y + 1); ++j)
    for (int i = std::max(0, x - 1); i <= std::min(width_ - 1, x + 1); ++i) {
      const Surface& o = surfaces_[at(i, j)];
      if ((s.flat >= 0 && o.flat == s.flat) || (o.primitive == s.primitive && dot(o.normal, s.normal) > 0.95)) continue;
      if (s.primitive < 0 || !same_surface(s, o) ||
          scene_.primitives[static_cast<size_t>(s.primitive)].material !=
              scene_.primitives[static_cast<size_t>(o.primitive)].material)
        return true;
    }
  return false;
}

/// The colour off the middle of an edge pixel: a ray of its own, lit like the neighbour that shows the same surface.
Rgb Renderer::shade_between(int x, int y, double dx, double dy) {
  const Ray ray = scene_.camera.ray(x + dx, y + dy);
  const Surface s = surface(ray, scene_.intersect(ray, seen_));
  if (s.primitive < 0) return {};
  const Received* nearest = nullptr;
  double least = 1e30;
  for (int j = std::max(0, y - 1); j <= std::min(height_ - 1, y + 1); ++j)
    for (int i = std::max(0, x - 1); i <= std::min(width_ - 1, x + 1); ++i) {
      const Surface& o = surfaces_[at(i, j)];
      if (o.primitive != s.primitive && !same_surface(s, o)) continue;
      const Vec3 apart = o.position - s.position;
      const double difference = dot(apart, apart) + (1 - dot(o.normal, s.normal)) * 0.1;
      if (dot(o.normal, s.normal) > 0.8 && difference < least) {
        least = difference;
        nearest = &light_[at(i, j)];
      }
    }
  if (nearest) return shade(s, *nearest);
  Received sum; // seen between the pixels only: four samples of its own
  for (const size_t sample : {0u, 2u, 4u, 5u}) sum = sum + receive(s, sample, {0, 0}) * 0.25f;
  return shade(s, sum);
}

/// A lamp or window much brighter than white would swallow the edges around it.
Rgb bounded(Rgb c) { return {std::min(c.r, 8.0f), std::min(c.g, 8.0f), std::min(c.b, 8.0f)}; }

void Renderer::compose() {
  picture_.resize(surfaces_.size());
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x) {
      if (!needs_more_rays(x, y)) {
        picture_[at(x, y)] = shade(surfaces_[at(x, y)], light_[at(x, y)]);
        continue;
      }
      // The middle and three places around it.
      Rgb sum = bounded(shade(surfaces_[at(x, y)], light_[at(x, y)]));
      for (const auto& [dx, dy] : {std::array{-0.125, -0.375}, {0.375, 0.0625}, {-0.25, 0.3125}})
        sum = sum + bounded(shade_between(x, y, dx, dy));
      picture_[at(x, y)] = sum * 0.25f;
    }
}

/// sRGB's curve at 1024 steps: x^(1/2.4) by roots alone, x^(5/12) = (((x^(1/2))^(1/2))^(1/3))^5.
std::array<float, 1026> make_gamma() {
  std::array<float, 1026> table;
  for (size_t i = 0; i < table.size(); ++i) {
    const double x = static_cast<double>(i) / 1024, quarter = std::sqrt(std::sqrt(x));
    double cube_root = 1;
    for (int step = 0; step < 40; ++step) cube_root -= (cube_root - quarter / (cube_root * cube_root)) / 3;
    const double square = cube_root * cube_root, power = square * square * cube_root;
    table[i] = static_cast<float>(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * power - 0.055));
  }
  return table;
}

Rendering Renderer::develop(const Exposure& exposure) const {
  static const std::array<float, 1026> gamma = make_gamma();
  // The camera meters: brings the mean, bright spots clipped, to its aim.
  double metered = 0, clip = 1e30;
  for (int round = 0; round < 3; ++round) {
    metered = 0;
    for (const Rgb& c : picture_) metered += std::min(static_cast<double>(luminance(c)), clip);
    metered = metered / static_cast<double>(picture_.size()) + 1e-6;
    clip = 3 * metered;
  }
  const float gain = static_cast<float>(0.3 * static_cast<double>(exposure.brightness) / metered);

  Rendering out;
  out.rgb.resize(3 * picture_.size());
  out.depth.resize(picture_.size());
  const double half = 0.5 * std::sqrt(static_cast<double>(height_ * height_ + width_ * width_));
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x) {
      const size_t i = at(x, y);
      out.depth[i] = surfaces_[i].depth;
      const double rx = (x - 0.5 * (width_ - 1)) / half, ry = (y - 0.5 * (height_ - 1)) / half;
      const float fall = 1 - exposure.vignetting * static_cast<float>(rx * rx + ry * ry);
      const Rgb c = picture_[i] * exposure.white * (gain * fall);
      const PhiloxBlock random = philox4x32(exposure.noise_seed, i, 0x5E45);
      const float channel[3] = {c.r, c.g, c.b};
      for (size_t k = 0; k < 3; ++k) {
        // Film-like shoulder: straight in the dark, white at about four times mid-scale.
        const float l = channel[k], toned = std::min(1.0f, l * (1 + l / 9) / (1 + 0.55f * l));
        const float place = toned * 1024;
        const int step = static_cast<int>(place);
        const float t = place - static_cast<float>(step);
        const size_t s = static_cast<size_t>(step);
        float level = gamma[s] * (1 - t) + gamma[s + 1] * t;
        // Sum of four uniform bytes: nearly a bell curve, standard deviation 147.8.
        const uint32_t w = random.word[k];
        const float bell = static_cast<float>((w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24)) - 510.0f;
        level += bell * (exposure.noise / 147.8f);
        out.rgb[3 * i + k] = static_cast<uint8_t>(std::max(0.0f, std::min(255.0f, level + 0.5f)));
      }
    }
  return out;
}

} // namespace

Exposure draw_exposure(uint64_t seed, uint64_t stream) {
  Draws draws(seed, philox_stream(stream, 100));
  Exposure e;
  e.brightness = static_cast<float>(draws.uniform(0.75, 1.35));
  const double warm = draws.uniform(-0.5, 1), tint = draws.uniform(-1, 1);
  e.white = {static_cast<float>(1 + 0.09 * warm), static_cast<float>(1 + 0.02 * tint),
             static_cast<float>(1 - 0.11 * warm)};
  e.vignetting = static_cast<float>(draws.uniform(0, 0.35));
  const double grain = draws.unit();
  e.noise = static_cast<float>(0.4 + 3.2 * grain * grain);
  e.noise_seed = philox_stream(seed, stream, 101);
  return e;
}

Rendering render(const Scene& scene, int height, int width, const Exposure& exposure) {
  return Renderer(scene, height, width).run(exposure);
}

void add_depth_faults(const Scene& scene, int height, int width, double strength, uint64_t seed, uint64_t stream,
                      std::vector<float>& depth) {
  const uint64_t key = philox_stream(seed, stream, 102);
  const std::vector<float> exact = depth;
  const auto at = [&](int x, int y) {
    return static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x);
  };
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const size_t i = at(x, y);
      const double z = static_cast<double>(exact[i]);
      const PhiloxBlock random = philox4x32(key, i, 0xDE);
      const auto unit = [&](int k) { return static_cast<double>(random.word[k]) / 4294967296.0; };
      // Noise and steps as Kinect has them: 1.2 mm + 1.9 mm (z - 0.4)^2 (Khoshelham and Elberink, Nguyen et al. 2012).
      const double sigma = 0.0012 + 0.0019 * (z - 0.4) * (z - 0.4), step = 0.0028 * z * z;
      const double bell = (unit(0) + unit(1) + unit(2) - 1.5) * 2;
      double measured = z + strength * sigma * bell;
      if (step > 0) measured += strength * (step * std::floor(measured / step + 0.5) - measured);

      const Ray ray = scene.camera.ray(x, y);
      const Hit hit = scene.intersect(ray);
      bool hole = hit.primitive < 0 || z > 8 + 4 * (1 - strength);
      if (!hole) {
        const Material& m =
            scene.materials[static_cast<size_t>(scene.primitives[static_cast<size_t>(hit.primitive)].material)];
        const double facing = -dot(hit.geometric, ray.direction) / length(ray.direction);
        double lost = facing < 0.25 ? (0.25 - facing) * 3.5 : 0;
        lost += m.sky ? 0.9 : 0;
        lost += luminance(m.a) < 0.03f && !m.sky ? 0.35 : 0;
        lost += m.gloss > 0.2f ? 0.4 : 0;
        // To the right of a near edge lies what the projector doesn't reach.
        const int shadow = std::max(1, width / 100);
        for (int k = 1; k <= shadow && x - k >= 0; ++k)
          lost += static_cast<double>(exact[at(x - k, y)]) < 0.93 * z ? 0.8 : 0;
        hole = unit(3) < strength * (lost + 0.002);
      }
      depth[i] = hole ? 0.0f : static_cast<float>(measured);
    }
}

} // namespace leadline::data::synthetic
