// Convolutions on bytes on host execs: which kernel does them, weights packed once for it, and the launch. The results
// are those of the portable form, bit for bit.
#pragma once

#include "shared/layers/conv_int8.hpp"
#include "shared/layers/host/conv_apply.hpp" // TapLists, find_taps
#include "shared/layers/host/int8.hpp"
#include "shared/layers/host/pieces.hpp"

namespace leadline::host {

enum class Int8Form : uint8_t { portable, products, depthwise, winograd };

/// Where Winograd's transforms cost less than the products that they save, by shape alone.
inline bool int8_winograd_pays(const ConvGeometry& g, ConvDirection direction) {
  if (!int8_kernels().winograd || direction != ConvDirection::apply || g.groups != 1 || g.kh != 3 || g.kw != 3 ||
      g.stride_h != 1 || g.stride_w != 1 || g.dilation_h != 1 || g.dilation_w != 1)
    return false;
  const index_t covered = (g.oh + 3) / 4 * ((g.ow + 3) / 4) * 16; // pixels of whole tiles
  return g.ic >= 32 && g.oc >= 32 && g.oh * g.ow >= 256 && 5 * covered <= 6 * g.oh * g.ow;
}

/// What runs on the level in use.
inline Int8Form int8_form(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm) {
  if (!built_host_kernels || !has_int8_kernels || algorithm == Algorithm::portable || !conv_fits(g))
    return Int8Form::portable;
  const Int8Kernels& kernels = int8_kernels();
  if (!g.depthwise())
    return algorithm == Algorithm::int8 && int8_winograd_pays(g, direction) ? Int8Form::winograd : Int8Form::products;
  if (direction != ConvDirection::apply) return Int8Form::portable;
  const index_t columns = (int8_depthwise_strip - 1) * g.stride_w + (g.kw - 1) * g.dilation_w + 1;
  if (kernels.interleaves && (g.kh > int8_depthwise_rows || columns > int8_depthwise_columns))
    return Int8Form::portable;
  return Int8Form::depthwise;
}

namespace detail {

/// What packing leaves for the matrix products.
struct Int8Panels {
  TapLists lists;
  uint8_t* zeros;
  int32_t* sums;
  float* multipliers;
  unsigned char* weights;
  index_t num_phases, blocks, panels_per_group, padded_m, panel_values; ///< values of one panel

  Int8Panels(Pieces& pieces, const ConvGeometry& g, ConvDirection direction) : lists(pieces, g, direction) {
    const conv::Int8Sides sides(g, direction);
    const Int8Kernels& kernels = int8_kernels();
    num_phases = sides.transposed ? g.stride_h * g.stride_w : 1;
    blocks = ceil_div(sides.group_k, int8_block);
    panels_per_group = ceil_div(sides.group_m, kernels.panel_width);
    padded_m = g.groups * panels_per_group * kernels.panel_width;
    panel_values = g.taps() * blocks * kernels.panel_width * int8_block;
    zeros = pieces.take<uint8_t>(blocks * int8_block);
    sums = pieces.take<int32_t>(num_phases * padded_m);
    multipliers = pieces.take<float>(padded_m);
    weights = pieces.take<unsigned char>(g.groups * panels_per_group * panel_values * kernels.weight_bytes);
  }
};

/// The same for depthwise kernels.
struct Int8Taps {
  uint8_t* zeros;
  int32_t* sums;
  float* multipliers;
  unsigned char* weights;
  index_t padded_c, block_values;    ///< interleaving: values of one block of channels
  index_t row_groups, rows_together; ///< likewise
  int32_t weight_bytes;

