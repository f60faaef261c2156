#include "trainer/networks/encoders.hpp"

namespace leadline::trainer {

std::vector<int32_t> vgg_encoder(GraphBuilder& builder, int32_t image, int layers, float width_multiplier) {
  constexpr int convs_of_11[] = {1, 1, 2, 2, 2}, convs_of_16[] = {2, 2, 3, 3, 3};
  constexpr int channels[] = {64, 128, 256, 512, 512};
  const auto& convs = layers == 11 ? convs_of_11 : convs_of_16;
  const EncoderBlocks net{builder};
  std::vector<int32_t> features;
  int module = 0; // of the Sequential: convolution, norm, relu, ..., pooling, ...
  const auto next = [&] { return "encoder.features." + std::to_string(module++); };
  int32_t x = image;
  for (int stage = 0; stage < 5; ++stage) {
    if (stage > 0) x = builder.add<MaxPool2d>({}, {x}, next());
    for (int k = 0; k < convs[stage]; ++k) {
      const std::string conv = next(), norm = next();
      x = net.conv_norm(x, scaled_channels(channels[stage], width_multiplier), 3, 1, 1, conv, norm, true);
      x = net.activation(x, ActivationKind::relu, next());
    }
    features.push_back(x);
  }
  return features;
}

} // namespace leadline::trainer
