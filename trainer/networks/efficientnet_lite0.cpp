#include "trainer/networks/encoders.hpp"

namespace leadline::trainer {

namespace {

/// Blocks in a row: the first has the stride.
struct Stage {
  int kernel, channels, blocks, stride;
};
constexpr Stage stages[] = {{3, 16, 1, 1},  {3, 24, 2, 2},  {5, 40, 2, 2}, {3, 80, 3, 2},
                            {5, 112, 3, 1}, {5, 192, 4, 2}, {3, 320, 1, 1}};
constexpr int expansion = 6; // of all stages but the first

struct Blocks : EncoderBlocks {
  int32_t relu6(int32_t x, const std::string& name) const { return activation(x, ActivationKind::relu6, name); }

  /// Depthwise, then 1x1: the first stage.
  int32_t separable(int32_t x, int channels, int kernel, int stride, const std::string& name) const {
    const int all = builder.channels(x);
    x = relu6(conv_norm(x, all, kernel, stride, all, name + ".conv_dw", name + ".bn1"), name + ".act1");
    return conv_norm(x, channels, 1, 1, 1, name + ".conv_pw", name + ".bn2");
  }

  /// Out to many channels, a depthwise convolution there, and back to few.
  int32_t inverted_residual(int32_t x, int channels, int kernel, int stride, const std::string& name) const {
    const int inner = builder.channels(x) * expansion;
    int32_t y = relu6(conv_norm(x, inner, 1, 1, 1, name + ".conv_pw", name + ".bn1"), name + ".act1");
    y = relu6(conv_norm(y, inner, kernel, stride, inner, name + ".conv_dw", name + ".bn2"), name + ".act2");
    y = conv_norm(y, channels, 1, 1, 1, name + ".conv_pwl", name + ".bn3");
    return stride == 1 && builder.channels(x) == channels ? builder.add<Add>({}, {x, y}, name + ".add") : y;
  }
};

} // namespace

std::vector<int32_t> efficientnet_lite0_encoder(GraphBuilder& builder, int32_t image, float width_multiplier) {
  const Blocks net{{builder}};
  std::vector<int32_t> features;
  int32_t x = net.conv_norm(image, scaled_channels(32, width_multiplier), 3, 2, 1, "encoder.conv_stem", "encoder.bn1");
  x = net.relu6(x, "encoder.act1");
  int number = 0;
  for (const Stage& stage : stages) {
    if (stage.stride == 2) features.push_back(x); // the last value of its size
    for (int block = 0; block < stage.blocks; ++block) {
      const std::string name = "encoder.blocks." + std::to_string(number) + "." + std::to_string(block);
      const int channels = scaled_channels(stage.channels, width_multiplier), stride = block == 0 ? stage.stride : 1;
      x = number == 0 ? net.separable(x, channels, stage.kernel, stride, name)
                      : net.inverted_residual(x, channels, stage.kernel, stride, name);
    }
    ++number;
  }
  features.push_back(x);
  return features;
}

} // namespace leadline::trainer
