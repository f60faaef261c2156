#include "trainer/metrics/depth_metrics.hpp"

#include "trainer/registry.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

namespace leadline::trainer {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<DepthProtocol> builtin_protocols() {
  std::vector<DepthProtocol> all;

  DepthProtocol raw;
  raw.name = "raw";
  raw.description = "no crop, 1e-3 < depth < 10 m, mean of the images";
  all.push_back(raw);

  DepthProtocol eigen;
  eigen.name = "eigen";
  eigen.description = "NYU Eigen crop 45:471 x 41:601 of 480x640, 1e-3 < depth < 10 m, mean of the images";
  eigen.crop = DepthProtocol::Crop::pixels;
  eigen.top = 45, eigen.bottom = 471, eigen.left = 41, eigen.right = 601;
  eigen.height = 480, eigen.width = 640;
  all.push_back(eigen);

  DepthProtocol densedepth;
  densedepth.name = "densedepth";
  densedepth.description = "NYU crop 20:460 x 24:616 of 480x640, every pixel with a depth, all images pooled";
  densedepth.min_depth = 0;
  densedepth.max_depth = infinity;
  densedepth.clamp_min = 0.1; // what its authors limit predictions to
  densedepth.pooled = true;
  densedepth.crop = DepthProtocol::Crop::pixels;
  densedepth.top = 20, densedepth.bottom = 460, densedepth.left = 24, densedepth.right = 616;
  densedepth.height = 480, densedepth.width = 640;
  all.push_back(densedepth);

  // The published pipeline: 480x640 -> 250x333, centre crop 228x304 (rows 11:239, columns 14:318), -> 224x224.
  DepthProtocol fastdepth;
  fastdepth.name = "fastdepth";
  fastdepth.description = "centre crop 228x304 of 250x333 seen at 224x224, no depth limit, mean of the images; pixels "
                          "without ground truth count in delta, rmse and mae where the prediction is positive";
  fastdepth.min_depth = 0;
  fastdepth.max_depth = infinity;
  fastdepth.clamp_max = infinity;
  fastdepth.or_predicted = true;
  fastdepth.crop = DepthProtocol::Crop::pixels;
  fastdepth.top = 11, fastdepth.bottom = 239, fastdepth.left = 14, fastdepth.right = 318;
  fastdepth.height = 250, fastdepth.width = 333;
  fastdepth.cropped_height = fastdepth.cropped_width = 224;
  all.push_back(fastdepth);

  DepthProtocol garg;
  garg.name = "garg";
  garg.description = "KITTI Garg crop, 1e-3 < depth < 80 m, mean of the images";
  garg.max_depth = garg.clamp_max = 80;
  garg.crop = DepthProtocol::Crop::fractions;
  garg.top = 0.40810811, garg.bottom = 0.99189189, garg.left = 0.03594771, garg.right = 0.96405229;
  all.push_back(garg);
  return all;
}

std::string size_text(index_t height, index_t width) { return std::to_string(height) + "x" + std::to_string(width); }

/// The part [first, last) of `extent`, never empty.
void keep_inside(index_t extent, index_t& first, index_t& last) {
  first = std::clamp<index_t>(first, 0, extent - 1);
  last = std::clamp<index_t>(last, first + 1, extent);
}

/// Combines pairwise by index: the order of additions depends on the number of values alone.
template <class Sum> Sum tree_sum(std::vector<Sum> values) {
  for (size_t step = 1; step < values.size(); step *= 2)
    for (size_t i = 0; i + step < values.size(); i += 2 * step) values[i] += values[i + step];
  return values.empty() ? Sum{} : values[0];
}

struct MetricValues {
  std::array<double, DepthMetrics::count> at{};
  MetricValues& operator+=(const MetricValues& other) {
    for (size_t i = 0; i < at.size(); ++i) at[i] += other.at[i];
    return *this;
  }
};

DepthMetrics from_values(const MetricValues& v) {
  const auto& a = v.at;
  return {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]};
}

} // namespace

double DepthMetrics::value(int i) const {
  const double values[count] = {delta1, delta2, delta3, abs_rel, sq_rel, rmse, rmse_log, log10, silog, mae};
  return i >= 0 && i < count ? values[i] : nan;
}

const std::vector<DepthProtocol>& depth_protocols() {
  static const std::vector<DepthProtocol> all = builtin_protocols();
  return all;
}

const DepthProtocol& depth_protocol(const std::string& name) {
  std::vector<std::string> names;
  for (const DepthProtocol& protocol : depth_protocols()) {
    if (protocol.name == name) return protocol;
    names.push_back(protocol.name);
  }
  throw Error(ErrorParts{.field = "protocol",
                         .value = name,
                         .reason = "no evaluation protocol has this name",
                         .fix = known_names(name, names)});
}

