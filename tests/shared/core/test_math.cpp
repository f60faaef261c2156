// shared/core/math.hpp against the C library's long double functions, at special values, and bit for bit.
#include "shared/core/math.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace math = leadline::math;

namespace {

constexpr float nan_f = std::numeric_limits<float>::quiet_NaN();
constexpr double nan_d = std::numeric_limits<double>::quiet_NaN();
constexpr float inf_f = std::numeric_limits<float>::infinity();
constexpr double inf_d = std::numeric_limits<double>::infinity();

/// |got - expected| in units of the last place that a T has at `expected`; infinite where one is NaN, or where one is
/// infinite and the other is further away than the largest T.
template <class T> double ulp_error(T got, long double expected) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(got) || std::isnan(expected)) return std::isnan(got) && std::isnan(expected) ? 0.0 : inf_d;
  if (std::isinf(static_cast<T>(expected)) || std::isinf(got)) {
    if (got == static_cast<T>(expected)) return 0.0;
    const bool boundary = std::fabs(got) == Limits::max() || std::fabs(static_cast<T>(expected)) == Limits::max();
    return boundary && (got > 0) == (expected > 0) ? 1.0 : inf_d;
  }
  const int smallest = Limits::min_exponent - 1; // subnormals have the spacing of the smallest normal number
  const int exponent = expected == 0 ? smallest : std::max(static_cast<int>(std::ilogb(expected)), smallest);
  const long double ulp = std::ldexp(1.0L, exponent - (Limits::digits - 1));
  return static_cast<double>(std::fabs(static_cast<long double>(got) - expected) / ulp);
}

/// Every `stride`-th pattern of bits, so all magnitudes and signs, NaN and infinities alike.
std::vector<float> spread(float) {
  std::vector<float> x;
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 14867)
    x.push_back(math::detail::bit_cast<float>(static_cast<uint32_t>(bits)));
  return x;
}

/// The same for double: a step of 2^64 over the golden ratio never repeats and fills the range evenly.
std::vector<double> spread(double) {
  std::vector<double> x;
  for (uint64_t i = 0; i < 250000; ++i) x.push_back(math::detail::bit_cast<double>(i * 0x9e3779b97f4a7c15u));
  return x;
}

/// [low, high] evenly in steps that are no round numbers, both ends included.
template <class T> void add_grid(std::vector<T>& x, double low, double high, int count) {
  for (int i = 0; i < count; ++i) x.push_back(static_cast<T>(low + (high - low) * (i + 0.3183 * (i % 3 == 1)) / count));
  x.push_back(static_cast<T>(high));
}

template <class T> struct Worst {
  double error = 0.0;
  T at = 0;
  long double expected = 0;
};

template <class T, class Function, class Reference>
Worst<T> worst_error(const std::vector<T>& points, Function function, Reference reference) {
  Worst<T> worst;
  for (const T x : points) {
    const long double expected = reference(static_cast<long double>(x));
    const double error = ulp_error<T>(function(x), expected);
    if (!(error <= worst.error)) worst = {error, x, expected};
  }
  return worst;
}

// Where long double is no wider than double, the reference itself is off by as much as half an ulp.
constexpr double slack = LDBL_MANT_DIG > DBL_MANT_DIG ? 0.0 : 0.6;

/// Checks one function in one precision over all magnitudes, and densely in [low, high] and around 0 and +-1.
template <class T, class Function, class Reference>
void check_accuracy(const char* name, double bound, double low, double high, Function function, Reference reference) {
  std::vector<T> points = spread(T{});
  add_grid(points, low, high, 150000);
  add_grid(points, std::max(low, -2.0), std::min(high, 2.0), 150000);
  add_grid(points, std::max(low, -0.02), std::min(high, 0.02), 20000);
  add_grid(points, 0.98, 1.02, 20000);
  const Worst<T> worst = worst_error(points, function, reference);
  INFO(name << (sizeof(T) == 4 ? " (float)" : " (double)") << ": " << worst.error << " ulp at " << std::hexfloat
            << worst.at << ", got " << function(worst.at) << ", expected " << worst.expected);
  CHECK(worst.error <= bound + slack);
}

