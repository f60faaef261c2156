// What `leadline compare` and `leadline search` vary: --over KEY=VALUES.
//
//     optimizer=sgd,adam,adamw          a list; with ; between where values have commas of their own
//     optimizer.lr=log:1e-4..1e-1       a range, logarithmic; log:1e-4..1e-1:4 has 4 points in a grid
//     loss.silog_lambda=0.5..1          a range; 0.5..1:6 has 6 points in a grid
//     model.levels=int:2..5             whole numbers
//
// KEY is an option's key, or its last word where only one option has it; `optimizer`, `scheduler`, `loss` and `network`
// mean the option that chooses one by name.
#pragma once

#include "trainer/settings.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace leadline::trainer {

/// One option that is varied.
struct SearchDimension {
  enum class Kind { list, linear, logarithmic, integer };
  std::string name; ///< as it was written, for tables
  std::string key;
  Kind kind = Kind::list;
  std::vector<std::string> values{}; ///< of a list
  double min = 0, max = 0;           ///< of a range, both included
  index_t points = 0;                ///< of a range in a grid; 0: not given

  /// All values of a list, the points of a range. Throws leadline::Error for a range without a number of points.
  std::vector<std::string> grid() const;
  /// A value by chance, to four digits: a function of seed, trial and dimension alone.
  std::string sample(uint64_t seed, index_t trial, index_t dimension) const;
  bool is_range() const { return kind != Kind::list; }
};

/// The option that a short name means. Throws leadline::Error with the nearest ones where none or several are meant.
std::string option_key(const std::string& name, const Settings& settings);

/// Parses "KEY=VALUES"; `settings` knows the options and their choices, which the values must be among.
/// Throws leadline::Error.
SearchDimension parse_dimension(const std::string& text, const Settings& settings);

/// All of a command's --over. Throws leadline::Error where a key comes twice, under whatever name, or is one of [run].
std::vector<SearchDimension> parse_dimensions(const std::vector<std::string>& over, const Settings& settings);

/// Takes every `--over X` and `--over=X` out of a command's arguments. Throws leadline::Error.
std::vector<std::string> take_over_arguments(std::vector<std::string>& arguments, const std::string& command);

} // namespace leadline::trainer
