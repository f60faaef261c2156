#include "shared/model/graph.hpp"

namespace leadline {
namespace {

Status fail(GraphError* error, int32_t node, const char* what, Status status = Status::invalid_model) {
  if (error) *error = {node, what};
  return status;
}

// Extents that keep every product of a shape rule far from overflow.
bool sane(const Shape& shape) {
  return shape.n >= 0 && shape.h >= 0 && shape.w >= 0 && shape.c >= 0 && shape.n <= max_extent &&
         shape.h <= max_extent && shape.w <= max_extent && shape.c <= max_extent;
}

/// The rule that the quantisation of a node's values breaks; null: none.
const char* check_quantization(const GraphView& graph, const Node& node, const LayerShapes& shapes) {
  if (!graph.quantization) return nullptr;
  const Quantization dst = graph.quantization[node.output];
  int bytes = 0; // inputs that are
  for (int s = 0; s < node.num_inputs; ++s) bytes += graph.quantization[node.inputs[s]].quantized();
  if (bytes == 0 && !dst.quantized()) return nullptr;
  const char* rule = "a value is quantised, but the layer can't run on bytes";
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (runs_on_bytes<Layer>()) {
      const auto params = node.get<Layer>();
      constexpr Int8Grid grid = Layer::int8_grid;
      const bool reads = grid != Int8Grid::to_bytes, writes = grid != Int8Grid::to_floats;
      if (bytes != (reads ? node.num_inputs : 0) || dst.quantized() != writes) {
        rule = "some of its values are quantised, others aren't; quantize and dequantize nodes go between";
        return;
      }
      if constexpr (grid == Int8Grid::to_bytes || grid == Int8Grid::to_floats) {
        if (!((writes ? dst : graph.quantization[node.inputs[0]]) == params.quantization())) {
          rule = "its scale or zero point differs from that of its quantised value";
          return;
        }
      }
      if constexpr (grid == Int8Grid::same)
        for (int s = 0; s < node.num_inputs; ++s)
          if (!(graph.quantization[node.inputs[s]] == dst)) {
            rule = "its inputs' scales or zero points differ from its output's";
            return;
          }
      rule = Layer::check_int8(params, shapes);
    }
  });
  return rule;
}

Status infer_node(const GraphView& graph, int32_t i, Shape* values, GraphError* error) {
  const Node& node = graph.nodes[i];
  LayerShapes shapes;
  shapes.num_src = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) shapes.src[s] = values[node.inputs[s]];

  Status status = Status::invalid_model;
  const char* what = "unknown layer kind";
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if (node.num_inputs < Layer::min_inputs || node.num_inputs > Layer::max_inputs) {
      what = "wrong number of inputs";
      return;
    }
    const auto params = node.get<Layer>();
    status = Layer::infer(params, shapes.src, shapes.num_src, &shapes.dst);
    what = "the layer's shape rule refuses its parameters or inputs";
    if (status != Status::ok) return;
    Layer::weight_shapes(params, shapes.src, shapes.weights);
    for (int w = 0; w < max_weights; ++w) {
      const Shape& rule = shapes.weights[w];
      const bool expected = rule.n > 0 && rule.h > 0 && rule.w > 0 && rule.c > 0;
      const bool present = node.weights[w] != no_index;
      const bool optional = (optional_weights<Layer>() >> w & 1) != 0;
      if (present != expected && !(expected && optional)) {
        status = Status::invalid_model;
        what = expected ? "a weight is missing" : "a weight that the layer doesn't have";
        return;
      }
      if (present && !(graph.weight_shapes[node.weights[w]] == rule)) {
        status = Status::invalid_shape;
        what = "a weight's shape differs from the layer's rule";
        return;
      }
    }
  });
  if (!built_layer(static_cast<uint32_t>(node.kind)) && known_layer(node.kind))
    return fail(
        error, i,
        "this build of the library leaves the layer out; build it with the model in LEADLINE_MODELS or the layer "
        "in LEADLINE_LAYERS",
        Status::unsupported);
  if (status != Status::ok) return fail(error, i, what, status);
  if (const char* rule = check_quantization(graph, node, shapes)) return fail(error, i, rule);

  index_t count = 0;
  if (!sane(shapes.dst) || checked_count(shapes.dst, &count) != Status::ok)
    return fail(error, i, "the output is too large", Status::overflow);
  values[node.output] = shapes.dst;
  return Status::ok;
}

} // namespace

