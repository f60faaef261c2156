// Where a kernel runs. HostExec needs nothing but this header; KokkosExec<Space> lives in kokkos_exec.hpp.
//
// A kernel knows an exec only through
//   parallel_for(exec, label, n, f)    f(i) for every i in [0, n), many cheap iterations
//   parallel_tasks(exec, label, n, f)  f(i) for every i in [0, n), few heavy iterations of uneven cost; host execs only
// Neither promises an order, so results must not depend on one: a sum across iterations goes through reduce.hpp.
// `f` is called as a const object, by value on devices: capture Tensors and scalars, never references.
#pragma once

#include "shared/core/config.hpp"

namespace leadline {

/// How a host exec spreads work over threads: a table of one function, so that the edge library never names a thread.
/// `run` calls `task(argument, i)` once for every i in [0, tasks), from any of `threads` threads (the caller's
/// included), and returns when all are done. The caller owns the context; one `run` at a time per context.
struct Runner {
  void* context = nullptr;
  int threads = 1;
  void (*run)(void* context, index_t tasks, void (*task)(void* argument, index_t i), void* argument) = nullptr;
};

/// The caller's thread, plus a runner's threads where one is given. Trivially copyable; doesn't own the runner.
class HostExec {
public:
  static constexpr bool on_host = true;
  static constexpr bool trains = true; ///< passes of training run here too
  static constexpr const char* name = "host";

  HostExec() = default;
  explicit HostExec(const Runner* runner) : runner_(runner) {}

  int threads() const { return runner_ ? runner_->threads : 1; }
  const Runner* runner() const { return runner_; }
  void fence() const {}

private:
  const Runner* runner_ = nullptr;
};

/// A HostExec for inference alone: what only training needs is left out of the program. Gives the same bits.
class InferenceExec : public HostExec {
public:
  static constexpr bool trains = false;
  using HostExec::HostExec;
};

namespace detail {

template <class F> struct HostRange {
  const F* f;
  index_t n, chunks;

  static void run(void* argument, index_t chunk) {
    const HostRange& range = *static_cast<const HostRange*>(argument);
    // Split n = q * chunks + r without overflow: the first r chunks get one more.
    const index_t q = range.n / range.chunks, r = range.n % range.chunks;
    const index_t first = chunk * q + (chunk < r ? chunk : r), last = first + q + (chunk < r ? 1 : 0);
    for (index_t i = first; i < last; ++i) (*range.f)(i);
  }
};

template <class F> void run_on_host(const HostExec& exec, index_t n, index_t chunks, const F& f) {
  if (n <= 0) return;
  HostRange<F> range{&f, n, chunks < n ? chunks : n};
  if (exec.threads() <= 1 || range.chunks <= 1) {
    range.chunks = 1;
    HostRange<F>::run(&range, 0);
  } else {
    exec.runner()->run(exec.runner()->context, range.chunks, &HostRange<F>::run, &range);
  }
}

} // namespace detail

/// f(i) for i in [0, n). Labels are "leadline::<layer>::<what>".
template <class F> void parallel_for(const HostExec& exec, const char* /*label*/, index_t n, const F& f) {
  detail::run_on_host(exec, n, 4 * index_t{exec.threads()}, f);
}

/// f(i) for i in [0, n), handed out one by one to whoever is free.
template <class F> void parallel_tasks(const HostExec& exec, const char* /*label*/, index_t n, const F& f) {
  detail::run_on_host(exec, n, n, f);
}

} // namespace leadline
