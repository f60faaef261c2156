// Depthwise convolutions on host execs, both directions: which taps meet which pixels, weights turned to `[tap][C]`
// once, and the launch.
#pragma once

#include "shared/layers/host/pieces.hpp"

namespace leadline::host {
namespace detail {

/// What does not change from run to run.
template <class T> struct DepthwisePrepared {
  int32_t* tap_order; ///< place among the packed weights -> tap of the weights
  T* weights;         ///< `[tap][C]`, phase by phase
  size_t bytes;

  DepthwisePrepared(unsigned char* base, const ConvGeometry& g) {
    Pieces pieces(base);
    tap_order = pieces.take<int32_t>(g.taps());
    weights = pieces.take<T>(g.taps() * g.groups);
    bytes = pieces.bytes();
  }
};

/// What a run keeps in its workspace. Which phases there are depends on the pixels that it computes: of a strip they
/// are others than of the whole.
template <class T> struct DepthwiseScratch {
  DepthwiseJob<T>* job;
  ActivationParams* params;
  DepthwisePhase* phases;
  size_t bytes;

  DepthwiseScratch(unsigned char* base, const ConvGeometry& g, ConvDirection direction) {
    Pieces pieces(base);
    job = pieces.take<DepthwiseJob<T>>(1);
    params = pieces.take<ActivationParams>(1);
    phases = pieces.take<DepthwisePhase>(direction == ConvDirection::apply ? 1 : g.stride_h * g.stride_w);
    bytes = pieces.bytes();
  }
};

/// The taps of one axis that destination pixels with residue r modulo the stride meet: kernel indices first,
/// first + step, ... (count of them), by rising source pixel; the first reads source pixel `src`.
struct AxisTaps {
  index_t first = 0, step = 1, count = 0, src = 0;

