// FastDepth: names and shapes of the authors' state_dict, the paper's cost, sizes that it can't take.
#include "tests/trainer/state_dict.hpp"
#include "trainer/networks/fastdepth.hpp"
#include "trainer/train_settings.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <map>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using leadline::testing::state_dict;

namespace {

FastDepthParams at(int height, int width, float multiplier = 1) {
  FastDepthParams p;
  p.height = height;
  p.width = width;
  p.width_multiplier = multiplier;
  return p;
}

} // namespace

TEST_CASE("fastdepth: weights have the names and shapes of the authors' state_dict") {
  const auto dict = state_dict(fastdepth(at(224, 224)));
  const std::map<std::string, std::vector<index_t>> some{{"conv0.0.weight", {32, 3, 3, 3}},
                                                         {"conv0.1.running_var", {32}},
                                                         {"conv1.0.weight", {32, 1, 3, 3}},
                                                         {"conv1.1.weight", {32}},
                                                         {"conv1.3.weight", {64, 32, 1, 1}},
                                                         {"conv1.4.bias", {64}},
                                                         {"conv13.0.weight", {1024, 1, 3, 3}},
                                                         {"conv13.3.weight", {1024, 1024, 1, 1}},
                                                         {"decode_conv1.0.0.weight", {1024, 1, 5, 5}},
                                                         {"decode_conv1.1.0.weight", {512, 1024, 1, 1}},
                                                         {"decode_conv5.1.1.running_mean", {32}},
                                                         {"decode_conv6.0.weight", {1, 32, 1, 1}},
                                                         {"decode_conv6.1.weight", {1}}};
  for (const auto& [name, shape] : some) {
    INFO(name);
    REQUIRE(dict.count(name) == 1);
    CHECK(dict.at(name) == shape);
  }
  CHECK(dict.size() == 5 * (1 + 13 * 2 + 5 * 2 + 1)); // each convolution has a weight and a norm of four
}

TEST_CASE("fastdepth: parameters, cost and sizes are those of the figure") {
  const Graph graph = fastdepth(at(224, 224));
  index_t parameters = 0, macs = 0;
  for (size_t i = 0; i < graph.weight_shapes.size(); ++i)
    if (pytorch_shape(graph, static_cast<int>(i)).size() == 4) parameters += graph.weight_shapes[i].count();
  const std::vector<Shape> shapes = graph.infer(graph.input_shape);
  std::map<std::string, Shape> dst;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    macs += node_macs(graph.view(), static_cast<int32_t>(i), shapes.data());
    dst[graph.node_names[i]] = shapes[static_cast<size_t>(graph.nodes[i].output)];
  }
  CHECK(parameters == 3933088); // 3.93 million
  CHECK(macs == 736658944);     // 0.74 GMAC
  CHECK(dst["conv0.2"] == Shape{1, 112, 112, 32});
  CHECK(dst["conv1.5"] == Shape{1, 112, 112, 64});
  CHECK(dst["conv13.5"] == Shape{1, 7, 7, 1024});
  CHECK(dst["decode_conv1.resize"] == Shape{1, 14, 14, 512});
  CHECK(dst["decode_conv2.skip"] == Shape{1, 28, 28, 256});
  CHECK(dst["decode_conv4.skip"] == Shape{1, 112, 112, 64});
  CHECK(dst["decode_conv5.resize"] == Shape{1, 224, 224, 32});
  CHECK(dst.count("decode_conv1.skip") == 0);
  CHECK(dst.count("decode_conv5.skip") == 0);
  CHECK(dst["head.relu"] == Shape{1, 224, 224, 1});
}

TEST_CASE("fastdepth: other sizes, widths and heads") {
  for (const Head head : {Head::sigmoid, Head::softplus, Head::linear, Head::relu}) {
    FastDepthParams p = at(64, 96, 0.35f);
    p.head = head;
    const Graph graph = fastdepth(p);
    CHECK(graph.infer({2, 64, 96, 3})[static_cast<size_t>(graph.outputs[0])] == Shape{2, 64, 96, 1});
    const auto dict = state_dict(graph);
    CHECK(dict.at("conv0.0.weight").at(0) == 8);    // 11.2
    CHECK(dict.at("conv13.3.weight").at(0) == 360); // 358.4
  }
}

TEST_CASE("fastdepth: settings find it") {
  Settings settings(train_option_groups());
  settings.set("model.network", "fastdepth", "test");
  settings.set("model.width_multiplier", "0.5", "test");
  settings.set("model.head", "relu", "test");
  const Graph graph = build_network(settings, {1, 32, 64, 3});
  CHECK(graph.name == "fastdepth");
  CHECK(state_dict(graph).at("conv0.0.weight").at(0) == 16);
  CHECK(graph.node_names.back() == "head.relu");
}

TEST_CASE("fastdepth: sizes and widths that can't be are refused with the fix") {
  CHECK_THROWS_MATCHES(fastdepth(at(224, 200)), Error,
                       MessageMatches(ContainsSubstring("width") && ContainsSubstring("multiple of 32") &&
                                      ContainsSubstring("192 or 224")));
  CHECK_THROWS_MATCHES(fastdepth(at(0, 32)), Error, MessageMatches(ContainsSubstring("height")));
  CHECK_THROWS_MATCHES(fastdepth(at(32, 32, 0)), Error, MessageMatches(ContainsSubstring("width_multiplier")));
  FastDepthParams p = at(32, 32);
  p.head = Head::sigmoid;
  p.max_depth = 0;
  CHECK_THROWS_MATCHES(fastdepth(p), Error, MessageMatches(ContainsSubstring("min_depth")));
}
