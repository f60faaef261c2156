#include "trainer/networks/unet.hpp"

namespace leadline::trainer {

namespace {

/// The pieces of a U-Net on a GraphBuilder; each returns the value that it made.
struct Blocks {
  GraphBuilder& builder;
  const UNetParams& params;

  int32_t conv(int32_t x, int channels, int kernel, const std::string& name, bool bias) {
    return padded_conv(builder, x, channels, kernel, name, bias);
  }

  int32_t norm(int32_t x, const std::string& name) {
    if (params.norm == Norm::batch) return builder.add<BatchNorm2d>({}, {x}, name);
    if (params.norm == Norm::none) return x;
    GroupNorm::Params p;
    for (p.num_groups = 8; builder.channels(x) % p.num_groups != 0;) // the most, up to 8, that divide the channels
      --p.num_groups;
    return builder.add<GroupNorm>(p, {x}, name);
  }

  int32_t activation(int32_t x, ActivationKind kind, const std::string& name) {
    return builder.add<Activation>(make_activation(kind), {x}, name);
  }

  /// conv, norm, activation, twice. A norm makes the convolution's bias useless.
  int32_t block(int32_t x, int channels, const std::string& name) {
    const bool bias = params.norm == Norm::none;
    for (const int first : {0, 3}) {
      x = conv(x, channels, 3, name + "." + std::to_string(first), bias);
      x = norm(x, name + "." + std::to_string(first + 1));
      x = activation(x, params.activation, name + "." + std::to_string(first + 2));
    }
    return x;
  }

  int32_t halve(int32_t x, const std::string& name) { return builder.add<MaxPool2d>({}, {x}, name); }

  int32_t twice(int32_t x, int channels, const std::string& name) {
    if (params.up_sampling == UpSampling::transpose) {
      ConvTranspose2d::Params p;
      p.out_channels = channels;
      p.kernel_h = p.kernel_w = p.stride_h = p.stride_w = 2;
      return builder.add<ConvTranspose2d>(p, {x}, name);
    }
    // The 1x1 convolution first: it commutes with resizing and has a quarter of the pixels there.
    Resize::Params p;
    p.mode = params.up_sampling == UpSampling::nearest ? ResizeMode::nearest : ResizeMode::bilinear;
    return builder.add<Resize>(p, {conv(x, channels, 1, name, true)}, name + ".resize");
  }
};

} // namespace

Graph unet(const UNetParams& params) {
  check_range("unet", "base_channels", params.base_channels, 1, 1024);
  check_range("unet", "levels", params.levels, 0, 8);
  check_range("unet", "in_channels", params.in_channels, 1, 64);
  const std::string reason = std::to_string(params.levels) + " levels need";
  check_size("unet", "height", params.height, 1 << params.levels, reason, ", or fewer levels");
  check_size("unet", "width", params.width, 1 << params.levels, reason, ", or fewer levels");

  GraphBuilder builder("unet", {1, params.height, params.width, params.in_channels});
  Blocks net{builder, params};
  const auto channels = [&](int level) { return params.base_channels << level; };
  const auto named = [](const char* part, int level) { return part + std::to_string(level); };

  // Down the left side of the U, keeping what the right side will see again ...
  std::vector<int32_t> skips;
  int32_t x = builder.input();
  for (int level = 0; level < params.levels; ++level) {
    x = net.block(x, channels(level), named("down.", level));
    skips.push_back(x);
    x = net.halve(x, named("pool.", level));
  }
  x = net.block(x, channels(params.levels), named("down.", params.levels));

  // ... and up the right side.
  for (int level = params.levels - 1; level >= 0; --level) {
    const int32_t up = net.twice(x, channels(level), named("up.", level));
    x = builder.add<Concat>({}, {up, skips[static_cast<size_t>(level)]}, named("cat.", level));
    x = net.block(x, channels(level), named("dec.", level));
  }
  x = net.conv(x, 1, 1, "head", true);
  builder.output(depth_head(builder, x, params.head, params.min_depth, params.max_depth));
  return builder.finish();
}

Network unet_network() {
  Network network;
  network.name = "unet";
  network.description = "U-Net: two 3x3 convolutions a level, skips, up-sampling, depth head";
  network.options = {
      {"model.base_channels", "16", "unet: channels of the finest level; doubled at each level down"},
      {"model.levels", "4", "unet: how often resolution is halved; sides must be multiples of 2^levels"},
      {"model.up_sampling",
       "transpose",
       "unet: how the decoder doubles resolution",
       {"transpose", "nearest", "bilinear"}},
      {"model.norm", "batch", "unet: normalisation after each convolution", {"batch", "group", "none"}},
      activation_option(),
  };
  for (const OptionSpec& option : head_options()) network.options.push_back(option);
  network.build = [](const Settings& settings, const Shape& input) {
    UNetParams params;
    params.base_channels = static_cast<int>(settings.integer("model.base_channels", 1, 1024));
    params.levels = static_cast<int>(settings.integer("model.levels", 0, 8));
    params.up_sampling = static_cast<UpSampling>(choice_index(settings, "model.up_sampling"));
    params.norm = static_cast<Norm>(choice_index(settings, "model.norm"));
    set_common(settings, input, &params);
    return unet(params);
  };
  return network;
}

} // namespace leadline::trainer
