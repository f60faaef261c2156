// The arithmetic that conv2d, conv_transpose2d and linear share.
//
// A convolution relates an image side `[n,ih,iw,ic]` to an output side `[n,oh,ow,oc]` through weights
// `[oc,kh,kw,ic/groups]`: output pixel (y,x) and tap (i,j) meet at image pixel (y stride_h - padding_top + i
// dilation_h, ...). Three sums run over these meetings, and they are all that the three layers need:
//   apply            output side from image side: conv2d forward, conv_transpose2d's data gradient
//   apply_transposed image side from output side: conv2d's data gradient, conv_transpose2d forward
//   weight_gradient  weights from both
// Here they are written for every exec, one thread per result, in a fixed order. host/conv_host.hpp has them as blocked
// matrix products for CPUs.
#pragma once

#include "shared/layers/activation.hpp"
#include "shared/layers/host/training_kernels.hpp"
#include "shared/layers/pixels.hpp"

namespace leadline {

struct ConvGeometry {
  index_t n, ih, iw, ic, oh, ow, oc;
  index_t kh, kw, stride_h, stride_w, padding_top, padding_left, dilation_h, dilation_w, groups;

  LEADLINE_INLINE_FUNCTION index_t group_ic() const { return ic / groups; }
  LEADLINE_INLINE_FUNCTION index_t group_oc() const { return oc / groups; }
  LEADLINE_INLINE_FUNCTION index_t taps() const { return kh * kw; }
  LEADLINE_INLINE_FUNCTION bool depthwise() const { return groups == ic && groups == oc && groups > 1; }
};

/// The two directions in which pixels are computed.
enum class ConvDirection : uint8_t { apply, apply_transposed };

/// Extents of one axis of a convolution: false when a parameter is out of range or no output pixel is left.
inline bool conv_extent(index_t in, index_t kernel, index_t stride, index_t padding_low, index_t padding_high,
                        index_t dilation, index_t* out) {
  constexpr index_t limit = 1 << 16;
  if (in < 0 || in > max_extent || kernel < 1 || kernel > limit || stride < 1 || stride > limit || padding_low < 0 ||
      padding_low > limit || padding_high < 0 || padding_high > limit || dilation < 1 || dilation > limit)
    return false;
  const index_t span = dilation * (kernel - 1) + 1, padded = in + padding_low + padding_high;
  if (padded < span) return false;
  *out = (padded - span) / stride + 1;
  return true;
}

/// What is left of a shape rule once dst is known: source, weights and dst have sizes that can be computed with.
inline Status check_conv_shapes(const Shape& src, const Shape* weights, const Shape& dst, index_t groups) {
  const Shape shapes[] = {src, weights[0], dst};
  for (const Shape& shape : shapes)
    if (const Status status = check_shape(shape); status != Status::ok) return status;
  if (sizeof(size_t) < sizeof(index_t)) {
    // Weights in the form that kernels read are larger: one side of a group is padded to whole panels, and Winograd
    // makes 64 floats of a 3x3 filter. Where addresses are narrow, a layer with few channels on one side could wrap.
    const auto panels = [](index_t channels) { return (channels + 63) / 64 * 64; };
    const index_t taps = weights[0].h * weights[0].w, outputs = weights[0].n / groups, inputs = weights[0].c,
                  by_output = panels(outputs) * inputs, by_input = panels(inputs) * outputs,
                  values = groups * taps * (by_output > by_input ? by_output : by_input);
    const index_t bytes_per_value = taps == 9 ? 32 : 8;
    if (values > static_cast<index_t>(SIZE_MAX / 4) / bytes_per_value) return Status::overflow;
  }
  return Status::ok;
}

namespace conv {

/// dst[n,y,x,o] = activation(bias[o] + sum over taps and channels of src * weights).
template <class T, class Exec>
void apply(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> src, Tensor<const T> weights,
           Tensor<const T> bias, ActivationParams activation, Tensor<T> dst, bool accumulate) {
  const index_t group_ic = g.group_ic(), group_oc = g.group_oc();
  const T alpha = decimal<T>(activation.alpha);
  parallel_for(exec, label, g.n * g.oh * g.ow * g.oc, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t o = i % g.oc, p = i / g.oc, x = p % g.ow, y = p / g.ow % g.oh, n = p / (g.ow * g.oh);
    const index_t first_c = o / group_oc * group_ic;
    T sum(0);
    for (index_t kh = 0; kh < g.kh; ++kh) {
      const index_t sy = y * g.stride_h - g.padding_top + kh * g.dilation_h;
      if (sy < 0 || sy >= g.ih) continue;
      for (index_t kw = 0; kw < g.kw; ++kw) {
        const index_t sx = x * g.stride_w - g.padding_left + kw * g.dilation_w;
        if (sx < 0 || sx >= g.iw) continue;
        const T* s = src.data + src.offset(n, sy, sx) + first_c;
        const T* w = weights.data + ((o * g.kh + kh) * g.kw + kw) * group_ic;
        for (index_t c = 0; c < group_ic; ++c) sum += s[c] * w[c];
      }
    }
    if (bias) sum += bias.data[o];
    store(dst(n, y, x, o), activate(activation.kind, alpha, sum), accumulate);
  });
}

/// dst[n,y,x,c] = activation(bias[c] + sum over the output pixels that tap (y,x) touches of src * weights).
template <class T, class Exec>
void apply_transposed(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> src,
                      Tensor<const T> weights, Tensor<const T> bias, ActivationParams activation, Tensor<T> dst,
                      bool accumulate) {
  const index_t group_ic = g.group_ic(), group_oc = g.group_oc();
  const T alpha = decimal<T>(activation.alpha);
  parallel_for(exec, label, g.n * g.ih * g.iw * g.ic, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t c = i % g.ic, p = i / g.ic, x = p % g.iw, y = p / g.iw % g.ih, n = p / (g.iw * g.ih);
    const index_t first_o = c / group_ic * group_oc, group_c = c % group_ic;
    T sum(0);
    for (index_t kh = 0; kh < g.kh; ++kh) {
      const index_t sy = y + g.padding_top - kh * g.dilation_h; // times stride
      if (sy < 0 || sy % g.stride_h != 0 || sy / g.stride_h >= g.oh) continue;
      for (index_t kw = 0; kw < g.kw; ++kw) {
        const index_t sx = x + g.padding_left - kw * g.dilation_w;
        if (sx < 0 || sx % g.stride_w != 0 || sx / g.stride_w >= g.ow) continue;
        const T* s = src.data + src.offset(n, sy / g.stride_h, sx / g.stride_w) + first_o;
        const T* w = weights.data + ((first_o * g.kh + kh) * g.kw + kw) * group_ic + group_c;
        for (index_t o = 0; o < group_oc; ++o) sum += s[o] * w[o * g.kh * g.kw * group_ic];
      }
    }
    if (bias) sum += bias.data[c];
    store(dst(n, y, x, c), activate(activation.kind, alpha, sum), accumulate);
  });
}

