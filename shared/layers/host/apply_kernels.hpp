// Forward and data gradient as matrix products over pixels. Included by host_kernels.cpp alone.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"

namespace leadline::host {
namespace {

// The destination pixels of one tile, and the source pixel that tap (0, 0) of each would read.
struct TilePixels {
  int count;
  index_t y[tile_rows], x[tile_rows];     // source coordinates, may lie outside the image
  index_t src[tile_rows], dst[tile_rows]; // offsets of the source pixel and the destination pixel
  bool interior;                          // every tap of every pixel lies inside the image
};

template <class T> TilePixels find_pixels(const ApplyJob<T>& job, const Phase& phase, index_t tile) {
  TilePixels pixels;
  const index_t total = job.n * phase.grid_h * phase.grid_w, first = tile * tile_rows;
  const index_t src_step = job.src_step_w * job.src_stride_w, dst_step = job.dst_step_w * job.dst_stride_w;
  pixels.count = static_cast<int>(smaller(tile_rows, total - first));
  pixels.interior = true;
  index_t x = first % phase.grid_w, y = first / phase.grid_w % phase.grid_h, n = first / (phase.grid_w * phase.grid_h);
  for (int r = 0; r < pixels.count;) { // pixels of one image row follow each other in even steps
    const int end = static_cast<int>(smaller(pixels.count, r + phase.grid_w - x));
    const index_t src_y = y * job.src_step_h;
    index_t src_x = x * job.src_step_w;
    index_t src = n * job.src_stride_n + src_y * job.src_stride_h + src_x * job.src_stride_w;
    index_t dst = n * job.dst_stride_n + (phase.start_h + y * job.dst_step_h) * job.dst_stride_h +
                  (phase.start_w + x * job.dst_step_w) * job.dst_stride_w;
    pixels.interior = pixels.interior && src_y + phase.min_y >= 0 && src_y + phase.max_y < job.src_h &&
                      src_x + phase.min_x >= 0 && src_x + (end - r - 1) * job.src_step_w + phase.max_x < job.src_w;
    for (; r < end; ++r, src_x += job.src_step_w, src += src_step, dst += dst_step) {
      pixels.y[r] = src_y;
      pixels.x[r] = src_x;
      pixels.src[r] = src;
      pixels.dst[r] = dst;
    }
    x = 0;
    if (++y == phase.grid_h) {
      y = 0;
      ++n;
    }
  }
  for (int r = pixels.count; r < tile_rows; ++r) { // rows beyond the last pixel repeat it
    pixels.y[r] = pixels.y[r - 1];
    pixels.x[r] = pixels.x[r - 1];
    pixels.src[r] = pixels.src[r - 1];
    pixels.dst[r] = pixels.dst[r - 1];
  }
  return pixels;
}

// Bias, activation and store of one row of results that doesn't fill its vectors, or wants more than they can do.
template <class T> void finish_row(const ApplyJob<T>& job, T* row, T* dst, const T* bias, index_t count) {
  if (bias)
    for (index_t j = 0; j < count; ++j) row[j] += bias[j];
  switch (static_cast<Epilogue>(job.epilogue)) {
  case Epilogue::none: break;
  case Epilogue::relu:
    for (index_t j = 0; j < count; ++j) row[j] = row[j] < T(0) ? T(0) : row[j]; // NaN passes through
    break;
  default: job.activate(job.activation, row, count);
  }
  if (job.accumulate)
    for (index_t j = 0; j < count; ++j) dst[j] += row[j];
  else
    for (index_t j = 0; j < count; ++j) dst[j] = row[j];
}

template <class T, int V, Epilogue epilogue>
LEADLINE_ALWAYS_INLINE void store_tile(const Tile<T, V>& tile, const TilePixels& pixels, T* dst, const T* bias,
                                       index_t used) {
  using S = Simd<T>;
  typename S::vector b[V];
  LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) b[v] = bias ? load_some(bias + v * S::lanes, used - v * S::lanes) : typename S::vector{};
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; ++r) { // no index that isn't a constant: the tile stays in registers
    if (r >= pixels.count) return;
    LEADLINE_UNROLL
    for (int v = 0; v < V; ++v)
      store_some(dst + pixels.dst[r] + v * S::lanes, apply_epilogue<epilogue>(tile.sum[r][v] + b[v]),
                 used - v * S::lanes);
  }
}

