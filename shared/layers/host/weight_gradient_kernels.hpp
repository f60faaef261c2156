// Weight gradients as matrix products: rows are (tap, image channel), columns output channels, the sum runs over output
// pixels. Included by host_kernels.cpp alone.
//
// A task copies a chunk of both sides into the form that its register tiles read: image rows with zeros around them, in
// blocks of one vector of channels, so that neighbouring pixels lie side by side; output pixels in panels of two
// vectors. A tile of rows then walks through some output rows of a panel at a time, which stay in the first cache.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"
#include "shared/layers/host/training_kernels.hpp"

namespace leadline::host {
namespace {

constexpr index_t ahead = 12; // pixels: processors' own prefetching stops at the end of a page

template <class T> inline __attribute__((always_inline)) void copy_channels(const T* from, index_t count, T* to) {
  using S = Simd<T>;
  index_t c = 0;
  for (; c + S::lanes <= count; c += S::lanes) S::store(to + c, S::load(from + c));
  for (; c < count; ++c) to[c] = from[c];
}
template <class T> inline __attribute__((always_inline)) void zero_channels(index_t count, T* to) {
  for (index_t c = 0; c < count; ++c) to[c] = T(0);
}

// Copies channels [c, c + count) of the image rows that output rows [y0, y1) of image n touch, zeros on all sides, to
// `block[row][column][count]`.
template <class T>
void copy_padded_rows(const WeightGradientJob<T>& job, index_t n, index_t y0, index_t y1, index_t c, index_t count,
                      T* block) {
  const index_t rows = (y1 - 1 - y0) * job.stride_h + (job.kh - 1) * job.dilation_h + 1;
  const index_t top = y0 * job.stride_h - job.padding_top;
  const index_t left = smaller(job.padding_left, job.padded_w),
                inside = smaller(job.padded_w, job.padding_left + job.iw);
  for (index_t r = 0; r < rows; ++r) {
    T* row = block + r * job.padded_w * count;
    const index_t y = top + r;
    if (y < 0 || y >= job.ih) {
      zero_channels(job.padded_w * count, row);
      continue;
    }
    const T* pixel = job.image + n * job.image_stride_n + y * job.image_stride_h + c;
    zero_channels(left * count, row);
    if (job.image_stride_w == count)
      copy_channels(pixel, (inside - left) * count, row + left * count);
    else
      for (index_t x = left; x < inside; ++x, pixel += job.image_stride_w) {
        __builtin_prefetch(pixel + ahead * job.image_stride_w);
        copy_channels(pixel, count, row + x * count);
      }
    zero_channels((job.padded_w - inside) * count, row + inside * count);
  }
}

// Copies channels [m, m + count) of output rows [y0, y1) of image n to `panel[pixel][width]`, zeros beyond them.
template <class T>
void copy_output_rows(const WeightGradientJob<T>& job, index_t n, index_t y0, index_t y1, index_t m, index_t count,
                      T* panel) {
  constexpr index_t width = 2 * Simd<T>::lanes;
  for (index_t y = y0; y < y1; ++y) {
    const T* pixel = job.output + n * job.output_stride_n + y * job.output_stride_h + m;
    for (index_t x = 0; x < job.ow; ++x, pixel += job.output_stride_w, panel += width) {
      __builtin_prefetch(pixel + ahead * job.output_stride_w);
      __builtin_prefetch(pixel + ahead * job.output_stride_w + width / 2);
      copy_channels(pixel, count, panel);
      if (count < width) zero_channels(width - count, panel + count);
    }
  }
}

// result[r][..] += sum over `rows` rows of `count` pixels of a[offsets[r] + ...] * panel[pixel][..], V vectors.
template <class T, int V>
void multiply_pixels(const T* a, const index_t* offsets, index_t rows, index_t row_step, index_t count, index_t step,
                     const T* panel, index_t panel_row_step, T* const* result) {
  using S = Simd<T>;
  constexpr index_t width = 2 * S::lanes;
  typename S::vector sum[gradient_rows][V];
  const T* row[gradient_rows];
  LEADLINE_UNROLL
  for (int r = 0; r < gradient_rows; ++r) {
    row[r] = a + offsets[r];
    LEADLINE_UNROLL
    for (int v = 0; v < V; ++v) sum[r][v] = typename S::vector{};
  }
  for (index_t y = 0; y < rows; ++y) {
    index_t at = y * row_step;
    const T* pixel = panel + y * panel_row_step;
    for (index_t x = 0; x < count; ++x, at += step, pixel += width) {
      typename S::vector b[V];
      LEADLINE_UNROLL
      for (int v = 0; v < V; ++v) b[v] = S::load(pixel + v * S::lanes);
      LEADLINE_UNROLL
      for (int r = 0; r < gradient_rows; ++r) {
        const T value = row[r][at];
        LEADLINE_UNROLL
        for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(value, b[v], sum[r][v]);
      }
    }
  }
  for (int r = 0; r < gradient_rows; ++r) // rows beyond the last have no place
    if (result[r])
      for (int v = 0; v < V; ++v) {
        T* to = result[r] + v * S::lanes;
        S::store(to, S::load(to) + sum[r][v]);
      }
}

// A task: a slot of chunks of output rows, a group, a block of image channels, a block of panels.
template <class T> void weight_gradient(const WeightGradientJob<T>& job, unsigned char* scratch, index_t task) {
  constexpr index_t width = 2 * Simd<T>::lanes;
  const index_t panel_block = task % job.panel_blocks, ic_block = task / job.panel_blocks % job.ic_blocks;
  const index_t group = task / (job.panel_blocks * job.ic_blocks) % job.groups;
  const index_t slot = task / (job.panel_blocks * job.ic_blocks * job.groups);
  const index_t taps = job.kh * job.kw, k_total = taps * job.group_ic;
  const index_t panels = (job.group_oc + width - 1) / width;
  const index_t first_panel = panel_block * job.panels_per_block;
  const index_t last_panel = smaller(first_panel + job.panels_per_block, panels);
  const index_t c0 = ic_block * job.ic_per_block, c1 = smaller(c0 + job.ic_per_block, job.group_ic);
  T* partial =
      job.partial + slot * job.partial_values + group * panels * k_total * width; // [panel][tap][channel][width]
  for (index_t p = first_panel; p < last_panel; ++p)
    for (index_t tap = 0; tap < taps; ++tap)
      zero_channels((c1 - c0) * width, partial + ((p * taps + tap) * job.group_ic + c0) * width);

  T* const image = reinterpret_cast<T*>(scratch);
  T* const output = image + job.image_values;
  const index_t chunks = job.n * job.chunks_per_image;
  for (index_t chunk = slot * chunks / job.slots; chunk < (slot + 1) * chunks / job.slots; ++chunk) {
    const index_t n = chunk / job.chunks_per_image, y0 = chunk % job.chunks_per_image * job.rows_per_chunk;
    const index_t y1 = smaller(y0 + job.rows_per_chunk, job.oh);
    for (index_t c = c0; c < c1; c += job.channel_block)
      copy_padded_rows(job, n, y0, y1, group * job.group_ic + c, smaller(job.channel_block, c1 - c),
                       image + (c - c0) * job.chunk_pixels);
    for (index_t p = first_panel; p < last_panel; ++p) {
      const index_t m = p * width, used = smaller(width, job.group_oc - m);
      // A panel that lies in memory as a copy would is read where it is.
      const bool in_place = job.output_stride_w == width && used == width;
      const T* panel = output;
      index_t panel_row_step = job.ow * width;
      if (in_place) {
        panel = job.output + n * job.output_stride_n + y0 * job.output_stride_h + group * job.group_oc + m;
        panel_row_step = job.output_stride_h;
      } else {
        copy_output_rows(job, n, y0, y1, group * job.group_oc + m, used, output);
      }
      for (index_t y = y0; y < y1; y += job.rows_per_step) {
        const index_t rows = smaller(job.rows_per_step, y1 - y);
        for (index_t c = c0; c < c1; c += job.channel_block) {
          const index_t block = smaller(job.channel_block, c1 - c), pitch = job.padded_w * block;
          const T* a = image + (c - c0) * job.chunk_pixels + (y - y0) * job.stride_h * pitch;
          const T* b = panel + (y - y0) * panel_row_step;
          // Pixels of a 1x1 kernel follow each other from row to row.
          const bool flat =
              job.stride_h == 1 && job.stride_w == 1 && job.padded_w == job.ow && panel_row_step == job.ow * width;
          for (index_t k = 0; k < taps * block; k += gradient_rows) {
            index_t offsets[gradient_rows];
            T* result[gradient_rows];
            for (int r = 0; r < gradient_rows; ++r) {
              const index_t last = smaller(k + r, taps * block - 1), tap = last / block, channel = last % block;
              offsets[r] = tap / job.kw * job.dilation_h * pitch + tap % job.kw * job.dilation_w * block + channel;
              result[r] =
                  k + r < taps * block ? partial + ((p * taps + tap) * job.group_ic + c + channel) * width : nullptr;
            }
            const index_t lines = flat ? 1 : rows, count = flat ? rows * job.ow : job.ow;
            if (used > Simd<T>::lanes)
              multiply_pixels<T, 2>(a, offsets, lines, job.stride_h * pitch, count, job.stride_w * block, b,
                                    panel_row_step, result);
            else
              multiply_pixels<T, 1>(a, offsets, lines, job.stride_h * pitch, count, job.stride_w * block, b,
                                    panel_row_step, result);
          }
        }
      }
    }
  }
}

} // namespace
} // namespace leadline::host
