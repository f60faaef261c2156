// Every network of the list: it answers at the size of its input whatever its options, says which sizes it can't take,
// gives each of its weights a gradient that finite differences confirm, and has a settings file that builds it.
#include "shared/core/rng.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/networks/initialise.hpp"
#include "trainer/networks/network.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/train_settings.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

using Changes = std::vector<std::pair<std::string, std::string>>;

/// A network as small as it can be made.
Settings small(const std::string& network, const Changes& changes = {}) {
  Settings settings(train_option_groups());
  const Changes tiny{{"model.network", network},
                     {"model.base_channels", "4"},
                     {"model.levels", "2"},
                     {"model.width_multiplier", "0.125"}};
  for (const Changes& list : {tiny, changes})
    for (const auto& [key, value] : list) settings.set(key, value, "test");
  return settings;
}

/// What sides must be multiples of.
int multiple_of(const std::string& network) {
  const bool by_levels = network.find("unet") == 0 || network == "residual_unet" || network == "attention_unet" ||
                         network == "mobile_unet";
  return by_levels ? 4 : network.starts_with("vgg") ? 16 : 32;
}

bool has_option(const Network& network, const std::string& key) {
  return std::any_of(network.options.begin(), network.options.end(),
                     [&](const OptionSpec& option) { return option.key == key; });
}

std::vector<double> random_values(index_t count, uint64_t stream) {
  const Philox random(5, stream);
  std::vector<double> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = 2 * random.uniform_double(i) - 1;
  return values;
}

/// Whether adding a number to a channel of `value` changes nothing: all who read it are norms, or pass it on as a
/// constant to such readers.
bool shift_is_lost(const Graph& graph, int32_t value) {
  if (std::count(graph.outputs.begin(), graph.outputs.end(), value) != 0) return false;
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    if (std::count(node.inputs, node.inputs + node.num_inputs, value) == 0) return true;
    if (node.kind == layer_kind<BatchNorm2d>) return true;
    bool constant = node.kind == layer_kind<Add> || node.kind == layer_kind<Concat> || node.kind == layer_kind<Resize>;
    if (node.kind == layer_kind<Conv2d>) {
      const Conv2d::Params p = node.get<Conv2d>();
      constant = p.padding_top + p.padding_bottom + p.padding_left + p.padding_right == 0;
    }
    return constant && shift_is_lost(graph, node.output);
  });
}

/// A bias that the published architecture has but that can't matter, as those before a norm.
bool is_useless_bias(const Graph& graph, int weight) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return node.weights[1] == weight && shift_is_lost(graph, node.output); });
}

void check_gradients(const Network& network) {
  Changes changes{{"model.head", "linear"}, {"model.activation", "silu"}, {"model.initialisation", "kaiming_normal"}};
  if (has_option(network, "model.dropout")) changes.push_back({"model.dropout", "0.3"});
  if (has_option(network, "model.deep_supervision")) changes.push_back({"model.deep_supervision", "true"});
  const Settings settings = small(network.name, changes);
  const int side = multiple_of(network.name) == 4 ? 8 : 64;
  const Shape shape{4, side, side / 2, 3};
  const Graph graph = build_network(settings, {1, shape.h, shape.w, 3});
  GraphSession<double, HostExec> session(HostExec(), graph, shape, true);
  session.set_step(1, 2);
  for (int i = 0; i < session.num_weights(); ++i) {
    std::vector<double> values = initial_weight(graph, i, initialisation_settings(settings), 3);
    const std::vector<double> shifts =
        random_values(static_cast<index_t>(values.size()), 500 + static_cast<uint64_t>(i));
    if (graph.weight_names[static_cast<size_t>(i)].ends_with(".bias")) // channels that are 0 would sit on a relu's kink
      for (size_t k = 0; k < values.size(); ++k) values[k] += 0.3 * shifts[k];
    session.set_weight(i, values);
  }
  const std::vector<double> input = random_values(shape.count(), 1);
  const std::vector<double> factors = random_values(session.output().shape.count(), 2);
  session.upload(input.data(), session.input());
  const auto loss = [&] { // sum of output times factors
    session.forward(true);
    std::vector<double> output(factors.size());
    session.download(session.output(), output.data());
    double sum = 0;
    for (size_t i = 0; i < output.size(); ++i) sum += output[i] * factors[i];
    return sum;
  };
  loss();
  session.upload(factors.data(), session.diff_output());
  session.backward(0);
  session.finish_step();

  std::vector<int> trainable;
  std::vector<std::vector<double>> gradients, directions;
  double largest = 0;
  for (int i = 0; i < session.num_weights(); ++i) {
    if (!graph.trainable[static_cast<size_t>(i)]) continue;
    trainable.push_back(i);
    gradients.push_back(session.get_diff_weight(i));
    directions.push_back(random_values(session.weight(i).shape.count(), 100 + static_cast<uint64_t>(i)));
    for (const double g : gradients.back()) largest = std::max(largest, std::fabs(g));
  }
  for (size_t k = 0; k < trainable.size(); ++k) {
    double most = 0;
    for (const double g : gradients[k]) most = std::max(most, std::fabs(g));
    INFO(graph.weight_names[static_cast<size_t>(trainable[k])]);
    if (is_useless_bias(graph, trainable[k]))
      CHECK(most <= 1e-9 * largest);
    else
      CHECK(most > 1e-9 * largest);
  }

  // Along a direction through the weights [first, last) of the list.
  const auto check = [&](size_t first, size_t last) {
    constexpr double eps = 1e-8; // small: there are kinks everywhere
    std::vector<std::vector<double>> start;
    double expected = 0, terms = 0;
    for (size_t k = first; k < last; ++k) {
      start.push_back(session.get_weight(trainable[k]));
      for (size_t e = 0; e < gradients[k].size(); ++e) {
        expected += gradients[k][e] * directions[k][e];
        terms += std::fabs(gradients[k][e] * directions[k][e]);
      }
    }
    const auto at = [&](double step) {
      for (size_t k = first; k < last; ++k) {
        std::vector<double> values = start[k - first];
        for (size_t e = 0; e < values.size(); ++e) values[e] += step * directions[k][e];
        session.set_weight(trainable[k], values);
      }
      return loss();
    };
    const double up = at(eps), down = at(-eps);
    at(0);
    const double numeric = (up - down) / (2 * eps);
    INFO(graph.weight_names[static_cast<size_t>(trainable[first])]
         << (last - first > 1 ? " and others" : "") << ": backward " << expected << ", finite difference " << numeric);
    CHECK_FALSE(!(std::fabs(numeric - expected) <= 1e-4 * terms + 1e-5));
  };
  check(0, trainable.size());
  for (size_t k = 0; k < trainable.size(); k += 1 + trainable.size() / 9) check(k, k + 1);
}

} // namespace

