#include "data/image_io.hpp"

#include "data/error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include <fcntl.h>
#include <unistd.h>

// stb's only implementation in this library; static, so that a program may bring its own. Without stb (an edge build on
// a machine with a compiler and CMake alone) a small PNG reader and writer of our own takes its place.
#if LEADLINE_HAVE_STB
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#include <stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#else
#include "data/png_only.hpp"
#endif

namespace leadline::data {
namespace {

#if !LEADLINE_HAVE_STB
using namespace png_only;
#endif

namespace fs = std::filesystem;

constexpr std::array<std::uint8_t, 8> png_signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

bool is_png(const std::uint8_t* bytes, std::size_t size) {
  return size >= 8 && std::equal(png_signature.begin(), png_signature.end(), bytes);
}

bool is_jpeg(const std::uint8_t* bytes, std::size_t size) {
  return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

std::uint32_t big_endian_32(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

/// CRC-32 as PNG wants it (ISO 3309).
std::uint32_t crc32(const std::uint8_t* bytes, std::size_t size) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = 0; i < size; ++i) crc = table[(crc ^ bytes[i]) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

/// Why a PNG is damaged, or empty. stb doesn't look at checksums, so a flipped bit would be read as a depth.
std::string png_damage(const std::vector<std::uint8_t>& bytes) {
  std::size_t at = 8;
  while (at + 12 <= bytes.size()) {
    const std::size_t length = big_endian_32(&bytes[at]);
    if (length > bytes.size() - at - 12) break;
    const std::string type(reinterpret_cast<const char*>(&bytes[at + 4]), 4);
    if (crc32(&bytes[at + 4], length + 4) != big_endian_32(&bytes[at + 8 + length]))
      return "the checksum of its " + type + " chunk is wrong: the file is damaged";
    if (type == "IEND") return {};
    at += 12 + length;
  }
  return "it ends after " + std::to_string(bytes.size()) + " bytes without an IEND chunk: the file is cut";
}

/// Visits the marker segments before the picture data; `visit(marker, payload, size)` returns false to stop.
/// Returns the offset of the picture data (after the SOS header), or 0 if there is none.
template <class Visit> std::size_t walk_jpeg(const std::uint8_t* bytes, std::size_t size, Visit visit) {
  std::size_t at = 2;
  while (at + 4 <= size && bytes[at] == 0xFF) {
    const std::uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) { // fill byte
      ++at;
      continue;
    }
    const std::size_t length = std::size_t{bytes[at + 2]} << 8 | bytes[at + 3]; // counts its own two bytes
    if (length < 2 || length > size - at - 2) return 0;
    if (!visit(marker, bytes + at + 4, length - 2)) return 0;
    at += 2 + length;
    if (marker == 0xDA) return at;
  }
  return 0;
}

/// Why a JPEG is damaged, or empty: stb paints what is missing grey. FF D9 can't occur inside the picture's data.
std::string jpeg_damage(const std::vector<std::uint8_t>& bytes) {
  const std::size_t start = walk_jpeg(bytes.data(), bytes.size(), [](auto...) { return true; });
  if (start == 0) return "it has no picture data: the file is cut or damaged";
  constexpr std::uint8_t end_marker[2] = {0xFF, 0xD9};
  const auto found =
      std::search(bytes.begin() + static_cast<std::ptrdiff_t>(start), bytes.end(), end_marker, end_marker + 2);
  return found == bytes.end() ? "it has no end marker: the file is cut" : std::string{};
}

/// Orientation from a TIFF block (what EXIF is inside), reading nothing beyond `size`.
int tiff_orientation(const std::uint8_t* tiff, std::size_t size) {
  if (size < 8) return 1;
  const bool little = tiff[0] == 'I' && tiff[1] == 'I';
  if (!little && !(tiff[0] == 'M' && tiff[1] == 'M')) return 1;
  const auto u16 = [&](std::size_t at) {
    return little ? std::uint32_t{tiff[at]} | std::uint32_t{tiff[at + 1]} << 8
                  : std::uint32_t{tiff[at + 1]} | std::uint32_t{tiff[at]} << 8;
  };
  const auto u32 = [&](std::size_t at) { return little ? u16(at) | u16(at + 2) << 16 : u16(at) << 16 | u16(at + 2); };
  if (u16(2) != 42) return 1;
  const std::size_t directory = u32(4);
  if (directory > size - 2) return 1;
  const std::size_t entries = u16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > size) return 1;
    constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3;
    if (u16(entry) == orientation_tag && u16(entry + 2) == short_type && u32(entry + 4) == 1) {
      const std::uint32_t value = u16(entry + 8);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  }
  return 1;
}

struct StbFree {
  void operator()(void* p) const { stbi_image_free(p); }
};
struct Free {
  void operator()(void* p) const { std::free(p); }
};

struct Header {
  int width = 0, height = 0, channels = 0;
};

/// Size as the file states it, read here because stb doesn't say why it refuses a huge one; zero where there is none.
Header png_size(const std::vector<std::uint8_t>& bytes) {
  if (bytes.size() < 33 || std::memcmp(&bytes[12], "IHDR", 4) != 0) return {};
  const auto side = [&bytes](std::size_t at) {
    return static_cast<int>(std::min(big_endian_32(&bytes[at]), 0x7FFFFFFFu));
  };
  return {side(16), side(20), 0};
}

Header jpeg_size(const std::vector<std::uint8_t>& bytes) {
  Header size;
  walk_jpeg(bytes.data(), bytes.size(), [&size](std::uint8_t marker, const std::uint8_t* payload, std::size_t length) {
    const bool start_of_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (!start_of_frame || length < 5) return true;
    size = {payload[3] << 8 | payload[4], payload[1] << 8 | payload[2], 0};
    return false;
  });
  return size;
}

/// Common checks before anything is decoded.
Header checked_header(const std::string& file, const std::vector<std::uint8_t>& bytes) {
  const bool png = is_png(bytes.data(), bytes.size()), jpeg = is_jpeg(bytes.data(), bytes.size());
  if (!png && !jpeg)
    throw Error({.file = file,
                 .reason = "this is neither a JPEG nor a PNG file (by its first bytes)",
                 .fix = "Convert the picture to JPEG or PNG."});
  if (const std::string damage = png ? png_damage(bytes) : jpeg_damage(bytes); !damage.empty())
    throw Error({.file = file, .reason = damage, .fix = "Copy or download it again."});
  Header h = png ? png_size(bytes) : jpeg_size(bytes);
  if (!detail::valid_size(h.height, h.width))
    throw Error({.file = file,
                 .field = "size",
                 .value = std::to_string(h.width) + "x" + std::to_string(h.height),
                 .reason = "sides must be 1 to " + std::to_string(max_image_side) + " pixels",
                 .fix = "Make the picture smaller."});
  if (!stbi_info_from_memory(bytes.data(), static_cast<int>(bytes.size()), &h.width, &h.height, &h.channels)) {
    const char* why = stbi_failure_reason();
    throw Error({.file = file,
                 .reason = std::string("the picture's header can't be read (") + (why ? why : "unknown") + ")",
                 .fix = "Copy or download it again, or save it anew with another program."});
  }
  return h;
}

[[noreturn]] void decode_failed(const std::string& file) {
  const char* why = stbi_failure_reason();
  throw Error({.file = file,
               .reason = std::string("the picture can't be decoded (") + (why ? why : "unknown") + ")",
               .fix = "Copy or download it again, or save it anew with another program."});
}

void append(void* context, void* data, int size) {
  auto& out = *static_cast<std::vector<std::uint8_t>*>(context);
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

void check_size(const std::string& file, int height, int width, std::size_t values, std::size_t expected) {
  if (!detail::valid_size(height, width) || values != expected)
    throw Error({.file = file,
                 .field = "size",
                 .value = std::to_string(width) + "x" + std::to_string(height),
                 .reason = "this picture can't be written: sides must be 1 to " + std::to_string(max_image_side)});
}

void png_chunk(std::vector<std::uint8_t>& out, const char* type, const std::uint8_t* data, std::size_t size) {
  const auto put = [&out](std::uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(v >> shift));
  };
  put(static_cast<std::uint32_t>(size));
  const std::size_t start = out.size();
  out.insert(out.end(), type, type + 4);
  if (size) out.insert(out.end(), data, data + size);
  put(crc32(&out[start], size + 4));
}

/// One row of PNG's five predictors; `row` and `above` are big-endian samples, `above` all zero for the first row.
void png_filter(int kind, const std::uint8_t* row, const std::uint8_t* above, std::size_t n, std::size_t pixel_bytes,
                std::uint8_t* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const int left = i >= pixel_bytes ? row[i - pixel_bytes] : 0, up = above[i];
    const int corner = i >= pixel_bytes ? above[i - pixel_bytes] : 0;
    int predicted = 0;
    if (kind == 1)
      predicted = left;
    else if (kind == 2)
      predicted = up;
    else if (kind == 3)
      predicted = (left + up) / 2;
    else if (kind == 4) { // Paeth: whichever neighbour is nearest to left + up - corner
      const int p = left + up - corner, pa = std::abs(p - left), pb = std::abs(p - up), pc = std::abs(p - corner);
      predicted = pa <= pb && pa <= pc ? left : pb <= pc ? up : corner;
    }
    out[i] = static_cast<std::uint8_t>(row[i] - predicted);
  }
}

} // namespace

