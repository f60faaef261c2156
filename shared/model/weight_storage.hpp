// Weights in fewer bits than float's: f16, bf16, and int8 with a scale for each output channel. Only what conv2d,
// conv_transpose2d and linear multiply with is stored so; biases and norms stay float.
//
// Kernels that multiply floats get them as floats: decoded when a session is made, exactly, so that the answer is that
// of a float model with the rounded weights, bit for bit.
#pragma once

#include "shared/core/exec.hpp"
#include "shared/core/half.hpp"
#include "shared/model/graph.hpp"

namespace leadline {

/// "f32", "f16", ...; "unknown" for numbers that name none.
const char* weight_type_name(WeightType type);

/// Which of its output channels' scales a value of a weight belongs to.
struct WeightChannels {
  index_t count = 0;     ///< output channels; 0: the layer multiplies with no such weight
  index_t per_group = 0; ///< rows (first extent) of a group; 0: a row is an output channel

  /// Of the value at row n, column c (last extent, `columns` long).
  index_t at(index_t n, index_t c, index_t columns) const {
    return per_group == 0 ? n : n / per_group * columns + c; // conv_transpose2d: [C,KH,KW,OC/groups]
  }
  bool operator==(const WeightChannels&) const = default;
};

/// Of the node's weight `slot` with that shape. Accepts arbitrary bytes in the node's parameters; sizes are checked to
/// fit the shape, which is positive.
WeightChannels weight_channels(const Node& node, int slot, const Shape& shape);

/// Where things lie in a stored weight, in bytes from its start.
struct WeightLayout {
  uint64_t values; ///< int8: the scales lie before
  uint64_t bytes;
};
inline WeightLayout weight_layout(WeightType type, index_t channels, index_t count) {
  const uint64_t values = static_cast<uint64_t>(count);
  switch (type) {
  case WeightType::f16:
  case WeightType::bf16: return {0, 2 * values};
  case WeightType::int8: {
    const uint64_t scales = (static_cast<uint64_t>(channels) * sizeof(float) + 63) / 64 * 64;
    return {scales, scales + values};
  }
  default: return {0, 4 * values};
  }
}

/// An int8 weight in place.
struct Int8Weight {
  const float* scales;
  const int8_t* values;
};
inline Int8Weight int8_weight(const void* stored, index_t channels) {
  const uint64_t values = weight_layout(WeightType::int8, channels, 0).values;
  return {static_cast<const float*>(stored), static_cast<const int8_t*>(stored) + values};
}

/// Whether the weight that node `i` multiplies with must be decoded for kernels that read floats. Nodes that run on
/// bytes read it as it is.
inline bool stored_reduced(const GraphView& graph, int32_t i) {
  const int32_t w = graph.nodes[i].weights[0];
  return w != no_index && graph.weight_type(w) != WeightType::f32 && !graph.runs_on_bytes(i);
}

/// Decodes row `n` (first extent) of the node's weight 0.
inline void decode_row(WeightType type, const WeightChannels& channels, const Shape& shape, const void* stored,
                       index_t n, float* values) {
  const index_t row = shape.h * shape.w * shape.c, first = n * row;
  if (type == WeightType::int8) {
    const Int8Weight weight = int8_weight(stored, channels.count);
    for (index_t i = 0; i < row; i += shape.c)
      for (index_t c = 0; c < shape.c; ++c)
        values[first + i + c] =
            weight.scales[channels.at(n, c, shape.c)] * static_cast<float>(weight.values[first + i + c]);
    return;
  }
  const uint16_t* bits = static_cast<const uint16_t*>(stored) + first;
  if (type == WeightType::bf16)
    for (index_t i = 0; i < row; ++i) values[first + i] = widen_bf16(bits[i]);
  else
    for (index_t i = 0; i < row; ++i) values[first + i] = widen_f16(bits[i]);
}

/// Decodes what node `i` multiplies with, stored in fewer bits, to `values`, dense.
template <class Exec>
void decode_weight(const Exec& exec, const GraphView& graph, int32_t i, const void* stored, float* values) {
  const int32_t w = graph.nodes[i].weights[0];
  const Shape shape = graph.weight_shapes[w];
  const WeightType type = graph.weight_type(w);
  const WeightChannels channels = weight_channels(graph.nodes[i], 0, shape);
  parallel_for(exec, "leadline::decode_weight", shape.n,
               [=](index_t n) { decode_row(type, channels, shape, stored, n, values); });
}

} // namespace leadline
