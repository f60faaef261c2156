#include "data/depth_filters.hpp"

#include "data/error.hpp"
#include "shared/core/math.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

namespace leadline::data {
namespace {

float& at(DepthMap& map, int y, int x) {
  return map.metres[static_cast<std::size_t>(std::ptrdiff_t{y} * map.width + x)];
}
float at(const DepthMap& map, int y, int x) {
  return map.metres[static_cast<std::size_t>(std::ptrdiff_t{y} * map.width + x)];
}

/// Calls `use(v, u)` for the window's pixels inside the map.
template <class Use> void window(const DepthMap& map, int y, int x, int radius, const Use& use) {
  for (int v = std::max(0, y - radius); v <= std::min(map.height - 1, y + radius); ++v)
    for (int u = std::max(0, x - radius); u <= std::min(map.width - 1, x + radius); ++u) use(v, u);
}

/// Sums over windows in constant time a pixel: the integral image of what `value(y, x)` gives.
class WindowSums {
public:
  template <class Value>
  WindowSums(int height, int width, const Value& value)
      : height_(height), width_(width),
        sums_(static_cast<std::size_t>(height + 1) * static_cast<std::size_t>(width + 1)) {
    for (int y = 0; y < height; ++y) {
      double row = 0;
      for (int x = 0; x < width; ++x) {
        row += value(y, x);
        sum(y + 1, x + 1) = sum(y, x + 1) + row;
      }
    }
  }
  double operator()(int y, int x, int radius) const {
    const int top = std::max(0, y - radius), bottom = std::min(height_, y + radius + 1);
    const int left = std::max(0, x - radius), right = std::min(width_, x + radius + 1);
    return get(bottom, right) - get(top, right) - get(bottom, left) + get(top, left);
  }

private:
  double& sum(int y, int x) {
    return sums_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_ + 1) + static_cast<std::size_t>(x)];
  }
  double get(int y, int x) const {
    return sums_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_ + 1) + static_cast<std::size_t>(x)];
  }
  int height_, width_;
  std::vector<double> sums_;
};

} // namespace

DepthMap median_filter(const DepthMap& depth, int radius) {
  DepthMap out = depth;
  std::vector<float> near;
  for (int y = 0; y < depth.height; ++y)
    for (int x = 0; x < depth.width; ++x) {
      if (!depth_is_valid(at(depth, y, x))) continue;
      near.clear();
      window(depth, y, x, radius, [&](int v, int u) {
        if (depth_is_valid(at(depth, v, u))) near.push_back(at(depth, v, u));
      });
      const auto middle = near.begin() + static_cast<std::ptrdiff_t>((near.size() - 1) / 2);
      std::nth_element(near.begin(), middle, near.end());
      at(out, y, x) = *middle;
    }
  return out;
}

DepthMap bilateral_filter(const DepthMap& depth, double sigma_space, double sigma_depth) {
  DepthMap out = depth;
  const int radius = std::max(1, static_cast<int>(std::ceil(2 * sigma_space)));
  std::vector<double> space(static_cast<std::size_t>(radius + 1));
  for (int i = 0; i <= radius; ++i)
    space[static_cast<std::size_t>(i)] = math::exp(-0.5 * i * i / (sigma_space * sigma_space));
  for (int y = 0; y < depth.height; ++y)
    for (int x = 0; x < depth.width; ++x) {
      const double centre = static_cast<double>(at(depth, y, x));
      if (!depth_is_valid(at(depth, y, x))) continue;
      double sum = 0, total = 0;
      window(depth, y, x, radius, [&](int v, int u) {
        if (!depth_is_valid(at(depth, v, u))) return;
        const double value = static_cast<double>(at(depth, v, u));
        const double step = (value - centre) / (sigma_depth * centre);
        const double weight = space[static_cast<std::size_t>(std::abs(v - y))] *
                              space[static_cast<std::size_t>(std::abs(u - x))] * math::exp(-0.5 * step * step);
        sum += weight * value;
        total += weight;
      });
      at(out, y, x) = static_cast<float>(sum / total);
    }
  return out;
}

