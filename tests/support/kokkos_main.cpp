// main() of the tests that use Kokkos: Kokkos lives exactly as long as the test session.
#include <Kokkos_Core.hpp>
#include <catch2/catch_session.hpp>

int main(int argc, char** argv) {
  // Tests don't measure, so Kokkos's advice on thread placement is only noise. OMP_NUM_THREADS chooses the threads.
  Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
  return Catch::Session().run(argc, argv);
}
