// Weight gradients on host execs, each algorithm by itself, against sums in double: odd sizes, channel tails, slices,
// batches, every ISA level; and the same bits for any number of threads.
#include "shared/layers/host/conv_weight_gradient.hpp"
#include "tests/shared/layers/host_support.hpp"

using namespace leadline;
using namespace leadline::testing;

namespace {

enum class Method { direct, winograd };

// A convolution with both sides, which are slices of tensors that are wider than they are.
template <class T> struct Problem {
  ConvGeometry g;
  std::vector<T> image, output;
  static constexpr index_t gap = 3;

  Problem(const ConvGeometry& geometry, Draw* draw) : g(geometry) {
    image = draw->values<T>(g.n * g.ih * g.iw * (g.ic + gap));
    output = draw->values<T>(g.n * g.oh * g.ow * (g.oc + gap));
  }
  Tensor<const T> image_slice() const {
    return Tensor<const T>(image.data(), {g.n, g.ih, g.iw, g.ic + gap}).channels(2, g.ic);
  }
  Tensor<const T> output_slice() const {
    return Tensor<const T>(output.data(), {g.n, g.oh, g.ow, g.oc + gap}).channels(1, g.oc);
  }
  size_t weights() const { return static_cast<size_t>(g.oc * g.taps() * g.group_ic()); }

  std::vector<double> expected() const {
    std::vector<double> sums(weights());
    const Tensor<const T> x = image_slice(), y = output_slice();
    for (index_t o = 0; o < g.oc; ++o)
      for (index_t kh = 0; kh < g.kh; ++kh)
        for (index_t kw = 0; kw < g.kw; ++kw)
          for (index_t c = 0; c < g.group_ic(); ++c) {
            double sum = 0;
            for (index_t n = 0; n < g.n; ++n)
              for (index_t i = 0; i < g.oh; ++i)
                for (index_t j = 0; j < g.ow; ++j) {
                  const index_t h = i * g.stride_h - g.padding_top + kh * g.dilation_h;
                  const index_t w = j * g.stride_w - g.padding_left + kw * g.dilation_w;
                  if (h < 0 || h >= g.ih || w < 0 || w >= g.iw) continue;
                  sum += static_cast<double>(x(n, h, w, o / g.group_oc() * g.group_ic() + c)) *
                         static_cast<double>(y(n, i, j, o));
                }
            sums[static_cast<size_t>(((o * g.kh + kh) * g.kw + kw) * g.group_ic() + c)] = sum;
          }
    return sums;
  }

  // The gradient, added to `start` where that is not zero.
  std::vector<T> run(Method method, const HostExec& exec, T start) const {
    const Bytes workspace(method == Method::winograd ? host::winograd_gradient_bytes(g, exec.threads())
                                                     : host::direct_gradient_bytes<T>(g, exec.threads()));
    std::vector<T> result(weights(), start == T(0) ? T(77) : start);
    const Tensor<T> to(result.data(), {g.oc, g.kh, g.kw, g.group_ic()});
    const Workspace work{workspace.data, workspace.size, exec.threads()};
    if (method == Method::direct) {
      host::direct_weight_gradient(exec, "test", g, image_slice(), output_slice(), to, start != T(0), work);
    } else if constexpr (sizeof(T) == sizeof(float)) {
      host::winograd_weight_gradient(exec, "test", g, image_slice(), output_slice(), to, start != T(0), work);
    }
    return result;
  }
};

template <class T> void check(const Problem<T>& problem, Method method, double tolerance) {
  static const Pool two(2), three(3);
  const ConvGeometry& g = problem.g;
  const std::vector<double> expected = problem.expected();
  for_each_level([&](const char* isa) {
    INFO((method == Method::winograd ? "winograd" : "direct")
         << " on " << isa << ": " << g.n << "x" << g.ih << "x" << g.iw << "x" << g.ic << " to " << g.oh << "x" << g.ow
         << "x" << g.oc << ", kernel " << g.kh << "x" << g.kw << ", stride " << g.stride_h << "x" << g.stride_w
         << ", padding " << g.padding_top << "," << g.padding_left << ", groups " << g.groups);
    const std::vector<T> alone = problem.run(method, HostExec(), T(0));
    CHECK_FALSE(!(relative_error(alone, expected) <= tolerance));
    CHECK(same_bits(problem.run(method, HostExec(&two.runner), T(0)), alone));
    CHECK(same_bits(problem.run(method, HostExec(&three.runner), T(0)), alone));
    const std::vector<T> added = problem.run(method, HostExec(), T(0.5));
    bool sums = true;
    for (size_t i = 0; i < added.size(); ++i) sums = sums && added[i] == T(0.5) + alone[i];
    CHECK(sums);
  });
}

ConvGeometry geometry(index_t n, index_t h, index_t w, index_t ic, index_t oc, index_t kernel, index_t stride,
                      index_t padding, index_t groups = 1) {
  return {n,
          h,
          w,
          ic,
          (h + 2 * padding - kernel) / stride + 1,
          (w + 2 * padding - kernel) / stride + 1,
          oc,
          kernel,
          kernel,
          stride,
          stride,
          padding,
          padding,
          1,
          1,
          groups};
}

} // namespace

