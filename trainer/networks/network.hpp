// Networks by name: what `model.network = unet` in a settings file finds, and how a program adds its own:
//
//     leadline::trainer::register_network({
//         .name = "tiny", .description = "two convolutions", .options = {{"model.width", "8", "channels"}},
//         .build = [](const Settings& s, const Shape& input) { GraphBuilder b("tiny", input); ...; return b.finish();
//         }});
//     return leadline::trainer::run_command_line(argc, argv);
#pragma once

#include "shared/model/graph_builder.hpp"
#include "trainer/settings.hpp"

#include <functional>

namespace leadline::trainer {

/// A network that settings can choose.
struct Network {
  std::string name;
  std::string description;
  std::vector<OptionSpec> options; ///< its keys, all beginning with "model."; two networks may share a key
  /// Builds the graph for images `[1,H,W,C]`. Its output is depth in metres `[1,H,W,1]`. Throws leadline::Error or
  /// std::invalid_argument for what can't be built.
  std::function<Graph(const Settings& settings, const Shape& input)> build;
};

/// Adds a network, or replaces the one of that name. Not thread-safe: call it before anything else.
void register_network(Network network);
/// All networks, those of the library first.
const std::vector<Network>& networks();
/// The network that `model.network` names; throws leadline::Error that suggests the nearest.
const Network& find_network(const Settings& settings);
/// Builds it; errors say which settings they come from.
Graph build_network(const Settings& settings, const Shape& input);

} // namespace leadline::trainer
