// Measures which algorithm is fastest for each layer on this machine, for `leadline export --autotune`.
#pragma once

#include "shared/layers/layer.hpp"
#include "shared/model/graph_builder.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

/// One choice for each node: the fastest of `rounds` runs by the calling thread, `automatic` for nodes that have no
/// algorithms. `precision`: bf16 adds that algorithm. `report` receives a line for each node. Unlike a plan's own
/// choice the result depends on the machine and the moment: whoever records it in a file fixes the file's bits with it.
std::vector<Algorithm> autotune(const Graph& graph, const std::vector<std::vector<float>>& weights,
                                ComputePrecision precision, int rounds, std::string* report);

} // namespace leadline::trainer
