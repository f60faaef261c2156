// Any bytes as a depth file or a picture: .npy, .pfm (data/depth_io.cpp) and our own PNG reader (data/png_only.hpp);
// the last byte says which.
#include "data/depth_io.hpp"
#include "data/error.hpp"
#include "tests/fuzz/scratch_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leadline;
  if (size == 0) return 0;
  const int kind = data[size - 1] % 4;
  static constexpr const char* suffixes[] = {".npy", ".pfm", ".png", ".png"};
  const std::string& file = fuzz::scratch_file(data, size - 1, suffixes[kind]);
  try {
    if (kind == 3)
      (void)data::read_rgb(file);
    else
      (void)data::read_depth_map(file, 0.001);
  } catch (const Error&) {
  }
  return 0;
}
