// From frames to batches: order, resize, augmentation, cache and prefetch.
//
// What a batch holds is a pure function of (dataset, options, epoch, batch number): the number of loader threads, the
// cache and where a run was resumed don't change a bit of it.
#pragma once

#include "data/augment.hpp"
#include "data/dataset.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace leadline::data {

/// Some frames at network size. Plain vectors: the consumer may keep them, move them or hand them back for reuse.
struct Batch {
  int n = 0, height = 0, width = 0;
  std::vector<float> image;           ///< [N, H, W, 3] normalised as `Preprocess` says
  std::vector<float> depth;           ///< [N, H, W, 1] metres, 0 = no ground truth
  std::vector<Intrinsics> intrinsics; ///< [N] of the pictures as they are here (cropped, resized, flipped)
  std::vector<std::size_t> indices;   ///< [N] frame numbers in the dataset
  std::vector<int> labels;            ///< [N] -1 where frames have no class
  std::int64_t epoch = 0, number = 0; ///< which batch this is
};

/// How depth comes to network size.
enum class DepthResize {
  nearest, ///< the measurement under the centre
  area,    ///< mean over the valid pixels that a pixel covers
};

struct LoaderOptions {
  Preprocess preprocess{}; ///< network size, crop, resize kernel, mean and std
  int batch_size = 8;
  bool shuffle = false; ///< a new order for each epoch, from the seed
  std::uint64_t seed = 0;
  bool drop_last = false;           ///< leave out the last batch if it isn't full
  std::optional<Augment> augment{}; ///< nothing = frames as they are
  DepthResize depth_resize = DepthResize::nearest;
  std::size_t cache_mb = 1024; ///< frames at network size kept in memory, so that files are decoded once; 0 = none
  int prefetch = 4;            ///< batches made ahead, at most
  int threads = 1;             ///< that read, decode and resize
  /// What happens to an epoch if a frame can't be read. skip: with drop_last (training) the next readable frame of the
  /// epoch's order stands in, so that every batch stays full; without (evaluation) the batch is smaller.
  OnBadSample on_bad_sample = OnBadSample::stop;
};

/// Makes batches in background threads. One consumer; not to be called from several threads at once.
///
///   Loader loader(dataset, options);
///   for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
///     loader.start(epoch);
///     Batch batch;
///     while (loader.next(batch)) ...
///   }
class Loader {
public:
  /// Throws leadline::Error if the options can't be carried out or the dataset is empty. Starts no thread yet.
  Loader(DatasetPtr dataset, LoaderOptions options);
  ~Loader(); ///< stops the threads
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  const Dataset& dataset() const;
  const LoaderOptions& options() const;
  std::int64_t batches_per_epoch() const;

  /// Begins `epoch` (>= 0) at batch number `batch` (0..batches_per_epoch()): a resumed run goes on in mid-epoch. What
  /// was being made for another place is given up.
  void start(std::int64_t epoch, std::int64_t batch = 0);

  /// Waits for the next batch of the epoch and swaps it into `batch`, whose old vectors are used again. False at the
  /// epoch's end. Errors of the loader threads are thrown here, in their place in the order.
  bool next(Batch& batch);

  /// The order in which an epoch visits the dataset.
  std::vector<std::size_t> order(std::int64_t epoch) const;

  /// Different frames that couldn't be read so far (on_bad_sample = skip).
  std::size_t bad_samples() const;
  /// Bytes of the frames that the cache holds.
  std::size_t cached_bytes() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace leadline::data
