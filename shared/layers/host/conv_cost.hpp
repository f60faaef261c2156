// What a convolution costs by each algorithm, as far as a choice needs it: shapes and the ISA level alone go in, so
// that the same network gets the same plan, hence the same bits, on every machine of a level, with any number of
// threads.
//
// The unit is one vector multiply-add. Products are counted; what happens around them is given in the same unit, fitted
// to measurements (tests/bench/bench_layers): a vector of transformed values costs as much as `transform` multiply-adds
// on its way in and out, and transformed weights, which each block of tiles reads anew, come from a cache that every
// core shares.
#pragma once

#include "shared/layers/host/conv_host.hpp"

namespace leadline::host {

inline double gemm_cost(const ConvGeometry& g, ConvDirection direction) {
  const double width = host_kernels().f32_sizes.panel_width, lanes = width / 2;
  const bool transposed = direction == ConvDirection::apply_transposed;
  const index_t read = transposed ? g.group_oc() : g.group_ic(), written = transposed ? g.group_ic() : g.group_oc();
  const double vectors = static_cast<double>(detail::ceil_div(written, static_cast<index_t>(width)) * 2);
  const double pixels = static_cast<double>(g.n) * static_cast<double>(g.oh) * static_cast<double>(g.ow);
  if (detail::few_written(g, direction)) {
    constexpr double sum_up = 12; // the partial sums of one result
    return pixels * static_cast<double>(g.groups * written) *
           (static_cast<double>(g.taps() * detail::ceil_div(read, 16)) + sum_up);
  }
  constexpr double slower = 1.25; // rows of pixels are reached through pointers, and edges tap by tap
  return slower * pixels * static_cast<double>(g.taps()) *
         (g.depthwise() ? static_cast<double>(g.groups) / lanes : static_cast<double>(g.groups * read) * vectors);
}

inline double winograd_cost(const ConvGeometry& g, ConvDirection direction, int m) {
  const WinogradShape s(g, direction);
  const double width = host_kernels().f32_sizes.panel_width, lanes = width / 2;
  const WinogradPlan plan(s, m, 1);
  const double positions = static_cast<double>(plan.positions), tiles = static_cast<double>(plan.tiles);
  const double source = static_cast<double>(detail::ceil_div(s.channels, static_cast<index_t>(lanes)));
  const double destination = static_cast<double>(detail::ceil_div(s.dst_channels, static_cast<index_t>(lanes)));
  const double products = tiles * positions * static_cast<double>(s.channels) * destination;
  const double weights = positions * static_cast<double>(s.channels) * destination;
  const double weight_bytes = weights * lanes * sizeof(float);
  constexpr double transform = 15, own_cache = 1 << 20, shared_cache = 8 << 20;
  const double read = weight_bytes > shared_cache ? 6 : weight_bytes > own_cache ? 2.5 : 0; // a vector of weights
  return products + tiles * positions * (source + destination) * transform +
         static_cast<double>(plan.tile_blocks) * weights * read;
}

inline double bf16_cost(const ConvGeometry& g, ConvDirection direction, bool split) {
  const detail::Bf16Plan plan(g, direction, split);
  const double group_k = static_cast<double>(detail::ceil_div(plan.group_k, bf16_block) * bf16_block);
  const double written = static_cast<double>(plan.panels() * bf16_panel);
  const double pixels = static_cast<double>(g.n) * static_cast<double>(g.oh) * static_cast<double>(g.ow);
  const double products = pixels * static_cast<double>(g.taps() * g.groups) * group_k * written * (split ? 3 : 1);
  const double converted = static_cast<double>(g.n * g.ih * g.iw * g.ic + g.n * g.oh * g.ow * g.oc);
  // Products per unit: matrix registers, vector instructions, and levels that only imitate them.
  const double rate = bf16_speed() == Bf16Speed::matrix ? 256 : bf16_speed() == Bf16Speed::vector ? 28 : 4;
  return products / rate + converted / 8;
}

/// The unit's cost of `conv_run`; more for what can't be done at all.
inline double conv_cost(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm) {
  algorithm = conv_algorithm(algorithm, g, sizeof(float));
  if constexpr (built_host_kernels) {
    if (algorithm == Algorithm::portable) return 100 * gemm_cost(g, direction);
    if constexpr (built_winograd)
      if (is_winograd(algorithm)) return winograd_cost(g, direction, winograd_tile(algorithm));
    if constexpr (built_bf16)
      if (is_bf16(algorithm)) return bf16_cost(g, direction, is_split(algorithm));
    return gemm_cost(g, direction);
  }
  return 0;
}

/// The cheapest algorithm of a precision, where it is worth its memory: each candidate's weights take more than the
/// one's before, F(6x6, 3x3)'s 7 times the original's, and have to gain a tenth. `exact`: without F(6x6, 3x3), whose
/// errors are twice those of F(4x4, 3x3).
inline Algorithm choose_conv(const ConvGeometry& g, ConvDirection direction, ComputePrecision precision, bool exact) {
  constexpr double gain = 0.9;
  constexpr size_t largest_weights = size_t{9} << 19; // of F(6x6, 3x3): 4.5 MiB
  Algorithm best = Algorithm::host_gemm;
  const auto consider = [&](Algorithm algorithm) {
    if (conv_algorithm(algorithm, g, sizeof(float)) == algorithm &&
        conv_cost(g, direction, algorithm) < gain * conv_cost(g, direction, best))
      best = algorithm;
  };
  if constexpr (built_winograd) {
    consider(Algorithm::winograd4);
    if (!exact && winograd_fits(g) && winograd_prepared_bytes(g, direction, 6) <= largest_weights)
      consider(Algorithm::winograd6);
  }
  if (built_bf16 && precision == ComputePrecision::bf16) consider(Algorithm::bf16);
  return best;
}

} // namespace leadline::host
