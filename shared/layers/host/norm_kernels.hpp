// Batch norm's passes over pixels, activation included. Included by host_kernels.cpp alone.
//
// Every operation is one of IEEE 754 on one channel, pixels come in order: the bits don't depend on the vector's width
// or on who wrote the loop. Only time does: these passes are as fast as memory where the statistics' conversions to
// double find wide registers.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"
#include "shared/layers/host/training_kernels.hpp"

namespace leadline::host {
namespace {

/// `lanes` channels at a time: values in T, sums in double. lanes = 1 is for the channels that fill no vector.
template <class T, int lanes_> struct Channels {
  static constexpr int lanes = lanes_;
  typedef T values __attribute__((vector_size(lanes_ * sizeof(T))));
  typedef T unaligned __attribute__((vector_size(lanes_ * sizeof(T)), aligned(sizeof(T)), may_alias));
  typedef double sums __attribute__((vector_size(lanes_ * sizeof(double))));
  typedef double unaligned_sums
      __attribute__((vector_size(lanes_ * sizeof(double)), aligned(sizeof(double)), may_alias));

  static inline __attribute__((always_inline)) values load(const T* p) {
    return *reinterpret_cast<const unaligned*>(p);
  }
  static inline __attribute__((always_inline)) void store(T* p, values v) { *reinterpret_cast<unaligned*>(p) = v; }
  static inline __attribute__((always_inline)) sums widen(values v) {
#if defined(__AVX512F__) // g++ 12 converts 512 bits in halves, and warns about the form without a mask
    if constexpr (sizeof(values) == 32 && sizeof(T) == sizeof(float)) return _mm512_maskz_cvtps_pd(0xFF, v);
#endif
    return __builtin_convertvector(v, sums);
  }
  static inline __attribute__((always_inline)) sums load_sums(const double* p) {
    return *reinterpret_cast<const unaligned_sums*>(p);
  }
  static inline __attribute__((always_inline)) void store_sums(double* p, sums v) {
    *reinterpret_cast<unaligned_sums*>(p) = v;
  }
};

template <class T> struct Channels<T, 1> {
  static constexpr int lanes = 1;
  using values = T;
  using sums = double;
  static inline __attribute__((always_inline)) T load(const T* p) { return *p; }
  static inline __attribute__((always_inline)) void store(T* p, T v) { *p = v; }
  static inline __attribute__((always_inline)) double widen(T v) { return static_cast<double>(v); }
  static inline __attribute__((always_inline)) double load_sums(const double* p) { return *p; }
  static inline __attribute__((always_inline)) void store_sums(double* p, double v) { *p = v; }
};

// f(z), and the gradient's way back through it: activation.hpp's formulas for the kinds that are comparisons.
template <NormActivation kind, class V, class T> inline __attribute__((always_inline)) V norm_activate(V z, T alpha) {
  const V zero = {}, six = zero + T(6);
  if constexpr (kind == NormActivation::relu) return z < zero ? zero : z;
  if constexpr (kind == NormActivation::relu6) return z < zero ? zero : (z > six ? six : z);
  if constexpr (kind == NormActivation::leaky_relu) return z > zero ? z : alpha * z;
  return z;
}
template <NormActivation kind, class V, class T>
inline __attribute__((always_inline)) V norm_activate_backward(V z, V dy, T alpha) {
  const V zero = {}, six = zero + T(6);
  if constexpr (kind == NormActivation::relu) return z > zero ? dy : zero;
  if constexpr (kind == NormActivation::relu6) return z > zero ? (z < six ? dy : zero) : zero;
  if constexpr (kind == NormActivation::leaky_relu) return z > zero ? dy : alpha * dy;
  return dy;
}

// The passes for `blocks` vectors of channels from channel c on: their factors stay in registers for all pixels.
template <class T, class C, int blocks>
inline __attribute__((always_inline)) void norm_sums_block(const NormJob<T>& job, index_t c, double* total) {
  typename C::sums sum[blocks];
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) sum[b] = C::load_sums(total + c + b * C::lanes);
  const T* x = job.src + c;
  for (index_t p = 0; p < job.pixels; ++p, x += job.src_step) {
    LEADLINE_UNROLL
    for (int b = 0; b < blocks; ++b) sum[b] += C::widen(C::load(x + b * C::lanes));
  }
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) C::store_sums(total + c + b * C::lanes, sum[b]);
}

