// data/image_io.hpp and data/picture.hpp: pictures in files and pictures for people.
#include "data/image_io.hpp"
#include "data/picture.hpp"
#include "tests/data/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sys/stat.h>

using namespace leadline;
using namespace leadline::data;
using namespace leadline::data::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// A TIFF block with one IFD: an unrelated entry, then the orientation.
Bytes tiff(int orientation, bool little) {
  Bytes out;
  const auto u16 = [&](unsigned v) {
    out.push_back(static_cast<std::uint8_t>(little ? v : v >> 8));
    out.push_back(static_cast<std::uint8_t>(little ? v >> 8 : v));
  };
  const auto u32 = [&](unsigned v) { little ? (u16(v & 0xFFFF), u16(v >> 16)) : (u16(v >> 16), u16(v & 0xFFFF)); };
  out.push_back(little ? 'I' : 'M');
  out.push_back(little ? 'I' : 'M');
  u16(42), u32(8), u16(2);
  u16(0x0100), u16(3), u32(1), u16(640), u16(0);
  u16(0x0112), u16(3), u32(1), u16(static_cast<unsigned>(orientation)), u16(0);
  u32(0);
  return out;
}

/// The JPEG with an APP1 EXIF segment after its first two bytes.
Bytes with_exif(const Bytes& jpeg, int orientation, bool little) {
  const Bytes block = tiff(orientation, little);
  const std::size_t length = 2 + 6 + block.size();
  Bytes out(jpeg.begin(), jpeg.begin() + 2);
  for (const int b : {0xFF, 0xE1, static_cast<int>(length >> 8), static_cast<int>(length & 0xFF), int{'E'}, int{'x'},
                      int{'i'}, int{'f'}, 0, 0})
    out.push_back(static_cast<std::uint8_t>(b));
  out.insert(out.end(), block.begin(), block.end());
  out.insert(out.end(), jpeg.begin() + 2, jpeg.end());
  return out;
}

std::uint32_t reference_crc(const Bytes& bytes) { // bit by bit, as the PNG specification defines it
  std::uint32_t c = 0xFFFFFFFFu;
  for (const std::uint8_t byte : bytes) {
    c ^= byte;
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
  }
  return ~c;
}

/// The PNG with one more chunk after IHDR.
Bytes with_chunk(const Bytes& png, const std::string& type, const Bytes& data) {
  const auto u32 = [](std::uint32_t v) {
    return Bytes{static_cast<std::uint8_t>(v >> 24), static_cast<std::uint8_t>(v >> 16),
                 static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
  };
  Bytes body(type.begin(), type.end());
  body.insert(body.end(), data.begin(), data.end());
  Bytes chunk = u32(static_cast<std::uint32_t>(data.size()));
  chunk.insert(chunk.end(), body.begin(), body.end());
  const Bytes crc = u32(reference_crc(body));
  chunk.insert(chunk.end(), crc.begin(), crc.end());
  Bytes out = png;
  out.insert(out.begin() + 8 + 25, chunk.begin(), chunk.end());
  return out;
}

std::string letters(const RgbImage& image) { // rows of a picture whose red channel holds letters
  std::string text;
  for (int y = 0; y < image.height; ++y) {
    text += y ? "/" : "";
    for (int x = 0; x < image.width; ++x) text += static_cast<char>(image.pixel(y, x)[0]);
  }
  return text;
}

std::vector<std::uint16_t> ramp(int height, int width) {
  std::vector<std::uint16_t> values(static_cast<std::size_t>(height) * static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint16_t>(i * 2477 + i * i * 31);
  return values;
}

} // namespace

TEST_CASE("PNG colour comes back exactly, JPEG nearly") {
  const TempDir dir;
  const RgbImage image = pattern(13, 29);
  write_png(dir / "a.png", image);
  const RgbImage png = read_rgb(dir / "a.png");
  CHECK((png.height == 13 && png.width == 29));
  CHECK(png.rgb == image.rgb);

  RgbImage smooth(40, 56);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 56; ++x)
      for (int c = 0; c < 3; ++c) smooth.pixel(y, x)[c] = static_cast<std::uint8_t>(60 + 2 * x + y + 10 * c);
  write_jpeg(dir / "a.jpg", smooth);
  const RgbImage jpeg = read_rgb(dir / "a.jpg");
  REQUIRE(jpeg.rgb.size() == smooth.rgb.size());
  for (std::size_t i = 0; i < jpeg.rgb.size(); ++i) REQUIRE(std::abs(int{jpeg.rgb[i]} - int{smooth.rgb[i]}) <= 8);
}

