// First weights: ranges and moments of PyTorch's rules, and that they depend on the seed alone. Weight layouts.
#include "trainer/networks/initialise.hpp"
#include "trainer/networks/unet.hpp"
#include "trainer/weight_layout.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>

using namespace leadline;
using namespace leadline::trainer;

namespace {

Graph network() {
  UNetParams p;
  p.base_channels = 16;
  p.levels = 2;
  p.height = p.width = 8;
  return unet(p);
}

int index_of(const Graph& graph, const std::string& name) {
  const auto found = std::find(graph.weight_names.begin(), graph.weight_names.end(), name);
  REQUIRE(found != graph.weight_names.end());
  return static_cast<int>(found - graph.weight_names.begin());
}

} // namespace

TEST_CASE("pytorch's rule: uniform within 1/sqrt(fan_in), for weights and biases") {
  const Graph graph = network();
  // fan_in of up.1 counts its outputs, as PyTorch does for transposed convolutions
  for (const auto& [name, fan] : std::vector<std::pair<std::string, double>>{{"down.1.3.weight", 32 * 9},
                                                                             {"down.0.0.weight", 3 * 9},
                                                                             {"up.1.weight", 32 * 4},
                                                                             {"up.1.bias", 32 * 4},
                                                                             {"head.weight", 16}}) {
    INFO(name);
    const std::vector<double> values = initial_weight(graph, index_of(graph, name), Initialisation::pytorch, 1);
    const double bound = 1 / std::sqrt(fan);
    double largest = 0, sum = 0, squares = 0;
    for (const double value : values) {
      largest = std::max(largest, std::abs(value));
      sum += value;
      squares += value * value;
    }
    const double n = static_cast<double>(values.size());
    CHECK(largest <= bound);
    CHECK(largest > bound * (1 - 8 / n));
    CHECK(std::abs(sum / n) <= 4 * bound / std::sqrt(3 * n));
    CHECK(std::abs(squares / n - bound * bound / 3) <= 4 * bound * bound * std::sqrt(4.0 / 45 / n));
  }
}

TEST_CASE("kaiming_normal: variance 2/fan_in, no bias") {
  const Graph graph = network();
  const std::vector<double> values =
      initial_weight(graph, index_of(graph, "down.2.3.weight"), Initialisation::kaiming_normal, 1);
  double sum = 0, squares = 0;
  size_t beyond = 0;
  const double deviation = std::sqrt(2.0 / (64 * 9));
  for (const double value : values) {
    sum += value;
    squares += value * value;
    beyond += std::abs(value) > 2 * deviation;
  }
  const double n = static_cast<double>(values.size());
  CHECK(std::abs(sum / n) <= 4 * deviation / std::sqrt(n));
  CHECK(std::abs(squares / n / (deviation * deviation) - 1) <= 4 * std::sqrt(2 / n));
  CHECK(std::abs(static_cast<double>(beyond) / n - 0.0455) <= 0.005);
  for (const double value : initial_weight(graph, index_of(graph, "up.0.bias"), Initialisation::kaiming_normal, 1))
    CHECK(value == 0);
}

TEST_CASE("the other rules: bounds, variances and biases") {
  const Graph graph = network();
  struct Rule {
    Initialisation rule;
    bool uniform;
    double variance; // of down.2.3.weight: 64 outputs, 64 inputs, 3x3
    double of_up;    // of up.1.weight: PyTorch's fan_in is 32 * 4, fan_out 64 * 4
    bool draws_biases;
  };
  const double in = 64 * 9, out = 64 * 9;
  const std::vector<Rule> rules{{Initialisation::kaiming_uniform, true, 2 / in, 2.0 / (32 * 4), false},
                                {Initialisation::kaiming_normal, false, 2 / in, 2.0 / (32 * 4), false},
                                {Initialisation::xavier_uniform, true, 2 / (in + out), 2.0 / (96 * 4), false},
                                {Initialisation::xavier_normal, false, 2 / (in + out), 2.0 / (96 * 4), false},
                                {Initialisation::sklearn, true, 2 / (in + out), 2.0 / (96 * 4), true}};
  for (const Rule& rule : rules) {
    INFO(initialisation_names()[static_cast<size_t>(rule.rule)]);
    for (const auto& [name, variance] : {std::pair{"down.2.3.weight", rule.variance}, {"up.1.weight", rule.of_up}}) {
      INFO(name);
      const std::vector<double> values = initial_weight(graph, index_of(graph, name), rule.rule, 1);
      double squares = 0, largest = 0;
      for (const double v : values) {
        squares += v * v;
        largest = std::max(largest, std::abs(v));
      }
      const double n = static_cast<double>(values.size()), bound = std::sqrt(3 * variance);
      CHECK(std::abs(squares / n / variance - 1) <= 4 * std::sqrt(2 / n));
      CHECK((largest <= bound) == rule.uniform);
      if (rule.uniform) CHECK(largest > bound * (1 - 8 / n));
    }
    const std::vector<double> bias = initial_weight(graph, index_of(graph, "up.1.bias"), rule.rule, 1);
    CHECK(std::any_of(bias.begin(), bias.end(), [](double v) { return v != 0; }) == rule.draws_biases);
  }
}

