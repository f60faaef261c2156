// Writes a graph as an ONNX file (https://onnx.ai), so that other engines can run our networks. Host only.
//
// The protobuf encoding is written by hand: a few message types of onnx.proto3 are all that it takes.
#pragma once

#include "shared/model/graph_builder.hpp"

#include <map>
#include <string>
#include <vector>

namespace leadline::trainer {

constexpr int onnx_opset = 17;

/// The bytes of an ONNX model, IR version 8, opset 17, with
///   - input "input" and outputs "output", "output.1", ..., float `[N,C,H,W]` of the sizes that `graph` was built with;
///   - nodes and values called as the graph's nodes, initializers as its weights (in PyTorch's order of elements);
///   - fused activations as nodes of their own, folded graphs or trained ones, all layers;
///   - of a graph on bytes (calibration.hpp), values and weights as bytes with QuantizeLinear and DequantizeLinear
///     between them and each layer ("QDQ"), which engines fuse into their integer kernels;
///   - `metadata` as metadata_props.
/// `weights` are in the order of graph.weight_shapes, in the internal layouts. Sampling positions of a nearest resize
/// by no whole factor are computed in float by ONNX engines, in integers here: they may differ by a pixel there. Throws
/// leadline::Error for weights that don't fit, a layer that opset 17 can't express, or a model over 2 GiB.
std::string encode_onnx(const Graph& graph, const std::vector<std::vector<float>>& weights,
                        const std::map<std::string, std::string>& metadata = {});

/// Encodes and writes: `path` appears whole or not at all. Throws leadline::Error naming the file.
void write_onnx(const std::string& path, const Graph& graph, const std::vector<std::vector<float>>& weights,
                const std::map<std::string, std::string>& metadata = {});

} // namespace leadline::trainer
