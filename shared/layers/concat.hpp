// Concatenation of channels.
#pragma once

#include "shared/layers/quantization.hpp"

namespace leadline {

/// dst = sources side by side along C, in their order. A plan may let a source (or, backward, its gradient) be the very
/// slice of dst where it belongs: then nothing is copied.
struct Concat {
  static constexpr const char* name = "concat";
  using Params = NoParams;
  static constexpr int min_inputs = 1, max_inputs = leadline::max_inputs;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;
  static constexpr bool pointwise = true;

  static Status infer(const Params& params, const Shape* src, int num_src, Shape* dst) {
    *dst = {};
    if (num_src < min_inputs || num_src > max_inputs) return Status::invalid_argument;
    *dst = src[0];
    dst->c = 0;
    for (int i = 0; i < num_src; ++i) {
      if (const Status status = check_shape(src[i]); status != Status::ok) return status;
      if (src[i].n != src[0].n || src[i].h != src[0].h || src[i].w != src[0].w) return Status::invalid_shape;
      dst->c += src[i].c;
    }
    const Status status = check_shape(*dst);
    return status == Status::ok ? check_no_params(params) : status;
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec> static void forward(const Exec& exec, const Params&, const ForwardArgs<T>& args) {
    index_t first_channel = 0;
    for (int i = 0; i < args.num_src; ++i) {
      const Tensor<const T> src = args.src[i];
      const Tensor<T> dst = args.dst.channels(first_channel, src.shape.c);
      first_channel += src.shape.c;
      if (same_place(src, Tensor<const T>(dst))) continue;
      const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
        const T* x = &src(n, h, w, 0);
        T* y = &dst(n, h, w, 0);
        for (index_t c = first; c < last; ++c) y[c] = x[c];
      };
      parallel_pixels(exec, "leadline::concat::forward", src.shape, kernel);
    }
  }

  /// Sources whose gradient isn't wanted still take their channels: `args.src[i].shape` must be filled in.
  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    index_t first_channel = 0;
    for (int i = 0; i < args.num_src; ++i) {
      const Tensor<T> diff_src = args.diff_src[i];
      const index_t channels = diff_src ? diff_src.shape.c : args.src[i].shape.c;
      const Tensor<const T> diff_dst = args.diff_dst.channels(first_channel, channels);
      const bool accumulate = args.accumulate_src[i];
      first_channel += channels;
      if (!diff_src || same_place(diff_dst, Tensor<const T>(diff_src))) continue;
      const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
        const T* dy = &diff_dst(n, h, w, 0);
        T* dx = &diff_src(n, h, w, 0);
        for (index_t c = first; c < last; ++c) store(dx[c], dy[c], accumulate);
      };
      parallel_pixels(exec, "leadline::concat::backward", diff_src.shape, kernel);
    }
  }

  static constexpr Int8Grid int8_grid = Int8Grid::same;
  static const char* check_int8(const Params&, const LayerShapes&) { return nullptr; }

  template <class Exec> static void forward_int8(const Exec& exec, const Params&, const Int8Args& args) {
    index_t first_channel = 0;
    for (int i = 0; i < args.num_src; ++i) {
      const Tensor<uint8_t> dst = args.dst.channels(first_channel, args.src[i].shape.c);
      first_channel += args.src[i].shape.c;
      if (!same_place(args.src[i], Tensor<const uint8_t>(dst)))
        copy_bytes(exec, "leadline::concat::forward_int8", args.src[i], dst);
    }
  }

  template <class T> static bool same_place(const Tensor<const T>& a, const Tensor<const T>& b) {
    return a.data == b.data && a.stride_n == b.stride_n && a.stride_h == b.stride_h && a.stride_w == b.stride_w;
  }
};

} // namespace leadline
