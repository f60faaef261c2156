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
  const double width = kernel_table<float>().panel_width, lanes = width / 2;
  const double panels = static_cast<double>(detail::ceil_div(g.group_oc(), static_cast<index_t>(width)));
  const double vectors = g.depthwise() ? 1 : panels * 2;
  const double pixels = static_cast<double>(g.n) * static_cast<double>(g.oh) * static_cast<double>(g.ow);
  if (detail::few_written(g, direction)) {
    const detail::Panels<float> packed = [&] {
      detail::Pieces pieces(nullptr);
      return detail::Panels<float>(pieces, g, direction);
    }();
    constexpr double sum_up = 12; // the partial sums of one result
    const double dst = pixels * static_cast<double>(g.groups * packed.group_m);
    return dst * (static_cast<double>(g.taps()) * static_cast<double>(detail::ceil_div(packed.group_k, 16)) + sum_up);
  }
  constexpr double slower = 1.25; // rows of pixels are reached through pointers, and edges tap by tap
  return slower * pixels * static_cast<double>(g.taps()) *
         (g.depthwise() ? static_cast<double>(g.groups) / lanes
                        : static_cast<double>(g.groups * g.group_ic()) * vectors);
}

inline double winograd_cost(const ConvGeometry& g, ConvDirection direction, int m) {
  const WinogradShape s(g, direction);
  const double width = kernel_table<float>().panel_width, lanes = width / 2;
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

/// The unit's cost of `conv_run`; more for what can't be done at all.
inline double conv_cost(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm) {
  algorithm = conv_algorithm(algorithm, g, sizeof(float));
  if (algorithm == Algorithm::portable) return 100 * gemm_cost(g, direction);
  if (algorithm == Algorithm::host_gemm) return gemm_cost(g, direction);
  return winograd_cost(g, direction, winograd_tile(algorithm));
}

/// The cheapest algorithm. `exact`: without F(6x6, 3x3), whose rounding errors are twice those of F(4x4, 3x3):
/// gradients are sums over many of them.
inline Algorithm choose_conv(const ConvGeometry& g, ConvDirection direction, bool exact) {
  Algorithm best = Algorithm::host_gemm;
  constexpr Algorithm candidates[] = {Algorithm::winograd4, Algorithm::winograd6};
  for (const Algorithm algorithm : candidates)
    if ((algorithm != Algorithm::winograd6 || !exact) && conv_algorithm(algorithm, g, sizeof(float)) == algorithm &&
        conv_cost(g, direction, algorithm) < conv_cost(g, direction, best))
      best = algorithm;
  return best;
}

} // namespace leadline::host
