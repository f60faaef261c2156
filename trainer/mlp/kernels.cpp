// Compiled once per ISA level (LEADLINE_ISA names it): all here has internal linkage or is inlined, so that no function
// compiled for a newer CPU can replace one that an older CPU runs.
#include "shared/core/config.hpp"

#undef LEADLINE_INLINE_FUNCTION
#define LEADLINE_INLINE_FUNCTION inline __attribute__((always_inline))
#include "shared/core/math.hpp"
#include "shared/layers/host/simd.hpp"
#include "trainer/mlp/kernels.hpp"

namespace leadline::trainer::mlp {
namespace {

using host::Simd;

constexpr index_t max_panel = 4; // vectors of columns that a register tile has
#if defined(__AVX512F__)
constexpr int rows_of_tile[max_panel + 1] = {0, 14, 12, 8, 6};
#elif defined(__aarch64__)
constexpr int rows_of_tile[max_panel + 1] = {0, 12, 10, 8, 6};
#else
constexpr int rows_of_tile[max_panel + 1] = {0, 8, 6, 4, 2};
#endif

/// Parts of about equal size of at most `most`: part i of n begins at cut(i).
struct Parts {
  index_t total, parts;
  Parts(index_t total_, index_t most) : total(total_), parts((total_ + most - 1) / most) {}
  index_t cut(index_t i) const { return i * (total / parts) + (i < total % parts ? i : total % parts); }
};

template <class T, int rows, int vectors>
LEADLINE_ALWAYS_INLINE void tile(const T* a, index_t a_row, index_t a_step, const T* b, index_t ldb, index_t k,
                                 const T* start, T* c, index_t ldc, bool accumulate, bool relu) {
  using V = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  V sum[rows][vectors];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < vectors; ++j)
      sum[i][j] = accumulate ? Simd<T>::load(c + i * ldc + j * lanes) : start ? Simd<T>::load(start + j * lanes) : V{};
  for (index_t p = 0; p < k; ++p) {
    V row[vectors];
    for (int j = 0; j < vectors; ++j) row[j] = Simd<T>::load(b + p * ldb + j * lanes);
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < vectors; ++j) sum[i][j] = host::multiply_add(a[i * a_row + p * a_step], row[j], sum[i][j]);
  }
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < vectors; ++j)
      Simd<T>::store(c + i * ldc + j * lanes, relu ? host::apply_epilogue<host::Epilogue::relu>(sum[i][j]) : sum[i][j]);
}

/// As many tiles of `rows` rows as there are, then smaller ones.
template <class T, int rows, int vectors>
void tiles(const Multiply<T>& job, index_t i, index_t p, index_t k, index_t j, bool accumulate, bool relu) {
  for (; i + rows <= job.m; i += rows)
    tile<T, rows, vectors>(job.a + i * job.a_row + p * job.a_step, job.a_row, job.a_step, job.b + p * job.ldb + j,
                           job.ldb, k, job.start ? job.start + j : nullptr, job.c + i * job.ldc + j, job.ldc,
                           accumulate, relu);
  if constexpr (rows > 1) {
    constexpr int smaller = rows > 4 ? 4 : rows > 2 ? 2 : 1;
    if (i < job.m) tiles<T, smaller, vectors>(job, i, p, k, j, accumulate, relu);
  }
}

template <class T> void multiply(const Multiply<T>& job) {
  constexpr index_t lanes = Simd<T>::lanes;
  const Parts panels(job.n / lanes, max_panel);
  const index_t widest = (job.n / lanes + panels.parts - 1) / panels.parts;
  // a panel of b stays in the first-level cache while all rows of a pass by
  constexpr index_t cached = 20480 / host::vector_bytes;
  const Parts blocks(job.k, cached / widest);
  for (index_t q = 0; q < blocks.parts || q == 0; ++q) {
    const index_t p = job.k > 0 ? blocks.cut(q) : 0, k = job.k > 0 ? blocks.cut(q + 1) - p : 0;
    const bool accumulate = job.accumulate || q > 0, relu = job.relu && q + 1 >= blocks.parts;
    for (index_t panel = 0; panel < panels.parts; ++panel) {
      const index_t j = panels.cut(panel) * lanes;
      switch (panels.cut(panel + 1) - panels.cut(panel)) {
      case 1: tiles<T, rows_of_tile[1], 1>(job, 0, p, k, j, accumulate, relu); break;
      case 2: tiles<T, rows_of_tile[2], 2>(job, 0, p, k, j, accumulate, relu); break;
      case 3: tiles<T, rows_of_tile[3], 3>(job, 0, p, k, j, accumulate, relu); break;
      default: tiles<T, rows_of_tile[4], 4>(job, 0, p, k, j, accumulate, relu); break;
      }
    }
  }
}

