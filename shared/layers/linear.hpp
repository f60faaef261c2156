// linear: dst[n,o] = activation(bias[o] + sum over c of src[n,c] weights[o,c]), torch.nn.functional.linear.
// Every pixel is a row: `[N,H,W,C]` is taken as N H W rows, as PyTorch does with leading dimensions.
#pragma once

#include "shared/layers/convolution.hpp"

namespace leadline {

struct Linear {
  static constexpr const char* name = "linear";
  struct Params {
    int32_t out_features = 1;
    ActivationParams activation; ///< fused epilogue, inference only: backward wants identity
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 2;        ///< weight `[O,1,1,C]`, bias `[1,1,1,O]`
  static constexpr unsigned optional_weights = 0b10; ///< bias
  static constexpr bool backward_reads_src = true, backward_reads_dst = false;

  static Status infer(const Params& p, const Shape* src, int /*num_src*/, Shape* dst) {
    if (p.out_features < 1 || p.out_features > max_extent) return Status::invalid_argument;
    if (src[0].c < 1) return Status::invalid_shape;
    *dst = src[0];
    dst->c = p.out_features;
    if (const Status status = check_activation(p.activation); status != Status::ok) return status;
    Shape weights[max_weights];
    weight_shapes(p, src, weights);
    return check_conv_shapes(src[0], weights, *dst, 1);
  }
  static void weight_shapes(const Params& p, const Shape* src, Shape* weights) {
    weights[0] = {p.out_features, 1, 1, src[0].c};
    weights[1] = {1, 1, 1, p.out_features};
  }
  /// A 1x1 convolution. Rows that lie evenly in memory become one image row, so that the blocked kernels see long ones.
  static ConvGeometry geometry(const Shape& src, index_t out_features, bool even) {
    const index_t n = even ? 1 : src.n, h = even ? 1 : src.h, w = even ? src.pixels() : src.w;
    return {n, h, w, src.c, h, w, out_features, 1, 1, 1, 1, 0, 0, 1, 1, 1};
  }
  template <class T> static bool even(const Tensor<T>& t) {
    return (t.shape.h == 1 && t.shape.w == 1) ||
           (t.stride_h == t.shape.w * t.stride_w && t.stride_n == t.shape.h * t.stride_h);
  }
  template <class T> static Tensor<T> rows(Tensor<T> t) {
    if (t.shape.h == 1 && t.shape.w == 1) t.stride_w = t.stride_n;
    t.shape = {1, 1, t.shape.pixels(), t.shape.c};
    t.stride_h = t.stride_n = t.shape.w * t.stride_w;
    return t;
  }
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static Algorithm choose(const LayerShapes& shapes, const Params&, ComputePrecision precision, bool backward) {
    return host::choose_conv(geometry(shapes.src[0], shapes.dst.c, true),
                             backward ? conv::opposite(ConvDirection::apply) : ConvDirection::apply, precision,
                             backward);
  }
  /// What runs where `algorithm` is asked for.
  static Algorithm effective(const LayerShapes& shapes, const Params&, Algorithm algorithm, size_t element) {
    return host::conv_algorithm(algorithm, geometry(shapes.src[0], shapes.dst.c, true), element);
  }
  static double cost(const LayerShapes& shapes, const Params&, Algorithm algorithm) {
    return host::conv_cost(geometry(shapes.src[0], shapes.dst.c, true), ConvDirection::apply, algorithm);
  }
  static size_t prepared_bytes(const LayerShapes& shapes, const Params&, Algorithm algorithm, size_t element) {
    return conv::prepared_bytes(geometry(shapes.src[0], shapes.dst.c, true), ConvDirection::apply, algorithm, element);
  }
  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass pass, Algorithm algorithm,
                                size_t element) {
    size_t bytes = pass == Pass::backward ? conv::bias_gradient_bytes(shapes.dst) : 0;
    for (int flat = 0; flat < 2; ++flat) {
      const size_t run = conv::workspace_bytes(geometry(shapes.src[0], shapes.dst.c, flat != 0), ConvDirection::apply,
                                               pass, algorithm, element, shapes.threads);
      bytes = run > bytes ? run : bytes;
    }
    return bytes;
  }

