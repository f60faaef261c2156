// Convolutions with bf16 products, on every ISA level that this CPU runs and on emulated matrix registers, against the
// double-precision reference.
#include "shared/layers/host/conv_bf16.hpp"
#include "tests/shared/layers/host_support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

using namespace leadline;
using namespace leadline::testing;

namespace leadline::host {
extern const Bf16Kernels bf16_kernels_emulated; // AMX's kernels over emulated_tiles.hpp
extern const Bf16Gradient bf16_gradient_emulated;
} // namespace leadline::host

namespace {

// A slice of `channels` of a wider tensor: begins at an odd channel, so that nothing is aligned.
template <class T> Tensor<T> slice(std::vector<std::remove_const_t<T>>& all, Shape shape, index_t wide) {
  const index_t channels = shape.c;
  shape.c = wide;
  return Tensor<T>(all.data(), shape).channels(1, channels);
}

std::vector<double> widen(const std::vector<float>& v) { return {v.begin(), v.end()}; }

// Both directions and the weight gradient of one geometry: inputs, and the reference in double.
struct Problem {
  ConvGeometry g;
  ActivationParams activation;
  bool accumulate;
  Shape image_shape, output_shape, weights_shape;
  index_t wide_image, wide_output;
  std::vector<float> image, output, weights, bias;
  std::vector<double> forward, transposed, gradient;