template <class T> const Phase& phase_of(const ApplyJob<T>& job, index_t tile) {
  const Phase* phase = job.phases;
  while (tile >= phase->first_tile + phase->tiles) ++phase;
  return *phase;
}

// `offset`: from where the pixels' results go to where they go for this phase.
template <class T, int V>
void apply_tile(const ApplyJob<T>& job, const Phase& phase, const TilePixels& pixels, index_t offset,
                index_t panel_index) {
  using S = Simd<T>;
  constexpr index_t width = 2 * S::lanes;
  const index_t group = panel_index / job.panels_per_group, first_m = panel_index % job.panels_per_group * width;
  const index_t used = smaller(width, job.group_m - first_m);
  const T* src = job.src + group * job.group_k;
  const T* panel = job.panels + panel_index * job.panel_values + phase.first_tap * job.group_k * width;
  const index_t channel = group * job.group_m + first_m;
  T* dst = job.dst + offset + channel;
  for (int r = 0; r < pixels.count; ++r) prefetch_for_write(dst + pixels.dst[r], used);

  Tile<T, V> tile;
  const T* rows[max_segments][tile_rows];
  tile.zero();
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
      const index_t at = t.y * job.src_stride_h + t.x * job.src_stride_w;
      if (pixels.interior)
        for (int r = 0; r < tile_rows; ++r) rows[segments][r] = src + pixels.src[r] + at;
      else
        for (int r = 0; r < tile_rows; ++r) {
          const index_t y = pixels.y[r] + t.y, x = pixels.x[r] + t.x;
          const bool inside = y >= 0 && y < job.src_h && x >= 0 && x < job.src_w;
          rows[segments][r] = inside ? src + pixels.src[r] + at : job.zeros;
        }
    }
    tile.multiply(rows, segments, run * job.group_k, 1, panel + first * job.group_k * width);
  }
  const T* bias = job.bias ? job.bias + channel : nullptr;
  if (!job.accumulate) switch (static_cast<Epilogue>(job.epilogue)) {
    case Epilogue::none: return store_tile<T, V, Epilogue::none>(tile, pixels, dst, bias, used);
    case Epilogue::relu: return store_tile<T, V, Epilogue::relu>(tile, pixels, dst, bias, used);
    case Epilogue::relu6: return store_tile<T, V, Epilogue::relu6>(tile, pixels, dst, bias, used);
    case Epilogue::other: break;
    }
  alignas(64) T values[tile_rows * V * S::lanes];
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) S::store(values + (r * V + v) * S::lanes, tile.sum[r][v]);
  for (int r = 0; r < pixels.count; ++r) finish_row(job, values + r * V * S::lanes, dst + pixels.dst[r], bias, used);
}

constexpr int max_tiles_per_task = 16;

// A task is a block of tiles times a block of panels; the panels' weights stay in cache while the tiles pass by.
template <class T> void apply(const ApplyJob<T>& job, index_t task) {
  const index_t tile_block = task % job.tile_tasks, panel_block = task / job.tile_tasks;
  const Phase& last_phase = job.phases[job.joint ? 0 : job.num_phases - 1];
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
    const bool two = job.group_m - panel % job.panels_per_group * 2 * Simd<T>::lanes > Simd<T>::lanes;
    const auto run = [&](index_t i, const Phase& phase, index_t offset) {
      if (two)
        apply_tile<T, 2>(job, phase, pixels[i], offset, panel);
      else
        apply_tile<T, 1>(job, phase, pixels[i], offset, panel);
    };
    if (!job.joint) {
      for (index_t i = 0; i < last_tile - first_tile; ++i) run(i, *phases[i], 0);
      continue;
    }
    for (int32_t p = 0; p < job.num_phases; ++p) {
      const Phase& phase = job.phases[p];
      const index_t offset = phase.start_h * job.dst_stride_h + phase.start_w * job.dst_stride_w;
      for (index_t i = 0; i < last_tile - first_tile; ++i) run(i, phase, offset);
    }
  }
}

