// Instantiates the passes of the layers whose number is LEADLINE_PART modulo num_parts, for HostExec or (with
// LEADLINE_WITH_KOKKOS) for Kokkos' default space. Compiled several times, so that no compilation is long.
#include "tests/shared/layers/layer_runner.hpp"

#ifdef LEADLINE_WITH_KOKKOS
#include "shared/core/kokkos_exec.hpp"
#define LEADLINE_PASSES kokkos_passes
#else
#define LEADLINE_PASSES host_passes
#endif

namespace leadline::testing::LEADLINE_PASSES {
namespace {

#ifdef LEADLINE_WITH_KOKKOS
DefaultExec make_exec(const Runner*) { return DefaultExec(); }
#else
HostExec make_exec(const Runner* runner) { return HostExec(runner); }
#endif

template <class Layer, class T> void prepare(const Runner* runner, const void* params, const PrepareArgs<T>& args) {
  const auto exec = make_exec(runner);
  prepare_layer<T>(exec, layer_kind<Layer>, static_cast<const unsigned char*>(params), args);
  exec.fence();
}

template <class Layer, class T> void forward(const Runner* runner, const void* params, const ForwardArgs<T>& args) {
  typename Layer::Params values;
  memcpy(&values, params, sizeof values);
  const auto exec = make_exec(runner);
  Layer::forward(exec, values, args);
  exec.fence();
}

template <class Layer, class T> void backward(const Runner* runner, const void* params, const BackwardArgs<T>& args) {
  typename Layer::Params values;
  memcpy(&values, params, sizeof values);
  const auto exec = make_exec(runner);
  Layer::backward(exec, values, args);
  exec.fence();
}

} // namespace

template <int part> bool find(LayerKind kind, LayerPasses<float>* f32, LayerPasses<double>* f64) {
#define LEADLINE_FIND(Layer, number)                                                                                   \
  if constexpr (number % num_parts == part)                                                                            \
    if (kind == layer_kind<Layer>) {                                                                                   \
      *f32 = {prepare<Layer, float>, forward<Layer, float>, backward<Layer, float>};                                   \
      *f64 = {prepare<Layer, double>, forward<Layer, double>, backward<Layer, double>};                                \
      return true;                                                                                                     \
    }
  LEADLINE_FOR_EACH_LAYER(LEADLINE_FIND)
#undef LEADLINE_FIND
  return false;
}
template bool find<LEADLINE_PART>(LayerKind, LayerPasses<float>*, LayerPasses<double>*);

#if LEADLINE_PART == 0
namespace {

template <class T>
void update(const Runner* runner, const BatchNorm2d::Params& params, index_t channels, const T* mean,
            const T* unbiased_var, T* running_mean, T* running_var) {
  const auto exec = make_exec(runner);
  BatchNorm2d::update_state(exec, params, channels, mean, unbiased_var, running_mean, running_var);
  exec.fence();
}

} // namespace

template <class T> UpdateState<T> update_state() { return update<T>; }
template UpdateState<float> update_state<float>();
template UpdateState<double> update_state<double>();

#ifdef LEADLINE_WITH_KOKKOS
using Space = Kokkos::DefaultExecutionSpace;

void* allocate(size_t bytes) { return Kokkos::kokkos_malloc<Space::memory_space>("leadline::testing", bytes); }
void release(void* memory) { Kokkos::kokkos_free<Space::memory_space>(memory); }
void upload(void* to, const void* from, size_t bytes) {
  using Unmanaged = Kokkos::MemoryTraits<Kokkos::Unmanaged>;
  Kokkos::deep_copy(Kokkos::View<char*, Space::memory_space, Unmanaged>(static_cast<char*>(to), bytes),
                    Kokkos::View<const char*, Kokkos::HostSpace, Unmanaged>(static_cast<const char*>(from), bytes));
}
void download(void* to, const void* from, size_t bytes) {
  using Unmanaged = Kokkos::MemoryTraits<Kokkos::Unmanaged>;
  Kokkos::deep_copy(Kokkos::View<char*, Kokkos::HostSpace, Unmanaged>(static_cast<char*>(to), bytes),
                    Kokkos::View<const char*, Space::memory_space, Unmanaged>(static_cast<const char*>(from), bytes));
}
bool on_host() { return DefaultExec::on_host; }
#endif
#endif

} // namespace leadline::testing::LEADLINE_PASSES
