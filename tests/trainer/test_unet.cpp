// The U-Net: names and shapes of PyTorch's state_dict, every option, sizes that it can't take.
#include "tests/trainer/state_dict.hpp"
#include "trainer/networks/unet.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cmath>
#include <map>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using leadline::testing::state_dict;

namespace {

UNetParams small() {
  UNetParams p;
  p.base_channels = 6;
  p.levels = 2;
  p.height = 12;
  p.width = 20;
  return p;
}

bool has_layer(const Graph& graph, LayerKind kind) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.kind == kind; });
}

} // namespace

TEST_CASE("weights have the names and shapes of a PyTorch state_dict") {
  const auto dict = state_dict(unet(small()));
  const std::map<std::string, std::vector<index_t>> some{{"down.0.0.weight", {6, 3, 3, 3}},
                                                         {"down.0.1.weight", {6}},
                                                         {"down.0.1.bias", {6}},
                                                         {"down.0.1.running_mean", {6}},
                                                         {"down.0.4.running_var", {6}},
                                                         {"down.2.3.weight", {24, 24, 3, 3}},
                                                         {"up.1.weight", {24, 12, 2, 2}},
                                                         {"up.1.bias", {12}},
                                                         {"up.0.weight", {12, 6, 2, 2}},
                                                         {"dec.1.0.weight", {12, 24, 3, 3}},
                                                         {"dec.0.0.weight", {6, 12, 3, 3}},
                                                         {"head.weight", {1, 6, 1, 1}},
                                                         {"head.bias", {1}}};
  for (const auto& [name, shape] : some) {
    INFO(name);
    REQUIRE(dict.count(name) == 1);
    CHECK(dict.at(name) == shape);
  }
  CHECK(dict.count("down.0.0.bias") == 0); // a norm follows
  // per block: 2 convolutions and 2 norms of 4; 5 blocks, 2 transposed convolutions and a head with bias
  CHECK(dict.size() == 5 * (2 + 8) + 2 * 2 + 2);
}

TEST_CASE("every combination of options builds and answers at the size of its input") {
  for (const UpSampling up : {UpSampling::transpose, UpSampling::nearest, UpSampling::bilinear})
    for (const Skip skip : {Skip::concat, Skip::add, Skip::none})
      for (const Norm norm : {Norm::batch, Norm::group, Norm::none})
        for (const float dropout : {0.0f, 0.5f})
          for (const Head head : {Head::sigmoid, Head::softplus, Head::linear, Head::tanh, Head::log_depth}) {
            UNetParams p = small();
            p.up_sampling = up;
            p.skip = skip;
            p.norm = norm;
            p.dropout = dropout;
            p.head = head;
            p.activation = ActivationKind::silu;
            const Graph graph = unet(p);
            CHECK(graph.infer({3, 12, 20, 3})[static_cast<size_t>(graph.outputs[0])] == Shape{3, 12, 20, 1});
            CHECK(has_layer(graph, layer_kind<BatchNorm2d>) == (norm == Norm::batch));
            CHECK(has_layer(graph, layer_kind<GroupNorm>) == (norm == Norm::group));
            CHECK(has_layer(graph, layer_kind<Resize>) == (up != UpSampling::transpose));
            CHECK(has_layer(graph, layer_kind<ConvTranspose2d>) == (up == UpSampling::transpose));
            CHECK(has_layer(graph, layer_kind<Concat>) == (skip == Skip::concat));
            CHECK(has_layer(graph, layer_kind<Add>) == (skip == Skip::add));
            CHECK(has_layer(graph, layer_kind<Dropout>) == (dropout > 0));
            const auto dict = state_dict(graph);
            CHECK(dict.count("down.0.0.bias") == (norm == Norm::none ? 1u : 0u));
            CHECK(dict.at("dec.0.0.weight").at(1) == (skip == Skip::concat ? 12 : 6));
            CHECK(has_layer(graph, layer_kind<Affine>) == (head != Head::linear));
          }
}