TEST_CASE("weight gradients by Winograd's algorithm agree with sums in double") {
  Draw draw;
  const index_t channels[] = {1, 3, 5, 8, 16, 17, 33, 64};
  for (int i = 0; i < 40; ++i) {
    const index_t ic = channels[draw.integer(0, 7)], oc = channels[draw.integer(0, 7)];
    ConvGeometry g = geometry(draw.integer(1, 3), draw.integer(3, 21), draw.integer(3, 37), ic, oc, 3, 1, 0);
    g.padding_top = draw.integer(0, 2); // and 0..2 below and to the right
    g.padding_left = draw.integer(0, 2);
    g.oh += g.padding_top + draw.integer(0, 2);
    g.ow += g.padding_left + draw.integer(0, 2);
    check(Problem<float>(g, &draw), Method::winograd, 3e-5);
  }
}

TEST_CASE("weight gradients of wide layers, cut into rows of positions and blocks of channels") {
  Draw draw;
  check(Problem<float>(geometry(2, 9, 11, 130, 70, 3, 1, 1), &draw), Method::winograd, 3e-5);
  check(Problem<float>(geometry(1, 13, 9, 72, 150, 3, 1, 1), &draw), Method::winograd, 3e-5);
  check(Problem<float>(geometry(1, 30, 21, 128, 64, 3, 1, 1), &draw), Method::winograd, 3e-5);
}

TEST_CASE("weight gradients of nothing are zero") {
  Draw draw;
  for (const index_t n : {0, 1}) {
    ConvGeometry g = geometry(n, 7, 5, 16, 9, 3, 1, 1);
    if (n == 1) g.oh = 0;
    const Problem<float> problem(g, &draw);
    for (const Method method : {Method::direct, Method::winograd})
      for (const float v : problem.run(method, HostExec(), 0)) CHECK(v == 0);
  }
}

TEST_CASE("direct weight gradients agree with sums in double") {
  Draw draw;
  const index_t channels[] = {1, 2, 3, 5, 8, 16, 31, 33, 64};
  for (int i = 0; i < 60; ++i) {
    const index_t groups = i % 5 == 4 ? draw.integer(2, 3) : 1;
    const index_t ic = channels[draw.integer(0, 8)] * groups, oc = channels[draw.integer(0, 8)] * groups;
    const index_t kernel = draw.integer(1, 5), stride = draw.integer(1, 3);
    ConvGeometry g = geometry(draw.integer(1, 3), draw.integer(5, 21), draw.integer(5, 45), ic, oc, kernel, stride,
                              draw.integer(0, 2), groups);
    check(Problem<float>(g, &draw), Method::direct, 3e-6);
    check(Problem<double>(g, &draw), Method::direct, 1e-13);
  }
  for (const index_t oc : {1, 2, 4}) // vectors over the image's channels
    for (const index_t kernel : {1, 3})
      for (const index_t ic : {8, 21, 32}) {
        const ConvGeometry g = geometry(2, 13, 31, ic, oc, kernel, oc == 2 ? 2 : 1, kernel / 2);
        check(Problem<float>(g, &draw), Method::direct, 3e-6);
        check(Problem<double>(g, &draw), Method::direct, 1e-13);
      }
  check(Problem<float>(geometry(2, 40, 40, 3, 32, 3, 1, 1), &draw), Method::direct, 3e-6);
  check(Problem<float>(geometry(1, 70, 70, 40, 36, 1, 1, 0), &draw), Method::direct, 3e-6);
  check(Problem<float>(geometry(1, 12, 12, 140, 270, 3, 2, 1), &draw), Method::direct, 3e-6);
}

TEST_CASE("direct weight gradients of depthwise convolutions agree with sums in double") {
  Draw draw;
  const index_t channels[] = {2, 3, 5, 8, 16, 31, 33, 64, 100};
  for (int i = 0; i < 40; ++i) {
    const index_t c = channels[draw.integer(0, 8)], kernel = draw.integer(1, 6), stride = draw.integer(1, 3);
    ConvGeometry g = geometry(draw.integer(1, 3), draw.integer(6, 21), draw.integer(6, 45), c, c, kernel, stride,
                              draw.integer(0, 3), c);
    check(Problem<float>(g, &draw), Method::direct, 3e-6);
    check(Problem<double>(g, &draw), Method::direct, 1e-13);
  }
}