/// `chains` sums at a time hide the latency of additions where there are few columns.
template <class T, int vectors, int chains, bool gathered> void sparse_panel(const SparseMultiply<T>& job, index_t j) {
  using V = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  for (index_t i = 0; i < job.m; ++i) {
    const index_t row = job.rows ? job.rows[i] : i;
    const T* a = job.a + row * job.a_row;
    T* c = job.c + i * job.ldc + j;
    V sum[chains][vectors];
    for (int v = 0; v < vectors; ++v)
      sum[0][v] = job.accumulate ? Simd<T>::load(c + v * lanes)
                  : job.start    ? Simd<T>::load(job.start + j + v * lanes)
                                 : V{};
    for (int h = 1; h < chains; ++h)
      for (int v = 0; v < vectors; ++v) sum[h][v] = V{};
    for (index_t word = 0; word < job.words; ++word) {
      uint64_t mask = job.masks[row * job.words + word];
      const T* b = job.b + word * 64 * job.ldb + j;
      const auto next = [&](V * into) __attribute__((always_inline)) {
        const index_t p = __builtin_ctzll(mask);
        mask &= mask - 1;
        const T value = a[gathered ? job.a_offsets[word * 64 + p] : word * 64 + p];
        for (int v = 0; v < vectors; ++v)
          into[v] = host::multiply_add(value, Simd<T>::load(b + p * job.ldb + v * lanes), into[v]);
      };
      int count = __builtin_popcountll(mask);
      for (; count >= chains; count -= chains)
        for (int h = 0; h < chains; ++h) next(sum[h]);
      for (; count > 0; --count) next(sum[0]);
    }
    for (int h = 1; h < chains; ++h)
      for (int v = 0; v < vectors; ++v) sum[0][v] += sum[h][v];
    for (int v = 0; v < vectors; ++v)
      Simd<T>::store(c + v * lanes, job.relu ? host::apply_epilogue<host::Epilogue::relu>(sum[0][v]) : sum[0][v]);
  }
}

template <class T, int vectors, int chains> void sparse_panel(const SparseMultiply<T>& job, index_t j) {
  if (job.a_offsets)
    sparse_panel<T, vectors, chains, true>(job, j);
  else
    sparse_panel<T, vectors, chains, false>(job, j);
}

template <class T> void sparse_multiply(const SparseMultiply<T>& job) {
  constexpr index_t lanes = Simd<T>::lanes;
  const Parts panels(job.n / lanes, widest_panel);
  for (index_t panel = 0; panel < panels.parts; ++panel) {
    const index_t j = panels.cut(panel) * lanes;
    switch (panels.cut(panel + 1) - panels.cut(panel)) {
    case 1: sparse_panel<T, 1, 4>(job, j); break;
    case 2: sparse_panel<T, 2, 4>(job, j); break;
    case 3: sparse_panel<T, 3, 2>(job, j); break;
    case 4: sparse_panel<T, 4, 2>(job, j); break;
    case 5: sparse_panel<T, 5, 1>(job, j); break;
    case 6: sparse_panel<T, 6, 1>(job, j); break;
    default: sparse_panel<T, 7, 1>(job, j); break;
    }
  }
}

/// Combines the lanes of x in halves, so that the last one standing is in lane 0.
template <class T, class Combine> LEADLINE_ALWAYS_INLINE T across(typename Simd<T>::vector x, Combine combine) {
  constexpr int lanes = Simd<T>::lanes;
  alignas(64) T values[lanes];
  Simd<T>::store(values, x);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) values[i] = combine(values[i], values[i + width]);
  return values[0];
}

