// Kokkos from the outside: started once a program, with the threads that were asked for.
#pragma once

#include <string>

namespace leadline::trainer {

/// While one lives, execs work. Does nothing where the program has started Kokkos itself.
class Compute {
public:
  /// `threads`: of CPU execs; 0: OMP_NUM_THREADS, or all cores.
  explicit Compute(int threads);
  ~Compute();
  Compute(const Compute&) = delete;
  Compute& operator=(const Compute&) = delete;

  /// "Kokkos 5.2.2, OpenMP": where training runs.
  static std::string description();

private:
  bool started_;
};

} // namespace leadline::trainer
