// Depth metrics under named protocols: what is measured is as important as the number, so each carries its protocol.
//
// Per valid pixel, with prediction p and ground truth t in metres, d = ln p - ln t:
//   delta_k  share of pixels with max(p/t, t/p) < 1.25^k     abs_rel  mean |p - t| / t     sq_rel  mean (p - t)^2 / t
//   rmse     sqrt(mean (p - t)^2)     rmse_log  sqrt(mean d^2)     log10  mean |log10 p - log10 t|
//   silog    100 sqrt(mean d^2 - (mean d)^2)     mae  mean |p - t|
// (Eigen, Puhrsch, Fergus, NIPS 2014.)
#pragma once

#include "data/error.hpp"
#include "shared/core/kokkos_exec.hpp"
#include "shared/core/math.hpp"
#include "shared/core/reduce.hpp"
#include "shared/core/tensor.hpp"
#include "trainer/metrics/names.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

/// Which pixels count, how predictions are limited, and how images are combined.
struct DepthProtocol {
  enum class Crop : uint8_t {
    none,
    pixels,    ///< `top:bottom, left:right` of a frame of `height` x `width`, scaled to other sizes
    fractions, ///< the same in parts of the frame, bounds truncated to pixels
  };
  std::string name;
  std::string description; ///< one line, for help texts and reports
  double min_depth = 1e-3; ///< metres; valid: min_depth < t < max_depth, both strict
  double max_depth = 10.0;
  double clamp_min = 1e-3; ///< predictions are limited to [clamp_min, clamp_max]
  double clamp_max = 10.0;
  bool pooled = false;       ///< false: mean of the images' metrics; true: one image of all pixels of all images
  bool or_predicted = false; ///< fastdepth: a pixel without ground truth counts too where the prediction is positive
  Crop crop = Crop::none;
  double top = 0, bottom = 0, left = 0, right = 0; ///< half-open: [top, bottom) x [left, right)
  index_t height = 0, width = 0;                   ///< the frame that a crop in pixels was made for
  index_t cropped_height = 0, cropped_width = 0;   ///< a frame of exactly this size has its crop behind it; 0: none has
};

/// A protocol's crop for one frame size, and what has to be said about it.
struct CropBox {
  index_t top = 0, bottom = 0, left = 0, right = 0; ///< half-open
  std::string note;                                 ///< empty when the frame has the protocol's own size
};

/// raw, eigen, densedepth, fastdepth, garg, in this order.
const std::vector<DepthProtocol>& depth_protocols();
/// Throws leadline::Error for an unknown name.
const DepthProtocol& depth_protocol(const std::string& name);
/// The crop for frames of `height` x `width`; a crop that was made for 480x640 is scaled (bounds rounded).
CropBox crop_box(const DepthProtocol& protocol, index_t height, index_t width);

/// The ten numbers. All NaN when not a single image had a valid pixel.
struct DepthMetrics {
  double delta1, delta2, delta3; ///< shares, 0 to 1, higher is better; the others: lower is better
  double abs_rel, sq_rel;        ///< sq_rel in metres
  double rmse;                   ///< metres
  double rmse_log, log10;
  double silog;
  double mae;             ///< metres
  int64_t images = 0;     ///< images that count
  int64_t skipped = 0;    ///< images without a valid pixel: left out
  int64_t pixels = 0;     ///< valid pixels
  int64_t not_finite = 0; ///< predictions among them that were NaN (taken as clamp_min) or infinite (limited)

  static constexpr int count = 10;
  double value(int i) const; ///< by the order of `names`
};

/// A table: the protocol's name and note, a header, one line a row.
struct DepthMetricsRow {
  std::string name; ///< "model", "constant depth", ...
  DepthMetrics metrics;
};
std::string depth_metrics_table(const std::vector<DepthMetricsRow>& rows, const DepthProtocol& protocol,
                                const std::string& note = "");

namespace detail {

/// Sums over the valid pixels of one image (or of all, pooled).
struct DepthSums {
  double pixels = 0, delta1 = 0, delta2 = 0, delta3 = 0, abs_rel = 0, sq_rel = 0, squared = 0, log_squared = 0,
         log10 = 0, log_difference = 0, absolute = 0, with_target = 0, not_finite = 0;