TEST_CASE("16-bit PNG comes back exactly at any size") {
  const TempDir dir;
  for (const auto& [h, w] :
       {std::pair{1, 1}, std::pair{7, 5}, std::pair{13, 29}, std::pair{1, 300}, std::pair{64, 64}}) {
    const auto values = ramp(h, w);
    write_png16(dir / "d.png", h, w, values.data());
    const RawDepth back = read_depth_png(dir / "d.png");
    CHECK((back.height == h && back.width == w && back.bits == 16));
    CHECK(back.values == values);
  }
}

TEST_CASE("depth in millimetres: rounding, none and too far") {
  const TempDir dir;
  const float metres[6] = {0.0f, 1.2344f, 1.2346f, -1.0f, 65.535f, 70.0f};
  write_depth_png(dir / "d.png", 2, 3, metres);
  CHECK(read_depth_png(dir / "d.png").values == std::vector<std::uint16_t>{0, 1234, 1235, 0, 65535, 0});
}

TEST_CASE("EXIF orientation: all eight, both byte orders, JPEG and PNG") {
  const TempDir dir;
  RgbImage stored(2, 3); // ABC over DEF
  for (int i = 0; i < 6; ++i) stored.rgb[static_cast<std::size_t>(3 * i)] = static_cast<std::uint8_t>('A' + i);
  const char* upright[9] = {"",         "ABC/DEF",  "CBA/FED",  "FED/CBA", "DEF/ABC",
                            "AD/BE/CF", "DA/EB/FC", "FC/EB/DA", "CF/BE/AD"};
  write_png(dir / "plain.png", stored);
  const Bytes png = bytes_of(dir / "plain.png");
  const RgbImage big = pattern(24, 40);
  write_jpeg(dir / "plain.jpg", big);
  const Bytes jpeg = bytes_of(dir / "plain.jpg");
  const RgbImage decoded = read_rgb(dir / "plain.jpg");
  CHECK(exif_orientation(jpeg.data(), jpeg.size()) == 1);
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const bool little : {true, false}) {
      INFO("orientation " << orientation);
      CHECK(letters(apply_orientation(stored, orientation)) == upright[orientation]);
      const Bytes turned_png = with_chunk(png, "eXIf", tiff(orientation, little));
      write_bytes(dir / "t.png", turned_png, turned_png.size());
      CHECK(letters(read_rgb(dir / "t.png")) == upright[orientation]);
      const Bytes turned = with_exif(jpeg, orientation, little);
      CHECK(exif_orientation(turned.data(), turned.size()) == orientation);
      write_bytes(dir / "t.jpg", turned, turned.size());
      CHECK(read_rgb(dir / "t.jpg").rgb == apply_orientation(decoded, orientation).rgb);
    }
}

TEST_CASE("broken EXIF is ignored and read within its bounds") {
  const TempDir dir;
  write_jpeg(dir / "plain.jpg", pattern(8, 8));
  const Bytes good = with_exif(bytes_of(dir / "plain.jpg"), 6, true);
  const std::size_t block = 2 + 4 + 6, size = tiff(6, true).size();
  for (std::size_t i = 0; i < size; ++i)
    for (const int value : {0x00, 0x7F, 0xFF}) { // the sanitizer build watches the bounds
      Bytes bad = good;
      bad[block + i] = static_cast<std::uint8_t>(value);
      const int orientation = exif_orientation(bad.data(), bad.size());
      CHECK((orientation >= 1 && orientation <= 8));
    }
  for (std::size_t cut = 0; cut < block + size; ++cut) {
    const Bytes part(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut)); // an exact heap block
    CHECK(exif_orientation(part.data(), part.size()) == 1);
  }
  Bytes nine = with_exif(bytes_of(dir / "plain.jpg"), 9, false);
  CHECK(exif_orientation(nine.data(), nine.size()) == 1);
}

