// Weight gradients: partial sums over slots of output rows. Included by host_kernels.cpp alone.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"

namespace leadline::host {
namespace {

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

} // namespace
} // namespace leadline::host
