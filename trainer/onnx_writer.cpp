#include "trainer/onnx_writer.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp" // write_file
#include "trainer/calibration.hpp"
#include "trainer/protobuf.hpp"
#include "trainer/weight_layout.hpp"

#include <leadline/leadline.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <set>

namespace leadline::trainer {

namespace {

using Message = ProtobufMessage;

// The field numbers of onnx.proto3 that are used here.
namespace field {
enum Model {
  ir_version = 1,
  producer_name = 2,
  producer_version = 3,
  graph = 7,
  opset_import = 8,
  metadata_props = 14
};
enum Opset { opset_version = 2 };
enum Entry { key = 1, value = 2 };
enum Graph { node = 1, graph_name = 2, initializer = 5, input = 11, output = 12 };
enum Node { node_input = 1, node_output = 2, node_name = 3, op_type = 4, attribute = 5 };
enum Attribute { attribute_name = 1, f = 2, i = 3, s = 4, ints = 8, type = 20 };
enum Tensor { dims = 1, data_type = 2, tensor_name = 8, raw_data = 9 };
enum ValueInfo { value_name = 1, value_type = 2 };
enum Type { tensor_type = 1, elem_type = 1, shape = 2, dim = 1, dim_value = 1 };
} // namespace field
enum class AttributeType { number = 1, integer = 2, text = 3, integers = 7 };
enum class ElementType { f32 = 1, u8 = 2, i8 = 3, i32 = 6, i64 = 7 };

Message attribute(const char* name, AttributeType type) {
  Message m;
  m.text(field::attribute_name, name).integer(field::type, static_cast<int64_t>(type));
  return m;
}
Message number(const char* name, float value) { return attribute(name, AttributeType::number).number(field::f, value); }
Message integer(const char* name, int64_t value) {
  return attribute(name, AttributeType::integer).integer(field::i, value);
}
Message text(const char* name, const char* value) { return attribute(name, AttributeType::text).text(field::s, value); }
Message integers(const char* name, const std::vector<int64_t>& values) {
  Message m = attribute(name, AttributeType::integers);
  for (const int64_t value : values) m.integer(field::ints, value);
  return m;
}

Message value_info(const std::string& name, const Shape& nhwc) {
  Message dims, tensor, type, info;
  for (const index_t extent : {nhwc.n, nhwc.c, nhwc.h, nhwc.w})
    dims.message(field::dim, Message().integer(field::dim_value, extent));
  tensor.integer(field::elem_type, static_cast<int64_t>(ElementType::f32)).message(field::shape, dims);
  type.message(field::tensor_type, tensor);
  return info.text(field::value_name, name).message(field::value_type, type);
}

/// One ONNX operator: its inputs are names of values or initializers, "" where an optional one is left out.
struct Op {
  std::string type;
  std::vector<std::string> inputs;
  std::vector<Message> attributes;
  std::string output;
};

class Writer {
public:
  Writer(const Graph& graph, const std::vector<std::vector<float>>& weights)
      : graph_(graph), weights_(weights), shapes_(graph.infer(graph.input_shape)),
        values_(static_cast<size_t>(graph.num_values)), reals_(values_.size()) {
    check_arguments();
    if (on_bytes()) {
      ModelSpec spec;
      spec.graph = &graph;
      spec.weights = weights;
      spec.weight_types = int8_weight_types(graph);
      stored_ = device_weights(spec);
    }
    values_[0] = unique("input");
    for (size_t k = 0; k < graph.outputs.size(); ++k) output_names_.push_back(unique(output_name(k)));
  }

  Message model(const std::map<std::string, std::string>& metadata) {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) node(i);
    for (size_t k = 0; k < graph_.outputs.size(); ++k) // the input itself, or a value that is an output twice
      if (const std::string& name = values_[static_cast<size_t>(graph_.outputs[k])]; name != output_names_[k])
        ops_.push_back({"Identity", {name}, {}, output_names_[k]});

    Message graph, result;
    for (const Op& op : ops_) {
      Message m;
      for (const std::string& name : op.inputs) m.text(field::node_input, name);
      m.text(field::node_output, op.output).text(field::node_name, op.output).text(field::op_type, op.type);
      for (const Message& a : op.attributes) m.message(field::attribute, a);
      graph.message(field::node, m);
    }
    graph.text(field::graph_name, graph_.name);
    for (const Message& tensor : initializers_) graph.message(field::initializer, tensor);
    graph.message(field::input, value_info(values_[0], graph_.input_shape));
    for (size_t k = 0; k < graph_.outputs.size(); ++k)
      graph.message(field::output, value_info(output_names_[k], shape(graph_.outputs[k])));