#define CHECK_ACCURACY(name, float_bound, double_bound, low, high, ...)                                                \
  do {                                                                                                                 \
    const auto reference = [](long double x) -> long double { return __VA_ARGS__; };                                   \
    check_accuracy<float>(                                                                                             \
        #name, float_bound, low, high, [](float x) { return math::name(x); }, reference);                              \
    check_accuracy<double>(                                                                                            \
        #name, double_bound, low, high, [](double x) { return math::name(x); }, reference);                            \
  } while (false)

/// A value that the library promises exactly, sign of zero included.
template <class T> bool same(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

template <class T, class Function> void check_non_decreasing(const char* name, double low, double high, Function f) {
  T y = f(static_cast<T>(low));
  int falls = 0;
  T fell_at = 0;
  const int count = 60000;
  for (int i = 1; i <= count; ++i) {
    const T next_x = static_cast<T>(low + (high - low) * i / count), next_y = f(next_x);
    if (!(next_y >= y)) {
      ++falls;
      fell_at = next_x;
    }
    y = next_y;
  }
  INFO(name << " falls " << falls << " times, last before x = " << fell_at);
  CHECK(falls == 0);
}

/// FNV-1a over the bits of results: one changed bit changes it.
struct Digest {
  uint64_t value = 0xcbf29ce484222325u;
  template <class T> void add(T x) {
    const auto bits = math::detail::to_bits(x);
    for (size_t i = 0; i < sizeof(T); ++i) {
      value ^= static_cast<uint64_t>((bits >> (8 * i)) & 0xff);
      value *= 0x100000001b3u;
    }
  }
};

template <class T, class Function> uint64_t digest(double low, double high, Function f) {
  std::vector<T> points;
  const int count = 4001;
  for (int i = 0; i < count; ++i) points.push_back(static_cast<T>(low + (high - low) / 4096 * i));
  std::vector<T> values(points.size());
  for (size_t i = 0; i < points.size(); ++i) // a loop that compilers vectorise
    values[i] = f(points[i]);
  Digest d;
  for (const T y : values) d.add(y);
  return d.value;
}

} // namespace

TEST_CASE("exponentials are accurate", "[math]") {
  CHECK_ACCURACY(exp, 1.0, 1.0, -760, 720, std::exp(x));
  CHECK_ACCURACY(exp, 1.0, 1.0, -105, 90, std::exp(x));
  CHECK_ACCURACY(expm1, 2.0, 2.0, -50, 90, std::expm1(x));
  CHECK_ACCURACY(sigmoid, 2.5, 2.5, -110, 110, x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)));
  CHECK_ACCURACY(softplus, 2.0, 2.0, -110, 110,
                 std::isnan(x) ? x : std::fmax(x, 0.0L) + std::log1p(std::exp(-std::fabs(x))));
}

TEST_CASE("logarithms are accurate", "[math]") {
  CHECK_ACCURACY(log, 1.0, 1.0, 0, 10, std::log(x));
  CHECK_ACCURACY(log1p, 2.0, 2.0, -1, 10, std::log1p(x));
  CHECK_ACCURACY(log2, 1.5, 1.5, 0, 10, std::log2(x));
  CHECK_ACCURACY(log10, 1.5, 1.5, 0, 10, std::log10(x));
}

TEST_CASE("tanh and erf are accurate", "[math]") {
  CHECK_ACCURACY(tanh, 2.5, 2.5, -21, 21, std::tanh(x));
  CHECK_ACCURACY(tanh, 2.5, 2.5, -1, 1, std::tanh(x));
  CHECK_ACCURACY(erf, 2.5, 2.0, -6, 6, std::erf(x));
}

TEST_CASE("sin, cos and tan are accurate up to 2^20", "[math]") {
  const auto in_range = [](long double x) { return std::fabs(x) <= 0x1p20L; };
  const auto sine = [=](long double x) { return in_range(x) ? std::sin(x) : std::nan(""); };
  const auto cosine = [=](long double x) { return in_range(x) ? std::cos(x) : std::nan(""); };
  const auto tangent = [=](long double x) { return in_range(x) ? std::tan(x) : std::nan(""); };
  for (const double range : {7.0, 1e4, 0x1p20}) {
    const double low = -range, high = range;
    check_accuracy<float>(
        "sin", 0.51, low, high, [](float x) { return math::sin(x); }, sine);
    check_accuracy<double>(
        "sin", 1.0, low, high, [](double x) { return math::sin(x); }, sine);
    check_accuracy<float>(
        "cos", 0.51, low, high, [](float x) { return math::cos(x); }, cosine);
    check_accuracy<double>(
        "cos", 1.0, low, high, [](double x) { return math::cos(x); }, cosine);
    check_accuracy<float>(
        "tan", 0.51, low, high, [](float x) { return math::tan(x); }, tangent);
    check_accuracy<double>(
        "tan", 2.5, low, high, [](double x) { return math::tan(x); }, tangent);
  }
  // Next to multiples of pi/2, where the reduction has to cancel nearly everything.
  std::vector<double> points;
  for (int i = -6400; i <= 6400; ++i) points.push_back(i * 1.5707963267948966);
  const Worst<double> worst = worst_error(
      points, [](double x) { return math::sin(x); }, sine);
  INFO("sin next to a multiple of pi/2: " << worst.error << " ulp at " << worst.at);
  CHECK(worst.error <= 1.0 + slack);
}

