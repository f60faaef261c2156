#include "trainer/calibration.hpp"

#include "data/error.hpp"
#include "trainer/compute.hpp"
#include "trainer/planned_pass.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace leadline::trainer {

namespace {

constexpr int num_bins = 4096;
constexpr double tail = 1e-4;               ///< of the values, at either end
constexpr size_t samples_per_add = 1 << 16; ///< into the histogram; smallest and largest are those of all

/// Values that share a grid point to one another; the last points to itself.
class Groups {
public:
  explicit Groups(int32_t count) : parent_(static_cast<size_t>(count)) { std::iota(parent_.begin(), parent_.end(), 0); }
  int32_t find(int32_t v) const {
    while (parent_[static_cast<size_t>(v)] != v) v = parent_[static_cast<size_t>(v)];
    return v;
  }
  void join(int32_t a, int32_t b) { parent_[static_cast<size_t>(find(a))] = find(b); }

private:
  std::vector<int32_t> parent_;
};

/// Nodes that multiply and have nothing of the kind between themselves and an output.
std::vector<bool> heads_of(const Graph& graph) {
  std::vector<bool> reaches(static_cast<size_t>(graph.num_values)), heads(graph.nodes.size());
  for (const int32_t v : graph.outputs) reaches[static_cast<size_t>(v)] = true;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (!reaches[static_cast<size_t>(node.output)]) continue;
    heads[i] = allowed_algorithm(node.kind, Algorithm::host_gemm);
    if (heads[i]) continue;
    for (int s = 0; s < node.num_inputs; ++s) reaches[static_cast<size_t>(node.inputs[s])] = true;
  }
  return heads;
}

} // namespace

void RangeObserver::widen(float size) {
  if (bins_.empty()) {
    bins_.assign(num_bins, 0);
    radius_ = std::exp2(std::ceil(std::log2(std::max(static_cast<double>(size), 1e-30))));
  }
  while (static_cast<double>(size) >= radius_) {
    std::vector<uint64_t> wide(num_bins, 0);
    for (size_t b = 0; b < num_bins; ++b) wide[num_bins / 4 + b / 2] += bins_[b];
    bins_ = std::move(wide);
    radius_ *= 2;
  }
}

void RangeObserver::add(const std::vector<float>& values) {
  if (values.empty()) return;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  low_ = std::min(low_, *low);
  high_ = std::max(high_, *high);
  widen(std::max(-low_, high_));
  const size_t stride = values.size() / samples_per_add | 1; // odd: through rows and channels
  const double per_unit = num_bins / (2 * radius_);
  for (size_t i = 0; i < values.size(); i += stride)
    ++bins_[static_cast<size_t>((static_cast<double>(values[i]) + radius_) * per_unit)];
}

ValueRange RangeObserver::range(RangeMethod method) const {
  ValueRange range{static_cast<double>(low_), static_cast<double>(high_)};
  if (method == RangeMethod::min_max || bins_.empty()) return range;
  const uint64_t total = std::accumulate(bins_.begin(), bins_.end(), uint64_t{0});
  const double outliers = tail * static_cast<double>(total), width = 2 * radius_ / num_bins;
  size_t first = 0, last = num_bins - 1;
  for (uint64_t below = bins_[0]; static_cast<double>(below) <= outliers;) below += bins_[++first];
  for (uint64_t above = bins_[last]; static_cast<double>(above) <= outliers;) above += bins_[--last];
  range.low = std::min(std::max(range.low, -radius_ + width * static_cast<double>(first)), 0.0);
  range.high = std::max(std::min(range.high, -radius_ + width * static_cast<double>(last + 1)), 0.0);
  return range;
}

NetworkInputs network_inputs(const Preprocess& preprocess, const data::Dataset& frames,
                             const std::vector<size_t>& which) {
  NetworkInputs inputs;
  for (const size_t i : which) {
    const data::Sample sample = frames.load(i);
    const ImageView8 view = packed_image(sample.rgb.data(), sample.height, sample.width);
    std::vector<uint32_t> workspace(preprocess_workspace_bytes(preprocess, view.height, view.width) / 4 + 1);
    std::vector<float> input(3 * static_cast<size_t>(preprocess.height) * static_cast<size_t>(preprocess.width));
    if (!preprocess_rgb8(preprocess, view, workspace.data(), 4 * workspace.size(), input.data()))
      throw Error({.file = frames.name(i), .reason = "sides must be 1 to " + std::to_string(max_image_side)});
    inputs.push_back(std::move(input));
  }
  return inputs;
}

std::vector<size_t> spread(size_t size, size_t count) {
  count = std::min(count, size);
  std::vector<size_t> which;
  for (size_t k = 0; k < count; ++k) which.push_back((2 * k + 1) * size / (2 * count));
  return which;
}

