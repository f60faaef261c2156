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
  for (size_t l = 0; l < layers_.size(); ++l) {
    const index_t vectors = layers_[l].ld / kernels_.lanes, parts = (vectors + widest_panel - 1) / widest_panel;
    for (index_t i = 0; i < parts; ++i) {
      const index_t each = vectors / parts, more = vectors % parts;
      const index_t begin = i * each + std::min(i, more), size = each + (i < more ? 1 : 0);
      panels_.push_back({l, {begin * kernels_.lanes, (begin + size) * kernels_.lanes}});
    }
  }
  parameters_.resize(end);
  gradient_.resize(end);
  gathered_.resize(static_cast<size_t>(chunk * shape.units[0]));
  scratch_.resize(static_cast<size_t>(chunk * layers_.back().ld));
  losses_.resize(chunk);
  chosen_.resize(chunk);
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

template <class T> T* Network<T>::deltas(size_t l, index_t row) {
  Layer& layer = layers_[l]; // the last layer's derivatives replace its values
  return (l + 1 == layers_.size() ? layer.values.data() : layer.deltas.data()) + row * layer.ld;
}

/// f for parts of 0..total: two for each thread, as some get on faster.
template <class T> void Network<T>::in_parts(index_t total, const std::function<void(Rows)>& f) const {
  if (!team_ || team_->size() == 1) return f({0, total});
  const index_t parts = std::min<index_t>(2 * team_->size(), total);
  team_->run(parts, [&](index_t i) { f({i * total / parts, (i + 1) * total / parts}); });
}

template <class T> void Network<T>::for_parameters(const std::function<void(index_t, index_t)>& f) const {
  const index_t lanes = kernels_.lanes;
  in_parts(static_cast<index_t>(parameters_.size()) / lanes,
           [&](Rows part) { f(part.begin * lanes, part.end * lanes); });
}

/// Makes n rows the chunk that passes.
template <class T> void Network<T>::choose(const Samples<T>& samples, const index_t* rows, index_t first, index_t n) {
  const index_t features = shape_.units[0];
  for (index_t i = 0; i < n; ++i) chosen_[static_cast<size_t>(i)] = rows ? rows[i] : first + i;
  x_ = samples.x + first * features;
  if (samples.sparse || !rows) return;
  for (index_t i = 0; i < n; ++i)
    std::copy_n(samples.x + rows[i] * features, features, gathered_.data() + i * features);
  x_ = gathered_.data();
}

template <class T> void Network<T>::forward(const Samples<T>& samples, Rows rows, bool train) {
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const T *w = parameters_.data() + layer.coefs, *bias = parameters_.data() + layer.intercepts;
    const bool relu = l + 1 < layers_.size() && layer.activation == Activation::relu;
    if (l == 0 && samples.sparse)
      kernels_.sparse_multiply({.masks = samples.sparse->masks.data(),
                                .words = samples.sparse->words,
                                .a = samples.x,
                                .a_row = layer.fan_in,
                                .rows = chosen_.data() + rows.begin,
                                .b = w,
                                .ldb = layer.ld,
                                .start = bias,
                                .c = values(l, rows.begin),
                                .ldc = layer.ld,
                                .m = rows.size(),
                                .n = layer.ld,
                                .relu = relu});
    else
      kernels_.multiply({.a = l == 0 ? x_ + rows.begin * layer.fan_in : values(l - 1, rows.begin),
                         .a_row = l == 0 ? layer.fan_in : layers_[l - 1].ld,
                         .a_step = 1,
                         .b = w,
                         .ldb = layer.ld,
                         .start = bias,
                         .c = values(l, rows.begin),
                         .ldc = layer.ld,
                         .m = rows.size(),
                         .k = layer.fan_in,
                         .n = layer.ld,
                         .accumulate = false,
                         .relu = relu});
    if (l + 1 == layers_.size()) break;
    if (!relu) kernels_.activate(layer.activation, values(l, rows.begin), layer.ld, rows.size(), layer.fan_out);
    if (train && shape_.dropout > 0) drop_out(l, rows, false);
  }
}

