// Weights that learn at a rate of their own, or without weight decay: parameter groups, by patterns on their names.
//
//     [optimizer]
//     lr = 1e-3
//     lr_factors = encoder.*=0.1, head.*=2     the first pattern that fits a weight counts; 0 freezes
//     no_decay = norm, bias                    by kind, or patterns again
#pragma once

#include "shared/model/graph_builder.hpp"
#include "trainer/settings.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

struct ParameterGroup {
  std::string name;         ///< "encoder.*", "encoder.* no_decay", "no_decay", "rest"
  double lr_factor = 1;     ///< of the schedule's rate
  bool decay = true;        ///< false: weight_decay is 0
  std::vector<int> weights; ///< in the graph's table, all trainable
};

/// Whether `text` has the form of `pattern`, where * stands for any letters, none included.
bool matches(const std::string& pattern, const std::string& text);

/// Every trainable weight of the graph in exactly one group; none is empty; that of all other weights, "rest", is the
/// last. Throws leadline::Error for factors out of range and patterns that fit no weight.
std::vector<ParameterGroup> parameter_groups(const Settings& settings, const Graph& graph);

} // namespace leadline::trainer
