// conv::weight_gradient on host execs: partial sums per slot of output rows, combined pairwise; or Winograd's
// algorithm.
#pragma once

#include "shared/layers/host/conv_winograd_gradient.hpp"

namespace leadline::host {
namespace detail {

/// Weight gradients whose vectors run over the image's channels: depthwise ones, and those of few output channels.
inline bool few_outputs(const ConvGeometry& g) { return g.groups == 1 && g.oc <= 4 && g.ic >= 8; }
inline bool over_channels(const ConvGeometry& g) { return g.depthwise() || few_outputs(g); }

/// How a weight gradient is cut: by shape alone, since the cut decides the order of its sums.
template <class T> struct GradientPlan {
  index_t rows_per_chunk, chunks_per_image, slots, tasks, partial_values, scratch_bytes;
  index_t panel_blocks = 1, panels_per_block = 1, ic_blocks = 1, ic_per_block = 1;
  index_t rows_per_step = 1, channel_block = 1, padded_w = 0, chunk_pixels = 0, image_values = 0;

  explicit GradientPlan(const ConvGeometry& g) {
    const index_t width = tile_sizes<T>().panel_width, lanes = width / 2;
    const index_t oh = g.oh > 0 ? g.oh : 1, ow = g.ow > 0 ? g.ow : 1;
    const auto rows_of = [&](index_t pixels) {
      const index_t rows = pixels / ow;
      return rows < 1 ? 1 : rows > oh ? oh : rows;
    };
    rows_per_chunk = rows_of(1024);
    chunks_per_image = ceil_div(g.oh, rows_per_chunk);
    index_t values, blocks = 1;
    if (over_channels(g)) {
      partial_values = g.taps() * g.ic * g.group_oc();
      values = g.taps() * ceil_div(g.ic, width) * width;
    } else {
      const index_t panels = ceil_div(g.group_oc(), width);
      partial_values = g.groups * g.taps() * g.group_ic() * panels * width;
      // The sums of a task stay in a core's own cache, beside the copies of a chunk.
      constexpr index_t most_panels = 4, wanted_sums = index_t{96} << 10;
      panel_blocks = ceil_div(panels, most_panels);
      panels_per_block = ceil_div(panels, panel_blocks);
      channel_block = g.group_ic() < lanes ? g.group_ic() : lanes;
      const index_t channels = wanted_sums / (g.taps() * panels_per_block * width) / channel_block * channel_block;
      ic_per_block = channels < channel_block ? channel_block : channels > g.group_ic() ? g.group_ic() : channels;
      ic_blocks = ceil_div(g.group_ic(), ic_per_block);
      ic_per_block = ceil_div(ceil_div(g.group_ic(), ic_blocks), channel_block) * channel_block;
      ic_blocks = ceil_div(g.group_ic(), ic_per_block);
      blocks = g.groups * panel_blocks * ic_blocks;
      rows_per_step = rows_of(128);
      padded_w = (ow - 1) * g.stride_w + (g.kw - 1) * g.dilation_w + 1;
      chunk_pixels = ((rows_per_chunk - 1) * g.stride_h + (g.kh - 1) * g.dilation_h + 1) * padded_w;
      image_values = chunk_pixels * ic_per_block;
      values = image_values + rows_per_chunk * ow * width;
    }
    // Enough tasks that one stalled core doesn't hold the rest.
    constexpr index_t wanted_tasks = 16;
    slots = ceil_div(wanted_tasks, blocks);
    const index_t chunks = g.n * chunks_per_image;
    slots = slots > chunks ? (chunks > 0 ? chunks : 1) : slots;
    tasks = slots * blocks;
    scratch_bytes = static_cast<index_t>(align_up(static_cast<size_t>(values) * sizeof(T)));
  }
  /// Threads that get scratch of their own.
  index_t workers(int threads) const { return tasks < threads ? tasks : threads < 1 ? 1 : threads; }
};

} // namespace detail

/// Workspace of direct_weight_gradient for so many threads.
template <class T> size_t direct_gradient_bytes(const ConvGeometry& g, int threads) {
  const detail::GradientPlan<T> plan(g);
  return align_up(sizeof(WeightGradientJob<T>)) + align_up(sizeof(Blocks)) +
         align_up(static_cast<size_t>(plan.slots * plan.partial_values) * sizeof(T)) +
         static_cast<size_t>(plan.workers(threads) * plan.scratch_bytes);
}

/// conv::weight_gradient on a host exec, for whatever conv_fits: partial sums per slot of output rows, combined
/// pairwise.
template <class T, class Exec>
void direct_weight_gradient(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> image,
                            Tensor<const T> output, Tensor<T> diff_weights, bool accumulate, Workspace workspace) {
  const detail::GradientPlan<T> plan(g);
  detail::Pieces pieces(workspace.data);
  WeightGradientJob<T>& job = *pieces.take<WeightGradientJob<T>>(1);
  Blocks* next = pieces.take<Blocks>(1);
  T* partial = pieces.take<T>(plan.slots * plan.partial_values);
  const index_t workers = plan.workers(workspace.threads), scratch_bytes = plan.scratch_bytes;
  unsigned char* scratch = pieces.take<unsigned char>(workers * scratch_bytes);
  job = {};
  job.image = image.data;
  job.output = output.data;
  job.partial = partial;
  job.n = g.n;
  job.ih = g.ih;
  job.iw = g.iw;
  job.oh = g.oh;
  job.ow = g.ow;
  job.kh = g.kh;
  job.kw = g.kw;
  job.stride_h = g.stride_h;
  job.stride_w = g.stride_w;
  job.padding_top = g.padding_top;
  job.padding_left = g.padding_left;
  job.dilation_h = g.dilation_h;
  job.dilation_w = g.dilation_w;
  job.groups = g.groups;
  job.group_ic = g.group_ic();
  job.group_oc = g.group_oc();
  job.image_stride_n = image.stride_n;
  job.image_stride_h = image.stride_h;
  job.image_stride_w = image.stride_w;
  job.output_stride_n = output.stride_n;
  job.output_stride_h = output.stride_h;
  job.output_stride_w = output.stride_w;
  job.rows_per_chunk = plan.rows_per_chunk;
  job.chunks_per_image = plan.chunks_per_image;
  job.slots = plan.slots;
  job.partial_values = plan.partial_values;
  job.channels = g.ic;
  job.few = detail::few_outputs(g);
  job.panel_blocks = plan.panel_blocks;
  job.panels_per_block = plan.panels_per_block;
  job.ic_blocks = plan.ic_blocks;
  job.ic_per_block = plan.ic_per_block;
  job.rows_per_step = plan.rows_per_step;
  job.channel_block = plan.channel_block;
  job.padded_w = plan.padded_w;
  job.chunk_pixels = plan.chunk_pixels;
  job.image_values = plan.image_values;
  const WeightGradientJob<T>* shared_job = &job;
  const TrainingTable<T>& table = training_table<T>();
  const auto run = detail::over_channels(g) ? table.depthwise_gradient : table.weight_gradient;
  run_blocks(exec, label, next, workers, plan.tasks,
             [=](index_t worker, index_t task) { run(*shared_job, scratch + worker * scratch_bytes, task); });

  // Partial sums are matrices `[rows][width]`, one or more, whose columns are the weights' outer extent; where few
  // output channels leave them in the weights' own order there is one column.
  const bool depthwise = g.depthwise(), few = detail::few_outputs(g);
  const index_t slots = plan.slots, slot_values = plan.partial_values;
  const index_t columns = depthwise ? g.groups : few ? 1 : g.group_oc();
  const index_t width = depthwise || few ? columns : tile_sizes<T>().panel_width,
                panels = detail::ceil_div(columns, width);
  const index_t rows = depthwise ? g.taps() : few ? slot_values : g.taps() * g.group_ic();
  const index_t groups = depthwise ? 1 : g.groups;
  constexpr index_t row_block = 16, column_block = 8;
  const index_t row_blocks = detail::ceil_div(rows, row_block), column_blocks = detail::ceil_div(width, column_block);
  T* result = diff_weights.data;
  parallel_for(exec, label, groups * panels * column_blocks * row_blocks, [=](index_t i) {
    const index_t k0 = i % row_blocks * row_block, j0 = i / row_blocks % column_blocks * column_block;
    const index_t panel = i / (row_blocks * column_blocks), group = panel / panels, m0 = panel % panels * width + j0;
    const auto at_most = [](index_t value, index_t limit) { return value < limit ? value : limit; };
    const index_t row_count = at_most(rows - k0, row_block);
    const index_t column_count = at_most(at_most(columns - m0, width - j0), column_block);
    for (index_t j = 0; j < column_count; ++j) {
      T* to = result + (group * columns + m0 + j) * rows + k0;
      for (index_t k = 0; k < row_count; ++k) {
        const T* from = partial + (panel * rows + k0 + k) * width + j0 + j;
        T sums[max_slots];
        for (index_t s = 0; s < slots; ++s) sums[s] = from[s * slot_values];
        for (index_t step = 1; step < slots; step *= 2) // pairwise: a fixed order
          for (index_t s = 0; s + step < slots; s += 2 * step) sums[s] += sums[s + step];
        store(to[k], sums[0], accumulate);
      }
    }
  });
}

/// Whether Winograd's algorithm computes this weight gradient: where it applies and its padding of channels to vectors
/// doesn't eat what it saves.
template <class T> bool use_winograd_gradient(const ConvGeometry& g) {
  return sizeof(T) == sizeof(float) && winograd_gradient_fits(g) && g.ic >= 16 && g.oc >= 8;
}

/// Workspace of conv_weight_gradient for so many threads.
template <class T> size_t conv_gradient_bytes(const ConvGeometry& g, int threads) {
  if (!conv_fits(g)) return 0;
  return use_winograd_gradient<T>(g) ? winograd_gradient_bytes(g, threads) : direct_gradient_bytes<T>(g, threads);
}

/// conv::weight_gradient on a host exec, by the algorithm that suits its shape.
template <class T, class Exec>
void conv_weight_gradient(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> image,
                          Tensor<const T> output, Tensor<T> diff_weights, bool accumulate, Workspace workspace) {
  if (!conv_fits(g)) return conv::weight_gradient(exec, label, g, image, output, diff_weights, accumulate);
  if constexpr (sizeof(T) == sizeof(float))
    if (use_winograd_gradient<T>(g))
      return winograd_weight_gradient(exec, label, g, image, output, diff_weights, accumulate, workspace);
  direct_weight_gradient(exec, label, g, image, output, diff_weights, accumulate, workspace);
}

} // namespace leadline::host
