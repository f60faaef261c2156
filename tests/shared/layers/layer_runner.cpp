#include "tests/shared/layers/layer_runner.hpp"

#include "shared/core/thread_pool.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>

namespace leadline::testing {
namespace {

constexpr size_t guard_bytes = 64;
constexpr unsigned char garbage = 0xFF; // NaN in every precision, -1 as an index
constexpr double gap = 1234.5;          // what lies between slices

[[noreturn]] void fail(const Problem& problem, const std::string& what) {
  throw std::runtime_error(std::string(layer_name(problem.kind)) + ": " + what);
}

/// Two threads, alive as long as the program.
const Runner* pool_runner() {
  struct Pool {
    void* memory = nullptr;
    ThreadPool* pool = nullptr;
    Runner runner;
    Pool() {
      const size_t bytes = thread_pool_bytes(2);
      memory = std::aligned_alloc(64, align_up(bytes));
      if (thread_pool_create(memory, align_up(bytes), 2, &pool) != Status::ok)
        throw std::runtime_error("the pool of two threads can't be made");
      runner = thread_pool_runner(pool);
    }
    ~Pool() {
      thread_pool_destroy(pool);
      std::free(memory);
    }
  };
  static Pool pool;
  return &pool.runner;
}

/// Memory of one place, guarded at its end.
class Memory {
public:
  Memory(Place place, size_t bytes) : place_(place), bytes_(bytes) {
    mirror_.assign(bytes + guard_bytes, garbage);
    for (size_t i = 0; i < guard_bytes; ++i) mirror_[bytes + i] = static_cast<unsigned char>(i * 37 + 11);
#ifdef LEADLINE_TEST_KOKKOS
    if (place == Place::kokkos)
      data_ = kokkos_passes::allocate(mirror_.size());
    else
#endif
      data_ = std::aligned_alloc(64, align_up(mirror_.size()));
    upload();
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
#ifdef LEADLINE_TEST_KOKKOS
    if (place_ == Place::kokkos)
      kokkos_passes::release(data_);
    else
#endif
      std::free(data_);
  }

