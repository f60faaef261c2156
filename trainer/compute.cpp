#include "trainer/compute.hpp"

#include <Kokkos_Core.hpp>

namespace leadline::trainer {

Compute::Compute(int threads) : started_(!Kokkos::is_initialized()) {
  if (!started_) return;
  Kokkos::InitializationSettings settings;
  settings.set_disable_warnings(true); // its advice on thread binding is about other programs
  if (threads > 0) settings.set_num_threads(threads);
  Kokkos::initialize(settings);
}

Compute::~Compute() {
  if (started_) Kokkos::finalize();
}

std::string Compute::description() {
  return "Kokkos " + std::to_string(KOKKOS_VERSION / 10000) + "." + std::to_string(KOKKOS_VERSION / 100 % 100) + "." +
         std::to_string(KOKKOS_VERSION % 100) + ", " + Kokkos::DefaultExecutionSpace::name();
}

} // namespace leadline::trainer
