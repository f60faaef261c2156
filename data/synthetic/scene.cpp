#include "data/synthetic/scene.hpp"

namespace leadline::data::synthetic {
namespace {

struct Entry {
  double t;
  int face; ///< frustum: 0 side, 2 cap
};
constexpr Entry no_entry{1e30, 0};

// Each function gives where the ray enters the solid; rays that start inside one don't see it.

Entry enter_box(Vec3 o, Vec3 d, Vec3 half) {
  const Vec3 inverse{1 / d.x, 1 / d.y, 1 / d.z};
  const Vec3 middle{-o.x * inverse.x, -o.y * inverse.y, -o.z * inverse.z};
  const Vec3 reach{half.x * std::fabs(inverse.x), half.y * std::fabs(inverse.y), half.z * std::fabs(inverse.z)};
  const Vec3 in = middle - reach, out = middle + reach;
  const double enter = std::max(std::max(in.x, in.y), in.z), leave = std::min(std::min(out.x, out.y), out.z);
  return enter < leave ? Entry{enter, 0} : no_entry;
}

Entry enter_frustum(Vec3 o, Vec3 d, Vec3 size) {
  const double bottom = size.x, top = size.y, half = size.z;
  Entry best = no_entry;
  // Side: x^2 + y^2 = r(z)^2, r(z) = middle + slope * z.
  const double middle = (bottom + top) / 2, slope = (top - bottom) / (2 * half);
  const double r = middle + slope * o.z, dr = slope * d.z;
  const double a = d.x * d.x + d.y * d.y - dr * dr, b = o.x * d.x + o.y * d.y - r * dr,
               c = o.x * o.x + o.y * o.y - r * r;
  const double root = b * b - a * c;
  if (root >= 0 && std::fabs(a) > 1e-15) {
    for (const double t : {(-b - std::sqrt(root)) / a, (-b + std::sqrt(root)) / a}) {
      const double x = o.x + t * d.x, y = o.y + t * d.y, radius = r + dr * t;
      const bool on_side = std::fabs(o.z + t * d.z) <= half && radius >= 0;
      const bool inwards = x * d.x + y * d.y < slope * d.z * radius;
      if (on_side && inwards && t < best.t) best = {t, 0};
    }
  }
  // The cap that faces the ray.
  const double cap = d.z < 0 ? half : -half, radius = d.z < 0 ? top : bottom;
  const double t = (cap - o.z) / d.z, x = o.x + t * d.x, y = o.y + t * d.y;
  if (x * x + y * y <= radius * radius && t < best.t) best = {t, 2};
  return best;
}

Entry enter_ellipsoid(Vec3 o, Vec3 d, Vec3 radii) {
  const Vec3 p{o.x / radii.x, o.y / radii.y, o.z / radii.z}, q{d.x / radii.x, d.y / radii.y, d.z / radii.z};
  const double a = dot(q, q), b = dot(p, q), c = dot(p, p) - 1, root = b * b - a * c;
  if (root < 0) return no_entry;
  return {(-b - std::sqrt(root)) / a, 0};
}

Entry enter(const Primitive& primitive, const Ray& ray) {
  const Vec3 o = primitive.frame.to_local(ray.origin);
  Vec3 d = primitive.frame.direction_to_local(ray.direction);
  // A zero component would make 0 * infinity; this one moves a hit by less than a nanometre.
  for (double* component : {&d.x, &d.y, &d.z})
    if (std::fabs(*component) < 1e-12) *component = 1e-12;
  switch (primitive.shape) {
  case Shape::box: return enter_box(o, d, primitive.size);
  case Shape::frustum: return enter_frustum(o, d, primitive.size);
  case Shape::ellipsoid: return enter_ellipsoid(o, d, primitive.size);
  }
  return no_entry;
}

/// The face of a box that a point on its surface belongs to.
int face_of_box(Vec3 half, Vec3 p) {
  const double x = std::fabs(p.x) - half.x, y = std::fabs(p.y) - half.y, z = std::fabs(p.z) - half.z;
  return x > y && x > z ? 0 : y > z ? 1 : 2;
}

bool along_the_axes(const Frame& frame) {
  const auto is_axis = [](Vec3 v) { return (v.x != 0) + (v.y != 0) + (v.z != 0) == 1; };
  return is_axis(frame.x) && is_axis(frame.y) && is_axis(frame.z);
}

Vec3 outward_normal(const Primitive& primitive, Vec3 p, int face) {
  Vec3 n;
  switch (primitive.shape) {
  case Shape::box:
    n = face == 0   ? Vec3{p.x < 0 ? -1.0 : 1.0, 0, 0}
        : face == 1 ? Vec3{0, p.y < 0 ? -1.0 : 1.0, 0}
                    : Vec3{0, 0, p.z < 0 ? -1.0 : 1.0};
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

  explicit Slabs(const Ray& ray) : origin(ray.origin) {
    const auto invert = [](double d) { return 1 / (std::fabs(d) < 1e-12 ? 1e-12 : d); };
    inverse = {invert(ray.direction.x), invert(ray.direction.y), invert(ray.direction.z)};
  }
  /// Where the ray enters the box, or 1e30 if it misses it between `after` and `before`.
  double enter(const Aabb& box, double after, double before) const {
    const double x0 = (box.low.x - origin.x) * inverse.x, x1 = (box.high.x - origin.x) * inverse.x;
    const double y0 = (box.low.y - origin.y) * inverse.y, y1 = (box.high.y - origin.y) * inverse.y;
    const double z0 = (box.low.z - origin.z) * inverse.z, z1 = (box.high.z - origin.z) * inverse.z;
    const double in = std::max(std::max(std::min(x0, x1), std::min(y0, y1)), std::max(std::min(z0, z1), after));
    const double out = std::min(std::min(std::max(x0, x1), std::max(y0, y1)), std::min(std::max(z0, z1), before));
    return in <= out ? in : 1e30;
  }
};

constexpr int balanced_below = 32; // deeper than this the hierarchy is halved, so that it ends before
constexpr int stack_size = 64 + 2; // it outgrows the stack of the ray walks

} // namespace

Aabb Scene::bounds(const Primitive& primitive) const {
  Vec3 h = primitive.size;
  if (primitive.shape == Shape::frustum) {
    const double r = std::max(h.x, h.y);
    h = {r, r, h.z};
  }
  const Frame& f = primitive.frame;
  const auto reach = [&](double x, double y, double z) {
    return std::fabs(x) * h.x + std::fabs(y) * h.y + std::fabs(z) * h.z;
  };
  const Vec3 around{reach(f.x.x, f.y.x, f.z.x), reach(f.x.y, f.y.y, f.z.y), reach(f.x.z, f.y.z, f.z.z)};
  return {f.origin - around, f.origin + around};
}

void Scene::finish() {
  solids_.clear();
  for (const Primitive& primitive : primitives) {
    Solid solid;
    solid.box = bounds(primitive);
    solid.primitive = static_cast<int>(solids_.size());
    solid.aligned = primitive.shape == Shape::box && along_the_axes(primitive.frame);
    if (!solid.aligned) { // room for rounding
      solid.box.low = solid.box.low - Vec3{1e-9, 1e-9, 1e-9};
      solid.box.high = solid.box.high + Vec3{1e-9, 1e-9, 1e-9};
    }
    solid.casts_shadow = materials[static_cast<size_t>(primitive.material)].casts_shadow;
    solids_.push_back(solid);
  }
  nodes_.assign(1, {});
  build(0, 0, 0, static_cast<int>(solids_.size()), 0);
}

void Scene::build(int parent, int side, int first, int last, int depth) {
  const auto surface = [](const Aabb& b) {
    const Vec3 e = b.high - b.low;
    return e.x * e.y + e.y * e.z + e.z * e.x;
  };
  const int count = last - first;
  const auto solid = [&](int i) -> const Solid& { return solids_[static_cast<size_t>(i)]; };
  Aabb all;
  for (int i = first; i < last; ++i) all.include(solid(i).box);
  nodes_[static_cast<size_t>(parent)].box[side] = all;
  nodes_[static_cast<size_t>(parent)].child[side] = first;
  nodes_[static_cast<size_t>(parent)].count[side] = count;
  if (count <= 1) return;
  // The cut with the least expected work: over all axes and places, sum of surface * count (surface area heuristic).
  double least = surface(all) * (count - 1);
  int cut = -1, cut_axis = 0;
  const auto sort_along = [&](int axis) {
    const auto key = [axis](const Solid& s) {
      const Vec3 c = s.box.low + s.box.high;
      return axis == 0 ? c.x : axis == 1 ? c.y : c.z;
    };
    // Ties by number, so that the order does not depend on the library's sort.
    std::sort(solids_.begin() + first, solids_.begin() + last, [&](const Solid& a, const Solid& b) {
      return key(a) != key(b) ? key(a) < key(b) : a.primitive < b.primitive;
    });
  };
  std::vector<double> right(static_cast<size_t>(count));
  for (int axis = 0; axis < 3; ++axis) {
    sort_along(axis);
    Aabb swept;
    for (int i = last - 1; i > first; --i) {
      swept.include(solid(i).box);
      right[static_cast<size_t>(i - first)] = surface(swept) * (last - i);
    }
    swept = {};
    for (int i = first + 1; i < last; ++i) {
      swept.include(solid(i - 1).box);
      const double work = surface(swept) * (i - first) + right[static_cast<size_t>(i - first)];
      if (work < least) {
        least = work;
        cut = i;
        cut_axis = axis;
      }
    }
  }
  if (cut < 0 && count <= 6) return; // a leaf is cheaper than any cut
  if (cut < 0 || depth >= balanced_below) cut = first + count / 2;
  sort_along(cut_axis);
  const int node = static_cast<int>(nodes_.size());
  nodes_.emplace_back();
  nodes_[static_cast<size_t>(parent)].child[side] = node;
  nodes_[static_cast<size_t>(parent)].count[side] = 0;
  build(node, 0, first, cut, depth + 1);
  build(node, 1, cut, last, depth + 1);
}

Hit Scene::intersect(const Ray& ray, int& guess) const {
  constexpr double after = 1e-9;
  Hit hit;
  if (solids_.empty()) return hit;
  const Slabs slabs(ray);
  const auto try_solid = [&](int i) {
    const Solid& solid = solids_[static_cast<size_t>(i)];
    double t = slabs.enter(solid.box, 0, hit.t);
    if (t < 1e30 && !solid.aligned) t = enter(primitives[static_cast<size_t>(solid.primitive)], ray).t;
    // Where two surfaces coincide the lower number wins, whatever the order of the visit.
    if (t > after && (t < hit.t || (t == hit.t && solid.primitive < hit.primitive))) {
      hit.t = t;
      hit.primitive = solid.primitive;
      guess = i;
    }
  };
  try_solid(guess);
  struct Pending {
    int child, count;
    double t;
  } stack[stack_size];
  int depth = 0;
  stack[depth++] = {nodes_[0].child[0], nodes_[0].count[0], after};
  while (depth > 0) {
    const Pending top = stack[--depth];
    if (top.t > hit.t) continue;
    if (top.count > 0) {
      for (int i = top.child; i < top.child + top.count; ++i) try_solid(i);
      continue;
    }
    const Node& node = nodes_[static_cast<size_t>(top.child)];
    const double t0 = slabs.enter(node.box[0], after, hit.t), t1 = slabs.enter(node.box[1], after, hit.t);
    const int near = t0 <= t1 ? 0 : 1, far = 1 - near;
    const double near_t = t0 <= t1 ? t0 : t1, far_t = t0 <= t1 ? t1 : t0;
    if (far_t < 1e30) stack[depth++] = {node.child[far], node.count[far], far_t};
    if (near_t < 1e30) stack[depth++] = {node.child[near], node.count[near], near_t};
  }
  if (hit.primitive >= 0) {
    const Primitive& primitive = primitives[static_cast<size_t>(hit.primitive)];
    hit.local = primitive.frame.to_local(ray.at(hit.t));
    hit.face = primitive.shape == Shape::box ? face_of_box(primitive.size, hit.local) : enter(primitive, ray).face;
    hit.geometric = outward_normal(primitive, hit.local, hit.face);
  }
  return hit;
}

bool Scene::occluded(const Ray& ray, double after, double before, int& guess) const {
  const Slabs slabs(ray);
  const auto blocks = [&](int i) {
    const Solid& solid = solids_[static_cast<size_t>(i)];
    if (!solid.casts_shadow) return false;
    double t = slabs.enter(solid.box, 0, before);
    if (t < 1e30 && !solid.aligned) t = enter(primitives[static_cast<size_t>(solid.primitive)], ray).t;
    return t > after && t < before;
  };
  if (solids_.empty()) return false;
  if (blocks(guess)) return true;
  struct Pending {
    int child, count;
  } stack[stack_size];
  int depth = 0;
  stack[depth++] = {nodes_[0].child[0], nodes_[0].count[0]};
  while (depth > 0) {
    const Pending top = stack[--depth];
    for (int i = top.child; i < top.child + top.count; ++i)
      if (blocks(i)) {
        guess = i;
        return true;
      }
    if (top.count > 0) continue;
    const Node& node = nodes_[static_cast<size_t>(top.child)];
    for (const int side : {0, 1})
      if (slabs.enter(node.box[side], after, before) < 1e30) stack[depth++] = {node.child[side], node.count[side]};
  }
  return false;
}

} // namespace leadline::data::synthetic
