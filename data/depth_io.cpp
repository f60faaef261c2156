#include "data/depth_io.hpp"

#include "data/error.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace leadline::data {
namespace {

static_assert(std::endian::native == std::endian::little, "the files below are little-endian");

[[noreturn]] void damaged(const std::string& file, const std::string& reason, const std::string& fix = {}) {
  throw Error({.file = file, .reason = reason, .fix = fix});
}

bool ends_with(const std::string& text, const char* end) { return text.ends_with(end); }

template <class T> void append(std::vector<char>& out, T value) {
  const char* bytes = reinterpret_cast<const char*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

float half_to_float(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const std::uint32_t mantissa = half & 1023u, sign = static_cast<std::uint32_t>(half >> 15) << 31;
  if (exponent == 0) { // zero and denormals: mantissa * 2^-24
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  const std::uint32_t bits =
      exponent == 31 ? 0x7F800000u | mantissa << 13 : static_cast<std::uint32_t>(exponent + 112) << 23 | mantissa << 13;
  return std::bit_cast<float>(sign | bits);
}

/// The text behind 'key': in the header, a Python dictionary of three entries.
std::string entry(const std::string& file, const std::string& header, const std::string& key) {
  const std::size_t at = header.find("'" + key + "'");
  const std::size_t colon = at == std::string::npos ? at : header.find(':', at);
  if (colon == std::string::npos) damaged(file, "its header has no '" + key + "'", "Write it with numpy.save");
  const std::size_t first = header.find_first_not_of(' ', colon + 1);
  if (first == std::string::npos) damaged(file, "its header ends after '" + key + "'");
  const std::size_t end = header[first] == '(' ? header.find(')', first) : header.find_first_of(",}", first);
  if (end == std::string::npos) damaged(file, "its header ends within '" + key + "'");
  return header.substr(first, end - first + (header[first] == '('));
}

std::vector<std::size_t> parse_shape(const std::string& file, const std::string& text) {
  std::vector<std::size_t> shape;
  const char *at = text.data() + 1, *end = text.data() + text.size() - 1;
  while (at < end) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    std::size_t extent = 0;
    const auto [stop, error] = std::from_chars(at, end, extent);
    if (error != std::errc{} || shape.size() == 8) damaged(file, "its shape " + text + " can't be read");
    shape.push_back(extent);
    at = stop;
  }
  return shape;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

template <class T> void convert(const std::uint8_t* bytes, std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof value, sizeof value);
    values[i] = static_cast<float>(value);
  }
}

} // namespace

NpyArray read_npy(const std::string& file) {
  const std::vector<std::uint8_t> bytes = read_file(file);
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0)
    damaged(file, "this is no .npy file", "Write it with numpy.save");
  const int version = bytes[6];
  if (version < 1 || version > 3) damaged(file, "version " + std::to_string(version) + " of the format isn't known");
  const std::size_t preamble = version == 1 ? 10 : 12;
  const std::size_t length = version == 1 ? bytes[8] | std::size_t{bytes[9]} << 8
                                          : bytes[8] | std::size_t{bytes[9]} << 8 | std::size_t{bytes[10]} << 16 |
                                                std::size_t{bytes[11]} << 24;
  if (length > bytes.size() - preamble) damaged(file, "it ends within its header");
  const std::string header(reinterpret_cast<const char*>(bytes.data()) + preamble, length);
  const std::string type = entry(file, header, "descr");
  if (entry(file, header, "fortran_order").rfind("False", 0) != 0)
    damaged(file, "it is stored in Fortran's order", "Save numpy.ascontiguousarray(a)");
  NpyArray array;
  const std::string shape = entry(file, header, "shape");
  if (shape.front() != '(') damaged(file, "its shape " + shape + " can't be read");
  array.shape = parse_shape(file, shape);

  struct Type {
    const char* name;
    std::size_t size;
    void (*read)(const std::uint8_t*, std::vector<float>&);
  };
  static constexpr Type types[] = {
      {"<f4", 4, convert<float>},
      {"<f8", 8, convert<double>},
      {"|u1", 1, convert<std::uint8_t>},
      {"<u2", 2, convert<std::uint16_t>},
      {"<u4", 4, convert<std::uint32_t>},
      {"|i1", 1, convert<std::int8_t>},
      {"<i2", 2, convert<std::int16_t>},
      {"<i4", 4, convert<std::int32_t>},
      {"<f2", 2,
       [](const std::uint8_t* from, std::vector<float>& values) {
         for (std::size_t i = 0; i < values.size(); ++i)
           values[i] = half_to_float(static_cast<std::uint16_t>(from[2 * i] | from[2 * i + 1] << 8));
       }},
  };
  const std::string name = type.size() > 2 ? type.substr(1, type.size() - 2) : "";
  const auto* known = std::find_if(std::begin(types), std::end(types), [&](const Type& t) { return name == t.name; });
  if (known == std::end(types))
    damaged(file, "its numbers are of type " + type, "Save them as float32: a.astype('<f4')");
  const std::size_t room = (bytes.size() - preamble - length) / known->size;
  std::size_t count = 1; // of a shape () too: one number
  for (const std::size_t extent : array.shape)
    count = extent != 0 && count > SIZE_MAX / extent ? SIZE_MAX : count * extent;
  if (count > room)
    damaged(file, "its shape " + shape_text(array.shape) + " needs more numbers than the " + std::to_string(room) +
                      " that it has");
  array.values.resize(count);
  known->read(bytes.data() + preamble + length, array.values);
  array.integer = known->name[1] != 'f';
  return array;
}

