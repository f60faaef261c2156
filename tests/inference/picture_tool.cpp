// picture_tool make DIR                            writes room.png (60x40) with its pixels as room.rgb, tall.png
// (20x50) picture_tool check FILE HEIGHT WIDTH LOW HIGH    is FILE a 16-bit PNG of that size with all values in [LOW,
// HIGH],
//                                                  some of them LOW if LOW is 0, and not all the same?
// picture_tool metres PNG PFM PLY                  do a depth PNG in millimetres, a PFM and a PLY say the same?
#include "data/depth_io.hpp"
#include "data/image_io.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

using namespace leadline::data;

namespace {

void make(const std::string& folder, const char* name, int height, int width) {
  RgbImage image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      image.pixel(y, x)[0] = static_cast<std::uint8_t>(255 * x / width);
      image.pixel(y, x)[1] = static_cast<std::uint8_t>(255 * y / height);
      image.pixel(y, x)[2] = static_cast<std::uint8_t>((x / 8 + y / 8) % 2 * 200);
    }
  write_png(folder + "/" + name + ".png", image);
  write_file(folder + "/" + name + ".rgb", image.rgb.data(), image.rgb.size());
}

/// Z of each point of a binary PLY as write_ply makes it: three floats and three bytes a point behind the header.
std::vector<float> distances(const std::string& file, std::size_t* points) {
  const std::vector<std::uint8_t> bytes = read_file(file);
  const std::string text(bytes.begin(), bytes.end());
  const std::size_t count = text.find("element vertex "), end = text.find("end_header\n");
  if (count == std::string::npos || end == std::string::npos) return {};
  *points = std::strtoul(text.c_str() + count + 15, nullptr, 10);
  std::vector<float> z;
  for (std::size_t at = end + 11; at + 15 <= bytes.size(); at += 15) {
    z.push_back(0);
    std::memcpy(&z.back(), &bytes[at + 8], 4);
  }
  return z;
}

int compare(const std::string& png, const std::string& pfm, const std::string& ply) {
  const RawDepth millimetres = read_depth_png(png);
  const DepthMap map = read_pfm(pfm);
  std::size_t points = 0, valid = 0;
  const std::vector<float> z = distances(ply, &points);
  bool good = map.height == millimetres.height && map.width == millimetres.width && z.size() == points;
  for (std::size_t i = 0; good && i < map.metres.size(); ++i) {
    const float metres = map.metres[i];
    good = std::fabs(metres * 1000 - static_cast<float>(millimetres.values[i])) <= 0.51f;
    if (metres > 0) good = good && valid < z.size() && z[valid++] == metres;
  }
  std::printf("%zu pixels, %zu of them points\n", map.metres.size(), z.size());
  return good && valid == z.size() && valid > 0 ? 0 : 1;
}

int check(const std::string& file, int height, int width, int low, int high) {
  const RawDepth depth = read_depth_png(file);
  const auto [least, most] = std::minmax_element(depth.values.begin(), depth.values.end());
  std::printf("%s: %d x %d, %d bits, %d to %d\n", file.c_str(), depth.height, depth.width, depth.bits, int(*least),
              int(*most));
  const bool holes = low > 0 || *least == 0;
  return depth.height == height && depth.width == width && depth.bits == 16 && *least >= low && *most <= high &&
                 *least < *most && holes
             ? 0
             : 1;
}

} // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::string(argv[1]) == "make") {
      make(argv[2], "room", 40, 60);
      make(argv[2], "tall", 50, 20);
      return 0;
    }
    if (argc == 7 && std::string(argv[1]) == "check")
      return check(argv[2], std::atoi(argv[3]), std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6]));
    if (argc == 5 && std::string(argv[1]) == "metres") return compare(argv[2], argv[3], argv[4]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "picture_tool: %s\n", error.what());
    return 1;
  }
  return 2;
}
