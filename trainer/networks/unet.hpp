// U-Net: O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015,
// with padded convolutions and a depth head.
#pragma once

#include "trainer/networks/unet_blocks.hpp"

namespace leadline::trainer {

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`. Weights are named as in a PyTorch state_dict:
///
///     down.I.{0,1,3,4}  conv, norm, conv, norm of encoder level I (0 is the finest, `levels` the bottom)
///     up.I              transposed convolution (or, before nearest and bilinear resizing, a 1x1 one) to level I
///     dec.I.{0,1,3,4}   the same block as down, on concat(up, skip), up + skip, or up alone
///     head              1x1 convolution to one channel
///
/// Dropout is where the paper has it, at the end of the contracting path. Throws leadline::Error for parameters out of
/// range; for a size that doesn't divide it says which sizes are near.
Graph unet(const UNetParams& params);

/// Its entry in the list of networks.
Network unet_network();

} // namespace leadline::trainer
