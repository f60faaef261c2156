// Max-pooling of one row of windows, vectors over channels. Included by host_kernels.cpp alone.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"

namespace leadline::host {
namespace {

// The largest of a window's pixels, a vector of channels. Of equal values the first wins, NaN wins over all.
template <bool whole>
inline Simd<float>::vector window_max(const MaxPoolJob& job, const float* first, index_t rows, index_t columns,
                                      index_t count) {
  const auto load = [&](const float* p) { return whole ? Simd<float>::load(p) : load_some(p, count); };
  Simd<float>::vector best = load(first);
  for (index_t y = 0; y < rows; ++y)
    for (index_t x = y == 0 ? 1 : 0; x < columns; ++x) {
      const Simd<float>::vector value = load(first + y * job.src_stride_h + x * job.src_stride_w);
      const Simd<float>::vector larger = value > best ? value : best;
      best = value != value ? value : larger;
    }
  return best;
}

// Row `row` of all images' results, and which pixel of its window each is.
inline void max_pool(const MaxPoolJob& job, index_t row) {
  using S = Simd<float>;
  typedef int Taps __attribute__((vector_size(vector_bytes))); // as comparisons give; int32_t is long on some systems
  const index_t n = row / job.dst_h, oh = row % job.dst_h;
  const index_t y0 = oh * job.stride_h - job.padding_top;
  const index_t first_y = y0 < 0 ? -y0 : 0, last_y = smaller(job.kernel_h, job.src_h - y0);
  for (index_t ow = 0; ow < job.dst_w; ++ow) {
    const index_t x0 = ow * job.stride_w - job.padding_left;
    const index_t first_x = x0 < 0 ? -x0 : 0, last_x = smaller(job.kernel_w, job.src_w - x0);
    const float* window = job.src + n * job.src_stride_n + y0 * job.src_stride_h + x0 * job.src_stride_w;
    float* to = job.dst + n * job.dst_stride_n + oh * job.dst_stride_h + ow * job.dst_stride_w;
    if (!job.winners) {
      window += first_y * job.src_stride_h + first_x * job.src_stride_w;
      const index_t rows = last_y - first_y, columns = last_x - first_x;
      index_t c = 0;
      for (; c + S::lanes <= job.channels; c += S::lanes)
        S::store(to + c, window_max<true>(job, window + c, rows, columns, S::lanes));
      if (c < job.channels)
        store_some(to + c, window_max<false>(job, window + c, rows, columns, job.channels - c), job.channels - c);
      continue;
    }
    int32_t* winner = job.winners + ((n * job.dst_h + oh) * job.dst_w + ow) * job.channels;
    for (index_t c = 0; c < job.channels; c += S::lanes) {
      const index_t count = smaller(S::lanes, job.channels - c);
      S::vector best = {};
      Taps taps = {};
      bool first = true;
      for (index_t y = first_y; y < last_y; ++y)
        for (index_t x = first_x; x < last_x; ++x) {
          const S::vector value = load_some(window + y * job.src_stride_h + x * job.src_stride_w + c, count);
          const Taps tap = Taps{} + static_cast<int>(y * job.kernel_w + x);
          const Taps wins = first ? Taps{} - 1 : (value > best) | (value != value);
          best = wins ? value : best;
          taps = wins ? tap : taps;
          first = false;
        }
      store_some(to + c, best, count);
      for (index_t i = 0; i < count; ++i) winner[c + i] = taps[i];
    }
  }
}

} // namespace
} // namespace leadline::host
