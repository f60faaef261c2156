#include "trainer/networks/parts.hpp"

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

int32_t depth_head(GraphBuilder& builder, int32_t x, Head head, float min_depth, float max_depth) {
  if ((head == Head::sigmoid || head == Head::softplus) && !(min_depth >= 0 && min_depth < max_depth))
    throw Error({.field = "depth head: min_depth",
                 .value = std::to_string(min_depth),
                 .reason = "the depth range is empty",
                 .fix = "Use 0 <= min_depth < max_depth, in metres"});
  const auto activation = [&](ActivationKind kind) {
    return builder.add<Activation>(make_activation(kind), {x}, std::string("head.") + activation_name(kind));
  };
  Affine::Params range;
  switch (head) {
  case Head::linear: return x;
  case Head::relu: return activation(ActivationKind::relu);
  case Head::sigmoid:
    range = {max_depth - min_depth, min_depth};
    x = activation(ActivationKind::sigmoid);
    break;
  case Head::softplus:
    range = {1, min_depth};
    x = activation(ActivationKind::softplus);
    break;
  }
  return range.scale == 1 && range.shift == 0 ? x : builder.add<Affine>(range, {x}, "head.range");
}

int choice_index(const Settings& settings, const char* key) {
  const std::vector<std::string>& choices = settings.spec(key).choices;
  int i = 0;
  while (settings.text(key) != choices[static_cast<size_t>(i)]) ++i;
  return i;
}

std::vector<OptionSpec> head_options() {
  return {
      {"model.head", "sigmoid", "how the last value becomes metres", {"sigmoid", "softplus", "linear", "relu"}},
      {"model.min_depth", "0.1", "smallest depth of the sigmoid and softplus heads in metres"},
      {"model.max_depth", "10", "largest depth of the sigmoid head in metres"},
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
    names.push_back(activation_name(static_cast<ActivationKind>(kind)));
  return {"model.activation", "relu", "after each norm", names};
}

ActivationKind activation_setting(const Settings& settings) {
  return static_cast<ActivationKind>(choice_index(settings, "model.activation"));
}

} // namespace leadline::trainer
