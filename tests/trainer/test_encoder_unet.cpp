// U-Nets on encoders: these have the names, shapes and number of parameters of torchvision's and timm's classifiers.
#include "tests/trainer/state_dict.hpp"
#include "trainer/networks/encoder_unet.hpp"
#include "trainer/summary.hpp"
#include "trainer/train_settings.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <array>
#include <cmath>
#include <map>
#include <set>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using leadline::testing::parameters;
using leadline::testing::state_dict;

namespace {

using Dict = std::map<std::string, std::vector<index_t>>;

EncoderUNetParams at(Encoder encoder, int height = 64, int width = 96, float multiplier = 1) {
  EncoderUNetParams p;
  p.encoder = encoder;
  p.height = height;
  p.width = width;
  p.width_multiplier = multiplier;
  return p;
}

/// The encoder's part, without its prefix.
Dict encoder_dict(const Graph& graph) {
  Dict dict;
  for (const auto& [name, shape] : state_dict(graph))
    if (name.starts_with("encoder.")) dict[name.substr(8)] = shape;
  return dict;
}

/// A state_dict written down by an architecture's rule.
struct Rule {
  Dict dict;
  void conv(const std::string& name, index_t in, index_t out, index_t kernel, index_t groups = 1, bool bias = false) {
    dict[name + ".weight"] = {out, in / groups, kernel, kernel};
    if (bias) dict[name + ".bias"] = {out};
  }
  void norm(const std::string& name, index_t channels) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) dict[name + part] = {channels};
  }
};

Dict resnet(const std::vector<int>& blocks) {
  Rule rule;
  rule.conv("conv1", 3, 64, 7);
  rule.norm("bn1", 64);
  index_t in = 64;
  for (size_t stage = 0; stage < 4; ++stage)
    for (int block = 0; block < blocks[stage]; ++block) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      const index_t out = index_t{64} << stage;
      rule.conv(name + ".conv1", in, out, 3);
      rule.norm(name + ".bn1", out);
      rule.conv(name + ".conv2", out, out, 3);
      rule.norm(name + ".bn2", out);
      if (in != out) {
        rule.conv(name + ".downsample.0", in, out, 1);
        rule.norm(name + ".downsample.1", out);
      }
      in = out;
    }
  return rule.dict;
}

Dict vgg(const std::vector<std::vector<index_t>>& stages) {
  Rule rule;
  index_t in = 3;
  int module = 0;
  for (const std::vector<index_t>& stage : stages) {
    for (const index_t out : stage) {
      rule.conv("features." + std::to_string(module), in, out, 3, 1, true);
      rule.norm("features." + std::to_string(module + 1), out);
      module += 3; // and a relu
      in = out;
    }
    ++module; // a pooling
  }
  return rule.dict;
}

Dict mobilenet_v2() {
  Rule rule;
  rule.conv("features.0.0", 3, 32, 3);
  rule.norm("features.0.1", 32);
  index_t in = 32;
  int k = 0;
  for (const auto& [t, c, n] : std::vector<std::array<index_t, 3>>{
           {1, 16, 1}, {6, 24, 2}, {6, 32, 3}, {6, 64, 4}, {6, 96, 3}, {6, 160, 3}, {6, 320, 1}})
    for (index_t i = 0; i < n; ++i) {
      const std::string name = "features." + std::to_string(++k) + ".conv.";
      const index_t inner = in * t;
      if (t > 1) {
        rule.conv(name + "0.0", in, inner, 1);
        rule.norm(name + "0.1", inner);
      }
      const std::string depthwise = name + (t > 1 ? "1" : "0"), project = name + (t > 1 ? "2" : "1");
      rule.conv(depthwise + ".0", inner, inner, 3, inner);
      rule.norm(depthwise + ".1", inner);
      rule.conv(project, inner, c, 1);
      rule.norm(name + (t > 1 ? "3" : "2"), c);
      in = c;
    }
  return rule.dict;
}

