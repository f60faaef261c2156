// What a run tells while it goes on, and who listens. Knows neither Kokkos nor files: a user's program adds its own
// listener with TrainLoop::add, or registers it (callbacks.hpp).
#pragma once

#include "trainer/checkpoint.hpp"
#include "trainer/settings.hpp"

#include <exception>
#include <optional>
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

/// After each optimizer update; on_before_optimizer_step gets one too, of the update that is about to be made.
struct StepReport {
  index_t epoch = 0;                   ///< 0-based
  index_t batch = 0;                   ///< 0-based, within the epoch
  index_t step = 0;                    ///< updates made so far, this one included
  double loss = 0;                     ///< of this batch
  double lr = 0;                       ///< that the update is made with: the schedule's, before the groups' factors
  double seconds = 0;                  ///< since the run started or was resumed
  index_t images = 0;                  ///< trained since then, this batch included
  std::vector<NamedNumber> group_lr{}; ///< rate of each parameter group, the group of all other weights ("rest") last
  std::optional<double> momentum{};    ///< that the schedule cycles (sgd's momentum, Adam's beta1); none: it doesn't
  double gradient_norm = 0; ///< L2 norm of the whole gradient, before clipping; not finite if any element isn't
  double data_seconds = 0;  ///< that the step waited for its batch
  double step_seconds = 0;  ///< from batch to update; on a GPU the update's own time falls into the next step
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
  std::vector<NamedNumber> metrics; ///< in the order of metric_names()
  double monitored = 0;             ///< the one of eval.monitor
  std::string note;                 ///< what the protocol has to say about this picture size
  bool best = false;                ///< the monitored metric was never better
  double seconds = 0;               ///< of the epoch, validation included
  double images_per_second = 0;     ///< of training alone
  double data_seconds = 0;          ///< that its steps waited for their batches
  double validation_seconds = 0;
  std::vector<Prediction> predictions;
};

/// What a listener may ask of the run; valid during its calls, from the run's own thread.
class RunControl {
public:
  virtual ~RunControl() = default;
  virtual const Settings& settings() const = 0;
  /// Everything that a later run needs to go on from here.
  virtual Checkpoint checkpoint() const = 0;

  /// The run ends after this step as if it had been interrupted: on_stop is called, nothing is lost.
  virtual void request_stop() = 0;
  /// No further epoch: the run is complete, on_finish is called. `reason`: a sentence for people.
  virtual void finish_early(const std::string& reason) = 0;
  /// The first reason that finish_early was given; empty: none was.
  virtual const std::string& finish_reason() const = 0;

  /// The trainable weights' names, as in a PyTorch state_dict.
  virtual std::vector<std::string> weight_names() const = 0;
  /// A copy of a weight, or of its gradient (mean over the batch, unclipped in on_before_optimizer_step), on the host
  /// in PyTorch's order. Gradients are there in on_before_optimizer_step and on_step. Throws leadline::Error for a name
  /// that isn't in weight_names().
  virtual NamedArray weight(const std::string& name) const = 0;
  virtual NamedArray gradient(const std::string& name) const = 0;

  /// Where the numbers of this step went wrong: the first weight, layer's result or layer's gradient, in the order of
  /// computing, that holds a NaN or an infinity, in words; empty if none does. Only within on_before_optimizer_step, to
  /// say why the run can't go on: it computes the batch again (running statistics take it twice).
  virtual std::string find_not_finite() = 0;
};

/// A listener: it overrides the events that it wants. Called by the run's own thread, in the order in which listeners
/// were added. An exception ends the run with on_error. The order of a run's events:
///
///     on_start
///       on_epoch_start
///         on_before_optimizer_step, on_step            for every batch
///         on_validation                                where train.val_every wants one
///       on_epoch_end
///     on_finish | on_stop | on_error
class Callback {
public:
  virtual ~Callback() = default;
  virtual void on_start(const RunInfo& /*info*/, RunControl& /*run*/) {}
  /// `epoch`: 0-based. A run that is resumed within an epoch tells it again.
  virtual void on_epoch_start(index_t /*epoch*/, RunControl& /*run*/) {}
  /// Loss and gradient of a batch are known, the weights are still what they were computed with. lbfgs: after the first
  /// of the step's evaluations.
  virtual void on_before_optimizer_step(const StepReport& /*report*/, RunControl& /*run*/) {}
  virtual void on_step(const StepReport& /*report*/, RunControl& /*run*/) {}
  /// The metrics are new; on_epoch_end follows with the same report.
  virtual void on_validation(const EpochReport& /*report*/, RunControl& /*run*/) {}
  virtual void on_epoch_end(const EpochReport& /*report*/, RunControl& /*run*/) {}
  /// The run was asked to stop before its last epoch.
  virtual void on_stop(RunControl& /*run*/) {}
  /// All epochs are done, or a listener called finish_early.
  virtual void on_finish(RunControl& /*run*/) {}
  /// The run ends with this exception, which is thrown on; what is thrown here is dropped.
  virtual void on_error(const std::exception& /*error*/, RunControl& /*run*/) {}

  /// What must survive a resume, under a name of its own, e.g. "early_stopping": checkpoints keep it. Empty: nothing.
  virtual std::string state_name() const { return ""; }
  virtual std::vector<double> state() const { return {}; }
  /// What `state` gave when the checkpoint was written; before on_start.
  virtual void set_state(const std::vector<double>& /*state*/) {}
};

} // namespace leadline::trainer
