#include "trainer/mlp/network.hpp"

#include "shared/core/rng.hpp"

#include <algorithm>

namespace leadline::trainer::mlp {

namespace {

/// Rows of an odd number of cache lines: rows a power of two apart would share the same few places of a cache.
template <class T> index_t padded(index_t columns, index_t lanes) {
  const index_t vectors = (columns + lanes - 1) / lanes;
  return (vectors >= 8 ? vectors | 1 : vectors) * lanes;
}

} // namespace

template <class T>
std::unique_ptr<SparseRows<T>> SparseRows<T>::where_worthwhile(const T* x, index_t n, index_t features) {
  const index_t count = n * features;
  const index_t filled = count - std::count(x, x + count, T{0});
  if (count == 0 || filled > count * 6 / 10 || filled > INT32_MAX) return nullptr;
  auto rows = std::make_unique<SparseRows>();
  rows->index.reserve(static_cast<size_t>(filled));
  rows->value.reserve(static_cast<size_t>(filled));
  for (index_t i = 0; i < n; ++i) {
    rows->begin.push_back(static_cast<int32_t>(rows->index.size()));
    for (index_t j = 0; j < features; ++j)
      if (!(x[i * features + j] == T{0})) {
        rows->index.push_back(static_cast<int32_t>(j));
        rows->value.push_back(x[i * features + j]);
      }
    rows->end.push_back(static_cast<int32_t>(rows->index.size()));
  }
  return rows;
}

template <class T> Network<T>::Network(const NetworkShape& shape) : shape_(shape), kernels_(kernels<T>()) {
  size_t end = 0;
  for (size_t l = 0; l < shape.layers(); ++l) {
    Layer layer{.fan_in = shape.units[l],
                .fan_out = shape.units[l + 1],
                .ld = padded<T>(shape.units[l + 1], kernels_.lanes),
                .coefs = end,
                .intercepts = 0,
                .activation = l + 1 < shape.layers() ? shape.hidden[l] : shape.output,
                .values = {},
                .deltas = {},
                .transposed = {}};
    end += static_cast<size_t>(layer.fan_in * layer.ld);
    layers_.push_back(std::move(layer));
  }
  coefs_end_ = end;
  for (Layer& layer : layers_) {
    layer.intercepts = end;
    end += static_cast<size_t>(layer.ld);
    const size_t values = static_cast<size_t>(chunk * layer.ld);
    layer.values.resize(values);
    layer.deltas.resize(&layer == &layers_.back() ? 0 : values); // the last layer's replace its values
    if (&layer != &layers_.front())
      layer.transposed.resize(static_cast<size_t>(layer.fan_out * padded<T>(layer.fan_in, kernels_.lanes)));
  }
  parameters_.resize(end);
  gradient_.resize(end);
  gathered_.resize(static_cast<size_t>(chunk * shape.units[0]));
  scratch_.resize(static_cast<size_t>(chunk * layers_.back().ld));
  row_numbers_.resize(chunk);
}

template <class T> std::vector<T> Network<T>::coefs(size_t l) const {
  const Layer& layer = layers_[l];
  std::vector<T> values;
  for (index_t i = 0; i < layer.fan_in; ++i) {
    const T* row = parameters_.data() + layer.coefs + i * layer.ld;
    values.insert(values.end(), row, row + layer.fan_out);
  }
  return values;
}

template <class T> std::vector<T> Network<T>::intercepts(size_t l) const {
  const T* row = parameters_.data() + layers_[l].intercepts;
  return {row, row + layers_[l].fan_out};
}

template <class T> void Network<T>::set_coefs(size_t l, const T* values) {
  const Layer& layer = layers_[l];
  for (index_t i = 0; i < layer.fan_in; ++i)
    std::copy_n(values + i * layer.fan_out, layer.fan_out, parameters_.data() + layer.coefs + i * layer.ld);
}

template <class T> void Network<T>::set_intercepts(size_t l, const T* values) {
  std::copy_n(values, layers_[l].fan_out, parameters_.data() + layers_[l].intercepts);
}

/// Hidden values and the output's inputs of up to `chunk` rows.
template <class T>
void Network<T>::forward(const T* x, const SparseRows<T>* sparse, const index_t* rows, index_t n,
                         const Dropout* dropout) {
  for (size_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    const T *w = parameters_.data() + layer.coefs, *b = parameters_.data() + layer.intercepts;
    if (l == 0 && sparse)
      kernels_.sparse_multiply({sparse->begin.data(), sparse->end.data(), sparse->index.data(), sparse->value.data(),
                                rows, w, layer.ld, b, layer.values.data(), layer.ld, n, layer.ld, false});
    else
      kernels_.multiply({l == 0 ? x : layers_[l - 1].values.data(), l == 0 ? layer.fan_in : layers_[l - 1].ld, 1, w,
                         layer.ld, b, layer.values.data(), layer.ld, n, layer.fan_in, layer.ld, false});
    if (l + 1 == layers_.size()) break;
    kernels_.activate(layer.activation, layer.values.data(), layer.ld, n, layer.fan_out);
    if (dropout) drop_out(l, n, *dropout, false);
  }
}

template <class T> void Network<T>::predict(const T* x, index_t n, T* out) {
  const Layer& last = layers_.back();
  for (index_t first = 0; first < n; first += chunk) {
    const index_t count = std::min(chunk, n - first);
    forward(x + first * shape_.units[0], nullptr, nullptr, count);
    kernels_.activate(last.activation, layers_.back().values.data(), last.ld, count, last.fan_out);
    for (index_t i = 0; i < count; ++i)
      std::copy_n(last.values.data() + i * last.ld, last.fan_out, out + (first + i) * last.fan_out);
  }
}

template <class T> double Network<T>::output(const Samples<T>& samples, const index_t* rows, index_t first, index_t n) {
  Layer& last = layers_.back();
  return kernels_.output(
      {.z = last.values.data(),
       .ldz = last.ld,
       .n = n,
       .outputs = last.fan_out,
       .loss = shape_.loss,
       .labels = samples.labels && !rows ? samples.labels + first : samples.labels,
       .targets = samples.targets && !rows ? samples.targets + first * last.fan_out : samples.targets,
       .weights = samples.weights && !rows ? samples.weights + first : samples.weights,
       .rows = rows,
       .scale = static_cast<T>(shape_.gradient_scale),
       .huber_delta = static_cast<T>(shape_.huber_delta),
       .scratch = scratch_.data()});
}

template <class T>
double Network<T>::weight_of(const Samples<T>& samples, const index_t* rows, index_t first, index_t n) const {
  if (!samples.weights) return static_cast<double>(n);
  double sum = 0;
  for (index_t i = 0; i < n; ++i) sum += static_cast<double>(samples.weights[rows ? rows[i] : first + i]);
  return sum;
}

/// The losses of regression but poisson are means over outputs, all others sums.
template <class T> double Network<T>::normalised(double loss_sum, double squares, double weight) const {
  const bool mean =
      shape_.loss == Loss::squared_error || shape_.loss == Loss::absolute_error || shape_.loss == Loss::huber;
  return loss_sum / (mean ? weight * static_cast<double>(shape_.units.back()) : weight) +
         0.5 * shape_.alpha * squares / weight;
}

template <class T> double Network<T>::loss(const Samples<T>& samples, index_t n) {
  double sum = 0;
  for (index_t first = 0; first < n; first += chunk) {
    const index_t count = std::min(chunk, n - first);
    forward(samples.x + first * shape_.units[0], nullptr, nullptr, count);
    sum += output(samples, nullptr, first, count);
  }
  return normalised(sum, kernels_.dot(parameters_.data(), parameters_.data(), static_cast<index_t>(coefs_end_)),
                    weight_of(samples, nullptr, 0, n));
}

/// Values that are left out are zero, the others larger, so that means stay (N. Srivastava et al., "Dropout", JMLR 15,
/// 2014, inverted). Drawn by position, so that the way back finds the same ones; it needs the values as they were.
template <class T> void Network<T>::drop_out(size_t l, index_t n, const Dropout& dropout, bool backward) {
  Layer& layer = layers_[l];
  const Philox random(dropout.seed, philox_stream(dropout.step, l));
  const T kept = static_cast<T>(1 - shape_.dropout);
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < layer.fan_out; ++j) {
      const float draw = random.uniform(static_cast<uint64_t>((dropout.first + i) * layer.fan_out + j));
      const bool keep = !(static_cast<double>(draw) < shape_.dropout);
      T &value = layer.values[static_cast<size_t>(i * layer.ld + j)],
        &delta = layer.deltas[static_cast<size_t>(i * layer.ld + j)];
      if (backward) delta = keep ? delta / kept : T{0};
      value = !keep ? T{0} : backward ? value * kept : value / kept;
    }
}

