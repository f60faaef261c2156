// Runs any layer on any exec in any precision, from arrays of doubles: what all tests of layers are written with.
//
// The runner plays the planner: it allocates exactly the bytes that a layer asks for, between guards, fills everything
// that a pass should write with garbage, hides what a pass promised not to read, and checks all that afterwards.
// No Kokkos header is included here; the passes are compiled in parts (passes.cpp) and shared by all tests.
#pragma once

#include "shared/layers/layers.hpp"

#include <array>
#include <string>
#include <vector>

namespace leadline::testing {

enum class Place {
  host,         ///< HostExec, the caller's thread
  host_threads, ///< HostExec with a pool of two threads
  kokkos,       ///< KokkosExec<DefaultExecutionSpace>
};
enum class Precision { f64, f32 };

const char* to_string(Place place);
const char* to_string(Precision precision);
std::string to_string(const Shape& shape);

/// All places of this build.
const std::vector<Place>& places();
/// The algorithms that a layer has.
std::vector<Algorithm> algorithms(LayerKind kind);
/// False where Kokkos' default space is a GPU: results agree within a tolerance only.
bool kokkos_on_host();

/// Dense values of a tensor in N, H, W, C order. Absent: no values and shape {}.
struct Value {
  Shape shape;
  std::vector<double> data;

  Value() = default;
  explicit Value(const Shape& shape_) : shape(shape_), data(static_cast<size_t>(shape_.count())) {}
  bool absent() const { return shape == Shape{}; }
};

/// A layer, its parameters and everything that it reads.
struct Problem {
  LayerKind kind{};
  std::array<unsigned char, max_params_bytes> params{};
  std::vector<Value> src;
  std::array<Value, max_weights> weights;
  Value diff_dst; ///< absent: forward only
  bool training = true;

  template <class Layer> static Problem of(const typename Layer::Params& values) {
    Problem problem;
    problem.kind = layer_kind<Layer>;
    memcpy(problem.params.data(), &values, sizeof values);
    return problem;
  }
  LayerShapes shapes() const;
};

struct RunOptions {
  Place place = Place::host;
  Precision precision = Precision::f64;
  Algorithm algorithm = Algorithm::portable;
  bool sliced = false;     ///< sources, dst and gradients are channel slices of larger tensors, with gaps between rows
  bool accumulate = false; ///< gradients are added to `accumulate_start`
  bool inference = false;  ///< forward with Pass::inference and nothing saved
  bool recompute = false;  ///< dst is that of a second forward pass from what the first one saved
  bool in_place = false;   ///< diff_src[0] lies where diff_dst does
  unsigned skip_src = 0, skip_weights = 0; ///< bit i: gradient i isn't wanted
};

/// What gradient element i starts from where a run accumulates.
inline double accumulate_start(size_t i) { return 0.25 * static_cast<double>(i % 7) - 0.5; }

struct Result {
  Status status = Status::ok; ///< of infer
  Value dst;
  std::vector<Value> diff_src;
  std::array<Value, max_weights> diff_weights;
  /// Batch norm in training: the running statistics after update_state with this batch alone.
  Value running_mean, running_var;
};

/// Throws std::runtime_error that says what a pass did wrong (wrote outside its memory, left elements unwritten is seen
/// as NaN). Values that `infer` refuses come back as `status`.
Result run_layer(const Problem& problem, const RunOptions& options);

/// True when both have the same shape and the same bits.
bool same_bits(const Value& a, const Value& b);
/// The largest |a - b| relative to the largest |b|; infinite when shapes differ or either isn't finite.
double relative_error(const Value& a, const Value& b);

/// A layer's passes for T on one kind of exec, type-erased.
template <class T> struct LayerPasses {
  void (*prepare)(const Runner* runner, const void* params, const PrepareArgs<T>& args) = nullptr;
  void (*forward)(const Runner* runner, const void* params, const ForwardArgs<T>& args) = nullptr;
  void (*backward)(const Runner* runner, const void* params, const BackwardArgs<T>& args) = nullptr;
};
/// update_state of batch norm.
template <class T>
using UpdateState = void (*)(const Runner* runner, const BatchNorm2d::Params& params, index_t channels, const T* mean,
                             const T* unbiased_var, T* running_mean, T* running_var);

constexpr int num_parts = 4; ///< passes.cpp is compiled so many times: layers by number modulo num_parts

namespace host_passes {
template <int part> bool find(LayerKind kind, LayerPasses<float>* f32, LayerPasses<double>* f64);
template <class T> UpdateState<T> update_state();
} // namespace host_passes

/// Kokkos' memory and passes, compiled with Kokkos.
namespace kokkos_passes {
template <int part> bool find(LayerKind kind, LayerPasses<float>* f32, LayerPasses<double>* f64);
template <class T> UpdateState<T> update_state();
void* allocate(size_t bytes);
void release(void* memory);
void upload(void* to, const void* from, size_t bytes);
void download(void* to, const void* from, size_t bytes);
bool on_host();
} // namespace kokkos_passes

} // namespace leadline::testing
