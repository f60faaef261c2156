// Forward and data gradient as matrix products over pixels, and their depthwise forms. Included by host_kernels.cpp
// alone.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"

namespace leadline::host {
namespace {

// The destination pixels of one tile, and the source pixel that tap (0, 0) of each would read.
struct TilePixels {
  int count;
  index_t n[tile_rows], y[tile_rows], x[tile_rows]; // source coordinates, may lie outside the image
  index_t dst[tile_rows];                           // offset of the destination pixel
  bool interior;                                    // every tap of every pixel lies inside the image
};

template <class T> TilePixels find_pixels(const ApplyJob<T>& job, const Phase& phase, index_t tile) {
  TilePixels pixels;
  const index_t total = job.n * phase.grid_h * phase.grid_w, first = tile * tile_rows;
  pixels.count = static_cast<int>(smaller(tile_rows, total - first));
  pixels.interior = true;
  index_t x = first % phase.grid_w, y = first / phase.grid_w % phase.grid_h, n = first / (phase.grid_w * phase.grid_h);
  for (int r = 0; r < tile_rows; ++r) {
    pixels.n[r] = n;
    pixels.y[r] = y * job.src_step_h;
    pixels.x[r] = x * job.src_step_w;
    pixels.dst[r] = n * job.dst_stride_n + (phase.start_h + y * job.dst_step_h) * job.dst_stride_h +
                    (phase.start_w + x * job.dst_step_w) * job.dst_stride_w;
    pixels.interior = pixels.interior && pixels.y[r] + phase.min_y >= 0 && pixels.y[r] + phase.max_y < job.src_h &&
                      pixels.x[r] + phase.min_x >= 0 && pixels.x[r] + phase.max_x < job.src_w;
    if (r + 1 < pixels.count && ++x == phase.grid_w) { // rows beyond the last pixel repeat it
      x = 0;
      if (++y == phase.grid_h) {
        y = 0;
        ++n;
      }
    }
  }
  return pixels;
}

template <class T> void finish_row(const ApplyJob<T>& job, T* row, T* dst, const T* bias, index_t count) {
  if (bias)
    for (index_t j = 0; j < count; ++j) row[j] += bias[j];
  switch (job.epilogue) {
  case 0: break;
  case 1:
    for (index_t j = 0; j < count; ++j) row[j] = row[j] < T(0) ? T(0) : row[j]; // NaN passes through
    break;
  default: job.activate(job.activation, row, count);
  }
  if (job.accumulate)
    for (index_t j = 0; j < count; ++j) dst[j] += row[j];
  else
    for (index_t j = 0; j < count; ++j) dst[j] = row[j];
}

template <class T> const Phase& phase_of(const ApplyJob<T>& job, index_t tile) {
  const Phase* phase = job.phases;
  while (tile >= phase->first_tile + phase->tiles) ++phase;
  return *phase;
}

template <class T>
void apply_tile(const ApplyJob<T>& job, const Phase& phase, const TilePixels& pixels, index_t panel_index) {
  constexpr index_t width = 2 * Simd<T>::lanes;
  const index_t group = panel_index / job.panels_per_group, first_m = panel_index % job.panels_per_group * width;
  const index_t lanes_used = smaller(width, job.group_m - first_m);
  const T* src = job.src + group * job.group_k;
  const T* panel = job.panels + panel_index * job.panel_values + phase.first_tap * job.group_k * width;

  alignas(64) T tile[tile_rows * width];
  const T* rows[max_segments][tile_rows];
  zero_tile(tile);
  // Neighbouring taps of one row join into one segment when the pixels' channels lie back to back.
  const bool join = pixels.interior && job.src_stride_w == job.group_k;
  for (int32_t tap = 0; tap < phase.taps;) {
    int segments = 0;
    int32_t run = 1;
    if (join) {
      const Tap* t = job.taps + phase.first_tap + tap;
      while (tap + run < phase.taps && t[run].y == t[0].y && t[run].x == t[0].x + run) ++run;
    }
    const int32_t first = tap;
    for (; tap < phase.taps && segments < max_segments; tap += run, ++segments) {
      const Tap t = job.taps[phase.first_tap + tap];
      if (join) { // segments of one call have the same length: stop where the next run differs
        int32_t next = 1;
        const Tap* u = job.taps + phase.first_tap + tap;
        while (next < run && tap + next < phase.taps && u[next].y == t.y && u[next].x == t.x + next) ++next;
        if (next != run) break;
      }
      for (int r = 0; r < tile_rows; ++r) {
        const index_t y = pixels.y[r] + t.y, x = pixels.x[r] + t.x;
        const bool inside = pixels.interior || (y >= 0 && y < job.src_h && x >= 0 && x < job.src_w);
        rows[segments][r] =
            inside ? src + pixels.n[r] * job.src_stride_n + y * job.src_stride_h + x * job.src_stride_w : job.zeros;
      }
    }
    const T* part = panel + first * job.group_k * width;
    if (lanes_used > Simd<T>::lanes)
      multiply_tile<T, 2>(rows, segments, run * job.group_k, 1, part, tile);
    else
      multiply_tile<T, 1>(rows, segments, run * job.group_k, 1, part, tile);
  }
  const index_t channel = group * job.group_m + first_m;
  for (int r = 0; r < pixels.count; ++r)
    finish_row(job, tile + r * width, job.dst + pixels.dst[r] + channel, job.bias ? job.bias + channel : nullptr,
               lanes_used);
}

// A task is a block of tiles times a block of panels; the panels' weights stay in cache while the tiles pass by.
template <class T> void apply(const ApplyJob<T>& job, index_t task) {
  const index_t tile_block = task % job.tile_tasks, panel_block = task / job.tile_tasks;
  const Phase& last_phase = job.phases[job.num_phases - 1];
  const index_t last_tile = smaller((tile_block + 1) * job.tiles_per_task, last_phase.first_tile + last_phase.tiles);
  const index_t last_panel = smaller((panel_block + 1) * job.panels_per_task, job.groups * job.panels_per_group);
  for (index_t panel = panel_block * job.panels_per_task; panel < last_panel; ++panel)
    for (index_t tile = tile_block * job.tiles_per_task; tile < last_tile; ++tile) {
      const Phase& phase = phase_of(job, tile);
      apply_tile(job, phase, find_pixels(job, phase, tile - phase.first_tile), panel);
    }
}

// One channel per group: the vector runs over channels, weights are `[tap][C]` in job.panels.
template <class T> void apply_depthwise(const ApplyJob<T>& job, index_t task) {
  using S = Simd<T>;
  const Phase& last_phase = job.phases[job.num_phases - 1];
  const index_t last_tile = smaller((task + 1) * job.tiles_per_task, last_phase.first_tile + last_phase.tiles);
  const index_t channels = job.groups;
  for (index_t tile = task * job.tiles_per_task; tile < last_tile; ++tile) {
    const Phase& phase = phase_of(job, tile);
    const TilePixels pixels = find_pixels(job, phase, tile - phase.first_tile);
    for (int r = 0; r < pixels.count; ++r) {
      const T* origin = job.src + pixels.n[r] * job.src_stride_n;
      for (index_t c = 0; c < channels; c += S::lanes) {
        const index_t count = smaller(S::lanes, channels - c);
        alignas(64) T row[S::lanes] = {};
        typename S::vector sum = S::load(row);
        for (int32_t t = 0; t < phase.taps; ++t) {
          const Tap tap = job.taps[phase.first_tap + t];
          const index_t y = pixels.y[r] + tap.y, x = pixels.x[r] + tap.x;
          if (!pixels.interior && (y < 0 || y >= job.src_h || x < 0 || x >= job.src_w)) continue;
          const T* s = origin + y * job.src_stride_h + x * job.src_stride_w + c;
          const T* w = job.panels + (phase.first_tap + t) * channels + c;
          if (count == S::lanes) {
            sum = multiply_add(S::load(s), S::load(w), sum);
          } else { // the last channels: never read beyond them
            alignas(64) T a[S::lanes] = {}, b[S::lanes] = {};
            for (index_t j = 0; j < count; ++j) {
              a[j] = s[j];
              b[j] = w[j];
            }
            sum = multiply_add(S::load(a), S::load(b), sum);
          }
        }
        S::store(row, sum);
        finish_row(job, row, job.dst + pixels.dst[r] + c, job.bias ? job.bias + c : nullptr, count);
      }
    }
  }
}

} // namespace
} // namespace leadline::host
