// Metrics of a checkpoint on a data set, beside those of the two baselines that need no network.
#pragma once

#include "data/dataset.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/settings.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

struct EvaluationRow {
  std::string name;                 ///< the network's, "constant depth", "mean map"
  std::vector<NamedNumber> metrics; ///< in the order of DepthMetrics::names
};

struct Evaluation {
  std::vector<EvaluationRow> rows; ///< the network first; baselines only where the checkpoint has them
  std::string table;               ///< for people, with the protocol and its notes
  index_t images = 0;
  double images_per_second = 0; ///< of the network's forward passes
};

/// The settings that a checkpoint was trained with, with every option this program knows. Throws leadline::Error.
Settings checkpoint_settings(const Checkpoint& checkpoint, const std::string& file);

/// Runs the checkpoint's network over the frames, brought to its size as in training. `file` is what messages call it.
/// Throws leadline::Error for unknown protocols, frames that can't be read, and weights that don't fit.
Evaluation evaluate(const Checkpoint& checkpoint, const std::string& file, const data::DatasetPtr& frames,
                    const std::string& protocol);

} // namespace leadline::trainer