  Int8Taps(Pieces& pieces, const ConvGeometry& g) {
    const Int8Kernels& kernels = int8_kernels();
    padded_c = ceil_div(g.groups, int8_depthwise_channels) * int8_depthwise_channels;
    weight_bytes = kernels.interleaves ? 1 : 2;
    row_groups = ceil_div(g.kh, 4);
    // As many rows as read no more source rows than the groups have, whose bytes are interleaved once; each has weights
    // of its own, so there should be rows enough.
    const index_t rows = g.dilation_h == 1 ? 1 + (4 * row_groups - g.kh) / g.stride_h : 1;
    rows_together = rows >= 4 && g.oh >= 16 ? 4 : rows >= 2 && g.oh >= 8 ? 2 : 1;
    block_values = rows_together * row_groups * 4 * g.kw * int8_depthwise_channels;
    zeros = pieces.take<uint8_t>(int8_depthwise_channels);
    sums = pieces.take<int32_t>(padded_c);
    multipliers = pieces.take<float>(padded_c);
    weights = pieces.take<unsigned char>(
        (kernels.interleaves ? padded_c / int8_depthwise_channels * block_values : g.taps() * g.groups) * weight_bytes);
  }
};

/// The same for Winograd's form. Weights whose sums could have too many bits are packed for products instead.
struct Int8Winograd {
  int32_t* usable; ///< 0: what follows is Int8Panels
  int32_t* sums;
  float* multipliers;
  int16_t* weights;
  index_t padded_k, panels;

