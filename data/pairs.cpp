// pairs:LIST.txt: colour and depth pictures named in a text file.
#include "data/error.hpp"
#include "data/image_io.hpp"
#include "data/sources.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <utility>

namespace leadline::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* line_form = "A line is: IMAGE DEPTH METRES_PER_UNIT [FX FY CX CY]";

struct Pair {
  std::string image, depth;
  float metres_per_unit = 0;
  Intrinsics intrinsics{};
  std::size_t line = 0;
};

std::string size_text(int height, int width) { return std::to_string(width) + "x" + std::to_string(height); }

class Pairs final : public Dataset {
public:
  Pairs(std::string list, std::vector<Pair> pairs) : list_(std::move(list)), pairs_(std::move(pairs)) {}

  std::size_t size() const override { return pairs_.size(); }
  std::string name(std::size_t i) const override { return pairs_.at(i).image; }

  Sample load(std::size_t i) const override {
    const Pair& pair = pairs_.at(i);
    const std::string where = list_ + ":" + std::to_string(pair.line);
    const auto named = [&where](auto read) { // the line as well as the file
      try {
        return read();
      } catch (const Error& error) {
        throw Error(where + ": " + error.what());
      }
    };
    RgbImage image = named([&] { return read_rgb(pair.image); });
    const RawDepth depth = named([&] { return read_depth_png(pair.depth); });
    if (image.height != depth.height || image.width != depth.width)
      throw Error({.file = where,
                   .field = "size",
                   .value = size_text(depth.height, depth.width),
                   .reason = "the depth " + pair.depth + " has another size than its picture " + pair.image + " (" +
                             size_text(image.height, image.width) + " after turning it upright)",
                   .fix = "Give depth that is registered to the colour camera, pixel for pixel."});
    Sample sample;
    sample.height = image.height;
    sample.width = image.width;
    sample.rgb = std::move(image.rgb);
    sample.depth.resize(depth.values.size());
    for (std::size_t k = 0; k < depth.values.size(); ++k)
      sample.depth[k] = static_cast<float>(depth.values[k]) * pair.metres_per_unit;
    if (clean_depth(sample.depth) == 0)
      throw Error({.file = where,
                   .field = "depth",
                   .value = pair.depth,
                   .reason = "all of its pixels are 0 = no measurement",
                   .fix = "Take this line out, or check how the depth was exported."});
    sample.intrinsics = pair.intrinsics;
    sample.name = where + " (" + pair.image + ")";
    return sample;
  }

private:
  std::string list_;
  std::vector<Pair> pairs_;
};

/// Words of a line; a word with blanks stands in double quotes; `#` at the start of a word begins a comment.
std::vector<std::string> words_of(const std::string& line, const std::string& where) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (true) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == std::string::npos || line[at] == '#') return words;
    if (line[at] == '"') {
      const std::size_t end = line.find('"', at + 1);
      if (end == std::string::npos)
        throw Error({.file = where, .reason = "a quoted path has no closing quote", .fix = line_form});
      words.push_back(line.substr(at + 1, end - at - 1));
      at = end + 1;
    } else {
      const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
      words.push_back(line.substr(at, end - at));
      at = end;
    }
  }
}

float number(const std::string& word, const std::string& where, const char* field) {
  double value = 0;
  const char* begin = word.data() + (word.size() > 1 && word[0] == '+' ? 1 : 0);
  const auto [end, ec] = std::from_chars(begin, word.data() + word.size(), value);
  const auto as_float = static_cast<float>(value);
  if (ec != std::errc{} || end != word.data() + word.size() || !std::isfinite(as_float))
    throw Error({.file = where, .field = field, .value = word, .reason = "this is not a number", .fix = line_form});
  return as_float;
}

Pair parse_line(const std::vector<std::string>& words, const fs::path& folder, const std::string& where) {
  if (words.size() != 3 && words.size() != 7)
    throw Error({.file = where,
                 .field = "line",
                 .value = std::to_string(words.size()) + " words",
                 .reason = "3 or 7 are wanted",
                 .fix = std::string(line_form) + "; a path with blanks stands in double quotes"});
  Pair pair;
  pair.image = (folder / words[0]).lexically_normal().string(); // an absolute path stays as it is
  pair.depth = (folder / words[1]).lexically_normal().string();
  pair.metres_per_unit = number(words[2], where, "METRES_PER_UNIT");
  if (!(pair.metres_per_unit > 0))
    throw Error({.file = where,
                 .field = "METRES_PER_UNIT",
                 .value = words[2],
                 .reason = "it must be greater than 0",
                 .fix = "0.001 where depth is stored in millimetres, 0.0002 for 1/5000 m (TUM)."});
  if (words.size() == 7) {
    pair.intrinsics = {number(words[3], where, "FX"), number(words[4], where, "FY"), number(words[5], where, "CX"),
                       number(words[6], where, "CY")};
    if (!pair.intrinsics.known())
      throw Error({.file = where,
                   .field = "FX FY",
                   .value = words[3] + " " + words[4],
                   .reason = "focal lengths must be greater than 0",
                   .fix = "Leave all four out where the camera isn't known."});
  }
  for (const auto& [field, file] : {std::pair{"IMAGE", pair.image}, std::pair{"DEPTH", pair.depth}})
    if (std::error_code ec; !fs::is_regular_file(file, ec))
      throw Error({.file = where,
                   .field = field,
                   .value = file,
                   .reason = "there is no such file",
                   .fix = "Paths are relative to the list's folder."});
  return pair;
}

} // namespace

DatasetPtr open_pairs(const std::string& list, const DatasetOptions& options) {
  std::error_code ec;
  if (fs::is_directory(list, ec))
    throw Error({.file = list,
                 .reason = "this is a folder; pairs wants the list file",
                 .fix = "Write pairs:" + list + "/LIST.txt"});
  std::ifstream in(list);
  if (!in)
    throw Error({.file = list,
                 .reason = fs::exists(list, ec) ? "the list can't be opened" : "there is no such file",
                 .fix = "Check the path after \"pairs:\"."});
  const fs::path folder = fs::path(list).parent_path();
  std::vector<Pair> pairs;
  std::string line;
  std::size_t skipped = 0;
  for (std::size_t number_of_line = 1; std::getline(in, line); ++number_of_line) {
    const std::string where = list + ":" + std::to_string(number_of_line);
    if (number_of_line == 1 && line.rfind("\xEF\xBB\xBF", 0) == 0) line.erase(0, 3); // byte order mark
    try {
      const std::vector<std::string> words = words_of(line, where);
      if (words.empty()) continue;
      pairs.push_back(parse_line(words, folder, where));
      pairs.back().line = number_of_line;
    } catch (const Error& error) {
      if (options.on_bad_sample == OnBadSample::stop) throw;
      warn_skipped(error.what());
      ++skipped;
    }
  }
  if (in.bad()) throw Error({.file = list, .reason = "the list can't be read to its end"});
  if (pairs.empty())
    throw Error({.file = list,
                 .reason = skipped ? "none of its " + std::to_string(skipped) + " pairs can be used"
                                   : std::string("the list has no pair in it"),
                 .fix = line_form});
  return std::make_shared<Pairs>(list, std::move(pairs));
}

} // namespace leadline::data
