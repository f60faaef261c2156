// Pointwise convolutions with the depthwise one before them, nearest up-sampling and a sum behind them, on host execs:
// when it is worth it, sizes, and the launch. Weights are those that conv_prepare packs for each convolution alone.
#pragma once

#include "shared/layers/host/conv_apply.hpp"
#include "shared/layers/host/conv_depthwise.hpp"

namespace leadline::host {

/// A convolution with what its kernel reads.
struct PreparedConv {
  ConvGeometry geometry;
  const void* prepared; ///< as conv_prepare left it for Algorithm::host_gemm
  Tensor<const float> bias;
  ActivationParams activation;
};

/// 1x1, every pixel, all channels; and enough of them that vectors run over those written.
inline bool is_pointwise(const ConvGeometry& g) {
  return g.taps() == 1 && g.stride_h == 1 && g.stride_w == 1 && g.padding_top == 0 && g.padding_left == 0 &&
         g.groups == 1 && g.ih == g.oh && g.iw == g.ow && !detail::few_written(g, ConvDirection::apply);
}

/// Whether a pointwise convolution alone gains by having its source copied: pixels of so many channels lie pages apart.
inline bool pointwise_copies(const ConvGeometry& g) { return g.ic >= 768 && g.oc >= 64; }

/// How rows and panels are cut. No bit depends on it: it may follow threads and caches.
struct PointwisePlan {
  index_t panels, row_blocks, panel_blocks, workers, block_stride, places_offset, scratch_bytes;

