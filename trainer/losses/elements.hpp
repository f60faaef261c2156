// What all losses share: elements by number, the valid rule, a place for scalars, the shape check.
#pragma once

#include "trainer/losses/loss.hpp"

namespace leadline::trainer::losses {

/// Element i of a tensor in N, H, W, C order; dense tensors, the usual case, without a division.
template <class T> struct Elements {
  Tensor<T> tensor;
  bool dense;

  explicit Elements(const Tensor<T>& tensor_) : tensor(tensor_), dense(tensor_.dense()) {}
  LEADLINE_INLINE_FUNCTION T& operator[](index_t i) const {
    return dense ? tensor.data[i] : tensor.pixel(i / tensor.shape.c)[i % tensor.shape.c];
  }
};

template <class T> LEADLINE_INLINE_FUNCTION bool is_valid(Valid rule, T target) {
  return math::isfinite(target) && (rule == Valid::finite || target > T{0});
}

/// -1, 0 or 1, the derivative of |x| as PyTorch has it.
template <class T> LEADLINE_INLINE_FUNCTION T sign(T x) { return x > T{0} ? T{1} : (x < T{0} ? T{-1} : T{0}); }

/// A sum and the number of its terms; counts are exact up to 2^53.
struct CountedSum {
  double count = 0, sum = 0;
  LEADLINE_INLINE_FUNCTION CountedSum& operator+=(const CountedSum& other) {
    count += other.count;
    sum += other.sum;
    return *this;
  }
  /// The mean; 0 of nothing.
  LEADLINE_INLINE_FUNCTION double mean() const { return count > 0 ? sum / count : 0.0; }
  /// 1 / count; 0 of nothing, so that it annuls gradients.
  LEADLINE_INLINE_FUNCTION double weight() const { return count > 0 ? 1.0 / count : 0.0; }
};

/// Hands out aligned pieces of a workspace in the order in which `workspace_bytes` counted them.
class Scratch {
public:
  explicit Scratch(const Workspace& workspace) : at_(workspace.data) {}
  template <class U> U* take(index_t count) {
    U* piece = reinterpret_cast<U*>(at_);
    at_ += bytes<U>(count);
    return piece;
  }
  template <class U> static size_t bytes(index_t count) { return align_up(static_cast<size_t>(count) * sizeof(U)); }

private:
  unsigned char* at_;
};

inline std::string shape_text(const Shape& s) {
  return "[" + std::to_string(s.n) + "," + std::to_string(s.h) + "," + std::to_string(s.w) + "," + std::to_string(s.c) +
         "]";
}

/// `other` must have the prediction's shape (with `channels` channels, where that isn't 0).
inline void require_shape(const char* loss, const Shape& prediction, const char* what, const Shape& other,
                          index_t channels = 0) {
  Shape wanted = prediction;
  if (channels != 0) wanted.c = channels;
  if (!(other == wanted))
    throw Error(std::string("loss ") + loss + ": the " + what + " is " + shape_text(other) + " but the prediction " +
                shape_text(prediction) + " needs " + shape_text(wanted) +
                ". Check the network's output size and channels against the data set's.");
}

/// Depth losses look at neighbours or at logarithms: one channel.
inline void require_depth(const char* loss, const Shape& prediction) {
  if (prediction.c != 1)
    throw Error(std::string("loss ") + loss + ": the prediction is " + shape_text(prediction) +
                " but a depth map has one channel. Give the network one output channel.");
}

} // namespace leadline::trainer::losses
