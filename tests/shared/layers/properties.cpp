// What holds for every layer and every case: gradients agree with finite differences, execs and algorithms with each
// other, slices with dense tensors, accumulating with overwriting.
#include "tests/shared/layers/cases.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <set>

using namespace leadline;
using namespace leadline::testing;

namespace {

std::string describe(const RunOptions& o) {
  return std::string(to_string(o.place)) + ", " + to_string(o.precision) + ", " + algorithm_name(o.algorithm);
}

/// Calls compare(name, a's value, b's value) for everything that a run produces.
template <class Compare> void for_each_output(const Result& a, const Result& b, const Compare& compare) {
  compare("dst", a.dst, b.dst);
  REQUIRE(a.diff_src.size() == b.diff_src.size());
  for (size_t i = 0; i < a.diff_src.size(); ++i) compare("diff_src " + std::to_string(i), a.diff_src[i], b.diff_src[i]);
  for (size_t i = 0; i < max_weights; ++i)
    compare("diff_weights " + std::to_string(i), a.diff_weights[i], b.diff_weights[i]);
  compare("running_mean", a.running_mean, b.running_mean);
  compare("running_var", a.running_var, b.running_var);
}

void require_same_bits(const Result& a, const Result& b, const std::string& what) {
  for_each_output(a, b, [&](const std::string& name, const Value& x, const Value& y) {
    INFO(what << ": " << name);
    REQUIRE(same_bits(x, y));
  });
}

/// Errors are relative to each array's largest value, or to `smallest` where all of an array is near zero: rounding
/// follows the terms of a sum, not the sum.
void require_close(const Result& a, const Result& b, double tolerance, double smallest, const std::string& what) {
  for_each_output(a, b, [&](const std::string& name, const Value& x, const Value& y) {
    REQUIRE(x.shape == y.shape);
    double largest = smallest;
    for (size_t i = 0; i < y.data.size(); ++i) largest = std::max(largest, std::abs(y.data[i]));
    for (size_t i = 0; i < y.data.size(); ++i) {
      const double error = std::abs(x.data[i] - y.data[i]);
      if (error <= tolerance * largest) continue;
      INFO(what << ": " << name << " element " << i << ": " << x.data[i] << " instead of " << y.data[i]);
      REQUIRE(error <= tolerance * largest);
    }
  });
}

double dot(const Value& a, const Value& b) {
  double sum = 0;
  for (size_t i = 0; i < a.data.size(); ++i) sum += a.data[i] * b.data[i];
  return sum;
}

} // namespace

TEST_CASE("every layer has cases, and infer accepts them") {
  std::set<uint16_t> seen;
  for (const Case& c : all_cases()) {
    INFO(c.name);
    REQUIRE(run_layer(c.problem, {}).status == Status::ok);
    seen.insert(static_cast<uint16_t>(c.problem.kind));
  }
#define LEADLINE_CHECK(Layer, number) CHECK(seen.count(number) == 1);
  LEADLINE_FOR_EACH_LAYER(LEADLINE_CHECK)
#undef LEADLINE_CHECK
}

