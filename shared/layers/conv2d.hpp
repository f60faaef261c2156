// conv2d: dst[n,y,x,o] = activation(bias[o] + sum over kh, kw, c of src[n, y s - p + kh d, ..., c] weights[o,kh,kw,c]).
// torch.nn.functional.conv2d, with padding per side; groups = channels is the depthwise convolution.
#pragma once

#include "shared/layers/convolution.hpp"

namespace leadline {

struct Conv2d {
  static constexpr const char* name = "conv2d";
  struct Params {
    int32_t out_channels = 1;
    int32_t kernel_h = 1, kernel_w = 1;
    int32_t stride_h = 1, stride_w = 1;
    int32_t padding_top = 0, padding_bottom = 0, padding_left = 0, padding_right = 0;
    int32_t dilation_h = 1, dilation_w = 1;
    int32_t groups = 1;
    ActivationParams activation; ///< fused epilogue, inference only: backward wants identity
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 2;        ///< weight `[OC,KH,KW,C/groups]`, bias `[1,1,1,OC]`
  static constexpr unsigned optional_weights = 0b10; ///< bias
  static constexpr ConvDirection forward_direction = ConvDirection::apply;
  static constexpr bool backward_reads_src = true, backward_reads_dst = false;

  static Status infer(const Params& p, const Shape* src, int /*num_src*/, Shape* dst) {
    if (p.out_channels < 1 || p.out_channels > max_extent || p.groups < 1) return Status::invalid_argument;
    if (src[0].c < 1 || src[0].c % p.groups != 0 || p.out_channels % p.groups != 0) return Status::invalid_shape;
    *dst = {src[0].n, 0, 0, p.out_channels};
    if (!conv_extent(src[0].h, p.kernel_h, p.stride_h, p.padding_top, p.padding_bottom, p.dilation_h, &dst->h) ||
        !conv_extent(src[0].w, p.kernel_w, p.stride_w, p.padding_left, p.padding_right, p.dilation_w, &dst->w))
      return Status::invalid_shape;
    if (const Status status = check_activation(p.activation); status != Status::ok) return status;
    Shape weights[max_weights];
    weight_shapes(p, src, weights);
    return check_conv_shapes(src[0], weights, *dst, p.groups);
  }
  static void weight_shapes(const Params& p, const Shape* src, Shape* weights) {
    weights[0] = {p.out_channels, p.kernel_h, p.kernel_w, src[0].c / p.groups};
    weights[1] = {1, 1, 1, p.out_channels};
  }
  static ConvGeometry geometry(const Params& p, const Shape& src, const Shape& dst) {
    return {src.n,      src.h,      src.w,      src.c,         dst.h,          dst.w,        dst.c,        p.kernel_h,
            p.kernel_w, p.stride_h, p.stride_w, p.padding_top, p.padding_left, p.dilation_h, p.dilation_w, p.groups};
  }
  static bool strip(Params* p, const LayerShapes& shapes, Rows dst, Rows* src) {
    const index_t span = index_t{p->dilation_h} * (p->kernel_h - 1) + 1;
    return window_rows(span, p->stride_h, shapes.src[0].h, dst, &p->padding_top, &p->padding_bottom, src);
  }
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static Algorithm choose(const LayerShapes& shapes, const Params& p, ComputePrecision precision, bool backward) {
    return host::choose_conv(geometry(p, shapes.src[0], shapes.dst),
                             backward ? conv::opposite(forward_direction) : forward_direction, precision, backward);
  }
  /// What runs where `algorithm` is asked for.
  static Algorithm effective(const LayerShapes& shapes, const Params& p, Algorithm algorithm, size_t element) {
    return host::conv_algorithm(algorithm, geometry(p, shapes.src[0], shapes.dst), element);
  }
  static double cost(const LayerShapes& shapes, const Params& p, Algorithm algorithm) {
    return host::conv_cost(geometry(p, shapes.src[0], shapes.dst), forward_direction, algorithm);
  }
  static size_t prepared_bytes(const LayerShapes& shapes, const Params& p, Algorithm algorithm, size_t element) {
    return conv::prepared_bytes(geometry(p, shapes.src[0], shapes.dst), forward_direction, algorithm, element);
  }
  static size_t in_run_bytes(const LayerShapes& shapes, const Params& p, Algorithm algorithm, size_t element) {
    return conv::in_run_bytes(geometry(p, shapes.src[0], shapes.dst), forward_direction, algorithm, element);
  }
  static size_t workspace_bytes(const LayerShapes& shapes, const Params& p, Pass pass, Algorithm algorithm,
                                size_t element) {
    const ConvGeometry g = geometry(p, shapes.src[0], shapes.dst);
    const size_t bias = pass == Pass::backward ? conv::bias_gradient_bytes(shapes.dst) : 0,
                 run = conv::workspace_bytes(g, forward_direction, pass, algorithm, element, shapes.threads);
    return bias > run ? bias : run;
  }

