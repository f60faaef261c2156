// ResNet-18's U-Net: the encoder has the names, shapes and number of parameters of PyTorch's resnet18.
#include "tests/trainer/state_dict.hpp"
#include "trainer/networks/resnet18_unet.hpp"
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

ResNet18UNetParams at(int height, int width, int channels = 64) {
  ResNet18UNetParams p;
  p.height = height;
  p.width = width;
  p.base_channels = channels;
  return p;
}

} // namespace

TEST_CASE("resnet18_unet: the encoder is PyTorch's resnet18") {
  const Graph graph = resnet18_unet(at(64, 96));
  const auto dict = state_dict(graph);
  const std::map<std::string, std::vector<index_t>> some{{"conv1.weight", {64, 3, 7, 7}},
                                                         {"bn1.running_var", {64}},
                                                         {"layer1.0.conv1.weight", {64, 64, 3, 3}},
                                                         {"layer2.0.conv1.weight", {128, 64, 3, 3}},
                                                         {"layer2.0.downsample.0.weight", {128, 64, 1, 1}},
                                                         {"layer2.0.downsample.1.bias", {128}},
                                                         {"layer4.1.conv2.weight", {512, 512, 3, 3}},
                                                         {"layer4.1.bn2.weight", {512}},
                                                         {"up.4.weight", {512, 256, 2, 2}},
                                                         {"dec.4.0.weight", {256, 512, 3, 3}},
                                                         {"dec.1.0.weight", {64, 128, 3, 3}},
                                                         {"dec.0.0.weight", {32, 32, 3, 3}},
                                                         {"head.weight", {1, 32, 1, 1}}};
  for (const auto& [name, shape] : some) {
    INFO(name);
    REQUIRE(dict.count(name) == 1);
    CHECK(dict.at(name) == shape);
  }
  CHECK(dict.count("layer1.0.downsample.0.weight") == 0);
  index_t encoder = 0;
  for (size_t i = 0; i < graph.weight_names.size(); ++i) {
    const std::string& name = graph.weight_names[i];
    const bool decoder = name.rfind("up.", 0) == 0 || name.rfind("dec.", 0) == 0 || name.rfind("head.", 0) == 0;
    if (!decoder && graph.trainable[i]) encoder += graph.weight_shapes[i].count();
  }
  CHECK(encoder == 11'689'512 - 1000 * (512 + 1)); // all of resnet18 but its classifier
}

TEST_CASE("resnet18_unet: sizes on the way down and up") {
  const Graph graph = resnet18_unet(at(64, 96, 8));
  const std::vector<Shape> shapes = graph.infer({2, 64, 96, 3});
  std::map<std::string, Shape> dst;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    dst[graph.node_names[i]] = shapes[static_cast<size_t>(graph.nodes[i].output)];
  CHECK(dst["relu"] == Shape{2, 32, 48, 8});
  CHECK(dst["maxpool"] == Shape{2, 16, 24, 8});
  CHECK(dst["layer1.1.relu"] == Shape{2, 16, 24, 8});
  CHECK(dst["layer4.1.relu"] == Shape{2, 2, 3, 64});
  CHECK(dst["cat.4"] == Shape{2, 4, 6, 64});
  CHECK(dst["cat.1"] == Shape{2, 32, 48, 16});
  CHECK(dst["dec.0.5"] == Shape{2, 64, 96, 4});
  CHECK(dst["head.range"] == Shape{2, 64, 96, 1});
  CHECK(dst.count("cat.0") == 0);
}

TEST_CASE("resnet18_unet: settings find it; what can't be is refused with the fix") {
  Settings settings(train_option_groups());
  settings.set("model.network", "resnet18_unet", "test");
  settings.set("model.resnet_channels", "16", "test");
  CHECK(state_dict(build_network(settings, {1, 32, 64, 3})).at("conv1.weight").at(0) == 16);
  CHECK_THROWS_MATCHES(resnet18_unet(at(100, 96)), Error,
                       MessageMatches(ContainsSubstring("height") && ContainsSubstring("96 or 128")));
  CHECK_THROWS_MATCHES(resnet18_unet(at(64, 64, 1)), Error, MessageMatches(ContainsSubstring("base_channels")));
}
