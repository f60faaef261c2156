// Sum of two tensors.
#pragma once

#include "shared/layers/broadcast.hpp"
#include "shared/layers/host/int8.hpp"
#include "shared/layers/quantization.hpp"

namespace leadline {

/// dst = src[0] + src[1]; src[1] is [N,H,W,C], [N,1,1,C], [N,H,W,1] or [1,1,1,C].
struct Add {
  static constexpr const char* name = "add";
  using Params = NoParams;
  static constexpr int min_inputs = 2, max_inputs = 2;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;
  static constexpr bool pointwise = true;
  static constexpr unsigned forward_in_place = 0b11;

  static Status infer(const Params& params, const Shape* src, int num_src, Shape* dst) {
    return detail::infer_broadcast(params, src, num_src, dst);
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes& shapes, const Params&, Pass pass, Algorithm, size_t) {
    return pass == Pass::backward ? detail::reduce_broadcast_bytes(shapes.src[0], shapes.src[1]) : 0;
  }

  template <class T, class Exec> static void forward(const Exec& exec, const Params&, const ForwardArgs<T>& args) {
    const Tensor<const T> a = args.src[0], b = detail::repeat_pixels(args.src[1]);
    const Tensor<T> dst = args.dst;
    const bool one_channel = b.shape.c != a.shape.c;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T *x = &a(n, h, w, 0), *z = &b(n, h, w, 0);
      T* y = &dst(n, h, w, 0);
      if (one_channel)
        for (index_t c = first; c < last; ++c) y[c] = x[c] + z[0];
      else
        for (index_t c = first; c < last; ++c) y[c] = x[c] + z[c];
    };
    parallel_pixels(exec, "leadline::add::forward", dst.shape, kernel);
  }

  template <class T, class Exec> static void backward(const Exec& exec, const Params&, const BackwardArgs<T>& args) {
    const Tensor<const T> diff_dst = args.diff_dst;
    const Tensor<T> diff_a = args.diff_src[0], diff_b = args.diff_src[1];
    if (diff_a) {
      const bool accumulate = args.accumulate_src[0];
      const auto backward_first = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
        const T* dy = &diff_dst(n, h, w, 0);
        T* dx = &diff_a(n, h, w, 0);
        for (index_t c = first; c < last; ++c) store(dx[c], dy[c], accumulate);
      };
      parallel_pixels(exec, "leadline::add::backward_first", diff_a.shape, backward_first);
    }
    if (diff_b)
      detail::reduce_broadcast(
          exec, "leadline::add::backward_second", diff_dst.shape,
          [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t c) { return diff_dst(n, h, w, c); }, diff_b,
          args.accumulate_src[1], args.workspace);
  }

  static constexpr Int8Grid int8_grid = Int8Grid::free;
  static const char* check_int8(const Params&, const LayerShapes&) { return nullptr; }

  template <class Exec> static void forward_int8(const Exec& exec, const Params&, const Int8Args& args) {
    const Tensor<const uint8_t> a = args.src[0], b = detail::repeat_pixels(args.src[1]);
    const Tensor<uint8_t> dst = args.dst;
    const Quantization qa = args.src_quantization[0], qb = args.src_quantization[1];
    const ByteRange range = byte_range(args.dst_quantization);
    host::Int8AddJob job{};
    job.repeat_b = b.shape.c != a.shape.c;
    job.a_multiplier = qa.scale / args.dst_quantization.scale;
    job.b_multiplier = qb.scale / args.dst_quantization.scale;
    job.a_zero_point = qa.zero_point;
    job.b_zero_point = qb.zero_point;
    job.low = range.low;
    job.high = range.high;
    job.zero_point = range.zero_point;
    if constexpr (built_host_kernels && Exec::on_host) {
      const auto run = host::int8_kernels().add;
      const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
        host::Int8AddJob some = job;
        some.a = &a(n, h, w, first);
        some.b = &b(n, h, w, job.repeat_b ? 0 : first);
        some.dst = &dst(n, h, w, first);
        some.count = last - first;
        run(some);
      };
      if (job.repeat_b)
        parallel_pixels(exec, "leadline::add::forward_int8", dst.shape, kernel);
      else
        parallel_elements(exec, "leadline::add::forward_int8", dst.shape, kernel, a, b, dst);
      return;
    }
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      for (index_t c = first; c < last; ++c) {
        const float left = static_cast<float>(a(n, h, w, c) - job.a_zero_point) * job.a_multiplier;
        const float right = static_cast<float>(b(n, h, w, job.repeat_b ? 0 : c) - job.b_zero_point) * job.b_multiplier;
        dst(n, h, w, c) = to_byte(left + right, range);
      }
    };
    parallel_pixels(exec, "leadline::add::forward_int8", dst.shape, kernel);
  }
};

} // namespace leadline