/// The first layer's weight gradient from the entries that aren't zero, sorted by column, some rows at a time, so that
/// their derivatives stay in the first-level cache.
template <class T>
void Network<T>::sparse_gradient(const SparseRows<T>& sparse, const index_t* rows, index_t n, bool accumulate) {
  constexpr index_t block = 64;
  const Layer& layer = layers_.front();
  const index_t features = layer.fan_in;
  column_begin_.resize(static_cast<size_t>(features));
  column_end_.resize(static_cast<size_t>(features));
  column_index_.resize(static_cast<size_t>(block * features));
  column_value_.resize(static_cast<size_t>(block * features));
  const T* deltas = layers_.size() == 1 ? layer.values.data() : layer.deltas.data();
  const index_t blocks = (n + block - 1) / block;
  for (index_t q = 0; q < blocks; ++q) {
    const index_t start = q * n / blocks, count = (q + 1) * n / blocks - start;
    std::fill(column_end_.begin(), column_end_.end(), 0);
    const auto entries = [&](auto&& visit) {
      for (index_t i = 0; i < count; ++i) {
        const size_t row = static_cast<size_t>(rows[start + i]);
        for (int32_t e = sparse.begin[row]; e < sparse.end[row]; ++e) visit(i, static_cast<size_t>(e));
      }
    };
    entries([&](index_t, size_t e) { ++column_end_[static_cast<size_t>(sparse.index[e])]; });
    int32_t total = 0;
    for (size_t j = 0; j < column_end_.size(); ++j) {
      const int32_t filled = column_end_[j];
      column_begin_[j] = column_end_[j] = total;
      total += filled;
    }
    entries([&](index_t i, size_t e) {
      const size_t to = static_cast<size_t>(column_end_[static_cast<size_t>(sparse.index[e])]++);
      column_index_[to] = static_cast<int32_t>(i);
      column_value_[to] = sparse.value[e];
    });
    kernels_.sparse_multiply({column_begin_.data(), column_end_.data(), column_index_.data(), column_value_.data(),
                              nullptr, deltas + start * layer.ld, layer.ld, nullptr, gradient_.data() + layer.coefs,
                              layer.ld, features, layer.ld, accumulate || q > 0});
  }
}

