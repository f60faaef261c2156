// A U-Net for small devices: each 3x3 convolution is a depthwise one and a 1x1 one, as in A. G. Howard et al.,
// "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017.
#pragma once

#include "trainer/networks/unet_blocks.hpp"

namespace leadline::trainer {

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`: `unet` with separable convolutions.
///
///     stem.{0,1}                 the first convolution is a full 3x3 one: three channels are too few to keep apart
///     down.I.{0,1,3,4,6,7,9,10}  depthwise, norm, 1x1, norm, twice (level 0 once: 0, 1, 3, 4)
///     up.I                       as in `unet`; with up_sampling nearest or bilinear no full kernel is left
///     dec.I.{0,1,3,4,6,7,9,10}
///     head
///
/// Throws leadline::Error for parameters out of range; for a size that doesn't divide it says which sizes are near.
Graph mobile_unet(const UNetParams& params);

/// Its entry in the list of networks.
Network mobile_unet_network();

} // namespace leadline::trainer
