// PyTorch's order of a weight's elements and ours. Checkpoints are in PyTorch's, so that h5py + load_state_dict reads
// them.
//
//                       PyTorch              here, Shape {n, h, w, c}
//   conv2d              [oc, ic/g, kh, kw]   {oc, kh, kw, ic/g}
//   conv_transpose2d    [ic, oc/g, kh, kw]   {ic, kh, kw, oc/g}
//   linear              [out, in]            {out, 1, 1, in}
//   biases, norms       [c]                  {1, 1, 1, c}
#pragma once

#include "shared/model/graph_builder.hpp"

#include <vector>

namespace leadline::trainer {

/// PyTorch's shape of weight `i` of a graph: the layer that uses it says how many dimensions it has.
inline std::vector<index_t> pytorch_shape(const Graph& graph, int i);

/// {n, h, w, c} to [n, c, h, w]; linear weights and vectors are the same in both.
template <class T> std::vector<T> to_pytorch(const std::vector<T>& internal, const Shape& s) {
  std::vector<T> out(internal.size());
  size_t to = 0;
  for (index_t n = 0; n < s.n; ++n)
    for (index_t c = 0; c < s.c; ++c)
      for (index_t p = 0; p < s.h * s.w; ++p) out[to++] = internal[static_cast<size_t>((n * s.h * s.w + p) * s.c + c)];
  return out;
}

/// [n, c, h, w] to {n, h, w, c}.
template <class T> std::vector<T> from_pytorch(const std::vector<T>& pytorch, const Shape& s) {
  std::vector<T> out(pytorch.size());
  size_t from = 0;
  for (index_t n = 0; n < s.n; ++n)
    for (index_t c = 0; c < s.c; ++c)
      for (index_t p = 0; p < s.h * s.w; ++p) out[static_cast<size_t>((n * s.h * s.w + p) * s.c + c)] = pytorch[from++];
  return out;
}

inline std::vector<index_t> pytorch_shape(const Graph& graph, int i) {
  const Shape& s = graph.weight_shapes[static_cast<size_t>(i)];
  for (const Node& node : graph.nodes)
    if (node.weights[0] == i) {
      if (node.kind == layer_kind<Conv2d> || node.kind == layer_kind<ConvTranspose2d>) return {s.n, s.c, s.h, s.w};
      if (node.kind == layer_kind<Linear>) return {s.n, s.c};
    }
  return {s.c};
}

} // namespace leadline::trainer
