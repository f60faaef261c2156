// Depthwise convolutions on bytes. Included by int8_kernels.cpp alone.
//
// With VNNI: the bytes of 4 source rows are interleaved, channel by channel, so that one instruction does a column of
// taps; each interleaved column serves all the pixels that it is a tap of, of as many destination rows as read no other
// source rows. Without: vectors over channels, tap by tap.
#pragma once

#include "shared/layers/host/int8_apply.hpp"

namespace leadline::host {
namespace {

#if defined(__AVX512VNNI__)
constexpr bool interleaves = true;

struct DepthwiseStrip {
  index_t n, y, x, count, rows; // destination pixels: the first, of a row, rows
  index_t first_c, channels;    // at most int8_depthwise_channels
};

// What puts dword 4 v + i of a vector into place 4 i + v, and back.
LEADLINE_ALWAYS_INLINE __m512i transposed_dwords() {
  return _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

// `lines`: `[row group][column][4][16][4]` of the strip's source columns.
inline void interleave_columns(const Int8DepthwiseJob& job, const DepthwiseStrip& strip, index_t columns,
                               uint8_t* lines) {
  const uint8_t* image = job.src + strip.n * job.src_stride_n + strip.first_c;
  const index_t x0 = strip.x * job.stride_w - job.padding_left;
  const index_t used_rows = (strip.rows - 1) * job.stride_h + job.kernel_h;
  const __mmask64 mask = strip.channels >= 64 ? ~__mmask64{0} : (__mmask64{1} << strip.channels) - 1;
  const __m512i outside = _mm512_loadu_si512(job.zeros), order = transposed_dwords();
  for (index_t top = 0; top < 4 * job.row_groups; top += 4) {
    const uint8_t* rows[4]; // null: outside
    for (index_t i = 0; i < 4; ++i) {
      const index_t y = strip.y * job.stride_h - job.padding_top + (top + i) * job.dilation_h;
      rows[i] = top + i < used_rows && y >= 0 && y < job.src_h ? image + y * job.src_stride_h : nullptr;
    }
    for (index_t column = 0; column < columns; ++column, lines += 256) {
      const index_t x = x0 + column;
      const bool inside = x >= 0 && x < job.src_w;
      __m512i bytes[4];
      LEADLINE_UNROLL
      for (int i = 0; i < 4; ++i) {
        bytes[i] = outside; // the same in all places
        if (inside && rows[i])
          bytes[i] = _mm512_permutexvar_epi32(order, _mm512_maskz_loadu_epi8(mask, rows[i] + x * job.src_stride_w));
      }
      const __m512i ab_low = _mm512_unpacklo_epi8(bytes[0], bytes[1]);
      const __m512i cd_low = _mm512_unpacklo_epi8(bytes[2], bytes[3]);
      _mm512_store_si512(lines, _mm512_unpacklo_epi16(ab_low, cd_low));
      _mm512_store_si512(lines + 64, _mm512_unpackhi_epi16(ab_low, cd_low));
      if (strip.channels <= 32) continue;
      const __m512i ab_high = _mm512_unpackhi_epi8(bytes[0], bytes[1]);
      const __m512i cd_high = _mm512_unpackhi_epi8(bytes[2], bytes[3]);
      _mm512_store_si512(lines + 128, _mm512_unpacklo_epi16(ab_high, cd_high));
      _mm512_store_si512(lines + 192, _mm512_unpackhi_epi16(ab_high, cd_high));
    }
  }
}

// Makes bytes of four vectors of sums, which are 4 / V pixels of 16 V channels, and stores those that are there.
template <int V> struct DepthwiseStore {
  __m512 high;
  __m512i zero_point, low, order;
  index_t stride, channels;

  LEADLINE_ALWAYS_INLINE DepthwiseStore(const Int8DepthwiseJob& job, index_t channels_)
      : high(_mm512_set1_ps(job.high)), zero_point(_mm512_set1_epi16(static_cast<short>(job.zero_point))),
        low(_mm512_set1_epi8(static_cast<char>(static_cast<int>(job.low) + job.zero_point))),
        order(transposed_dwords()), stride(job.dst_stride_w), channels(channels_) {}

  // Too small becomes the smallest integer.
  LEADLINE_ALWAYS_INLINE __m512i words(__m512i sum0, __m512i sum1, __m512 multiplier0, __m512 multiplier1) const {
    const __m512 x0 = _mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum0), multiplier0), high);
    const __m512 x1 = _mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum1), multiplier1), high);
    return _mm512_adds_epi16(_mm512_packs_epi32(_mm512_cvtps_epi32(x0), _mm512_cvtps_epi32(x1)), zero_point);
  }
  LEADLINE_ALWAYS_INLINE void store(__m512i first, __m512i second, uint8_t* dst, index_t pixels) const {
    const __m512i packed = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
    const __m512i bytes = _mm512_max_epu8(packed, low);
    if (channels < 16 * V) return store_some(bytes, dst, pixels);
    if constexpr (V == 4) {
      if (pixels > 0) _mm512_storeu_si512(dst, bytes);
    } else if constexpr (V == 2) {
      if (pixels > 0) _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm512_castsi512_si256(bytes));
      const __m256i other = _mm512_extracti64x4_epi64(bytes, 1);
      if (pixels > 1) _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + stride), other);
    } else {
      __m128i* const to = reinterpret_cast<__m128i*>(dst);
      if (pixels > 0) _mm_storeu_si128(to, _mm512_castsi512_si128(bytes));
      if (pixels > 1) _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + stride), _mm512_extracti32x4_epi32(bytes, 1));
      if (pixels > 2)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 2 * stride), _mm512_extracti32x4_epi32(bytes, 2));
      if (pixels > 3)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 3 * stride), _mm512_extracti32x4_epi32(bytes, 3));
    }
  }
  __attribute__((noinline)) void store_some(__m512i bytes, uint8_t* dst, index_t pixels) const {
    alignas(64) uint8_t values[64];
    _mm512_store_si512(values, bytes);
    for (index_t i = 0; i < smaller(pixels, 4 / V); ++i)
      memcpy(dst + i * stride, values + 16 * V * i, static_cast<size_t>(channels));
  }
};