  static AxisTaps apply(index_t kernel, index_t padding) { return {0, 1, kernel, -padding}; }
  static AxisTaps transposed(index_t r, index_t kernel, index_t stride, index_t padding, index_t dilation) {
    AxisTaps taps;
    for (index_t k = kernel - 1; k >= 0; --k) {
      const index_t place = r + padding - k * dilation; // times stride
      if (place % stride != 0) continue;
      if (taps.count == 0) {
        taps.first = k;
        taps.src = place / stride;
      } else if (taps.count == 1) {
        taps.step = k - taps.first;
      }
      ++taps.count;
    }
    return taps;
  }
};

constexpr index_t greatest_common_divisor(index_t a, index_t b) {
  return b == 0 ? a : greatest_common_divisor(b, a % b);
}

/// f(phase, its taps of both axes) for each phase; `phase` is whole but for what the caller keeps count of.
template <class F> void for_each_depthwise_phase(const ConvGeometry& g, ConvDirection direction, const F& f) {
  const bool transposed = direction == ConvDirection::apply_transposed;
  const index_t dst_h = transposed ? g.ih : g.oh, dst_w = transposed ? g.iw : g.ow;
  const index_t stride_h = transposed ? g.stride_h : 1, stride_w = transposed ? g.stride_w : 1;
  index_t first_row = 0, first_tap = 0;
  for (index_t ry = 0; ry < stride_h && ry < dst_h; ++ry)
    for (index_t rx = 0; rx < stride_w && rx < dst_w; ++rx) {
      const AxisTaps y = transposed ? AxisTaps::transposed(ry, g.kh, g.stride_h, g.padding_top, g.dilation_h)
                                    : AxisTaps::apply(g.kh, g.padding_top);
      const AxisTaps x = transposed ? AxisTaps::transposed(rx, g.kw, g.stride_w, g.padding_left, g.dilation_w)
                                    : AxisTaps::apply(g.kw, g.padding_left);
      DepthwisePhase phase = {};
      phase.grid_h = ceil_div(dst_h - ry, stride_h);
      phase.grid_w = ceil_div(dst_w - rx, stride_w);
      phase.start_h = ry;
      phase.start_w = rx;
      phase.src_y = y.src;
      phase.src_x = x.src;
      phase.taps_h = static_cast<int32_t>(y.count);
      phase.taps_w = static_cast<int32_t>(x.count);
      phase.first_tap = first_tap;
      phase.first_row = first_row;
      first_row += g.n * phase.grid_h;
      first_tap += y.count * x.count;
      f(phase, y, x);
    }
}

} // namespace detail

template <class T> size_t depthwise_prepared_bytes(const ConvGeometry& g, ConvDirection) {
  return detail::DepthwisePrepared<T>(nullptr, g).bytes;
}

/// Turns the weights `[C,kh,kw,1]` for depthwise_run.
template <class T, class Exec>
void depthwise_prepare(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                       Tensor<const T> weights, void* prepared) {
  const detail::DepthwisePrepared<T> to(static_cast<unsigned char*>(prepared), g);
  index_t first_tap = 0;
  detail::for_each_depthwise_phase(
      g, direction, [&](const DepthwisePhase&, const detail::AxisTaps& y, const detail::AxisTaps& x) {
        for (index_t i = 0; i < y.count; ++i)
          for (index_t j = 0; j < x.count; ++j)
            to.tap_order[first_tap++] = static_cast<int32_t>((y.first + i * y.step) * g.kw + x.first + j * x.step);
      });
  const index_t channels = g.groups, taps = g.taps();
  const int32_t* order = to.tap_order;
  const T* from = weights.data;
  T* packed = to.weights;
  parallel_for(exec, label, first_tap, [=](index_t t) {
    for (index_t c = 0; c < channels; ++c) packed[t * channels + c] = from[c * taps + order[t]];
  });
}

template <class T> size_t depthwise_workspace_bytes(const ConvGeometry& g, ConvDirection direction) {
  return detail::DepthwiseScratch<T>(nullptr, g, direction).bytes;
}

namespace detail {

/// Fills the kernel's job in `scratch`; its tasks are up to the caller. False: there are no results.
template <class T>
bool fill_depthwise(const ConvGeometry& g, ConvDirection direction, Tensor<const T> src, const void* prepared,
                    Tensor<const T> bias, ActivationParams activation, Tensor<T> dst, bool accumulate,
                    const DepthwiseScratch<T>& scratch) {
  // Only read, though DepthwisePrepared's pointers could write.
  const DepthwisePrepared<T> from(static_cast<unsigned char*>(const_cast<void*>(prepared)), g);
  index_t num_phases = 0;
  for_each_depthwise_phase(g, direction, [&](const DepthwisePhase& phase, const AxisTaps&, const AxisTaps&) {
    scratch.phases[num_phases++] = phase;
  });
  if (num_phases == 0) return false;
  const bool transposed = direction == ConvDirection::apply_transposed;
  DepthwiseJob<T>& job = *scratch.job;
  *scratch.params = activation;
  job = {};
  job.src = src.data;
  job.dst = dst.data;
  job.bias = bias.data;
  job.weights = from.weights;
  job.phases = scratch.phases;
  job.n = g.n;
  job.channels = g.groups;
  job.src_h = src.shape.h;
  job.src_w = src.shape.w;
  set_strides(job, src, dst);
  job.dst_block_stride = tile_sizes<T>().panel_width / 2;
  // Neighbouring pixels of a phase read source pixels `src_step` apart, neighbouring taps `tap_step` apart.
  job.src_step_h = transposed ? 1 : g.stride_h;
  job.src_step_w = transposed ? 1 : g.stride_w;
  job.dst_step_h = transposed ? g.stride_h : 1;
  job.dst_step_w = transposed ? g.stride_w : 1;
  job.tap_step_h = g.dilation_h / (transposed ? greatest_common_divisor(g.stride_h, g.dilation_h) : 1);
  job.tap_step_w = g.dilation_w / (transposed ? greatest_common_divisor(g.stride_w, g.dilation_w) : 1);
  job.accumulate = accumulate;
  job.epilogue = epilogue_of(activation.kind);
  job.activate = activate_row<T>;
  job.activation = scratch.params;
  const DepthwisePhase& last = scratch.phases[num_phases - 1];
  job.rows = last.first_row + g.n * last.grid_h;
  return true;
}

} // namespace detail

/// conv::apply or conv::apply_transposed of a depthwise convolution, with weights that depthwise_prepare turned.
template <class T, class Exec>
void depthwise_run(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                   Tensor<const T> src, const void* prepared, Tensor<const T> bias, ActivationParams activation,
                   Tensor<T> dst, bool accumulate, Workspace workspace) {
  const detail::DepthwiseScratch<T> scratch(workspace.data, g, direction);
  if (!detail::fill_depthwise(g, direction, src, prepared, bias, activation, dst, accumulate, scratch)) return;
  DepthwiseJob<T>& job = *scratch.job;
  // Tasks of some rows, whose sources overlap: a third of them is read twice at worst.
  constexpr index_t rows_per_task = 4;
  job.tasks = detail::ceil_div(job.rows, rows_per_task);
  const DepthwiseJob<T>* shared_job = &job;
  const auto run = kernel_table<T>().depthwise;
  parallel_tasks(exec, label, job.tasks, [=](index_t task) { run(*shared_job, task); });
}

} // namespace leadline::host
