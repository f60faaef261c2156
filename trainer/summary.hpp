// A network as a table of its layers.
#pragma once

#include "shared/model/graph_builder.hpp"

namespace leadline::trainer {

/// One layer of a summary.
struct LayerSummary {
  std::string name, type;         ///< "down.0.0", "conv2d"
  Shape input, output;            ///< [N,H,W,C]; the first input's where there are several
  index_t parameters = 0;         ///< weights, not state as norms' running statistics
  index_t frozen = 0;             ///< of these, how many training leaves alone
  int kernel_h = 0, kernel_w = 0; ///< 0: the layer has no window
  index_t macs = 0;               ///< multiply-adds of the whole batch
};

/// A network's layers in order, and their sums, counted as torchinfo does: 4 bytes a number, 1 MB = 1e6 bytes.
struct NetworkSummary {
  std::string name;
  std::vector<LayerSummary> layers;
  index_t parameters = 0, frozen = 0, macs = 0;
  double input_mb = 0;
  double forward_backward_mb = 0; ///< results of layers that have parameters, and their gradients
  double parameters_mb = 0;
};

/// For a batch of `batch` inputs of the graph's own size. `frozen`: for each weight whether its rate is 0; empty: none.
/// Throws std::invalid_argument for what the graph refuses.
NetworkSummary summarise(const Graph& graph, index_t batch, const std::vector<bool>& frozen = {});

/// As text, in torchinfo's columns, for terminals.
std::string summary_text(const NetworkSummary& summary);

} // namespace leadline::trainer
