#include "data/synthetic/room.hpp"

#include "data/synthetic/furniture.hpp"

namespace leadline::data::synthetic {
namespace {

/// A rectangle in a wall: x along the wall, z up.
struct Patch {
  double x0, x1, z0, z1;
};

bool overlap(const Patch& a, const Patch& b, double margin) {
  return a.x0 < b.x1 + margin && b.x0 < a.x1 + margin && a.z0 < b.z1 + margin && b.z0 < a.z1 + margin;
}

/// A rectangle on the floor, room coordinates.
struct Footprint {
  double x0, y0, x1, y1;
};

bool overlap(const Footprint& a, const Footprint& b, double margin) {
  return a.x0 < b.x1 + margin && b.x0 < a.x1 + margin && a.y0 < b.y1 + margin && b.y0 < a.y1 + margin;
}

/// One side of the room. Its frame stands in a lower corner: x along the wall, y into the room, z up.
struct Wall {
  Frame frame;
  double length = 0;
  int material = 0;
  std::vector<Patch> doors, windows, hidden; ///< hidden: behind furniture, or already hung with something
};

constexpr double wall_thickness = 0.22;
constexpr double bounce = 0.55; ///< share of the light that a room's surfaces throw back, for the ambient light

class RoomMaker {
public:
  RoomMaker(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream), draws_(part(0)) {}

  Scene make(const View& view) {
    draw_size();
    draw_materials();
    draw_openings();
    build_shell();
    draws_ = part(1);
    furnish();
    draws_ = part(2);
    decorate();
    draws_ = part(3);
    light();
    scene_.finish();
    draws_ = part(4);
    place_camera(view);
    return std::move(scene_);
  }

private:
  /// Each part draws from a sequence of its own: a change in one leaves the others as they were.
  Draws part(uint64_t number) const { return {seed_, philox_stream(stream_, number)}; }

  void draw_size();
  void draw_materials();
  void draw_openings();
  void build_shell();
  void build_wall(Wall& wall);
  void build_door(Wall& wall, const Patch& door);
  void build_window(Wall& wall, const Patch& window);
  void furnish();
  bool place_at_wall(const Piece& piece);
  bool place_freely(const Piece& piece);
  void lay_rug();
  void decorate();
  void hang(Wall& wall);
  void light();
  void place_camera(const View& view);

  Builder builder(const Frame& frame, int item) { return {scene_, draws_, palette_, frame, item}; }
  int add(const Material& material) {
    scene_.materials.push_back(material);
    return static_cast<int>(scene_.materials.size()) - 1;
  }
  int new_item() {
    scene_.items.push_back({});
    return static_cast<int>(scene_.items.size()) - 1;
  }
  double floor_area() const { return scene_.room.x * scene_.room.y; }

