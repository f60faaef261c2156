// One vector type per ISA level: only what the register tiles need. Included by host_kernels.cpp alone.
//
// Compiler vector extensions (g++, clang) give loads, stores and arithmetic for any width; the fused multiply-add is
// the one operation they can't spell without letting the compiler contract at will, so it is an intrinsic per level.
#pragma once

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <stdint.h>

namespace leadline::host {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64, tile_rows = 14;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, tile_rows = 6;
#elif defined(__aarch64__)
constexpr int vector_bytes = 16, tile_rows = 12;
#else
constexpr int vector_bytes = 16, tile_rows = 6;
#endif

template <class T> struct Simd {
  typedef T vector __attribute__((vector_size(vector_bytes)));
  typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(sizeof(T)), may_alias));
  static constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

  static inline __attribute__((always_inline)) vector load(const T* p) {
    return *reinterpret_cast<const unaligned*>(p);
  }
  static inline __attribute__((always_inline)) void store(T* p, vector v) { *reinterpret_cast<unaligned*>(p) = v; }
};

inline __attribute__((always_inline)) Simd<float>::vector multiply_add(float a, Simd<float>::vector b,
                                                                       Simd<float>::vector c) {
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
inline __attribute__((always_inline)) Simd<double>::vector multiply_add(double a, Simd<double>::vector b,
                                                                        Simd<double>::vector c) {
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
inline __attribute__((always_inline)) Simd<float>::vector multiply_add(Simd<float>::vector a, Simd<float>::vector b,
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
inline __attribute__((always_inline)) Simd<double>::vector multiply_add(Simd<double>::vector a, Simd<double>::vector b,
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

} // namespace
} // namespace leadline::host
