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

/// The losses of regression but poisson are means over outputs, all others sums.
double mean_loss(const NetworkShape& shape, double loss_sum, double squares, double weight) {
  const bool mean =
      shape.loss == Loss::squared_error || shape.loss == Loss::absolute_error || shape.loss == Loss::huber;
  return loss_sum / (mean ? weight * static_cast<double>(shape.units.back()) : weight) +
         0.5 * shape.alpha * squares / weight;
}

template <class T> std::unique_ptr<SparseRows> SparseRows::where_worthwhile(const T* x, index_t n, index_t features) {
  const index_t count = n * features;
  if (count - std::count(x, x + count, T{0}) > count * 6 / 10) return nullptr;
  auto rows = std::make_unique<SparseRows>();
  rows->words = (features + 63) / 64;
  rows->masks.resize(static_cast<size_t>(n * rows->words));
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < features; ++j)
      rows->masks[static_cast<size_t>(i * rows->words + j / 64)] |= uint64_t{!(x[i * features + j] == T{0})} << j % 64;
  return rows;
}

template <class T>
Network<T>::Network(const NetworkShape& shape, std::shared_ptr<Team> team)
    : shape_(shape), kernels_(kernels<T>()), team_(std::move(team)) {
  size_t end = 0;
  for (size_t l = 0; l < shape.layers(); ++l) {
    Layer layer{.fan_in = shape.units[l],
                .fan_out = shape.units[l + 1],
                .ld = padded<T>(shape.units[l + 1], kernels_.lanes),
                .coefs = end,
                .intercepts = 0,
                .activation = l + 1 < shape.layers() ? shape.hidden[l] : shape.output,
                .transposed = {}};
    end += static_cast<size_t>(layer.fan_in * layer.ld);
    layers_.push_back(std::move(layer));
  }
  coefs_end_ = end;
  for (Layer& layer : layers_) {
    layer.intercepts = end;
    end += static_cast<size_t>(layer.ld);
    if (&layer != &layers_.front())
      layer.transposed.resize(static_cast<size_t>(layer.fan_out * padded<T>(layer.fan_in, kernels_.lanes)));
  }
  parameters_.resize(end);
  gradient_.resize(end);
  make_parts(1);
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

/// As many parts as are worth a thread, by work and by the memory of their gradients.
template <class T> index_t Network<T>::parts_of(index_t n) const {
  const auto parameters = static_cast<index_t>(parameters_.size());
  constexpr index_t fewest_rows = 48, least_work = 120'000, most_values = 1 << 23;
  return std::clamp(std::min({n / fewest_rows, n * parameters / least_work, most_values / parameters}), index_t{1},
                    most_parts);
}

/// The first time that there are so many.
template <class T> void Network<T>::make_parts(index_t count) {
  while (static_cast<index_t>(parts_.size()) < count) {
    Part part;
    for (const Layer& layer : layers_) {
      const auto size = static_cast<size_t>(chunk * layer.ld);
      part.values.emplace_back(size);
      part.deltas.emplace_back(&layer == &layers_.back() ? 0 : size); // the last layer's replace its values
    }
    part.gathered.resize(static_cast<size_t>(chunk * shape_.units[0]));
    part.scratch.resize(static_cast<size_t>(chunk * layers_.back().ld));
    part.losses.resize(chunk);
    part.chosen.resize(chunk);
    parts_.push_back(std::move(part));
  }
}

template <class T> void Network<T>::run(index_t tasks, const std::function<void(index_t)>& task) const {
  if (team_) return team_->run(tasks, task);
  for (index_t i = 0; i < tasks; ++i) task(i);
}

/// Makes n rows the chunk that passes.
template <class T>
void Network<T>::choose(Part& part, const Samples<T>& samples, const index_t* rows, index_t first, index_t n) {
  const index_t features = shape_.units[0];
  for (index_t i = 0; i < n; ++i) part.chosen[static_cast<size_t>(i)] = rows ? rows[i] : first + i;
  part.n = n;
  part.x = samples.x + first * features;
  if (samples.sparse || !rows) return;
  for (index_t i = 0; i < n; ++i)
    std::copy_n(samples.x + rows[i] * features, features, part.gathered.data() + i * features);
  part.x = part.gathered.data();
}

template <class T>
void Network<T>::for_chunks(const Samples<T>& samples, const index_t* rows, index_t first, index_t n,
                            const std::function<void(Part&, bool)>& f) {
  const index_t parts = parts_of(n);
  make_parts(parts);
  run(parts, [&](index_t p) {
    Part& part = parts_[static_cast<size_t>(p)];
    const index_t begin = p * n / parts, size = (p + 1) * n / parts - begin, chunks = (size + chunk - 1) / chunk;
    part.loss = part.weight = 0;
    for (index_t c = 0; c < chunks; ++c) {
      part.first = begin + c * size / chunks;
      const index_t count = begin + (c + 1) * size / chunks - part.first;
      choose(part, samples, rows ? rows + part.first : nullptr, rows ? 0 : first + part.first, count);
      f(part, c == 0);
    }
  });
}

template <class T> void Network<T>::forward(Part& part, const Samples<T>& samples, bool train) {
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const T *w = parameters_.data() + layer.coefs, *bias = parameters_.data() + layer.intercepts;
    T* values = part.values[l].data();
    const bool relu = l + 1 < layers_.size() && layer.activation == Activation::relu;
    if (l == 0 && samples.sparse)
      kernels_.sparse_multiply({.masks = samples.sparse->masks.data(),
                                .words = samples.sparse->words,
                                .a = samples.x,
                                .a_row = layer.fan_in,
                                .rows = part.chosen.data(),
                                .b = w,
                                .ldb = layer.ld,
                                .start = bias,
                                .c = values,
                                .ldc = layer.ld,
                                .m = part.n,
                                .n = layer.ld,
                                .relu = relu});
    else
      kernels_.multiply({.a = l == 0 ? part.x : part.values[l - 1].data(),
                         .a_row = l == 0 ? layer.fan_in : layers_[l - 1].ld,
                         .a_step = 1,
                         .b = w,
                         .ldb = layer.ld,
                         .start = bias,
                         .c = values,
                         .ldc = layer.ld,
                         .m = part.n,
                         .k = layer.fan_in,
                         .n = layer.ld,
                         .accumulate = false,
                         .relu = relu});
    if (l + 1 == layers_.size()) break;
    if (!relu) kernels_.activate(layer.activation, values, layer.ld, part.n, layer.fan_out);
    if (train && shape_.dropout > 0) drop_out(part, l, false);
  }
}

