// What `open_dataset` opens: one function a file format. Internal to data/.
#pragma once

#include "data/dataset.hpp"

namespace leadline::data {

/// pairs:LIST (pairs.cpp)
DatasetPtr open_pairs(const std::string& list, const DatasetOptions& options);

/// nyu_h5:DIR (nyu.cpp); `split` is empty, "train" or "val"
DatasetPtr open_nyu_h5(const std::string& folder, const std::string& split);

/// nyu_mat:FILE (nyu.cpp)
DatasetPtr open_nyu_mat(const std::string& file);

/// Writes one frame as NYU's HDF5 form has it: `rgb` uint8 [3, H, W], `depth` float32 [H, W] metres; and an attribute
/// `intrinsics` float32 [4] fx fy cx cy of the file's root (zeros = not known), which the reader prefers to NYU's own.
void write_nyu_h5(const std::string& file, const Sample& sample);

/// Warns about a frame that is left out: one line on stderr.
void warn_skipped(const std::string& reason);

} // namespace leadline::data
