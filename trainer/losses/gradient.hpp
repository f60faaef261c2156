// Depth-gradient loss: mean |d(x+1) - d(x)| over horizontal pairs of valid pixels plus the same over vertical pairs,
// d = prediction - target: edges of the depth map must lie where the truth has them. (Hu et al., WACV 2019.)
#pragma once

#include "trainer/losses/elements.hpp"

namespace leadline::trainer::losses {

struct PairSums {
  CountedSum x{}, y{};
  LEADLINE_INLINE_FUNCTION PairSums& operator+=(const PairSums& other) {
    x += other.x;
    y += other.y;
    return *this;
  }
};

/// The error of a pixel, and whether it counts; pixels outside of the frame don't.
template <class T> struct ErrorMap {
  Tensor<const T> prediction, target;

  LEADLINE_INLINE_FUNCTION bool valid(index_t n, index_t h, index_t w) const {
    return h >= 0 && h < target.shape.h && w >= 0 && w < target.shape.w &&
           is_valid(Valid::positive, target(n, h, w, 0));
  }
  LEADLINE_INLINE_FUNCTION T error(index_t n, index_t h, index_t w) const {
    return prediction(n, h, w, 0) - target(n, h, w, 0);
  }
};

template <class T, class Exec>
void gradient_forward_backward(const Exec& exec, const LossArgs<T>& args, Scratch scratch) {
  const ErrorMap<T> map{args.prediction, args.target};
  const Shape shape = args.prediction.shape;
  const index_t count = shape.pixels();
  PairSums* total = scratch.take<PairSums>(1);
  T* value = args.value;
  reduce_columns(
      exec, "leadline::loss::gradient", count, 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        const index_t w = i % shape.w, h = i / shape.w % shape.h, n = i / shape.w / shape.h;
        PairSums sums;
        if (!map.valid(n, h, w)) return sums;
        const T d = map.error(n, h, w);
        if (map.valid(n, h, w + 1)) sums.x = {1.0, static_cast<double>(math::abs(map.error(n, h, w + 1) - d))};
        if (map.valid(n, h + 1, w)) sums.y = {1.0, static_cast<double>(math::abs(map.error(n, h + 1, w) - d))};
        return sums;
      },
      scratch.take<PairSums>(reduce_chunks(count)),
      [=] LEADLINE_FUNCTION(index_t, const PairSums& sums) {
        *total = sums;
        *value = static_cast<T>(sums.x.mean() + sums.y.mean());
      });
  if (!args.diff_prediction) return;
  const Tensor<T> diff = args.diff_prediction;
  parallel_for(exec, "leadline::loss::gradient::backward", count, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t w = i % shape.w, h = i / shape.w % shape.h, n = i / shape.w / shape.h;
    T x{0}, y{0}; // each pixel gathers from its up to four pairs
    if (map.valid(n, h, w)) {
      const T d = map.error(n, h, w);
      if (map.valid(n, h, w - 1)) x += sign(d - map.error(n, h, w - 1));
      if (map.valid(n, h, w + 1)) x -= sign(map.error(n, h, w + 1) - d);
      if (map.valid(n, h - 1, w)) y += sign(d - map.error(n, h - 1, w));
      if (map.valid(n, h + 1, w)) y -= sign(map.error(n, h + 1, w) - d);
    }
    diff(n, h, w, 0) =
        static_cast<T>(static_cast<double>(x) * total->x.weight() + static_cast<double>(y) * total->y.weight());
  });
}

template <class T, class Exec> class Gradient final : public Loss<T, Exec> {
public:
  explicit Gradient(const LossParams&) {}
  const char* name() const override { return "gradient"; }
  size_t workspace_bytes(const Shape& prediction) const override {
    return Scratch::bytes<PairSums>(1) + reduce_columns_bytes<PairSums>(prediction.pixels(), 1);
  }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    require_depth("gradient", args.prediction.shape);
    require_shape("gradient", args.prediction.shape, "target", args.target.shape);
    gradient_forward_backward<T>(exec, args, Scratch(args.workspace));
  }
};

} // namespace leadline::trainer::losses
