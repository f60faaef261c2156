// What kernels on bytes do element by element. Included by int8_kernels.cpp alone.
#pragma once

#include "shared/layers/host/int8.hpp"
#include "shared/layers/host/simd.hpp"

namespace leadline::host {
namespace {

// to_byte of quantization.hpp, which the compiler makes vectors of.
LEADLINE_ALWAYS_INLINE uint8_t finish(float x, float low, float high, int32_t zero_point) {
  constexpr float rounder = 0x1.8p23f;
  x = x > low ? x : low;
  x = x < high ? x : high;
  return static_cast<uint8_t>(static_cast<int32_t>((x + rounder) - rounder) + zero_point);
}

template <bool repeat_b> void add_bytes(const Int8AddJob& job) {
  const uint8_t* __restrict a = job.a, * __restrict b = job.b;
  uint8_t* __restrict dst = job.dst;
  const float a_multiplier = job.a_multiplier, b_multiplier = job.b_multiplier, low = job.low, high = job.high;
  const index_t count = job.count; // a byte that is written could be any of the job's
  const int32_t a_zero = job.a_zero_point, b_zero = job.b_zero_point, zero_point = job.zero_point;
  for (index_t i = 0; i < count; ++i)
    dst[i] = finish(static_cast<float>(a[i] - a_zero) * a_multiplier +
                        static_cast<float>(b[repeat_b ? 0 : i] - b_zero) * b_multiplier,
                    low, high, zero_point);
}

void int8_add(const Int8AddJob& job) { job.repeat_b ? add_bytes<true>(job) : add_bytes<false>(job); }

} // namespace
} // namespace leadline::host
