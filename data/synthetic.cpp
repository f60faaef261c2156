#include "data/synthetic.hpp"

#include "data/error.hpp"
#include "data/synthetic/render.hpp"
#include "data/synthetic/room.hpp"
#include "shared/core/rng.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

namespace leadline::data {
namespace {

const std::vector<std::string> keys = {"count", "seed", "split", "height", "width", "hfov", "noise"};

constexpr const char* usage =
    "Write synthetic:count=256,seed=0,split=train,height=240,width=320,hfov=50-75,noise=0; every key may be "
    "left out";

[[noreturn]] void bad_value(const std::string& key, const std::string& value, const std::string& reason) {
  throw Error({.file = "synthetic", .field = key, .value = value, .reason = reason, .fix = usage});
}

template <class T> T number(const std::string& key, std::string_view text, T low, T high, const char* range) {
  T value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size())
    bad_value(key, std::string(text), std::string("it must be a number, ") + range);
  if (!(value >= low && value <= high)) bad_value(key, std::string(text), std::string("it must be ") + range);
  return value;
}

/// One value, or LOW-HIGH.
void read_hfov(const std::string& text, SyntheticOptions& options) {
  constexpr const char* range = "20 to 110 degrees, or a range like 50-75";
  const std::size_t dash = text.find('-', 1);
  if (dash == text.size() - 1) bad_value("hfov", text, "the range has no end");
  const std::string_view low = std::string_view(text).substr(0, dash);
  options.hfov_low = options.hfov_high = number("hfov", low, 20.0, 110.0, range);
  if (dash != std::string::npos)
    options.hfov_high = number("hfov", std::string_view(text).substr(dash + 1), 20.0, 110.0, range);
  if (options.hfov_low > options.hfov_high) bad_value("hfov", text, "the range's first number is the larger one");
}

class Synthetic final : public Dataset {
public:
  explicit Synthetic(const SyntheticOptions& options) : options_(options) {}

  std::size_t size() const override { return options_.count; }

  std::string name(std::size_t i) const override {
    return "synthetic:seed=" + std::to_string(options_.seed) + ",split=" + (options_.validation ? "val" : "train") +
           "/" + std::to_string(i);
  }

  Sample load(std::size_t i) const override {
    if (i >= options_.count)
      throw Error({.file = "synthetic",
                   .field = "frame",
                   .value = std::to_string(i),
                   .reason = "there are " + std::to_string(options_.count) + " frames, counted from 0"});
    // Streams of train are even, of val odd: the two have no room in common.
    const std::uint64_t stream = 2 * static_cast<std::uint64_t>(i) + (options_.validation ? 1 : 0);
    const synthetic::View view{options_.height, options_.width, options_.hfov_low, options_.hfov_high};
    const synthetic::Scene scene = synthetic::make_room(options_.seed, stream, view);
    const synthetic::Exposure exposure = synthetic::draw_exposure(options_.seed, stream);
    synthetic::Rendering picture = synthetic::render(scene, options_.height, options_.width, exposure);
    if (options_.noise > 0)
      synthetic::add_depth_faults(scene, options_.height, options_.width, options_.noise, options_.seed, stream,
                                  picture.depth);

    Sample sample;
    sample.height = options_.height;
    sample.width = options_.width;
    sample.rgb = std::move(picture.rgb);
    sample.depth = std::move(picture.depth);
    const synthetic::Camera& camera = scene.camera;
    sample.intrinsics = {static_cast<float>(camera.fx), static_cast<float>(camera.fy), static_cast<float>(camera.cx),
                         static_cast<float>(camera.cy)};
    sample.name = name(i);
    return sample;
  }

private:
  SyntheticOptions options_;
};

} // namespace

SyntheticOptions parse_synthetic(const std::string& args) {
  SyntheticOptions options;
  std::vector<std::string> seen;
  for (std::size_t begin = 0; begin < args.size();) {
    const std::size_t comma = std::min(args.find(',', begin), args.size());
    const std::string part = args.substr(begin, comma - begin);
    begin = comma + 1;
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals),
                      value = equals == std::string::npos ? std::string{} : part.substr(equals + 1);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      const std::string nearest = nearest_word(key, keys);
      throw Error(
          {.file = "synthetic",
           .field = "option",
           .value = key,
           .reason = "there is no such option" + (nearest.empty() ? std::string{} : "; did you mean " + nearest + "?"),
           .fix = usage});
    }
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) bad_value(key, value, "it is given twice");
    seen.push_back(key);
    if (value.empty()) throw Error({.file = "synthetic", .field = key, .reason = "it has no value", .fix = usage});
    if (key == "count")
      options.count = number<std::size_t>(key, value, 1, std::size_t{1} << 31, "1 to 2147483648");
    else if (key == "seed")
      options.seed =
          number<std::uint64_t>(key, value, 0, ~std::uint64_t{0}, "a whole number of at most 64 bits, not negative");
    else if (key == "height")
      options.height = number(key, value, 16, 4096, "16 to 4096");
    else if (key == "width")
      options.width = number(key, value, 16, 4096, "16 to 4096");
    else if (key == "hfov")
      read_hfov(value, options);
    else if (key == "noise")
      options.noise = number(key, value, 0.0, 1.0, "0 (exact depth) to 1");
    else if (value == "train" || value == "val")
      options.validation = value == "val";
    else
      bad_value(key, value, "it must be train or val");
  }
  return options;
}

std::unique_ptr<Dataset> open_synthetic(const SyntheticOptions& options) {
  return std::make_unique<Synthetic>(options);
}

std::unique_ptr<Dataset> open_synthetic(const std::string& args) { return open_synthetic(parse_synthetic(args)); }

} // namespace leadline::data
