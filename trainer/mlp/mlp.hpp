// Multi-layer perceptrons as scikit-learn 1.9 has them: MLPClassifier and MLPRegressor with its parameters, defaults,
// formulas, messages and random numbers. From the same data and random_state they draw the same first weights, shuffles
// and splits, and arrive at the same weights but for rounding.
//
//   MLPClassifier model({.hidden_layer_sizes = {16}, .solver = "lbfgs", .random_state = 0});
//   model.fit({x, rows, columns}, labels);
//   double accuracy = model.score({x_test, test_rows, columns}, test_labels);
//
// T is the type of everything computed, double or float (scikit-learn takes the type of X; its lbfgs is in double for
// both, and so is this one). `compat = "sklearn"` keeps a defect of scikit-learn: with several outputs its gradient of
// the squared error is that of the loss times the number of outputs, which the right one isn't.
//
// What it has not: dropout, class_weight, activations by layer, the losses absolute_error and huber, validation_loss,
// exec.
//
// Errors are leadline::Error. One model is for one thread at a time; predictions use the model's own scratch memory.
#pragma once

#include "trainer/mlp/network.hpp"
#include "trainer/mlp/random_state.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace leadline::trainer {

/// Numbers in rows, one after the other; borrowed.
template <class T> struct MatrixView {
  const T* data = nullptr;
  index_t rows = 0, columns = 1;
  const T* row(index_t i) const { return data + i * columns; }
};

struct MLPParams {
  std::vector<index_t> hidden_layer_sizes{100};
  std::string activation = "relu";        ///< identity, logistic, tanh or relu
  std::string solver = "adam";            ///< lbfgs, sgd or adam
  double alpha = 1e-4;                    ///< L2 penalty
  index_t batch_size = 0;                 ///< 0: auto, min(200, samples)
  std::string learning_rate = "constant"; ///< of sgd: constant, invscaling or adaptive
  double learning_rate_init = 1e-3;
  double power_t = 0.5;   ///< of invscaling
  index_t max_iter = 200; ///< epochs, or lbfgs' iterations
  bool shuffle = true;
  std::optional<uint32_t> random_state; ///< none: the system draws one
  double tol = 1e-4;
  bool verbose = false;
  bool warm_start = false; ///< fit goes on from the weights there are
  double momentum = 0.9;   ///< of sgd
  bool nesterovs_momentum = true;
  bool early_stopping = false; ///< stop by the score on a part of the data, keep the best weights
  double validation_fraction = 0.1;
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-8; ///< of adam
  std::optional<index_t> n_iter_no_change = 10;        ///< none: infinite
  index_t max_fun = 15000;                             ///< of lbfgs: evaluations of the loss
  std::string loss = "squared_error"; ///< of MLPRegressor: squared_error, poisson; absolute_error, huber

  // beyond scikit-learn
  std::string compat = "none";             ///< "sklearn": its gradient for several outputs
  std::vector<std::string> activations;    ///< one for each hidden layer; empty: `activation` for all
  double dropout = 0;                      ///< share of hidden values left out in training, sgd and adam; [0, 1)
  std::string class_weight = "none";       ///< of MLPClassifier: none or balanced
  std::map<index_t, double> class_weights; ///< by class; others weigh 1
  double huber_delta = 1;                  ///< where the loss huber becomes linear
  bool validation_loss = false;            ///< with early_stopping: the loss on the validation part of each epoch, too
  std::string exec = "host";               ///< where sgd and adam compute: host, by kernels for MLPs; layers or kokkos,
                                           ///< by the layers of depth networks (exec_steps.hpp)
  int threads =
      0; ///< of host: same bits for any number; 0: one for small networks, else OMP_NUM_THREADS or all cores, at most 4

  std::function<void(const std::string&)> print; ///< verbose lines; none: standard output
  std::function<void(const std::string&)> warn;  ///< warnings; none: "leadline: warning: ..." on standard error
  std::function<bool()> interrupted;             ///< asked after each epoch or iteration; true ends the fit in order
};

/// Coefficients `[fan_in, fan_out]` and intercepts `[fan_out]`, layer by layer.
template <class T> struct MLPWeights { std::vector<std::vector<T>> coefs, intercepts; };

/// What a fit leaves; in scikit-learn the same names end in an underscore.
struct MLPResults {
  index_t n_features_in = 0, n_layers = 0, n_outputs = 0;
  std::string out_activation;
  index_t n_iter = 0;              ///< epochs or iterations of the last fit
  index_t t = 0;                   ///< samples that the solver has seen
  double loss = 0;                 ///< of the last epoch
  std::optional<double> best_loss; ///< none under early stopping and for lbfgs
  std::optional<double> best_validation_score;
  std::vector<double> loss_curve;            ///< sgd, adam: one an epoch
  std::vector<double> validation_scores;     ///< under early stopping: accuracy or R^2
  std::vector<double> validation_loss_curve; ///< under validation_loss
  bool converged = false;                    ///< stopped by itself, not at max_iter
};

