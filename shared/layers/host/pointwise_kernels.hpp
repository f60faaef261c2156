// Pointwise convolutions with what surrounds them in separable networks: the depthwise convolution that makes their
// source, nearest up-sampling and a sum behind them. Block by block of rows of pixels, so that nothing in between
// leaves the cache. Included by host_kernels.cpp alone.
//
// A block's source lies as [block of channels][pixel][lane]: a register tile's pixels are side by side whatever the
// tensor's strides are; those of wide tensors, powers of two apart, would fall on the same sets of the cache. Each
// result is the chain of multiply-adds that apply_kernels.hpp has, so nothing here changes a bit.
#pragma once

#include "shared/layers/host/depthwise_kernels.hpp"
#include "shared/layers/host/winograd_kernels.hpp"

namespace leadline::host {
namespace {

// Where a pixel's results go, and what is added to them.
struct PixelPlace {
  index_t dst, residual;
};

// One row of the source as [block of channels][pixel][lane].
inline void copy_row(const PointwiseJob& job, index_t n, index_t y, float* to) {
  const float* from = job.src + n * job.src_stride_n + y * job.src_stride_h;
  for (index_t x = 0; x < job.w; ++x, from += job.src_stride_w, to += lanes) {
    float* block = to;
    for (index_t c = 0; c < job.channels; c += lanes, block += job.block_stride)
      Simd<float>::store(block, load_some(from + c, job.channels - c));
  }
}

// f(to, other) for every pixel that up-sampling makes of one: where its results go, and what is added to them (null:
// nothing).
template <class F>
LEADLINE_ALWAYS_INLINE void for_each_copy(const PointwiseJob& job, const PixelPlace& place, index_t channel,
                                          const F& f) {
  for (index_t y = 0; y < job.up_h; ++y)
    for (index_t x = 0; x < job.up_w; ++x)
      f(job.dst + place.dst + y * job.dst_stride_h + x * job.dst_stride_w + channel,
        job.residual ? job.residual + place.residual + y * job.residual_stride_h + x * job.residual_stride_w + channel
                     : nullptr);
}

// dst = activation(product + bias) + residual for `count` pixels and the channels of a panel.
template <Epilogue epilogue>
void write_pixels(const PointwiseJob& job, float* product, const PixelPlace* places, int count, index_t channel) {
  constexpr index_t width = 2 * lanes;
  Vector bias[2];
  for (index_t v = 0; v < 2; ++v)
    bias[v] = job.bias ? load_some(job.bias + channel + v * lanes, job.dst_channels - channel - v * lanes) : Vector{};
  for (int r = 0; r < count; ++r) {
    float* from = product + r * width;
    Vector value[2];
    for (index_t v = 0; v < 2; ++v) value[v] = Simd<float>::load(from + v * lanes) + bias[v];
    if constexpr (epilogue == Epilogue::other) {
      for (index_t v = 0; v < 2; ++v) Simd<float>::store(from + v * lanes, value[v]);
      job.activate(job.activation, from, width);
      for (index_t v = 0; v < 2; ++v) value[v] = Simd<float>::load(from + v * lanes);
    } else {
      for (index_t v = 0; v < 2; ++v) value[v] = apply_epilogue<epilogue>(value[v]);
    }
    for_each_copy(job, places[r], channel, [&](float* to, const float* other) {
      for (index_t v = 0; v < 2; ++v) {
        const index_t used = job.dst_channels - channel - v * lanes;
        if (used <= 0) return;
        store_some(to + v * lanes, other ? value[v] + load_some(other + v * lanes, used) : value[v], used);
      }
    });
  }
}

inline void write_pixels(const PointwiseJob& job, float* product, const PixelPlace* places, int count,
                         index_t channel) {
  switch (static_cast<Epilogue>(job.epilogue)) {
  case Epilogue::none: return write_pixels<Epilogue::none>(job, product, places, count, channel);
  case Epilogue::relu: return write_pixels<Epilogue::relu>(job, product, places, count, channel);
  case Epilogue::relu6: return write_pixels<Epilogue::relu6>(job, product, places, count, channel);
  case Epilogue::other: return write_pixels<Epilogue::other>(job, product, places, count, channel);
  }
}

// Block `block`: some rows of pixels times some panels of channels, in `scratch` of job.scratch_bytes.
inline void pointwise(const PointwiseJob& job, unsigned char* scratch, index_t block) {
  constexpr index_t width = 2 * lanes;
  const index_t row_block = block / job.panel_blocks, panel_block = block % job.panel_blocks, rows = job.n * job.h;
  const index_t first_row = row_block * rows / job.row_blocks, last_row = (row_block + 1) * rows / job.row_blocks;
  const index_t last_panel = (panel_block + 1) * job.panels / job.panel_blocks;
  float* const pixels = reinterpret_cast<float*>(scratch);
  PixelPlace* const places = reinterpret_cast<PixelPlace*>(scratch + job.places_offset);
  for (index_t row = first_row; row < last_row; ++row) {
    const index_t n = row / job.h, y = row % job.h, at = (row - first_row) * job.w;
    if (job.depthwise)
      depthwise_row(*job.depthwise, *job.depthwise->phases, n, y, pixels + at * lanes);
    else
      copy_row(job, n, y, pixels + at * lanes);
    for (index_t x = 0; x < job.w; ++x)
      places[at + x] = {n * job.dst_stride_n + y * job.up_h * job.dst_stride_h + x * job.up_w * job.dst_stride_w,
                        n * job.residual_stride_n + y * job.up_h * job.residual_stride_h +
                            x * job.up_w * job.residual_stride_w};
  }
  const index_t count = (last_row - first_row) * job.w, groups = (count + tile_rows - 1) / tile_rows;
  for (index_t panel = panel_block * job.panels / job.panel_blocks; panel < last_panel; ++panel) {
    const float* weights = job.weights + panel * job.channels * width;
    const index_t used = smaller(width, job.dst_channels - panel * width);
    for (index_t g = 0; g < groups; ++g) {
      const index_t a = g * count / groups, b = (g + 1) * count / groups;
      alignas(64) float product[tile_rows * width];
      for (index_t pixel = a; pixel < b; ++pixel)
        for_each_copy(job, places[pixel], panel * width, [&](const float* to, const float* other) {
          prefetch_for_write(to, used);
          if (other) prefetch_for_write(other, used);
        });
      multiply_position_rows<tile_rows>(static_cast<int>(b - a), used > lanes, pixels + a * lanes, job.block_stride,
                                        weights, job.channels, product);
      write_pixels(job, product, places + a, static_cast<int>(b - a), panel * width);
    }
  }
}

} // namespace
} // namespace leadline::host