/// diff_weights[o,kh,kw,c] = sum over pixels of image * output side. Rows are summed one by one, then over rows and
/// images: short chains keep float's rounding small.
template <class T, class Exec>
void weight_gradient(const Exec& exec, const char* label, const ConvGeometry& g, Tensor<const T> image,
                     Tensor<const T> output, Tensor<T> diff_weights, bool accumulate) {
  const index_t group_ic = g.group_ic(), group_oc = g.group_oc();
  parallel_for(exec, label, g.oc * g.kh * g.kw * group_ic, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t group_c = i % group_ic, kw = i / group_ic % g.kw, kh = i / (group_ic * g.kw) % g.kh;
    const index_t o = i / (group_ic * g.kw * g.kh), c = o / group_oc * group_ic + group_c;
    T total(0);
    for (index_t n = 0; n < g.n; ++n)
      for (index_t y = 0; y < g.oh; ++y) {
        const index_t sy = y * g.stride_h - g.padding_top + kh * g.dilation_h;
        if (sy < 0 || sy >= g.ih) continue;
        T row(0);
        for (index_t x = 0; x < g.ow; ++x) {
          const index_t sx = x * g.stride_w - g.padding_left + kw * g.dilation_w;
          if (sx >= 0 && sx < g.iw) row += image(n, sy, sx, c) * output(n, y, x, o);
        }
        total += row;
      }
    store(diff_weights.data[i], total, accumulate);
  });
}

/// diff_bias[o] = sum over pixels of diff_dst. `workspace` holds `bias_gradient_bytes`.
template <class T, class Exec>
void bias_gradient(const Exec& exec, const char* label, Tensor<const T> diff_dst, Tensor<T> diff_bias, bool accumulate,
                   Workspace workspace) {
  const Tensor<T> result = diff_bias;
  double* const partial = reinterpret_cast<double*>(workspace.data);
  const auto finish = [=] LEADLINE_FUNCTION(index_t, index_t c, const double* total) {
    store(result.data[c], static_cast<T>(total[0]), accumulate);
  };
  if constexpr (Exec::on_host) {
    const auto sums = host::training_table<T>().norm.sums;
    reduce_pixel_runs<1>(
        exec, label, diff_dst.shape, evenly_spaced(diff_dst),
        [=](index_t n, index_t h, index_t w, index_t count, double* total) {
          host::NormJob<T> run{};
          run.src = &diff_dst(n, h, w, 0);
          run.src_step = diff_dst.stride_w;
          run.pixels = count;
          run.channels = diff_dst.shape.c;
          sums(run, total);
        },
        partial, finish);
  } else {
    reduce_pixels<1>(
        exec, label, diff_dst.shape, PixelGroups::all,
        [=] LEADLINE_FUNCTION(index_t n, index_t h, index_t w, index_t first, index_t last, double* total, index_t) {
          const T* dy = &diff_dst(n, h, w, 0);
          for (index_t c = first; c < last; ++c) total[c - first] += static_cast<double>(dy[c]);
        },
        partial, finish);
  }
}
inline size_t bias_gradient_bytes(const Shape& diff_dst) {
  return reduce_pixels_bytes<double>(diff_dst, PixelGroups::all, 1);
}

} // namespace conv
} // namespace leadline
