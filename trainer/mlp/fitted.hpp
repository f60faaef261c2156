// A fitted MLP as a thing to keep: with the names of its classes and the scaling of its features, in a file, as a graph
// of the shared layers for devices.
#pragma once

#include "shared/model/graph_builder.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/mlp/mlp.hpp"
#include "trainer/mlp/table.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

struct FittedMLP {
  bool classifier = true;
  std::string precision = "f64"; ///< what it was fitted in, and predicts in: f32 or f64
  mlp::NetworkShape shape;
  MLPWeights<double> weights;
  mlp::Columns columns;             ///< of the table that it was fitted on
  std::vector<std::string> classes; ///< names, in the order of probabilities; a regressor's: its targets'
  std::vector<double> mean, scale;  ///< of the features: a network's input is (x - mean) / scale; empty: x itself
  std::string data;                 ///< what it was fitted on
  std::vector<NamedNumber> metrics; ///< on the test part

  /// Takes over shape and weights of a fitted MLPClassifier or MLPRegressor.
  template <class Estimator> void keep(const Estimator& estimator) {
    shape = estimator.network_shape();
    const auto fitted = estimator.weights();
    weights = {};
    for (size_t l = 0; l < fitted.coefs.size(); ++l) {
      weights.coefs.emplace_back(fitted.coefs[l].begin(), fitted.coefs[l].end());
      weights.intercepts.emplace_back(fitted.intercepts[l].begin(), fitted.intercepts[l].end());
    }
  }

  /// What the network gives for raw features [n, features]: probabilities of all classes [n, classes] (two columns for
  /// two classes), or values [n, targets]. Throws leadline::Error where the columns are not as many as it was fitted
  /// with.
  std::vector<double> predict(const std::vector<double>& x, index_t n) const;
};

/// The file is a checkpoint (checkpoint.hpp) whose network is "mlp". Throw leadline::Error.
void write_mlp(const std::string& file, const FittedMLP& model);
FittedMLP read_mlp(const std::string& file);
FittedMLP mlp_from_checkpoint(const Checkpoint& checkpoint, const std::string& file);

/// The same function of raw features as layers: linear, activation, softmax; input [1,1,1,features], output
/// [1,1,1,classes] as predict gives them. The scaling is part of the first layer. `weights` in the graph's order.
Graph mlp_graph(const FittedMLP& model, std::vector<std::vector<float>>* weights);

} // namespace leadline::trainer
