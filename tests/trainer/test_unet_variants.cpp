// Residual, attention, nested and mobile U-Nets: names, shapes and numbers of parameters are those of the papers'
// figures; what can't be is refused.
#include "tests/trainer/state_dict.hpp"
#include "trainer/networks/attention_unet.hpp"
#include "trainer/networks/mobile_unet.hpp"
#include "trainer/networks/residual_unet.hpp"
#include "trainer/networks/unet.hpp"
#include "trainer/networks/unet_plus_plus.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <map>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using leadline::testing::parameters;
using leadline::testing::state_dict;

namespace {

template <class Params = UNetParams> Params sized(int base = 6, int levels = 2) {
  Params p;
  p.base_channels = base;
  p.levels = levels;
  p.height = 3 << levels;
  p.width = 5 << levels;
  return p;
}

std::map<std::string, Shape> shapes_of(const Graph& graph) {
  const std::vector<Shape> shapes = graph.infer(graph.input_shape);
  std::map<std::string, Shape> dst;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    dst[graph.node_names[i]] = shapes[static_cast<size_t>(graph.nodes[i].output)];
  return dst;
}

void check_dict(const Graph& graph, const std::map<std::string, std::vector<index_t>>& some) {
  const auto dict = state_dict(graph);
  for (const auto& [name, shape] : some) {
    INFO(name);
    REQUIRE(dict.count(name) == 1);
    CHECK(dict.at(name) == shape);
  }
}

// Parameters by formula: convolutions k x k from a to b channels, norms, transposed 2x2 convolutions with bias.
index_t conv_weights(index_t a, index_t b, index_t k) { return a * b * k * k; }
index_t norm_weights(index_t c) { return 2 * c; }
index_t up_weights(index_t a, index_t b) { return 4 * a * b + b; }
/// Two convolutions, each with its norm.
index_t block_weights(index_t a, index_t b) {
  return conv_weights(a, b, 3) + norm_weights(b) + conv_weights(b, b, 3) + norm_weights(b);
}

index_t unet_parameters(index_t base, int levels) {
  index_t sum = block_weights(3, base) + base + 1;
  for (int i = 0; i < levels; ++i)
    sum += block_weights(base << i, base << (i + 1)) + up_weights(base << (i + 1), base << i) +
           block_weights(base << (i + 1), base << i);
  return sum;
}

} // namespace

TEST_CASE("unet: as many parameters as the figure has") {
  CHECK(parameters(unet(sized(6, 2))) == unet_parameters(6, 2));
  CHECK(parameters(unet(sized(64, 4))) == unet_parameters(64, 4));
  CHECK(unet_parameters(64, 4) == 31'037'633); // with norms in place of the convolutions' biases
}

TEST_CASE("residual_unet: pre-activated units, halved by stride") {
  const Graph graph = residual_unet(sized());
  check_dict(graph, {{"down.0.conv1.weight", {6, 3, 3, 3}},
                     {"down.0.bn2.running_mean", {6}},
                     {"down.0.shortcut.0.weight", {6, 3, 1, 1}},
                     {"down.1.bn1.weight", {6}},
                     {"down.1.conv1.weight", {12, 6, 3, 3}},
                     {"down.1.shortcut.1.weight", {12}},
                     {"dec.0.bn1.weight", {12}},
                     {"dec.0.conv1.weight", {6, 12, 3, 3}},
                     {"head.weight", {1, 6, 1, 1}}});
  CHECK(state_dict(graph).count("down.0.bn1.weight") == 0);
  const auto dst = shapes_of(graph);
  CHECK(dst.at("down.0.add") == Shape{1, 12, 20, 6});
  CHECK(dst.at("down.1.add") == Shape{1, 6, 10, 12});
  CHECK(dst.at("down.2.add") == Shape{1, 3, 5, 24});
  CHECK(dst.at("dec.0.add") == Shape{1, 12, 20, 6});
  // norm, conv, norm, conv and a projected shortcut with its norm
  const auto unit = [](index_t a, index_t b, bool first) {
    return (first ? 0 : norm_weights(a)) + conv_weights(a, b, 3) + norm_weights(b) + conv_weights(b, b, 3) +
           conv_weights(a, b, 1) + norm_weights(b);
  };
  for (const int base : {6, 64}) {
    index_t wanted = unit(3, base, true) + base + 1;
    for (int i = 0; i < 3; ++i)
      wanted += unit(base << i, base << (i + 1), false) + up_weights(base << (i + 1), base << i) +
                unit(base << (i + 1), base << i, false);
    CHECK(parameters(residual_unet(sized(base, 3))) == wanted);
  }
}

