// Convolutions with bf16 products and float sums on host execs: conv::apply, conv::apply_transposed and
// conv::weight_gradient on float tensors.
//
// Error relative to the largest result, against double: at most 1e-2; with `split`, where each value is the sum of two
// bf16 numbers, at most 2e-5. bf16_kernels().isa names the arithmetic: levels with bf16 instructions sum in an order of
// their own, the others agree with each other. On every level the results are the same bits for any number of threads.
//
// `transposed` is the data gradient of conv2d and the forward pass of conv_transpose2d: src is the output side of the
// geometry, dst the image side. Weights are packed once (`bf16_prepare`), position-independent, the same on every
// level.
#pragma once

#include "shared/layers/host/bf16.hpp"
#include "shared/layers/host/pieces.hpp"

namespace leadline::host {
namespace detail {

constexpr index_t bf16_strip_bytes = index_t{128} << 10; ///< wanted, so that a strip stays in a core's cache
constexpr index_t bf16_wanted_tasks = 16;
constexpr index_t bf16_max_span = 64; ///< rows and columns that the taps of a pixel may span

constexpr index_t floor_div(index_t a, index_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
constexpr index_t larger(index_t a, index_t b) { return a < b ? b : a; }
constexpr index_t lesser(index_t a, index_t b) { return a < b ? a : b; }

/// One axis of a geometry: where the taps of a phase lie.
struct Bf16Axis {
  index_t in, out, kernel, stride, padding, dilation;
  bool transposed, gather;

  index_t period() const { // taps until a residue modulo the stride returns
    index_t a = stride, b = dilation;
    while (b != 0) {
      const index_t rest = a % b;
      a = b;
      b = rest;
    }
    return stride / a;
  }
  index_t planes() const { return transposed || gather ? 1 : lesser(kernel, period()); }
  index_t phases() const { return transposed ? lesser(stride, in) : 1; }
  index_t grid(index_t phase) const { return transposed ? ceil_div(in - phase, stride) : out; }
  index_t step() const { return transposed ? 1 : stride; }
  /// The tap of kernel position k for a phase: false where they don't meet.
  bool tap(index_t phase, index_t k, index_t* at, index_t* plane) const {
    *plane = 0;
    if (transposed) {
      const index_t position = phase + padding - k * dilation;
      *at = floor_div(position, stride);
      return *at * stride == position;
    }
    const index_t position = k * dilation - padding;
    *at = gather ? position : floor_div(position, stride);
    *plane = gather ? 0 : k % period();
    return true;
  }
  /// The source residue of a plane.
  index_t residue(index_t plane) const {
    if (planes() == 1 && (transposed || gather)) return 0;
    const index_t position = plane * dilation - padding;
    return position - floor_div(position, stride) * stride;
  }
  index_t taps(index_t phase) const {
    index_t count = 0, at, plane;
    for (index_t k = 0; k < kernel; ++k) count += tap(phase, k, &at, &plane);
    return count;
  }
  void extent(int32_t* low, int32_t* high) const {
    bool any = false;
    for (index_t phase = 0; phase < phases(); ++phase)
      for (index_t k = 0; k < kernel; ++k) {
        index_t at, plane;
        if (!tap(phase, k, &at, &plane)) continue;
        const int32_t value = static_cast<int32_t>(at);
        *low = !any || value < *low ? value : *low;
        *high = !any || value > *high ? value : *high;
        any = true;
      }
    if (!any) *low = *high = 0;
  }
};

/// Everything about one direction of a convolution that its shapes decide.
struct Bf16Plan {
  bool transposed, split, gather;
  index_t group_k, group_m;
  Bf16Axis h, w;

  Bf16Plan(const ConvGeometry& g, ConvDirection direction, bool split_)
      : transposed(direction == ConvDirection::apply_transposed), split(split_),
        gather((transposed ? g.group_oc() : g.group_ic()) <= bf16_gather_channels),
        group_k(transposed ? g.group_oc() : g.group_ic()),
        group_m(transposed ? g.group_ic() : g.group_oc()), h{g.ih,          g.oh,         g.kh,       g.stride_h,
                                                             g.padding_top, g.dilation_h, transposed, gather},
        w{g.iw, g.ow, g.kw, g.stride_w, g.padding_left, g.dilation_w, transposed, gather} {}

  index_t num_phases() const { return h.phases() * w.phases(); }
  index_t num_planes() const { return h.planes() * w.planes(); }
  index_t phase_lines(index_t taps) const {
    return gather ? ceil_div(taps * group_k, bf16_block) : taps * ceil_div(group_k, bf16_block);
  }
  index_t panel_lines() const {
    index_t lines = 0;
    for (index_t y = 0; y < h.phases(); ++y)
      for (index_t x = 0; x < w.phases(); ++x) lines += phase_lines(h.taps(y) * w.taps(x));
    return lines;
  }
  index_t panels() const { return ceil_div(group_m, bf16_panel); }
  index_t panel_values() const { return panel_lines() * bf16_panel_block * (split ? 2 : 1); }

  /// Sizes of strips for a source of this shape; pointers are the caller's to set. `block_h`, `block_w` 0: chosen here.
  Bf16Strips strips(const ConvGeometry& g, index_t block_h = 0, index_t block_w = 0) const {
    Bf16Strips s = {};
    s.n = g.n;
    s.h = transposed ? g.oh : g.ih;
    s.w = transposed ? g.ow : g.iw;
    s.groups = g.groups;
    s.group_k = group_k;
    s.step_h = h.step();
    s.step_w = w.step();
    s.num_phases = static_cast<int32_t>(num_phases());
    s.num_planes = static_cast<int32_t>(num_planes());
    h.extent(&s.min_y, &s.max_y);
    w.extent(&s.min_x, &s.max_x);
    s.grid_h = h.grid(0);
    s.grid_w = w.grid(0);
    s.gather = gather;
    s.split = split;

    const index_t span_h = s.max_y - s.min_y, span_w = s.max_x - s.min_x;
    const index_t lines = gather ? panel_lines() : ceil_div(group_k, bf16_block) * s.num_planes;
    const index_t halo_h = gather ? 0 : span_h, halo_w = gather ? 0 : span_w;
    const index_t wanted_lines =
        larger(bf16_strip_bytes / index_t{bf16_block * sizeof(uint16_t)} / larger(lines, 1), 1);
    if (block_w == 0) {
      constexpr index_t few_rows = 4, few_columns = 32;
      block_w = larger(wanted_lines / (few_rows + halo_h) - halo_w, few_columns);
    }
    s.blocks_w = s.grid_w == 0 ? 0 : ceil_div(s.grid_w, lesser(block_w, s.grid_w));
    s.block_w = s.blocks_w == 0 ? 1 : ceil_div(s.grid_w, s.blocks_w);
    s.pitch = s.block_w + halo_w;
    s.blocks_h = 0;
    if (s.grid_h > 0) {
      const index_t rows = block_h > 0 ? block_h : larger(wanted_lines / s.pitch - halo_h, 1);
      s.blocks_h = ceil_div(s.grid_h, lesser(rows, s.grid_h));
      const index_t others = g.n * s.blocks_w * g.groups; // few blocks: cut further, while rows are many
      if (block_h == 0 && others > 0 && others * s.blocks_h < bf16_wanted_tasks)
        s.blocks_h = larger(s.blocks_h, lesser(ceil_div(bf16_wanted_tasks, others), s.grid_h / 8));
    }
    s.block_h = s.blocks_h == 0 ? 1 : ceil_div(s.grid_h, s.blocks_h);
    s.blocks_h = s.grid_h == 0 ? 0 : ceil_div(s.grid_h, s.block_h);
    s.rows = s.block_h + halo_h;
    const index_t plane_lines = (gather ? 1 : s.num_planes) * s.rows * s.pitch + bf16_slack;
    s.line_stride = ceil_div(plane_lines, 2) * 2 * bf16_block;
    s.values = (gather ? panel_lines() : ceil_div(group_k, bf16_block)) * s.line_stride;
    const index_t compact_rows = (s.block_h - 1) * s.step_h + span_h + 1,
                  compact_w = (s.block_w - 1) * s.step_w + span_w + 1;
    s.compact_values = gather ? (ceil_div(compact_rows * compact_w * group_k, bf16_block) + 1) * bf16_block : 0;
    return s;
  }
};

inline index_t bf16_blocks(const Bf16Strips& s) { return s.n * s.blocks_h * s.blocks_w * s.groups; }
inline index_t bf16_strip_values(const Bf16Strips& s) { return (s.values + s.compact_values) * (s.split ? 2 : 1); }

/// Where taps lie, and packed weights: what bf16_prepare fills.
struct Bf16Prepared {
  Bf16Phase* phases;
  Bf16Tap* taps;
  Bf16Plane* planes;
  uint16_t* panels;
  size_t bytes;

  Bf16Prepared(unsigned char* memory, const ConvGeometry& g, const Bf16Plan& plan) {
    Pieces pieces(memory);
    phases = pieces.take<Bf16Phase>(plan.num_phases());
    taps = pieces.take<Bf16Tap>(g.taps());
    planes = pieces.take<Bf16Plane>(plan.num_planes());
    panels = pieces.take<uint16_t>(g.groups * plan.panels() * plan.panel_values());
    bytes = pieces.bytes();
  }

  void place_taps(const ConvGeometry& g, const Bf16Plan& plan) const {
    for (index_t y = 0; y < plan.h.planes(); ++y)
      for (index_t x = 0; x < plan.w.planes(); ++x)
        planes[y * plan.w.planes() + x] = {static_cast<int32_t>(plan.h.residue(y)),
                                           static_cast<int32_t>(plan.w.residue(x))};
    int32_t next = 0;
    index_t line = 0;
    for (index_t py = 0; py < plan.h.phases(); ++py)
      for (index_t px = 0; px < plan.w.phases(); ++px) {
        Bf16Phase& phase = phases[py * plan.w.phases() + px];
        phase = {plan.h.grid(py), plan.w.grid(px), py, px, next, 0, 0, line};
        for (index_t i = 0; i < g.kh; ++i)
          for (index_t j = 0; j < g.kw; ++j) { // so that neighbours in the source are neighbours in the list
            const index_t kh = plan.transposed ? g.kh - 1 - i : i, kw = plan.transposed ? g.kw - 1 - j : j;
            index_t y, x, plane_y, plane_x;
            if (!plan.h.tap(py, kh, &y, &plane_y) || !plan.w.tap(px, kw, &x, &plane_x)) continue;
            taps[next++] = {static_cast<int32_t>(plane_y * plan.w.planes() + plane_x), static_cast<int32_t>(y),
                            static_cast<int32_t>(x), 1, static_cast<int32_t>(kh * g.kw + kw)};
          }
        phase.taps = next - phase.first_tap;
        phase.lines = plan.phase_lines(phase.taps);
        line += phase.lines;
        for (int32_t t = next - 2; t >= phase.first_tap; --t)
          if (taps[t + 1].y == taps[t].y && taps[t + 1].x == taps[t].x + 1) taps[t].run = taps[t + 1].run + 1;
      }
  }
};

/// The workspace of one bf16_apply.
struct Bf16ApplyMemory {
  Bf16ApplyJob* job;
  ActivationParams* activation;
  Blocks* handed_out;
  index_t* tap_offsets;
  uint16_t* strips;
  index_t workers; ///< strips at a time; all blocks' when few blocks are cut by panels too
  bool whole;      ///< all strips first, then all products
  size_t bytes;

  Bf16ApplyMemory(unsigned char* memory, const ConvGeometry& g, const Bf16Plan& plan, const Bf16Strips& s,
                  int threads) {
    Pieces pieces(memory);
    job = pieces.take<Bf16ApplyJob>(1);
    activation = pieces.take<ActivationParams>(1);
    handed_out = pieces.take<Blocks>(1);
    tap_offsets = pieces.take<index_t>(g.taps());
    const index_t blocks = bf16_blocks(s);
    whole = blocks < bf16_wanted_tasks && plan.panels() > 1;
    workers = whole ? blocks : lesser(blocks, larger(threads, 1));
    strips = pieces.take<uint16_t>(workers * bf16_strip_values(s));
    bytes = pieces.bytes();
  }
};

/// Where a tap lies in a strip, from the line of its grid pixel.
inline index_t bf16_tap_offset(const Bf16Strips& s, const Bf16Tap& tap) {
  return ((tap.plane * s.rows + tap.y - s.min_y) * s.pitch + tap.x - s.min_x) * bf16_block;
}

inline void bf16_pack(uint16_t* to, float value, bool split) {
  to[0] = round_to_bf16(value);
  if (split) to[bf16_panel_block] = bf16_rest(value, to[0]);
}

} // namespace detail

/// What the functions below take: no depthwise convolutions, no extreme strides and dilations.
inline bool bf16_fits(const ConvGeometry& g) {
  return conv_fits(g) && !g.depthwise() && (g.kh - 1) * g.dilation_h <= detail::bf16_max_span &&
         (g.kw - 1) * g.dilation_w <= detail::bf16_max_span && g.stride_h <= detail::bf16_max_span &&
         g.stride_w <= detail::bf16_max_span;
}

/// Bytes of prepared weights, aligned to 64.
inline size_t bf16_prepared_bytes(const ConvGeometry& g, ConvDirection direction, bool split) {
  return detail::Bf16Prepared(nullptr, g, detail::Bf16Plan(g, direction, split)).bytes;
}

/// Packs `weights` (`[oc,kh,kw,ic/groups]`, dense) to `prepared`: `bf16_prepared_bytes`, aligned to 64.
template <class Exec>
void bf16_prepare(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, bool split,
                  Tensor<const float> weights, void* prepared) {
  const float* w = weights.data;
  const bool transposed = direction == ConvDirection::apply_transposed;
  const detail::Bf16Plan plan(g, direction, split);
  const detail::Bf16Prepared to(static_cast<unsigned char*>(prepared), g, plan);
  to.place_taps(g, plan);
  const index_t num_phases = plan.num_phases(), panels = plan.panels(), panel_values = plan.panel_values();
  const index_t group_k = plan.group_k, group_m = plan.group_m, tap_stride = g.group_ic();
  const index_t stride_m = transposed ? 1 : g.taps() * g.group_ic(),
                stride_k = transposed ? g.taps() * g.group_ic() : 1;
  const index_t group_stride = g.group_oc() * g.taps() * g.group_ic(), halves = split ? 2 : 1;
  const bool gather = plan.gather;
  parallel_for(exec, label, g.groups * panels, [=](index_t i) {
    const index_t group = i / panels, m0 = i % panels * bf16_panel;
    const float* from = w + group * group_stride + m0 * stride_m;
    uint16_t* line = to.panels + i * panel_values;
    for (index_t p = 0; p < num_phases; ++p) {
      const Bf16Phase& phase = to.phases[p];
      const index_t line_taps = gather || phase.taps == 0 ? 1 : phase.taps;
      for (index_t l = 0; l < phase.lines; ++l, line += bf16_panel_block * halves)
        for (index_t k = 0; k < bf16_block; ++k) {
          const index_t at = l / line_taps * bf16_block + k; // channel, or (tap, channel)
          const index_t t = gather ? at / group_k : l % line_taps, c = gather ? at % group_k : at;
          const bool inside = gather ? t < phase.taps : c < group_k;
          const index_t tap = inside ? to.taps[phase.first_tap + t].weights : 0;
          for (index_t j = 0; j < bf16_panel; ++j)
            detail::bf16_pack(line + j / 16 * (bf16_panel_block / 2) + k / 2 * 32 + j % 16 * 2 + k % 2,
                              inside && m0 + j < group_m ? from[j * stride_m + tap * tap_stride + c * stride_k] : 0.0f,
                              split);
        }
    }
  });
}

/// Scratch of `bf16_run`: `threads` workers get strips of their own.
inline size_t bf16_workspace_bytes(const ConvGeometry& g, ConvDirection direction, bool split, int threads) {
  const detail::Bf16Plan plan(g, direction, split);
  return detail::Bf16ApplyMemory(nullptr, g, plan, plan.strips(g), threads).bytes;
}

/// conv::apply or conv::apply_transposed with weights that `bf16_prepare` packed for this geometry, direction and
/// `split`.
template <class Exec>
void bf16_run(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, bool split,
              Tensor<const float> src, const void* prepared, Tensor<const float> bias, ActivationParams activation,
              Tensor<float> dst, bool accumulate, Workspace workspace) {
  const bool transposed = direction == ConvDirection::apply_transposed;
  const detail::Bf16Plan plan(g, direction, split);
  const detail::Bf16Prepared from(static_cast<unsigned char*>(const_cast<void*>(prepared)), g, plan); // only read
  Bf16Strips strips = plan.strips(g);
  const index_t blocks = detail::bf16_blocks(strips);
  if (blocks == 0) return;
  const detail::Bf16ApplyMemory memory(workspace.data, g, plan, strips, workspace.threads);
  strips.src = src.data;
  strips.stride_n = src.stride_n;
  strips.stride_h = src.stride_h;
  strips.stride_w = src.stride_w;
  strips.taps = from.taps;
  strips.phases = from.phases;
  strips.planes = from.planes;
  for (index_t t = 0; t < g.taps(); ++t) memory.tap_offsets[t] = 0;
  for (index_t p = 0; p < strips.num_phases; ++p)
    for (int32_t t = from.phases[p].first_tap; t < from.phases[p].first_tap + from.phases[p].taps; ++t)
      memory.tap_offsets[t] = detail::bf16_tap_offset(strips, from.taps[t]);

  Bf16ApplyJob& job = *memory.job;
  *memory.activation = activation;
  job = {};
  job.strips = strips;
  job.dst = dst.data;
  job.bias = bias.data;
  job.panels = from.panels;
  job.tap_offsets = memory.tap_offsets;
  job.dst_stride_n = dst.stride_n;
  job.dst_stride_h = dst.stride_h;
  job.dst_stride_w = dst.stride_w;
  job.dst_step_h = transposed ? g.stride_h : 1;
  job.dst_step_w = transposed ? g.stride_w : 1;
  job.group_m = plan.group_m;
  job.panels_per_group = plan.panels();
  job.panel_lines = plan.panel_lines();
  job.epilogue = epilogue_of(activation.kind);
  job.activate = detail::activate_row<float>;
  job.activation = memory.activation;
  job.accumulate = accumulate;

  const Bf16Kernels& kernels = bf16_kernels();
  const auto fill = kernels.fill;
  const auto multiply = kernels.multiply;
  const Bf16ApplyJob* shared_job = memory.job;
  uint16_t* const scratch = memory.strips;
  const index_t strip_values = detail::bf16_strip_values(strips), panels = plan.panels();
  if (memory.whole) {
    // Few blocks of many channels: products are cut by panels too, and all read the same strips.
    parallel_tasks(exec, label, blocks, [=](index_t b) { fill(shared_job->strips, b, scratch + b * strip_values); });
    const index_t parts = detail::lesser(panels, detail::ceil_div(2 * detail::bf16_wanted_tasks, blocks));
    parallel_tasks(exec, label, blocks * parts, [=](index_t i) {
      const index_t b = i / parts, part = i % parts;
      multiply(*shared_job, scratch + b * strip_values, b, part * panels / parts, (part + 1) * panels / parts);
    });
    return;
  }
  run_blocks(exec, label, memory.handed_out, memory.workers, blocks, [=](index_t worker, index_t b) {
    uint16_t* strip = scratch + worker * strip_values;
    fill(shared_job->strips, b, strip);
    multiply(*shared_job, strip, b, 0, panels);
  });
}

namespace detail {

/// How the pixels of a weight gradient are cut: by shape alone, since the cut decides the order of its sums.
struct Bf16GradientPlan {
  Bf16Plan plan;
  Bf16Strips image, output;
  Bf16GradientJob job = {};

