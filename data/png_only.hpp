// What image_io.cpp uses of stb, for builds on machines without it (an edge build needs a compiler and CMake alone):
// PNG only, not interlaced; JPEG is refused with a sentence. Same names and meaning as stb's functions, so that
// image_io.cpp reads the same either way. PNG: ISO/IEC 15948; its compression: RFC 1950 and 1951.
//
// Included by one .cpp; throws nothing but std::bad_alloc. Re-entrant but for the last failure's reason (per thread).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace leadline::data::png_only {

using stbi_uc = unsigned char;
using stbi_us = unsigned short;
using Bytes = std::vector<std::uint8_t>;

inline const char*& failure() {
  thread_local const char* reason = "";
  return reason;
}
inline bool fail(const char* reason) {
  failure() = reason;
  return false;
}

// ---- reading: inflate ----------------------------------------------------------------------------------------------

/// Bits of a DEFLATE stream, least significant first. Beyond the end it yields zeros and says so.
struct BitReader {
  const std::uint8_t* bytes;
  std::size_t size, at = 0;
  std::uint32_t buffer = 0;
  int count = 0;
  bool ended = false;

  std::uint32_t take(int n) {
    while (count < n) {
      ended = ended || at >= size;
      buffer |= (at < size ? std::uint32_t{bytes[at]} : 0u) << count;
      ++at;
      count += 8;
    }
    const std::uint32_t value = buffer & ((1u << n) - 1);
    buffer >>= n;
    count -= n;
    return value;
  }
  void to_byte() { buffer = 0, count = 0; }
};

/// A canonical Huffman code: how many codes of each length there are, and the symbols in order of their codes.
struct Huffman {
  int counts[16] = {};
  int symbols[288] = {};

  Huffman(const std::uint8_t* lengths, int n) {
    for (int i = 0; i < n; ++i) ++counts[lengths[i]];
    counts[0] = 0;
    int offsets[16] = {};
    for (int length = 1; length < 15; ++length) offsets[length + 1] = offsets[length] + counts[length];
    for (int i = 0; i < n; ++i)
      if (lengths[i]) symbols[offsets[lengths[i]]++] = i;
  }
  /// The next symbol, or -1 if no code fits.
  int next(BitReader& in) const {
    int code = 0, first = 0, index = 0;
    for (int length = 1; length <= 15; ++length) {
      code |= static_cast<int>(in.take(1));
      if (code - first < counts[length]) return symbols[index + code - first];
      index += counts[length];
      first = (first + counts[length]) << 1;
      code <<= 1;
    }
    return -1;
  }
};