DepthMap guided_filter(const RgbImage& image, const DepthMap& depth, int radius, double eps) {
  if (image.height != depth.height || image.width != depth.width)
    throw Error({.field = "guided filter",
                 .value = std::to_string(image.width) + "x" + std::to_string(image.height),
                 .reason = "the picture must have the depth map's size, " + std::to_string(depth.width) + "x" +
                           std::to_string(depth.height)});
  const int h = depth.height, w = depth.width;
  const auto grey = [&](int y, int x) {
    const std::uint8_t* p = image.pixel(y, x);
    return (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]) / 255;
  };
  const auto valid = [&](int y, int x) { return depth_is_valid(at(depth, y, x)) ? 1.0 : 0.0; };
  const auto metres = [&](int y, int x) { return valid(y, x) > 0 ? static_cast<double>(at(depth, y, x)) : 0.0; };
  // In each window depth = a * grey + b, by least squares over its valid pixels; a pixel takes the mean of its windows.
  const WindowSums count(h, w, valid), sum_d(h, w, metres);
  const WindowSums sum_g(h, w, [&](int y, int x) { return valid(y, x) * grey(y, x); });
  const WindowSums sum_gg(h, w, [&](int y, int x) { return valid(y, x) * grey(y, x) * grey(y, x); });
  const WindowSums sum_gd(h, w, [&](int y, int x) { return grey(y, x) * metres(y, x); });
  std::vector<double> slope(static_cast<std::size_t>(h) * static_cast<std::size_t>(w)), offset(slope.size());
  for (int y = 0, i = 0; y < h; ++y)
    for (int x = 0; x < w; ++x, ++i) {
      const double n = count(y, x, radius);
      if (!(n > 0.5)) continue;
      const double g = sum_g(y, x, radius) / n, d = sum_d(y, x, radius) / n;
      const double variance = sum_gg(y, x, radius) / n - g * g, covariance = sum_gd(y, x, radius) / n - g * d;
      slope[static_cast<std::size_t>(i)] = covariance / (std::max(variance, 0.0) + eps);
      offset[static_cast<std::size_t>(i)] = d - slope[static_cast<std::size_t>(i)] * g;
    }
  const auto index = [w](int y, int x) { return static_cast<std::size_t>(std::ptrdiff_t{y} * w + x); };
  const auto known = [&](int y, int x) { return count(y, x, radius) > 0.5 ? 1.0 : 0.0; };
  const WindowSums windows(h, w, known), slopes(h, w, [&](int y, int x) { return slope[index(y, x)]; });
  const WindowSums offsets(h, w, [&](int y, int x) { return offset[index(y, x)]; });
  DepthMap out = depth;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      if (!(valid(y, x) > 0)) continue;
      const double n = windows(y, x, radius); // at least its own
      const double value = slopes(y, x, radius) / n * grey(y, x) + offsets(y, x, radius) / n;
      if (value > 0) at(out, y, x) = static_cast<float>(value); // a line may fall below zero: keep what was there
    }
  return out;
}

DepthMap resize_depth(const DepthMap& depth, int height, int width) {
  if (height == depth.height && width == depth.width) return depth;
  struct Tap {
    int low, high;
    float part;
  };
  const auto tap = [](int i, int src, int dst) {
    const double centre = std::clamp((i + 0.5) * src / dst - 0.5, 0.0, static_cast<double>(src - 1));
    const int low = static_cast<int>(centre);
    return Tap{low, std::min(low + 1, src - 1), static_cast<float>(centre - low)};
  };
  DepthMap out{height, width, std::vector<float>(static_cast<std::size_t>(height) * static_cast<std::size_t>(width))};
  std::vector<Tap> columns;
  for (int x = 0; x < width; ++x) columns.push_back(tap(x, depth.width, width));
  for (int y = 0; y < height; ++y) {
    const Tap row = tap(y, depth.height, height);
    for (int x = 0; x < width; ++x) {
      const Tap& column = columns[static_cast<std::size_t>(x)];
      const float a = at(depth, row.low, column.low), b = at(depth, row.low, column.high);
      const float c = at(depth, row.high, column.low), d = at(depth, row.high, column.high);
      float value = 0;
      if (depth_is_valid(a) && depth_is_valid(b) && depth_is_valid(c) && depth_is_valid(d)) {
        const float above = a + column.part * (b - a), below = c + column.part * (d - c);
        value = above + row.part * (below - above);
      } else {
        const float nearest =
            at(depth, row.part < 0.5f ? row.low : row.high, column.part < 0.5f ? column.low : column.high);
        value = depth_is_valid(nearest) ? nearest : 0.0f;
      }
      at(out, y, x) = value;
    }
  }
  return out;
}

DepthMap filter_depth(const std::string& filters, const RgbImage& image, DepthMap depth) {
  std::istringstream list(filters);
  for (std::string text; std::getline(list, text, ',');) {
    text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) continue;
    std::istringstream parts(text);
    std::string name, part;
    std::getline(parts, name, ':');
    std::vector<double> numbers;
    const auto refuse = [&](const std::string& reason) {
      throw Error({.field = "filter",
                   .value = text,
                   .reason = reason,
                   .fix = "Known: median:RADIUS, bilateral:PIXELS:PART_OF_DEPTH, guided:RADIUS:EPS; e.g. median:1, "
                          "bilateral:2:0.05, guided:8:0.001"});
    };
    while (std::getline(parts, part, ':')) {
      double value = 0;
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
      if (error != std::errc{} || end != part.data() + part.size()) refuse("\"" + part + "\" is no number");
      numbers.push_back(value);
    }
    const auto number = [&](std::size_t i, double otherwise, double min, double max, const char* what) {
      const double value = i < numbers.size() ? numbers[i] : otherwise;
      std::ostringstream range;
      range << what << " must be " << min << " to " << max;
      if (!(value >= min && value <= max)) refuse(range.str());
      return value;
    };
    if (name != "median" && name != "bilateral" && name != "guided") refuse("there is no such filter");
    if (numbers.size() > (name == "median" ? 1u : 2u)) refuse("it has too many numbers");
    if (name == "median")
      depth = median_filter(depth, static_cast<int>(number(0, 1, 1, 50, "the radius")));
    else if (name == "bilateral")
      depth = bilateral_filter(depth, number(0, 2, 0.1, 50, "the distance in pixels"),
                               number(1, 0.05, 1e-4, 10, "the part of depth"));
    else
      depth = guided_filter(image, depth, static_cast<int>(number(0, 8, 1, 500, "the radius")),
                            number(1, 1e-3, 1e-9, 1, "eps"));
  }
  return depth;
}

} // namespace leadline::data