  Bf16GradientPlan(const ConvGeometry& g, bool split, int threads) : plan(g, ConvDirection::apply, split) {
    constexpr index_t turned_bytes = index_t{256} << 10, max_pixels = 2048, partial_bytes = index_t{16} << 20;
    const index_t halves = split ? 2 : 1;
    job.group_oc = g.group_oc();
    job.padded_oc = ceil_div(g.group_oc(), bf16_block) * bf16_block;
    job.taps = g.taps();
    const index_t wanted =
        larger(lesser(turned_bytes / (job.padded_oc * halves * static_cast<index_t>(sizeof(uint16_t))), max_pixels),
               bf16_block);
    const index_t block_w = larger(lesser(g.ow, wanted), 1);
    const index_t pitch = block_w + (plan.gather ? 0 : (g.kw - 1) * g.dilation_w / g.stride_w + 1);
    image = plan.strips(g, larger(wanted / pitch, 1), block_w);

    output = {};
    output.n = g.n;
    output.h = g.oh;
    output.w = g.ow;
    output.groups = g.groups;
    output.group_k = g.group_oc();
    output.step_h = output.step_w = 1;
    output.num_phases = output.num_planes = 1;
    output.grid_h = g.oh;
    output.grid_w = g.ow;
    output.block_h = output.rows = image.block_h;
    output.block_w = image.block_w;
    output.blocks_h = image.blocks_h;
    output.blocks_w = image.blocks_w;
    output.pitch = image.pitch;
    output.line_stride = (output.rows * output.pitch + bf16_slack) * bf16_block;
    output.values = job.padded_oc / bf16_block * output.line_stride;
    output.split = split;

    const index_t k = plan.gather ? job.taps * plan.group_k : plan.group_k, k_blocks = ceil_div(k, bf16_block);
    job.panels = k_blocks;
    job.pixels = ceil_div(image.block_h * image.pitch, bf16_block) * bf16_block;
    job.lanes_stride = image.line_stride / 2;
    job.pairs_values = k_blocks * 2 * job.lanes_stride * (plan.gather ? 1 : 2);
    job.turned_values = (job.pixels * job.padded_oc / bf16_block + bf16_slack) * bf16_block;
    job.partial_values = g.groups * (plan.gather ? 1 : job.taps) * job.panels * job.group_oc * bf16_panel;
    const index_t chunks = bf16_blocks(image);
    job.slots =
        lesser(lesser(larger(partial_bytes / (job.partial_values * index_t{sizeof(float)}), 2), bf16_wanted_tasks),
               larger(chunks, 1));
    // Parts of the rows change no sum, but each brings all pixels into its form anew: only for threads without a slot.
    job.parts = lesser(ceil_div(larger(threads, 1), job.slots), ceil_div(job.group_oc, bf16_panel));
    const index_t strip = larger(bf16_strip_values(image), bf16_strip_values(output));
    job.scratch_bytes = static_cast<index_t>(
        align_up(static_cast<size_t>(halves * (job.pairs_values + job.turned_values) + strip) * sizeof(uint16_t)));
  }
};

struct Bf16GradientMemory {
  Bf16GradientJob* job;
  Bf16Phase* phases;
  Bf16Tap* taps;
  Bf16Plane *planes, *output_plane;
  index_t* tap_offsets;
  Blocks* handed_out;
  float* partial;
  unsigned char* scratch;
  index_t workers;
  size_t bytes;