/// Rows' softmax; what lies behind `columns` becomes zero.
template <class T> void softmax(T* z, index_t ldz, index_t n, index_t columns) {
  using V = typename Simd<T>::vector;
  constexpr index_t lanes = Simd<T>::lanes;
  const index_t whole = columns / lanes * lanes;
  V counts; // all ones where the last, partial vector has a column
  for (index_t i = 0; i < lanes; ++i) counts[i] = whole + i < columns ? T{1} : T{0};
  const auto counted = [&](V x, V otherwise) __attribute__((always_inline)) { return counts != V{} ? x : otherwise; };
  for (index_t i = 0; i < n; ++i) {
    T* row = z + i * ldz;
    V largest = V{} + row[0];
    for (index_t j = 0; j < whole; j += lanes) {
      const V x = Simd<T>::load(row + j);
      largest = x > largest ? x : largest;
    }
    if (whole < columns) {
      const V x = counted(Simd<T>::load(row + whole), largest);
      largest = x > largest ? x : largest;
    }
    const V shift = V{} + across<T>(largest, [](T a, T b) { return a > b ? a : b; });
    for (index_t j = 0; j < ldz; j += lanes) Simd<T>::store(row + j, Simd<T>::load(row + j) - shift);
  }
  for (index_t i = 0; i < n * ldz; ++i) z[i] = math::exp(z[i]);
  for (index_t i = 0; i < n; ++i) {
    T* row = z + i * ldz;
    V sum{};
    for (index_t j = 0; j < whole; j += lanes) sum += Simd<T>::load(row + j);
    if (whole < columns) sum += counted(Simd<T>::load(row + whole), V{});
    const V factor = V{} + T{1} / across<T>(sum, [](T a, T b) { return a + b; });
    for (index_t j = 0; j < whole; j += lanes) Simd<T>::store(row + j, Simd<T>::load(row + j) * factor);
    if (whole < columns) Simd<T>::store(row + whole, counted(Simd<T>::load(row + whole) * factor, V{}));
    for (index_t j = whole < columns ? whole + lanes : whole; j < ldz; ++j) row[j] = 0;
  }
}

template <class T> void clear_padding(T* z, index_t ldz, index_t n, index_t columns) {
  if (columns < ldz)
    for (index_t i = 0; i < n; ++i)
      for (index_t j = columns; j < ldz; ++j) z[i * ldz + j] = 0;
}

template <class T> void activate(Activation activation, T* z, index_t ldz, index_t n, index_t columns) {
  const index_t count = n * ldz;
  switch (activation) {
  case Activation::identity: return;
  case Activation::relu:
    for (index_t i = 0; i < count; ++i) z[i] = z[i] < T{0} ? T{0} : z[i];
    return;
  case Activation::tanh:
    for (index_t i = 0; i < count; ++i) z[i] = math::tanh(z[i]);
    return;
  case Activation::logistic:
    for (index_t i = 0; i < count; ++i) z[i] = math::sigmoid(z[i]);
    return clear_padding(z, ldz, n, columns);
  case Activation::exp:
    for (index_t i = 0; i < count; ++i) z[i] = math::exp(z[i]);
    return clear_padding(z, ldz, n, columns);
  case Activation::softmax: return softmax(z, ldz, n, columns);
  }
}

template <class T> void derive(Activation activation, const T* a, T* delta, index_t count) {
  if (activation == Activation::relu)
    for (index_t i = 0; i < count; ++i) delta[i] = a[i] == T{0} ? T{0} : delta[i];
  else if (activation == Activation::tanh)
    for (index_t i = 0; i < count; ++i) delta[i] *= T{1} - a[i] * a[i];
  else if (activation == Activation::logistic)
    for (index_t i = 0; i < count; ++i) delta[i] *= a[i] * (T{1} - a[i]);
}

template <class T> constexpr T epsilon = sizeof(T) == 8 ? T(0x1p-52) : T(0x1p-23);

template <class T> LEADLINE_ALWAYS_INLINE T clipped(T p) {
  p = p < epsilon<T> ? epsilon<T> : p;
  return p > T{1} - epsilon<T> ? T{1} - epsilon<T> : p;
}

