// A camera as a source. What the system does lies behind CaptureDevice, so that everything else is tested without one.
#pragma once

#include "inference/demos/depth/input.hpp"

namespace leadline::demo {

/// What a camera hands out after it was started.
class CaptureDevice {
public:
  enum class Pixels { yuyv, mjpeg };
  struct Format {
    Pixels pixels = Pixels::yuyv;
    int width = 0, height = 0;
    std::size_t row_bytes = 0; ///< YUYV: from one row to the next; 0: 2 * width
    int rate[2] = {0, 1};      ///< frames a second as a fraction; 0 / 1: not known
  };
  enum class Outcome { frame, timeout, gone }; ///< gone: unplugged

  virtual ~CaptureDevice() = default;
  virtual std::string name() const = 0;
  virtual Format format() const = 0;
  /// Waits for the newest frame and copies it. Throws leadline::Error for anything else that goes wrong.
  virtual Outcome grab(std::vector<std::uint8_t>& bytes) = 0;
};

/// Frames until the camera is gone, which is an error, as is silence for three grabs that time out. A frame that is cut
/// or can't be decoded is skipped; ten in a row are an error.
std::unique_ptr<Source> capture_from(std::unique_ptr<CaptureDevice> device);

/// Motion JPEG leaves out the Huffman tables, which are those of ITU-T T.81, annex K.3: puts them in where none are.
void add_huffman_tables(std::vector<std::uint8_t>& jpeg);

/// What errno of opening or asking a camera means, and what to do: for messages.
struct CameraTrouble {
  std::string reason, fix;
};
CameraTrouble camera_trouble(int error);

} // namespace leadline::demo
