// MLPClassifier and MLPRegressor beyond the golden cases: gradients of every loss and activation by finite differences,
// what warm_start and partial_fit keep, the same bits for any number of threads, messages, and what scikit-learn
// hasn't.
#include "data/error.hpp"
#include "trainer/mlp/lbfgs.hpp"
#include "trainer/mlp/mlp.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <numeric>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using mlp::Activation;
using mlp::Loss;

namespace {

/// Three noisy blobs in 5 dimensions, every third value zero or not.
struct Blobs {
  index_t n, features = 5;
  std::vector<double> x;
  std::vector<index_t> y;
  std::vector<double> targets; ///< [n, 2]

  explicit Blobs(index_t count, bool sparse = false, uint32_t seed = 3) : n(count) {
    mlp::RandomState random(seed);
    for (index_t i = 0; i < n; ++i) {
      y.push_back(i % 3);
      for (index_t j = 0; j < features; ++j) {
        const double value = (j == y.back() ? 2.0 : 0.0) + random.uniform(-1, 1);
        x.push_back(sparse && (i + j) % 3 != 0 ? 0.0 : value);
      }
      const double* row = x.data() + i * features;
      targets.push_back(std::tanh(row[0] - row[1]));
      targets.push_back(row[2] * 0.5 + row[3] * row[4]);
    }
  }
  MatrixView<double> view() const { return {x.data(), n, features}; }
  MatrixView<double> target_view() const { return {targets.data(), n, 2}; }
};

MLPParams quiet() {
  MLPParams p;
  p.random_state = 1;
  p.hidden_layer_sizes = {7};
  p.warn = p.print = [](const std::string&) {};
  return p;
}

std::vector<double> all_weights(const MLPWeights<double>& w) {
  std::vector<double> all;
  for (size_t l = 0; l < w.coefs.size(); ++l) {
    all.insert(all.end(), w.coefs[l].begin(), w.coefs[l].end());
    all.insert(all.end(), w.intercepts[l].begin(), w.intercepts[l].end());
  }
  return all;
}

} // namespace

TEST_CASE("numpy's random numbers") {
  // what numpy.random.RandomState(0).random_sample() and RandomState(42).permutation(10) give
  mlp::RandomState random(0);
  CHECK(random.random_sample() == 0.5488135039273248);
  CHECK(random.random_sample() == 0.7151893663724195);
  CHECK(mlp::RandomState(42).permutation(10) == std::vector<index_t>{8, 1, 5, 0, 7, 2, 9, 4, 3, 6});
}