TEST_CASE("sqrt is correctly rounded, floor and abs are exact", "[math]") {
  CHECK_ACCURACY(sqrt, 0.501, 0.501, 0, 100, x < 0 ? std::numeric_limits<long double>::quiet_NaN() : std::sqrt(x));
  CHECK_ACCURACY(floor, 0.0, 0.0, -100, 100, std::floor(x));
  CHECK_ACCURACY(floor, 0.0, 0.0, -2e7, 2e7, std::floor(x));
  CHECK_ACCURACY(floor, 0.0, 0.0, -1e16, 1e16, std::floor(x));
  CHECK_ACCURACY(abs, 0.0, 0.0, -2, 2, std::fabs(x));
  for (const double x : {0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 0x1p52, -0x1p52, 0x1p51 + 0.5, -0x1p51 - 0.5}) {
    CAPTURE(x);
    CHECK(same(math::floor(x), std::floor(x)));
    CHECK(same(math::floor(static_cast<float>(x)), std::floor(static_cast<float>(x))));
  }
}

namespace {

/// Out of line because GCC 14 with AVX never pops the long double arguments in a loop as large as the one below.
[[gnu::noinline]] long double reference_pow(double x, double y) {
  return std::pow(static_cast<long double>(x), static_cast<long double>(y));
}

} // namespace

TEST_CASE("pow is accurate for any magnitude of the result", "[math]") {
  double worst = 0, worst_x = 0, worst_y = 0, worst_float = 0;
  for (int i = 1; i <= 1500; ++i)
    for (int j = -200; j <= 200; ++j) {
      const double x = i <= 500 ? i * 0.00731 : i <= 1000 ? 1.0 + (i - 750) * 1.37e-5 : std::pow(1.61, i - 1250);
      const double y = j / 200.0 * 707 / std::log(x == 1.0 ? 2.0 : x) * (i % 2 ? 1.0 : 0.013);
      const long double expected = reference_pow(x, y);
      const double error = static_cast<double>(std::fabs(math::pow(x, y) - expected) / expected);
      if (!(error <= worst)) {
        worst = error;
        worst_x = x;
        worst_y = y;
      }
      const float xf = static_cast<float>(x), yf = static_cast<float>(y * 0.1);
      const long double expected_f = reference_pow(xf, yf);
      const double error_f = ulp_error(math::pow(xf, yf), expected_f);
      if (!(error_f <= worst_float)) worst_float = error_f;
    }
  INFO("relative error " << worst << " at pow(" << std::hexfloat << worst_x << ", " << worst_y << ")");
  CHECK(worst <= 1e-14);
  INFO("pow (float): " << worst_float << " ulp");
  CHECK(worst_float <= 0.51);
}

TEST_CASE("pow follows C at special values", "[math]") {
  const double values[] = {0.0,   -0.0,       1.0,        -1.0,   2.0,        -2.0,        0.5,
                           -0.5,  3.0,        -3.0,       1.5,    -1.5,       inf_d,       -inf_d,
                           nan_d, 1e300,      -1e300,     1e-310, -1e-310,    1e22,        -1e22,
                           1e-22, 0x1p53 - 1, 1 - 0x1p53, 0x1p53, 0x1p52 + 1, 1 + 0x1p-52, 1 - 0x1p-53};
  for (const double x : values)
    for (const double y : values) {
      const double got = math::pow(x, y), expected = std::pow(x, y);
      CAPTURE(x, y, got, expected);
      if (std::isnan(expected) || std::isinf(expected) || expected == 0)
        CHECK(same(got, expected));
      else
        CHECK(std::fabs(got - expected) <= 1e-14 * std::fabs(expected));
      const float xf = static_cast<float>(x), yf = static_cast<float>(y);
      const float got_f = math::pow(xf, yf), expected_f = std::pow(xf, yf);
      CAPTURE(xf, yf, got_f, expected_f);
      if (std::isnan(expected_f) || std::isinf(expected_f) || expected_f == 0)
        CHECK(same(got_f, expected_f));
      else
        CHECK(std::fabs(got_f - expected_f) <= 1.5e-7f * std::fabs(expected_f));
    }
}

