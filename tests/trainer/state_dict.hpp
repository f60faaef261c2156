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

/// Numbers that training changes; of weights whose name begins with `prefix`.
inline index_t parameters(const Graph& graph, const std::string& prefix = "") {
  index_t sum = 0;
  for (size_t i = 0; i < graph.weight_names.size(); ++i)
    if (graph.trainable[i] && graph.weight_names[i].starts_with(prefix)) sum += graph.weight_shapes[i].count();
  return sum;
}

} // namespace leadline::testing