  Problem(const ConvGeometry& geometry, ActivationParams activation_, bool accumulate_, uint64_t seed)
      : g(geometry), activation(activation_), accumulate(accumulate_), image_shape{g.n, g.ih, g.iw, g.ic},
        output_shape{g.n, g.oh, g.ow, g.oc}, weights_shape{g.oc, g.kh, g.kw, g.group_ic()}, wide_image(g.ic + 3),
        wide_output(g.oc + 2) {
    Draw draw;
    draw.next = seed << 32;
    image = draw.values<float>(image_shape.pixels() * wide_image);
    output = draw.values<float>(output_shape.pixels() * wide_output);
    weights = draw.values<float>(weights_shape.count());
    bias = draw.values<float>(g.ic > g.oc ? g.ic : g.oc);
    std::vector<double> x = widen(image), y = widen(output), w = widen(weights), b = widen(bias);
    forward.assign(y.size(), 1.0);
    transposed.assign(x.size(), 1.0);
    gradient.assign(w.size(), 1.0);
    const auto cut = [](std::vector<double>& all, Shape shape, index_t wide) {
      const index_t channels = shape.c;
      shape.c = wide;
      return Tensor<double>(all.data(), shape).channels(1, channels);
    };
    const Tensor<const double> kernel(w.data(), weights_shape);
    const Tensor<double> x_slice = cut(x, image_shape, wide_image), y_slice = cut(y, output_shape, wide_output);
    conv::apply<double>(HostExec(), "", g, x_slice, kernel, Tensor<const double>(b.data(), {1, 1, 1, g.oc}), activation,
                        cut(forward, output_shape, wide_output), accumulate);
    conv::apply_transposed<double>(HostExec(), "", g, y_slice, kernel, Tensor<const double>(b.data(), {1, 1, 1, g.ic}),
                                   activation, cut(transposed, image_shape, wide_image), accumulate);
    conv::weight_gradient<double>(HostExec(), "", g, x_slice, y_slice, Tensor<double>(gradient.data(), weights_shape),
                                  accumulate);
  }
};

struct Results {
  std::vector<float> forward, transposed, gradient;
};

Results run(Problem& p, bool split, const HostExec& exec) {
  Results r;
  r.forward.assign(p.output.size(), 1.0f);
  r.transposed.assign(p.image.size(), 1.0f);
  r.gradient.assign(p.weights.size(), 1.0f);
  for (const ConvDirection direction : {ConvDirection::apply, ConvDirection::apply_transposed}) {
    const bool transposed = direction == ConvDirection::apply_transposed;
    const int threads = exec.threads();
    const Bytes prepared(host::bf16_prepared_bytes(p.g, direction, split));
    const Bytes workspace(host::bf16_workspace_bytes(p.g, direction, split, threads));
    host::bf16_prepare(exec, "", p.g, direction, split, {p.weights.data(), p.weights_shape}, prepared.data);
    const auto src = transposed ? slice<const float>(p.output, p.output_shape, p.wide_output)
                                : slice<const float>(p.image, p.image_shape, p.wide_image);
    const auto dst = transposed ? slice<float>(r.transposed, p.image_shape, p.wide_image)
                                : slice<float>(r.forward, p.output_shape, p.wide_output);
    host::bf16_run(exec, "", p.g, direction, split, src, prepared.data,
                   {p.bias.data(), {1, 1, 1, transposed ? p.g.ic : p.g.oc}}, p.activation, dst, p.accumulate,
                   {workspace.data, workspace.size, exec.threads()});
  }
  const Bytes workspace(host::bf16_gradient_bytes(p.g, split, exec.threads()));
  host::bf16_weight_gradient(exec, "", p.g, split, slice<const float>(p.image, p.image_shape, p.wide_image),
                             slice<const float>(p.output, p.output_shape, p.wide_output),
                             {r.gradient.data(), p.weights_shape}, p.accumulate,
                             {workspace.data, workspace.size, exec.threads()});
  return r;
}

// Every level that can run here, the emulated one included.
template <class F> void for_each_bf16_level(const F& f) {
  for (int i = 0; const char* isa = host::isa_level(i); ++i)
    if (host::force_host_kernels(isa)) f(isa);
  host::force_host_kernels(nullptr);
  host::use_bf16_kernels(&host::bf16_kernels_emulated);
  host::use_bf16_gradient(host::bf16_gradient_emulated);
  f("emulated");
  host::use_bf16_kernels(nullptr);
  host::use_bf16_gradient(nullptr);
}

bool in_float(const std::string& isa) { return isa.find('+') == std::string::npos && isa != "emulated"; }

void check(Problem p) {
  const Pool pool(3);
  for (const bool split : {false, true}) {
    // Activations with bounds make the largest output small beside the sums.
    const bool bounded = p.activation.kind > ActivationKind::relu;
    const double tolerance = (split ? 2e-5 : 1e-2) * (bounded ? 3 : 1);
    Results first;
    for_each_bf16_level([&](const std::string& isa) {
      const Results r = run(p, split, HostExec());
      INFO(isa << (split ? " split" : "") << ": image " << p.g.n << "x" << p.g.ih << "x" << p.g.iw << "x" << p.g.ic
               << ", output " << p.g.oh << "x" << p.g.ow << "x" << p.g.oc << ", kernel " << p.g.kh << "x" << p.g.kw
               << ", stride " << p.g.stride_h << "x" << p.g.stride_w << ", padding " << p.g.padding_top << " "
               << p.g.padding_left << ", dilation " << p.g.dilation_h << "x" << p.g.dilation_w << ", groups "
               << p.g.groups << ", " << activation_name(p.activation.kind) << ", errors "
               << relative_error(r.forward, p.forward) << " " << relative_error(r.transposed, p.transposed) << " "
               << relative_error(r.gradient, p.gradient));
      CHECK_FALSE(!(relative_error(r.forward, p.forward) <= tolerance));
      CHECK_FALSE(!(relative_error(r.transposed, p.transposed) <= tolerance));
      CHECK_FALSE(!(relative_error(r.gradient, p.gradient) <= tolerance));
      if (isa == "emulated" && p.g.oc * p.g.ic > 300) return; // slow
      const Results threads = run(p, split, HostExec(&pool.runner));
      CHECK(same_bits(r.forward, threads.forward));
      CHECK(same_bits(r.transposed, threads.transposed));
      CHECK(same_bits(r.gradient, threads.gradient));
      if (!in_float(isa)) return;
      if (first.gradient.empty()) first = r;
      CHECK(same_bits(first.forward, r.forward));
      CHECK(same_bits(first.transposed, r.transposed));
    });
  }
}

// The output side that belongs to an image; n = -1 where there is none.
ConvGeometry geometry(index_t n, index_t h, index_t w, index_t ic, index_t oc, index_t kh, index_t kw, index_t stride_h,
                      index_t stride_w, index_t padding_h, index_t padding_w, index_t dilation_h, index_t dilation_w,
                      index_t groups) {
  ConvGeometry g{n,  h,        w,        ic,        0,         0,          oc,         kh,
                 kw, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups};
  if (!conv_extent(h, kh, stride_h, padding_h, padding_h, dilation_h, &g.oh) ||
      !conv_extent(w, kw, stride_w, padding_w, padding_w, dilation_w, &g.ow))
    g.n = -1;
  return g;
}
ConvGeometry same(index_t n, index_t h, index_t w, index_t ic, index_t oc, index_t kernel = 3) {
  return geometry(n, h, w, ic, oc, kernel, kernel, 1, 1, kernel / 2, kernel / 2, 1, 1, 1);
}

} // namespace