TEST_CASE("a PNG that is cut or has any wrong byte is refused by name") {
  const TempDir dir;
  const auto values = ramp(6, 7);
  write_png16(dir / "whole.png", 6, 7, values.data());
  const Bytes whole = bytes_of(dir / "whole.png");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    write_bytes(dir / "cut.png", whole, cut);
    const std::string message = error_of([&] { read_depth_png(dir / "cut.png"); });
    INFO("cut at " << cut);
    REQUIRE(contains(message, dir / "cut.png"));
  }
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int flip : {0x01, 0x80}) {
      Bytes bad = whole;
      bad[at] ^= static_cast<std::uint8_t>(flip);
      write_bytes(dir / "bad.png", bad, bad.size());
      INFO("byte " << at);
      REQUIRE(contains(error_of([&] { read_depth_png(dir / "bad.png"); }), dir / "bad.png"));
    }
}

TEST_CASE("a JPEG that is cut anywhere is refused by name") {
  const TempDir dir;
  write_jpeg(dir / "whole.jpg", pattern(16, 16));
  const Bytes whole = bytes_of(dir / "whole.jpg");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    write_bytes(dir / "cut.jpg", whole, cut);
    INFO("cut at " << cut);
    REQUIRE(contains(error_of([&] { read_rgb(dir / "cut.jpg"); }), dir / "cut.jpg"));
  }
}

TEST_CASE("what is no regular file isn't replaced by one") {
  const TempDir dir;
  const std::string pipe = dir / "pipe.png";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_AS(write_png(pipe, RgbImage(2, 2)), Error);
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK(dir.entries() == 1); // nothing beside it, either
  CHECK_THROWS_AS(write_png(dir.path(), RgbImage(2, 2)), Error);
  write_png(dir / "new.png", RgbImage(2, 2));
  write_png(dir / "new.png", RgbImage(3, 2)); // what is a file is
  CHECK(read_rgb(dir / "new.png").height == 3);
}

TEST_CASE("files that are no pictures, or the wrong ones, are named with the reason") {
  const TempDir dir;
  CHECK(contains(error_of([&] { read_rgb(dir / "none.jpg"); }), "no such file"));
  CHECK(contains(error_of([&] { read_rgb(dir.path()); }), "not a regular file"));
  write_text(dir / "empty.png", "");
  CHECK(contains(error_of([&] { read_rgb(dir / "empty.png"); }), "empty"));
  write_text(dir / "text.jpg", "this is a text, not a picture");
  CHECK(contains(error_of([&] { read_rgb(dir / "text.jpg"); }), "neither a JPEG nor a PNG"));
  write_jpeg(dir / "depth.jpg", pattern(8, 8));
  CHECK(contains(error_of([&] { read_depth_png(dir / "depth.jpg"); }), "must be PNG"));
  write_png(dir / "coloured.png", pattern(8, 8));
  CHECK(contains(error_of([&] { read_depth_png(dir / "coloured.png"); }), "one channel"));
  const auto values = ramp(2, 2);
  CHECK(contains(error_of([&] { write_png16(dir / "no/such/d.png", 2, 2, values.data()); }), "can't be written"));
  CHECK(contains(error_of([&] { write_png16(dir / "d.png", 0, 2, values.data()); }), "0"));
}

TEST_CASE("a header that promises a huge picture is refused before anything is decoded") {
  const TempDir dir;
  const auto values = ramp(2, 2);
  write_png16(dir / "small.png", 2, 2, values.data());
  Bytes bytes = bytes_of(dir / "small.png");
  bytes[16] = 0x00, bytes[17] = 0x0F, bytes[18] = 0xFF, bytes[19] = 0xFF; // width 1048575
  const std::uint32_t crc = reference_crc(Bytes(bytes.begin() + 12, bytes.begin() + 29));
  for (int i = 0; i < 4; ++i) bytes[static_cast<std::size_t>(29 + i)] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  write_bytes(dir / "huge.png", bytes, bytes.size());
  const std::string message = error_of([&] { read_depth_png(dir / "huge.png"); });
  CHECK(contains(message, dir / "huge.png"));
  CHECK(contains(message, "16384"));
}

