// Convolutions on bytes as products over pixels: apply_kernels.hpp's tiles with sums in int32. Included by
// int8_kernels.cpp alone.
//
// A step multiplies 4 channels of a pixel, repeated over a vector, by 4 weights of each of the vector's outputs. With
// VNNI that is one instruction, an output to a lane. Without it bytes become 16-bit numbers whose products are summed
// in pairs: two lanes to an output, added at the end. (The instruction that multiplies bytes saturates, which would
// make results depend on the level.) Arm multiplies signed bytes by signed bytes: 128 is taken from those of the
// source, and the sums begin with what that leaves out.
#pragma once

#include "shared/layers/host/apply_kernels.hpp"
#include "shared/layers/host/int8_elements.hpp"

#include <string.h>

#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <emmintrin.h>
#endif

namespace leadline::host {
namespace {

#if defined(__AVX512VNNI__)
using DotWeight = int8_t;
using DotVector = __m512i;
constexpr int dot_pairs = 1; // lanes to an output
LEADLINE_ALWAYS_INLINE DotVector repeat_block(const uint8_t* p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  return _mm512_set1_epi32(bytes);
}
LEADLINE_ALWAYS_INLINE DotVector dot(DotVector sum, DotVector pixel, DotVector weights) {
  return _mm512_dpbusd_epi32(sum, pixel, weights);
}
#elif defined(__AVX512BW__)
using DotWeight = int16_t;
using DotVector = __m512i;
constexpr int dot_pairs = 2;
LEADLINE_ALWAYS_INLINE DotVector repeat_block(const uint8_t* p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  return _mm512_cvtepu8_epi16(_mm256_set1_epi32(bytes));
}
LEADLINE_ALWAYS_INLINE DotVector dot(DotVector sum, DotVector pixel, DotVector weights) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pixel, weights));
}
#elif defined(__AVX2__)
using DotWeight = int16_t;
using DotVector = __m256i;
constexpr int dot_pairs = 2;
LEADLINE_ALWAYS_INLINE DotVector repeat_block(const uint8_t* p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  return _mm256_cvtepu8_epi16(_mm_set1_epi32(bytes));
}
LEADLINE_ALWAYS_INLINE DotVector dot(DotVector sum, DotVector pixel, DotVector weights) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pixel, weights));
}
#elif defined(__aarch64__)
using DotWeight = int8_t;
using DotVector = int32x4_t;
#if defined(__ARM_FEATURE_DOTPROD)
constexpr int dot_pairs = 1;
using DotPixel = int8x16_t;
LEADLINE_ALWAYS_INLINE DotPixel repeat_block(const uint8_t* p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  return veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(bytes)), vdupq_n_s8(-128));
}
LEADLINE_ALWAYS_INLINE DotVector dot(DotVector sum, DotPixel pixel, DotPixel weights) {
  return vdotq_s32(sum, weights, pixel);
}
#else
constexpr int dot_pairs = 2;
using DotPixel = int8x8_t;
LEADLINE_ALWAYS_INLINE DotPixel repeat_block(const uint8_t* p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  return veor_s8(vreinterpret_s8_s32(vdup_n_s32(bytes)), vdup_n_s8(-128));
}
LEADLINE_ALWAYS_INLINE DotVector dot(DotVector sum, DotPixel pixel, DotPixel weights) {
  return vpadalq_s16(sum, vmull_s8(pixel, weights));
}
#endif
#else
using DotWeight = int16_t;
using DotVector = __m128i;
constexpr int dot_pairs = 2;
LEADLINE_ALWAYS_INLINE DotVector repeat_block(const uint8_t* p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  const __m128i words = _mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), _mm_setzero_si128());
  return _mm_unpacklo_epi64(words, words);
}
LEADLINE_ALWAYS_INLINE DotVector dot(DotVector sum, DotVector pixel, DotVector weights) {
  return _mm_add_epi32(sum, _mm_madd_epi16(pixel, weights));
}
#endif
#if defined(__aarch64__)
constexpr int dot_offset = 128;
#else
constexpr int dot_offset = 0;
using DotPixel = DotVector; // 4 channels of a pixel, or weights
#endif
// What a sum begins with; with two lanes to an output `start` is added at the end.
LEADLINE_ALWAYS_INLINE DotVector first_sum([[maybe_unused]] const int32_t* start) {
  DotVector sum{};
  if constexpr (dot_pairs == 1) memcpy(&sum, start, sizeof sum);
  return sum;
}
constexpr int dot_lanes = static_cast<int>(sizeof(DotVector) / sizeof(int32_t));
constexpr int dot_outputs = dot_lanes / dot_pairs; // of a vector

