// Where pictures come from. Each kind of source is one file: input_pictures.cpp, input_video.cpp, input_camera.cpp.
// All throw leadline::Error that names file, reason and remedy.
#pragma once

#include "inference/demos/depth/frame.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace leadline::demo {

class Source {
public:
  virtual ~Source() = default;
  /// The next picture; false: there is none any more. An error concerns this picture alone where `goes_on`.
  virtual bool next(Frame& frame) = 0;
  /// The pictures follow each other in time.
  virtual bool video() const = 0;
  /// After an error the next picture may still be good.
  virtual bool goes_on() const = 0;
  /// Frames a second as a fraction, for a video that is written; 0 / 1: not known.
  virtual void rate(int* numerator, int* denominator) const { *numerator = 0, *denominator = 1; }
};

/// JPEG and PNG files; a folder stands for those in it, sorted by name.
std::vector<std::string> expand_folders(const std::vector<std::string>& paths);
std::unique_ptr<Source> open_pictures(std::vector<std::string> files);

/// How raw frames are stored: `pixels` is ffmpeg's name of it, e.g. rgb24, nv12, yuv420p.
struct RawFormat {
  std::string pixels;
  int width = 0, height = 0;
  int rate = 0; ///< frames a second; 0: not known
};
/// "rgb24:640x480" or "rgb24:640x480@30"; throws leadline::Error.
RawFormat parse_raw_format(const std::string& text);

/// A YUV4MPEG2 video, or raw frames one after the other where `raw` isn't null. `name` is what messages call the file,
/// which stays the caller's.
std::unique_ptr<Source> open_video(std::FILE* file, const std::string& name, const RawFormat* raw);

/// A camera of Video4Linux, e.g. /dev/video0; `width` x `height` is asked for, the camera has the last word.
std::unique_ptr<Source> open_camera(const std::string& device, int width, int height);

} // namespace leadline::demo
