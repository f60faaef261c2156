// What a run tells while it goes on, and who listens. Knows neither Kokkos nor files: a user's program adds its own
// listener with TrainLoop::add.
#pragma once

#include "trainer/checkpoint.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

/// What is known when a run starts. Epochs and steps are counted from 0 inside, from 1 in texts.
struct RunInfo {
  std::string dir;        ///< run directory; empty: none
  std::string network;    ///< name
  std::string summary;    ///< one line per layer
  index_t parameters = 0; ///< trainable numbers
  size_t bytes = 0;       ///< memory on the exec
  std::string exec;       ///< where it computes, with threads
  index_t train_frames = 0, val_frames = 0;
  index_t epochs = 0, steps_per_epoch = 0, batch_size = 0;
  index_t first_epoch = 0, first_batch = 0; ///< where a resumed run goes on
  std::string protocol, monitor;
};

/// After each optimizer update.
struct StepReport {
  index_t epoch = 0;  ///< 0-based
  index_t batch = 0;  ///< 0-based, within the epoch
  index_t step = 0;   ///< updates made so far, this one included
  double loss = 0;    ///< of this batch
  double lr = 0;      ///< that the update was made with
  double seconds = 0; ///< since the run started or was resumed
  index_t images = 0; ///< trained since then
};

/// A validation frame with what the network makes of it.
struct Prediction {
  std::string name;
  int height = 0, width = 0;
  std::vector<unsigned char> rgb; ///< [H, W, 3]: the network's input, turned back into a picture
  std::vector<float> depth;       ///< [H, W] metres, 0 = no ground truth
  std::vector<float> prediction;  ///< [H, W] metres
};

/// After each epoch and its validation.
struct EpochReport {
  index_t epoch = 0; ///< completed epochs, this one included
  index_t step = 0;
  double train_loss = 0;            ///< mean over the epoch's batches
  double lr = 0;                    ///< of the last step
  bool validated = false;           ///< whether the rest is filled
  std::vector<NamedNumber> metrics; ///< in the order of DepthMetrics::names
  std::string note;                 ///< what the protocol has to say about this picture size
  bool best = false;                ///< the monitored metric was never better
  double seconds = 0;               ///< of the epoch, validation included
  double images_per_second = 0;     ///< of training alone
  std::vector<Prediction> predictions;
};

/// What a listener may ask of the run; valid during its calls.
class RunControl {
public:
  virtual ~RunControl() = default;
  /// Everything that a later run needs to go on from here.
  virtual Checkpoint checkpoint() const = 0;
  /// The run ends after this step as if it had been interrupted: on_stop is called, nothing is lost.
  virtual void request_stop() = 0;
};

/// Called by the run's own thread, in the order in which listeners were added. Exceptions end the run.
class Callback {
public:
  virtual ~Callback() = default;
  virtual void on_start(const RunInfo& /*info*/, RunControl& /*run*/) {}
  virtual void on_step(const StepReport& /*report*/, RunControl& /*run*/) {}
  virtual void on_epoch_end(const EpochReport& /*report*/, RunControl& /*run*/) {}
  /// The run was asked to stop before its last epoch.
  virtual void on_stop(RunControl& /*run*/) {}
  /// All epochs are done.
  virtual void on_finish(RunControl& /*run*/) {}
};

} // namespace leadline::trainer