  LEADLINE_INLINE_FUNCTION DepthSums& operator+=(const DepthSums& other) {
    pixels += other.pixels;
    delta1 += other.delta1;
    delta2 += other.delta2;
    delta3 += other.delta3;
    abs_rel += other.abs_rel;
    sq_rel += other.sq_rel;
    squared += other.squared;
    log_squared += other.log_squared;
    log10 += other.log10;
    log_difference += other.log_difference;
    absolute += other.absolute;
    with_target += other.with_target;
    not_finite += other.not_finite;
    return *this;
  }
};

DepthMetrics metrics_of(const DepthSums& sums);
DepthMetrics metrics_of(const std::vector<DepthSums>& images, const DepthProtocol& protocol);

/// What the kernel needs of a protocol.
struct DepthRule {
  double min_depth, max_depth, clamp_min, clamp_max;
  bool or_predicted;
};

/// One pixel's share. Double throughout: a float's ratio next to 1.25 must not depend on how it was rounded.
LEADLINE_INLINE_FUNCTION DepthSums depth_pixel(const DepthRule& rule, double prediction, double target) {
  DepthSums sums;
  const bool has_target = target > rule.min_depth && target < rule.max_depth; // false for NaN
  const bool counts = has_target || (rule.or_predicted && prediction > 0.0);
  if (!counts) return sums;
  sums.pixels = 1;
  if (!math::isfinite(prediction)) {
    sums.not_finite = 1;
    if (math::isnan(prediction)) prediction = rule.clamp_min;
  }
  const double p =
      prediction < rule.clamp_min ? rule.clamp_min : (prediction > rule.clamp_max ? rule.clamp_max : prediction);
  const double t = has_target ? target : 0.0;
  const double difference = p - t, absolute = math::abs(difference);
  sums.squared = difference * difference;
  sums.absolute = absolute;
  if (has_target) { // without a target the ratio is infinite: the pixel fails every delta
    const double ratio = p > t ? p / t : t / p, d = math::log(p) - math::log(t);
    sums.with_target = 1;
    sums.delta1 = ratio < 1.25 ? 1.0 : 0.0;
    sums.delta2 = ratio < 1.25 * 1.25 ? 1.0 : 0.0;
    sums.delta3 = ratio < 1.25 * 1.25 * 1.25 ? 1.0 : 0.0;
    sums.abs_rel = absolute / t;
    sums.sq_rel = difference * difference / t;
    sums.log_squared = d * d;
    sums.log_difference = d;
    sums.log10 = math::abs(math::log10(p) - math::log10(t));
  }
  return sums;
}

/// sums[n] for every image of the batch, within the box.
template <class T, class Exec>
void depth_sums(const Exec& exec, const DepthRule& rule, const Tensor<const T>& prediction,
                const Tensor<const T>& target, index_t top, index_t left, index_t height, index_t width,
                DepthSums* partial, DepthSums* sums) {
  reduce_columns(
      exec, "leadline::metrics::depth", height * width, prediction.shape.n,
      [=] LEADLINE_FUNCTION(index_t row, index_t n) {
        const index_t h = top + row / width, w = left + row % width;
        return depth_pixel(rule, static_cast<double>(prediction(n, h, w, 0)), static_cast<double>(target(n, h, w, 0)));
      },
      partial, [=] LEADLINE_FUNCTION(index_t n, const DepthSums& sum) { sums[n] = sum; });
}

} // namespace detail

/// Collects images batch by batch; the result depends on the images and their order alone, not on batch sizes or
/// threads. Not thread-safe.
template <class Exec> class DepthEvaluator {
public:
  DepthEvaluator(const Exec& exec, const DepthProtocol& protocol) : exec_(exec), protocol_(protocol) {}
  DepthEvaluator(const Exec& exec, const std::string& protocol) : DepthEvaluator(exec, depth_protocol(protocol)) {}

  /// Adds the images of a batch: `[N,H,W,1]` metres in the exec's memory, target 0 (or NaN) = no ground truth.
  /// Waits for the exec; a few numbers an image come to the host. Throws leadline::Error for shapes that don't fit.
  template <class T> void add(const Tensor<const T>& prediction, const Tensor<const T>& target) {
    const Shape& shape = prediction.shape;
    if (!(shape == target.shape) || shape.c != 1)
      throw Error("metrics: prediction and ground truth must both be [N,H,W,1] of one size, but are " + text(shape) +
                  " and " + text(target.shape) + ".");
    if (shape.n == 0) return;
    const CropBox box = crop_box(protocol_, shape.h, shape.w);
    note_ = box.note;
    const index_t height = box.bottom - box.top, width = box.right - box.left;
    const size_t images = static_cast<size_t>(shape.n);
    const size_t scratch = static_cast<size_t>(reduce_chunks(height * width)) * images;
    if (partial_.size() < scratch)
      partial_ = Sums(Kokkos::view_alloc(Kokkos::WithoutInitializing, "leadline::metrics::partial"), scratch);
    if (sums_.size() < images)
      sums_ = Sums(Kokkos::view_alloc(Kokkos::WithoutInitializing, "leadline::metrics::sums"), images);
    const detail::DepthRule rule{protocol_.min_depth, protocol_.max_depth, protocol_.clamp_min, protocol_.clamp_max,
                                 protocol_.or_predicted};
    detail::depth_sums<T>(exec_, rule, prediction, target, box.top, box.left, height, width, partial_.data(),
                          sums_.data());
    const size_t before = images_.size();
    images_.resize(before + images);
    Kokkos::View<detail::DepthSums*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> host(
        images_.data() + before, images);
    Kokkos::deep_copy(exec_.instance(), host, Kokkos::subview(sums_, std::make_pair(size_t{0}, images)));
    exec_.fence();
  }
  template <class T> void add(const Tensor<T>& prediction, const Tensor<T>& target) {
    add<T>(Tensor<const T>(prediction), Tensor<const T>(target));
  }

  /// Over all images so far, combined in a fixed tree by index.
  DepthMetrics result() const { return detail::metrics_of(images_, protocol_); }
  /// Each image by itself, in the order of `add`; an image without a valid pixel has `skipped` = 1 and NaNs.
  std::vector<DepthMetrics> per_image() const {
    std::vector<DepthMetrics> all;
    for (const detail::DepthSums& sums : images_) all.push_back(detail::metrics_of(sums));
    return all;
  }
  void reset() { images_.clear(); }

  const DepthProtocol& protocol() const { return protocol_; }
  /// What has to be said beside the numbers: "eigen crop scaled from 480x640 to 144x192: rows 14:141 cols 12:180".
  const std::string& note() const { return note_; }

private:
  using Sums = Kokkos::View<detail::DepthSums*, typename Exec::memory_space>;

  static std::string text(const Shape& s) {
    return "[" + std::to_string(s.n) + "," + std::to_string(s.h) + "," + std::to_string(s.w) + "," +
           std::to_string(s.c) + "]";
  }

  Exec exec_;
  DepthProtocol protocol_;
  std::string note_;
  Sums partial_, sums_;
  std::vector<detail::DepthSums> images_;
};

} // namespace leadline::trainer