  PointwisePlan(const ConvGeometry& g, index_t threads) {
    const index_t width = tile_sizes<float>().panel_width, lanes = width / 2, tile = tile_sizes<float>().tile_pixels;
    const index_t channels = detail::ceil_div(g.ic, lanes) * lanes, rows = g.n * g.oh;
    panels = detail::ceil_div(g.oc, width);
    // A block's source stays in a core's own cache, and is yet long enough to pay for the weights that pass by.
    constexpr index_t cache_values = (index_t{256} << 10) / index_t{sizeof(float)};
    index_t pixels = cache_values / channels;
    pixels = pixels > 8 * tile ? 8 * tile : pixels;
    const index_t wanted = pixels < g.ow ? 1 : pixels / g.ow;
    row_blocks = rows > 0 ? detail::ceil_div(rows, wanted) : 0;
    panel_blocks = 1;
    if (threads > 1 && rows > 0) {
      // Some pieces per thread, so that a stalled core doesn't hold the rest. Short blocks read all weights for little,
      // blocks of panels compute the source anew: few pixels are cut by a bit of both.
      const index_t least = 4 * threads, most = detail::ceil_div(rows, detail::ceil_div(4 * tile, g.ow));
      if (row_blocks < least) row_blocks = least < most ? least : row_blocks < most ? most : row_blocks;
      constexpr index_t least_panels = 8;
      const index_t wanted_panels = detail::ceil_div(2 * threads, row_blocks), most_panels = panels / least_panels;
      panel_blocks = wanted_panels < most_panels ? wanted_panels : most_panels < 1 ? 1 : most_panels;
    }
    const index_t block_pixels = row_blocks > 0 ? detail::ceil_div(rows, row_blocks) * g.ow : 0;
    // One vector more than needed: blocks of channels would else be a power of two apart.
    block_stride = (block_pixels + 1) * lanes;
    places_offset = static_cast<index_t>(
        align_up(static_cast<size_t>(detail::ceil_div(g.ic, lanes) * block_stride) * sizeof(float)));
    scratch_bytes =
        places_offset + static_cast<index_t>(align_up(static_cast<size_t>(block_pixels) * 2 * sizeof(index_t)));
    workers = row_blocks * panel_blocks < threads ? row_blocks * panel_blocks : threads;
    workers = workers < 1 ? 1 : workers;
  }
};

/// Whether a row of the depthwise convolution's results is small enough to stay in cache.
inline bool depthwise_joins(const ConvGeometry& depthwise) {
  constexpr index_t cache_values = (index_t{256} << 10) / index_t{sizeof(float)};
  return depthwise.depthwise() && depthwise.ow * depthwise.oc <= cache_values;
}

/// `depthwise` null: none joins.
inline size_t pointwise_workspace_bytes(const ConvGeometry* depthwise, const ConvGeometry& g, int threads) {
  const PointwisePlan plan(g, threads);
  detail::Pieces pieces(nullptr);
  pieces.take<PointwiseJob>(1);
  pieces.take<ActivationParams>(1);
  pieces.take<Blocks>(1);
  pieces.take<unsigned char>(plan.workers * plan.scratch_bytes);
  return pieces.bytes() +
         (depthwise ? detail::DepthwiseScratch<float>(nullptr, *depthwise, ConvDirection::apply).bytes : 0);
}

/// dst = up-sampled activation(bias + conv of src) + residual, where src may be what `depthwise` makes of it.
/// `depthwise` null: src as it is; `residual` null: nothing is added. dst's pixels are whole multiples of the
/// convolution's, and each is the nearest one's.
template <class Exec>
void pointwise_run(const Exec& exec, const char* label, const PreparedConv* depthwise, const PreparedConv& conv,
                   Tensor<const float> src, Tensor<const float> residual, Tensor<float> dst, Workspace workspace) {
  const ConvGeometry& g = conv.geometry;
  const PointwisePlan plan(g, workspace.threads);
  if (plan.row_blocks == 0) return;
  detail::Pieces pieces(workspace.data);
  PointwiseJob& job = *pieces.take<PointwiseJob>(1);
  ActivationParams* params = pieces.take<ActivationParams>(1);
  Blocks* blocks = pieces.take<Blocks>(1);
  unsigned char* scratch = pieces.take<unsigned char>(plan.workers * plan.scratch_bytes);
  // Only read, though the pieces' pointers could write.
  detail::Pieces prepared(static_cast<unsigned char*>(const_cast<void*>(conv.prepared)));
  detail::TapLists(prepared, g, ConvDirection::apply);
  *params = conv.activation;
  job = {};
  if (depthwise) {
    const detail::DepthwiseScratch<float> depthwise_scratch(workspace.data + pieces.bytes(), depthwise->geometry,
                                                            ConvDirection::apply);
    if (!detail::fill_depthwise(depthwise->geometry, ConvDirection::apply, src, depthwise->prepared, depthwise->bias,
                                depthwise->activation, Tensor<float>(), false, depthwise_scratch))
      return;
    // Rows of results go where the kernel puts them, as [block of channels][pixel][lane].
    depthwise_scratch.job->dst_stride_w = tile_sizes<float>().panel_width / 2;
    depthwise_scratch.job->dst_block_stride = plan.block_stride;
    job.depthwise = depthwise_scratch.job;
  }
  job.src = src.data;
  job.src_stride_n = src.stride_n;
  job.src_stride_h = src.stride_h;
  job.src_stride_w = src.stride_w;
  job.residual = residual.data;
  job.residual_stride_n = residual.stride_n;
  job.residual_stride_h = residual.stride_h;
  job.residual_stride_w = residual.stride_w;
  job.dst = dst.data;
  job.dst_stride_n = dst.stride_n;
  job.dst_stride_h = dst.stride_h;
  job.dst_stride_w = dst.stride_w;
  job.bias = conv.bias.data;
  job.weights = detail::Panels<float>(prepared, g, ConvDirection::apply).values;
  job.n = g.n;
  job.h = g.oh;
  job.w = g.ow;
  job.channels = g.ic;
  job.dst_channels = g.oc;
  job.panels = plan.panels;
  job.up_h = dst.shape.h / g.oh;
  job.up_w = dst.shape.w / g.ow;
  job.row_blocks = plan.row_blocks;
  job.panel_blocks = plan.panel_blocks;
  job.block_stride = plan.block_stride;
  job.places_offset = plan.places_offset;
  job.epilogue = epilogue_of(conv.activation.kind);
  job.activate = detail::activate_row<float>;
  job.activation = params;
  const PointwiseJob* shared_job = &job;
  const auto run = host_kernels().pointwise;
  const index_t scratch_bytes = plan.scratch_bytes;
  run_blocks(exec, label, blocks, plan.workers, plan.row_blocks * plan.panel_blocks,
             [=](index_t worker, index_t block) { run(*shared_job, scratch + worker * scratch_bytes, block); });
}

} // namespace leadline::host