  Int8Winograd(Pieces& pieces, const ConvGeometry& g) {
    padded_k = ceil_div(g.ic, 32) * 32;
    panels = ceil_div(g.oc, 32);
    usable = pieces.take<int32_t>(1);
    sums = pieces.take<int32_t>(panels * 32);
    multipliers = pieces.take<float>(panels * 32);
    weights = pieces.take<int16_t>(panels * 36 * padded_k * 32);
  }
  /// Where Int8Panels begins instead.
  static unsigned char* panels_of(void* prepared) {
    return static_cast<unsigned char*>(prepared) + align_up(sizeof(int32_t));
  }
};

inline void put_weight(unsigned char* packed, index_t i, int32_t weight_bytes, int8_t value) {
  if (weight_bytes == 1)
    reinterpret_cast<int8_t*>(packed)[i] = value;
  else
    reinterpret_cast<int16_t*>(packed)[i] = value;
}

template <class Exec>
void pack_int8_panels(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                      const Int8PrepareArgs& args) {
  Pieces pieces(static_cast<unsigned char*>(args.prepared));
  Int8Panels to(pieces, g, direction);
  const Int8Kernels& kernels = int8_kernels();
  find_taps(g, direction, kernels.tile_pixels, to.lists);
  const int32_t zero_point = args.src.zero_point, offset = zero_point - kernels.src_offset;
  for (index_t k = 0; k < to.blocks * int8_block; ++k) to.zeros[k] = static_cast<uint8_t>(zero_point);

  const conv::Int8Sides sides(g, direction);
  const index_t width = kernels.panel_width, taps = g.taps();
  const float src_scale = args.src.scale, dst_scale = args.dst.scale;
  const Int8Weights weights = args.weights;
  const TapLists lists = to.lists;
  parallel_for(exec, label, g.groups * to.panels_per_group, [=](index_t panel) {
    const index_t group = panel / to.panels_per_group, first_m = panel % to.panels_per_group * width;
    for (index_t j = 0; j < width; ++j) {
      const bool used = first_m + j < sides.group_m;
      const index_t m = used ? group * sides.group_m + first_m + j : 0, at = panel * width + j;
      const int8_t* from = weights.values + sides.weight(m);
      // Each phase of pixels meets some of the taps.
      const Int8Channel channel = conv::int8_channel(src_scale, dst_scale, weights, m);
      to.multipliers[at] = used ? channel.multiplier : 0;
      for (int32_t p = 0; p < lists.num_phases; ++p) {
        const Phase& phase = lists.phases[p];
        int32_t sum = 0;
        for (int32_t t = phase.first_tap; t < phase.first_tap + phase.taps; ++t)
          for (index_t k = 0; k < sides.group_k; ++k)
            sum += from[lists.tap_order[t] * sides.stride_tap + k * sides.stride_k];
        to.sums[p * to.padded_m + at] = used ? channel.bias - offset * sum : 0;
      }
      for (index_t t = 0; t < taps; ++t)
        for (index_t k = 0; k < to.blocks * int8_block; ++k) {
          const int8_t value =
              used && k < sides.group_k ? from[lists.tap_order[t] * sides.stride_tap + k * sides.stride_k] : int8_t{0};
          const index_t block = t * to.blocks + k / int8_block;
          put_weight(to.weights, panel * to.panel_values + (block * width + j) * int8_block + k % int8_block,
                     kernels.weight_bytes, value);
        }
    }
  });
}

/// Transforms weights for Winograd's form; false, and only the answer is written, where sums could have too many bits.
template <class Exec>
bool pack_int8_winograd(const Exec& exec, const char* label, const ConvGeometry& g, const Int8PrepareArgs& args) {
  Pieces pieces(static_cast<unsigned char*>(args.prepared));
  const Int8Winograd to(pieces, g);
  const int32_t zero_point = args.src.zero_point;
  const int64_t largest = zero_point > 255 - zero_point ? zero_point : 255 - zero_point;
  const index_t row = 9 * g.ic, channels = g.ic, outputs = g.oc;
  const Int8Weights weights = args.weights;
  *to.usable = 1;
  for (index_t m = 0; m < outputs; ++m) {
    int64_t sum = 0;
    for (index_t i = 0; i < row; ++i) {
      const int32_t w = weights.values[m * row + i];
      sum += w < 0 ? -w : w;
    }
    if (sum * largest >= int64_t{1} << 25) *to.usable = 0;
  }
  if (*to.usable == 0) return false;
  const float src_scale = args.src.scale, dst_scale = args.dst.scale;
  parallel_for(exec, label, to.panels * 32, [=](index_t m) {
    const bool used = m < outputs;
    const Int8Channel channel = conv::int8_channel(src_scale, dst_scale, weights, used ? m : 0);
    to.sums[m] = used ? channel.bias : 0;
    to.multipliers[m] = used ? channel.multiplier : 0;
    constexpr int32_t filter[6][3] = {{1, 0, 0}, {-1, -1, -1}, {-1, 1, -1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}};
    for (index_t k = 0; k < to.padded_k; ++k) {
      int32_t columns[6][3] = {};
      if (used && k < channels)
        for (int i = 0; i < 6; ++i)
          for (int x = 0; x < 3; ++x)
            for (int y = 0; y < 3; ++y)
              columns[i][x] += filter[i][y] * weights.values[m * row + (y * 3 + x) * channels + k];
      for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j) {
          int32_t value = 0;
          for (int x = 0; x < 3; ++x) value += filter[j][x] * columns[i][x];
          const index_t line = (m / 32 * 36 + i * 6 + j) * (to.padded_k / 2) + k / 2;
          to.weights[(line * 32 + m % 32) * 2 + k % 2] = static_cast<int16_t>(value);
        }
    }
  });
  return true;
}

template <class Exec>
void pack_int8_taps(const Exec& exec, const char* label, const ConvGeometry& g, const Int8PrepareArgs& args) {
  Pieces pieces(static_cast<unsigned char*>(args.prepared));
  const Int8Taps to(pieces, g);
  const int32_t zero_point = args.src.zero_point;
  for (index_t c = 0; c < int8_depthwise_channels; ++c) to.zeros[c] = static_cast<uint8_t>(zero_point);
  const index_t channels = g.groups, taps = g.taps();
  const float src_scale = args.src.scale, dst_scale = args.dst.scale;
  const Int8Weights weights = args.weights;
  if (!int8_kernels().interleaves) {
    parallel_for(exec, label, channels, [=](index_t c) {
      const Int8Channel channel = conv::int8_channel(src_scale, dst_scale, weights, c);
      to.sums[c] = channel.bias;
      to.multipliers[c] = channel.multiplier;
      for (index_t t = 0; t < taps; ++t)
        put_weight(to.weights, t * channels + c, to.weight_bytes, weights.values[c * taps + t]);
    });
    return;
  }
  parallel_for(exec, label, to.padded_c, [=](index_t c) {
    const bool used = c < channels;
    const Int8Channel channel = conv::int8_channel(src_scale, dst_scale, weights, used ? c : 0);
    const int8_t* from = weights.values + (used ? c : 0) * taps;
    int32_t sum = 0;
    for (index_t t = 0; t < taps; ++t) sum += from[t];
    to.sums[c] = used ? channel.bias - zero_point * sum : 0;
    to.multipliers[c] = used ? channel.multiplier : 0;
    unsigned char* block = to.weights + c / int8_depthwise_channels * to.block_values * to.weight_bytes;
    for (index_t row = 0; row < to.rows_together; ++row)
      for (index_t y = 0; y < 4 * to.row_groups; ++y)
        for (index_t kw = 0; kw < g.kw; ++kw) {
          const index_t kh = y - row * g.stride_h, line = (row * to.row_groups + y / 4) * g.kw + kw;
          put_weight(block, line * 256 + c % int8_depthwise_channels * 4 + y % 4, to.weight_bytes,
                     used && kh >= 0 && kh < g.kh ? from[kh * g.kw + kw] : int8_t{0});
        }
  });
}

} // namespace detail