/// What both have in common.
template <class T> class MLPBase {
public:
  const MLPParams& params() const { return params_; }
  /// For the next fit; scikit-learn's set_params.
  void set_params(const MLPParams& params);
  bool fitted() const { return network_ != nullptr; }
  const MLPResults& results() const { return results_; }
  /// Throws unless fitted.
  MLPWeights<T> weights() const;
  const mlp::NetworkShape& network_shape() const;

  /// The next fit begins with these in place of the ones it draws (which it still draws: shuffles stay the same).
  void set_initial_weights(MLPWeights<T> weights) { initial_ = std::move(weights); }

protected:
  explicit MLPBase(const MLPParams& params, bool classifier);
  ~MLPBase() = default;
  MLPBase(MLPBase&&) = default;
  MLPBase& operator=(MLPBase&&) = default;

  struct Data {
    MatrixView<T> x;
    std::vector<int32_t> labels; ///< of log_loss
    std::vector<T> targets;      ///< [n, outputs]
    std::vector<T> weights;      ///< empty: all 1
    std::vector<index_t> strata; ///< classes to stratify by; empty: don't
    /// Of predictions [n, outputs] for the samples `rows`, weighted.
    std::function<double(const std::vector<T>& outputs, const std::vector<index_t>& rows)> score;
  };
  struct Optimizer {
    double learning_rate = 0;
    index_t t = 0;
    mlp::AlignedVector<T> first, second; ///< velocity; or both moments
  };

  mlp::NetworkShape shape_for(index_t features, index_t outputs) const;
  void check_x(MatrixView<T> x, bool must_match) const;
  void require_fitted(const char* method) const;
  std::vector<T> check_weights(const std::vector<double>& sample_weight, index_t n) const;
  void fit_data(Data& data, const mlp::NetworkShape& shape, bool incremental);
  std::vector<T> outputs(MatrixView<T> x) const;
  void restore(const mlp::NetworkShape& shape, const MLPWeights<T>& weights, const MLPResults& results);
  void warn(const std::string& text) const;
  void print(const std::string& text) const;

  MLPParams params_;
  bool classifier_;
  MLPResults results_;
  std::shared_ptr<mlp::Team> team_;
  std::unique_ptr<mlp::Network<T>> network_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<MLPWeights<T>> initial_;
  index_t no_improvement_ = 0;
  mlp::AlignedVector<T> best_; ///< parameters with the best validation score
  mlp::RandomState random_{0};

private:
  void check_params() const;
  void initialize(const mlp::NetworkShape& shape);
  void fit_lbfgs(const Data& data);
  void fit_stochastic(const Data& data, bool incremental);
};

/// Classes are whole numbers; several labels at once (multi-label) are a matrix of 0 and 1.
template <class T = double> class MLPClassifier : public MLPBase<T> {
public:
  explicit MLPClassifier(const MLPParams& params = {}) : MLPBase<T>(params, true) {}

  /// x [n, features], y [n]; sample_weight [n] or empty.
  void fit(MatrixView<T> x, const std::vector<index_t>& y, const std::vector<double>& sample_weight = {});
  /// Multi-label: y [n, labels] of 0 and 1.
  void fit(MatrixView<T> x, MatrixView<index_t> y, const std::vector<double>& sample_weight = {});
  /// One epoch with the optimizer's state kept; `classes`, all there will ever be, must be given the first time.
  void partial_fit(MatrixView<T> x, const std::vector<index_t>& y, const std::vector<index_t>& classes = {},
                   const std::vector<double>& sample_weight = {});

  /// [n]; not for multi-label.
  std::vector<index_t> predict(MatrixView<T> x) const;
  /// [n, labels] of 0 and 1, for multi-label.
  std::vector<index_t> predict_labels(MatrixView<T> x) const;
  /// [n, classes]; two columns for two classes; for multi-label each label's own probability.
  std::vector<T> predict_proba(MatrixView<T> x) const;
  std::vector<T> predict_log_proba(MatrixView<T> x) const;
  /// Accuracy; for multi-label the share of samples with all labels right.
  double score(MatrixView<T> x, const std::vector<index_t>& y, const std::vector<double>& sample_weight = {}) const;
  double score(MatrixView<T> x, MatrixView<index_t> y, const std::vector<double>& sample_weight = {}) const;

  /// In rising order; for multi-label 0, 1, ...
  const std::vector<index_t>& classes() const { return classes_; }
  bool multilabel() const { return multilabel_; }

  /// As if fitted: for models read from a file.
  void restore(std::vector<index_t> classes, bool multilabel, const mlp::NetworkShape& shape,
               const MLPWeights<T>& weights, const MLPResults& results);

private:
  typename MLPBase<T>::Data prepare(MatrixView<T> x, const std::vector<index_t>& y,
                                    const std::vector<double>& sample_weight);
  mlp::NetworkShape shape(index_t features) const;
  std::vector<index_t> decide(const std::vector<T>& outputs) const;

  std::vector<index_t> classes_;
  bool multilabel_ = false;
};

template <class T = double> class MLPRegressor : public MLPBase<T> {
public:
  explicit MLPRegressor(const MLPParams& params = {}) : MLPBase<T>(params, false) {}

  /// x [n, features], y [n, outputs]; sample_weight [n] or empty. The loss poisson wants y >= 0.
  void fit(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight = {});
  void partial_fit(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight = {});
  /// [n, outputs]
  std::vector<T> predict(MatrixView<T> x) const;
  /// R^2, the mean over outputs; 1 is perfect, 0 as good as the mean.
  double score(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight = {}) const;

  void restore(const mlp::NetworkShape& shape, const MLPWeights<T>& weights, const MLPResults& results) {
    MLPBase<T>::restore(shape, weights, results);
  }

private:
  void fit(MatrixView<T> x, MatrixView<T> y, const std::vector<double>& sample_weight, bool incremental);
};

extern template class MLPBase<float>;
extern template class MLPBase<double>;
extern template class MLPClassifier<float>;
extern template class MLPClassifier<double>;
extern template class MLPRegressor<float>;
extern template class MLPRegressor<double>;

} // namespace leadline::trainer