  template <class T, class Exec> static void prepare(const Exec& exec, const Params&, const PrepareArgs<T>& args) {
    conv::prepare(exec, "leadline::linear::prepare", geometry(args.shapes.src[0], args.shapes.dst.c, true),
                  ConvDirection::apply, args.algorithm, args.weights[0], args.prepared);
  }

  template <class T, class Exec> static void forward(const Exec& exec, const Params& p, const ForwardArgs<T>& args) {
    const bool flat = even(args.src[0]) && even(args.dst);
    const ConvGeometry g = geometry(args.src[0].shape, args.dst.shape.c, flat);
    conv::run(exec, "leadline::linear::forward", g, ConvDirection::apply, args.algorithm,
              flat ? rows(args.src[0]) : args.src[0], args.weights[0], args.prepared, args.weights[1], p.activation,
              flat ? rows(args.dst) : args.dst, false, args.workspace);
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const bool flat = even(args.src[0]) && even(args.diff_dst) && (!args.diff_src[0] || even(args.diff_src[0]));
    const ConvGeometry g = geometry(args.src[0].shape, args.diff_dst.shape.c, flat);
    const Tensor<const T> src = flat ? rows(args.src[0]) : args.src[0];
    const Tensor<const T> diff_dst = flat ? rows(args.diff_dst) : args.diff_dst;
    const Tensor<T> diff_src = flat && args.diff_src[0] ? rows(args.diff_src[0]) : args.diff_src[0];
    if (args.diff_weights[1])
      conv::bias_gradient(exec, "leadline::linear::bias_gradient", diff_dst, args.diff_weights[1],
                          args.accumulate_weights, args.workspace);
    if (args.diff_weights[0])
      conv::gradient(exec, "leadline::linear::weight_gradient", g, args.algorithm, src, diff_dst, args.diff_weights[0],
                     args.accumulate_weights, args.workspace);
    if (diff_src)
      conv::run(exec, "leadline::linear::data_gradient", g, ConvDirection::apply_transposed, args.algorithm, diff_dst,
                args.weights[0], nullptr, Tensor<const T>(), ActivationParams(), diff_src, args.accumulate_src[0],
                args.workspace);
  }

  static constexpr Int8Grid int8_grid = Int8Grid::free;
  static const char* check_int8(const Params& p, const LayerShapes& shapes) {
    return conv::check_int8(geometry(shapes.src[0], shapes.dst.c, true), ConvDirection::apply, p.activation.kind);
  }
  static size_t prepared_bytes_int8(const LayerShapes& shapes, const Params&, Algorithm algorithm) {
    return host::int8_prepared_bytes(geometry(shapes.src[0], shapes.dst.c, true), ConvDirection::apply, algorithm);
  }
  static size_t workspace_bytes_int8(const LayerShapes& shapes, const Params&, Algorithm algorithm) {
    return host::int8_workspace_bytes(geometry(shapes.src[0], shapes.dst.c, true), ConvDirection::apply, algorithm,
                                      shapes.threads);
  }
  template <class Exec> static void prepare_int8(const Exec& exec, const Params&, const Int8PrepareArgs& args) {
    host::int8_prepare(exec, "leadline::linear::prepare_int8", geometry(args.shapes.src[0], args.shapes.dst.c, true),
                       ConvDirection::apply, args);
  }
  template <class Exec> static void forward_int8(const Exec& exec, const Params& p, const Int8Args& args) {
    const bool flat = even(args.src[0]) && even(args.dst);
    conv::forward_int8(exec, "leadline::linear::forward_int8", geometry(args.src[0].shape, args.dst.shape.c, flat),
                       ConvDirection::apply, p.activation.kind, flat ? rows(args.src[0]) : args.src[0],
                       flat ? rows(args.dst) : args.dst, args);
  }
};

} // namespace leadline