TEST_CASE("sklearn's factor is 2 where the activation is sigmoid") {
  UNetParams p;
  p.base_channels = 16;
  p.levels = 1;
  p.height = p.width = 8;
  p.activation = ActivationKind::sigmoid;
  p.head = Head::linear;
  const Graph graph = unet(p);
  const double bound = std::sqrt(2.0 / (2 * 16 * 9));
  double largest = 0;
  for (const double v : initial_weight(graph, index_of(graph, "down.0.3.weight"), Initialisation::sklearn, 1))
    largest = std::max(largest, std::abs(v));
  CHECK(largest <= bound);
  CHECK(largest > 0.99 * bound);
}

TEST_CASE("orthogonal: rows, or columns where there are fewer, of length 1 at right angles") {
  const Graph graph = network();
  for (const char* name : {"down.1.0.weight", "down.0.0.weight", "head.weight", "up.0.weight", "up.1.weight"}) {
    INFO(name);
    const int i = index_of(graph, name);
    const Shape& shape = graph.weight_shapes[static_cast<size_t>(i)];
    const std::vector<double> values = initial_weight(graph, i, Initialisation::orthogonal, 1);
    const auto rows = static_cast<size_t>(shape.n), columns = static_cast<size_t>(shape.count() / shape.n);
    const size_t vectors = std::min(rows, columns), length = std::max(rows, columns);
    const auto at = [&](size_t v, size_t k) {
      return rows <= columns ? values[v * columns + k] : values[k * columns + v];
    };
    for (size_t a = 0; a < vectors; ++a)
      for (size_t b = 0; b <= a; ++b) {
        double product = 0;
        for (size_t k = 0; k < length; ++k) product += at(a, k) * at(b, k);
        CHECK(std::abs(product - (a == b ? 1 : 0)) <= 1e-12);
      }
  }
  for (const double v : initial_weight(graph, index_of(graph, "up.0.bias"), Initialisation::orthogonal, 1))
    CHECK(v == 0);
}

TEST_CASE("the final bias can begin as 0, and only that") {
  const Graph graph = network();
  const auto largest = [&](const char* name) {
    double value = 0;
    for (const double v : initial_weight(graph, index_of(graph, name), Initialisation::pytorch, 1, true))
      value = std::max(value, std::abs(v));
    return value;
  };
  CHECK(largest("head.bias") == 0);
  CHECK(largest("head.weight") > 0);
  CHECK(largest("up.0.bias") > 0);
}

TEST_CASE("norms begin as the identity") {
  const Graph graph = network();
  const auto all = [&](const std::string& name, double wanted) {
    const std::vector<double> values = initial_weight(graph, index_of(graph, name), Initialisation::pytorch, 1);
    return std::all_of(values.begin(), values.end(), [&](double v) { return v == wanted; });
  };
  CHECK(all("down.1.1.weight", 1));
  CHECK(all("down.1.1.bias", 0));
  CHECK(all("down.1.1.running_mean", 0));
  CHECK(all("down.1.1.running_var", 1));
}

TEST_CASE("the same seed gives the same weights, another seed or weight others") {
  const Graph graph = network();
  const int a = index_of(graph, "down.1.3.weight"), b = index_of(graph, "dec.1.3.weight");
  CHECK(initial_weight(graph, a, Initialisation::pytorch, 1) == initial_weight(graph, a, Initialisation::pytorch, 1));
  CHECK(initial_weight(graph, a, Initialisation::pytorch, 1) != initial_weight(graph, a, Initialisation::pytorch, 2));
  CHECK(initial_weight(graph, a, Initialisation::pytorch, 1) != initial_weight(graph, b, Initialisation::pytorch, 1));
}

TEST_CASE("PyTorch's order and back") {
  const Shape shape{2, 3, 1, 2}; // [oc, kh, kw, ic]
  const std::vector<int> internal{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const std::vector<int> pytorch{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}; // [oc, ic, kh, kw]
  CHECK(to_pytorch(internal, shape) == pytorch);
  CHECK(from_pytorch(pytorch, shape) == internal);
  const std::vector<int> linear{1, 2, 3, 4, 5, 6};
  CHECK(to_pytorch(linear, {2, 1, 1, 3}) == linear);
}