/// Bytes of prepared weights, alignment 64.
inline size_t int8_prepared_bytes(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm) {
  detail::Pieces pieces(nullptr);
  switch (int8_form(g, direction, algorithm)) {
  case Int8Form::portable: return conv::int8_channel_bytes(g, direction);
  case Int8Form::products: detail::Int8Panels(pieces, g, direction); break;
  case Int8Form::depthwise: detail::Int8Taps(pieces, g); break;
  case Int8Form::winograd: {
    detail::Pieces products(nullptr);
    detail::Int8Panels(products, g, direction);
    detail::Int8Winograd(pieces, g);
    const size_t bytes = align_up(sizeof(int32_t)) + products.bytes();
    return pieces.bytes() > bytes ? pieces.bytes() : bytes;
  }
  }
  return pieces.bytes();
}

/// Bytes of scratch for `int8_run`.
inline size_t int8_workspace_bytes(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm, int threads) {
  const Int8Form form = int8_form(g, direction, algorithm);
  if (form == Int8Form::portable) return 0;
  if (form == Int8Form::depthwise) return align_up(sizeof(Int8DepthwiseJob));
  detail::Pieces products(nullptr);
  products.take<Int8ApplyJob>(1);
  detail::TapLists(products, g, direction);
  if (form == Int8Form::products) return products.bytes();
  detail::Pieces pieces(nullptr);
  pieces.take<Int8WinogradJob>(1);
  pieces.take<Blocks>(1);
  pieces.take<unsigned char>(index_t{threads} *
                             static_cast<index_t>(int8_winograd_scratch(detail::ceil_div(g.ic, 32) * 32)));
  return pieces.bytes() > products.bytes() ? pieces.bytes() : products.bytes();
}

template <class Exec>
void int8_prepare(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                  const Int8PrepareArgs& args) {
  if constexpr (Exec::on_host) {
    const Int8Form form = int8_form(g, direction, args.algorithm);
    if (form == Int8Form::products) return detail::pack_int8_panels(exec, label, g, direction, args);
    if (form == Int8Form::depthwise) return detail::pack_int8_taps(exec, label, g, args);
    if (form == Int8Form::winograd) {
      if (detail::pack_int8_winograd(exec, label, g, args)) return;
      Int8PrepareArgs products = args;
      products.prepared = detail::Int8Winograd::panels_of(args.prepared);
      return detail::pack_int8_panels(exec, label, g, direction, products);
    }
  }
  conv::prepare_int8(exec, label, g, direction, args);
}