    result.integer(field::ir_version, 8)
        .text(field::producer_name, "leadline")
        .text(field::producer_version, leadline_version_string())
        .message(field::graph, graph)
        .message(field::opset_import, Message().integer(field::opset_version, onnx_opset));
    for (const auto& [key, value] : metadata)
      result.message(field::metadata_props, Message().text(field::key, key).text(field::value, value));
    if (result.bytes().size() > INT32_MAX)
      throw Error({.field = graph_.name,
                   .value = std::to_string(result.bytes().size()) + " bytes",
                   .reason = "an ONNX file can't be larger than 2 GiB",
                   .fix = "Export a smaller network"});
    return result;
  }

private:
  static std::string output_name(size_t k) { return k == 0 ? "output" : "output." + std::to_string(k); }
  const Shape& shape(int32_t value) const { return shapes_[static_cast<size_t>(value)]; }

  void check_arguments() const {
    if (graph_.input_shape.count() == 0)
      throw Error({.field = graph_.name + ": input",
                   .value = GraphBuilder::to_string(graph_.input_shape),
                   .reason = "it is empty",
                   .fix = "Build the graph with the size that the ONNX file is for"});
    const auto refuse = [&](const std::string& what, size_t count, size_t wanted) {
      throw Error({.field = graph_.name + ": " + what,
                   .value = std::to_string(count),
                   .reason = "the graph wants " + std::to_string(wanted),
                   .fix = "Give the weights of this graph, in its own order and layouts"});
    };
    if (weights_.size() != graph_.weight_shapes.size())
      refuse("number of weights", weights_.size(), graph_.weight_shapes.size());
    for (size_t i = 0; i < weights_.size(); ++i)
      if (const auto wanted = static_cast<size_t>(graph_.weight_shapes[i].count()); weights_[i].size() != wanted)
        refuse("values of " + graph_.weight_names[i], weights_[i].size(), wanted);
  }

  /// `name`, or with a number behind it where that is taken.
  std::string unique(const std::string& name) {
    std::string result = name;
    for (int k = 1; !names_.insert(result).second; ++k) result = name + "#" + std::to_string(k);
    return result;
  }

  // ---- initializers --------------------------------------------------------------------------------------------

  std::string initializer(const std::string& name, ElementType type, const std::vector<int64_t>& dims,
                          const Message& data) {
    const std::string result = unique(name);
    Message tensor;
    for (const int64_t extent : dims) tensor.integer(field::dims, extent);
    tensor.integer(field::data_type, static_cast<int64_t>(type)).text(field::tensor_name, result);
    initializers_.push_back(tensor.text(field::raw_data, data.bytes()));
    return result;
  }
  std::string floats(const std::string& name, const std::vector<int64_t>& dims, const std::vector<float>& values) {
    Message data;
    for (const float value : values) data.little_endian(std::bit_cast<uint32_t>(value), 4);
    return initializer(name, ElementType::f32, dims, data);
  }
  std::string scalar(const std::string& name, float value) { return floats(name, {}, {value}); }
  std::string integers_of(const std::string& name, ElementType type, const std::vector<int64_t>& dims,
                          const std::vector<int64_t>& values) {
    Message data;
    for (const int64_t value : values)
      data.little_endian(static_cast<uint64_t>(value), type == ElementType::i32 ? 4 : 1);
    return initializer(name, type, dims, data);
  }
  std::string int64s(const std::string& name, const std::vector<int64_t>& values) {
    Message data;
    for (const int64_t value : values) data.little_endian(static_cast<uint64_t>(value), 8);
    return initializer(name, ElementType::i64, {static_cast<int64_t>(values.size())}, data);
  }

