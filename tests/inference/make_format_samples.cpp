// make_format_samples DIR: adds the sample files that DIR doesn't have yet, each with its answers. What is there stays
// as it is: devices in the field hold such files. The test inference.format_samples reads them.
//
//     build/tests/bin/make_format_samples tests/inference/data
#include "tests/inference/format_samples.hpp"

#include <cstdio>
#include <filesystem>
#include <stdexcept>

using namespace leadline;
using namespace leadline::test;

namespace {

/// `tolerance`: the largest difference from the recorded answer that other levels, algorithms and versions may have, of
/// the largest value.
void add(const std::string& folder, const std::string& name, const Graph& graph, WeightType type = WeightType::f32,
         double tolerance = 1e-4) {
  const std::string path = folder + "/v" + std::to_string(model_version) + "_" + name;
  if (std::filesystem::exists(path + ".lead")) return;
  ModelSpec spec = make_spec(graph, 9);
  spec.weight_types = weight_types(graph, type);
  spec.size_multiple = 2;
  spec.fx = spec.fy = 15;
  spec.golden = compute_golden(spec);
  write_model(path + ".lead", spec);

  Model model;
  Session session;
  ErrorText error;
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.algorithm = "portable";
  if (model.open_file((path + ".lead").c_str(), error) != LEADLINE_OK ||
      session.create(model, error, &options) != LEADLINE_OK)
    throw std::runtime_error(error.text);
  const std::vector<float> input = sample_input(session.info());
  std::vector<float> output(session.output_values());
  if (session.run_raw(input.data(), input.size(), output.data(), output.size()) != LEADLINE_OK)
    throw std::runtime_error(name + " doesn't run");
  std::FILE* file = std::fopen((path + ".txt").c_str(), "w");
  if (!file) throw std::runtime_error("can't write " + path + ".txt");
  std::fprintf(file, "%zu %g\n", output.size(), tolerance);
  for (const float value : output) std::fprintf(file, "%a\n", static_cast<double>(value));
  if (std::fclose(file) != 0) throw std::runtime_error("can't write " + path + ".txt");
  std::printf("%s\n", path.c_str());
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "make_format_samples DIR\n"), 2;
  try {
    const Graph unet = tiny_unet(8, 12), layers = zoo();
    add(argv[1], "unet_f32", unet);
    add(argv[1], "layers_f32", layers);
    add(argv[1], "unet_f16", unet, WeightType::f16);
    add(argv[1], "unet_bf16", unet, WeightType::bf16);
    add(argv[1], "unet_int8", unet, WeightType::int8);
    add(argv[1], "bytes", byte_network(8, 12), WeightType::int8, 0); // whole numbers don't differ
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "make_format_samples: %s\n", error.what()), 1;
  }
}
