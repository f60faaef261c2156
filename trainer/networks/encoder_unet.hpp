// U-Nets on encoders that others have trained: down a classifier (encoders.hpp) and back up with U-Net's skips (O.
// Ronneberger, P. Fischer, T. Brox, 2015).
#pragma once

#include "trainer/networks/unet_blocks.hpp"

namespace leadline::trainer {

enum class Encoder { resnet18, resnet34, vgg11_bn, vgg16_bn, mobilenet_v2, efficientnet_lite0 };

/// `norm` and `activation` are those of the decoder: the encoder has its own.
struct EncoderUNetParams : UNetStyle {
  Encoder encoder = Encoder::resnet18;
  float width_multiplier = 1; ///< of the encoder's channels; 1 is the network that others have trained
  int in_channels = 3;
  Head head = Head::sigmoid;
  float min_depth = 0.1f, max_depth = 10.0f; ///< metres; what the head is scaled to
  int height = 0, width = 0;                 ///< multiples of 32, for vgg of 16
};

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`.
///
///     encoder.*             names and shapes of the classifier's PyTorch state_dict: encoders.hpp
///     up.I, dec.I.{0,1,3,4} I = 4..0: up-sampling to 1/2^I of the image; a U-Net's block on it and the encoder's value
///                           of that size, with that one's channels. At full size, where only vgg has a value, on up
///                           alone, with half as many channels as at half size
///     head                  1x1 convolution to one channel
///
/// Throws leadline::Error for parameters out of range; for a size that doesn't divide it says which sizes are near.
Graph encoder_unet(const EncoderUNetParams& params);

/// Its entries in the list of networks: resnet18_unet, resnet34_unet, vgg11_unet, vgg16_unet, mobilenet_v2_unet,
/// efficientnet_lite0_unet.
std::vector<Network> encoder_unet_networks();

} // namespace leadline::trainer
