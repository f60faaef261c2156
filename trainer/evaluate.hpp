// Metrics of predictions on a data set, beside those of the two answers that need no network. Predictions come from a
// network (predictor.hpp) or from files that any program wrote.
#pragma once

#include "data/dataset.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/metrics/align.hpp"
#include "trainer/predictor.hpp"

#include <functional>
#include <string>
#include <vector>

namespace leadline::trainer {

/// Where predictions and ground truth meet.
enum class Resolution {
  prediction, ///< ground truth comes down to the prediction's size
  frame,      ///< the prediction is enlarged to the ground truth's size, as published NYU and KITTI figures are made
};

struct EvaluateOptions {
  std::string protocol = "raw";
  Alignment alignment = Alignment::none;
  Resolution resolution = Resolution::prediction;
  data::OnBadSample on_bad_sample = data::OnBadSample::stop;
};

/// A name and what it says about frame `index`.
struct PredictionSource {
  std::string name;
  std::function<PlacedDepth(size_t index, const data::Sample& frame)> predict;
  data::DepthResize depth_resize = data::DepthResize::nearest; ///< how ground truth comes to the prediction's size
};

/// The network, then where it knows them: the median depth of its training frames everywhere, and their mean map.
std::vector<PredictionSource> prediction_sources(Predictor& network, bool flip);
/// What files about frames are called: their own names (last part, without its ending) if no two are the same, else
/// their numbers, 000012.
std::vector<std::string> frame_keys(const data::Dataset& frames);
/// Files in a folder, called KEY or KEY_depth with .npy, .pfm or .png behind it (frame_keys); or one .npy of shape [N,
/// H, W]. Whole numbers are multiplied by `unit`. With `disparity` their numbers are 1/depth up to scale and shift.
/// Throws leadline::Error.
PredictionSource prediction_files(const std::string& path, const data::Dataset& frames, double unit, bool disparity);

struct EvaluationRow {
  std::string name;                 ///< the network's, "constant depth", "mean map"
  std::vector<NamedNumber> metrics; ///< in the order of metric_names()
  std::vector<DepthMetrics> frames; ///< each by itself
};

struct Evaluation {
  std::vector<EvaluationRow> rows; ///< in the sources' order
  std::vector<std::string> names;  ///< of the frames
  std::string table;               ///< for people, with the protocol and its notes
  index_t images = 0, skipped = 0; ///< frames that were measured, that couldn't be read
  double images_per_second = 0;    ///< of the first source
};

/// Throws leadline::Error for unknown protocols, frames that can't be read, and when nothing is left to measure.
Evaluation evaluate(const std::vector<PredictionSource>& sources, const data::Dataset& frames,
                    const EvaluateOptions& options);

/// FRAME,delta1,... for the first source: which pictures are hard.
void write_frame_metrics(const std::string& file, const Evaluation& evaluation);

} // namespace leadline::trainer