template <class T> void Network<T>::predict(const T* x, index_t n, T* out) {
  const Layer& last = layers_.back();
  const Samples<T> samples{.x = x};
  for_chunks(samples, nullptr, 0, n, [&](Part& part, bool) {
    forward(part, samples, false);
    T* outputs = part.values.back().data();
    kernels_.activate(last.activation, outputs, last.ld, part.n, last.fan_out);
    for (index_t i = 0; i < part.n; ++i)
      std::copy_n(outputs + i * last.ld, last.fan_out, out + (part.first + i) * last.fan_out);
  });
}

/// The chunk's losses, which join the part's, and their derivatives.
template <class T> void Network<T>::output(Part& part, const Samples<T>& samples) {
  const Layer& last = layers_.back();
  kernels_.output({.z = part.values.back().data(),
                   .ldz = last.ld,
                   .n = part.n,
                   .outputs = last.fan_out,
                   .loss = shape_.loss,
                   .labels = samples.labels,
                   .targets = samples.targets,
                   .weights = samples.weights,
                   .rows = part.chosen.data(),
                   .scale = static_cast<T>(shape_.gradient_scale),
                   .huber_delta = static_cast<T>(shape_.huber_delta),
                   .scratch = part.scratch.data(),
                   .losses = part.losses.data()});
  for (index_t i = 0; i < part.n; ++i) {
    const auto at = static_cast<size_t>(i);
    part.loss += part.losses[at];
    part.weight += samples.weights ? static_cast<double>(samples.weights[part.chosen[at]]) : 1;
  }
}

template <class T> void Network<T>::backward(Part& part) {
  for (size_t l = layers_.size(); --l > 0;) {
    const Layer &layer = layers_[l], &before = layers_[l - 1];
    const bool relu = before.activation == Activation::relu;
    const T* values = part.values[l - 1].data();
    kernels_.multiply({.a = deltas(part, l),
                       .a_row = layer.ld,
                       .a_step = 1,
                       .b = layer.transposed.data(),
                       .ldb = before.ld,
                       .start = nullptr,
                       .c = deltas(part, l - 1),
                       .ldc = before.ld,
                       .m = part.n,
                       .k = layer.fan_out,
                       .n = before.ld,
                       .accumulate = false,
                       .relu = false,
                       .kept = relu ? values : nullptr});
    if (shape_.dropout > 0) drop_out(part, l - 1, true);
    if (!relu) kernels_.derive(before.activation, values, deltas(part, l - 1), part.n * before.ld);
  }
}

/// The gradient of a layer's coefficients and intercepts.
template <class T> void Network<T>::layer_gradient(Part& part, const Samples<T>& samples, size_t l, bool accumulate) {
  const Layer& layer = layers_[l];
  T* gradient = &part == parts_.data() ? gradient_.data() : part.gradient.data();
  kernels_.column_sums(deltas(part, l), layer.ld, part.n, layer.ld, gradient + layer.intercepts, accumulate);
  if (l == 0 && samples.sparse) {
    for (index_t word = 0; word < samples.sparse->words; ++word)
      kernels_.sparse_gradient({.masks = samples.sparse->masks.data() + word,
                                .words = samples.sparse->words,
                                .a = samples.x + word * 64,
                                .a_row = layer.fan_in,
                                .rows = part.chosen.data(),
                                .b = deltas(part, 0),
                                .ldb = layer.ld,
                                .c = gradient + layer.coefs + word * 64 * layer.ld,
                                .ldc = layer.ld,
                                .m = part.n,
                                .columns = std::min<index_t>(64, layer.fan_in - word * 64),
                                .n = layer.ld,
                                .accumulate = accumulate});
    return;
  }
  kernels_.multiply({.a = l == 0 ? part.x : part.values[l - 1].data(),
                     .a_row = 1,
                     .a_step = l == 0 ? layer.fan_in : layers_[l - 1].ld,
                     .b = deltas(part, l),
                     .ldb = layer.ld,
                     .start = nullptr,
                     .c = gradient + layer.coefs,
                     .ldc = layer.ld,
                     .m = layer.fan_in,
                     .k = part.n,
                     .n = layer.ld,
                     .accumulate = accumulate,
                     .relu = false});
}

