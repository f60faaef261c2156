// What the machine can do at best, measured: multiply-adds in registers, and memory traffic. Benchmarks of layers show
// what part of it they reach.
#pragma once

#include "tests/bench/bench.hpp"

#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace leadline::bench {

namespace detail {

constexpr int chains = 12; // independent sums: enough to fill two units of latency 4 to 6, few enough for 16 registers
constexpr int loop_trips = 50'000;
inline volatile float sink; // what is stored here was computed

/// Each of these runs `chains` * `loop_trips` vector multiply-adds and returns how many floating-point operations those
/// are.
#if defined(__x86_64__)
__attribute__((target("avx512f"), noinline)) inline double multiply_adds_v4() {
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
  __m512 sums[chains];
  for (__m512& sum : sums) sum = b;
  for (int i = 0; i < loop_trips; ++i)
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, a, b);
  for (const __m512& sum : sums) sink = _mm512_cvtss_f32(sum);
  return 2.0 * 16 * chains * loop_trips;
}
__attribute__((target("avx2,fma"), noinline)) inline double multiply_adds_v3() {
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-3f);
  __m256 sums[chains];
  for (__m256& sum : sums) sum = b;
  for (int i = 0; i < loop_trips; ++i)
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, a, b);
  for (const __m256& sum : sums) sink = _mm256_cvtss_f32(sum);
  return 2.0 * 8 * chains * loop_trips;
}
__attribute__((noinline)) inline double multiply_adds_baseline() { // no fused ones there: a product and a sum
  const __m128 a = _mm_set1_ps(0.999f), b = _mm_set1_ps(1e-3f);
  __m128 sums[chains];
  for (__m128& sum : sums) sum = b;
  for (int i = 0; i < loop_trips; ++i)
    for (__m128& sum : sums) sum = _mm_add_ps(_mm_mul_ps(sum, a), b);
  for (const __m128& sum : sums) sink = _mm_cvtss_f32(sum);
  return 2.0 * 4 * chains * loop_trips;
}
inline double multiply_adds(const std::string& isa) {
  if (isa == "x86-64-v3") return multiply_adds_v3();
  return isa == "x86-64" ? multiply_adds_baseline() : multiply_adds_v4();
}
#else
__attribute__((noinline)) inline double multiply_adds(const std::string&) { // one source: the compiler's own vectors
  constexpr int width = 4;
  float sums[chains * width];
  for (float& sum : sums) sum = 1e-3f;
  for (int i = 0; i < loop_trips; ++i)
    for (float& sum : sums) sum = __builtin_fmaf(sum, 0.999f, 1e-3f);
  for (const float sum : sums) sink = sum;
  return 2.0 * width * chains * loop_trips;
}
#endif

/// The best of some tries at doing `work` on every thread at once; each call returns its amount of it. A thread's clock
/// runs while it works: other programs on the machine don't make it look slower.
template <class Work> double best_rate(int threads, const Work& work) {
  const auto thread_now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  double best = 0;
  for (int attempt = 0; attempt < 9; ++attempt) {
    std::vector<double> rates(static_cast<size_t>(threads));
    const auto measure = [&](int t) {
      const double start = thread_now(), amount = work(t);
      rates[static_cast<size_t>(t)] = amount / (thread_now() - start);
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(measure, t);
    measure(0);
    for (std::thread& other : others) other.join();
    double total = 0;
    for (const double rate : rates) total += rate;
    best = std::max(best, total);
  }
  return best;
}

} // namespace detail

/// Floating-point operations per second of an ISA level, two per multiply-add.
inline double peak_flops(const std::string& isa, int threads) {
  return detail::best_rate(threads, [&](int) {
    double done = 0;
    for (int i = 0; i < 8; ++i) done += detail::multiply_adds(isa);
    return done;
  });
}

/// Bytes per second of a = b + s c over arrays that no cache holds; three accesses an element count (J. McCalpin,
/// "STREAM").
inline double memory_bandwidth(int threads) {
  constexpr size_t count = 12 << 20; // floats of each array
  std::vector<float> a(count, 1), b(count, 2), c(count, 3);
  const size_t part = count / static_cast<size_t>(threads);
  return detail::best_rate(threads, [&](int t) {
    float* to = a.data() + part * static_cast<size_t>(t);
    const float *x = b.data() + part * static_cast<size_t>(t), *y = c.data() + part * static_cast<size_t>(t);
    for (size_t i = 0; i < part; ++i) to[i] = x[i] + 0.5f * y[i];
    detail::sink = to[part - 1];
    return 3.0 * sizeof(float) * static_cast<double>(part);
  });
}

} // namespace leadline::bench
