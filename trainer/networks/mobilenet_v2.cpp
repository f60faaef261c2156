#include "trainer/networks/encoders.hpp"

namespace leadline::trainer {

namespace {

/// Inverted residuals in a row: the first has the stride.
struct Stage {
  int expansion, channels, blocks, stride;
};
constexpr Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                            {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

struct Blocks : EncoderBlocks {
  /// convolution, norm and relu6: modules 0, 1 and 2 of `name`.
  int32_t conv(int32_t x, int channels, int kernel, int stride, int groups, const std::string& name) const {
    x = conv_norm(x, channels, kernel, stride, groups, name + ".0", name + ".1");
    return activation(x, ActivationKind::relu6, name + ".2");
  }

  /// Out to many channels, a depthwise convolution there, and back to few.
  int32_t inverted_residual(int32_t x, int expansion, int channels, int stride, const std::string& name) const {
    int module = 0;
    const auto next = [&] { return name + ".conv." + std::to_string(module++); };
    const int inner = builder.channels(x) * expansion;
    int32_t y = expansion == 1 ? x : conv(x, inner, 1, 1, 1, next());
    y = conv(y, inner, 3, stride, inner, next());
    const std::string project = next(), norm = next();
    y = conv_norm(y, channels, 1, 1, 1, project, norm);
    return stride == 1 && builder.channels(x) == channels ? builder.add<Add>({}, {x, y}, name + ".add") : y;
  }
};

} // namespace

std::vector<int32_t> mobilenet_v2_encoder(GraphBuilder& builder, int32_t image, float width_multiplier) {
  const Blocks net{{builder}};
  std::vector<int32_t> features;
  int32_t x = net.conv(image, scaled_channels(32, width_multiplier), 3, 2, 1, "encoder.features.0");
  int number = 0;
  for (const Stage& stage : stages) {
    if (stage.stride == 2) features.push_back(x); // the last value of its size
    for (int block = 0; block < stage.blocks; ++block)
      x = net.inverted_residual(x, stage.expansion, scaled_channels(stage.channels, width_multiplier),
                                block == 0 ? stage.stride : 1, "encoder.features." + std::to_string(++number));
  }
  features.push_back(x);
  return features;
}

} // namespace leadline::trainer
