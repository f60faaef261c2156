// The list of layers. Adding one: a header in this folder, a line below, a case list in tests/shared/layers.
#pragma once

#include "shared/layers/activation.hpp"
#include "shared/layers/add.hpp"
#include "shared/layers/affine.hpp"
#include "shared/layers/batch_norm2d.hpp"
#include "shared/layers/concat.hpp"
#include "shared/layers/conv2d.hpp"
#include "shared/layers/conv_transpose2d.hpp"
#include "shared/layers/dropout.hpp"
#include "shared/layers/global_pool2d.hpp"
#include "shared/layers/group_norm.hpp"
#include "shared/layers/layer_norm.hpp"
#include "shared/layers/linear.hpp"
#include "shared/layers/mul.hpp"
#include "shared/layers/pad.hpp"
#include "shared/layers/pool2d.hpp"
#include "shared/layers/quantize.hpp"
#include "shared/layers/resize.hpp"
#include "shared/layers/softmax.hpp"

#include <string.h>

namespace leadline {

/// X(struct, number): the number is what model files store; never reuse one.
#define LEADLINE_FOR_EACH_LAYER(X)                                                                                     \
  X(Conv2d, 1)                                                                                                         \
  X(ConvTranspose2d, 2)                                                                                                \
  X(Linear, 3)                                                                                                         \
  X(MaxPool2d, 4)                                                                                                      \
  X(AvgPool2d, 5)                                                                                                      \
  X(GlobalMaxPool2d, 6)                                                                                                \
  X(GlobalAvgPool2d, 7)                                                                                                \
  X(Resize, 8)                                                                                                         \
  X(BatchNorm2d, 9)                                                                                                    \
  X(GroupNorm, 10)                                                                                                     \
  X(LayerNorm, 11)                                                                                                     \
  X(Concat, 12)                                                                                                        \
  X(Add, 13)                                                                                                           \
  X(Mul, 14)                                                                                                           \
  X(Pad, 15)                                                                                                           \
  X(Softmax, 16)                                                                                                       \
  X(Activation, 17)                                                                                                    \
  X(Affine, 18)                                                                                                        \
  X(Dropout, 19)                                                                                                       \
  X(Quantize, 20)                                                                                                      \
  X(Dequantize, 21)

enum class LayerKind : uint16_t {
  activation = 17, ///< the others are reached through layer_kind<Layer>
};

template <class Layer> inline constexpr LayerKind layer_kind = LayerKind{};
#define LEADLINE_LAYER_KIND(Layer, number) template <> inline constexpr LayerKind layer_kind<Layer> = LayerKind(number);
LEADLINE_FOR_EACH_LAYER(LEADLINE_LAYER_KIND)
#undef LEADLINE_LAYER_KIND

/// Carries a layer type to a generic function.
template <class L> struct LayerTag { using Layer = L; };

/// Calls f(LayerTag<Layer>{}) for the layer of that number; returns false for numbers that name none, or one that this
/// build leaves out (selection.hpp).
template <class F> bool visit_layer(LayerKind kind, F&& f) {
  switch (static_cast<uint16_t>(kind)) {
#define LEADLINE_VISIT(Layer, number)                                                                                  \
  case number:                                                                                                         \
    if constexpr (built_layer(number)) f(LayerTag<Layer>{});                                                           \
    return built_layer(number);
    LEADLINE_FOR_EACH_LAYER(LEADLINE_VISIT)
#undef LEADLINE_VISIT
  default: return false;
  }
}

/// The layer's name, also where this build leaves the layer out; null for numbers that name none.
inline const char* known_layer(LayerKind kind) {
  switch (static_cast<uint16_t>(kind)) {
#define LEADLINE_NAME(Layer, number)                                                                                   \
  case number: return Layer::name;
    LEADLINE_FOR_EACH_LAYER(LEADLINE_NAME)
#undef LEADLINE_NAME
  default: return nullptr;
  }
}
/// The same; "unknown" for numbers that name none.
inline const char* layer_name(LayerKind kind) {
  const char* name = known_layer(kind);
  return name ? name : "unknown";
}

/// Bit i set: weight i may be absent (a bias, an affine-less norm).
template <class Layer> constexpr unsigned optional_weights() {
  if constexpr (requires { Layer::optional_weights; }) return Layer::optional_weights;
  return 0;
}

/// Whether a layer has kernels among which a plan can choose.
template <class Layer> constexpr bool has_algorithms() {
  return requires(const LayerShapes& shapes, const typename Layer::Params& params) {
    Layer::choose(shapes, params, ComputePrecision::full, false);
  };
}

/// Bytes that a layer's prepared weights take; 0 for most layers.
template <class Layer>
size_t prepared_bytes(const LayerShapes& shapes, const typename Layer::Params& params, Algorithm algorithm,
                      size_t element) {
  if constexpr (requires { Layer::prepared_bytes(shapes, params, algorithm, element); })
    return Layer::prepared_bytes(shapes, params, algorithm, element);
  else
    return 0;
}

/// Bytes of them at a time when they are prepared in each run.
template <class Layer>
size_t in_run_bytes(const LayerShapes& shapes, const typename Layer::Params& params, Algorithm algorithm,
                    size_t element) {
  if constexpr (requires { Layer::in_run_bytes(shapes, params, algorithm, element); })
    return Layer::in_run_bytes(shapes, params, algorithm, element);
  else
    return prepared_bytes<Layer>(shapes, params, algorithm, element);
}

/// Brings a node's weights into the form that its forward reads.
template <class T, class Exec>
bool prepare_layer(const Exec& exec, LayerKind kind, const unsigned char* params, const PrepareArgs<T>& args) {
  return visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (requires(typename Layer::Params values) { Layer::template prepare<T>(exec, values, args); }) {
      typename Layer::Params values;
      memcpy(&values, params, sizeof values);
      Layer::template prepare<T>(exec, values, args);
    }
  });
}

