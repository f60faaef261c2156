#include "trainer/networks/encoder_unet.hpp"

#include "trainer/networks/encoders.hpp"

namespace leadline::trainer {

namespace {

struct Entry {
  const char *name, *description;
  int multiple; ///< that sides must be of
};
constexpr Entry entries[] = {{"resnet18_unet", "U-Net on a ResNet-18 encoder, depth head", 32},
                             {"resnet34_unet", "U-Net on a ResNet-34 encoder, depth head", 32},
                             {"vgg11_unet", "U-Net on a VGG-11 encoder with batch norm, depth head", 16},
                             {"vgg16_unet", "U-Net on a VGG-16 encoder with batch norm, depth head", 16},
                             {"mobilenet_v2_unet", "U-Net on a MobileNetV2 encoder, depth head", 32},
                             {"efficientnet_lite0_unet", "U-Net on an EfficientNet-Lite0 encoder, depth head", 32}};

std::vector<int32_t> add_encoder(GraphBuilder& builder, const EncoderUNetParams& params) {
  const int32_t image = builder.input();
  switch (params.encoder) {
  case Encoder::resnet18: return resnet_encoder(builder, image, 18, params.width_multiplier);
  case Encoder::resnet34: return resnet_encoder(builder, image, 34, params.width_multiplier);
  case Encoder::vgg11_bn: return vgg_encoder(builder, image, 11, params.width_multiplier);
  case Encoder::vgg16_bn: return vgg_encoder(builder, image, 16, params.width_multiplier);
  case Encoder::mobilenet_v2: return mobilenet_v2_encoder(builder, image, params.width_multiplier);
  case Encoder::efficientnet_lite0: return efficientnet_lite0_encoder(builder, image, params.width_multiplier);
  }
  return {};
}

} // namespace

Graph encoder_unet(const EncoderUNetParams& params) {
  const Entry& entry = entries[static_cast<int>(params.encoder)];
  check_width_multiplier(entry.name, params.width_multiplier);
  check_range(entry.name, "in_channels", params.in_channels, 1, 64);
  check_style(entry.name, params);
  check_size(entry.name, "height", params.height, entry.multiple, "its encoder needs");
  check_size(entry.name, "width", params.width, entry.multiple, "its encoder needs");

  GraphBuilder builder(entry.name, {1, params.height, params.width, params.in_channels});
  const UNetBlocks net{builder, params};

  // Down the encoder ...
  const std::vector<int32_t> features = add_encoder(builder, params);
  int32_t x = net.dropout(features.back(), "dropout");

  // ... and up with what it saw at each size, on to full size alone.
  int level = builder.shape(features[0]).h == params.height ? 0 : 1; // of features[0]
  level += static_cast<int>(features.size()) - 1;
  for (size_t k = features.size() - 1; k-- > 0;) {
    const std::string number = std::to_string(--level);
    const int channels = builder.channels(features[k]);
    x = net.merge(net.twice(x, channels, "up." + number), features[k], "merge." + number);
    x = net.block(x, channels, "dec." + number);
  }
  if (level > 0) {
    const int channels = builder.channels(x) / 2;
    x = net.block(net.twice(x, channels, "up.0"), channels, "dec.0");
  }
  x = padded_conv(builder, x, 1, 1, "head", true);
  builder.output(depth_head(builder, x, params.head, params.min_depth, params.max_depth));
  return builder.finish();
}

std::vector<Network> encoder_unet_networks() {
  std::vector<Network> networks;
  for (const Entry& entry : entries) {
    Network network;
    network.name = entry.name;
    network.description = entry.description;
    network.options = style_options();
    network.options.push_back(width_multiplier_option());
    const auto encoder = static_cast<Encoder>(networks.size());
    network.build = [encoder](const Settings& settings, const Shape& input) {
      EncoderUNetParams params;
      params.encoder = encoder;
      params.width_multiplier = static_cast<float>(settings.real("model.width_multiplier", 0.01, 8));
      set_style(settings, &params);
      set_common(settings, input, &params);
      return encoder_unet(params);
    };
    networks.push_back(std::move(network));
  }
  return networks;
}

} // namespace leadline::trainer
