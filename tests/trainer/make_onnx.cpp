// make_onnx FOLDER: writes each case of onnx_networks.hpp as CASE.onnx with a random input and the engine's outputs to
// it, as CASE.input and CASE.output.K: float32 in ONNX's order, [N,C,H,W]. Folded networks that can also as int8_CASE,
// on bytes. check_onnx.py compares.
#include "shared/model/model_writer.hpp"
#include "tests/trainer/onnx_networks.hpp"
#include "trainer/calibration.hpp"
#include "trainer/compute.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/onnx_writer.hpp"
#include "trainer/planned_pass.hpp"
#include "trainer/weight_layout.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>

using namespace leadline;

namespace {

void write_array(const std::string& path, const std::vector<float>& nhwc, const Shape& shape) {
  const std::vector<float> nchw = trainer::to_pytorch(nhwc, shape);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(nchw.data()), static_cast<std::streamsize>(nchw.size() * sizeof(float)));
  if (!file) throw std::runtime_error(path + " can't be written");
}

std::vector<float> random_input(const Graph& graph) {
  std::vector<float> input(static_cast<size_t>(graph.input_shape.count()));
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<float>(Philox(7).uniform_double(i));
  return input;
}

/// The case on bytes, where it has layers that can.
void write_int8(const std::string& folder, const testing::OnnxCase& c) {
  const std::vector<bool> able = trainer::int8_products(c.graph).able;
  if (std::none_of(able.begin(), able.end(), [](bool can) { return can; })) return;
  const std::vector<float> input = random_input(c.graph);
  const auto ranges = trainer::observe_ranges(c.graph, c.weights, {input}, trainer::RangeMethod::min_max);
  const Graph graph = trainer::quantize_graph(c.graph, trainer::nodes_on_bytes(c.graph, able), ranges);
  const std::string name = "int8_" + c.name;
  trainer::write_onnx(folder + name + ".onnx", graph, c.weights, {{"case", name}});
  ModelSpec spec;
  spec.graph = &graph;
  spec.weights = c.weights;
  spec.weight_types = weight_types(graph, WeightType::f32);
  const std::vector<WeightType> types = trainer::int8_weight_types(graph);
  for (size_t w = 0; w < types.size(); ++w) // the ONNX file has no f16
    if (types[w] == WeightType::int8) spec.weight_types[w] = WeightType::int8;
  trainer::PlannedPass<HostExec> pass(HostExec(), graph, device_weights(spec), PlanOptions());
  pass.upload_input(input);
  pass.run();
  write_array(folder + name + ".input", input, graph.input_shape);
  write_array(folder + name + ".output.0", pass.download_output(),
              graph.infer(graph.input_shape)[static_cast<size_t>(graph.outputs[0])]);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "make_onnx FOLDER\n"), 2;
  const std::string folder = std::string(argv[1]) + "/";
  const trainer::Compute compute(1);
  try {
    for (const testing::OnnxCase& c : testing::onnx_cases()) {
      trainer::write_onnx(folder + c.name + ".onnx", c.graph, c.weights, {{"case", c.name}});

      trainer::GraphSession<float, HostExec> session(HostExec(), c.graph, c.graph.input_shape, false);
      for (size_t i = 0; i < c.weights.size(); ++i) session.set_weight(static_cast<int>(i), c.weights[i]);
      const std::vector<float> input = random_input(c.graph);
      session.upload(input.data(), session.input());
      session.forward(false);
      write_array(folder + c.name + ".input", input, c.graph.input_shape);
      const std::vector<Shape> shapes = c.graph.infer(c.graph.input_shape);
      for (size_t k = 0; k < c.graph.outputs.size(); ++k) {
        const Shape& shape = shapes[static_cast<size_t>(c.graph.outputs[k])];
        const Tensor<float> value = session.output(static_cast<int>(k));
        std::vector<float> output;
        for (index_t n = 0; n < shape.n; ++n)
          for (index_t h = 0; h < shape.h; ++h)
            for (index_t w = 0; w < shape.w; ++w) // an output may be a slice of a concatenation
              for (index_t i = 0; i < shape.c; ++i) output.push_back(value(n, h, w, i));
        write_array(folder + c.name + ".output." + std::to_string(k), output, shape);
      }
      if (c.name.ends_with("_folded")) write_int8(folder, c);
    }
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "make_onnx: %s\n", error.what()), 1;
  }
}
