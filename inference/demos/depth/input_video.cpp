// Videos as bytes, from a file or a pipe: raw frames, and YUV4MPEG2 (a line of text, then a line and planes for each
// frame), which ffmpeg, mpv and others write with `-f yuv4mpegpipe`.
#include "data/error.hpp"
#include "inference/demos/depth/input.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace leadline::demo {

namespace {

/// How the planes of a frame lie in the file, and what they become in memory.
enum class Planes {
  as_they_are,
  yuv420, ///< Y, U, V planes, the last two a quarter: NV12
  yuv422, ///< Y, U, V planes, the last two a half: YUYV
  yuv444  ///< Y, U, V planes of one size: YUYV, for the network's input is far coarser than the colour that is lost
};

struct Layout {
  const char* name;
  Planes planes;
  leadline_pixel_format format;
};
constexpr Layout layouts[] = {
    {"rgb24", Planes::as_they_are, LEADLINE_RGB8}, {"bgr24", Planes::as_they_are, LEADLINE_BGR8},
    {"rgba", Planes::as_they_are, LEADLINE_RGBA8}, {"bgra", Planes::as_they_are, LEADLINE_BGRA8},
    {"gray", Planes::as_they_are, LEADLINE_GRAY8}, {"nv12", Planes::as_they_are, LEADLINE_NV12},
    {"nv21", Planes::as_they_are, LEADLINE_NV21},  {"yuyv422", Planes::as_they_are, LEADLINE_YUYV},
    {"yuv420p", Planes::yuv420, LEADLINE_NV12},    {"yuv422p", Planes::yuv422, LEADLINE_YUYV},
    {"yuv444p", Planes::yuv444, LEADLINE_YUYV},
};

const Layout* find_layout(const std::string& name) {
  for (const Layout& layout : layouts)
    if (name == layout.name) return &layout;
  return nullptr;
}

bool read_side(const std::string& text, int* side) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 1 || value > max_image_side) return false;
  *side = static_cast<int>(value);
  return true;
}

class Video final : public Source {
public:
  Video(std::FILE* file, const std::string& name, const RawFormat* raw) : file_(file), name_(name), y4m_(!raw) {
    if (raw) {
      layout_ = find_layout(raw->pixels);
      width_ = raw->width;
      height_ = raw->height;
      rate_[0] = raw->rate;
    } else {
      read_header();
    }
  }

  bool next(Frame& frame) override {
    if (y4m_ && !read_frame_line()) return false;
    frame.number = count_ + 1;
    frame.name = "frame " + std::to_string(frame.number);
    frame.format = layout_->format;
    frame.width = width_;
    frame.height = height_;
    frame.full_range = full_range_;
    const auto w = static_cast<std::size_t>(width_), h = static_cast<std::size_t>(height_);
    const std::size_t half = (w + 1) / 2, chroma = layout_->planes == Planes::yuv420   ? half * ((h + 1) / 2)
                                                   : layout_->planes == Planes::yuv422 ? half * h
                                                                                       : w * h;
    const bool planar = layout_->planes != Planes::as_they_are;
    std::vector<std::uint8_t>& target = planar ? planes_ : frame.bytes;
    target.resize(planar ? w * h + 2 * chroma : frame_bytes(layout_->format, width_, height_));
    const std::size_t got = std::fread(target.data(), 1, target.size(), file_);
    if (got == 0 && !y4m_ && std::feof(file_)) return finished();
    if (got != target.size())
      throw Error({.file = name_,
                   .field = frame.name,
                   .value = std::to_string(got) + " bytes",
                   .reason = std::ferror(file_) ? std::string("it can't be read: ") + std::strerror(errno)
                                                : "the video ends within a frame of " + std::to_string(target.size()),
                   .fix = y4m_ ? "" : "Is its size in --raw the right one?"});
    ++count_;
    if (planar) interleave(frame);
    return true;
  }
  bool video() const override { return true; }
  bool goes_on() const override { return false; }
  void rate(int* numerator, int* denominator) const override { *numerator = rate_[0], *denominator = rate_[1]; }

private:
  [[noreturn]] void refuse(const std::string& field, const std::string& value, const std::string& reason,
                           const std::string& fix) const {
    throw Error({.file = name_, .field = field, .value = value, .reason = reason, .fix = fix});
  }

  /// One line without its end; false at the file's end.
  bool read_line(std::string* line) {
    line->clear();
    int c = std::fgetc(file_);
    if (c == EOF) return false;
    for (; c != '\n'; c = std::fgetc(file_)) {
      if (c == EOF || line->size() == 1000)
        refuse("", "", "this is no YUV4MPEG2 video: its line of text has no end",
               "Make one with: ffmpeg -i VIDEO -pix_fmt yuv420p -f yuv4mpegpipe -");
      line->push_back(static_cast<char>(c));
    }
    return true;
  }

