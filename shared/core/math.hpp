// Elementary functions for float and double that give the same bits on every machine: exp, log, tanh, erf, pow, ...
//
// C libraries disagree in the last bits, so nothing that trains or predicts may call them. These functions use only
// + - * /, square root, comparisons and bit patterns, all exactly specified by IEEE 754; compiled with
// -ffp-contract=off (nvcc: -fmad=false) and without fast-math, every compiler and ISA produces the same result.
// They are branch-free and inline, so that a loop over them is vectorised (-O3; sqrt needs -fno-math-errno as well).
//
// Accuracy against the exact value, in ulp (units in the last place), as bounded by tests/shared/core/test_math.cpp:
//
//            exp  expm1  log  log1p  log2  log10  tanh  erf  sigmoid  softplus  sin  cos  tan   pow   sqrt
//   float     1     2     1     2     2      2     3     3      3         2      1    1    1     1    0.5
//   double    1     2     1     2     2      2     3     2      3         2      1    1    3   1e-14  0.5
//
// (pow's 1e-14 is relative to the result.)
//
// Special values: NaN gives NaN, overflow gives infinity, and each function's limits at +-infinity and at its poles are
// those of C. Signed zeros are kept by odd functions. Subnormal arguments and results are exact to the same ulp bounds;
// where the caller flushes subnormals (FTZ/DAZ), they are zero. Rounding to nearest is assumed. No errno, no
// exceptions; floating-point status flags are not meaningful. All functions are pure, hence thread-safe.
//
// Coefficients: minimax polynomials fitted for this file by Remez exchange in 50-digit arithmetic and then rounded to
// the type, lowest degree first. Each polynomial states its interval, degree and error before rounding.
#pragma once

#include "shared/core/config.hpp"

