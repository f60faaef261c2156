// The network behind MLPClassifier and MLPRegressor: its numbers, a pass forward, and loss and gradient of a batch.
//
// Parameters lie in one array, coefficients of all layers first (`[fan_in, fan_out]`, as scikit-learn has them), then
// intercepts, each row padded with zeros to whole vectors: an optimizer runs over all of it at once. A batch is cut
// into parts by its size alone, and sums run over parts in their order: results don't depend on the number of threads.
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

  /// What is done with parameters begin..end once their gradient is known; called for parts of all, from any thread.
  using Update = std::function<void(index_t begin, index_t end)>;

  /// Mean loss over n samples, rows[i] or `first` + i, with the penalty; leaves its gradient in gradient(), and updates
  /// parameters if told how. `seed` and `step` choose what drops out.
  double loss_gradient(const Samples<T>& samples, const index_t* rows, index_t first, index_t n, uint64_t seed = 0,
                       uint64_t step = 0, const Update& update = nullptr);
  /// The mean loss alone, nothing drops out.
  double loss(const Samples<T>& samples, index_t n);
  /// out[i] = outputs of x's row i, [n, outputs].
  void predict(const T* x, index_t n, T* out);

private:
  struct Layer {
    index_t fan_in, fan_out, ld; ///< ld: of coefficients, activations and derivatives
    size_t coefs, intercepts;    ///< where they begin
    Activation activation;
    AlignedVector<T> transposed;
  };
  struct Range {
    index_t begin, end;
    index_t size() const { return end - begin; }
  };
  /// Samples of a batch that one thread takes forward and back, with what that needs: their rows pass `chunk` at a
  /// time. Each part has a gradient of its own, so that a batch is in two rounds, and threads share no more than that.
  struct Part {
    std::vector<AlignedVector<T>> values, deltas; ///< of each layer, a chunk's rows
    AlignedVector<T> gathered, scratch;
    AlignedVector<T> gradient; ///< of part 0: the whole network's gradient_
    std::vector<double> losses;
    double loss = 0, weight = 0; ///< sums over the part's samples
    // the chunk that passes
    std::vector<index_t> chosen; ///< its rows' numbers
    const T* x = nullptr;        ///< its rows one after the other, unless they are sparse
    index_t first = 0, n = 0;    ///< its first row's place in the batch, and how many it has
  };
  static constexpr index_t chunk = 128, most_parts = 8;

  index_t parts_of(index_t n) const;
  void make_parts(index_t count);
  void run(index_t tasks, const std::function<void(index_t)>& task) const;
  /// f(part, whether it begins) for each chunk of each part, made ready to pass.
  void for_chunks(const Samples<T>& samples, const index_t* rows, index_t first, index_t n,
                  const std::function<void(Part&, bool begins)>& f);
  T* deltas(Part& part, size_t layer) {
    return (layer + 1 == layers_.size() ? part.values : part.deltas)[layer].data();
  }
  void choose(Part& part, const Samples<T>& samples, const index_t* rows, index_t first, index_t n);
  void forward(Part& part, const Samples<T>& samples, bool train);
  void output(Part& part, const Samples<T>& samples);
  void backward(Part& part);
  void layer_gradient(Part& part, const Samples<T>& samples, size_t layer, bool accumulate);
  void drop_out(Part& part, size_t layer, bool backward);
  double mean_loss_of(index_t parts, double squares) const;

  NetworkShape shape_;
  const Kernels<T>& kernels_;
  std::shared_ptr<Team> team_;
  std::vector<Layer> layers_;
  std::vector<Part> parts_;
  size_t coefs_end_ = 0;
  AlignedVector<T> parameters_, gradient_;
  uint64_t seed_ = 0, step_ = 0;
};

} // namespace leadline::trainer::mlp
