// Convolutions of every algorithm and ISA level at the edges: denormal numbers, pointers aligned to nothing but a
// float, tiny, long and empty shapes.
#include "shared/layers/host/conv_host.hpp"
#include "tests/shared/layers/host_support.hpp"

using namespace leadline;
using namespace leadline::testing;

namespace {

constexpr Algorithm algorithms[] = {Algorithm::host_gemm, Algorithm::winograd4, Algorithm::winograd6};

// Dense tensors that begin one float behind an aligned address.
struct Unaligned {
  explicit Unaligned(const Shape& shape_)
      : bytes(static_cast<size_t>(shape_.count() + 1) * sizeof(float)), shape(shape_) {}
  float* data() const { return reinterpret_cast<float*>(bytes.data) + 1; }
  Bytes bytes;
  Shape shape;
};

ConvGeometry same(index_t n, index_t h, index_t w, index_t ic, index_t oc, index_t kernel, index_t groups = 1) {
  return {n, h, w, ic, h, w, oc, kernel, kernel, 1, 1, kernel / 2, kernel / 2, 1, 1, groups};
}

// value(draw) gives the image's numbers, weight(draw) the weights'.
struct Numbers {
  Unaligned image, weights, bias, output;
  std::vector<double> reference;

  template <class F, class G>
  Numbers(const ConvGeometry& g, const F& value, const G& weight)
      : image({g.n, g.ih, g.iw, g.ic}), weights({g.oc, g.kh, g.kw, g.group_ic()}), bias({1, 1, 1, g.oc}),
        output({g.n, g.oh, g.ow, g.oc}), reference(static_cast<size_t>(output.shape.count())) {
    Draw draw;
    const auto fill = [&](const Unaligned& tensor, const auto& next) {
      std::vector<double> wide(static_cast<size_t>(tensor.shape.count()));
      for (size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<double>(tensor.data()[i] = next(draw));
      return wide;
    };
    const std::vector<double> x = fill(image, value), w = fill(weights, weight), b = fill(bias, weight);
    conv::apply<double>(HostExec(), "", g, {x.data(), image.shape}, {w.data(), weights.shape}, {b.data(), bias.shape},
                        {}, {reference.data(), output.shape}, false);
  }
};

std::vector<float> run(const ConvGeometry& g, Algorithm algorithm, const Numbers& numbers) {
  constexpr ConvDirection direction = ConvDirection::apply;
  const Bytes prepared(host::conv_prepared_bytes<float>(g, direction, algorithm));
  const Bytes workspace(host::conv_run_bytes<float>(g, direction, algorithm, 1));
  const Tensor<const float> weights(numbers.weights.data(), numbers.weights.shape);
  host::conv_prepare<float>(HostExec(), "", g, direction, algorithm, weights, prepared.data);
  host::conv_run<float>(HostExec(), "", g, direction, algorithm, {numbers.image.data(), numbers.image.shape}, weights,
                        prepared.data, {numbers.bias.data(), numbers.bias.shape}, {},
                        {numbers.output.data(), numbers.output.shape}, false, {workspace.data, workspace.size, 1});
  return {numbers.output.data(), numbers.output.data() + numbers.output.shape.count()};
}

template <class F> void for_each_variant(const ConvGeometry& g, const F& f) {
  for_each_level([&](const char* isa) {
    for (const Algorithm algorithm : algorithms) {
      if (host::conv_algorithm(algorithm, g, sizeof(float)) != algorithm) continue;
      INFO(algorithm_name(algorithm) << " on " << isa << ", image " << g.n << "x" << g.ih << "x" << g.iw << "x" << g.ic
                                     << " to " << g.oc << ", kernel " << g.kh << ", groups " << g.groups);
      f(algorithm);
    }
  });
}

double tolerance(Algorithm algorithm) { return algorithm == Algorithm::host_gemm ? 3e-6 : 3e-5; }
float real(Draw& draw) { return static_cast<float>(draw.real()); }
float denormal(Draw& draw) { return static_cast<float>(draw.real()) * 1e-39f; }
float either(Draw& draw) { return draw.integer(0, 2) == 0 ? denormal(draw) : real(draw); }

const ConvGeometry ordinary[] = {same(1, 13, 11, 24, 20, 3), same(2, 9, 14, 33, 40, 1), same(1, 12, 17, 20, 20, 3, 20)};

} // namespace

TEST_CASE("denormal numbers among images and weights don't disturb the others") {
  for (const ConvGeometry& g : ordinary) {
    const Numbers numbers(g, either, either);
    for_each_variant(g, [&](Algorithm algorithm) {
      CHECK_FALSE(!(relative_error(run(g, algorithm, numbers), numbers.reference) <= tolerance(algorithm)));
    });
  }
}

TEST_CASE("nothing but denormal numbers: results are denormal or zero, never wrong") {
  for (const ConvGeometry& g : ordinary) {
    const Numbers images(g, denormal, real), both(g, denormal, denormal);
    for_each_variant(g, [&](Algorithm algorithm) {
      // Their distance is 1.4e-45 and some hundred are summed; Winograd's matrices multiply that by up to 100.
      const double absolute = algorithm == Algorithm::host_gemm ? 1e-42 : 1e-40;
      for (const Numbers* numbers : {&images, &both}) {
        const std::vector<float> result = run(g, algorithm, *numbers);
        double error = 0;
        for (size_t i = 0; i < result.size(); ++i) {
          const double e = std::fabs(static_cast<double>(result[i]) - numbers->reference[i]);
          if (!(e <= error)) error = e;
        }
        CHECK_FALSE(!(error <= absolute));
      }
    });
  }
}

TEST_CASE("tiny, long and empty shapes at unaligned addresses") {
  for (const index_t kernel : {1, 3})
    for (const ConvGeometry& g :
         {same(1, 1, 1, 1, 1, kernel), same(3, 1, 2, 5, 3, kernel), same(1, 2, 1, 33, 1, kernel),
          same(1, 1, 3001, 3, 5, kernel), same(1, 2003, 1, 1, 17, kernel), same(0, 7, 5, 3, 5, kernel),
          same(1, 5, 7, 16, 16, kernel, 16)}) {
      const Numbers numbers(g, real, real);
      for_each_variant(g, [&](Algorithm algorithm) {
        CHECK_FALSE(!(relative_error(run(g, algorithm, numbers), numbers.reference) <= tolerance(algorithm)));
      });
    }
}
