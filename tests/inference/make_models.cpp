// make_models DIR: small models for the tests of programs and the corpus of the fuzzer.
#include "tests/inference/tiny_models.hpp"

#include <cstdio>

using namespace leadline;
using namespace leadline::test;

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "make_models DIR\n"), 2;
  const std::string folder = std::string(argv[1]) + "/";
  const auto write = [&](const char* name, const Graph& graph, const auto& edit) {
    ModelSpec spec = make_spec(graph);
    edit(spec);
    spec.golden = compute_golden(spec);
    write_model(folder + name, spec);
  };
  try {
    write("unet.lead", tiny_unet(24, 32), [](ModelSpec& spec) { spec.size_multiple = 2; });
    write("crop.lead", tiny_unet(24, 32), [](ModelSpec& spec) { spec.preprocess.crop = CropMode::centre_crop; });
    write("relative.lead", tiny_unet(24, 32), [](ModelSpec& spec) {
      spec.output = OutputKind::relative_depth;
      spec.max_depth = 0;
    });
    write("features.lead", activation_graph({1, 1, 1, 64}), [](ModelSpec&) {});
    for (const WeightType type : {WeightType::f16, WeightType::bf16, WeightType::int8}) {
      const Graph graph = tiny_unet(24, 32);
      write((std::string("unet_") + weight_type_name(type) + ".lead").c_str(), graph, [&](ModelSpec& spec) {
        spec.size_multiple = 2;
        spec.weight_types = weight_types(graph, type);
      });
    }
    write("bytes.lead", byte_network(12, 20), [](ModelSpec& spec) {
      spec.size_multiple = 2;
      spec.weight_types = weight_types(*spec.graph, WeightType::int8);
    });
    write("zoo.lead", zoo(), [](ModelSpec& spec) { spec.size_multiple = 2; });
    // Its golden sample is another model's: the self-test must fail.
    const Graph graph = tiny_unet(24, 32);
    ModelSpec wrong = make_spec(graph, 5);
    wrong.golden = compute_golden(make_spec(graph, 6));
    write_model(folder + "wrong_golden.lead", wrong);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "make_models: %s\n", error.what()), 1;
  }
}