TEST_CASE("no levels at all is a plain block") {
  UNetParams p = small();
  p.levels = 0;
  p.height = 7;
  p.width = 5;
  CHECK(unet(p).infer({1, 7, 5, 3}).back() == Shape{1, 7, 5, 1});
}

TEST_CASE("a head's range is that of its parameters") {
  UNetParams p = small();
  p.min_depth = 0.5f;
  p.max_depth = 8;
  const Affine::Params range = unet(p).nodes.back().get<Affine>();
  CHECK(range.scale == 7.5f);
  CHECK(range.shift == 0.5f);
  p.min_depth = 0;
  p.max_depth = 1;
  CHECK_FALSE(has_layer(unet(p), layer_kind<Affine>)); // nothing to scale
}

TEST_CASE("the heads' formulas") {
  // value of the head for x, from its nodes
  const auto answer = [](Head head, double x) {
    UNetParams p = small();
    p.head = head;
    p.min_depth = 0.5f;
    p.max_depth = 8;
    const Graph graph = unet(p);
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (!graph.node_names[i].starts_with("head.")) continue;
      if (graph.nodes[i].kind == layer_kind<Affine>) {
        const Affine::Params range = graph.nodes[i].get<Affine>();
        x = static_cast<double>(range.scale) * x + static_cast<double>(range.shift);
      } else {
        x = activate(graph.nodes[i].get<Activation>().kind, 0.0, x);
      }
    }
    return x;
  };
  const auto close = [](double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); };
  for (const double x : {-30.0, -2.0, 0.0, 0.7, 30.0}) {
    INFO(x);
    const double sigmoid = 1 / (1 + std::exp(-x));
    CHECK(close(answer(Head::sigmoid, x), 0.5 + 7.5 * sigmoid));
    CHECK(close(answer(Head::tanh, x), 0.5 + 7.5 * (std::tanh(x) + 1) / 2));
    CHECK(close(answer(Head::log_depth, x), 0.5 * std::pow(8 / 0.5, sigmoid)));
    CHECK(close(answer(Head::softplus, x), 0.5 + std::log1p(std::exp(x))));
    CHECK(answer(Head::relu, x) == std::max(x, 0.0));
    CHECK(answer(Head::linear, x) == x);
  }
  CHECK(depth_range(Head::log_depth, 0.5f, 8) == std::pair(0.5f, 8.0f));
  CHECK(std::isinf(depth_range(Head::softplus, 0.5f, 8).second));
  UNetParams p = small();
  p.head = Head::log_depth;
  p.min_depth = 0;
  CHECK_THROWS_MATCHES(unet(p), Error,
                       MessageMatches(ContainsSubstring("logarithm") && ContainsSubstring("0 < min_depth")));
}

TEST_CASE("sizes and parameters that can't be are refused with the fix") {
  UNetParams p = small();
  p.height = 14;
  CHECK_THROWS_MATCHES(unet(p), Error,
                       MessageMatches(ContainsSubstring("height") && ContainsSubstring("14") &&
                                      ContainsSubstring("multiple of 4") && ContainsSubstring("12 or 16")));
  p = small();
  p.width = 3;
  CHECK_THROWS_MATCHES(unet(p), Error, MessageMatches(ContainsSubstring("width") && ContainsSubstring("Use 4")));
  p = small();
  p.width = 0;
  CHECK_THROWS_AS(unet(p), Error);
  p = small();
  p.levels = 9;
  CHECK_THROWS_MATCHES(unet(p), Error, MessageMatches(ContainsSubstring("levels") && ContainsSubstring("0 to 8")));
  p = small();
  p.base_channels = 0;
  CHECK_THROWS_AS(unet(p), Error);
  for (const float dropout : {-0.1f, 1.0f}) {
    p = small();
    p.dropout = dropout;
    CHECK_THROWS_MATCHES(unet(p), Error, MessageMatches(ContainsSubstring("dropout")));
  }
  p = small();
  p.min_depth = 10;
  CHECK_THROWS_MATCHES(unet(p), Error, MessageMatches(ContainsSubstring("min_depth")));
}
