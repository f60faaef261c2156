// Writes model.lead files: for export and tests. Host only, uses the standard library; the edge library doesn't see it
// (CMake target leadline_model_writer).
//
//     ModelSpec spec;
//     spec.graph = &graph;                    // folded and fused
//     spec.weights = ...;                     // in the order of graph.weight_shapes
//     spec.preprocess = ...;                  // height and width are the graph's default size
//     spec.golden = compute_golden(spec);     // inference/golden.hpp: runs the engine on what was encoded so far
//     write_model("model.lead", spec);
#pragma once

#include "shared/core/image.hpp"
#include "shared/model/graph_builder.hpp"
#include "shared/model/model_file.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace leadline {

/// All that a model file holds.
struct ModelSpec {
  const Graph* graph = nullptr;            ///< borrowed; input_shape is `[1, preprocess.height, preprocess.width, C]`
  std::vector<std::vector<float>> weights; ///< one for each of graph->weight_shapes, dense, in the layers' own layouts
  /// How each is stored, or empty: all as f32. Values are rounded to nearest.
  std::vector<WeightType> weight_types;
  Preprocess preprocess;     ///< what turns a picture into the input; size = the network's default size
  int32_t size_multiple = 0; ///< other heights and widths must be multiples of it; 0: only the default size is allowed
  float fx = 0, fy = 0; ///< focal lengths in pixels of the network's input that the training pictures had; 0: unknown
  OutputKind output = OutputKind::metric_depth;
  float min_depth = 0, max_depth = 0; ///< metric_depth: range in metres that the network can answer; else 0
  /// Where the network comes from, e.g. "data", "metric" (with its protocol), "licence", "network"; keys and values are
  /// UTF-8 without control characters, keys without '='. Sorted in the file.
  std::map<std::string, std::string> provenance;
  std::vector<Algorithm> algorithms; ///< one per node, or empty: devices choose
  uint64_t golden_seed = 1;
  float golden_tolerance = 1e-4f; ///< largest difference, relative to the largest sample, that the self-test accepts
  std::vector<float> golden;      ///< `compute_golden(spec)`, or empty: no self-test
};

/// `type` for every weight that may be stored in fewer bits, f32 for the others.
std::vector<WeightType> weight_types(const Graph& graph, WeightType type);

/// The weights as a device reads them back: rounded to their types. Throws as encode_model does.
std::vector<std::vector<float>> stored_weights(const ModelSpec& spec);

/// The weights as run_node reads them: int8 as in the file for nodes that run on bytes, floats for all others.
std::vector<std::vector<unsigned char>> device_weights(const ModelSpec& spec);

/// The file's bytes; the same spec gives the same bytes. Checks them with the reader that devices use. Throws
/// std::invalid_argument naming the field and its value if the spec breaks a rule.
std::vector<unsigned char> encode_model(const ModelSpec& spec);

/// Encodes and writes: `path` appears whole or not at all (written beside it, then renamed). Throws std::runtime_error
/// naming the file when it can't be written.
void write_model(const std::string& path, const ModelSpec& spec);

} // namespace leadline
