#include "trainer/networks/unet.hpp"

namespace leadline::trainer {

Graph unet(const UNetParams& params) {
  check_unet("unet", params);
  GraphBuilder builder("unet", {1, params.height, params.width, params.in_channels});
  const UNetBlocks net{builder, params};

  // Down the left side of the U, keeping what the right side will see again ...
  std::vector<int32_t> skips;
  int32_t x = builder.input();
  for (int level = 0; level < params.levels; ++level) {
    x = net.block(x, params.channels(level), named("down.", level));
    skips.push_back(x);
    x = net.halve(x, named("pool.", level));
  }
  x = net.block(x, params.channels(params.levels), named("down.", params.levels));
  x = net.dropout(x, "dropout");

  // ... and up the right side.
  for (int level = params.levels - 1; level >= 0; --level) {
    const int32_t up = net.twice(x, params.channels(level), named("up.", level));
    x = net.merge(up, skips[static_cast<size_t>(level)], named("merge.", level));
    x = net.block(x, params.channels(level), named("dec.", level));
  }
  return finish_unet(builder, params, x);
}

Network unet_network() {
  return unet_family_network("unet", "U-Net: two 3x3 convolutions a level, skips, up-sampling, depth head", unet);
}

} // namespace leadline::trainer
