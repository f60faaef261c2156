// Weights as int8 stores them, while masters in full precision learn: "simulated quantisation" of weights (B. Jacob et
// al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", 2018, section 3;
// a scale for each output channel as in R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient
// inference: a whitepaper", 2018).
//
//   scale = max |w| / 127 of the output channel;  w -> scale * round(w / scale), ties to even
//
// which is what the model file holds (model_writer.cpp), bit for bit. Nothing is ever clamped, so the straight-through
// gradient is the gradient at the rounded weights, for the masters to take.
#pragma once

#include "shared/model/weight_storage.hpp"
#include "trainer/device_buffer.hpp"

#include <vector>

namespace leadline::trainer {

/// Rounds one weight, dense and of that shape, in place; what it was goes to `kept`.
template <class T, class Exec>
void round_weight(const Exec& exec, const WeightChannels& channels, const Tensor<T>& weight, T* kept) {
  const Shape shape = weight.shape;
  T* const values = weight.data;
  parallel_for(exec, "leadline::weight_rounding::round", channels.count, [=] LEADLINE_FUNCTION(index_t channel) {
    // A row is an output channel, or (conv_transpose2d) a column of a group's rows is.
    const bool rows = channels.per_group == 0;
    const index_t first_row = rows ? channel : channel / shape.c * channels.per_group;
    const index_t last_row = rows ? channel + 1 : first_row + channels.per_group;
    const index_t first = rows ? 0 : channel % shape.c, step = rows ? 1 : shape.c;
    const index_t row = shape.h * shape.w * shape.c;
    T largest = 0;
    for (index_t n = first_row; n < last_row; ++n)
      for (index_t i = n * row + first; i < (n + 1) * row; i += step) {
        kept[i] = values[i];
        const T size = values[i] < T(0) ? -values[i] : values[i];
        largest = size > largest ? size : largest;
      }
    const T scale = largest / T(127);
    if (!(scale > T(0))) return; // nothing but zeros, or a NaN that others report
    for (index_t n = first_row; n < last_row; ++n)
      for (index_t i = n * row + first; i < (n + 1) * row; i += step)
        values[i] = scale * round_half_even(values[i] / scale);
  });
}

template <class T, class Exec> void copy_weight(const Exec& exec, const T* from, T* to, index_t count) {
  parallel_for(exec, "leadline::weight_rounding::restore", count,
               [=] LEADLINE_FUNCTION(index_t i) { to[i] = from[i]; });
}

/// Rounds some weights of a session, which stay the caller's, and brings them back. Without any it does nothing. Not
/// thread-safe.
template <class T, class Exec> class WeightRounding {
public:
  struct Weight {
    Tensor<T> values;
    WeightChannels channels;
  };
  WeightRounding(const Exec& exec, std::vector<Weight> weights) : exec_(exec), weights_(std::move(weights)) {
    index_t count = 0;
    for (const Weight& weight : weights_) count += weight.values.shape.count();
    kept_ = DeviceBuffer<Exec>(exec, static_cast<size_t>(count) * sizeof(T));
  }
  bool on() const { return !weights_.empty(); }
  size_t bytes() const { return kept_.bytes(); }

  /// To what int8 stands for.
  void round() const {
    T* kept = reinterpret_cast<T*>(kept_.data());
    for (const Weight& weight : weights_) {
      round_weight<T>(exec_, weight.channels, weight.values, kept);
      kept += weight.values.shape.count();
    }
  }
  /// What they were before round().
  void restore() const {
    const T* kept = reinterpret_cast<const T*>(kept_.data());
    for (const Weight& weight : weights_) {
      copy_weight<T>(exec_, kept, weight.values.data, weight.values.shape.count());
      kept += weight.values.shape.count();
    }
  }

private:
  Exec exec_;
  std::vector<Weight> weights_;
  DeviceBuffer<Exec> kept_;
};

} // namespace leadline::trainer