TEST_CASE("gradients are those of the losses") {
  struct Case {
    Loss loss;
    Activation output;
    index_t outputs;
  };
  const Case c =
      GENERATE(Case{Loss::log_loss, Activation::softmax, 3}, Case{Loss::binary_log_loss, Activation::logistic, 1},
               Case{Loss::binary_log_loss, Activation::logistic, 4}, Case{Loss::squared_error, Activation::identity, 3},
               Case{Loss::poisson, Activation::exp, 2}, Case{Loss::absolute_error, Activation::identity, 2},
               Case{Loss::huber, Activation::identity, 3});
  const Activation hidden = GENERATE(Activation::identity, Activation::logistic, Activation::tanh, Activation::relu);
  const bool sparse = GENERATE(false, true), weighted = GENERATE(false, true);
  const Blobs blobs(41, sparse);
  mlp::NetworkShape shape;
  shape.units = {blobs.features, 6, 9, c.outputs};
  shape.hidden = {hidden, Activation::tanh};
  shape.output = c.output;
  shape.loss = c.loss;
  shape.alpha = 0.3;
  shape.huber_delta = 0.4;
  const bool mean = c.loss == Loss::squared_error || c.loss == Loss::absolute_error || c.loss == Loss::huber;
  shape.gradient_scale = mean ? 1.0 / static_cast<double>(c.outputs) : 1.0;
  mlp::Network<double> network(shape);
  mlp::RandomState random(11);
  for (size_t l = 0; l < shape.layers(); ++l) {
    std::vector<double> w(static_cast<size_t>(shape.units[l] * shape.units[l + 1])),
        b(static_cast<size_t>(shape.units[l + 1]));
    for (double& v : w) v = random.uniform(-0.7, 0.7);
    for (double& v : b) v = random.uniform(-0.3, 0.3);
    network.set_coefs(l, w.data());
    network.set_intercepts(l, b.data());
  }
  std::vector<double> targets, weights;
  std::vector<int32_t> labels;
  for (index_t i = 0; i < blobs.n; ++i) {
    labels.push_back(static_cast<int32_t>(i % c.outputs));
    weights.push_back(random.uniform(0.1, 2));
    for (index_t j = 0; j < c.outputs; ++j) {
      const double value = random.uniform(0, 3);
      targets.push_back(c.loss == Loss::binary_log_loss ? (value > 1.5 ? 1 : 0) : value);
    }
  }
  const auto zeros = mlp::SparseRows::where_worthwhile(blobs.x.data(), blobs.n, blobs.features);
  REQUIRE((zeros != nullptr) == sparse);
  const mlp::Samples<double> samples{blobs.x.data(), labels.data(), targets.data(), weighted ? weights.data() : nullptr,
                                     zeros.get()};
  const double value = network.loss_gradient(samples, nullptr, 0, blobs.n);
  CHECK(std::abs(value - network.loss(samples, blobs.n)) <= 1e-12);
  const auto gradient = network.gradient();
  double largest = 0, error = 0;
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double at = network.parameters()[i];
    if (at == 0) continue; // padding
    const double h = 1e-6;
    network.parameters()[i] = at + h;
    const double up = network.loss(samples, blobs.n);
    network.parameters()[i] = at - h;
    const double down = network.loss(samples, blobs.n);
    network.parameters()[i] = at;
    error = std::max(error, std::abs((up - down) / (2 * h) - gradient[i]));
    largest = std::max(largest, std::abs(gradient[i]));
  }
  INFO("loss " << static_cast<int>(c.loss) << ", hidden " << static_cast<int>(hidden) << ": error " << error << " of "
               << largest);
  // |x| and relu have corners; the differences cross few of them
  CHECK(!!(error <= (c.loss == Loss::absolute_error ? 1e-3 : 1e-6) * std::max(largest, 1.0)));
}

TEST_CASE("scikit-learn's gradient for several outputs is there when asked for") {
  const Blobs blobs(60);
  MLPParams p = quiet();
  p.solver = "sgd";
  p.max_iter = 1;
  p.momentum = 0;
  p.nesterovs_momentum = false;
  p.alpha = 0;
  p.shuffle = false;
  MLPRegressor right(p);
  p.compat = "sklearn";
  MLPRegressor twice(p);
  p.learning_rate_init /= 2; // two outputs: its gradient is twice the loss' derivative
  MLPRegressor halved(p);
  for (auto* model : {&right, &twice, &halved}) model->fit(blobs.view(), blobs.target_view());
  const std::vector<double> a = all_weights(right.weights()), b = all_weights(twice.weights()),
                            c = all_weights(halved.weights());
  double same = 0, different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    same = std::max(same, std::abs(a[i] - c[i]));
    different = std::max(different, std::abs(a[i] - b[i]));
  }
  CHECK(!!(same <= 1e-15));
  CHECK(different > 1e-6);
}

TEST_CASE("the same bits, again and for any number of threads") {
  const std::string solver = GENERATE("adam", "sgd", "lbfgs");
  const bool sparse = GENERATE(false, true);
  const double dropout = GENERATE(0.0, 0.3);
  const Blobs blobs(301, sparse);
  MLPParams p = quiet();
  p.hidden_layer_sizes = {37, 11};
  p.solver = solver;
  p.dropout = solver == "lbfgs" ? 0 : dropout;
  p.batch_size = 90;
  p.max_iter = 6;
  const auto fitted = [&](int threads) {
    p.threads = threads;
    MLPClassifier model(p);
    model.fit(blobs.view(), blobs.y);
    std::vector<double> result = all_weights(model.weights());
    result.insert(result.end(), model.results().loss_curve.begin(), model.results().loss_curve.end());
    const std::vector<double> proba = model.predict_proba(blobs.view());
    result.insert(result.end(), proba.begin(), proba.end());
    return result;
  };
  const std::vector<double> one = fitted(1);
  CHECK(one == fitted(1));
  CHECK(one == fitted(2));
  CHECK(one == fitted(3));
}

