#include "data/error.hpp"
#include "inference/demos/depth/input.hpp"

#include <algorithm>
#include <filesystem>

namespace leadline::demo {

namespace fs = std::filesystem;

namespace {

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

class Pictures final : public Source {
public:
  explicit Pictures(std::vector<std::string> files) : files_(std::move(files)) {}
  bool next(Frame& frame) override {
    if (at_ == files_.size()) return false;
    frame = {};
    frame.name = files_[at_++];
    data::RgbImage image = data::read_rgb(frame.name);
    frame.width = image.width;
    frame.height = image.height;
    frame.bytes = std::move(image.rgb);
    return true;
  }
  bool video() const override { return false; }
  bool goes_on() const override { return true; }

private:
  std::vector<std::string> files_;
  std::size_t at_ = 0;
};

} // namespace

std::vector<std::string> expand_folders(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
      if (is_picture(entry->path())) inside.push_back(entry->path().string());
    if (error) throw Error({.file = path, .reason = "the folder can't be read: " + error.message()});
    if (inside.empty())
      throw Error({.file = path,
                   .reason = "there is no picture in this folder",
                   .fix = "Name a folder with .jpg, .jpeg or .png files; folders in folders aren't looked into"});
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

std::unique_ptr<Source> open_pictures(std::vector<std::string> files) {
  return std::make_unique<Pictures>(std::move(files));
}

} // namespace leadline::demo
