// The CPU kernels, compiled once per ISA level (LEADLINE_ISA names it): everything in the files included here has
// internal linkage, the tables at the end are all that the linker sees.
#include "shared/layers/host/apply_kernels.hpp"
#include "shared/layers/host/depthwise_kernels.hpp"
#include "shared/layers/host/pool_kernels.hpp"
#if LEADLINE_WINOGRAD
#include "shared/layers/host/pointwise_kernels.hpp"
#include "shared/layers/host/winograd_kernels.hpp"
#endif

namespace leadline::host {
#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
/// host_kernels_v4 and so on.
extern const HostKernels LEADLINE_JOIN(host_kernels_, LEADLINE_ISA);
const HostKernels LEADLINE_JOIN(host_kernels_, LEADLINE_ISA) = {
    .isa = LEADLINE_ISA_NAME,
    .f32_sizes = {2 * Simd<float>::lanes, tile_rows},
    .f64_sizes = {2 * Simd<double>::lanes, tile_rows},
    .gradient_rows = gradient_rows,
    .f32 = {apply<float>, apply_few<float>, depthwise<float>},
#if LEADLINE_WINOGRAD
    .winograd4 = {winograd<4>, winograd_weights<4>},
    .winograd6 = {winograd<6>, winograd_weights<6>},
    .pointwise = pointwise,
#endif
    .max_pool = max_pool,
};

} // namespace leadline::host