Dict efficientnet_lite0() {
  Rule rule;
  rule.conv("conv_stem", 3, 32, 3);
  rule.norm("bn1", 32);
  rule.conv("blocks.0.0.conv_dw", 32, 32, 3, 32);
  rule.norm("blocks.0.0.bn1", 32);
  rule.conv("blocks.0.0.conv_pw", 32, 16, 1);
  rule.norm("blocks.0.0.bn2", 16);
  index_t in = 16;
  int stage = 0;
  for (const auto& [kernel, c, n] :
       std::vector<std::array<index_t, 3>>{{3, 24, 2}, {5, 40, 2}, {3, 80, 3}, {5, 112, 3}, {5, 192, 4}, {3, 320, 1}}) {
    ++stage;
    for (index_t i = 0; i < n; ++i) {
      const std::string name = "blocks." + std::to_string(stage) + "." + std::to_string(i);
      const index_t inner = in * 6;
      rule.conv(name + ".conv_pw", in, inner, 1);
      rule.norm(name + ".bn1", inner);
      rule.conv(name + ".conv_dw", inner, inner, kernel, inner);
      rule.norm(name + ".bn2", inner);
      rule.conv(name + ".conv_pwl", inner, c, 1);
      rule.norm(name + ".bn3", c);
      in = c;
    }
  }
  return rule.dict;
}

} // namespace

TEST_CASE("encoders have the names and shapes of the classifiers' state_dicts, and their published size") {
  constexpr index_t classes = 1000, to_1280 = 320 * 1280 + 2 * 1280, linear_1280 = classes * (1280 + 1);
  // VGG's classifier: 512 * 7 * 7 values, two layers of 4096
  constexpr index_t vgg_classifier = 4096 * (512 * 49 + 1) + 4096 * (4096 + 1) + classes * (4096 + 1);
  struct Published {
    Encoder encoder;
    Dict rule;
    index_t encoder_parameters; // all, less the classifier's
  };
  const std::vector<Published> all{
      {Encoder::resnet18, resnet({2, 2, 2, 2}), 11'689'512 - classes * (512 + 1)},
      {Encoder::resnet34, resnet({3, 4, 6, 3}), 21'797'672 - classes * (512 + 1)},
      {Encoder::vgg11_bn, vgg({{64}, {128}, {256, 256}, {512, 512}, {512, 512}}), 132'868'840 - vgg_classifier},
      {Encoder::vgg16_bn, vgg({{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}}),
       138'365'992 - vgg_classifier},
      {Encoder::mobilenet_v2, mobilenet_v2(), 3'504'872 - linear_1280 - to_1280},
      {Encoder::efficientnet_lite0, efficientnet_lite0(), 4'652'008 - linear_1280 - to_1280}};
  for (const Published& published : all) {
    const Graph graph = encoder_unet(at(published.encoder));
    INFO(graph.name);
    const Dict dict = encoder_dict(graph);
    for (const auto& [name, shape] : published.rule) {
      INFO(name);
      REQUIRE(dict.count(name) == 1);
      CHECK(dict.at(name) == shape);
    }
    CHECK(dict.size() == published.rule.size());
    CHECK(parameters(graph, "encoder.") == published.encoder_parameters);
  }
}

TEST_CASE("encoders have the published cost: their strides are right") {
  constexpr index_t vgg_classifier = 512 * 49 * 4096 + 4096 * 4096 + 4096 * 1000;
  struct Published {
    Encoder encoder;
    double gmacs; // of the classifier at 224x224
    index_t classifier;
  };
  for (const Published& published : {Published{Encoder::resnet18, 1.814, 512 * 1000},
                                     {Encoder::resnet34, 3.664, 512 * 1000},
                                     {Encoder::vgg11_bn, 7.609, vgg_classifier},
                                     {Encoder::vgg16_bn, 15.470, vgg_classifier},
                                     {Encoder::mobilenet_v2, 0.301, 320 * 1280 * 49 + 1280 * 1000}}) {
    const Graph graph = encoder_unet(at(published.encoder, 224, 224));
    INFO(graph.name);
    index_t macs = published.classifier;
    for (const LayerSummary& layer : summarise(graph, 1).layers)
      if (layer.name.starts_with("encoder.")) macs += layer.macs;
    CHECK(std::fabs(static_cast<double>(macs) * 1e-9 - published.gmacs) <= 0.0005);
  }
}

