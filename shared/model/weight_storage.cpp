#include "shared/model/weight_storage.hpp"

namespace leadline {

const char* weight_type_name(WeightType type) {
  switch (type) {
  case WeightType::f32: return "f32";
  case WeightType::f16: return "f16";
  case WeightType::bf16: return "bf16";
  case WeightType::int8: return "int8";
  }
  return "unknown";
}

WeightChannels weight_channels(const Node& node, int slot, const Shape& shape) {
  if (slot != 0) return {};
  if (node.kind == layer_kind<Conv2d> || node.kind == layer_kind<Linear>) return {shape.n, 0};
  if (node.kind != layer_kind<ConvTranspose2d>) return {};
  const index_t groups = node.get<ConvTranspose2d>().groups;
  if (groups < 1 || shape.n % groups != 0 || shape.c > max_extent || groups > max_extent) return {};
  return {shape.c * groups, shape.n / groups};
}

} // namespace leadline