void write_npy(const std::string& file, const std::vector<std::size_t>& shape, const float* values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10, ' '); // numbers begin at a multiple of 64
  header.back() = '\n';
  std::size_t count = 1;
  for (const std::size_t extent : shape) count *= extent;
  std::vector<char> out;
  out.reserve(10 + header.size() + 4 * count);
  for (const char c : {'\x93', 'N', 'U', 'M', 'P', 'Y', '\x01', '\x00'}) out.push_back(c);
  append(out, static_cast<std::uint16_t>(header.size()));
  out.insert(out.end(), header.begin(), header.end());
  const char* raw = reinterpret_cast<const char*>(values);
  out.insert(out.end(), raw, raw + 4 * count);
  write_file(file, out.data(), out.size());
}

DepthMap read_pfm(const std::string& file) {
  const std::vector<std::uint8_t> bytes = read_file(file);
  const std::string start(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 256));
  char kind = 0;
  int width = 0, height = 0, header = 0;
  double scale = 0;
  if (std::sscanf(start.c_str(), "P%c %d %d %lf%n", &kind, &width, &height, &scale, &header) != 4 ||
      (kind != 'f' && kind != 'F'))
    damaged(file, "this is no .pfm file");
  if (kind == 'F') damaged(file, "it has three channels", "Write depth with one channel (Pf)");
  if (width < 1 || height < 1 || width > max_image_side || height > max_image_side)
    damaged(file, "its size " + std::to_string(width) + "x" + std::to_string(height) + " is out of range");
  const std::size_t begin = static_cast<std::size_t>(header) + 1; // one blank ends the header
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  if (bytes.size() < begin || (bytes.size() - begin) / 4 < count) damaged(file, "it ends within its numbers");
  DepthMap depth{height, width, std::vector<float>(count)};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const std::uint8_t* from = bytes.data() + begin +
                                 4 * (static_cast<std::size_t>(height - 1 - y) * static_cast<std::size_t>(width) +
                                      static_cast<std::size_t>(x));
      std::uint8_t value[4];
      for (int i = 0; i < 4; ++i) value[i] = from[scale < 0 ? i : 3 - i]; // a positive scale means big-endian
      std::memcpy(
          &depth.metres[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)],
          value, 4);
    }
  return depth;
}

void write_pfm(const std::string& file, const DepthMap& depth) {
  const std::string header =
      "Pf\n" + std::to_string(depth.width) + " " + std::to_string(depth.height) + "\n-1.0\n"; // little-endian
  std::vector<char> out(header.begin(), header.end());
  for (int y = depth.height - 1; y >= 0; --y) {
    const char* row = reinterpret_cast<const char*>(depth.metres.data() + std::ptrdiff_t{y} * depth.width);
    out.insert(out.end(), row, row + 4 * static_cast<std::size_t>(depth.width));
  }
  write_file(file, out.data(), out.size());
}

DepthMap read_depth_map(const std::string& file, double unit) {
  const auto scaled = [unit](DepthMap depth) {
    for (float& value : depth.metres) value = static_cast<float>(static_cast<double>(value) * unit);
    return depth;
  };
  if (ends_with(file, ".png")) {
    const RawDepth raw = read_depth_png(file);
    return scaled({raw.height, raw.width, std::vector<float>(raw.values.begin(), raw.values.end())});
  }
  if (ends_with(file, ".pfm")) return read_pfm(file);
  if (!ends_with(file, ".npy"))
    damaged(file, "this is no form of depth that is known", "Use .png (8 or 16 bits), .npy or .pfm");
  NpyArray array = read_npy(file);
  std::vector<std::size_t> shape;
  for (const std::size_t extent : array.shape)
    if (extent != 1) shape.push_back(extent);
  while (shape.size() < 2) shape.insert(shape.begin(), 1);
  if (shape.size() != 2 || shape[0] > max_image_side || shape[1] > max_image_side || array.values.empty())
    damaged(file, "its shape " + shape_text(array.shape) + " is not that of one depth map", "Save [height, width]");
  DepthMap depth{static_cast<int>(shape[0]), static_cast<int>(shape[1]), std::move(array.values)};
  return array.integer ? scaled(std::move(depth)) : depth;
}

void write_ply(const std::string& file, const RgbImage& image, const DepthMap& depth, const Intrinsics& camera) {
  std::vector<char> points;
  std::size_t count = 0;
  for (int y = 0; y < depth.height; ++y)
    for (int x = 0; x < depth.width; ++x) {
      const float z = depth.metres[static_cast<std::size_t>(y) * static_cast<std::size_t>(depth.width) +
                                   static_cast<std::size_t>(x)];
      if (!depth_is_valid(z)) continue;
      append(points, (static_cast<float>(x) - camera.cx) / camera.fx * z);
      append(points, (static_cast<float>(y) - camera.cy) / camera.fy * z);
      append(points, z);
      const std::uint8_t* rgb = image.pixel(y, x);
      points.insert(points.end(), rgb, rgb + 3);
      ++count;
    }
  const std::string header = "ply\nformat binary_little_endian 1.0\ncomment metres; x right, y down, z forward\n"
                             "element vertex " +
                             std::to_string(count) +
                             "\nproperty float x\nproperty float y\nproperty float z\n"
                             "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n";
  std::vector<char> out(header.begin(), header.end());
  out.insert(out.end(), points.begin(), points.end());
  write_file(file, out.data(), out.size());
}

} // namespace leadline::data