TEST_CASE("gradients agree with finite differences") {
  constexpr double step = 1e-5;
  Draw draw(7);
  for (const Case& c : all_cases()) {
    if (!c.finite_differences) continue;
    for (const Algorithm algorithm : algorithms(c.problem.kind)) {
      RunOptions options;
      options.algorithm = algorithm;
      const Result result = run_layer(c.problem, options);
      Problem moved = c.problem;
      moved.diff_dst = {};
      const auto loss = [&] { return dot(c.problem.diff_dst, run_layer(moved, options).dst); };
      double magnitude = 1; // of the loss' terms: what its rounding is relative to
      for (size_t i = 0; i < result.dst.data.size(); ++i)
        magnitude += std::abs(result.dst.data[i] * c.problem.diff_dst.data[i]);

      const auto check = [&](const std::string& name, Value& value, const Value& gradient) {
        REQUIRE(value.data.size() == gradient.data.size());
        const size_t count = value.data.size();
        const std::vector<double> start = value.data;
        for (int trial = 0; trial < 4 && count > 0; ++trial) { // one direction through all elements, three single ones
          std::vector<double> direction(count, 0.0);
          if (trial == 0)
            for (double& v : direction) v = draw.uniform(-1, 1);
          else
            direction[static_cast<size_t>(draw.uniform(0, static_cast<double>(count)))] = 1;
          double expected = 0, terms = 0;
          for (size_t i = 0; i < count; ++i) {
            expected += gradient.data[i] * direction[i];
            terms += std::abs(gradient.data[i] * direction[i]);
          }
          for (size_t i = 0; i < count; ++i) value.data[i] = start[i] + step * direction[i];
          const double above = loss();
          for (size_t i = 0; i < count; ++i) value.data[i] = start[i] - step * direction[i];
          const double below = loss();
          value.data = start;
          const double numeric = (above - below) / (2 * step);
          INFO(c.name << ", " << describe(options) << ": " << name << " trial " << trial << ": gradient " << expected
                      << ", finite difference " << numeric);
          REQUIRE(std::abs(numeric - expected) <= 1e-6 * terms + 1e-9 * magnitude);
        }
      };
      for (size_t i = 0; i < moved.src.size(); ++i) check("src " + std::to_string(i), moved.src[i], result.diff_src[i]);
      for (size_t i = 0; i < max_weights; ++i)
        if (!result.diff_weights[i].absent())
          check("weights " + std::to_string(i), moved.weights[i], result.diff_weights[i]);
    }
  }
}

TEST_CASE("all execs give the same bits, all algorithms the same values") {
  for (const Case& c : all_cases())
    for (const Precision precision : {Precision::f64, Precision::f32}) {
      RunOptions options;
      options.precision = precision;
      const Result reference = run_layer(c.problem, options);
      for (const Algorithm algorithm : algorithms(c.problem.kind)) {
        options.algorithm = algorithm;
        options.place = Place::host;
        const Result host = run_layer(c.problem, options);
        require_close(host, reference, precision == Precision::f64 ? 1e-13 : 3e-5, 1,
                      c.name + ", " + describe(options));
        for (const Place place : places()) {
          if (place == Place::kokkos && !kokkos_on_host() && algorithm != Algorithm::portable) continue;
          options.place = place;
          const Result result = run_layer(c.problem, options);
          if (place != Place::kokkos || kokkos_on_host())
            require_same_bits(result, host, c.name + ", " + describe(options));
          else
            require_close(result, host, precision == Precision::f64 ? 1e-13 : 1e-5, 1,
                          c.name + ", " + describe(options));
          if (place == Place::kokkos) // and the same bits again
            require_same_bits(run_layer(c.problem, options), result, c.name + ", " + describe(options));
        }
      }
    }
}

TEST_CASE("float agrees with double") {
  for (const Case& c : all_cases()) {
    RunOptions options;
    const Result exact = run_layer(c.problem, options);
    options.precision = Precision::f32;
    require_close(run_layer(c.problem, options), exact, 1e-4, 1, c.name);
  }
}

TEST_CASE("slices of larger tensors give the same results as dense tensors") {
  for (const Case& c : all_cases())
    for (const Algorithm algorithm : algorithms(c.problem.kind))
      for (const Place place : {Place::host, places().back()}) {
        if (place == Place::kokkos && !kokkos_on_host() && algorithm != Algorithm::portable) continue;
        RunOptions options;
        options.place = place;
        options.algorithm = algorithm;
        options.precision = Precision::f32;
        const Result dense = run_layer(c.problem, options);
        options.sliced = true;
        const Result sliced = run_layer(c.problem, options);
        INFO(c.name << ", sliced, " << describe(options));
        REQUIRE(same_bits(sliced.dst, dense.dst));
        // Linear joins rows that lie evenly, which changes the order of its weight gradient's sums.
        if (c.problem.kind == layer_kind<Linear>)
          require_close(sliced, dense, 3e-6, 1, c.name);
        else
          require_same_bits(sliced, dense, c.name);
      }
}