RgbImage::RgbImage(int height_, int width_, std::uint8_t r, std::uint8_t g, std::uint8_t b)
    : height(height_), width(width_),
      rgb(std::size_t{3} * static_cast<std::size_t>(height_) * static_cast<std::size_t>(width_)) {
  for (std::size_t i = 0; i < rgb.size(); i += 3) {
    rgb[i] = r;
    rgb[i + 1] = g;
    rgb[i + 2] = b;
  }
}

std::vector<std::uint8_t> read_file(const std::string& file, std::size_t max_bytes) {
  std::error_code ec;
  const fs::file_status status = fs::status(file, ec);
  if (!fs::exists(status)) throw Error({.file = file, .reason = "there is no such file", .fix = "Check the path."});
  if (!fs::is_regular_file(status))
    throw Error({.file = file, .reason = "this is not a regular file", .fix = "Give the path of a file."});
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
  if (!in) throw Error({.file = file, .reason = std::string("it can't be opened (") + std::strerror(errno) + ")"});
  const auto size = fs::file_size(file, ec);
  if (ec || size == 0) throw Error({.file = file, .reason = "the file is empty", .fix = "Copy or download it again."});
  if (size > max_bytes)
    throw Error({.file = file,
                 .field = "size",
                 .value = std::to_string(size) + " bytes",
                 .reason = "this is more than the " + std::to_string(max_bytes) + " bytes that are read"});
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  if (std::fread(bytes.data(), 1, bytes.size(), in.get()) != bytes.size())
    throw Error({.file = file, .reason = "it can't be read to its end"});
  return bytes;
}