std::vector<ValueRange> observe_ranges(const Graph& graph, const std::vector<std::vector<float>>& weights,
                                       const NetworkInputs& inputs, RangeMethod method) {
  const PlannedPass<DefaultExec> pass(DefaultExec(), graph, weights, PlanOptions());
  std::vector<RangeObserver> observers(static_cast<size_t>(graph.num_values));
  const auto observe = [&](int32_t v, const std::string& name) {
    const std::vector<float> values = pass.download(v);
    for (const float value : values)
      if (!std::isfinite(value))
        throw Error({.file = graph.name,
                     .field = "layer " + name,
                     .reason = "its result on a calibration frame is not finite",
                     .fix = "Look at the frames with `leadline data`; export another checkpoint"});
    observers[static_cast<size_t>(v)].add(values);
  };
  for (const std::vector<float>& input : inputs) {
    pass.upload_input(input);
    observe(0, "input");
    for (int32_t i = 0; i < pass.num_nodes(); ++i) { // before a later node takes the memory
      pass.run_node(i);
      observe(graph.nodes[static_cast<size_t>(i)].output, graph.node_names[static_cast<size_t>(i)]);
    }
  }
  std::vector<ValueRange> ranges;
  for (const RangeObserver& observer : observers) ranges.push_back(observer.range(method));
  return ranges;
}

std::string int8_obstacle(const Graph& graph, size_t i, const std::vector<Shape>& shapes) {
  const Node& node = graph.nodes[i];
  std::string obstacle = std::string(layer_name(node.kind)) + " has no form for bytes";
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (runs_on_bytes<Layer>()) {
      if constexpr (Layer::int8_grid == Int8Grid::free || Layer::int8_grid == Int8Grid::same) {
        const GraphView view = graph.view();
        const char* rule =
            Layer::check_int8(node.get<Layer>(), node_shapes(view, static_cast<int32_t>(i), shapes.data()));
        obstacle = rule ? rule : "";
      }
    }
  });
  return obstacle;
}

Int8Products int8_products(const Graph& graph) {
  const std::vector<Shape> shapes = graph.infer(graph.input_shape);
  const GraphView view = graph.view();
  const std::vector<bool> heads = heads_of(graph);
  Int8Products products;
  products.able.resize(graph.nodes.size());
  products.obstacles.resize(graph.nodes.size());
  products.macs.resize(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!allowed_algorithm(graph.nodes[i].kind, Algorithm::host_gemm)) continue;
    std::string& obstacle = products.obstacles[i] = int8_obstacle(graph, i, shapes);
    if (obstacle.empty() && heads[i]) obstacle = "its result is the depth, of which bytes have 256 steps";
    products.able[i] = obstacle.empty();
    products.macs[i] = static_cast<double>(node_macs(view, static_cast<int32_t>(i), shapes.data()));
    products.able_macs += products.able[i] ? products.macs[i] : 0;
    products.all_macs += products.macs[i];
    products.nodes.push_back(i);
  }
  return products;
}

std::string Int8Products::too_few(const Graph& graph) const {
  if (able_macs > 0 && able_macs >= least_int8_share * all_macs) return "";
  std::string why = "only " + decimals(100 * able_macs / std::max(all_macs, 1.0), 0) +
                    "% of this network's products can run on bytes";
  for (const size_t i : nodes)
    if (!able[i]) return why + "; " + graph.node_names[i] + ": " + obstacles[i];
  return why;
}

std::vector<bool> nodes_on_bytes(const Graph& graph, std::vector<bool> products) {
  const std::vector<Shape> shapes = graph.infer(graph.input_shape);
  std::vector<bool>& on_bytes = products;
  std::vector<bool> bytes(static_cast<size_t>(graph.num_values)); // values that nodes on bytes produce
  const auto is_product = [&](size_t i) { return allowed_algorithm(graph.nodes[i].kind, Algorithm::host_gemm); };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!is_product(i) && int8_obstacle(graph, i, shapes).empty())
      for (int s = 0; s < node.num_inputs; ++s) on_bytes[i] = on_bytes[i] || bytes[static_cast<size_t>(node.inputs[s])];
    bytes[static_cast<size_t>(node.output)] = on_bytes[i];
  }
  // What nobody on bytes reads is better computed from floats.
  std::vector<bool> read(static_cast<size_t>(graph.num_values));
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (!is_product(i)) on_bytes[i] = on_bytes[i] && read[static_cast<size_t>(node.output)];
    for (int s = 0; s < node.num_inputs; ++s)
      read[static_cast<size_t>(node.inputs[s])] = read[static_cast<size_t>(node.inputs[s])] || on_bytes[i];
  }
  return on_bytes;
}

