// leadline-depth's parts that no command line reaches: a camera without a camera, damaged videos, colours.
#include "data/error.hpp"
#include "inference/demos/depth/input_camera.hpp"
#include "inference/demos/depth/output.hpp"
#include "inference/demos/doubt.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <unistd.h>

using namespace leadline;
using namespace leadline::demo;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using Outcome = CaptureDevice::Outcome;
namespace fs = std::filesystem;

namespace {

/// Hands out what a function says, call after call.
class FakeCamera final : public CaptureDevice {
public:
  using Answer = std::function<Outcome(int call, std::vector<std::uint8_t>& bytes)>;
  FakeCamera(const Format& format, Answer answer) : format_(format), answer_(std::move(answer)) {}
  std::string name() const override { return "/dev/fake"; }
  Format format() const override { return format_; }
  Outcome grab(std::vector<std::uint8_t>& bytes) override { return answer_(call_++, bytes); }

private:
  Format format_;
  Answer answer_;
  int call_ = 0;
};

std::unique_ptr<Source> camera(const CaptureDevice::Format& format, FakeCamera::Answer answer) {
  return capture_from(std::make_unique<FakeCamera>(format, std::move(answer)));
}

struct Folder {
  fs::path path = fs::temp_directory_path() / ("leadline_demo_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

struct File {
  std::FILE* file = nullptr;
  explicit File(const std::vector<std::uint8_t>& bytes) : file(std::tmpfile()) {
    REQUIRE(file);
    REQUIRE(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
    std::rewind(file);
  }
  ~File() { std::fclose(file); }
};

data::RgbImage ramp(int height, int width) {
  data::RgbImage image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      image.pixel(y, x)[0] = static_cast<std::uint8_t>(255 * x / width);
      image.pixel(y, x)[1] = static_cast<std::uint8_t>(255 * y / height);
      image.pixel(y, x)[2] = 90;
    }
  return image;
}

#ifdef LEADLINE_HAVE_STB
std::vector<std::uint8_t> jpeg_of(const data::RgbImage& image, bool tables) {
  const Folder folder;
  data::write_jpeg(folder.file("frame.jpg"), image);
  std::vector<std::uint8_t> bytes = data::read_file(folder.file("frame.jpg"));
  if (tables) return bytes;
  for (std::size_t at = 2; bytes[at] == 0xFF && bytes[at + 1] != 0xDA;) {
    const std::size_t size = 2u + (std::size_t{bytes[at + 2]} << 8 | bytes[at + 3]);
    if (bytes[at + 1] == 0xC4)
      bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
    else
      at += size;
  }
  return bytes;
}

#endif

std::vector<std::uint8_t> text(const std::string& line) { return {line.begin(), line.end()}; }

} // namespace

TEST_CASE("a YUYV camera's rows lose the gaps between them") {
  CaptureDevice::Format format;
  format.width = 4;
  format.height = 2;
  format.row_bytes = 12;
  format.rate[0] = 30;
  const auto source = camera(format, [](int, std::vector<std::uint8_t>& bytes) {
    bytes = {1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 17, 18};
    return Outcome::frame;
  });
  Frame frame;
  REQUIRE(source->next(frame));
  CHECK(frame.bytes == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18});
  CHECK(frame.format == LEADLINE_YUYV);
  CHECK(frame.name == "frame 1");
  CHECK(source->video());
  int rate[2];
  source->rate(&rate[0], &rate[1]);
  CHECK(rate[0] == 30);
}

#ifdef LEADLINE_HAVE_STB // without it only PNG is read
TEST_CASE("Motion JPEG, with and without Huffman tables") {
  CaptureDevice::Format format;
  format.pixels = CaptureDevice::Pixels::mjpeg;
  format.width = 32;
  format.height = 24;
  const data::RgbImage image = ramp(24, 32);
  std::vector<std::uint8_t> whole = jpeg_of(image, true), bare = jpeg_of(image, false);
  REQUIRE(bare.size() + 400 < whole.size());
  const std::vector<std::uint8_t> before = whole;
  add_huffman_tables(whole);
  CHECK(whole == before); // it has its own
  Frame frames[2];
  for (int tables = 0; tables < 2; ++tables) {
    const auto source = camera(format, [&](int, std::vector<std::uint8_t>& bytes) {
      bytes = tables ? whole : bare;
      return Outcome::frame;
    });
    REQUIRE(source->next(frames[tables]));
  }
  CHECK(frames[0].width == 32);
  CHECK(frames[0].bytes == frames[1].bytes);
  double error = 0;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) error += std::abs(image.rgb[i] - frames[0].bytes[i]);
  CHECK(error / static_cast<double>(image.rgb.size()) < 6);
  for (std::vector<std::uint8_t> bytes :
       {std::vector<std::uint8_t>{}, {0xFF}, {0xFF, 0xD8, 0xFF}, {1, 2, 3, 4, 5, 6}}) {
    const std::vector<std::uint8_t> as_it_was = bytes;
    add_huffman_tables(bytes);
    CHECK(bytes == as_it_was);
  }
}

