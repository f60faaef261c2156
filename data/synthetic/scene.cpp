#include "data/synthetic/scene.hpp"

#include <numeric>

namespace leadline::data::synthetic {
namespace {

struct Entry {
  double t;
  int face;
};
constexpr Entry no_entry{1e30, 0};

// Each function gives where the ray enters the solid; rays that start inside one don't see it.

Entry enter_box(Vec3 o, Vec3 d, Vec3 half) {
  const Vec3 inverse{1 / d.x, 1 / d.y, 1 / d.z};
  const Vec3 middle{-o.x * inverse.x, -o.y * inverse.y, -o.z * inverse.z};
  const Vec3 reach{half.x * std::fabs(inverse.x), half.y * std::fabs(inverse.y), half.z * std::fabs(inverse.z)};
  const Vec3 in = middle - reach, out = middle + reach;
  const double enter = std::max({in.x, in.y, in.z}), leave = std::min({out.x, out.y, out.z});
  if (!(enter < leave))
    return no_entry;
  return {enter, enter == in.x ? 0 : enter == in.y ? 1 : 2};
}

Entry enter_frustum(Vec3 o, Vec3 d, Vec3 size) {
  const double bottom = size.x, top = size.y, half = size.z;
  Entry best = no_entry;
  // Side: x^2 + y^2 = r(z)^2, r(z) = middle + slope * z.
  const double middle = (bottom + top) / 2, slope = (top - bottom) / (2 * half);
  const double r = middle + slope * o.z, dr = slope * d.z;
  const double a = d.x * d.x + d.y * d.y - dr * dr, b = o.x * d.x + o.y * d.y - r * dr, c = o.x * o.x + o.y * o.y - r * r;
  const double root = b * b - a * c;
  if (root >= 0 && std::fabs(a) > 1e-15) {
    for (const double t : {(-b - std::sqrt(root)) / a, (-b + std::sqrt(root)) / a}) {
      const double x = o.x + t * d.x, y = o.y + t * d.y, radius = r + dr * t;
      const bool on_side = std::fabs(o.z + t * d.z) <= half && radius >= 0;
      const bool inwards = x * d.x + y * d.y < slope * d.z * radius;
      if (on_side && inwards && t < best.t)
        best = {t, 0};
    }
  }
  // The cap that faces the ray.
  const double cap = d.z < 0 ? half : -half, radius = d.z < 0 ? top : bottom;
  const double t = (cap - o.z) / d.z, x = o.x + t * d.x, y = o.y + t * d.y;
  if (x * x + y * y <= radius * radius && t < best.t)
    best = {t, 2};
  return best;
}

Entry enter_ellipsoid(Vec3 o, Vec3 d, Vec3 radii) {
  const Vec3 p{o.x / radii.x, o.y / radii.y, o.z / radii.z}, q{d.x / radii.x, d.y / radii.y, d.z / radii.z};
  const double a = dot(q, q), b = dot(p, q), c = dot(p, p) - 1, root = b * b - a * c;
  if (root < 0)
    return no_entry;
  return {(-b - std::sqrt(root)) / a, 0};
}

Entry enter(const Primitive &primitive, const Ray &ray, Vec3 &o, Vec3 &d) {
  o = primitive.frame.to_local(ray.origin);
  d = primitive.frame.direction_to_local(ray.direction);
  // A zero component would make 0 * infinity; this one moves a hit by less than a nanometre.
  for (double *component : {&d.x, &d.y, &d.z})
    if (std::fabs(*component) < 1e-12)
      *component = 1e-12;
  switch (primitive.shape) {
  case Shape::box:
    return enter_box(o, d, primitive.size);
  case Shape::frustum:
    return enter_frustum(o, d, primitive.size);
  case Shape::ellipsoid:
    return enter_ellipsoid(o, d, primitive.size);
  }
  return no_entry;
}

Vec3 outward_normal(const Primitive &primitive, Vec3 p, int face) {
  Vec3 n;
  switch (primitive.shape) {
  case Shape::box:
    n = face == 0 ? Vec3{p.x < 0 ? -1.0 : 1.0, 0, 0} : face == 1 ? Vec3{0, p.y < 0 ? -1.0 : 1.0, 0} : Vec3{0, 0, p.z < 0 ? -1.0 : 1.0};
    break;
  case Shape::frustum:
    if (face == 2) {
      n = {0, 0, p.z < 0 ? -1.0 : 1.0};
    } else {
      const double slope = (primitive.size.y - primitive.size.x) / (2 * primitive.size.z);
      n = normalised({p.x, p.y, -slope * std::sqrt(p.x * p.x + p.y * p.y)});
    }
    break;
  case Shape::ellipsoid: {
    const Vec3 r = primitive.size;
    n = normalised({p.x / (r.x * r.x), p.y / (r.y * r.y), p.z / (r.z * r.z)});
    break;
  }
  }
  return primitive.frame.direction_to_world(n);
}

/// The ray as the hierarchy's boxes want it.
struct Slabs {
  Vec3 origin, inverse;