  /// Weight `slot` of the current node with as many axes as are wanted: 4 in PyTorch's order, 3 `[C,1,1]`, 1 `[C]`.
  /// Weights that nodes share become one initializer. "" for a bias that isn't there.
  std::string weight(int slot, int axes) {
    const int32_t i = node_->weights[slot];
    if (i == no_index) return "";
    std::string& name = weight_initializers_[{i, axes}];
    if (!name.empty()) return name;
    const Shape& s = graph_.weight_shapes[static_cast<size_t>(i)];
    if (Int8Weights bytes; slot < 2 && int8_weights(&bytes)) return name = slot == 0 ? int8_weight(s) : int8_bias(s);
    std::vector<int64_t> dims{s.n, s.c, s.h, s.w};
    if (axes == 3) dims = {s.c, 1, 1};
    if (axes == 1) dims = {s.c};
    name = floats(graph_.weight_names[static_cast<size_t>(i)], dims, to_pytorch(weights_[static_cast<size_t>(i)], s));
    return name;
  }
  // ---- bytes ---------------------------------------------------------------------------------------------------

  bool on_bytes() const { return !graph_.quantization.empty(); }
  Quantization quantization(int32_t value) const { return graph_.view().value_quantization(value); }

  /// What the current node multiplies with, if that is bytes with scales that ONNX can have along one axis.
  bool int8_weights(Int8Weights* weights) const {
    const auto i = static_cast<int32_t>(node_ - graph_.nodes.data());
    if (!on_bytes() || node_->weights[0] == no_index || !graph_.view().runs_on_bytes(i)) return false;
    const auto w = static_cast<size_t>(node_->weights[0]);
    const WeightChannels channels = weight_channels(*node_, 0, graph_.weight_shapes[w]);
    const Int8Weight stored = leadline::int8_weight(stored_[w].data(), channels.count);
    *weights = {stored.scales, stored.values, nullptr};
    return channels.per_group == 0 || channels.count == graph_.weight_shapes[w].c; // transposed, in groups: it can't
  }
  std::string dequantized(const std::string& bytes, const std::string& scale, const std::string& zero_point,
                          int64_t axis, const std::string& name) {
    ops_.push_back({"DequantizeLinear", {bytes, scale}, {integer("axis", axis)}, unique(name)});
    if (!zero_point.empty()) ops_.back().inputs.push_back(zero_point);
    return ops_.back().output;
  }
  std::string int8_weight(const Shape& s) {
    Int8Weights weights;
    int8_weights(&weights);
    const std::string& name = graph_.weight_names[static_cast<size_t>(node_->weights[0])];
    const bool transposed = node_->kind == layer_kind<ConvTranspose2d>;
    const index_t channels = transposed ? s.c : s.n;
    const std::vector<int64_t> values(weights.values, weights.values + s.count());
    const std::string bytes = integers_of(name, ElementType::i8, {s.n, s.c, s.h, s.w}, to_pytorch(values, s));
    const std::string scales = floats(name + ".scale", {channels}, {weights.scales, weights.scales + channels});
    return dequantized(bytes, scales, "", transposed ? 1 : 0, name + "/real");
  }
  /// In units of the sums, as integer kernels add it.
  std::string int8_bias(const Shape& s) {
    Int8Weights weights;
    int8_weights(&weights);
    const auto w = static_cast<size_t>(node_->weights[1]);
    std::vector<float> scales;
    std::vector<int64_t> sums;
    for (size_t c = 0; c < static_cast<size_t>(s.c); ++c) {
      scales.push_back(quantization(node_->inputs[0]).scale * weights.scales[c]);
      sums.push_back(
          static_cast<int64_t>(std::nearbyint(std::clamp(weights_[w][c] / scales[c], -max_int8_bias, max_int8_bias))));
    }
    const std::string& name = graph_.weight_names[w];
    const std::string bytes = integers_of(name, ElementType::i32, {s.c}, sums);
    return dequantized(bytes, floats(name + ".scale", {s.c}, scales), "", 0, name + "/real");
  }
  /// Scale and zero point of a value, as initializers.
  std::vector<std::string> grid(const std::string& name, const Quantization& q) {
    return {scalar(name + ".scale", q.scale), integers_of(name + ".zero_point", ElementType::u8, {}, {q.zero_point})};
  }
  void quantize(const std::string& x, const Quantization& q, const char* suffix) {
    const std::vector<std::string> to = grid(node_name_, q);
    op("QuantizeLinear", {x, to[0], to[1]}, {}, suffix);
  }
  /// What the bytes of a value stand for.
  const std::string& real(int32_t value) {
    std::string& name = reals_[static_cast<size_t>(value)];
    if (name.empty()) {
      const std::string& bytes = values_[static_cast<size_t>(value)];
      const std::vector<std::string> from = grid(bytes, quantization(value));
      name = dequantized(bytes, from[0], from[1], 1, bytes + "/real");
    }
    return name;
  }

