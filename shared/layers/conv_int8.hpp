// conv2d, conv_transpose2d and linear on bytes: what each output channel needs besides its weights, and the sums as
// conv_geometry.hpp has them for floats, one result at a time. This form defines the results; host/conv_int8.hpp has
// the same bits faster.
#pragma once

#include "shared/layers/conv_geometry.hpp"
#include "shared/layers/quantization.hpp"

namespace leadline {

/// Of an output channel: result = requantize(bias + sum of (src - zero point) * weight, multiplier).
struct Int8Channel {
  int32_t bias;
  float multiplier;
};

namespace conv {

/// Extents of a layer's forward, whichever side of the convolution it computes.
struct Int8Sides {
  bool transposed;
  index_t group_k, group_m; ///< channels read and written per group
  index_t dst_c;
  index_t stride_m, stride_k, stride_tap, stride_group; ///< of the weights

  LEADLINE_INLINE_FUNCTION Int8Sides(const ConvGeometry& g, ConvDirection direction)
      : transposed(direction == ConvDirection::apply_transposed), group_k(transposed ? g.group_oc() : g.group_ic()),
        group_m(transposed ? g.group_ic() : g.group_oc()), dst_c(transposed ? g.ic : g.oc) {
    const index_t row = g.taps() * g.group_ic();
    stride_m = transposed ? 1 : row;
    stride_k = transposed ? row : 1;
    stride_tap = g.group_ic();
    stride_group = g.group_oc() * row;
  }
  LEADLINE_INLINE_FUNCTION index_t weight(index_t m) const {
    return m / group_m * stride_group + m % group_m * stride_m;
  }
};

inline const char* check_int8(const ConvGeometry& g, ConvDirection direction, ActivationKind activation) {
  if (!has_byte_range(activation)) return "a quantised result can have relu or relu6, no other activation";
  if (g.taps() * Int8Sides(g, direction).group_k > max_int8_products)
    return "a quantised result sums more products than 32 bits hold";
  return nullptr;
}

/// What channel `m` needs: its bias in units of the sum, the scales' quotient.
LEADLINE_INLINE_FUNCTION Int8Channel int8_channel(float src_scale, float dst_scale, const Int8Weights& weights,
                                                  index_t m) {
  const float scale = weights.scales[m];
  const double unit = static_cast<double>(src_scale) * static_cast<double>(scale);
  const double bias = weights.bias ? static_cast<double>(weights.bias[m]) / unit : 0;
  return {static_cast<int32_t>(round_half_even(bias)), src_scale * scale / dst_scale};
}

inline size_t int8_channel_bytes(const ConvGeometry& g, ConvDirection direction) {
  return align_up(static_cast<size_t>(Int8Sides(g, direction).dst_c) * sizeof(Int8Channel));
}

template <class Exec>
void prepare_int8(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                  const Int8PrepareArgs& args) {
  Int8Channel* const channels = static_cast<Int8Channel*>(args.prepared);
  const float src_scale = args.src.scale, dst_scale = args.dst.scale;
  const Int8Weights weights = args.weights;
  parallel_for(exec, label, Int8Sides(g, direction).dst_c,
               [=] LEADLINE_FUNCTION(index_t m) { channels[m] = int8_channel(src_scale, dst_scale, weights, m); });
}

/// `prepared` is as prepare_int8 left it.
template <class Exec>
void run_int8(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
              Tensor<const uint8_t> src, int32_t zero_point, const int8_t* weights, const void* prepared,
              ByteRange range, Tensor<uint8_t> dst) {
  const Int8Channel* const channels = static_cast<const Int8Channel*>(prepared);
  const Int8Sides sides(g, direction);
  parallel_for(exec, label, dst.shape.count(), [=] LEADLINE_FUNCTION(index_t i) {
    const index_t m = i % dst.shape.c, p = i / dst.shape.c, x = p % dst.shape.w, y = p / dst.shape.w % dst.shape.h;
    const index_t n = p / (dst.shape.w * dst.shape.h), first_k = m / sides.group_m * sides.group_k;
    const int8_t* const channel_weights = weights + sides.weight(m);
    int32_t sum = channels[m].bias;
    for (index_t kh = 0; kh < g.kh; ++kh) {
      index_t sy =
          sides.transposed ? y + g.padding_top - kh * g.dilation_h : y * g.stride_h - g.padding_top + kh * g.dilation_h;
      if (sy < 0 || (sides.transposed && sy % g.stride_h != 0)) continue;
      if (sides.transposed) sy /= g.stride_h;
      if (sy >= src.shape.h) continue;
      for (index_t kw = 0; kw < g.kw; ++kw) {
        index_t sx = sides.transposed ? x + g.padding_left - kw * g.dilation_w
                                      : x * g.stride_w - g.padding_left + kw * g.dilation_w;
        if (sx < 0 || (sides.transposed && sx % g.stride_w != 0)) continue;
        if (sides.transposed) sx /= g.stride_w;
        if (sx >= src.shape.w) continue;
        const uint8_t* s = &src(n, sy, sx, first_k);
        const int8_t* w = channel_weights + (kh * g.kw + kw) * sides.stride_tap;
        for (index_t k = 0; k < sides.group_k; ++k) sum += (s[k] - zero_point) * w[k * sides.stride_k];
      }
    }
    dst(n, y, x, m) = requantize(sum, channels[m].multiplier, range);
  });
}

} // namespace conv
} // namespace leadline
