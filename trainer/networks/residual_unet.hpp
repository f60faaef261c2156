// Residual U-Net: Z. Zhang, Q. Liu, Y. Wang, "Road extraction by deep residual U-Net", IEEE GRSL 2018, with units as in
// K. He et al., "Identity mappings in deep residual networks", ECCV 2016, and a depth head.
#pragma once

#include "trainer/networks/unet_blocks.hpp"

namespace leadline::trainer {

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`. A unit is norm, activation, 3x3 convolution, twice, plus its
/// source (through a 1x1 convolution where size or channels change); levels are halved by a unit's first convolution.
///
///     down.I.{bn1,conv1,bn2,conv2}   the encoder's unit of level I, stride 2 but for level 0, which has no bn1
///     down.I.shortcut.{0,1}          1x1 convolution and norm of its source
///     up.I, dec.I.*                  as in `unet`, with such units
///     head                           1x1 convolution to one channel
///
/// Throws leadline::Error for parameters out of range; for a size that doesn't divide it says which sizes are near.
Graph residual_unet(const UNetParams& params);

/// Its entry in the list of networks.
Network residual_unet_network();

} // namespace leadline::trainer
