// A scene: solid primitives in a bounding volume hierarchy, materials, lights and one camera.
#pragma once

#include <cstdint>
#include <vector>

#include "data/synthetic/geometry.hpp"
#include "data/synthetic/material.hpp"

namespace leadline::data::synthetic {

enum class Shape : uint8_t {
  box,       ///< size = half extents
  frustum,   ///< upright cylinder or cone: size = (bottom radius, top radius, half height)
  ellipsoid, ///< size = radii
};

struct Primitive {
  Shape shape = Shape::box;
  Frame frame; ///< origin in the middle
  Vec3 size;
  Vec3 texture_origin;  ///< added to local coordinates before texturing
  bool upright = false; ///< boxes: textures stand upright on the sides (else u runs along the longer edge)
  float bevel = 0;      ///< boxes: the normal bends over this far from an edge (the surface itself does not)
  int material = 0;
  int item = 0; ///< which piece of furniture; 0 = the building
};

struct Hit {
  double t = 1e30;    ///< in lengths of the ray's direction
  int primitive = -1; ///< -1: nothing
  int face = 0;       ///< box: 0 x, 1 y, 2 z; frustum: 0 side, 2 cap; ellipsoid: 0
  Vec3 local;         ///< point in the primitive's frame
  Vec3 geometric;     ///< outward unit normal of the surface, world
};

/// A rectangle (lamp panel, window) or a ball that gives light.
struct Light {
  Vec3 position;
  Vec3 u, v;            ///< half edges of a rectangle; zero for a ball
  Vec3 normal;          ///< rectangle: the side that shines
  double radius = 0.05; ///< ball
  Rgb power;            ///< ball: radiant intensity; rectangle: radiance times area; both over pi
  bool rectangle = false;
};

/// A hole in a wall through which the sun can shine: middle, half edges, outward normal.
struct Opening {
  Vec3 centre, u, v, normal;
};

/// Pinhole. The pixel in column x and row y (integers, from 0) looks along ((x-cx)/fx, (y-cy)/fy, 1) in the camera's
/// frame: x right, y down, z forward; depth is the z coordinate.
struct Camera {
  Frame frame;
  double fx = 1, fy = 1, cx = 0, cy = 0;

  /// A ray whose parameter t is the depth. (x, y) need not be integers.
  Ray ray(double x, double y) const {
    return {frame.origin, frame.direction_to_world({(x - cx) / fx, (y - cy) / fy, 1})};
  }
};

class Scene {
public:
  std::vector<Primitive> primitives;
  std::vector<Material> materials;
  std::vector<Light> lights;
  std::vector<Opening> windows;
  std::vector<Aabb> items; ///< bounds by item number; items[0] is unused
  Vec3 room;               ///< inner size of the room: the origin is a floor corner, z is up
  Camera camera;
  Vec3 sun;     ///< unit vector towards the sun; sunlight comes through windows only
  Rgb sunlight; ///< irradiance over pi on a surface facing it; black = no sun
  Rgb ambient;  ///< light bounced more than once, irradiance over pi
  uint32_t sky_seed = 0;
  float sky_brightness = 0;

  /// Builds the hierarchy; call once, after the last primitive and before the first ray.
  void finish();

  /// The nearest surface that the ray enters at t > 1e-9. `guess` (0 at first) is what was found last and is tried
  /// first: it saves the walk through what lies behind it. The answer does not depend on it.
  Hit intersect(const Ray& ray, int& guess) const;
  Hit intersect(const Ray& ray) const {
    int guess = 0;
    return intersect(ray, guess);
  }
  /// Whether anything that casts shadows stands between. `guess` (0 at first) is what was found last and is tried
  /// first: neighbouring pixels tend to be shaded by the same thing. The answer does not depend on it.
  bool occluded(const Ray& ray, double after, double before, int& guess) const;
  /// World bounds of a primitive.
  Aabb bounds(const Primitive& primitive) const;

private:
  struct Node {
    Aabb box[2];
    int child[2] = {0, 0}; ///< a node, or the first of `count` solids
    int count[2] = {0, 0}; ///< 0: the child is a node
  };
  struct Solid {
    Aabb box;
    int primitive;
    bool aligned; ///< a box along the world's axes: its bounds are all of it
    bool casts_shadow;
  };
  /// Sorts solids [first, last) into a subtree and makes it child `side` of `parent`.
  void build(int parent, int side, int first, int last, int depth);

  std::vector<Node> nodes_;
  std::vector<Solid> solids_;
};

} // namespace leadline::data::synthetic