template <class T>
double Network<T>::loss_gradient(const Samples<T>& samples, const index_t* rows, index_t first, index_t n,
                                 uint64_t seed, uint64_t step) {
  const index_t features = shape_.units[0], parts = (n + chunk - 1) / chunk;
  for (size_t l = 1; l < layers_.size(); ++l)
    kernels_.transpose(parameters_.data() + layers_[l].coefs, layers_[l].ld, layers_[l].fan_in, layers_[l].fan_out,
                       layers_[l].transposed.data(), layers_[l - 1].ld);
  double sum = 0;
  for (index_t part = 0; part < parts; ++part) {
    const index_t begin = part * n / parts, count = (part + 1) * n / parts - begin;
    const index_t* chosen = rows ? rows + begin : nullptr;
    const T* x = samples.x + (first + begin) * features;
    if (samples.sparse && !chosen) {
      for (index_t i = 0; i < count; ++i) row_numbers_[static_cast<size_t>(i)] = first + begin + i;
      chosen = row_numbers_.data();
    } else if (!samples.sparse && chosen) {
      for (index_t i = 0; i < count; ++i)
        std::copy_n(samples.x + chosen[i] * features, features, gathered_.data() + i * features);
      x = gathered_.data();
    }
    const Dropout dropout{seed, step, begin};
    const Dropout* drops = shape_.dropout > 0 ? &dropout : nullptr;
    forward(x, samples.sparse, chosen, count, drops);
    sum += output(samples, chosen, first + begin, count);
    for (size_t l = layers_.size(); l-- > 0;) {
      Layer& layer = layers_[l];
      const T* deltas = l + 1 == layers_.size() ? layer.values.data() : layer.deltas.data();
      kernels_.column_sums(deltas, layer.ld, count, layer.ld, gradient_.data() + layer.intercepts, part > 0);
      if (l == 0 && samples.sparse)
        sparse_gradient(*samples.sparse, chosen, count, part > 0);
      else
        kernels_.multiply({l == 0 ? x : layers_[l - 1].values.data(), 1, l == 0 ? features : layers_[l - 1].ld, deltas,
                           layer.ld, nullptr, gradient_.data() + layer.coefs, layer.ld, layer.fan_in, count, layer.ld,
                           part > 0});
      if (l == 0) break;
      Layer& before = layers_[l - 1];
      kernels_.multiply({deltas, layer.ld, 1, layer.transposed.data(), before.ld, nullptr, before.deltas.data(),
                         before.ld, count, layer.fan_out, before.ld, false});
      if (drops) drop_out(l - 1, count, dropout, true);
      kernels_.derive(before.activation, before.values.data(), before.deltas.data(), count * before.ld);
    }
  }
  const double weight = weight_of(samples, rows, first, n);
  const T factor = static_cast<T>(1 / weight);
  const double squares = kernels_.decay(parameters_.data(), gradient_.data(), static_cast<index_t>(coefs_end_),
                                        static_cast<T>(shape_.alpha), factor);
  for (size_t i = coefs_end_; i < gradient_.size(); ++i) gradient_[i] *= factor;
  return normalised(sum, squares, weight);
}

template struct SparseRows<float>;
template struct SparseRows<double>;
template class Network<float>;
template class Network<double>;

} // namespace leadline::trainer::mlp
