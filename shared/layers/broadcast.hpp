// What add and mul share: how the second operand is repeated, and how its gradient is summed.
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline::detail {

/// How the second operand's shape relates to the first's, [N,H,W,C].
enum class Broadcast {
  none,     ///< [N,H,W,C]
  pixels,   ///< [N,1,1,C]: one vector per sample
  channels, ///< [N,H,W,1]: one value per pixel
  vector,   ///< [1,1,1,C]: one vector for all
  invalid,
};

inline Broadcast broadcast_of(const Shape& a, const Shape& b) {
  if (a == b) return Broadcast::none;
  if (b == Shape{a.n, 1, 1, a.c}) return Broadcast::pixels;
  if (b == Shape{a.n, a.h, a.w, 1}) return Broadcast::channels;
  if (b == Shape{1, 1, 1, a.c}) return Broadcast::vector;
  return Broadcast::invalid;
}

inline Status infer_broadcast(const NoParams& params, const Shape* src, int num_src, Shape* dst) {
  *dst = {};
  if (num_src != 2) return Status::invalid_argument;
  *dst = src[0];
  for (int i = 0; i < 2; ++i)
    if (const Status status = check_shape(src[i]); status != Status::ok) return status;
  if (broadcast_of(src[0], src[1]) == Broadcast::invalid) return Status::invalid_shape;
  return check_no_params(params);
}

/// `b` seen as a tensor of a's pixels: strides of repeated axes are 0. Its channels are repeated where `shape.c` is 1.
template <class T> Tensor<const T> repeat_pixels(Tensor<const T> b) {
  if (b.shape.n == 1) b.stride_n = 0;
  if (b.shape.h == 1) b.stride_h = 0;
  if (b.shape.w == 1) b.stride_w = 0;
  return b;
}

/// Bytes of scratch that `reduce_broadcast` needs.
inline size_t reduce_broadcast_bytes(const Shape& a, const Shape& b) {
  switch (broadcast_of(a, b)) {
  case Broadcast::pixels: return reduce_pixels_bytes<double>(a, PixelGroups::per_sample, 1);
  case Broadcast::vector: return reduce_pixels_bytes<double>(a, PixelGroups::all, 1);
  default: return 0;
  }
}

/// diff_b = the sum of term(n, h, w, c) over the elements of `shape` where b's element was used, in a fixed order.
template <class T, class Exec, class Term>
void reduce_broadcast(const Exec& exec, const char* label, const Shape& shape, const Term& term,
                      const Tensor<T>& diff_b, bool accumulate, const Workspace& workspace) {
  const Tensor<T> diff = diff_b;
  const index_t channels = shape.c;
  const Broadcast broadcast = broadcast_of(shape, diff.shape);
  if (broadcast == Broadcast::none || broadcast == Broadcast::channels) {
    const bool sum = broadcast == Broadcast::channels;
    parallel_for(exec, label, shape.pixels(), [=] LEADLINE_FUNCTION(index_t p) {
      const index_t w = p % diff.shape.w, nh = p / diff.shape.w;
      const index_t n = nh / diff.shape.h, h = nh % diff.shape.h;
      T* dx = &diff(n, h, w, 0);
      if (sum) {
        double total = 0;
        for (index_t c = 0; c < channels; ++c) total += static_cast<double>(term(n, h, w, c));
        store(dx[0], static_cast<T>(total), accumulate);
      } else {
        for (index_t c = 0; c < channels; ++c) store(dx[c], term(n, h, w, c), accumulate);
      }
    });
  } else {
    reduce_pixels<1>(
        exec, label, shape, broadcast == Broadcast::vector ? PixelGroups::all : PixelGroups::per_sample,
        [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, double* total, index_t) {
          for (index_t c = first; c < last; ++c) total[c - first] += static_cast<double>(term(n, h, w, c));
        },
        reinterpret_cast<double*>(workspace.data),
        [=] LEADLINE_FUNCTION(index_t g, index_t c, const double* total) {
          store(diff(g, 0, 0, c), static_cast<T>(total[0]), accumulate);
        });
  }
}

} // namespace leadline::detail
