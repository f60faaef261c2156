// What the networks of the U-Net family are built from, and the options that they share.
#pragma once

#include "trainer/networks/parts.hpp"

namespace leadline::trainer {

enum class UpSampling {
  transpose, ///< transposed 2x2 convolution, stride 2
  nearest,   ///< 1x1 convolution, then each pixel four times
  bilinear,  ///< 1x1 convolution, then bilinear interpolation
};
enum class Skip {
  concat, ///< the decoder's channels, then the encoder's
  add,    ///< their sum
  none,   ///< the decoder alone: an autoencoder
};
enum class Norm { batch, group, none };

/// How a U-Net's blocks look.
struct UNetStyle {
  UpSampling up_sampling = UpSampling::transpose;
  Skip skip = Skip::concat;
  Norm norm = Norm::batch;
  ActivationKind activation = ActivationKind::relu;
  float dropout = 0; ///< probability, in [0, 1), that a value on the way from encoder to decoder is 0 in training
};

struct UNetParams : UNetStyle {
  int base_channels = 16; ///< channels of the finest level; each level down has twice as many
  int levels = 4;         ///< how often resolution is halved
  int in_channels = 3;
  Head head = Head::sigmoid;
  float min_depth = 0.1f, max_depth = 10.0f; ///< metres; what the head is scaled to
  int height = 0, width = 0;                 ///< multiples of 2^levels

  int channels(int level) const { return base_channels << level; }
};

/// The pieces on a GraphBuilder; each adds nodes named `name` (or `name.` and PyTorch's number of the module in a
/// Sequential) and returns the value that it made.
struct UNetBlocks {
  GraphBuilder& builder;
  const UNetStyle& style;

  int32_t norm(int32_t x, const std::string& name) const;
  int32_t activation(int32_t x, const std::string& name) const;
  /// A norm makes the convolution's bias useless.
  int32_t conv_norm(int32_t x, int channels, int kernel, const std::string& conv, const std::string& norm,
                    int stride = 1, int groups = 1) const;
  /// conv, norm, activation: modules first, first + 1, first + 2.
  int32_t conv(int32_t x, int channels, int kernel, const std::string& name, int first, int groups = 1) const;
  /// 3x3 conv, norm, activation, twice: modules 0 to 5.
  int32_t block(int32_t x, int channels, const std::string& name) const;
  /// 2x2 max-pooling.
  int32_t halve(int32_t x, const std::string& name) const;
  /// Doubles both sides.
  int32_t twice(int32_t x, int channels, const std::string& name) const;
  /// What the decoder makes of its own value and the encoder's of that size; `add` wants the same channels of both.
  int32_t merge(int32_t up, int32_t skip, const std::string& name) const;
  /// x itself where style.dropout is 0.
  int32_t dropout(int32_t x, const std::string& name) const;
};

/// "down." and 2: "down.2".
inline std::string named(const char* part, int level) { return part + std::to_string(level); }

/// The end of a U-Net: a 1x1 convolution to one channel, called "head", and what makes depth of it.
Graph finish_unet(GraphBuilder& builder, const UNetParams& params, int32_t x);

/// Throws leadline::Error for parameters out of range; for a size that doesn't divide it says which sizes are near.
void check_unet(const char* network, const UNetParams& params, int max_levels = 8);
void check_style(const char* network, const UNetStyle& style);

/// Options of UNetStyle and of UNetParams, and their values.
std::vector<OptionSpec> style_options();
void set_style(const Settings& settings, UNetStyle* style);
std::vector<OptionSpec> unet_options();
UNetParams unet_settings(const Settings& settings, const Shape& input);

/// An entry in the list of networks for one that has no options but these.
Network unet_family_network(const char* name, const char* description, Graph (*build)(const UNetParams&));

} // namespace leadline::trainer
