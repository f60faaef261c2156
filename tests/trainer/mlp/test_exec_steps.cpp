// Fits by the layers of depth networks: they agree with the host's own kernels, and all host execs give the same bits.
#include "data/error.hpp"
#include "trainer/mlp/mlp.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr index_t n = 70, features = 7; // batches of 32, 32 and 6

struct Noise {
  std::vector<double> x, y, weights;
  std::vector<index_t> labels;
  explicit Noise(index_t classes) {
    mlp::RandomState random(3);
    for (index_t i = 0; i < n * features; ++i) x.push_back(random.uniform(0, 1) < 0.4 ? 0 : random.uniform(-2, 2));
    for (index_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<index_t>(random.interval(static_cast<uint64_t>(classes - 1))));
      weights.push_back(random.uniform(0.2, 2));
      for (int j = 0; j < 2; ++j) y.push_back(random.uniform(0, 3));
    }
  }
};

MLPParams params(const std::string& solver, const std::string& exec) {
  MLPParams p;
  p.random_state = 5;
  p.solver = solver;
  p.exec = exec;
  p.hidden_layer_sizes = {9, 5};
  p.batch_size = 32;
  p.max_iter = 6;
  p.learning_rate_init = 0.02;
  p.alpha = 0.1;
  p.warn = [](const std::string&) {};
  return p;
}

/// All that a fit leaves, in one row.
template <class Estimator> std::vector<double> left_by(const Estimator& model) {
  std::vector<double> all = model.results().loss_curve;
  const auto& scores = model.results().validation_scores;
  all.insert(all.end(), scores.begin(), scores.end());
  const auto weights = model.weights();
  for (size_t l = 0; l < weights.coefs.size(); ++l) {
    all.insert(all.end(), weights.coefs[l].begin(), weights.coefs[l].end());
    all.insert(all.end(), weights.intercepts[l].begin(), weights.intercepts[l].end());
  }
  return all;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (!(difference <= most)) most = difference; // NaN stays
  }
  return most;
}

template <class T> std::vector<double> classify(const MLPParams& p, index_t classes, bool weighted) {
  const Noise noise(classes);
  const std::vector<T> x(noise.x.begin(), noise.x.end());
  MLPClassifier<T> model(p);
  model.fit({x.data(), n, features}, noise.labels, weighted ? noise.weights : std::vector<double>());
  return left_by(model);
}

std::vector<double> regress(const MLPParams& p) {
  const Noise noise(2);
  MLPRegressor<double> model(p);
  model.fit({noise.x.data(), n, features}, {noise.y.data(), n, 2}, noise.weights);
  return left_by(model);
}

} // namespace

TEST_CASE("Classifiers fit on every exec") {
  const std::string solver = GENERATE("adam", "sgd");
  const index_t classes = GENERATE(2, 4);
  const std::string activation = GENERATE("relu", "tanh", "logistic", "identity");
  MLPParams p = params(solver, "layers");
  p.activation = activation;
  const std::vector<double> layers = classify<double>(p, classes, true);
  p.exec = "kokkos";
  CHECK(classify<double>(p, classes, true) == layers);
  p.exec = "host";
  const double difference = largest_difference(classify<double>(p, classes, true), layers);
  INFO(solver << ", " << activation << ", " << classes << " classes: " << difference);
  CHECK(!!(difference <= 1e-9));
}

TEST_CASE("Regressors fit on every exec, with every loss") {
  const std::string loss = GENERATE("squared_error", "poisson", "absolute_error", "huber");
  MLPParams p = params("adam", "layers");
  p.loss = loss;
  p.learning_rate_init = 0.002;
  const std::vector<double> layers = regress(p);
  p.exec = "kokkos";
  CHECK(regress(p) == layers);
  p.exec = "host";
  const double difference = largest_difference(regress(p), layers);
  INFO(loss << ": " << difference);
  CHECK(!!(difference <= 1e-9));
}

TEST_CASE("Floats, early stopping and rows in order are the same on every exec") {
  MLPParams p = params("sgd", "layers");
  p.early_stopping = GENERATE(false, true);
  p.shuffle = p.early_stopping;
  const std::vector<double> layers = classify<float>(p, 3, false);
  p.exec = "kokkos";
  CHECK(classify<float>(p, 3, false) == layers);
  p.exec = "host";
  CHECK(!!(largest_difference(classify<float>(p, 3, false), layers) <= 1e-4));
}

TEST_CASE("Dropout on an exec draws by position") {
  MLPParams p = params("adam", "layers");
  p.dropout = 0.3;
  const std::vector<double> layers = classify<double>(p, 3, false);
  p.exec = "kokkos";
  CHECK(classify<double>(p, 3, false) == layers);
  p.dropout = 0;
  CHECK(classify<double>(p, 3, false) != layers);
}

TEST_CASE("A fit on an exec goes on where it was") {
  const Noise noise(3);
  const auto epochs = [&](const std::string& exec) {
    MLPClassifier<double> model(params("adam", exec));
    for (int i = 0; i < 3; ++i) model.partial_fit({noise.x.data(), n, features}, noise.labels, {0, 1, 2});
    return left_by(model);
  };
  const std::vector<double> layers = epochs("layers");
  CHECK(epochs("kokkos") == layers);
  const std::vector<double> host = epochs("host");
  CHECK(!!(largest_difference(host, layers) <= 1e-9));
  CHECK(host != layers); // kernels of their own add in another order: the exec was not just ignored
}

TEST_CASE("What no exec can is refused") {
  CHECK_THROWS_WITH(MLPClassifier<>(params("lbfgs", "kokkos")), ContainsSubstring("lbfgs computes on the host"));
  CHECK_THROWS_WITH(MLPClassifier<>(params("adam", "cuda")), ContainsSubstring("kokkos"));
}