TEST_CASE("powi is exact where the result is, and accurate after a million steps", "[math]") {
  for (int base = -40; base <= 40; ++base) {
    double product = 1;
    for (int n = 0; n <= 40 && std::fabs(product) <= 0x1p53; ++n, product *= base) {
      CAPTURE(base, n);
      CHECK(math::powi(base, n) == product);
      CHECK(math::pow(static_cast<double>(base), static_cast<double>(n)) == product);
    }
  }
  for (const double beta : {0.9, 0.95, 0.99, 0.999, 0.9999, 1.0001}) {
    CAPTURE(beta);
    CHECK(math::powi(beta, 0) == 1.0);
    CHECK(math::powi(beta, 1) == beta);
    CHECK(math::powi(beta, 2) == beta * beta);
    for (const int64_t n : {3, 10, 100, 1000, 12345, 100000, 1000000, -1, -17, -4321}) {
      const long double expected = std::pow(static_cast<long double>(beta), static_cast<long double>(n));
      const double got = math::powi(beta, n);
      CAPTURE(n, got);
      if (expected < 0x1p-1022L)
        CHECK(std::fabs(got - expected) <= 0x1p-1074L);
      else
        CHECK(std::fabs(got - expected) <= 1e-14L * expected);
    }
  }
  CHECK(math::powi(-1.0, INT64_MIN) == 1.0);
  CHECK(math::powi(-1.0, INT64_MAX) == -1.0);
  CHECK(math::powi(2.0, INT64_MAX) == inf_d);
  CHECK(same(math::powi(-0.5, INT64_MAX), -0.0));
  CHECK(same(math::powi(-0.0, 3), -0.0));
  CHECK(same(math::powi(-0.0, -3), -inf_d));
  CHECK(math::powi(0.0, 0) == 1.0);
  CHECK(math::powi(nan_d, 0) == 1.0);
  CHECK(std::isnan(math::powi(nan_d, 2)));
  CHECK(same(math::powi(-inf_d, 3), -inf_d));
  CHECK(same(math::powi(-inf_d, -3), -0.0));
  // An exponent that no double holds: (1 + 2^-52)^(2^53 + 1) = e^2 (1 + 2^-52) (1 - 2^-52 + ...).
  const long double expected = std::exp((0x1p53L + 1) * std::log1p(0x1p-52L));
  CHECK(std::fabs(math::powi(1 + 0x1p-52, (int64_t{1} << 53) + 1) - expected) <= 1e-14L * expected);
}