  Bf16GradientMemory(unsigned char* memory, const ConvGeometry& g, const Bf16GradientPlan& plan, int threads) {
    Pieces pieces(memory);
    job = pieces.take<Bf16GradientJob>(1);
    phases = pieces.take<Bf16Phase>(1);
    taps = pieces.take<Bf16Tap>(g.taps());
    planes = pieces.take<Bf16Plane>(plan.plan.num_planes());
    output_plane = pieces.take<Bf16Plane>(1);
    tap_offsets = pieces.take<index_t>(g.taps());
    handed_out = pieces.take<Blocks>(1);
    workers = lesser(plan.job.slots * plan.job.parts, larger(threads, 1));
    partial = pieces.take<float>(plan.job.slots * plan.job.partial_values);
    scratch = pieces.take<unsigned char>(workers * plan.job.scratch_bytes);
    bytes = pieces.bytes();
  }
};

} // namespace detail

/// Scratch of `bf16_weight_gradient`.
inline size_t bf16_gradient_bytes(const ConvGeometry& g, bool split, int threads) {
  return detail::Bf16GradientMemory(nullptr, g, detail::Bf16GradientPlan(g, split, threads), threads).bytes;
}

/// conv::weight_gradient: diff_weights = or += the sum over pixels of image * output side, `[oc,kh,kw,ic/groups]`.
template <class Exec>
void bf16_weight_gradient(const Exec& exec, const char* label, const ConvGeometry& g, bool split,
                          Tensor<const float> image, Tensor<const float> output, Tensor<float> diff_weights,
                          bool accumulate, Workspace workspace) {
  const detail::Bf16GradientPlan plan(g, split, workspace.threads);
  const detail::Bf16GradientMemory memory(workspace.data, g, plan, workspace.threads);
  detail::Bf16Prepared taps(nullptr, g, plan.plan);
  taps.phases = memory.phases;
  taps.taps = memory.taps;
  taps.planes = memory.planes;
  taps.place_taps(g, plan.plan);
  Bf16GradientJob& job = *memory.job;
  job = plan.job;
  job.image = plan.image;
  job.image.src = image.data;
  job.image.stride_n = image.stride_n;
  job.image.stride_h = image.stride_h;
  job.image.stride_w = image.stride_w;
  job.image.taps = memory.taps;
  job.image.phases = memory.phases;
  job.image.planes = memory.planes;
  job.output = plan.output;
  job.output.src = output.data;
  job.output.stride_n = output.stride_n;
  job.output.stride_h = output.stride_h;
  job.output.stride_w = output.stride_w;
  *memory.output_plane = {0, 0};
  job.output.planes = memory.output_plane;
  for (index_t t = 0; t < g.taps(); ++t) memory.tap_offsets[t] = detail::bf16_tap_offset(plan.image, memory.taps[t]);
  job.tap_offsets = memory.tap_offsets;
  job.partial = memory.partial;

  const Bf16GradientJob* shared_job = memory.job;
  const auto run = bf16_gradient();
  unsigned char* const scratch = memory.scratch;
  const index_t scratch_bytes = job.scratch_bytes;
  run_blocks(exec, label, memory.handed_out, memory.workers, job.slots * job.parts,
             [=](index_t worker, index_t task) { run(*shared_job, scratch + worker * scratch_bytes, task); });

  const index_t group_ic = g.group_ic(), group_oc = g.group_oc(), num_taps = g.taps(), panels = job.panels;
  const index_t slots = job.slots, partial_values = job.partial_values;
  const bool gather = plan.plan.gather;
  const float* partial = memory.partial;
  float* result = diff_weights.data;
  parallel_for(exec, label, g.oc * num_taps, [=](index_t i) {
    const index_t t = i % num_taps, o = i / num_taps, row = gather ? 0 : t, rows = gather ? 1 : num_taps;
    const float* from = partial + ((o / group_oc * rows + row) * panels * group_oc + o % group_oc) * bf16_panel;
    for (index_t c = 0; c < group_ic; ++c) {
      const index_t k = gather ? t * group_ic + c : c;
      const float* at = from + k / bf16_panel * group_oc * bf16_panel + k % bf16_panel;
      float sums[max_slots];
      for (index_t s = 0; s < slots; ++s) sums[s] = at[s * partial_values];
      for (index_t step = 1; step < slots; step *= 2)
        for (index_t s = 0; s + step < slots; s += 2 * step) sums[s] += sums[s + step];
      store(result[i * group_ic + c], sums[0], accumulate);
    }
  });
}

} // namespace leadline::host