/// What layer.hpp says of layers whose dst may be a source, or be computed some rows at a time.
template <class Layer> constexpr unsigned forward_in_place() {
  if constexpr (requires { Layer::forward_in_place; }) return Layer::forward_in_place;
  return 0;
}
template <class Layer> constexpr bool is_pointwise() {
  if constexpr (requires { Layer::pointwise; }) return Layer::pointwise;
  return false;
}

/// Whether a plan may run forward twice, and whether backward may work in place: see layer.hpp.
template <class Layer> constexpr bool recomputes() {
  if constexpr (requires { Layer::recomputes; }) return Layer::recomputes;
  return false;
}
template <class Layer> constexpr bool backward_in_place() {
  if constexpr (requires { Layer::backward_in_place; }) return Layer::backward_in_place;
  return false;
}

/// Runs a node's forward pass. False only for an unknown kind.
template <class T, class Exec>
bool forward_layer(const Exec& exec, LayerKind kind, const unsigned char* params, const ForwardArgs<T>& args) {
  return visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    typename Layer::Params values;
    memcpy(&values, params, sizeof values);
    Layer::template forward<T>(exec, values, args);
  });
}

/// Whether a layer can run on bytes: see quantization.hpp.
template <class Layer> constexpr bool runs_on_bytes() {
  return built_int8 && requires { Layer::int8_grid; };
}
/// Bytes that such a layer's weights take when prepared, and of its scratch; 0 for most layers.
template <class Layer>
size_t prepared_bytes_int8(const LayerShapes& shapes, const typename Layer::Params& params, Algorithm algorithm) {
  if constexpr (requires { Layer::prepared_bytes_int8(shapes, params, algorithm); })
    return Layer::prepared_bytes_int8(shapes, params, algorithm);
  else
    return 0;
}
template <class Layer>
size_t workspace_bytes_int8(const LayerShapes& shapes, const typename Layer::Params& params, Algorithm algorithm) {
  if constexpr (requires { Layer::workspace_bytes_int8(shapes, params, algorithm); })
    return Layer::workspace_bytes_int8(shapes, params, algorithm);
  else
    return 0;
}

/// `prepare_layer` and `forward_layer` for nodes that run on bytes. Layers that can't do nothing.
template <class Exec>
void prepare_layer_int8(const Exec& exec, LayerKind kind, const unsigned char* params, const Int8PrepareArgs& args) {
  visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (built_int8 && requires(typename Layer::Params values) { Layer::prepare_int8(exec, values, args); }) {
      typename Layer::Params values;
      memcpy(&values, params, sizeof values);
      Layer::prepare_int8(exec, values, args);
    }
  });
}
template <class Exec>
void forward_layer_int8(const Exec& exec, LayerKind kind, const unsigned char* params, const Int8Args& args) {
  visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    if constexpr (runs_on_bytes<Layer>()) {
      typename Layer::Params values;
      memcpy(&values, params, sizeof values);
      Layer::forward_int8(exec, values, args);
    }
  });
}

/// Runs a node's backward pass. A layer without one doesn't compile here, hence not into the trainer.
template <class T, class Exec>
bool backward_layer(const Exec& exec, LayerKind kind, const unsigned char* params, const BackwardArgs<T>& args) {
  return visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    typename Layer::Params values;
    memcpy(&values, params, sizeof values);
    Layer::template backward<T>(exec, values, args);
  });
}

} // namespace leadline