CropBox crop_box(const DepthProtocol& protocol, index_t height, index_t width) {
  CropBox box{0, height, 0, width, ""};
  const bool cropped_before = height == protocol.cropped_height && width == protocol.cropped_width;
  if (protocol.crop == DepthProtocol::Crop::none || cropped_before || height <= 0 || width <= 0) return box;
  if (protocol.crop == DepthProtocol::Crop::fractions) {
    const auto bound = [](double part, index_t extent) {
      return static_cast<index_t>(part * static_cast<double>(extent)); // truncated, as the protocol's authors do
    };
    box = {bound(protocol.top, height), bound(protocol.bottom, height), bound(protocol.left, width),
           bound(protocol.right, width), ""};
  } else {
    const auto bound = [](double at, index_t extent, index_t reference) {
      return static_cast<index_t>(at * static_cast<double>(extent) / static_cast<double>(reference) + 0.5);
    };
    box = {bound(protocol.top, height, protocol.height), bound(protocol.bottom, height, protocol.height),
           bound(protocol.left, width, protocol.width), bound(protocol.right, width, protocol.width), ""};
  }
  keep_inside(height, box.top, box.bottom);
  keep_inside(width, box.left, box.right);
  if (protocol.crop == DepthProtocol::Crop::pixels && (height != protocol.height || width != protocol.width))
    box.note = protocol.name + " crop scaled from " + size_text(protocol.height, protocol.width) + " to " +
               size_text(height, width) + ": rows " + std::to_string(box.top) + ":" + std::to_string(box.bottom) +
               " cols " + std::to_string(box.left) + ":" + std::to_string(box.right);
  return box;
}

namespace detail {

DepthMetrics metrics_of(const DepthSums& sums) {
  DepthMetrics m{nan, nan, nan, nan, nan, nan, nan, nan, nan, nan};
  m.pixels = static_cast<int64_t>(sums.pixels);
  m.not_finite = static_cast<int64_t>(sums.not_finite);
  const double n = sums.pixels, with_target = sums.with_target;
  if (!(with_target > 0)) {
    m.skipped = 1;
    return m;
  }
  m.images = 1;
  m.delta1 = sums.delta1 / n;
  m.delta2 = sums.delta2 / n;
  m.delta3 = sums.delta3 / n;
  m.rmse = math::sqrt(sums.squared / n);
  m.mae = sums.absolute / n;
  m.abs_rel = sums.abs_rel / with_target;
  m.sq_rel = sums.sq_rel / with_target;
  m.rmse_log = math::sqrt(sums.log_squared / with_target);
  m.log10 = sums.log10 / with_target;
  const double mean = sums.log_difference / with_target, variance = sums.log_squared / with_target - mean * mean;
  m.silog = 100 * math::sqrt(variance < 0 ? 0.0 : variance); // negative by rounding only; NaN stays NaN
  return m;
}

DepthMetrics metrics_of(const std::vector<DepthSums>& images, const DepthProtocol& protocol) {
  int64_t counted = 0, skipped = 0;
  std::vector<DepthSums> sums;
  std::vector<MetricValues> values;
  for (const DepthSums& image : images) {
    if (!(image.with_target > 0)) {
      ++skipped;
      continue;
    }
    ++counted;
    sums.push_back(image);
    const DepthMetrics metrics = metrics_of(image);
    MetricValues& v = values.emplace_back();
    for (int i = 0; i < DepthMetrics::count; ++i) v.at[static_cast<size_t>(i)] = metrics.value(i);
  }
  const DepthSums total = tree_sum(std::move(sums));
  DepthMetrics result = metrics_of(total);
  if (!protocol.pooled && counted > 0) {
    MetricValues mean = tree_sum(std::move(values));
    for (double& value : mean.at) value /= static_cast<double>(counted);
    result = from_values(mean);
  }
  result.images = counted;
  result.skipped = skipped;
  result.pixels = static_cast<int64_t>(total.pixels);
  result.not_finite = static_cast<int64_t>(total.not_finite);
  return result;
}

} // namespace detail

std::string depth_metrics_table(const std::vector<DepthMetricsRow>& rows, const DepthProtocol& protocol,
                                const std::string& note) {
  size_t width = 8;
  for (const DepthMetricsRow& row : rows) width = std::max(width, row.name.size());
  char cell[64];
  std::string text = "protocol " + protocol.name + ": " + protocol.description + "\n";
  if (!note.empty()) text += note + "\n";
  text += std::string(width, ' ');
  for (const std::string& name : metric_names()) {
    std::snprintf(cell, sizeof cell, " %8s", name.c_str());
    text += cell;
  }
  text += "   images\n";
  for (const DepthMetricsRow& row : rows) {
    text += row.name + std::string(width - row.name.size(), ' ');
    for (int i = 0; i < DepthMetrics::count; ++i) {
      std::snprintf(cell, sizeof cell, i == 8 ? " %8.2f" : " %8.4f", row.metrics.value(i));
      text += cell;
    }
    std::snprintf(cell, sizeof cell, " %8lld", static_cast<long long>(row.metrics.images));
    text += cell;
    if (row.metrics.skipped > 0)
      text += " (" + std::to_string(row.metrics.skipped) + " without a valid pixel left out)";
    if (row.metrics.not_finite > 0)
      text += " (" + std::to_string(row.metrics.not_finite) + " predictions were NaN or infinite)";
    text += "\n";
  }
  return text;
}

} // namespace leadline::trainer
