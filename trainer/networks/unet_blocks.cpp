#include "trainer/networks/unet_blocks.hpp"

namespace leadline::trainer {

int32_t UNetBlocks::norm(int32_t x, const std::string& name) const {
  if (style.norm == Norm::batch) return builder.add<BatchNorm2d>({}, {x}, name);
  if (style.norm == Norm::none) return x;
  GroupNorm::Params p;
  for (p.num_groups = 8; builder.channels(x) % p.num_groups != 0;) // the most, up to 8, that divide the channels
    --p.num_groups;
  return builder.add<GroupNorm>(p, {x}, name);
}

int32_t UNetBlocks::activation(int32_t x, const std::string& name) const {
  return builder.add<Activation>(make_activation(style.activation), {x}, name);
}

int32_t UNetBlocks::conv_norm(int32_t x, int channels, int kernel, const std::string& conv,
                              const std::string& norm_name, int stride, int groups) const {
  return norm(padded_conv(builder, x, channels, kernel, conv, style.norm == Norm::none, stride, groups), norm_name);
}

int32_t UNetBlocks::conv(int32_t x, int channels, int kernel, const std::string& name, int first, int groups) const {
  const auto module = [&](int k) { return name + "." + std::to_string(first + k); };
  return activation(conv_norm(x, channels, kernel, module(0), module(1), 1, groups), module(2));
}

int32_t UNetBlocks::block(int32_t x, int channels, const std::string& name) const {
  return conv(conv(x, channels, 3, name, 0), channels, 3, name, 3);
}

int32_t UNetBlocks::halve(int32_t x, const std::string& name) const { return builder.add<MaxPool2d>({}, {x}, name); }

int32_t UNetBlocks::twice(int32_t x, int channels, const std::string& name) const {
  if (style.up_sampling == UpSampling::transpose) {
    ConvTranspose2d::Params p;
    p.out_channels = channels;
    p.kernel_h = p.kernel_w = p.stride_h = p.stride_w = 2;
    return builder.add<ConvTranspose2d>(p, {x}, name);
  }
  // The 1x1 convolution first: it commutes with resizing and has a quarter of the pixels there.
  Resize::Params p;
  p.mode = style.up_sampling == UpSampling::nearest ? ResizeMode::nearest : ResizeMode::bilinear;
  return builder.add<Resize>(p, {padded_conv(builder, x, channels, 1, name, true)}, name + ".resize");
}

int32_t UNetBlocks::merge(int32_t up, int32_t skip, const std::string& name) const {
  switch (style.skip) {
  case Skip::concat: return builder.add<Concat>({}, {up, skip}, name);
  case Skip::add: return builder.add<Add>({}, {up, skip}, name);
  case Skip::none: break;
  }
  return up;
}

int32_t UNetBlocks::dropout(int32_t x, const std::string& name) const {
  return style.dropout > 0 ? builder.add<Dropout>({style.dropout}, {x}, name) : x;
}

Graph finish_unet(GraphBuilder& builder, const UNetParams& params, int32_t x) {
  x = padded_conv(builder, x, 1, 1, "head", true);
  builder.output(depth_head(builder, x, params.head, params.min_depth, params.max_depth));
  return builder.finish();
}

void check_style(const char* network, const UNetStyle& style) {
  if (!(style.dropout >= 0 && style.dropout < 1))
    throw Error({.field = std::string(network) + ": dropout",
                 .value = std::to_string(style.dropout),
                 .reason = "it is out of range",
                 .fix = "Use a probability from 0 up to, but not, 1"});
}

void check_unet(const char* network, const UNetParams& params, int max_levels) {
  check_range(network, "base_channels", params.base_channels, 1, 1024);
  check_range(network, "levels", params.levels, 0, max_levels);
  check_range(network, "in_channels", params.in_channels, 1, 64);
  check_style(network, params);
  const std::string reason = std::to_string(params.levels) + " levels need";
  check_size(network, "height", params.height, 1 << params.levels, reason, ", or fewer levels");
  check_size(network, "width", params.width, 1 << params.levels, reason, ", or fewer levels");
}

std::vector<OptionSpec> style_options() {
  std::vector<OptionSpec> options = head_options();
  const std::vector<OptionSpec> own{
      {"model.up_sampling",
       "transpose",
       "U-Nets: how the decoder doubles resolution; nearest and bilinear behind a 1x1 convolution",
       {"transpose", "nearest", "bilinear"}},
      {"model.skip",
       "concat",
       "U-Nets: how the decoder takes in what the encoder saw at its size",
       {"concat", "add", "none"}},
      {"model.norm",
       "batch",
       "U-Nets: normalisation after each convolution (pretrained encoders always have batch norm)",
       {"batch", "group", "none"}},
      {"model.dropout", "0", "U-Nets: probability that a value between encoder and decoder is dropped in training"},
      activation_option(),
  };
  options.insert(options.end(), own.begin(), own.end());
  return options;
}

void set_style(const Settings& settings, UNetStyle* style) {
  style->up_sampling = static_cast<UpSampling>(choice_index(settings, "model.up_sampling"));
  style->skip = static_cast<Skip>(choice_index(settings, "model.skip"));
  style->norm = static_cast<Norm>(choice_index(settings, "model.norm"));
  style->dropout = static_cast<float>(settings.real("model.dropout", 0, 0.99));
}

std::vector<OptionSpec> unet_options() {
  std::vector<OptionSpec> options{
      {"model.base_channels", "16", "U-Nets: channels of the finest level; doubled at each level down"},
      {"model.levels", "4", "U-Nets: how often resolution is halved; sides must be multiples of 2^levels"}};
  for (const OptionSpec& option : style_options()) options.push_back(option);
  return options;
}

UNetParams unet_settings(const Settings& settings, const Shape& input) {
  UNetParams params;
  params.base_channels = static_cast<int>(settings.integer("model.base_channels", 1, 1024));
  params.levels = static_cast<int>(settings.integer("model.levels", 0, 8));
  set_style(settings, &params);
  set_common(settings, input, &params);
  return params;
}

Network unet_family_network(const char* name, const char* description, Graph (*build)(const UNetParams&)) {
  Network network;
  network.name = name;
  network.description = description;
  network.options = unet_options();
  network.build = [build](const Settings& settings, const Shape& input) {
    return build(unet_settings(settings, input));
  };
  return network;
}

} // namespace leadline::trainer
