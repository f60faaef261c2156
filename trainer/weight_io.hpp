// Weights of a session to and from the arrays of a checkpoint (PyTorch's names, shapes and order).
#pragma once

#include "data/error.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/weight_layout.hpp"

#include <string>

namespace leadline::trainer {

inline std::string shape_text(const std::vector<index_t>& shape) {
  std::string text = "[";
  for (size_t d = 0; d < shape.size(); ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + "]";
}

/// Throws leadline::Error that names the first weight that is missing, has another shape, or is too many.
/// `file` is what messages call the checkpoint.
void check_weights(const Graph& graph, const std::vector<NamedArray>& weights, const std::string& file);

/// The weight's values in the internal layout. The arrays must have passed check_weights.
template <class T> std::vector<T> internal_values(const Graph& graph, int i, const std::vector<NamedArray>& weights) {
  for (const NamedArray& array : weights)
    if (array.name == graph.weight_names[static_cast<size_t>(i)])
      return from_pytorch(std::vector<T>(array.values.begin(), array.values.end()),
                          graph.weight_shapes[static_cast<size_t>(i)]);
  return {};
}

/// Weight `i` (or an array that belongs to it, such as an optimizer's moment) as a checkpoint keeps it.
template <class T>
NamedArray pytorch_array(const Graph& graph, int i, const std::string& name, const std::vector<T>& internal) {
  const std::vector<T> values = to_pytorch(internal, graph.weight_shapes[static_cast<size_t>(i)]);
  return {name, pytorch_shape(graph, i), std::vector<double>(values.begin(), values.end())};
}

} // namespace leadline::trainer