  /// The same for weights of norms, which may be left out here but not in ONNX.
  std::string weight_or(float value, int slot, const char* suffix) {
    const std::string name = weight(slot, 1);
    const index_t channels = shape(node_->inputs[0]).c;
    return name.empty()
               ? floats(node_name_ + suffix, {channels}, std::vector<float>(static_cast<size_t>(channels), value))
               : name;
  }

  // ---- operators -----------------------------------------------------------------------------------------------

  /// Adds an operator and returns its result's name: the node's, and what is special about it.
  std::string op(const char* type, const std::vector<std::string>& inputs, const std::vector<Message>& attributes = {},
                 const char* suffix = "") {
    ops_.push_back({type, inputs, attributes, unique(node_name_ + suffix)});
    while (ops_.back().inputs.size() > 1 && ops_.back().inputs.back().empty()) ops_.back().inputs.pop_back();
    return ops_.back().output;
  }
  std::string source(int s = 0) {
    const int32_t value = node_->inputs[s];
    return quantization(value).quantized() ? real(value) : values_[static_cast<size_t>(value)];
  }

  void node(size_t i) {
    node_ = &graph_.nodes[i];
    node_name_ = graph_.node_names[i];
    const size_t first = ops_.size();
    visit_layer(node_->kind, [&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      translate(tag, node_->get<Layer>());
    });
    if (ops_.size() == first) op("Identity", {source()}); // a layer that does nothing
    if (const Quantization q = quantization(node_->output); q.quantized() && node_->kind != layer_kind<Quantize>)
      quantize(ops_.back().output, q, "/bytes");
    // The last operator's result is the node's; outputs of the graph have names of their own.
    for (size_t k = graph_.outputs.size(); k-- > 0;)
      if (graph_.outputs[k] == node_->output) ops_.back().output = output_names_[k];
    values_[static_cast<size_t>(node_->output)] = ops_.back().output;
  }

  /// f(x), as operators; `suffix` where it is a fused epilogue.
  void activation(const ActivationParams& params, const std::string& x, const char* suffix = "") {
    const auto constant = [&](const char* name, float value) { return scalar(node_name_ + name, value); };
    switch (params.kind) {
    case ActivationKind::identity: return;
    case ActivationKind::relu: op("Relu", {x}, {}, suffix); return;
    case ActivationKind::relu6: op("Clip", {x, constant(".min", 0), constant(".max", 6)}, {}, suffix); return;
    case ActivationKind::leaky_relu: op("LeakyRelu", {x}, {number("alpha", params.alpha)}, suffix); return;
    case ActivationKind::elu: op("Elu", {x}, {number("alpha", params.alpha)}, suffix); return;
    case ActivationKind::sigmoid: op("Sigmoid", {x}, {}, suffix); return;
    case ActivationKind::tanh: op("Tanh", {x}, {}, suffix); return;
    case ActivationKind::silu: op("Mul", {x, op("Sigmoid", {x}, {}, "/sigmoid")}, {}, suffix); return;
    case ActivationKind::gelu: { // opset 17 has no Gelu: x (1 + erf(x / sqrt 2)) / 2
      const std::string scaled = op("Mul", {x, constant(".sqrt_half", 0.70710678118654752440f)}, {}, "/scaled");
      const std::string erf = op("Erf", {scaled}, {}, "/erf");
      const std::string one = op("Add", {erf, constant(".one", 1)}, {}, "/one");
      const std::string half = op("Mul", {x, constant(".half", 0.5f)}, {}, "/half");
      op("Mul", {half, one}, {}, suffix);
      return;
    }
    case ActivationKind::hardswish: op("HardSwish", {x}, {}, suffix); return;
    case ActivationKind::softplus: op("Softplus", {x}, {}, suffix); return;
    case ActivationKind::exp: op("Exp", {x}, {}, suffix); return;
    }
  }
  void epilogue(const ActivationParams& params, const std::string& x) { activation(params, x, "/activation"); }

  template <class Layer> void translate(LayerTag<Layer>, const typename Layer::Params&) {
    throw Error({.field = graph_.name + ": node " + node_name_,
                 .value = Layer::name,
                 .reason = "ONNX opset " + std::to_string(onnx_opset) + " has no such layer",
                 .fix = "Export to a .lead file, which has all layers"});
  }