void require_replaceable(const std::string& file) {
  std::error_code ec;
  const fs::file_status status = fs::status(file, ec);
  if (!fs::exists(status) || fs::is_regular_file(status)) return;
  const bool folder = fs::is_directory(status);
  throw Error({.file = file,
               .reason = folder ? "it is a folder" : "it is no regular file but a device, pipe or socket",
               .fix = folder ? "Name a file in it." : "Name a file: it is written beside its place, then renamed."});
}

void write_file(const std::string& file, const void* bytes, std::size_t size, Keep keep) {
  require_replaceable(file);
  const std::string partial = file + ".partial";
  std::FILE* out = std::fopen(partial.c_str(), "wb");
  if (!out)
    throw Error({.file = file,
                 .reason = std::string("it can't be written (") + std::strerror(errno) + ")",
                 .fix = "Name a file in a folder that exists and may be written to."});
  bool written = std::fwrite(bytes, 1, size, out) == size && std::fflush(out) == 0;
  // Bytes first, then the name: renamed before its bytes are on the disk, a power cut could leave an empty file.
  if (keep == Keep::on_disk) written = written && fsync(fileno(out)) == 0;
  const bool closed = std::fclose(out) == 0;
  if (!written || !closed || std::rename(partial.c_str(), file.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    std::remove(partial.c_str());
    throw Error(
        {.file = file, .reason = "it can't be written (" + why + ")", .fix = "Check the free space of the disk."});
  }
  if (keep == Keep::in_system) return;
  // File systems that can't sync a folder order renames themselves: no error.
  const fs::path folder = fs::path(file).parent_path();
  if (const int handle = open(folder.empty() ? "." : folder.c_str(), O_RDONLY); handle >= 0) {
    fsync(handle);
    close(handle);
  }
}

int exif_orientation(const std::uint8_t* bytes, std::size_t size) {
  int orientation = 1;
  if (is_jpeg(bytes, size)) {
    walk_jpeg(bytes, size, [&](std::uint8_t marker, const std::uint8_t* payload, std::size_t length) {
      if (marker != 0xE1 || length < 6 || std::memcmp(payload, "Exif\0\0", 6) != 0) return true;
      orientation = tiff_orientation(payload + 6, length - 6);
      return false;
    });
  } else if (is_png(bytes, size)) {
    for (std::size_t at = 8; at + 12 <= size;) {
      const std::size_t length = big_endian_32(bytes + at);
      if (length > size - at - 12) break;
      if (std::memcmp(bytes + at + 4, "eXIf", 4) == 0) return tiff_orientation(bytes + at + 8, length);
      at += 12 + length;
    }
  }
  return orientation;
}

RgbImage apply_orientation(const RgbImage& image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  RgbImage out(transposed ? image.width : image.height, transposed ? image.height : image.width);
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      // where upright pixel (y, x) lies in the stored picture of h x w
      const int h = image.height, w = image.width;
      int v = y, u = x;
      switch (orientation) {
      case 2: u = w - 1 - x; break;                // mirrored left-right
      case 3: u = w - 1 - x, v = h - 1 - y; break; // half a turn
      case 4: v = h - 1 - y; break;                // mirrored top-bottom
      case 5: u = y, v = x; break;                 // mirrored along the main diagonal
      case 6: u = y, v = h - 1 - x; break;         // to be turned clockwise
      case 7: u = w - 1 - y, v = h - 1 - x; break; // mirrored along the other diagonal
      case 8: u = w - 1 - y, v = x; break;         // to be turned counter-clockwise
      }
      std::copy_n(image.pixel(v, u), 3, out.pixel(y, x));
    }
  return out;
}

