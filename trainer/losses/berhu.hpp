// Reverse Huber: |d| up to c, (d^2 + c^2) / (2 c) beyond; mean over valid elements.
// c = fraction * the largest |d| of the batch's valid elements, with no gradient through it.
// (Laina et al., "Deeper depth prediction with fully convolutional residual networks", 3DV 2016.)
#pragma once

#include "trainer/losses/pointwise.hpp"

namespace leadline::trainer::losses {

/// A maximum in the shape of a sum: `reduce_columns` combines it in its fixed tree. NaN wins.
template <class T> struct Largest {
  T value = 0;
  LEADLINE_INLINE_FUNCTION Largest& operator+=(const Largest& other) {
    value = math::max(value, other.value);
    return *this;
  }
};

template <class T> struct BerhuRule {
  const T* c; ///< in the exec's memory; 0 only where all errors are
  LEADLINE_INLINE_FUNCTION T value(T d) const {
    const T a = math::abs(d);
    return a <= *c ? a : (d * d + *c * *c) / (T{2} * *c);
  }
  LEADLINE_INLINE_FUNCTION T derivative(T d) const { return math::abs(d) <= *c ? sign(d) : d / *c; }
};

/// *c = fraction * max |prediction - target| over valid elements.
template <class T, class Exec>
void berhu_threshold(const Exec& exec, Valid valid, T fraction, const LossArgs<T>& args, Largest<T>* partial, T* c) {
  const Elements<const T> prediction(args.prediction), target(args.target);
  reduce_columns(
      exec, "leadline::loss::berhu::threshold", args.prediction.shape.count(), 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        const T t = target[i];
        return is_valid(valid, t) ? Largest<T>{math::abs(prediction[i] - t)} : Largest<T>{};
      },
      partial, [=] LEADLINE_FUNCTION(index_t, const Largest<T>& largest) { *c = fraction * largest.value; });
}

template <class T, class Exec> class Berhu final : public Loss<T, Exec> {
public:
  explicit Berhu(const LossParams& params) : valid_(params.valid), fraction_(static_cast<T>(params.berhu_fraction)) {
    if (!(params.berhu_fraction > 0 && params.berhu_fraction <= 1))
      throw Error({.field = "berhu_fraction",
                   .value = std::to_string(params.berhu_fraction),
                   .reason = "it must lie in (0, 1]",
                   .fix = "The paper's value is 0.2"});
  }
  const char* name() const override { return "berhu"; }
  size_t workspace_bytes(const Shape& prediction) const override {
    return Scratch::bytes<T>(1) + reduce_columns_bytes<Largest<T>>(prediction.count(), 1) + pointwise_bytes(prediction);
  }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    require_shape("berhu", args.prediction.shape, "target", args.target.shape);
    Scratch scratch(args.workspace);
    T* c = scratch.take<T>(1);
    berhu_threshold<T>(exec, valid_, fraction_, args,
                       scratch.take<Largest<T>>(reduce_chunks(args.prediction.shape.count())), c);
    pointwise_forward_backward<T>(exec, "leadline::loss::berhu", valid_, BerhuRule<T>{c}, args, scratch);
  }

private:
  Valid valid_;
  T fraction_;
};

} // namespace leadline::trainer::losses