namespace {

template <class T> void check_special_values() {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T zero = 0, one = 1, smallest = std::numeric_limits<T>::denorm_min(), largest = std::numeric_limits<T>::max();
  using Function = T (*)(T);
  const Function all[] = {math::exp,     math::expm1,    math::log, math::log1p, math::log2, math::log10,
                          math::tanh,    math::erf,      math::sin, math::cos,   math::tan,  math::sqrt,
                          math::sigmoid, math::softplus, math::abs, math::floor};
  for (size_t i = 0; i < std::size(all); ++i) {
    CAPTURE(i);
    CHECK(std::isnan(all[i](nan)));
    CHECK(std::isnan(all[i](-nan)));
  }
  // Odd functions, and those that are x near 0, keep the sign of zero and the smallest numbers.
  const Function through_zero[] = {math::expm1, math::log1p, math::tanh, math::erf, math::sin, math::tan};
  for (size_t i = 0; i < std::size(through_zero); ++i) {
    CAPTURE(i);
    CHECK(same(through_zero[i](zero), zero));
    CHECK(same(through_zero[i](-zero), -zero));
    CHECK(same(through_zero[i](smallest), smallest));
    CHECK(same(through_zero[i](-smallest), -smallest));
  }
  CHECK(same(math::exp(zero), one));
  CHECK(same(math::exp(-zero), one));
  CHECK(same(math::exp(inf), inf));
  CHECK(same(math::exp(-inf), zero));
  CHECK(same(math::exp(largest), inf));
  CHECK(same(math::exp(-largest), zero));
  CHECK(same(math::expm1(inf), inf));
  CHECK(same(math::expm1(largest), inf));
  CHECK(same(math::expm1(-inf), -one));
  for (const Function log : {Function{math::log}, Function{math::log2}, Function{math::log10}}) {
    CHECK(same(log(one), zero));
    CHECK(same(log(zero), -inf));
    CHECK(same(log(-zero), -inf));
    CHECK(std::isnan(log(-one)));
    CHECK(std::isnan(log(-smallest)));
    CHECK(std::isnan(log(-inf)));
    CHECK(same(log(inf), inf));
  }
  for (int k = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
       k < std::numeric_limits<T>::max_exponent; ++k) {
    CAPTURE(k);
    CHECK(math::log2(std::ldexp(one, k)) == static_cast<T>(k));
  }
  CHECK(same(math::log1p(-one), -inf));
  CHECK(std::isnan(math::log1p(static_cast<T>(-1.5))));
  CHECK(std::isnan(math::log1p(-inf)));
  CHECK(same(math::log1p(inf), inf));
  for (const Function f : {Function{math::tanh}, Function{math::erf}})
    for (const T x : {inf, largest, static_cast<T>(30)}) {
      CHECK(same(f(x), one));
      CHECK(same(f(-x), -one));
    }
  CHECK(same(math::sigmoid(zero), static_cast<T>(0.5)));
  CHECK(same(math::sigmoid(inf), one));
  CHECK(same(math::sigmoid(-inf), zero));
  CHECK(same(math::softplus(inf), inf));
  CHECK(same(math::softplus(-inf), zero));
  CHECK(same(math::softplus(largest), largest));
  for (const Function f : {Function{math::sin}, Function{math::cos}, Function{math::tan}}) {
    CHECK(std::isnan(f(inf)));
    CHECK(std::isnan(f(-inf)));
    CHECK(std::isnan(f(static_cast<T>(0x1p21))));
  }
  CHECK(same(math::cos(zero), one));
  CHECK(same(math::sqrt(-zero), -zero));
  CHECK(same(math::sqrt(inf), inf));
  CHECK(std::isnan(math::sqrt(-smallest)));
  CHECK(same(math::abs(-inf), inf));
  CHECK(same(math::abs(-zero), zero));
  CHECK(same(math::floor(-inf), -inf));
  CHECK(same(math::floor(-zero), -zero));
  CHECK(same(math::floor(-smallest), -one));

  for (const T a : {-inf, -one, zero, one, inf})
    for (const T b : {-inf, -one, zero, one, inf}) {
      CAPTURE(a, b);
      CHECK(math::min(a, b) == std::min(a, b));
      CHECK(math::max(a, b) == std::max(a, b));
    }
  for (const T a : {-inf, zero, one, inf, nan}) {
    CHECK(std::isnan(math::min(a, nan)));
    CHECK(std::isnan(math::min(nan, a)));
    CHECK(std::isnan(math::max(a, nan)));
    CHECK(std::isnan(math::max(nan, a)));
  }
  for (const T x : {zero, -zero, one, -one, smallest, -smallest, largest, -largest}) {
    CHECK(math::isfinite(x));
    CHECK_FALSE(math::isnan(x));
  }
  for (const T x : {inf, -inf, nan, -nan}) {
    CHECK_FALSE(math::isfinite(x));
    CHECK(math::isnan(x) == std::isnan(x));
  }
}

} // namespace

TEST_CASE("special values", "[math]") {
  check_special_values<float>();
  check_special_values<double>();
  CHECK(math::exp(88.722f) < inf_f); // the last floats before overflow, the first after
  CHECK(math::exp(88.723f) == inf_f);
  CHECK(math::exp(-103.97f) == 0x1p-149f);
  CHECK(math::exp(-103.98f) == 0.0f);
  CHECK(math::exp(709.78) < inf_d);
  CHECK(math::exp(709.79) == inf_d);
  CHECK(math::exp(-745.13) == 0x1p-1074);
  CHECK(math::exp(-745.14) == 0.0);
  CHECK(std::isnan(math::pow(nan_f, 2.0f)));
}