RgbImage read_rgb(const std::string& file) { return decode_rgb(read_file(file), file); }

RgbImage decode_rgb(const std::vector<std::uint8_t>& bytes, const std::string& file) {
  const Header header = checked_header(file, bytes);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, StbFree> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels, 3));
  if (!pixels || width != header.width || height != header.height) decode_failed(file);
  RgbImage image;
  image.height = height;
  image.width = width;
  image.rgb.assign(pixels.get(),
                   pixels.get() + std::size_t{3} * static_cast<std::size_t>(height) * static_cast<std::size_t>(width));
  const int orientation = exif_orientation(bytes.data(), bytes.size());
  return orientation == 1 ? image : apply_orientation(image, orientation);
}

RawDepth read_depth_png(const std::string& file) {
  const std::vector<std::uint8_t> bytes = read_file(file);
  if (!is_png(bytes.data(), bytes.size()))
    throw Error({.file = file,
                 .reason = "a depth picture must be PNG, and this is not (by its first bytes)",
                 .fix = "Save depth as one-channel 8 or 16-bit PNG; JPEG would change the distances."});
  const Header header = checked_header(file, bytes);
  if (header.channels != 1)
    throw Error({.file = file,
                 .field = "channels",
                 .value = std::to_string(header.channels),
                 .reason = "a depth picture has one channel (this one may be a coloured view of depth)",
                 .fix = "Give the PNG with the raw distances."});
  if (const int bits = bytes[24]; bits != 8 && bits != 16) // IHDR: width, height, bit depth
    throw Error({.file = file,
                 .field = "bit depth",
                 .value = std::to_string(bits),
                 .reason = "a depth picture has 8 or 16 bits",
                 .fix = "Save it as 16-bit PNG."});
  RawDepth depth;
  depth.height = header.height;
  depth.width = header.width;
  const std::size_t n = static_cast<std::size_t>(header.height) * static_cast<std::size_t>(header.width);
  const int size = static_cast<int>(bytes.size());
  int width = 0, height = 0, channels = 0;
  if (stbi_is_16_bit_from_memory(bytes.data(), size)) {
    const std::unique_ptr<stbi_us, StbFree> values(
        stbi_load_16_from_memory(bytes.data(), size, &width, &height, &channels, 1));
    if (!values || width != header.width || height != header.height) decode_failed(file);
    depth.values.assign(values.get(), values.get() + n);
  } else {
    const std::unique_ptr<stbi_uc, StbFree> values(
        stbi_load_from_memory(bytes.data(), size, &width, &height, &channels, 1));
    if (!values || width != header.width || height != header.height) decode_failed(file);
    depth.bits = 8;
    depth.values.assign(values.get(), values.get() + n);
  }
  return depth;
}

