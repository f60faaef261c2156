// What a layer is: the one form that every file of this folder has, and the arguments its passes take.
//
// A layer is a struct with static members only:
//
//   struct MaxPool2d {
//     static constexpr const char* name = "max_pool2d"; // as in PyTorch, used in files, messages, labels
//     // POD of int32_t and float, at most 64 bytes: it is what a model file stores.
//     struct Params { int32_t kernel_h, ...; };
//     static constexpr int min_inputs = 1, max_inputs = 1;
//     // The shape rule, and the check of parameters.
//     static Status infer(const Params&, const Shape* src, int num_src, Shape* dst);
//     // [max_weights]; count() == 0: none. The first trainable_weights get gradients, the rest is state.
//     static void weight_shapes(const Params&, const Shape* src, Shape* weights);
//     static constexpr int trainable_weights = 0;
//     // Lifetimes for the planner, and what backward needs besides.
//     static constexpr bool backward_reads_src = true, backward_reads_dst = false;
//     static size_t saved_bytes(const LayerShapes&, const Params&, size_t element);
//     static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t element);
//     // Optional: each pixel of dst comes from the same pixel of the sources (or from sources of one row and column).
//     static constexpr bool pointwise = true;
//     // Optional: bit i: in inference dst may be source i itself, where that has dst's shape.
//     static constexpr unsigned forward_in_place = 0b1;
//     // Optional, `pointwise` implies it: in inference some rows of dst can be computed alone, with the same bits.
//     // Says which rows of the sources they are made from, and changes Params to those that forward takes for these
//     // rows as if they were all. First rows (and last ones, but for dst's last) are multiples of strip_multiple.
//     static bool strip(Params*, const LayerShapes&, Rows dst, Rows* src);
//     static index_t strip_multiple(const Params&, const LayerShapes&);
//     // Optional: forward can run again for one pass over sources that backward reads anyway (see ForwardArgs).
//     static constexpr bool recomputes = true;
//     // Optional: diff_src[0] may be diff_dst itself where it overwrites.
//     static constexpr bool backward_in_place = true;
//     template <class T, class Exec> static void forward(const Exec&, const Params&, const ForwardArgs<T>&);
//     template <class T, class Exec> static void backward(const Exec&, const Params&, const BackwardArgs<T>&);
//   };
//
// `infer` is the validator: it must accept any bit pattern in Params and any shapes without overflow, and reject what
// forward can't do. forward and backward trust what it accepted. Nobody allocates inside a pass.
// Empty tensors (n = 0) are ordinary. Kernels write dst and diff_* fully (or add, where `accumulate` says so).
#pragma once

#include "shared/core/config.hpp"
#include "shared/core/exec.hpp"
#include "shared/core/math.hpp"
#include "shared/core/reduce.hpp"
#include "shared/core/rng.hpp"
#include "shared/core/selection.hpp"
#include "shared/core/status.hpp"
#include "shared/core/tensor.hpp"

