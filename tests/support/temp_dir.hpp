// A new folder for a test's files, removed at the end.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <stdlib.h>

namespace leadline::testing {

class TempDir {
public:
  TempDir() {
    std::string path = (std::filesystem::temp_directory_path() / "leadline-test-XXXXXX").string();
    if (!mkdtemp(path.data())) throw std::runtime_error("a folder for test files can't be made: " + path);
    path_ = path;
  }
  ~TempDir() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

  /// A file with this text; returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this / name;
  }
  /// How many files and folders lie in it.
  std::ptrdiff_t entries() const {
    using Iterator = std::filesystem::directory_iterator;
    return std::distance(Iterator(path_), Iterator());
  }

private:
  std::filesystem::path path_;
};

} // namespace leadline::testing
