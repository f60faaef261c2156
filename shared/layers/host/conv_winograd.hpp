// 3x3 convolutions of stride 1 by Winograd's algorithm on host execs: sizes, weights transformed once, and the launch.
#pragma once

#include "shared/layers/host/pieces.hpp"

namespace leadline::host {

/// A 3x3 convolution of stride 1 as the kernels see it: in the transposed direction the sides change places, and the
/// taps their order.
struct WinogradShape {
  index_t n, src_h, src_w, channels, dst_h, dst_w, dst_channels, offset_y, offset_x;

  WinogradShape(const ConvGeometry& g, ConvDirection direction) {
    n = g.n;
    if (direction == ConvDirection::apply) {
      src_h = g.ih, src_w = g.iw, channels = g.ic, dst_h = g.oh, dst_w = g.ow, dst_channels = g.oc;
      offset_y = -g.padding_top, offset_x = -g.padding_left;
    } else {
      src_h = g.oh, src_w = g.ow, channels = g.oc, dst_h = g.ih, dst_w = g.iw, dst_channels = g.ic;
      offset_y = g.padding_top - 2, offset_x = g.padding_left - 2;
    }
  }
};

inline bool winograd_fits(const ConvGeometry& g) {
  return g.kh == 3 && g.kw == 3 && g.stride_h == 1 && g.stride_w == 1 && g.dilation_h == 1 && g.dilation_w == 1 &&
         g.groups == 1;
}

/// How tiles and panels are cut. No bit depends on it: it may follow threads and caches.
struct WinogradPlan {
  index_t positions, tiles_h, tiles_w, tiles, panels, workers;
  index_t tile_blocks, panel_blocks, tiles_per_block, panels_per_pass;
  index_t source_position_stride, product_position_stride, product_panel_stride, scratch_bytes;

