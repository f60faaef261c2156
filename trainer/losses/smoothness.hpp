// Edge-aware smoothness: mean |q(x+1) - q(x)| exp(-mean over channels |I(x+1) - I(x)|) plus the same vertically, where
// q is the prediction divided by its image's mean and I the image. It needs no ground truth: neighbours should differ
// only where the picture does. (Godard, Mac Aodha, Brostow, CVPR 2017; the division by the mean is from Wang 2018.)
// An image whose mean isn't positive contributes nothing.
#pragma once

#include "trainer/losses/gradient.hpp"

namespace leadline::trainer::losses {

/// What a pair of neighbours weighs: 1 where the image is flat, towards 0 across its edges.
template <class T>
LEADLINE_FUNCTION double smoothness_weight(const Tensor<const T>& image, index_t n, index_t h, index_t w, index_t dh,
                                           index_t dw) {
  double sum = 0;
  for (index_t c = 0; c < image.shape.c; ++c)
    sum += static_cast<double>(math::abs(image(n, h + dh, w + dw, c) - image(n, h, w, c)));
  return math::exp(-sum / static_cast<double>(image.shape.c));
}

template <class T, class Exec>
void smoothness_forward_backward(const Exec& exec, const LossArgs<T>& args, Scratch scratch) {
  const Tensor<const T> prediction = args.prediction, image = args.image;
  const Shape shape = prediction.shape;
  const index_t count = shape.pixels(), area = shape.h * shape.w;
  double* inverse_mean = scratch.take<double>(shape.n); // 1 / each image's mean
  double* pull = scratch.take<double>(shape.n);         // each image's mean of q * dL/dq
  double* image_partial = scratch.take<double>(reduce_chunks(area) * shape.n);
  double* dq = scratch.take<double>(count);
  double* partial = scratch.take<double>(reduce_chunks(count) * 2);
  double* axis = scratch.take<double>(2);
  T* value = args.value;

  reduce_columns(
      exec, "leadline::loss::smoothness::mean", area, shape.n,
      [=] LEADLINE_FUNCTION(index_t i, index_t n) {
        return static_cast<double>(prediction(n, i / shape.w, i % shape.w, 0));
      },
      image_partial,
      [=] LEADLINE_FUNCTION(index_t n, double sum) {
        const double mean = sum / static_cast<double>(area);
        inverse_mean[n] = mean <= 0 ? 0.0 : 1.0 / mean; // NaN stays NaN
      });

  const double across = static_cast<double>(shape.n * shape.h * (shape.w - 1));
  const double down = static_cast<double>(shape.n * (shape.h - 1) * shape.w);
  const double per_pair_x = across > 0 ? 1.0 / across : 0.0, per_pair_y = down > 0 ? 1.0 / down : 0.0;
  reduce_columns(
      exec, "leadline::loss::smoothness", count, 2,
      [=] LEADLINE_FUNCTION(index_t i, index_t vertical) {
        const index_t w = i % shape.w, h = i / shape.w % shape.h, n = i / shape.w / shape.h;
        const index_t dh = vertical, dw = 1 - vertical;
        if (h + dh >= shape.h || w + dw >= shape.w) return 0.0;
        const double step = static_cast<double>(prediction(n, h + dh, w + dw, 0) - prediction(n, h, w, 0));
        return math::abs(step * inverse_mean[n]) * smoothness_weight(image, n, h, w, dh, dw);
      },
      partial,
      [=] LEADLINE_FUNCTION(index_t vertical, double sum) {
        axis[vertical] = sum * (vertical != 0 ? per_pair_y : per_pair_x);
      });
  parallel_for(exec, "leadline::loss::smoothness::value", 1,
               [=] LEADLINE_FUNCTION(index_t) { *value = static_cast<T>(axis[0] + axis[1]); });
  if (!args.diff_prediction) return;

  const Tensor<T> diff = args.diff_prediction;
  parallel_for(exec, "leadline::loss::smoothness::backward", count, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t w = i % shape.w, h = i / shape.w % shape.h, n = i / shape.w / shape.h;
    const T p = prediction(n, h, w, 0);
    double x = 0, y = 0;
    if (w > 0)
      x += static_cast<double>(sign(p - prediction(n, h, w - 1, 0))) * smoothness_weight(image, n, h, w - 1, 0, 1);
    if (w + 1 < shape.w)
      x -= static_cast<double>(sign(prediction(n, h, w + 1, 0) - p)) * smoothness_weight(image, n, h, w, 0, 1);
    if (h > 0)
      y += static_cast<double>(sign(p - prediction(n, h - 1, w, 0))) * smoothness_weight(image, n, h - 1, w, 1, 0);
    if (h + 1 < shape.h)
      y -= static_cast<double>(sign(prediction(n, h + 1, w, 0) - p)) * smoothness_weight(image, n, h, w, 1, 0);
    dq[i] = x * per_pair_x + y * per_pair_y;
  });
  reduce_columns(
      exec, "leadline::loss::smoothness::pull", area, shape.n,
      [=] LEADLINE_FUNCTION(index_t i, index_t n) {
        return dq[n * area + i] * static_cast<double>(prediction(n, i / shape.w, i % shape.w, 0)) * inverse_mean[n];
      },
      image_partial, [=] LEADLINE_FUNCTION(index_t n, double sum) { pull[n] = sum / static_cast<double>(area); });
  // q_i = p_i / m and m = mean p: dL/dp_j = (dL/dq_j - mean_i(q_i dL/dq_i)) / m.
  parallel_for(exec, "leadline::loss::smoothness::backward", count, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t n = i / area;
    diff(n, i / shape.w % shape.h, i % shape.w, 0) = static_cast<T>((dq[i] - pull[n]) * inverse_mean[n]);
  });
}

template <class T, class Exec> class Smoothness final : public Loss<T, Exec> {
public:
  explicit Smoothness(const LossParams&) {}
  const char* name() const override { return "smoothness"; }
  size_t workspace_bytes(const Shape& prediction) const override {
    const index_t count = prediction.pixels(), area = prediction.h * prediction.w;
    return 2 * Scratch::bytes<double>(prediction.n) + Scratch::bytes<double>(reduce_chunks(area) * prediction.n) +
           Scratch::bytes<double>(count) + Scratch::bytes<double>(reduce_chunks(count) * 2) + Scratch::bytes<double>(2);
  }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    require_depth("smoothness", args.prediction.shape);
    if (!args.image) throw Error("loss smoothness: it compares the prediction with the image, but no image was given.");
    require_shape("smoothness", args.prediction.shape, "image", args.image.shape, args.image.shape.c);
    smoothness_forward_backward<T>(exec, args, Scratch(args.workspace));
  }
};

} // namespace leadline::trainer::losses
