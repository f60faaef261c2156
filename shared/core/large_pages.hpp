// Large pages for large blocks, where the system has them: fewer page faults when memory is first touched, fewer misses
// of address translation whenever kernels walk over it. Only files that call the system anyway include this one.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace leadline {

/// Advises the system to back the whole large pages within [memory, memory + bytes) as such. What isn't there yet comes
/// zeroed, as ever; a system that has none, or was told to give none, changes nothing. Thread-safe.
inline void advise_large_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = uintptr_t{2} << 20; // a multiple of it on other systems: then nothing is whole
  const uintptr_t begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + bytes) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

} // namespace leadline
