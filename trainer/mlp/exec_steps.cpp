#include "trainer/mlp/exec_steps.hpp"

#include "data/error.hpp"
#include "shared/core/reduce.hpp"
#include "shared/layers/layers.hpp"
#include "trainer/device_buffer.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/mlp/rules.hpp"

#include <algorithm>

namespace leadline::trainer::mlp {

namespace {

/// Up to the outputs' inputs: the loss has their activation in it.
Graph training_graph(const NetworkShape& shape) {
  GraphBuilder builder("mlp", {1, 1, 1, shape.units[0]});
  int32_t value = builder.input();
  for (size_t l = 0; l < shape.layers(); ++l) {
    const std::string number = std::to_string(l);
    Linear::Params linear;
    linear.out_features = static_cast<int32_t>(shape.units[l + 1]);
    value = builder.add<Linear>(linear, {value}, "layers." + number);
    if (l + 1 == shape.layers()) break;
    const Activation hidden = shape.hidden[l];
    if (hidden != Activation::identity)
      value = builder.add<leadline::Activation>(make_activation(hidden == Activation::relu   ? ActivationKind::relu
                                                                : hidden == Activation::tanh ? ActivationKind::tanh
                                                                                             : ActivationKind::sigmoid),
                                                {value}, "activations." + number);
    if (shape.dropout > 0)
      value = builder.add<Dropout>({static_cast<float>(shape.dropout)}, {value}, "dropout." + number);
  }
  builder.output(value);
  return builder.finish();
}

/// [rows, columns] to [columns, rows]: coefficients, as scikit-learn and as linear layers have them.
template <class T> std::vector<T> transposed(const std::vector<T>& x, index_t rows, index_t columns) {
  std::vector<T> y(x.size());
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j)
      y[static_cast<size_t>(j * rows + i)] = x[static_cast<size_t>(i * columns + j)];
  return y;
}

/// An array in the exec's memory, or null where it is made of null.
template <class T, class Exec> class ExecArray {
public:
  ExecArray(const Exec& exec, size_t count) : bytes_(exec, count * sizeof(T)) {}
  ExecArray(const Exec& exec, const T* values, size_t count) : ExecArray(exec, values ? count : 0) {
    if (values) copy_to_exec(exec, bytes_.data(), values, count * sizeof(T));
    present_ = values != nullptr;
  }
  T* data() const { return present_ ? reinterpret_cast<T*>(bytes_.data()) : nullptr; }

private:
  DeviceBuffer<Exec> bytes_;
  bool present_ = true;
};

/// The loss of sample i, not weighted; the outputs z become its derivatives.
template <class T>
LEADLINE_INLINE_FUNCTION double sample_loss(Loss loss, T* z, index_t outputs, const int32_t* labels, const T* targets,
                                            index_t sample, T huber_delta) {
  if (loss == Loss::log_loss) {
    T largest = z[0], sum{0};
    for (index_t j = 1; j < outputs; ++j) largest = math::max(largest, z[j]);
    for (index_t j = 0; j < outputs; ++j) sum += z[j] = math::exp(z[j] - largest);
    for (index_t j = 0; j < outputs; ++j) z[j] /= sum;
    const int32_t label = labels[sample];
    const double value = -static_cast<double>(math::log(clipped(z[label])));
    z[label] -= T{1};
    return value;
  }
  double sum = 0;
  for (index_t j = 0; j < outputs; ++j) {
    const T y = targets[sample * outputs + j];
    if (loss == Loss::binary_log_loss) { // y is 0 or 1: one of the two logarithms counts
      const T p = math::sigmoid(z[j]);
      const T likely = y == T{1} ? clipped(p) : T{1} - clipped(p);
      z[j] = p - y;
      sum -= static_cast<double>(math::log(likely));
    } else {
      sum += static_cast<double>(regression_loss(loss, z[j], y, huber_delta));
    }
  }
  return sum;
}

} // namespace

