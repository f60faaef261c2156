// Structural dissimilarity: clamp((1 - SSIM) / 2, 0, 1), SSIM averaged over all windows that lie inside the frame and
// hold valid pixels only (target > 0). (Wang et al., IEEE TIP 2004: an 11x11 Gaussian of sigma 1.5; DenseDepth's use.)
// Prediction and target are divided by `ssim_range` first: c1 and c2 are meant for values in [0, 1].
#pragma once

#include "trainer/losses/elements.hpp"

namespace leadline::trainer::losses {

constexpr int max_ssim_window = 31;

/// The normalised one-dimensional Gaussian; a window's weight is the product of two.
struct SsimWindow {
  int side = 0;
  double tap[max_ssim_window] = {};
  double c1 = 0, c2 = 0, range = 1;
};

inline SsimWindow ssim_window(const LossParams& params) {
  if (params.ssim_window < 1 || params.ssim_window > max_ssim_window || params.ssim_window % 2 == 0)
    throw Error({.field = "ssim_window",
                 .value = std::to_string(params.ssim_window),
                 .reason = "it must be odd and between 1 and " + std::to_string(max_ssim_window),
                 .fix = "11 is the usual value"});
  if (!(params.ssim_sigma > 0 && params.ssim_range > 0 && params.ssim_c1 > 0 && params.ssim_c2 > 0))
    throw Error("loss ssim: ssim_sigma, ssim_range, ssim_c1 and ssim_c2 must all be positive. The usual values are "
                "1.5, the largest depth in metres, 1e-4 and 9e-4.");
  SsimWindow window{params.ssim_window, {}, params.ssim_c1, params.ssim_c2, params.ssim_range};
  double sum = 0;
  for (int i = 0; i < window.side; ++i) {
    const double x = i - window.side / 2;
    window.tap[i] = math::exp(-x * x / (2 * params.ssim_sigma * params.ssim_sigma));
    sum += window.tap[i];
  }
  for (int i = 0; i < window.side; ++i) window.tap[i] /= sum;
  return window;
}

/// Derivatives of one window's SSIM with respect to its mean, mean of squares and mean of products; 0: not valid.
struct SsimSlopes {
  double mean = 0, square = 0, product = 0;
};

/// SSIM of the window whose top left pixel is (h, w); counts 0 if a pixel in it isn't valid.
template <class T>
LEADLINE_FUNCTION CountedSum ssim_at(const SsimWindow& window, const Tensor<const T>& prediction,
                                     const Tensor<const T>& target, index_t n, index_t h, index_t w,
                                     SsimSlopes* slopes) {
  double a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  for (int i = 0; i < window.side; ++i)
    for (int j = 0; j < window.side; ++j) {
      const T t = target(n, h + i, w + j, 0);
      if (!is_valid(Valid::positive, t)) {
        *slopes = {};
        return {};
      }
      const double weight = window.tap[i] * window.tap[j];
      const double p = static_cast<double>(prediction(n, h + i, w + j, 0)) / window.range;
      const double q = static_cast<double>(t) / window.range;
      a += weight * p;
      b += weight * q;
      aa += weight * p * p;
      bb += weight * q * q;
      ab += weight * p * q;
    }
  const double luminance = 2 * a * b + window.c1, contrast = 2 * (ab - a * b) + window.c2;
  const double luminance_base = a * a + b * b + window.c1, contrast_base = (aa - a * a) + (bb - b * b) + window.c2;
  const double base = luminance_base * contrast_base, ssim = luminance * contrast / base;
  slopes->mean = 2 * b * (contrast - luminance) / base - 2 * a * ssim * (1 / luminance_base - 1 / contrast_base);
  slopes->square = -ssim / contrast_base;
  slopes->product = 2 * luminance / base;
  return {1.0, ssim};
}

template <class T, class Exec>
void ssim_forward_backward(const Exec& exec, const SsimWindow& window, const LossArgs<T>& args, Scratch scratch) {
  const Tensor<const T> prediction = args.prediction, target = args.target;
  const Shape shape = prediction.shape;
  const index_t side = window.side, rows = shape.h - side + 1, columns = shape.w - side + 1;
  const index_t windows = shape.n * rows * columns;
  CountedSum* total = scratch.take<CountedSum>(1);
  CountedSum* partial = scratch.take<CountedSum>(reduce_chunks(windows));
  SsimSlopes* slopes = scratch.take<SsimSlopes>(windows);
  T* value = args.value;
  reduce_columns(
      exec, "leadline::loss::ssim", windows, 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        return ssim_at<T>(window, prediction, target, i / columns / rows, i / columns % rows, i % columns, slopes + i);
      },
      partial,
      [=] LEADLINE_FUNCTION(index_t, const CountedSum& sum) {
        *total = sum;
        const double loss = sum.count > 0 ? (1 - sum.mean()) / 2 : 0.0;
        *value = static_cast<T>(loss < 0 ? 0.0 : (loss > 1 ? 1.0 : loss));
      });
  if (!args.diff_prediction) return;
  const Tensor<T> diff = args.diff_prediction;
  parallel_for(exec, "leadline::loss::ssim::backward", shape.pixels(), [=] LEADLINE_FUNCTION(index_t i) {
    const index_t w = i % shape.w, h = i / shape.w % shape.h, n = i / shape.w / shape.h;
    // Gathers from all windows that the pixel lies in; it is tap (h - y, w - x) of window (y, x).
    SsimSlopes sum;
    for (index_t y = h - side + 1 > 0 ? h - side + 1 : 0; y <= h && y < rows; ++y)
      for (index_t x = w - side + 1 > 0 ? w - side + 1 : 0; x <= w && x < columns; ++x) {
        const double weight = window.tap[h - y] * window.tap[w - x];
        const SsimSlopes& slope = slopes[(n * rows + y) * columns + x];
        sum.mean += weight * slope.mean;
        sum.square += weight * slope.square;
        sum.product += weight * slope.product;
      }
    const bool valid = is_valid(Valid::positive, target(n, h, w, 0));
    const double p = valid ? static_cast<double>(prediction(n, h, w, 0)) / window.range : 0.0;
    const double t = valid ? static_cast<double>(target(n, h, w, 0)) / window.range : 0.0;
    diff(n, h, w, 0) =
        static_cast<T>(-0.5 * total->weight() * (sum.mean + 2 * p * sum.square + t * sum.product) / window.range);
  });
}

template <class T, class Exec> class Ssim final : public Loss<T, Exec> {
public:
  explicit Ssim(const LossParams& params) : window_(ssim_window(params)) {}
  const char* name() const override { return "ssim"; }
  size_t workspace_bytes(const Shape& prediction) const override {
    require_depth("ssim", prediction);
    if (prediction.h < window_.side || prediction.w < window_.side)
      throw Error("loss ssim: a window of " + std::to_string(window_.side) + "x" + std::to_string(window_.side) +
                  " pixels doesn't fit into a prediction " + shape_text(prediction) +
                  ". Set a smaller ssim_window or a larger image size.");
    const index_t windows = prediction.n * (prediction.h - window_.side + 1) * (prediction.w - window_.side + 1);
    return Scratch::bytes<CountedSum>(1) + reduce_columns_bytes<CountedSum>(windows, 1) +
           Scratch::bytes<SsimSlopes>(windows);
  }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    workspace_bytes(args.prediction.shape); // checks the shape
    require_shape("ssim", args.prediction.shape, "target", args.target.shape);
    ssim_forward_backward<T>(exec, window_, args, Scratch(args.workspace));
  }

private:
  SsimWindow window_;
};

} // namespace leadline::trainer::losses
