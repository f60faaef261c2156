// Quantised values: bytes that stand for reals, real = scale * (q - zero_point), and the one formula that makes them.
//
// Products are summed in int32, exactly. A sum becomes a byte by one conversion to float, one product, a clamp and one
// rounding to nearest even (B. Jacob et al., "Quantization and training of neural networks for efficient
// integer-arithmetic-only inference", 2018, with a float in the place of their fixed-point multiplier). IEEE 754
// defines each step, nothing is fused, so every kernel on every machine gives the same bytes.
//
// A layer that can run on bytes has besides its float passes (layer.hpp)
//
//   static constexpr Int8Grid int8_grid = Int8Grid::free;
//   static const char* check_int8(const Params&, const LayerShapes&);  // null, or the rule that is broken
//   template <class Exec> static void forward_int8(const Exec&, const Params&, const Int8Args&);
//   // and, where it has weights or scratch:
//   static size_t prepared_bytes_int8(const LayerShapes&, const Params&, Algorithm);
//   static size_t workspace_bytes_int8(const LayerShapes&, const Params&, Algorithm);
//   template <class Exec> static void prepare_int8(const Exec&, const Params&, const Int8PrepareArgs&);
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

/// What the bytes of a value mean. Scale 0: the value isn't quantised, its elements are floats.
struct Quantization {
  float scale = 0;
  int32_t zero_point = 0;

  LEADLINE_INLINE_FUNCTION bool quantized() const { return scale != 0; }
  LEADLINE_INLINE_FUNCTION bool operator==(const Quantization& other) const {
    return scale == other.scale && zero_point == other.zero_point;
  }
};

/// Scales of values and weights: products of three of them, and their quotients, are normal floats.
constexpr float min_scale = 0x1p-40f, max_scale = 0x1p40f;
inline bool valid_scale(float scale) { return scale >= min_scale && scale <= max_scale; }
/// Quantised or not, but well-formed.
inline bool valid_quantization(const Quantization& q) {
  return q.scale == 0 ? q.zero_point == 0 : valid_scale(q.scale) && q.zero_point >= 0 && q.zero_point <= 255;
}

/// Products that one sum may have: 255 * 128 * max_int8_products < 2^30, and as much is left for the bias.
constexpr index_t max_int8_products = 32768;
constexpr float max_int8_bias = 0x1p30f; ///< in units of the sum
/// Bytes that kernels may read, and don't use, behind a quantised value's last one.
constexpr size_t int8_slack = 3;

/// How a layer's sides relate.
enum class Int8Grid : uint8_t {
  free,     ///< bytes to bytes, each value with a quantisation of its own
  same,     ///< bytes to bytes, all with the same one
  to_bytes, ///< floats to bytes: Quantize
  to_floats ///< bytes to floats: Dequantize
};

/// A conv's or linear's weights: scales of output channels, values in the layer's own layout, bias (may be null).
struct Int8Weights {
  const float* scales = nullptr;
  const int8_t* values = nullptr;
  const float* bias = nullptr;
};

/// Arguments of `prepare_int8`.
struct Int8PrepareArgs {
  LayerShapes shapes;
  Quantization src, dst;
  Int8Weights weights;
  void* prepared = nullptr; ///< `prepared_bytes_int8`, aligned to 64
  Algorithm algorithm = Algorithm::portable;
};

/// Arguments of `forward_int8`. Tensors as in ForwardArgs; up to `int8_slack` bytes behind a source may be read.
struct Int8Args {
  int num_src = 0;
  Tensor<const uint8_t> src[max_inputs];
  Tensor<uint8_t> dst;
  Tensor<const float> float_src; ///< Int8Grid::to_bytes
  Tensor<float> float_dst;       ///< Int8Grid::to_floats
  Quantization src_quantization[max_inputs], dst_quantization;
  Int8Weights weights;
  const void* prepared = nullptr; ///< null: prepared in the workspace, which then has room for it
  Workspace workspace;
  Algorithm algorithm = Algorithm::portable;
};

/// The bytes that a layer may answer: floats `low` and `high` count from the zero point.
struct ByteRange {
  float low = 0, high = 255;
  int32_t zero_point = 0;
};

/// Rounds to nearest, ties to even; |x| < 2^22.
LEADLINE_INLINE_FUNCTION float round_half_even(float x) {
  constexpr float rounder = 0x1.8p23f;
  return (x + rounder) - rounder;
}
/// |x| < 2^51.
LEADLINE_INLINE_FUNCTION double round_half_even(double x) {
  constexpr double rounder = 0x1.8p52;
  return (x + rounder) - rounder;
}

/// The byte for a real in units of dst's scale. NaN gives the lowest.
LEADLINE_INLINE_FUNCTION uint8_t to_byte(float x, const ByteRange& range) {
  x = x > range.low ? x : range.low;
  x = x < range.high ? x : range.high;
  return static_cast<uint8_t>(static_cast<int32_t>(round_half_even(x)) + range.zero_point);
}
/// The byte for a sum of products; multiplier = scales of the factors / scale of dst.
LEADLINE_INLINE_FUNCTION uint8_t requantize(int32_t sum, float multiplier, const ByteRange& range) {
  return to_byte(static_cast<float>(sum) * multiplier, range);
}

inline ByteRange byte_range(const Quantization& dst) {
  const float zero = static_cast<float>(dst.zero_point);
  return {-zero, 255 - zero, dst.zero_point};
}

/// dst = src.
template <class Exec>
void copy_bytes(const Exec& exec, const char* label, const Tensor<const uint8_t>& src, const Tensor<uint8_t>& dst) {
  const Tensor<const uint8_t> from = src;
  const Tensor<uint8_t> to = dst;
  const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
    const uint8_t* x = &from(n, h, w, 0);
    uint8_t* y = &to(n, h, w, 0);
    for (index_t c = first; c < last; ++c) y[c] = x[c];
  };
  parallel_elements(exec, label, to.shape, kernel, from, to);
}

} // namespace leadline
