// The inner loops of an MLP on the host, float and double, compiled once per ISA level as shared/layers/host's are:
// kernels.cpp has them, kernels_dispatch.cpp chooses. Everything is called by one thread; a caller that has more gives
// each its own rows or columns. Every sum is in an order that depends on the shapes alone.
//
// Matrices are row-major with rows padded to whole vectors; padding holds zeros, and these functions keep it so.
#pragma once

#include "shared/core/config.hpp"

namespace leadline::trainer::mlp {

/// c = start + a b, or c += a b, where a(i, p) = a[i a_row + p a_step].
template <class T> struct Multiply {
  const T* a;
  index_t a_row, a_step;
  const T* b;
  index_t ldb;
  const T* start; ///< a row to begin with (a bias); null: zero
  T* c;
  index_t ldc;
  index_t m, k, n; ///< n: whole vectors
  bool accumulate;
  bool relu;               ///< negative results become 0
  const T* kept = nullptr; ///< as c; results become 0 where this is: relu's derivative, from its values
};

/// Products with much of a zero: bit p of row r's mask says whether a(r, p) isn't. Rows are taken a few at a time, and
/// of those only the columns that some of them has. Zeros add nothing, so results don't depend on which rows meet.
template <class T> struct SparseMultiply {
  const uint64_t* masks; ///< [rows of a, words]
  index_t words;
  const T* a;
  index_t a_row;
  const index_t* rows; ///< which rows of a, and of masks, to take
  const T* b;
  index_t ldb;
  const T* start; ///< a row to begin with
  T* c;           ///< start + a b
  index_t ldc;
  index_t m, n;
  bool relu;
};

/// c = a^T b, or c += a^T b, for columns p of a in one word of its masks.
template <class T> struct SparseGradient {
  const uint64_t* masks; ///< of row r: masks[r words]
  index_t words;
  const T* a; ///< from the word's first column on
  index_t a_row;
  const index_t* rows; ///< which rows of a, and of masks, to take
  const T* b;
  index_t ldb;
  T* c;
  index_t ldc;
  index_t m, columns, n; ///< m rows; columns of a, at most 64
  bool accumulate;
};

enum class Activation : int32_t { identity, logistic, tanh, relu, softmax, exp };
enum class Loss : int32_t { log_loss, binary_log_loss, squared_error, poisson, absolute_error, huber };

/// The end of a pass: z, the inputs of the output activation, become the loss' derivatives by them, times the samples'
/// weights and `scale`; losses[i] is sample i's loss times its weight. Sample i is row rows[i] of labels or targets and
/// of weights.
template <class T> struct OutputJob {
  T* z;
  index_t ldz, n, outputs;
  Loss loss;
  const int32_t* labels; ///< of log_loss
  const T* targets;      ///< [samples, outputs], of all others
  const T* weights;      ///< null: all 1
  const index_t* rows;   ///< null: 0, 1, ...
  T scale;
  T huber_delta;
  T* scratch; ///< n rows of ldz
  double* losses;
};

template <class T> struct Kernels {
  const char* isa;
  index_t lanes; ///< numbers in a vector
  void (*multiply)(const Multiply<T>&);
  void (*sparse_multiply)(const SparseMultiply<T>&);
  void (*sparse_gradient)(const SparseGradient<T>&);
  /// z = activation(z), n rows of which `columns` count.
  void (*activate)(Activation, T* z, index_t ldz, index_t n, index_t columns);
  /// delta *= the derivative of tanh or logistic, from its value a; both of `count` values.
  void (*derive)(Activation, const T* a, T* delta, index_t count);
  void (*output)(const OutputJob<T>&);
  /// gradient = (gradient + decay w) factor
  void (*decay)(const T* w, T* gradient, index_t count, T decay, T factor);
  /// sums[j] = or += sum over rows of x[i][j] (n rows).
  void (*column_sums)(const T* x, index_t ldx, index_t n, index_t columns, T* sums, bool accumulate);
  void (*transpose)(const T* x, index_t ldx, index_t rows, index_t columns, T* y, index_t ldy);
  void (*adam)(T* w, const T* gradient, T* m, T* v, index_t count, T lr, T beta1, T beta2, T epsilon);
  void (*sgd)(T* w, const T* gradient, T* velocity, index_t count, T lr, T momentum, bool nesterov);
  double (*dot)(const T* x, const T* y, index_t count);
  /// y += a x
  void (*axpy)(T a, const T* x, T* y, index_t count);
};

/// For this CPU, or what LEADLINE_ISA / --isa asked for.
template <class T> const Kernels<T>& kernels();

} // namespace leadline::trainer::mlp
