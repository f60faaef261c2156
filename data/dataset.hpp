// Where frames come from. A dataset knows how many frames it has and loads any one of them; everything that is done to
// many frames (order, resizing, caching, batches) is the loader's.
//
//   nyu_h5:DIR          folder of per-frame HDF5 files (NYU Depth V2 as FastDepth packs it)
//   nyu_mat:FILE        nyu_depth_v2_labeled.mat (MATLAB 7.3)
//   pairs:LIST.txt      IMAGE DEPTH METRES_PER_UNIT [FX FY CX CY], one pair a line
//   synthetic:...       rendered rooms, see data/synthetic.hpp
//   digits              the 8x8 digits, see data/digits.hpp
//
// data/docs/datasets.md describes each form and where it comes from.
#pragma once

#include "data/sample.hpp"

#include <memory>
#include <string>
#include <vector>

namespace leadline::data {

/// A list of frames. Immutable after opening; `load` may be called from several threads at once.
class Dataset {
public:
  virtual ~Dataset() = default;
  virtual std::size_t size() const = 0;
  /// What to call frame `i` in messages: its file, or list and line. `i < size()`.
  virtual std::string name(std::size_t i) const = 0;
  /// Reads frame `i`; throws leadline::Error that names file and reason if it is damaged or has no depth at all.
  virtual Sample load(std::size_t i) const = 0;

protected:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
};

using DatasetPtr = std::shared_ptr<const Dataset>;

/// What a frame that can't be read does to a run.
enum class OnBadSample {
  stop, ///< the error ends the run
  skip, ///< one warning line on stderr for each frame, and on without it
};

struct DatasetOptions {
  OnBadSample on_bad_sample = OnBadSample::stop; ///< for what opening can see: list lines, missing files
};

/// Opens `SCHEME:ARGUMENT[,split=train|val][,list=FILE]`. `split` picks a sub-folder of nyu_h5 (needed where the folder
/// has both), `list` keeps the frames that FILE names (see read_index_list). Throws leadline::Error.
DatasetPtr open_dataset(const std::string& spec, const DatasetOptions& options = {});

/// Some frames of another dataset, in the given order.
class Subset final : public Dataset {
public:
  /// Throws leadline::Error if an index is not below `dataset->size()`.
  Subset(DatasetPtr dataset, std::vector<std::size_t> indices);
  std::size_t size() const override { return indices_.size(); }
  std::string name(std::size_t i) const override { return dataset_->name(indices_.at(i)); }
  Sample load(std::size_t i) const override { return dataset_->load(indices_.at(i)); }
  const std::vector<std::size_t>& indices() const { return indices_; }

private:
  DatasetPtr dataset_;
  std::vector<std::size_t> indices_;
};

/// Two disjoint index lists, each ascending, that together are 0..n-1.
struct Split {
  std::vector<std::size_t> train, val;
};

/// Draws round(n * val_fraction) indices for `val` with the seed; the same on every machine. 0 <= val_fraction <= 1.
/// Neighbouring video frames look alike: a list per scene or time block is the honest split for sequences.
Split split_by_fraction(std::size_t n, double val_fraction, std::uint64_t seed);

/// A permutation of 0..n-1, a pure function of (n, seed, stream).
std::vector<std::size_t> seeded_permutation(std::size_t n, std::uint64_t seed, std::uint64_t stream);

/// Reads a list of frames: on each line a 0-based number or a frame's name (or the end of its name after a '/'); blank
/// lines and `#` comments are ignored. Throws leadline::Error with list and line for what is not found.
std::vector<std::size_t> read_index_list(const std::string& file, const Dataset& dataset);

/// The first `n` of several places where someone looks for a word like `word`: the nearest by edit distance, or empty
/// if none is near enough to be a typing slip.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

} // namespace leadline::data