constexpr int depthwise_tile = 7; // pixels of a row whose sums lie in registers

// R rows and a tile of pixels from `first` on, 16 V channels from channel `c` of the strip on; R V = 4.
template <int R, int V>
void depthwise_pixels(const Int8DepthwiseJob& job, const DepthwiseStrip& strip, index_t columns, const uint8_t* lines,
                      index_t first, index_t c, const int8_t* weights) {
  const int32_t* sums = job.sums + strip.first_c + c;
  const float* multipliers = job.multipliers + strip.first_c + c;
  __m512i sum[R][depthwise_tile][V];
  LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) {
    const __m512i start = _mm512_loadu_si512(sums + 16 * v);
    LEADLINE_UNROLL
    for (int r = 0; r < R; ++r) LEADLINE_UNROLL
    for (int p = 0; p < depthwise_tile; ++p) sum[r][p][v] = start;
  }
  const index_t step = job.stride_w * 256, row_values = job.row_groups * job.kernel_w * 256;
  lines += first * step + 4 * c;
  weights += 4 * c;
  for (index_t group = 0; group < job.row_groups; ++group, lines += columns * 256)
    for (index_t kx = 0; kx < job.kernel_w; ++kx, weights += 256) {
      const uint8_t* line = lines + kx * job.dilation_w * 256;
      LEADLINE_UNROLL
      for (int v = 0; v < V; ++v) {
        __m512i w[R];
        LEADLINE_UNROLL
        for (int r = 0; r < R; ++r) w[r] = _mm512_loadu_si512(weights + r * row_values + 64 * v);
        LEADLINE_UNROLL
        for (int p = 0; p < depthwise_tile; ++p) {
          const __m512i column = _mm512_load_si512(line + p * step + 64 * v);
          LEADLINE_UNROLL
          for (int r = 0; r < R; ++r) sum[r][p][v] = _mm512_dpbusd_epi32(sum[r][p][v], column, w[r]);
        }
      }
    }
  __m512 multiplier[V];
  LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) multiplier[v] = _mm512_loadu_ps(multipliers + 16 * v);
  const DepthwiseStore<V> bytes(job, strip.channels - c);
  const index_t count = strip.count - first;
  uint8_t* dst = job.dst + strip.n * job.dst_stride_n + strip.y * job.dst_stride_h +
                 (strip.x + first) * job.dst_stride_w + strip.first_c + c;
  constexpr int packed = 4 / V, last = depthwise_tile - 1; // pixels that are packed together
  LEADLINE_UNROLL
  for (int r = 0; r < R; ++r) {
    if (r >= strip.rows) return;
    LEADLINE_UNROLL
    for (int p = 0; p < depthwise_tile; p += packed) {
      const int p1 = p + 1 / V, p2 = p + 2 / V < last ? p + 2 / V : last, p3 = p + 3 / V < last ? p + 3 / V : last;
      bytes.store(bytes.words(sum[r][p][0], sum[r][p1][1 % V], multiplier[0], multiplier[1 % V]),
                  bytes.words(sum[r][p2][2 % V], sum[r][p3][3 % V], multiplier[2 % V], multiplier[3 % V]),
                  dst + p * job.dst_stride_w, smaller(count, depthwise_tile) - p);
    }
    dst += job.dst_stride_h;
  }
}