  WinogradPlan(const WinogradShape& s, int m, index_t threads) {
    const HostKernels& kernels = host_kernels();
    const index_t width = kernels.f32_sizes.panel_width, lanes = width / 2, rows = kernels.f32_sizes.tile_pixels;
    positions = index_t{m + 2} * (m + 2);
    tiles_h = detail::ceil_div(s.dst_h, m);
    tiles_w = detail::ceil_div(s.dst_w, m);
    tiles = s.n * tiles_h * tiles_w;
    panels = detail::ceil_div(s.dst_channels, width);
    const index_t padded_channels = detail::ceil_div(s.channels, lanes) * lanes;
    // A block's transformed source should stay in a core's own cache, and yet be long enough that the weights, which
    // pass by once per block, are paid for.
    constexpr index_t cache_values = (index_t{640} << 10) / index_t{sizeof(float)};
    index_t wanted = cache_values / (positions * padded_channels) / rows * rows;
    wanted = wanted < rows ? rows : wanted > 2 * rows ? 2 * rows : wanted;
    tile_blocks = tiles > 0 ? detail::ceil_div(tiles, wanted) : 0;
    // Some pieces per thread, so that a stalled core doesn't hold the rest.
    constexpr index_t pieces_per_thread = 4;
    const index_t least = threads > 1 ? threads * pieces_per_thread : 1;
    panel_blocks = 1;
    if (tile_blocks < least && threads > 1) {
      const index_t most = detail::ceil_div(tiles, rows);
      tile_blocks = least < most ? least : most;
      if (tile_blocks > 0 && tile_blocks < threads) {
        panel_blocks = detail::ceil_div(threads, tile_blocks);
        panel_blocks = panel_blocks > panels ? panels : panel_blocks;
      }
    }
    tiles_per_block = tile_blocks > 0 ? detail::ceil_div(tiles, tile_blocks) : 0;
    workers = tile_blocks * panel_blocks < threads ? tile_blocks * panel_blocks : threads;
    workers = workers < 1 ? 1 : workers;
    constexpr index_t product_values = (index_t{256} << 10) / index_t{sizeof(float)};
    panels_per_pass = product_values / (positions * tiles_per_block * width + 1);
    const index_t most_panels = detail::ceil_div(panels, panel_blocks);
    panels_per_pass = panels_per_pass < 1 ? 1 : panels_per_pass > most_panels ? most_panels : panels_per_pass;
    // One vector more than needed: positions would else be a power of two apart, and in the same cache sets.
    source_position_stride = tiles_per_block * padded_channels + lanes;
    product_panel_stride = tiles_per_block * width;
    product_position_stride = product_panel_stride * panels_per_pass + lanes;
    scratch_bytes = static_cast<index_t>(
        align_up(static_cast<size_t>(positions * (source_position_stride + product_position_stride)) * sizeof(float)));
  }
};

inline size_t winograd_prepared_bytes(const ConvGeometry& g, ConvDirection direction, int m) {
  const WinogradShape s(g, direction);
  const index_t width = host_kernels().f32_sizes.panel_width;
  const index_t panels = detail::ceil_div(s.dst_channels, width);
  return align_up(static_cast<size_t>(index_t{m + 2} * (m + 2) * panels * width * s.channels) * sizeof(float));
}

/// Everything but the prepared weights; `threads` workers get scratch of their own.
inline size_t winograd_workspace_bytes(const ConvGeometry& g, ConvDirection direction, int m, int threads) {
  const WinogradPlan plan(WinogradShape(g, direction), m, threads);
  return align_up(sizeof(WinogradJob)) + align_up(sizeof(ActivationParams)) + align_up(sizeof(Blocks)) +
         static_cast<size_t>(plan.workers * plan.scratch_bytes);
}

template <class Exec>
void winograd_prepare(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, int m,
                      Tensor<const float> weights, void* prepared) {
  const HostKernels& kernels = host_kernels();
  const WinogradShape s(g, direction);
  const bool transposed = direction == ConvDirection::apply_transposed;
  WinogradWeightsJob job{};
  job.weights = weights.data;
  job.transformed = static_cast<float*>(prepared);
  job.stride_tap = g.ic;
  job.stride_m = transposed ? 1 : 9 * g.ic;
  job.stride_k = transposed ? 9 * g.ic : 1;
  job.channels = s.channels;
  job.dst_channels = s.dst_channels;
  job.panels = detail::ceil_div(s.dst_channels, kernels.f32_sizes.panel_width);
  job.flip = transposed;
  const index_t k_blocks = detail::ceil_div(s.channels, kernels.f32_sizes.panel_width / 2);
  const auto run = (m == 4 ? kernels.winograd4 : kernels.winograd6).transform_weights;
  parallel_tasks(exec, label, job.panels * k_blocks, [=](index_t task) { run(job, task); });
}

/// conv::apply or conv::apply_transposed with weights that `winograd_prepare` transformed.
template <class Exec>
void winograd_run(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, int m,
                  Tensor<const float> src, const void* prepared, Tensor<const float> bias, ActivationParams activation,
                  Tensor<float> dst, bool accumulate, Workspace workspace) {
  const HostKernels& kernels = host_kernels();
  const WinogradShape s(g, direction);
  const WinogradPlan plan(s, m, workspace.threads);
  detail::Pieces pieces(workspace.data);
  WinogradJob& job = *pieces.take<WinogradJob>(1);
  ActivationParams* params = pieces.take<ActivationParams>(1);
  Blocks* blocks = pieces.take<Blocks>(1);
  unsigned char* scratch = pieces.take<unsigned char>(plan.workers * plan.scratch_bytes);
  *params = activation;
  job = {};
  job.src = src.data;
  job.bias = bias.data;
  job.weights = static_cast<const float*>(prepared);
  job.dst = dst.data;
  job.src_h = s.src_h;
  job.src_w = s.src_w;
  job.src_stride_n = src.stride_n;
  job.src_stride_h = src.stride_h;
  job.src_stride_w = src.stride_w;
  job.dst_h = s.dst_h;
  job.dst_w = s.dst_w;
  job.dst_stride_n = dst.stride_n;
  job.dst_stride_h = dst.stride_h;
  job.dst_stride_w = dst.stride_w;
  job.offset_y = s.offset_y;
  job.offset_x = s.offset_x;
  job.channels = s.channels;
  job.dst_channels = s.dst_channels;
  job.panels = plan.panels;
  job.tiles_h = plan.tiles_h;
  job.tiles_w = plan.tiles_w;
  job.tiles = plan.tiles;
  job.tile_blocks = plan.tile_blocks;
  job.panel_blocks = plan.panel_blocks;
  job.tiles_per_block = plan.tiles_per_block;
  job.panels_per_pass = plan.panels_per_pass;
  job.source_position_stride = plan.source_position_stride;
  job.product_position_stride = plan.product_position_stride;
  job.product_panel_stride = plan.product_panel_stride;
  job.epilogue = epilogue_of(activation.kind);
  job.accumulate = accumulate;
  job.activate = detail::activate_row<float>;
  job.activation = params;
  const WinogradJob* shared_job = &job;
  const auto run = (m == 4 ? kernels.winograd4 : kernels.winograd6).run;
  const index_t scratch_bytes = plan.scratch_bytes;
  run_blocks(exec, label, blocks, plan.workers, plan.tile_blocks * plan.panel_blocks,
             [=](index_t worker, index_t block) { run(*shared_job, scratch + worker * scratch_bytes, block); });
}

} // namespace leadline::host