TEST_CASE("the colour map is monotone in hue order, total, and distinct") {
  std::set<int> seen;
  for (int i = 0; i <= 64; ++i) {
    const Colour c = depth_colour(static_cast<float>(i) / 64);
    seen.insert(c.r << 16 | c.g << 8 | c.b);
  }
  CHECK(seen.size() == 65);
  const auto same = [](Colour a, Colour b) { return a.r == b.r && a.g == b.g && a.b == b.b; };
  CHECK(same(depth_colour(-3), depth_colour(0)));
  CHECK(same(depth_colour(7), depth_colour(1)));
  CHECK(same(depth_colour(std::nanf("")), depth_colour(0)));
  CHECK(depth_colour(0).r > depth_colour(0).b); // near is warm
  CHECK(depth_colour(1).b > depth_colour(1).r); // far is cold
}

TEST_CASE("coloured depth is black where there is none; the range ignores a few wild values") {
  std::vector<float> depth(1000, 2.04f);
  for (std::size_t i = 0; i < 500; ++i) depth[i] = 4.0f;
  depth[0] = 0, depth[1] = 900.0f, depth[2] = std::nanf("");
  const DepthRange range = depth_range(depth.data(), depth.size());
  CHECK(!(std::abs(range.near - 2.0f) > 1e-5f));
  CHECK(!(std::abs(range.far - 4.0f) > 1e-5f));
  const RgbImage image = colour_depth(depth.data(), 20, 50, range);
  for (const std::size_t hole : {std::size_t{0}, std::size_t{2}})
    CHECK((image.rgb[3 * hole] == 0 && image.rgb[3 * hole + 1] == 0 && image.rgb[3 * hole + 2] == 0));
  CHECK(image.rgb[3] == depth_colour(1).r);
  const DepthRange none = depth_range(depth.data(), 1);
  CHECK((none.near == 0.0f && none.far == 1.0f));
}

TEST_CASE("text and sheets stay within their picture") {
  RgbImage small(9, 20, 255, 255, 255);
  CHECK(draw_text(small, -8, -3, "MXW0123456789:", {0, 0, 0}) == -8 + 14 * 6); // cut off on every side
  RgbImage image(7, 5, 255, 255, 255);
  draw_text(image, 0, 0, "1", {0, 0, 0});
  const auto ink = [&](int y, int x) { return image.pixel(y, x)[0] == 0; };
  CHECK((ink(0, 2) && ink(6, 1) && ink(6, 3) && !ink(0, 0) && !ink(3, 4)));
  const auto drawn = [](const std::string& text) {
    RgbImage picture(7, 60, 255, 255, 255);
    draw_text(picture, 0, 0, text, {0, 0, 0});
    return picture.rgb;
  };
  CHECK(drawn("gr\u00F6\u00DFe") == drawn("grose")); // a mark less, not a blank
  CHECK(drawn("\u03C0\t\u20AC") == drawn("???"));
  CHECK(drawn("?") != drawn(" "));
  CHECK(text_width("gr\u00F6\u00DFe") == 30);
  CHECK(drawn("p") != drawn("P"));

  std::vector<SheetRow> rows(5);
  for (SheetRow& row : rows) {
    row.image = pattern(30, 40);
    row.depth.assign(1200, 2.0f);
    row.caption = "a/very/long/path/that/does/not/fit/into/the/width/of/its/picture/at/all.png";
  }
  rows[1].prediction.assign(1200, 3.0f);
  rows[3].depth.clear();
  const RgbImage sheet = contact_sheet(rows, 2, 80);
  CHECK(sheet.width > 4 * 80);
  CHECK(sheet.height > 3 * 60);
  CHECK(sheet.rgb.size() ==
        std::size_t{3} * static_cast<std::size_t>(sheet.width) * static_cast<std::size_t>(sheet.height));
  const RgbImage scale = metre_scale(300, {0.5f, 7.3f});
  CHECK(scale.width == 300);
  CHECK(scale.pixel(0, 150)[1] > 100); // colour, not paper's edge
}
