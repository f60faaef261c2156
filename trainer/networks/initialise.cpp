#include "trainer/networks/initialise.hpp"

#include "shared/core/math.hpp"
#include "shared/core/rng.hpp"

namespace leadline::trainer {

namespace {

constexpr uint64_t init_stream = 0x696E6974; // keeps these numbers apart from those of shuffling and augmentation

/// Inputs that one output sums over, as PyTorch counts them (for transposed convolutions: its own way, O * kh * kw).
index_t fan_in(LayerKind kind, const Shape& weight) {
  if (kind == layer_kind<Conv2d> || kind == layer_kind<ConvTranspose2d> || kind == layer_kind<Linear>)
    return weight.h * weight.w * weight.c;
  return 0;
}

} // namespace

std::vector<double> initial_weight(const Graph& graph, int i, Initialisation rule, uint64_t seed) {
  const size_t count = static_cast<size_t>(graph.weight_shapes[static_cast<size_t>(i)].count());
  for (const Node& node : graph.nodes)
    for (int slot = 0; slot < max_weights; ++slot) {
      if (node.weights[slot] != i) continue;
      const index_t fan = fan_in(node.kind, graph.weight_shapes[static_cast<size_t>(node.weights[0])]);
      if (fan == 0) // a norm: weight and running_var 1, bias and running_mean 0
        return std::vector<double>(count, slot == 0 || slot == 3 ? 1.0 : 0.0);
      std::vector<double> values(count);
      const Philox random(seed, philox_stream(init_stream, static_cast<uint64_t>(i)));
      if (rule == Initialisation::pytorch) {
        const double bound = 1 / math::sqrt(static_cast<double>(fan));
        for (size_t k = 0; k < count; ++k) values[k] = bound * (2 * random.uniform_double(k) - 1);
      } else if (slot == 0) { // Box and Muller's transformation, one of its two numbers
        const double deviation = math::sqrt(2.0 / static_cast<double>(fan));
        for (size_t k = 0; k < count; ++k)
          values[k] = deviation * math::sqrt(-2 * math::log(1 - random.uniform_double(2 * k))) *
                      math::cos(2 * 3.14159265358979323846 * random.uniform_double(2 * k + 1));
      }
      return values;
    }
  return std::vector<double>(count, 0.0); // used by no node
}

} // namespace leadline::trainer