TEST_CASE("warm_start goes on, fit begins again") {
  const Blobs blobs(90);
  MLPParams p = quiet();
  p.max_iter = 5;
  MLPClassifier again(p);
  again.fit(blobs.view(), blobs.y);
  const double first = again.results().loss;
  again.fit(blobs.view(), blobs.y);
  CHECK(again.results().loss == first);
  CHECK(again.results().loss_curve.size() == 5);

  p.warm_start = true;
  MLPClassifier model(p);
  model.fit(blobs.view(), blobs.y);
  model.fit(blobs.view(), blobs.y);
  CHECK(model.results().loss_curve.size() == 10); // appended
  CHECK(model.results().n_iter == 5);             // counted anew
  CHECK(model.results().t == 10 * blobs.n);       // goes on
  CHECK(model.results().loss < first);
  std::vector<index_t> other = blobs.y;
  for (index_t& label : other) label += label == 2;
  CHECK_THROWS_WITH(model.fit(blobs.view(), other), ContainsSubstring("Previously got [0 1 2], `y` has [0 1 3]"));
}

TEST_CASE("partial_fit keeps the optimizer") {
  const Blobs blobs(90);
  MLPParams p = quiet();
  p.shuffle = false;
  p.batch_size = 30;
  MLPClassifier model(p);
  CHECK_THROWS_WITH(model.partial_fit(blobs.view(), blobs.y), ContainsSubstring("classes must be passed"));
  for (int i = 0; i < 3; ++i) model.partial_fit(blobs.view(), blobs.y, {0, 1, 2});
  CHECK(model.results().n_iter == 1);
  CHECK(model.results().loss_curve.size() == 3);
  p.max_iter = 3;
  MLPClassifier whole(p);
  whole.fit(blobs.view(), blobs.y);
  CHECK(all_weights(model.weights()) == all_weights(whole.weights()));
  CHECK_THROWS_WITH(model.partial_fit(blobs.view(), std::vector<index_t>(90, 7)), ContainsSubstring("classes not in"));
  p.early_stopping = true;
  MLPClassifier early(p);
  CHECK_THROWS_WITH(early.partial_fit(blobs.view(), blobs.y, {0, 1, 2}),
                    ContainsSubstring("does not support early_stopping"));
  p.early_stopping = false;
  p.solver = "lbfgs";
  MLPClassifier batch(p);
  CHECK_THROWS_WITH(batch.partial_fit(blobs.view(), blobs.y, {0, 1, 2}),
                    ContainsSubstring("only available for stochastic"));
}

TEST_CASE("lines and warnings") {
  const Blobs blobs(60);
  MLPParams p = quiet();
  std::string printed, warned;
  p.print = [&](const std::string& line) { printed += line + "\n"; };
  p.warn = [&](const std::string& line) { warned += line + "\n"; };
  p.verbose = true;
  p.tol = 10;
  p.n_iter_no_change = 3;
  p.batch_size = 1000;
  MLPClassifier model(p);
  model.fit(blobs.view(), blobs.y);
  CHECK(model.results().n_iter == 5); // n_iter_no_change + 1 epochs after the first
  CHECK_THAT(printed, ContainsSubstring("Iteration 5, loss = "));
  CHECK_THAT(printed, ContainsSubstring(
                          "Training loss did not improve more than tol=10.000000 for 3 consecutive epochs. Stopping."));
  CHECK_THAT(warned, ContainsSubstring("larger than sample size. It is going to be clipped"));
  p.tol = 0;
  p.max_iter = 2;
  p.early_stopping = true;
  model.set_params(p);
  model.fit(blobs.view(), blobs.y);
  CHECK_THAT(printed, ContainsSubstring("Validation score: "));
  CHECK_THAT(warned, ContainsSubstring("Maximum iterations (2) reached and the optimization hasn't converged yet."));
  p.early_stopping = false;
  p.solver = "lbfgs";
  model.set_params(p);
  model.fit(blobs.view(), blobs.y);
  CHECK_THAT(warned, ContainsSubstring("lbfgs failed to converge after 2 iteration(s) (status=1)"));
  CHECK_THAT(warned, ContainsSubstring("(max_iter=2)"));
}

