// Float pixels to strips of bf16 lines. Included by bf16_kernels.cpp alone.
#pragma once

#include "shared/layers/host/bf16.hpp"

#include <string.h>

namespace leadline::host {
namespace {

constexpr index_t smaller(index_t a, index_t b) { return a < b ? a : b; }

/// One block of a strip's geometry: grid pixels [y, y + height) x [x, x + width) of image n, channels of one group.
struct BlockPlace {
  index_t n, y, x, height, width, group;
};
BlockPlace place_of(const Bf16Strips& s, index_t block) {
  BlockPlace place;
  place.group = block % s.groups;
  place.x = block / s.groups % s.blocks_w * s.block_w;
  place.y = block / (s.groups * s.blocks_w) % s.blocks_h * s.block_h;
  place.n = block / (s.groups * s.blocks_w * s.blocks_h);
  place.width = smaller(s.block_w, s.grid_w - place.x);
  place.height = smaller(s.block_h, s.grid_h - place.y);
  return place;
}

// Rounds 32 values to one line.
template <bool split>
LEADLINE_ALWAYS_INLINE void round_line(const float* __restrict from, uint16_t* __restrict high,
                                       uint16_t* __restrict low) {
  for (int c = 0; c < bf16_block; ++c) high[c] = round_to_bf16(from[c]);
  if constexpr (split)
    for (int c = 0; c < bf16_block; ++c) low[c] = bf16_rest(from[c], high[c]);
}

// Rounds the `channels` values of a pixel to lines `line_stride` apart; what is left of the last line is zero.
template <bool split>
LEADLINE_ALWAYS_INLINE void round_pixel(const float* from, index_t channels, index_t line_stride, uint16_t* high,
                                        uint16_t* low) {
  index_t c = 0;
  for (; c + bf16_block <= channels; c += bf16_block, high += line_stride, low += line_stride)
    round_line<split>(from + c, high, low);
  if (c == channels) return;
  alignas(64) float rest[bf16_block] = {};
  for (index_t i = 0; c + i < channels; ++i) rest[i] = from[c + i];
  round_line<split>(rest, high, low);
}

LEADLINE_ALWAYS_INLINE void zero_lines(uint16_t* lines, index_t count) {
  memset(lines, 0, static_cast<size_t>(count * bf16_block) * sizeof(uint16_t));
}

template <bool split> void fill_planes(const Bf16Strips& s, const BlockPlace& place, uint16_t* strip) {
  const index_t blocks = (s.group_k + bf16_block - 1) / bf16_block, pitch = s.pitch, step_w = s.step_w;
  const index_t height = place.height + s.max_y - s.min_y, width = place.width + s.max_x - s.min_x;
  const auto zero = [&](index_t first_line, index_t count) {
    for (index_t b = 0; b < blocks; ++b)
      for (index_t half = 0; half < (split ? 2 : 1); ++half)
        zero_lines(strip + half * s.values + b * s.line_stride + first_line * bf16_block, count);
  };
  for (int32_t p = 0; p < s.num_planes; ++p) {
    const Bf16Plane plane = s.planes[p];
    // Columns [left, right) of the strip lie inside the image.
    const index_t first_x = (place.x + s.min_x) * step_w + plane.x;
    const index_t left = first_x < 0 ? (-first_x + step_w - 1) / step_w : 0;
    const index_t right = s.w > first_x ? smaller((s.w - first_x + step_w - 1) / step_w, width) : 0;
    for (index_t r = 0; r < s.rows; ++r) {
      const index_t y = (place.y + s.min_y + r) * s.step_h + plane.y, first_line = (p * s.rows + r) * pitch;
      if (r >= height || y < 0 || y >= s.h || left >= right) {
        zero(first_line, pitch);
        continue;
      }
      zero(first_line, left);
      zero(first_line + right, pitch - right);
      const index_t row = place.n * s.stride_n + y * s.stride_h + place.group * s.group_k;
      for (index_t x = left; x < right; ++x) {
        uint16_t* line = strip + (first_line + x) * bf16_block;
        round_pixel<split>(s.src + row + (first_x + x * step_w) * s.stride_w, s.group_k, s.line_stride, line,
                           line + s.values);
      }
    }
  }
  const index_t used = s.num_planes * s.rows * pitch;
  zero(used, s.line_stride / bf16_block - used);
}

// Rounds `count` values that lie one behind the other.
template <bool split>
void round_values(const float* __restrict from, index_t count, uint16_t* __restrict high, uint16_t* __restrict low) {
  for (index_t i = 0; i < count; ++i) high[i] = round_to_bf16(from[i]);
  if constexpr (split)
    for (index_t i = 0; i < count; ++i) low[i] = bf16_rest(from[i], high[i]);
}

// A block's pixels of few channels in bf16, back to back; zeros outside the image.
template <bool split>
void round_compact(const Bf16Strips& s, const BlockPlace& place, index_t height, index_t width, uint16_t* high,
                   uint16_t* low) {
  const index_t channels = s.group_k, row_values = width * channels;
  const index_t first_y = place.y * s.step_h + s.min_y, first_x = place.x * s.step_w + s.min_x;
  const index_t left = first_x < 0 ? smaller(-first_x, width) : 0;
  const index_t right = s.w > first_x ? smaller(s.w - first_x, width) : 0;
  const auto zero = [&](index_t first, index_t count) {
    memset(high + first, 0, static_cast<size_t>(count) * sizeof(uint16_t));
    if (split) memset(low + first, 0, static_cast<size_t>(count) * sizeof(uint16_t));
  };
  for (index_t r = 0; r < height; ++r, high += row_values, low += row_values) {
    const index_t y = first_y + r;
    if (y < 0 || y >= s.h || left >= right) {
      zero(0, row_values);
      continue;
    }
    zero(0, left * channels);
    zero(right * channels, (width - right) * channels);
    const float* from =
        s.src + place.n * s.stride_n + y * s.stride_h + (first_x + left) * s.stride_w + place.group * channels;
    if (s.stride_w == channels) {
      round_values<split>(from, (right - left) * channels, high + left * channels, low + left * channels);
    } else {
      for (index_t x = left; x < right; ++x, from += s.stride_w)
        round_values<split>(from, channels, high + x * channels, low + x * channels);
    }
  }
}

// Few channels: bf16 pixels first, back to back (`compact`), then for each grid pixel the runs of neighbours that its
// taps read, one behind the other.
template <bool split>
void gather_phases(const Bf16Strips& s, const BlockPlace& place, uint16_t* strip, uint16_t* compact) {
  const index_t channels = s.group_k, step_w = s.step_w, step_h = s.step_h;
  const index_t height = (place.height - 1) * step_h + s.max_y - s.min_y + 1;
  const index_t width = (place.width - 1) * step_w + s.max_x - s.min_x + 1, row_values = width * channels;
  round_compact<split>(s, place, height, width, compact, compact + s.compact_values);
  uint16_t* phase_strip = strip;
  for (int32_t p = 0; p < s.num_phases; ++p) {
    const Bf16Phase& phase = s.phases[p];
    const Bf16Tap* const taps = s.taps + phase.first_tap;
    for (index_t half = 0; half < (split ? 2 : 1); ++half) {
      const uint16_t* from = compact + half * s.compact_values;
      uint16_t* to = phase_strip + half * s.values;
      // Values are copied 16 at a time: what is too much goes where later runs, the next pixel's or zeros go.
      constexpr index_t step = 16;
      for (index_t y = 0; y < place.height; ++y)
        for (index_t x = 0; x < place.width; ++x) {
          const uint16_t* pixel = from + y * step_h * row_values + x * step_w * channels;
          uint16_t* line = to + (y * s.pitch + x) * bf16_block;
          index_t used = 0;
          for (int32_t t = 0; t < phase.taps; t += taps[t].run) {
            const uint16_t* run = pixel + (taps[t].y - s.min_y) * row_values + (taps[t].x - s.min_x) * channels;
            for (index_t left = taps[t].run * channels; left > 0;) {
              const index_t piece = smaller(smaller(left, step), bf16_block - used);
              memcpy(line + used, run, step * sizeof(uint16_t));
              run += piece;
              used += piece;
              left -= piece;
              if (used == bf16_block) {
                used = 0;
                line += s.line_stride;
              }
            }
          }
          if (used > 0) {
            memset(line + used, 0, step * sizeof(uint16_t));
            if (used < bf16_block - step) memset(line + bf16_block - step, 0, step * sizeof(uint16_t));
          }
        }
      const index_t used = place.height * s.pitch;
      for (index_t b = 0; b < phase.lines; ++b) {
        uint16_t* block = to + b * s.line_stride;
        for (index_t y = 0; y < place.height; ++y)
          zero_lines(block + (y * s.pitch + place.width) * bf16_block, s.pitch - place.width);
        zero_lines(block + used * bf16_block, s.line_stride / bf16_block - used);
      }
    }
    phase_strip += phase.lines * s.line_stride;
  }
}

void fill(const Bf16Strips& s, index_t block, uint16_t* strip) {
  const BlockPlace place = place_of(s, block);
  if (s.gather) {
    uint16_t* compact = strip + s.values * (s.split ? 2 : 1);
    return s.split ? gather_phases<true>(s, place, strip, compact) : gather_phases<false>(s, place, strip, compact);
  }
  s.split ? fill_planes<true>(s, place, strip) : fill_planes<false>(s, place, strip);
}

} // namespace
} // namespace leadline::host
