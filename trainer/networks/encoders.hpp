// Encoders that others have trained on ImageNet: the feature extractors of classifiers, with their weights' names and
// shapes.
//
// Each adds itself to a graph and returns the values that a decoder may look at: finest first, each with half the sides
// of the one before, the encoder's result last. Weights are called `encoder.` and the name in the PyTorch state_dict of
// torchvision's (resnet, vgg, mobilenet_v2) or timm's (efficientnet_lite0) model; only the classifier is left out.
// `width_multiplier` scales all channels (scaled_channels, parts.hpp); 1 is the published network.
#pragma once

#include "trainer/networks/parts.hpp"

namespace leadline::trainer {

/// K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016, with 18 or 34 layers:
/// five values, of 64, 64, 128, 256 and 512 channels, the first at half size.
///
///     conv1, bn1                           7x7 convolution, stride 2; norm; then max-pool 3x3, stride 2
///     layerS.B.{conv1,bn1,conv2,bn2}       S = 1..4: two 3x3 convolutions around a skip
///     layerS.0.downsample.{0,1}            S = 2..4: the skip's 1x1 convolution, stride 2, and norm
std::vector<int32_t> resnet_encoder(GraphBuilder& builder, int32_t image, int layers, float width_multiplier);

/// K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, with 11 or 16
/// layers and batch norm (torchvision's vgg11_bn, vgg16_bn): five values, of 64, 128, 256, 512 and 512 channels, the
/// first at full size. The last pooling is left out, too.
///
///     features.K     3x3 convolutions with bias, and norms behind them, as they stand in the Sequential
std::vector<int32_t> vgg_encoder(GraphBuilder& builder, int32_t image, int layers, float width_multiplier);

/// M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018: five values, of 16, 24, 32,
/// 96 and 320 channels, the first at half size. The last 1x1 convolution, to 1280 channels, counts as the classifier's.
///
///     features.0.{0,1}                     3x3 convolution, stride 2; norm
///     features.K.conv.{0.0,0.1}            K = 1..17: 1x1 convolution to 6 times the channels, norm (not for K = 1)
///     features.K.conv.{1.0,1.1}            depthwise 3x3, norm (K = 1: conv.{0.0,0.1})
///     features.K.conv.{2,3}                1x1 convolution, norm (K = 1: conv.{1,2})
std::vector<int32_t> mobilenet_v2_encoder(GraphBuilder& builder, int32_t image, float width_multiplier);

/// EfficientNet-Lite0: M. Tan, Q. V. Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
/// ICML 2019, without squeeze-and-excite and with relu6, as published for mobile devices in 2020: five values, of 16,
/// 24, 40, 112 and 320 channels, the first at half size. The last 1x1 convolution counts as the classifier's.
///
///     conv_stem, bn1                                         3x3 convolution, stride 2; norm
///     blocks.0.0.{conv_dw,bn1,conv_pw,bn2}                   depthwise 3x3, 1x1
///     blocks.I.J.{conv_pw,bn1,conv_dw,bn2,conv_pwl,bn3}      I = 1..6: 1x1 to 6 times the channels, depthwise, 1x1
std::vector<int32_t> efficientnet_lite0_encoder(GraphBuilder& builder, int32_t image, float width_multiplier);

/// The pieces of encoders on a GraphBuilder; each returns the value that it made.
struct EncoderBlocks {
  GraphBuilder& builder;

  int32_t conv_norm(int32_t x, int channels, int kernel, int stride, int groups, const std::string& conv,
                    const std::string& norm, bool bias = false) const {
    x = padded_conv(builder, x, channels, kernel, conv, bias, stride, groups);
    return builder.add<BatchNorm2d>({}, {x}, norm);
  }
  int32_t activation(int32_t x, ActivationKind kind, const std::string& name) const {
    return builder.add<Activation>(make_activation(kind), {x}, name);
  }
};

} // namespace leadline::trainer
