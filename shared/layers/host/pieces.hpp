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

template <class Job, class Src, class Dst> void set_strides(Job& job, const Src& src, const Dst& dst) {
  job.src_stride_n = src.stride_n;
  job.src_stride_h = src.stride_h;
  job.src_stride_w = src.stride_w;
  job.dst_stride_n = dst.stride_n;
  job.dst_stride_h = dst.stride_h;
  job.dst_stride_w = dst.stride_w;
}

template <class T> void activate_row(const void* params, T* row, index_t count) {
  const ActivationParams& activation = *static_cast<const ActivationParams*>(params);
  activate_range(activation.kind, decimal<T>(activation.alpha), row, row, 0, count);
}

} // namespace detail

/// The epilogues that kernels have in their own vectors; what else there is goes through a job's activate().
inline int32_t epilogue_of(ActivationKind kind) {
  return kind == ActivationKind::identity ? 0
         : kind == ActivationKind::relu   ? 1
         : kind == ActivationKind::relu6  ? 2
                                          : 3;
}

/// How many blocks of work were handed out.
struct Blocks {
  ptrdiff_t next; // as wide as addresses: 32-bit CPUs have no 64-bit atomics, and no memory for so many blocks
};

/// f(worker, block) for every block in [0, count). A worker takes the next block when it is done with one, so that a
/// stalled core holds nothing but its own block; worker w alone uses the w-th piece of scratch. `blocks` lies in the
/// workspace.
template <class Exec, class F>
void run_blocks(const Exec& exec, const char* label, Blocks* blocks, index_t workers, index_t count, const F& f) {
  blocks->next = 0;
  parallel_tasks(exec, label, workers, [=](index_t worker) {
    for (;;) {
      const index_t block = __atomic_fetch_add(&blocks->next, 1, __ATOMIC_RELAXED);
      if (block >= count) return;
      f(worker, block);
    }
  });
}

} // namespace leadline::host
