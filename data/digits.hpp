// The 8x8 handwritten digits (UCI optical recognition of handwritten digits, its test set: 1797 pictures), from one
// compact file in data/samples; data/samples/README.md has its format, origin and licence.
#pragma once

#include "data/dataset.hpp"
#include "data/image_io.hpp"

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace leadline::data {

struct Digits {
  static constexpr std::size_t feature_count = 64; ///< 8 rows of 8, from the top left
  static constexpr int class_count = 10;

  std::vector<float> features; ///< [N, 64], whole numbers 0 (paper) to 16 (ink)
  std::vector<int> targets;    ///< [N], 0 to 9

  std::size_t size() const { return targets.size(); }
};

/// Reads the digits. An empty path means digits.bin in the folder that the environment variable LEADLINE_SAMPLES_DIR
/// names, else in the folder that was installed, else in the source tree. Throws leadline::Error naming the file if it
/// is missing, cut, or its checksum is wrong.
Digits load_digits(const std::string& path = {});

/// The digits as a data set of 8x8 grey pictures with labels (255 = ink) and without depth; `path` as above. What
/// needs depth refuses it by `Sample::depth` being empty.
std::unique_ptr<Dataset> open_digits(const std::string& path = {});

/// For `leadline data info digits`: how many of each class, and where they come from.
void print_digits_info(std::ostream& out, const std::string& path = {});

/// For `leadline data show digits`: the first `count` digits in rows, ink dark on white, each with its label.
RgbImage digits_sheet(const Digits& digits, std::size_t count = 100);

/// The folder of the sample files as `load_digits` looks for it. Throws leadline::Error if there is none.
std::string samples_folder();

} // namespace leadline::data
