// The golden sample of a model: what the engine answers to a seeded input, stored in the file for self-tests on
// devices. Host only (CMake target leadline_model_writer).
#pragma once

#include "shared/model/model_writer.hpp"

#include <vector>

namespace leadline {

/// Encodes `spec`, opens the bytes with the public C API, runs the seeded input on one thread and returns every
/// `golden_stride`-th value of the first output. Throws std::runtime_error when the engine refuses or answers NaN.
std::vector<float> compute_golden(const ModelSpec& spec);

} // namespace leadline