#endif

TEST_CASE("a camera's broken frames are skipped; ten in a row, silence and an unplugged one end it") {
  CaptureDevice::Format format;
  format.width = 4;
  format.height = 2;
  Frame frame;
  const auto some = camera(format, [](int call, std::vector<std::uint8_t>& bytes) {
    if (call % 3 == 1) return Outcome::timeout;
    bytes.assign(call % 3 == 0 ? 3 : 16, 128); // cut, silent, whole
    return Outcome::frame;
  });
  for (int i = 0; i < 5; ++i) CHECK(some->next(frame));
  const auto broken = camera(format, [](int, std::vector<std::uint8_t>& bytes) {
    bytes.assign(15, 128);
    return Outcome::frame;
  });
  CHECK_THROWS_MATCHES(broken->next(frame), Error,
                       MessageMatches(ContainsSubstring("/dev/fake") && ContainsSubstring("only 15 bytes")));
  const auto silent = camera(format, [](int, std::vector<std::uint8_t>&) { return Outcome::timeout; });
  CHECK_THROWS_MATCHES(silent->next(frame), Error, MessageMatches(ContainsSubstring("sends nothing")));
  const auto unplugged = camera(format, [](int call, std::vector<std::uint8_t>& bytes) {
    bytes.assign(16, 128);
    return call < 2 ? Outcome::frame : Outcome::gone;
  });
  CHECK(unplugged->next(frame));
  CHECK(unplugged->next(frame));
  CHECK_THROWS_MATCHES(unplugged->next(frame), Error, MessageMatches(ContainsSubstring("unplugged")));
}

TEST_CASE("each trouble with a camera has its own words") {
  CHECK_THAT(camera_trouble(ENOENT).reason, ContainsSubstring("no such camera"));
  CHECK_THAT(camera_trouble(EBUSY).fix, ContainsSubstring("Another program"));
  CHECK_THAT(camera_trouble(EACCES).fix, ContainsSubstring("group `video`"));
  CHECK_THAT(camera_trouble(ENODEV).fix, ContainsSubstring("unplugged"));
  CHECK_THAT(camera_trouble(ENOTTY).reason, ContainsSubstring("no camera"));
  CHECK_THAT(camera_trouble(EIO).reason, ContainsSubstring("doesn't answer"));
}

TEST_CASE("planar frames become what the library reads") {
  // 3 x 3: chroma of 2 x 2
  std::vector<std::uint8_t> bytes = text("YUV4MPEG2 W3 H3 F25:1 C420\nFRAME\n");
  for (int i = 1; i <= 9; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(20 + i));
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(30 + i));
  const File file(bytes);
  const auto source = open_video(file.file, "video", nullptr);
  Frame frame;
  REQUIRE(source->next(frame));
  CHECK(frame.format == LEADLINE_NV12);
  CHECK(frame.bytes == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 30, 21, 31, 22, 32, 23, 33});
  CHECK_FALSE(source->next(frame));

  const File planes({10, 11, 12, 100, 102, 104, 200, 202, 204}); // 3 x 1
  const RawFormat raw = parse_raw_format("yuv444p:3x1");
  REQUIRE(open_video(planes.file, "planes", &raw)->next(frame));
  CHECK(frame.bytes == std::vector<std::uint8_t>{10, 101, 11, 201, 12, 104, 12, 204});
}

TEST_CASE("colours of Y, U, V") {
  for (const bool full : {false, true}) {
    const std::uint8_t black = full ? 0 : 16, white = full ? 255 : 235;
    Frame frame;
    frame.format = LEADLINE_YUYV;
    frame.width = 4;
    frame.height = 1;
    frame.full_range = full;
    const std::uint8_t red[3] = {static_cast<std::uint8_t>(full ? 76 : 81), static_cast<std::uint8_t>(full ? 85 : 90),
                                 static_cast<std::uint8_t>(full ? 255 : 240)};
    frame.bytes = {black, 128, white, 128, red[0], red[1], red[0], red[2]};
    const data::RgbImage image = frame.rgb();
    const int wanted[12] = {0, 0, 0, 255, 255, 255, 254, 0, 0, 254, 0, 0};
    for (int i = 0; i < 12; ++i) CHECK(std::abs(image.rgb[static_cast<std::size_t>(i)] - wanted[i]) <= 2);
  }
}