  uint64_t seed_, stream_;
  Draws draws_;
  Scene scene_;
  Palette palette_;
  std::vector<Wall> walls_;
  std::vector<Footprint> taken_;
  int floor_ = 0, ceiling_ = 0, trim_ = 0;
  double baseboard_ = 0.08;
  bool day_ = true;
};

void RoomMaker::draw_size() {
  const double shorter = draws_.uniform(2.5, 5.2), longer = draws_.uniform(1.0, 1.75) * shorter,
               height = draws_.uniform(2.3, 3.0);
  scene_.room = {shorter, std::min(longer, 8.0), height};
  if (draws_.chance(0.5)) std::swap(scene_.room.x, scene_.room.y);
  day_ = draws_.chance(0.72);
  const auto [w, d, h] = scene_.room;
  walls_ = {
      {{{w, d, 0}, {-1, 0, 0}, {0, -1, 0}, {0, 0, 1}}, w, 0, {}, {}, {}},
      {{{w, 0, 0}, {0, 1, 0}, {-1, 0, 0}, {0, 0, 1}}, d, 0, {}, {}, {}},
      {{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, w, 0, {}, {}, {}},
      {{{0, d, 0}, {0, -1, 0}, {1, 0, 0}, {0, 0, 1}}, d, 0, {}, {}, {}},
  };
}

void RoomMaker::draw_materials() {
  scene_.items.resize(1);
  palette_ = make_palette(scene_, draws_);

  Material floor;
  floor.seed = draws_.bits();
  const double kind = draws_.unit(), tone = draws_.unit(), hue = draws_.unit();
  if (kind < 0.5) {
    floor.pattern = kind < 0.38 ? Pattern::planks : Pattern::parquet;
    floor.a = paint_hsv(0.055 + 0.04 * hue, 0.25 + 0.35 * hue, 0.4 + 0.45 * tone);
    floor.b = floor.a * 0.62f;
    floor.scale =
        static_cast<float>(floor.pattern == Pattern::planks ? draws_.uniform(0.08, 0.2) : draws_.uniform(0.3, 0.5));
    floor.gloss = draws_.chance(0.7) ? 0.045f : 0;
    floor.roughness = static_cast<float>(draws_.uniform(0.05, 0.25));
  } else if (kind < 0.75) {
    floor.pattern = draws_.chance(0.8) ? Pattern::tiles : Pattern::checks;
    floor.a = paint_hsv(0.06 + 0.1 * hue, 0.18 * hue, 0.5 + 0.42 * tone);
    floor.b = floor.pattern == Pattern::tiles ? floor.a * 0.6f : paint(0.25, 0.24, 0.23);
    floor.scale = static_cast<float>(draws_.uniform(0.2, 0.6));
    floor.gloss = 0.045f;
    floor.roughness = static_cast<float>(draws_.uniform(0.03, 0.2));
  } else {
    floor.pattern = Pattern::carpet;
    floor.a = paint_hsv(hue, 0.05 + 0.3 * draws_.unit() * draws_.unit(), 0.35 + 0.45 * tone);
    floor.b = floor.a * 0.6f;
  }
  floor_ = add(floor);

  const auto wall_paint = [&] {
    Material wall;
    wall.seed = draws_.bits();
    const double style = draws_.unit(), h = draws_.unit(), s = draws_.unit(), v = draws_.unit();
    wall.a = s < 0.6 ? paint_hsv(0.05 + 0.12 * h, 0.02 + 0.2 * s, 0.8 + 0.17 * v)
                     : paint_hsv(h < 0.4 ? 0.5 + 0.4 * h : h, 0.06 + 0.26 * (s - 0.6) * 2.5, 0.5 + 0.42 * v);
    wall.b = wall.a * (draws_.chance(0.5) ? 0.82f : 1.12f);
    if (style < 0.66) {
      wall.pattern = Pattern::plain;
    } else if (style < 0.76) {
      wall.pattern = Pattern::stripes;
      wall.scale = static_cast<float>(draws_.uniform(0.1, 0.3));
    } else if (style < 0.88) {
      wall.pattern = Pattern::diamonds;
      wall.scale = static_cast<float>(draws_.uniform(0.12, 0.3));
    } else {
      wall.pattern = Pattern::bricks;
      wall.scale = static_cast<float>(draws_.uniform(0.06, 0.09));
      if (draws_.chance(0.6)) wall.a = paint(0.66, 0.42, 0.34) * static_cast<float>(0.7 + 0.6 * v);
      wall.b = paint(0.72, 0.7, 0.66);
    }
    return wall;
  };
  const Material common = wall_paint(), accent = wall_paint();
  const int common_material = add(common), accent_material = add(accent);
  const int accent_wall = draws_.chance(0.45) ? draws_.below(4) : -1;
  for (int i = 0; i < 4; ++i)
    walls_[static_cast<size_t>(i)].material = i == accent_wall ? accent_material : common_material;
  // Loud patterns stay on one wall.
  if (common.pattern == Pattern::bricks && draws_.chance(0.6))
    scene_.materials[static_cast<size_t>(common_material)].pattern = Pattern::plain;

  Material ceiling;
  ceiling.a = draws_.chance(0.88) ? paint(0.94, 0.94, 0.92) : paint_hsv(hue, 0.1, 0.85);
  ceiling.seed = draws_.bits();
  if (draws_.chance(0.1)) { // office panels
    ceiling.pattern = Pattern::tiles;
    ceiling.scale = 0.6f;
    ceiling.b = paint(0.75, 0.75, 0.74);
  }
  ceiling_ = add(ceiling);

  Material trim;
  trim.a = draws_.chance(0.75) ? paint(0.92, 0.91, 0.89) : scene_.materials[static_cast<size_t>(palette_.dark_wood)].a;
  trim.gloss = 0.03f;
  trim.seed = draws_.bits();
  trim_ = add(trim);
  baseboard_ = draws_.uniform(0.06, 0.14);
}

void RoomMaker::draw_openings() {
  const double top = scene_.room.z;
  const auto fits = [](const Wall& wall, const Patch& patch) {
    for (const auto* list : {&wall.doors, &wall.windows})
      for (const Patch& other : *list)
        if (overlap(Patch{other.x0, other.x1, 0, 9}, Patch{patch.x0, patch.x1, 0, 9}, 0.3)) return false;
    return true;
  };
  const int doors = draws_.chance(0.3) ? 2 : 1;
  for (int i = 0; i < doors; ++i) {
    Wall& wall = walls_[static_cast<size_t>(draws_.below(4))];
    const double wide = draws_.uniform(0.78, 0.95), x = draws_.uniform(0.2, wall.length - wide - 0.2);
    const Patch door{x, x + wide, 0, 2.03};
    if (fits(wall, door)) wall.doors.push_back(door);
  }
  const int window_wall = draws_.below(4);
  for (int i = 0; i < 4; ++i) {
    Wall& wall = walls_[static_cast<size_t>(i)];
    const bool wanted = i == window_wall || (i == (window_wall + 1) % 4 && draws_.chance(0.35));
    const int count = wanted ? (wall.length > 4 && draws_.chance(0.6) ? 2 : 1) : 0;
    const bool tall = draws_.chance(0.15);
    const double sill = tall ? 0.04 : draws_.uniform(0.7, 1.0), head = std::min(top - 0.2, draws_.uniform(1.95, 2.25));
    const double wide = std::min(draws_.uniform(0.7, 2.0), wall.length / count * 0.6);
    for (int k = 0; k < count; ++k) {
      const double share = wall.length / count;
      const double x = k * share + draws_.uniform(0.25 * (share - wide), 0.75 * (share - wide));
      const Patch window{x, x + wide, sill, head};
      if (fits(wall, window)) wall.windows.push_back(window);
    }
  }
}

void RoomMaker::build_shell() {
  const auto [w, d, h] = scene_.room;
  Builder room = builder({}, 0);
  const double out = wall_thickness;
  const auto slab = [&](Vec3 low, Vec3 high, int material) {
    Primitive& p = room.box(low, high, material, 0);
    p.texture_origin = p.frame.origin;
    p.upright = true;
  };
  slab({-out, -out, -0.1}, {w + out, d + out, 0}, floor_);
  slab({-out, -out, h}, {w + out, d + out, h + 0.1}, ceiling_);
  for (Wall& wall : walls_) build_wall(wall);
  if (draws_.chance(0.25) && floor_area() > 11) { // a projecting corner: chimney, shaft or closet
    const bool right = draws_.chance(0.5), back = draws_.chance(0.5);
    const double bw = draws_.uniform(0.4, 0.34 * w), bd = draws_.uniform(0.4, 0.34 * d);
    const Footprint block{right ? w - bw : 0, back ? d - bd : 0, right ? w : bw, back ? d : bd};
    bool free = true;
    for (const Wall& wall : walls_)
      for (const auto* list : {&wall.doors, &wall.windows})
        for (const Patch& patch : *list) {
          const Vec3 a = wall.frame.to_world({patch.x0, 0, 0}), b = wall.frame.to_world({patch.x1, 0.5, 0});
          free = free && !overlap({std::min(a.x, b.x), std::min(a.y, b.y), std::max(a.x, b.x), std::max(a.y, b.y)},
                                  block, 0.05);
        }
    if (free) {
      slab({block.x0, block.y0, 0}, {block.x1, block.y1, h}, walls_[0].material);
      const double t = 0.015;
      room.box({block.x0 - t, block.y0 - t, 0}, {block.x1 + t, block.y1 + t, baseboard_}, trim_, 0.003);
      taken_.push_back(block);
      for (Wall& wall : walls_) { // nothing is hung where the block stands
        const Vec3 a = wall.frame.to_local({block.x0, block.y0, 0}), b = wall.frame.to_local({block.x1, block.y1, 0});
        if (std::min(a.y, b.y) < 0.01) wall.hidden.push_back({std::min(a.x, b.x), std::max(a.x, b.x), 0, h});
      }
    }
  }
  if (draws_.chance(0.08)) { // beams
    const int n = static_cast<int>(d / 0.9);
    for (int i = 1; i < n; ++i) room.box({0, i * d / n - 0.06, h - 0.16}, {w, i * d / n + 0.06, h}, palette_.dark_wood);
  }
}

void RoomMaker::build_wall(Wall& wall) {
  Builder b = builder(wall.frame, 0);
  const double h = scene_.room.z, out = wall_thickness;
  const auto slab = [&](double x0, double x1, double z0, double z1) {
    if (x1 - x0 < 1e-6 || z1 - z0 < 1e-6) return;
    Primitive& p = b.box({x0, -out, z0}, {x1, 0, z1}, wall.material, 0);
    p.texture_origin = {(x0 + x1) / 2, 0, (z0 + z1) / 2};
    p.upright = true;
  };
  std::vector<Patch> holes = wall.doors;
  holes.insert(holes.end(), wall.windows.begin(), wall.windows.end());
  std::sort(holes.begin(), holes.end(), [](const Patch& a, const Patch& c) { return a.x0 < c.x0; });
  double x = -out, foot = 0;
  const auto skirting = [&](double x0, double x1) {
    if (x1 - x0 > 0.02) b.box({x0, 0, 0}, {x1, 0.015, baseboard_}, trim_, 0.004);
  };
  for (const Patch& hole : holes) {
    slab(x, hole.x0, 0, h);
    slab(hole.x0, hole.x1, 0, hole.z0);
    slab(hole.x0, hole.x1, hole.z1, h);
    x = hole.x1;
    if (hole.z0 < 0.1) {
      skirting(foot, hole.x0 - 0.06);
      foot = hole.x1 + 0.06;
    }
  }
  slab(x, wall.length + out, 0, h);
  skirting(foot, wall.length);
  for (const Patch& door : wall.doors) build_door(wall, door);
  for (const Patch& window : wall.windows) build_window(wall, window);
}

void RoomMaker::build_door(Wall& wall, const Patch& door) {
  Builder b = builder(wall.frame, 0);
  const double out = wall_thickness, w = door.x1 - door.x0, h = door.z1;
  for (const double x : {door.x0 - 0.07, door.x1}) b.box({x, -0.01, 0}, {x + 0.07, 0.02, h}, trim_, 0.006);
  b.box({door.x0 - 0.07, -0.01, h}, {door.x1 + 0.07, 0.02, h + 0.07}, trim_, 0.006);
  Material leaf_paint = scene_.materials[static_cast<size_t>(draws_.chance(0.6)   ? palette_.white
                                                             : draws_.chance(0.5) ? palette_.wood
                                                                                  : palette_.dark_wood)];
  leaf_paint.gloss = 0.04f;
  const int paint_of_leaf = add(leaf_paint);
  const bool open = draws_.chance(0.4);
  // Hinges on the left; open doors swing out of the room.
  const double angle = open ? -draws_.uniform(1.2, 1.75) : 0;
  const double hinge = open ? -out + 0.02 : -0.05;
  Builder leaf = b.within(turned_about_z({door.x0 + 0.005, hinge, 0}, angle));
  leaf.box({0, -0.02, 0.005}, {w - 0.01, 0.02, h - 0.005}, paint_of_leaf, 0.006);
  const int panels = draws_.below(4);
  for (int i = 0; i < panels; ++i) {
    const double z0 = 0.12 + i * (h - 0.2) / panels, z1 = 0.04 + (i + 1) * (h - 0.2) / panels;
    leaf.box({0.12, 0.02, z0}, {w - 0.13, 0.028, z1}, paint_of_leaf, 0.006);
  }
  leaf.rod({w - 0.09, 0.015, 1.03}, {w - 0.09, 0.06, 1.03}, 0.01, palette_.metal);
  leaf.rod({w - 0.09, 0.055, 1.03}, {w - 0.2, 0.055, 1.03}, 0.009, palette_.metal);
  if (!open) {
    b.box({door.x0, -out, 0}, {door.x1, -out + 0.02, h}, trim_, 0); // no light through the gaps
    return;
  }
  // What is behind: a corridor, closed on all sides.
  const double deep = draws_.uniform(1.1, 3.2), left = door.x0 - draws_.uniform(0.3, 1.2),
               right = door.x1 + draws_.uniform(0.3, 1.2), top = scene_.room.z - 0.1;
  const int wall_paint = draws_.chance(0.6) ? wall.material : palette_.white;
  const auto slab = [&](Vec3 low, Vec3 high, int material) {
    Primitive& p = b.box(low, high, material, 0);
    p.texture_origin = p.frame.origin;
    p.upright = true;
  };
  slab({left - 0.1, -out - deep - 0.1, -0.1}, {right + 0.1, -out, 0}, floor_);
  slab({left - 0.1, -out - deep - 0.1, top}, {right + 0.1, -out, top + 0.1}, ceiling_);
  slab({left, -out - deep - 0.1, 0}, {right, -out - deep, top}, wall_paint);
  slab({left - 0.1, -out - deep, 0}, {left, -out, top}, wall_paint);
  slab({right, -out - deep, 0}, {right + 0.1, -out, top}, wall_paint);
  b.box({left, -out - deep, 0}, {right, -out - deep + 0.015, baseboard_}, trim_, 0.004);
  if (draws_.chance(0.7)) b.lamp({(left + right) / 2, -out - deep / 2, top - 0.15}, 0.1, draws_.uniform(0.2, 1.0));
}

void RoomMaker::build_window(Wall& wall, const Patch& window) {
  Builder b = builder(wall.frame, 0);
  const auto [x0, x1, z0, z1] = window;
  const double pane = -0.13, bar = 0.05;
  Material glass;
  glass.sky = true;
  glass.casts_shadow = false;
  glass.gloss = 0.04f;
  glass.roughness = 0.01f;
  b.box({x0, pane - 0.005, z0}, {x1, pane, z1}, add(glass), 0);
  const int across = std::max(1, static_cast<int>((x1 - x0) / draws_.uniform(0.55, 1.0))),
            up = draws_.chance(0.4) ? 2 : 1;
  for (int i = 0; i <= across; ++i) {
    const double x = x0 + (x1 - x0 - bar) * i / across;
    b.box({x, pane - 0.03, z0}, {x + bar, pane + 0.03, z1}, trim_, 0.008);
  }
  for (int i = 0; i <= up; ++i) {
    const double z = z0 + (z1 - z0 - bar) * (i == 1 && up == 2 ? 0.68 : static_cast<double>(i) / up);
    b.box({x0, pane - 0.03, z}, {x1, pane + 0.03, z + bar}, trim_, 0.008);
  }
  if (z0 > 0.3) {
    b.box({x0 - 0.06, pane, z0 - 0.03}, {x1 + 0.06, 0.08, z0}, trim_, 0.008);
    if (draws_.chance(0.45)) { // radiator
      const double w = std::min(x1 - x0, 1.2), left = (x0 + x1 - w) / 2;
      const int ribs = static_cast<int>(w / 0.09);
      for (int i = 0; i < ribs; ++i)
        b.box({left + i * w / ribs, 0.04, 0.14}, {left + (i + 0.8) * w / ribs, 0.11, z0 - 0.14}, palette_.white, 0.015);
      b.rod({left, 0.075, 0.19}, {left + w, 0.075, 0.19}, 0.02, palette_.white);
    }
  }
  if (draws_.chance(0.55)) { // curtains
    const double each = std::min(0.25 + 0.2 * draws_.unit() * (x1 - x0), 0.6), rail = z1 + 0.14;
    const double hem = z0 < 0.3 || draws_.chance(0.6) ? 0.03 : z0 - 0.15;
    b.rod({x0 - 0.3, 0.09, rail}, {x1 + 0.3, 0.09, rail}, 0.012, palette_.metal);
    for (const double x : {x0 - 0.22, x1 + 0.22 - each}) {
      Primitive& cloth = b.box({x, 0.05, hem}, {x + each, 0.12, rail}, palette_.curtain, 0.03);
      cloth.upright = true;
    }
    wall.hidden.push_back({x0 - 0.3, x1 + 0.3, 0.5, rail + 0.05});
  } else if (draws_.chance(0.3)) { // a blind half way down
    const double low = z1 - (z1 - z0) * draws_.uniform(0.15, 0.6);
    b.box({x0 + 0.01, -0.07, low}, {x1 - 0.01, -0.05, z1}, palette_.linen, 0.003);
  }
  // Light from the sky; where it shines from lies before the frame's bars.
  const Vec3 middle = wall.frame.to_world({(x0 + x1) / 2, -0.04, (z0 + z1) / 2});
  const Vec3 u = wall.frame.x * ((x1 - x0) / 2), v = wall.frame.z * ((z1 - z0) / 2);
  scene_.windows.push_back({middle, u, v, -wall.frame.y});
}

bool RoomMaker::place_at_wall(const Piece& piece) {
  for (int attempt = 0; attempt < 24; ++attempt) {
    Wall& wall = walls_[static_cast<size_t>(draws_.below(4))];
    const double at = draws_.unit(), gap = draws_.uniform(0.02, 0.06);
    const double spare = wall.length - piece.size.x - 0.06;
    if (spare < 0) continue;
    const double x = 0.03 + at * spare;
    const Patch shadow{x, x + piece.size.x, 0, piece.size.z};
    bool free = true;
    for (const Patch& door : wall.doors) free = free && !overlap(shadow, door, 0.12);
    for (const Patch& window : wall.windows)
      free = free && !overlap(shadow, {window.x0, window.x1, window.z0 < 0.3 ? 0 : window.z0, window.z1}, 0.02);
    const Vec3 a = wall.frame.to_world({x, 0, 0}), c = wall.frame.to_world({x + piece.size.x, piece.size.y + gap, 0});
    const Footprint footprint{std::min(a.x, c.x), std::min(a.y, c.y), std::max(a.x, c.x), std::max(a.y, c.y)};
    for (const Footprint& other : taken_) free = free && !overlap(footprint, other, 0.05);
    // Something of the room must stay free to stand in.
    if (!free || piece.size.y > 0.62 * (wall.length == scene_.room.x ? scene_.room.y : scene_.room.x)) continue;
    taken_.push_back(footprint);
    wall.hidden.push_back(shadow);
    Frame place = wall.frame;
    place.origin = wall.frame.to_world({x, gap, 0});
    Builder b = builder(place, new_item());
    build(piece, b);
    return true;
  }
  return false;
}

bool RoomMaker::place_freely(const Piece& piece) {
  for (int attempt = 0; attempt < 24; ++attempt) {
    const int quarter = draws_.below(4);
    const double skew = draws_.chance(0.3) ? draws_.uniform(-0.4, 0.4) : draws_.uniform(-0.04, 0.04);
    const auto [s, c] = sin_cos(quarter * pi / 2 + skew);
    const double reach_x = (std::fabs(c) * piece.size.x + std::fabs(s) * piece.size.y) / 2;
    const double reach_y = (std::fabs(s) * piece.size.x + std::fabs(c) * piece.size.y) / 2;
    const double margin = 0.2;
    const double u = draws_.unit(), v = draws_.unit();
    const double spare_x = scene_.room.x - 2 * (reach_x + margin), spare_y = scene_.room.y - 2 * (reach_y + margin);
    if (spare_x < 0 || spare_y < 0) continue;
    const double x = reach_x + margin + u * spare_x, y = reach_y + margin + v * spare_y;
    const Footprint footprint{x - reach_x, y - reach_y, x + reach_x, y + reach_y};
    bool free = true;
    for (const Footprint& other : taken_) free = free && !overlap(footprint, other, 0.08);
    if (!free) continue;
    taken_.push_back(footprint);
    Builder b =
        builder(turned_about_z({x, y, 0}, quarter * pi / 2 + skew) * Frame{{-piece.size.x / 2, -piece.size.y / 2, 0}},
                new_item());
    build(piece, b);
    return true;
  }
  return false;
}

void RoomMaker::lay_rug() {
  const double w = std::min(draws_.uniform(1.2, 2.6), scene_.room.x - 0.6),
               d = std::min(draws_.uniform(1.0, 2.2), scene_.room.y - 0.6);
  const double u = draws_.unit(), v = draws_.unit(), skew = draws_.uniform(-0.15, 0.15);
  const Vec3 middle{0.3 + w / 2 + u * (scene_.room.x - 0.6 - w), 0.3 + d / 2 + v * (scene_.room.y - 0.6 - d), 0};
  Material m;
  m.pattern = Pattern::rug;
  m.seed = draws_.bits();
  m.scale = static_cast<float>(draws_.uniform(0.1, 0.3));
  m.extent_u = static_cast<float>(std::max(w, d));
  m.extent_v = static_cast<float>(std::min(w, d));
  const double family = draws_.unit(), saturation = draws_.uniform(0.1, 0.6), value = draws_.uniform(0.35, 0.75),
               other = draws_.uniform(0.2, 0.9);
  const double hue = family < 0.5 ? 0.96 + 0.3 * family : 0.5 + 0.4 * (family - 0.5);
  m.a = paint_hsv(hue, saturation, value);
  m.b = paint_hsv(hue + 0.1, saturation * 0.5, other);
  Builder b = builder(turned_about_z(middle, skew), new_item());
  Primitive& rug = b.box({-w / 2, -d / 2, 0}, {w / 2, d / 2, 0.01}, add(m), 0.004);
  rug.texture_origin = rug.size;
}

void RoomMaker::furnish() {
  for (const Wall& wall : walls_) // keep the way through doors free
    for (const Patch& door : wall.doors) {
      const Vec3 a = wall.frame.to_world({door.x0 - 0.05, 0, 0}), c = wall.frame.to_world({door.x1 + 0.05, 0.75, 0});
      taken_.push_back({std::min(a.x, c.x), std::min(a.y, c.y), std::max(a.x, c.x), std::max(a.y, c.y)});
    }
  using K = Kind;
  const double type = draws_.unit();
  std::vector<Kind> first, more;
  if (type < 0.32) { // living room
    first = {K::sofa, K::television, K::bookshelf};
    more = {K::armchair,     K::plant,  K::floor_lamp, K::sideboard, K::side_table, K::piano,       K::fireplace,
            K::dining_table, K::basket, K::chair,      K::bookshelf, K::stool,      K::coffee_table};
  } else if (type < 0.52) { // bedroom
    first = {K::bed, K::wardrobe, K::dresser};
    more = {K::chair,    K::plant, K::floor_lamp, K::basket, K::bookshelf,
            K::armchair, K::desk,  K::side_table, K::boxes,  K::stool};
  } else if (type < 0.72) { // study or office
    first = {K::desk, K::bookshelf, K::desk};
    more = {K::wardrobe, K::plant,    K::basket,     K::boxes,      K::bookshelf, K::floor_lamp,
            K::chair,    K::armchair, K::side_table, K::shelf_rack, K::sideboard};
  } else if (type < 0.9) { // kitchen and dining room
    first = {K::counter, K::fridge, K::dining_table};
    more = {K::sideboard, K::chair,     K::plant,      K::stool,     K::basket,
            K::counter,   K::bookshelf, K::side_table, K::shelf_rack};
  } else { // store room
    first = {K::shelf_rack, K::boxes, K::shelf_rack};
    more = {K::boxes, K::wardrobe, K::basket, K::stool, K::chair, K::desk, K::shelf_rack, K::side_table, K::fridge};
  }
  const double crowded = draws_.uniform(0.5, 1.1);
  const int wanted = std::max(3, static_cast<int>(floor_area() / 2.0 * crowded));
  if (type < 0.72 && draws_.chance(0.55)) lay_rug();
  for (int i = 0; i < wanted; ++i) {
    const Kind kind = static_cast<size_t>(i) < first.size()
                          ? first[static_cast<size_t>(i)]
                          : more[static_cast<size_t>(draws_.below(static_cast<int>(more.size())))];
    const Piece piece = make_piece(kind, draws_);
    if (piece.against_wall)
      place_at_wall(piece);
    else
      place_freely(piece);
  }
}

void RoomMaker::hang(Wall& wall) {
  const double h = scene_.room.z, what = draws_.unit();
  double wide, high, foot;
  if (what < 0.62) { // picture
    wide = draws_.uniform(0.3, 1.1);
    high = wide * draws_.uniform(0.65, 1.3);
    foot = draws_.uniform(1.15, 1.45);
  } else if (what < 0.72) { // clock
    wide = high = draws_.uniform(0.25, 0.36);
    foot = draws_.uniform(1.6, 1.85);
  } else if (what < 0.87) { // wall shelf
    wide = draws_.uniform(0.6, 1.2);
    high = 0.4;
    foot = draws_.uniform(1.3, 1.55);
  } else { // whiteboard or blackboard
    wide = draws_.uniform(1.0, 1.8);
    high = draws_.uniform(0.8, 1.1);
    foot = 0.95;
  }
  high = std::min(high, h - foot - 0.15);
  if (wide > wall.length - 0.3) return;
  const double x = draws_.uniform(0.15, wall.length - wide - 0.15);
  const Patch place{x, x + wide, foot, foot + high};
  for (const auto* list : {&wall.doors, &wall.windows, &wall.hidden})
    for (const Patch& other : *list)
      if (overlap(place, other, 0.12)) return;
  wall.hidden.push_back(place);
  Builder b = builder(wall.frame, 0);
  if (what < 0.62) {
    const bool deep = draws_.chance(0.4), mat = draws_.chance(0.5);
    const double rim = deep ? 0.05 : 0.02, edge = rim + (mat ? 0.12 * std::min(wide, high) : 0);
    const int frame = draws_.chance(0.4) ? palette_.black : draws_.chance(0.5) ? palette_.wood : palette_.white;
    b.box({x, 0.002, foot}, {x + wide, 0.025, foot + high}, frame, 0.008);
    if (mat) b.box({x + rim, 0.02, foot + rim}, {x + wide - rim, 0.0258, foot + high - rim}, palette_.linen, 0);
    Material art;
    art.pattern = Pattern::picture;
    art.seed = draws_.bits();
    art.extent_u = static_cast<float>(wide - 2 * edge);
    art.extent_v = static_cast<float>(high - 2 * edge);
    art.gloss = draws_.chance(0.5) ? 0.04f : 0;
    art.roughness = 0.02f;
    Primitive& face = b.box({x + edge, 0.02, foot + edge}, {x + wide - edge, 0.0265, foot + high - edge}, add(art), 0);
    face.texture_origin = face.size;
    face.upright = true;
  } else if (what < 0.72) {
    const double r = wide / 2;
    const Vec3 centre{x + r, 0, foot + r};
    b.rod(centre, centre + Vec3{0, 0.03, 0}, r, palette_.black);
    b.rod(centre + Vec3{0, 0.01, 0}, centre + Vec3{0, 0.032, 0}, r * 0.9, palette_.white);
    const auto [s, c] = sin_cos(draws_.uniform(0, 2 * pi));
    b.rod(centre + Vec3{0, 0.036, 0}, centre + Vec3{s * r * 0.5, 0.036, c * r * 0.5}, 0.006, palette_.black);
    b.rod(centre + Vec3{0, 0.036, 0}, centre + Vec3{-c * r * 0.75, 0.036, s * r * 0.75}, 0.005, palette_.black);
  } else if (what < 0.87) {
    const double deep = 0.22;
    b.box({x, 0, foot}, {x + wide, deep, foot + 0.025}, palette_.wood);
    const double books = wide * draws_.uniform(0.25, 0.6);
    Material spines;
    spines.pattern = Pattern::books;
    spines.extent_v = 0.22f;
    spines.seed = draws_.bits();
    Primitive& row = b.box({x + 0.03, 0.01, foot + 0.025}, {x + 0.03 + books, 0.17, foot + 0.245}, add(spines), 0.006);
    row.texture_origin = row.size;
    row.upright = true;
    b.cylinder({x + wide - 0.12, 0.11, foot + 0.025}, 0.05, draws_.uniform(0.1, 0.22), palette_.ceramic, 0.065);
  } else {
    const bool dark = draws_.chance(0.3);
    b.box({x, 0.002, foot}, {x + wide, 0.025, foot + high}, dark ? palette_.wood : palette_.metal, 0.008);
    Material face = scene_.materials[static_cast<size_t>(palette_.white)];
    if (dark) face.a = paint(0.2, 0.25, 0.22);
    b.box({x + 0.025, 0.02, foot + 0.025}, {x + wide - 0.025, 0.027, foot + high - 0.025}, add(face), 0);
    b.box({x + 0.1, 0.02, foot - 0.01}, {x + wide - 0.1, 0.08, foot + 0.01}, palette_.metal);
  }
}

void RoomMaker::decorate() {
  for (Wall& wall : walls_) {
    const int tries = static_cast<int>(wall.length * 1.4);
    for (int i = 0; i < tries; ++i) hang(wall);
    for (const Patch& door : wall.doors) // light switch
      if (door.x1 + 0.3 < wall.length) {
        Builder b = builder(wall.frame, 0);
        b.box({door.x1 + 0.16, 0, 1.05}, {door.x1 + 0.24, 0.012, 1.13}, palette_.white, 0.004);
      }
    if (draws_.chance(0.7)) { // socket
      const double x = draws_.uniform(0.2, wall.length - 0.3);
      bool free = true;
      for (const Patch& door : wall.doors) free = free && (x + 0.15 < door.x0 || x - 0.07 > door.x1);
      for (const Patch& window : wall.windows)
        free = free && (x + 0.08 < window.x0 || x > window.x1 || window.z0 > 0.5);
      Builder b = builder(wall.frame, 0);
      if (free) b.box({x, 0, 0.28}, {x + 0.08, 0.012, 0.36}, palette_.white, 0.004);
    }
  }
}

void RoomMaker::light() {
  const auto [w, d, h] = scene_.room;
  scene_.sky_seed = draws_.bits();
  const bool has_window = !scene_.windows.empty();
  const double sky = day_ ? draws_.uniform(3, 8) : draws_.uniform(0.05, 0.5);
  scene_.sky_brightness = static_cast<float>(0.3 * sky);
  const Rgb daylight = mix(Rgb{0.85f, 0.95f, 1.1f}, Rgb{1.05f, 1.0f, 0.92f}, static_cast<float>(draws_.unit()));
  for (const Opening& window : scene_.windows) {
    if (!day_) break;
    Light light;
    light.position = window.centre;
    light.u = window.u;
    light.v = window.v;
    light.normal = -window.normal;
    light.rectangle = true;
    const double area = 4 * length(window.u) * length(window.v);
    light.power = daylight * static_cast<float>(sky * area / pi);
    scene_.lights.push_back(light);
  }
  if (day_ && has_window && draws_.chance(0.5)) { // the sun stands before one of the windows
    const Opening& window = scene_.windows[static_cast<size_t>(draws_.below(static_cast<int>(scene_.windows.size())))];
    const double height = draws_.uniform(0.25, 1.1), aside = draws_.uniform(-1.1, 1.1);
    scene_.sun = normalised(window.normal + normalised(window.u) * aside + Vec3{0, 0, height});
    scene_.sunlight = Rgb{1.0f, 0.9f, 0.75f} * static_cast<float>(draws_.uniform(1.5, 4.5));
  }

  // Lamps at the ceiling: lit in the evening and in rooms without a window, by day sometimes.
  const bool lit = !day_ || !has_window || draws_.chance(0.35);
  const float warm = static_cast<float>(draws_.unit());
  const Rgb lamp_colour = mix(Rgb{1.0f, 0.76f, 0.5f}, Rgb{1.0f, 0.97f, 0.92f}, warm);
  const int along_x = w > 4.6 ? 2 : 1, along_y = d > 4.6 ? 2 : 1;
  const int style = draws_.below(4);
  const double strength = draws_.uniform(1.6, 3.2) / (along_x * along_y) * std::max(1.0, floor_area() / 14);
  const int glow = lit ? palette_.shade : palette_.dark_shade;
  const int item = new_item();
  for (int i = 0; i < along_x; ++i)
    for (int j = 0; j < along_y; ++j) {
      const Vec3 at{w * (i + 0.5) / along_x, d * (j + 0.5) / along_y, h};
      Builder b = builder({at}, item);
      Light light;
      light.power = lamp_colour * static_cast<float>(strength);
      if (style == 0) { // flush
        b.cylinder({0, 0, -0.09}, 0.15, 0.09, glow, 0.19);
        light.position = at - Vec3{0, 0, 0.14};
        light.radius = 0.12;
      } else if (style == 1) { // pendant
        const double drop = std::min(draws_.uniform(0.35, 0.8), h - 1.75), r = draws_.uniform(0.13, 0.24);
        b.rod({0, 0, -drop}, {0, 0, 0}, 0.006, palette_.black);
        b.cylinder({0, 0, -drop - r}, r, r * 1.1, glow, r * draws_.uniform(0.3, 0.9));
        light.position = at - Vec3{0, 0, drop + r * 0.7};
        light.radius = r * 0.7;
      } else if (style == 2) { // globe
        const double drop = std::min(draws_.uniform(0.2, 0.6), h - 1.9);
        b.rod({0, 0, -drop}, {0, 0, 0}, 0.006, palette_.metal);
        b.ball({0, 0, -drop - 0.12}, {0.14, 0.14, 0.14}, glow);
        light.position = at - Vec3{0, 0, drop + 0.12};
        light.radius = 0.13;
      } else { // panel
        b.box({-0.3, -0.3, -0.03}, {0.3, 0.3, 0}, glow, 0.004);
        light.position = at - Vec3{0, 0, 0.04};
        light.u = {0.28, 0, 0};
        light.v = {0, 0.28, 0};
        light.normal = {0, 0, -1};
        light.rectangle = true;
        light.power = light.power * 1.6f;
      }
      if (lit) scene_.lights.push_back(light);
    }

  // Light after many bounces, the same everywhere: flux * r / (1 - r) / surface of the room.
  Rgb flux;
  for (const Light& light : scene_.lights)
    flux = flux + light.power * static_cast<float>(light.rectangle ? pi : 4 * pi);
  const double surface = 2 * (w * d + w * h + d * h);
  scene_.ambient = flux * static_cast<float>(0.5 * bounce / (1 - bounce) / surface) + Rgb{0.004f, 0.004f, 0.004f};
}

void RoomMaker::place_camera(const View& view) {
  const double w = scene_.room.x, d = scene_.room.y, h = scene_.room.z;
  std::vector<Aabb> solid;
  for (const Primitive& primitive : scene_.primitives) solid.push_back(scene_.bounds(primitive));
  const auto clearance = [&](Vec3 p) {
    double nearest = 1e30;
    for (const Aabb& box : solid) nearest = std::min(nearest, box.distance(p));
    return nearest;
  };
  const auto inside = [&](Vec3 p) {
    const double m = camera_clearance;
    return p.x > m && p.y > m && p.z > m && p.x < w - m && p.y < d - m && p.z < h - m;
  };

  // Hand-held, chest to head height, sometimes lower; looks somewhere into the room.
  double best = -1;
  for (int attempt = 0; attempt < 150 && best < 1; ++attempt) {
    const double px = draws_.unit(), py = draws_.unit(), up = draws_.uniform(0.9, 2.0);
    const double tx = draws_.uniform(0.2, 0.8), ty = draws_.uniform(0.2, 0.8), pitch = draws_.uniform(-0.42, 0.1);
    const double roll = draws_.uniform(-4, 4) * degrees;
    const Vec3 eye{camera_clearance + px * (w - 2 * camera_clearance),
                   camera_clearance + py * (d - 2 * camera_clearance), std::min(up, h - 0.4)};
    const double ahead_x = tx * w - eye.x, ahead_y = ty * d - eye.y,
                 ahead = std::sqrt(ahead_x * ahead_x + ahead_y * ahead_y);
    if (!inside(eye) || ahead < 0.6 || clearance(eye) < camera_clearance) continue;
    const Vec3 gaze{ahead_x, ahead_y, pitch * ahead};
    const Vec3 forward = normalised(gaze), right = normalised(cross(forward, {0, 0, 1})), down = cross(forward, right);
    const auto [s, c] = sin_cos(roll);
    Camera camera;
    camera.frame = {eye, right * c + down * s, down * c - right * s, forward};
    // A coarse look, always with the same field of view: how deep, how varied, how much furniture.
    constexpr int columns = 8, rows = 6, rays = columns * rows;
    std::array<double, rays> depth;
    std::array<int, rays> items;
    for (int i = 0; i < rays; ++i) {
      const int column = i % columns, row = i / columns;
      const Vec3 to{(column - 3.5) / 3.5 * 0.55, (row - 2.5) / 2.5 * 0.42, 1};
      const Hit hit = scene_.intersect({eye, camera.frame.direction_to_world(to)});
      depth[static_cast<size_t>(i)] = hit.t;
      items[static_cast<size_t>(i)] =
          hit.primitive < 0 ? 0 : scene_.primitives[static_cast<size_t>(hit.primitive)].item;
    }
    std::sort(depth.begin(), depth.end());
    std::sort(items.begin(), items.end());
    const auto furniture = std::count_if(items.begin(), items.end(), [](int item) { return item > 0; });
    const auto pieces = std::unique(items.begin(), items.end()) - items.begin();
    const double nearest = depth[1], median = depth[rays / 2], spread = depth[rays * 9 / 10] / depth[rays / 10];
    double score = 1;
    score -= nearest < 0.55 ? 0.4 : 0;
    score -= median < 1.3 ? 0.3 : median < 1.7 ? 0.15 : 0;
    score -= spread < 1.4 ? 0.2 : spread < 1.7 ? 0.1 : 0;
    score -= furniture < 8 ? 0.25 : furniture < 13 ? 0.1 : 0;
    score -= pieces < 3 ? 0.2 : pieces < 4 ? 0.1 : 0;
    if (score > best) {
      best = score;
      scene_.camera = camera;
    }
  }
  if (best < 0) { // a crammed room: the freest place of a grid, looking at the middle
    double most = -1;
    for (int i = 0; i < 40 * 40 * 6; ++i) {
      const int column = i % 40, row = i / 40 % 40, level = i / 1600;
      const Vec3 eye{(column + 0.5) / 40 * w, (row + 0.5) / 40 * d, 0.9 + 0.2 * level};
      const double free = inside(eye) ? clearance(eye) : 0;
      if (free > most) {
        most = free;
        const Vec3 forward = normalised(Vec3{w / 2 + 0.01, d / 2 + 0.02, 0.9} - eye);
        const Vec3 right = normalised(cross(forward, {0, 0, 1}));
        scene_.camera.frame = {eye, right, cross(forward, right), forward};
      }
    }
  }

  const double share = draws_.unit(), off_x = draws_.uniform(-0.015, 0.015), off_y = draws_.uniform(-0.015, 0.015);
  const auto [s, c] = sin_cos((view.hfov_low + share * (view.hfov_high - view.hfov_low)) * degrees / 2);
  // Rounded to float: the intrinsics that the data set gives are the ones that were used.
  scene_.camera.fx = scene_.camera.fy = static_cast<float>(view.width / 2.0 * c / s);
  scene_.camera.cx = static_cast<float>((view.width - 1) / 2.0 + off_x * view.width);
  scene_.camera.cy = static_cast<float>((view.height - 1) / 2.0 + off_y * view.height);
}

} // namespace

Scene make_room(uint64_t seed, uint64_t stream, const View& view) { return RoomMaker(seed, stream).make(view); }

} // namespace leadline::data::synthetic
