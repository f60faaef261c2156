// What the data tests share: folders that clean up, files made on the spot, and what an error says.
#pragma once

#include "data/dataset.hpp"
#include "data/error.hpp"
#include "data/image_io.hpp"
#include "tests/support/temp_dir.hpp"

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace leadline::data::test {

namespace fs = std::filesystem;

using leadline::testing::TempDir;

inline void write_text(const std::string& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

inline std::vector<std::uint8_t> bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::string& file, const std::vector<std::uint8_t>& bytes, std::size_t count) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(count));
}

/// The message of the leadline::Error that `call` throws; empty if it throws none.
template <class Call> std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A picture in which every pixel tells its place.
inline RgbImage pattern(int height, int width) {
  RgbImage image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.pixel(y, x)[c] = static_cast<std::uint8_t>((x * 37 + y * 59 + c * 101 + (x * y) % 7 * 23) % 256);
  return image;
}

/// HDF5 files for the readers, written with plain HDF5 calls.
class H5Writer {
public:
  explicit H5Writer(const std::string& file)
      : file_(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  ~H5Writer() { H5Fclose(file_); }
  H5Writer(const H5Writer&) = delete;
  H5Writer& operator=(const H5Writer&) = delete;
  void write(const char* name, const std::vector<hsize_t>& dims, hid_t type, const void* values,
             bool compressed = false) {
    const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (compressed) { // one frame a chunk, as MATLAB does it
      std::vector<hsize_t> chunk = dims;
      chunk[0] = 1;
      H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
      H5Pset_deflate(properties, 3);
    }
    const hid_t set = H5Dcreate2(file_, name, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(set);
    H5Pclose(properties);
    H5Sclose(space);
  }

private:
  hid_t file_;
};

/// One NYU frame: rgb [3, H, W] of `pattern`, depth [H, W] = 1 + (x + y) / 10 metres with a hole at (0, 0).
inline void write_nyu_frame(const std::string& file, int height, int width, float first_depth = 0.0f) {
  const RgbImage image = pattern(height, width);
  const std::size_t n = image.rgb.size() / 3;
  std::vector<std::uint8_t> planes(3 * n);
  std::vector<float> depth(n);
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t c = 0; c < 3; ++c) planes[c * n + k] = image.rgb[3 * k + c];
    depth[k] =
        1.0f + static_cast<float>(k % static_cast<std::size_t>(width) + k / static_cast<std::size_t>(width)) / 10.0f;
  }
  depth[0] = first_depth;
  const auto h = static_cast<hsize_t>(height), w = static_cast<hsize_t>(width);
  H5Writer out(file);
  out.write("rgb", {3, h, w}, H5T_NATIVE_UINT8, planes.data());
  out.write("depth", {h, w}, H5T_NATIVE_FLOAT, depth.data());
}

} // namespace leadline::data::test
