// Pictures in files: JPEG and PNG colour, 8 and 16-bit PNG depth. Needs stb only (library leadline_image_io).
// Every function throws leadline::Error that names the file and the reason.
#pragma once

#include "shared/core/image.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace leadline::data {

/// An owned RGB picture, packed [height, width, 3].
struct RgbImage {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> rgb;

  RgbImage() = default;
  /// Filled with one colour.
  RgbImage(int height_, int width_, std::uint8_t r = 0, std::uint8_t g = 0, std::uint8_t b = 0);
  ImageView8 view() const { return packed_image(rgb.data(), height, width); }
  std::uint8_t* pixel(int y, int x) { return rgb.data() + 3 * (std::ptrdiff_t{y} * width + x); }
  const std::uint8_t* pixel(int y, int x) const { return rgb.data() + 3 * (std::ptrdiff_t{y} * width + x); }
};

/// A depth picture as stored: [height, width], 0 = none, in the file's own unit.
struct RawDepth {
  int height = 0;
  int width = 0;
  int bits = 16; ///< 8 or 16
  std::vector<std::uint16_t> values;
};

/// Reads JPEG or PNG, any channel count, as RGB (alpha is dropped), turned upright as its EXIF orientation says.
/// Sides up to max_image_side. A cut JPEG or a PNG with a wrong checksum is an error, not a grey picture.
RgbImage read_rgb(const std::string& file);
/// The same from memory; `file` is what messages call it.
RgbImage decode_rgb(const std::vector<std::uint8_t>& bytes, const std::string& file);

/// Reads a one-channel 8 or 16-bit PNG without any scaling.
RawDepth read_depth_png(const std::string& file);

/// EXIF orientation (1..8) of a JPEG (APP1) or PNG (eXIf) in memory; 1 = upright, also where there is none or it's
/// broken.
int exif_orientation(const std::uint8_t* bytes, std::size_t size);

/// The upright picture of one stored with an EXIF orientation; 5..8 swap height and width.
RgbImage apply_orientation(const RgbImage& image, int orientation);

/// Writers: `file` appears whole or not at all (written beside it, then renamed).
void write_png(const std::string& file, const RgbImage& image);
/// The bytes that write_png writes.
std::vector<std::uint8_t> encode_png(const RgbImage& image);
void write_jpeg(const std::string& file, const RgbImage& image, int quality = 93);
/// 16-bit grey PNG from packed [height, width].
void write_png16(const std::string& file, int height, int width, const std::uint16_t* values);
/// Depth in metres as 16-bit PNG in millimetres; 0 = none, also for what is beyond 65.535 m.
void write_depth_png(const std::string& file, int height, int width, const float* metres);

/// A whole file in memory; refuses folders, empty files and more than `max_bytes`.
std::vector<std::uint8_t> read_file(const std::string& file, std::size_t max_bytes = std::size_t{1} << 30);
/// Whether a file only has to be there for who looks next, or has to outlive a power cut as well.
enum class Keep { in_system, on_disk };
/// Throws unless `file` is a regular file or not there yet: what is written beside it and renamed would replace a
/// folder, pipe or device by a file.
void require_replaceable(const std::string& file);
/// Writes beside `file`, then renames. With `on_disk`, the old file or the whole new one is there after a power cut,
/// too.
void write_file(const std::string& file, const void* bytes, std::size_t size, Keep keep = Keep::in_system);

} // namespace leadline::data
