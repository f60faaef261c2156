// conv::apply and conv::apply_transposed as blocked matrix products on host execs: fills the jobs of host_kernels.hpp
// in the workspace, packs weights, launches tasks. Which task runs where, and how work is cut into tasks, changes no
// bit of the results.
#pragma once

#include "shared/layers/host/pieces.hpp"

namespace leadline::host {
namespace detail {

/// What both directions keep in the workspace.
template <class T> struct ApplyMemory {
  ApplyJob<T>* job;
  ActivationParams* activation;
  Phase* phases;
  Tap* taps;
  int32_t* tap_order; ///< position in a panel -> tap of the weights
  T *zeros, *panels;

  ApplyMemory(Pieces& pieces, const ConvGeometry& g, index_t group_k, index_t group_m)
      : job(pieces.take<ApplyJob<T>>(1)), activation(pieces.take<ActivationParams>(1)),
        phases(pieces.take<Phase>(g.stride_h * g.stride_w)), taps(pieces.take<Tap>(g.taps())),
        tap_order(pieces.take<int32_t>(g.taps())), zeros(pieces.take<T>(group_k)),
        panels(pieces.take<T>(g.groups * g.taps() * group_k * padded_m(g, group_m))) {}

  static index_t padded_m(const ConvGeometry& g, index_t group_m) {
    const index_t width = kernel_table<T>().panel_width;
    return g.depthwise() ? 1 : ceil_div(group_m, width) * width;
  }
};

template <class T> void activate_row(const void* params, T* row, index_t count) {
  const ActivationParams& activation = *static_cast<const ActivationParams*>(params);
  activate_range(activation.kind, decimal<T>(activation.alpha), row, row, 0, count);
}

/// Adds tap (y, x) to the phase, keeping taps sorted by (y, x) so that neighbours in memory are neighbours in the list.
inline void insert_tap(Phase& phase, Tap* taps, int32_t* tap_order, Tap tap, int32_t index) {
  int32_t at = phase.first_tap + phase.taps;
  for (; at > phase.first_tap && (taps[at - 1].y > tap.y || (taps[at - 1].y == tap.y && taps[at - 1].x > tap.x));
       --at) {
    taps[at] = taps[at - 1];
    tap_order[at] = tap_order[at - 1];
  }
  taps[at] = tap;
  tap_order[at] = index;
  if (phase.taps == 0) {
    phase.min_y = phase.max_y = tap.y;
    phase.min_x = phase.max_x = tap.x;
  }
  phase.min_y = tap.y < phase.min_y ? tap.y : phase.min_y;
  phase.max_y = tap.y > phase.max_y ? tap.y : phase.max_y;
  phase.min_x = tap.x < phase.min_x ? tap.x : phase.min_x;
  phase.max_x = tap.x > phase.max_x ? tap.x : phase.max_x;
  ++phase.taps;
}

/// Fills everything but strides and phases, packs the weights and runs the tasks. `stride_m`, `stride_k`: weights'
/// element strides over written and read channels of a group, `group_stride` from group to group.
template <class T, class Exec>
void launch_apply(const Exec& exec, const char* label, const ConvGeometry& g, const ApplyMemory<T>& memory,
                  Tensor<const T> src, Tensor<const T> weights, Tensor<const T> bias, ActivationParams activation,
                  Tensor<T> dst, bool accumulate, index_t stride_m, index_t stride_k, index_t group_stride) {
  const KernelTable<T>& table = kernel_table<T>();
  ApplyJob<T>& job = *memory.job;
  *memory.activation = activation;
  job.src = src.data;
  job.dst = dst.data;
  job.bias = bias.data;
  job.panels = memory.panels;
  job.zeros = memory.zeros;
  job.taps = memory.taps;
  job.phases = memory.phases;
  job.src_h = src.shape.h;
  job.src_w = src.shape.w;
  job.src_stride_n = src.stride_n;
  job.src_stride_h = src.stride_h;
  job.src_stride_w = src.stride_w;
  job.dst_stride_n = dst.stride_n;
  job.dst_stride_h = dst.stride_h;
  job.dst_stride_w = dst.stride_w;
  job.n = g.n;
  job.groups = g.groups;
  job.accumulate = accumulate;
  job.activate = activation.kind == ActivationKind::identity ? nullptr : activate_row<T>;
  job.activation = memory.activation;

  index_t tiles = 0;
  for (int32_t p = 0; p < job.num_phases; ++p) {
    Phase& phase = memory.phases[p];
    phase.first_tile = tiles;
    phase.tiles = ceil_div(g.n * phase.grid_h * phase.grid_w, table.tile_pixels);
    tiles += phase.tiles;
  }
  for (index_t k = 0; k < job.group_k; ++k) memory.zeros[k] = T(0);

  const index_t width = table.panel_width, taps = g.taps(), channels = g.groups;
  const index_t group_k = job.group_k, group_m = job.group_m, tap_stride = g.group_ic();
  T* panels = memory.panels;
  const int32_t* tap_order = memory.tap_order;
  const T* w = weights.data;
  job.tiles_per_task = 8;
  job.tile_tasks = ceil_div(tiles, job.tiles_per_task);
  const ApplyJob<T>* shared_job = memory.job;
  if (g.depthwise()) {
    job.panels_per_group = 1;
    job.panel_values = taps;
    parallel_for(exec, label, taps, [=](index_t t) {
      for (index_t c = 0; c < channels; ++c) panels[t * channels + c] = w[c * taps + tap_order[t]];
    });
    const auto run = table.apply_depthwise;
    parallel_tasks(exec, label, job.tile_tasks, [=](index_t task) { run(*shared_job, task); });
    return;
  }

  job.panels_per_group = ceil_div(group_m, width);
  job.panel_values = taps * group_k * width;
  const index_t panels_per_group = job.panels_per_group, total_panels = g.groups * panels_per_group;
  parallel_for(exec, label, total_panels * taps, [=](index_t i) {
    const index_t t = i % taps, panel = i / taps, group = panel / panels_per_group;
    const index_t first_m = panel % panels_per_group * width;
    const T* from = w + group * group_stride + first_m * stride_m + tap_order[t] * tap_stride;
    T* to = panels + i * group_k * width;
    const index_t used = group_m - first_m < width ? group_m - first_m : width;
    for (index_t k = 0; k < group_k; ++k)
      for (index_t j = 0; j < width; ++j) to[k * width + j] = j < used ? from[k * stride_k + j * stride_m] : T(0);
  });
  // Enough tasks that one stalled core doesn't hold the rest: few pixels are cut by channels as well.
  constexpr index_t wanted_tasks = 16;
  job.panels_per_task = job.tile_tasks >= wanted_tasks || job.tile_tasks == 0
                            ? total_panels
                            : ceil_div(total_panels, ceil_div(wanted_tasks, job.tile_tasks));
  const index_t panel_tasks = ceil_div(total_panels, job.panels_per_task);
  const auto run = table.apply;
  parallel_tasks(exec, label, job.tile_tasks * panel_tasks, [=](index_t task) { run(*shared_job, task); });
}

} // namespace detail

/// conv::apply on a host exec.
template <class T, class Exec>
void conv_apply(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> src,
                Tensor<const T> weights, Tensor<const T> bias, ActivationParams activation, Tensor<T> dst,
                bool accumulate, Workspace workspace) {
  if (!conv_fits(g)) return conv::apply(exec, label, g, src, weights, bias, activation, dst, accumulate);
  detail::Pieces pieces(workspace.data);
  const detail::ApplyMemory<T> memory(pieces, g, g.group_ic(), g.group_oc());
  Phase& phase = memory.phases[0];
  phase = {};
  phase.grid_h = g.oh;
  phase.grid_w = g.ow;
  for (index_t kh = 0; kh < g.kh; ++kh)
    for (index_t kw = 0; kw < g.kw; ++kw)
      detail::insert_tap(phase, memory.taps, memory.tap_order,
                         {static_cast<int32_t>(kh * g.dilation_h - g.padding_top),
                          static_cast<int32_t>(kw * g.dilation_w - g.padding_left)},
                         static_cast<int32_t>(kh * g.kw + kw));
  ApplyJob<T>& job = *memory.job;
  job.num_phases = 1;
  job.src_step_h = g.stride_h;
  job.src_step_w = g.stride_w;
  job.dst_step_h = job.dst_step_w = 1;
  job.group_k = g.group_ic();
  job.group_m = g.group_oc();
  detail::launch_apply(exec, label, g, memory, src, weights, bias, activation, dst, accumulate, g.taps() * g.group_ic(),
                       1, g.group_oc() * g.taps() * g.group_ic());
}

/// conv::apply_transposed on a host exec.
template <class T, class Exec>
void conv_apply_transposed(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> src,
                           Tensor<const T> weights, Tensor<const T> bias, ActivationParams activation, Tensor<T> dst,
                           bool accumulate, Workspace workspace) {
  if (!conv_fits(g)) return conv::apply_transposed(exec, label, g, src, weights, bias, activation, dst, accumulate);
  detail::Pieces pieces(workspace.data);
  const detail::ApplyMemory<T> memory(pieces, g, g.group_oc(), g.group_ic());
  ApplyJob<T>& job = *memory.job;
  job.num_phases = 0;
  int32_t first_tap = 0;
  // Image pixels with the same residue of (y, x) modulo the stride meet the same taps, at consecutive output pixels.
  for (index_t ry = 0; ry < g.stride_h; ++ry)
    for (index_t rx = 0; rx < g.stride_w; ++rx) {
      if (ry >= g.ih || rx >= g.iw) continue;
      Phase& phase = memory.phases[job.num_phases++];
      phase = {};
      phase.grid_h = detail::ceil_div(g.ih - ry, g.stride_h);
      phase.grid_w = detail::ceil_div(g.iw - rx, g.stride_w);
      phase.start_h = ry;
      phase.start_w = rx;
      phase.first_tap = first_tap;
      for (index_t kh = 0; kh < g.kh; ++kh)
        for (index_t kw = 0; kw < g.kw; ++kw) {
          const index_t y = ry + g.padding_top - kh * g.dilation_h, x = rx + g.padding_left - kw * g.dilation_w;
          if (y % g.stride_h != 0 || x % g.stride_w != 0) continue;
          detail::insert_tap(phase, memory.taps, memory.tap_order,
                             {static_cast<int32_t>(y / g.stride_h), static_cast<int32_t>(x / g.stride_w)},
                             static_cast<int32_t>(kh * g.kw + kw));
        }
      first_tap += phase.taps;
    }
  // Taps that no image pixel meets (an image smaller than the stride) still have a place in the panels.
  for (int32_t t = first_tap; t < g.taps(); ++t) memory.tap_order[t] = 0;
  if (job.num_phases == 0) return;
  job.src_step_h = job.src_step_w = 1;
  job.dst_step_h = g.stride_h;
  job.dst_step_w = g.stride_w;
  job.group_k = g.group_oc();
  job.group_m = g.group_ic();
  detail::launch_apply(exec, label, g, memory, src, weights, bias, activation, dst, accumulate, 1,
                       g.taps() * g.group_ic(), g.group_oc() * g.taps() * g.group_ic());
}

} // namespace leadline::host
