// Rendered indoor rooms: `synthetic:key=value,...`, a seeded data set that needs no files.
//
// Each frame is a room of its own: 2.5 to 8 m wide, walls, floor and ceiling with varied textures, doors, windows,
// pictures, furniture of some twenty kinds, day or evening light, and a camera with a pose and intrinsics of its own.
// Depth is the exact z-distance of the first surface behind each pixel's centre, in metres, 0 nowhere (glass counts as
// a surface). Colour has shadows, indirect light, reflections, and a camera's exposure, white balance, vignetting and
// noise.
//
//   count=256        frames
//   seed=0           another seed, other rooms
//   split=train      train or val: rooms of the two never coincide, whatever the seed and count
//   height=240 width=320
//   hfov=50-75       horizontal field of view in degrees: one value, or LOW-HIGH to draw from for each frame
//   noise=0          faults of a depth camera, 0 (exact) to 1 (a structured-light camera): distance noise growing with
//                    the square of the distance, steps, and holes at edges, grazing, dark and glossy surfaces; 0 = hole
//
// A frame is a function of (seed, split, its number) and the picture's size and field of view: the same bytes on every
// machine, whatever `count`, order or threads. The same frame at another size shows the same room from the same place.
#pragma once

#include "data/dataset.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace leadline::data {

struct SyntheticOptions {
  std::size_t count = 256;
  std::uint64_t seed = 0;
  bool validation = false; ///< split=val
  int height = 240, width = 320;
  double hfov_low = 50, hfov_high = 75; ///< degrees
  double noise = 0;
};

/// Reads "key=value,..." (or nothing: the defaults). Throws leadline::Error for unknown keys (with the nearest known
/// one), values that are no number or out of range.
SyntheticOptions parse_synthetic(const std::string& args);

/// The data set of such options; loading frame i renders it. Thread-safe.
std::unique_ptr<Dataset> open_synthetic(const std::string& args);
std::unique_ptr<Dataset> open_synthetic(const SyntheticOptions& options);

} // namespace leadline::data
