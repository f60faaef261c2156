// The CPU kernels, compiled once per ISA level (LEADLINE_ISA names it): everything in the files included here has
// internal linkage, the tables at the end are all that the linker sees.
#include "shared/layers/host/apply_kernels.hpp"
#include "shared/layers/host/depthwise_kernels.hpp"
#include "shared/layers/host/norm_kernels.hpp"
#include "shared/layers/host/pool_kernels.hpp"
#include "shared/layers/host/weight_gradient_kernels.hpp"
#include "shared/layers/host/winograd_gradient_kernels.hpp"
#include "shared/layers/host/winograd_kernels.hpp"

namespace leadline::host {
namespace {

template <class T> constexpr KernelTable<T> table() {
  return {2 * Simd<T>::lanes,    tile_rows,      apply<T>, apply_few<T>, depthwise<T>, weight_gradient<T>,
          depthwise_gradient<T>, norm_table<T>()};
}

} // namespace

#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
#define LEADLINE_STRING_(a) #a
#define LEADLINE_STRING(a) LEADLINE_STRING_(a)
/// host_kernels_v4 and so on.
extern const HostKernels LEADLINE_JOIN(host_kernels_, LEADLINE_ISA);
const HostKernels LEADLINE_JOIN(host_kernels_, LEADLINE_ISA) = {
    .isa = LEADLINE_ISA_NAME,
    .f32 = table<float>(),
    .f64 = table<double>(),
    .winograd4 = {winograd<4>, winograd_weights<4>},
    .winograd6 = {winograd<6>, winograd_weights<6>},
    .max_pool = max_pool,
    .tile_pixels_winograd = tile_rows,
    .gradient_rows = gradient_rows,
    .winograd_gradient = winograd_gradient,
};

} // namespace leadline::host
