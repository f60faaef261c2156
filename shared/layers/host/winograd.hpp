// One-dimensional Winograd transforms for 3-tap filters. A. Lavin, S. Gray, "Fast algorithms for convolutional neural
// networks", CVPR 2016. Included by files that host_kernels.cpp includes, alone.
//
// F(m x m, 3 x 3): an m x m tile of the output comes from an n x n tile of the source, n = m + 2, by n^2 products per
// pair of channels where the direct form needs 9 m^2:
//   Y = A^T [ (G g G^T) . (B^T d B) ] A
// Each matrix is applied to columns, then to rows; the functions here are one such application to vectors of channels.
// Interpolation points are 0, 1, -1, 2, -2, infinity, and for m = 6 also 1/2 and -1/2.
#pragma once

#include "shared/layers/host/simd.hpp"

namespace leadline::host {
namespace {

template <int m> struct Winograd;

template <> struct Winograd<4> {
  static constexpr int n = 6;
  /// t = G g; in double, for the factors are no floats.
  template <class Vector> static LEADLINE_ALWAYS_INLINE void filter(const Vector* g, Vector* t) {
    const Vector a = (g[0] + g[2]) * (-1.0 / 6), b = g[1] * (1.0 / 6);
    const Vector c = g[0] * (1.0 / 24) + g[2] * (1.0 / 6), d = g[1] * (1.0 / 12);
    t[0] = g[0] * (1.0 / 4);
    t[1] = a - b;
    t[2] = a + b;
    t[3] = c + d;
    t[4] = c - d;
    t[5] = g[2];
  }
  /// t = B^T d.
  template <class Vector> static LEADLINE_ALWAYS_INLINE void source(const Vector* d, Vector* t) {
    const Vector a = multiply_add(-4.0f, d[2], d[4]), b = multiply_add(-4.0f, d[1], d[3]);
    const Vector c = d[4] - d[2], e = d[3] - d[1];
    t[0] = multiply_add(4.0f, d[0], multiply_add(-5.0f, d[2], d[4]));
    t[1] = a + b;
    t[2] = a - b;
    t[3] = multiply_add(2.0f, e, c);
    t[4] = multiply_add(-2.0f, e, c);
    t[5] = multiply_add(4.0f, d[1], multiply_add(-5.0f, d[3], d[5]));
  }
  /// y = A^T p.
  template <class Vector> static LEADLINE_ALWAYS_INLINE void destination(const Vector* p, Vector* y) {
    const Vector a = p[1] + p[2], b = p[1] - p[2], c = p[3] + p[4], d = p[3] - p[4];
    y[0] = p[0] + a + c;
    y[1] = multiply_add(2.0f, d, b);
    y[2] = multiply_add(4.0f, c, a);
    y[3] = multiply_add(8.0f, d, b) + p[5];
  }
};

template <> struct Winograd<6> {
  static constexpr int n = 8;
  template <class Vector> static LEADLINE_ALWAYS_INLINE void filter(const Vector* g, Vector* t) {
    const Vector a = (g[0] + g[2]) * (-2.0 / 9), b = g[1] * (2.0 / 9);
    const Vector c = g[0] * (1.0 / 90) + g[2] * (2.0 / 45), d = g[1] * (1.0 / 45);
    const Vector e = g[0] * (32.0 / 45) + g[2] * (8.0 / 45), f = g[1] * (16.0 / 45);
    t[0] = g[0];
    t[1] = a - b;
    t[2] = a + b;
    t[3] = c + d;
    t[4] = c - d;
    t[5] = e + f;
    t[6] = e - f;
    t[7] = g[2];
  }
  template <class Vector> static LEADLINE_ALWAYS_INLINE void source(const Vector* d, Vector* t) {
    t[0] = multiply_add(5.25f, d[4] - d[2], d[0] - d[6]);
    t[7] = multiply_add(5.25f, d[3] - d[5], d[7] - d[1]);
    const Vector a = multiply_add(-4.25f, d[4], d[2] + d[6]), b = multiply_add(-4.25f, d[3], d[1] + d[5]);
    t[1] = a + b;
    t[2] = a - b;
    const Vector c = multiply_add(0.25f, d[2], multiply_add(-1.25f, d[4], d[6]));
    const Vector e = multiply_add(0.5f, d[1], multiply_add(-2.5f, d[3], d[5] + d[5]));
    t[3] = c + e;
    t[4] = c - e;
    const Vector f = multiply_add(4.0f, multiply_add(-1.25f, d[4], d[2]), d[6]);
    const Vector g = multiply_add(0.5f, d[5], multiply_add(-2.5f, d[3], d[1] + d[1]));
    t[5] = f + g;
    t[6] = f - g;
  }
  template <class Vector> static LEADLINE_ALWAYS_INLINE void destination(const Vector* p, Vector* y) {
    const Vector a = p[1] + p[2], b = p[1] - p[2], c = p[3] + p[4], d = p[3] - p[4], e = p[5] + p[6], f = p[5] - p[6];
    y[0] = p[0] + a + c + e;
    y[1] = multiply_add(0.5f, f, multiply_add(2.0f, d, b));
    y[2] = multiply_add(0.25f, e, multiply_add(4.0f, c, a));
    y[3] = multiply_add(0.125f, f, multiply_add(8.0f, d, b));
    y[4] = multiply_add(0.0625f, e, multiply_add(16.0f, c, a));
    y[5] = multiply_add(0.03125f, f, multiply_add(32.0f, d, b)) + p[7];
  }
};

} // namespace
} // namespace leadline::host
