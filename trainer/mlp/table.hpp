// Rows of numbers with a target, for MLPs: the digits, and CSV files. Host only; errors are leadline::Error.
#pragma once

#include "shared/core/config.hpp"

#include <string>
#include <vector>

namespace leadline::trainer::mlp {

/// What a table's columns are.
struct Columns {
  std::vector<std::string> features; ///< names of x's columns
  std::vector<std::string> targets;  ///< names of the target columns
  bool named = true;                 ///< false: they have only numbers, "column 1", ...
};

struct Table : Columns {
  std::string name;                ///< of the data: digits, csv:FILE
  std::vector<double> x;           ///< [n, features]
  std::vector<std::string> labels; ///< [n], the first target as text: classes
  std::vector<double> y;           ///< [n, targets]; empty where some target isn't a number
  std::string not_a_number;        ///< where and what, if y is empty

  index_t rows() const { return features.empty() ? 0 : static_cast<index_t>(x.size() / features.size()); }
  index_t columns() const { return static_cast<index_t>(features.size()); }
};

/// `digits`: 8x8 pixels from 0 to 1; `csv:FILE`: columns separated by commas, semicolons or tabs, a first line with
/// names if not all of it are numbers. `target` names the target's column by name or number from 1, several with commas
/// between; empty: the last.
Table read_table(const std::string& spec, const std::string& target);

enum class TargetUse {
  needed,  ///< to score with
  left_out ///< it may be missing, and what is in it doesn't count
};
/// A table for a model that was fitted on `fitted`. An empty `target` is the fit's, where the table has it (with
/// `needed` the last column where names can't tell). Where both tables have names, the features must be the fit's in
/// the fit's order, as scikit-learn asks for.
Table read_table(const std::string& spec, const std::string& target, const Columns& fitted, TargetUse use);

} // namespace leadline::trainer::mlp
