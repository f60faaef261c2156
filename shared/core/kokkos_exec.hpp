// KokkosExec<Space>: kernels on OpenMP, CUDA, HIP or Serial, each launch labelled and on the exec's own instance.
#pragma once

#ifndef LEADLINE_WITH_KOKKOS
#error "kokkos_exec.hpp needs Kokkos: link the CMake target leadline_kokkos"
#endif

#include "shared/core/exec.hpp"

#include <Kokkos_Core.hpp>

namespace leadline {

template <class Space> class KokkosExec {
public:
  using space = Space;
  using memory_space = typename Space::memory_space;
  /// Whether this exec's kernels may call host functions (the ISA kernels of shared/layers/host).
  static constexpr bool on_host = Kokkos::SpaceAccessibility<Space, Kokkos::HostSpace>::accessible &&
                                  Kokkos::SpaceAccessibility<Kokkos::HostSpace, memory_space>::accessible;
  static constexpr bool trains = true; ///< passes of training run here too
  static constexpr const char* name = on_host ? "kokkos-host" : "kokkos-device";

  KokkosExec() = default;
  explicit KokkosExec(const Space& instance) : instance_(instance) {}

  const Space& instance() const { return instance_; }
  int threads() const { return instance_.concurrency(); }
  void fence() const { instance_.fence("leadline::fence"); }

private:
  Space instance_;
};

using DefaultExec = KokkosExec<Kokkos::DefaultExecutionSpace>;

namespace detail {

/// Kokkos copies functors to the device; this one carries the kernel's own.
template <class F> struct KokkosBody {
  F f;
  LEADLINE_INLINE_FUNCTION void operator()(index_t i) const { f(i); }
};

} // namespace detail

template <class Space, class F>
void parallel_for(const KokkosExec<Space>& exec, const char* label, index_t n, const F& f) {
  if (n <= 0) return;
  Kokkos::parallel_for(label, Kokkos::RangePolicy<Space, Kokkos::IndexType<index_t>>(exec.instance(), 0, n),
                       detail::KokkosBody<F>{f});
}

template <class Space, class F>
void parallel_tasks(const KokkosExec<Space>& exec, const char* label, index_t n, const F& f) {
  static_assert(KokkosExec<Space>::on_host, "parallel_tasks is for host execs: write a parallel_for for devices");
  if (n <= 0) return;
  using Policy = Kokkos::RangePolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>, Kokkos::IndexType<index_t>>;
  Kokkos::parallel_for(label, Policy(exec.instance(), 0, n, Kokkos::ChunkSize(1)), detail::KokkosBody<F>{f});
}

} // namespace leadline
