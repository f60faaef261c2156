// One picture of any source, as it was stored: a file's RGB, a video's or camera's YUV.
#pragma once

#include "data/image_io.hpp"

#include <leadline/leadline.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace leadline::demo {

struct Frame {
  std::string name;     ///< what messages call it: a file, or "frame 12"
  long long number = 0; ///< of a video's frame, from 1; 0: a picture
  leadline_pixel_format format = LEADLINE_RGB8;
  int width = 0, height = 0;       ///< upright, in pixels
  bool full_range = false;         ///< of Y, U, V: 0 to 255 instead of 16 to 235 (240)
  std::vector<std::uint8_t> bytes; ///< rows without gaps; NV12 and NV21: the U, V plane behind the Y plane

  /// A view of it for leadline_run. `focal_x` in pixels, 0: not known.
  leadline_picture picture(float focal_x) const;
  /// Its colours, for pictures and the terminal. BT.601, as the library's default is.
  data::RgbImage rgb() const;
};

/// Bytes of a frame; 0: this format isn't one of bytes. Sizes are 1 to max_image_side.
std::size_t frame_bytes(leadline_pixel_format format, int width, int height);

} // namespace leadline::demo
