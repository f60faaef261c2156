#include "inference/demos/depth/result.hpp"

#include <algorithm>

namespace leadline::demo {

std::vector<float> enlarged(const std::vector<float>& depth, int height, int width, int dst_height, int dst_width) {
  struct Tap {
    size_t low, high;
    float part;
  };
  const auto tap = [](int i, int src, int dst) {
    const double centre = (i + 0.5) * src / dst - 0.5, held = std::clamp(centre, 0.0, double(src - 1));
    const int low = static_cast<int>(held);
    return Tap{static_cast<size_t>(low), static_cast<size_t>(std::min(low + 1, src - 1)),
               static_cast<float>(held - low)};
  };
  std::vector<Tap> columns;
  columns.reserve(static_cast<size_t>(dst_width));
  for (int x = 0; x < dst_width; ++x) columns.push_back(tap(x, width, dst_width));
  std::vector<float> result;
  result.reserve(static_cast<size_t>(dst_height) * static_cast<size_t>(dst_width));
  for (int y = 0; y < dst_height; ++y) {
    const Tap row = tap(y, height, dst_height);
    const float* upper = depth.data() + row.low * static_cast<size_t>(width);
    const float* lower = depth.data() + row.high * static_cast<size_t>(width);
    for (const Tap& column : columns) {
      const float above = upper[column.low] + column.part * (upper[column.high] - upper[column.low]);
      const float below = lower[column.low] + column.part * (lower[column.high] - lower[column.low]);
      result.push_back(above + row.part * (below - above));
    }
  }
  return result;
}

} // namespace leadline::demo
