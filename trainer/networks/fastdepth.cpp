#include "trainer/networks/fastdepth.hpp"

namespace leadline::trainer {

namespace {

/// One depthwise-separable block of the encoder.
struct Separable {
  int channels, stride;
};
constexpr Separable encoder[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                                 {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};

/// One step of the decoder: channels after its 1x1 convolution, and the encoder block that is added once the picture
/// has doubled (0: none).
struct Step {
  int channels, skip;
};
constexpr Step decoder[] = {{512, 0}, {256, 5}, {128, 3}, {64, 1}, {32, 0}};

/// The pieces on a GraphBuilder; each returns the value that it made.
struct Blocks {
  GraphBuilder& builder;
  const FastDepthParams& params;

  int channels(int base) const { return scaled_channels(base, params.width_multiplier); }

  /// Convolution and norm, modules `first` and `first` + 1 of `name`.
  int32_t conv_norm(int32_t x, int channels, int kernel, int stride, int groups, const std::string& name, int first) {
    x = padded_conv(builder, x, channels, kernel, name + std::to_string(first), false, stride, groups);
    return builder.add<BatchNorm2d>({}, {x}, name + std::to_string(first + 1));
  }

  /// ... and activation, module `first` + 2.
  int32_t conv(int32_t x, int channels, int kernel, int stride, int groups, const std::string& name, int first = 0) {
    x = conv_norm(x, channels, kernel, stride, groups, name, first);
    return builder.add<Activation>(make_activation(params.activation), {x}, name + std::to_string(first + 2));
  }

  int32_t depthwise(int32_t x, int kernel, int stride, const std::string& name) {
    const int all = builder.channels(x);
    return conv(x, all, kernel, stride, all, name);
  }

  int32_t pointwise(int32_t x, int channels, const std::string& name, int first = 0) {
    return conv(x, channels, 1, 1, 1, name, first);
  }
};

} // namespace

Graph fastdepth(const FastDepthParams& params) {
  check_width_multiplier("fastdepth", params.width_multiplier);
  check_range("fastdepth", "in_channels", params.in_channels, 1, 64);
  check_size("fastdepth", "height", params.height, 32, "halving five times needs");
  check_size("fastdepth", "width", params.width, 32, "halving five times needs");

  GraphBuilder builder("fastdepth", {1, params.height, params.width, params.in_channels});
  Blocks net{builder, params};

  // The encoder halves the picture five times ...
  int32_t x = net.conv(builder.input(), net.channels(32), 3, 2, 1, "conv0.");
  std::vector<int32_t> features{x};
  for (const Separable& block : encoder) {
    const std::string name = "conv" + std::to_string(features.size()) + ".";
    x = net.depthwise(x, 3, block.stride, name);
    x = net.pointwise(x, net.channels(block.channels), name, 3);
    features.push_back(x);
  }

  // ... and the decoder doubles it five times, adding what the encoder saw at three of the sizes.
  int number = 0;
  for (const Step& step : decoder) {
    const std::string name = "decode_conv" + std::to_string(++number) + ".";
    x = net.depthwise(x, 5, 1, name + "0.");
    x = net.pointwise(x, net.channels(step.channels), name + "1.");
    x = builder.add<Resize>({}, {x}, name + "resize");
    if (step.skip > 0) x = builder.add<Add>({}, {x, features[static_cast<size_t>(step.skip)]}, name + "skip");
  }
  x = net.conv_norm(x, 1, 1, 1, 1, "decode_conv6.", 0);
  builder.output(depth_head(builder, x, params.head, params.min_depth, params.max_depth));
  return builder.finish();
}

Network fastdepth_network() {
  Network network;
  network.name = "fastdepth";
  network.description = "FastDepth: MobileNet encoder, depthwise-separable decoder, added skips, depth head";
  network.options = head_options();
  network.options.push_back(width_multiplier_option());
  network.options.push_back(activation_option());
  network.build = [](const Settings& settings, const Shape& input) {
    FastDepthParams params;
    params.width_multiplier = static_cast<float>(settings.real("model.width_multiplier", 0.01, 8));
    set_common(settings, input, &params);
    return fastdepth(params);
  };
  return network;
}

} // namespace leadline::trainer