  /// The place's memory; null for no bytes, so that a use of memory that wasn't asked for is seen.
  unsigned char* data() const { return bytes_ ? static_cast<unsigned char*>(data_) : nullptr; }
  unsigned char* mirror() { return mirror_.data(); }
  void upload() {
#ifdef LEADLINE_TEST_KOKKOS
    if (place_ == Place::kokkos) return kokkos_passes::upload(data_, mirror_.data(), mirror_.size());
#endif
    memcpy(data_, mirror_.data(), mirror_.size());
  }
  /// Fills the mirror; false when the guard was overwritten.
  bool download() {
#ifdef LEADLINE_TEST_KOKKOS
    if (place_ == Place::kokkos)
      kokkos_passes::download(mirror_.data(), data_, mirror_.size());
    else
#endif
      memcpy(mirror_.data(), data_, mirror_.size());
    for (size_t i = 0; i < guard_bytes; ++i)
      if (mirror_[bytes_ + i] != static_cast<unsigned char>(i * 37 + 11)) return false;
    return true;
  }

private:
  Place place_;
  size_t bytes_;
  std::vector<unsigned char> mirror_;
  void* data_ = nullptr;
};

/// A tensor in a place: dense, or a slice of channels with gaps between pixels, rows and images.
template <class T> class Block {
public:
  Block(Place place, const Shape& shape, bool sliced) : shape_(shape) {
    const index_t extra = sliced ? 5 : 0;
    first_ = sliced ? 2 : 0;
    layout_ = Tensor<T>(nullptr, shape);
    layout_.stride_w = shape.c + extra;
    layout_.stride_h = (shape.w + (sliced ? 1 : 0)) * layout_.stride_w;
    layout_.stride_n = (shape.h + (sliced ? 1 : 0)) * layout_.stride_h + (sliced ? 3 : 0);
    size_ = static_cast<size_t>(shape.n * layout_.stride_n + first_);
    memory_ = std::make_unique<Memory>(place, size_ * sizeof(T));
    if (sliced)
      for (size_t i = 0; i < size_; ++i) values()[i] = static_cast<T>(gap);
    each([&](T& element, size_t) { element = std::numeric_limits<T>::quiet_NaN(); });
    memory_->upload();
  }
  Block(Place place, const Value& value, bool sliced) : Block(place, value.shape, sliced) {
    each([&](T& element, size_t i) { element = static_cast<T>(value.data[i]); });
    memory_->upload();
  }

  Tensor<T> tensor() const {
    Tensor<T> t = layout_;
    // An empty batch has memory of its own too: null means "not wanted".
    t.data = memory_->data() ? reinterpret_cast<T*>(memory_->data()) + first_ : reinterpret_cast<T*>(guard_bytes);
    return t;
  }
  void start_accumulating() {
    each([&](T& element, size_t i) { element = static_cast<T>(accumulate_start(i)); });
    memory_->upload();
  }
  Value download(const Problem& problem, const std::string& name) {
    if (!memory_->download()) fail(problem, "wrote past the end of " + name);
    Value value(shape_);
    each([&](T& element, size_t i) {
      value.data[i] = static_cast<double>(element);
      element = static_cast<T>(gap);
    });
    if (layout_.dense()) return value;
    for (size_t i = 0; i < size_; ++i)
      if (values()[i] != static_cast<T>(gap)) fail(problem, "wrote between the pixels of " + name);
    return value;
  }

private:
  T* values() { return reinterpret_cast<T*>(memory_->mirror()); }
  template <class F> void each(const F& f) {
    size_t i = 0;
    for (index_t n = 0; n < shape_.n; ++n)
      for (index_t h = 0; h < shape_.h; ++h)
        for (index_t w = 0; w < shape_.w; ++w)
          for (index_t c = 0; c < shape_.c; ++c) f(values()[first_ + layout_.offset(n, h, w) + c], i++);
  }

  Shape shape_;
  Tensor<T> layout_;
  index_t first_;
  size_t size_;
  std::unique_ptr<Memory> memory_;
};

template <int part = 0>
void find_passes(Place place, LayerKind kind, LayerPasses<float>* f32, LayerPasses<double>* f64) {
  if constexpr (part < num_parts) {
    bool found = false;
#ifdef LEADLINE_TEST_KOKKOS
    if (place == Place::kokkos) found = kokkos_passes::find<part>(kind, f32, f64);
#endif
    if (place != Place::kokkos) found = host_passes::find<part>(kind, f32, f64);
    if (!found) find_passes<part + 1>(place, kind, f32, f64);
  } else {
    throw std::runtime_error("layer number " + std::to_string(static_cast<int>(kind)) + " names no layer");
  }
}

template <class T> LayerPasses<T> passes(Place place, LayerKind kind) {
  LayerPasses<float> f32;
  LayerPasses<double> f64;
  find_passes(place, kind, &f32, &f64);
  if constexpr (sizeof(T) == sizeof(float))
    return f32;
  else
    return f64;
}

template <class T> UpdateState<T> update_state(Place place) {
#ifdef LEADLINE_TEST_KOKKOS
  if (place == Place::kokkos) return kokkos_passes::update_state<T>();
#endif
  return place == Place::kokkos ? nullptr : host_passes::update_state<T>();
}

/// What the layer says about itself.
struct Traits {
  int trainable = 0;
  unsigned optional = 0;
  bool reads_src = false, reads_dst = false;
};

Traits traits(LayerKind kind) {
  Traits t;
  visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    t = {Layer::trainable_weights, optional_weights<Layer>(), Layer::backward_reads_src, Layer::backward_reads_dst};
  });
  return t;
}

