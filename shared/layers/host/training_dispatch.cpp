// Finds the training kernels that belong to the level in use (dispatch.cpp chooses it).
#include "shared/layers/host/training_kernels.hpp"

#include <string.h>

namespace leadline::host {

extern const TrainingKernels training_kernels_baseline;
extern const Bf16Gradient bf16_gradient_baseline;
#ifdef LEADLINE_HAVE_X86_LEVELS
extern const TrainingKernels training_kernels_v3, training_kernels_v4;
extern const Bf16Gradient bf16_gradient_v3, bf16_gradient_v4, bf16_gradient_v4_bf16, bf16_gradient_v4_amx;
#endif

namespace {

Bf16Gradient asked_for; // by a test

} // namespace

const TrainingKernels& training_kernels() {
#ifdef LEADLINE_HAVE_X86_LEVELS
  static constexpr const TrainingKernels* levels[] = {&training_kernels_v4, &training_kernels_v3};
  const char* isa = host_kernels().isa;
  for (const TrainingKernels* kernels : levels)
    if (strcmp(isa, kernels->isa) == 0) return *kernels;
#endif
  return training_kernels_baseline;
}

Bf16Gradient bf16_gradient() {
  if (const Bf16Gradient kernel = __atomic_load_n(&asked_for, __ATOMIC_RELAXED)) return kernel;
#ifdef LEADLINE_HAVE_X86_LEVELS
  static constexpr struct {
    const char* isa;
    const Bf16Gradient& kernel;
  } levels[] = {{"x86-64-v4+amx", bf16_gradient_v4_amx},
                {"x86-64-v4+bf16", bf16_gradient_v4_bf16},
                {"x86-64-v4", bf16_gradient_v4},
                {"x86-64-v3", bf16_gradient_v3}};
  const char* isa = bf16_kernels().isa;
  for (const auto& level : levels)
    if (strcmp(isa, level.isa) == 0) return level.kernel;
#endif
  return bf16_gradient_baseline;
}

void use_bf16_gradient(Bf16Gradient kernel) { __atomic_store_n(&asked_for, kernel, __ATOMIC_RELAXED); }

} // namespace leadline::host
