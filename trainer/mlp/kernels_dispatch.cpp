// The level that the layers' kernels run by (shared/layers/host/dispatch.cpp) decides for the MLP's, too.
#include "trainer/mlp/kernels.hpp"

#include "shared/layers/host/host_kernels.hpp"

#include <string_view>

namespace leadline::trainer::mlp {

extern const Kernels<float> mlp_kernels_f32_baseline;
extern const Kernels<double> mlp_kernels_f64_baseline;
#ifdef LEADLINE_HAVE_X86_LEVELS
extern const Kernels<float> mlp_kernels_f32_v3, mlp_kernels_f32_v4;
extern const Kernels<double> mlp_kernels_f64_v3, mlp_kernels_f64_v4;
#endif

template <> const Kernels<float>& kernels<float>() {
#ifdef LEADLINE_HAVE_X86_LEVELS
  const std::string_view isa = host::host_kernels().isa;
  if (isa == mlp_kernels_f32_v4.isa) return mlp_kernels_f32_v4;
  if (isa == mlp_kernels_f32_v3.isa) return mlp_kernels_f32_v3;
#endif
  return mlp_kernels_f32_baseline;
}

template <> const Kernels<double>& kernels<double>() {
#ifdef LEADLINE_HAVE_X86_LEVELS
  const std::string_view isa = host::host_kernels().isa;
  if (isa == mlp_kernels_f64_v4.isa) return mlp_kernels_f64_v4;
  if (isa == mlp_kernels_f64_v3.isa) return mlp_kernels_f64_v3;
#endif
  return mlp_kernels_f64_baseline;
}

} // namespace leadline::trainer::mlp
