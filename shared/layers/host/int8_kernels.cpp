// The kernels on bytes, compiled once per ISA level (LEADLINE_ISA names it) as host_kernels.cpp is: everything in the
// files included here has internal linkage, the table at the end is all that the linker sees.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // of g++ 12 in its own <immintrin.h>
#endif
#include "shared/layers/host/int8_elements.hpp"

#if defined(__x86_64__) || defined(__aarch64__) // has_int8_kernels
#include "shared/layers/host/int8_apply.hpp"
#include "shared/layers/host/int8_depthwise.hpp"
#include "shared/layers/host/int8_winograd.hpp"
#endif

namespace leadline::host {

#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
/// int8_kernels_v4 and so on.
extern const Int8Kernels LEADLINE_JOIN(int8_kernels_, LEADLINE_ISA);
const Int8Kernels LEADLINE_JOIN(int8_kernels_, LEADLINE_ISA) = {
    .isa = LEADLINE_ISA_NAME,
#if defined(__x86_64__) || defined(__aarch64__)
    .panel_width = 2 * dot_outputs,
    .weight_bytes = sizeof(DotWeight),
    .tile_pixels = tile_rows,
    .src_offset = dot_offset,
    .interleaves = interleaves,
    .apply = int8_apply,
    .depthwise = int8_depthwise,
    .add = int8_add,
#if defined(__AVX512VNNI__)
    .winograd = int8_winograd,
#else
    .winograd = nullptr,
#endif
#else
    .panel_width = 0,
    .weight_bytes = 1,
    .tile_pixels = 1,
    .src_offset = 0,
    .interleaves = false,
    .apply = nullptr,
    .depthwise = nullptr,
    .add = int8_add,
    .winograd = nullptr,
#endif
};

} // namespace leadline::host