void int8_depthwise(const Int8DepthwiseJob& job, index_t task) {
  constexpr index_t groups = int8_depthwise_rows / 4;
  alignas(64) uint8_t lines[groups * int8_depthwise_columns * 256];
  const index_t rows = job.n * job.dst_h, last = smaller((task + 1) * job.rows_per_task, rows);
  const index_t block_weights = job.rows_together * job.row_groups * job.kernel_w * 256;
  DepthwiseStrip strip;
  for (index_t row = task * job.rows_per_task; row < last; row += strip.rows) {
    strip.n = row / job.dst_h;
    strip.y = row % job.dst_h;
    strip.rows = smaller(job.rows_together, smaller(last - row, job.dst_h - strip.y));
    const bool four = strip.rows > 2, two = strip.rows == 2;
    const auto pixels = four ? depthwise_pixels<4, 1> : two ? depthwise_pixels<2, 2> : depthwise_pixels<1, 4>;
    const index_t channels = four ? 16 : two ? 32 : 64; // of a call
    const int8_t* weights = static_cast<const int8_t*>(job.weights);
    for (strip.first_c = 0; strip.first_c < job.channels; strip.first_c += int8_depthwise_channels) {
      strip.channels = smaller(int8_depthwise_channels, job.channels - strip.first_c);
      for (strip.x = 0; strip.x < job.dst_w; strip.x += int8_depthwise_strip) {
        strip.count = smaller(int8_depthwise_strip, job.dst_w - strip.x);
        // Whole tiles: the columns of pixels beyond the last one are outside, or unused.
        const index_t whole = (strip.count + depthwise_tile - 1) / depthwise_tile * depthwise_tile;
        const index_t columns = (whole - 1) * job.stride_w + (job.kernel_w - 1) * job.dilation_w + 1;
        interleave_columns(job, strip, columns, lines);
        for (index_t c = 0; c < strip.channels; c += channels)
          for (index_t first = 0; first < strip.count; first += depthwise_tile)
            pixels(job, strip, columns, lines, first, c, weights);
      }
      weights += block_weights;
    }
  }
}

#else
constexpr bool interleaves = false;

void int8_depthwise(const Int8DepthwiseJob& job, index_t task) {
  constexpr index_t block = 32; // channels whose sums lie in registers
  const index_t rows = job.n * job.dst_h, last = smaller((task + 1) * job.rows_per_task, rows);
  const int16_t* weights = static_cast<const int16_t*>(job.weights);
  for (index_t row = task * job.rows_per_task; row < last; ++row) {
    const index_t n = row / job.dst_h, oy = row % job.dst_h;
    const index_t y0 = oy * job.stride_h - job.padding_top;
    for (index_t ox = 0; ox < job.dst_w; ++ox) {
      const index_t x0 = ox * job.stride_w - job.padding_left;
      uint8_t* dst = job.dst + n * job.dst_stride_n + oy * job.dst_stride_h + ox * job.dst_stride_w;
      for (index_t c = 0; c < job.channels; c += block) {
        int32_t sum[block];
        const index_t count = smaller(block, job.channels - c);
        for (index_t i = 0; i < count; ++i) sum[i] = job.sums[c + i];
        for (index_t kh = 0; kh < job.kernel_h; ++kh) {
          const index_t y = y0 + kh * job.dilation_h;
          if (y < 0 || y >= job.src_h) continue;
          for (index_t kw = 0; kw < job.kernel_w; ++kw) {
            const index_t x = x0 + kw * job.dilation_w;
            if (x < 0 || x >= job.src_w) continue;
            const uint8_t* s = job.src + n * job.src_stride_n + y * job.src_stride_h + x * job.src_stride_w + c;
            const int16_t* w = weights + (kh * job.kernel_w + kw) * job.channels + c;
            const int16_t zero_point = static_cast<int16_t>(job.src_zero_point);
            if (count == block)
              for (index_t i = 0; i < block; ++i) sum[i] += static_cast<int16_t>(s[i] - zero_point) * w[i];
            else
              for (index_t i = 0; i < count; ++i) sum[i] += static_cast<int16_t>(s[i] - zero_point) * w[i];
          }
        }
        for (index_t i = 0; i < count; ++i)
          dst[c + i] = finish(static_cast<float>(sum[i]) * job.multipliers[c + i], job.low, job.high, job.zero_point);
      }
    }
  }
}
#endif

} // namespace
} // namespace leadline::host
