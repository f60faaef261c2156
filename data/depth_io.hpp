// Depth maps in files: NumPy's .npy, PFM, 16-bit PNG; and point clouds as PLY. Every function throws leadline::Error
// that names the file and the reason; writers make the file whole or not at all.
#pragma once

#include "data/image_io.hpp"

#include <string>
#include <vector>

namespace leadline::data {

/// Depth [height, width] in metres; 0, negative or not finite = none.
struct DepthMap {
  int height = 0, width = 0;
  std::vector<float> metres;
};

/// An array of a .npy file, C order, converted to float.
struct NpyArray {
  std::vector<std::size_t> shape;
  std::vector<float> values;
  bool integer = false; ///< whole numbers in the file, so that a unit has to be known
};
/// Versions 1 to 3 of the format, little-endian; types f2, f4, f8, u1, u2, u4, i1, i2, i4.
NpyArray read_npy(const std::string& file);
/// float32 of the given shape.
void write_npy(const std::string& file, const std::vector<std::size_t>& shape, const float* values);

/// Portable float map, one channel. Rows are stored bottom to top, as the format wants; in memory they are top to
/// bottom.
DepthMap read_pfm(const std::string& file);
void write_pfm(const std::string& file, const DepthMap& depth);

/// Any of .npy ([H,W], with further axes of size 1), .pfm, .png (8 or 16 bits). Whole numbers are multiplied by `unit`
/// (metres); floats are metres.
DepthMap read_depth_map(const std::string& file, double unit);

/// A coloured point for each valid pixel: X right, Y down, Z forward in metres, (u - cx) / fx * Z and so on; binary
/// PLY. `image` and `depth` have one size, `camera` is known.
void write_ply(const std::string& file, const RgbImage& image, const DepthMap& depth, const Intrinsics& camera);

} // namespace leadline::data
