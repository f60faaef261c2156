#include "data/synthetic/furniture.hpp"

namespace leadline::data::synthetic {
namespace {

int add_material(Scene& scene, const Material& material) {
  scene.materials.push_back(material);
  return static_cast<int>(scene.materials.size()) - 1;
}

/// A colour that furniture cloth comes in: mostly muted, sometimes strong.
Rgb cloth_colour(Draws& draws) {
  const double family = draws.unit(), shade = draws.unit(), strength = draws.unit(), value = draws.uniform(0.25, 0.85);
  const double hue = family < 0.4 ? 0.98 + 0.16 * shade : family < 0.7 ? 0.5 + 0.16 * shade : shade;
  return paint_hsv(hue, strength < 0.5 ? 0.25 * strength : 0.15 + 0.45 * (strength - 0.5) * 2, value);
}

Rgb wood_colour(Draws& draws, double value) {
  const double hue = draws.uniform(0.05, 0.1), saturation = draws.uniform(0.3, 0.62);
  return paint_hsv(hue, saturation, value);
}

/// Four square legs under a top, `inset` from its corners.
void legs(Builder& b, Vec3 low, Vec3 high, double thick, int material) {
  for (const double x : {low.x, high.x - thick})
    for (const double y : {low.y, high.y - thick}) b.box({x, y, low.z}, {x + thick, y + thick, high.z}, material);
}

/// Doors or drawers with gaps and handles on the front plane y = `front`, over [x0, x1] x [z0, z1].
void fronts(Builder& b, double x0, double x1, double z0, double z1, double front, int columns, int rows, int material,
            int handle) {
  const double gap = 0.004, w = (x1 - x0) / columns, h = (z1 - z0) / rows;
  const bool knobs = b.draws.chance(0.4), none = b.draws.chance(0.15);
  for (int i = 0; i < columns; ++i)
    for (int j = 0; j < rows; ++j) {
      const double left = x0 + i * w + gap, right = x0 + (i + 1) * w - gap, low = z0 + j * h + gap,
                   top = z0 + (j + 1) * h - gap;
      b.box({left, front, low}, {right, front + 0.018, top}, material, 0.004);
      if (none) continue;
      const bool drawer = h < w * 1.2;
      const double cx = drawer ? (left + right) / 2 : (i % 2 == 0 ? right - 0.05 : left + 0.05);
      const double cz =
          drawer ? (low + top) / 2 : (z0 < 1.2 ? std::min(top - 0.1, std::max(low + 0.1, 1.0)) : low + 0.1);
      const double grip = drawer ? std::min(0.08, w / 4) : 0.07;
      if (knobs)
        b.ball({cx, front + 0.032, cz}, {0.014, 0.014, 0.014}, handle);
      else if (drawer)
        b.box({cx - grip, front + 0.018, cz - 0.006}, {cx + grip, front + 0.04, cz + 0.006}, handle);
      else
        b.box({cx - 0.006, front + 0.018, cz - grip}, {cx + 0.006, front + 0.04, cz + grip}, handle);
    }
}

void plant_leaves(Builder& b, Vec3 top, double spread, double height, int count) {
  for (int i = 0; i < count; ++i) {
    const double angle = b.draws.uniform(0, 2 * pi), out = std::sqrt(b.draws.unit()) * spread,
                 up = b.draws.uniform(-0.4, 1) * height;
    const double big = spread * b.draws.uniform(0.22, 0.42), tilt = b.draws.uniform(0.2, 1.2);
    const auto [s, c] = sin_cos(angle);
    const Frame place = turned_about_z(top + Vec3{c * out, s * out, up}, angle) * turned_about_y({0, 0, 0}, tilt);
    Builder leaf = b.within(place);
    leaf.ball({0, 0, 0}, {big, big * 0.45, big * 0.08}, b.palette.leaves);
  }
  b.rod(top - Vec3{0, 0, height * 0.6}, top + Vec3{0, 0, height * 0.5}, 0.0015 + 0.03 * spread, b.palette.leaves);
}

void table_lamp(Builder& b, Vec3 foot, bool lit) {
  const double h = b.draws.uniform(0.3, 0.5), r = h * b.draws.uniform(0.28, 0.4);
  const int base = b.draws.chance(0.5) ? b.palette.ceramic : b.palette.brass;
  b.cylinder(foot, r * 0.5, 0.02, base);
  b.ball(foot + Vec3{0, 0, h * 0.28}, {r * 0.36, r * 0.36, h * 0.26}, base);
  b.cylinder(foot + Vec3{0, 0, h * 0.55}, r, h * 0.45, lit ? b.palette.shade : b.palette.dark_shade, r * 0.7);
  if (lit) b.lamp(foot + Vec3{0, 0, h * 0.75}, r * 0.5, b.draws.uniform(0.15, 0.4));
}

/// Small things within [low, high] x,y on a top at low.z.
void clutter(Builder& b, Vec3 low, Vec3 high, int count) {
  Draws& draws = b.draws;
  const Palette& m = b.palette;
  // One thing per cell of a row along the width: nothing overlaps.
  const double cell = (high.x - low.x) / std::max(count, 1);
  for (int i = 0; i < count; ++i) {
    const double x = low.x + (i + draws.uniform(0.35, 0.65)) * cell,
                 y = draws.uniform(low.y + 0.3 * (high.y - low.y), high.y - 0.3 * (high.y - low.y));
    const double r = std::min({0.5 * cell, 0.4 * (high.y - low.y), 0.2});
    const Vec3 at{x, y, low.z};
    Material tint = b.scene.materials[static_cast<size_t>(m.ceramic)];
    tint.a = cloth_colour(draws);
    switch (draws.below(9)) {
    case 0: { // a pile of books
      double z = 0;
      const int pile = draws.between(1, 4);
      for (int k = 0; k < pile; ++k) {
        Material cover = tint;
        cover.a = cloth_colour(draws);
        cover.gloss = 0;
        const double turn = draws.uniform(-0.3, 0.3), h = draws.uniform(0.02, 0.045),
                     w = std::min(0.23, r * 1.3) * draws.uniform(0.85, 1);
        b.box_at(turned_about_z(at + Vec3{0, 0, z}, turn), {w, w * 0.72, h}, b.own(cover), 0.003);
        z += h;
      }
      break;
    }
    case 1: // cup
      b.cylinder(at, std::min(0.035, r * 0.7), 0.09, b.own(tint), std::min(0.042, r * 0.8));
      break;
    case 2: { // bowl of fruit
      const double w = std::min(0.14, r);
      b.cylinder(at, w * 0.5, w * 0.45, b.own(tint), w);
      for (int k = 0; k < 5; ++k) {
        const auto [s, c] = sin_cos(k * 1.2566);
        Material fruit = tint;
        const double hue = draws.uniform(0.0, 0.28);
        fruit.a = paint_hsv(hue, 0.75, 0.8);
        const double f = k == 4 ? 0.0 : 0.5 * w;
        b.ball(at + Vec3{c * f, s * f, w * (k == 4 ? 0.75 : 0.52)}, {w * 0.34, w * 0.34, w * 0.32}, b.own(fruit));
      }
      break;
    }
    case 3: { // vase with leaves
      const double h = draws.uniform(0.12, 0.28), w = std::min(r * 0.7, h * 0.32);
      b.cylinder(at, w * 0.6, h * 0.6, b.own(tint), w);
      b.cylinder(at + Vec3{0, 0, h * 0.6}, w, h * 0.4, static_cast<int>(b.scene.materials.size()) - 1, w * 0.5);
      plant_leaves(b, at + Vec3{0, 0, h * 1.25}, std::max(0.06, w * 1.6), h * 0.5, 6);
      break;
    }
    case 4: { // bottle
      const double w = std::min(0.037, r * 0.8);
      tint.gloss = 0.06f;
      const int glass = b.own(tint);
      b.cylinder(at, w, 0.17, glass);
      b.cylinder(at + Vec3{0, 0, 0.17}, w, 0.05, glass, w * 0.38);
      b.cylinder(at + Vec3{0, 0, 0.22}, w * 0.38, 0.06, glass);
      break;
    }
    case 5: { // box
      const double turn = draws.uniform(-0.5, 0.5), w = r * draws.uniform(0.6, 1.2), h = draws.uniform(0.05, 0.18);
      b.box_at(turned_about_z(at, turn), {w, w * 0.7, h}, b.own(tint));
      break;
    }
    case 6: // picture frame, leaning back
    {
      const double w = std::min(0.16, r), h = w * 1.3, turn = draws.uniform(-0.4, 0.4);
      Builder frame = b.within(turned_about_z(at, turn) * turned_about_x({0, 0, 0.004}, 0.2));
      frame.box({-w / 2, -0.015, 0}, {w / 2, 0, h}, m.dark_wood);
      Material art;
      art.pattern = Pattern::picture;
      art.extent_u = static_cast<float>(w * 0.8);
      art.extent_v = static_cast<float>(h * 0.8);
      art.seed = draws.bits();
      Primitive& face = frame.box({-w * 0.4, 0, h * 0.1}, {w * 0.4, 0.003, h * 0.9}, b.own(art), 0);
      face.texture_origin = face.size;
      face.upright = true;
      break;
    }
    case 7:
      if (high.y - low.y > 0.25 && r > 0.1) {
        table_lamp(b, at, draws.chance(0.35));
        break;
      }
      [[fallthrough]];
    default: // plate or ball
      if (draws.chance(0.5))
        b.cylinder(at, std::min(0.08, r * 0.6), 0.018, m.ceramic, std::min(0.13, r));
      else
        b.ball(at + Vec3{0, 0, r * 0.4}, {r * 0.4, r * 0.4, r * 0.4}, b.own(tint));
    }
  }
}

/// What stands in one compartment of a shelf, between two corners.
void fill_compartment(Builder& b, Vec3 low, Vec3 high) {
  Draws& draws = b.draws;
  const double height = high.z - low.z, depth = high.y - low.y;
  const double what = draws.unit();
  if (what < 0.12) return;
  if (what < 0.72) { // books: groups of differing height, often not to the end
    double x = low.x + 0.005;
    const double end = low.x + (high.x - low.x) * draws.uniform(0.5, 1.0);
    while (x < end - 0.08) {
      const double w = std::min(draws.uniform(0.14, 0.42), end - x), h = height * draws.uniform(0.62, 0.93),
                   d = depth * draws.uniform(0.6, 0.9);
      Material spines;
      spines.pattern = Pattern::books;
      spines.extent_v = static_cast<float>(h);
      spines.seed = draws.bits();
      Primitive& row = b.box({x, low.y, low.z}, {x + w, low.y + d, low.z + h}, b.own(spines), 0.006);
      row.texture_origin = row.size;
      row.upright = true;
      x += w;
    }
    if (high.x - x > 0.22) clutter(b, {x + 0.04, low.y, low.z}, {high.x, high.y, high.z}, 1);
  } else if (what < 0.85) { // storage boxes
    const int n = std::max(1, static_cast<int>((high.x - low.x) / 0.34));
    const double w = (high.x - low.x) / n, h = std::min(height * 0.8, 0.28);
    Material tint = b.scene.materials[static_cast<size_t>(b.palette.fabric)];
    tint.a = cloth_colour(draws);
    const int material = b.own(tint);
    for (int i = 0; i < n; ++i)
      b.box({low.x + i * w + 0.015, low.y, low.z}, {low.x + (i + 1) * w - 0.015, high.y - 0.02, low.z + h}, material,
            0.01);
  } else if (height > 0.24) {
    clutter(b, low, high, std::max(1, static_cast<int>((high.x - low.x) / 0.25)));
  }
}

/// A shelf's board work and contents.
void shelves(Builder& b, double w, double d, double h, int board, bool back) {
  const double t = 0.022;
  b.box({0, 0, 0}, {t, d, h}, board, 0.004);
  b.box({w - t, 0, 0}, {w, d, h}, board, 0.004);
  if (back) b.box({t, 0, 0.05}, {w - t, 0.012, h}, board, 0);
  const int rows = std::max(2, static_cast<int>(h / b.draws.uniform(0.3, 0.42)));
  const int columns = std::max(1, static_cast<int>(w / 0.8 + 0.4));
  const double foot = 0.06, row = (h - foot - t) / rows, column = (w - t) / columns;
  for (int j = 0; j <= rows; ++j) b.box({t, 0, foot + j * row}, {w - t, d - 0.005, foot + j * row + t}, board, 0.004);
  for (int i = 1; i < columns; ++i) b.box({i * column, 0.01, foot}, {i * column + t, d - 0.006, h}, board, 0.004);
  for (int j = 0; j < rows; ++j)
    for (int i = 0; i < columns; ++i)
      fill_compartment(b, {i * column + t + 0.005, 0.015, foot + j * row + t},
                       {(i + 1) * column - 0.005, d - 0.01, foot + (j + 1) * row});
}

/// A chair 0.45 wide and deep whose back is at y = 0 and which looks along +y.
void chair(Builder& b, int style, int frame_material, int seat_material) {
  const double w = 0.45, d = 0.44, seat = 0.45, top = 0.88;
  if (style == 2) { // swivel chair
    b.cylinder({w / 2, d / 2, 0.1}, 0.03, 0.32, b.palette.metal);
    for (int i = 0; i < 5; ++i) {
      const auto [s, c] = sin_cos(0.3 + i * 1.2566);
      b.rod({w / 2, d / 2, 0.1}, {w / 2 + 0.28 * c, d / 2 + 0.28 * s, 0.06}, 0.018, b.palette.black);
      b.ball({w / 2 + 0.28 * c, d / 2 + 0.28 * s, 0.03}, {0.03, 0.03, 0.03}, b.palette.black);
    }
    b.box({0, 0.02, seat - 0.04}, {w, d + 0.04, seat + 0.04}, seat_material, 0.04);
    Builder back = b.within(turned_about_x({0, 0.04, seat}, 0.12));
    back.box({0.02, -0.05, 0.12}, {w - 0.02, 0.01, 0.62}, seat_material, 0.035);
    back.rod({w / 2, -0.02, -0.05}, {w / 2, -0.04, 0.2}, 0.02, b.palette.black);
    for (const double x : {-0.04, w}) {
      b.box({x, 0.12, seat + 0.18}, {x + 0.04, 0.38, seat + 0.21}, b.palette.black, 0.01);
      b.box({x, 0.2, seat - 0.02}, {x + 0.03, 0.24, seat + 0.18}, b.palette.black, 0.01);
    }
    return;
  }
  const double leg = style == 1 ? 0.03 : 0.04;
  legs(b, {0.01, 0.01, 0}, {w - 0.01, d, seat - 0.02}, leg, frame_material);
  b.box({0, 0, seat - 0.03}, {w, d + 0.01, seat + (style == 1 ? 0.03 : 0.0)}, seat_material,
        style == 1 ? 0.025 : 0.008);
  Builder back = b.within(turned_about_x({0, 0.02, seat}, 0.13));
  if (style == 1) { // upholstered
    back.box({0, -0.03, 0.0}, {w, 0.02, top - seat + 0.06}, seat_material, 0.025);
  } else { // posts with slats
    for (const double x : {0.01, w - 0.05}) back.box({x, -0.02, 0}, {x + 0.04, 0.015, top - seat}, frame_material);
    const int slats = style == 0 ? 3 : 2;
    for (int i = 0; i < slats; ++i) {
      const double z = (top - seat) * (0.42 + 0.5 * i / slats);
      back.box({0.04, -0.012, z}, {w - 0.04, 0.008, z + 0.07}, frame_material);
    }
  }
}

void sofa(Builder& b, double w, bool soft_legs) {
  Draws& draws = b.draws;
  const int cloth = b.palette.fabric;
  const double d = 0.9, seat = 0.42, arm = draws.uniform(0.13, 0.24), arm_height = draws.uniform(0.55, 0.66),
               back = draws.uniform(0.76, 0.92);
  const double foot = soft_legs ? 0.13 : 0.04;
  b.box({0, 0, foot}, {w, d - 0.04, seat - 0.14}, cloth, 0.03);
  b.box({0, 0, foot}, {w, 0.2, back - 0.06}, cloth, 0.07);
  b.box({0, 0, foot}, {arm, d, arm_height}, cloth, 0.07);
  b.box({w - arm, 0, foot}, {w, d, arm_height}, cloth, 0.07);
  legs(b, {0.05, 0.05, 0}, {w - 0.05, d - 0.06, foot}, 0.05, b.palette.dark_wood);
  const int seats = std::max(1, static_cast<int>((w - 2 * arm) / 0.62 + 0.3));
  const double each = (w - 2 * arm) / seats;
  for (int i = 0; i < seats; ++i) {
    const double x = arm + i * each;
    b.box({x + 0.006, 0.18, seat - 0.15}, {x + each - 0.006, d + 0.01, seat + 0.02}, cloth, 0.055);
    Builder lean = b.within(turned_about_x({0, 0.22, seat}, 0.2));
    lean.box({x + 0.01, -0.04, -0.02}, {x + each - 0.01, 0.13, back - seat + 0.04}, cloth, 0.06);
  }
  const int pillows = draws.between(0, seats + 1);
  for (int i = 0; i < pillows; ++i) {
    Material tint = b.scene.materials[static_cast<size_t>(b.palette.second_fabric)];
    if (draws.chance(0.5)) tint.a = cloth_colour(draws), tint.b = tint.a * 0.8f;
    const double x = draws.uniform(arm + 0.22, w - arm - 0.22), turn = draws.uniform(-0.35, 0.35),
                 big = draws.uniform(0.19, 0.24);
    Builder pillow = b.within(turned_about_z({x, 0.47, seat + big * 0.9}, turn) * turned_about_x({0, 0, 0}, 0.35));
    pillow.ball({0, 0, 0}, {big, 0.075, big}, b.own(tint));
  }
}

void coffee_table(Builder& b, Vec3 size) {
  const int top = b.draws.chance(0.75) ? b.palette.wood : b.palette.white;
  const double t = 0.03;
  if (b.draws.chance(0.3)) { // round
    const double r = std::min(size.x, size.y) / 2;
    b.cylinder({size.x / 2, size.y / 2, size.z - t}, r, t, top);
    b.cylinder({size.x / 2, size.y / 2, 0}, r * 0.5, 0.03, b.palette.metal);
    b.cylinder({size.x / 2, size.y / 2, 0.02}, 0.035, size.z - t - 0.02, b.palette.metal);
    clutter(b, {size.x / 2 - r * 0.6, size.y / 2 - r * 0.6, size.z}, {size.x / 2 + r * 0.6, size.y / 2 + r * 0.6, 9},
            b.draws.between(0, 2));
    return;
  }
  b.box({0, 0, size.z - t}, {size.x, size.y, size.z}, top);
  legs(b, {0.02, 0.02, 0}, {size.x - 0.02, size.y - 0.02, size.z - t}, 0.045,
       b.draws.chance(0.5) ? top : b.palette.black);
  if (b.draws.chance(0.4)) b.box({0.05, 0.05, 0.14}, {size.x - 0.05, size.y - 0.05, 0.16}, top);
  clutter(b, {0.05, 0.05, size.z}, {size.x - 0.05, size.y - 0.05, 9}, b.draws.between(0, 3));
}

/// A display that stands on a surface; its face looks along +y.
void display(Builder& b, Vec3 foot, double w, bool television) {
  const double h = w * 0.565, lift = television ? 0.06 : 0.14;
  const int black = b.palette.black;
  b.box({foot.x - w * 0.18, foot.y - 0.1, foot.z}, {foot.x + w * 0.18, foot.y + 0.1, foot.z + 0.015}, black);
  b.box({foot.x - 0.04, foot.y - 0.03, foot.z}, {foot.x + 0.04, foot.y - 0.01, foot.z + lift + 0.1}, black);
  b.box({foot.x - w / 2, foot.y - 0.02, foot.z + lift}, {foot.x + w / 2, foot.y + 0.02, foot.z + lift + h}, black);
  Material face;
  const bool on = b.draws.chance(television ? 0.25 : 0.5);
  const double hue = b.draws.unit();
  face.pattern = on ? Pattern::screen : Pattern::plain;
  face.a = on ? paint_hsv(hue, 0.6, 0.55) : paint(0.07, 0.07, 0.08);
  face.b = on ? paint_hsv(hue + 0.2, 0.4, 0.9) : face.a;
  face.emission = on ? 1.2f : 0;
  face.gloss = 0.05f;
  face.roughness = 0.02f;
  face.seed = b.draws.bits();
  face.extent_u = static_cast<float>(w - 0.02);
  face.extent_v = static_cast<float>(h - 0.02);
  Primitive& pane = b.box({foot.x - w / 2 + 0.01, foot.y + 0.02, foot.z + lift + 0.01},
                          {foot.x + w / 2 - 0.01, foot.y + 0.022, foot.z + lift + h - 0.01}, b.own(face), 0);
  pane.texture_origin = pane.size;
  pane.upright = true;
}

void desk(Builder& b, double w, double d, double h) {
  Draws& draws = b.draws;
  const int top = draws.chance(0.6) ? b.palette.wood : b.palette.white;
  b.box({0, 0, h - 0.03}, {w, d, h}, top);
  const bool drawers = draws.chance(0.5);
  if (drawers) {
    b.box({0.03, 0.05, 0.03}, {0.43, d - 0.05, h - 0.03}, top);
    fronts(b, 0.03, 0.43, 0.04, h - 0.04, d - 0.05, 1, 3, top, b.palette.metal);
    b.box({w - 0.05, 0.03, 0}, {w - 0.02, d - 0.03, h - 0.03}, top);
  } else {
    legs(b, {0.03, 0.03, 0}, {w - 0.03, d - 0.03, h - 0.03}, 0.05,
         draws.chance(0.5) ? b.palette.metal : b.palette.black);
  }
  const double middle = w * draws.uniform(0.42, 0.58), wide = draws.uniform(0.48, 0.64);
  const int screens = draws.chance(0.25) && w > 1.35 ? 2 : draws.chance(0.85) ? 1 : 0;
  for (int i = 0; i < screens; ++i)
    display(b, {middle + (screens == 2 ? (i - 0.5) * (wide + 0.02) : 0), 0.2, h}, wide, false);
  Material keys;
  keys.pattern = Pattern::keys;
  keys.scale = 0.019f;
  keys.a = draws.chance(0.5) ? paint(0.15, 0.15, 0.16) : paint(0.8, 0.8, 0.8);
  keys.b = keys.a * 0.4f;
  b.box({middle - 0.2, 0.38, h}, {middle + 0.2, 0.51, h + 0.02}, b.own(keys), 0.003);
  b.ball({middle + 0.28, 0.44, h + 0.012}, {0.03, 0.05, 0.018}, b.palette.black);
  const bool lamp = draws.chance(0.4);
  if (lamp) table_lamp(b, {0.14, 0.16, h}, draws.chance(0.5));
  const double clear = middle - (screens == 2 ? wide : wide / 2) - 0.04;
  if (!lamp && clear > 0.2) clutter(b, {0.02, 0.08, h}, {clear, d - 0.1, 9}, 1);
  if (w - (middle + 0.34) > 0.22) clutter(b, {middle + 0.36, 0.3, h}, {w - 0.03, d - 0.03, 9}, 1);
  const double turn = draws.uniform(-0.5, 0.5), out = draws.uniform(0.0, 0.18);
  // The chair looks at the desk, along -y.
  Builder seat = b.within(turned_about_z({middle, d + 0.28 + out, 0}, pi + turn));
  Builder centred = seat.within({{-0.225, -0.22, 0}});
  chair(centred, draws.chance(0.7) ? 2 : draws.below(2), b.palette.dark_wood, b.palette.second_fabric);
}

void bed(Builder& b, double w, double d, bool stands) {
  Draws& draws = b.draws;
  const int wood = draws.chance(0.5) ? b.palette.wood : draws.chance(0.5) ? b.palette.dark_wood : b.palette.fabric;
  const double side = stands ? 0.5 : 0, width = w - 2 * side, head = draws.uniform(0.85, 1.25);
  const Vec3 o{side, 0, 0};
  b.box(o + Vec3{0, 0, 0.05}, o + Vec3{width, 0.06, head}, wood, 0.015);
  b.box(o + Vec3{0, 0.06, 0.1}, o + Vec3{width, d, 0.3}, wood, 0.01);
  legs(b, o + Vec3{0.02, 0.1, 0}, o + Vec3{width - 0.02, d - 0.02, 0.1}, 0.06, b.palette.dark_wood);
  b.box(o + Vec3{0.03, 0.07, 0.28}, o + Vec3{width - 0.03, d - 0.03, 0.48}, b.palette.linen, 0.05);
  const double fold = draws.uniform(0.55, 0.8);
  b.box(o + Vec3{-0.015, fold, 0.22}, o + Vec3{width + 0.015, d + 0.015, 0.54}, b.palette.second_fabric, 0.09);
  b.box(o + Vec3{-0.018, fold - 0.02, 0.24}, o + Vec3{width + 0.018, fold + 0.22, 0.548}, b.palette.linen, 0.07);
  const int pillows = width > 1.2 ? 2 : 1;
  for (int i = 0; i < pillows; ++i) {
    const double centre = width * (i + 0.5) / pillows, turn = draws.uniform(-0.12, 0.12);
    Builder pillow = b.within(turned_about_z(o + Vec3{centre, 0.32, 0.55}, turn) * turned_about_x({0, 0, 0}, -0.25));
    pillow.ball({0, 0, 0}, {0.34, 0.24, 0.1}, draws.chance(0.7) ? b.palette.linen : b.palette.second_fabric);
  }
  if (!stands) return;
  const bool lit = draws.chance(0.4), lamps = draws.chance(0.7);
  for (const double x : {0.03, w - 0.45}) {
    b.box({x, 0.02, 0.1}, {x + 0.42, 0.4, 0.52}, b.palette.wood);
    fronts(b, x, x + 0.42, 0.12, 0.5, 0.4, 1, 2, b.palette.wood, b.palette.metal);
    legs(b, {x, 0.03, 0}, {x + 0.42, 0.39, 0.1}, 0.035, b.palette.wood);
    if (lamps)
      table_lamp(b, {x + 0.21, 0.2, 0.52}, lit);
    else
      clutter(b, {x + 0.05, 0.05, 0.52}, {x + 0.37, 0.38, 9}, 1);
  }
}

void counter(Builder& b, double w, double room_left) {
  Draws& draws = b.draws;
  const int front = b.palette.front;
  const int modules = std::max(2, static_cast<int>(w / 0.6 + 0.3));
  const double each = w / modules;
  b.box({0, 0, 0.1}, {w, 0.58, 0.87}, front, 0.004);
  b.box({0.02, 0, 0}, {w - 0.02, 0.53, 0.1}, b.palette.black, 0);
  b.box({-0.01, 0, 0.87}, {w + 0.01, 0.62, 0.91}, b.palette.worktop);
  const int oven = draws.below(modules), drawers = draws.below(modules);
  for (int i = 0; i < modules; ++i) {
    const double x = i * each;
    if (i == oven) {
      b.box({x + 0.01, 0.58, 0.14}, {x + each - 0.01, 0.6, 0.74}, b.palette.black);
      b.box({x + 0.01, 0.58, 0.75}, {x + each - 0.01, 0.6, 0.86}, b.palette.metal);
      b.rod({x + 0.06, 0.63, 0.7}, {x + each - 0.06, 0.63, 0.7}, 0.01, b.palette.metal);
      b.box({x + 0.03, 0.06, 0.91}, {x + each - 0.03, 0.56, 0.916}, b.palette.black);
      if (draws.chance(0.6)) {
        b.cylinder({x + each * 0.3, 0.2, 0.916}, 0.1, 0.12, b.palette.metal);
        b.ball({x + each * 0.3, 0.2, 1.05}, {0.015, 0.015, 0.015}, b.palette.black);
      }
    } else {
      fronts(b, x, x + each, 0.12, 0.86, 0.58, 1, i == drawers ? 3 : 1, front, b.palette.metal);
    }
  }
  const int sink = (oven + modules / 2) % modules;
  if (sink != oven) {
    const double x = (sink + 0.5) * each;
    b.box({x - 0.24, 0.1, 0.911}, {x + 0.24, 0.52, 0.916}, b.palette.metal);
    b.box({x - 0.21, 0.14, 0.914}, {x + 0.21, 0.48, 0.918}, b.palette.black);
    b.rod({x, 0.08, 0.91}, {x, 0.08, 1.16}, 0.014, b.palette.metal);
    b.rod({x, 0.08, 1.16}, {x, 0.25, 1.18}, 0.012, b.palette.metal);
  }
  for (int i = 0; i < modules; ++i)
    if (i != oven && i != sink && draws.chance(0.7))
      clutter(b, {i * each + 0.05, 0.1, 0.91}, {(i + 1) * each - 0.05, 0.5, 9}, 1);
  if (draws.chance(0.75) && room_left > 2.2) {
    b.box({0, 0, 1.42}, {w, 0.33, 2.12}, front, 0.004);
    fronts(b, 0, w, 1.43, 2.11, 0.33, modules, 1, front, b.palette.metal);
  }
  Material tiles;
  tiles.pattern = draws.chance(0.7) ? Pattern::tiles : Pattern::bricks;
  tiles.scale = static_cast<float>(draws.uniform(0.07, 0.15));
  const double hue = draws.unit();
  tiles.a = draws.chance(0.5) ? paint(0.9, 0.9, 0.88) : paint_hsv(hue, 0.3, 0.7);
  tiles.b = paint(0.75, 0.74, 0.7);
  tiles.gloss = 0.04f;
  tiles.roughness = 0.1f;
  tiles.seed = draws.bits();
  Primitive& splash = b.box({0, 0, 0.91}, {w, 0.008, 1.42}, b.own(tiles), 0);
  splash.upright = true;
}

void dining_table(Builder& b, Vec3 size, int style) {
  Draws& draws = b.draws;
  const double margin = 0.5, w = size.x - 2 * margin, d = size.y - 2 * margin, h = 0.74;
  const int top = draws.chance(0.75) ? b.palette.wood : b.palette.white;
  const Vec3 c{size.x / 2, size.y / 2, 0};
  const bool round = draws.chance(0.25) && std::fabs(w - d) < 0.25;
  if (round) {
    b.cylinder(c + Vec3{0, 0, h - 0.035}, d / 2, 0.035, top);
    b.cylinder(c + Vec3{0, 0, 0.03}, 0.06, h - 0.06, top, 0.05);
    b.cylinder(c, 0.28, 0.03, top);
  } else {
    b.box({margin, margin, h - 0.035}, {margin + w, margin + d, h}, top);
    b.box({margin + 0.06, margin + 0.06, h - 0.11}, {margin + w - 0.06, margin + d - 0.06, h - 0.035}, top);
    legs(b, {margin + 0.04, margin + 0.04, 0}, {margin + w - 0.04, margin + d - 0.04, h - 0.035}, 0.07, top);
  }
  clutter(b, {margin + w * 0.2, margin + d * 0.2, h}, {margin + w * 0.8, margin + d * 0.8, 9}, draws.between(0, 4));
  const int frame_material = draws.chance(0.6) ? top : b.palette.dark_wood;
  const int seat_material = style == 1 ? b.palette.second_fabric : frame_material;
  const auto seat_at = [&](double x, double y, double towards) {
    if (draws.chance(0.12)) return;
    const double turn = draws.uniform(-0.18, 0.18), out = draws.uniform(-0.05, 0.12);
    Builder seat = b.within(turned_about_z({x, y, 0}, towards + turn));
    Builder centred = seat.within({{-0.225, -0.22 - out, 0}});
    chair(centred, style, frame_material, seat_material);
  };
  const int side = std::max(1, static_cast<int>(w / 0.6));
  for (int i = 0; i < side; ++i) {
    const double x = margin + w * (i + 0.5) / side;
    seat_at(x, margin - 0.08, 0);
    seat_at(x, margin + d + 0.08, pi);
  }
  if (w > 1.3 && draws.chance(0.5)) {
    seat_at(margin - 0.08, c.y, -pi / 2);
    seat_at(margin + w + 0.08, c.y, pi / 2);
  }
}

void plant(Builder& b, Vec3 size) {
  const double pot = size.z * b.draws.uniform(0.2, 0.3), r = std::min(size.x * 0.32, pot * 0.7);
  const Vec3 c{size.x / 2, size.y / 2, 0};
  b.cylinder(c, r * 0.75, pot, b.draws.chance(0.5) ? b.palette.ceramic : b.palette.cardboard, r);
  b.cylinder(c + Vec3{0, 0, pot - 0.01}, r * 0.9, 0.012, b.palette.soil);
  plant_leaves(b, c + Vec3{0, 0, pot + (size.z - pot) * 0.45}, size.x * 0.4, (size.z - pot) * 0.5,
               b.draws.between(14, 30));
}

void floor_lamp(Builder& b, Vec3 size, bool lit) {
  const Vec3 c{size.x / 2, size.y / 2, 0};
  const int stem = b.draws.chance(0.5) ? b.palette.metal : b.palette.black;
  b.cylinder(c, 0.14, 0.025, stem);
  b.cylinder(c, 0.012, size.z - 0.2, stem);
  const double r = size.x / 2, h = r * b.draws.uniform(1.0, 1.5);
  b.cylinder(c + Vec3{0, 0, size.z - h}, r, h, lit ? b.palette.shade : b.palette.dark_shade,
             r * b.draws.uniform(0.6, 0.95));
  if (lit) b.lamp(c + Vec3{0, 0, size.z - h / 2}, r * 0.6, b.draws.uniform(0.5, 1.1));
}

void box_stack(Builder& b, Vec3 size) {
  const int columns = std::max(1, static_cast<int>(size.x / 0.45));
  for (int i = 0; i < columns; ++i) {
    double z = 0;
    const double cell = size.x / columns;
    while (z < size.z - 0.15) {
      const double h = b.draws.uniform(0.18, 0.42), w = cell * b.draws.uniform(0.65, 0.9),
                   d = size.y * b.draws.uniform(0.6, 0.9), turn = b.draws.uniform(-0.25, 0.25);
      b.box_at(turned_about_z({(i + 0.5) * cell, size.y / 2, z}, turn), {w, d, h}, b.palette.cardboard);
      // A strip of tape.
      b.box_at(turned_about_z({(i + 0.5) * cell, size.y / 2, z + h}, turn), {w + 0.002, 0.05, 0.001}, b.palette.white,
               0);
      z += h;
      if (b.draws.chance(0.35)) break;
    }
  }
}

void fireplace(Builder& b, Vec3 size) {
  Material bricks;
  bricks.pattern = b.draws.chance(0.6) ? Pattern::bricks : Pattern::plain;
  bricks.scale = 0.075f;
  bricks.a = bricks.pattern == Pattern::bricks ? paint(0.62, 0.36, 0.28) : paint(0.85, 0.83, 0.8);
  bricks.b = paint(0.65, 0.62, 0.57);
  bricks.seed = b.draws.bits();
  const int stone = b.own(bricks), black = b.palette.black;
  const double w = size.x, d = size.y, mantle = size.z, hole = w * 0.28;
  b.box({0, 0, 0}, {w / 2 - hole, d, mantle}, stone, 0.004).upright = true;
  b.box({w / 2 + hole, 0, 0}, {w, d, mantle}, stone, 0.004).upright = true;
  b.box({w / 2 - hole, 0, 0.72}, {w / 2 + hole, d, mantle}, stone, 0.004).upright = true;
  b.box({w / 2 - hole, 0, 0}, {w / 2 + hole, 0.02, 0.72}, black, 0);
  b.box({-0.06, 0, mantle}, {w + 0.06, d + 0.08, mantle + 0.05}, b.palette.wood);
  for (int i = 0; i < 3; ++i)
    b.rod({w / 2 - hole * 0.7, d * (0.3 + 0.2 * i), 0.06 + 0.05 * (i == 1)},
          {w / 2 + hole * 0.7, d * (0.35 + 0.15 * i), 0.06 + 0.05 * (i == 1)}, 0.045, b.palette.dark_wood);
  clutter(b, {0.05, 0.03, mantle + 0.05}, {w - 0.05, d, 9}, b.draws.between(1, 5));
}

} // namespace

Palette make_palette(Scene& scene, Draws& draws) {
  Palette p;
  const auto add = [&](Pattern pattern, Rgb a, Rgb b, double gloss, double roughness) {
    Material m;
    m.pattern = pattern;
    m.a = a;
    m.b = b;
    m.gloss = static_cast<float>(gloss);
    m.roughness = static_cast<float>(roughness);
    m.seed = draws.bits();
    m.scale = 0.1f;
    return add_material(scene, m);
  };
  const auto wood = [&](double low, double high) {
    const double value = draws.uniform(low, high);
    const Rgb a = wood_colour(draws, value);
    const double dark = draws.uniform(0.45, 0.7), roughness = draws.uniform(0.1, 0.3);
    return add(Pattern::wood, a, a * static_cast<float>(dark), 0.04, roughness);
  };
  p.wood = wood(0.55, 0.88);
  p.dark_wood = wood(0.22, 0.5);
  const double front_style = draws.unit();
  if (front_style < 0.4) {
    p.front = p.wood;
  } else {
    const double hue = draws.unit(), saturation = draws.uniform(0.1, 0.4), value = draws.uniform(0.35, 0.75);
    const Rgb colour = front_style < 0.7 ? paint(0.9, 0.89, 0.86) : paint_hsv(hue, saturation, value);
    p.front = add(Pattern::plain, colour, colour, 0.04, 0.1);
  }
  p.white = add(Pattern::plain, paint(0.92, 0.91, 0.89), {}, 0.04, 0.15);
  p.black = add(Pattern::plain, paint(0.13, 0.13, 0.14), {}, 0.05, 0.06);
  p.metal = add(Pattern::plain, paint(0.6, 0.6, 0.61), {}, 0.35, 0.15);
  p.brass = add(Pattern::plain, paint(0.7, 0.58, 0.35), {}, 0.25, 0.12);
  const auto cloth = [&](Rgb a) { return add(Pattern::fabric, a, a * 0.72f, 0, 1); };
  p.fabric = cloth(cloth_colour(draws));
  p.second_fabric = cloth(cloth_colour(draws));
  p.linen = cloth(paint(0.93, 0.92, 0.9));
  p.curtain = add(Pattern::folds, cloth_colour(draws), {}, 0, 1);
  scene.materials.back().scale = static_cast<float>(draws.uniform(0.09, 0.16));
  const double hue = draws.unit();
  p.ceramic =
      add(Pattern::plain, draws.chance(0.5) ? paint(0.9, 0.88, 0.85) : paint_hsv(hue, 0.4, 0.6), {}, 0.05, 0.08);
  const double green = draws.uniform(0.24, 0.36);
  p.leaves = add(Pattern::leaves, paint_hsv(green, 0.6, 0.5), paint_hsv(green - 0.03, 0.6, 0.3), 0.02, 0.3);
  p.soil = add(Pattern::carpet, paint(0.25, 0.2, 0.15), paint(0.15, 0.12, 0.1), 0, 1);
  const Rgb shade = mix(paint(1, 0.93, 0.8), paint(1, 0.85, 0.62), static_cast<float>(draws.unit()));
  p.dark_shade = add(Pattern::plain, shade * 0.8f, {}, 0, 1);
  scene.materials.back().casts_shadow = false;
  p.shade = add(Pattern::plain, shade, {}, 0, 1);
  scene.materials.back().emission = 2.5f;
  scene.materials.back().casts_shadow = false;
  p.cardboard = add(Pattern::plain, paint(0.72, 0.57, 0.4), {}, 0, 1);
  const double stone = draws.uniform(0.2, 0.85);
  p.worktop = draws.chance(0.4) ? p.wood
                                : add(Pattern::carpet, paint(stone, stone, stone),
                                      paint(stone * 0.8, stone * 0.78, stone * 0.75), 0.05, 0.08);
  p.glass = add(Pattern::plain, paint(0.05, 0.06, 0.07), {}, 0.06, 0.01);
  return p;
}

Primitive& Builder::add(Primitive primitive) {
  primitive.frame = frame * primitive.frame;
  primitive.item = item;
  // Another part of the same wood or cloth for each piece.
  primitive.texture_origin = {draws.uniform(0, 20), draws.uniform(0, 20), draws.uniform(0, 20)};
  scene.primitives.push_back(primitive);
  const Aabb bounds = scene.bounds(primitive);
  if (scene.items.size() <= static_cast<size_t>(item)) scene.items.resize(static_cast<size_t>(item) + 1);
  scene.items[static_cast<size_t>(item)].include(bounds);
  return scene.primitives.back();
}

Primitive& Builder::box(Vec3 low, Vec3 high, int material, double bevel) {
  Primitive p;
  p.frame.origin = (low + high) * 0.5;
  p.size = (high - low) * 0.5;
  p.material = material;
  p.bevel = static_cast<float>(std::min(bevel, 0.9 * std::min({p.size.x, p.size.y, p.size.z})));
  return add(p);
}

Primitive& Builder::box_at(const Frame& place, Vec3 size, int material, double bevel) {
  return within(place).box({-size.x / 2, -size.y / 2, 0}, {size.x / 2, size.y / 2, size.z}, material, bevel);
}

Primitive& Builder::cylinder(Vec3 foot, double radius, double height, int material, double top_radius) {
  Primitive p;
  p.shape = Shape::frustum;
  p.frame.origin = foot + Vec3{0, 0, height / 2};
  p.size = {radius, top_radius < 0 ? radius : top_radius, height / 2};
  p.material = material;
  return add(p);
}

Primitive& Builder::rod(Vec3 from, Vec3 to, double radius, int material) {
  Primitive p;
  p.shape = Shape::frustum;
  const Vec3 along = to - from, axis = normalised(along);
  const Vec3 across = normalised(cross(std::fabs(axis.z) < 0.9 ? Vec3{0, 0, 1} : Vec3{1, 0, 0}, axis));
  p.frame = {(from + to) * 0.5, across, cross(axis, across), axis};
  p.size = {radius, radius, length(along) / 2};
  p.material = material;
  return add(p);
}

Primitive& Builder::ball(Vec3 centre, Vec3 radii, int material) {
  Primitive p;
  p.shape = Shape::ellipsoid;
  p.frame.origin = centre;
  p.size = radii;
  p.material = material;
  return add(p);
}

void Builder::lamp(Vec3 position, double radius, double intensity) {
  Light light;
  light.position = frame.to_world(position);
  light.radius = radius;
  light.power = Rgb{1.0f, 0.82f, 0.6f} * static_cast<float>(intensity);
  scene.lights.push_back(light);
}

int Builder::own(const Material& material) { return add_material(scene, material); }

Piece make_piece(Kind kind, Draws& draws) {
  const double a = draws.unit(), b = draws.unit(), c = draws.unit();
  const auto between = [](double low, double high, double t) { return low + (high - low) * t; };
  switch (kind) {
  case Kind::sofa: return {kind, {between(1.5, 2.4, a), b < 0.6 ? 1.95 : 0.92, 0.9}, true};
  case Kind::armchair: return {kind, {between(0.8, 0.95, a), 0.92, 0.9}, c < 0.5};
  case Kind::bed: return {kind, {between(0.95, 1.8, a) + (b < 0.65 ? 1.0 : 0.0), 2.08, 1.2}, true};
  case Kind::wardrobe: return {kind, {between(0.8, 2.2, a), 0.6, between(1.9, 2.2, b)}, true};
  case Kind::dresser: return {kind, {between(0.8, 1.4, a), 0.46, between(0.75, 1.05, b)}, true};
  case Kind::bookshelf: return {kind, {between(0.6, 2.0, a), between(0.26, 0.36, b), between(0.9, 2.15, c)}, true};
  case Kind::desk: return {kind, {between(1.1, 1.7, a), 1.35, 0.74}, true};
  case Kind::television: return {kind, {between(1.2, 1.9, a), 0.42, 1.2}, true};
  case Kind::sideboard: return {kind, {between(1.2, 1.9, a), 0.45, between(0.7, 0.9, b)}, true};
  case Kind::counter: return {kind, {between(1.8, 3.4, a), 0.66, 2.12}, true};
  case Kind::fridge: return {kind, {between(0.58, 0.75, a), 0.68, between(1.5, 1.9, b)}, true};
  case Kind::dining_table: return {kind, {between(0.9, 2.0, a) + 1.0, between(0.8, 1.0, b) + 1.0, 0.9}, false};
  case Kind::coffee_table: return {kind, {between(0.7, 1.2, a), between(0.5, 0.65, b), between(0.36, 0.46, c)}, false};
  case Kind::side_table: return {kind, {between(0.4, 0.55, a), between(0.4, 0.5, b), between(0.45, 0.62, c)}, true};
  case Kind::chair: return {kind, {0.46, 0.48, 0.9}, b < 0.5};
  case Kind::stool: return {kind, {0.38, 0.38, between(0.42, 0.7, a)}, false};
  case Kind::plant: {
    const double wide = between(0.4, 0.9, a);
    return {kind, {wide, wide, between(0.6, 1.7, b)}, true};
  }
  case Kind::floor_lamp: return {kind, {between(0.32, 0.46, a), between(0.32, 0.46, a), between(1.45, 1.75, b)}, true};
  case Kind::boxes: return {kind, {between(0.45, 1.2, a), 0.45, between(0.3, 1.2, b)}, c < 0.7};
  case Kind::basket: return {kind, {0.36, 0.36, between(0.28, 0.6, a)}, c < 0.6};
  case Kind::shelf_rack: return {kind, {between(0.9, 1.8, a), 0.45, between(1.6, 2.1, b)}, true};
  case Kind::piano: return {kind, {1.48, 1.05, 1.22}, true};
  case Kind::fireplace: return {kind, {between(1.2, 1.7, a), 0.35, between(1.0, 1.25, b)}, true};
  }
  return {};
}

void build(const Piece& piece, Builder& b) {
  const Vec3 s = piece.size;
  const Palette& m = b.palette;
  Draws& draws = b.draws;
  switch (piece.kind) {
  case Kind::sofa:
    sofa(b, s.x, draws.chance(0.5));
    if (s.y > 1.3) {
      const double w = std::min(s.x * 0.6, 1.15), h = draws.uniform(0.36, 0.45);
      Builder table = b.within({{(s.x - w) / 2, 1.35, 0}});
      coffee_table(table, {w, s.y - 1.35, h});
    }
    break;
  case Kind::armchair: sofa(b, s.x, draws.chance(0.7)); break;
  case Kind::bed: bed(b, s.x, s.y, s.x > 1.85); break;
  case Kind::wardrobe: {
    const int body = draws.chance(0.5) ? m.wood : draws.chance(0.5) ? m.white : m.dark_wood;
    b.box({0, 0, 0.06}, {s.x, s.y - 0.02, s.z}, body, 0.004);
    b.box({0.02, 0, 0}, {s.x - 0.02, s.y - 0.06, 0.06}, m.black, 0);
    fronts(b, 0, s.x, 0.07, s.z - 0.01, s.y - 0.02, std::max(2, static_cast<int>(s.x / 0.45)), 1, body, m.metal);
    if (draws.chance(0.4)) {
      Builder top = b.within({{0.1, 0.05, s.z}});
      box_stack(top, {s.x * 0.6, s.y * 0.8, 0.2});
    }
    break;
  }
  case Kind::dresser:
  case Kind::sideboard: {
    const int body = draws.chance(0.6) ? m.wood : draws.chance(0.5) ? m.dark_wood : m.white;
    const double foot = draws.uniform(0.03, 0.16);
    b.box({0, 0, foot}, {s.x, s.y - 0.02, s.z}, body);
    legs(b, {0.03, 0.03, 0}, {s.x - 0.03, s.y - 0.05, foot}, 0.05, body);
    const bool drawers = piece.kind == Kind::dresser;
    fronts(b, 0.01, s.x - 0.01, foot + 0.02, s.z - 0.03, s.y - 0.02, s.x > 1 ? (drawers ? 2 : 3) : 1,
           drawers ? draws.between(3, 4) : 1, body, m.metal);
    clutter(b, {0.06, 0.04, s.z}, {s.x - 0.06, s.y - 0.06, 9}, draws.between(0, 4));
    break;
  }
  case Kind::bookshelf: {
    const int board = draws.chance(0.5) ? m.wood : draws.chance(0.5) ? m.white : m.dark_wood;
    shelves(b, s.x, s.y, s.z, board, draws.chance(0.7));
    if (draws.chance(0.3)) clutter(b, {0.1, 0.03, s.z}, {s.x - 0.1, s.y - 0.03, 9}, draws.between(1, 3));
    break;
  }
  case Kind::shelf_rack: shelves(b, s.x, s.y, s.z, m.metal, false); break;
  case Kind::desk: desk(b, s.x, 0.72, s.z); break;
  case Kind::television: {
    const double h = draws.uniform(0.4, 0.55), wide = std::min(s.x * 0.85, draws.uniform(0.9, 1.45));
    const int body = draws.chance(0.5) ? m.wood : draws.chance(0.5) ? m.white : m.dark_wood;
    b.box({0, 0, 0.08}, {s.x, s.y - 0.02, h}, body);
    legs(b, {0.05, 0.05, 0}, {s.x - 0.05, s.y - 0.07, 0.08}, 0.04, m.black);
    fronts(b, 0.01, s.x - 0.01, 0.1, h - 0.02, s.y - 0.02, 3, 1, body, m.metal);
    display(b, {s.x / 2, s.y / 2, h}, wide, true);
    break;
  }
  case Kind::counter: counter(b, s.x, b.scene.room.z); break;
  case Kind::fridge: {
    const int body = draws.chance(0.6) ? m.white : m.metal;
    const double part = s.z * draws.uniform(0.3, 0.65);
    b.box({0, 0, 0.03}, {s.x, s.y - 0.06, s.z}, body);
    b.box({0, s.y - 0.055, 0.04}, {s.x, s.y, part - 0.005}, body, 0.015);
    b.box({0, s.y - 0.055, part + 0.005}, {s.x, s.y, s.z - 0.005}, body, 0.015);
    b.rod({0.06, s.y + 0.03, part - 0.35}, {0.06, s.y + 0.03, part - 0.06}, 0.011, m.metal);
    b.rod({0.06, s.y + 0.03, part + 0.06}, {0.06, s.y + 0.03, part + 0.35}, 0.011, m.metal);
    break;
  }
  case Kind::dining_table: dining_table(b, s, draws.below(2)); break;
  case Kind::coffee_table: coffee_table(b, s); break;
  case Kind::side_table:
    b.box({0, 0, s.z - 0.025}, {s.x, s.y, s.z}, m.wood);
    legs(b, {0.01, 0.01, 0}, {s.x - 0.01, s.y - 0.01, s.z - 0.025}, 0.035, m.wood);
    if (draws.chance(0.6))
      table_lamp(b, {s.x / 2, s.y / 2, s.z}, draws.chance(0.5));
    else
      clutter(b, {0.04, 0.04, s.z}, {s.x - 0.04, s.y - 0.04, 9}, 1);
    break;
  case Kind::chair: {
    const int style = draws.below(2), legs_of = draws.chance(0.5) ? m.wood : m.dark_wood;
    chair(b, style, legs_of, draws.chance(0.5) ? m.second_fabric : m.wood);
    break;
  }
  case Kind::stool:
    b.cylinder({s.x / 2, s.y / 2, s.z - 0.05}, s.x / 2, 0.05, draws.chance(0.5) ? m.wood : m.second_fabric);
    for (int i = 0; i < 4; ++i) {
      const auto [sine, cosine] = sin_cos(pi / 4 + i * pi / 2);
      b.rod({s.x / 2 + 0.19 * cosine, s.y / 2 + 0.19 * sine, 0},
            {s.x / 2 + 0.11 * cosine, s.y / 2 + 0.11 * sine, s.z - 0.05}, 0.016, m.wood);
    }
    break;
  case Kind::plant: plant(b, s); break;
  case Kind::floor_lamp: floor_lamp(b, s, draws.chance(0.5)); break;
  case Kind::boxes: box_stack(b, s); break;
  case Kind::basket: {
    const bool ball = draws.chance(0.25);
    const double r = s.x * 0.42;
    if (ball)
      b.ball({s.x / 2, s.y / 2, 0.12}, {0.12, 0.12, 0.12}, m.second_fabric);
    else
      b.cylinder({s.x / 2, s.y / 2, 0}, r * 0.8, s.z, draws.chance(0.5) ? m.black : m.cardboard, r);
    break;
  }
  case Kind::piano: {
    const int body = draws.chance(0.6) ? m.black : m.dark_wood;
    b.box({0, 0, 0.05}, {s.x, 0.36, s.z}, body);
    b.box({0, 0.36, 0.62}, {s.x, 0.6, 0.72}, body);
    Material keys;
    keys.pattern = Pattern::stripes;
    keys.scale = 0.0235f;
    keys.a = paint(0.93, 0.92, 0.88);
    keys.b = paint(0.55, 0.55, 0.53);
    b.box({0.1, 0.44, 0.72}, {s.x - 0.1, 0.595, 0.735}, b.own(keys), 0);
    legs(b, {0.03, 0.5, 0}, {s.x - 0.03, 0.58, 0.62}, 0.06, body);
    Builder stool = b.within({{s.x / 2 - 0.3, 0.72, 0}});
    stool.box({0, 0, 0.42}, {0.6, 0.32, 0.5}, m.black, 0.02);
    legs(stool, {0.02, 0.02, 0}, {0.58, 0.3, 0.42}, 0.05, body);
    clutter(b, {0.1, 0.04, s.z}, {s.x - 0.1, 0.32, 9}, draws.between(0, 3));
    break;
  }
  case Kind::fireplace: fireplace(b, s); break;
  }
}

} // namespace leadline::data::synthetic