constexpr int partial_sums = 16; // of apply_few, on every level, so that all of them round alike

// sum += src * weights over `count` channels; whole: they fill all vectors.
template <class T, bool whole>
LEADLINE_ALWAYS_INLINE void add_tap(const T* src, const T* weights, index_t count, typename Simd<T>::vector* sum) {
  using S = Simd<T>;
  for (index_t k = 0; k < count; k += partial_sums)
    for (int v = 0; v < partial_sums / S::lanes; ++v) {
      const index_t at = k + v * S::lanes, left = count - at;
      if constexpr (whole)
        sum[v] = multiply_add(S::load(src + at), S::load(weights + at), sum[v]);
      else if (left > 0)
        sum[v] = multiply_add(load_some(src + at, left), load_some(weights + at, left), sum[v]);
    }
}

// Channel m of a group for a tile's pixels. As many pixels as a vector has lanes add up their partial sums together.
template <class T, bool whole>
void apply_few_tile(const ApplyJob<T>& job, const Phase& phase, const TilePixels& pixels, index_t group, index_t m) {
  using S = Simd<T>;
  constexpr int vectors = partial_sums / S::lanes;
  const index_t channel = group * job.group_m + m;
  const T* const panel = job.panels + channel * job.panel_values + phase.first_tap * job.group_k;
  const Tap* const taps = job.taps + phase.first_tap;
  const T* const src = job.src + group * job.group_k;
  const bool one = pixels.interior && phase.taps == 1;
  alignas(64) T results[tile_rows + S::lanes];
  for (int first = 0; first < pixels.count; first += S::lanes) {
    typename S::vector sums[S::lanes];
    for (int i = 0; i < S::lanes; ++i) {
      const int r = first + i < pixels.count ? first + i : pixels.count - 1; // beyond the last it is repeated
      typename S::vector sum[vectors] = {};
      if (one) {
        add_tap<T, whole>(src + pixels.src[r] + taps->y * job.src_stride_h + taps->x * job.src_stride_w, panel,
                          job.group_k, sum);
      } else {
        for (int32_t t = 0; t < phase.taps; ++t) {
          const index_t y = pixels.y[r] + taps[t].y, x = pixels.x[r] + taps[t].x;
          if (!pixels.interior && (y < 0 || y >= job.src_h || x < 0 || x >= job.src_w)) continue;
          add_tap<T, whole>(src + pixels.src[r] + taps[t].y * job.src_stride_h + taps[t].x * job.src_stride_w,
                            panel + t * job.group_k, job.group_k, sum);
        }
      }
      for (int step = vectors / 2; step > 0; step /= 2)
        for (int v = 0; v < step; ++v) sum[v] += sum[v + step];
      sums[i] = sum[0];
    }
    typename S::vector total = sum_rows<T>(sums);
    if (job.bias) total += job.bias[channel];
    S::store(results + first, total);
  }
  if (job.epilogue != 0) job.activate(job.activation, results, pixels.count);
  for (int r = 0; r < pixels.count; ++r) {
    T& dst = job.dst[pixels.dst[r] + channel];
    dst = job.accumulate ? dst + results[r] : results[r];
  }
}

// Few channels written per group: a panel's vectors would be mostly empty, so the vector runs over the channels read.
// Weights are `[group][m][tap][group_k]`.
template <class T> void apply_few(const ApplyJob<T>& job, index_t task) {
  const Phase& last_phase = job.phases[job.num_phases - 1];
  const index_t last_tile = smaller((task + 1) * job.tiles_per_task, last_phase.first_tile + last_phase.tiles);
  const bool whole = job.group_k % partial_sums == 0;
  for (index_t tile = task * job.tiles_per_task; tile < last_tile; ++tile) {
    const Phase& phase = phase_of(job, tile);
    const TilePixels pixels = find_pixels(job, phase, tile - phase.first_tile);
    for (index_t group = 0; group < job.groups; ++group)
      for (index_t m = 0; m < job.group_m; ++m)
        if (whole)
          apply_few_tile<T, true>(job, phase, pixels, group, m);
        else
          apply_few_tile<T, false>(job, phase, pixels, group, m);
  }
}

} // namespace
} // namespace leadline::host
