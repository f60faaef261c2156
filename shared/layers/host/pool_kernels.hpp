// Max-pooling of one row of windows, vectors over channels. Included by host_kernels.cpp alone.
#pragma once

#include "shared/layers/host/gemm_tile.hpp"

namespace leadline::host {
namespace {

// Row `row` of all images' results. Of equal values the first wins, NaN wins over all.
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
    int32_t* winner = job.winners ? job.winners + ((n * job.dst_h + oh) * job.dst_w + ow) * job.channels : nullptr;
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
      if (count == S::lanes) {
        S::store(to + c, best);
      } else {
        for (index_t i = 0; i < count; ++i) to[c + i] = best[i];
      }
      if (winner)
        for (index_t i = 0; i < count; ++i) winner[c + i] = taps[i];
    }
  }
}

} // namespace
} // namespace leadline::host