  template <class T, class Exec> static void prepare(const Exec& exec, const Params& p, const PrepareArgs<T>& args) {
    conv::prepare(exec, "leadline::conv2d::prepare", geometry(p, args.shapes.src[0], args.shapes.dst),
                  forward_direction, args.algorithm, args.weights[0], args.prepared);
  }

  template <class T, class Exec> static void forward(const Exec& exec, const Params& p, const ForwardArgs<T>& args) {
    conv::run(exec, "leadline::conv2d::forward", geometry(p, args.src[0].shape, args.dst.shape), forward_direction,
              args.algorithm, args.src[0], args.weights[0], args.prepared, args.weights[1], p.activation, args.dst,
              false, args.workspace);
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params& p, const BackwardArgs<T>& args) {
    const ConvGeometry g = geometry(p, args.src[0].shape, args.diff_dst.shape);
    if (args.diff_weights[1])
      conv::bias_gradient(exec, "leadline::conv2d::bias_gradient", args.diff_dst, args.diff_weights[1],
                          args.accumulate_weights, args.workspace);
    if (args.diff_weights[0])
      conv::gradient(exec, "leadline::conv2d::weight_gradient", g, args.algorithm, args.src[0], args.diff_dst,
                     args.diff_weights[0], args.accumulate_weights, args.workspace);
    if (args.diff_src[0])
      conv::run(exec, "leadline::conv2d::data_gradient", g, conv::opposite(forward_direction), args.algorithm,
                args.diff_dst, args.weights[0], nullptr, Tensor<const T>(), ActivationParams(), args.diff_src[0],
                args.accumulate_src[0], args.workspace);
  }

  static constexpr Int8Grid int8_grid = Int8Grid::free;
  static const char* check_int8(const Params& p, const LayerShapes& shapes) {
    return conv::check_int8(geometry(p, shapes.src[0], shapes.dst), forward_direction, p.activation.kind);
  }
  static size_t prepared_bytes_int8(const LayerShapes& shapes, const Params& p, Algorithm algorithm) {
    return host::int8_prepared_bytes(geometry(p, shapes.src[0], shapes.dst), forward_direction, algorithm);
  }
  static size_t workspace_bytes_int8(const LayerShapes& shapes, const Params& p, Algorithm algorithm) {
    return host::int8_workspace_bytes(geometry(p, shapes.src[0], shapes.dst), forward_direction, algorithm,
                                      shapes.threads);
  }
  template <class Exec> static void prepare_int8(const Exec& exec, const Params& p, const Int8PrepareArgs& args) {
    host::int8_prepare(exec, "leadline::conv2d::prepare_int8", geometry(p, args.shapes.src[0], args.shapes.dst),
                       forward_direction, args);
  }
  template <class Exec> static void forward_int8(const Exec& exec, const Params& p, const Int8Args& args) {
    conv::forward_int8(exec, "leadline::conv2d::forward_int8", geometry(p, args.src[0].shape, args.dst.shape),
                       forward_direction, p.activation.kind, args.src[0], args.dst, args);
  }
};

} // namespace leadline
