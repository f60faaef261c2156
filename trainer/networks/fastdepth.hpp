// FastDepth: D. Wofk, F. Ma, T.-J. Yang, S. Karaman, V. Sze, "FastDepth: fast monocular depth estimation on embedded
// systems", ICRA 2019, before pruning. Its encoder is MobileNet: A. G. Howard et al., "MobileNets: efficient
// convolutional neural networks for mobile vision applications", 2017.
#pragma once

#include "trainer/networks/parts.hpp"

namespace leadline::trainer {

struct FastDepthParams {
  float width_multiplier = 1; ///< of all channels but input and output, rounded to multiples of 8 (MobileNet's alpha)
  int in_channels = 3;
  ActivationKind activation = ActivationKind::relu;
  Head head = Head::relu;                    ///< relu is the paper's
  float min_depth = 0.1f, max_depth = 10.0f; ///< metres; of the other heads
  int height = 0, width = 0;                 ///< multiples of 32
};

/// Image `[1,H,W,in_channels]` to depth `[1,H,W,1]`. A norm and an activation follow each convolution. Weights are
/// named as in the authors' PyTorch state_dict, I counting on where a Sequential has its activation:
///
///     conv0.{0,1}            3x3 convolution, stride 2; norm
///     convI.{0,1,3,4}        I = 1..13: depthwise 3x3, norm, 1x1, norm
///     decode_convI.J.{0,1}   I = 1..5: J = 0 depthwise 5x5, norm; J = 1 1x1, norm
///     decode_conv6.{0,1}     1x1 to one channel, norm
///
/// Throws leadline::Error for parameters out of range; for a size that doesn't divide it says which sizes are near.
Graph fastdepth(const FastDepthParams& params);

/// Its entry in the list of networks.
Network fastdepth_network();

} // namespace leadline::trainer
