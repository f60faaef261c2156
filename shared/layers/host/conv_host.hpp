// Convolutions on host execs: one entry for each direction and algorithm.
//
// Weights are brought into the form that an algorithm's kernel reads by `conv_prepare`: once when a model is opened, in
// every pass while training.
#pragma once

#include "shared/layers/host/conv_apply.hpp"
#include "shared/layers/host/conv_bf16.hpp"
#include "shared/layers/host/conv_depthwise.hpp"
#include "shared/layers/host/conv_weight_gradient.hpp"
#include "shared/layers/host/conv_winograd.hpp"

namespace leadline::host {

/// What really runs for `algorithm`: kernels of 3x3 filters do no others, and only gemm does doubles. portable: no
/// kernel here can.
inline Algorithm conv_algorithm(Algorithm algorithm, const ConvGeometry& g, size_t element) {
  if (!built_host_kernels || algorithm == Algorithm::portable || !conv_fits(g)) return Algorithm::portable;
  bool can = false;
  switch (algorithm) {
  case Algorithm::winograd4:
  case Algorithm::winograd6: can = built_winograd && winograd_fits(g); break;
  case Algorithm::bf16:
  case Algorithm::bf16x3: can = built_bf16 && bf16_fits(g); break;
  default: break;
  }
  return can && element == sizeof(float) ? algorithm : Algorithm::host_gemm;
}

inline bool is_winograd(Algorithm algorithm) {
  return algorithm == Algorithm::winograd4 || algorithm == Algorithm::winograd6;
}
inline bool is_bf16(Algorithm algorithm) { return algorithm == Algorithm::bf16 || algorithm == Algorithm::bf16x3; }
inline int winograd_tile(Algorithm algorithm) { return algorithm == Algorithm::winograd4 ? 4 : 6; }
inline bool is_split(Algorithm algorithm) { return algorithm == Algorithm::bf16x3; }

/// Bytes of prepared weights, alignment 64.
template <class T> size_t conv_prepared_bytes(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm) {
  algorithm = conv_algorithm(algorithm, g, sizeof(T));
  if (algorithm == Algorithm::portable) return 0;
  if constexpr (built_host_kernels) {
    if (g.depthwise()) return depthwise_prepared_bytes<T>(g, direction);
    if constexpr (built_winograd)
      if (is_winograd(algorithm)) return winograd_prepared_bytes(g, direction, winograd_tile(algorithm));
    if constexpr (built_bf16)
      if (is_bf16(algorithm)) return bf16_prepared_bytes(g, direction, is_split(algorithm));
    return gemm_prepared_bytes<T>(g, direction);
  }
  return 0;
}

/// Bytes of the same when they are made at the start of each run's workspace: at a time, as they are needed.
template <class T> size_t conv_in_run_bytes(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm) {
  algorithm = conv_algorithm(algorithm, g, sizeof(T));
  if constexpr (built_host_kernels)
    if (algorithm == Algorithm::host_gemm && !g.depthwise()) return gemm_piece_bytes<T>(g, direction);
  return conv_prepared_bytes<T>(g, direction, algorithm);
}

template <class T, class Exec>
void conv_prepare(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                  Algorithm algorithm, Tensor<const T> weights, void* prepared) {
  algorithm = conv_algorithm(algorithm, g, sizeof(T));
  if (algorithm == Algorithm::portable) return;
  if constexpr (built_host_kernels) {
    if (g.depthwise()) return depthwise_prepare(exec, label, g, direction, weights, prepared);
    if constexpr (built_winograd && sizeof(T) == sizeof(float))
      if (is_winograd(algorithm))
        return winograd_prepare(exec, label, g, direction, winograd_tile(algorithm), weights, prepared);
    if constexpr (built_bf16 && sizeof(T) == sizeof(float))
      if (is_bf16(algorithm)) return bf16_prepare(exec, label, g, direction, is_split(algorithm), weights, prepared);
    gemm_prepare(exec, label, g, direction, weights, prepared);
  }
}

/// Bytes of scratch for `conv_run`, prepared weights not included.
template <class T>
size_t conv_run_bytes(const ConvGeometry& g, ConvDirection direction, Algorithm algorithm, int threads) {
  algorithm = conv_algorithm(algorithm, g, sizeof(T));
  if (algorithm == Algorithm::portable) return 0;
  if constexpr (built_host_kernels) {
    if (g.depthwise()) return depthwise_workspace_bytes<T>(g, direction);
    if constexpr (built_winograd)
      if (is_winograd(algorithm)) return winograd_workspace_bytes(g, direction, winograd_tile(algorithm), threads);
    if constexpr (built_bf16)
      if (is_bf16(algorithm)) return bf16_workspace_bytes(g, direction, is_split(algorithm), threads);
    return gemm_workspace_bytes<T>(g, direction);
  }
  return 0;
}

/// dst = activation(bias + convolution) in one direction. `prepared`: as conv_prepare left it, or null: then it is
/// prepared at the start of the workspace, in pieces where the workspace has no room for the whole.
template <class T, class Exec>
void conv_run(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, Algorithm algorithm,
              Tensor<const T> src, Tensor<const T> weights, const void* prepared, Tensor<const T> bias,
              ActivationParams activation, Tensor<T> dst, bool accumulate, Workspace workspace) {
  algorithm = conv_algorithm(algorithm, g, sizeof(T));
  if (algorithm == Algorithm::portable) {
    constexpr bool both = Exec::trains || built_layer(2); // conv_transpose2d; training's data gradients
    if (both && direction == ConvDirection::apply_transposed)
      return conv::apply_transposed(exec, label, g, src, weights, bias, activation, dst, accumulate);
    return conv::apply(exec, label, g, src, weights, bias, activation, dst, accumulate);
  }
  if constexpr (built_host_kernels) {
    if (!prepared) {
      const size_t bytes = conv_prepared_bytes<T>(g, direction, algorithm);
      if (algorithm == Algorithm::host_gemm && !g.depthwise() &&
          workspace.bytes < bytes + gemm_workspace_bytes<T>(g, direction))
        return gemm_run_pieces(exec, label, g, direction, src, weights, bias, activation, dst, accumulate, workspace);
      conv_prepare(exec, label, g, direction, algorithm, weights, workspace.data);
      prepared = workspace.data;
      workspace.data += bytes;
      workspace.bytes -= bytes;
    }
    if (g.depthwise())
      return depthwise_run(exec, label, g, direction, src, prepared, bias, activation, dst, accumulate, workspace);
    if constexpr (built_winograd && sizeof(T) == sizeof(float))
      if (is_winograd(algorithm))
        return winograd_run(exec, label, g, direction, winograd_tile(algorithm), src, prepared, bias, activation, dst,
                            accumulate, workspace);
    if constexpr (built_bf16 && sizeof(T) == sizeof(float))
      if (is_bf16(algorithm))
        return bf16_run(exec, label, g, direction, is_split(algorithm), src, prepared, bias, activation, dst,
                        accumulate, workspace);
    gemm_run(exec, label, g, direction, src, prepared, bias, activation, dst, accumulate, workspace);
  }
}

/// Bytes of scratch for `conv_gradient`.
template <class T> size_t conv_gradient_run_bytes(const ConvGeometry& g, Algorithm algorithm, int threads) {
  algorithm = conv_algorithm(algorithm, g, sizeof(T));
  if (algorithm == Algorithm::portable) return 0;
  if (algorithm == Algorithm::bf16 || algorithm == Algorithm::bf16x3)
    return bf16_gradient_bytes(g, is_split(algorithm), threads);
  return conv_gradient_bytes<T>(g, threads);
}

/// diff_weights from the image side and the output side.
template <class T, class Exec>
void conv_gradient(const Exec& exec, const char* label, const ConvGeometry& g, Algorithm algorithm,
                   Tensor<const T> image, Tensor<const T> output, Tensor<T> diff_weights, bool accumulate,
                   Workspace workspace) {
  algorithm = conv_algorithm(algorithm, g, sizeof(T));
  if (algorithm == Algorithm::portable)
    return conv::weight_gradient(exec, label, g, image, output, diff_weights, accumulate);
  if constexpr (sizeof(T) == sizeof(float))
    if (algorithm == Algorithm::bf16 || algorithm == Algorithm::bf16x3)
      return bf16_weight_gradient(exec, label, g, is_split(algorithm), image, output, diff_weights, accumulate,
                                  workspace);
  conv_weight_gradient(exec, label, g, image, output, diff_weights, accumulate, workspace);
}

} // namespace leadline::host