template <class T, class C, int blocks>
inline __attribute__((always_inline)) void norm_statistics_block(const NormJob<T>& job, index_t c, double* total) {
  typename C::sums shift[blocks], sum[blocks], squares[blocks];
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) {
    shift[b] = C::widen(C::load(job.shift + c + b * C::lanes));
    sum[b] = C::load_sums(total + c + b * C::lanes);
    squares[b] = C::load_sums(total + job.channels + c + b * C::lanes);
  }
  const T* x = job.src + c;
  for (index_t p = 0; p < job.pixels; ++p, x += job.src_step) {
    LEADLINE_UNROLL
    for (int b = 0; b < blocks; ++b) {
      const typename C::sums d = C::widen(C::load(x + b * C::lanes)) - shift[b];
      sum[b] += d;
      squares[b] += d * d;
    }
  }
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) {
    C::store_sums(total + c + b * C::lanes, sum[b]);
    C::store_sums(total + job.channels + c + b * C::lanes, squares[b]);
  }
}

template <class T, class C, int blocks, NormActivation kind>
inline __attribute__((always_inline)) void norm_forward_block(const NormJob<T>& job, index_t c) {
  typename C::values mean[blocks], scale[blocks], bias[blocks];
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) {
    mean[b] = C::load(job.mean + c + b * C::lanes);
    scale[b] = C::load(job.scale + c + b * C::lanes);
    bias[b] = C::load(job.bias + c + b * C::lanes);
  }
  const T* x = job.src + c;
  T* y = job.dst + c;
  for (index_t p = 0; p < job.pixels; ++p, x += job.src_step, y += job.dst_step) {
    LEADLINE_UNROLL
    for (int b = 0; b < blocks; ++b) {
      const typename C::values z = (C::load(x + b * C::lanes) - mean[b]) * scale[b] + bias[b];
      C::store(y + b * C::lanes, norm_activate<kind>(z, job.alpha));
    }
  }
}

template <class T, class C, int blocks, NormActivation kind>
inline __attribute__((always_inline)) void norm_backward_sums_block(const NormJob<T>& job, index_t c, double* total) {
  typename C::values mean[blocks], scale[blocks], bias[blocks];
  typename C::sums sum[blocks], product[blocks];
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) {
    mean[b] = C::load(job.mean + c + b * C::lanes);
    scale[b] = C::load(job.scale + c + b * C::lanes);
    bias[b] = C::load(job.bias + c + b * C::lanes);
    sum[b] = C::load_sums(total + c + b * C::lanes);
    product[b] = C::load_sums(total + job.channels + c + b * C::lanes);
  }
  const T *x = job.src + c, *dy = job.diff_dst + c;
  for (index_t p = 0; p < job.pixels; ++p, x += job.src_step, dy += job.diff_dst_step) {
    LEADLINE_UNROLL
    for (int b = 0; b < blocks; ++b) {
      const typename C::values d = C::load(x + b * C::lanes) - mean[b];
      const typename C::values dz =
          norm_activate_backward<kind>(d * scale[b] + bias[b], C::load(dy + b * C::lanes), job.alpha);
      const typename C::sums wide = C::widen(dz);
      sum[b] += wide;
      product[b] += wide * C::widen(d);
    }
  }
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) {
    C::store_sums(total + c + b * C::lanes, sum[b]);
    C::store_sums(total + job.channels + c + b * C::lanes, product[b]);
  }
}

