// conv::weight_gradient on host execs: partial sums per slot of output rows, combined pairwise; or Winograd's
// algorithm.
#pragma once

#include "shared/layers/host/conv_winograd_gradient.hpp"

namespace leadline::host {
namespace detail {

/// How the pixels of a weight gradient are cut: by shape alone, since the cut decides the order of its sums.
template <class T> struct GradientPlan {
  index_t rows_per_chunk, chunks_per_image, slots, padded_w, partial_values, scratch_bytes;

  explicit GradientPlan(const ConvGeometry& g) {
    const index_t width = kernel_table<T>().panel_width;
    constexpr index_t wanted_pixels = 1024;
    rows_per_chunk = g.ow > 0 && g.oh > 0 ? wanted_pixels / g.ow : 1;
    rows_per_chunk = rows_per_chunk < 1 ? 1 : rows_per_chunk > g.oh && g.oh > 0 ? g.oh : rows_per_chunk;
    chunks_per_image = ceil_div(g.oh, rows_per_chunk);
    padded_w = (g.ow > 0 ? (g.ow - 1) * g.stride_w : 0) + (g.kw - 1) * g.dilation_w + 1;
    const index_t k = g.taps() * g.group_ic();
    partial_values = g.depthwise() ? g.taps() * g.groups : g.groups * k * ceil_div(g.group_oc(), width) * width;
    constexpr index_t wanted_bytes = index_t{64} << 20;
    slots = wanted_bytes / (partial_values * index_t{sizeof(T)} + 1);
    slots = slots < 4 ? 4 : slots > max_slots ? max_slots : slots;
    const index_t chunks = g.n * chunks_per_image;
    slots = slots > chunks ? (chunks > 0 ? chunks : 1) : slots;
    const index_t padded_rows = (rows_per_chunk - 1) * g.stride_h + (g.kh - 1) * g.dilation_h + 1;
    const index_t values = g.depthwise() ? g.taps() * ceil_div(g.groups, width) * width
                                         : padded_rows * padded_w * g.group_ic() + rows_per_chunk * g.ow * width;
    scratch_bytes = static_cast<index_t>(align_up(static_cast<size_t>(values) * sizeof(T)));
  }
};

} // namespace detail

/// Workspace of direct_weight_gradient.
template <class T> size_t direct_gradient_bytes(const ConvGeometry& g) {
  const detail::GradientPlan<T> plan(g);
  return align_up(sizeof(WeightGradientJob<T>)) +
         align_up(static_cast<size_t>(plan.slots * plan.partial_values) * sizeof(T)) +
         static_cast<size_t>(plan.slots * plan.scratch_bytes);
}

/// conv::weight_gradient on a host exec, for whatever conv_fits: partial sums per slot of output rows, combined
/// pairwise.
template <class T, class Exec>
void direct_weight_gradient(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> image,
                            Tensor<const T> output, Tensor<T> diff_weights, bool accumulate, Workspace workspace) {
  const detail::GradientPlan<T> plan(g);
  detail::Pieces pieces(workspace.data);
  WeightGradientJob<T>* job = pieces.take<WeightGradientJob<T>>(1);
  T* partial = pieces.take<T>(plan.slots * plan.partial_values);
  unsigned char* scratch = pieces.take<unsigned char>(plan.slots * plan.scratch_bytes);
  job->image = image.data;
  job->output = output.data;
  job->partial = partial;
  job->scratch = scratch;
  job->scratch_bytes = plan.scratch_bytes;
  job->n = g.n;
  job->ih = g.ih;
  job->iw = g.iw;
  job->oh = g.oh;
  job->ow = g.ow;
  job->kh = g.kh;
  job->kw = g.kw;
  job->stride_h = g.stride_h;
  job->stride_w = g.stride_w;
  job->padding_top = g.padding_top;
  job->padding_left = g.padding_left;
  job->dilation_h = g.dilation_h;
  job->dilation_w = g.dilation_w;
  job->groups = g.groups;
  job->group_ic = g.group_ic();
  job->group_oc = g.group_oc();
  job->image_stride_n = image.stride_n;
  job->image_stride_h = image.stride_h;
  job->image_stride_w = image.stride_w;
  job->output_stride_n = output.stride_n;
  job->output_stride_h = output.stride_h;
  job->output_stride_w = output.stride_w;
  job->rows_per_chunk = plan.rows_per_chunk;
  job->chunks_per_image = plan.chunks_per_image;
  job->slots = plan.slots;
  job->padded_w = plan.padded_w;
  job->partial_values = plan.partial_values;
  const KernelTable<T>& table = kernel_table<T>();
  const auto run = g.depthwise() ? table.weight_gradient_depthwise : table.weight_gradient;
  parallel_tasks(exec, label, plan.slots, [=](index_t slot) { run(*job, slot); });

  const index_t width = table.panel_width, group_ic = g.group_ic(), group_oc = g.group_oc(),
                k_total = g.taps() * group_ic;
  const index_t panels = detail::ceil_div(group_oc, width), slots = plan.slots, partial_values = plan.partial_values;
  const bool depthwise = g.depthwise();
  const index_t channels = g.groups, taps = g.taps();
  T* result = diff_weights.data;
  parallel_for(exec, label, g.oc * k_total, [=](index_t i) {
    const index_t o = i / k_total, k = i % k_total, group = o / group_oc, m = o % group_oc;
    const index_t at =
        depthwise ? i % taps * channels + i / taps : ((group * panels + m / width) * k_total + k) * width + m % width;
    T sums[max_slots];
    for (index_t s = 0; s < slots; ++s) sums[s] = partial[s * partial_values + at];
    for (index_t step = 1; step < slots; step *= 2)
      for (index_t s = 0; s + step < slots; s += 2 * step) sums[s] += sums[s + step];
    store(result[i], sums[0], accumulate);
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
  return use_winograd_gradient<T>(g) ? winograd_gradient_bytes(g, threads) : direct_gradient_bytes<T>(g);
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
