// HDF5 as distributions build it isn't thread-safe, and the loader's threads read while the trainer saves checkpoints:
// whoever calls HDF5 anywhere in the process holds this lock.
#pragma once

#include <mutex>

namespace leadline::data {

/// The one lock for HDF5. Recursive, so that a helper may take it again.
std::recursive_mutex& hdf5_mutex();

} // namespace leadline::data
