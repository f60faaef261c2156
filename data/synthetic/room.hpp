// Invents rooms: what stands where, how it is lit, and from where it is seen.
#pragma once

#include <cstdint>

#include "data/synthetic/scene.hpp"

namespace leadline::data::synthetic {

/// What the picture shall be like; the room and the camera's place don't depend on it.
struct View {
  int height = 240, width = 320;
  double hfov_low = 50, hfov_high = 75; ///< degrees
};

/// The free distance that the camera keeps from every surface, metres.
inline constexpr double camera_clearance = 0.3;

/// The room of this number: a pure function of its arguments, ready for rays.
Scene make_room(uint64_t seed, uint64_t stream, const View& view);

} // namespace leadline::data::synthetic
