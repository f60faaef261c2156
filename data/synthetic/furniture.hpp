// Pieces of furniture, built of boxes, cones and balls.
#pragma once

#include "data/synthetic/draws.hpp"
#include "data/synthetic/scene.hpp"

namespace leadline::data::synthetic {

/// The materials of one room, as indices into Scene::materials.
struct Palette {
  int wood = 0, dark_wood = 0, front = 0; ///< front: cabinet doors
  int white = 0, black = 0, metal = 0, brass = 0;
  int fabric = 0, second_fabric = 0, linen = 0, curtain = 0;
  int ceramic = 0, leaves = 0, soil = 0, shade = 0, dark_shade = 0, cardboard = 0, worktop = 0, glass = 0;
};

/// Adds the materials that furniture is made of.
Palette make_palette(Scene& scene, Draws& draws);

/// Adds primitives in the coordinates of one piece: x along its width from the left, y from its back (0) to its
/// front, z up from the floor. References that it returns hold until the next primitive is added.
struct Builder {
  Scene& scene;
  Draws& draws;
  const Palette& palette;
  Frame frame;
  int item;

  /// A box between two corners.
  Primitive& box(Vec3 low, Vec3 high, int material, double bevel = 0.006);
  /// A box of size `size` that stands with the middle of its foot in the origin of `place`.
  Primitive& box_at(const Frame& place, Vec3 size, int material, double bevel = 0.006);
  /// Stands on `foot`; a negative `top_radius` means the same as below.
  Primitive& cylinder(Vec3 foot, double radius, double height, int material, double top_radius = -1);
  /// A round rod between two points.
  Primitive& rod(Vec3 from, Vec3 to, double radius, int material);
  Primitive& ball(Vec3 centre, Vec3 radii, int material);

  /// A light in the middle of a lamp's shade.
  void lamp(Vec3 position, double radius, double intensity);
  /// A copy of a material for this piece, to be changed.
  int own(const Material& material);
  /// The same piece seen from another frame, given in this one's coordinates.
  Builder within(const Frame& inner) const { return {scene, draws, palette, frame * inner, item}; }

private:
  Primitive& add(Primitive primitive);
};

enum class Kind : uint8_t {
  sofa,
  armchair,
  bed,
  wardrobe,
  dresser,
  bookshelf,
  desk,
  television,
  sideboard,
  counter,
  fridge,
  dining_table,
  coffee_table,
  side_table,
  chair,
  stool,
  plant,
  floor_lamp,
  boxes,
  basket,
  shelf_rack,
  piano,
  fireplace,
};

/// A kind with its size drawn.
struct Piece {
  Kind kind = Kind::chair;
  Vec3 size; ///< width, depth (with what belongs in front of it), height
  bool against_wall = true;
};

Piece make_piece(Kind kind, Draws& draws);
/// Builds the piece within [0, size.x] x [0, size.y] of the builder's frame.
void build(const Piece& piece, Builder& builder);

} // namespace leadline::data::synthetic
