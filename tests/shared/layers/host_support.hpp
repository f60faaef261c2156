// What the tests of single host kernels share: numbers, memory and threads.
#pragma once

#include "shared/core/rng.hpp"
#include "shared/core/thread_pool.hpp"
#include "shared/layers/host/host_kernels.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace leadline::testing {

/// Draws numbers one after the other.
struct Draw {
  explicit Draw(uint64_t seed = 11) : random(seed) {}
  Philox random;
  uint64_t next = 0;
  double real() { return random.uniform_double(next++) * 2 - 1; }
  index_t integer(index_t low, index_t high) {
    return low + static_cast<index_t>(random.below(next++, static_cast<uint64_t>(high - low + 1)));
  }
  template <class T> std::vector<T> values(index_t count) {
    std::vector<T> v(static_cast<size_t>(count));
    for (T& x : v) x = static_cast<T>(real());
    return v;
  }
};

/// Exactly as many bytes as asked for, so that the address sanitizer sees any overrun; NaN to begin with.
struct Bytes {
  explicit Bytes(size_t bytes)
      : data(static_cast<unsigned char*>(std::aligned_alloc(64, align_up(bytes ? bytes : 1)))), size(bytes) {
    std::memset(data, 0xFF, align_up(bytes ? bytes : 1));
  }
  ~Bytes() { std::free(data); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  unsigned char* data;
  size_t size;
};

/// A host exec with a pool of its own.
struct Pool {
  explicit Pool(int threads) : memory(thread_pool_bytes(threads)) {
    REQUIRE(thread_pool_create(memory.data, memory.size, threads, &pool) == Status::ok);
    runner = thread_pool_runner(pool);
  }
  ~Pool() { thread_pool_destroy(pool); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  Bytes memory;
  ThreadPool* pool = nullptr;
  Runner runner;
};

template <class T> bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// The largest |actual - expected| relative to the largest |expected|; NaN where there is one.
template <class T> double relative_error(const std::vector<T>& actual, const std::vector<double>& expected) {
  double largest = 1e-30, error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::fmax(largest, std::fabs(expected[i]));
    const double e = std::fabs(static_cast<double>(actual[i]) - expected[i]);
    if (!(e <= error)) error = e;
  }
  return error / largest;
}

/// Calls check(level) with every ISA level that this CPU runs in use.
template <class Check> void for_each_level(const Check& check) {
  for (int i = 0; const char* isa = host::isa_level(i); ++i)
    if (host::force_host_kernels(isa) && std::strcmp(isa, host::host_kernels().isa) == 0) check(isa);
  host::force_host_kernels(nullptr);
}

} // namespace leadline::testing