size_t bytes_of(const Problem& problem, const LayerShapes& shapes, Pass pass, Algorithm algorithm, size_t element) {
  size_t bytes = 0;
  visit_layer(problem.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    typename Layer::Params values;
    memcpy(&values, problem.params.data(), sizeof values);
    bytes = Layer::workspace_bytes(shapes, values, pass, algorithm, element);
  });
  return bytes;
}

size_t prepared_bytes_of(const Problem& problem, const LayerShapes& shapes, Algorithm algorithm, size_t element) {
  size_t bytes = 0;
  visit_layer(problem.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    typename Layer::Params values;
    memcpy(&values, problem.params.data(), sizeof values);
    bytes = prepared_bytes<Layer>(shapes, values, algorithm, element);
  });
  return bytes;
}

size_t saved_bytes_of(const Problem& problem, const LayerShapes& shapes, size_t element) {
  size_t bytes = 0;
  visit_layer(problem.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    typename Layer::Params values;
    memcpy(&values, problem.params.data(), sizeof values);
    bytes = Layer::saved_bytes(shapes, values, element);
  });
  return bytes;
}

template <class T> Result run(const Problem& problem, const RunOptions& options) {
  const Place place = options.place;
  const Runner* runner = place == Place::host_threads ? pool_runner() : nullptr;
  const LayerPasses<T> layer = passes<T>(place, problem.kind);
  const Traits t = traits(problem.kind);
  LayerShapes shapes = problem.shapes();
  shapes.threads = place == Place::host ? 1 : 3; // needn't be what the exec has
  Result result;
  std::vector<std::unique_ptr<Block<T>>> src;
  std::array<std::unique_ptr<Block<T>>, max_weights> weights;

  ForwardArgs<T> forward;
  forward.num_src = static_cast<int>(problem.src.size());
  for (size_t i = 0; i < problem.src.size(); ++i) {
    src.push_back(std::make_unique<Block<T>>(place, problem.src[i], options.sliced));
    forward.src[i] = src[i]->tensor();
  }
  for (size_t i = 0; i < max_weights; ++i) {
    if (problem.weights[i].absent()) {
      if (shapes.weights[i].count() != 0 && !(t.optional >> i & 1))
        fail(problem, "weight " + std::to_string(i) + " is missing");
      continue;
    }
    if (!(problem.weights[i].shape == shapes.weights[i]))
      fail(problem, "weight " + std::to_string(i) + " is " + to_string(problem.weights[i].shape) + " instead of " +
                        to_string(shapes.weights[i]));
    weights[i] = std::make_unique<Block<T>>(place, problem.weights[i], false);
    forward.weights[i] = weights[i]->tensor();
  }
  Block<T> dst(place, shapes.dst, options.sliced);
  forward.dst = dst.tensor();
  Memory saved(place, options.inference ? 0 : saved_bytes_of(problem, shapes, sizeof(T)));
  forward.saved = options.inference ? nullptr : saved.data();
  forward.algorithm = options.algorithm;
  forward.training = problem.training && !options.inference;
  {
    const Pass pass = options.inference ? Pass::inference : Pass::training_forward;
    const size_t bytes = bytes_of(problem, shapes, pass, options.algorithm, sizeof(T));
    Memory workspace(place, bytes);
    // As in a model that is opened: weights are prepared once. Training prepares them in each pass.
    const size_t prepared_bytes =
        options.inference ? prepared_bytes_of(problem, shapes, options.algorithm, sizeof(T)) : 0;
    Memory prepared(place, prepared_bytes);
    if (prepared_bytes > 0) {
      PrepareArgs<T> prepare;
      prepare.shapes = shapes;
      for (int i = 0; i < max_weights; ++i) prepare.weights[i] = forward.weights[i];
      prepare.prepared = prepared.data();
      prepare.algorithm = options.algorithm;
      layer.prepare(runner, problem.params.data(), prepare);
      if (!prepared.download()) fail(problem, "prepare wrote past the end of the prepared weights");
      forward.prepared = prepared.data();
    }
    forward.workspace = {workspace.data(), bytes, shapes.threads};
    layer.forward(runner, problem.params.data(), forward);
    if (!workspace.download()) fail(problem, "forward wrote past the end of its workspace");
  }
  std::unique_ptr<Block<T>> again;
  if (options.recompute) {
    again = std::make_unique<Block<T>>(place, shapes.dst, options.sliced);
    forward.dst = again->tensor();
    forward.recompute = true;
    const size_t bytes = bytes_of(problem, shapes, Pass::training_forward, options.algorithm, sizeof(T));
    Memory workspace(place, bytes); // garbage again: the second pass finds nothing but what was saved
    forward.workspace = {workspace.data(), bytes};
    layer.forward(runner, problem.params.data(), forward);
    if (!workspace.download()) fail(problem, "forward wrote past the end of its workspace");
  }
  result.dst = (again ? *again : dst).download(problem, "dst");
  if (!saved.download()) fail(problem, "forward wrote past the end of what it saves");

  if (problem.kind == layer_kind<BatchNorm2d> && forward.training) {
    BatchNorm2d::Params params;
    memcpy(&params, problem.params.data(), sizeof params);
    Block<T> mean(place, problem.weights[2], false), var(place, problem.weights[3], false);
    const auto batch = BatchNorm2d::statistics<T>(static_cast<void*>(saved.data()), shapes.dst.c);
    update_state<T>(place)(runner, params, shapes.dst.c, batch.mean, batch.unbiased_var, mean.tensor().data,
                           var.tensor().data);
    result.running_mean = mean.download(problem, "running_mean");
    result.running_var = var.download(problem, "running_var");
  }
  if (problem.diff_dst.absent() || options.inference) return result;

  BackwardArgs<T> backward;
  backward.num_src = forward.num_src;
  std::vector<std::unique_ptr<Block<T>>> diff_src;
  std::array<std::unique_ptr<Block<T>>, max_weights> diff_weights;
  for (size_t i = 0; i < problem.src.size(); ++i) {
    backward.src[i] = forward.src[i];
    if (!t.reads_src) backward.src[i].data = nullptr;
    diff_src.push_back(std::make_unique<Block<T>>(place, problem.src[i].shape, options.sliced));
    if (options.accumulate) diff_src[i]->start_accumulating();
    backward.accumulate_src[i] = options.accumulate;
    if (!(options.skip_src >> i & 1)) backward.diff_src[i] = diff_src[i]->tensor();
  }
  for (size_t i = 0; i < max_weights; ++i) {
    backward.weights[i] = forward.weights[i];
    if (static_cast<int>(i) >= t.trainable || !weights[i]) continue;
    diff_weights[i] = std::make_unique<Block<T>>(place, shapes.weights[i], false);
    if (options.accumulate) diff_weights[i]->start_accumulating();
    if (!(options.skip_weights >> i & 1)) backward.diff_weights[i] = diff_weights[i]->tensor();
  }
  backward.dst = forward.dst;
  if (!t.reads_dst) backward.dst.data = nullptr;
  const Block<T> diff_dst(place, problem.diff_dst, options.sliced);
  backward.diff_dst = diff_dst.tensor();
  if (options.in_place) { // a block of its own, because diff_src's is looked at afterwards
    diff_src[0] = std::make_unique<Block<T>>(place, problem.diff_dst, options.sliced);
    backward.diff_dst = diff_src[0]->tensor();
    backward.diff_src[0] = diff_src[0]->tensor();
  }
  backward.accumulate_weights = options.accumulate;
  backward.saved = saved.data();
  backward.algorithm = options.algorithm;
  backward.training = problem.training;
  {
    const size_t bytes = bytes_of(problem, shapes, Pass::backward, options.algorithm, sizeof(T));
    Memory workspace(place, bytes);
    backward.workspace = {workspace.data(), bytes, shapes.threads};
    layer.backward(runner, problem.params.data(), backward);
    if (!workspace.download()) fail(problem, "backward wrote past the end of its workspace");
  }
  for (size_t i = 0; i < diff_src.size(); ++i)
    result.diff_src.push_back(
        options.skip_src >> i & 1 ? Value() : diff_src[i]->download(problem, "diff_src " + std::to_string(i)));
  for (size_t i = 0; i < max_weights; ++i)
    if (diff_weights[i] && !(options.skip_weights >> i & 1))
      result.diff_weights[i] = diff_weights[i]->download(problem, "diff_weights " + std::to_string(i));
  return result;
}

} // namespace