namespace detail {

template <class Exec>
void run_int8_products(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                       const Tensor<const uint8_t>& src, const void* prepared, const ByteRange& range,
                       const Tensor<uint8_t>& dst, const Workspace& workspace) {
  const Int8Kernels& kernels = int8_kernels();
  const conv::Int8Sides sides(g, direction);
  // Only read, though the pieces' pointers could write.
  Pieces prepared_pieces(static_cast<unsigned char*>(const_cast<void*>(prepared)));
  const Int8Panels packed(prepared_pieces, g, direction);
  Pieces pieces(workspace.data);
  Int8ApplyJob& job = *pieces.take<Int8ApplyJob>(1);
  TapLists lists(pieces, g, direction);
  find_taps(g, direction, kernels.tile_pixels, lists);
  if (lists.num_phases == 0) return;
  job = {};
  job.src = src.data;
  job.dst = dst.data;
  job.zeros = packed.zeros;
  job.taps = lists.taps;
  job.phases = lists.phases;
  job.num_phases = lists.num_phases;
  job.src_h = src.shape.h;
  job.src_w = src.shape.w;
  set_strides(job, src, dst);
  job.src_step_h = sides.transposed ? 1 : g.stride_h;
  job.src_step_w = sides.transposed ? 1 : g.stride_w;
  job.dst_step_h = sides.transposed ? g.stride_h : 1;
  job.dst_step_w = sides.transposed ? g.stride_w : 1;
  job.n = g.n;
  job.groups = g.groups;
  job.group_k = sides.group_k;
  job.group_m = sides.group_m;
  job.panels_per_group = packed.panels_per_group;
  job.panel_values = packed.panel_values;
  job.weights = packed.weights;
  job.sums = packed.sums;
  job.multipliers = packed.multipliers;
  job.blocks = packed.blocks;
  job.padded_m = packed.padded_m;
  job.low = range.low;
  job.high = range.high;
  job.zero_point = range.zero_point;
  const Phase& last = lists.phases[lists.num_phases - 1];
  job.tiles_per_task = 8;
  job.tile_tasks = ceil_div(last.first_tile + last.tiles, job.tiles_per_task);
  // Enough tasks that one stalled core doesn't hold the rest: few pixels are cut by channels as well.
  constexpr index_t wanted_tasks = 16;
  const index_t total_panels = g.groups * packed.panels_per_group;
  job.panels_per_task = job.tile_tasks >= wanted_tasks || job.tile_tasks == 0
                            ? total_panels
                            : ceil_div(total_panels, ceil_div(wanted_tasks, job.tile_tasks));
  const Int8ApplyJob* shared_job = &job;
  const auto run = kernels.apply;
  parallel_tasks(exec, label, job.tile_tasks * ceil_div(total_panels, job.panels_per_task),
                 [=](index_t task) { run(*shared_job, task); });
}

template <class Exec>
void run_int8_depthwise(const Exec& exec, const char* label, const ConvGeometry& g, const Tensor<const uint8_t>& src,
                        int32_t zero_point, const void* prepared, const ByteRange& range, const Tensor<uint8_t>& dst,
                        const Workspace& workspace) {
  Pieces prepared_pieces(static_cast<unsigned char*>(const_cast<void*>(prepared)));
  const Int8Taps packed(prepared_pieces, g);
  Int8DepthwiseJob& job = *reinterpret_cast<Int8DepthwiseJob*>(workspace.data);
  job = {};
  job.src = src.data;
  job.dst = dst.data;
  job.zeros = packed.zeros;
  job.weights = packed.weights;
  job.sums = packed.sums;
  job.multipliers = packed.multipliers;
  job.n = g.n;
  job.channels = g.groups;
  job.src_h = g.ih;
  job.src_w = g.iw;
  job.dst_h = g.oh;
  job.dst_w = g.ow;
  set_strides(job, src, dst);
  job.kernel_h = g.kh;
  job.kernel_w = g.kw;
  job.stride_h = g.stride_h;
  job.stride_w = g.stride_w;
  job.padding_top = g.padding_top;
  job.padding_left = g.padding_left;
  job.dilation_h = g.dilation_h;
  job.dilation_w = g.dilation_w;
  job.rows_per_task = 4;
  job.rows_together = packed.rows_together;
  job.row_groups = packed.row_groups;
  job.src_zero_point = zero_point;
  job.low = range.low;
  job.high = range.high;
  job.zero_point = range.zero_point;
  const Int8DepthwiseJob* shared_job = &job;
  const auto run = int8_kernels().depthwise;
  parallel_tasks(exec, label, ceil_div(g.n * g.oh, job.rows_per_task), [=](index_t task) { run(*shared_job, task); });
}

template <class Exec>
void run_int8_winograd(const Exec& exec, const char* label, const ConvGeometry& g, const Tensor<const uint8_t>& src,
                       int32_t zero_point, const void* prepared, const ByteRange& range, const Tensor<uint8_t>& dst,
                       const Workspace& workspace) {
  Pieces prepared_pieces(static_cast<unsigned char*>(const_cast<void*>(prepared)));
  const Int8Winograd packed(prepared_pieces, g);
  Pieces pieces(workspace.data);
  Int8WinogradJob& job = *pieces.take<Int8WinogradJob>(1);
  Blocks* blocks = pieces.take<Blocks>(1);
  const size_t scratch_bytes = int8_winograd_scratch(packed.padded_k);
  unsigned char* scratch = pieces.take<unsigned char>(workspace.threads * static_cast<index_t>(scratch_bytes));
  job = {};
  job.src = src.data;
  job.dst = dst.data;
  job.weights = packed.weights;
  job.sums = packed.sums;
  job.multipliers = packed.multipliers;
  job.channels = g.ic;
  job.dst_channels = g.oc;
  job.padded_k = packed.padded_k;
  job.panels = packed.panels;
  job.src_h = g.ih;
  job.src_w = g.iw;
  job.dst_h = g.oh;
  job.dst_w = g.ow;
  set_strides(job, src, dst);
  job.padding_top = g.padding_top;
  job.padding_left = g.padding_left;
  job.tiles_h = ceil_div(g.oh, 4);
  job.tiles_w = ceil_div(g.ow, 4);
  job.tiles = g.n * job.tiles_h * job.tiles_w;
  job.src_zero_point = zero_point;
  job.low = range.low;
  job.high = range.high;
  job.zero_point = range.zero_point;
  const Int8WinogradJob* shared_job = &job;
  const auto run = int8_kernels().winograd;
  const index_t count = ceil_div(job.tiles, int8_winograd_tiles);
  const index_t workers = count < workspace.threads ? count : workspace.threads;
  run_blocks(exec, label, blocks, workers, count, [=](index_t worker, index_t block) {
    run(*shared_job, scratch + static_cast<size_t>(worker) * scratch_bytes, block);
  });
}

} // namespace detail

