// What every file of shared/ may assume: the function marker, index type and namespace conventions.
//
// shared/ is compiled twice: with Kokkos for the trainer (LEADLINE_WITH_KOKKOS is defined by the CMake target
// leadline_kokkos) and without it for the edge library. This header is the only place where the two differ.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef LEADLINE_WITH_KOKKOS
#include <Kokkos_Macros.hpp>
/// Marks a function that may run inside a kernel, on any exec.
#define LEADLINE_FUNCTION KOKKOS_FUNCTION
#define LEADLINE_INLINE_FUNCTION KOKKOS_INLINE_FUNCTION
#else
#define LEADLINE_FUNCTION
#define LEADLINE_INLINE_FUNCTION inline
#endif

/// For what files of several ISA levels share: an ordinary inline function would be linked once for all of them.
#define LEADLINE_ALWAYS_INLINE inline __attribute__((always_inline))

/// True inside code that is being compiled for a GPU: host-only paths (ISA kernels) are left out there.
#if defined(__CUDA_ARCH__) || defined(__HIP_DEVICE_COMPILE__)
#define LEADLINE_ON_DEVICE 1
#else
#define LEADLINE_ON_DEVICE 0
#endif

namespace leadline {

/// Offsets and extents are 64-bit everywhere: 2^31-element tensors are ordinary on 64-bit targets.
using index_t = int64_t;

} // namespace leadline
