#include "data/depth_io.hpp"
#include "support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstring>
#include <limits>

using namespace leadline;
using namespace leadline::data;
using leadline::data::test::bytes_of;
using leadline::data::test::contains;
using leadline::data::test::error_of;
using leadline::data::test::TempDir;
using leadline::data::test::write_bytes;
using leadline::data::test::write_text;

namespace {

DepthMap some_map(int height, int width) {
  DepthMap map{height, width, {}};
  for (int i = 0; i < height * width; ++i) map.metres.push_back(0.25f * static_cast<float>(i) - 1);
  return map;
}

/// A .npy file by hand, as the format's description has it.
std::string npy(const std::string& type, const std::string& shape, const std::string& numbers, char version = 1,
                const std::string& order = "False") {
  std::string header = "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  const std::size_t preamble = version == 1 ? 10 : 12;
  header.resize((preamble + header.size() + 1 + 63) / 64 * 64 - preamble, ' ');
  header.back() = '\n';
  std::string file = std::string("\x93NUMPY") + version + '\0';
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  if (version > 1) file += std::string(2, '\0');
  return file + header + numbers;
}

template <class T> std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

} // namespace

TEST_CASE("npy: every type, version and shape that is promised") {
  const TempDir dir;
  const std::string file = dir / "a.npy";
  const auto check = [&](const std::string& bytes, const std::vector<std::size_t>& shape,
                         const std::vector<float>& values, bool integer) {
    write_text(file, bytes);
    const NpyArray array = read_npy(file);
    CHECK(array.shape == shape);
    CHECK(array.values == values);
    CHECK(array.integer == integer);
  };
  check(npy("<f4", "(2, 3)", raw<float>({1, 2, 3, 4, 5, 6.5f})), {2, 3}, {1, 2, 3, 4, 5, 6.5f}, false);
  check(npy("<f8", "(3,)", raw<double>({1, -2, 0.5}), 2), {3}, {1, -2, 0.5f}, false);
  check(npy("<f2", "(7,)", raw<std::uint16_t>({0x3C00, 0xC000, 0x3555, 0x0001, 0x8000, 0x7C00, 0x7BFF}), 3), {7},
        {1, -2, 0.333251953125f, 0x1p-24f, 0, std::numeric_limits<float>::infinity(), 65504}, false);
  check(npy("|u1", "(2,)", raw<std::uint8_t>({0, 255})), {2}, {0, 255}, true);
  check(npy("<u2", "(1, 2)", raw<std::uint16_t>({1, 65535})), {1, 2}, {1, 65535}, true);
  check(npy("<i2", "(2,)", raw<std::int16_t>({-1, 5})), {2}, {-1, 5}, true);
  check(npy("<i4", "(1,)", raw<std::int32_t>({-70000})), {1}, {-70000}, true);
  check(npy("<u4", "()", raw<std::uint32_t>({7})), {}, {7}, true);
  check(npy("|i1", "(0, 4)", ""), {0, 4}, {}, true);
}

TEST_CASE("npy, pfm and png maps come back as they were written") {
  const TempDir dir;
  for (const auto& [h, w] : {std::pair{1, 1}, {7, 5}, {2, 9}}) {
    const DepthMap map = some_map(h, w);
    write_npy(dir / "m.npy", {static_cast<std::size_t>(h), static_cast<std::size_t>(w)}, map.metres.data());
    write_pfm(dir / "m.pfm", map);
    for (const char* name : {"m.npy", "m.pfm"}) {
      const DepthMap back = read_depth_map(dir / name, 0.001);
      CHECK((back.height == h && back.width == w));
      CHECK(back.metres == map.metres);
    }
  }
  const std::vector<float> metres{0, 1.5f, 0.25f, 60};
  write_depth_png(dir / "m.png", 2, 2, metres.data());
  const DepthMap png = read_depth_map(dir / "m.png", 0.001);
  for (std::size_t i = 0; i < 4; ++i) CHECK(!(std::abs(png.metres[i] - metres[i]) > 1e-4f));
  write_text(dir / "u.npy", npy("<u2", "(1, 2, 2, 1)", raw<std::uint16_t>({1000, 2000, 0, 3})));
  CHECK(read_depth_map(dir / "u.npy", 0.001).metres[1] == 2.0f);
  // big-endian pfm
  write_text(dir / "b.pfm", std::string("Pf\n1 1\n1.0\n") + std::string("\x3F\x80\0\0", 4));
  CHECK(read_pfm(dir / "b.pfm").metres == std::vector<float>{1.0f});
}

