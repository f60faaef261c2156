#include "data/depth_io.hpp"
#include "data/error.hpp"
#include "inference/demos/depth/output.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>

namespace leadline::demo {

namespace fs = std::filesystem;

namespace {

/// "photos/kitchen.jpg" -> "kitchen", frame 12 of a video -> "frame_000012".
std::string stem(const Frame& frame) {
  if (frame.number == 0) return fs::path(frame.name).stem().string();
  const std::string number = std::to_string(frame.number);
  return "frame_" + std::string(number.size() < 6 ? 6 - number.size() : 0, '0') + number;
}

/// Relative depth has no unit: its range is spread over 1 to 65535, so that nearer stays darker; 0 stays none.
void write_relative_png(const std::string& file, const Result& result) {
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  for (const float d : result.depth) {
    if (d == 0) continue;
    low = std::min(low, d);
    high = std::max(high, d);
  }
  const float scale = high > low ? 65534.0f / (high - low) : 0.0f;
  std::vector<std::uint16_t> values;
  values.reserve(result.depth.size());
  for (const float d : result.depth)
    values.push_back(d == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(1.0f + (d - low) * scale));
  data::write_png16(file, result.height, result.width, values.data());
}

/// White where picture and mirror image agree, black where their depths differ by half or more.
data::RgbImage doubt_picture(const Result& result) {
  data::RgbImage image(result.height, result.width);
  for (std::size_t i = 0; i < result.apart.size(); ++i) {
    const float sure = 1 - 2 * std::clamp(result.apart[i], 0.0f, 0.5f);
    std::fill_n(image.rgb.begin() + static_cast<std::ptrdiff_t>(3 * i), 3,
                static_cast<std::uint8_t>(255 * sure + 0.5f));
  }
  return image;
}

class Files final : public Output {
public:
  Files(const std::string& folder, const FileKinds& kinds) : folder_(folder), kinds_(kinds) {}

  void write(const Result& result) override {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error || !fs::is_directory(folder_))
      throw Error({.file = folder_,
                   .reason = "can't make the folder " + folder_ +
                             (error ? ": " + error.message() : ": a file of that name is in the way"),
                   .fix = "Choose another one after --out"});
    const std::string name = (fs::path(folder_) / stem(*result.frame)).string();
    const std::string depth = name + (result.doubted ? "_relative" : "_depth");
    if (kinds_.png && result.metric)
      data::write_depth_png(depth + ".png", result.height, result.width, result.depth.data());
    if (kinds_.png && !result.metric) write_relative_png(depth + ".png", result);
    if (kinds_.colour) data::write_png(name + "_colour.png", overview(result));
    if (kinds_.doubt) data::write_png(name + "_doubt.png", doubt_picture(result));
    const data::DepthMap map{result.height, result.width, result.depth};
    if (kinds_.pfm) data::write_pfm(depth + ".pfm", map);
    if (kinds_.ply) {
      data::RgbImage colours = result.frame->rgb();
      if (colours.height != result.height || colours.width != result.width)
        colours = data::resized(colours, result.height, result.width);
      data::write_ply(name + "_points.ply", colours, map,
                      {result.focal_x, result.focal_y, static_cast<float>(result.width - 1) / 2,
                       static_cast<float>(result.height - 1) / 2});
    }
  }

private:
  std::string folder_;
  FileKinds kinds_;
};

} // namespace

FileKinds parse_file_kinds(const std::string& text) {
  FileKinds kinds{false, false, false, false, false};
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string kind = text.substr(begin, comma - begin);
    begin = comma + 1;
    bool* const chosen = kind == "png"      ? &kinds.png
                         : kind == "colour" ? &kinds.colour
                         : kind == "pfm"    ? &kinds.pfm
                         : kind == "ply"    ? &kinds.ply
                         : kind == "doubt"  ? &kinds.doubt
                                            : nullptr;
    if (!chosen)
      throw Error({.field = "--format",
                   .value = text,
                   .reason = "\"" + kind + "\" is no kind of file",
                   .fix = "Write one or more of png, colour, pfm, ply and doubt with commas between"});
    *chosen = true;
  }
  return kinds;
}

std::vector<std::string> output_names(const std::string& picture, const std::string& folder, const FileKinds& kinds) {
  const std::string name = (fs::path(folder) / fs::path(picture).stem()).string();
  std::vector<std::string> names;
  for (const char* depth : {"_depth", "_relative"}) {
    if (kinds.png) names.push_back(name + depth + ".png");
    if (kinds.pfm) names.push_back(name + depth + ".pfm");
  }
  if (kinds.colour) names.push_back(name + "_colour.png");
  if (kinds.ply) names.push_back(name + "_points.ply");
  if (kinds.doubt) names.push_back(name + "_doubt.png");
  return names;
}

std::unique_ptr<Output> write_files(const std::string& folder, const FileKinds& kinds) {
  return std::make_unique<Files>(folder, kinds);
}

data::RgbImage overview(const Result& result) {
  constexpr int widest = 1280;
  const data::RgbImage image = result.frame->rgb();
  const int shown_width = std::min(image.width, widest);
  const int shown_height = std::max(1, static_cast<int>(std::int64_t{image.height} * shown_width / image.width));
  const data::RgbImage picture = shown_width == image.width ? image : data::resized(image, shown_height, shown_width);
  const data::RgbImage colours = data::colour_depth(result.depth.data(), result.height, result.width, result.range);
  data::RgbImage both = data::side_by_side({picture, data::resized(colours, picture.height, picture.width)});
  if (!result.metric) return both;
  return data::stacked({both, data::metre_scale(std::max(80, both.width), result.range, both.width > 1000 ? 2 : 1)});
}

} // namespace leadline::demo
