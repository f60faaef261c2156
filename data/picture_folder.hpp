// A folder of pictures without depth as a dataset: for what needs only to see what a device will see.
#pragma once

#include "data/dataset.hpp"

namespace leadline::data {

/// The .png, .jpg and .jpeg files of a folder, sorted by name; `depth` of their samples is empty. Throws
/// leadline::Error where there are none.
DatasetPtr open_picture_folder(const std::string& folder);

} // namespace leadline::data