TEST_CASE("bad values are refused with the range that is allowed") {
  struct Case {
    void (*set)(MLPParams&);
    const char* words;
  };
  const Case c = GENERATE(Case{[](MLPParams& p) { p.alpha = -1; }, "alpha is \"-1\""},
                          Case{[](MLPParams& p) {
                                 p.hidden_layer_sizes = {4, 0};
                               },
                               "at least 1 unit"},
                          Case{[](MLPParams& p) { p.solver = "addam"; }, "Did you mean \"adam\"?"},
                          Case{[](MLPParams& p) { p.activation = "gelu"; }, "identity, logistic, tanh, relu"},
                          Case{[](MLPParams& p) { p.momentum = 1.5; }, "at least 0 and at most 1"},
                          Case{[](MLPParams& p) { p.beta_1 = 1; }, "at least 0 and less than 1"},
                          Case{[](MLPParams& p) { p.learning_rate_init = 0; }, "greater than 0"},
                          Case{[](MLPParams& p) { p.max_iter = 0; }, "at least 1"},
                          Case{[](MLPParams& p) { p.validation_fraction = std::nan(""); }, "validation_fraction"},
                          Case{[](MLPParams& p) {
                                 p.activations = {"tanh", "relu"};
                               },
                               "there are 1 hidden layers"},
                          Case{[](MLPParams& p) { p.dropout = 1; }, "less than 1"},
                          Case{[](MLPParams& p) { p.validation_loss = true; }, "early_stopping"});
  MLPParams p = quiet();
  c.set(p);
  CHECK_THROWS_WITH(MLPClassifier<double>(p), ContainsSubstring(c.words));
}

TEST_CASE("bad data is refused") {
  Blobs blobs(20);
  MLPClassifier model(quiet());
  CHECK_THROWS_WITH(model.predict(blobs.view()), ContainsSubstring("isn't fitted yet"));
  CHECK_THROWS_WITH(model.fit(blobs.view(), {1, 2}), ContainsSubstring("X has 20"));
  CHECK_THROWS_WITH(model.fit(blobs.view(), blobs.y, {1.0}), ContainsSubstring("there are 20 samples"));
  model.fit(blobs.view(), blobs.y);
  CHECK_THROWS_WITH(model.predict({blobs.x.data(), 5, 4}), ContainsSubstring("fitted with 5 features"));
  blobs.x[7] = std::nan("");
  CHECK_THROWS_WITH(model.fit(blobs.view(), blobs.y), ContainsSubstring("row 1, column 2"));
  MLPParams p = quiet();
  p.loss = "poisson";
  Blobs good(20);
  MLPRegressor counts(p);
  good.targets[4] = -1;
  CHECK_THROWS_WITH(counts.fit(good.view(), good.target_view()), ContainsSubstring("at least 0"));
  p = quiet();
  p.solver = "sgd";
  p.learning_rate_init = 1e200;
  MLPRegressor wild(p);
  CHECK_THROWS_WITH(wild.fit(good.view(), good.target_view()), ContainsSubstring("non-finite parameter weights"));
}

TEST_CASE("splits keep the classes' shares") {
  std::vector<index_t> labels;
  for (index_t i = 0; i < 100; ++i) labels.push_back(i < 70 ? 0 : i < 90 ? 1 : 2);
  mlp::RandomState random(0);
  const mlp::Split split = mlp::train_test_split(100, 0.2, random, &labels);
  REQUIRE(split.test.size() == 20);
  REQUIRE(split.train.size() == 80);
  std::vector<int> counts(3);
  for (const index_t i : split.test) ++counts[static_cast<size_t>(labels[static_cast<size_t>(i)])];
  CHECK(counts == std::vector<int>{14, 4, 2});
  labels[0] = 3;
  CHECK_THROWS_WITH(mlp::train_test_split(100, 0.2, random, &labels), ContainsSubstring("only 1 member"));
  CHECK_THROWS_WITH(mlp::train_test_split(100, 0.2, random, &labels,
                                          {.size = "share",
                                           .file = "a.csv",
                                           .labels = "kind",
                                           .classes = {"x", "y", "z", "rare"},
                                           .otherwise = "--stratify false"}),
                    ContainsSubstring("a.csv: kind is \"rare\"") && ContainsSubstring("--stratify false"));
  CHECK_THROWS_WITH(mlp::train_test_split(100, 1.5, random), ContainsSubstring("(0, 1)"));
}

TEST_CASE("an interrupted fit keeps what it has") {
  const Blobs blobs(60);
  MLPParams p = quiet();
  p.solver = GENERATE("adam", "lbfgs");
  p.max_iter = 100;
  int asked = 0;
  std::string warnings;
  p.interrupted = [&] { return ++asked == 3; };
  p.warn = [&](const std::string& text) { warnings += text; };
  MLPClassifier<double> model(p);
  model.fit(blobs.view(), blobs.y);
  CHECK(asked == 3);
  CHECK(model.results().n_iter == 3);
  CHECK_FALSE(model.results().converged);
  CHECK(warnings == "Training interrupted by user.");
  CHECK(model.predict(blobs.view()).size() == 60);
}