/// Values that are left out are zero, the others larger, so that means stay (N. Srivastava et al., "Dropout", JMLR 15,
/// 2014, inverted). Drawn by position, so that the way back finds the same ones; it needs the values as they were.
template <class T> void Network<T>::drop_out(Part& part, size_t l, bool backward) {
  const Layer& layer = layers_[l];
  const Philox random(seed_, philox_stream(step_, l));
  const T kept = static_cast<T>(1 - shape_.dropout);
  for (index_t i = 0; i < part.n; ++i)
    for (index_t j = 0; j < layer.fan_out; ++j) {
      const float draw = random.uniform(static_cast<uint64_t>((part.first + i) * layer.fan_out + j));
      const bool keep = !(static_cast<double>(draw) < shape_.dropout);
      T& value = part.values[l].data()[i * layer.ld + j];
      if (backward) {
        T& delta = deltas(part, l)[i * layer.ld + j];
        delta = keep ? delta / kept : T{0};
      }
      value = !keep ? T{0} : backward ? value * kept : value / kept;
    }
}

template <class T> double Network<T>::mean_loss_of(index_t parts, double squares) const {
  double loss = 0, weight = 0;
  for (index_t p = 0; p < parts; ++p) {
    loss += parts_[static_cast<size_t>(p)].loss;
    weight += parts_[static_cast<size_t>(p)].weight;
  }
  return mean_loss(shape_, loss, squares, weight);
}

template <class T> double Network<T>::loss(const Samples<T>& samples, index_t n) {
  for_chunks(samples, nullptr, 0, n, [&](Part& part, bool) {
    forward(part, samples, false);
    output(part, samples);
  });
  return mean_loss_of(parts_of(n),
                      kernels_.dot(parameters_.data(), parameters_.data(), static_cast<index_t>(coefs_end_)));
}

template <class T>
double Network<T>::loss_gradient(const Samples<T>& samples, const index_t* rows, index_t first, index_t n,
                                 uint64_t seed, uint64_t step, const Update& update) {
  seed_ = seed;
  step_ = step;
  for (size_t l = 1; l < layers_.size(); ++l)
    kernels_.transpose(parameters_.data() + layers_[l].coefs, layers_[l].ld, layers_[l].fan_in, layers_[l].fan_out,
                       layers_[l].transposed.data(), layers_[l - 1].ld);
  for_chunks(samples, rows, first, n, [&](Part& part, bool begins) {
    if (&part != parts_.data()) part.gradient.resize(gradient_.size());
    forward(part, samples, true);
    output(part, samples);
    backward(part);
    for (size_t l = 0; l < layers_.size(); ++l) layer_gradient(part, samples, l, !begins);
  });

  const index_t parts = parts_of(n);
  double weight = 0;
  for (index_t p = 0; p < parts; ++p) weight += parts_[static_cast<size_t>(p)].weight;
  const T factor = static_cast<T>(1 / weight);
  // Ranges of parameters, as many for any number of threads, as each adds up its squares.
  const index_t lanes = kernels_.lanes, vectors = static_cast<index_t>(parameters_.size()) / lanes,
                coefs_end = static_cast<index_t>(coefs_end_);
  double squares[most_parts];
  run(parts, [&](index_t r) {
    const index_t begin = r * vectors / parts * lanes, end = (r + 1) * vectors / parts * lanes,
                  middle = std::clamp(coefs_end, begin, end);
    T *w = parameters_.data(), *gradient = gradient_.data();
    for (index_t p = 1; p < parts; ++p)
      kernels_.axpy(T{1}, parts_[static_cast<size_t>(p)].gradient.data() + begin, gradient + begin, end - begin);
    squares[r] = kernels_.dot(w + begin, w + begin, middle - begin);
    kernels_.decay(w + begin, gradient + begin, middle - begin, static_cast<T>(shape_.alpha), factor);
    kernels_.decay(w + middle, gradient + middle, end - middle, T{0}, factor);
    if (update) update(begin, end);
  });
  double sum = 0;
  for (index_t r = 0; r < parts; ++r) sum += squares[r];
  return mean_loss_of(parts, sum);
}

template std::unique_ptr<SparseRows> SparseRows::where_worthwhile(const float*, index_t, index_t);
template std::unique_ptr<SparseRows> SparseRows::where_worthwhile(const double*, index_t, index_t);
template class Network<float>;
template class Network<double>;

} // namespace leadline::trainer::mlp
