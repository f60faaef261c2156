// The CPU kernels that only training calls, compiled once per ISA level as host_kernels.cpp is: the table at the end is
// all that the linker sees.
#include "shared/layers/host/apply_kernels.hpp"
#include "shared/layers/host/depthwise_kernels.hpp"
#include "shared/layers/host/norm_kernels.hpp"
#include "shared/layers/host/weight_gradient_kernels.hpp"
#include "shared/layers/host/winograd_gradient_kernels.hpp"

namespace leadline::host {
namespace {

template <class T> constexpr TrainingTable<T> table() {
  return {weight_gradient<T>, depthwise_gradient<T>, norm_table<T>()};
}

} // namespace

#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
/// training_kernels_v4 and so on.
extern const TrainingKernels LEADLINE_JOIN(training_kernels_, LEADLINE_ISA);
const TrainingKernels LEADLINE_JOIN(training_kernels_, LEADLINE_ISA) = {
    .isa = LEADLINE_ISA_NAME,
    .f64 = {apply<double>, apply_few<double>, depthwise<double>},
    .f32_training = table<float>(),
    .f64_training = table<double>(),
    .winograd_gradient = winograd_gradient,
};

} // namespace leadline::host
