// What a node is, in a word: for tables and pictures.
#pragma once

#include "shared/model/graph.hpp"

#include <string>

namespace leadline::trainer {

/// The activation that is part of a convolution, linear layer or norm; identity for other layers and none.
inline ActivationParams fused_activation(const Node& node) {
  ActivationParams fused;
  visit_layer(node.kind, [&](auto tag) {
    const auto params = node.get<typename decltype(tag)::Layer>();
    if constexpr (requires { params.activation; }) fused = params.activation;
  });
  return fused;
}

/// "conv2d", "batch_norm2d+relu".
inline std::string layer_text(const Node& node) {
  const ActivationKind fused = fused_activation(node).kind;
  return std::string(layer_name(node.kind)) +
         (fused == ActivationKind::identity ? "" : std::string("+") + activation_name(fused));
}

/// The same, with an activation's own name: "relu".
inline std::string layer_type(const Node& node) {
  return node.kind == layer_kind<Activation> ? activation_name(node.get<Activation>().kind) : layer_text(node);
}

} // namespace leadline::trainer