const char* to_string(Place place) {
  constexpr const char* names[] = {"host", "host with 2 threads", "kokkos"};
  return names[static_cast<int>(place)];
}
const char* to_string(Precision precision) { return precision == Precision::f64 ? "double" : "float"; }
std::string to_string(const Shape& s) {
  return "[" + std::to_string(s.n) + "," + std::to_string(s.h) + "," + std::to_string(s.w) + "," + std::to_string(s.c) +
         "]";
}

const std::vector<Place>& places() {
  static const std::vector<Place> all{
      Place::host,
      Place::host_threads,
#ifdef LEADLINE_TEST_KOKKOS
      Place::kokkos,
#endif
  };
  return all;
}

std::vector<Algorithm> algorithms(LayerKind kind) {
  if (kind == layer_kind<Conv2d> || kind == layer_kind<ConvTranspose2d> || kind == layer_kind<Linear>)
    return {Algorithm::portable, Algorithm::host_gemm, Algorithm::winograd4, Algorithm::winograd6, Algorithm::bf16x3};
  return {Algorithm::portable};
}

bool kokkos_on_host() {
#ifdef LEADLINE_TEST_KOKKOS
  return kokkos_passes::on_host();
#else
  return true;
#endif
}

LayerShapes Problem::shapes() const {
  LayerShapes shapes;
  shapes.num_src = static_cast<int>(src.size());
  for (size_t i = 0; i < src.size(); ++i) shapes.src[i] = src[i].shape;
  visit_layer(kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    typename Layer::Params values;
    memcpy(&values, params.data(), sizeof values);
    if (Layer::infer(values, shapes.src, shapes.num_src, &shapes.dst) == Status::ok)
      Layer::weight_shapes(values, shapes.src, shapes.weights);
    else
      shapes.dst = {};
  });
  return shapes;
}