TEST_CASE("every network answers at the size of its input, whatever its options") {
  uint64_t next = 0;
  const Philox philox(17);
  const auto draw = [&](size_t n) { return static_cast<size_t>(philox.below(next++, n)); };
  for (const Network& network : networks()) {
    INFO(network.name);
    const int multiple = multiple_of(network.name);
    for (int trial = 0; trial < 12; ++trial) {
      Settings settings = small(network.name);
      std::string said;
      for (const char* key : {"model.head", "model.up_sampling", "model.skip", "model.norm", "model.activation",
                              "model.deep_supervision"}) {
        const std::vector<std::string>& choices = settings.spec(key).choices;
        const std::string& choice = choices[draw(choices.size())];
        const bool needs_skips = network.name == "attention_unet" || network.name == "unet_plus_plus";
        if (!has_option(network, key) || (needs_skips && choice == "none" && key == std::string("model.skip")))
          continue;
        settings.set(key, choice, "test");
        said += key + ("=" + choice) + " ";
      }
      settings.set("model.dropout", trial % 3 == 0 ? "0.4" : "0", "test");
      const index_t h = multiple * static_cast<index_t>(1 + draw(3)), w = multiple * static_cast<index_t>(1 + draw(3));
      const index_t channels = static_cast<index_t>(1 + draw(4));
      INFO(said << h << "x" << w << "x" << channels);
      const Graph graph = build_network(settings, {1, h, w, channels});
      CHECK(graph.name == network.name);
      REQUIRE(graph.outputs.size() == 1);
      const std::vector<Shape> values = graph.infer({2, h, w, channels});
      CHECK(values[static_cast<size_t>(graph.outputs[0])] == Shape{2, h, w, 1});
      const std::set<std::string> nodes(graph.node_names.begin(), graph.node_names.end());
      const std::set<std::string> weights(graph.weight_names.begin(), graph.weight_names.end());
      CHECK(nodes.size() == graph.nodes.size());
      CHECK(weights.size() == graph.weight_names.size());
    }
    const std::string below = std::to_string(2 * multiple), above = std::to_string(3 * multiple);
    CHECK_THROWS_MATCHES(build_network(small(network.name), {1, 2 * multiple + 1, 3 * multiple, 3}), Error,
                         MessageMatches(ContainsSubstring("height") && ContainsSubstring(below + " or " + above)));
    CHECK_THROWS_MATCHES(
        build_network(small(network.name), {1, multiple, multiple - 1, 3}), Error,
        MessageMatches(ContainsSubstring("width") && ContainsSubstring("Use " + std::to_string(multiple))));
  }
}

TEST_CASE("every weight of every network learns, by the gradient that finite differences find") {
  for (const Network& network : networks()) {
    INFO(network.name);
    check_gradients(network);
  }
}

TEST_CASE("the settings files that ship build their networks, and there is one for each") {
  const char* source = std::getenv("LEADLINE_SOURCE_DIR");
  REQUIRE(source != nullptr);
  std::set<std::string> seen;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(source) / "trainer/configs")) {
    if (entry.path().extension() != ".ini") continue;
    INFO(entry.path().string());
    Settings settings(train_option_groups());
    read_settings_file(entry.path().string(), settings);
    CHECK_FALSE(graph_settings(settings).nodes.empty());
    seen.insert(settings.text("model.network"));
  }
  for (const Network& network : networks()) {
    INFO(network.name);
    CHECK(seen.count(network.name) == 1);
  }
}
