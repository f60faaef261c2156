#include "trainer/mlp/mlp.hpp"

#include "data/error.hpp"
#include "shared/core/math.hpp"
#include "trainer/mlp/exec_steps.hpp"
#include "trainer/mlp/lbfgs.hpp"
#include "trainer/registry.hpp" // known_names
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <thread>

namespace leadline::trainer {

using mlp::Activation;
using mlp::Loss;
using mlp::NetworkShape;
using mlp::RandomState;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <class... Args> std::string format(const char* text, Args... args) {
  char line[512];
  std::snprintf(line, sizeof line, text, args...);
  return line;
}

[[noreturn]] void bad_value(const std::string& field, const std::string& value, const std::string& fix) {
  throw Error({.field = field, .value = value, .reason = "it is out of range", .fix = fix});
}

void check_name(const char* field, const std::string& value, const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), value) == names.end())
    throw Error(
        {.field = field, .value = value, .reason = "there is no such choice", .fix = known_names(value, names)});
}

/// `low` and `high` belong to the range unless `open_low`, `open_high`.
void check_real(const char* field, double value, double low, double high, bool open_low, bool open_high) {
  const bool good = (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high);
  if (good) return;
  std::string range = open_low ? "greater than " + exact(low) : "at least " + exact(low);
  if (high < infinity) range += open_high ? " and less than " + exact(high) : " and at most " + exact(high);
  bad_value(field, exact(value), "Use a number " + range);
}

void check_count(const char* field, index_t value) {
  if (value < 1) bad_value(field, std::to_string(value), "Use a whole number of at least 1");
}

Activation hidden_activation(const std::string& name) {
  return name == "identity"   ? Activation::identity
         : name == "logistic" ? Activation::logistic
         : name == "tanh"     ? Activation::tanh
                              : Activation::relu;
}

const char* name_of(Activation activation) {
  constexpr const char* names[] = {"identity", "logistic", "tanh", "relu", "softmax", "exp"};
  return names[static_cast<int>(activation)];
}

/// One for a network whose batch takes some ten microseconds, which is how long it takes to share it out; else those
/// that there are, but no more than a few find something to do.
int automatic_threads(const NetworkShape& shape, index_t samples) {
  index_t coefs = 0;
  for (size_t l = 0; l < shape.layers(); ++l) coefs += shape.units[l] * shape.units[l + 1];
  if (coefs * std::min<index_t>(samples, 200) < 200000) return 1;
  const char* given = std::getenv("OMP_NUM_THREADS");
  const int wanted = given ? std::atoi(given) : 0;
  return std::clamp(wanted > 0 ? wanted : static_cast<int>(std::thread::hardware_concurrency()), 1, 4);
}

const std::vector<std::string> activation_names{"identity", "logistic", "tanh", "relu"};

} // namespace

// ---------------------------------------------------------------- parameters

template <class T>
MLPBase<T>::MLPBase(const MLPParams& params, bool classifier) : params_(params), classifier_(classifier) {
  check_params();
}

template <class T> void MLPBase<T>::set_params(const MLPParams& params) {
  const MLPParams before = params_;
  params_ = params;
  try {
    check_params();
  } catch (...) {
    params_ = before;
    throw;
  }
}

template <class T> void MLPBase<T>::check_params() const {
  const MLPParams& p = params_;
  for (const index_t size : p.hidden_layer_sizes)
    if (size < 1) bad_value("hidden_layer_sizes", std::to_string(size), "Every hidden layer needs at least 1 unit");
  check_name("activation", p.activation, activation_names);
  for (const std::string& name : p.activations) check_name("activations", name, activation_names);
  if (!p.activations.empty() && p.activations.size() != p.hidden_layer_sizes.size())
    throw Error({.field = "activations",
                 .value = std::to_string(p.activations.size()) + " names",
                 .reason = "there are " + std::to_string(p.hidden_layer_sizes.size()) + " hidden layers",
                 .fix = "Name one activation for each, or give `activation` for all"});
  check_name("solver", p.solver, {"lbfgs", "sgd", "adam"});
  check_name("learning_rate", p.learning_rate, {"constant", "invscaling", "adaptive"});
  if (classifier_)
    check_name("class_weight", p.class_weight, {"none", "balanced"});
  else
    check_name("loss", p.loss, {"squared_error", "poisson", "absolute_error", "huber"});
  check_name("compat", p.compat, {"none", "sklearn"});
  check_name("exec", p.exec, {"host", "layers", "kokkos"});
  if (p.exec != "host" && p.solver == "lbfgs")
    throw Error({.field = "exec",
                 .value = p.exec,
                 .reason = "lbfgs computes on the host",
                 .fix = "Use solver adam or sgd, or exec host"});
  check_real("alpha", p.alpha, 0, infinity, false, true);
  if (p.batch_size < 0)
    bad_value("batch_size", std::to_string(p.batch_size), "Use a whole number of at least 1, or 0 for auto");
  check_real("learning_rate_init", p.learning_rate_init, 0, infinity, true, true);
  check_real("power_t", p.power_t, 0, infinity, false, true);
  check_count("max_iter", p.max_iter);
  check_real("tol", p.tol, 0, infinity, false, true);
  check_real("momentum", p.momentum, 0, 1, false, false);
  check_real("validation_fraction", p.validation_fraction, 0, 1, p.early_stopping, true);
  check_real("beta_1", p.beta_1, 0, 1, false, true);
  check_real("beta_2", p.beta_2, 0, 1, false, true);
  check_real("epsilon", p.epsilon, 0, infinity, true, true);
  if (p.n_iter_no_change) check_count("n_iter_no_change", *p.n_iter_no_change);
  check_count("max_fun", p.max_fun);
  if (p.threads < 0 || p.threads > 64)
    bad_value("threads", std::to_string(p.threads), "Use 1 to 64, or 0 for automatic");
  check_real("dropout", p.dropout, 0, 1, false, true);
  check_real("huber_delta", p.huber_delta, 0, infinity, true, true);
  for (const auto& [name, weight] : p.class_weights) check_real("class_weights", weight, 0, infinity, false, true);
  if (p.dropout > 0 && p.solver == "lbfgs")
    throw Error({.field = "dropout",
                 .value = exact(p.dropout),
                 .reason = "lbfgs needs the same loss at the same weights, which dropout doesn't give",
                 .fix = "Use solver adam or sgd, or dropout 0"});
  if (p.validation_loss && !p.early_stopping)
    throw Error({.field = "validation_loss",
                 .value = "true",
                 .reason = "there is no validation part",
                 .fix = "Add early_stopping"});
}

