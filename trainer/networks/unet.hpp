// U-Net: O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015,
// with padded convolutions and a depth head.
#pragma once

#include "trainer/networks/parts.hpp"

namespace leadline::trainer {

enum class UpSampling { transpose, nearest, bilinear };
enum class Norm { batch, group, none };

struct UNetParams {
  int base_channels = 16; ///< channels of the finest level; each level down has twice as many
  int levels = 4;         ///< how often resolution is halved
  int in_channels = 3;
  UpSampling up_sampling = UpSampling::transpose;
  Norm norm = Norm::batch;
  ActivationKind activation = ActivationKind::relu;
  Head head = Head::sigmoid;
  float min_depth = 0.1f, max_depth = 10.0f; ///< metres; what the head is scaled to
  int height = 0, width = 0;                 ///< multiples of 2^levels
};

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`. Weights are named as in a PyTorch state_dict:
///
///     down.I.{0,1,3,4}  conv, norm, conv, norm of encoder level I (0 is the finest, `levels` the bottom)
///     up.I              transposed convolution (or, after nearest and bilinear resizing, a 1x1 one) to level I
///     dec.I.{0,1,3,4}   the same block as down, on concat(up, skip)
///     head              1x1 convolution to one channel
///
/// Throws leadline::Error for parameters out of range; for a size that doesn't divide it says which sizes are near.
Graph unet(const UNetParams& params);

/// Its entry in the list of networks.
Network unet_network();

} // namespace leadline::trainer