/// One sample's loss and derivatives, for the losses of regression: scratch[j] = loss of output j, z[j] = derivative.
template <class T> void regression_row(const OutputJob<T>& job, T* z, const T* y, T* loss) {
  const index_t outputs = job.outputs;
  switch (job.loss) {
  case Loss::squared_error:
    for (index_t j = 0; j < outputs; ++j) {
      const T error = z[j] - y[j];
      loss[j] = T{0.5} * error * error;
      z[j] = error;
    }
    return;
  case Loss::absolute_error:
    for (index_t j = 0; j < outputs; ++j) {
      const T error = z[j] - y[j];
      loss[j] = math::abs(error);
      z[j] = error > T{0} ? T{1} : error < T{0} ? T{-1} : error;
    }
    return;
  case Loss::huber:
    for (index_t j = 0; j < outputs; ++j) {
      const T error = z[j] - y[j], size = math::abs(error), delta = job.huber_delta;
      loss[j] = size <= delta ? T{0.5} * error * error : delta * (size - T{0.5} * delta);
      z[j] = size <= delta ? error : error > T{0} ? delta : error < T{0} ? -delta : error;
    }
    return;
  default: // poisson: y log(y / mu) - y + mu, and mu - y by log(mu)
    for (index_t j = 0; j < outputs; ++j) {
      const T mu = math::exp(z[j]);
      loss[j] = (y[j] == T{0} ? T{0} : y[j] * math::log(y[j] / mu)) - y[j] + mu;
      z[j] = mu - y[j];
    }
  }
}

template <class T> void output(const OutputJob<T>& job) {
  const index_t n = job.n, outputs = job.outputs, ldz = job.ldz;
  const auto sample = [&](index_t i) { return job.rows ? job.rows[i] : i; };
  const auto total = [&](const T* loss) {
    double sum = 0;
    for (index_t j = 0; j < outputs; ++j) sum += static_cast<double>(loss[j]);
    return sum;
  };
  if (job.loss == Loss::log_loss) {
    softmax(job.z, ldz, n, outputs);
    T* likely = job.scratch;
    for (index_t i = 0; i < n; ++i) {
      T* row = job.z + i * ldz;
      const int32_t label = job.labels[sample(i)];
      likely[i] = clipped(row[label]);
      row[label] -= T{1};
    }
    for (index_t i = 0; i < n; ++i) likely[i] = -math::log(likely[i]);
    for (index_t i = 0; i < n; ++i) job.losses[i] = static_cast<double>(likely[i]);
  } else if (job.loss == Loss::binary_log_loss) {
    activate(Activation::logistic, job.z, ldz, n, outputs);
    for (index_t i = 0; i < n; ++i) {
      const T* y = job.targets + sample(i) * outputs;
      T *p = job.z + i * ldz, *loss = job.scratch + i * ldz;
      for (index_t j = 0; j < outputs; ++j) {
        // y is 0 or 1: one of the two logarithms counts
        const T probability = clipped(p[j]);
        loss[j] = y[j] == T{1} ? probability : T{1} - probability;
        p[j] -= y[j];
      }
      for (index_t j = outputs; j < ldz; ++j) loss[j] = T{1};
    }
    for (index_t i = 0; i < n * ldz; ++i) job.scratch[i] = -math::log(job.scratch[i]);
    for (index_t i = 0; i < n; ++i) job.losses[i] = total(job.scratch + i * ldz);
  } else {
    for (index_t i = 0; i < n; ++i) {
      regression_row(job, job.z + i * ldz, job.targets + sample(i) * outputs, job.scratch);
      job.losses[i] = total(job.scratch);
    }
  }
  if (job.weights)
    for (index_t i = 0; i < n; ++i) job.losses[i] *= static_cast<double>(job.weights[sample(i)]);
  if (job.weights || job.scale != T{1})
    for (index_t i = 0; i < n; ++i) {
      const T factor = job.weights ? job.weights[sample(i)] * job.scale : job.scale;
      for (index_t j = 0; j < outputs; ++j) job.z[i * ldz + j] *= factor;
    }
}

