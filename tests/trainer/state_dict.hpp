// A graph's weights as PyTorch lists them: for tests of names and shapes.
#pragma once

#include "trainer/weight_layout.hpp"

#include <map>
#include <string>
#include <vector>

namespace leadline::testing {

inline std::map<std::string, std::vector<index_t>> state_dict(const Graph& graph) {
  std::map<std::string, std::vector<index_t>> dict;
  for (size_t i = 0; i < graph.weight_names.size(); ++i)
    dict[graph.weight_names[i]] = trainer::pytorch_shape(graph, static_cast<int>(i));
  return dict;
}

} // namespace leadline::testing
