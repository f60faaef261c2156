#include "trainer/networks/mobile_unet.hpp"

namespace leadline::trainer {

namespace {

struct Separables : UNetBlocks {
  /// Depthwise 3x3 and 1x1 convolution, each with norm and activation: modules first to first + 5.
  int32_t separable(int32_t x, int channels, const std::string& name, int first = 0) const {
    const int all = builder.channels(x);
    x = conv(x, all, 3, name, first, all);
    return conv(x, channels, 1, name, first + 3);
  }
  int32_t separable_block(int32_t x, int channels, const std::string& name) const {
    return separable(separable(x, channels, name), channels, name, 6);
  }
};

} // namespace

Graph mobile_unet(const UNetParams& params) {
  check_unet("mobile_unet", params);
  GraphBuilder builder("mobile_unet", {1, params.height, params.width, params.in_channels});
  const Separables net{{builder, params}};

  std::vector<int32_t> skips;
  int32_t x = net.conv(builder.input(), params.channels(0), 3, "stem", 0);
  for (int level = 0; level <= params.levels; ++level) {
    if (level > 0) x = net.halve(x, named("pool.", level - 1));
    const std::string name = named("down.", level);
    x = level == 0 ? net.separable(x, params.channels(0), name) : net.separable_block(x, params.channels(level), name);
    skips.push_back(x);
  }
  x = net.dropout(x, "dropout");

  for (int level = params.levels - 1; level >= 0; --level) {
    const int32_t up = net.twice(x, params.channels(level), named("up.", level));
    x = net.merge(up, skips[static_cast<size_t>(level)], named("merge.", level));
    x = net.separable_block(x, params.channels(level), named("dec.", level));
  }
  return finish_unet(builder, params, x);
}

Network mobile_unet_network() {
  return unet_family_network("mobile_unet", "a U-Net of depthwise-separable convolutions, depth head", mobile_unet);
}

} // namespace leadline::trainer
