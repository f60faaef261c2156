#include "data/error.hpp"
#include "inference/demos/depth/output.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace leadline::demo {

void write_all(std::FILE* stream, const std::string& name, const void* bytes, std::size_t size) {
  if (std::fwrite(bytes, 1, size, stream) == size && std::fflush(stream) == 0) return;
  const int error = errno;
  throw Error({.file = name,
               .reason = error == EPIPE    ? "the program that reads this output has ended"
                         : error == ENOSPC ? "the disk is full"
                                           : std::string("it can't be written: ") + std::strerror(error),
               .fix = error == ENOSPC ? "Make room, or write elsewhere" : ""});
}

namespace {

class Y4m final : public Output {
public:
  Y4m(const std::string& file, int numerator, int denominator)
      : name_(file == "-" ? "standard output" : file), stream_(file == "-" ? stdout : std::fopen(file.c_str(), "wb")),
        numerator_(numerator), denominator_(denominator) {
    if (!stream_)
      throw Error({.file = file,
                   .reason = std::string("can't open it for writing: ") + std::strerror(errno),
                   .fix = "Choose another file after --out"});
  }
  ~Y4m() override {
    if (stream_ && stream_ != stdout) std::fclose(stream_);
  }
  Y4m(const Y4m&) = delete;
  Y4m& operator=(const Y4m&) = delete;

  void write(const Result& result) override {
    if (height_ == 0) {
      height_ = result.height;
      width_ = result.width;
      char header[128];
      const int size =
          std::snprintf(header, sizeof header, "YUV4MPEG2 W%d H%d F%d:%d Ip A1:1 C444 XCOLORRANGE=LIMITED\n", width_,
                        height_, numerator_, denominator_);
      write_all(stream_, name_, header, static_cast<std::size_t>(size));
    }
    data::RgbImage colours = data::colour_depth(result.depth.data(), result.height, result.width, result.range);
    if (colours.height != height_ || colours.width != width_) colours = data::resized(colours, height_, width_);
    // ITU-R BT.601, 16 to 235 (240).
    const std::size_t pixels = colours.rgb.size() / 3;
    planes_.resize(6 + 3 * pixels);
    std::memcpy(planes_.data(), "FRAME\n", 6);
    const auto to_byte = [](float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); };
    for (std::size_t i = 0; i < pixels; ++i) {
      const auto r = static_cast<float>(colours.rgb[3 * i]), g = static_cast<float>(colours.rgb[3 * i + 1]),
                 b = static_cast<float>(colours.rgb[3 * i + 2]);
      planes_[6 + i] = to_byte(16 + (65.481f * r + 128.553f * g + 24.966f * b) / 255);
      planes_[6 + pixels + i] = to_byte(128 + (-37.797f * r - 74.203f * g + 112.0f * b) / 255);
      planes_[6 + 2 * pixels + i] = to_byte(128 + (112.0f * r - 93.786f * g - 18.214f * b) / 255);
    }
    write_all(stream_, name_, planes_.data(), planes_.size());
  }
  bool takes_stdout() const override { return stream_ == stdout; }

private:
  std::string name_;
  std::FILE* stream_;
  int numerator_, denominator_, width_ = 0, height_ = 0;
  std::vector<std::uint8_t> planes_;
};

} // namespace

std::unique_ptr<Output> write_y4m(const std::string& file, int rate_numerator, int rate_denominator) {
  return std::make_unique<Y4m>(file, rate_numerator, rate_denominator);
}

} // namespace leadline::demo
