// Reads golden files: HDF5 groups with attributes and arrays, as tests/golden/make_golden.py writes them.
//
// Everything that is read is remembered, so that a test can fail on what it doesn't know:
//
//   GoldenGroup file = read_golden("torch_layers.h5");
//   for (auto& [name, group] : file.groups) {
//     int stride = group.integer("stride");
//     const GoldenArray& src = group.array("src_0");
//     ...
//     REQUIRE(group.unread() == "");
//   }
//
// Errors are std::runtime_error that name the file and the group. No thread safety.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace leadline::testing {

/// A data set as doubles (exact for float64, float32 and integers up to 2^53), row-major. A scalar has no dims.
struct GoldenArray {
  std::vector<int64_t> dims;
  std::vector<double> values;
};

/// An attribute: numbers (booleans are 0/1; a scalar is one number) or texts.
struct GoldenAttribute {
  bool is_list = false;
  std::vector<double> numbers;
  std::vector<std::string> texts;
};

class GoldenGroup {
public:
  std::string path; ///< "torch_layers.h5/conv2d_0"
  std::map<std::string, GoldenAttribute> attributes;
  std::map<std::string, GoldenArray> arrays;
  std::map<std::string, GoldenGroup> groups;

  bool has(const std::string& attribute) const { return attributes.count(attribute) != 0; }
  /// A scalar attribute, or a list of one.
  double number(const std::string& attribute) const;
  double number(const std::string& attribute, double absent) const;
  /// A number that must be whole.
  int integer(const std::string& attribute) const;
  int integer(const std::string& attribute, int absent) const;
  bool boolean(const std::string& attribute) const;
  std::string text(const std::string& attribute) const;
  std::string text(const std::string& attribute, const std::string& absent) const;
  /// All numbers of a list, or the one of a scalar.
  std::vector<double> numbers(const std::string& attribute) const;
  std::vector<std::string> texts(const std::string& attribute) const;

  bool has_array(const std::string& name) const { return arrays.count(name) != 0; }
  const GoldenArray& array(const std::string& name) const;
  const GoldenGroup& group(const std::string& name) const;

  /// Names of attributes and arrays of this group that nobody asked for, separated by ", ".
  std::string unread() const;

private:
  const GoldenAttribute& attribute(const std::string& name) const;
  mutable std::map<std::string, bool> read_attributes_, read_arrays_;
};

/// $LEADLINE_GOLDEN_DIR (a relative one starts at the top of the source tree), else tests/golden.
std::string golden_dir();

/// The whole file, relative to golden_dir().
GoldenGroup read_golden(const std::string& file_name);

} // namespace leadline::testing
