// What kernels on bytes do element by element. Included by int8_kernels.cpp alone.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"
#include "shared/layers/host/int8.hpp"

namespace leadline::host {
namespace {

// to_byte of quantization.hpp, which the compiler makes vectors of.
LEADLINE_ALWAYS_INLINE uint8_t finish(float x, float low, float high, int32_t zero_point) {
  constexpr float rounder = 0x1.8p23f;
  x = x > low ? x : low;
  x = x < high ? x : high;
  return static_cast<uint8_t>(static_cast<int32_t>((x + rounder) - rounder) + zero_point);
}

#if defined(__AVX512BW__)
// Bytes of one side of a sum as reals in units of the result.
struct AddSide {
  __m512i zero_point;
  __m512 multiplier;

  LEADLINE_ALWAYS_INLINE AddSide(int32_t zero_point_, float multiplier_)
      : zero_point(_mm512_set1_epi32(zero_point_)), multiplier(_mm512_set1_ps(multiplier_)) {}
  LEADLINE_ALWAYS_INLINE __m512 reals(__m128i bytes) const {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero_point)), multiplier);
  }
};

// 64 bytes at a time, which packing saturates; the compiler's vectors below take twice the time. Answers how many.
LEADLINE_ALWAYS_INLINE index_t add_vectors(const Int8AddJob& job, bool repeat_b) {
  const AddSide a(job.a_zero_point, job.a_multiplier), b(job.b_zero_point, job.b_multiplier);
  const __m512 high = _mm512_set1_ps(job.high);
  const __m512i zero_point = _mm512_set1_epi16(static_cast<short>(job.zero_point));
  const __m512i low = _mm512_set1_epi8(static_cast<char>(static_cast<int>(job.low) + job.zero_point));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  index_t i = 0;
  for (; i + 64 <= job.count; i += 64) {
    __m512i y[4];
    LEADLINE_UNROLL
    for (int v = 0; v < 4; ++v) {
      const __m128i left = _mm_loadu_si128(reinterpret_cast<const __m128i*>(job.a + i + 16 * v));
      const __m128i right = repeat_b ? _mm_set1_epi8(static_cast<char>(job.b[0]))
                                     : _mm_loadu_si128(reinterpret_cast<const __m128i*>(job.b + i + 16 * v));
      // To nearest even: see FloatEnvironment. What is too small becomes the smallest integer.
      y[v] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_add_ps(a.reals(left), b.reals(right)), high));
    }
    const __m512i words_low = _mm512_adds_epi16(_mm512_packs_epi32(y[0], y[1]), zero_point);
    const __m512i words_high = _mm512_adds_epi16(_mm512_packs_epi32(y[2], y[3]), zero_point);
    const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words_low, words_high));
    _mm512_storeu_si512(job.dst + i, _mm512_max_epu8(bytes, low));
  }
  return i;
}
#endif

template <bool repeat_b> void add_bytes(const Int8AddJob& job) {
  const uint8_t* __restrict a = job.a, * __restrict b = job.b;
  uint8_t* __restrict dst = job.dst;
  const float a_multiplier = job.a_multiplier, b_multiplier = job.b_multiplier, low = job.low, high = job.high;
  const index_t count = job.count; // a byte that is written could be any of the job's
  const int32_t a_zero = job.a_zero_point, b_zero = job.b_zero_point, zero_point = job.zero_point;
  index_t i = 0;
#if defined(__AVX512BW__)
  i = add_vectors(job, repeat_b);
#endif
  for (; i < count; ++i)
    dst[i] = finish(static_cast<float>(a[i] - a_zero) * a_multiplier +
                        static_cast<float>(b[repeat_b ? 0 : i] - b_zero) * b_multiplier,
                    low, high, zero_point);
}

void int8_add(const Int8AddJob& job) { job.repeat_b ? add_bytes<true>(job) : add_bytes<false>(job); }

} // namespace
} // namespace leadline::host