std::vector<std::uint8_t> encode_png(const RgbImage& image) {
  check_size("PNG", image.height, image.width, image.rgb.size(),
             std::size_t{3} * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width));
  std::vector<std::uint8_t> bytes;
  if (!stbi_write_png_to_func(append, &bytes, image.width, image.height, 3, image.rgb.data(), 3 * image.width))
    throw Error({.file = "PNG", .reason = "it can't be encoded (out of memory)"});
  return bytes;
}

void write_png(const std::string& file, const RgbImage& image) {
  check_size(file, image.height, image.width, image.rgb.size(),
             std::size_t{3} * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width));
  const std::vector<std::uint8_t> bytes = encode_png(image);
  write_file(file, bytes.data(), bytes.size());
}

void write_jpeg(const std::string& file, const RgbImage& image, int quality) {
  check_size(file, image.height, image.width, image.rgb.size(),
             std::size_t{3} * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width));
  std::vector<std::uint8_t> bytes;
  if (!stbi_write_jpg_to_func(append, &bytes, image.width, image.height, 3, image.rgb.data(), quality))
    throw Error({.file = file, .reason = "the JPEG can't be encoded (no memory, or a build without stb)"});
  write_file(file, bytes.data(), bytes.size());
}

void write_png16(const std::string& file, int height, int width, const std::uint16_t* values) {
  check_size(file, height, width, 0, 0);
  const std::size_t h = static_cast<std::size_t>(height), row_bytes = 2 * static_cast<std::size_t>(width);
  std::vector<std::uint8_t> filtered, row(row_bytes), above(row_bytes), candidate(row_bytes), best(row_bytes);
  filtered.reserve(h * (row_bytes + 1));
  for (std::size_t y = 0; y < h; ++y) {
    for (std::size_t x = 0; x < row_bytes / 2; ++x) {
      const std::uint16_t v = values[y * (row_bytes / 2) + x];
      row[2 * x] = static_cast<std::uint8_t>(v >> 8);
      row[2 * x + 1] = static_cast<std::uint8_t>(v & 0xFF);
    }
    long best_cost = -1; // the usual rule of thumb: the predictor with the smallest absolute residuals
    int best_kind = 0;
    for (int kind = 0; kind < 5; ++kind) {
      png_filter(kind, row.data(), above.data(), row_bytes, 2, candidate.data());
      long cost = 0;
      for (const std::uint8_t byte : candidate) cost += std::abs(static_cast<int>(static_cast<std::int8_t>(byte)));
      if (best_cost < 0 || cost < best_cost) {
        best_cost = cost;
        best_kind = kind;
        best.swap(candidate);
      }
    }
    filtered.push_back(static_cast<std::uint8_t>(best_kind));
    filtered.insert(filtered.end(), best.begin(), best.end());
    above.swap(row);
  }
  if (filtered.size() > 0x7FFFFFFF)
    throw Error({.file = file, .reason = "the picture is too large to be compressed in one piece"});
  int compressed_size = 0;
  const std::unique_ptr<unsigned char, Free> compressed(
      stbi_zlib_compress(filtered.data(), static_cast<int>(filtered.size()), &compressed_size, 8));
  if (!compressed) throw Error({.file = file, .reason = "the PNG can't be encoded (out of memory)"});

  std::vector<std::uint8_t> out(png_signature.begin(), png_signature.end());
  std::uint8_t header[13] = {};
  for (int i = 0; i < 4; ++i) {
    header[i] = static_cast<std::uint8_t>(width >> (24 - 8 * i));
    header[4 + i] = static_cast<std::uint8_t>(height >> (24 - 8 * i));
  }
  header[8] = 16; // bits; colour type 0 (grey), compression 0, filter 0, no interlace
  png_chunk(out, "IHDR", header, sizeof header);
  png_chunk(out, "IDAT", compressed.get(), static_cast<std::size_t>(compressed_size));
  png_chunk(out, "IEND", nullptr, 0);
  write_file(file, out.data(), out.size());
}

void write_depth_png(const std::string& file, int height, int width, const float* metres) {
  check_size(file, height, width, 0, 0);
  std::vector<std::uint16_t> millimetres(static_cast<std::size_t>(height) * static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < millimetres.size(); ++i) {
    const float mm = std::round(metres[i] * 1000.0f);
    millimetres[i] = mm >= 1.0f && mm <= 65535.0f ? static_cast<std::uint16_t>(mm) : std::uint16_t{0};
  }
  write_png16(file, height, width, millimetres.data());
}

} // namespace leadline::data
