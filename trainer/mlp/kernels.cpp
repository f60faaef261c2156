// Compiled once per ISA level (LEADLINE_ISA names it): all here has internal linkage or is inlined, so that no function
// compiled for a newer CPU can replace one that an older CPU runs.
#include "shared/core/config.hpp"

#undef LEADLINE_INLINE_FUNCTION
#define LEADLINE_INLINE_FUNCTION inline __attribute__((always_inline))
#include "shared/core/math.hpp"
#include "shared/layers/host/simd.hpp"
#include "trainer/mlp/rules.hpp"

namespace leadline::trainer::mlp {
namespace {

using host::Simd;

template <int n> struct Constant { static constexpr int value = n; };
#if defined(__AVX512F__) || defined(__aarch64__) // rows of a register tile: sums, and b for gradients, stay in it
constexpr int sparse_rows(int vectors) { return vectors <= 3 ? 4 : vectors <= 5 ? 3 : 2; }
constexpr int sparse_gradient_rows(int) { return 4; }
#else
constexpr int sparse_rows(int vectors) { return vectors <= 2 ? 4 : vectors <= 4 ? 2 : 1; }
constexpr int sparse_gradient_rows(int vectors) { return vectors <= 3 ? 4 : vectors <= 6 ? 2 : 1; }
#endif

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
                                 const T* start, T* c, index_t ldc, bool accumulate, bool relu, const T* kept) {
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
  if (kept)
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < vectors; ++j) sum[i][j] = Simd<T>::load(kept + i * ldc + j * lanes) == V{} ? V{} : sum[i][j];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < vectors; ++j)
      Simd<T>::store(c + i * ldc + j * lanes, relu ? host::apply_epilogue<host::Epilogue::relu>(sum[i][j]) : sum[i][j]);
}

/// As many tiles of `rows` rows as there are, then smaller ones.
template <class T, int rows, int vectors>
void tiles(const Multiply<T>& job, index_t i, index_t p, index_t k, index_t j, bool accumulate, bool last) {
  for (; i + rows <= job.m; i += rows)
    tile<T, rows, vectors>(job.a + i * job.a_row + p * job.a_step, job.a_row, job.a_step, job.b + p * job.ldb + j,
                           job.ldb, k, job.start ? job.start + j : nullptr, job.c + i * job.ldc + j, job.ldc,
                           accumulate, last && job.relu, last && job.kept ? job.kept + i * job.ldc + j : nullptr);
  if constexpr (rows > 1) {
    constexpr int smaller = rows > 4 ? 4 : rows > 2 ? 2 : 1;
    if (i < job.m) tiles<T, smaller, vectors>(job, i, p, k, j, accumulate, last);
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
    const bool accumulate = job.accumulate || q > 0, last = q + 1 >= blocks.parts;
    for (index_t panel = 0; panel < panels.parts; ++panel) {
      const index_t j = panels.cut(panel) * lanes;
      switch (panels.cut(panel + 1) - panels.cut(panel)) {
      case 1: tiles<T, rows_of_tile[1], 1>(job, 0, p, k, j, accumulate, last); break;
      case 2: tiles<T, rows_of_tile[2], 2>(job, 0, p, k, j, accumulate, last); break;
      case 3: tiles<T, rows_of_tile[3], 3>(job, 0, p, k, j, accumulate, last); break;
      default: tiles<T, rows_of_tile[4], 4>(job, 0, p, k, j, accumulate, last); break;
      }
    }
  }
}

/// Bits of a mask, lowest first.
LEADLINE_ALWAYS_INLINE index_t next_bit(uint64_t& mask) {
  const index_t p = __builtin_ctzll(mask);
  mask &= mask - 1;
  return p;
}

