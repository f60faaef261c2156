// Chooses the ISA level at run time, from what the CPU has and the operating system saves.
#include "shared/layers/host/host_kernels.hpp"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace leadline::host {

extern const HostKernels host_kernels_baseline;
#ifdef LEADLINE_HAVE_X86_LEVELS
extern const HostKernels host_kernels_v3, host_kernels_v4;

namespace {

// CPUID leaves by hand: libgcc's __builtin_cpu_supports would add a symbol that is neither libc's nor libm's.
int x86_level() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 2;
  const bool fma = c >> 12 & 1, osxsave = c >> 27 & 1, avx = c >> 28 & 1;
  if (!fma || !osxsave || !avx) return 2;
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x06) != 0x06) return 2; // the system doesn't save the vector registers
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 2;
  const bool avx2 = b >> 5 & 1, bmi2 = b >> 8 & 1;
  if (!avx2 || !bmi2) return 2;
  const bool avx512 = (b >> 16 & 1) && (b >> 17 & 1) && (b >> 28 & 1) && (b >> 30 & 1) && (b >> 31 & 1);
  return avx512 && (low & 0xE6) == 0xE6 ? 4 : 3;
}

} // namespace
#endif

namespace {

const HostKernels* best_kernels() {
#ifdef LEADLINE_HAVE_X86_LEVELS
  const int level = x86_level();
  if (level == 4) return &host_kernels_v4;
  if (level == 3) return &host_kernels_v3;
#endif
  return &host_kernels_baseline;
}

const HostKernels* current; // null: not looked for yet. Racing threads find and write the same one.

} // namespace

const HostKernels& host_kernels() {
  const HostKernels* kernels = __atomic_load_n(&current, __ATOMIC_RELAXED);
  if (!kernels) {
    kernels = best_kernels();
    __atomic_store_n(&current, kernels, __ATOMIC_RELAXED);
  }
  return *kernels;
}

bool force_host_kernels(const char* isa) {
  const HostKernels* kernels = nullptr;
  if (!isa) kernels = best_kernels();
  if (isa && strcmp(isa, host_kernels_baseline.isa) == 0) kernels = &host_kernels_baseline;
#ifdef LEADLINE_HAVE_X86_LEVELS
  const int level = x86_level();
  if (isa && level >= 3 && strcmp(isa, host_kernels_v3.isa) == 0) kernels = &host_kernels_v3;
  if (isa && level >= 4 && strcmp(isa, host_kernels_v4.isa) == 0) kernels = &host_kernels_v4;
#endif
  if (kernels) __atomic_store_n(&current, kernels, __ATOMIC_RELAXED);
  return kernels != nullptr;
}

} // namespace leadline::host