template <class T> NetworkShape MLPBase<T>::shape_for(index_t features, index_t outputs) const {
  NetworkShape shape;
  shape.units.push_back(features);
  for (size_t i = 0; i < params_.hidden_layer_sizes.size(); ++i) {
    shape.units.push_back(params_.hidden_layer_sizes[i]);
    shape.hidden.push_back(
        hidden_activation(params_.activations.empty() ? params_.activation : params_.activations[i]));
  }
  shape.units.push_back(outputs);
  shape.alpha = params_.alpha;
  shape.dropout = params_.dropout;
  shape.huber_delta = params_.huber_delta;
  return shape;
}

// ---------------------------------------------------------------- what goes in

template <class T> void MLPBase<T>::check_x(MatrixView<T> x, bool must_match) const {
  if (x.rows < 1 || x.columns < 1)
    throw Error({.field = "X",
                 .value = std::to_string(x.rows) + " x " + std::to_string(x.columns),
                 .reason = "at least 1 sample and 1 feature are needed",
                 .fix = "Give rows of numbers"});
  if (must_match && x.columns != results_.n_features_in)
    throw Error({.field = "X",
                 .value = std::to_string(x.columns) + " features",
                 .reason = "the model was fitted with " + std::to_string(results_.n_features_in) + " features",
                 .fix = "Give the same columns as in fit"});
  for (index_t i = 0; i < x.rows * x.columns; ++i)
    if (!std::isfinite(x.data[i]))
      throw Error({.field = "X",
                   .value = exact(static_cast<double>(x.data[i])),
                   .reason = "row " + std::to_string(i / x.columns) + ", column " + std::to_string(i % x.columns) +
                             " is not a finite number",
                   .fix = "Leave such rows out or fill the gaps"});
}

template <class T> void MLPBase<T>::require_fitted(const char* method) const {
  if (!fitted()) throw Error({.field = method, .reason = "the model isn't fitted yet", .fix = "Call fit first"});
}

template <class T> std::vector<T> MLPBase<T>::check_weights(const std::vector<double>& sample_weight, index_t n) const {
  if (sample_weight.empty()) return {};
  if (static_cast<index_t>(sample_weight.size()) != n)
    throw Error({.field = "sample_weight",
                 .value = std::to_string(sample_weight.size()) + " weights",
                 .reason = "there are " + std::to_string(n) + " samples",
                 .fix = "Give one weight for each"});
  for (size_t i = 0; i < sample_weight.size(); ++i)
    if (!(sample_weight[i] >= 0 && std::isfinite(sample_weight[i])))
      bad_value("sample_weight", exact(sample_weight[i]) + " of sample " + std::to_string(i),
                "Use finite numbers of at least 0");
  if (!(std::accumulate(sample_weight.begin(), sample_weight.end(), 0.0) > 0))
    bad_value("sample_weight", "0", "Some sample must weigh more than 0");
  return {sample_weight.begin(), sample_weight.end()};
}

template <class T> void MLPBase<T>::warn(const std::string& text) const {
  if (params_.warn)
    params_.warn(text);
  else
    std::fprintf(stderr, "leadline: warning: %s\n", text.c_str());
}

template <class T> void MLPBase<T>::print(const std::string& text) const {
  if (params_.print)
    params_.print(text);
  else
    std::printf("%s\n", text.c_str());
}

template <class T> MLPWeights<T> MLPBase<T>::weights() const {
  require_fitted("weights");
  MLPWeights<T> all;
  for (size_t l = 0; l < network_->shape().layers(); ++l) {
    all.coefs.push_back(network_->coefs(l));
    all.intercepts.push_back(network_->intercepts(l));
  }
  return all;
}

template <class T> const NetworkShape& MLPBase<T>::network_shape() const {
  require_fitted("network_shape");
  return network_->shape();
}

// ---------------------------------------------------------------- fit

namespace {

template <class T> void set_weights(mlp::Network<T>& network, const MLPWeights<T>& weights) {
  const NetworkShape& shape = network.shape();
  for (size_t l = 0; l < shape.layers(); ++l) {
    const auto fan_in = static_cast<size_t>(shape.units[l]), fan_out = static_cast<size_t>(shape.units[l + 1]);
    if (weights.coefs.size() != shape.layers() || weights.intercepts.size() != shape.layers() ||
        weights.coefs[l].size() != fan_in * fan_out || weights.intercepts[l].size() != fan_out)
      throw Error({.field = "weights",
                   .reason = "layer " + std::to_string(l) + " doesn't have the shape " + std::to_string(fan_in) +
                             " x " + std::to_string(fan_out),
                   .fix = "Give coefs [fan_in, fan_out] and intercepts [fan_out] for each layer"});
    network.set_coefs(l, weights.coefs[l].data());
    network.set_intercepts(l, weights.intercepts[l].data());
  }
}

} // namespace

