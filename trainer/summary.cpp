#include "trainer/summary.hpp"

#include "trainer/layer_text.hpp"
#include "trainer/text.hpp"

#include <algorithm>

namespace leadline::trainer {

namespace {

/// "1,234,567".
std::string grouped(index_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string shape_text(const Shape& s) {
  const auto number = [](index_t extent) { return std::to_string(extent); };
  return "[" + number(s.n) + ", " + number(s.h) + ", " + number(s.w) + ", " + number(s.c) + "]";
}

/// The window of convolutions and poolings.
void set_kernel(const Node& node, LayerSummary* layer) {
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    const auto params = node.get<Layer>();
    if constexpr (requires { params.kernel_h; }) {
      layer->kernel_h = params.kernel_h;
      layer->kernel_w = params.kernel_w;
    }
  });
}

} // namespace

NetworkSummary summarise(const Graph& graph, index_t batch, const std::vector<bool>& frozen) {
  Shape input = graph.input_shape;
  input.n = batch;
  const std::vector<Shape> values = graph.infer(input);
  constexpr double bytes = sizeof(float), mb = 1e6;
  NetworkSummary summary;
  summary.name = graph.name;
  std::vector<bool> counted(graph.weight_shapes.size()); // a weight that layers share counts for the first
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    LayerSummary layer;
    layer.name = graph.node_names[i];
    layer.type = layer_type(node);
    layer.input = values[static_cast<size_t>(node.inputs[0])];
    layer.output = values[static_cast<size_t>(node.output)];
    for (const int32_t weight : node.weights) {
      if (weight == no_index || counted[static_cast<size_t>(weight)] || !graph.trainable[static_cast<size_t>(weight)])
        continue;
      counted[static_cast<size_t>(weight)] = true;
      const index_t count = graph.weight_shapes[static_cast<size_t>(weight)].count();
      layer.parameters += count;
      if (!frozen.empty() && frozen[static_cast<size_t>(weight)]) layer.frozen += count;
    }
    set_kernel(node, &layer);
    layer.macs = node_macs(graph.view(), static_cast<int32_t>(i), values.data());
    summary.parameters += layer.parameters;
    summary.frozen += layer.frozen;
    summary.macs += layer.macs;
    if (layer.parameters > 0) summary.forward_backward_mb += 2 * bytes * static_cast<double>(layer.output.count()) / mb;
    summary.layers.push_back(std::move(layer));
  }
  summary.input_mb = bytes * static_cast<double>(input.count()) / mb;
  summary.parameters_mb = bytes * static_cast<double>(summary.parameters) / mb;
  return summary;
}

std::string summary_text(const NetworkSummary& summary) {
  std::vector<std::vector<std::string>> rows{{"Layer (type)", "Input [N,H,W,C]", "Output [N,H,W,C]", "Param #",
                                              "Param %", "Kernel", "Mult-Adds", "Trainable"}};
  for (const LayerSummary& layer : summary.layers) {
    const bool has_weights = layer.parameters > 0;
    const double percent =
        100 * static_cast<double>(layer.parameters) / static_cast<double>(std::max<index_t>(summary.parameters, 1));
    rows.push_back(
        {layer.name + " (" + layer.type + ")", shape_text(layer.input), shape_text(layer.output),
         has_weights ? grouped(layer.parameters) : "--", has_weights ? decimals(percent, 2) + "%" : "--",
         layer.kernel_h > 0 ? "[" + std::to_string(layer.kernel_h) + ", " + std::to_string(layer.kernel_w) + "]" : "--",
         layer.macs > 0 ? grouped(layer.macs) : "--",
         !has_weights                       ? "--"
         : layer.frozen == 0                ? "True"
         : layer.frozen == layer.parameters ? "False"
                                            : "Partial"});
  }
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  size_t total = 0;
  for (const size_t width : widths) total += width + 2;
  const std::string rule(total - 2, '='), thin(total - 2, '-');

  std::string text = summary.name + "\n" + rule + "\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string padding(widths[c] - rows[r][c].size(), ' ');
      const bool number = c == 3 || c == 4 || c == 6;
      line += (number ? padding + rows[r][c] : rows[r][c] + padding) + "  ";
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n" + (r == 0 ? rule + "\n" : "");
  }
  const auto sum = [&](const char* what, const std::string& value) { text += std::string(what) + ": " + value + "\n"; };
  text += rule + "\n";
  sum("Total params", grouped(summary.parameters));
  sum("Trainable params", grouped(summary.parameters - summary.frozen));
  sum("Non-trainable params", grouped(summary.frozen));
  sum("Total mult-adds (M)", decimals(static_cast<double>(summary.macs) * 1e-6, 2));
  text += thin + "\n";
  sum("Input size (MB)", decimals(summary.input_mb, 2));
  sum("Forward/backward pass size (MB)", decimals(summary.forward_backward_mb, 2));
  sum("Params size (MB)", decimals(summary.parameters_mb, 2));
  sum("Estimated total size (MB)", decimals(summary.input_mb + summary.forward_backward_mb + summary.parameters_mb, 2));
  return text + rule + "\n";
}

} // namespace leadline::trainer