Quantization quantization_of(const ValueRange& range) {
  const double low = std::min(range.low, 0.0), high = std::max(range.high, 0.0);
  const double scale = std::clamp((high - low) / 255, static_cast<double>(min_scale), static_cast<double>(max_scale));
  return {static_cast<float>(scale), static_cast<int32_t>(std::clamp(std::round(-low / scale), 0.0, 255.0))};
}

bool shares_grid(LayerKind kind) {
  bool shares = false;
  visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (runs_on_bytes<Layer>()) shares = Layer::int8_grid == Int8Grid::same;
  });
  return shares;
}

std::vector<Quantization> value_grids(const Graph& graph, const std::vector<bool>& on_bytes,
                                      const std::vector<ValueRange>& ranges) {
  Groups groups(graph.num_values);
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (on_bytes[i] && shares_grid(graph.nodes[i].kind))
      for (int s = 0; s < graph.nodes[i].num_inputs; ++s) groups.join(graph.nodes[i].inputs[s], graph.nodes[i].output);
  std::vector<ValueRange> shared(ranges.size());
  for (int32_t v = 0; v < graph.num_values; ++v) {
    ValueRange& range = shared[static_cast<size_t>(groups.find(v))];
    range.low = std::min(range.low, ranges[static_cast<size_t>(v)].low);
    range.high = std::max(range.high, ranges[static_cast<size_t>(v)].high);
  }
  std::vector<Quantization> grids;
  for (int32_t v = 0; v < graph.num_values; ++v)
    grids.push_back(quantization_of(shared[static_cast<size_t>(groups.find(v))]));
  return grids;
}

Graph quantize_graph(const Graph& graph, const std::vector<bool>& on_bytes, const std::vector<ValueRange>& ranges) {
  const std::vector<Quantization> grids = value_grids(graph, on_bytes, ranges);
  const auto grid = [&](int32_t v) { return grids[static_cast<size_t>(v)]; };

  Graph result = graph;
  result.nodes.clear();
  result.node_names.clear();
  result.outputs.clear();
  result.num_values = 1;
  result.quantization.assign(1, Quantization());
  const size_t count = static_cast<size_t>(graph.num_values);
  std::vector<int32_t> floats(count, no_index), bytes(count, no_index); // the old values in the new graph
  std::vector<std::string> names(count, "input");
  floats[0] = 0;
  const auto add = [&](Node node, const std::string& name, const Quantization& quantization) {
    node.output = result.num_values++;
    result.quantization.push_back(quantization);
    result.nodes.push_back(node);
    result.node_names.push_back(name);
    return node.output;
  };
  const auto border = [&](bool to_bytes, int32_t from, int32_t v) {
    const Quantization q = grid(v);
    Node node;
    if (to_bytes)
      node.set<Quantize>({q.scale, q.zero_point});
    else
      node.set<Dequantize>({q.scale, q.zero_point});
    node.num_inputs = 1;
    node.inputs[0] = from;
    return add(node, names[static_cast<size_t>(v)] + (to_bytes ? ".quantize" : ".dequantize"),
               to_bytes ? q : Quantization());
  };
  const auto as_floats = [&](int32_t v) {
    int32_t& here = floats[static_cast<size_t>(v)];
    if (here == no_index) here = border(false, bytes[static_cast<size_t>(v)], v);
    return here;
  };
  const auto as_bytes = [&](int32_t v) {
    int32_t& here = bytes[static_cast<size_t>(v)];
    if (here == no_index) here = border(true, floats[static_cast<size_t>(v)], v);
    return here;
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node node = graph.nodes[i];
    const size_t v = static_cast<size_t>(node.output);
    names[v] = graph.node_names[i];
    for (int s = 0; s < node.num_inputs; ++s)
      node.inputs[s] = on_bytes[i] ? as_bytes(graph.nodes[i].inputs[s]) : as_floats(graph.nodes[i].inputs[s]);
    (on_bytes[i] ? bytes : floats)[v] =
        add(node, graph.node_names[i], on_bytes[i] ? grid(graph.nodes[i].output) : Quantization());
  }
  for (const int32_t v : graph.outputs) result.outputs.push_back(as_floats(v));
  result.infer(result.input_shape);
  return result;
}

std::vector<WeightType> int8_weight_types(const Graph& quantized) {
  std::vector<WeightType> types = weight_types(quantized, WeightType::f16);
  const GraphView view = quantized.view();
  for (int32_t i = 0; i < view.num_nodes; ++i)
    if (view.runs_on_bytes(i) && view.nodes[i].weights[0] != no_index)
      types[static_cast<size_t>(view.nodes[i].weights[0])] = WeightType::int8;
  return types;
}

} // namespace leadline::trainer
