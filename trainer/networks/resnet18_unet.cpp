#include "trainer/networks/resnet18_unet.hpp"

namespace leadline::trainer {

namespace {

/// The pieces on a GraphBuilder; each returns the value that it made.
struct Blocks {
  GraphBuilder& builder;
  const ResNet18UNetParams& params;

  int32_t conv_norm(int32_t x, int channels, int kernel, int stride, const std::string& conv, const std::string& norm) {
    x = padded_conv(builder, x, channels, kernel, conv, false, stride);
    return builder.add<BatchNorm2d>({}, {x}, norm);
  }

  int32_t activation(int32_t x, const std::string& name) {
    return builder.add<Activation>(make_activation(params.activation), {x}, name);
  }

  /// The encoder's first step: a quarter of the picture's sides after the pooling.
  int32_t stem(int32_t x) { return activation(conv_norm(x, params.base_channels, 7, 2, "conv1", "bn1"), "relu"); }

  int32_t pool(int32_t x) {
    MaxPool2d::Params p;
    p.kernel_h = p.kernel_w = 3;
    p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = 1;
    return builder.add<MaxPool2d>(p, {x}, "maxpool");
  }

  /// x, or its 1x1 convolution where size or channels change, plus what two 3x3 convolutions make of it.
  int32_t residual(int32_t x, int channels, int stride, const std::string& name) {
    int32_t y = activation(conv_norm(x, channels, 3, stride, name + ".conv1", name + ".bn1"), name + ".relu1");
    y = conv_norm(y, channels, 3, 1, name + ".conv2", name + ".bn2");
    const bool same = stride == 1 && builder.channels(x) == channels;
    const int32_t skip = same ? x : conv_norm(x, channels, 1, stride, name + ".downsample.0", name + ".downsample.1");
    return activation(builder.add<Add>({}, {y, skip}, name + ".add"), name + ".relu");
  }

  int32_t stage(int32_t x, int channels, int stride, const std::string& name) {
    x = residual(x, channels, stride, name + ".0");
    return residual(x, channels, 1, name + ".1");
  }

  int32_t twice(int32_t x, int channels, const std::string& name) {
    ConvTranspose2d::Params p;
    p.out_channels = channels;
    p.kernel_h = p.kernel_w = p.stride_h = p.stride_w = 2;
    return builder.add<ConvTranspose2d>(p, {x}, name);
  }

  /// conv, norm, activation, twice.
  int32_t block(int32_t x, int channels, const std::string& name) {
    for (const int first : {0, 3}) {
      const auto module = [&](int k) { return name + "." + std::to_string(first + k); };
      x = activation(conv_norm(x, channels, 3, 1, module(0), module(1)), module(2));
    }
    return x;
  }
};

} // namespace

Graph resnet18_unet(const ResNet18UNetParams& params) {
  check_range("resnet18_unet", "base_channels", params.base_channels, 2, 512);
  check_range("resnet18_unet", "in_channels", params.in_channels, 1, 64);
  check_size("resnet18_unet", "height", params.height, 32, "halving five times needs");
  check_size("resnet18_unet", "width", params.width, 32, "halving five times needs");

  GraphBuilder builder("resnet18_unet", {1, params.height, params.width, params.in_channels});
  Blocks net{builder, params};
  const int base = params.base_channels;

  // The encoder; `skips[i]` has 1/2^(i+1) of the picture's sides.
  std::vector<int32_t> skips{net.stem(builder.input())};
  int32_t x = net.pool(skips[0]);
  for (int stage = 1; stage <= 4; ++stage) {
    x = net.stage(x, base << (stage - 1), stage == 1 ? 1 : 2, "layer" + std::to_string(stage));
    if (stage < 4) skips.push_back(x);
  }

  // Back up: 1/16 to 1/2 with what the encoder saw there, and on to full size alone.
  for (int level = 4; level >= 0; --level) {
    const int channels = level > 0 ? builder.channels(skips[static_cast<size_t>(level - 1)]) : base / 2;
    const std::string number = std::to_string(level);
    x = net.twice(x, channels, "up." + number);
    if (level > 0) x = builder.add<Concat>({}, {x, skips[static_cast<size_t>(level - 1)]}, "cat." + number);
    x = net.block(x, channels, "dec." + number);
  }
  x = padded_conv(builder, x, 1, 1, "head", true);
  builder.output(depth_head(builder, x, params.head, params.min_depth, params.max_depth));
  return builder.finish();
}

Network resnet18_unet_network() {
  Network network;
  network.name = "resnet18_unet";
  network.description = "U-Net on a ResNet-18 encoder, depth head";
  network.options = head_options();
  network.options.push_back({"model.resnet_channels", "64", "resnet18_unet: channels of the stem"});
  network.options.push_back(activation_option());
  network.build = [](const Settings& settings, const Shape& input) {
    ResNet18UNetParams params;
    params.base_channels = static_cast<int>(settings.integer("model.resnet_channels", 2, 512));
    set_common(settings, input, &params);
    return resnet18_unet(params);
  };
  return network;
}

} // namespace leadline::trainer
