// An exponential moving average of all weights, which predicts better than the weights of any one step.
// (Polyak, Juditsky, SIAM J. Control Optim. 1992; in this form: Tarvainen, Valpola, NeurIPS 2017.)
//
//   average = d average + (1 - d) weight          after each update; running statistics, too
//   d = min(decay, (1 + n) / (10 + n))            with warm-up: n updates were made before, so that the first weights,
//                                                 which are random, are soon forgotten; without: d = decay
//
// The first update copies, as PyTorch's AveragedModel does.
#pragma once

#include "shared/core/exec.hpp"
#include "trainer/device_buffer.hpp"

#include <algorithm>

namespace leadline::trainer {

template <class T, class Exec>
void average_into(const Exec& exec, T* average, const T* weights, index_t count, T decay, T rest) {
  parallel_for(exec, "leadline::weight_average::update", count, [=] LEADLINE_FUNCTION(index_t i) {
    average[i] = decay == T{0} ? weights[i] : decay * average[i] + rest * weights[i];
  });
}
template <class T, class Exec> void swap_values(const Exec& exec, T* a, T* b, index_t count) {
  parallel_for(exec, "leadline::weight_average::swap", count, [=] LEADLINE_FUNCTION(index_t i) {
    const T kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  });
}

/// The average of weights that lie in one row (GraphSession::all_weights), which stay the caller's. With decay 0 there
/// is none, and the calls do nothing. Not thread-safe.
template <class T, class Exec> class WeightAverage {
public:
  WeightAverage(const Exec& exec, const Tensor<T>& weights, double decay, bool warm_up)
      : exec_(exec), weights_(weights), decay_(decay), warm_up_(warm_up),
        average_(exec, on() ? static_cast<size_t>(weights.shape.count()) * sizeof(T) : 0) {}
  bool on() const { return decay_ > 0; }
  size_t bytes() const { return average_.bytes(); }

  /// After the optimizer's update number `updates`, counted from 1; 0: the weights are new, the average is theirs.
  void update(int64_t updates) const {
    if (!on()) return;
    const double n = static_cast<double>(updates - 1);
    const double d = updates <= 1 ? 0 : warm_up_ ? std::min(decay_, (1 + n) / (10 + n)) : decay_;
    average_into<T>(exec_, data(), weights_.data, count(), static_cast<T>(d), static_cast<T>(1 - d));
  }
  /// Exchanges weights and average: once before validation, once after.
  void swap() const {
    if (on()) swap_values<T>(exec_, weights_.data, data(), count());
  }
  /// The average of one of the weights, in the exec's memory.
  Tensor<T> of(const Tensor<T>& weight) const { return {data() + (weight.data - weights_.data), weight.shape}; }

private:
  T* data() const { return reinterpret_cast<T*>(average_.data()); }
  index_t count() const { return weights_.shape.count(); }

  Exec exec_;
  Tensor<T> weights_;
  double decay_;
  bool warm_up_;
  DeviceBuffer<Exec> average_;
};

} // namespace leadline::trainer
