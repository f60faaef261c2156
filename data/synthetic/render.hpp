// From a scene to a frame: rays, light, camera.
#pragma once

#include <cstdint>
#include <vector>

#include "data/synthetic/scene.hpp"

namespace leadline::data::synthetic {

struct Rendering {
  std::vector<uint8_t> rgb; ///< [height, width, 3]
  std::vector<float> depth; ///< [height, width], metres along the optical axis
};

/// How the camera turns light into bytes; drawn for each frame.
struct Exposure {
  float brightness = 1; ///< of the mean picture
  Rgb white{1, 1, 1};   ///< gains of the channels
  float vignetting = 0; ///< loss of light in the corners
  float noise = 0;      ///< standard deviation of a mid-grey pixel, in levels of 255
  uint64_t noise_seed = 0;
};

Exposure draw_exposure(uint64_t seed, uint64_t stream);

Rendering render(const Scene& scene, int height, int width, const Exposure& exposure);

/// What a structured-light camera makes of exact depth, in place: noise and steps that grow with the square of the
/// distance, holes (0) at edges, on grazing, dark and shiny surfaces and beyond 8 m. `strength` 0..1.
void add_depth_faults(const Scene& scene, int height, int width, double strength, uint64_t seed, uint64_t stream,
                      std::vector<float>& depth);

} // namespace leadline::data::synthetic
