#include "trainer/networks/parts.hpp"

#include "shared/core/math.hpp"

#include <algorithm>
#include <limits>

namespace leadline::trainer {

namespace {

[[noreturn]] void refuse(const char* network, const char* field, int value, const std::string& reason,
                         const std::string& fix) {
  throw Error(
      {.field = std::string(network) + ": " + field, .value = std::to_string(value), .reason = reason, .fix = fix});
}

} // namespace

void check_range(const char* network, const char* field, int value, int min, int max) {
  if (value < min || value > max)
    refuse(network, field, value, "it is out of range", "Use " + std::to_string(min) + " to " + std::to_string(max));
}

void check_size(const char* network, const char* field, int value, int multiple, const std::string& reason,
                const std::string& otherwise) {
  if (value > 0 && value % multiple == 0) return;
  const int below = value / multiple * multiple, above = (below > 0 ? below : 0) + multiple;
  const std::string near = below > 0 ? std::to_string(below) + " or " + std::to_string(above) : std::to_string(above);
  refuse(network, field, value, reason + " a multiple of " + std::to_string(multiple), "Use " + near + otherwise);
}

int32_t padded_conv(GraphBuilder& builder, int32_t x, int channels, int kernel, const std::string& name, bool bias,
                    int stride, int groups) {
  Conv2d::Params p;
  p.out_channels = channels;
  p.kernel_h = p.kernel_w = kernel;
  p.stride_h = p.stride_w = stride;
  p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = kernel / 2;
  p.groups = groups;
  return builder.add<Conv2d>(p, {x}, name, bias ? 0 : 0b10);
}

int32_t depth_head(GraphBuilder& builder, int32_t x, Head head, float min_depth, float max_depth,
                   const std::string& name) {
  const bool logarithmic = head == Head::log_depth, ranged = head != Head::linear && head != Head::relu;
  if (ranged && !(min_depth >= 0 && min_depth < max_depth && (!logarithmic || min_depth > 0)))
    throw Error({.field = "depth head: min_depth",
                 .value = std::to_string(min_depth),
                 .reason = logarithmic && min_depth == 0 ? "there is no logarithm of 0" : "the depth range is empty",
                 .fix = std::string("Use 0 ") + (logarithmic ? "<" : "<=") + " min_depth < max_depth, in metres"});
  const auto activation = [&](ActivationKind kind) {
    x = builder.add<Activation>(make_activation(kind), {x}, name + "." + activation_name(kind));
  };
  const auto scale = [&](float factor, float shift) {
    if (factor != 1 || shift != 0) x = builder.add<Affine>({factor, shift}, {x}, name + ".range");
  };
  switch (head) {
  case Head::linear: break;
  case Head::relu: activation(ActivationKind::relu); break;
  case Head::sigmoid:
    activation(ActivationKind::sigmoid);
    scale(max_depth - min_depth, min_depth);
    break;
  case Head::softplus:
    activation(ActivationKind::softplus);
    scale(1, min_depth);
    break;
  case Head::tanh:
    activation(ActivationKind::tanh);
    scale((max_depth - min_depth) / 2, (max_depth + min_depth) / 2);
    break;
  case Head::log_depth: {
    const double low = math::log(static_cast<double>(min_depth)), high = math::log(static_cast<double>(max_depth));
    activation(ActivationKind::sigmoid);
    scale(static_cast<float>(high - low), static_cast<float>(low));
    activation(ActivationKind::exp);
    break;
  }
  }
  return x;
}

std::pair<float, float> depth_range(Head head, float min_depth, float max_depth) {
  switch (head) {
  case Head::sigmoid:
  case Head::tanh:
  case Head::log_depth: return {min_depth, max_depth};
  case Head::softplus: return {min_depth, std::numeric_limits<float>::infinity()};
  case Head::linear:
  case Head::relu: break;
  }
  return {0.0f, std::numeric_limits<float>::infinity()};
}

int scaled_channels(int channels, float width_multiplier) {
  return std::max(8, static_cast<int>(static_cast<float>(channels) * width_multiplier / 8 + 0.5f) * 8);
}

void check_width_multiplier(const char* network, float width_multiplier) {
  if (!(width_multiplier > 0 && width_multiplier <= 8))
    throw Error({.field = std::string(network) + ": width_multiplier",
                 .value = std::to_string(width_multiplier),
                 .reason = "it is out of range",
                 .fix = "Use a number above 0 and up to 8; the paper has 1"});
}

OptionSpec width_multiplier_option() {
  return {"model.width_multiplier", "1", "fastdepth, pretrained encoders: factor of all channels"};
}

int choice_index(const Settings& settings, const char* key) {
  const std::vector<std::string>& choices = settings.spec(key).choices;
  int i = 0;
  while (settings.text(key) != choices[static_cast<size_t>(i)]) ++i;
  return i;
}

std::vector<OptionSpec> head_options() {
  return {
      {"model.head",
       "sigmoid",
       "how the last value becomes metres",
       {"sigmoid", "softplus", "linear", "relu", "tanh", "log_depth"}},
      {"model.min_depth", "0.1", "smallest depth of the sigmoid, tanh, log_depth and softplus heads in metres"},
      {"model.max_depth", "10", "largest depth of the sigmoid, tanh and log_depth heads in metres"},
  };
}

HeadSettings head_settings(const Settings& settings) {
  return {static_cast<Head>(choice_index(settings, "model.head")),
          static_cast<float>(settings.real("model.min_depth", 0, 1000)),
          static_cast<float>(settings.real("model.max_depth", 0, 1000))};
}

OptionSpec activation_option() {
  std::vector<std::string> names;
  for (int kind = 0; kind < num_activations; ++kind)
    if (static_cast<ActivationKind>(kind) != ActivationKind::exp) // the last one, and of heads only
      names.push_back(activation_name(static_cast<ActivationKind>(kind)));
  return {"model.activation", "relu", "after each norm", names};
}

ActivationKind activation_setting(const Settings& settings) {
  return static_cast<ActivationKind>(choice_index(settings, "model.activation"));
}

} // namespace leadline::trainer
