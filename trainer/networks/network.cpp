#include "trainer/networks/network.hpp"

#include "trainer/networks/attention_unet.hpp"
#include "trainer/networks/encoder_unet.hpp"
#include "trainer/networks/fastdepth.hpp"
#include "trainer/networks/mobile_unet.hpp"
#include "trainer/networks/residual_unet.hpp"
#include "trainer/networks/unet.hpp"
#include "trainer/networks/unet_plus_plus.hpp"
#include "trainer/registry.hpp" // nearest_name

namespace leadline::trainer {

namespace {

std::vector<Network>& registry() {
  static std::vector<Network> list = [] {
    std::vector<Network> all{unet_network(),           residual_unet_network(), attention_unet_network(),
                             unet_plus_plus_network(), mobile_unet_network(),   fastdepth_network()};
    for (Network& network : encoder_unet_networks()) all.push_back(std::move(network));
    return all;
  }();
  return list;
}

} // namespace

void register_network(Network network) {
  for (Network& old : registry())
    if (old.name == network.name) {
      old = std::move(network);
      return;
    }
  registry().push_back(std::move(network));
}

const std::vector<Network>& networks() { return registry(); }

const Network& find_network(const Settings& settings) {
  const std::string& name = settings.required("model.network");
  std::vector<std::string> names;
  for (const Network& network : networks()) {
    if (network.name == name) return network;
    names.push_back(network.name);
  }
  const std::string near = nearest_name(name, names);
  settings.fail("model.network", "there is no such network",
                (near.empty() ? "" : "Did you mean " + near + "? ") + "Known: " + join_choices(names));
}

Graph build_network(const Settings& settings, const Shape& input) {
  const Network& network = find_network(settings);
  try {
    return network.build(settings, input);
  } catch (const std::invalid_argument& error) {
    settings.fail("model.network", std::string("these [model] settings give no valid network: ") + error.what(),
                  "Change the size or the [model] settings");
  }
}

} // namespace leadline::trainer
