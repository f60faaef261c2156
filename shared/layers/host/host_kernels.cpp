// Register-tiled matrix products for convolutions, compiled once per ISA level (LEADLINE_ISA names it).
//
// One micro-kernel does everything: a tile of `tile_rows` rows by two vectors of columns,
//   tile[r][j] += sum over segments s, steps q of rows[s][r][q * step] * panel[s][q][j].
// Forward and data gradient: rows are pixels, q runs over channels (and over neighbouring taps where they lie next to
// each other in memory), the panel holds weights. Weight gradient: rows are (tap, channel), q runs over pixels, the
// panel holds the output side. Row pointers replace a copy of the patches (im2col): a tap outside the image points to
// zeros. Each tile element is one chain of multiply-adds in a fixed order, so no blocking choice changes a bit.
#include "shared/layers/host/host_kernels.hpp"
#include "shared/layers/host/simd.hpp"

#include <stddef.h>

#define LEADLINE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define LEADLINE_UNROLL LEADLINE_PRAGMA(clang loop unroll(full))
#else
#define LEADLINE_UNROLL LEADLINE_PRAGMA(GCC unroll 16)
#endif

namespace leadline::host {
namespace {

constexpr int max_segments = 32; // row pointers held at once: bounds the stack

constexpr index_t smaller(index_t a, index_t b) { return a < b ? a : b; }

// tile[r][..] += ..., two vectors wide (V = 2) or one (V = 1). `tile` is row-major with 2 vectors per row.
template <class T, int V>
void multiply_tile(const T* const (*rows)[tile_rows], int segments, index_t count, index_t step, const T* panel,
                   T* tile) {
  using S = Simd<T>;
  constexpr int width = 2 * S::lanes;
  typename S::vector sum[tile_rows][V];
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) sum[r][v] = S::load(tile + r * width + v * S::lanes);
  for (int s = 0; s < segments; ++s) {
    const T* const* row = rows[s];
    for (index_t q = 0, at = 0; q < count; ++q, at += step) {
      typename S::vector b[V];
      LEADLINE_UNROLL
      for (int v = 0; v < V; ++v) b[v] = S::load(panel + v * S::lanes);
      panel += width;
      LEADLINE_UNROLL
      for (int r = 0; r < tile_rows; ++r) {
        const T a = row[r][at];
        LEADLINE_UNROLL
        for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(a, b[v], sum[r][v]);
      }
    }
  }
  LEADLINE_UNROLL
  for (int r = 0; r < tile_rows; ++r) LEADLINE_UNROLL
  for (int v = 0; v < V; ++v) S::store(tile + r * width + v * S::lanes, sum[r][v]);
}

template <class T> void zero_tile(T* tile) {
  constexpr int width = 2 * Simd<T>::lanes;
  for (int i = 0; i < tile_rows * width; ++i) tile[i] = T(0);
}

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
  if (job.activate) job.activate(job.activation, row, count);
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

// Copies the image rows that output rows [y0, y1) of image n touch, zero-padded on all sides, one group's channels.
template <class T>
void copy_padded_rows(const WeightGradientJob<T>& job, index_t n, index_t y0, index_t y1, index_t group, T* padded) {
  const index_t rows = (y1 - 1 - y0) * job.stride_h + (job.kh - 1) * job.dilation_h + 1, c = job.group_ic;
  const index_t top = y0 * job.stride_h - job.padding_top;
  for (index_t r = 0; r < rows; ++r) {
    T* row = padded + r * job.padded_w * c;
    const index_t y = top + r;
    if (y < 0 || y >= job.ih) {
      for (index_t i = 0; i < job.padded_w * c; ++i) row[i] = T(0);
      continue;
    }
    const T* image = job.image + n * job.image_stride_n + y * job.image_stride_h + group * c;
    const index_t left = smaller(job.padding_left, job.padded_w);
    index_t x = 0;
    for (; x < left; ++x)
      for (index_t k = 0; k < c; ++k) row[x * c + k] = T(0);
    const index_t inside = smaller(job.padded_w, job.padding_left + job.iw);
    for (; x < inside; ++x) {
      const T* pixel = image + (x - job.padding_left) * job.image_stride_w;
      for (index_t k = 0; k < c; ++k) row[x * c + k] = pixel[k];
    }
    for (; x < job.padded_w; ++x)
      for (index_t k = 0; k < c; ++k) row[x * c + k] = T(0);
  }
}

// A slot sums the chunks [slot * chunks / slots, ...) of output rows into its own partial result.
template <class T> void weight_gradient(const WeightGradientJob<T>& job, index_t slot) {
  constexpr index_t width = 2 * Simd<T>::lanes;
  const index_t k_total = job.kh * job.kw * job.group_ic, panels = (job.group_oc + width - 1) / width;
  T* partial = job.partial + slot * job.partial_values;
  for (index_t i = 0; i < job.partial_values; ++i) partial[i] = T(0);
  const index_t chunks = job.n * job.chunks_per_image;
  const index_t padded_rows = (job.rows_per_chunk - 1) * job.stride_h + (job.kh - 1) * job.dilation_h + 1;
  T* padded = reinterpret_cast<T*>(job.scratch + slot * job.scratch_bytes);
  T* panel = padded + padded_rows * job.padded_w * job.group_ic;
  const index_t row_pitch = job.padded_w * job.group_ic, pixel_pitch = job.group_ic;

  for (index_t chunk = slot * chunks / job.slots; chunk < (slot + 1) * chunks / job.slots; ++chunk) {
    const index_t n = chunk / job.chunks_per_image, y0 = chunk % job.chunks_per_image * job.rows_per_chunk;
    const index_t y1 = smaller(y0 + job.rows_per_chunk, job.oh);
    for (index_t group = 0; group < job.groups; ++group) {
      copy_padded_rows(job, n, y0, y1, group, padded);
      for (index_t p = 0; p < panels; ++p) {
        const index_t first_m = p * width, lanes_used = smaller(width, job.group_oc - first_m);
        for (index_t y = y0; y < y1; ++y)
          for (index_t x = 0; x < job.ow; ++x) {
            const T* pixel = job.output + n * job.output_stride_n + y * job.output_stride_h + x * job.output_stride_w +
                             group * job.group_oc + first_m;
            T* lane = panel + ((y - y0) * job.ow + x) * width;
            for (index_t j = 0; j < width; ++j) lane[j] = j < lanes_used ? pixel[j] : T(0);
          }
        T* result = partial + (group * panels + p) * k_total * width;
        for (index_t k0 = 0; k0 < k_total; k0 += tile_rows) {
          const index_t count = smaller(tile_rows, k_total - k0);
          alignas(64) T tile[tile_rows * width];
          const T* rows[max_segments][tile_rows];
          zero_tile(tile);
          for (index_t y = y0; y < y1;) {
            int segments = 0;
            const index_t first = y;
            for (; y < y1 && segments < max_segments; ++y, ++segments)
              for (int r = 0; r < tile_rows; ++r) {
                const index_t k = k0 + (r < count ? r : count - 1);
                const index_t c = k % job.group_ic, kw = k / job.group_ic % job.kw, kh = k / (job.group_ic * job.kw);
                rows[segments][r] = padded + ((y - y0) * job.stride_h + kh * job.dilation_h) * row_pitch +
                                    kw * job.dilation_w * pixel_pitch + c;
              }
            const T* part = panel + (first - y0) * job.ow * width;
            if (lanes_used > Simd<T>::lanes)
              multiply_tile<T, 2>(rows, segments, job.ow, job.stride_w * pixel_pitch, part, tile);
            else
              multiply_tile<T, 1>(rows, segments, job.ow, job.stride_w * pixel_pitch, part, tile);
          }
          for (index_t r = 0; r < count; ++r)
            for (index_t j = 0; j < width; ++j) result[(k0 + r) * width + j] += tile[r * width + j];
        }
      }
    }
  }
}

// One channel per group: partial is `[tap][C]`; a row of output pixels at a time, then over rows.
template <class T> void weight_gradient_depthwise(const WeightGradientJob<T>& job, index_t slot) {
  const index_t channels = job.groups, taps = job.kh * job.kw;
  T* partial = job.partial + slot * job.partial_values;
  for (index_t i = 0; i < job.partial_values; ++i) partial[i] = T(0);
  T* row_sum = reinterpret_cast<T*>(job.scratch + slot * job.scratch_bytes);
  const index_t chunks = job.n * job.chunks_per_image;
  for (index_t chunk = slot * chunks / job.slots; chunk < (slot + 1) * chunks / job.slots; ++chunk) {
    const index_t n = chunk / job.chunks_per_image, y0 = chunk % job.chunks_per_image * job.rows_per_chunk;
    const index_t y1 = smaller(y0 + job.rows_per_chunk, job.oh);
    for (index_t y = y0; y < y1; ++y)
      for (index_t tap = 0; tap < taps; ++tap) {
        const index_t iy = y * job.stride_h - job.padding_top + tap / job.kw * job.dilation_h;
        if (iy < 0 || iy >= job.ih) continue;
        for (index_t c = 0; c < channels; ++c) row_sum[c] = T(0);
        for (index_t x = 0; x < job.ow; ++x) {
          const index_t ix = x * job.stride_w - job.padding_left + tap % job.kw * job.dilation_w;
          if (ix < 0 || ix >= job.iw) continue;
          const T* a = job.image + n * job.image_stride_n + iy * job.image_stride_h + ix * job.image_stride_w;
          const T* b = job.output + n * job.output_stride_n + y * job.output_stride_h + x * job.output_stride_w;
          for (index_t c = 0; c < channels; ++c) row_sum[c] += a[c] * b[c];
        }
        for (index_t c = 0; c < channels; ++c) partial[tap * channels + c] += row_sum[c];
      }
  }
}

template <class T> constexpr KernelTable<T> table() {
  return {2 * Simd<T>::lanes, tile_rows,          apply<T>,
          apply_depthwise<T>, weight_gradient<T>, weight_gradient_depthwise<T>};
}

} // namespace

#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
#define LEADLINE_STRING_(a) #a
#define LEADLINE_STRING(a) LEADLINE_STRING_(a)
/// host_kernels_v4 and so on.
extern const HostKernels LEADLINE_JOIN(host_kernels_, LEADLINE_ISA);
const HostKernels LEADLINE_JOIN(host_kernels_, LEADLINE_ISA) = {LEADLINE_ISA_NAME, table<float>(), table<double>()};

} // namespace leadline::host
