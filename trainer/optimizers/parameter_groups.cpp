#include "trainer/optimizers/parameter_groups.hpp"

#include "shared/layers/layers.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace leadline::trainer {

namespace {

/// Weights of norm layers: their scales and shifts.
std::vector<bool> norm_weights(const Graph& graph) {
  std::vector<bool> norm(graph.weight_names.size());
  for (const Node& node : graph.nodes)
    if (std::string(layer_name(node.kind)).find("norm") != std::string::npos)
      for (const int32_t w : node.weights)
        if (w != no_index) norm[static_cast<size_t>(w)] = true;
  return norm;
}

bool is_bias(const std::string& name) { return matches("*.bias", name) || name == "bias"; }

[[noreturn]] void fits_nothing(const Settings& settings, const char* key, const std::string& pattern,
                               const Graph& graph) {
  std::string some;
  for (size_t i = 0, shown = 0; i < graph.weight_names.size() && shown < 4; ++i)
    if (graph.trainable[i]) some += (shown++ ? ", " : "") + graph.weight_names[i];
  settings.fail(key, "\"" + pattern + "\" fits none of the network's weights",
                "* stands for any letters; the weights are called " + some + ", ...");
}

} // namespace

bool matches(const std::string& pattern, const std::string& text) {
  // Where a letter differs, the last * takes one letter more.
  size_t p = 0, t = 0, star = std::string::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<ParameterGroup> parameter_groups(const Settings& settings, const Graph& graph) {
  const std::vector<std::pair<std::string, double>> factors = settings.named_reals("optimizer.lr_factors");
  for (const auto& [pattern, factor] : factors)
    if (!(factor >= 0 && factor <= 1e6))
      settings.fail("optimizer.lr_factors", "the factor of \"" + pattern + "\" is out of range",
                    "Use a number from 0 (frozen) to 1e6");
  const std::vector<std::string> no_decay = settings.list("optimizer.no_decay");
  const std::vector<bool> norm = norm_weights(graph);

  std::vector<bool> factor_used(factors.size()), rule_used(no_decay.size());
  std::map<std::pair<size_t, bool>, ParameterGroup> groups; // by number of the pattern, and whether it decays
  for (size_t i = 0; i < graph.weight_names.size(); ++i) {
    if (!graph.trainable[i]) continue;
    const std::string& name = graph.weight_names[i];
    size_t pattern = factors.size(); // none
    for (size_t k = factors.size(); k-- > 0;)
      if (matches(factors[k].first, name)) {
        pattern = k;
        factor_used[k] = true;
      }
    bool decay = true;
    for (size_t k = 0; k < no_decay.size(); ++k)
      if (no_decay[k] == "norm" ? norm[i] : no_decay[k] == "bias" ? is_bias(name) : matches(no_decay[k], name)) {
        decay = false;
        rule_used[k] = true;
      }
    ParameterGroup& group = groups[{pattern, decay}];
    group.lr_factor = pattern < factors.size() ? factors[pattern].second : 1;
    group.decay = decay;
    group.weights.push_back(static_cast<int>(i));
    group.name =
        pattern < factors.size() ? factors[pattern].first + (decay ? "" : " no_decay") : (decay ? "rest" : "no_decay");
  }
  for (size_t k = 0; k < factors.size(); ++k)
    if (!factor_used[k]) fits_nothing(settings, "optimizer.lr_factors", factors[k].first, graph);
  for (size_t k = 0; k < no_decay.size(); ++k) // a network without norms or biases is nobody's mistake
    if (!rule_used[k] && no_decay[k] != "norm" && no_decay[k] != "bias")
      fits_nothing(settings, "optimizer.no_decay", no_decay[k], graph);

  std::vector<ParameterGroup> all;
  all.reserve(groups.size());
  for (auto& [key, group] : groups) all.push_back(std::move(group));
  return all;
}

} // namespace leadline::trainer