TEST_CASE("accumulating adds to what was there") {
  for (const Case& c : all_cases())
    for (const Algorithm algorithm : algorithms(c.problem.kind)) {
      RunOptions options;
      options.algorithm = algorithm;
      Result expected = run_layer(c.problem, options);
      for (Value& value : expected.diff_src)
        for (size_t i = 0; i < value.data.size(); ++i) value.data[i] += accumulate_start(i);
      for (Value& value : expected.diff_weights)
        for (size_t i = 0; i < value.data.size(); ++i) value.data[i] += accumulate_start(i);
      options.accumulate = true;
      const Result result = run_layer(c.problem, options);
      require_close(result, expected, 1e-13, 1, c.name + ", accumulating, " + describe(options));
      options.sliced = true;
      require_close(run_layer(c.problem, options), result, 1e-13, 1, c.name + ", accumulating slices");
    }
}

TEST_CASE("gradients that nobody wants aren't needed for the others") {
  for (const Case& c : all_cases())
    for (const Algorithm algorithm : algorithms(c.problem.kind)) {
      RunOptions options;
      options.algorithm = algorithm;
      const Result all = run_layer(c.problem, options);
      for (const unsigned skip : {0b01u, 0b10u, 0b11u}) {
        options.skip_src = skip;
        options.skip_weights = 0;
        Result expected = all;
        for (size_t i = 0; i < expected.diff_src.size(); ++i)
          if (skip >> i & 1) expected.diff_src[i] = {};
        require_same_bits(run_layer(c.problem, options), expected, c.name + ", without sources' gradients");
        options.skip_src = 0;
        options.skip_weights = skip;
        expected = all;
        for (size_t i = 0; i < max_weights; ++i)
          if (skip >> i & 1) expected.diff_weights[i] = {};
        require_same_bits(run_layer(c.problem, options), expected, c.name + ", without weights' gradients");
      }
    }
}

TEST_CASE("a forward pass from what was saved gives the same bits again") {
  size_t tried = 0;
  for (const Case& c : all_cases()) {
    bool able = false;
    visit_layer(c.problem.kind, [&](auto tag) { able = recomputes<typename decltype(tag)::Layer>(); });
    if (!able) continue;
    for (const Place place : places())
      for (const Precision precision : {Precision::f64, Precision::f32})
        for (const bool sliced : {false, true}) {
          RunOptions options;
          options.place = place;
          options.precision = precision;
          options.sliced = sliced;
          const Value first = run_layer(c.problem, options).dst;
          options.recompute = true;
          INFO(c.name << ", " << describe(options));
          REQUIRE(same_bits(run_layer(c.problem, options).dst, first));
          ++tried;
        }
  }
  CHECK(tried > 100);
}

TEST_CASE("gradients that take the place of diff_dst are the same bits") {
  size_t tried = 0;
  for (const Case& c : all_cases()) {
    bool able = false;
    visit_layer(c.problem.kind, [&](auto tag) { able = backward_in_place<typename decltype(tag)::Layer>(); });
    if (!able) continue;
    for (const Place place : places())
      for (const bool sliced : {false, true}) {
        RunOptions options;
        options.place = place;
        options.precision = Precision::f32;
        options.sliced = sliced;
        const Result apart = run_layer(c.problem, options);
        options.in_place = true;
        require_same_bits(run_layer(c.problem, options), apart, c.name + ", in place, " + describe(options));
        ++tried;
      }
  }
  CHECK(tried > 100);
}

