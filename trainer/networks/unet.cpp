#include "trainer/networks/unet.hpp"

namespace leadline::trainer {

namespace {

[[noreturn]] void refuse(const char* field, int value, const std::string& reason, const std::string& fix) {
  throw Error({.field = std::string("unet: ") + field, .value = std::to_string(value), .reason = reason, .fix = fix});
}

void check_range(const char* field, int value, int min, int max) {
  if (value < min || value > max)
    refuse(field, value, "it is out of range", "Use " + std::to_string(min) + " to " + std::to_string(max));
}

/// Every level halves the picture, and every half must be whole.
void check_size(const char* field, int value, int multiple, int levels) {
  if (value > 0 && value % multiple == 0) return;
  const int below = value / multiple * multiple, above = (below > 0 ? below : 0) + multiple;
  const std::string near = below > 0 ? std::to_string(below) + " or " + std::to_string(above) : std::to_string(above);
  refuse(field, value, std::to_string(levels) + " levels need a multiple of " + std::to_string(multiple),
         "Use " + near + ", or fewer levels");
}

/// The pieces of a U-Net on a GraphBuilder; each returns the value that it made.
struct Blocks {
  GraphBuilder& builder;
  const UNetParams& params;

  int32_t conv(int32_t x, int channels, int kernel, const std::string& name, bool bias) {
    Conv2d::Params p;
    p.out_channels = channels;
    p.kernel_h = p.kernel_w = kernel;
    p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = kernel / 2;
    return builder.add<Conv2d>(p, {x}, name, bias ? 0 : 0b10);
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

  int32_t depth(int32_t x) {
    Affine::Params range;
    switch (params.head) {
    case Head::linear: return x;
    case Head::sigmoid:
      range = {params.max_depth - params.min_depth, params.min_depth};
      x = activation(x, ActivationKind::sigmoid, "head.sigmoid");
      break;
    case Head::softplus:
      range = {1, params.min_depth};
      x = activation(x, ActivationKind::softplus, "head.softplus");
      break;
    }
    return range.scale == 1 && range.shift == 0 ? x : builder.add<Affine>(range, {x}, "head.range");
  }
};

} // namespace

Graph unet(const UNetParams& params) {
  check_range("base_channels", params.base_channels, 1, 1024);
  check_range("levels", params.levels, 0, 8);
  check_range("in_channels", params.in_channels, 1, 64);
  check_size("height", params.height, 1 << params.levels, params.levels);
  check_size("width", params.width, 1 << params.levels, params.levels);
  if (params.head != Head::linear && !(params.min_depth >= 0 && params.min_depth < params.max_depth))
    throw Error({.field = "unet: min_depth",
                 .value = std::to_string(params.min_depth),
                 .reason = "the depth range is empty",
                 .fix = "Use 0 <= min_depth < max_depth, in metres"});

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
  builder.output(net.depth(net.conv(x, 1, 1, "head", true)));
  return builder.finish();
}

Network unet_network() {
  Network network;
  network.name = "unet";
  network.description = "U-Net: two 3x3 convolutions a level, skips, up-sampling, depth head";
  std::vector<std::string> activations;
  for (int kind = 0; kind < num_activations; ++kind)
    activations.push_back(activation_name(static_cast<ActivationKind>(kind)));
  network.options = {
      {"model.base_channels", "16", "channels of the finest level; doubled at each level down"},
      {"model.levels", "4", "how often resolution is halved; sides must be multiples of 2^levels"},
      {"model.up_sampling", "transpose", "how the decoder doubles resolution", {"transpose", "nearest", "bilinear"}},
      {"model.norm", "batch", "normalisation after each convolution", {"batch", "group", "none"}},
      {"model.activation", "relu", "after each norm", activations},
      {"model.head", "sigmoid", "how the last value becomes metres", {"sigmoid", "softplus", "linear"}},
      {"model.min_depth", "0.1", "smallest depth of the head in metres"},
      {"model.max_depth", "10", "largest depth of the sigmoid head in metres"},
  };
  network.build = [activations](const Settings& settings, const Shape& input) {
    const auto index = [&](const char* key) {
      const std::vector<std::string>& choices = settings.spec(key).choices;
      int i = 0;
      while (settings.text(key) != choices[static_cast<size_t>(i)]) ++i;
      return i;
    };
    UNetParams params;
    params.base_channels = static_cast<int>(settings.integer("model.base_channels", 1, 1024));
    params.levels = static_cast<int>(settings.integer("model.levels", 0, 8));
    params.in_channels = static_cast<int>(input.c);
    params.up_sampling = static_cast<UpSampling>(index("model.up_sampling"));
    params.norm = static_cast<Norm>(index("model.norm"));
    params.activation = static_cast<ActivationKind>(index("model.activation"));
    params.head = static_cast<Head>(index("model.head"));
    params.min_depth = static_cast<float>(settings.real("model.min_depth", 0, 1000));
    params.max_depth = static_cast<float>(settings.real("model.max_depth", 0, 1000));
    params.height = static_cast<int>(input.h);
    params.width = static_cast<int>(input.w);
    return unet(params);
  };
  return network;
}

} // namespace leadline::trainer