namespace {

/// Between padded arrays as a network's parameters are and arrays by layer.
template <class T> mlp::LayerArrays<T> by_layer(const NetworkShape& shape, const mlp::AlignedVector<T>& padded) {
  mlp::LayerArrays<T> arrays;
  if (padded.empty()) return arrays;
  mlp::Network<T> network(shape);
  network.parameters() = padded;
  for (size_t l = 0; l < shape.layers(); ++l) {
    arrays.push_back(network.coefs(l));
    arrays.push_back(network.intercepts(l));
  }
  return arrays;
}

template <class T> mlp::AlignedVector<T> padded(const NetworkShape& shape, const mlp::LayerArrays<T>& arrays) {
  if (arrays.empty()) return {};
  mlp::Network<T> network(shape);
  for (size_t l = 0; l < shape.layers(); ++l) {
    network.set_coefs(l, arrays[2 * l].data());
    network.set_intercepts(l, arrays[2 * l + 1].data());
  }
  return network.parameters();
}

} // namespace

/// X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
template <class T> void MLPBase<T>::initialize(const NetworkShape& shape) {
  network_ = std::make_unique<mlp::Network<T>>(shape, team_);
  optimizer_.reset();
  results_ = {};
  no_improvement_ = 0;
  MLPWeights<T> drawn;
  for (size_t l = 0; l < shape.layers(); ++l) {
    const index_t fan_in = shape.units[l], fan_out = shape.units[l + 1];
    // scikit-learn asks for its one activation; with activations by layer, that of the layer itself counts
    const std::string& name = params_.activations.empty()      ? params_.activation
                              : l < params_.activations.size() ? params_.activations[l]
                                                               : params_.activations.back();
    const double bound = std::sqrt((name == "logistic" ? 2.0 : 6.0) / static_cast<double>(fan_in + fan_out));
    const auto draw = [&](index_t count) {
      std::vector<T> values(static_cast<size_t>(count));
      for (T& value : values) value = static_cast<T>(random_.uniform(-bound, bound));
      return values;
    };
    drawn.coefs.push_back(draw(fan_in * fan_out));
    drawn.intercepts.push_back(draw(fan_out));
  }
  set_weights(*network_, initial_ ? *initial_ : drawn);
  initial_.reset();
  best_ = network_->parameters();
  results_.n_features_in = shape.units.front();
  results_.n_outputs = shape.units.back();
  results_.n_layers = static_cast<index_t>(shape.units.size());
  results_.out_activation = name_of(shape.output);
  if (params_.solver != "lbfgs") {
    if (params_.early_stopping)
      results_.best_validation_score = -infinity;
    else
      results_.best_loss = infinity;
  }
}

template <class T> void MLPBase<T>::fit_data(Data& data, const NetworkShape& shape, bool incremental) {
  const int threads = params_.threads > 0 ? params_.threads : automatic_threads(shape, data.x.rows);
  if (!team_ || team_->size() != threads) team_ = std::make_shared<mlp::Team>(threads);
  random_ = RandomState(params_.random_state ? *params_.random_state : RandomState::system_seed());
  if (!fitted() || (!params_.warm_start && !incremental)) {
    initialize(shape);
  } else {
    if (shape.units != network_->shape().units)
      throw Error({.field = "hidden_layer_sizes",
                   .reason = "the layers' sizes aren't those of the model that is to be trained further",
                   .fix = "Keep features, hidden layers and outputs, or set warm_start = false and call fit"});
    // what isn't a size may have been set anew
    auto network = std::make_unique<mlp::Network<T>>(shape, team_);
    network->parameters() = network_->parameters();
    network_ = std::move(network);
    if (initial_) set_weights(*network_, *initial_);
    initial_.reset();
    if (params_.solver != "lbfgs" && !params_.early_stopping && !results_.best_loss) results_.best_loss = infinity;
    if (params_.solver != "lbfgs" && params_.early_stopping && !results_.best_validation_score)
      results_.best_validation_score = -infinity;
  }
  if (params_.solver == "lbfgs")
    fit_lbfgs(data);
  else
    fit_stochastic(data, incremental);
  for (const T value : network_->parameters())
    if (!std::isfinite(value))
      throw Error({.field = "fit",
                   .reason =
                       "Solver produced non-finite parameter weights. The input data may contain large values and "
                       "need to be preprocessed",
                   .fix = "Scale the features, or lower learning_rate_init"});
}

