// What networks share: checks of their parameters, a padded convolution, and the head that ends in metres.
#pragma once

#include "trainer/networks/network.hpp"

namespace leadline::trainer {

/// Throws leadline::Error, `network: field`, unless min <= value <= max.
void check_range(const char* network, const char* field, int value, int min, int max);
/// Throws leadline::Error that says which sizes are near, unless `value` is a positive multiple of `multiple`. `reason`
/// is who wants that: "3 levels need", `otherwise` what else would help: ", or fewer levels".
void check_size(const char* network, const char* field, int value, int multiple, const std::string& reason,
                const std::string& otherwise = "");

/// A square convolution with an odd kernel, padded so that stride 1 keeps the size and stride 2 halves even ones. A
/// norm behind it makes its bias useless.
int32_t padded_conv(GraphBuilder& builder, int32_t x, int channels, int kernel, const std::string& name, bool bias,
                    int stride = 1, int groups = 1);

/// How the last value becomes metres.
enum class Head {
  sigmoid,   ///< min_depth + (max_depth - min_depth) * sigmoid(x): bounded on both sides
  softplus,  ///< min_depth + softplus(x): bounded below
  linear,    ///< x itself
  relu,      ///< max(x, 0)
  tanh,      ///< min_depth + (max_depth - min_depth) * (tanh(x) + 1) / 2: bounded on both sides, twice as steep
  log_depth, ///< exp(log(min_depth) + (log(max_depth) - log(min_depth)) * sigmoid(x)): bounded, equal steps of x are
             ///< about equal factors of depth; min_depth > 0
};

/// Adds the head behind `x`; its nodes are called NAME.*. Throws leadline::Error for an empty range (in metres) where
/// the head has one.
int32_t depth_head(GraphBuilder& builder, int32_t x, Head head, float min_depth, float max_depth,
                   const std::string& name = "head");
/// What a head can answer, in metres: both ends, or 0 and infinity where there is none. (A linear one says less than 0,
/// too, which is no depth.)
std::pair<float, float> depth_range(Head head, float min_depth, float max_depth);

/// `channels` times a factor, as a multiple of 8, at least 8: MobileNet's width multiplier.
int scaled_channels(int channels, float width_multiplier);
/// Throws leadline::Error unless 0 < width_multiplier <= 8.
void check_width_multiplier(const char* network, float width_multiplier);
OptionSpec width_multiplier_option();

/// Options of networks that end in `depth_head`, and their values.
std::vector<OptionSpec> head_options();
struct HeadSettings {
  Head head;
  float min_depth, max_depth; ///< metres
};
HeadSettings head_settings(const Settings& settings);

/// model.activation, which is after each norm.
OptionSpec activation_option();
ActivationKind activation_setting(const Settings& settings);

/// Fills what all networks' parameters have: input's size and channels, activation, head.
template <class Params> void set_common(const Settings& settings, const Shape& input, Params* params) {
  const HeadSettings head = head_settings(settings);
  params->in_channels = static_cast<int>(input.c);
  params->height = static_cast<int>(input.h);
  params->width = static_cast<int>(input.w);
  params->activation = activation_setting(settings);
  params->head = head.head;
  params->min_depth = head.min_depth;
  params->max_depth = head.max_depth;
}

/// Which of its option's choices a setting has.
int choice_index(const Settings& settings, const char* key);

} // namespace leadline::trainer