TEST_CASE("the decoder meets each of the encoder's sizes") {
  const std::map<Encoder, std::vector<index_t>> skips{
      // channels at 1/1 (0: none), 1/2, ...
      {Encoder::resnet18, {0, 64, 64, 128, 256, 512}},   {Encoder::resnet34, {0, 64, 64, 128, 256, 512}},
      {Encoder::vgg11_bn, {64, 128, 256, 512, 512}},     {Encoder::vgg16_bn, {64, 128, 256, 512, 512}},
      {Encoder::mobilenet_v2, {0, 16, 24, 32, 96, 320}}, {Encoder::efficientnet_lite0, {0, 16, 24, 40, 112, 320}}};
  for (const auto& [encoder, channels] : skips) {
    const Graph graph = encoder_unet(at(encoder));
    INFO(graph.name);
    const std::vector<Shape> shapes = graph.infer({2, 64, 96, 3});
    std::map<std::string, Shape> dst;
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      dst[graph.node_names[i]] = shapes[static_cast<size_t>(graph.nodes[i].output)];
    for (size_t level = 0; level + 1 < channels.size(); ++level) {
      const index_t h = 64 >> level, w = 96 >> level;
      const index_t c = channels[level] > 0 ? channels[level] : channels[1] / 2;
      const std::string number = std::to_string(level);
      INFO("level " << level);
      CHECK(dst.at("dec." + number + ".5") == Shape{2, h, w, c});
      if (channels[level] > 0)
        CHECK(dst.at("merge." + number) == Shape{2, h, w, 2 * c});
      else
        CHECK(dst.count("merge." + number) == 0);
    }
    const auto dict = state_dict(graph);
    CHECK(dict.at("up." + std::to_string(channels.size() - 2) + ".weight").at(0) == channels.back());
    CHECK(dst.at("head.range") == Shape{2, 64, 96, 1});
  }
}

TEST_CASE("encoder U-Nets: settings find them; what can't be is refused with the fix") {
  Settings settings(train_option_groups());
  std::set<std::string> names;
  for (const Network& network : encoder_unet_networks()) {
    names.insert(network.name);
    settings.set("model.network", network.name, "test");
    settings.set("model.width_multiplier", "0.25", "test");
    settings.set("model.skip", "add", "test");
    CHECK(build_network(settings, {1, 32, 64, 3}).name == network.name);
  }
  CHECK(names == std::set<std::string>{"resnet18_unet", "resnet34_unet", "vgg11_unet", "vgg16_unet",
                                       "mobilenet_v2_unet", "efficientnet_lite0_unet"});
  CHECK(state_dict(encoder_unet(at(Encoder::resnet18, 32, 32, 0.25f))).at("encoder.conv1.weight").at(0) == 16);
  CHECK_THROWS_MATCHES(encoder_unet(at(Encoder::resnet18, 100, 96)), Error,
                       MessageMatches(ContainsSubstring("height") && ContainsSubstring("96 or 128")));
  CHECK_THROWS_MATCHES(encoder_unet(at(Encoder::vgg11_bn, 96, 100)), Error,
                       MessageMatches(ContainsSubstring("width") && ContainsSubstring("96 or 112")));
  CHECK_THROWS_MATCHES(encoder_unet(at(Encoder::mobilenet_v2, 64, 64, 0)), Error,
                       MessageMatches(ContainsSubstring("width_multiplier")));
}
