// What this build of the library holds: everything, or what cmake/LeadlineSelect.cmake was asked for.
#pragma once

#include <stdint.h>

/// Bit n set: layer n of shared/layers/layers.hpp is there.
#ifndef LEADLINE_LAYER_MASK
#define LEADLINE_LAYER_MASK 0xFFFFFFFFu
#endif
/// The SIMD kernels of shared/layers/host, and of these Winograd's and those of bf16.
#ifndef LEADLINE_HOST_KERNELS
#define LEADLINE_HOST_KERNELS 1
#endif
#ifndef LEADLINE_WINOGRAD
#define LEADLINE_WINOGRAD LEADLINE_HOST_KERNELS
#endif
#ifndef LEADLINE_BF16
#define LEADLINE_BF16 LEADLINE_HOST_KERNELS
#endif
/// And those of bytes: networks that run on bytes begin with a quantize layer.
#ifndef LEADLINE_INT8
#define LEADLINE_INT8 (LEADLINE_HOST_KERNELS && (LEADLINE_LAYER_MASK >> 20 & 1))
#endif
/// Nodes that run strip by strip where memory is short (shared/model/strips.hpp).
#ifndef LEADLINE_STRIPS
#define LEADLINE_STRIPS 1
#endif

namespace leadline {

constexpr bool built_layer(uint32_t number) { return number < 32 && (LEADLINE_LAYER_MASK >> number & 1) != 0; }
constexpr bool built_host_kernels = LEADLINE_HOST_KERNELS != 0;
constexpr bool built_winograd = LEADLINE_WINOGRAD != 0;
constexpr bool built_bf16 = LEADLINE_BF16 != 0;
constexpr bool built_strips = LEADLINE_STRIPS != 0;
constexpr bool built_int8 = built_layer(20); ///< networks that run on bytes begin with a quantize layer

} // namespace leadline