/// Its functions that launch kernels are public and it has a name outside of this file, as nvcc wants of lambdas.
template <class T, class Exec> class StepsOn final : public ExecSteps<T> {
public:
  StepsOn(const Exec& exec, const NetworkShape& shape, const Samples<T>& samples, index_t rows, index_t batch,
          const StepState<T>& state)
      : exec_(exec), shape_(shape), batch_(batch), outputs_(shape.units.back()), two_moments_(!state.second.empty()),
        session_(exec, training_graph(shape), {batch, 1, 1, shape.units[0]}, true),
        x_(exec, samples.x, static_cast<size_t>(rows * shape.units[0])),
        labels_(exec, samples.labels, static_cast<size_t>(rows)),
        targets_(exec, samples.targets, static_cast<size_t>(rows * outputs_)),
        weights_(exec, samples.weights, static_cast<size_t>(rows)), first_(exec, count()),
        second_(exec, two_moments_ ? count() : 0), chosen_(exec, static_cast<size_t>(batch)),
        losses_(exec, static_cast<size_t>(batch)), sums_(exec, shape.layers() + 1),
        partial_(exec, static_cast<size_t>(reduce_chunks(longest_sum()))) {
    if (samples.weights) host_weights_.assign(samples.weights, samples.weights + rows);
    put(state.parameters, session_.all_weights().data);
    put(state.first, first_.data());
    if (two_moments_) put(state.second, second_.data());
  }

  double step(const index_t* rows, index_t n, uint64_t seed, uint64_t number, const Update<T>& update) override {
    double weight = static_cast<double>(n);
    if (!host_weights_.empty()) {
      weight = 0;
      for (index_t i = 0; i < n; ++i) weight += static_cast<double>(host_weights_[static_cast<size_t>(rows[i])]);
    }
    copy_to_exec(exec_, chosen_.data(), rows, static_cast<size_t>(n) * sizeof(index_t));
    gather(n);
    session_.set_step(seed, number);
    session_.forward(true);
    losses(n);
    session_.backward(0);
    session_.finish_step();
    for (size_t l = 0; l < shape_.layers(); ++l) squares(l);
    for (int i = 0; i < session_.num_weights(); ++i) apply(i, update, static_cast<T>(1 / weight));

    std::vector<double> sums(shape_.layers() + 1);
    copy_to_host(exec_, sums.data(), sums_.data(), sums.size() * sizeof(double));
    double all_squares = 0;
    for (size_t l = 0; l < shape_.layers(); ++l) all_squares += sums[l + 1];
    return mean_loss(shape_, sums[0], all_squares, weight);
  }

  StepState<T> state() const override {
    StepState<T> all;
    all.parameters = get(session_.all_weights().data);
    all.first = get(first_.data());
    if (two_moments_) all.second = get(second_.data());
    return all;
  }

  /// The chosen rows become the session's input; what lies behind them is zero.
  void gather(index_t n) {
    const index_t features = shape_.units[0];
    const Tensor<T> input = session_.input();
    const T* x = x_.data();
    const index_t* chosen = chosen_.data();
    parallel_for(exec_, "leadline::mlp::gather", batch_ * features, [=] LEADLINE_FUNCTION(index_t e) {
      const index_t i = e / features, c = e % features;
      input.data[i * input.stride_n + c] = i < n ? x[chosen[i] * features + c] : T{0};
    });
  }

  /// sums[0] = the samples' losses; their derivatives go to diff_output, zeros behind the chosen rows.
  void losses(index_t n) {
    const Tensor<T> z = session_.output(), diff = session_.diff_output();
    const index_t outputs = outputs_;
    const Loss loss = shape_.loss;
    const T scale = static_cast<T>(shape_.gradient_scale), huber_delta = static_cast<T>(shape_.huber_delta);
    const int32_t* labels = labels_.data();
    const T *targets = targets_.data(), *weights = weights_.data();
    const index_t* chosen = chosen_.data();
    double *each = losses_.data(), *sums = sums_.data();
    parallel_for(exec_, "leadline::mlp::loss", batch_, [=] LEADLINE_FUNCTION(index_t i) {
      T* d = diff.data + i * diff.stride_n;
      for (index_t j = 0; j < outputs; ++j) d[j] = i < n ? z.data[i * z.stride_n + j] : T{0};
      if (i >= n) return;
      const index_t sample = chosen[i];
      const T weight = weights ? weights[sample] : T{1};
      each[i] = sample_loss(loss, d, outputs, labels, targets, sample, huber_delta) * static_cast<double>(weight);
      for (index_t j = 0; j < outputs; ++j) d[j] *= weight * scale;
    });
    reduce_columns(
        exec_, "leadline::mlp::loss_sum", n, 1, [=] LEADLINE_FUNCTION(index_t i, index_t) { return each[i]; },
        partial_.data(), [=] LEADLINE_FUNCTION(index_t, double sum) { sums[0] = sum; });
  }

  /// sums[l + 1] = the squares of layer l's coefficients.
  void squares(size_t l) {
    const Tensor<T> w = session_.weight(static_cast<int>(2 * l));
    double* sum_here = sums_.data() + l + 1;
    reduce_columns(
        exec_, "leadline::mlp::squares", w.shape.count(), 1,
        [=] LEADLINE_FUNCTION(index_t i, index_t) {
          return static_cast<double>(w.data[i]) * static_cast<double>(w.data[i]);
        },
        partial_.data(), [=] LEADLINE_FUNCTION(index_t, double sum) { *sum_here = sum; });
  }

  /// Weight i's update; intercepts (the odd ones) have no penalty.
  void apply(int i, const Update<T>& u, T factor) {
    const Tensor<T> weight = session_.weight(i), diff = session_.diff_weight(i);
    T *w = weight.data, *first = first_.data() + offset(i), *second = u.adam ? second_.data() + offset(i) : nullptr;
    const T* gradient = diff.data;
    const T alpha = static_cast<T>(i % 2 == 0 ? shape_.alpha : 0.0);
    parallel_for(exec_, "leadline::mlp::update", weight.shape.count(), [=] LEADLINE_FUNCTION(index_t e) {
      const T g = (gradient[e] + alpha * w[e]) * factor;
      if (u.adam)
        adam_update(w[e], g, first[e], second[e], u.lr, u.beta_1, u.beta_2, u.epsilon);
      else
        sgd_update(w[e], g, first[e], u.lr, u.momentum, u.nesterov);
    });
  }

private:
  size_t count() const { return static_cast<size_t>(session_.all_weights().shape.c); }
  index_t longest_sum() const {
    index_t most = batch_;
    for (int i = 0; i < session_.num_weights(); ++i) most = std::max(most, session_.weight(i).shape.count());
    return most;
  }

  /// Between [fan_in, fan_out] on the host and a block on the exec that is laid out as all weights are.
  void put(const LayerArrays<T>& arrays, T* block) {
    const std::vector<T> zeros(count());
    if (block != session_.all_weights().data) copy_to_exec(exec_, block, zeros.data(), zeros.size() * sizeof(T));
    for (int i = 0; i < session_.num_weights(); ++i) {
      const Shape s = session_.weight(i).shape;
      const std::vector<T>& values = arrays[static_cast<size_t>(i)];
      const std::vector<T> laid_out = i % 2 == 0 ? transposed(values, s.c, s.n) : values;
      copy_to_exec(exec_, block + offset(i), laid_out.data(), laid_out.size() * sizeof(T));
    }
  }
  LayerArrays<T> get(const T* block) const {
    LayerArrays<T> arrays;
    for (int i = 0; i < session_.num_weights(); ++i) {
      const Shape s = session_.weight(i).shape;
      std::vector<T> values(static_cast<size_t>(s.count()));
      copy_to_host(exec_, values.data(), block + offset(i), values.size() * sizeof(T));
      arrays.push_back(i % 2 == 0 ? transposed(values, s.n, s.c) : values);
    }
    return arrays;
  }
  index_t offset(int i) const { return session_.weight(i).data - session_.all_weights().data; }

  Exec exec_;
  NetworkShape shape_;
  index_t batch_, outputs_;
  bool two_moments_;
  GraphSession<T, Exec> session_;
  ExecArray<T, Exec> x_;
  ExecArray<int32_t, Exec> labels_;
  ExecArray<T, Exec> targets_, weights_, first_, second_;
  ExecArray<index_t, Exec> chosen_;
  ExecArray<double, Exec> losses_, sums_, partial_;
  std::vector<T> host_weights_;
};

template <class T>
std::unique_ptr<ExecSteps<T>> make_exec_steps(const std::string& exec, const NetworkShape& shape,
                                              const Samples<T>& samples, index_t rows, index_t batch,
                                              const StepState<T>& state) {
  if (exec == "layers") return std::make_unique<StepsOn<T, HostExec>>(HostExec(), shape, samples, rows, batch, state);
  if (!Kokkos::is_initialized() || Kokkos::is_finalized())
    throw Error({.field = "exec",
                 .value = exec,
                 .reason = "Kokkos isn't running",
                 .fix = "Keep a leadline::trainer::Compute (trainer/compute.hpp) while the model is fitted"});
  return std::make_unique<StepsOn<T, DefaultExec>>(DefaultExec(), shape, samples, rows, batch, state);
}

template std::unique_ptr<ExecSteps<float>> make_exec_steps(const std::string&, const NetworkShape&,
                                                           const Samples<float>&, index_t, index_t,
                                                           const StepState<float>&);
template std::unique_ptr<ExecSteps<double>> make_exec_steps(const std::string&, const NetworkShape&,
                                                            const Samples<double>&, index_t, index_t,
                                                            const StepState<double>&);

} // namespace leadline::trainer::mlp
