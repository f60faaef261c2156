// picture_tool make DIR                            writes room.png (60x40) and tall.png (20x50)
// picture_tool check FILE HEIGHT WIDTH LOW HIGH    is FILE a 16-bit PNG of that size with all values in [LOW, HIGH],
// some
//                                                  of them LOW if LOW is 0, and not all the same?
#include "data/image_io.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
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
  write_png(folder + "/" + name, image);
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
      make(argv[2], "room.png", 40, 60);
      make(argv[2], "tall.png", 50, 20);
      return 0;
    }
    if (argc == 7 && std::string(argv[1]) == "check")
      return check(argv[2], std::atoi(argv[3]), std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "picture_tool: %s\n", error.what());
    return 1;
  }
  return 2;
}