#if defined(__AVX512VNNI__)
// Makes bytes of sums, 32 channels at a time.
struct BytePacker {
  __m512 high;
  __m512i zero_point, order, low;
  __mmask32 mask;
  bool whole; // plain stores are faster than those with a mask

  LEADLINE_ALWAYS_INLINE BytePacker(float low_, float high_, int32_t zero_point_, index_t used)
      : high(_mm512_set1_ps(high_)), zero_point(_mm512_set1_epi16(static_cast<short>(zero_point_))),
        order(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)), // packing is done by 128 bits
        low(_mm512_set1_epi8(static_cast<char>(static_cast<int>(low_) + zero_point_))),
        mask(used >= 32 ? ~__mmask32{0} : (__mmask32{1} << used) - 1), whole(used >= 32) {}

  // To nearest even: see FloatEnvironment. What is too small becomes the smallest integer.
  LEADLINE_ALWAYS_INLINE __m512i round(__m512i sum, __m512 multiplier) const {
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), multiplier), high));
  }
  LEADLINE_ALWAYS_INLINE __m512i words(__m512i sum0, __m512i sum1, __m512 multiplier0, __m512 multiplier1) const {
    return _mm512_adds_epi16(_mm512_packs_epi32(round(sum0, multiplier0), round(sum1, multiplier1)), zero_point);
  }
  // The low half are the bytes of the first pixel, the high half those of the second.
  LEADLINE_ALWAYS_INLINE __m512i bytes(__m512i first, __m512i second) const {
    return _mm512_max_epu8(_mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second)), low);
  }
  LEADLINE_ALWAYS_INLINE void put(uint8_t* dst, __m256i value) const {
    if (whole)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), value);
    else
      _mm256_mask_storeu_epi8(dst, mask, value);
  }
  LEADLINE_ALWAYS_INLINE void store(__m512i sum0, __m512i sum1, __m512 multiplier0, __m512 multiplier1,
                                    uint8_t* dst) const {
    const __m512i both = words(sum0, sum1, multiplier0, multiplier1);
    put(dst, _mm512_castsi512_si256(bytes(both, both)));
  }
};
#endif

template <int V>
LEADLINE_ALWAYS_INLINE void store_bytes(const Int8ApplyJob& job, const TilePixels& pixels, const DotVector (*sum)[V],
                                        [[maybe_unused]] const int32_t* start, const float* multipliers, uint8_t* dst,
                                        index_t used) {
#if defined(__AVX512VNNI__)
  static_assert(tile_rows % 2 == 0, "pixels are packed in pairs");
  const BytePacker pack(job.low, job.high, job.zero_point, used);
  __m512 multiplier[V];
  LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) multiplier[v] = _mm512_loadu_ps(multipliers + v * dot_outputs);
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; r += 2) {
    if (r >= pixels.count) return;
    const __m512i first = pack.words(sum[r][0], sum[r][V - 1], multiplier[0], multiplier[V - 1]);
    const __m512i second = pack.words(sum[r + 1][0], sum[r + 1][V - 1], multiplier[0], multiplier[V - 1]);
    const __m512i bytes = pack.bytes(first, second);
    pack.put(dst + pixels.dst[r], _mm512_castsi512_si256(bytes));
    // Rows beyond the last pixel repeat it.
    pack.put(dst + pixels.dst[r + 1], _mm512_extracti64x4_epi64(bytes, 1));
  }
#else
  alignas(64) int32_t lanes[tile_rows][V * dot_lanes];
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) memcpy(lanes[r] + v * dot_lanes, &sum[r][v], sizeof(DotVector));
  for (int r = 0; r < pixels.count; ++r) {
    uint8_t* to = dst + pixels.dst[r];
    for (index_t j = 0; j < used; ++j) {
      int32_t total = dot_pairs == 1 ? 0 : start[j]; // see first_sum
      for (int p = 0; p < dot_pairs; ++p) total += lanes[r][j * dot_pairs + p];
      to[j] = finish(static_cast<float>(total) * multipliers[j], job.low, job.high, job.zero_point);
    }
  }
#endif
}

#if defined(__ARM_FEATURE_DOTPROD)
// 16 channels of a pixel are loaded once; the instruction takes 4 of them by their number.
template <int V>
LEADLINE_ALWAYS_INLINE void dot_four_blocks(const uint8_t* const* rows, index_t k, const int8_t* weights,
                                            DotVector (*sum)[V]) {
  int8x16_t w[4][V];
  LEADLINE_UNROLL
  for (int b = 0; b < 4; ++b) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) w[b][v] = vld1q_s8(weights + (b * 2 + v) * dot_outputs * int8_block);
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; ++r) {
    const int8x16_t pixel = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(rows[r] + k), vdupq_n_u8(128)));
    LEADLINE_UNROLL
    for (int v = 0; v < V; ++v) {
      sum[r][v] = vdotq_laneq_s32(sum[r][v], w[0][v], pixel, 0);
      sum[r][v] = vdotq_laneq_s32(sum[r][v], w[1][v], pixel, 1);
      sum[r][v] = vdotq_laneq_s32(sum[r][v], w[2][v], pixel, 2);
      sum[r][v] = vdotq_laneq_s32(sum[r][v], w[3][v], pixel, 3);
    }
  }
}
#endif

