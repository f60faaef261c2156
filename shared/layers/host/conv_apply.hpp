// conv::apply and conv::apply_transposed as blocked matrix products on host execs: packs weights once, fills the jobs
// of host_kernels.hpp, launches tasks. Which task runs where, and how work is cut into tasks, changes no bit of the
// results.
#pragma once

#include "shared/layers/host/pieces.hpp"

namespace leadline::host {
namespace detail {

/// Which taps meet which destination pixels.
struct TapLists {
  Phase* phases;
  Tap* taps;
  int32_t* tap_order; ///< position in a panel -> tap of the weights
  int32_t num_phases = 0;

  TapLists(Pieces& pieces, const ConvGeometry& g, ConvDirection direction) {
    phases = pieces.take<Phase>(direction == ConvDirection::apply ? 1 : g.stride_h * g.stride_w);
    taps = pieces.take<Tap>(g.taps());
    tap_order = pieces.take<int32_t>(g.taps());
  }
};

/// Whether so few channels are written that the kernels' vectors run over the channels read instead.
inline bool few_written(const ConvGeometry& g, ConvDirection direction) {
  constexpr index_t few = 4;
  return !g.depthwise() && (direction == ConvDirection::apply ? g.group_oc() : g.group_ic()) <= few;
}

/// The packed weights, and what else only changes with them.
template <class T> struct Panels {
  T *zeros, *values;
  index_t group_k, group_m; ///< channels read and written per group
  index_t panels_per_group, panel_values;

  Panels(Pieces& pieces, const ConvGeometry& g, ConvDirection direction) {
    const bool transposed = direction == ConvDirection::apply_transposed;
    group_k = transposed ? g.group_oc() : g.group_ic();
    group_m = transposed ? g.group_ic() : g.group_oc();
    const index_t width = tile_sizes<T>().panel_width;
    const bool few = few_written(g, direction);
    panels_per_group = few ? group_m : ceil_div(group_m, width);
    panel_values = g.taps() * group_k * (few ? 1 : width);
    zeros = pieces.take<T>(group_k);
    values = pieces.take<T>(g.groups * panels_per_group * panel_values);
  }
};

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

/// Image pixels with the same residue of (y, x) modulo the stride meet the same taps, at consecutive output pixels;
/// each residue is a phase. In the other direction there is one phase: every output pixel meets every tap.
inline void find_taps(const ConvGeometry& g, ConvDirection direction, index_t tile_pixels, TapLists& lists) {
  const auto add = [&](Phase& phase, index_t y, index_t x, index_t tap) {
    insert_tap(phase, lists.taps, lists.tap_order, {static_cast<int32_t>(y), static_cast<int32_t>(x)},
               static_cast<int32_t>(tap));
  };
  lists.num_phases = 0;
  if (direction == ConvDirection::apply) {
    Phase& phase = lists.phases[lists.num_phases++];
    phase = {};
    phase.grid_h = g.oh;
    phase.grid_w = g.ow;
    for (index_t kh = 0; kh < g.kh; ++kh)
      for (index_t kw = 0; kw < g.kw; ++kw)
        add(phase, kh * g.dilation_h - g.padding_top, kw * g.dilation_w - g.padding_left, kh * g.kw + kw);
  } else {
    int32_t first_tap = 0;
    for (index_t ry = 0; ry < g.stride_h; ++ry)
      for (index_t rx = 0; rx < g.stride_w; ++rx) {
        if (ry >= g.ih || rx >= g.iw) continue;
        Phase& phase = lists.phases[lists.num_phases++];
        phase = {};
        phase.grid_h = ceil_div(g.ih - ry, g.stride_h);
        phase.grid_w = ceil_div(g.iw - rx, g.stride_w);
        phase.start_h = ry;
        phase.start_w = rx;
        phase.first_tap = first_tap;
        for (index_t kh = 0; kh < g.kh; ++kh)
          for (index_t kw = 0; kw < g.kw; ++kw) {
            const index_t y = ry + g.padding_top - kh * g.dilation_h, x = rx + g.padding_left - kw * g.dilation_w;
            if (y % g.stride_h == 0 && x % g.stride_w == 0) add(phase, y / g.stride_h, x / g.stride_w, kh * g.kw + kw);
          }
        first_tap += phase.taps;
      }
    // Taps that no image pixel meets (an image smaller than the stride) still have a place in the panels.
    for (int32_t t = first_tap; t < g.taps(); ++t) lists.tap_order[t] = 0;
  }
  index_t tiles = 0;
  for (int32_t p = 0; p < lists.num_phases; ++p) {
    Phase& phase = lists.phases[p];
    phase.first_tile = tiles;
    phase.tiles = ceil_div(g.n * phase.grid_h * phase.grid_w, tile_pixels);
    tiles += phase.tiles;
  }
}

/// Whether all phases have the same grid of pixels, and each pixel reads the one source pixel of the same place: a
/// transposed convolution whose kernel is as large as its stride.
inline bool phases_agree(const TapLists& lists) {
  const Phase& first = lists.phases[0];
  for (int32_t p = 0; p < lists.num_phases; ++p) {
    const Phase& phase = lists.phases[p];
    if (phase.grid_h != first.grid_h || phase.grid_w != first.grid_w || phase.taps != 1 || phase.min_y != 0 ||
        phase.min_x != 0)
      return false;
  }
  return lists.num_phases > 1;
}

} // namespace detail

template <class T> size_t gemm_prepared_bytes(const ConvGeometry& g, ConvDirection direction) {
  detail::Pieces pieces(nullptr);
  detail::TapLists(pieces, g, direction);
  detail::Panels<T>(pieces, g, direction);
  return pieces.bytes();
}

/// Packs the weights `[oc,kh,kw,ic/groups]` into panels.
template <class T, class Exec>
void gemm_prepare(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                  Tensor<const T> weights, void* prepared) {
  const bool transposed = direction == ConvDirection::apply_transposed;
  detail::Pieces pieces(static_cast<unsigned char*>(prepared));
  detail::TapLists lists(pieces, g, direction); // only while packing: gemm_run makes its own
  const detail::Panels<T> packed(pieces, g, direction);
  detail::find_taps(g, direction, tile_sizes<T>().tile_pixels, lists);
  for (index_t k = 0; k < packed.group_k; ++k) packed.zeros[k] = T(0);

  const index_t width = tile_sizes<T>().panel_width, taps = g.taps();
  const index_t group_k = packed.group_k, group_m = packed.group_m, tap_stride = g.group_ic();
  const index_t output_stride = taps * g.group_ic(); // of the weights, from output channel to output channel
  const index_t stride_m = transposed ? 1 : output_stride, stride_k = transposed ? output_stride : 1;
  const index_t group_stride = g.group_oc() * output_stride;
  T* panels = packed.values;
  const int32_t* tap_order = lists.tap_order;
  const T* w = weights.data;
  const index_t panels_per_group = packed.panels_per_group;
  if (detail::few_written(g, direction)) {
    parallel_for(exec, label, g.groups * group_m * taps, [=](index_t i) {
      const index_t t = i % taps, m = i / taps % group_m, group = i / (taps * group_m);
      const T* from = w + group * group_stride + m * stride_m + tap_order[t] * tap_stride;
      for (index_t k = 0; k < group_k; ++k) panels[i * group_k + k] = from[k * stride_k];
    });
    return;
  }
  parallel_for(exec, label, g.groups * panels_per_group * taps, [=](index_t i) {
    const index_t t = i % taps, panel = i / taps, group = panel / panels_per_group;
    const index_t first_m = panel % panels_per_group * width;
    const T* from = w + group * group_stride + first_m * stride_m + tap_order[t] * tap_stride;
    T* to = panels + i * group_k * width;
    const index_t used = group_m - first_m < width ? group_m - first_m : width;
    // Along memory, some channels read at a time: lines that lie powers of two apart don't stay in cache.
    constexpr index_t step = 64 / static_cast<index_t>(sizeof(T));
    for (index_t first_k = 0; first_k < group_k; first_k += step) {
      const index_t last_k = first_k + step < group_k ? first_k + step : group_k;
      if (stride_k == 1) {
        for (index_t j = 0; j < used; ++j)
          for (index_t k = first_k; k < last_k; ++k) to[k * width + j] = from[k + j * stride_m];
      } else {
        for (index_t k = first_k; k < last_k; ++k)
          for (index_t j = 0; j < used; ++j) to[k * width + j] = from[k * stride_k + j * stride_m];
      }
      for (index_t k = first_k; k < last_k; ++k)
        for (index_t j = used; j < width; ++j) to[k * width + j] = T(0);
    }
  });
}

/// How many pieces packed weights can be made in, each for some panels of the channels written, by `gemm_run_pieces`.
/// A piece stays in a core's cache, and has two panels at least: what few channels are written otherwise.
template <class T> index_t gemm_pieces(const ConvGeometry& g, ConvDirection direction) {
  if (direction != ConvDirection::apply || g.groups != 1 || detail::few_written(g, direction)) return 1;
  constexpr index_t piece_bytes = index_t{256} << 10;
  const index_t width = tile_sizes<T>().panel_width, panels = detail::ceil_div(g.oc, width);
  const index_t at_once = piece_bytes / (g.taps() * g.ic * width * index_t{sizeof(T)});
  const index_t pieces = panels / (at_once < 2 ? 2 : at_once);
  return pieces < 1 ? 1 : pieces;
}
namespace detail {
/// The channels that piece `i` of `pieces` writes, from `first` on.
template <class T> ConvGeometry gemm_piece(ConvGeometry g, index_t i, index_t pieces, index_t* first) {
  const index_t width = tile_sizes<T>().panel_width, panels = ceil_div(g.oc, width);
  const index_t end = panels * (i + 1) / pieces * width;
  *first = panels * i / pieces * width;
  g.oc = (end < g.oc ? end : g.oc) - *first;
  return g;
}
} // namespace detail
/// Bytes of the largest piece.
template <class T> size_t gemm_piece_bytes(const ConvGeometry& g, ConvDirection direction) {
  const index_t pieces = gemm_pieces<T>(g, direction);
  size_t largest = 0;
  for (index_t i = 0; i < pieces; ++i) {
    index_t first = 0;
    const size_t bytes = gemm_prepared_bytes<T>(detail::gemm_piece<T>(g, i, pieces, &first), direction);
    largest = bytes > largest ? bytes : largest;
  }
  return largest;
}

template <class T> size_t gemm_workspace_bytes(const ConvGeometry& g, ConvDirection direction) {
  detail::Pieces pieces(nullptr);
  pieces.take<ApplyJob<T>>(1);
  pieces.take<ActivationParams>(1);
  detail::TapLists(pieces, g, direction);
  return pieces.bytes();
}

/// conv::apply or conv::apply_transposed with weights that `gemm_prepare` packed.
template <class T, class Exec>
void gemm_run(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, Tensor<const T> src,
              const void* prepared, Tensor<const T> bias, ActivationParams activation, Tensor<T> dst, bool accumulate,
              Workspace workspace) {
  const KernelTable<T>& table = kernel_table<T>();
  const bool transposed = direction == ConvDirection::apply_transposed;
  // Only read, though the pieces' pointers could write.
  detail::Pieces prepared_pieces(static_cast<unsigned char*>(const_cast<void*>(prepared)));
  detail::TapLists(prepared_pieces, g, direction);
  const detail::Panels<T> packed(prepared_pieces, g, direction);

  detail::Pieces pieces(workspace.data);
  ApplyJob<T>& job = *pieces.take<ApplyJob<T>>(1);
  ActivationParams* params = pieces.take<ActivationParams>(1);
  detail::TapLists lists(pieces, g, direction);
  detail::find_taps(g, direction, tile_sizes<T>().tile_pixels, lists);
  if (lists.num_phases == 0) return;
  *params = activation;
  job = {};
  job.src = src.data;
  job.dst = dst.data;
  job.bias = bias.data;
  job.panels = packed.values;
  job.zeros = packed.zeros;
  job.taps = lists.taps;
  job.phases = lists.phases;
  job.num_phases = lists.num_phases;
  job.src_h = src.shape.h;
  job.src_w = src.shape.w;
  detail::set_strides(job, src, dst);
  job.src_step_h = transposed ? 1 : g.stride_h;
  job.src_step_w = transposed ? 1 : g.stride_w;
  job.dst_step_h = transposed ? g.stride_h : 1;
  job.dst_step_w = transposed ? g.stride_w : 1;
  job.n = g.n;
  job.groups = g.groups;
  job.group_k = packed.group_k;
  job.group_m = packed.group_m;
  job.panels_per_group = packed.panels_per_group;
  job.panel_values = packed.panel_values;
  job.accumulate = accumulate;
  job.epilogue = epilogue_of(activation.kind);
  job.activate = detail::activate_row<T>;
  job.activation = params;
  job.joint = !detail::few_written(g, direction) && detail::phases_agree(lists);
  const Phase& last = lists.phases[job.joint ? 0 : lists.num_phases - 1];
  job.tiles_per_task = 8;
  job.tile_tasks = detail::ceil_div(last.first_tile + last.tiles, job.tiles_per_task);
  const ApplyJob<T>* shared_job = &job;
  if (detail::few_written(g, direction)) {
    const auto run = table.apply_few;
    parallel_tasks(exec, label, job.tile_tasks, [=](index_t task) { run(*shared_job, task); });
    return;
  }
  // Enough tasks that one stalled core doesn't hold the rest: few pixels are cut by channels as well.
  constexpr index_t wanted_tasks = 16;
  const index_t total_panels = g.groups * packed.panels_per_group;
  job.panels_per_task = job.tile_tasks >= wanted_tasks || job.tile_tasks == 0
                            ? total_panels
                            : detail::ceil_div(total_panels, detail::ceil_div(wanted_tasks, job.tile_tasks));
  const index_t panel_tasks = detail::ceil_div(total_panels, job.panels_per_task);
  const auto run = table.apply;
  parallel_tasks(exec, label, job.tile_tasks * panel_tasks, [=](index_t task) { run(*shared_job, task); });
}

/// The same with weights that are packed piece by piece at the start of the workspace: channels written don't depend on
/// one another, so the results are the same bits.
template <class T, class Exec>
void gemm_run_pieces(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                     Tensor<const T> src, Tensor<const T> weights, Tensor<const T> bias, ActivationParams activation,
                     Tensor<T> dst, bool accumulate, Workspace workspace) {
  const size_t bytes = gemm_piece_bytes<T>(g, direction);
  const Workspace rest{workspace.data + bytes, workspace.bytes - bytes, workspace.threads};
  const index_t pieces = gemm_pieces<T>(g, direction);
  for (index_t i = 0; i < pieces; ++i) {
    index_t first = 0;
    const ConvGeometry piece = detail::gemm_piece<T>(g, i, pieces, &first);
    Tensor<const T> piece_weights = weights, piece_bias = bias;
    piece_weights.data += first * g.taps() * g.ic;
    if (bias) piece_bias.data += first;
    gemm_prepare(exec, label, piece, direction, piece_weights, workspace.data);
    gemm_run(exec, label, piece, direction, src, workspace.data, piece_bias, activation, dst.channels(first, piece.oc),
             accumulate, rest);
  }
}

} // namespace leadline::host
