#include "trainer/networks/residual_unet.hpp"

namespace leadline::trainer {

namespace {

struct Units : UNetBlocks {
  /// 3x3 conv, norm, activation, 3x3 conv, plus x; norm and activation come first but in the first unit of all.
  int32_t unit(int32_t x, int channels, int stride, const std::string& name, bool first = false) const {
    const bool bias = style.norm == Norm::none;
    int32_t y = first ? x : activation(norm(x, name + ".bn1"), name + ".act1");
    y = padded_conv(builder, y, channels, 3, name + ".conv1", bias, stride);
    y = activation(norm(y, name + ".bn2"), name + ".act2");
    y = padded_conv(builder, y, channels, 3, name + ".conv2", bias);
    if (stride != 1 || builder.channels(x) != channels)
      x = conv_norm(x, channels, 1, name + ".shortcut.0", name + ".shortcut.1", stride);
    return builder.add<Add>({}, {y, x}, name + ".add");
  }
};

} // namespace

Graph residual_unet(const UNetParams& params) {
  check_unet("residual_unet", params);
  GraphBuilder builder("residual_unet", {1, params.height, params.width, params.in_channels});
  const Units net{{builder, params}};

  // Down: each unit but the first halves its level.
  std::vector<int32_t> levels{net.unit(builder.input(), params.channels(0), 1, "down.0", true)};
  for (int level = 1; level <= params.levels; ++level)
    levels.push_back(net.unit(levels.back(), params.channels(level), 2, named("down.", level)));
  int32_t x = net.dropout(levels.back(), "dropout");

  // Up, on what the encoder saw at each size.
  for (int level = params.levels - 1; level >= 0; --level) {
    const int32_t up = net.twice(x, params.channels(level), named("up.", level));
    x = net.merge(up, levels[static_cast<size_t>(level)], named("merge.", level));
    x = net.unit(x, params.channels(level), 1, named("dec.", level));
  }
  return finish_unet(builder, params, x);
}

Network residual_unet_network() {
  return unet_family_network("residual_unet", "ResUNet: a U-Net of pre-activated residual units, depth head",
                             residual_unet);
}

} // namespace leadline::trainer
