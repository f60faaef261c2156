// What a run needs to go on as if it had never stopped, and what evaluation and export start from: one HDF5 file.
//
//   /                       attributes: format, version, precision, network, optimizer, scheduler, epoch, batch, ...
//   /settings               the resolved settings file
//   /weights/NAME           as in a PyTorch state_dict (names, shapes and order of elements)
//   /trained_weights/NAME   where those are an average over steps, or rounded: the weights of the last step
//   /ranges/NAME            where values are rounded as int8 rounds them: lowest and highest (quantization_aware.hpp)
//   /optimizer/STATE/NAME, /optimizer_scalars, /scheduler, /callbacks/NAME
//   /mean_map               of the baselines
//
// Every array carries a Fletcher-32 checksum, so that a damaged file is seen. In Python:
//   {k: torch.from_numpy(v[()]) for k, v in h5py.File("best.h5")["weights"].items()}
#pragma once

#include "shared/core/config.hpp"

#include <string>
#include <utility>
#include <vector>

namespace leadline::trainer {

/// An array on the host in PyTorch's order. Doubles hold floats exactly.
struct NamedArray {
  std::string name;
  std::vector<index_t> shape;
  std::vector<double> values;
};

using NamedNumber = std::pair<std::string, double>;

struct Checkpoint {
  std::string settings;  ///< INI text of all settings
  std::string network;   ///< name
  std::string precision; ///< "f32" or "f64": how arrays are stored
  /// What evaluation and export use, trainable and state (running_mean, ...), in the graph's order: the average over
  /// steps where the run keeps one (train.ema), those rounded for int8 where it trains for that (quantize.aware), else
  /// the weights themselves.
  std::vector<NamedArray> weights;
  std::vector<NamedArray> trained_weights; ///< what training goes on with, where `weights` are others; else empty
  std::vector<NamedArray> ranges;          ///< of values; empty unless quantize.aware

  std::string optimizer; ///< name
  index_t optimizer_steps = 0;
  std::vector<NamedArray> optimizer_state; ///< name "STATE/WEIGHT"
  std::vector<NamedNumber> optimizer_scalars;
  std::string scheduler; ///< name
  std::vector<double> scheduler_state;

  std::vector<NamedArray> callbacks; ///< what listeners remember, by Callback::state_name

  /// Where the run stands. All randomness is counter-based: seed, epoch and batch are the whole random state.
  uint64_t seed = 0;
  index_t epoch = 0;      ///< completed epochs
  index_t batch = 0;      ///< completed batches of the epoch after those; the loader goes on here
  index_t step = 0;       ///< optimizer updates in all
  double loss_sum = 0;    ///< of the completed batches of the unfinished epoch
  std::string monitor;    ///< metric by which the best epoch is chosen
  double best = 0;        ///< its best value
  index_t best_epoch = 0; ///< 1-based; 0: none yet

  std::string protocol;             ///< of `metrics`
  std::vector<NamedNumber> metrics; ///< of the last validation; empty before the first

  /// Of the training frames: depth, for the baselines that evaluation prints beside the network, and the median focal
  /// lengths in pixels of the network's input (0: unknown), which metric depth holds for.
  double focal_x = 0, focal_y = 0;
  double median_depth = 0;
  NamedArray mean_map; ///< [H, W] metres; empty if there was no depth
};

/// Makes the file in memory, writes it beside `file`, then renames: the file is the old one or the new one, never half,
/// whatever happens meanwhile. Throws leadline::Error where the disk is full or the folder can't be written to.
void write_checkpoint(const std::string& file, const Checkpoint& checkpoint);

/// Reads and validates; throws leadline::Error that says what is wrong with the file and what to do.
Checkpoint read_checkpoint(const std::string& file);

} // namespace leadline::trainer
