// The parity certificate: does what a device answers agree with what was trained? On real frames, preprocessing
// included.
#pragma once

#include "data/dataset.hpp"
#include "trainer/checkpoint.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

/// One comparison with the device's engine on this machine, products in f32.
struct ParityRow {
  std::string what;         ///< "trainer's kernels, the file's plan", "x86-64-v3", "bf16", ...
  index_t frames = 0;       ///< that were compared
  index_t same_bits = 0;    ///< of these: the answers are equal bit for bit
  double largest = 0;       ///< largest difference, metres
  double mean_relative = 0; ///< mean over all pixels of |difference| / depth
  double limit = 0;         ///< of mean_relative; 0: bit for bit is wanted
  bool passed = false;
};

struct Parity {
  std::vector<ParityRow> rows;
  std::string table; ///< for people
  bool passed = false;
};

/// Compares `model` (a .lead file) on `count` frames, evenly spread, with
///   - the trainer's kernels run by the file's own plan, on the checkpoint's weights, rounded as the file says (int8:
///   on
///     the file's, since calibration is part of them): the same bits (on GPUs: close);
///   - the checkpoint's network as it was trained, norms not folded, weights not rounded: 1e-4; with weights stored in
///     f16 2e-3, bf16 2e-2, int8 5e-2;
///   - the engine at every other level of this CPU, chosen by name: 1e-4 (int8: 1e-2, where layers in float come before
///     others on bytes); and with bf16 products: 2e-2.
/// Takes leadline_set_isa back to the best level at the end. Throws leadline::Error for files that don't belong
/// together.
Parity verify_parity(const Checkpoint& checkpoint, const std::string& file, const std::string& model,
                     const data::Dataset& frames, size_t count);

} // namespace leadline::trainer
