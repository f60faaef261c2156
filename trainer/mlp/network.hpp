// The network behind MLPClassifier and MLPRegressor: its numbers, a pass forward, and loss and gradient of a batch.
//
// Parameters lie in one array, coefficients of all layers first (`[fan_in, fan_out]`, as scikit-learn has them), then
// intercepts, each row padded with zeros to whole vectors: an optimizer runs over all of it at once. Everything is
// allocated when a Network is made.
#pragma once

#include "trainer/mlp/kernels.hpp"
#include "trainer/mlp/team.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <vector>

namespace leadline::trainer::mlp {

template <class T> struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t alignment{64};
  AlignedAllocator() = default;
  template <class U> AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
  void deallocate(T* p, size_t) { ::operator delete(p, alignment); }
  bool operator==(const AlignedAllocator&) const { return true; }
};
template <class T> using AlignedVector = std::vector<T, AlignedAllocator<T>>;

struct NetworkShape {
  std::vector<index_t> units;     ///< features, hidden layers, outputs
  std::vector<Activation> hidden; ///< one for each hidden layer
  Activation output = Activation::softmax;
  Loss loss = Loss::log_loss;
  double alpha = 0;          ///< L2 penalty of the coefficients: alpha / 2 |W|^2 / samples
  double gradient_scale = 1; ///< of the loss' derivatives
  double huber_delta = 1;
  double dropout = 0; ///< share of hidden values that a training pass leaves out

  size_t layers() const { return units.size() - 1; }
};

/// A mean from the sum of the samples' losses, with the penalty: `squares` of all coefficients, `weight` of all
/// samples.
double mean_loss(const NetworkShape& shape, double loss_sum, double squares, double weight);

/// Which of x's numbers aren't zero, a bit each.
struct SparseRows {
  index_t words = 0;           ///< of 64 features
  std::vector<uint64_t> masks; ///< [n, words]
  /// Null where too few are zero to be worth it.
  template <class T> static std::unique_ptr<SparseRows> where_worthwhile(const T* x, index_t n, index_t features);
};

/// Rows to learn from; borrowed. Labels for log_loss, targets for all other losses.
template <class T> struct Samples {
  const T* x = nullptr;               ///< [n, features]
  const int32_t* labels = nullptr;    ///< [n]
  const T* targets = nullptr;         ///< [n, outputs]
  const T* weights = nullptr;         ///< [n]; null: all 1
  const SparseRows* sparse = nullptr; ///< of x; null: take all of it
};

template <class T> class Network {
public:
  /// The team's threads work for it; null: the caller alone. Results don't depend on how many they are.
  explicit Network(const NetworkShape& shape, std::shared_ptr<Team> team = nullptr);

  const NetworkShape& shape() const { return shape_; }
  AlignedVector<T>& parameters() { return parameters_; }
  const AlignedVector<T>& parameters() const { return parameters_; }
  const AlignedVector<T>& gradient() const { return gradient_; }

  /// Without padding: [fan_in, fan_out] and [fan_out].
  std::vector<T> coefs(size_t layer) const;
  std::vector<T> intercepts(size_t layer) const;
  void set_coefs(size_t layer, const T* values);
  void set_intercepts(size_t layer, const T* values);

  /// Mean loss over n samples, rows[i] or `first` + i, with the penalty; leaves its gradient in gradient(). `seed` and
  /// `step` choose what drops out.
  double loss_gradient(const Samples<T>& samples, const index_t* rows, index_t first, index_t n, uint64_t seed = 0,
                       uint64_t step = 0);
  /// The mean loss alone, nothing drops out.
  double loss(const Samples<T>& samples, index_t n);
  /// out[i] = outputs of x's row i, [n, outputs].
  void predict(const T* x, index_t n, T* out);

  /// f(begin, end) for parts of all parameters, one for each thread.
  void for_parameters(const std::function<void(index_t begin, index_t end)>& f) const;

private:
  struct Layer {
    index_t fan_in, fan_out, ld; ///< ld: of coefficients, activations and derivatives
    size_t coefs, intercepts;    ///< where they begin
    Activation activation;
    AlignedVector<T> values, deltas, transposed;
  };
  struct Range {
    index_t begin, end;
    index_t size() const { return end - begin; }
  };
  using Rows = Range;    ///< of a chunk: what one thread takes forward and back
  using Columns = Range; ///< of a layer's outputs: whole vectors
  struct Panel {
    size_t layer;
    Columns columns;
  };
  static constexpr index_t chunk = 256; ///< rows that pass at a time

  T* values(size_t layer, index_t row) { return layers_[layer].values.data() + row * layers_[layer].ld; }
  T* deltas(size_t layer, index_t row);
  void in_parts(index_t total, const std::function<void(Rows)>& f) const;
  void forward(const Samples<T>& samples, Rows rows, bool train);
  void output(const Samples<T>& samples, Rows rows);
  void backward(Rows rows);
  void layer_gradient(const Samples<T>& samples, size_t layer, Columns outputs, index_t n, bool accumulate);
  void drop_out(size_t layer, Rows rows, bool backward);
  void choose(const Samples<T>& samples, const index_t* rows, index_t first, index_t n);
  double squares() const;

  NetworkShape shape_;
  const Kernels<T>& kernels_;
  std::shared_ptr<Team> team_;
  std::vector<Layer> layers_;
  std::vector<Panel> panels_; ///< in which gradients are made
  size_t coefs_end_ = 0;
  AlignedVector<T> parameters_, gradient_, gathered_, scratch_;
  std::vector<double> losses_;
  // the chunk that passes
  std::vector<index_t> chosen_; ///< its rows' numbers
  const T* x_ = nullptr;        ///< its rows one after the other, unless they are sparse
  uint64_t seed_ = 0, step_ = 0;
  index_t first_ = 0; ///< its first row's place in the batch
};

} // namespace leadline::trainer::mlp