namespace leadline::math {

namespace detail {

/// Reads the bits of `From` as a `To` of the same size.
template <class To, class From> LEADLINE_INLINE_FUNCTION To bit_cast(From value) {
  return __builtin_bit_cast(To, value);
}

/// c0 + c1 x + c2 x^2 + ... by Horner's rule: the order of operations is part of the bit contract.
template <class T> LEADLINE_INLINE_FUNCTION T polynomial(T, T c0) { return c0; }
template <class T, class... Rest> LEADLINE_INLINE_FUNCTION T polynomial(T x, T c0, Rest... rest) {
  return c0 + x * polynomial(x, rest...);
}

/// Everything that depends on the precision: layout of the bits, constants, polynomials.
template <class T> struct Precision;

template <> struct Precision<float> {
  using Bits = uint32_t;
  static constexpr int mantissa_bits = 23;
  static constexpr Bits bias = 127;
  static constexpr Bits sign_mask = 0x80000000u;
  static constexpr Bits infinity = 0x7f800000u;
  static constexpr Bits quiet_nan = 0x7fc00000u;
  static constexpr Bits one = 0x3f800000u;
  static constexpr Bits sqrt_half = 0x3f3504f3u;
  static constexpr float largest = 0x1.fffffep+127f;
  static constexpr float smallest_normal = 0x1p-126f;
  static constexpr float two_to_mantissa = 0x1p23f;
  /// Adding this leaves round(x) in the low bits, for |x| < 2^22.
  static constexpr float rounder = 0x1.8p23f;
  static constexpr float log2_e = 0x1.715476p+0f;
  static constexpr float log2_e_minus_1 = 0x1.c551dap-2f;
  static constexpr float log10_e = 0x1.bcb7b2p-2f;
  static constexpr float log10_e_minus_half = -0x1.0d213ap-4f;
  /// log10(2) = high + low, cut like ln 2 below.
  static constexpr float log10_2_high = 0x1.344p-2f;
  static constexpr float log10_2_low = 0x1.3509f8p-18f;
  /// ln 2 = high + low; high has 15 bits, so that its product with an exponent is exact.
  static constexpr float ln2_high = 0x1.62e4p-1f;
  static constexpr float ln2_low = 0x1.7f7d1cp-20f;
  /// exp overflows above `exp_high` and is zero below `exp_low`; expm1 is -1 below `expm1_low`.
  static constexpr float exp_high = 89.0f;
  static constexpr float exp_low = -105.0f;
  static constexpr float expm1_low = -20.0f;
  /// tanh is 1 from here on (to rounding), and so is erf.
  static constexpr float tanh_high = 10.0f;
  static constexpr float erf_high = 3.95f;
  /// Below this, f(x) = x to rounding for expm1, log1p, tanh, sin.
  static constexpr float tiny = 0x1p-26f;

  /// (exp(r) - 1 - r) / r^2 on |r| <= 0.34675 (ln(2)/2 and a margin): degree 4, error 6.3e-8.
  static LEADLINE_INLINE_FUNCTION float exp_tail(float r) {
    return polynomial(r, 0x1p-1f, 0x1.5554dcp-3f, 0x1.5554b8p-5f, 0x1.120ba8p-7f, 0x1.6d7596p-10f);
  }
  /// (2 atanh(s)/s - 2) / s^2 as a function of z = s^2 on [0, 0.02947] (|s| <= 3 - sqrt 8): degree 3, error 1.2e-9.
  static LEADLINE_INLINE_FUNCTION float atanh_tail(float z) {
    return polynomial(z, 0x1.555556p-1f, 0x1.9999ecp-2f, 0x1.245bf2p-2f, 0x1.ddde5p-3f);
  }
  /// erf(x) / x as a function of z = x^2 on [0, 1]: degree 6, error 1.2e-9.
  static LEADLINE_INLINE_FUNCTION float erf_ratio(float z) {
    return polynomial(z, 0x1.20dd74p+0f, -0x1.81273ep-2f, 0x1.ce2d2p-4f, -0x1.b7fbb4p-6f, 0x1.5419f6p-8f,
                      -0x1.a485ecp-11f, 0x1.4ae4dp-14f);
  }
  /// -log(1 - erf(x)) on [1, 3.95]: degree 7, error 2.1e-11 / (1 - erf(x)), so 2.1e-11 in erf.
  static LEADLINE_INLINE_FUNCTION float minus_log_erfc(float x) {
    return polynomial(x, -0x1.8a54a6p-13f, 0x1.212c0cp+0f, 0x1.443568p-1f, 0x1.bc150ap-4f, -0x1.9d02e8p-6f,
                      0x1.138c96p-8f, -0x1.cec58ap-12f, 0x1.6bd74ap-16f);
  }
};

template <> struct Precision<double> {
  using Bits = uint64_t;
  static constexpr int mantissa_bits = 52;
  static constexpr Bits bias = 1023;
  static constexpr Bits sign_mask = 0x8000000000000000u;
  static constexpr Bits infinity = 0x7ff0000000000000u;
  static constexpr Bits quiet_nan = 0x7ff8000000000000u;
  static constexpr Bits one = 0x3ff0000000000000u;
  static constexpr Bits sqrt_half = 0x3fe6a09e667f3bcdu;
  static constexpr double largest = 0x1.fffffffffffffp+1023;
  static constexpr double smallest_normal = 0x1p-1022;
  static constexpr double two_to_mantissa = 0x1p52;
  static constexpr double rounder = 0x1.8p52;
  static constexpr double log2_e = 0x1.71547652b82fep+0;
  static constexpr double log2_e_minus_1 = 0x1.c551d94ae0bf8p-2;
  static constexpr double log10_e = 0x1.bcb7b1526e50ep-2;
  static constexpr double log10_e_minus_half = -0x1.0d213ab646bc7p-4;
  static constexpr double log10_2_high = 0x1.34413509f7p-2;
  static constexpr double log10_2_low = 0x1.3fde623e2566bp-43;
  /// 41 bits and the rest.
  static constexpr double ln2_high = 0x1.62e42fefa3p-1;
  static constexpr double ln2_low = 0x1.3de6af278ece6p-42;
  static constexpr double exp_high = 710.0;
  static constexpr double exp_low = -746.0;
  static constexpr double expm1_low = -40.0;
  static constexpr double tanh_high = 20.0;
  static constexpr double erf_high = 5.95;
  static constexpr double tiny = 0x1p-54;

  /// The same function and interval as for float: degree 11, error 1.7e-20.
  static LEADLINE_INLINE_FUNCTION double exp_tail(double r) {
    return polynomial(r, 0x1p-1, 0x1.5555555555555p-3, 0x1.5555555555557p-5, 0x1.1111111111113p-7,
                      0x1.6c16c16c15a59p-10, 0x1.a01a01a0188c3p-13, 0x1.a01a01a9efd1ep-16, 0x1.71de3a5eca648p-19,
                      0x1.27e4d408b450ap-22, 0x1.ae641b4c80af2p-26, 0x1.1f7f464f5629cp-29, 0x1.61d9b75acf15ap-33);
  }
  /// The same function and interval as for float: degree 7, error 2.1e-18.
  static LEADLINE_INLINE_FUNCTION double atanh_tail(double z) {
    return polynomial(z, 0x1.5555555555555p-1, 0x1.9999999999a3ap-2, 0x1.2492492476691p-2, 0x1.c71c7201ff6fbp-3,
                      0x1.745cf8c29a13ap-3, 0x1.3b1c42bff7c75p-3, 0x1.0fbd3d0f2172p-3, 0x1.0c1134999e017p-3);
  }
  /// The same function and interval as for float: degree 12, error 1.3e-19.
  static LEADLINE_INLINE_FUNCTION double erf_ratio(double z) {
    return polynomial(z, 0x1.20dd750429b6dp+0, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b34p-4, -0x1.b82ce31284f37p-6,
                      0x1.565bcd0dbd8f7p-8, -0x1.c02db3db4914dp-11, 0x1.f9a321e4afa12p-14, -0x1.f4d1e4343e112p-17,
                      0x1.b9df30582cd9p-20, -0x1.5f1f40e25a62bp-23, 0x1.f7b99cf5acbc5p-27, -0x1.38ac22534af27p-30,
                      0x1.06275c7524c6cp-34);
  }
  /// The same function on [1, 5.95]: degree 20, error 1.3e-20 in erf.
  static LEADLINE_INLINE_FUNCTION double minus_log_erfc(double x) {
    return polynomial(x, -0x1.ca4782a014dc3p-26, 0x1.20dd7abaf478ep+0, 0x1.45f2c1df4d98dp-1, 0x1.a4fd12b3936b9p-4,
                      -0x1.39be57782dbc7p-6, -0x1.5e4989ac5138bp-13, 0x1.ab4b9db7a01bbp-10, -0x1.09df71542854ep-11,
                      -0x1.eadff5d5f8416p-15, 0x1.1a577bbe9b032p-13, -0x1.44cde19b1c602p-14, 0x1.f38c7bf697ae9p-16,
                      -0x1.24ad4a23bf9cbp-17, 0x1.0f878116c91d5p-19, -0x1.925f783712261p-22, 0x1.d8e17a504d074p-25,
                      -0x1.b01a5984dea62p-28, 0x1.285c0bb574fe5p-31, -0x1.1f2e4730116a4p-35, 0x1.5e878cbc4acd8p-40,
                      -0x1.952292e4349a8p-46);
  }
};

template <class T> using Bits = typename Precision<T>::Bits;

template <class T> LEADLINE_INLINE_FUNCTION Bits<T> to_bits(T x) { return bit_cast<Bits<T>>(x); }
template <class T> LEADLINE_INLINE_FUNCTION T from_bits(Bits<T> bits) { return bit_cast<T>(bits); }
template <class T> LEADLINE_INLINE_FUNCTION T nan() { return from_bits<T>(Precision<T>::quiet_nan); }
template <class T> LEADLINE_INLINE_FUNCTION T infinity() { return from_bits<T>(Precision<T>::infinity); }
template <class T> LEADLINE_INLINE_FUNCTION Bits<T> sign_of(T x) { return to_bits(x) & Precision<T>::sign_mask; }

template <class T> LEADLINE_INLINE_FUNCTION T abs(T x) { return from_bits<T>(to_bits(x) & ~Precision<T>::sign_mask); }

/// `condition ? a : b` on bit patterns: both sides are computed, so compilers have no branch to keep.
template <class T> LEADLINE_INLINE_FUNCTION T select(bool condition, T a, T b) {
  const Bits<T> mask = Bits<T>{0} - static_cast<Bits<T>>(condition);
  return from_bits<T>((to_bits(a) & mask) | (to_bits(b) & ~mask));
}

/// x limited to [low, high]; NaN stays NaN.
template <class T> LEADLINE_INLINE_FUNCTION T clamp(T x, T low, T high) {
  const T y = select(x < low, low, x);
  return select(y > high, high, y);
}

/// x = n ln 2 + r + r_error with |r| <= ln(2)/2 and r_error below r's last bit; `n` is also there as the low bits of
/// `n_bits`. Needs x within the clamped range of exp.
template <class T> struct ExpReduction {
  T r, r_error;
  Bits<T> n_bits;
};

template <class T> LEADLINE_INLINE_FUNCTION ExpReduction<T> reduce_exp(T x) {
  using P = Precision<T>;
  const T shifted = x * P::log2_e + P::rounder;
  const T n = shifted - P::rounder;
  const T high = x - n * P::ln2_high; // exact
  const T low = n * P::ln2_low;
  const T r = high - low;
  return {r, (high - r) - low, to_bits(shifted) - to_bits(P::rounder)};
}

/// y 2^n for a y near 1, in two exact steps of 2^(n/2), so that only the final rounding into the subnormals is inexact.
template <class T> LEADLINE_INLINE_FUNCTION T scale(T y, Bits<T> n) {
  using P = Precision<T>;
  const Bits<T> exponent = n + 2 * P::bias; // never negative in the range of exp
  const Bits<T> half = exponent >> 1;
  return y * from_bits<T>(half << P::mantissa_bits) * from_bits<T>((exponent - half) << P::mantissa_bits);
}

template <class T> LEADLINE_INLINE_FUNCTION T exp(T x) {
  using P = Precision<T>;
  const ExpReduction<T> e = reduce_exp(clamp(x, P::exp_low, P::exp_high));
  // exp(r) = 1 + (r + r^2 tail(r)); the clamped bounds overflow and underflow by themselves.
  return scale(T{1} + (e.r + (e.r * e.r * P::exp_tail(e.r) + e.r_error)), e.n_bits);
}

template <class T> LEADLINE_INLINE_FUNCTION T expm1(T x) {
  using P = Precision<T>;
  const ExpReduction<T> e = reduce_exp(clamp(x, P::expm1_low, P::exp_high));
  const T expm1_r = e.r + (e.r * e.r * P::exp_tail(e.r) + e.r_error);
  // 2^n (expm1(r) + 1) - 1, halved because 2^n itself may be infinite.
  const T half_power = from_bits<T>((e.n_bits + (P::bias - 1)) << P::mantissa_bits);
  const T y = T{2} * (half_power * expm1_r + (half_power - T{0.5}));
  return select(abs(x) < P::tiny, x, y);
}

/// x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for positive finite x, subnormal or not.
template <class T> struct LogReduction { T f, k; };

template <class T> LEADLINE_INLINE_FUNCTION LogReduction<T> reduce_log(T x) {
  using P = Precision<T>;
  const bool subnormal = x < P::smallest_normal;
  const T y = select(subnormal, x * P::two_to_mantissa, x);
  const T extra = select(subnormal, static_cast<T>(P::mantissa_bits), T{0});
  // Moving sqrt(1/2) to a power of two makes the exponent field count from there.
  const Bits<T> moved = to_bits(y) + (P::one - P::sqrt_half);
  const Bits<T> mantissa_mask = (Bits<T>{1} << P::mantissa_bits) - 1;
  // A small integer or-ed into the mantissa of 2^mantissa_bits is that integer as a float.
  const T exponent = from_bits<T>((moved >> P::mantissa_bits) | to_bits(P::two_to_mantissa));
  return {from_bits<T>((moved & mantissa_mask) + P::sqrt_half) - T{1},
          (exponent - (P::two_to_mantissa + static_cast<T>(P::bias))) - extra};
}

/// f - log(1 + f). With s = f / (2 + f): log(1 + f) = 2 atanh(s) = 2s + s z tail(z), z = s^2, and 2s = f - s f.
template <class T> LEADLINE_INLINE_FUNCTION T log_correction(T f) {
  const T s = f / (T{2} + f);
  const T z = s * s;
  return s * (f - z * Precision<T>::atanh_tail(z));
}

/// k log(2) + (main + small): the sum every logarithm ends with, smallest terms first. log(2) = high + low in the
/// logarithm's base; `main` is exact, so that only the last two additions round at full size.
template <class T> LEADLINE_INLINE_FUNCTION T assemble_log(T k, T high, T low, T main, T small) {
  return k * high + (main + (small + k * low));
}

template <class T> LEADLINE_INLINE_FUNCTION T natural_log(LogReduction<T> l) {
  return assemble_log(l.k, Precision<T>::ln2_high, Precision<T>::ln2_low, l.f, -log_correction(l.f));
}

/// What every logarithm does at `x`, the point itself: `y` where x is positive and finite.
template <class T> LEADLINE_INLINE_FUNCTION T log_limits(T x, T y) {
  y = select(x > Precision<T>::largest, x, y);
  y = select(x == T{0}, -infinity<T>(), y);
  return select(!(x >= T{0}), nan<T>(), y);
}

template <class T> LEADLINE_INLINE_FUNCTION T log(T x) { return log_limits(x, natural_log(reduce_log(x))); }

template <class T> LEADLINE_INLINE_FUNCTION T log2(T x) {
  using P = Precision<T>;
  const LogReduction<T> l = reduce_log(x);
  const T small = l.f * P::log2_e_minus_1 - log_correction(l.f) * P::log2_e;
  return log_limits(x, assemble_log(l.k, T{1}, T{0}, l.f, small));
}

template <class T> LEADLINE_INLINE_FUNCTION T log10(T x) {
  using P = Precision<T>;
  const LogReduction<T> l = reduce_log(x);
  const T small = l.f * P::log10_e_minus_half - log_correction(l.f) * P::log10_e;
  return log_limits(x, assemble_log(l.k, P::log10_2_high, P::log10_2_low, l.f * T{0.5}, small));
}

template <class T> LEADLINE_INLINE_FUNCTION T log1p(T x) {
  using P = Precision<T>;
  const T u = T{1} + x;
  const T v = u - T{1};
  const T lost = (T{1} - (u - v)) + (x - v); // u + lost = 1 + x exactly
  LogReduction<T> l = reduce_log(u);
  // 2^-k, or 0 where x is so large that what was lost doesn't matter.
  const Bits<T> exponent = to_bits(P::rounder - l.k) - to_bits(P::rounder) + P::bias;
  const T shrink = select(l.k < static_cast<T>(P::mantissa_bits + 2), from_bits<T>(exponent << P::mantissa_bits), T{0});
  l.f += lost * shrink; // for k = 0 this is x itself
  return select(abs(x) < P::tiny, x, log_limits(u, natural_log(l)));
}

template <class T> LEADLINE_INLINE_FUNCTION T tanh(T x) {
  using P = Precision<T>;
  // With e = exp(2|x|) - 1: tanh|x| = e / (e + 2), and from |x| = log(3)/2 on 1 - 2 / (e + 2), which comes to rest
  // at 1.
  const T e = expm1(T{2} * clamp(abs(x), T{0}, P::tanh_high));
  const bool large = e > T{2};
  const T quotient = select(large, T{2}, e) / (e + T{2});
  const T magnitude = select(large, T{1} - quotient, quotient);
  const T y = from_bits<T>(to_bits(magnitude) | sign_of(x));
  return select(abs(x) < P::tiny, x, y);
}

template <class T> LEADLINE_INLINE_FUNCTION T sigmoid(T x) {
  const T e = exp(-abs(x)); // never overflows
  return select(x < T{0}, e, T{1}) / (T{1} + e);
}

template <class T> LEADLINE_INLINE_FUNCTION T softplus(T x) { return select(x < T{0}, T{0}, x) + log1p(exp(-abs(x))); }

template <class T> LEADLINE_INLINE_FUNCTION T erf(T x) {
  using P = Precision<T>;
  const T magnitude = abs(x);
  const T small = x * P::erf_ratio(x * x);
  const T large = T{1} - exp(-P::minus_log_erfc(clamp(magnitude, T{1}, P::erf_high)));
  return select(magnitude < T{1}, small, from_bits<T>(to_bits(large) | sign_of(x)));
}

template <class T> LEADLINE_INLINE_FUNCTION T floor(T x) {
  using P = Precision<T>;
  // |x| + 2^mantissa_bits has no room for a fraction: the sum is rounded to an integer.
  const T magnitude = abs(x);
  const T nearest = from_bits<T>(to_bits((magnitude + P::two_to_mantissa) - P::two_to_mantissa) | sign_of(x));
  const T y = nearest - select(nearest > x, T{1}, T{0});
  return select(magnitude < P::two_to_mantissa, y, x); // larger ones are integers, infinite or NaN
}

/// An unevaluated sum high + low with |low| at most half of high's last bit: about 106 bits.
struct DoubleDouble {
  double high, low;
};

/// a + b exactly, for |a| >= |b| or a = 0.
LEADLINE_INLINE_FUNCTION DoubleDouble exact_sum(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

/// a b exactly (Dekker 1971), each factor cut into two halves whose products fit into a double.
LEADLINE_INLINE_FUNCTION DoubleDouble exact_product(double a, double b) {
  const uint64_t upper = ~uint64_t{0x7ffffff};
  const double a_high = from_bits<double>(to_bits(a) & upper), a_low = a - a_high;
  const double b_high = from_bits<double>(to_bits(b) & upper), b_low = b - b_high;
  const double product = a * b;
  return {product, ((a_high * b_high - product) + (a_high * b_low + a_low * b_high)) + a_low * b_low};
}

/// log(x) to about 60 bits, for positive finite x: the leading term of the series is kept as a DoubleDouble.
LEADLINE_INLINE_FUNCTION DoubleDouble precise_log(double x) {
  using P = Precision<double>;
  const LogReduction<double> l = reduce_log(x);
  const DoubleDouble divisor = exact_sum(2.0, l.f);
  const double s = l.f / divisor.high;
  const DoubleDouble back = exact_product(s, divisor.high);
  const double s_low = (((l.f - back.high) - back.low) - s * divisor.low) / divisor.high;
  const double z = s * s;
  const double tail = s * z * P::atanh_tail(z);
  const DoubleDouble sum = exact_sum(l.k * P::ln2_high, 2.0 * s);
  return exact_sum(sum.high, sum.low + (tail + (2.0 * s_low + l.k * P::ln2_low)));
}

/// x^(y + y_low) for positive finite x and |y_low| far below |y|: exp(y log(x)) with about 60 bits in between.
LEADLINE_INLINE_FUNCTION double positive_power(double x, double y, double y_low) {
  using P = Precision<double>;
  const DoubleDouble log_x = precise_log(x);
  y = clamp(y, -0x1p70, 0x1p70); // far beyond overflow for every x but 1, and keeps the products finite
  const DoubleDouble product = exact_product(y, log_x.high);
  const double low = product.low + (y * log_x.low + y_low * log_x.high);
  const double exponent = clamp(product.high, P::exp_low, P::exp_high);
  const ExpReduction<double> e = reduce_exp(exponent);
  const double r_low = e.r_error + select(exponent == product.high, low, 0.0);
  // exp(r + r_low) = exp(r) + r_low exp(r), with exp(r) = (1 + r) + tail; 1 + r exact, so that one rounding remains.
  const DoubleDouble sum = exact_sum(1.0, e.r);
  const double tail = e.r * e.r * P::exp_tail(e.r);
  return scale(sum.high + (sum.low + (tail + r_low * (sum.high + tail))), e.n_bits);
}

/// sin(x) and cos(x). x = q pi/2 + r, pi/2 in three parts of 33, 33 and 53 bits: the first two products are exact.
struct SinCos {
  double sine, cosine;
};

LEADLINE_INLINE_FUNCTION SinCos sin_cos(double x) {
  using P = Precision<double>;
  const double shifted = x * 0x1.45f306dc9c883p-1 + P::rounder;
  const double q = shifted - P::rounder;
  const double a = x - q * 0x1.921fb544p+0;
  const double b = q * -0x1.0b4611a6p-34;
  const double sum = a + b;
  const double part = sum - a;
  const double lost = (a - (sum - part)) + (b - part); // sum + lost = a + b exactly, whichever is larger
  const double low = lost - q * 0x1.3198a2e037073p-69;
  const double r = sum + low;
  const double r_low = (sum - r) + low;
  const double z = r * r;
  // (sin(r)/r - 1)/z for z in [0, 0.6175]: degree 6, error 1.2e-20; (cos(r) - 1 + z/2)/z^2: degree 5, error 1.3e-18.
  const double sine_tail =
      polynomial(z, -0x1.5555555555555p-3, 0x1.111111111111p-7, -0x1.a01a01a01993p-13, 0x1.71de3a545f9b1p-19,
                 -0x1.ae6454110e23cp-26, 0x1.61217dace524fp-33, -0x1.ab1704228bda7p-41);
  const double cosine_tail = polynomial(z, 0x1.5555555555555p-5, -0x1.6c16c16c16964p-10, 0x1.a01a019f4df8fp-16,
                                        -0x1.27e4fa16e89fbp-22, 0x1.1eeb67ea7a39dp-29, -0x1.907cea0cf7388p-37);
  const double sine = r + (r * z * sine_tail + r_low * (1.0 - 0.5 * z));
  const DoubleDouble head = exact_sum(1.0, -0.5 * z);
  const double cosine = head.high + (head.low + (z * z * cosine_tail - r * r_low));
  // Quarter turns: odd ones exchange the two, then the signs follow the quadrant.
  const uint64_t quadrant = to_bits(shifted);
  const bool odd = (quadrant & 1) != 0;
  const uint64_t sine_sign = (quadrant & 2) << 62, cosine_sign = ((quadrant + 1) & 2) << 62;
  SinCos y{from_bits<double>(to_bits(select(odd, cosine, sine)) ^ sine_sign),
           from_bits<double>(to_bits(select(odd, sine, cosine)) ^ cosine_sign)};
  y.sine = select(abs(x) < P::tiny, x, y.sine);
  const bool in_range = abs(x) <= 0x1p20;
  return {select(in_range, y.sine, nan<double>()), select(in_range, y.cosine, nan<double>())};
}

LEADLINE_INLINE_FUNCTION float square_root(float x) {
#if LEADLINE_ON_DEVICE
  return __fsqrt_rn(x);
#else
  return __builtin_sqrtf(x);
#endif
}

LEADLINE_INLINE_FUNCTION double square_root(double x) {
#if LEADLINE_ON_DEVICE
  return __dsqrt_rn(x);
#else
  return __builtin_sqrt(x);
#endif
}

} // namespace detail

/// |x|.
LEADLINE_INLINE_FUNCTION float abs(float x) { return detail::abs(x); }
LEADLINE_INLINE_FUNCTION double abs(double x) { return detail::abs(x); }

/// Whether x is NaN, by its bits: right under any compiler flag.
LEADLINE_INLINE_FUNCTION bool isnan(float x) { return detail::to_bits(detail::abs(x)) > 0x7f800000u; }
LEADLINE_INLINE_FUNCTION bool isnan(double x) { return detail::to_bits(detail::abs(x)) > 0x7ff0000000000000u; }

/// Whether x is neither infinite nor NaN, by its bits: right under any compiler flag.
LEADLINE_INLINE_FUNCTION bool isfinite(float x) { return detail::to_bits(detail::abs(x)) < 0x7f800000u; }
LEADLINE_INLINE_FUNCTION bool isfinite(double x) { return detail::to_bits(detail::abs(x)) < 0x7ff0000000000000u; }

/// The smaller of a and b; NaN if either is (unlike C's fmin). Of two zeros, the second argument.
LEADLINE_INLINE_FUNCTION float min(float a, float b) { return detail::select((a < b) | (a != a), a, b); }
LEADLINE_INLINE_FUNCTION double min(double a, double b) { return detail::select((a < b) | (a != a), a, b); }

/// The larger of a and b; NaN if either is (unlike C's fmax). Of two zeros, the second argument.
LEADLINE_INLINE_FUNCTION float max(float a, float b) { return detail::select((a > b) | (a != a), a, b); }
LEADLINE_INLINE_FUNCTION double max(double a, double b) { return detail::select((a > b) | (a != a), a, b); }

/// The largest integer not above x; keeps -0, infinities and NaN.
LEADLINE_INLINE_FUNCTION float floor(float x) { return detail::floor(x); }
LEADLINE_INLINE_FUNCTION double floor(double x) { return detail::floor(x); }

/// The square root, correctly rounded; NaN for x < 0.
LEADLINE_INLINE_FUNCTION float sqrt(float x) { return detail::square_root(x); }
LEADLINE_INLINE_FUNCTION double sqrt(double x) { return detail::square_root(x); }

/// e^x.
LEADLINE_INLINE_FUNCTION float exp(float x) { return detail::exp(x); }
LEADLINE_INLINE_FUNCTION double exp(double x) { return detail::exp(x); }

/// e^x - 1, accurate near 0.
LEADLINE_INLINE_FUNCTION float expm1(float x) { return detail::expm1(x); }
LEADLINE_INLINE_FUNCTION double expm1(double x) { return detail::expm1(x); }

/// The natural logarithm: -infinity at 0, NaN below.
LEADLINE_INLINE_FUNCTION float log(float x) { return detail::log(x); }
LEADLINE_INLINE_FUNCTION double log(double x) { return detail::log(x); }

/// log(1 + x), accurate near 0: -infinity at -1, NaN below.
LEADLINE_INLINE_FUNCTION float log1p(float x) { return detail::log1p(x); }
LEADLINE_INLINE_FUNCTION double log1p(double x) { return detail::log1p(x); }

/// The logarithm to base 2, exact at powers of two.
LEADLINE_INLINE_FUNCTION float log2(float x) { return detail::log2(x); }
LEADLINE_INLINE_FUNCTION double log2(double x) { return detail::log2(x); }

/// The logarithm to base 10; not always exact at powers of ten.
LEADLINE_INLINE_FUNCTION float log10(float x) { return detail::log10(x); }
LEADLINE_INLINE_FUNCTION double log10(double x) { return detail::log10(x); }

/// The hyperbolic tangent.
LEADLINE_INLINE_FUNCTION float tanh(float x) { return detail::tanh(x); }
LEADLINE_INLINE_FUNCTION double tanh(double x) { return detail::tanh(x); }

/// 1 / (1 + e^-x), accurate to the ulp for either sign.
LEADLINE_INLINE_FUNCTION float sigmoid(float x) { return detail::sigmoid(x); }
LEADLINE_INLINE_FUNCTION double sigmoid(double x) { return detail::sigmoid(x); }

/// log(1 + e^x), without overflow and accurate to the ulp for either sign.
LEADLINE_INLINE_FUNCTION float softplus(float x) { return detail::softplus(x); }
LEADLINE_INLINE_FUNCTION double softplus(double x) { return detail::softplus(x); }

/// The error function.
LEADLINE_INLINE_FUNCTION float erf(float x) { return detail::erf(x); }
LEADLINE_INLINE_FUNCTION double erf(double x) { return detail::erf(x); }

/// The sine of x radians, |x| <= 2^20; NaN beyond, rather than a value without meaning.
LEADLINE_INLINE_FUNCTION double sin(double x) { return detail::sin_cos(x).sine; }
LEADLINE_INLINE_FUNCTION float sin(float x) { return static_cast<float>(sin(static_cast<double>(x))); }

/// The cosine of x radians, |x| <= 2^20; NaN beyond.
LEADLINE_INLINE_FUNCTION double cos(double x) { return detail::sin_cos(x).cosine; }
LEADLINE_INLINE_FUNCTION float cos(float x) { return static_cast<float>(cos(static_cast<double>(x))); }

/// The tangent of x radians, |x| <= 2^20; NaN beyond.
LEADLINE_INLINE_FUNCTION double tan(double x) {
  const detail::SinCos y = detail::sin_cos(x);
  return y.sine / y.cosine;
}
LEADLINE_INLINE_FUNCTION float tan(float x) { return static_cast<float>(tan(static_cast<double>(x))); }

/// x^y. As in C, and unlike all other functions here, a NaN is ignored where the other argument decides: pow(x, 0) = 1
/// and pow(1, y) = 1. A negative x needs an integer y, NaN otherwise. Exactly representable results are exact.
LEADLINE_INLINE_FUNCTION double pow(double x, double y) {
  const double magnitude = detail::abs(x), half = 0.5 * y;
  const bool integer = detail::floor(y) == y, odd = integer & (detail::floor(half) != half);
  double z = detail::positive_power(magnitude, y, 0.0);
  z = detail::select(magnitude == 0.0, y < 0.0 ? detail::infinity<double>() : 0.0, z);
  z = detail::select(magnitude == detail::infinity<double>(), y < 0.0 ? 0.0 : detail::infinity<double>(), z);
  z = detail::select((x < 0.0) & !integer & isfinite(x), detail::nan<double>(), z);
  z = detail::select(odd & (detail::sign_of(x) != 0), -z, z);
  z = detail::select((x != x) | (y != y), detail::nan<double>(), z);
  return detail::select((x == 1.0) | (y == 0.0), 1.0, z);
}
/// Computed in double, so that it is within 1 ulp everywhere.
LEADLINE_INLINE_FUNCTION float pow(float x, float y) {
  return static_cast<float>(pow(static_cast<double>(x), static_cast<double>(y)));
}

/// x^n for any 64-bit n, as accurate as pow (a product of n factors is not): beta^step of Adam's bias correction.
/// x^0 = 1 and x^1 = x.
LEADLINE_INLINE_FUNCTION double powi(double x, int64_t n) {
  const double y = static_cast<double>(n);
  // What rounding n to a double lost; 2^63 itself doesn't fit back into an int64_t.
  const int64_t back = y < 0x1p63 ? static_cast<int64_t>(y) : INT64_MAX;
  const double y_low = static_cast<double>(n - back) - (y < 0x1p63 ? 0.0 : 1.0);
  const double magnitude = detail::abs(x);
  double z = detail::positive_power(magnitude, y, y_low);
  z = detail::select(magnitude == 0.0, n < 0 ? detail::infinity<double>() : 0.0, z);
  z = detail::select(magnitude == detail::infinity<double>(), n < 0 ? 0.0 : detail::infinity<double>(), z);
  z = detail::select(((n & 1) != 0) & (detail::sign_of(x) != 0), -z, z);
  z = detail::select(x != x, detail::nan<double>(), z);
  return detail::select(n == 0, 1.0, z);
}

} // namespace leadline::math
