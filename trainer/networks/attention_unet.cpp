#include "trainer/networks/attention_unet.hpp"

#include <algorithm>

namespace leadline::trainer {

namespace {

struct Gates : UNetBlocks {
  /// x, as far as g, which has half its sides, finds it worth looking at.
  int32_t gate(int32_t x, int32_t g, const std::string& name) const {
    const int inner = std::max(1, builder.channels(x) / 2);
    Conv2d::Params half;
    half.out_channels = inner;
    half.kernel_h = half.kernel_w = half.stride_h = half.stride_w = 2;
    const int32_t theta = builder.add<Conv2d>(half, {x}, name + ".theta", 0b10);
    const int32_t phi = padded_conv(builder, g, inner, 1, name + ".phi", true);
    int32_t alpha = builder.add<Add>({}, {theta, phi}, name + ".add");
    alpha = builder.add<Activation>(make_activation(ActivationKind::relu), {alpha}, name + ".relu");
    alpha = padded_conv(builder, alpha, 1, 1, name + ".psi", true);
    alpha = builder.add<Activation>(make_activation(ActivationKind::sigmoid), {alpha}, name + ".sigmoid");
    Resize::Params twice;
    twice.mode = ResizeMode::bilinear;
    return builder.add<Mul>({}, {x, builder.add<Resize>(twice, {alpha}, name + ".resize")}, name + ".mul");
  }
};

} // namespace

Graph attention_unet(const UNetParams& params) {
  check_unet("attention_unet", params);
  if (params.skip == Skip::none)
    throw Error({.field = "attention_unet: skip",
                 .value = "none",
                 .reason = "attention gates are on the skips",
                 .fix = "Use concat or add, or the network unet"});
  GraphBuilder builder("attention_unet", {1, params.height, params.width, params.in_channels});
  const Gates net{{builder, params}};

  std::vector<int32_t> skips;
  int32_t x = builder.input();
  for (int level = 0; level < params.levels; ++level) {
    x = net.block(x, params.channels(level), named("down.", level));
    skips.push_back(x);
    x = net.halve(x, named("pool.", level));
  }
  x = net.block(x, params.channels(params.levels), named("down.", params.levels));
  x = net.dropout(x, "dropout");

  for (int level = params.levels - 1; level >= 0; --level) {
    const int32_t seen = skips[static_cast<size_t>(level)];
    const int32_t skip = level > 0 ? net.gate(seen, x, named("gate.", level)) : seen;
    const int32_t up = net.twice(x, params.channels(level), named("up.", level));
    x = net.block(net.merge(up, skip, named("merge.", level)), params.channels(level), named("dec.", level));
  }
  return finish_unet(builder, params, x);
}

Network attention_unet_network() {
  return unet_family_network("attention_unet", "Attention U-Net: a U-Net with gates on its skips, depth head",
                             attention_unet);
}

} // namespace leadline::trainer
