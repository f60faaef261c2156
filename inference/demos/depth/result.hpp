// What the network said about one picture, ready for the outputs.
#pragma once

#include "data/picture.hpp"
#include "inference/demos/depth/frame.hpp"

#include <string>
#include <vector>

namespace leadline::demo {

struct Result {
  const Frame* frame = nullptr;
  std::vector<float> depth;            ///< [height, width]: metres, or the model's own unit where not `metric`; 0: none
  int height = 0, width = 0;           ///< the picture's, or the network's where that was asked for
  data::DepthRange range;              ///< of the colours
  float near = 0, median = 0, far = 0; ///< least, middle and largest of the network's answer
  bool metric = false;                 ///< `depth` may be called metres
  bool doubted = false;                ///< it may not, though the model's answers are metres: too much doubt
  float focal_x = 0, focal_y = 0;      ///< in pixels of `depth`: for points in space
  double milliseconds = 0;             ///< preprocessing and network, one run
  float doubt = -1;                    ///< about all of it (doubt.hpp); below 0: not asked
  std::vector<float> apart;            ///< [height, width]: where, as doubt.hpp has it; empty: not asked of this frame
};

/// Bilinear, half-pixel centres, edges held: depth [height, width] to [dst_height, dst_width].
std::vector<float> enlarged(const std::vector<float>& depth, int height, int width, int dst_height, int dst_width);

} // namespace leadline::demo