namespace leadline {

constexpr int max_inputs = 8;  ///< inputs of one node
constexpr int max_weights = 4; ///< weights and state of one node
constexpr size_t max_params_bytes = 64;
constexpr index_t max_extent = index_t{1} << 24; ///< largest extent, kernel size or stride that a shape rule accepts

/// Which implementation a node uses; chosen by the plan and recorded with it.
enum class Algorithm : uint8_t {
  portable = 0,  ///< one source for every exec; the reference
  host_gemm = 1, ///< blocked matrix products with SIMD micro-kernels (shared/layers/host); host execs only
  winograd4 = 2, ///< F(4x4, 3x3) for 3x3 filters of stride 1, host_gemm for the rest; host execs, float
  winograd6 = 3, ///< F(6x6, 3x3) likewise: fewer products, larger rounding errors
  bf16 = 4,      ///< products of values rounded to bf16, sums in float; host_gemm for depthwise; host execs, float
  bf16x3 = 5,    ///< bf16 of values split in two: three products for nearly float's precision
  int8 = 6,      ///< bytes, sums in int32: nodes whose values are quantised (host_gemm: with less memory), no others
};
constexpr int num_algorithms = 6; ///< those that can be asked for
/// What a plan chooses for itself, from shapes, ISA level and memory limit.
constexpr Algorithm automatic = static_cast<Algorithm>(255);
constexpr const char* algorithm_name(Algorithm algorithm) {
  constexpr const char* names[num_algorithms] = {"portable", "host_gemm", "winograd4", "winograd6", "bf16", "bf16x3"};
  if (algorithm == automatic) return "automatic";
  if (algorithm == Algorithm::int8) return "int8";
  return static_cast<int>(algorithm) < num_algorithms ? names[static_cast<int>(algorithm)] : "unknown";
}

/// The precision of products that a plan may use where it is faster; sums and values in memory are what they are.
enum class ComputePrecision : uint8_t { full = 0, bf16 = 1 };

enum class Pass : uint8_t { inference = 0, training_forward = 1, backward = 2 };

/// The shapes around one node.
struct LayerShapes {
  int num_src = 0;
  Shape src[max_inputs];
  Shape weights[max_weights];
  Shape dst;
  int threads = 1; ///< at most so many work at the same time: each may want scratch of its own
};

/// Rows [first, last) of a tensor.
struct Rows {
  index_t first = 0, last = 0;
};

/// The rows that a window of `span` rows, moved by `stride` from -padding on, meets for rows `dst`; the padding that is
/// left of it at these rows' edges goes to *before and *after. False where some window lies in the padding alone.
inline bool window_rows(index_t span, index_t stride, index_t extent, Rows dst, int32_t* before, int32_t* after,
                        Rows* src) {
  if (*before >= span || *after >= span) return false;
  const index_t first = dst.first * stride - *before, last = (dst.last - 1) * stride - *before + span;
  *src = {first < 0 ? 0 : first, last > extent ? extent : last};
  *before = static_cast<int32_t>(src->first - first);
  *after = static_cast<int32_t>(last - src->last);
  return src->first < src->last;
}

/// Arguments of `prepare`, which layers have whose kernels read weights in a form of their own. Done once when a model
/// is opened; forward does it itself where `ForwardArgs::prepared` is null and the workspace is that of training.
template <class T> struct PrepareArgs {
  LayerShapes shapes;
  Tensor<const T> weights[max_weights];
  void* prepared = nullptr; ///< `prepared_bytes`, aligned to 64; depends on shapes, algorithm and ISA level
  Algorithm algorithm = Algorithm::portable;
};

/// Arguments of a forward pass. All memory belongs to the caller and lies in the exec's memory.
template <class T> struct ForwardArgs {
  int num_src = 0;
  Tensor<const T> src[max_inputs];      ///< `[N,H,W,C]`, channels contiguous, other strides free
  Tensor<const T> weights[max_weights]; ///< dense; null where the layer has none
  Tensor<T> dst;                        ///< `[N,H,W,C]`
  const void* prepared = nullptr;       ///< weights as `prepare` left them; null in training
  void* saved = nullptr;                ///< `saved_bytes` for backward; null in inference
  Workspace workspace;                  ///< `workspace_bytes`
  Algorithm algorithm = Algorithm::portable;
  bool training = false;  ///< batch norm: batch statistics instead of the running ones
  bool recompute = false; ///< layers with `recomputes`: fill dst again, with the same bits, from what `saved` holds
  Philox random{0};       ///< dropout in training: this node's numbers in this step and micro-batch
};

/// Arguments of a backward pass: gradients of a scalar loss with respect to sources and weights.
template <class T> struct BackwardArgs {
  int num_src = 0;
  Tensor<const T> src[max_inputs]; ///< what forward read; valid only where backward_reads_src
  Tensor<const T> weights[max_weights];
  Tensor<const T> dst; ///< what forward wrote; valid only where backward_reads_dst
  Tensor<const T> diff_dst;
  Tensor<T> diff_src[max_inputs];       ///< null: not wanted
  bool accumulate_src[max_inputs] = {}; ///< add to diff_src[i] instead of overwriting it
  Tensor<T> diff_weights[max_weights];  ///< null: not wanted
  bool accumulate_weights = false;
  const void* saved = nullptr;
  Workspace workspace;
  Algorithm algorithm = Algorithm::portable;
  bool training = true; ///< whether forward ran in training mode
  Philox random{0};     ///< as forward had it
};

/// Overwrites or accumulates, as the plan asked for.
template <class T> LEADLINE_INLINE_FUNCTION void store(T& where, T value, bool accumulate) {
  where = accumulate ? where + value : value;
}

} // namespace leadline
