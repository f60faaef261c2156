// A network on bytes through the C API: the same bits on every ISA level and for any number of threads, and files that
// say nonsense about bytes.
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <limits>

using namespace leadline;
using namespace leadline::test;

namespace {

ModelSpec byte_spec(const Graph& graph) {
  ModelSpec spec = make_spec(graph);
  spec.size_multiple = 2;
  spec.weight_types = weight_types(graph, WeightType::int8);
  spec.golden_tolerance = 0; // integers don't differ
  return spec;
}

std::vector<float> run(Model& model, const std::vector<float>& input, const leadline_session_options& options) {
  ErrorText error;
  Session session;
  const leadline_status status = session.create(model, error, &options);
  INFO(error.text);
  REQUIRE(status == LEADLINE_OK);
  std::vector<float> output(session.output_values());
  REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
  REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
  const bool default_size = options.height == 0;
  if (default_size) REQUIRE(session.self_test() == LEADLINE_OK);
  return output;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

} // namespace

TEST_CASE("a network on bytes gives the same bits everywhere") {
  const Graph graph = byte_network(26, 38);
  ModelSpec spec = byte_spec(graph);
  spec.golden = compute_golden(spec);
  AlignedBytes file(encode_model(spec));
  Model model;
  ErrorText error;
  REQUIRE(model.open_memory(file.data(), file.size(), error) == LEADLINE_OK);
  Threads threads;
  REQUIRE(threads.create(3) == LEADLINE_OK);
  const leadline_runner runner = threads.runner();

  for (const int32_t height : {0, 34}) {
    leadline_session_options options{};
    options.struct_size = sizeof options;
    options.height = height;
    options.width = height == 0 ? 0 : 22;
    std::vector<float> input(static_cast<size_t>((height == 0 ? 26 * 38 : 34 * 22) * 3));
    for (size_t i = 0; i < input.size(); ++i) input[i] = golden_input(3, static_cast<index_t>(i));
    input[5] = std::numeric_limits<float>::quiet_NaN(); // a camera's nonsense has a byte too
    input[6] = std::numeric_limits<float>::infinity();
    const std::vector<float> expected = run(model, input, options);
    float largest = 0;
    for (const float x : expected) largest = x > largest ? x : largest;
    CHECK(largest > 0);
    options.algorithm = "portable"; // the definition
    CHECK(same_bits(run(model, input, options), expected));
    options.algorithm = nullptr;
    for (int level = 0; const char* isa = leadline_isa_level(level); ++level) {
      INFO(isa);
      REQUIRE(leadline_set_isa(isa, error.text, sizeof error.text) == LEADLINE_OK);
      CHECK(same_bits(run(model, input, options), expected));
      options.runner = &runner;
      CHECK(same_bits(run(model, input, options), expected));
      options.memory_limit = 1;
      CHECK(same_bits(run(model, input, options), expected));
      options.memory_limit = 0;
      options.runner = nullptr;
    }
    REQUIRE(leadline_set_isa(nullptr, error.text, sizeof error.text) == LEADLINE_OK);
  }
}

TEST_CASE("a network on bytes is small") {
  const Graph graph = byte_network(64, 64);
  Graph floats = graph;
  floats.quantization.clear();
  const auto bytes = [](const Graph& g, WeightType type) {
    ModelSpec spec = make_spec(g);
    spec.weight_types = weight_types(g, type);
    AlignedBytes file(encode_model(spec));
    Model model;
    ErrorText error;
    REQUIRE(model.open_memory(file.data(), file.size(), error) == LEADLINE_OK);
    leadline_session_options options{};
    options.struct_size = sizeof options;
    options.algorithm = "portable";
    Session session;
    REQUIRE(session.create(model, error, &options) == LEADLINE_OK);
    return session.info().arena_bytes;
  };
  CHECK(static_cast<double>(bytes(graph, WeightType::int8)) <
        0.4 * static_cast<double>(bytes(floats, WeightType::f32)));
}

TEST_CASE("files that say nonsense about bytes are refused") {
  const Graph graph = byte_network(8, 8);
  const std::vector<unsigned char> good = encode_model(byte_spec(graph));
  const auto refused = [](std::vector<unsigned char> bytes, const char* why) {
    Editor{bytes}.seal();
    AlignedBytes file(bytes);
    Model model;
    ErrorText error;
    const leadline_status status = model.open_memory(file.data(), file.size(), error);
    INFO(error.text);
    CHECK(status == LEADLINE_INVALID_MODEL);
    CHECK(std::strstr(error.text, why) != nullptr);
  };
  {
    AlignedBytes file(good);
    Model model;
    ErrorText error;
    REQUIRE(model.open_memory(file.data(), file.size(), error) == LEADLINE_OK);
  }
  const auto edit = [&](const auto& change, const char* why) {
    std::vector<unsigned char> bytes = good;
    change(Editor{bytes});
    refused(bytes, why);
  };
  const auto value = [](Editor e, size_t i) -> Quantization& {
    return e.at<Quantization>(SectionKind::quantization, i * sizeof(Quantization));
  };
  for (const float scale : {std::numeric_limits<float>::quiet_NaN(), -1.0f, 1e-30f, 1e30f})
    edit([&](Editor e) { value(e, 3).scale = scale; }, "scale");
  edit([&](Editor e) { value(e, 4).scale = 0; },
       "zero point"); // a float has none
  edit([&](Editor e) { value(e, 2) = {}; }, "others aren't");
  edit([&](Editor e) { value(e, 2).zero_point = 300; }, "zero point");
  edit([&](Editor e) { value(e, 5).scale *= 2; }, "differ");
  edit([&](Editor e) { value(e, 0) = {1, 0}; }, "input");
  edit(
      [&](Editor e) {
        e.entry(SectionKind::quantization).bytes -= 8;
        e.header().file_bytes -= 8;
      },
      "quantization has");

  // Weights of nodes on bytes, and their biases.
  ModelSpec spec = byte_spec(graph);
  spec.weight_types[0] = WeightType::f32;
  CHECK_THROWS(encode_model(spec));
  spec = byte_spec(graph);
  for (float& w : spec.weights[0]) w *= 1e-6f;
  for (float& b : spec.weights[1]) b = 1e6f;
  {
    AlignedBytes file(encode_model(spec)); // the writer takes scales that the biases fit
    Model model;
    ErrorText error;
    CHECK(model.open_memory(file.data(), file.size(), error) == LEADLINE_OK);
  }
  edit([&](Editor e) { e.at<float>(SectionKind::weights) = 1e-20f; }, "scale");
  edit([&](Editor e) { e.at<float>(SectionKind::weights) = 0x1p-39f; }, "too small for the bias");
}
