// Depthwise convolutions on bytes. Included by int8_kernels.cpp alone.
//
// With VNNI: the bytes of 4 source rows are interleaved, channel by channel, so that one instruction does a column of
// taps; each interleaved column serves all the pixels that it is a tap of. Without: vectors over channels, tap by tap.
#pragma once

#include "shared/layers/host/int8_apply.hpp"

namespace leadline::host {
namespace {

#if defined(__AVX512VNNI__)
constexpr bool interleaves = true;

struct DepthwiseStrip {
  index_t n, y, x, count; // destination pixels
  index_t first_c;
  __mmask64 mask; // channels that are there
};

// `lines`: `[rows / 4][column][4][16][4]` of the strip's source columns.
inline void interleave_columns(const Int8DepthwiseJob& job, const DepthwiseStrip& strip, index_t columns,
                               uint8_t* lines) {
  const uint8_t* image = job.src + strip.n * job.src_stride_n + strip.first_c;
  const index_t x0 = strip.x * job.stride_w - job.padding_left;
  const __m512i outside = _mm512_loadu_si512(job.zeros);
  for (index_t top = 0; top < job.kernel_h; top += 4) {
    const uint8_t* rows[4]; // null: outside
    for (index_t i = 0; i < 4; ++i) {
      const index_t y = strip.y * job.stride_h - job.padding_top + (top + i) * job.dilation_h;
      rows[i] = top + i < job.kernel_h && y >= 0 && y < job.src_h ? image + y * job.src_stride_h : nullptr;
    }
    for (index_t column = 0; column < columns; ++column, lines += 256) {
      const index_t x = x0 + column;
      const bool inside = x >= 0 && x < job.src_w;
      __m512i bytes[4];
      LEADLINE_UNROLL
      for (int i = 0; i < 4; ++i)
        bytes[i] = inside && rows[i] ? _mm512_maskz_loadu_epi8(strip.mask, rows[i] + x * job.src_stride_w) : outside;
      const __m512i ab_low = _mm512_unpacklo_epi8(bytes[0], bytes[1]),
                    cd_low = _mm512_unpacklo_epi8(bytes[2], bytes[3]);
      const __m512i ab_high = _mm512_unpackhi_epi8(bytes[0], bytes[1]);
      const __m512i cd_high = _mm512_unpackhi_epi8(bytes[2], bytes[3]);
      _mm512_store_si512(lines, _mm512_unpacklo_epi16(ab_low, cd_low));
      _mm512_store_si512(lines + 64, _mm512_unpackhi_epi16(ab_low, cd_low));
      _mm512_store_si512(lines + 128, _mm512_unpacklo_epi16(ab_high, cd_high));
      _mm512_store_si512(lines + 192, _mm512_unpackhi_epi16(ab_high, cd_high));
    }
  }
}

constexpr int depthwise_tile = 7; // pixels whose sums lie in registers

inline void depthwise_pixels(const Int8DepthwiseJob& job, const DepthwiseStrip& strip, index_t columns,
                             const uint8_t* lines, index_t first, const int8_t* weights, const int32_t* sums,
                             const float* multipliers) {
  __m512i sum[depthwise_tile][4];
  LEADLINE_UNROLL
  for (int v = 0; v < 4; ++v) {
    const __m512i start = _mm512_loadu_si512(sums + 16 * v);
    LEADLINE_UNROLL
    for (int p = 0; p < depthwise_tile; ++p) sum[p][v] = start;
  }
  const index_t step = job.stride_w * 256;
  for (index_t top = 0; top < job.kernel_h; top += 4, lines += columns * 256)
    for (index_t kx = 0; kx < job.kernel_w; ++kx, weights += 256) {
      const uint8_t* line = lines + (first * job.stride_w + kx * job.dilation_w) * 256;
      LEADLINE_UNROLL
      for (int v = 0; v < 4; ++v) {
        const __m512i w = _mm512_loadu_si512(weights + 64 * v);
        LEADLINE_UNROLL
        for (int p = 0; p < depthwise_tile; ++p)
          sum[p][v] = _mm512_dpbusd_epi32(sum[p][v], _mm512_load_si512(line + p * step + 64 * v), w);
      }
    }
  const __m512 high = _mm512_set1_ps(job.high);
  const __m512i zero_point = _mm512_set1_epi16(static_cast<short>(job.zero_point));
  const __m512i low = _mm512_set1_epi8(static_cast<char>(static_cast<int>(job.low) + job.zero_point));
  uint8_t* dst = job.dst + strip.n * job.dst_stride_n + strip.y * job.dst_stride_h +
                 (strip.x + first) * job.dst_stride_w + strip.first_c;
  LEADLINE_UNROLL
  for (int p = 0; p < depthwise_tile; ++p) {
    if (p >= strip.count - first) return;
    __m512i y[4];
    LEADLINE_UNROLL
    for (int v = 0; v < 4; ++v) {
      const __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[p][v]), _mm512_loadu_ps(multipliers + 16 * v));
      y[v] = _mm512_cvtps_epi32(_mm512_min_ps(x, high)); // too small becomes the smallest integer
    }
    // Packing undoes the order of interleaving.
    const __m512i words_low = _mm512_adds_epi16(_mm512_packs_epi32(y[0], y[1]), zero_point);
    const __m512i words_high = _mm512_adds_epi16(_mm512_packs_epi32(y[2], y[3]), zero_point);
    _mm512_mask_storeu_epi8(dst + p * job.dst_stride_w, strip.mask,
                            _mm512_max_epu8(_mm512_packus_epi16(words_low, words_high), low));
  }
}

void int8_depthwise(const Int8DepthwiseJob& job, index_t task) {
  constexpr index_t groups = int8_depthwise_rows / 4;
  alignas(64) uint8_t lines[groups * int8_depthwise_columns * 256];
  const index_t rows = job.n * job.dst_h, last = smaller((task + 1) * job.rows_per_task, rows);
  const index_t blocks = (job.channels + int8_depthwise_channels - 1) / int8_depthwise_channels;
  const index_t block_weights = (job.kernel_h + 3) / 4 * job.kernel_w * 256;
  DepthwiseStrip strip;
  for (index_t row = task * job.rows_per_task; row < last; ++row) {
    strip.n = row / job.dst_h;
    strip.y = row % job.dst_h;
    for (index_t block = 0; block < blocks; ++block) {
      strip.first_c = block * int8_depthwise_channels;
      const index_t left = job.channels - strip.first_c;
      strip.mask = left >= int8_depthwise_channels ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
      for (strip.x = 0; strip.x < job.dst_w; strip.x += int8_depthwise_strip) {
        strip.count = smaller(int8_depthwise_strip, job.dst_w - strip.x);
        // Whole tiles: the columns of pixels beyond the last one are outside, or unused.
        const index_t pixels = (strip.count + depthwise_tile - 1) / depthwise_tile * depthwise_tile;
        const index_t columns = (pixels - 1) * job.stride_w + (job.kernel_w - 1) * job.dilation_w + 1;
        interleave_columns(job, strip, columns, lines);
        for (index_t first = 0; first < strip.count; first += depthwise_tile)
          depthwise_pixels(job, strip, columns, lines, first,
                           static_cast<const int8_t*>(job.weights) + block * block_weights, job.sums + strip.first_c,
                           job.multipliers + strip.first_c);
      }
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
