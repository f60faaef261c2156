// U-Net++: Z. Zhou, M. M. Rahman Siddiquee, N. Tajbakhsh, J. Liang, "UNet++: a nested U-Net architecture for medical
// image segmentation", DLMIA 2018, with a depth head.
#pragma once

#include "trainer/networks/unet_blocks.hpp"

namespace leadline::trainer {

struct UNetPlusPlusParams : UNetParams {
  /// Heads on x.0.1 to x.0.levels, whose mean is the answer (the paper's accurate mode); false: on the last alone. The
  /// loss is that of the mean.
  bool deep_supervision = false;
};

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`. With H the two convolutions of `unet` and U its up-sampling to
/// level I, the paper's figure is
///
///     x.I.0 = H(pool(x.I-1.0))                                       the encoder, level 0 the finest
///     x.I.J = H(U(x.I+1.J-1) with x.I.0, ..., x.I.J-1)               J = 1 .. levels - I
///
/// Weights are named x.I.J.{0,1,3,4} and up.I.J, the heads head, or head.J with deep supervision. `levels` up to 7.
/// Throws leadline::Error for parameters out of range or without skips; for a size that doesn't divide it says which
/// sizes are near.
Graph unet_plus_plus(const UNetPlusPlusParams& params);

/// Its entry in the list of networks.
Network unet_plus_plus_network();

} // namespace leadline::trainer
