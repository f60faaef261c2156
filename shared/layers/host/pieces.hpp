// What the launching side of the CPU kernels shares: limits, and pieces of a workspace.
#pragma once

#include "shared/layers/conv_geometry.hpp"
#include "shared/layers/host/host_kernels.hpp"

namespace leadline::host {

constexpr index_t max_phases = 1024, max_taps = 4096; ///< beyond them the portable kernels take over
constexpr index_t max_slots = 32;                     ///< partial weight gradients

inline bool conv_fits(const ConvGeometry& g) {
  return g.stride_h <= max_phases && g.stride_w <= max_phases && g.stride_h * g.stride_w <= max_phases &&
         g.taps() <= max_taps;
}

namespace detail {

constexpr index_t ceil_div(index_t a, index_t b) { return (a + b - 1) / b; }

/// Takes aligned pieces of a workspace one after the other; with a null base it only counts.
class Pieces {
public:
  explicit Pieces(unsigned char* base) : base_(base) {}
  template <class U> U* take(index_t count) {
    U* piece = base_ ? reinterpret_cast<U*>(base_ + bytes_) : nullptr;
    bytes_ += align_up(static_cast<size_t>(count) * sizeof(U));
    return piece;
  }
  size_t bytes() const { return bytes_; }

private:
  unsigned char* base_;
  size_t bytes_ = 0;
};

} // namespace detail
} // namespace leadline::host
