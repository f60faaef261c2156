// What conv2d, conv_transpose2d and linear have in common: each runs conv_geometry.hpp's sums, on hosts by the kernels
// of shared/layers/host where the plan chose them. A layer's forward runs one direction, its data gradient the other.
#pragma once

#include "shared/layers/host/conv_cost.hpp"
#include "shared/layers/host/conv_int8.hpp"
#include "shared/layers/host/conv_pointwise.hpp"

namespace leadline::conv {

constexpr ConvDirection opposite(ConvDirection direction) {
  return direction == ConvDirection::apply ? ConvDirection::apply_transposed : ConvDirection::apply;
}

/// Bytes of prepared weights for a layer's forward.
inline size_t prepared_bytes(const ConvGeometry& g, ConvDirection forward, Algorithm algorithm, size_t element) {
  return element == sizeof(double) ? host::conv_prepared_bytes<double>(g, forward, algorithm)
                                   : host::conv_prepared_bytes<float>(g, forward, algorithm);
}

/// Bytes of the same at a time when they are prepared in each run.
inline size_t in_run_bytes(const ConvGeometry& g, ConvDirection forward, Algorithm algorithm, size_t element) {
  return element == sizeof(double) ? host::conv_in_run_bytes<double>(g, forward, algorithm)
                                   : host::conv_in_run_bytes<float>(g, forward, algorithm);
}

template <class T>
size_t workspace_bytes_of(const ConvGeometry& g, ConvDirection forward, Pass pass, Algorithm algorithm, int threads) {
  if (host::conv_algorithm(algorithm, g, sizeof(T)) == Algorithm::portable) return 0;
  const auto run = [&](ConvDirection direction) {
    return host::conv_run_bytes<T>(g, direction, algorithm, threads) +
           (pass == Pass::inference ? 0 : host::conv_prepared_bytes<T>(g, direction, algorithm));
  };
  if (pass != Pass::backward) return run(forward);
  const size_t data = run(opposite(forward)), weights = host::conv_gradient_run_bytes<T>(g, algorithm, threads);
  return data > weights ? data : weights;
}
/// Scratch of a layer's pass. Inference expects prepared weights, the other passes have room to prepare them.
inline size_t workspace_bytes(const ConvGeometry& g, ConvDirection forward, Pass pass, Algorithm algorithm,
                              size_t element, int threads) {
  return element == sizeof(double) ? workspace_bytes_of<double>(g, forward, pass, algorithm, threads)
                                   : workspace_bytes_of<float>(g, forward, pass, algorithm, threads);
}

/// Brings weights into the form that `run` reads; where prepared_bytes is 0 there is nothing to do.
template <class T, class Exec>
void prepare(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, Algorithm algorithm,
             Tensor<const T> weights, void* prepared) {
  if constexpr (Exec::on_host) host::conv_prepare(exec, label, g, direction, algorithm, weights, prepared);
}

/// apply or apply_transposed.
template <class T, class Exec>
void run(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction, Algorithm algorithm,
         Tensor<const T> src, Tensor<const T> weights, const void* prepared, Tensor<const T> bias,
         ActivationParams activation, Tensor<T> dst, bool accumulate, Workspace workspace) {
  if constexpr (Exec::on_host)
    host::conv_run(exec, label, g, direction, algorithm, src, weights, prepared, bias, activation, dst, accumulate,
                   workspace);
  else if (direction == ConvDirection::apply)
    apply(exec, label, g, src, weights, bias, activation, dst, accumulate);
  else
    apply_transposed(exec, label, g, src, weights, bias, activation, dst, accumulate);
}

/// diff_weights from the image side and the output side.
template <class T, class Exec>
void gradient(const Exec& exec, const char* label, const ConvGeometry& g, Algorithm algorithm, Tensor<const T> image,
              Tensor<const T> output, Tensor<T> diff_weights, bool accumulate, Workspace workspace) {
  if constexpr (Exec::on_host)
    return host::conv_gradient(exec, label, g, algorithm, image, output, diff_weights, accumulate, workspace);
  weight_gradient(exec, label, g, image, output, diff_weights, accumulate);
}

/// A layer's forward on bytes. `prepared` null: prepared at the start of the workspace.
template <class Exec>
void forward_int8(const Exec& exec, const char* label, const ConvGeometry& g, ConvDirection direction,
                  ActivationKind activation, const Tensor<const uint8_t>& src, const Tensor<uint8_t>& dst,
                  const Int8Args& args) {
  Int8PrepareArgs prepare;
  prepare.src = args.src_quantization[0];
  prepare.dst = args.dst_quantization;
  prepare.weights = args.weights;
  prepare.prepared = const_cast<void*>(args.prepared);
  prepare.algorithm = args.algorithm;
  Workspace workspace = args.workspace;
  if (!args.prepared) {
    const size_t bytes = host::int8_prepared_bytes(g, direction, args.algorithm);
    prepare.prepared = workspace.data;
    workspace.data += bytes;
    workspace.bytes -= bytes;
    host::int8_prepare(exec, label, g, direction, prepare);
  }
  host::int8_run(exec, label, g, direction, args.algorithm, src, prepare.src.zero_point, args.weights.values,
                 prepare.prepared, byte_range(args.dst_quantization, activation), dst, workspace);
}

} // namespace leadline::conv
