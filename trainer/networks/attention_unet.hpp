// Attention U-Net: O. Oktay et al., "Attention U-Net: learning where to look for the pancreas", MIDL 2018, in two
// dimensions and with a depth head.
#pragma once

#include "trainer/networks/unet_blocks.hpp"

namespace leadline::trainer {

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`: `unet`, whose skips pass additive attention gates. With x the
/// encoder's value of level I (C channels) and g the decoder's of the level below,
///
///     alpha = up(sigmoid(psi(relu(theta(x) + phi(g))))),   what is skipped = alpha * x
///
/// where theta is a 2x2 convolution with stride 2 to C / 2 channels, phi and psi 1x1 ones to C / 2 and 1, and up is
/// bilinear. As in the paper, the finest skip (level 0) has no gate. Weights: those of `unet`, and
///
///     gate.I.{theta,phi,psi}   I = 1..levels-1; theta has no bias
///
/// Throws leadline::Error for parameters out of range or without skips; for a size that doesn't divide it says which
/// sizes are near.
Graph attention_unet(const UNetParams& params);

/// Its entry in the list of networks.
Network attention_unet_network();

} // namespace leadline::trainer
