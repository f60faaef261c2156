// Depthwise convolutions, forward, data gradient and weight gradient: vectors run over channels, a strip of pixels of
// one row shares its weights. Included by host_kernels.cpp alone.
//
// Forward and data gradient are the same sum: a phase of destination pixels meets a regular grid of taps
// (conv_depthwise.hpp), in the order of the source's rows and columns. Each result is one chain of multiply-adds over
// the taps; taps outside of the image add zero or are left out, by shape alone.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"
#include "shared/layers/host/training_kernels.hpp"

#if defined(__clang__)
#define LEADLINE_UNROLL_STRIP LEADLINE_PRAGMA(clang loop unroll(full))
#else
#define LEADLINE_UNROLL_STRIP LEADLINE_PRAGMA(GCC unroll 32)
#endif

namespace leadline::host {
namespace {

// Pixels of a strip: image sizes are mostly multiples of 7, and 7 sums, a row of weights and a source pixel fit into 16
// registers.
constexpr int strip_pixels = 7;
constexpr int any_taps = 0; // a number of taps and steps known at run time alone

// Up to a vector of channels that begin at p; what lies beyond is zero.
template <bool narrow, class T> inline __attribute__((always_inline)) auto load_lanes(const T* p, index_t count) {
  if constexpr (!narrow) return Simd<T>::load(p);
  alignas(64) T values[Simd<T>::lanes] = {};
  for (index_t c = 0; c < count; ++c) values[c] = p[c];
  return Simd<T>::load(values);
}

// What a strip of destination pixels reads and writes, at the first channel of its vector.
template <class T> struct Strip {
  const T* image;   // source image
  index_t y, x;     // where tap (0, 0) of the first pixel reads
  const T* weights; // of the phase
  const T* bias;    // null: none
  T* dst;
  index_t count;             // pixels that are there
  index_t first_lane, lanes; // what is written of the vector
};

// dst = activation(sum) for a strip that isn't whole, or whose activation has no vector form.
template <class T> void finish_strip(const DepthwiseJob<T>& job, const Strip<T>& strip, T (*sum)[Simd<T>::lanes]) {
  if (job.epilogue == 3) job.activate(job.activation, sum[0], strip_pixels * Simd<T>::lanes);
  for (index_t i = 0; i < strip.count; ++i) {
    T* pixel = strip.dst + i * job.dst_step_w * job.dst_stride_w;
    for (index_t c = strip.first_lane; c < strip.lanes; ++c)
      pixel[c] = job.accumulate ? pixel[c] + sum[i][c] : sum[i][c];
  }
}

// dst = activation(bias + sum over the taps of source * weights). taps_w > 0: so many columns of taps, next to each
// other, and pixels `step` columns apart. inner: all columns lie inside of the image, all pixels are there.
template <class T, int taps_w, int step, bool inner, bool narrow>
void run_strip(const DepthwiseJob<T>& job, const DepthwisePhase& phase, const Strip<T>& strip) {
  using S = Simd<T>;
  using Vector = typename S::vector;
  Vector sum[strip_pixels];
  LEADLINE_UNROLL_STRIP
  for (int i = 0; i < strip_pixels; ++i) sum[i] = Vector{};
  const index_t channels = job.channels, stride_w = job.src_stride_w;
  for (int32_t ty = 0; ty < phase.taps_h; ++ty) {
    const index_t y = strip.y + ty * job.tap_step_h;
    if (y < 0 || y >= job.src_h) continue;
    const T* w = strip.weights + ty * phase.taps_w * channels;
    if constexpr (taps_w > 0) {
      Vector tap[taps_w];
      LEADLINE_UNROLL_STRIP
      for (int t = 0; t < taps_w; ++t) tap[t] = S::load(w + t * channels);
      const T* pixels = strip.image + y * job.src_stride_h + strip.x * stride_w;
      LEADLINE_UNROLL_STRIP
      for (int column = 0; column < (strip_pixels - 1) * step + taps_w; ++column) {
        Vector pixel{};
        if (inner || (strip.x + column >= 0 && strip.x + column < job.src_w))
          pixel = S::load(pixels + column * stride_w);
        LEADLINE_UNROLL_STRIP
        for (int i = 0; i < strip_pixels; ++i)
          if (column - i * step >= 0 && column - i * step < taps_w)
            sum[i] = multiply_add(pixel, tap[column - i * step], sum[i]);
      }
    } else {
      const T* row = strip.image + y * job.src_stride_h;
      for (int32_t t = 0; t < phase.taps_w; ++t) {
        const Vector tap = load_lanes<narrow>(w + t * channels, channels);
        LEADLINE_UNROLL_STRIP
        for (int i = 0; i < strip_pixels; ++i) {
          const index_t x = strip.x + i * job.src_step_w + t * job.tap_step_w;
          Vector pixel{};
          if (inner || (x >= 0 && x < job.src_w)) pixel = load_lanes<narrow>(row + x * stride_w, channels);
          sum[i] = multiply_add(pixel, tap, sum[i]);
        }
      }
    }
  }
  const Vector bias = strip.bias ? load_lanes<narrow>(strip.bias, channels) : Vector{};
  LEADLINE_UNROLL_STRIP
  for (int i = 0; i < strip_pixels; ++i) sum[i] += bias;
  if (job.epilogue == 1 || job.epilogue == 2) {
    const Vector zero{};
    LEADLINE_UNROLL_STRIP
    for (int i = 0; i < strip_pixels; ++i) sum[i] = sum[i] < zero ? zero : sum[i]; // NaN stays
  }
  if (job.epilogue == 2) {
    const Vector six = Vector{} + T(6);
    LEADLINE_UNROLL_STRIP
    for (int i = 0; i < strip_pixels; ++i) sum[i] = sum[i] > six ? six : sum[i];
  }
  const index_t pitch = job.dst_step_w * job.dst_stride_w;
  if (!narrow && strip.first_lane == 0 && !job.accumulate && job.epilogue != 3) {
    LEADLINE_UNROLL_STRIP
    for (int i = 0; i < strip_pixels; ++i)
      if (inner || i < strip.count) S::store(strip.dst + i * pitch, sum[i]);
    return;
  }
  alignas(64) T values[strip_pixels][S::lanes];
  LEADLINE_UNROLL_STRIP
  for (int i = 0; i < strip_pixels; ++i) S::store(values[i], sum[i]);
  finish_strip(job, strip, values);
}

// Row `row` of a phase's pixels of image n, written to dst.
template <class T, int taps_w, int step>
void run_row(const DepthwiseJob<T>& job, const DepthwisePhase& phase, index_t n, index_t row, T* dst) {
  using S = Simd<T>;
  const index_t src_step = taps_w > 0 ? step : job.src_step_w, channels = job.channels;
  const index_t columns = (strip_pixels - 1) * src_step + (phase.taps_w - 1) * job.tap_step_w + 1;
  const bool narrow = channels < S::lanes;
  const T* weights = job.weights + phase.first_tap * channels;
  Strip<T> strip{};
  strip.y = phase.src_y + row * job.src_step_h;
  for (index_t x = 0; x < phase.grid_w; x += strip_pixels) {
    strip.x = phase.src_x + x * src_step;
    strip.count = smaller(strip_pixels, phase.grid_w - x);
    const bool inner = strip.count == strip_pixels && strip.x >= 0 && strip.x + columns <= job.src_w;
    for (index_t done = 0; done < channels; done += S::lanes) {
      // The last vector begins early enough to be a whole one; what it has in common with the one before is the same.
      const index_t c = narrow ? 0 : smaller(done, channels - S::lanes);
      strip.image = job.src + n * job.src_stride_n + c;
      strip.weights = weights + c;
      strip.bias = job.bias ? job.bias + c : nullptr;
      strip.first_lane = done - c;
      strip.dst =
          dst + x * job.dst_step_w * job.dst_stride_w + done / S::lanes * job.dst_block_stride - strip.first_lane;
      strip.lanes = narrow ? channels : S::lanes;
      if (narrow)
        run_strip<T, any_taps, 0, false, true>(job, phase, strip);
      else if (inner)
        run_strip<T, taps_w, step, true, false>(job, phase, strip);
      else
        run_strip<T, taps_w, step, false, false>(job, phase, strip);
    }
  }
}

template <class T>
void depthwise_row(const DepthwiseJob<T>& job, const DepthwisePhase& phase, index_t n, index_t row, T* dst) {
  if constexpr (sizeof(T) == sizeof(float)) // what networks have; double is for tests
    switch (job.tap_step_w == 1 ? phase.taps_w * 10 + job.src_step_w : 0) {
    case 31: return run_row<T, 3, 1>(job, phase, n, row, dst);
    case 32: return run_row<T, 3, 2>(job, phase, n, row, dst);
    case 51: return run_row<T, 5, 1>(job, phase, n, row, dst);
    case 52: return run_row<T, 5, 2>(job, phase, n, row, dst);
    default: break;
    }
  run_row<T, any_taps, 0>(job, phase, n, row, dst);
}

// A task is a range of the rows of all phases, images one after the other.
template <class T> void depthwise(const DepthwiseJob<T>& job, index_t task) {
  const index_t last = (task + 1) * job.rows / job.tasks;
  for (index_t row = task * job.rows / job.tasks; row < last; ++row) {
    const DepthwisePhase* phase = job.phases;
    while (row >= phase->first_row + job.n * phase->grid_h) ++phase;
    const index_t n = (row - phase->first_row) / phase->grid_h, y = (row - phase->first_row) % phase->grid_h;
    depthwise_row(job, *phase, n, y,
                  job.dst + n * job.dst_stride_n + (phase->start_h + y * job.dst_step_h) * job.dst_stride_h +
                      phase->start_w * job.dst_stride_w);
  }
}

// A row of output pixels' part of a weight gradient, one vector of image channels: sums[tap] += pixel * output, which
// is the same channels of the output side, or (few) one of it for all.
template <class T, int taps_w, int step, bool few, bool inner, bool narrow>
void sum_gradient(const WeightGradientJob<T>& job, const T* image, const T* output, index_t source_y, index_t source_x,
                  index_t count, T* sums) {
  using S = Simd<T>;
  typename S::vector out[strip_pixels];
  LEADLINE_UNROLL_STRIP
  for (int i = 0; i < strip_pixels; ++i)
    if (!inner && i >= count)
      out[i] = typename S::vector{};
    else if constexpr (few)
      out[i] = typename S::vector{} + output[i * job.output_stride_w];
    else
      out[i] = load_lanes<narrow>(output + i * job.output_stride_w, job.channels);
  for (index_t kh = 0; kh < job.kh; ++kh) {
    const index_t y = source_y + kh * job.dilation_h;
    if (y < 0 || y >= job.ih) continue;
    const T* row = image + y * job.image_stride_h;
    T* row_sums = sums + kh * job.kw * S::lanes;
    if constexpr (taps_w > 0) {
      typename S::vector sum[taps_w];
      LEADLINE_UNROLL_STRIP
      for (int t = 0; t < taps_w; ++t) sum[t] = S::load(row_sums + t * S::lanes);
      LEADLINE_UNROLL_STRIP
      for (int column = 0; column < (strip_pixels - 1) * step + taps_w; ++column) {
        typename S::vector pixel{};
        if (inner || (source_x + column >= 0 && source_x + column < job.iw))
          pixel = S::load(row + (source_x + column) * job.image_stride_w);
        LEADLINE_UNROLL_STRIP
        for (int i = 0; i < strip_pixels; ++i)
          if (column - i * step >= 0 && column - i * step < taps_w)
            sum[column - i * step] = multiply_add(pixel, out[i], sum[column - i * step]);
      }
      LEADLINE_UNROLL_STRIP
      for (int t = 0; t < taps_w; ++t) S::store(row_sums + t * S::lanes, sum[t]);
    } else {
      for (index_t kw = 0; kw < job.kw; ++kw) {
        typename S::vector sum = S::load(row_sums + kw * S::lanes);
        LEADLINE_UNROLL_STRIP
        for (int i = 0; i < strip_pixels; ++i) {
          const index_t x = source_x + i * job.stride_w + kw * job.dilation_w;
          typename S::vector pixel{};
          if (inner || (x >= 0 && x < job.iw)) pixel = load_lanes<narrow>(row + x * job.image_stride_w, job.channels);
          sum = multiply_add(pixel, out[i], sum);
        }
        S::store(row_sums + kw * S::lanes, sum);
      }
    }
  }
}

// partial[tap][channel] += the sums of one row of output pixels. few: of output channel o.
template <class T, int taps_w, int step, bool few>
void depthwise_gradient_row(const WeightGradientJob<T>& job, index_t n, index_t y, index_t o, T* sums, T* partial) {
  using S = Simd<T>;
  const index_t channels = job.channels, taps = job.kh * job.kw, vectors = (channels + S::lanes - 1) / S::lanes;
  const index_t columns = (strip_pixels - 1) * job.stride_w + (job.kw - 1) * job.dilation_w + 1;
  const bool narrow = channels < S::lanes;
  // The last vector begins early enough to be a whole one.
  const auto first_channel = [&](index_t v) { return narrow ? 0 : smaller(v * S::lanes, channels - S::lanes); };
  for (index_t i = 0; i < vectors * taps * S::lanes; ++i) sums[i] = T(0);
  for (index_t x = 0; x < job.ow; x += strip_pixels) {
    const index_t source_y = y * job.stride_h - job.padding_top, source_x = x * job.stride_w - job.padding_left;
    const index_t count = smaller(strip_pixels, job.ow - x);
    const bool inner = count == strip_pixels && source_x >= 0 && source_x + columns <= job.iw;
    for (index_t v = 0; v < vectors; ++v) {
      const index_t c = first_channel(v);
      const T* image = job.image + n * job.image_stride_n + c;
      const T* strip =
          job.output + n * job.output_stride_n + y * job.output_stride_h + x * job.output_stride_w + (few ? o : c);
      T* to = sums + v * taps * S::lanes;
      if (narrow)
        sum_gradient<T, any_taps, 0, few, false, true>(job, image, strip, source_y, source_x, count, to);
      else if (inner)
        sum_gradient<T, taps_w, step, few, true, false>(job, image, strip, source_y, source_x, count, to);
      else
        sum_gradient<T, taps_w, step, few, false, false>(job, image, strip, source_y, source_x, count, to);
    }
  }
  for (index_t v = 0; v < vectors; ++v) {
    const index_t c = first_channel(v), first = v * S::lanes - c, last = narrow ? channels : S::lanes;
    for (index_t t = 0; t < taps; ++t) {
      T* to = partial + t * channels + c;
      const T* from = sums + (v * taps + t) * S::lanes;
      if (first == 0 && last == S::lanes)
        S::store(to, S::load(to) + S::load(from));
      else
        for (index_t j = first; j < last; ++j) to[j] += from[j];
    }
  }
}

// A slot sums the chunks [slot * chunks / slots, ...) of output rows into its own partial result, row by row: short
// chains keep float's rounding small.
template <class T> void depthwise_gradient(const WeightGradientJob<T>& job, unsigned char* scratch, index_t slot) {
  T* partial = job.partial + slot * job.partial_values;
  for (index_t i = 0; i < job.partial_values; ++i) partial[i] = T(0);
  T* sums = reinterpret_cast<T*>(scratch);
  const index_t chunks = job.n * job.chunks_per_image, tap_values = job.kh * job.kw * job.channels;
  for (index_t chunk = slot * chunks / job.slots; chunk < (slot + 1) * chunks / job.slots; ++chunk) {
    const index_t n = chunk / job.chunks_per_image, y0 = chunk % job.chunks_per_image * job.rows_per_chunk;
    for (index_t y = y0; y < smaller(y0 + job.rows_per_chunk, job.oh); ++y) {
      const int32_t special = sizeof(T) != sizeof(float) || job.dilation_w != 1 || job.stride_w > 2
                                  ? 0 // double is for tests
                                  : static_cast<int32_t>(job.kw * 10 + job.stride_w);
      if (job.few) {
        for (index_t o = 0; o < job.group_oc; ++o)
          if (special == 31)
            depthwise_gradient_row<T, 3, 1, true>(job, n, y, o, sums, partial + o * tap_values);
          else
            depthwise_gradient_row<T, any_taps, 0, true>(job, n, y, o, sums, partial + o * tap_values);
        continue;
      }
      if constexpr (sizeof(T) == sizeof(float)) switch (special) {
        case 31: depthwise_gradient_row<T, 3, 1, false>(job, n, y, 0, sums, partial); continue;
        case 32: depthwise_gradient_row<T, 3, 2, false>(job, n, y, 0, sums, partial); continue;
        case 51: depthwise_gradient_row<T, 5, 1, false>(job, n, y, 0, sums, partial); continue;
        case 52: depthwise_gradient_row<T, 5, 2, false>(job, n, y, 0, sums, partial); continue;
        default: break;
        }
      depthwise_gradient_row<T, any_taps, 0, false>(job, n, y, 0, sums, partial);
    }
  }
}

} // namespace
} // namespace leadline::host