template <class T, int rows, int vectors>
LEADLINE_ALWAYS_INLINE void sparse_tile(const SparseMultiply<T>& job, index_t i, index_t j) {
  using V = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  const T* a[rows];
  const uint64_t* masks[rows];
  V sum[rows][vectors];
  for (int r = 0; r < rows; ++r) {
    a[r] = job.a + job.rows[i + r] * job.a_row;
    masks[r] = job.masks + job.rows[i + r] * job.words;
    for (int v = 0; v < vectors; ++v) sum[r][v] = Simd<T>::load(job.start + j + v * lanes);
  }
  for (index_t word = 0; word < job.words; ++word) {
    uint64_t mask = 0;
    for (int r = 0; r < rows; ++r) mask |= masks[r][word];
    while (mask != 0) {
      const index_t p = word * 64 + next_bit(mask);
      const T* b = job.b + p * job.ldb + j;
      for (int v = 0; v < vectors; ++v) {
        const V row = Simd<T>::load(b + v * lanes);
        for (int r = 0; r < rows; ++r) sum[r][v] = host::multiply_add(a[r][p], row, sum[r][v]);
      }
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v)
      Simd<T>::store(job.c + (i + r) * job.ldc + j + v * lanes,
                     job.relu ? host::apply_epilogue<host::Epilogue::relu>(sum[r][v]) : sum[r][v]);
}

template <class T, int rows, int vectors> void sparse_tiles(const SparseMultiply<T>& job, index_t j) {
  index_t i = 0;
  for (; i + rows <= job.m; i += rows) {
    if (j == 0) // rows lie anywhere: memory is asked for the next ones in time
      for (index_t next = i + rows; next < i + 2 * rows && next < job.m; ++next) {
        const T* a = job.a + job.rows[next] * job.a_row;
        for (index_t p = 0; p < job.a_row; p += 64 / static_cast<index_t>(sizeof(T))) __builtin_prefetch(a + p);
      }
    sparse_tile<T, rows, vectors>(job, i, j);
  }
  for (; i < job.m; ++i) sparse_tile<T, 1, vectors>(job, i, j);
}

template <class T, int rows, int vectors>
LEADLINE_ALWAYS_INLINE void sparse_gradient_tile(const SparseGradient<T>& job, index_t i, index_t j) {
  using V = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  const T* a[rows];
  V b[rows][vectors];
  uint64_t mask = 0;
  for (int r = 0; r < rows; ++r) {
    a[r] = job.a + job.rows[i + r] * job.a_row;
    mask |= job.masks[job.rows[i + r] * job.words];
    for (int v = 0; v < vectors; ++v) b[r][v] = Simd<T>::load(job.b + (i + r) * job.ldb + j + v * lanes);
  }
  while (mask != 0) {
    const index_t p = next_bit(mask);
    T* c = job.c + p * job.ldc + j;
    for (int v = 0; v < vectors; ++v) {
      V sum = Simd<T>::load(c + v * lanes);
      for (int r = 0; r < rows; ++r) sum = host::multiply_add(a[r][p], b[r][v], sum);
      Simd<T>::store(c + v * lanes, sum);
    }
  }
}

template <class T, int rows, int vectors> void sparse_gradient_tiles(const SparseGradient<T>& job, index_t j) {
  constexpr int lanes = Simd<T>::lanes;
  if (!job.accumulate)
    for (index_t p = 0; p < job.columns; ++p)
      for (int v = 0; v < vectors; ++v) Simd<T>::store(job.c + p * job.ldc + j + v * lanes, typename Simd<T>::vector{});
  index_t i = 0;
  for (; i + rows <= job.m; i += rows) sparse_gradient_tile<T, rows, vectors>(job, i, j);
  for (; i < job.m; ++i) sparse_gradient_tile<T, 1, vectors>(job, i, j);
}

/// panel(vectors, j) for all columns, as many vectors at a time as a register tile has.
template <class T, class Panel> LEADLINE_ALWAYS_INLINE void sparse_panels(index_t columns, const Panel& panel) {
  constexpr index_t lanes = Simd<T>::lanes, widest_panel = 7;
  const Parts panels(columns / lanes, widest_panel);
  for (index_t i = 0; i < panels.parts; ++i) {
    const index_t j = panels.cut(i) * lanes;
    switch (panels.cut(i + 1) - panels.cut(i)) {
    case 1: panel(Constant<1>(), j); break;
    case 2: panel(Constant<2>(), j); break;
    case 3: panel(Constant<3>(), j); break;
    case 4: panel(Constant<4>(), j); break;
    case 5: panel(Constant<5>(), j); break;
    case 6: panel(Constant<6>(), j); break;
    default: panel(Constant<7>(), j); break;
    }
  }
}

template <class T> void sparse_multiply(const SparseMultiply<T>& job) {
  sparse_panels<T>(job.n, [&](auto vectors, index_t j) {
    constexpr int count = decltype(vectors)::value;
    sparse_tiles<T, sparse_rows(count), count>(job, j);
  });
}

template <class T> void sparse_gradient(const SparseGradient<T>& job) {
  sparse_panels<T>(job.n, [&](auto vectors, index_t j) {
    constexpr int count = decltype(vectors)::value;
    sparse_gradient_tiles<T, sparse_gradient_rows(count), count>(job, j);
  });
}

template <int width, class V, int... i> LEADLINE_ALWAYS_INLINE V rotated(V x, host::Indices<i...>) {
  return __builtin_shufflevector(x, x, ((i + width) % static_cast<int>(sizeof...(i)))...);
}

/// Combines the lanes of x in halves, down to one, which is then in all lanes.
template <class T, int width = Simd<T>::lanes / 2, class Combine>
LEADLINE_ALWAYS_INLINE typename Simd<T>::vector across(typename Simd<T>::vector x, Combine combine) {
  const typename host::IndicesBelow<Simd<T>::lanes>::type all;
  x = combine(x, rotated<width>(x, all));
  if constexpr (width > 1) return across<T, width / 2>(x, combine);
  return x;
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
    const T* row = z + i * ldz;
    V largest = V{} + row[0];
    for (index_t j = 0; j < whole; j += lanes) {
      const V x = Simd<T>::load(row + j);
      largest = x > largest ? x : largest;
    }
    if (whole < columns) {
      const V x = counted(Simd<T>::load(row + whole), largest);
      largest = x > largest ? x : largest;
    }
    const V shift = across<T>(
        largest, [](V a, V b) __attribute__((always_inline)) { return a > b ? a : b; });
    // rows move together: no exp for what lies between them; the rest of a last vector is overwritten by the next row
    T* packed = z + i * columns;
    for (index_t j = 0; j < ldz; j += lanes) {
      const V x = Simd<T>::load(row + j) - shift;
      if (j < columns) Simd<T>::store(packed + j, x);
    }
  }
  for (index_t i = 0; i < n * columns; ++i) z[i] = math::exp(z[i]);
  for (index_t i = n; i-- > 0;) {
    const T* packed = z + i * columns;
    V sum{};
    for (index_t j = 0; j < whole; j += lanes) sum += Simd<T>::load(packed + j);
    if (whole < columns) sum += counted(Simd<T>::load(packed + whole), V{});
    const V factor = (V{} + T{1}) / across<T>(
                                        sum, [](V a, V b) __attribute__((always_inline)) { return a + b; });
    T* row = z + i * ldz; // from its end on: it lies over the packed one
    for (index_t j = ldz; (j -= lanes) >= 0;)
      Simd<T>::store(row + j, j >= columns ? V{}
                              : j < whole  ? Simd<T>::load(packed + j) * factor
                                           : counted(Simd<T>::load(packed + j) * factor, V{}));
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
  if (activation == Activation::tanh)
    for (index_t i = 0; i < count; ++i) delta[i] *= T{1} - a[i] * a[i];
  else if (activation == Activation::logistic)
    for (index_t i = 0; i < count; ++i) delta[i] *= a[i] * (T{1} - a[i]);
}

/// One sample's loss and derivatives, for the losses of regression: loss[j] of output j, z[j] = derivative.
template <class T> void regression_row(const OutputJob<T>& job, T* z, const T* y, T* loss) {
  const auto all = [&](auto kind) {
    for (index_t j = 0; j < job.outputs; ++j)
      loss[j] = regression_loss(static_cast<Loss>(decltype(kind)::value), z[j], y[j], job.huber_delta);
  };
  switch (job.loss) {
  case Loss::squared_error: return all(Constant<static_cast<int>(Loss::squared_error)>());
  case Loss::absolute_error: return all(Constant<static_cast<int>(Loss::absolute_error)>());
  case Loss::huber: return all(Constant<static_cast<int>(Loss::huber)>());
  default: return all(Constant<static_cast<int>(Loss::poisson)>());
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
  double total = static_cast<double>(across<T>((sum[0] + sum[1]) + (sum[2] + sum[3]),
                                               [](V a, V b) __attribute__((always_inline)) { return a + b; })[0]);
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
  for (index_t i = 0; i < count; ++i) adam_update(w[i], gradient[i], m[i], v[i], lr, beta1, beta2, epsilon);
}

template <class T> void sgd(T* w, const T* gradient, T* velocity, index_t count, T lr, T momentum, bool nesterov) {
  for (index_t i = 0; i < count; ++i) sgd_update(w[i], gradient[i], velocity[i], lr, momentum, nesterov);
}

template <class T> void axpy(T a, const T* x, T* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] += a * x[i];
}

template <class T> constexpr Kernels<T> table() {
  return {LEADLINE_ISA_NAME,
          Simd<T>::lanes,
          multiply<T>,
          sparse_multiply<T>,
          sparse_gradient<T>,
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
