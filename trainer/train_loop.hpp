// Training: epochs of steps, validation, listeners. The step itself runs on an exec (train_loop_impl.hpp); this header
// knows no Kokkos.
#pragma once

#include "data/dataset.hpp"
#include "trainer/callbacks/callback.hpp"
#include "trainer/settings.hpp"

#include <memory>

namespace leadline::trainer {

/// How a run ended.
struct RunResult {
  bool stopped = false;      ///< asked to, before its last epoch
  std::string finish_reason; ///< why a listener thought that this is enough; empty: all epochs were trained
  index_t step = 0;
  double best = 0; ///< of the monitored metric
  index_t best_epoch = 0;
  std::vector<NamedNumber> metrics; ///< of the last validation
};

/// One run. Not thread-safe.
///
/// The bits of its weights are a function of settings and data: not of threads, of the cache, or of where it was
/// stopped and resumed.
class TrainLoop : public RunControl {
public:
  /// Listeners are called in the order in which they were added.
  virtual void add(std::unique_ptr<Callback> callback) = 0;
  /// Takes over the state of an earlier run; throws leadline::Error that names the first weight that doesn't fit.
  /// `file` is what messages call it.
  virtual void restore(const Checkpoint& checkpoint, const std::string& file) = 0;
  /// Takes the weights alone, those that evaluation would use, as the first ones of this run; throws likewise.
  virtual void begin_with(const Checkpoint& checkpoint, const std::string& file) = 0;
  virtual const RunInfo& info() const = 0;
  /// Trains until the last epoch, or until somebody asks to stop.
  virtual RunResult run() = 0;
};

/// Makes a run of settings (train_settings.hpp) on Kokkos' default exec: reads no frame yet. Its first listener stops
/// it when loss or gradient is no longer a number (callbacks/nan_stop.hpp); `make_callbacks` makes those of the
/// program. Begins with the weights of model.weights, unless it goes on from `resumed`: then `restore` follows with
/// that, and the file of those need no longer be there. Throws leadline::Error for settings that can't be carried out.
std::unique_ptr<TrainLoop> make_train_loop(const Settings& settings, data::DatasetPtr train, data::DatasetPtr val,
                                           const Checkpoint* resumed = nullptr);

} // namespace leadline::trainer
