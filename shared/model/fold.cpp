#include "shared/model/fold.hpp"

#include "shared/core/math.hpp"
#include "shared/model/reorder.hpp"

#include <algorithm>

namespace leadline {

namespace {

/// The node that produces what `reader` reads first, if nobody else reads it and the network doesn't return it; else
/// -1. Nodes that are `gone` don't count.
int sole_source(const Graph& graph, const std::vector<bool>& gone, const Node& reader) {
  const int32_t value = reader.inputs[0];
  if (std::count(graph.outputs.begin(), graph.outputs.end(), value) != 0) return -1;
  int readers = 0, found = -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (gone[i]) continue;
    const Node& other = graph.nodes[i];
    readers += static_cast<int>(std::count(other.inputs, other.inputs + other.num_inputs, value));
    if (other.output == value) found = static_cast<int>(i);
  }
  return readers == 1 ? found : -1;
}

/// A graph that is being rewritten: nodes are marked as gone, values as replaced, and both are renumbered at the end.
class Folder {
public:
  Folder(const Graph& graph, const std::vector<std::vector<double>>& weights)
      : graph_(graph), weights_(weights), gone_(graph.nodes.size(), false) {}

  FoldedGraph run() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) simplify(i);
    return finish();
  }

private:
  /// out[c] = scale[c] * in[c] + shift[c].
  struct ChannelMap {
    std::vector<double> scale, shift;
  };

  void simplify(size_t i) {
    const Node& node = graph_.nodes[i];
    if (node.kind == layer_kind<Activation>) {
      const ActivationParams activation = node.get<Activation>();
      const int p = sole_source(graph_, gone_, node);
      if (activation.kind == ActivationKind::identity)
        bypass(i);
      else if (p >= 0 && has_epilogue(p) && epilogue(p).kind == ActivationKind::identity) {
        set_epilogue(p, activation);
        bypass(i);
      }
    } else if (node.kind == layer_kind<Dropout>) {
      bypass(i);
    } else if (node.kind == layer_kind<Affine>) {
      const Affine::Params affine = node.get<Affine>();
      const int p = producer(node);
      if (affine.scale == 1 && affine.shift == 0)
        bypass(i);
      else if (p >= 0 && epilogue(p).kind == ActivationKind::identity) {
        const auto channels = static_cast<size_t>(out_channels(p));
        multiply_in(p, {std::vector<double>(channels, affine.scale), std::vector<double>(channels, affine.shift)});
        bypass(i);
      }
    } else if (node.kind == layer_kind<BatchNorm2d>) {
      const int p = producer(node);
      if (p >= 0 && epilogue(p).kind == ActivationKind::identity) {
        multiply_in(p, batch_norm_map(node));
        set_epilogue(p, node.get<BatchNorm2d>().activation);
        bypass(i);
      }
    }
  }

  /// The convolution, transposed convolution or linear layer whose result only this node reads; -1 if there is none.
  int producer(const Node& node) const {
    const int found = sole_source(graph_, gone_, node);
    return found >= 0 && kind(found) != layer_kind<BatchNorm2d> && has_epilogue(found) ? found : -1;
  }
  LayerKind kind(int i) const { return graph_.nodes[static_cast<size_t>(i)].kind; }
  bool has_epilogue(int i) const {
    return kind(i) == layer_kind<Conv2d> || kind(i) == layer_kind<ConvTranspose2d> || kind(i) == layer_kind<Linear> ||
           kind(i) == layer_kind<BatchNorm2d>;
  }

  /// Calls f with the params of a node that has an epilogue and stores what f made of them.
  template <class F> void with_params(int i, const F& f) {
    Node& node = graph_.nodes[static_cast<size_t>(i)];
    const auto apply = [&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      auto params = node.get<Layer>();
      f(params);
      node.set<Layer>(params);
    };
    if (node.kind == layer_kind<Conv2d>)
      apply(LayerTag<Conv2d>{});
    else if (node.kind == layer_kind<ConvTranspose2d>)
      apply(LayerTag<ConvTranspose2d>{});
    else if (node.kind == layer_kind<Linear>)
      apply(LayerTag<Linear>{});
    else
      apply(LayerTag<BatchNorm2d>{});
  }
  ActivationParams epilogue(int i) {
    ActivationParams activation;
    with_params(i, [&](auto& params) { activation = params.activation; });
    return activation;
  }
  void set_epilogue(int i, const ActivationParams& activation) {
    with_params(i, [&](auto& params) { params.activation = activation; });
  }
  index_t out_channels(int i) const {
    const Node& node = graph_.nodes[static_cast<size_t>(i)];
    if (node.kind == layer_kind<ConvTranspose2d>) return node.get<ConvTranspose2d>().out_channels;
    return graph_.weight_shapes[static_cast<size_t>(node.weights[0])].n;
  }

  ChannelMap batch_norm_map(const Node& node) const {
    const auto values = [&](int slot) { return &weights_[static_cast<size_t>(node.weights[slot])]; };
    const std::vector<double>&mean = *values(2), &var = *values(3);
    const double eps = static_cast<double>(node.get<BatchNorm2d>().eps);
    ChannelMap map;
    for (size_t c = 0; c < mean.size(); ++c) {
      const double weight = node.weights[0] == no_index ? 1 : (*values(0))[c];
      const double bias = node.weights[1] == no_index ? 0 : (*values(1))[c];
      map.scale.push_back(weight / math::sqrt(var[c] + eps));
      map.shift.push_back(bias - mean[c] * map.scale.back());
    }
    return map;
  }

  /// A weight that this node alone uses.
  std::vector<double>& own_weight(Node& node, int slot) {
    const int32_t shared = node.weights[slot];
    int users = 0;
    for (const Node& other : graph_.nodes)
      users += static_cast<int>(std::count(other.weights, other.weights + max_weights, shared));
    if (users > 1) {
      const auto from = static_cast<size_t>(shared);
      node.weights[slot] = add_weight(graph_.weight_names[from] + "_of_" + name(node), graph_.weight_shapes[from],
                                      std::vector<double>(weights_[from]));
    }
    return weights_[static_cast<size_t>(node.weights[slot])];
  }
  const std::string& name(const Node& node) const {
    return graph_.node_names[static_cast<size_t>(&node - graph_.nodes.data())];
  }
  int32_t add_weight(const std::string& weight_name, const Shape& shape, std::vector<double> values) {
    graph_.weight_names.push_back(weight_name);
    graph_.weight_shapes.push_back(shape);
    graph_.trainable.push_back(true);
    weights_.push_back(std::move(values));
    return static_cast<int32_t>(weights_.size()) - 1;
  }

  void multiply_in(int i, const ChannelMap& map) {
    Node& node = graph_.nodes[static_cast<size_t>(i)];
    const index_t channels = out_channels(i);
    if (node.weights[1] == no_index)
      node.weights[1] = add_weight(name(node) + ".bias", {1, 1, 1, channels},
                                   std::vector<double>(static_cast<size_t>(channels), 0.0));
    std::vector<double>& bias = own_weight(node, 1);
    for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * map.scale[c] + map.shift[c];

    std::vector<double>& weight = own_weight(node, 0);
    const Shape& s = graph_.weight_shapes[static_cast<size_t>(node.weights[0])];
    const bool transposed = node.kind == layer_kind<ConvTranspose2d>; // {ic, kh, kw, oc/groups}; else {oc, ...}
    const index_t inputs_per_group = transposed ? s.n / node.get<ConvTranspose2d>().groups : 1;
    size_t at = 0;
    for (index_t n = 0; n < s.n; ++n)
      for (index_t p = 0; p < s.h * s.w; ++p)
        for (index_t c = 0; c < s.c; ++c)
          weight[at++] *= map.scale[static_cast<size_t>(transposed ? n / inputs_per_group * s.c + c : n)];
  }

  /// Node i is gone; whoever read its output reads its input.
  void bypass(size_t i) {
    const int32_t from = graph_.nodes[i].output, to = graph_.nodes[i].inputs[0];
    if (to == 0 && std::count(graph_.outputs.begin(), graph_.outputs.end(), from) != 0)
      return; // an output has to be some node's
    gone_[i] = true;
    for (Node& node : graph_.nodes) std::replace(node.inputs, node.inputs + node.num_inputs, from, to);
    std::replace(graph_.outputs.begin(), graph_.outputs.end(), from, to);
  }

  FoldedGraph finish() {
    FoldedGraph out;
    out.graph.name = graph_.name;
    out.graph.input_shape = graph_.input_shape;
    std::vector<int32_t> value(static_cast<size_t>(graph_.num_values), no_index), weight(weights_.size(), no_index);
    value[0] = 0;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (gone_[i]) continue;
      Node node = graph_.nodes[i];
      for (int s = 0; s < node.num_inputs; ++s) node.inputs[s] = value[static_cast<size_t>(node.inputs[s])];
      node.output = value[static_cast<size_t>(node.output)] = out.graph.num_values++;
      for (int32_t& w : node.weights) {
        if (w == no_index) continue;
        int32_t& renumbered = weight[static_cast<size_t>(w)];
        if (renumbered == no_index) {
          renumbered = static_cast<int32_t>(out.weights.size());
          const auto from = static_cast<size_t>(w);
          out.weights.emplace_back(weights_[from].begin(), weights_[from].end());
          out.graph.weight_shapes.push_back(graph_.weight_shapes[from]);
          out.graph.weight_names.push_back(graph_.weight_names[from]);
          out.graph.trainable.push_back(graph_.trainable[from]);
        }
        w = renumbered;
      }
      out.graph.nodes.push_back(node);
      out.graph.node_names.push_back(graph_.node_names[i]);
    }
    for (const int32_t v : graph_.outputs) out.graph.outputs.push_back(value[static_cast<size_t>(v)]);
    out.graph.infer(out.graph.input_shape); // throws if a rule above broke the graph
    return out;
  }

  Graph graph_;
  std::vector<std::vector<double>> weights_;
  std::vector<bool> gone_;
};

} // namespace

