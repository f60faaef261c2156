// An input as a file, for parsers that read files: in memory where the system has such a folder.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

namespace leadline::fuzz {

/// The path of a file with these bytes; the same file is written anew each time.
inline const std::string& scratch_file(const uint8_t* data, size_t size, const char* suffix) {
  static std::string path;
  const char* folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  path = std::string(folder) + "/leadline-fuzz-" + std::to_string(getpid()) + suffix;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file || (size > 0 && std::fwrite(data, 1, size, file) != size) || std::fclose(file) != 0) std::abort();
  return path;
}

} // namespace leadline::fuzz
