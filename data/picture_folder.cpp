#include "data/picture_folder.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace leadline::data {

namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

class PictureFolder final : public Dataset {
public:
  explicit PictureFolder(const std::string& folder) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      if (entry.is_regular_file() && is_picture(entry.path())) files_.push_back(entry.path().string());
    if (files_.empty()) throw Error({.file = folder, .reason = "this folder has no .png or .jpg picture"});
    std::sort(files_.begin(), files_.end());
  }
  std::size_t size() const override { return files_.size(); }
  std::string name(std::size_t i) const override { return files_.at(i); }
  Sample load(std::size_t i) const override {
    RgbImage image = read_rgb(files_.at(i));
    Sample sample;
    sample.height = image.height;
    sample.width = image.width;
    sample.rgb = std::move(image.rgb);
    sample.name = files_.at(i);
    return sample;
  }

private:
  std::vector<std::string> files_;
};

} // namespace

DatasetPtr open_picture_folder(const std::string& folder) { return std::make_shared<PictureFolder>(folder); }

} // namespace leadline::data