template <class T> void MLPBase<T>::fit_lbfgs(const Data& data) {
  // In double whatever T is, as in scikit-learn: its stopping rule is finer than floats are.
  mlp::Network<double> network(network_->shape(), team_);
  const MLPWeights<T> from = weights();
  MLPWeights<double> first;
  for (size_t l = 0; l < from.coefs.size(); ++l) {
    first.coefs.emplace_back(from.coefs[l].begin(), from.coefs[l].end());
    first.intercepts.emplace_back(from.intercepts[l].begin(), from.intercepts[l].end());
  }
  set_weights(network, first);
  std::vector<double> x, targets, sample_weights;
  mlp::Samples<double> samples;
  if constexpr (std::is_same_v<T, double>) {
    samples = {data.x.data, data.labels.data(), data.targets.data(),
               data.weights.empty() ? nullptr : data.weights.data(), nullptr};
  } else {
    x.assign(data.x.data, data.x.data + data.x.rows * data.x.columns);
    targets.assign(data.targets.begin(), data.targets.end());
    sample_weights.assign(data.weights.begin(), data.weights.end());
    samples = {x.data(), data.labels.data(), targets.data(), sample_weights.empty() ? nullptr : sample_weights.data(),
               nullptr};
  }
  const auto sparse = mlp::SparseRows::where_worthwhile(samples.x, data.x.rows, data.x.columns);
  samples.sparse = sparse.get();

  mlp::LbfgsOptions options;
  options.gradient_tolerance = params_.tol;
  options.max_evaluations = params_.max_fun;
  options.max_iterations = params_.max_iter;
  mlp::AlignedVector<double> point = network.parameters();
  bool interrupted = false;
  const mlp::LbfgsResult result = mlp::minimize_lbfgs(
      options, point,
      [&](const mlp::AlignedVector<double>& at, mlp::AlignedVector<double>& gradient) {
        network.parameters() = at;
        const double loss = network.loss_gradient(samples, nullptr, 0, data.x.rows);
        gradient = network.gradient();
        return loss;
      },
      [&](int64_t iteration, double loss) {
        if (params_.verbose) print(format("Iteration %lld, loss = %.8f", static_cast<long long>(iteration), loss));
        interrupted = params_.interrupted && params_.interrupted();
        return !interrupted;
      });
  network.parameters() = point;
  for (size_t l = 0; l < network.shape().layers(); ++l) {
    const std::vector<double> coefs = network.coefs(l), intercepts = network.intercepts(l);
    network_->set_coefs(l, std::vector<T>(coefs.begin(), coefs.end()).data());
    network_->set_intercepts(l, std::vector<T>(intercepts.begin(), intercepts.end()).data());
  }
  results_.n_iter = std::min(result.iterations, params_.max_iter);
  results_.loss = result.loss;
  results_.converged = result.status == 0;
  if (interrupted) warn("Training interrupted by user.");
  if (interrupted || result.status == 0) return;
  std::string text = format("lbfgs failed to converge after %lld iteration(s) (status=%d):\n%s\n",
                            static_cast<long long>(results_.n_iter), result.status, result.message.c_str());
  if (results_.n_iter == params_.max_iter)
    text += format("\nIncrease the number of iterations to improve the convergence (max_iter=%lld).",
                   static_cast<long long>(params_.max_iter));
  warn(text + "\nYou might also want to scale the data, each feature to mean 0 and variance 1 say.");
}