  void translate(LayerTag<Conv2d>, const Conv2d::Params& p) {
    const std::string y =
        op("Conv", {source(), weight(0, 4), weight(1, 1)},
           {integers("kernel_shape", {p.kernel_h, p.kernel_w}), integers("strides", {p.stride_h, p.stride_w}),
            integers("pads", {p.padding_top, p.padding_left, p.padding_bottom, p.padding_right}),
            integers("dilations", {p.dilation_h, p.dilation_w}), integer("group", p.groups)});
    epilogue(p.activation, y);
  }
  void translate(LayerTag<ConvTranspose2d>, const ConvTranspose2d::Params& p) {
    const std::string y =
        op("ConvTranspose", {source(), weight(0, 4), weight(1, 1)},
           {integers("kernel_shape", {p.kernel_h, p.kernel_w}), integers("strides", {p.stride_h, p.stride_w}),
            integers("pads", {p.padding_h, p.padding_w, p.padding_h, p.padding_w}),
            integers("output_padding", {p.output_padding_h, p.output_padding_w}),
            integers("dilations", {p.dilation_h, p.dilation_w}), integer("group", p.groups)});
    epilogue(p.activation, y);
  }
  void translate(LayerTag<Linear>, const Linear::Params& p) { // of each pixel: a 1x1 convolution
    epilogue(p.activation, op("Conv", {source(), weight(0, 4), weight(1, 1)}, {integers("kernel_shape", {1, 1})}));
  }

  std::vector<Message> window(const Pool2dParams& p) {
    return {integers("kernel_shape", {p.kernel_h, p.kernel_w}), integers("strides", {p.stride_h, p.stride_w}),
            integers("pads", {p.padding_top, p.padding_left, p.padding_bottom, p.padding_right})};
  }
  void translate(LayerTag<MaxPool2d>, const Pool2dParams& p) { op("MaxPool", {source()}, window(p)); }
  void translate(LayerTag<AvgPool2d>, const Pool2dParams& p) {
    std::vector<Message> attributes = window(p);
    attributes.push_back(integer("count_include_pad", p.count_include_pad));
    op("AveragePool", {source()}, attributes);
  }
  void translate(LayerTag<GlobalMaxPool2d>, const NoParams&) { op("GlobalMaxPool", {source()}); }
  void translate(LayerTag<GlobalAvgPool2d>, const NoParams&) { op("GlobalAveragePool", {source()}); }

  void translate(LayerTag<Resize>, const Resize::Params& p) {
    const Shape &src = shape(node_->inputs[0]), &dst = shape(node_->output);
    std::vector<Message> attributes;
    if (p.mode == ResizeMode::nearest)
      attributes = {text("mode", "nearest"), text("coordinate_transformation_mode", "asymmetric"),
                    text("nearest_mode", "floor")};
    else
      attributes = {text("mode", "linear"),
                    text("coordinate_transformation_mode", p.align_corners ? "align_corners" : "half_pixel")};
    if (dst.h % src.h == 0 && dst.w % src.w == 0) { // exact factors: the form that engines know best
      const auto factor = [](index_t to, index_t from) { return static_cast<float>(to / from); };
      const std::string scales =
          floats(node_name_ + ".scales", {4}, {1, 1, factor(dst.h, src.h), factor(dst.w, src.w)});
      op("Resize", {source(), "", scales}, attributes);
    } else {
      op("Resize", {source(), "", "", int64s(node_name_ + ".sizes", {dst.n, dst.c, dst.h, dst.w})}, attributes);
    }
  }

