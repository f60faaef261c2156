// `leadline export --precision int8`: calibrates, measures what each layer and the whole lose, lets the layers that
// cost most stay in float, and refuses where that doesn't help.
#pragma once

#include "data/dataset.hpp"
#include "trainer/calibration.hpp"

#include <memory>
#include <string>
#include <vector>

namespace leadline::trainer {

struct Int8Options {
  data::DatasetPtr frames{};      ///< pictures like those that the device will see; null: no int8
  size_t calibration_frames = 64; ///< evenly spread; the others measure, or the same where there are fewer others
  size_t measured_frames = 256;   ///< at most
  RangeMethod method = RangeMethod::percentile;
  double max_delta1_loss = 0.01; ///< of delta1: how much int8 may be below f32
  bool force = false;            ///< all layers that can run on bytes do, whatever that loses

  /// Of a network that was trained with int8's rounding (quantization_aware.hpp): the ranges of its graph's values
  /// that it knows. Empty: calibrated on the frames.
  std::vector<ValueRange> ranges{};
  const ModelSpec* reference = nullptr; ///< the float model that it may not lose against; null: the model's own floats
  std::string reference_name = "f32";   ///< for people
  std::string advice{};                 ///< what to do where too much is lost, for people
};

/// One layer that multiplies.
struct Int8Layer {
  std::string name, kind;
  bool on_bytes = false;
  double alone_db = 0;    ///< signal to noise of the network's answer if this layer alone ran on bytes
  double together_db = 0; ///< of the layer's result in the network as exported; only where on_bytes
  std::string why_float;
};

/// A difference of means over frames, with the bootstrap's 95% interval (B. Efron, "Bootstrap methods: another look at
/// the jackknife", Ann. Stat. 7, 1979).
struct MeanDifference {
  size_t frames = 0;
  double before = 0, after = 0, loss = 0, low = 0, high = 0;
};
MeanDifference mean_difference(const std::vector<double>& before, const std::vector<double>& after);

struct Int8Model {
  std::unique_ptr<Graph> graph; ///< that the spec borrows
  ModelSpec spec;
  std::vector<Int8Layer> layers;
  MeanDifference delta1;
  std::string report; ///< for people: layers, metrics, what fell back and why
};

/// The int8 model of a float one, `golden` computed. `path` names the file in messages and for temporary files beside
/// it; `protocol` is the one that metrics are computed under. Throws leadline::Error: no layer can run on bytes, the
/// frames can't be used, or more is lost than allowed.
Int8Model quantize_model(const ModelSpec& spec, const std::string& path, const std::string& protocol,
                         const Int8Options& options);

} // namespace leadline::trainer