TEST_CASE("attention_unet: gates on all skips but the finest") {
  const Graph graph = attention_unet(sized(8, 3));
  check_dict(graph, {{"gate.1.theta.weight", {8, 16, 2, 2}},
                     {"gate.1.phi.weight", {8, 32, 1, 1}},
                     {"gate.1.phi.bias", {8}},
                     {"gate.1.psi.weight", {1, 8, 1, 1}},
                     {"gate.2.theta.weight", {16, 32, 2, 2}}});
  const auto dict = state_dict(graph);
  CHECK(dict.count("gate.0.psi.weight") == 0);
  CHECK(dict.count("gate.1.theta.bias") == 0);
  const auto dst = shapes_of(graph);
  CHECK(dst.at("gate.1.sigmoid") == Shape{1, 6, 10, 1});
  CHECK(dst.at("gate.1.mul") == Shape{1, 12, 20, 16});
  index_t gates = 0;
  for (const index_t c : {16, 32})
    gates += conv_weights(c, c / 2, 2) + conv_weights(2 * c, c / 2, 1) + c / 2 + c / 2 + 1;
  CHECK(parameters(graph) == unet_parameters(8, 3) + gates);
  UNetParams none = sized();
  none.skip = Skip::none;
  CHECK_THROWS_MATCHES(attention_unet(none), Error, MessageMatches(ContainsSubstring("concat or add")));
}

TEST_CASE("unet_plus_plus: every nested value sees all before it") {
  const Graph graph = unet_plus_plus(sized<UNetPlusPlusParams>(6, 3));
  check_dict(graph, {{"x.0.0.0.weight", {6, 3, 3, 3}},
                     {"x.3.0.3.weight", {48, 48, 3, 3}},
                     {"up.0.3.weight", {12, 6, 2, 2}},
                     {"x.0.1.0.weight", {6, 2 * 6, 3, 3}},
                     {"x.0.3.0.weight", {6, 4 * 6, 3, 3}},
                     {"x.1.2.0.weight", {12, 3 * 12, 3, 3}},
                     {"head.weight", {1, 6, 1, 1}}});
  CHECK(state_dict(graph).count("x.1.3.0.weight") == 0);
  for (const int levels : {1, 3, 5}) {
    constexpr index_t base = 4;
    index_t wanted = base + 1;
    for (int i = 0; i <= levels; ++i) {
      wanted += block_weights(i == 0 ? 3 : base << (i - 1), base << i);
      for (int j = 1; j <= levels - i; ++j)
        wanted += up_weights(base << (i + 1), base << i) + block_weights((j + 1) * (base << i), base << i);
    }
    UNetPlusPlusParams p = sized<UNetPlusPlusParams>(base, levels);
    CHECK(parameters(unet_plus_plus(p)) == wanted);
    p.deep_supervision = true;
    CHECK(parameters(unet_plus_plus(p)) == wanted + (levels - 1) * (base + 1));
  }
  UNetPlusPlusParams p = sized<UNetPlusPlusParams>();
  p.skip = Skip::add;
  CHECK(state_dict(unet_plus_plus(p)).at("x.0.2.0.weight") == std::vector<index_t>{6, 6, 3, 3});
  p.skip = Skip::none;
  CHECK_THROWS_MATCHES(unet_plus_plus(p), Error, MessageMatches(ContainsSubstring("skip")));
  p = sized<UNetPlusPlusParams>(4, 8);
  CHECK_THROWS_MATCHES(unet_plus_plus(p), Error, MessageMatches(ContainsSubstring("0 to 7")));
}

TEST_CASE("unet_plus_plus: deep supervision answers the mean of its heads") {
  UNetPlusPlusParams p = sized<UNetPlusPlusParams>(4, 3);
  p.deep_supervision = true;
  const Graph graph = unet_plus_plus(p);
  const Node& last = graph.nodes.back();
  CHECK(last.output == graph.outputs.at(0));
  CHECK(last.get<Affine>().scale == 1.0f / 3);
  size_t heads = 0;
  for (const std::string& name : graph.node_names) heads += name.ends_with(".sigmoid");
  CHECK(heads == 3);
}

TEST_CASE("mobile_unet: no full 3x3 kernel but the first") {
  UNetParams p = sized();
  p.up_sampling = UpSampling::nearest;
  const Graph graph = mobile_unet(p);
  check_dict(graph, {{"stem.0.weight", {6, 3, 3, 3}},
                     {"down.0.0.weight", {6, 1, 3, 3}},
                     {"down.0.3.weight", {6, 6, 1, 1}},
                     {"down.1.3.weight", {12, 6, 1, 1}},
                     {"down.1.6.weight", {12, 1, 3, 3}},
                     {"down.1.10.running_var", {12}},
                     {"dec.0.0.weight", {12, 1, 3, 3}},
                     {"dec.0.3.weight", {6, 12, 1, 1}},
                     {"up.0.weight", {6, 12, 1, 1}}});
  int full = 0;
  for (const auto& [name, shape] : state_dict(graph)) full += shape.size() == 4 && shape[1] > 1 && shape[2] > 1;
  CHECK(full == 1);
  const auto separable = [](index_t a, index_t b) {
    return 9 * a + norm_weights(a) + conv_weights(a, b, 1) + norm_weights(b);
  };
  const auto twice = [&](index_t a, index_t b) { return separable(a, b) + separable(b, b); };
  const index_t base = 6;
  index_t wanted = conv_weights(3, base, 3) + norm_weights(base) + separable(base, base) + base + 1;
  for (int i = 0; i < 2; ++i)
    wanted += twice(base << i, base << (i + 1)) + (2 * base << i) * (base << i) + (base << i) +
              twice(2 * base << i, base << i);
  CHECK(parameters(graph) == wanted);
}
