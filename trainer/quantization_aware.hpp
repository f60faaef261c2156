// Quantisation-aware fine-tuning: a trained network goes on learning with the rounding of int8 in its forward pass
// (B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
// 2018, section 3; R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference: a whitepaper",
// 2018, section 3.2).
//
//   - The network is folded as export folds it: norms become part of the convolutions before them, with their running
//     statistics, which stay as they are. Dropout is left out.
//   - Values that int8 holds in bytes are rounded to these by Quantize nodes (shared/layers/quantize.hpp), whose ranges
//     come from calibration and stay; weights are rounded by channel (weight_rounding.hpp). Gradients pass straight
//     through.
//   - A checkpoint of such a run has the rounded weights as `weights`, the masters as `trained_weights`, and `ranges`.
#pragma once

#include "trainer/calibration.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/settings.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

/// Whether these settings ask for it: quantize.aware.
bool quantization_aware(const Settings& settings);

/// The network of the settings without any rounding: whose weights a checkpoint of such a run holds. Folded where
/// quantization_aware.
Graph float_graph(const Settings& settings);

/// What training runs.
struct TrainingGraph {
  Graph graph;
  std::vector<int32_t> rounded;   ///< nodes whose weights are rounded
  std::vector<NamedArray> ranges; ///< of its values, as a checkpoint keeps them
};

/// A folded float graph with Quantize nodes (NODE.quantize) where int8 would have bytes, and without fused activations
/// (NODE.activation instead), which have no backward pass. The table of weights stays as it is.
TrainingGraph round_values(const Graph& floats, const std::vector<ValueRange>& ranges);

/// The graph of a run of these settings, and of its checkpoints. `ranges` are a checkpoint's where quantization_aware,
/// else not read. Throws leadline::Error naming `file` if they don't fit.
TrainingGraph training_graph(const Settings& settings, const std::vector<NamedArray>& ranges, const std::string& file);

/// A checkpoint's ranges for the values of `graph`, which has the names of nodes that float_graph has. Throws
/// leadline::Error.
std::vector<ValueRange> ranges_of(const Graph& graph, const std::vector<NamedArray>& ranges, const std::string& file);

/// What such a run begins with: `trained`, a checkpoint of the network of the settings, with its weights folded and the
/// ranges calibrated on frames as they are. Throws leadline::Error.
Checkpoint quantization_aware_start(const Settings& settings, const Checkpoint& trained, const std::string& file,
                                    const data::Dataset& frames);

} // namespace leadline::trainer
