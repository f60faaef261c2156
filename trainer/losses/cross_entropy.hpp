// Cross entropy over classes: mean of ln(sum exp x) - x[class] over the pixels whose target is a class.
// The prediction `[N,H,W,C]` holds scores (logits), the target `[N,H,W,1]` the class's number 0 ... C-1; any other
// target
// (-1, NaN) means "not labelled" and is left out.
#pragma once

#include "trainer/losses/elements.hpp"

namespace leadline::trainer::losses {

/// The class of a pixel; -1: none.
template <class T> LEADLINE_INLINE_FUNCTION index_t class_of(T target, index_t classes) {
  return target >= T{0} && target < static_cast<T>(classes) ? static_cast<index_t>(target) : -1;
}

/// ln(sum exp x), shifted by the largest score so that nothing overflows.
template <class T> LEADLINE_FUNCTION double log_sum_exp(const T* x, index_t classes) {
  double largest = static_cast<double>(x[0]), sum = 0;
  for (index_t c = 1; c < classes; ++c) largest = math::max(largest, static_cast<double>(x[c]));
  for (index_t c = 0; c < classes; ++c) sum += math::exp(static_cast<double>(x[c]) - largest);
  return largest + math::log(sum);
}

template <class T, class Exec>
void cross_entropy_forward_backward(const Exec& exec, const LossArgs<T>& args, Scratch scratch) {
  const Tensor<const T> prediction = args.prediction, target = args.target;
  const index_t classes = prediction.shape.c, pixels = prediction.shape.pixels();
  CountedSum* total = scratch.take<CountedSum>(1);
  T* value = args.value;
  reduce_columns(
      exec, "leadline::loss::cross_entropy", pixels, 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        const index_t k = class_of(*target.pixel(i), classes);
        const T* x = prediction.pixel(i);
        return k < 0 ? CountedSum{} : CountedSum{1.0, log_sum_exp(x, classes) - static_cast<double>(x[k])};
      },
      scratch.take<CountedSum>(reduce_chunks(pixels)),
      [=] LEADLINE_FUNCTION(index_t, const CountedSum& sum) {
        *total = sum;
        *value = static_cast<T>(sum.mean());
      });
  if (!args.diff_prediction) return;
  const Tensor<T> diff = args.diff_prediction;
  parallel_for(exec, "leadline::loss::cross_entropy::backward", pixels, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t k = class_of(*target.pixel(i), classes);
    const T* x = prediction.pixel(i);
    T* dx = diff.pixel(i);
    const double shift = k < 0 ? 0.0 : log_sum_exp(x, classes);
    for (index_t c = 0; c < classes; ++c)
      dx[c] =
          k < 0
              ? T{0}
              : static_cast<T>((math::exp(static_cast<double>(x[c]) - shift) - (c == k ? 1.0 : 0.0)) * total->weight());
  });
}

template <class T, class Exec> class CrossEntropy final : public Loss<T, Exec> {
public:
  explicit CrossEntropy(const LossParams&) {}
  const char* name() const override { return "cross_entropy"; }
  size_t workspace_bytes(const Shape& prediction) const override {
    return Scratch::bytes<CountedSum>(1) + reduce_columns_bytes<CountedSum>(prediction.pixels(), 1);
  }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    require_shape("cross_entropy", args.prediction.shape, "target", args.target.shape, 1);
    cross_entropy_forward_backward<T>(exec, args, Scratch(args.workspace));
  }
};

} // namespace leadline::trainer::losses
