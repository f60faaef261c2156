// From a graph of floats to one that runs on bytes where it can: what its values hold on real frames, which scale and
// zero point follow from that, and where quantize and dequantize nodes go.
#pragma once

#include "data/dataset.hpp"
#include "shared/model/model_writer.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

/// How the range of a value follows from what it held.
enum class RangeMethod {
  min_max,    ///< from the smallest to the largest
  percentile, ///< without the 0.01% at either end: outliers are clamped, everything else gets finer steps
};

struct ValueRange {
  double low = 0, high = 0;
};

/// Gathers a value's range. A histogram of 4096 bins over [-R, R), R a power of two that doubles when something larger
/// comes (two bins become one).
class RangeObserver {
public:
  /// `values` are finite.
  void add(const std::vector<float>& values);
  ValueRange range(RangeMethod method) const;

private:
  void widen(float size);

  float low_ = 0, high_ = 0; ///< zero is always part of a range
  double radius_ = 0;
  std::vector<uint64_t> bins_;
};

/// Inputs of a network, dense [1,H,W,C] of its default size, as its preprocessing leaves them.
using NetworkInputs = std::vector<std::vector<float>>;

/// Those of some frames, as they are (not augmented). Throws leadline::Error.
NetworkInputs network_inputs(const Preprocess& preprocess, const data::Dataset& frames,
                             const std::vector<size_t>& which);
/// `count` numbers below `size`, or all if there are fewer, evenly spread.
std::vector<size_t> spread(size_t size, size_t count);

/// The ranges of all values of a graph, run in float on the trainer's exec. Throws leadline::Error where a value isn't
/// finite.
std::vector<ValueRange> observe_ranges(const Graph& graph, const std::vector<std::vector<float>>& weights,
                                       const NetworkInputs& inputs, RangeMethod method);

/// Why node `i` can't run on bytes; empty: it can. `shapes` are those of all values.
std::string int8_obstacle(const Graph& graph, size_t i, const std::vector<Shape>& shapes);

/// What a graph multiplies (convolutions, linear), and which of that can run on bytes. Vectors are by node.
struct Int8Products {
  std::vector<size_t> nodes;          ///< that multiply
  std::vector<bool> able;             ///< can run on bytes
  std::vector<std::string> obstacles; ///< of those that multiply and aren't able
  std::vector<double> macs;           ///< of those that multiply
  double able_macs = 0, all_macs = 0;

  /// Why int8 isn't worth its name here, for people; empty: it is.
  std::string too_few(const Graph& graph) const;
};
constexpr double least_int8_share = 0.5; ///< of the products

/// Heads, which compute the answer itself, stay in float.
Int8Products int8_products(const Graph& graph);

/// All nodes that run on bytes if those in `products` (convolutions, linear) do: besides them what lies between them
/// and can, for a value that is bytes anyway needn't become floats in between.
std::vector<bool> nodes_on_bytes(const Graph& graph, std::vector<bool> products);

/// The bytes for a range: values that are never negative (relu's) get zero point 0 and all 255 steps.
Quantization quantization_of(const ValueRange& range);

/// Whether a node's result, if its sources are bytes, has the same quantisation as they.
bool shares_grid(LayerKind kind);

/// What the bytes of each value mean if these nodes run on bytes: values that a node needs on one grid (the inputs of a
/// concat) share the widest range.
std::vector<Quantization> value_grids(const Graph& graph, const std::vector<bool>& on_bytes,
                                      const std::vector<ValueRange>& ranges);

/// The graph with these nodes on bytes, quantize and dequantize nodes at the borders (NAME.quantize, NAME.dequantize).
/// Weights keep their numbers.
Graph quantize_graph(const Graph& graph, const std::vector<bool>& on_bytes, const std::vector<ValueRange>& ranges);

/// Weights of nodes that run on bytes as int8, those of other products as f16, the rest as f32.
std::vector<WeightType> int8_weight_types(const Graph& quantized);

} // namespace leadline::trainer