TEST_CASE("bf16 convolutions agree with the double-precision reference on random shapes") {
  Draw draw;
  for (uint64_t i = 0; i < 40; ++i) {
    index_t groups = 1, ic = draw.integer(1, 40), oc = draw.integer(1, 70);
    if (i % 4 == 2) {
      groups = draw.integer(2, 3);
      ic = groups * draw.integer(1, 13);
      oc = groups * draw.integer(1, 35);
    }
    ConvGeometry g;
    do
      g = geometry(draw.integer(1, 3), draw.integer(1, 17), draw.integer(1, 17), ic, oc, draw.integer(1, 5),
                   draw.integer(1, 5), draw.integer(1, 3), draw.integer(1, 3), draw.integer(0, 3), draw.integer(0, 3),
                   draw.integer(1, 3), draw.integer(1, 3), groups);
    while (g.n < 0);
    check(Problem(
        g, make_activation(static_cast<ActivationKind>(draw.integer(0, static_cast<int>(ActivationKind::softplus)))),
        i % 2 == 1, i)); // exp multiplies errors
  }
}

TEST_CASE("bf16 convolutions: channels off every width") {
  for (const index_t ic : {1, 3, 5, 8, 9, 33, 65})
    for (const index_t oc : {1, 3, 5, 16, 17, 33})
      check(Problem(same(2, 7, 5, ic, oc), make_activation(ActivationKind::relu), false,
                    static_cast<uint64_t>(ic * 100 + oc)));
}

TEST_CASE("bf16 convolutions: pointwise, one pixel, one row, strides that skip, images below the stride") {
  check(Problem(same(1, 1, 1, 40, 40, 1), {}, false, 1));
  check(Problem(same(3, 1, 1, 37, 33), {}, false, 2));
  check(Problem(same(1, 1, 300, 20, 35), {}, false, 3));
  check(Problem(same(2, 300, 1, 20, 35, 1), {}, true, 4));
  check(Problem(geometry(2, 9, 11, 24, 20, 1, 1, 2, 2, 0, 0, 1, 1, 1), {}, false, 5));
  check(Problem(geometry(1, 13, 9, 12, 20, 2, 2, 2, 2, 0, 0, 1, 1, 1), {}, false, 6));
  check(Problem(geometry(1, 2, 3, 12, 20, 3, 3, 5, 4, 1, 1, 1, 1, 1), {}, false, 7));
  check(
      Problem(geometry(1, 23, 21, 3, 18, 7, 7, 2, 2, 3, 3, 1, 1, 1), make_activation(ActivationKind::relu), false, 8));
  check(Problem(geometry(1, 23, 21, 10, 8, 3, 3, 4, 6, 1, 1, 2, 3, 1), {}, false, 9));
}

TEST_CASE("bf16 convolutions: blocks of rows, of columns, and few blocks of many channels") {
  host::force_host_kernels(nullptr);
  const Pool pool(2);
  struct Case {
    ConvGeometry g;
    uint64_t seed;
  };
  for (const Case& c : {Case{same(1, 40, 56, 48, 32), 1}, Case{same(1, 5, 1500, 40, 33), 2},
                        Case{same(2, 12, 12, 130, 160), 3}, Case{same(1, 3, 2500, 4, 8), 4}}) {
    Problem p(c.g, make_activation(ActivationKind::relu), false, c.seed);
    for (const bool split : {false, true}) {
      const double tolerance = split ? 2e-5 : 1e-2;
      const Results r = run(p, split, HostExec()), threads = run(p, split, HostExec(&pool.runner));
      CHECK_FALSE(!(relative_error(r.forward, p.forward) <= tolerance));
      CHECK_FALSE(!(relative_error(r.transposed, p.transposed) <= tolerance));
      CHECK_FALSE(!(relative_error(r.gradient, p.gradient) <= tolerance));
      CHECK(same_bits(r.forward, threads.forward));
      CHECK(same_bits(r.transposed, threads.transposed));
      CHECK(same_bits(r.gradient, threads.gradient));
    }
  }
}