TEST_CASE("files that are no depth are refused, cut ones at every length") {
  const TempDir dir;
  const auto says = [&](const char* name, const std::string& bytes) {
    write_text(dir / name, bytes);
    return error_of([&] { read_depth_map(dir / name, 1); });
  };
  CHECK(contains(says("a.npy", "hello, this is text"), "no .npy file"));
  CHECK(contains(says("a.npy", npy("<f4", "(2, 2)", raw<float>({1, 2, 3}))), "needs more numbers"));
  CHECK(contains(says("a.npy", npy("<c8", "(1, 1)", raw<float>({1, 2}))), "float32"));
  CHECK(contains(says("a.npy", npy(">f4", "(1, 1)", raw<float>({1}))), "float32"));
  CHECK(contains(says("a.npy", npy("<f4", "(1, 1)", raw<float>({1}), 1, "True")), "Fortran"));
  CHECK(contains(says("a.npy", npy("<f4", "(2, 2, 2)", raw<float>({1, 2, 3, 4, 5, 6, 7, 8}))), "one depth map"));
  CHECK(contains(says("a.npy", npy("<f4", "(99999999999, 99999999999)", "")), "needs more numbers"));
  CHECK(contains(says("a.npy", npy("<f8", "()", "")), "needs more numbers"));
  CHECK(contains(says("a.npy", npy("<f4", "(x)", "")), "shape"));
  CHECK(contains(says("a.pfm", "PF\n1 1\n-1\n"), "three channels"));
  CHECK(contains(says("a.pfm", "Pf\n-3 1\n-1\n"), "out of range"));
  CHECK(contains(says("a.pfm", "Pf\n2 2\n-1.0\nabc"), "ends within"));
  CHECK(contains(says("a.tiff", "x"), ".npy or .pfm"));
  const DepthMap map = some_map(3, 4);
  write_npy(dir / "whole.npy", {3, 4}, map.metres.data());
  write_pfm(dir / "whole.pfm", map);
  for (const std::string name : {"whole.npy", "whole.pfm"}) {
    const auto bytes = bytes_of(dir / name);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      write_bytes(dir / ("cut" + name), bytes, n);
      REQUIRE(!error_of([&] { read_depth_map(dir / ("cut" + name), 1); }).empty());
    }
  }
}

TEST_CASE("ply: one coloured point a valid pixel, by the camera") {
  const TempDir dir;
  RgbImage image(1, 3, 10, 20, 30);
  const DepthMap depth{1, 3, {2, 0, 4}};
  write_ply(dir / "p.ply", image, depth, {2, 2, 1, 0});
  const auto bytes = bytes_of(dir / "p.ply");
  const std::string text(bytes.begin(), bytes.end());
  CHECK(contains(text, "element vertex 2\n"));
  const std::size_t start = text.find("end_header\n") + 11;
  REQUIRE(text.size() - start == 2 * 15);
  float point[3];
  std::memcpy(point, text.data() + start, 12);
  CHECK((point[0] == -1 && point[1] == 0 && point[2] == 2)); // (0 - 1) / 2 * 2
  std::memcpy(point, text.data() + start + 15, 12);
  CHECK((point[0] == 2 && point[1] == 0 && point[2] == 4));
  CHECK(text[start + 13] == 20);
}
