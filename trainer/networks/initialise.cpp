#include "trainer/networks/initialise.hpp"

#include "shared/core/math.hpp"
#include "shared/core/rng.hpp"

#include <algorithm>

namespace leadline::trainer {

namespace {

constexpr uint64_t init_stream = 0x696E6974; // keeps these numbers apart from those of shuffling and augmentation

/// As PyTorch counts them from the shape of a weight, {first, rest..., kernel}: for transposed convolutions "in" is the
/// outputs, with groups "out" counts those of all groups.
struct Fans {
  double in = 0, out = 0;
};
Fans fans_of(LayerKind kind, const Shape& weight) {
  if (kind != layer_kind<Conv2d> && kind != layer_kind<ConvTranspose2d> && kind != layer_kind<Linear>) return {};
  const auto kernel = static_cast<double>(weight.h * weight.w);
  return {kernel * static_cast<double>(weight.c), kernel * static_cast<double>(weight.n)};
}

std::vector<double> uniform_values(const Philox& random, size_t count, double bound) {
  std::vector<double> values(count);
  for (size_t k = 0; k < count; ++k) values[k] = bound * (2 * random.uniform_double(k) - 1);
  return values;
}

/// Box and Muller's transformation, one of its two numbers.
std::vector<double> normal_values(const Philox& random, size_t count, double deviation) {
  std::vector<double> values(count);
  for (size_t k = 0; k < count; ++k)
    values[k] = deviation * math::sqrt(-2 * math::log(1 - random.uniform_double(2 * k))) *
                math::cos(2 * 3.14159265358979323846 * random.uniform_double(2 * k + 1));
  return values;
}

/// A sum in eight parts, so that it vectorises.
double dot(const double* a, const double* b, size_t count) {
  double part[8] = {};
  size_t k = 0;
  for (; k + 8 <= count; k += 8)
    for (size_t p = 0; p < 8; ++p) part[p] += a[k + p] * b[k + p];
  for (; k < count; ++k) part[0] += a[k] * b[k];
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

/// `rows` normal vectors made orthonormal in order (Gram and Schmidt; once more for a vector that lost much of its
/// length, and digits with it). Their directions are uniform, as those of a QR decomposition with positive diagonal.
std::vector<double> orthonormal_rows(std::vector<double> values, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; ++r) {
    double* row = values.data() + r * columns;
    double before = 0, squares = dot(row, row, columns);
    do {
      before = squares;
      for (size_t k = 0; k < r; ++k) {
        const double *other = values.data() + k * columns, along = dot(row, other, columns);
        for (size_t c = 0; c < columns; ++c) row[c] -= along * other[c];
      }
      squares = dot(row, row, columns);
    } while (squares < 0.5 * before);
    const double length = math::sqrt(squares);
    for (size_t c = 0; c < columns; ++c) row[c] /= length;
  }
  return values;
}

std::vector<double> orthogonal_values(const Philox& random, const Shape& shape) {
  const auto rows = static_cast<size_t>(shape.n), columns = static_cast<size_t>(shape.h * shape.w * shape.c);
  const std::vector<double> normal = normal_values(random, rows * columns, 1);
  if (rows <= columns) return orthonormal_rows(normal, rows, columns);
  const std::vector<double> transposed = orthonormal_rows(normal, columns, rows);
  std::vector<double> values(rows * columns);
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < columns; ++c) values[r * columns + c] = transposed[c * rows + r];
  return values;
}

/// What the hidden layers of a network have: the activation that comes first, be it a node or part of one.
bool has_sigmoids(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    ActivationKind kind = ActivationKind::identity;
    if (node.kind == layer_kind<Activation>) kind = node.get<Activation>().kind;
    if (node.kind == layer_kind<Linear>) kind = node.get<Linear>().activation.kind;
    if (node.kind == layer_kind<Conv2d>) kind = node.get<Conv2d>().activation.kind;
    if (kind != ActivationKind::identity) return kind == ActivationKind::sigmoid;
  }
  return false;
}

/// Whether no layer with weights reads what node `i` makes, directly or through others.
bool is_final(const Graph& graph, size_t i) {
  std::vector<bool> reached(static_cast<size_t>(graph.num_values));
  reached[static_cast<size_t>(graph.nodes[i].output)] = true;
  for (size_t k = i + 1; k < graph.nodes.size(); ++k) {
    const Node& node = graph.nodes[k];
    if (std::none_of(node.inputs, node.inputs + node.num_inputs,
                     [&](int32_t v) { return reached[static_cast<size_t>(v)]; }))
      continue;
    if (node.weights[0] != no_index) return false;
    reached[static_cast<size_t>(node.output)] = true;
  }
  return true;
}

} // namespace

const std::vector<std::string>& initialisation_names() {
  static const std::vector<std::string> names{"pytorch",       "kaiming_uniform", "kaiming_normal", "xavier_uniform",
                                              "xavier_normal", "orthogonal",      "sklearn"};
  return names;
}

std::vector<double> initial_weight(const Graph& graph, int i, Initialisation rule, uint64_t seed,
                                   bool zero_final_bias) {
  const size_t count = static_cast<size_t>(graph.weight_shapes[static_cast<size_t>(i)].count());
  const std::vector<double> zeros(count, 0.0);
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    for (int slot = 0; slot < max_weights; ++slot) {
      const Node& node = graph.nodes[n];
      if (node.weights[slot] != i) continue;
      const Shape& shape = graph.weight_shapes[static_cast<size_t>(node.weights[0])];
      const Fans fan = fans_of(node.kind, shape);
      if (fan.in == 0) // a norm: weight and running_var 1, bias and running_mean 0
        return std::vector<double>(count, slot == 0 || slot == 3 ? 1.0 : 0.0);
      if (slot == 1 && zero_final_bias && is_final(graph, n)) return zeros;
      const Philox random(seed, philox_stream(init_stream, static_cast<uint64_t>(i)));
      if (rule == Initialisation::pytorch) return uniform_values(random, count, 1 / math::sqrt(fan.in));
      if (rule == Initialisation::sklearn)
        return uniform_values(random, count, math::sqrt((has_sigmoids(graph) ? 2 : 6) / (fan.in + fan.out)));
      if (slot == 1) return zeros;
      switch (rule) {
      case Initialisation::kaiming_uniform: return uniform_values(random, count, math::sqrt(6 / fan.in));
      case Initialisation::kaiming_normal: return normal_values(random, count, math::sqrt(2 / fan.in));
      case Initialisation::xavier_uniform: return uniform_values(random, count, math::sqrt(6 / (fan.in + fan.out)));
      case Initialisation::xavier_normal: return normal_values(random, count, math::sqrt(2 / (fan.in + fan.out)));
      case Initialisation::orthogonal: return orthogonal_values(random, shape);
      case Initialisation::pytorch:
      case Initialisation::sklearn: break; // above
      }
    }
  return zeros; // used by no node
}

} // namespace leadline::trainer
