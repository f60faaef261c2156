#include "trainer/networks/encoders.hpp"

namespace leadline::trainer {

namespace {

struct Blocks : EncoderBlocks {
  int32_t relu(int32_t x, const std::string& name) const { return activation(x, ActivationKind::relu, name); }

  /// x, or its 1x1 convolution where size or channels change, plus what two 3x3 convolutions make of it.
  int32_t residual(int32_t x, int channels, int stride, const std::string& name) const {
    int32_t y = relu(conv_norm(x, channels, 3, stride, 1, name + ".conv1", name + ".bn1"), name + ".relu1");
    y = conv_norm(y, channels, 3, 1, 1, name + ".conv2", name + ".bn2");
    if (stride != 1 || builder.channels(x) != channels)
      x = conv_norm(x, channels, 1, stride, 1, name + ".downsample.0", name + ".downsample.1");
    return relu(builder.add<Add>({}, {y, x}, name + ".add"), name + ".relu");
  }
};

} // namespace

std::vector<int32_t> resnet_encoder(GraphBuilder& builder, int32_t image, int layers, float width_multiplier) {
  constexpr int blocks_of_18[] = {2, 2, 2, 2}, blocks_of_34[] = {3, 4, 6, 3};
  const auto& blocks = layers == 18 ? blocks_of_18 : blocks_of_34;
  const Blocks net{{builder}};
  const auto channels = [&](int stage) { return scaled_channels(64 << stage, width_multiplier); };

  int32_t x = net.conv_norm(image, channels(0), 7, 2, 1, "encoder.conv1", "encoder.bn1");
  std::vector<int32_t> features{net.relu(x, "encoder.relu")};
  MaxPool2d::Params pool;
  pool.kernel_h = pool.kernel_w = 3;
  pool.padding_top = pool.padding_bottom = pool.padding_left = pool.padding_right = 1;
  x = builder.add<MaxPool2d>(pool, {features[0]}, "encoder.maxpool");
  for (int stage = 0; stage < 4; ++stage) {
    for (int block = 0; block < blocks[stage]; ++block)
      x = net.residual(x, channels(stage), stage > 0 && block == 0 ? 2 : 1,
                       "encoder.layer" + std::to_string(stage + 1) + "." + std::to_string(block));
    features.push_back(x);
  }
  return features;
}

} // namespace leadline::trainer