TEST_CASE("bf16 convolutions: an empty batch writes nothing, and its weight gradient is zero") {
  for_each_bf16_level([](const std::string& isa) {
    INFO(isa);
    Problem p(same(0, 6, 6, 20, 20), {}, false, 1);
    const Results r = run(p, false, HostExec());
    CHECK(r.forward.empty());
    for (const float x : r.gradient) CHECK(x == 0.0f);
  });
}

TEST_CASE("bf16 convolutions: what they don't take") {
  CHECK(host::bf16_fits(same(1, 9, 8, 12, 12)));
  CHECK_FALSE(host::bf16_fits(geometry(1, 9, 8, 12, 12, 3, 3, 1, 1, 1, 1, 1, 1, 12)));  // depthwise
  CHECK_FALSE(host::bf16_fits(geometry(1, 80, 90, 2, 3, 2, 2, 1, 1, 0, 0, 70, 75, 1))); // far taps
  CHECK_FALSE(host::bf16_fits(geometry(1, 90, 70, 2, 3, 1, 1, 80, 66, 0, 0, 1, 1, 1))); // long strides
}

TEST_CASE("bf16 convolutions: NaN and infinity reach the pixels that read them and no others") {
  const ConvGeometry g = same(1, 9, 33, 35, 20);
  for (const float special : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const bool split : {false, true})
      for_each_bf16_level([&](const std::string& isa) {
        INFO(isa << " " << special << (split ? " split" : ""));
        Problem p(g, {}, false, 5);
        std::fill(p.weights.begin(), p.weights.end(), 0.25f); // exact: no low halves, no cancelled infinities
        p.image[static_cast<size_t>((4 * 33 + 32) * p.wide_image + 1 + 34)] = special; // the last pixel of a row
        const Results r = run(p, split, HostExec());
        for (index_t y = 0; y < 9; ++y)
          for (index_t x = 0; x < 33; ++x) {
            const bool reads = y >= 3 && y <= 5 && x >= 31;
            const float result = r.forward[static_cast<size_t>((y * 33 + x) * p.wide_output + 1)];
            CHECK(std::isfinite(result) == !reads);
            // infinity times a weight's low half, zero, is NaN
            if (reads && !split) CHECK(std::isnan(result) == std::isnan(special));
          }
      });
}

TEST_CASE("rounding to bf16: nearest, ties to even, NaN kept, and what is left over") {
  const auto bits = [](uint32_t b) { return __builtin_bit_cast(float, b); };
  CHECK(round_to_bf16(1.0f) == 0x3f80);
  CHECK(round_to_bf16(bits(0x3f808000)) == 0x3f80); // tie to even
  CHECK(round_to_bf16(bits(0x3f818000)) == 0x3f82);
  CHECK(round_to_bf16(bits(0x3f808001)) == 0x3f81);
  CHECK(round_to_bf16(bits(0xbf818000)) == 0xbf82);
  CHECK(round_to_bf16(-0.0f) == 0x8000);
  CHECK(round_to_bf16(bits(0x00000001)) == 0x0000);
  CHECK(round_to_bf16(bits(0x00018000)) == 0x0002); // denormals stay
  CHECK(round_to_bf16(bits(0x7f7fffff)) == 0x7f80); // beyond the largest: infinity
  CHECK(round_to_bf16(bits(0x7f800000)) == 0x7f80);
  for (const uint32_t nan : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0x7fc00000u})
    CHECK(std::isnan(widen_bf16(round_to_bf16(bits(nan)))));
  Draw draw;
  for (int i = 0; i < 100000; ++i) {
    const float x = std::ldexp(static_cast<float>(draw.real()), static_cast<int>(draw.integer(-60, 60)));
    const uint16_t high = round_to_bf16(x), low = host::bf16_rest(x, high);
    const float a = widen_bf16(high), b = widen_bf16(low);
    REQUIRE_FALSE(!(std::fabs(x - a) <= std::fabs(x) / 256));
    REQUIRE_FALSE(!(std::fabs((x - a) - b) <= std::fabs(x) / 65536));
  }
  CHECK(host::bf16_rest(bits(0x7f800000), 0x7f80) == 0);
}
