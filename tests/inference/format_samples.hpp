// Sample files of each format version, with the answers that were recorded when they were made: tests/inference/data.
#pragma once

#include "tests/inference/tiny_models.hpp"

#include <vector>

namespace leadline::test {

/// The seeded input of a sample, dense, as leadline_run_raw takes it. Part of what is frozen.
inline std::vector<float> sample_input(const leadline_session_info& info) {
  std::vector<float> input(static_cast<size_t>(info.input_height) * static_cast<size_t>(info.input_width) *
                           static_cast<size_t>(info.input_channels));
  for (size_t i = 0; i < input.size(); ++i) input[i] = golden_input(20, static_cast<index_t>(i));
  return input;
}

} // namespace leadline::test
