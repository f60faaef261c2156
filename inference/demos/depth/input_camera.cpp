#include "inference/demos/depth/input_camera.hpp"

#include "data/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace leadline::demo {

namespace {

/// Counts of codes of 1 to 16 bits, then the symbols (ITU-T T.81, tables K.3 to K.6).
constexpr std::uint8_t dc_luminance[] = {0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0,  0,
                                         0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
constexpr std::uint8_t dc_chrominance[] = {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0,  0,
                                           0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
constexpr std::uint8_t ac_luminance[] = {
    0,   2,   1,   3,   3,   2,   4,   3,   5,   5,   4,   4,   0,   0,   1,   125, 1,   2,   3,   0,   4,   17,  5,
    18,  33,  49,  65,  6,   19,  81,  97,  7,   34,  113, 20,  50,  129, 145, 161, 8,   35,  66,  177, 193, 21,  82,
    209, 240, 36,  51,  98,  114, 130, 9,   10,  22,  23,  24,  25,  26,  37,  38,  39,  40,  41,  42,  52,  53,  54,
    55,  56,  57,  58,  67,  68,  69,  70,  71,  72,  73,  74,  83,  84,  85,  86,  87,  88,  89,  90,  99,  100, 101,
    102, 103, 104, 105, 106, 115, 116, 117, 118, 119, 120, 121, 122, 131, 132, 133, 134, 135, 136, 137, 138, 146, 147,
    148, 149, 150, 151, 152, 153, 154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179, 180, 181, 182, 183, 184,
    185, 186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213, 214, 215, 216, 217, 218, 225, 226, 227,
    228, 229, 230, 231, 232, 233, 234, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250};
constexpr std::uint8_t ac_chrominance[] = {
    0,   2,   1,   2,   4,   4,   3,   4,   7,   5,   4,   4,   0,   1,   2,   119, 0,   1,   2,   3,   17,  4,   5,
    33,  49,  6,   18,  65,  81,  7,   97,  113, 19,  34,  50,  129, 8,   20,  66,  145, 161, 177, 193, 9,   35,  51,
    82,  240, 21,  98,  114, 209, 10,  22,  36,  52,  225, 37,  241, 23,  24,  25,  26,  38,  39,  40,  41,  42,  53,
    54,  55,  56,  57,  58,  67,  68,  69,  70,  71,  72,  73,  74,  83,  84,  85,  86,  87,  88,  89,  90,  99,  100,
    101, 102, 103, 104, 105, 106, 115, 116, 117, 118, 119, 120, 121, 122, 130, 131, 132, 133, 134, 135, 136, 137, 138,
    146, 147, 148, 149, 150, 151, 152, 153, 154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179, 180, 181, 182,
    183, 184, 185, 186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213, 214, 215, 216, 217, 218, 226,
    227, 228, 229, 230, 231, 232, 233, 234, 242, 243, 244, 245, 246, 247, 248, 249, 250};

class Camera final : public Source {
public:
  explicit Camera(std::unique_ptr<CaptureDevice> device) : device_(std::move(device)), format_(device_->format()) {}

  bool next(Frame& frame) override {
    int silent = 0, broken = 0;
    for (;;) {
      switch (device_->grab(bytes_)) {
      case CaptureDevice::Outcome::gone: refuse("the camera is gone", "Was it unplugged?");
      case CaptureDevice::Outcome::timeout:
        if (++silent == 3) refuse("the camera sends nothing", "Unplug it and plug it in again, or try another size");
        continue;
      case CaptureDevice::Outcome::frame: break;
      }
      frame = {};
      frame.number = ++count_;
      frame.name = "frame " + std::to_string(frame.number);
      try {
        decode(frame);
        return true;
      } catch (const Error& error) { // cut on its way through the cable: the next one may be whole
        if (++broken == 10) refuse("ten frames in a row are broken, the last: " + std::string(error.what()), "");
      }
    }
  }
  bool video() const override { return true; }
  bool goes_on() const override { return false; }
  void rate(int* numerator, int* denominator) const override {
    *numerator = format_.rate[0];
    *denominator = format_.rate[1];
  }

private:
  [[noreturn]] void refuse(const std::string& reason, const std::string& fix) const {
    throw Error({.file = device_->name(), .reason = reason, .fix = fix});
  }

  void decode(Frame& frame) {
    if (format_.pixels == CaptureDevice::Pixels::mjpeg) {
      add_huffman_tables(bytes_);
      data::RgbImage image = data::decode_rgb(bytes_, frame.name);
      frame.width = image.width;
      frame.height = image.height;
      frame.bytes = std::move(image.rgb);
      return;
    }
    frame.format = LEADLINE_YUYV;
    frame.width = format_.width;
    frame.height = format_.height;
    const std::size_t row = frame_bytes(LEADLINE_YUYV, format_.width, 1), stride = std::max(row, format_.row_bytes);
    const auto rows = static_cast<std::size_t>(format_.height);
    if (bytes_.size() < stride * (rows - 1) + row)
      throw Error({.file = frame.name, .reason = "only " + std::to_string(bytes_.size()) + " bytes came"});
    frame.bytes.resize(row * rows);
    for (std::size_t y = 0; y < rows; ++y) std::memcpy(&frame.bytes[y * row], &bytes_[y * stride], row);
  }

  std::unique_ptr<CaptureDevice> device_;
  CaptureDevice::Format format_;
  std::vector<std::uint8_t> bytes_;
  long long count_ = 0;
};

} // namespace

std::unique_ptr<Source> capture_from(std::unique_ptr<CaptureDevice> device) {
  return std::make_unique<Camera>(std::move(device));
}

void add_huffman_tables(std::vector<std::uint8_t>& jpeg) {
  // Segments of a marker and a big-endian length, up to the start of the scan.
  std::size_t at = 2;
  for (; at + 4 <= jpeg.size() && jpeg[at] == 0xFF; at += 2u + (std::size_t{jpeg[at + 2]} << 8 | jpeg[at + 3])) {
    if (jpeg[at + 1] == 0xC4) return; // it has its own
    if (jpeg[at + 1] == 0xDA) break;
  }
  if (at + 4 > jpeg.size() || jpeg[at] != 0xFF) return; // no JPEG: the decoder will say so
  std::vector<std::uint8_t> tables;
  const auto add = [&](std::uint8_t place, const std::uint8_t* table, std::size_t size) {
    const std::size_t length = size + 3;
    for (const std::size_t byte :
         {std::size_t{0xFF}, std::size_t{0xC4}, length >> 8, length & 0xFF, std::size_t{place}})
      tables.push_back(static_cast<std::uint8_t>(byte));
    for (std::size_t i = 0; i < size; ++i) tables.push_back(table[i]);
  };
  add(0x00, dc_luminance, sizeof dc_luminance);
  add(0x10, ac_luminance, sizeof ac_luminance);
  add(0x01, dc_chrominance, sizeof dc_chrominance);
  add(0x11, ac_chrominance, sizeof ac_chrominance);
  jpeg.insert(jpeg.begin() + static_cast<std::ptrdiff_t>(at), tables.begin(), tables.end());
}

CameraTrouble camera_trouble(int error) {
  switch (error) {
  case ENOENT: return {"there is no such camera", "Is it plugged in? `ls /dev/video*` lists what is there"};
  case EBUSY: return {"the camera is busy", "Another program uses it: close that first"};
  case EACCES:
  case EPERM: return {"you may not use the camera", "Add yourself to the group `video` and log in again"};
  case ENODEV:
  case ENXIO: return {"the camera is gone", "Was it unplugged?"};
  case ENOTTY:
  case EINVAL: return {"this is no camera that Video4Linux knows", "`v4l2-ctl --list-devices` lists those that are"};
  default: return {std::string("the camera doesn't answer: ") + std::strerror(error), ""};
  }
}

} // namespace leadline::demo