template <int V>
void int8_tile(const Int8ApplyJob& job, const Phase& phase, const TilePixels& pixels, index_t panel_index) {
  constexpr index_t width = 2 * dot_outputs;
  const index_t group = panel_index / job.panels_per_group, first_m = panel_index % job.panels_per_group * width;
  const index_t used = smaller(width, job.group_m - first_m), blocks = job.blocks;
  const uint8_t* src = job.src + group * job.group_k;
  const DotWeight* weights = static_cast<const DotWeight*>(job.weights) + panel_index * job.panel_values +
                             phase.first_tap * blocks * width * int8_block;
  const index_t column = panel_index * width;
  const int32_t* start = job.sums + (&phase - job.phases) * job.padded_m + column;
  DotVector sum[tile_rows][V];
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) sum[r][v] = first_sum(start + v * dot_outputs);
  for (int32_t tap = 0; tap < phase.taps; ++tap) {
    const Tap t = job.taps[phase.first_tap + tap];
    const index_t at = t.y * job.src_stride_h + t.x * job.src_stride_w;
    const uint8_t* rows[tile_rows];
    if (pixels.interior)
      for (int r = 0; r < tile_rows; ++r) rows[r] = src + pixels.src[r] + at;
    else
      for (int r = 0; r < tile_rows; ++r) {
        const index_t y = pixels.y[r] + t.y, x = pixels.x[r] + t.x;
        const bool inside = y >= 0 && y < job.src_h && x >= 0 && x < job.src_w;
        rows[r] = inside ? src + pixels.src[r] + at : job.zeros;
      }
    index_t k = 0;
#if defined(__ARM_FEATURE_DOTPROD)
    for (; k + 4 * int8_block <= blocks * int8_block; k += 4 * int8_block, weights += 4 * width * int8_block)
      dot_four_blocks<V>(rows, k, weights, sum);
#endif
    for (; k < blocks * int8_block; k += int8_block) {
      DotPixel w[V];
      LEADLINE_UNROLL
      for (int v = 0; v < V; ++v) memcpy(&w[v], weights + v * (width / 2) * int8_block, sizeof(DotPixel));
      weights += width * int8_block;
      LEADLINE_UNROLL
      for (int r = 0; r < tile_rows; ++r) {
        const DotPixel pixel = repeat_block(rows[r] + k);
        LEADLINE_UNROLL
        for (int v = 0; v < V; ++v) sum[r][v] = dot(sum[r][v], pixel, w[v]);
      }
    }
  }
  store_bytes<V>(job, pixels, sum, start, job.multipliers + column, job.dst + group * job.group_m + first_m, used);
}

// A task is a block of tiles times a block of panels, as in `apply`.
void int8_apply(const Int8ApplyJob& job, index_t task) {
  const index_t tile_block = task % job.tile_tasks, panel_block = task / job.tile_tasks;
  const Phase& last_phase = job.phases[job.num_phases - 1];
  const index_t first_tile = tile_block * job.tiles_per_task;
  const index_t last_tile = smaller(first_tile + job.tiles_per_task, last_phase.first_tile + last_phase.tiles);
  const index_t last_panel = smaller((panel_block + 1) * job.panels_per_task, job.groups * job.panels_per_group);
  TilePixels pixels[max_tiles_per_task];
  const Phase* phases[max_tiles_per_task];
  for (index_t tile = first_tile; tile < last_tile; ++tile) {
    const Phase& phase = phase_of(job, tile);
    phases[tile - first_tile] = &phase;
    pixels[tile - first_tile] = find_pixels(job, phase, tile - phase.first_tile);
  }
  for (index_t panel = panel_block * job.panels_per_task; panel < last_panel; ++panel) {
    const bool two = job.group_m - panel % job.panels_per_group * 2 * dot_outputs > dot_outputs;
    for (index_t i = 0; i < last_tile - first_tile; ++i)
      if (two)
        int8_tile<2>(job, *phases[i], pixels[i], panel);
      else
        int8_tile<1>(job, *phases[i], pixels[i], panel);
  }
}

} // namespace
} // namespace leadline::host