Status infer_shapes(const GraphView& graph, const Shape& input, Shape* values, GraphError* error) {
  if (graph.num_nodes < 1 || graph.num_nodes > max_nodes || graph.num_values < 1 || graph.num_values > max_nodes + 1 ||
      graph.num_weights < 0 || graph.num_weights > max_nodes)
    return fail(error, no_index, "the number of nodes, values or weights is out of range");
  if (graph.input < 0 || graph.input >= graph.num_values) return fail(error, no_index, "the input is no value");
  if (graph.num_outputs < 1 || graph.num_outputs > max_outputs)
    return fail(error, no_index, "the number of outputs is out of range");

  index_t count = 0;
  if (!sane(input)) return fail(error, no_index, "the input's extents are out of range", Status::invalid_shape);
  if (checked_count(input, &count) != Status::ok)
    return fail(error, no_index, "the input is too large", Status::overflow);
  for (int32_t w = 0; w < graph.num_weights; ++w)
    if (!sane(graph.weight_shapes[w]) || checked_count(graph.weight_shapes[w], &count) != Status::ok)
      return fail(error, no_index, "a weight's extents are out of range");

  if (graph.quantization) {
    for (int32_t v = 0; v < graph.num_values; ++v)
      if (!valid_quantization(graph.quantization[v]))
        return fail(error, no_index, "a value's scale is not in [2^-40, 2^40], or its zero point not in [0, 255]");
    bool borders = graph.quantization[graph.input].quantized();
    for (int32_t o = 0; o < graph.num_outputs; ++o)
      if (graph.outputs[o] >= 0 && graph.outputs[o] < graph.num_values)
        borders = borders || graph.quantization[graph.outputs[o]].quantized();
    if (borders) return fail(error, no_index, "its input or an output is quantised; they have to be floats");
  }

  // n < 0 marks a value that nothing has produced yet.
  for (int32_t v = 0; v < graph.num_values; ++v) values[v].n = -1;
  values[graph.input] = input;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    const Node& node = graph.nodes[i];
    if (node.num_inputs > max_inputs) return fail(error, i, "too many inputs");
    for (int s = 0; s < node.num_inputs; ++s)
      if (node.inputs[s] < 0 || node.inputs[s] >= graph.num_values || values[node.inputs[s]].n < 0)
        return fail(error, i, "an input is not produced by an earlier node");
    if (node.output < 0 || node.output >= graph.num_values || values[node.output].n >= 0)
      return fail(error, i, "the output is no value or produced twice");
    for (int w = 0; w < max_weights; ++w)
      if (node.weights[w] != no_index && (node.weights[w] < 0 || node.weights[w] >= graph.num_weights))
        return fail(error, i, "a weight is not in the weight table");
    LEADLINE_TRY(infer_node(graph, i, values, error));
  }
  for (int32_t o = 0; o < graph.num_outputs; ++o)
    if (graph.outputs[o] < 0 || graph.outputs[o] >= graph.num_values || values[graph.outputs[o]].n < 0)
      return fail(error, no_index, "an output is not produced");
  for (int32_t v = 0; v < graph.num_values; ++v)
    if (values[v].n < 0) return fail(error, no_index, "a value is never produced");
  return Status::ok;
}

LayerShapes node_shapes(const GraphView& graph, int32_t i, const Shape* values) {
  const Node& node = graph.nodes[i];
  LayerShapes shapes;
  shapes.num_src = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) shapes.src[s] = values[node.inputs[s]];
  for (int w = 0; w < max_weights; ++w)
    if (node.weights[w] != no_index) shapes.weights[w] = graph.weight_shapes[node.weights[w]];
  shapes.dst = values[node.output];
  return shapes;
}

index_t node_macs(const GraphView& graph, int32_t i, const Shape* values) {
  const LayerShapes shapes = node_shapes(graph, i, values);
  const LayerKind kind = graph.nodes[i].kind;
  index_t pixels = 0, macs = 0;
  if (kind == layer_kind<Conv2d> || kind == layer_kind<Linear>)
    pixels = shapes.dst.pixels(); // each weight once per output pixel
  else if (kind == layer_kind<ConvTranspose2d>)
    pixels = shapes.src[0].pixels();
  return checked_multiply(pixels, shapes.weights[0].count(), &macs) ? macs : INT64_MAX;
}

} // namespace leadline
