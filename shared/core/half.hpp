// Floats of 16 bits: f16 (IEEE 754 binary16: 5 bits of exponent, 10 of mantissa) and bf16 (8 and 7). Integer
// arithmetic, but for one exact conversion: the same on every machine, whatever its rounding mode and its way with
// denormals.
#pragma once

#include "shared/core/config.hpp"

namespace leadline {

/// Rounds to nearest, ties to even; NaN stays NaN, denormals stay. The same on every level and in packed weights.
LEADLINE_ALWAYS_INLINE uint32_t bf16_bits_of(uint32_t bits) {
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, quiet = bits >> 16 | 0x40u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
}
LEADLINE_ALWAYS_INLINE uint16_t round_to_bf16(float value) {
  return static_cast<uint16_t>(bf16_bits_of(__builtin_bit_cast(uint32_t, value)));
}
LEADLINE_ALWAYS_INLINE float widen_bf16(uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

/// The same for f16; values from 65520 on become infinity.
LEADLINE_ALWAYS_INLINE uint16_t round_to_f16(float value) {
  const uint32_t all = __builtin_bit_cast(uint32_t, value), sign = all >> 16 & 0x8000u, bits = all & 0x7fffffffu;
  if (bits > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (bits >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  uint32_t mantissa = bits & 0x7fffffu, shift = 13, base = (bits >> 23) - 112;
  if (bits < 0x38800000u) { // below 2^-14: multiples of 2^-24
    const uint32_t exponent = bits >> 23;
    if (exponent < 102) return static_cast<uint16_t>(sign);
    mantissa |= 0x800000u;
    shift = 126 - exponent;
    base = 0;
  }
  const uint32_t half = (1u << (shift - 1)) - 1 + (mantissa >> shift & 1u);
  // A carry out of the mantissa is the next exponent's first number, as it should be.
  return static_cast<uint16_t>(sign | ((base << 10) + ((mantissa + half) >> shift)));
}
LEADLINE_ALWAYS_INLINE float widen_f16(uint16_t bits) {
  const uint32_t magnitude = bits & 0x7fffu;
  const uint32_t normal = (magnitude << 13) + (magnitude < 0x7c00u ? 112u << 23 : 224u << 23);
  const float denormal =
      static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f; // exact, and no denormal itself
  const uint32_t value = magnitude < 0x400u ? __builtin_bit_cast(uint32_t, denormal) : normal;
  return __builtin_bit_cast(float, value | static_cast<uint32_t>(bits & 0x8000u) << 16);
}

} // namespace leadline
