// A U-Net on a residual encoder: ResNet-18 (K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image
// recognition", CVPR 2016) down to 1/32 of the picture, and back up with U-Net's skips (O. Ronneberger, P. Fischer, T.
// Brox, 2015).
#pragma once

#include "trainer/networks/parts.hpp"

namespace leadline::trainer {

struct ResNet18UNetParams {
  int base_channels = 64; ///< of the stem and the first stage; the others have 2, 4 and 8 times as many (ResNet: 64)
  int in_channels = 3;
  ActivationKind activation = ActivationKind::relu;
  Head head = Head::sigmoid;
  float min_depth = 0.1f, max_depth = 10.0f; ///< metres; what the head is scaled to
  int height = 0, width = 0;                 ///< multiples of 32
};

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`. The encoder's weights have the names of a PyTorch ResNet's
/// state_dict, so that one trained elsewhere can be copied in:
///
///     conv1, bn1                                  7x7 convolution, stride 2; norm; then max-pool 3x3, stride 2
///     layerS.B.{conv1,bn1,conv2,bn2}              S = 1..4, B = 0, 1: two 3x3 convolutions around a skip
///     layerS.0.downsample.{0,1}                   S = 2..4: the skip's 1x1 convolution, stride 2, and norm
///     up.I, dec.I.{0,1,3,4}                       I = 4..0: transposed convolution to 1/2^I of the picture; block on
///                                                 concat(up, encoder's value of that size), at full size on up alone
///     head                                        1x1 convolution to one channel
///
/// Throws leadline::Error for parameters out of range; for a size that doesn't divide it says which sizes are near.
Graph resnet18_unet(const ResNet18UNetParams& params);

/// Its entry in the list of networks.
Network resnet18_unet_network();

} // namespace leadline::trainer
