// Weight gradients of 3x3 convolutions of stride 1 by Winograd's algorithm on host execs: how the work is cut, and the
// launch.
#pragma once

#include "shared/layers/host/pieces.hpp"

namespace leadline::host {
namespace detail {

/// How tiles and channels are cut: by shape alone, since the cut decides the order of the sums.
struct WinogradGradientPlan {
  index_t tiles_h, tiles_w, tiles, slots, row_groups, oc_blocks, ic_blocks, oc_per_block, ic_per_block, tiles_per_chunk;
  index_t image_position_stride, output_position_stride, padded_ic, partial_values, tasks, scratch_bytes;

  explicit WinogradGradientPlan(const ConvGeometry& g) {
    const HostKernels& kernels = host_kernels();
    const index_t width = kernels.f32_sizes.panel_width, lanes = width / 2, rows = kernels.gradient_rows;
    const index_t block = rows > lanes ? rows : lanes;
    tiles_h = ceil_div(g.oh, 4);
    tiles_w = ceil_div(g.ow, 4);
    tiles = g.n * tiles_h * tiles_w;
    const auto round_up = [](index_t value, index_t step) { return ceil_div(value, step) * step; };
    // The sums of a task should take about half of a core's own cache.
    const index_t all_sums = round_up(g.oc, block) * round_up(g.ic, lanes) * 36;
    constexpr index_t wanted_sums = index_t{160} << 10; // floats
    row_groups = all_sums <= wanted_sums ? 1 : 6;
    const index_t positions = 36 / row_groups;
    constexpr index_t most_channels = 128;
    oc_blocks = ceil_div(g.oc, most_channels);
    ic_blocks = ceil_div(g.ic, most_channels);
    oc_per_block = round_up(ceil_div(g.oc, oc_blocks), block);
    ic_per_block = round_up(ceil_div(g.ic, ic_blocks), width);
    oc_blocks = ceil_div(g.oc, oc_per_block);
    ic_blocks = ceil_div(g.ic, ic_per_block);
    // Transformed tiles share the cache with the sums.
    constexpr index_t wanted_values = index_t{64} << 10;
    tiles_per_chunk = wanted_values / (positions * (oc_per_block + ic_per_block)) / 4 * 4;
    tiles_per_chunk = tiles_per_chunk < 16 ? 16 : tiles_per_chunk > 64 ? 64 : tiles_per_chunk;
    // Enough tasks that one stalled core doesn't hold the rest.
    constexpr index_t wanted_tasks = 16;
    slots = ceil_div(wanted_tasks, row_groups * oc_blocks * ic_blocks);
    const index_t chunks = ceil_div(tiles, tiles_per_chunk);
    slots = slots > chunks ? (chunks > 0 ? chunks : 1) : slots;
    // One vector more than needed: positions would else be a power of two apart, and in the same cache sets.
    image_position_stride = tiles_per_chunk * ic_per_block + lanes;
    output_position_stride = tiles_per_chunk * oc_per_block + lanes;
    padded_ic = ic_blocks * ic_per_block;
    partial_values = row_groups * (row_groups == 1 ? 9 : 3) * g.oc * padded_ic;
    tasks = slots * row_groups * oc_blocks * ic_blocks;
    scratch_bytes = static_cast<index_t>(
        align_up(static_cast<size_t>(positions *
                                     (oc_per_block * ic_per_block + image_position_stride + output_position_stride)) *
                 sizeof(float)));
  }
  /// Threads that get scratch of their own.
  index_t workers(int threads) const { return tasks < threads ? tasks : threads < 1 ? 1 : threads; }
};

} // namespace detail

/// What winograd_weight_gradient computes: 3x3, stride 1, one group.
inline bool winograd_gradient_fits(const ConvGeometry& g) {
  return g.kh == 3 && g.kw == 3 && g.stride_h == 1 && g.stride_w == 1 && g.dilation_h == 1 && g.dilation_w == 1 &&
         g.groups == 1;
}

/// Workspace of winograd_weight_gradient for so many threads.
inline size_t winograd_gradient_bytes(const ConvGeometry& g, int threads) {
  const detail::WinogradGradientPlan plan(g);
  return align_up(sizeof(WinogradGradientJob)) + align_up(sizeof(Blocks)) +
         align_up(static_cast<size_t>(plan.slots * plan.partial_values) * sizeof(float)) +
         static_cast<size_t>(plan.workers(threads) * plan.scratch_bytes);
}

/// conv::weight_gradient on a host exec, where winograd_gradient_fits.
template <class Exec>
void winograd_weight_gradient(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const float> image,
                              Tensor<const float> output, Tensor<float> diff_weights, bool accumulate,
                              Workspace workspace) {
  const detail::WinogradGradientPlan plan(g);
  detail::Pieces pieces(workspace.data);
  WinogradGradientJob& job = *pieces.take<WinogradGradientJob>(1);
  Blocks* blocks = pieces.take<Blocks>(1);
  float* partial = pieces.take<float>(plan.slots * plan.partial_values);
  const index_t workers = plan.workers(workspace.threads);
  unsigned char* scratch = pieces.take<unsigned char>(workers * plan.scratch_bytes);
  job = {};
  job.image = image.data;
  job.output = output.data;
  job.partial = partial;
  job.ih = g.ih;
  job.iw = g.iw;
  job.oh = g.oh;
  job.ow = g.ow;
  job.padding_top = g.padding_top;
  job.padding_left = g.padding_left;
  job.ic = g.ic;
  job.oc = g.oc;
  job.image_stride_n = image.stride_n;
  job.image_stride_h = image.stride_h;
  job.image_stride_w = image.stride_w;
  job.output_stride_n = output.stride_n;
  job.output_stride_h = output.stride_h;
  job.output_stride_w = output.stride_w;
  job.tiles_h = plan.tiles_h;
  job.tiles_w = plan.tiles_w;
  job.tiles = plan.tiles;
  job.slots = plan.slots;
  job.row_groups = plan.row_groups;
  job.oc_blocks = plan.oc_blocks;
  job.ic_blocks = plan.ic_blocks;
  job.oc_per_block = plan.oc_per_block;
  job.ic_per_block = plan.ic_per_block;
  job.tiles_per_chunk = plan.tiles_per_chunk;
  job.image_position_stride = plan.image_position_stride;
  job.output_position_stride = plan.output_position_stride;
  job.padded_ic = plan.padded_ic;
  job.partial_tap_values = g.oc * plan.padded_ic;
  const WinogradGradientJob* shared_job = &job;
  const index_t scratch_bytes = plan.scratch_bytes;
  const auto run = training_kernels().winograd_gradient;
  run_blocks(exec, label, blocks, workers, plan.tasks,
             [=](index_t worker, index_t task) { run(*shared_job, scratch + worker * scratch_bytes, task); });

  // Rows of positions, then slots pairwise: a fixed order.
  const index_t slots = plan.slots, row_groups = plan.row_groups, slot_values = plan.partial_values, ic = g.ic;
  const index_t padded_ic = plan.padded_ic, tap_values = g.oc * plan.padded_ic;
  float* result = diff_weights.data;
  constexpr index_t step = 8; // divides padded_ic
  parallel_for(exec, label, g.oc * 9, [=](index_t i) {
    const index_t o = i / 9, tap = i % 9, row = tap / 3, column = tap % 3;
    // G^T, as taps_of in winograd_gradient_kernels.hpp
    constexpr float filter[3][6] = {{0.25f, -1.0f / 6, -1.0f / 6, 1.0f / 24, 1.0f / 24, 0},
                                    {0, -1.0f / 6, 1.0f / 6, 1.0f / 12, -1.0f / 12, 0},
                                    {0, -1.0f / 6, -1.0f / 6, 1.0f / 6, 1.0f / 6, 1}};
    for (index_t c = 0; c < ic; c += step) {
      float sums[max_slots][step];
      for (index_t s = 0; s < slots; ++s) {
        const float* from = partial + s * slot_values + o * padded_ic + c;
        if (row_groups == 1) {
          for (index_t k = 0; k < step; ++k) sums[s][k] = from[tap * tap_values + k];
        } else {
          for (index_t k = 0; k < step; ++k) sums[s][k] = 0;
          for (index_t r = 0; r < 6; ++r)
            for (index_t k = 0; k < step; ++k) sums[s][k] += filter[row][r] * from[(r * 3 + column) * tap_values + k];
        }
      }
      for (index_t stride = 1; stride < slots; stride *= 2)
        for (index_t s = 0; s + stride < slots; s += 2 * stride)
          for (index_t k = 0; k < step; ++k) sums[s][k] += sums[s + stride][k];
      for (index_t k = 0; k < (ic - c < step ? ic - c : step); ++k)
        store(result[i * ic + c + k], sums[0][k], accumulate);
    }
  });
}

} // namespace leadline::host
