// Any bytes as a video on standard input (inference/demos/depth/input_video.cpp): YUV4MPEG2, or raw frames.
#include "data/error.hpp"
#include "inference/demos/depth/input.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leadline;
  if (size < 2) return 0;
  const bool raw = data[size - 1] % 4 == 0;
  // Raw frames: the first line is their format.
  const uint8_t* begin = data;
  std::FILE* file = fmemopen(const_cast<uint8_t*>(begin), size - 1, "rb");
  if (!file) return 0;
  try {
    demo::RawFormat format;
    if (raw) {
      char line[64];
      if (std::fgets(line, sizeof line, file)) {
        std::string text = line;
        if (!text.empty() && text.back() == '\n') text.pop_back();
        format = demo::parse_raw_format(text);
      }
    }
    const auto video = demo::open_video(file, "video", raw ? &format : nullptr);
    demo::Frame frame;
    for (int i = 0; i < 4 && video->next(frame); ++i) {
    }
  } catch (const Error&) {
  }
  std::fclose(file);
  return 0;
}
