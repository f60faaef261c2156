#include "trainer/weight_io.hpp"

#include "trainer/registry.hpp" // nearest_name

#include <algorithm>

namespace leadline::trainer {

void check_weights(const Graph& graph, const std::vector<NamedArray>& weights, const std::string& file) {
  const std::string fix =
      "Use the [model] settings that it was trained with (its own are in the file and in the run's config.ini)";
  std::vector<std::string> names;
  for (const NamedArray& array : weights) names.push_back(array.name);
  for (size_t i = 0; i < graph.weight_names.size(); ++i) {
    const std::string& name = graph.weight_names[i];
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw Error({.file = file,
                   .field = "weight " + name,
                   .reason = "the checkpoint is of another network: this one is missing",
                   .fix = fix});
    const NamedArray& array = weights[static_cast<size_t>(found - names.begin())];
    const std::vector<index_t> wanted = pytorch_shape(graph, static_cast<int>(i));
    if (array.shape != wanted)
      throw Error({.file = file,
                   .field = "weight " + name,
                   .value = shape_text(array.shape),
                   .reason = "the checkpoint is of another network: " + shape_text(wanted) + " is wanted",
                   .fix = fix});
  }
  for (const std::string& name : names)
    if (std::find(graph.weight_names.begin(), graph.weight_names.end(), name) == graph.weight_names.end())
      throw Error({.file = file,
                   .field = "weight " + name,
                   .reason = "the checkpoint is of another network: this one has no such weight",
                   .fix = fix});
}

} // namespace leadline::trainer
