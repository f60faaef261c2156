// Shape, layout and the non-owning tensor view that every kernel sees.
#pragma once

#include "shared/core/config.hpp"
#include "shared/core/status.hpp"

namespace leadline {

/// Extents of a four-dimensional tensor, `[N,H,W,C]`. Vectors of features are `[N,1,1,C]`.
struct Shape {
  index_t n = 0, h = 0, w = 0, c = 0;

  LEADLINE_INLINE_FUNCTION index_t count() const { return n * h * w * c; }
  LEADLINE_INLINE_FUNCTION index_t pixels() const { return n * h * w; }
  LEADLINE_INLINE_FUNCTION bool operator==(const Shape& other) const {
    return n == other.n && h == other.h && w == other.w && c == other.c;
  }
};

/// How a value lies in memory; chosen per value by the plan.
enum class Layout : uint8_t {
  nhwc = 0,    ///< channels innermost: portable kernels, GPUs
  blocked = 1, ///< `[C/B][H+halo][W+halo][B]` with a zero halo: host SIMD kernels
};

/// Product with overflow check: returns false and leaves `*product` alone when `a * b` doesn't fit (or is negative).
inline bool checked_multiply(index_t a, index_t b, index_t* product) {
  if (a < 0 || b < 0) return false;
  if (b != 0 && a > INT64_MAX / b) return false;
  *product = a * b;
  return true;
}

/// Number of elements with overflow check; extents may be zero (an empty batch), never negative.
inline Status checked_count(const Shape& shape, index_t* count) {
  index_t total = shape.n;
  if (shape.n < 0 || !checked_multiply(total, shape.h, &total) || !checked_multiply(total, shape.w, &total) ||
      !checked_multiply(total, shape.c, &total) || total > INT64_MAX / 64)
    return shape.n < 0 || shape.h < 0 || shape.w < 0 || shape.c < 0 ? Status::invalid_shape : Status::overflow;
  if (sizeof(size_t) < sizeof(index_t) && total > static_cast<index_t>(INT32_MAX / 32)) return Status::overflow;
  *count = total;
  return Status::ok;
}

/// Non-owning, trivially copyable view of a tensor in the memory of the exec that works on it.
///
/// `stride_n/h/w` count elements; channels are always contiguous, so a slice of channels (one input of a concat) is a
/// Tensor with the strides of the whole and a moved pointer. Copies are shallow; constness of the elements is `T`'s.
template <class T> struct Tensor {
  T* data = nullptr;
  Shape shape;
  index_t stride_n = 0, stride_h = 0, stride_w = 0;
  Layout layout = Layout::nhwc;

  Tensor() = default;
  /// Dense `[N,H,W,C]`.
  LEADLINE_INLINE_FUNCTION Tensor(T* data_, const Shape& shape_)
      : data(data_), shape(shape_), stride_n(shape_.h * shape_.w * shape_.c), stride_h(shape_.w * shape_.c),
        stride_w(shape_.c) {}
  /// Tensor<T> converts to Tensor<const T>.
  template <class U>
  requires(!__is_same(U, T) && __is_same(const U, T)) LEADLINE_INLINE_FUNCTION Tensor(const Tensor<U>& other)
      : data(other.data), shape(other.shape), stride_n(other.stride_n), stride_h(other.stride_h),
        stride_w(other.stride_w), layout(other.layout) {}

  LEADLINE_INLINE_FUNCTION explicit operator bool() const { return data != nullptr; }
  /// Offset of pixel (n, h, w), channel 0.
  LEADLINE_INLINE_FUNCTION index_t offset(index_t n, index_t h, index_t w) const {
    return n * stride_n + h * stride_h + w * stride_w;
  }
  LEADLINE_INLINE_FUNCTION T& operator()(index_t n, index_t h, index_t w, index_t c) const {
    return data[offset(n, h, w) + c];
  }
  /// Pointer to the channels of the `p`-th pixel in N, H, W order.
  LEADLINE_INLINE_FUNCTION T* pixel(index_t p) const {
    const index_t w = p % shape.w, nh = p / shape.w;
    return data + offset(nh / shape.h, nh % shape.h, w);
  }
  /// True when the elements lie back to back.
  LEADLINE_INLINE_FUNCTION bool dense() const {
    return stride_w == shape.c && stride_h == shape.w * stride_w && stride_n == shape.h * stride_h;
  }
  /// Channels `[first, first + count)` of the same pixels.
  LEADLINE_INLINE_FUNCTION Tensor channels(index_t first, index_t count) const {
    Tensor slice = *this;
    slice.data = data + first;
    slice.shape.c = count;
    return slice;
  }
};

/// A block of scratch bytes for one kernel call; the kernel's `workspace_bytes` says how many, the plan provides them.
/// Alignment: 64 bytes.
struct Workspace {
  unsigned char* data = nullptr;
  size_t bytes = 0;
  int threads = 1; ///< how many threads it was sized for: each may want scratch of its own
};

constexpr size_t workspace_alignment = 64;
LEADLINE_INLINE_FUNCTION constexpr size_t align_up(size_t bytes, size_t alignment = workspace_alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

} // namespace leadline
