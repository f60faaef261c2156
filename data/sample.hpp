// One frame as it lies on disk: a colour picture and its metric depth, both at full size.
#pragma once

#include "shared/core/image.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace leadline::data {

/// A frame. `rgb` is packed [height, width, 3]; `depth` is packed [height, width] in metres along the optical axis, 0
/// where there is no measurement, or empty if the frame has none at all (digits).
struct Sample {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> rgb;
  std::vector<float> depth;
  Intrinsics intrinsics{}; ///< of the full-size picture; `known()` is false where the source doesn't say
  int label = -1;          ///< class of the whole picture (digits), -1 where there is none
  std::string name;        ///< for people: file, line or frame

  std::size_t pixels() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
};

/// Negative, NaN and infinite depths become 0 = none. Returns the number of valid pixels.
inline std::size_t clean_depth(std::vector<float>& depth) {
  std::size_t valid = 0;
  for (float& metres : depth) {
    if (depth_is_valid(metres))
      ++valid;
    else
      metres = 0.0f;
  }
  return valid;
}

} // namespace leadline::data