  void read_header() {
    std::string line;
    if (!read_line(&line)) refuse("", "", "there is nothing in it", "Was there a video in the pipe?");
    if (line.rfind("YUV4MPEG2", 0) != 0)
      refuse("", "", "this is no YUV4MPEG2 video (by its first bytes)",
             "Make one with: ffmpeg -i VIDEO -pix_fmt yuv420p -f yuv4mpegpipe -   or say with --raw how frames are "
             "stored");
    std::string colours = "420";
    for (std::size_t at = line.find(' '); at != std::string::npos; at = line.find(' ', at + 1)) {
      const std::string field = line.substr(at + 1, line.find(' ', at + 1) - at - 1);
      const std::string value = field.substr(field.empty() ? 0 : 1);
      if (field[0] == 'W' && !read_side(value, &width_)) refuse("W", value, "a width is 1 to 16384 pixels", "");
      if (field[0] == 'H' && !read_side(value, &height_)) refuse("H", value, "a height is 1 to 16384 pixels", "");
      if (field[0] == 'C') colours = value;
      if (field == "XCOLORRANGE=FULL") full_range_ = true;
      if (field[0] == 'F' &&
          (std::sscanf(value.c_str(), "%9d:%9d", &rate_[0], &rate_[1]) != 2 || rate_[0] < 0 || rate_[1] < 1))
        rate_[0] = 0, rate_[1] = 1;
    }
    if (width_ == 0 || height_ == 0) refuse("", "", "its first line has no W and H, so the size isn't known", "");
    const bool deep = colours.find('p') != std::string::npos && colours.find("paldv") == std::string::npos &&
                      colours.find("jpeg") == std::string::npos && colours.find("mpeg2") == std::string::npos;
    layout_ = deep                           ? nullptr
              : colours.rfind("420", 0) == 0 ? find_layout("yuv420p")
              : colours == "422"             ? find_layout("yuv422p")
              : colours == "444"             ? find_layout("yuv444p")
              : colours == "mono"            ? find_layout("gray")
                                             : nullptr;
    if (!layout_)
      refuse("C", colours, "only 8 bits of 420, 422, 444 and mono are read",
             "Convert it: ffmpeg -i VIDEO -pix_fmt yuv420p -f yuv4mpegpipe -");
  }

  bool read_frame_line() {
    std::string line;
    if (!read_line(&line)) return finished();
    if (line.rfind("FRAME", 0) != 0)
      refuse("frame " + std::to_string(count_ + 1), "", "the word FRAME is missing before it",
             "The video is damaged, or its first line states another size than its frames have");
    return true;
  }

  bool finished() const {
    if (std::ferror(file_)) refuse("", "", std::string("it can't be read: ") + std::strerror(errno), "");
    if (count_ == 0) refuse("", "", "there is no frame in it", "Was there a video in the pipe?");
    return false;
  }

  /// Three planes to what the library reads.
  void interleave(Frame& frame) const {
    const auto w = static_cast<std::size_t>(width_), h = static_cast<std::size_t>(height_), half = (w + 1) / 2;
    const std::uint8_t* luma = planes_.data();
    const std::uint8_t* u = luma + w * h;
    frame.bytes.resize(frame_bytes(frame.format, width_, height_));
    std::uint8_t* out = frame.bytes.data();
    if (layout_->planes == Planes::yuv420) {
      const std::uint8_t* v = u + half * ((h + 1) / 2);
      std::memcpy(out, luma, w * h);
      out += w * h;
      for (std::size_t i = 0; i < half * ((h + 1) / 2); ++i) {
        *out++ = u[i];
        *out++ = v[i];
      }
      return;
    }
    const bool full = layout_->planes == Planes::yuv444;
    const std::size_t chroma_width = full ? w : half;
    const std::uint8_t* v = u + chroma_width * h;
    for (std::size_t y = 0; y < h; ++y)
      for (std::size_t x = 0; x < half; ++x) {
        const std::size_t at = y * chroma_width, first = full ? 2 * x : x,
                          second = full ? (2 * x + 1 < w ? 2 * x + 1 : 2 * x) : x;
        *out++ = luma[y * w + 2 * x];
        *out++ = static_cast<std::uint8_t>((u[at + first] + u[at + second] + 1) / 2);
        *out++ = luma[y * w + (2 * x + 1 < w ? 2 * x + 1 : 2 * x)];
        *out++ = static_cast<std::uint8_t>((v[at + first] + v[at + second] + 1) / 2);
      }
  }

  std::FILE* file_;
  std::string name_;
  bool y4m_;
  const Layout* layout_ = nullptr;
  int width_ = 0, height_ = 0, rate_[2] = {0, 1};
  bool full_range_ = false;
  long long count_ = 0;
  std::vector<std::uint8_t> planes_;
};

} // namespace

RawFormat parse_raw_format(const std::string& text) {
  const auto refuse = [&](const std::string& reason) {
    std::string names;
    for (const Layout& layout : layouts) names += (names.empty() ? "" : ", ") + std::string(layout.name);
    throw Error(
        {.field = "--raw",
         .value = text,
         .reason = reason,
         .fix =
             "Write PIXELS:WIDTHxHEIGHT or PIXELS:WIDTHxHEIGHT@FPS, e.g. rgb24:640x480@30; PIXELS is one of " + names});
  };
  RawFormat format;
  const std::size_t colon = text.find(':'), cross = text.find('x', colon == std::string::npos ? 0 : colon),
                    rate = text.find('@');
  if (colon == std::string::npos || cross == std::string::npos) refuse("it isn't of that form");
  format.pixels = text.substr(0, colon);
  if (!find_layout(format.pixels)) refuse("there is no such format of pixels");
  if (!read_side(text.substr(colon + 1, cross - colon - 1), &format.width) ||
      !read_side(text.substr(cross + 1, rate == std::string::npos ? rate : rate - cross - 1), &format.height))
    refuse("sides are 1 to 16384 pixels");
  if (rate != std::string::npos && !read_side(text.substr(rate + 1), &format.rate))
    refuse("frames a second are a whole number from 1");
  return format;
}

std::unique_ptr<Source> open_video(std::FILE* file, const std::string& name, const RawFormat* raw) {
  return std::make_unique<Video>(file, name, raw);
}

} // namespace leadline::demo