TEST_CASE("a depth video reads back in the colours of its depth") {
  const Folder folder;
  const int height = 12, width = 16;
  Frame frame;
  Result result;
  result.frame = &frame;
  result.height = height;
  result.width = width;
  result.range = {1, 5};
  for (int i = 0; i < height * width; ++i) result.depth.push_back(1 + 4 * static_cast<float>(i / width) / height);
  const std::string name = folder.file("depth.y4m");
  {
    const auto output = write_y4m(name, 30, 1);
    output->write(result);
    output->write(result);
  }
  const File file(data::read_file(name));
  const auto source = open_video(file.file, name, nullptr);
  const data::RgbImage wanted = data::colour_depth(result.depth.data(), height, width, result.range);
  int frames = 0, worst = 0;
  for (Frame read; source->next(read); ++frames) {
    const data::RgbImage image = read.rgb();
    REQUIRE(image.rgb.size() == wanted.rgb.size());
    for (std::size_t i = 0; i < image.rgb.size(); ++i) worst = std::max(worst, std::abs(image.rgb[i] - wanted.rgb[i]));
  }
  CHECK(frames == 2);
  CHECK(worst <= 4); // 8 bits of Y, U, V
}

TEST_CASE("doubt: mirror images and habits") {
  const float a[6] = {1, 2, 3, 4, 5, 6}, mirrored[6] = {3, 2, 1, 6, 5, 4}, turned[6] = {6, 5, 4, 3, 2, 1};
  CHECK(picture_doubt(a, mirrored, turned, 2, 3, nullptr) == 0.0f);
  CHECK(std::fabs(picture_doubt(a, mirrored, a, 2, 3, nullptr) - 0.5f) < 1e-6f); // the same whatever it is shown
  const float twice[6] = {6, 4, 2, 12, 10, 8};
  float apart[6];
  const double spread = std::sqrt(35.0 / 12) / 3.5;
  CHECK(std::fabs(static_cast<double>(picture_doubt(a, twice, turned, 2, 3, apart)) - 2.0 / 3 / spread) < 1e-5);
  for (const float value : apart) CHECK(std::fabs(value - 2.0f / 3) < 1e-6f);
  const float none[6] = {0, -1, std::numeric_limits<float>::quiet_NaN(), 6, 5, 4}, flat[6] = {2, 2, 2, 2, 2, 2};
  CHECK(picture_doubt(a, none, turned, 2, 3, apart) == greatest_doubt);
  CHECK(apart[2] == 2.0f);
  CHECK(picture_doubt(flat, flat, flat, 2, 3, nullptr) == greatest_doubt);
  CHECK(picture_doubt(a, mirrored, turned, 0, 0, nullptr) == greatest_doubt);
}

TEST_CASE("a mirrored view is the mirrored picture, upside down is upside down, in every format") {
  const data::RgbImage image = ramp(6, 8);
  const std::vector<std::uint8_t>& rgb = image.rgb;
  Frame frame;
  frame.width = 8;
  frame.height = 6;
  frame.bytes = rgb;
  const leadline_picture picture = frame.picture(0), mirror = mirrored_view(picture),
                         turned = upside_down_view(picture);
  // (x, y) of the upright picture as the library reads it: rotation 180 counts from the last row's last pixel.
  const auto read = [](const leadline_picture& p, int x, int y) {
    if (p.rotation == 180) x = p.width - 1 - x, y = p.height - 1 - y;
    return static_cast<const std::uint8_t*>(p.planes[0])[p.strides[0] * y + 3 * x];
  };
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 8; ++x) {
      CHECK(read(mirror, x, y) == image.pixel(y, 7 - x)[0]);
      CHECK(read(turned, x, y) == image.pixel(5 - y, 7 - x)[0]);
    }
  for (const auto& [format, planes] : {std::pair{LEADLINE_NV12, 2}, {LEADLINE_YUYV, 1}, {LEADLINE_GRAY8, 1}}) {
    frame.format = format;
    frame.bytes.assign(frame_bytes(format, 8, 6), 0);
    const leadline_picture view = mirrored_view(frame.picture(0));
    for (int k = 0; k < planes; ++k) {
      const auto* first = static_cast<const std::uint8_t*>(view.planes[k]);
      const int rows = k == 0 ? 6 : 3;
      CHECK(first + view.strides[k] * (rows - 1) == frame.picture(0).planes[k]);
    }
  }
}