  void translate(LayerTag<BatchNorm2d>, const BatchNorm2d::Params& p) { // with the running statistics
    const std::string y =
        op("BatchNormalization",
           {source(), weight_or(1, 0, ".weight"), weight_or(0, 1, ".bias"), weight(2, 1), weight(3, 1)},
           {number("epsilon", p.eps)});
    epilogue(p.activation, y);
  }
  void translate(LayerTag<GroupNorm>, const GroupNorm::Params& p) {
    // Opset 17 has it for groups of one channel only: each group becomes one long channel for a moment.
    const Shape& s = shape(node_->inputs[0]);
    const auto groups = static_cast<size_t>(p.num_groups);
    const std::string ones = floats(node_name_ + ".ones", {p.num_groups}, std::vector<float>(groups, 1));
    const std::string zeros = floats(node_name_ + ".zeros", {p.num_groups}, std::vector<float>(groups, 0));
    std::string x = op("Reshape", {source(), int64s(node_name_ + ".groups", {s.n, p.num_groups, -1})}, {}, "/groups");
    x = op("InstanceNormalization", {x, ones, zeros}, {number("epsilon", p.eps)}, "/normalised");
    x = op("Reshape", {x, int64s(node_name_ + ".shape", {s.n, s.c, s.h, s.w})}, {}, "/channels");
    if (const std::string w = weight(0, 3); !w.empty()) x = op("Mul", {x, w}, {}, "/scaled");
    if (const std::string b = weight(1, 3); !b.empty()) op("Add", {x, b});
  }
  void translate(LayerTag<LayerNorm>, const LayerNorm::Params& p) { // of the channels, which ONNX wants last
    std::string x = op("Transpose", {source()}, {integers("perm", {0, 2, 3, 1})}, "/nhwc");
    x = op("LayerNormalization", {x, weight_or(1, 0, ".weight"), weight_or(0, 1, ".bias")},
           {integer("axis", -1), number("epsilon", p.eps)}, "/normalised");
    op("Transpose", {x}, {integers("perm", {0, 3, 1, 2})});
  }

  void translate(LayerTag<Quantize>, const QuantizeParams& p) {
    quantize(source(), p.quantization(), on_bytes() ? "" : "/bytes");
    if (on_bytes()) return;
    const std::string bytes = ops_.back().output; // floats that are rounded
    const std::vector<std::string> from = grid(bytes, p.quantization());
    op("DequantizeLinear", {bytes, from[0], from[1]});
  }
  void translate(LayerTag<Dequantize>, const QuantizeParams&) {} // whoever reads bytes gets reals

  void translate(LayerTag<Concat>, const NoParams&) {
    std::vector<std::string> sources;
    for (int s = 0; s < node_->num_inputs; ++s) sources.push_back(source(s));
    op("Concat", sources, {integer("axis", 1)});
  }
  void translate(LayerTag<Add>, const NoParams&) { op("Add", {source(0), source(1)}); } // broadcasts as ours do
  void translate(LayerTag<Mul>, const NoParams&) { op("Mul", {source(0), source(1)}); }
  void translate(LayerTag<Pad>, const Pad::Params& p) {
    const std::string pads =
        int64s(node_name_ + ".pads", {0, 0, p.padding_top, p.padding_left, 0, 0, p.padding_bottom, p.padding_right});
    op("Pad", {source(), pads, scalar(node_name_ + ".value", p.value)});
  }
  void translate(LayerTag<Softmax>, const NoParams&) { op("Softmax", {source()}, {integer("axis", 1)}); }
  void translate(LayerTag<Dropout>, const Dropout::Params&) {} // in evaluation nothing happens
  void translate(LayerTag<Activation>, const ActivationParams& p) { activation(p, source()); }
  void translate(LayerTag<Affine>, const Affine::Params& p) {
    std::string x = source();
    if (p.scale != 1) x = op("Mul", {x, scalar(node_name_ + ".scale", p.scale)}, {}, p.shift == 0 ? "" : "/scaled");
    if (p.shift != 0) op("Add", {x, scalar(node_name_ + ".shift", p.shift)});
  }

  const Graph& graph_;
  const std::vector<std::vector<float>>& weights_;
  std::vector<Shape> shapes_;
  std::vector<std::string> values_; // ONNX name of each value
  std::vector<std::string> reals_;  // of those that are bytes, what they stand for; empty: nobody has asked
  std::vector<std::vector<unsigned char>> stored_; // weights of a graph on bytes, as device_weights gives them
  std::vector<std::string> output_names_;
  std::set<std::string> names_; // taken
  std::vector<Op> ops_;
  std::vector<Message> initializers_;
  std::map<std::pair<int32_t, int>, std::string> weight_initializers_; // by weight and number of axes
  const Node* node_ = nullptr;                                         // being translated
  std::string node_name_;
};

} // namespace

std::string encode_onnx(const Graph& graph, const std::vector<std::vector<float>>& weights,
                        const std::map<std::string, std::string>& metadata) {
  return Writer(graph, weights).model(metadata).bytes();
}

void write_onnx(const std::string& path, const Graph& graph, const std::vector<std::vector<float>>& weights,
                const std::map<std::string, std::string>& metadata) {
  const std::string bytes = encode_onnx(graph, weights, metadata);
  data::write_file(path, bytes.data(), bytes.size());
}

} // namespace leadline::trainer
