// Threads: the same bits for any number of them, one model under many sessions. Runs under the thread sanitizer too.
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>

#include <thread>

using namespace leadline;
using namespace leadline::test;

namespace {

std::vector<uint8_t> picture(int width, int height, uint64_t seed) {
  std::vector<uint8_t> rgb(static_cast<size_t>(3 * width * height));
  const Philox random(seed);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(random.bits(i));
  return rgb;
}

std::vector<float> run(Session& session, const std::vector<uint8_t>& rgb, int width, int height) {
  std::vector<float> depth(session.output_values());
  if (session.run_rgb8(rgb.data(), width, height, depth.data(), depth.size()) != LEADLINE_OK) depth.clear();
  return depth;
}

leadline_session_options options_with(const leadline_runner* runner) {
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.runner = runner;
  return options;
}

} // namespace

TEST_CASE("any number of threads gives the same bits") {
  AlignedBytes bytes(tiny_model(48, 64));
  Model model;
  ErrorText error;
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_OK);
  Session single;
  REQUIRE(single.create(model, error) == LEADLINE_OK);
  const std::vector<uint8_t> rgb = picture(100, 75, 1);
  const std::vector<float> expected = run(single, rgb, 100, 75);
  REQUIRE(!expected.empty());
  for (const int32_t threads : {1, 2, 3, 7}) {
    Threads pool;
    REQUIRE(pool.create(threads) == LEADLINE_OK);
    const leadline_runner runner = pool.runner();
    REQUIRE(runner.threads == threads);
    const leadline_session_options options = options_with(&runner);
    Session session;
    REQUIRE(session.create(model, error, &options) == LEADLINE_OK);
    REQUIRE(session.info().threads == threads);
    for (int repeat = 0; repeat < 5; ++repeat) REQUIRE(run(session, rgb, 100, 75) == expected);
    REQUIRE(session.self_test() == LEADLINE_OK);
  }
}

TEST_CASE("one model serves sessions on several threads at once") {
  AlignedBytes bytes(tiny_model(24, 32));
  Model model;
  ErrorText error;
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_OK);
  Session reference;
  REQUIRE(reference.create(model, error) == LEADLINE_OK);
  Threads shared_pool;
  REQUIRE(shared_pool.create(2) == LEADLINE_OK);
  const leadline_runner runner = shared_pool.runner();

  constexpr int users = 3;
  std::vector<std::vector<float>> expected, answers(users);
  for (int u = 0; u < users; ++u)
    expected.push_back(run(reference, picture(40, 30, 10 + static_cast<uint64_t>(u)), 40, 30));
  std::vector<std::thread> threads;
  for (int u = 0; u < users; ++u)
    threads.emplace_back([&, u] {
      ErrorText own_error;
      Session session;
      const leadline_session_options options = options_with(u == 0 ? nullptr : &runner); // two of them share the pool
      if (session.create(model, own_error, &options) != LEADLINE_OK) return;
      const std::vector<uint8_t> rgb = picture(40, 30, 10 + static_cast<uint64_t>(u));
      for (int repeat = 0; repeat < 10; ++repeat) answers[static_cast<size_t>(u)] = run(session, rgb, 40, 30);
    });
  for (std::thread& thread : threads) thread.join();
  for (int u = 0; u < users; ++u) {
    REQUIRE(!answers[static_cast<size_t>(u)].empty());
    REQUIRE(answers[static_cast<size_t>(u)] == expected[static_cast<size_t>(u)]);
  }
}