TEST_CASE("increasing functions do not fall", "[math]") {
#define CHECK_NON_DECREASING(name, low, high)                                                                          \
  check_non_decreasing<float>(#name, low, high, [](float x) { return math::name(x); });                                \
  check_non_decreasing<double>(#name, low, high, [](double x) { return math::name(x); })
  CHECK_NON_DECREASING(exp, -110, 90);
  CHECK_NON_DECREASING(exp, -1, 1);
  CHECK_NON_DECREASING(expm1, -50, 90);
  CHECK_NON_DECREASING(expm1, -1, 1);
  CHECK_NON_DECREASING(log, 0, 100);
  CHECK_NON_DECREASING(log, 0.5, 2);
  CHECK_NON_DECREASING(log1p, -1, 100);
  CHECK_NON_DECREASING(log2, 0.5, 4);
  CHECK_NON_DECREASING(log10, 0.5, 20);
  CHECK_NON_DECREASING(tanh, -11, 11);
  CHECK_NON_DECREASING(tanh, -1, 1);
  CHECK_NON_DECREASING(erf, -5, 5);
  CHECK_NON_DECREASING(erf, 0.9, 1.1); // where its two formulas meet
  CHECK_NON_DECREASING(sigmoid, -110, 30);
  CHECK_NON_DECREASING(softplus, -110, 110);
  CHECK_NON_DECREASING(sin, -1.5, 1.5);
  CHECK_NON_DECREASING(tan, -1.5, 1.5);
#undef CHECK_NON_DECREASING
}

TEST_CASE("the same bits from every compiler and instruction set", "[math]") {
  // The digests were recorded once (x86-64, GCC 14). One that differs means that this build's results differ from
  // everybody else's: a contracted multiply-add, fast-math, or a changed formula, which is a change of the bit
  // contract.
#define CHECK_DIGEST(name, low, high, float_digest, double_digest)                                                     \
  do {                                                                                                                 \
    INFO(#name " " << std::hex << "0x" << digest<float>(low, high, [](float x) { return math::name(x); }) << " 0x"     \
                   << digest<double>(low, high, [](double x) { return math::name(x); }));                              \
    CHECK(digest<float>(low, high, [](float x) { return math::name(x); }) == float_digest);                            \
    CHECK(digest<double>(low, high, [](double x) { return math::name(x); }) == double_digest);                         \
  } while (false)
  CHECK_DIGEST(exp, -110, 90, 0x536b7101ecc41bc0u, 0xbd2070b9e7258c1au);
  CHECK_DIGEST(expm1, -30, 30, 0xbc91e2b2263b8944u, 0xd7d373e99c6d4b95u);
  CHECK_DIGEST(log, 1e-3, 50, 0x5836b91fa6e17b70u, 0x5e1fb9ce26e20aadu);
  CHECK_DIGEST(log1p, -0.999, 50, 0x5a8559891cf7b807u, 0x70895e5a4e66c318u);
  CHECK_DIGEST(log2, 1e-3, 50, 0xc4c266ef699c1b21u, 0xf827bab756258197u);
  CHECK_DIGEST(log10, 1e-3, 50, 0x749749bed2a03354u, 0x7fef74ddfed37f6fu);
  CHECK_DIGEST(tanh, -10, 10, 0x77f2189b4bb3e10du, 0x721d2296dd6e1231u);
  CHECK_DIGEST(erf, -5, 5, 0xbe23bebdb4f15535u, 0x6e1f6bf34be3e23u);
  CHECK_DIGEST(sigmoid, -100, 40, 0xc420919feefeaa8cu, 0xfa4ecb8294f93068u);
  CHECK_DIGEST(softplus, -100, 40, 0x7085ee28027a52feu, 0xf60a5633b0c50603u);
  CHECK_DIGEST(sqrt, 0, 100, 0xc7c8935dcef9129cu, 0x49fb71dc10d3712du);
  CHECK_DIGEST(sin, -1000, 1000, 0xfae5595f03322349u, 0x4ce07158a7f92f46u);
  CHECK_DIGEST(cos, -1000, 1000, 0x7649eb58729afbc8u, 0x3fe4f6d08537c3b1u);
  CHECK_DIGEST(tan, -1000, 1000, 0xaa43dce01fcbc47au, 0x10da1ab26c3d3bf6u);
  CHECK_DIGEST(floor, -100, 100, 0x8920217a1ec1b812u, 0x30ff5146ab2f550cu);
#undef CHECK_DIGEST
  Digest powers;
  for (int i = 1; i < 2000; ++i) {
    powers.add(math::pow(i * 0.013, (i % 37 - 18) * 0.71));
    powers.add(math::pow(static_cast<float>(i) * 0.013f, static_cast<float>(i % 37 - 18) * 0.71f));
    powers.add(math::powi(1.0 - i * 1e-4, i * 7));
  }
  INFO("pow 0x" << std::hex << powers.value);
  CHECK(powers.value == 0x7e63899e0e1ec432u);
}