TEST_CASE("batch norm with an activation gives the bits of the two layers") {
  Draw draw(41);
  for (int kind = 0; kind < num_activations; ++kind)
    for (const bool training : {true, false})
      for (const Shape& shape : {Shape{2, 7, 5, 3}, Shape{1, 6, 9, 70}, Shape{2, 20, 33, 16}, Shape{3, 1, 1, 33}})
        for (const Place place : places())
          for (const Precision precision : {Precision::f64, Precision::f32}) {
            RunOptions options;
            options.place = place;
            options.precision = precision;
            ActivationParams activation = make_activation(static_cast<ActivationKind>(kind));
            if (activation.kind == ActivationKind::leaky_relu) activation.alpha = -0.3f;
            Problem norm = Problem::of<BatchNorm2d>({});
            norm.training = training;
            norm.src.push_back(random_value(shape, &draw));
            for (size_t w = 0; w < 4; ++w) norm.weights[w] = random_value({1, 1, 1, shape.c}, &draw);
            for (double& v : norm.weights[3].data) v += 2;
            for (double& v : norm.weights[0].data) v *= 4; // so that relu6 has something to cut
            const Value diff = random_value(shape, &draw);

            norm.diff_dst = diff;
            Problem second = Problem::of<Activation>(activation);
            second.src.push_back(run_layer(norm, options).dst);
            second.diff_dst = diff;
            const Result activated = run_layer(second, options);
            norm.diff_dst = activated.diff_src[0];
            Result expected = run_layer(norm, options);
            expected.dst = activated.dst;

            Problem fused = norm;
            BatchNorm2d::Params params;
            params.activation = activation;
            memcpy(fused.params.data(), &params, sizeof params);
            fused.diff_dst = diff;
            const std::string what = std::string(activation_name(activation.kind)) + (training ? "" : ", evaluation") +
                                     ", " + describe(options) + ", " + to_string(shape);
            const Result result = run_layer(fused, options);
            if (place != Place::kokkos || kokkos_on_host())
              require_same_bits(result, expected, what);
            else
              require_close(result, expected, precision == Precision::f64 ? 1e-13 : 1e-5, 1, what);
          }
}

TEST_CASE("dropout: each element goes with probability p, the others grow by 1 / (1 - p)") {
  for (const float p : {0.1f, 0.5f, 0.8f}) {
    Problem problem = Problem::of<Dropout>({p});
    problem.src.emplace_back(Shape{2, 50, 40, 5});
    for (double& v : problem.src[0].data) v = 1;
    problem.diff_dst = problem.src[0];
    const Result result = run_layer(problem, {});
    REQUIRE(same_bits(result.dst, result.diff_src[0])); // of ones both are the mask itself
    double gone = 0;
    for (const double v : result.dst.data) {
      const bool known = v == 0 || std::abs(v - 1 / (1 - static_cast<double>(p))) <= 1e-6;
      REQUIRE(known);
      gone += v == 0;
    }
    const double n = static_cast<double>(result.dst.data.size()), expected = static_cast<double>(p);
    CHECK(std::abs(gone / n - expected) <= 4 * std::sqrt(expected * (1 - expected) / n));
    problem.training = false;
    CHECK(same_bits(run_layer(problem, {}).dst, problem.src[0]));
  }
}

TEST_CASE("inference gives the same bits as a forward pass that saves for backward") {
  for (const Case& c : all_cases())
    for (const Algorithm algorithm : algorithms(c.problem.kind)) {
      const bool trains = c.problem.kind == layer_kind<BatchNorm2d> || c.problem.kind == layer_kind<Dropout>;
      if (trains && c.problem.training) continue; // batch statistics, masks
      RunOptions options;
      options.algorithm = algorithm;
      const Value saved = run_layer(c.problem, options).dst;
      options.inference = true;
      INFO(c.name);
      REQUIRE(same_bits(run_layer(c.problem, options).dst, saved));
    }
}