template <class T> void Network<T>::predict(const T* x, index_t n, T* out) {
  const Layer& last = layers_.back();
  for (index_t first = 0; first < n; first += chunk) {
    const index_t count = std::min(chunk, n - first);
    choose({.x = x}, nullptr, first, count);
    in_parts(count, [&](Rows rows) {
      forward({.x = x}, rows, false);
      T* outputs = values(layers_.size() - 1, rows.begin);
      kernels_.activate(last.activation, outputs, last.ld, rows.size(), last.fan_out);
      for (index_t i = 0; i < rows.size(); ++i)
        std::copy_n(outputs + i * last.ld, last.fan_out, out + (first + rows.begin + i) * last.fan_out);
    });
  }
}

template <class T> void Network<T>::output(const Samples<T>& samples, Rows rows) {
  const Layer& last = layers_.back();
  kernels_.output({.z = values(layers_.size() - 1, rows.begin),
                   .ldz = last.ld,
                   .n = rows.size(),
                   .outputs = last.fan_out,
                   .loss = shape_.loss,
                   .labels = samples.labels,
                   .targets = samples.targets,
                   .weights = samples.weights,
                   .rows = chosen_.data() + rows.begin,
                   .scale = static_cast<T>(shape_.gradient_scale),
                   .huber_delta = static_cast<T>(shape_.huber_delta),
                   .scratch = scratch_.data() + rows.begin * last.ld,
                   .losses = losses_.data() + rows.begin});
}

template <class T> void Network<T>::backward(Rows rows) {
  for (size_t l = layers_.size(); --l > 0;) {
    const Layer &layer = layers_[l], &before = layers_[l - 1];
    const bool relu = before.activation == Activation::relu;
    kernels_.multiply({.a = deltas(l, rows.begin),
                       .a_row = layer.ld,
                       .a_step = 1,
                       .b = layer.transposed.data(),
                       .ldb = before.ld,
                       .start = nullptr,
                       .c = deltas(l - 1, rows.begin),
                       .ldc = before.ld,
                       .m = rows.size(),
                       .k = layer.fan_out,
                       .n = before.ld,
                       .accumulate = false,
                       .relu = false,
                       .kept = relu ? values(l - 1, rows.begin) : nullptr});
    if (shape_.dropout > 0) drop_out(l - 1, rows, true);
    if (!relu)
      kernels_.derive(before.activation, values(l - 1, rows.begin), deltas(l - 1, rows.begin), rows.size() * before.ld);
  }
}

/// The gradient of some outputs' coefficients and intercepts.
template <class T>
void Network<T>::layer_gradient(const Samples<T>& samples, size_t l, Columns outputs, index_t n, bool accumulate) {
  const Layer& layer = layers_[l];
  kernels_.column_sums(deltas(l, 0) + outputs.begin, layer.ld, n, outputs.size(),
                       gradient_.data() + layer.intercepts + outputs.begin, accumulate);
  if (l == 0 && samples.sparse) {
    for (index_t word = 0; word < samples.sparse->words; ++word)
      kernels_.sparse_gradient({.masks = samples.sparse->masks.data() + word,
                                .words = samples.sparse->words,
                                .a = samples.x + word * 64,
                                .a_row = layer.fan_in,
                                .rows = chosen_.data(),
                                .b = deltas(0, 0) + outputs.begin,
                                .ldb = layer.ld,
                                .c = gradient_.data() + layer.coefs + word * 64 * layer.ld + outputs.begin,
                                .ldc = layer.ld,
                                .m = n,
                                .columns = std::min<index_t>(64, layer.fan_in - word * 64),
                                .n = outputs.size(),
                                .accumulate = accumulate});
    return;
  }
  kernels_.multiply({.a = l == 0 ? x_ : values(l - 1, 0),
                     .a_row = 1,
                     .a_step = l == 0 ? layer.fan_in : layers_[l - 1].ld,
                     .b = deltas(l, 0) + outputs.begin,
                     .ldb = layer.ld,
                     .start = nullptr,
                     .c = gradient_.data() + layer.coefs + outputs.begin,
                     .ldc = layer.ld,
                     .m = layer.fan_in,
                     .k = n,
                     .n = outputs.size(),
                     .accumulate = accumulate,
                     .relu = false});
}