template <class T, class C, int blocks, NormActivation kind>
inline __attribute__((always_inline)) void norm_backward_block(const NormJob<T>& job, index_t c) {
  typename C::values mean[blocks], scale[blocks], bias[blocks], offset[blocks], slope[blocks];
  LEADLINE_UNROLL
  for (int b = 0; b < blocks; ++b) {
    mean[b] = C::load(job.mean + c + b * C::lanes);
    scale[b] = C::load(job.scale + c + b * C::lanes);
    bias[b] = C::load(job.bias + c + b * C::lanes);
    offset[b] = C::load(job.offset + c + b * C::lanes);
    slope[b] = C::load(job.slope + c + b * C::lanes);
  }
  const T *x = job.src + c, *dy = job.diff_dst + c;
  T* dx = job.dst + c;
  for (index_t p = 0; p < job.pixels; ++p, x += job.src_step, dy += job.diff_dst_step, dx += job.dst_step) {
    LEADLINE_UNROLL
    for (int b = 0; b < blocks; ++b) {
      const typename C::values d = C::load(x + b * C::lanes) - mean[b];
      const typename C::values dz =
          norm_activate_backward<kind>(d * scale[b] + bias[b], C::load(dy + b * C::lanes), job.alpha);
      typename C::values value = scale[b] * dz - offset[b] - slope[b] * d;
      if (job.accumulate) value = C::load(dx + b * C::lanes) + value;
      C::store(dx + b * C::lanes, value);
    }
  }
}

// f<Channels, blocks>(c) for all channels: `blocks` vectors at a time, then single ones, then single channels.
template <class T, int lanes, int blocks, class F>
inline __attribute__((always_inline)) void for_channels(index_t count, const F& f) {
  index_t c = 0;
  for (; c + blocks * lanes <= count; c += blocks * lanes) f.template operator()<Channels<T, lanes>, blocks>(c);
  for (; c + lanes <= count; c += lanes) f.template operator()<Channels<T, lanes>, 1>(c);
  for (; c < count; ++c) f.template operator()<Channels<T, 1>, 1>(c);
}
// f<kind>(): the choice is made outside the loops.
template <class F> inline __attribute__((always_inline)) void with_activation(NormActivation kind, const F& f) {
  switch (kind) {
  case NormActivation::identity: return f.template operator()<NormActivation::identity>();
  case NormActivation::relu: return f.template operator()<NormActivation::relu>();
  case NormActivation::relu6: return f.template operator()<NormActivation::relu6>();
  case NormActivation::leaky_relu: return f.template operator()<NormActivation::leaky_relu>();
  }
}

template <class T> void norm_sums(const NormJob<T>& job, double* total) {
  for_channels<T, Simd<double>::lanes, 4>(
      job.channels, [&]<class C, int blocks>(index_t c) { norm_sums_block<T, C, blocks>(job, c, total); });
}
template <class T> void norm_statistics(const NormJob<T>& job, double* total) {
  for_channels<T, Simd<double>::lanes, 4>(
      job.channels, [&]<class C, int blocks>(index_t c) { norm_statistics_block<T, C, blocks>(job, c, total); });
}
template <class T> void norm_forward(const NormJob<T>& job) {
  with_activation(job.activation, [&]<NormActivation kind>() {
    for_channels<T, Simd<T>::lanes, 2>(
        job.channels, [&]<class C, int blocks>(index_t c) { norm_forward_block<T, C, blocks, kind>(job, c); });
  });
}
template <class T> void norm_backward_sums(const NormJob<T>& job, double* total) {
  with_activation(job.activation, [&]<NormActivation kind>() {
    for_channels<T, Simd<double>::lanes, 4>(job.channels, [&]<class C, int blocks>(index_t c) {
      norm_backward_sums_block<T, C, blocks, kind>(job, c, total);
    });
  });
}
template <class T> void norm_backward(const NormJob<T>& job) {
  with_activation(job.activation, [&]<NormActivation kind>() {
    for_channels<T, Simd<T>::lanes, 2>(
        job.channels, [&]<class C, int blocks>(index_t c) { norm_backward_block<T, C, blocks, kind>(job, c); });
  });
}

template <class T> constexpr NormTable<T> norm_table() {
  return {norm_sums<T>, norm_statistics<T>, norm_forward<T>, norm_backward_sums<T>, norm_backward<T>};
}

} // namespace
} // namespace leadline::host
