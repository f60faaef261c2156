// The learning rate range test.
#include "tests/trainer/toy_runs.hpp"
#include "trainer/lr_finder.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>

using namespace leadline;
using namespace leadline::testing;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("the suggestion is where the loss falls fastest over log(lr)") {
  std::vector<double> lr, loss;
  for (int i = 0; i < 100; ++i) {
    lr.push_back(std::pow(10.0, -8 + 0.08 * i));
    loss.push_back(2 - std::tanh(0.1 * (i - 60))); // a step down around the sixtieth
  }
  CHECK(steepest_lr(lr, loss) == lr[60]);
  for (uint64_t seed = 0; seed < 20; ++seed) { // batches that differ by more than a step changes
    const Philox random(seed);
    std::vector<double> noisy = loss;
    for (size_t i = 0; i < noisy.size(); ++i) noisy[i] += 0.8 * (random.uniform_double(i) - 0.5);
    const double found = steepest_lr(lr, noisy);
    CHECK((found >= lr[50] && found <= lr[70]));
  }
  CHECK(std::isnan(steepest_lr(lr, std::vector<double>(100, 1.0))));
  CHECK(std::isnan(steepest_lr({1, 2}, {2, 1})));
  CHECK(std::isnan(steepest_lr({}, {})));
}

TEST_CASE("rates grow geometrically until the loss explodes; a suggested rate learns") {
  const Settings settings = toy_settings({{"optimizer.name", "sgd"},
                                          {"loss.name", "mse"},
                                          {"model.head", "linear"},
                                          {"scheduler.name", "one_cycle"},
                                          {"scheduler.warmup_steps", "7"}});
  LrFinderOptions options;
  options.min_lr = 1e-6;
  options.max_lr = 100;
  options.steps = 60;
  const LrFinderResult result = find_lr(settings, toy_frames(22, 1), toy_frames(5, 2), options);
  REQUIRE(result.lr.size() > 20);
  CHECK(result.lr.size() < 60);
  CHECK(result.exploded);
  CHECK(result.loss.size() == result.lr.size());
  CHECK(result.smooth.size() == result.lr.size());
  CHECK(result.lr[0] == 1e-6);
  for (size_t i = 1; i < result.lr.size(); ++i)
    CHECK_FALSE(!(std::abs(result.lr[i] / result.lr[i - 1] - std::pow(1e8, 1.0 / 59)) <= 1e-9));
  REQUIRE(result.suggestion > 1e-6);
  CHECK(result.suggestion < result.lr.back());
  const auto learned = [&](double lr) {
    const Run run = train(toy_settings({{"optimizer.name", "sgd"},
                                        {"loss.name", "mse"},
                                        {"model.head", "linear"},
                                        {"optimizer.lr", std::to_string(lr)},
                                        {"train.epochs", "2"}}));
    return run.diary.epochs.back().train_loss / run.diary.steps.front().loss;
  };
  CHECK(learned(result.suggestion) < 0.9);

  const LrFinderResult again = find_lr(settings, toy_frames(22, 1), toy_frames(5, 2), options);
  CHECK(again.loss == result.loss);
  const std::string text = svg(lr_plot(result));
  CHECK_THAT(text, ContainsSubstring("<svg") && ContainsSubstring("learning rate") && ContainsSubstring("smoothed"));
}

TEST_CASE("a range without an explosion ends at its end") {
  LrFinderOptions options;
  options.min_lr = 1e-7;
  options.max_lr = 1e-4;
  options.steps = 25;
  const LrFinderResult result = find_lr(toy_settings(), toy_frames(22, 1), toy_frames(5, 2), options);
  CHECK(result.lr.size() == 25);
  CHECK_FALSE(result.exploded);
  CHECK_FALSE(!(std::abs(result.lr.back() / 1e-4 - 1) <= 1e-9));
}