template <class T> void MLPBase<T>::fit_stochastic(const Data& data, bool incremental) {
  const MLPParams& p = params_;
  mlp::Network<T>& network = *network_;
  const bool adam = p.solver == "adam";
  if (!incremental || !optimizer_) {
    optimizer_ = std::make_unique<Optimizer>();
    optimizer_->learning_rate = p.learning_rate_init;
    optimizer_->first.assign(network.parameters().size(), T{0});
    if (adam) optimizer_->second.assign(network.parameters().size(), T{0});
  }
  Optimizer& o = *optimizer_;

  // The validation part
  if (p.early_stopping && incremental)
    throw Error({.field = "early_stopping",
                 .value = "true",
                 .reason = "partial_fit does not support early_stopping=True",
                 .fix = "Use fit, or early_stopping = false"});
  std::vector<index_t> train(static_cast<size_t>(data.x.rows)), validation;
  std::iota(train.begin(), train.end(), index_t{0});
  if (p.early_stopping) {
    mlp::Split split =
        mlp::train_test_split(data.x.rows, p.validation_fraction, random_, data.strata.empty() ? nullptr : &data.strata,
                              {.size = "validation_fraction",
                               .file = {},
                               .labels = "y",
                               .classes = {},
                               .otherwise = "fit without early_stopping"});
    if (split.test.size() < 2)
      throw Error({.field = "validation_fraction",
                   .value = exact(p.validation_fraction),
                   .reason = "The validation set is too small",
                   .fix = "Increase 'validation_fraction' or the size of your dataset"});
    train = std::move(split.train);
    validation = std::move(split.test);
  }
  const auto n = static_cast<index_t>(train.size());
  const auto gather = [&](const std::vector<index_t>& rows, Data* part) {
    std::vector<T> x(rows.size() * static_cast<size_t>(data.x.columns));
    const auto outputs = static_cast<size_t>(network.shape().units.back());
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<size_t>(rows[i]);
      std::copy_n(data.x.row(rows[i]), data.x.columns, x.data() + i * static_cast<size_t>(data.x.columns));
      if (!data.labels.empty()) part->labels.push_back(data.labels[row]);
      if (!data.targets.empty())
        part->targets.insert(part->targets.end(), data.targets.begin() + static_cast<std::ptrdiff_t>(row * outputs),
                             data.targets.begin() + static_cast<std::ptrdiff_t>((row + 1) * outputs));
      if (!data.weights.empty()) part->weights.push_back(data.weights[row]);
    }
    return x;
  };
  Data held_out;
  const std::vector<T> validation_x = gather(validation, &held_out);
  std::vector<T> validation_outputs(validation.size() * static_cast<size_t>(network.shape().units.back()));

  mlp::Samples<T> samples{data.x.data, data.labels.empty() ? nullptr : data.labels.data(),
                          data.targets.empty() ? nullptr : data.targets.data(),
                          data.weights.empty() ? nullptr : data.weights.data(), nullptr};
  const auto sparse = mlp::SparseRows::where_worthwhile(data.x.data, data.x.rows, data.x.columns);
  samples.sparse = sparse.get();

  if (p.batch_size > n) warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped");
  const index_t batch = p.batch_size == 0 ? std::min<index_t>(200, n) : std::min(p.batch_size, n);
  const uint64_t seed = p.dropout > 0 ? random_.bits() : 0;
  const double patience = p.n_iter_no_change ? static_cast<double>(*p.n_iter_no_change) : infinity;
  const auto& kernels = mlp::kernels<T>();
  std::unique_ptr<mlp::ExecSteps<T>> steps; // null: on the host
  if (p.exec != "host")
    steps = mlp::make_exec_steps<T>(p.exec, network.shape(), samples, data.x.rows, batch,
                                    {by_layer(network.shape(), network.parameters()),
                                     by_layer(network.shape(), o.first), by_layer(network.shape(), o.second)});
  const auto fetch = [&] {
    const mlp::StepState<T> state = steps->state();
    network.parameters() = padded(network.shape(), state.parameters);
    o.first = padded(network.shape(), state.first);
    o.second = padded(network.shape(), state.second);
  };

  results_.n_iter = 0;
  results_.converged = false;
  std::vector<index_t> order = train;
  while (results_.n_iter < p.max_iter) {
    if (p.shuffle) {
      // sklearn.utils.shuffle: the indices that there are, in the order of a shuffled 0, 1, ...
      const std::vector<index_t> places = random_.permutation(n), before = order;
      for (size_t i = 0; i < order.size(); ++i) order[i] = before[static_cast<size_t>(places[i])];
    }
    double accumulated = 0;
    for (index_t begin = 0; begin < n; begin += batch) {
      const index_t rows = std::min(batch, n - begin);
      const bool in_place = !p.shuffle && !p.early_stopping;
      const auto number = static_cast<uint64_t>(o.t++);
      if (adam)
        o.learning_rate =
            p.learning_rate_init * std::sqrt(1 - math::powi(p.beta_2, o.t)) / (1 - math::powi(p.beta_1, o.t));
      const mlp::Update<T> update{adam,
                                  static_cast<T>(o.learning_rate),
                                  static_cast<T>(p.beta_1),
                                  static_cast<T>(p.beta_2),
                                  static_cast<T>(p.epsilon),
                                  static_cast<T>(p.momentum),
                                  p.nesterovs_momentum};
      if (steps) {
        accumulated += static_cast<double>(rows) * steps->step(order.data() + begin, rows, seed, number, update);
        continue;
      }
      const auto apply = [&](index_t from, index_t to) {
        T *w = network.parameters().data() + from, *moment = o.first.data() + from;
        const T* gradient = network.gradient().data() + from;
        if (adam)
          kernels.adam(w, gradient, moment, o.second.data() + from, to - from, update.lr, update.beta_1, update.beta_2,
                       update.epsilon);
        else
          kernels.sgd(w, gradient, moment, to - from, update.lr, update.momentum, update.nesterov);
      };
      accumulated +=
          static_cast<double>(rows) * network.loss_gradient(samples, in_place ? nullptr : order.data() + begin,
                                                            in_place ? begin : 0, rows, seed, number, apply);
    }
    if (steps && p.early_stopping) fetch();
    ++results_.n_iter;
    results_.loss = accumulated / static_cast<double>(n);
    results_.t += n;
    results_.loss_curve.push_back(results_.loss);
    if (p.verbose) print(format("Iteration %lld, loss = %.8f", static_cast<long long>(results_.n_iter), results_.loss));

    if (p.early_stopping) {
      network.predict(validation_x.data(), static_cast<index_t>(validation.size()), validation_outputs.data());
      const bool finite =
          std::all_of(validation_outputs.begin(), validation_outputs.end(), [](T v) { return std::isfinite(v); });
      const double score =
          finite ? data.score(validation_outputs, validation) : std::numeric_limits<double>::quiet_NaN();
      results_.validation_scores.push_back(score);
      if (p.validation_loss)
        results_.validation_loss_curve.push_back(
            network.loss({validation_x.data(), held_out.labels.empty() ? nullptr : held_out.labels.data(),
                          held_out.targets.empty() ? nullptr : held_out.targets.data(),
                          held_out.weights.empty() ? nullptr : held_out.weights.data(), nullptr},
                         static_cast<index_t>(validation.size())));
      if (p.verbose) print(format("Validation score: %f", score));
      no_improvement_ = score < *results_.best_validation_score + p.tol ? no_improvement_ + 1 : 0;
      if (score > *results_.best_validation_score) {
        results_.best_validation_score = score;
        best_ = network.parameters();
      }
    } else {
      no_improvement_ = results_.loss > *results_.best_loss - p.tol ? no_improvement_ + 1 : 0;
      if (results_.loss < *results_.best_loss) results_.best_loss = results_.loss;
    }
    if (!adam && p.learning_rate == "invscaling")
      o.learning_rate = p.learning_rate_init / math::pow(static_cast<double>(results_.t + 1), p.power_t);

    if (static_cast<double>(no_improvement_) > patience) {
      const std::string text =
          format(p.early_stopping ? "Validation score did not improve more than tol=%f for %lld consecutive epochs."
                                  : "Training loss did not improve more than tol=%f for %lld consecutive epochs.",
                 p.tol, static_cast<long long>(patience));
      const bool adaptive = !adam && p.learning_rate == "adaptive";
      if (!adaptive || o.learning_rate <= 1e-6) {
        if (p.verbose) print(text + (adaptive ? " Learning rate too small. Stopping." : " Stopping."));
        results_.converged = true;
        break;
      }
      o.learning_rate /= 5;
      if (p.verbose) print(text + format(" Setting learning rate to %f", o.learning_rate));
      no_improvement_ = 0;
    }
    if (incremental) break;
    if (p.interrupted && p.interrupted()) {
      warn("Training interrupted by user.");
      break;
    }
    if (results_.n_iter == p.max_iter)
      warn(format("Stochastic Optimizer: Maximum iterations (%lld) reached and the optimization hasn't converged yet.",
                  static_cast<long long>(p.max_iter)));
  }
  if (steps) fetch();
  if (p.early_stopping) network.parameters() = best_;
}