  explicit Slabs(const Ray &ray) : origin(ray.origin) {
    const auto invert = [](double d) { return 1 / (std::fabs(d) < 1e-12 ? 1e-12 : d); };
    inverse = {invert(ray.direction.x), invert(ray.direction.y), invert(ray.direction.z)};
  }
  /// Where the ray enters the box, or 1e30 if it misses it between `after` and `before`.
  double enter(const Aabb &box, double after, double before) const {
    const double x0 = (box.low.x - origin.x) * inverse.x, x1 = (box.high.x - origin.x) * inverse.x;
    const double y0 = (box.low.y - origin.y) * inverse.y, y1 = (box.high.y - origin.y) * inverse.y;
    const double z0 = (box.low.z - origin.z) * inverse.z, z1 = (box.high.z - origin.z) * inverse.z;
    const double in = std::max(std::max(std::min(x0, x1), std::min(y0, y1)), std::max(std::min(z0, z1), after));
    const double out = std::min(std::min(std::max(x0, x1), std::max(y0, y1)), std::min(std::max(z0, z1), before));
    return in <= out ? in : 1e30;
  }
};

constexpr int balanced_below = 32;  // deeper than this the hierarchy is halved, so that it ends before
constexpr int stack_size = 64 + 2; // it outgrows the stack of the ray walks

} // namespace

Aabb Scene::bounds(const Primitive &primitive) const {
  Vec3 h = primitive.size;
  if (primitive.shape == Shape::frustum) {
    const double r = std::max(h.x, h.y);
    h = {r, r, h.z};
  }
  const Frame &f = primitive.frame;
  const auto reach = [&](double x, double y, double z) {
    return std::fabs(x) * h.x + std::fabs(y) * h.y + std::fabs(z) * h.z + 1e-9;
  };
  const Vec3 around{reach(f.x.x, f.y.x, f.z.x), reach(f.x.y, f.y.y, f.z.y), reach(f.x.z, f.y.z, f.z.z)};
  return {f.origin - around, f.origin + around};
}

void Scene::finish() {
  std::vector<Aabb> boxes;
  boxes.reserve(primitives.size());
  for (const Primitive &primitive : primitives)
    boxes.push_back(bounds(primitive));
  order_.resize(primitives.size());
  std::iota(order_.begin(), order_.end(), 0);
  nodes_.assign(1, {});
  nodes_.reserve(2 * primitives.size() + 1);
  build(0, 0, static_cast<int>(order_.size()), 0, boxes);
}

void Scene::build(int node, int first, int last, int depth, const std::vector<Aabb> &boxes) {
  const auto box_of = [&](int i) -> const Aabb & { return boxes[static_cast<size_t>(order_[static_cast<size_t>(i)])]; };
  const auto surface = [](const Aabb &b) {
    const Vec3 e = b.high - b.low;
    return e.x * e.y + e.y * e.z + e.z * e.x;
  };
  Aabb all;
  for (int i = first; i < last; ++i)
    all.include(box_of(i));
  Node &self = nodes_[static_cast<size_t>(node)];
  self.box = all;
  self.first = first;
  self.count = last - first;
  if (self.count <= 2)
    return;
  // The cut with the least expected work: over all axes and places, sum of surface * count (surface area heuristic).
  double least = surface(all) * (self.count - 0.5);
  int cut = -1, cut_axis = 0;
  const auto by_axis = [&](int axis) {
    const auto key = [&](int i) {
      const Vec3 c = boxes[static_cast<size_t>(i)].centre();
      return axis == 0 ? c.x : axis == 1 ? c.y : c.z;
    };
    // Ties by number, so that the order does not depend on the library's sort.
    return [key](int i, int j) { return key(i) != key(j) ? key(i) < key(j) : i < j; };
  };
  std::vector<double> right(static_cast<size_t>(self.count));
  for (int axis = 0; axis < 3; ++axis) {
    std::sort(order_.begin() + first, order_.begin() + last, by_axis(axis));
    Aabb swept;
    for (int i = last - 1; i > first; --i) {
      swept.include(box_of(i));
      right[static_cast<size_t>(i - first)] = surface(swept) * (last - i);
    }
    swept = {};
    for (int i = first + 1; i < last; ++i) {
      swept.include(box_of(i - 1));
      const double work = surface(swept) * (i - first) + right[static_cast<size_t>(i - first)];
      if (work < least) {
        least = work;
        cut = i;
        cut_axis = axis;
      }
    }
  }
  if (cut < 0 && self.count <= 8)
    return; // a leaf is cheaper than any cut
  if (cut < 0 || depth >= balanced_below)
    cut = first + self.count / 2;
  std::sort(order_.begin() + first, order_.begin() + last, by_axis(cut_axis));
  const int left = static_cast<int>(nodes_.size());
  self.first = left;
  self.count = 0;
  nodes_.resize(nodes_.size() + 2);
  build(left, first, cut, depth + 1, boxes);
  build(left + 1, cut, last, depth + 1, boxes);
}

Hit Scene::intersect(const Ray &ray, double after, double before) const {
  Hit hit;
  hit.t = before;
  const Slabs slabs(ray);
  struct Pending {
    int node;
    double t;
  } stack[stack_size];
  int depth = 0;
  if (slabs.enter(nodes_[0].box, after, hit.t) < 1e30)
    stack[depth++] = {0, after};
  while (depth > 0) {
    const Pending top = stack[--depth];
    if (top.t > hit.t)
      continue;
    const Node &node = nodes_[static_cast<size_t>(top.node)];
    if (node.count > 0) {
      for (int i = 0; i < node.count; ++i) {
        const int index = order_[static_cast<size_t>(node.first + i)];
        Vec3 o, d;
        const Entry entry = enter(primitives[static_cast<size_t>(index)], ray, o, d);
        // Where two surfaces coincide the lower number wins, whatever the order of the visit.
        if (entry.t > after && (entry.t < hit.t || (entry.t == hit.t && index < hit.primitive))) {
          hit.t = entry.t;
          hit.primitive = index;
          hit.face = entry.face;
          hit.local = o + d * entry.t;
        }
      }
      continue;
    }
    const double t0 = slabs.enter(nodes_[static_cast<size_t>(node.first)].box, after, hit.t);
    const double t1 = slabs.enter(nodes_[static_cast<size_t>(node.first) + 1].box, after, hit.t);
    const bool near_first = t0 <= t1;
    const double near = near_first ? t0 : t1, far = near_first ? t1 : t0;
    if (far < 1e30)
      stack[depth++] = {node.first + (near_first ? 1 : 0), far};
    if (near < 1e30)
      stack[depth++] = {node.first + (near_first ? 0 : 1), near};
  }
  if (hit.primitive >= 0)
    hit.geometric = outward_normal(primitives[static_cast<size_t>(hit.primitive)], hit.local, hit.face);
  return hit;
}

bool Scene::occluded(const Ray &ray, double after, double before, int &guess) const {
  const auto blocks = [&](int index) {
    const Primitive &primitive = primitives[static_cast<size_t>(index)];
    if (!materials[static_cast<size_t>(primitive.material)].casts_shadow)
      return false;
    Vec3 o, d;
    const double t = enter(primitive, ray, o, d).t;
    return t > after && t < before;
  };
  if (guess >= 0 && blocks(guess))
    return true;
  const Slabs slabs(ray);
  int stack[stack_size], depth = 0;
  stack[depth++] = 0;
  while (depth > 0) {
    const Node &node = nodes_[static_cast<size_t>(stack[--depth])];
    if (slabs.enter(node.box, after, before) >= 1e30)
      continue;
    if (node.count == 0) {
      stack[depth++] = node.first;
      stack[depth++] = node.first + 1;
      continue;
    }
    for (int i = 0; i < node.count; ++i) {
      const int index = order_[static_cast<size_t>(node.first + i)];
      if (index != guess && blocks(index)) {
        guess = index;
        return true;
      }
    }
  }
  return false;
}

} // namespace leadline::data::synthetic
