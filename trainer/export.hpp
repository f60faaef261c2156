// From a checkpoint to model.lead: fold, write, and prove with the device's own engine that the file says the same.
#pragma once

#include "shared/model/model_writer.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/int8_export.hpp"

#include <functional>
#include <string>
#include <vector>

namespace leadline::trainer {

struct ExportReport {
  size_t nodes_before = 0, nodes_after = 0;
  size_t file_bytes = 0;
  size_t weight_bytes = 0, float_weight_bytes = 0; ///< of the weights in the file, and if they were f32
  index_t parameters = 0;                          ///< in the file
  double fold_error = 0;   ///< largest difference that folding made, relative to the largest output
  double round_error = 0;  ///< the same of storing weights in fewer bits, on the golden sample
  std::string int8_report; ///< what calibration found, for people
  float golden_error = 0;  ///< of the engine's self-test
};

/// Algorithms for the nodes of a folded graph, `automatic` where devices choose.
using ChooseAlgorithms =
    std::function<std::vector<Algorithm>(const Graph& graph, const std::vector<std::vector<float>>& weights)>;

/// "winograd4" for every layer that can, or "down.0.0=winograd4,head=host_gemm" for some. Throws leadline::Error for
/// names that are none and layers that can't.
std::vector<Algorithm> parse_algorithms(const std::string& text, const Graph& graph);

struct ExportOptions {
  ChooseAlgorithms choose{}; ///< empty: devices choose
  WeightType weights = WeightType::f32;
  Int8Options int8{}; ///< with `frames`: the layers that can run on bytes
};

/// What goes into the file for a checkpoint: graph and weights folded, preprocessing, ranges, provenance, golden
/// sample. `graph` receives the folded graph that the spec borrows. Throws leadline::Error.
ModelSpec model_spec(const Checkpoint& checkpoint, const std::string& file, Graph* graph,
                     const ExportOptions& options = {});

/// Proves a written file. The seeded golden input goes through
///   - the engine (libleadline.a, opened from the file),
///   - the trainer's own run of the exported graph, on HostExec and on Kokkos' default host exec,
/// and the results must be the same bits; then the engine's self-test must pass. Throws leadline::Error.
/// Returns the self-test's largest relative error.
float verify_model(const std::string& path, const ModelSpec& spec);

/// Exports `checkpoint` (which `file` holds) to `path`, which appears whole, verified, or not at all. Throws
/// leadline::Error.
ExportReport export_model(const Checkpoint& checkpoint, const std::string& file, const std::string& path,
                          const ExportOptions& options = {});

/// The same folded network as an ONNX file for other engines (onnx_writer.hpp), with options.int8.frames on bytes;
/// size, preprocessing, range and origin are its metadata. Nothing here can run it, so `golden_error` stays 0. Throws
/// leadline::Error.
ExportReport export_onnx(const Checkpoint& checkpoint, const std::string& file, const std::string& path,
                         const Int8Options& int8 = {});

} // namespace leadline::trainer