/// Values that are left out are zero, the others larger, so that means stay (N. Srivastava et al., "Dropout", JMLR 15,
/// 2014, inverted). Drawn by position, so that the way back finds the same ones; it needs the values as they were.
template <class T> void Network<T>::drop_out(size_t l, Rows rows, bool backward) {
  const Layer& layer = layers_[l];
  const Philox random(seed_, philox_stream(step_, l));
  const T kept = static_cast<T>(1 - shape_.dropout);
  for (index_t i = rows.begin; i < rows.end; ++i)
    for (index_t j = 0; j < layer.fan_out; ++j) {
      const float draw = random.uniform(static_cast<uint64_t>((first_ + i) * layer.fan_out + j));
      const bool keep = !(static_cast<double>(draw) < shape_.dropout);
      T& value = values(l, i)[j];
      if (backward) {
        T& delta = deltas(l, i)[j];
        delta = keep ? delta / kept : T{0};
      }
      value = !keep ? T{0} : backward ? value * kept : value / kept;
    }
}

template <class T> double Network<T>::squares() const {
  return kernels_.dot(parameters_.data(), parameters_.data(), static_cast<index_t>(coefs_end_));
}

template <class T> double Network<T>::loss(const Samples<T>& samples, index_t n) {
  double sum = 0, weight = 0;
  for (index_t first = 0; first < n; first += chunk) {
    const index_t count = std::min(chunk, n - first);
    choose(samples, nullptr, first, count);
    in_parts(count, [&](Rows rows) {
      forward(samples, rows, false);
      output(samples, rows);
    });
    for (index_t i = 0; i < count; ++i) {
      sum += losses_[static_cast<size_t>(i)];
      weight += samples.weights ? static_cast<double>(samples.weights[first + i]) : 1;
    }
  }
  return mean_loss(shape_, sum, squares(), weight);
}

template <class T>
double Network<T>::loss_gradient(const Samples<T>& samples, const index_t* rows, index_t first, index_t n,
                                 uint64_t seed, uint64_t step) {
  seed_ = seed;
  step_ = step;
  for (size_t l = 1; l < layers_.size(); ++l)
    kernels_.transpose(parameters_.data() + layers_[l].coefs, layers_[l].ld, layers_[l].fan_in, layers_[l].fan_out,
                       layers_[l].transposed.data(), layers_[l - 1].ld);
  const index_t parts = (n + chunk - 1) / chunk;
  double sum = 0, weight = 0;
  for (index_t part = 0; part < parts; ++part) {
    first_ = part * n / parts;
    const index_t count = (part + 1) * n / parts - first_;
    choose(samples, rows ? rows + first_ : nullptr, rows ? 0 : first + first_, count);
    for (index_t i = 0; i < count; ++i)
      weight += samples.weights ? static_cast<double>(samples.weights[chosen_[static_cast<size_t>(i)]]) : 1;
    in_parts(count, [&](Rows part_rows) {
      forward(samples, part_rows, true);
      output(samples, part_rows);
      backward(part_rows);
    });
    for (index_t i = 0; i < count; ++i) sum += losses_[static_cast<size_t>(i)];
    const auto gradient_of = [&](index_t i) {
      layer_gradient(samples, panels_[static_cast<size_t>(i)].layer, panels_[static_cast<size_t>(i)].columns, count,
                     part > 0);
    };
    const auto panels = static_cast<index_t>(panels_.size());
    if (team_)
      team_->run(panels, gradient_of);
    else
      for (index_t i = 0; i < panels; ++i) gradient_of(i);
  }
  const T factor = static_cast<T>(1 / weight);
  const double loss = mean_loss(shape_, sum, squares(), weight);
  for_parameters([&](index_t begin, index_t end) {
    const index_t middle = std::clamp(static_cast<index_t>(coefs_end_), begin, end);
    const auto decay = [&](index_t from, index_t to, double alpha) {
      kernels_.decay(parameters_.data() + from, gradient_.data() + from, to - from, static_cast<T>(alpha), factor);
    };
    decay(begin, middle, shape_.alpha);
    decay(middle, end, 0);
  });
  return loss;
}

template std::unique_ptr<SparseRows> SparseRows::where_worthwhile(const float*, index_t, index_t);
template std::unique_ptr<SparseRows> SparseRows::where_worthwhile(const double*, index_t, index_t);
template class Network<float>;
template class Network<double>;

} // namespace leadline::trainer::mlp