template <class T> double dot(const T* x, const T* y, index_t count) {
  using V = typename Simd<T>::vector;
  constexpr index_t lanes = Simd<T>::lanes;
  V sum[4] = {};
  index_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
    for (int h = 0; h < 4; ++h)
      sum[h] = host::multiply_add(Simd<T>::load(x + i + h * lanes), Simd<T>::load(y + i + h * lanes), sum[h]);
  for (; i + lanes <= count; i += lanes)
    sum[0] = host::multiply_add(Simd<T>::load(x + i), Simd<T>::load(y + i), sum[0]);
  double total = static_cast<double>(across<T>((sum[0] + sum[1]) + (sum[2] + sum[3]), [](T a, T b) { return a + b; }));
  for (; i < count; ++i) total += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return total;
}

template <class T> void decay(const T* w, T* gradient, index_t count, T decay, T factor) {
  for (index_t i = 0; i < count; ++i) gradient[i] = (gradient[i] + decay * w[i]) * factor;
}

template <class T> void column_sums(const T* x, index_t ldx, index_t n, index_t columns, T* sums, bool accumulate) {
  constexpr index_t lanes = Simd<T>::lanes;
  for (index_t j = 0; j < columns; j += lanes) {
    typename Simd<T>::vector sum[4] = {};
    index_t i = 0;
    for (; i + 4 <= n; i += 4)
      for (int h = 0; h < 4; ++h) sum[h] += Simd<T>::load(x + (i + h) * ldx + j);
    for (; i < n; ++i) sum[0] += Simd<T>::load(x + i * ldx + j);
    const typename Simd<T>::vector total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    Simd<T>::store(sums + j, accumulate ? Simd<T>::load(sums + j) + total : total);
  }
}

template <class T> void transpose(const T* x, index_t ldx, index_t rows, index_t columns, T* y, index_t ldy) {
  constexpr index_t block = 8;
  for (index_t i0 = 0; i0 < rows; i0 += block)
    for (index_t j = 0; j < columns; ++j)
      for (index_t i = i0; i < rows && i < i0 + block; ++i) y[j * ldy + i] = x[i * ldx + j];
}

template <class T> void adam(T* w, const T* gradient, T* m, T* v, index_t count, T lr, T beta1, T beta2, T epsilon) {
  for (index_t i = 0; i < count; ++i) {
    const T g = gradient[i];
    m[i] = beta1 * m[i] + (T{1} - beta1) * g;
    v[i] = beta2 * v[i] + (T{1} - beta2) * (g * g);
    w[i] -= lr * m[i] / (math::sqrt(v[i]) + epsilon);
  }
}

template <class T> void sgd(T* w, const T* gradient, T* velocity, index_t count, T lr, T momentum, bool nesterov) {
  if (nesterov)
    for (index_t i = 0; i < count; ++i) {
      velocity[i] = momentum * velocity[i] - lr * gradient[i];
      w[i] += momentum * velocity[i] - lr * gradient[i];
    }
  else
    for (index_t i = 0; i < count; ++i) {
      velocity[i] = momentum * velocity[i] - lr * gradient[i];
      w[i] += velocity[i];
    }
}

template <class T> void axpy(T a, const T* x, T* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] += a * x[i];
}

template <class T> constexpr Kernels<T> table() {
  return {LEADLINE_ISA_NAME,
          Simd<T>::lanes,
          multiply<T>,
          sparse_multiply<T>,
          activate<T>,
          derive<T>,
          output<T>,
          decay<T>,
          column_sums<T>,
          transpose<T>,
          adam<T>,
          sgd<T>,
          dot<T>,
          axpy<T>};
}

} // namespace

#define LEADLINE_JOIN_(a, b) a##b
#define LEADLINE_JOIN(a, b) LEADLINE_JOIN_(a, b)
extern const Kernels<float> LEADLINE_JOIN(mlp_kernels_f32_, LEADLINE_ISA);
extern const Kernels<double> LEADLINE_JOIN(mlp_kernels_f64_, LEADLINE_ISA);
const Kernels<float> LEADLINE_JOIN(mlp_kernels_f32_, LEADLINE_ISA) = table<float>();
const Kernels<double> LEADLINE_JOIN(mlp_kernels_f64_, LEADLINE_ISA) = table<double>();

} // namespace leadline::trainer::mlp