// RFC 1951, 3.2.5: what length symbols 257... and distance symbols 0... stand for
inline constexpr int length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
inline constexpr int length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                        2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
inline constexpr int distance_base[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                          33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                          1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

inline bool inflate_block(BitReader& in, const Huffman& literals, const Huffman& distances, Bytes& out,
                          std::size_t limit) {
  while (!in.ended) {
    const int symbol = literals.next(in);
    if (symbol < 0 || symbol > 285) return fail("its compressed data has an invalid code");
    if (symbol == 256) return true;
    if (symbol < 256) {
      if (out.size() >= limit) return fail("it holds more data than its size needs");
      out.push_back(static_cast<std::uint8_t>(symbol));
      continue;
    }
    const std::size_t length = static_cast<std::size_t>(length_base[symbol - 257]) + in.take(length_bits[symbol - 257]);
    const int d = distances.next(in);
    if (d < 0 || d > 29) return fail("its compressed data has an invalid code");
    const std::size_t distance = static_cast<std::size_t>(distance_base[d]) + in.take(d < 2 ? 0 : d / 2 - 1);
    if (distance > out.size() || length > limit - out.size())
      return fail("its compressed data points outside the picture");
    for (std::size_t i = 0; i < length; ++i) // byte by byte: source and destination may overlap
      out.push_back(out[out.size() - distance]);
  }
  return fail("its compressed data is cut");
}

/// Decompresses a zlib stream to at most `limit` bytes. PNG's own checksums were looked at before.
inline bool inflate(const Bytes& zlib, Bytes& out, std::size_t limit) {
  if (zlib.size() < 2 || (zlib[0] & 15) != 8 || (zlib[0] * 256 + zlib[1]) % 31 != 0 || (zlib[1] & 32))
    return fail("its compressed data has no zlib header");
  BitReader in{zlib.data() + 2, zlib.size() - 2};
  bool last = false;
  while (!last) {
    last = in.take(1) != 0;
    std::uint8_t lengths[320] = {};
    switch (in.take(2)) {
    case 0: { // stored
      in.to_byte();
      const std::size_t n = in.take(16), complement = in.take(16);
      if (in.ended || (n ^ complement) != 0xFFFF || n > in.size - in.at || n > limit - out.size())
        return fail("its compressed data is cut or damaged");
      out.insert(out.end(), in.bytes + in.at, in.bytes + in.at + n);
      in.at += n;
      break;
    }
    case 1: { // the fixed codes
      for (int i = 0; i < 288; ++i) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
      const Huffman literals(lengths, 288);
      std::fill_n(lengths, 30, std::uint8_t{5});
      if (!inflate_block(in, literals, Huffman(lengths, 30), out, limit)) return false;
      break;
    }
    case 2: { // codes of its own
      const int n_literals = static_cast<int>(in.take(5)) + 257, n_distances = static_cast<int>(in.take(5)) + 1;
      const int n_lengths = static_cast<int>(in.take(4)) + 4;
      if (n_literals > 286 || n_distances > 30) return fail("its compressed data has too many codes");
      constexpr std::uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
      std::uint8_t code_lengths[19] = {};
      for (int i = 0; i < n_lengths; ++i) code_lengths[order[i]] = static_cast<std::uint8_t>(in.take(3));
      const Huffman codes(code_lengths, 19);
      for (int i = 0; i < n_literals + n_distances;) {
        const int symbol = codes.next(in);
        int repeat = 1;
        std::uint8_t value = static_cast<std::uint8_t>(symbol);
        if (symbol == 16 && i > 0) {
          value = lengths[i - 1];
          repeat = 3 + static_cast<int>(in.take(2));
        } else if (symbol == 17 || symbol == 18) {
          value = 0;
          repeat = symbol == 17 ? 3 + static_cast<int>(in.take(3)) : 11 + static_cast<int>(in.take(7));
        } else if (symbol < 0 || symbol > 15) {
          return fail("its compressed data has an invalid code");
        }
        if (in.ended || repeat > n_literals + n_distances - i) return fail("its compressed data is cut or damaged");
        while (repeat-- > 0) lengths[i++] = value;
      }
      if (!inflate_block(in, Huffman(lengths, n_literals), Huffman(lengths + n_literals, n_distances), out, limit))
        return false;
      break;
    }
    default: return fail("its compressed data has an unknown kind of block");
    }
  }
  return true;
}

// ---- reading: PNG --------------------------------------------------------------------------------------------------

struct Png {
  std::size_t width = 0, height = 0;
  int bits = 0, colour = 0; ///< colour type: 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGB + alpha
  bool interlaced = false;
  Bytes palette, data;

  std::size_t samples() const { return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1; }
  std::size_t row_bytes() const { return (width * samples() * static_cast<std::size_t>(bits) + 7) / 8; }
};

inline std::uint32_t big_endian(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

/// Reads the chunks; the caller has looked at signature, checksums and size already.
inline bool parse(const stbi_uc* bytes, int size, Png& png) {
  const std::size_t n = static_cast<std::size_t>(size);
  if (n < 33 || bytes[0] != 0x89 || std::memcmp(bytes + 12, "IHDR", 4) != 0)
    return fail("this build reads PNG alone: install stb (Debian: libstb-dev) and build again to read JPEG");
  png.width = big_endian(bytes + 16);
  png.height = big_endian(bytes + 20);
  png.bits = bytes[24];
  png.colour = bytes[25];
  png.interlaced = bytes[28] != 0;
  const bool deep = png.bits == 8 || png.bits == 16, shallow = png.bits == 1 || png.bits == 2 || png.bits == 4;
  const bool known = png.colour == 0   ? deep || shallow
                     : png.colour == 3 ? png.bits == 8 || shallow
                                       : (png.colour == 2 || png.colour == 4 || png.colour == 6) && deep;
  if (!known || png.width == 0 || png.height == 0) return fail("its header names an unknown kind of pixel");
  for (std::size_t at = 8; at + 12 <= n;) {
    const std::size_t length = big_endian(bytes + at);
    if (length > n - at - 12) break;
    const stbi_uc* payload = bytes + at + 8;
    if (std::memcmp(bytes + at + 4, "PLTE", 4) == 0)
      png.palette.assign(payload, payload + length);
    else if (std::memcmp(bytes + at + 4, "IDAT", 4) == 0)
      png.data.insert(png.data.end(), payload, payload + length);
    at += 12 + length;
  }
  return true;
}

/// Decompresses and undoes the row filters, in place: rows of row_bytes(), without their filter bytes.
inline bool decode(Png& png, Bytes& pixels) {
  if (png.interlaced)
    return fail("this build reads no interlaced PNG: install stb (Debian: libstb-dev) and build again");
  const std::size_t row_bytes = png.row_bytes(), total = png.height * (row_bytes + 1);
  const std::size_t pixel_bytes = std::max<std::size_t>(1, png.samples() * static_cast<std::size_t>(png.bits) / 8);
  Bytes filtered;
  if (!inflate(png.data, filtered, total)) return false;
  if (filtered.size() != total) return fail("it holds less data than its size needs");
  pixels.assign(png.height * row_bytes, 0);
  const Bytes zeros(row_bytes, 0);
  for (std::size_t y = 0; y < png.height; ++y) {
    const std::uint8_t* in = &filtered[y * (row_bytes + 1)];
    std::uint8_t* row = &pixels[y * row_bytes];
    const std::uint8_t* above = y ? row - row_bytes : zeros.data();
    const int kind = in[0];
    if (kind > 4) return fail("it uses an unknown row filter");
    for (std::size_t i = 0; i < row_bytes; ++i) {
      const int left = i >= pixel_bytes ? row[i - pixel_bytes] : 0, up = above[i];
      const int corner = i >= pixel_bytes ? above[i - pixel_bytes] : 0;
      int predicted = kind == 1 ? left : kind == 2 ? up : kind == 3 ? (left + up) / 2 : 0;
      if (kind == 4) {
        const int p = left + up - corner, pa = std::abs(p - left), pb = std::abs(p - up), pc = std::abs(p - corner);
        predicted = pa <= pb && pa <= pc ? left : pb <= pc ? up : corner;
      }
      row[i] = static_cast<std::uint8_t>(in[1 + i] + predicted);
    }
  }
  return true;
}

/// Sample `index` of a row, as stored.
inline unsigned sample(const Png& png, const std::uint8_t* row, std::size_t index) {
  if (png.bits == 8) return row[index];
  if (png.bits == 16) return static_cast<unsigned>(row[2 * index] << 8 | row[2 * index + 1]);
  const std::size_t per_byte = static_cast<std::size_t>(8 / png.bits),
                    shift = (per_byte - 1 - index % per_byte) * static_cast<std::size_t>(png.bits);
  return (row[index / per_byte] >> shift) & ((1u << png.bits) - 1);
}

inline const char* stbi_failure_reason() { return failure(); }
inline void stbi_image_free(void* p) { std::free(p); }

inline int stbi_info_from_memory(const stbi_uc* bytes, int size, int* width, int* height, int* channels) {
  Png png;
  if (!parse(bytes, size, png)) return 0;
  *width = static_cast<int>(png.width);
  *height = static_cast<int>(png.height);
  *channels = png.colour == 3 ? 3 : static_cast<int>(png.samples());
  return 1;
}

inline int stbi_is_16_bit_from_memory(const stbi_uc* bytes, int size) {
  Png png;
  return parse(bytes, size, png) && png.bits == 16;
}

/// Packed [height, width, wanted] with wanted = 1 (grey files only) or 3; malloc'ed; null with a reason if it can't.
inline stbi_uc* stbi_load_from_memory(const stbi_uc* bytes, int size, int* width, int* height, int* channels,
                                      int wanted) {
  Png png;
  Bytes pixels;
  if (!stbi_info_from_memory(bytes, size, width, height, channels) || !parse(bytes, size, png) || !decode(png, pixels))
    return nullptr;
  const std::size_t n = static_cast<std::size_t>(wanted);
  auto* out = static_cast<stbi_uc*>(std::malloc(png.width * png.height * n));
  if (!out) {
    fail("out of memory");
    return nullptr;
  }
  const unsigned full = (1u << png.bits) - 1;
  for (std::size_t y = 0; y < png.height; ++y) {
    const std::uint8_t* row = &pixels[y * png.row_bytes()];
    for (std::size_t x = 0; x < png.width; ++x)
      for (std::size_t c = 0; c < n; ++c) {
        stbi_uc& value = out[(y * png.width + x) * n + c];
        if (png.colour == 3) {
          const std::size_t entry = std::size_t{3} * sample(png, row, x) + c;
          value = entry < png.palette.size() ? png.palette[entry] : 0;
        } else {
          const bool grey = png.samples() < 3;
          const unsigned v = sample(png, row, x * png.samples() + (grey ? 0 : c));
          value = static_cast<stbi_uc>(png.bits == 16 ? v >> 8 : v * 255 / full);
        }
      }
  }
  return out;
}

/// The 16-bit samples of a grey file.
inline stbi_us* stbi_load_16_from_memory(const stbi_uc* bytes, int size, int* width, int* height, int* channels, int) {
  Png png;
  Bytes pixels;
  if (!stbi_info_from_memory(bytes, size, width, height, channels) || !parse(bytes, size, png) || !decode(png, pixels))
    return nullptr;
  auto* out = static_cast<stbi_us*>(std::malloc(png.width * png.height * sizeof(stbi_us)));
  if (!out) {
    fail("out of memory");
    return nullptr;
  }
  for (std::size_t y = 0; y < png.height; ++y)
    for (std::size_t x = 0; x < png.width; ++x)
      out[y * png.width + x] = static_cast<stbi_us>(sample(png, &pixels[y * png.row_bytes()], x * png.samples()));
  return out;
}

// ---- writing -------------------------------------------------------------------------------------------------------

/// A zlib stream with the fixed codes and one candidate for each match: small code, not small files.
inline unsigned char* stbi_zlib_compress(const unsigned char* data, int size, int* out_size, int) {
  const std::size_t n = static_cast<std::size_t>(size);
  Bytes out = {0x78, 0x5E};
  std::uint32_t buffer = 0;
  int count = 0;
  const auto put = [&](std::uint32_t value, int bits) { // least significant bit first
    buffer |= value << count;
    for (count += bits; count >= 8; count -= 8, buffer >>= 8) out.push_back(static_cast<std::uint8_t>(buffer));
  };
  const auto put_code = [&](std::uint32_t code, int bits) { // Huffman codes go most significant bit first
    for (int bit = bits - 1; bit >= 0; --bit) put(code >> bit & 1, 1);
  };
  const auto put_literal = [&](std::uint32_t symbol) {
    if (symbol < 144)
      put_code(0x30 + symbol, 8);
    else if (symbol < 256)
      put_code(0x190 + symbol - 144, 9);
    else if (symbol < 280)
      put_code(symbol - 256, 7);
    else
      put_code(0xC0 + symbol - 280, 8);
  };
  put(1, 1); // the last block,
  put(1, 2); // with the fixed codes
  constexpr std::size_t none = ~std::size_t{0}, window = 32768;
  std::vector<std::size_t> last_seen(1u << 15, none);
  for (std::size_t i = 0; i < n;) {
    std::size_t length = 0, distance = 0;
    if (i + 3 <= n) {
      const std::uint32_t key = (data[i] * 0x9E3779B1u ^ data[i + 1] * 0x85EBCA77u ^ data[i + 2] * 0xC2B2AE3Du) >> 17;
      const std::size_t before = last_seen[key];
      last_seen[key] = i;
      if (before != none && i - before <= window) {
        distance = i - before;
        while (length < 258 && i + length < n && data[before + length] == data[i + length]) ++length;
      }
    }
    if (length < 3) {
      put_literal(data[i++]);
      continue;
    }
    int l = 28, d = 29;
    while (length_base[l] > static_cast<int>(length)) --l;
    while (distance_base[d] > static_cast<int>(distance)) --d;
    put_literal(static_cast<std::uint32_t>(257 + l));
    put(static_cast<std::uint32_t>(length) - static_cast<std::uint32_t>(length_base[l]), length_bits[l]);
    put_code(static_cast<std::uint32_t>(d), 5);
    put(static_cast<std::uint32_t>(distance) - static_cast<std::uint32_t>(distance_base[d]), d < 2 ? 0 : d / 2 - 1);
    i += length;
  }
  put_literal(256);
  put(0, 7);                  // fill the last byte
  std::uint32_t a = 1, b = 0; // Adler-32
  for (std::size_t i = 0; i < n; ++i) {
    a = (a + data[i]) % 65521;
    b = (b + a) % 65521;
  }
  for (const std::uint32_t byte : {b >> 8, b, a >> 8, a}) out.push_back(static_cast<std::uint8_t>(byte));
  auto* result = static_cast<unsigned char*>(std::malloc(out.size()));
  if (result) std::memcpy(result, out.data(), out.size());
  *out_size = static_cast<int>(out.size());
  return result;
}

inline void put_chunk(Bytes& out, const char* type, const Bytes& payload) {
  const auto put = [&out](std::uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(v >> shift));
  };
  put(static_cast<std::uint32_t>(payload.size()));
  const std::size_t start = out.size();
  out.insert(out.end(), type, type + 4);
  out.insert(out.end(), payload.begin(), payload.end());
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = start; i < out.size(); ++i) {
    crc ^= out[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? 0xEDB88320u ^ (crc >> 1) : crc >> 1;
  }
  put(~crc);
}

/// 8-bit RGB from packed [height, width, 3].
inline int stbi_write_png_to_func(void (*write)(void*, void*, int), void* context, int width, int height, int,
                                  const void* rgb, int row_bytes) {
  const auto* pixels = static_cast<const std::uint8_t*>(rgb);
  const std::size_t n = static_cast<std::size_t>(row_bytes);
  Bytes filtered;
  filtered.reserve(static_cast<std::size_t>(height) * (n + 1));
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* row = pixels + static_cast<std::size_t>(y) * n;
    filtered.push_back(2); // what changed since the row above
    for (std::size_t i = 0; i < n; ++i) filtered.push_back(static_cast<std::uint8_t>(row[i] - (y ? row[i - n] : 0)));
  }
  int size = 0;
  unsigned char* compressed = stbi_zlib_compress(filtered.data(), static_cast<int>(filtered.size()), &size, 8);
  if (!compressed) return 0;
  Bytes header(13, 0);
  for (int i = 0; i < 4; ++i) {
    header[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(width >> (24 - 8 * i));
    header[static_cast<std::size_t>(4 + i)] = static_cast<std::uint8_t>(height >> (24 - 8 * i));
  }
  header[8] = 8; // bits
  header[9] = 2; // RGB
  Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  put_chunk(out, "IHDR", header);
  put_chunk(out, "IDAT", Bytes(compressed, compressed + size));
  put_chunk(out, "IEND", {});
  std::free(compressed);
  write(context, out.data(), static_cast<int>(out.size()));
  return 1;
}

/// This build writes no JPEG.
inline int stbi_write_jpg_to_func(void (*)(void*, void*, int), void*, int, int, int, const void*, int) { return 0; }

} // namespace leadline::data::png_only
