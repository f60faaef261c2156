#include "shared/model/reorder.hpp"

#include <algorithm>
#include <utility>

namespace leadline {

namespace {

bool pointwise(const Node& node) {
  if (node.kind != layer_kind<Conv2d>) return false;
  const Conv2d::Params p = node.get<Conv2d>();
  return p.kernel_h == 1 && p.kernel_w == 1 && p.stride_h == 1 && p.stride_w == 1 && p.padding_top == 0 &&
         p.padding_bottom == 0 && p.padding_left == 0 && p.padding_right == 0;
}

/// The one node that reads `value`, which is no output of the graph; -1 if there is none or several.
int only_reader(const Graph& graph, int32_t value) {
  if (std::count(graph.outputs.begin(), graph.outputs.end(), value) != 0) return -1;
  int reader = -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const auto reads = std::count(node.inputs, node.inputs + node.num_inputs, value);
    if (reads == 0) continue;
    if (reads > 1 || reader >= 0) return -1;
    reader = static_cast<int>(i);
  }
  return reader;
}

} // namespace

void up_sample_late(Graph* graph) {
  // From the last node to the first: an up-sampling that has moved back may move again, over the next convolution.
  for (size_t i = graph->nodes.size(); i-- > 0;) {
    for (size_t at = i;;) {
      const std::vector<Shape> shapes = graph->infer(graph->input_shape);
      Node& up = graph->nodes[at];
      if (up.kind != layer_kind<Resize> || up.get<Resize>().mode != ResizeMode::nearest) break;
      if (shapes[static_cast<size_t>(up.output)].pixels() <= shapes[static_cast<size_t>(up.inputs[0])].pixels()) break;
      const int reader = only_reader(*graph, up.output);
      if (reader < 0 || !pointwise(graph->nodes[static_cast<size_t>(reader)])) break;
      Node& conv = graph->nodes[static_cast<size_t>(reader)];
      // The convolution now makes the value between, the up-sampling the last one.
      conv.inputs[0] = up.inputs[0];
      up.inputs[0] = up.output;
      std::swap(conv.output, up.output);
      std::swap(up, conv);
      std::swap(graph->node_names[at], graph->node_names[static_cast<size_t>(reader)]);
      at = static_cast<size_t>(reader);
    }
  }
}

} // namespace leadline