Result run_layer(const Problem& problem, const RunOptions& options) {
  Result refused;
  LayerShapes shapes;
  for (size_t i = 0; i < problem.src.size(); ++i) shapes.src[i] = problem.src[i].shape;
  visit_layer(problem.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    typename Layer::Params values;
    memcpy(&values, problem.params.data(), sizeof values);
    refused.status = Layer::infer(values, shapes.src, static_cast<int>(problem.src.size()), &shapes.dst);
  });
  if (refused.status != Status::ok) return refused;
  if (!problem.diff_dst.absent() && !(problem.diff_dst.shape == shapes.dst))
    fail(problem, "diff_dst is " + to_string(problem.diff_dst.shape) + ", but dst is " + to_string(shapes.dst));
  return options.precision == Precision::f64 ? run<double>(problem, options) : run<float>(problem, options);
}

bool same_bits(const Value& a, const Value& b) {
  return a.shape == b.shape && a.data.size() == b.data.size() &&
         (a.data.empty() || memcmp(a.data.data(), b.data.data(), a.data.size() * sizeof(double)) == 0);
}

double relative_error(const Value& a, const Value& b) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (!(a.shape == b.shape) || a.data.size() != b.data.size()) return infinity;
  double largest = 0, error = 0;
  for (size_t i = 0; i < b.data.size(); ++i) {
    if (!std::isfinite(a.data[i]) || !std::isfinite(b.data[i])) return infinity;
    largest = std::max(largest, std::abs(b.data[i]));
    error = std::max(error, std::abs(a.data[i] - b.data[i]));
  }
  return error == 0 ? 0 : largest == 0 ? infinity : error / largest;
}

} // namespace leadline::testing