/// dst of bytes from src of bytes; `prepared` is as int8_prepare left it for the same geometry, algorithm and level.
template <class Exec>
void int8_run(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, Algorithm algorithm,
              const Tensor<const uint8_t>& src, int32_t zero_point, const int8_t* weights, const void* prepared,
              const ByteRange& range, const Tensor<uint8_t>& dst, const Workspace& workspace) {
  if (dst.shape.count() == 0) return;
  if constexpr (Exec::on_host) {
    const Int8Form form = int8_form(g, direction, algorithm);
    if (form == Int8Form::products)
      return detail::run_int8_products(exec, label, g, direction, src, prepared, range, dst, workspace);
    if (form == Int8Form::depthwise)
      return detail::run_int8_depthwise(exec, label, g, src, zero_point, prepared, range, dst, workspace);
    if (form == Int8Form::winograd) {
      if (*static_cast<const int32_t*>(prepared) != 0)
        return detail::run_int8_winograd(exec, label, g, src, zero_point, prepared, range, dst, workspace);
      return detail::run_int8_products(exec, label, g, direction, src,
                                       detail::Int8Winograd::panels_of(const_cast<void*>(prepared)), range, dst,
                                       workspace);
    }
  }
  conv::run_int8(exec, label, g, direction, src, zero_point, weights, prepared, range, dst);
}

} // namespace leadline::host