TEST_CASE("class weights move the decision") {
  Blobs blobs(120);
  for (size_t i = 0; i < blobs.y.size(); ++i) blobs.y[i] = i % 10 == 0; // one in ten, at random places
  MLPParams p = quiet();
  p.max_iter = 60;
  const auto found = [&](const MLPParams& params) {
    MLPClassifier model(params);
    model.fit(blobs.view(), blobs.y);
    const std::vector<index_t> predicted = model.predict(blobs.view());
    return std::accumulate(predicted.begin(), predicted.end(), index_t{0});
  };
  const index_t plain = found(p);
  p.class_weight = "balanced";
  CHECK(found(p) > plain + 10);
  p.class_weight = "none";
  p.class_weights = {{1, 50.0}};
  CHECK(found(p) > plain + 10);
  p.class_weights = {{9, 2.0}};
  CHECK_THROWS_WITH(found(p), ContainsSubstring("y has no such class"));
}

TEST_CASE("losses of regression, activations by layer, dropout and the validation loss learn") {
  const Blobs blobs(300);
  MLPParams p = quiet();
  p.hidden_layer_sizes = {24, 12};
  p.activations = {"tanh", "relu"};
  p.max_iter = 150;
  p.learning_rate_init = 1e-2;
  for (const char* loss : {"squared_error", "absolute_error", "huber"}) {
    p.loss = loss;
    MLPRegressor model(p);
    model.fit(blobs.view(), blobs.target_view());
    INFO(loss);
    CHECK(model.score(blobs.view(), blobs.target_view()) > 0.9);
    CHECK(model.network_shape().hidden == std::vector<Activation>{Activation::tanh, Activation::relu});
  }
  p.dropout = 0.2;
  p.early_stopping = p.validation_loss = true;
  MLPRegressor model(p);
  model.fit(blobs.view(), blobs.target_view());
  CHECK(model.score(blobs.view(), blobs.target_view()) > 0.5);
  CHECK(model.results().validation_loss_curve.size() == model.results().loss_curve.size());
  CHECK(model.results().validation_scores.size() == model.results().loss_curve.size());
}

TEST_CASE("float and double learn the same") {
  const Blobs blobs(150);
  const std::vector<float> x(blobs.x.begin(), blobs.x.end());
  for (const char* solver : {"adam", "lbfgs"}) {
    MLPParams p = quiet();
    p.solver = solver;
    p.max_iter = 40;
    MLPClassifier<float> model(p);
    model.fit({x.data(), blobs.n, blobs.features}, blobs.y);
    MLPClassifier<double> reference(p);
    reference.fit(blobs.view(), blobs.y);
    CHECK(!!(std::abs(model.results().loss - reference.results().loss) <= 1e-3 * reference.results().loss));
    CHECK(model.predict({x.data(), blobs.n, blobs.features}) == reference.predict(blobs.view()));
  }
}

TEST_CASE("L-BFGS finds the bottom of Rosenbrock's valley") {
  mlp::AlignedVector<double> x{-1.2, 1, -1.2, 1};
  mlp::LbfgsOptions options;
  options.gradient_tolerance = 1e-8;
  options.relative_reduction = 0;
  const mlp::LbfgsResult result = mlp::minimize_lbfgs(options, x, [](const auto& p, auto& g) {
    double f = 0;
    for (size_t i = 0; i < 4; i += 2) {
      const double a = 1 - p[i], b = p[i + 1] - p[i] * p[i];
      f += a * a + 100 * b * b;
      g[i] = -2 * a - 400 * p[i] * b;
      g[i + 1] = 200 * b;
    }
    return f;
  });
  CHECK(result.status == 0);
  CHECK(result.iterations < 60);
  for (const double value : x) CHECK(!!(std::abs(value - 1) <= 1e-6));
}

TEST_CASE("a team does every task of every round once") {
  const int threads = GENERATE(1, 2, 5);
  mlp::Team team(threads);
  for (index_t round = 0; round < 500; ++round) {
    const index_t tasks = round % 9;
    std::vector<int> done(static_cast<size_t>(tasks), 0);
    team.run(tasks, [&](index_t i) { ++done[static_cast<size_t>(i)]; });
    REQUIRE(done == std::vector<int>(static_cast<size_t>(tasks), 1));
  }
}
