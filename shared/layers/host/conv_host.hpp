// Convolutions on host execs, and the workspace that they need.
#pragma once

#include "shared/layers/host/conv_apply.hpp"
#include "shared/layers/host/conv_weight_gradient.hpp"

namespace leadline::host {

template <class T> size_t conv_workspace_bytes_of(const ConvGeometry& g, bool backward) {
  if (!conv_fits(g)) return 0;
  const auto apply_bytes = [&](index_t group_k, index_t group_m) {
    detail::Pieces pieces(nullptr);
    detail::ApplyMemory<T>(pieces, g, group_k, group_m);
    return pieces.bytes();
  };
  size_t bytes = apply_bytes(g.group_ic(), g.group_oc());
  const size_t transposed = apply_bytes(g.group_oc(), g.group_ic());
  bytes = transposed > bytes ? transposed : bytes;
  if (backward) {
    const detail::GradientPlan<T> plan(g);
    const size_t gradient = align_up(sizeof(WeightGradientJob<T>)) +
                            align_up(static_cast<size_t>(plan.slots * plan.partial_values) * sizeof(T)) +
                            static_cast<size_t>(plan.slots * plan.scratch_bytes);
    bytes = gradient > bytes ? gradient : bytes;
  }
  return bytes;
}
/// For every call below, forward alone or backward too.
inline size_t conv_workspace_bytes(const ConvGeometry& g, bool backward, size_t element) {
  return element == sizeof(double) ? conv_workspace_bytes_of<double>(g, backward)
                                   : conv_workspace_bytes_of<float>(g, backward);
}

} // namespace leadline::host
