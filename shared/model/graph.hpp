// The graph as everything sees it: a plain list of nodes in topological order, readable in place from a model file.
//
// Networks build one with GraphBuilder (graph_builder.hpp); shape inference, memory plan, forward, backward, export
// and the edge engine walk the same list.
#pragma once

#include "shared/core/tensor.hpp"
#include "shared/layers/layers.hpp"

#include <string.h>

namespace leadline {

constexpr int32_t max_nodes = 4096; ///< nodes, values and weights of one graph; a file that has more is refused
constexpr int max_outputs = 4;
constexpr int32_t no_index = -1;

/// One layer application. Trivially copyable; stored in model files as it is (little-endian).
struct Node {
  LayerKind kind = LayerKind::activation;
  uint16_t num_inputs = 0;
  int32_t inputs[max_inputs] = {};                                         ///< values, all produced earlier
  int32_t output = no_index;                                               ///< the value it produces, its alone
  int32_t weights[max_weights] = {no_index, no_index, no_index, no_index}; ///< entries of the weight table
  alignas(8) unsigned char params[max_params_bytes] = {};                  ///< the layer's Params, zero-padded

  template <class Layer> typename Layer::Params get() const {
    static_assert(sizeof(typename Layer::Params) <= max_params_bytes);
    typename Layer::Params value;
    memcpy(&value, params, sizeof value);
    return value;
  }
  template <class Layer> void set(const typename Layer::Params& value) {
    kind = layer_kind<Layer>;
    memset(params, 0, sizeof params);
    memcpy(params, &value, sizeof value);
  }
};
static_assert(sizeof(Node) == 120);

/// How a weight is stored (weight_storage.hpp). Numbers are never reused.
enum class WeightType : uint32_t { f32 = 0, f16 = 1, bf16 = 2, int8 = 3 };

struct WeightEntry {
  uint64_t offset; ///< from the start of the section `weights`
  WeightType type;
  uint32_t name;
};

/// Non-owning view of a graph. Values are numbered 0..num_values-1; `input` is fed by the caller.
struct GraphView {
  const Node* nodes = nullptr;
  int32_t num_nodes = 0;
  int32_t num_values = 0;
  const Shape* weight_shapes = nullptr;
  int32_t num_weights = 0;
  int32_t input = 0;
  int32_t outputs[max_outputs] = {no_index, no_index, no_index, no_index};
  int32_t num_outputs = 0;
  const WeightEntry* stored = nullptr; ///< how each weight is stored; null: as floats

  WeightType weight_type(int32_t w) const { return stored ? stored[w].type : WeightType::f32; }
  const Quantization* quantization = nullptr; ///< of each value; null: all are floats

  Quantization value_quantization(int32_t value) const { return quantization ? quantization[value] : Quantization{}; }
  /// Bytes of one element where floats take `element`.
  size_t element_bytes(int32_t value, size_t element) const {
    return value_quantization(value).quantized() ? 1 : element;
  }
  /// Whether node `i` runs on bytes: it writes them, or reads them.
  bool runs_on_bytes(int32_t i) const {
    const Node& node = nodes[i];
    return built_int8 && (value_quantization(node.output).quantized() ||
                          (node.num_inputs > 0 && value_quantization(node.inputs[0]).quantized()));
  }
};

/// Where validation or shape inference failed, for messages.
struct GraphError {
  int32_t node = no_index; ///< no_index: the graph itself
  const char* what = "";   ///< static text: which rule was broken
};

/// Checks indices, order, arity and every layer's parameters, and infers the shape of every value from the input's.
/// `values` holds `num_values` shapes. Accepts arbitrary bytes; the one validator of graphs.
Status infer_shapes(const GraphView& graph, const Shape& input, Shape* values, GraphError* error);

/// The shapes around node `i`, given those of all values.
LayerShapes node_shapes(const GraphView& graph, int32_t i, const Shape* values);

/// Multiply-accumulates of node `i` (convolutions and linear; 0 for others); INT64_MAX if more.
index_t node_macs(const GraphView& graph, int32_t i, const Shape* values);

} // namespace leadline
