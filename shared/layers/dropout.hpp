// Dropout. N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout: a simple way to prevent
// neural networks from overfitting", JMLR 2014.
#pragma once

#include "shared/layers/pixels.hpp"

namespace leadline {

/// In training each element is 0 with probability p, else src / (1 - p); in evaluation dst = src, and export leaves the
/// layer out. Element i of a dense [N,H,W,C] tensor has number i of `args.random`: backward draws the mask again
/// instead of keeping it.
struct Dropout {
  static constexpr const char* name = "dropout";
  struct Params {
    float p = 0.5f; ///< in [0, 1)
  };
  static constexpr int min_inputs = 1, max_inputs = 1;
  static constexpr int trainable_weights = 0;
  static constexpr bool backward_reads_src = false, backward_reads_dst = false;
  static constexpr bool pointwise = true;
  static constexpr unsigned forward_in_place = 0b1;
  static constexpr bool backward_in_place = true;

  static Status infer(const Params& params, const Shape* src, int /*num_src*/, Shape* dst) {
    *dst = src[0];
    if (const Status status = check_shape(src[0]); status != Status::ok) return status;
    return params.p >= 0 && params.p < 1 ? Status::ok : Status::invalid_argument;
  }
  static void weight_shapes(const Params&, const Shape*, Shape*) {}
  static size_t saved_bytes(const LayerShapes&, const Params&, size_t) { return 0; }
  static size_t workspace_bytes(const LayerShapes&, const Params&, Pass, Algorithm, size_t) { return 0; }

  template <class T, class Exec>
  static void forward(const Exec& exec, const Params& params, const ForwardArgs<T>& args) {
    apply<T>(exec, "leadline::dropout::forward", params, Exec::trains && args.training, args.random, args.src[0],
             args.dst, false);
  }
  template <class T, class Exec>
  static void backward(const Exec& exec, const Params& params, const BackwardArgs<T>& args) {
    if (!args.diff_src[0]) return;
    apply<T>(exec, "leadline::dropout::backward", params, args.training, args.random, args.diff_dst, args.diff_src[0],
             args.accumulate_src[0]);
  }

  /// y = x times the mask, which is its own derivative; y may be x.
  template <class T, class Exec>
  static void apply(const Exec& exec, const char* label, const Params& params, bool training, const Philox& philox,
                    const Tensor<const T>& from, const Tensor<T>& to, bool accumulate) {
    const Tensor<const T> x = from;
    const Tensor<T> y = to;
    const Shape shape = y.shape;
    const Philox random = philox;
    const bool keeps_all = !training || params.p == 0;
    const T scale = keeps_all ? T(1) : T(1) / (T(1) - decimal<T>(params.p));
    const float p = params.p;
    const auto kernel = [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last) {
      const T* in = &x(n, h, w, 0);
      T* out = &y(n, h, w, 0);
      const auto start = static_cast<uint64_t>(((n * shape.h + h) * shape.w + w) * shape.c);
      if (keeps_all) {
        for (index_t c = first; c < last; ++c) store(out[c], in[c], accumulate);
        return;
      }
      PhiloxBlock block{};
      for (index_t c = first; c < last; ++c) {
        const uint64_t i = start + static_cast<uint64_t>(c);
        if (c == first || i % 4 == 0) block = random.block(i / 4);
        const float uniform = static_cast<float>(block.word[i % 4] >> 8) * 0x1p-24f; // as Philox::uniform(i)
        store(out[c], uniform < p ? T(0) : scale * in[c], accumulate);
      }
    };
    parallel_pixels(exec, label, shape, kernel);
  }
};

} // namespace leadline
