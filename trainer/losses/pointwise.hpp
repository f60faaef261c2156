// The losses that are the mean over valid elements of f(prediction - target): mse, l1, huber, smooth_l1, berhu.
#pragma once

#include "trainer/losses/elements.hpp"

namespace leadline::trainer::losses {

/// Workspace: the mean's sum, then the partial sums.
inline size_t pointwise_bytes(const Shape& shape) {
  return Scratch::bytes<CountedSum>(1) + reduce_columns_bytes<CountedSum>(shape.count(), 1);
}

/// `rule.value(d)` and `rule.derivative(d)` for an error d, both in T; sums in double.
template <class T, class Exec, class Rule>
void pointwise_forward_backward(const Exec& exec, const char* label, Valid valid, const Rule& rule,
                                const LossArgs<T>& args, Scratch scratch) {
  const Elements<const T> prediction(args.prediction), target(args.target);
  const index_t count = args.prediction.shape.count();
  CountedSum* total = scratch.take<CountedSum>(1);
  T* value = args.value;
  reduce_columns(
      exec, label, count, 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        const T t = target[i];
        return is_valid(valid, t) ? CountedSum{1.0, static_cast<double>(rule.value(prediction[i] - t))} : CountedSum{};
      },
      scratch.take<CountedSum>(reduce_chunks(count)),
      [=] LEADLINE_FUNCTION(index_t, const CountedSum& sum) {
        *total = sum;
        *value = static_cast<T>(sum.mean());
      });
  if (!args.diff_prediction) return;
  const Elements<T> diff(args.diff_prediction);
  parallel_for(exec, label, count, [=] LEADLINE_FUNCTION(index_t i) {
    const T t = target[i];
    diff[i] = is_valid(valid, t)
                  ? static_cast<T>(static_cast<double>(rule.derivative(prediction[i] - t)) * total->weight())
                  : T{0};
  });
}

/// A loss whose rule is known before it starts. `Rule` has `name`, `label` and a constructor from LossParams.
template <class T, class Exec, class Rule> class PointwiseLoss final : public Loss<T, Exec> {
public:
  explicit PointwiseLoss(const LossParams& params) : valid_(params.valid), rule_(params) {}
  const char* name() const override { return Rule::name; }
  size_t workspace_bytes(const Shape& prediction) const override { return pointwise_bytes(prediction); }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    require_shape(Rule::name, args.prediction.shape, "target", args.target.shape);
    pointwise_forward_backward<T>(exec, Rule::label, valid_, rule_, args, Scratch(args.workspace));
  }

private:
  Valid valid_;
  Rule rule_;
};

} // namespace leadline::trainer::losses