FoldedGraph fold_graph(const Graph& graph, const std::vector<std::vector<double>>& weights, bool reorder) {
  FoldedGraph folded = Folder(graph, weights).run();
  if (reorder) up_sample_late(&folded.graph);
  return folded;
}

Graph fuse_activations(const Graph& graph) {
  Graph fused = graph;
  std::vector<bool> gone(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& activation = fused.nodes[i];
    if (activation.kind != layer_kind<Activation>) continue;
    const int source = sole_source(fused, gone, activation);
    if (source < 0 || fused.nodes[static_cast<size_t>(source)].kind != layer_kind<BatchNorm2d>) continue;
    Node& norm = fused.nodes[static_cast<size_t>(source)];
    auto params = norm.get<BatchNorm2d>();
    if (params.activation.kind != ActivationKind::identity) continue;
    params.activation = activation.get<Activation>();
    norm.set<BatchNorm2d>(params);
    norm.output = activation.output;
    gone[i] = true;
  }
  // Without gaps again: the values between a norm and its activation are no more.
  std::vector<int32_t> value(static_cast<size_t>(graph.num_values), no_index);
  value[0] = 0;
  fused.num_values = 1;
  size_t kept = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (gone[i]) continue;
    Node node = fused.nodes[i];
    for (int s = 0; s < node.num_inputs; ++s) node.inputs[s] = value[static_cast<size_t>(node.inputs[s])];
    node.output = value[static_cast<size_t>(node.output)] = fused.num_values++;
    fused.nodes[kept] = node;
    fused.node_names[kept++] = graph.node_names[i];
  }
  fused.nodes.resize(kept);
  fused.node_names.resize(kept);
  for (int32_t& v : fused.outputs) v = value[static_cast<size_t>(v)];
  fused.infer(fused.input_shape); // throws if a rule above broke the graph
  return fused;
}

} // namespace leadline
