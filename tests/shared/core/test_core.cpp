// Shapes, random numbers, execs, reductions and the thread pool, without Kokkos: also run under the thread sanitizer.
#include "shared/core/exec.hpp"
#include "shared/core/reduce.hpp"
#include "shared/core/rng.hpp"
#include "shared/core/tensor.hpp"
#include "shared/core/thread_pool.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

using namespace leadline;

namespace {

// A pool with memory of its own.
struct Pool {
  std::vector<unsigned char> memory;
  ThreadPool* pool = nullptr;
  Runner runner;

  explicit Pool(int threads) : memory(thread_pool_bytes(threads) + 64) {
    void* start = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    REQUIRE(thread_pool_create(start, thread_pool_bytes(threads), threads, &pool) == Status::ok);
    runner = thread_pool_runner(pool);
  }
  ~Pool() { thread_pool_destroy(pool); }
};

} // namespace

TEST_CASE("counts are checked for overflow and sign") {
  index_t count = -1;
  REQUIRE(checked_count({2, 3, 4, 5}, &count) == Status::ok);
  CHECK(count == 120);
  REQUIRE(checked_count({0, 3, 4, 5}, &count) == Status::ok);
  CHECK(count == 0);
  CHECK(checked_count({1, -1, 4, 5}, &count) == Status::invalid_shape);
  CHECK(checked_count({-1, 1, 4, 5}, &count) == Status::invalid_shape);
  CHECK(checked_count({INT64_MAX, 2, 1, 1}, &count) == Status::overflow);
  CHECK(checked_count({INT64_MAX / 32, 1, 1, 1}, &count) == Status::overflow); // its bytes would not fit
}

TEST_CASE("a slice of channels is a tensor") {
  std::vector<float> data(2 * 3 * 4 * 5);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
  const Tensor<float> whole(data.data(), {2, 3, 4, 5});
  const Tensor<const float> slice = whole.channels(2, 3);
  CHECK(whole.dense());
  CHECK_FALSE(slice.dense());
  for (index_t n = 0; n < 2; ++n)
    for (index_t h = 0; h < 3; ++h)
      for (index_t w = 0; w < 4; ++w) {
        CHECK(slice.pixel((n * 3 + h) * 4 + w) == &whole(n, h, w, 2));
        for (index_t c = 0; c < 3; ++c) CHECK(slice(n, h, w, c) == whole(n, h, w, c + 2));
      }
}

TEST_CASE("every status has its own sentence") {
  for (int a = 0; a <= static_cast<int>(Status::cancelled); ++a)
    for (int b = 0; b < a; ++b)
      CHECK(std::strcmp(status_text(static_cast<Status>(a)), status_text(static_cast<Status>(b))) != 0);
  CHECK(std::strcmp(status_text(static_cast<Status>(999)), "unknown status") == 0);
}

TEST_CASE("Philox gives the published sequence") {
  // Known answers of Philox4x32-10 from the paper's reference implementation (Random123's kat_vectors).
  const PhiloxBlock zero = philox4x32(0, 0, 0);
  CHECK(zero.word[0] == 0x6627e8d5u);
  CHECK(zero.word[1] == 0xe169c58du);
  CHECK(zero.word[2] == 0xbc57ac4cu);
  CHECK(zero.word[3] == 0x9b00dbd8u);
  const PhiloxBlock ones = philox4x32(~0ull, ~0ull, ~0ull);
  CHECK(ones.word[0] == 0x408f276du);
  CHECK(ones.word[1] == 0x41c83b0eu);
  CHECK(ones.word[2] == 0xa20bc7c6u);
  CHECK(ones.word[3] == 0x6d5451fdu);
}

TEST_CASE("random numbers are pure functions of seed, stream and index, and look uniform") {
  const Philox a(7, 1), b(7, 2);
  double sum = 0, square = 0;
  int equal = 0;
  std::vector<int> histogram(10);
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double u = a.uniform_double(static_cast<uint64_t>(i));
    REQUIRE((u >= 0 && u < 1));
    const float f = a.uniform(static_cast<uint64_t>(i));
    REQUIRE((f >= 0 && f < 1));
    sum += u;
    square += u * u;
    equal += a.bits(static_cast<uint64_t>(i)) == b.bits(static_cast<uint64_t>(i));
    ++histogram[a.below(static_cast<uint64_t>(i), 10)];
  }
  CHECK(std::fabs(sum / n - 0.5) <= 0.005);
  CHECK(std::fabs(square / n - 1.0 / 3) <= 0.005);
  CHECK(equal <= 3);
  for (const int count : histogram) CHECK(std::abs(count - n / 10) <= 500);
  CHECK(philox_stream(1, 2) != philox_stream(2, 1));
  CHECK(Philox(7, 1).bits(5) == a.bits(5));
}

TEST_CASE("the pool runs every task once, and is reusable", "[pool]") {
  for (const int threads : {1, 2, 3, 8}) {
    Pool pool(threads);
    const HostExec exec(&pool.runner);
    CHECK(exec.threads() == threads);
    for (const index_t n : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
      for (int repeat = 0; repeat < 20; ++repeat) {
        parallel_for(exec, "leadline::test::for", n, [&](index_t i) { ++runs[static_cast<size_t>(i)]; });
        parallel_tasks(exec, "leadline::test::tasks", n, [&](index_t i) { ++runs[static_cast<size_t>(i)]; });
      }
      for (const auto& count : runs) CHECK(count == 40);
    }
  }
}

TEST_CASE("a pool checks its arguments", "[pool]") {
  alignas(64) unsigned char memory[1024];
  ThreadPool* pool = nullptr;
  CHECK(thread_pool_bytes(0) == 0);
  CHECK(thread_pool_bytes(65) == 0);
  CHECK(thread_pool_create(nullptr, 1024, 2, &pool) == Status::invalid_argument);
  CHECK(thread_pool_create(memory, 1024, 0, &pool) == Status::invalid_argument);
  CHECK(thread_pool_create(memory, 8, 2, &pool) == Status::out_of_memory);
  thread_pool_destroy(nullptr);
}

TEST_CASE("column sums have the same bits for any number of threads", "[pool]") {
  const Philox random(3);
  for (const index_t rows : {0, 1, 255, 256, 257, 5000})
    for (const index_t columns : {1, 3, 16, 33}) {
      const auto term = [=](index_t r, index_t c) {
        return random.uniform(static_cast<uint64_t>(r * columns + c)) - 0.4f;
      };
      std::vector<float> first;
      for (const int threads : {1, 2, 5}) {
        Pool pool(threads);
        std::vector<float> partial(reduce_columns_bytes<float>(rows, columns) / sizeof(float));
        std::vector<float> sums(static_cast<size_t>(columns), NAN);
        float* out = sums.data();
        reduce_columns(HostExec(&pool.runner), "leadline::test::reduce", rows, columns, term, partial.data(),
                       [=](index_t c, float sum) { out[c] = sum; });
        if (first.empty()) first = sums;
        CHECK(std::memcmp(first.data(), sums.data(), sums.size() * sizeof(float)) == 0);
      }
      for (index_t c = 0; c < columns; ++c) {
        double exact = 0;
        for (index_t r = 0; r < rows; ++r) exact += static_cast<double>(term(r, c));
        CHECK(std::fabs(first[static_cast<size_t>(c)] - exact) <= 1e-5 * (1 + std::fabs(exact)));
      }
    }
}