template <class T> std::vector<T> MLPBase<T>::outputs(MatrixView<T> x) const {
  require_fitted("predict");
  check_x(x, true);
  std::vector<T> out(static_cast<size_t>(x.rows * results_.n_outputs));
  network_->predict(x.data, x.rows, out.data());
  return out;
}

template <class T>
void MLPBase<T>::restore(const NetworkShape& shape, const MLPWeights<T>& weights, const MLPResults& results) {
  auto network = std::make_unique<mlp::Network<T>>(shape, team_);
  set_weights(*network, weights);
  network_ = std::move(network);
  results_ = results;
  optimizer_.reset();
}

// ---------------------------------------------------------------- classifier

namespace {

std::vector<index_t> distinct(std::vector<index_t> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

std::string list(const std::vector<index_t>& values) {
  std::string text;
  for (size_t i = 0; i < values.size() && i < 20; ++i) text += (i ? " " : "") + std::to_string(values[i]);
  return "[" + text + (values.size() > 20 ? " ..." : "") + "]";
}

/// Share of equal rows of `width` values, weighted.
double accuracy(const std::vector<index_t>& truth, const std::vector<index_t>& predicted, size_t width,
                const std::vector<double>& weights) {
  double right = 0, total = 0;
  for (size_t i = 0; i * width < truth.size(); ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    const auto begin = truth.begin() + static_cast<std::ptrdiff_t>(i * width);
    total += weight;
    if (std::equal(begin, begin + static_cast<std::ptrdiff_t>(width),
                   predicted.begin() + static_cast<std::ptrdiff_t>(i * width)))
      right += weight;
  }
  return right / total;
}

} // namespace

template <class T> NetworkShape MLPClassifier<T>::shape(index_t features) const {
  const auto count = static_cast<index_t>(classes_.size());
  NetworkShape shape = this->shape_for(features, multilabel_ || count != 2 ? std::max<index_t>(count, 1) : 1);
  if (!multilabel_ && count > 2) {
    shape.output = Activation::softmax;
    shape.loss = Loss::log_loss;
  } else {
    shape.output = Activation::logistic;
    shape.loss = Loss::binary_log_loss;
  }
  return shape;
}

/// Classes or labels, from the network's outputs: [n], or [n, labels] for multi-label.
template <class T> std::vector<index_t> MLPClassifier<T>::decide(const std::vector<T>& outputs) const {
  const size_t width = static_cast<size_t>(this->results_.n_outputs);
  std::vector<index_t> chosen;
  if (multilabel_) {
    for (const T value : outputs) chosen.push_back(value > T{0.5});
    return chosen;
  }
  for (size_t i = 0; i * width < outputs.size(); ++i) {
    const T* row = outputs.data() + i * width;
    const auto largest = static_cast<size_t>(std::max_element(row, row + width) - row);
    chosen.push_back(classes_[classes_.size() == 1 ? 0 : width > 1 ? largest : row[0] > T{0.5}]);
  }
  return chosen;
}

template <class T>
typename MLPBase<T>::Data MLPClassifier<T>::prepare(MatrixView<T> x, const std::vector<index_t>& y,
                                                    const std::vector<double>& sample_weight) {
  typename MLPBase<T>::Data data;
  data.x = x;
  const size_t n = static_cast<size_t>(x.rows), width = multilabel_ ? classes_.size() : 1;
  std::vector<double> weights = sample_weight;
  if (multilabel_) {
    data.targets.assign(y.begin(), y.end());
  } else {
    std::vector<index_t> counts(classes_.size(), 0);
    for (const index_t label : y) {
      const auto at = std::lower_bound(classes_.begin(), classes_.end(), label) - classes_.begin();
      data.labels.push_back(static_cast<int32_t>(at));
      ++counts[static_cast<size_t>(at)];
    }
    if (classes_.size() <= 2) {
      data.targets.assign(data.labels.begin(), data.labels.end());
      data.strata.assign(data.labels.begin(), data.labels.end());
    }
    const MLPParams& p = this->params_;
    if (p.class_weight == "balanced" || !p.class_weights.empty()) {
      if (weights.empty()) weights.assign(n, 1.0);
      const auto present =
          static_cast<double>(std::count_if(counts.begin(), counts.end(), [](index_t c) { return c > 0; }));
      for (const auto& [name, weight] : p.class_weights)
        if (!std::binary_search(classes_.begin(), classes_.end(), name))
          throw Error({.field = "class_weights",
                       .value = std::to_string(name),
                       .reason = "y has no such class",
                       .fix = "The classes are " + list(classes_)});
      for (size_t i = 0; i < n; ++i) {
        const auto label = static_cast<size_t>(data.labels[i]);
        if (p.class_weight == "balanced")
          weights[i] *= static_cast<double>(n) / (present * static_cast<double>(counts[label]));
        if (const auto given = p.class_weights.find(classes_[label]); given != p.class_weights.end())
          weights[i] *= given->second;
      }
    }
  }
  data.weights = this->check_weights(weights, x.rows);
  data.score = [this, &y, width, &sample_weight](const std::vector<T>& outputs, const std::vector<index_t>& rows) {
    std::vector<index_t> truth;
    std::vector<double> chosen_weights;
    for (const index_t row : rows) {
      const auto begin = y.begin() + row * static_cast<index_t>(width);
      truth.insert(truth.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
      if (!sample_weight.empty()) chosen_weights.push_back(sample_weight[static_cast<size_t>(row)]);
    }
    return accuracy(truth, decide(outputs), width, chosen_weights);
  };
  return data;
}

namespace {

void check_length(const char* field, index_t have, index_t rows) {
  if (have != rows)
    throw Error({.field = field,
                 .value = std::to_string(have) + " rows",
                 .reason = "X has " + std::to_string(rows),
                 .fix = "Give one for each sample"});
}

} // namespace

template <class T>
void MLPClassifier<T>::fit(MatrixView<T> x, const std::vector<index_t>& y, const std::vector<double>& sample_weight) {
  this->check_x(x, this->fitted() && this->params_.warm_start);
  check_length("y", static_cast<index_t>(y.size()), x.rows);
  const std::vector<index_t> found = distinct(y);
  if (this->fitted() && this->params_.warm_start) {
    if (multilabel_ || found != classes_)
      throw Error("warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                  "Previously got " +
                  list(classes_) + ", `y` has " + list(found));
  } else {
    classes_ = found;
    multilabel_ = false;
  }
  auto data = prepare(x, y, sample_weight);
  this->fit_data(data, shape(x.columns), false);
}

template <class T>
void MLPClassifier<T>::fit(MatrixView<T> x, MatrixView<index_t> y, const std::vector<double>& sample_weight) {
  this->check_x(x, this->fitted() && this->params_.warm_start);
  check_length("y", y.rows, x.rows);
  const std::vector<index_t> values(y.data, y.data + y.rows * y.columns);
  for (const index_t value : values)
    if (value != 0 && value != 1)
      bad_value("y", std::to_string(value), "Labels of a multi-label classifier are 0 or 1");
  std::vector<index_t> labels(static_cast<size_t>(y.columns));
  std::iota(labels.begin(), labels.end(), index_t{0});
  if (this->fitted() && this->params_.warm_start && (!multilabel_ || labels != classes_))
    throw Error("warm_start can only be used where `y` has the same labels as in the previous call to fit");
  classes_ = labels;
  multilabel_ = true;
  auto data = prepare(x, values, sample_weight);
  this->fit_data(data, shape(x.columns), false);
}

template <class T>
void MLPClassifier<T>::partial_fit(MatrixView<T> x, const std::vector<index_t>& y, const std::vector<index_t>& classes,
                                   const std::vector<double>& sample_weight) {
  if (this->params_.solver == "lbfgs")
    throw Error("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.");
  this->check_x(x, this->fitted());
  check_length("y", static_cast<index_t>(y.size()), x.rows);
  if (classes_.empty()) {
    if (classes.empty()) throw Error("classes must be passed on the first call to partial_fit.");
    classes_ = distinct(classes);
    multilabel_ = false;
  } else if (!classes.empty() && distinct(classes) != classes_) {
    throw Error("`classes=" + list(distinct(classes)) +
                "` is not the same as on last call to partial_fit, was: " + list(classes_));
  }
  const std::vector<index_t> found = distinct(y);
  if (!std::includes(classes_.begin(), classes_.end(), found.begin(), found.end()))
    throw Error("`y` has classes not in `self.classes_`. `self.classes_` has " + list(classes_) + ". 'y' has " +
                list(found));
  auto data = prepare(x, y, sample_weight);
  this->fit_data(data, shape(x.columns), true);
}

template <class T> std::vector<index_t> MLPClassifier<T>::predict(MatrixView<T> x) const {
  this->require_fitted("predict");
  if (multilabel_)
    throw Error({.field = "predict", .reason = "the model has several labels", .fix = "Use predict_labels"});
  return decide(this->outputs(x));
}

template <class T> std::vector<index_t> MLPClassifier<T>::predict_labels(MatrixView<T> x) const {
  this->require_fitted("predict_labels");
  if (!multilabel_) throw Error({.field = "predict_labels", .reason = "the model has classes", .fix = "Use predict"});
  return decide(this->outputs(x));
}

template <class T> std::vector<T> MLPClassifier<T>::predict_proba(MatrixView<T> x) const {
  const std::vector<T> outputs = this->outputs(x);
  if (multilabel_ || this->results_.n_outputs != 1) return outputs;
  std::vector<T> both;
  for (const T value : outputs) {
    both.push_back(T{1} - value);
    both.push_back(value);
  }
  return both;
}

template <class T> std::vector<T> MLPClassifier<T>::predict_log_proba(MatrixView<T> x) const {
  std::vector<T> values = predict_proba(x);
  for (T& value : values) value = math::log(value);
  return values;
}

template <class T>
double MLPClassifier<T>::score(MatrixView<T> x, const std::vector<index_t>& y,
                               const std::vector<double>& sample_weight) const {
  check_length("y", static_cast<index_t>(y.size()), x.rows);
  this->check_weights(sample_weight, x.rows);
  return accuracy(y, predict(x), 1, sample_weight);
}

template <class T>
double MLPClassifier<T>::score(MatrixView<T> x, MatrixView<index_t> y, const std::vector<double>& sample_weight) const {
  check_length("y", y.rows, x.rows);
  this->check_weights(sample_weight, x.rows);
  const std::vector<index_t> predicted = predict_labels(x);
  if (y.columns != static_cast<index_t>(classes_.size()))
    throw Error({.field = "y",
                 .value = std::to_string(y.columns) + " labels",
                 .reason = "the model has " + std::to_string(classes_.size())});
  return accuracy({y.data, y.data + y.rows * y.columns}, predicted, classes_.size(), sample_weight);
}

template <class T>
void MLPClassifier<T>::restore(std::vector<index_t> classes, bool multilabel, const NetworkShape& shape,
                               const MLPWeights<T>& weights, const MLPResults& results) {
  MLPBase<T>::restore(shape, weights, results);
  classes_ = std::move(classes);
  multilabel_ = multilabel;
}

// ---------------------------------------------------------------- regressor

namespace {

/// R^2 of [n, outputs], the mean over outputs. `row(i)` is a sample's number in y and weights.
template <class T, class Row>
double r2_score(MatrixView<T> y, const std::vector<T>& predicted, const std::vector<T>& weights, size_t n,
                const Row& row) {
  double sum = 0;
  for (index_t j = 0; j < y.columns; ++j) {
    double mean = 0, total_weight = 0, residual = 0, spread = 0;
    const auto weight = [&](size_t i) {
      return weights.empty() ? 1.0 : static_cast<double>(weights[static_cast<size_t>(row(i))]);
    };
    const auto truth = [&](size_t i) { return static_cast<double>(y.row(row(i))[j]); };
    for (size_t i = 0; i < n; ++i) {
      mean += weight(i) * truth(i);
      total_weight += weight(i);
    }
    mean /= total_weight;
    for (size_t i = 0; i < n; ++i) {
      const double error =
          truth(i) - static_cast<double>(predicted[i * static_cast<size_t>(y.columns) + static_cast<size_t>(j)]);
      residual += weight(i) * error * error;
      spread += weight(i) * (truth(i) - mean) * (truth(i) - mean);
    }
    // as scikit-learn has it where all truths are the same
    sum += spread > 0 ? 1 - residual / spread : residual > 0 ? 0 : 1;
  }
  return sum / static_cast<double>(y.columns);
}

} // namespace

template <class T>
void MLPRegressor<T>::fit(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight,
                          bool incremental) {
  const MLPParams& p = this->params_;
  if (incremental && p.solver == "lbfgs")
    throw Error("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.");
  this->check_x(x, this->fitted() && (p.warm_start || incremental));
  check_length("y", y.rows, x.rows);
  for (index_t i = 0; i < y.rows * y.columns; ++i) {
    const double value = static_cast<double>(y.data[i]);
    if (!std::isfinite(value) || (p.loss == "poisson" && value < 0))
      bad_value("y", exact(value) + " in row " + std::to_string(i / y.columns),
                p.loss == "poisson" ? "The loss poisson is for finite numbers of at least 0" : "Use finite numbers");
  }
  typename MLPBase<T>::Data data;
  data.x = x;
  data.targets.assign(y.data, y.data + y.rows * y.columns);
  data.weights = this->check_weights(sample_weight, x.rows);
  data.score = [&](const std::vector<T>& outputs, const std::vector<index_t>& rows) {
    return r2_score(y, outputs, data.weights, rows.size(), [&](size_t i) { return rows[i]; });
  };
  NetworkShape shape = this->shape_for(x.columns, y.columns);
  shape.output = p.loss == "poisson" ? Activation::exp : Activation::identity;
  shape.loss = p.loss == "poisson"          ? Loss::poisson
               : p.loss == "absolute_error" ? Loss::absolute_error
               : p.loss == "huber"          ? Loss::huber
                                            : Loss::squared_error;
  const bool defect = p.compat == "sklearn" && p.loss == "squared_error";
  shape.gradient_scale = p.loss == "poisson" || defect ? 1 : 1 / static_cast<double>(y.columns);
  this->fit_data(data, shape, incremental);
}

template <class T>
void MLPRegressor<T>::fit(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight) {
  fit(x, y, sample_weight, false);
}

template <class T>
void MLPRegressor<T>::partial_fit(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight) {
  fit(x, y, sample_weight, true);
}

template <class T> std::vector<T> MLPRegressor<T>::predict(MatrixView<T> x) const { return this->outputs(x); }

template <class T>
double MLPRegressor<T>::score(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight) const {
  check_length("y", y.rows, x.rows);
  const std::vector<T> weights = this->check_weights(sample_weight, x.rows);
  const std::vector<T> predicted = predict(x);
  if (y.columns != this->results_.n_outputs)
    throw Error({.field = "y",
                 .value = std::to_string(y.columns) + " columns",
                 .reason = "the model has " + std::to_string(this->results_.n_outputs) + " outputs"});
  return r2_score(y, predicted, weights, static_cast<size_t>(x.rows), [](size_t i) { return static_cast<index_t>(i); });
}

template class MLPBase<float>;
template class MLPBase<double>;
template class MLPClassifier<float>;
template class MLPClassifier<double>;
template class MLPRegressor<float>;
template class MLPRegressor<double>;

} // namespace leadline::trainer
