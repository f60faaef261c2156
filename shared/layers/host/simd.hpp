// One vector type per ISA level: only what the register tiles need. Included by files alone that are compiled once per
// level.
//
// Compiler vector extensions (g++, clang) give loads, stores and arithmetic for any width; the fused multiply-add is
// the one operation they can't spell without letting the compiler contract at will, so it is an intrinsic per level.
#pragma once

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "shared/core/config.hpp"

namespace leadline::host {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64, tile_rows = 14, gradient_rows = 8;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, tile_rows = 6, gradient_rows = 4;
#elif defined(__aarch64__)
constexpr int vector_bytes = 16, tile_rows = 10, gradient_rows = 8; // 12 rows would fit, but g++ 12 spills
#else
constexpr int vector_bytes = 16, tile_rows = 6, gradient_rows = 4;
#endif

template <class T> struct Simd {
  typedef T vector __attribute__((vector_size(vector_bytes)));
  typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(sizeof(T)), may_alias));
  static constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

  static LEADLINE_ALWAYS_INLINE vector load(const T* p) { return *reinterpret_cast<const unaligned*>(p); }
  static LEADLINE_ALWAYS_INLINE void store(T* p, vector v) { *reinterpret_cast<unaligned*>(p) = v; }
};

LEADLINE_ALWAYS_INLINE Simd<float>::vector multiply_add(float a, Simd<float>::vector b, Simd<float>::vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(_mm512_set1_ps(a), b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(_mm256_set1_ps(a), b, c);
#elif defined(__aarch64__)
  return vfmaq_n_f32(c, b, a);
#else
  return c + a * b; // two roundings: this level has no fused form
#endif
}
LEADLINE_ALWAYS_INLINE Simd<double>::vector multiply_add(double a, Simd<double>::vector b, Simd<double>::vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(_mm512_set1_pd(a), b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_pd(_mm256_set1_pd(a), b, c);
#elif defined(__aarch64__)
  return vfmaq_n_f64(c, b, a);
#else
  return c + a * b;
#endif
}
LEADLINE_ALWAYS_INLINE Simd<float>::vector multiply_add(Simd<float>::vector a, Simd<float>::vector b,
                                                        Simd<float>::vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return c + a * b;
#endif
}
LEADLINE_ALWAYS_INLINE Simd<double>::vector multiply_add(Simd<double>::vector a, Simd<double>::vector b,
                                                         Simd<double>::vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_pd(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f64(c, a, b);
#else
  return c + a * b;
#endif
}

/// The first `count` elements from p on, at most all and none where count <= 0; the others are zero. Never reads beyond
/// the last.
template <class T> LEADLINE_ALWAYS_INLINE typename Simd<T>::vector load_some(const T* p, index_t count) {
  if (count >= Simd<T>::lanes) return Simd<T>::load(p);
  if (count <= 0) return typename Simd<T>::vector{};
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float)) return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
#endif
  alignas(64) T values[Simd<T>::lanes] = {};
  for (index_t i = 0; i < count; ++i) values[i] = p[i];
  return Simd<T>::load(values);
}

/// The first `count` elements, at most all and none where count <= 0. Never writes beyond the last.
template <class T> LEADLINE_ALWAYS_INLINE void store_some(T* p, typename Simd<T>::vector v, index_t count) {
  if (count >= Simd<T>::lanes) return Simd<T>::store(p, v);
  if (count <= 0) return;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float))
    return _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), v);
#endif
  alignas(64) T values[Simd<T>::lanes];
  Simd<T>::store(values, v);
  for (index_t i = 0; i < count; ++i) p[i] = values[i];
}

/// Asks for `count` elements that are going to be written, so that stores don't wait for their cache lines.
template <class T> LEADLINE_ALWAYS_INLINE void prefetch_for_write(const T* p, index_t count) {
  constexpr index_t line = 64 / static_cast<index_t>(sizeof(T));
  for (index_t i = 0; i < count; i += line) __builtin_prefetch(p + i, 1);
}

template <int... i> struct Indices {};
template <int n, int... i> struct IndicesBelow : IndicesBelow<n - 1, n - 1, i...> {};
template <int... i> struct IndicesBelow<0, i...> { using type = Indices<i...>; };

/// Of a and b, seen as segments of `length` lanes: the first half (`part` 0) or the second (length / 2) of each.
template <int length, int part, class V, int... i> LEADLINE_ALWAYS_INLINE V halves(V a, V b, Indices<i...>) {
  constexpr int lanes = sizeof...(i), half = length / 2;
  return __builtin_shufflevector(a, b,
                                 (i / (lanes / 2) * lanes + i % (lanes / 2) / half * length + i % half + part)...);
}

/// Lane r of the result is the sum of all lanes of rows[r]: x[i] + x[i + lanes / 2], and so on down to one.
/// `rows` has as many vectors as a vector has lanes, and is overwritten.
template <class T, int length = Simd<T>::lanes>
LEADLINE_ALWAYS_INLINE typename Simd<T>::vector sum_rows(typename Simd<T>::vector* rows) {
  if constexpr (length > 1) {
    const typename IndicesBelow<Simd<T>::lanes>::type all;
    for (int j = 0; j < length / 2; ++j)
      rows[j] = halves<length, 0>(rows[2 * j], rows[2 * j + 1], all) +
                halves<length, length / 2>(rows[2 * j], rows[2 * j + 1], all);
    return sum_rows<T, length / 2>(rows);
  }
  return rows[0];
}

/// The epilogues that kernels have in their own vectors; others go through a job's activate(). NaN passes through.
enum class Epilogue : int32_t { none = 0, relu = 1, relu6 = 2, other = 3 };

template <Epilogue epilogue, class Vector> LEADLINE_ALWAYS_INLINE Vector apply_epilogue(Vector y) {
  if constexpr (epilogue == Epilogue::relu || epilogue == Epilogue::relu6) y = y < Vector{} ? Vector{} : y;
  if constexpr (epilogue == Epilogue::relu6) y = y > Vector{} + 6 ? Vector{} + 6 : y;
  return y;
}

} // namespace
} // namespace leadline::host
