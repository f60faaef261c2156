// Builds and owns graphs: what network functions, export and tests use. Host only, uses the standard library; the edge
// library doesn't see it.
#pragma once

#include "shared/model/graph.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace leadline {

/// A graph that owns its lists. Copyable.
struct Graph {
  std::string name; ///< network name, e.g. "unet"
  std::vector<Node> nodes;
  std::vector<std::string> node_names; ///< as modules in a PyTorch state_dict: "down.0.0"
  std::vector<Shape> weight_shapes;
  std::vector<std::string> weight_names; ///< state_dict keys: "down.0.0.weight"
  std::vector<bool> trainable;           ///< per weight; false: state such as running_mean
  Shape input_shape;                     ///< `[1,H,W,C]` that the graph was built with
  int32_t num_values = 1;                ///< value 0 is the input
  std::vector<int32_t> outputs;
  std::vector<Quantization> quantization; ///< of each value; empty: all are floats

  /// Valid until the graph changes.
  GraphView view() const {
    GraphView v{nodes.data(),
                static_cast<int32_t>(nodes.size()),
                num_values,
                weight_shapes.data(),
                static_cast<int32_t>(weight_shapes.size()),
                0,
                {},
                static_cast<int32_t>(outputs.size())};
    for (int o = 0; o < max_outputs; ++o)
      v.outputs[o] = o < static_cast<int>(outputs.size()) ? outputs[static_cast<size_t>(o)] : no_index;
    if (!quantization.empty()) {
      if (quantization.size() != static_cast<size_t>(num_values))
        throw std::invalid_argument(name + ": quantization has " + std::to_string(quantization.size()) +
                                    " entries, the graph " + std::to_string(num_values) + " values");
      v.quantization = quantization.data();
    }
    return v;
  }
  /// Shapes of all values for an input shape. Throws std::invalid_argument that names the node and its rule.
  std::vector<Shape> infer(const Shape& input) const {
    std::vector<Shape> values(static_cast<size_t>(num_values));
    GraphError error;
    if (const Status status = infer_shapes(view(), input, values.data(), &error); status != Status::ok) {
      const std::string where = error.node == no_index
                                    ? "graph"
                                    : "node " + node_names[static_cast<size_t>(error.node)] + " (" +
                                          layer_name(nodes[static_cast<size_t>(error.node)].kind) + ")";
      throw std::invalid_argument(name + ": " + where + ": " + error.what + " [" + status_text(status) + "]");
    }
    return values;
  }
};

/// Adds layers one by one; each call returns the number of the value it produces.
///
///     GraphBuilder b("net", {1, 32, 32, 3});
///     int32_t x = b.add<Conv2d>(params, {b.input()}, "conv");   // creates "conv.weight" and "conv.bias"
///     b.output(x);
///     Graph graph = b.finish();
class GraphBuilder {
public:
  GraphBuilder(std::string name, const Shape& input) {
    graph_.name = std::move(name);
    graph_.input_shape = input;
    shapes_.push_back(input);
  }

  int32_t input() const { return 0; }
  const Shape& shape(int32_t value) const { return shapes_[static_cast<size_t>(value)]; }
  int32_t channels(int32_t value) const { return static_cast<int32_t>(shape(value).c); }

  /// Adds a node with its weights, named `name.weight`, `name.bias`, ... (the layer's `weight_names`). Weights whose
  /// bit is set in `without` are left out (only those the layer calls optional). Throws std::invalid_argument naming
  /// the node when the layer's shape rule refuses it.
  template <class Layer>
  int32_t add(const typename Layer::Params& params, const std::vector<int32_t>& inputs, const std::string& name,
              unsigned without = 0) {
    Node node;
    node.set<Layer>(params);
    node.num_inputs = static_cast<uint16_t>(inputs.size());
    LayerShapes shapes;
    const auto fail = [&](const std::string& what) {
      throw std::invalid_argument(graph_.name + ": node " + name + " (" + Layer::name + "): " + what);
    };
    if (inputs.size() < static_cast<size_t>(Layer::min_inputs) ||
        inputs.size() > static_cast<size_t>(Layer::max_inputs))
      fail("takes " + std::to_string(Layer::min_inputs) + " to " + std::to_string(Layer::max_inputs) + " inputs, not " +
           std::to_string(inputs.size()));
    std::string sources;
    for (size_t s = 0; s < inputs.size(); ++s) {
      node.inputs[s] = inputs[s];
      shapes.src[s] = shape(inputs[s]);
      sources += (s ? ", " : "") + to_string(shapes.src[s]);
    }
    shapes.num_src = node.num_inputs;
    if (const Status status = Layer::infer(params, shapes.src, shapes.num_src, &shapes.dst); status != Status::ok)
      fail(std::string(status_text(status)) + "; its inputs are " + sources);
    Layer::weight_shapes(params, shapes.src, shapes.weights);
    for (int w = 0; w < max_weights; ++w) {
      if (shapes.weights[w].count() == 0 || ((without & optional_weights<Layer>()) >> w & 1) != 0) continue;
      node.weights[w] = static_cast<int32_t>(graph_.weight_shapes.size());
      graph_.weight_shapes.push_back(shapes.weights[w]);
      graph_.weight_names.push_back(name + "." + weight_suffix(w));
      graph_.trainable.push_back(w < Layer::trainable_weights);
    }
    node.output = graph_.num_values++;
    shapes_.push_back(shapes.dst);
    graph_.nodes.push_back(node);
    graph_.node_names.push_back(name);
    return node.output;
  }

  void output(int32_t value) { graph_.outputs.push_back(value); }
  Graph finish() {
    graph_.infer(graph_.input_shape);
    return std::move(graph_);
  }

  static std::string to_string(const Shape& s) {
    return "[" + std::to_string(s.n) + "," + std::to_string(s.h) + "," + std::to_string(s.w) + "," +
           std::to_string(s.c) + "]";
  }

private:
  /// Every layer has its weights in this order.
  static const char* weight_suffix(int w) {
    constexpr const char* names[max_weights] = {"weight", "bias", "running_mean", "running_var"};
    return names[w];
  }

  Graph graph_;
  std::vector<Shape> shapes_;
};

} // namespace leadline
