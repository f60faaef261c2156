// Losses against what they must be whatever PyTorch says: derivatives, empty masks, NaN, bits, messages.
#include "tests/trainer/losses/loss_runner.hpp"

#include "shared/core/rng.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

using namespace leadline;
using namespace leadline::testing;
using Catch::Matchers::ContainsSubstring;
using trainer::LossParams;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

const std::vector<std::string>& depth_losses() {
  static const std::vector<std::string> names{"mse",
                                              "l1",
                                              "huber",
                                              "smooth_l1",
                                              "berhu",
                                              "silog",
                                              "log_rmse",
                                              "gradient",
                                              "ssim",
                                              "smoothness",
                                              "silog + 0.5*gradient + ssim * 2"};
  return names;
}

LossParams params() {
  LossParams p;
  p.delta = p.beta = 0.5;
  p.ssim_window = 5;
  p.ssim_range = 10;
  return p;
}

/// Depth in metres with a part of the pixels missing, and predictions some way off.
LossInput scene(index_t n, index_t h, index_t w, uint64_t seed, double missing = 0.2) {
  const Philox random(seed);
  const Shape shape{n, h, w, 1};
  LossInput input{shape, shape, {}, {}, {n, h, w, 3}, {}};
  for (index_t i = 0; i < shape.count(); ++i) {
    const uint64_t k = static_cast<uint64_t>(i) * 8;
    const double target = 0.5 + 8 * random.uniform_double(k);
    input.target.push_back(random.uniform_double(k + 1) < missing ? 0.0 : target);
    input.prediction.push_back(std::max(0.05, target + 1.5 * (random.uniform_double(k + 2) - 0.5)));
    for (uint64_t c = 0; c < 3; ++c) input.image.push_back(random.uniform_double(k + 3 + c));
  }
  return input;
}

double value(const std::string& name, const LossInput& input, const LossParams& p) {
  return run_loss_on_host<double>(name, p, input, false).value;
}

bool all_zero(const std::vector<double>& values) {
  for (const double v : values)
    if (!(v == 0)) return false;
  return true;
}

/// Central differences at every pixel whose loss is smooth around the point.
void check_gradient(const std::string& name, const LossInput& input, const LossParams& p, double tolerance) {
  INFO(name);
  const LossResult result = run_loss<double>(name, p, input);
  double largest = 0;
  for (const double d : result.diff) largest = std::max(largest, std::abs(d));
  REQUIRE(largest > 0);
  const double step = 1e-6;
  for (size_t i = 0; i < input.prediction.size(); ++i) {
    LossInput moved = input;
    moved.prediction[i] = input.prediction[i] + step;
    const double above = value(name, moved, p);
    moved.prediction[i] = input.prediction[i] - step;
    const double below = value(name, moved, p);
    INFO("pixel " << i);
    CHECK_FALSE(!(std::abs((above - below) / (2 * step) - result.diff[i]) <= tolerance * largest));
  }
}

} // namespace

TEST_CASE("gradients agree with finite differences") {
  for (const std::string& name : depth_losses()) {
    if (name == "berhu") continue; // its c moves with the largest error, without a gradient: see below
    // ssim: some windows must be free of holes, and some not.
    check_gradient(name, scene(2, 7, 9, 3, name == "ssim" ? 0.03 : 0.2), params(), 1e-7);
  }
  LossInput scores{{5, 1, 2, 6}, {5, 1, 2, 1}, {}, {}};
  const Philox random(11);
  for (uint64_t i = 0; i < 60; ++i) scores.prediction.push_back(4 * random.uniform_double(i) - 2);
  for (uint64_t i = 0; i < 10; ++i)
    scores.target.push_back(i == 3 ? -1.0 : static_cast<double>(random.below(100 + i, 6)));
  check_gradient("cross_entropy", scores, params(), 1e-7);
}

TEST_CASE("berhu's gradient, with c held at its value") {
  const LossInput input = scene(1, 6, 5, 4);
  const LossResult result = run_loss<double>("berhu", params(), input);
  double c = 0, count = 0, mean = 0;
  for (size_t i = 0; i < input.target.size(); ++i)
    if (input.target[i] > 0) {
      c = std::max(c, 0.2 * std::abs(input.prediction[i] - input.target[i]));
      ++count;
    }
  for (size_t i = 0; i < input.target.size(); ++i) {
    const double d = input.prediction[i] - input.target[i], a = std::abs(d);
    const bool valid = input.target[i] > 0;
    const double slope = a <= c ? (d > 0 ? 1 : -1) : d / c;
    CHECK_FALSE(!(std::abs(result.diff[i] - (valid ? slope / count : 0)) <= 1e-14));
    mean += valid ? (a <= c ? a : (d * d + c * c) / (2 * c)) / count : 0;
  }
  CHECK_FALSE(!(std::abs(result.value - mean) <= 1e-13));
}

TEST_CASE("log losses stay finite, and differentiable, at predictions that have no logarithm") {
  LossInput input = scene(1, 4, 5, 5);
  LossParams p = params();
  p.min_depth = 0.1; // with the usual 1e-3 the loss is too steep for finite differences
  input.prediction[0] = 0.0;
  input.prediction[1] = -0.3;
  input.prediction[2] = 0.05;
  for (const char* name : {"silog", "log_rmse"}) check_gradient(name, input, p, 1e-6);
  input.prediction[3] = -1e30;
  const LossResult result = run_loss<double>("silog", params(), input);
  CHECK(std::isfinite(result.value));
  for (const double d : result.diff) CHECK(std::isfinite(d));
}

TEST_CASE("a perfect prediction costs nothing and pulls nowhere") {
  LossInput input = scene(2, 7, 9, 6);
  for (size_t i = 0; i < input.target.size(); ++i) input.prediction[i] = input.target[i] > 0 ? input.target[i] : 3.0;
  for (const std::string& name : depth_losses()) {
    if (name == "smoothness") continue; // doesn't look at the target
    INFO(name);
    const LossResult result = run_loss<double>(name, params(), input);
    CHECK_FALSE(!(std::abs(result.value) <= 1e-12));
    for (const double d : result.diff) CHECK_FALSE(!(std::abs(d) <= 1e-12));
  }
}

TEST_CASE("without a valid pixel loss and gradient are zero") {
  for (const double missing : {0.0, -1.0, not_a_number, infinity})
    for (const std::string& name : depth_losses()) {
      if (name == "smoothness") continue;
      INFO(name << " " << missing);
      LossInput input = scene(2, 7, 9, 7);
      for (double& t : input.target) t = missing;
      const LossResult result = run_loss<float>(name, params(), input);
      CHECK(result.value == 0);
      CHECK(all_zero(result.diff));
    }
  LossInput scores{{2, 1, 1, 3}, {2, 1, 1, 1}, {1, 2, 3, 4, 5, 6}, {-1, not_a_number}};
  const LossResult result = run_loss<float>("cross_entropy", params(), scores);
  CHECK(result.value == 0);
  CHECK(all_zero(result.diff));
  for (const std::string& name : depth_losses()) {
    if (name == "smoothness" || name == "ssim") continue;
    const LossInput nothing{{0, 7, 9, 1}, {0, 7, 9, 1}, {}, {}};
    CHECK(run_loss<float>(name, params(), nothing).value == 0);
  }
}

TEST_CASE("one valid pixel") {
  LossInput input = scene(1, 5, 5, 8);
  for (double& t : input.target) t = 0;
  input.target[7] = 2;
  input.prediction[7] = 3;
  const double log_error = std::log(1.5);
  const std::vector<std::pair<std::string, double>> expected{{"mse", 1},
                                                             {"l1", 1},
                                                             {"huber", 0.375},
                                                             {"smooth_l1", 0.75},
                                                             {"berhu", (1 + 0.04) / 0.4},
                                                             {"silog", 10 * std::sqrt(0.15) * log_error},
                                                             {"log_rmse", log_error},
                                                             {"gradient", 0}};
  for (const auto& [name, loss] : expected) {
    INFO(name);
    const LossResult result = run_loss<double>(name, params(), input);
    CHECK_FALSE(!(std::abs(result.value - loss) <= 1e-13 * (1 + loss)));
    for (size_t i = 0; i < result.diff.size(); ++i)
      CHECK((i == 7 && name != "gradient" ? result.diff[i] > 0 : result.diff[i] == 0));
  }
}

TEST_CASE("NaN and infinity: ignored where nothing is known, reported where something is") {
  for (const std::string& name : depth_losses()) {
    if (name == "smoothness") continue;
    INFO(name);
    LossInput input = scene(2, 7, 9, 9);
    input.target[20] = 0;
    const LossResult before = run_loss<double>(name, params(), input);
    input.prediction[20] = not_a_number;
    for (const double missing : {0.0, not_a_number, infinity}) {
      input.target[20] = missing;
      const LossResult after = run_loss<double>(name, params(), input);
      CHECK(after.value == before.value);
      CHECK(same_bits(after.diff, before.diff));
    }
    for (double& t : input.target) t = 2; // every window of ssim is valid now
    CHECK(std::isnan(run_loss<double>(name, params(), input).value));
  }
}

TEST_CASE("targets that may be zero or negative") {
  LossParams p = params();
  const LossInput input{{2, 1, 1, 2}, {2, 1, 1, 2}, {1, 2, 3, not_a_number}, {-1, 0, 5, not_a_number}};
  p.valid = trainer::Valid::finite;
  const LossResult result = run_loss<double>("mse", p, input);
  CHECK_FALSE(!(std::abs(result.value - 4) <= 1e-15));
  CHECK_FALSE(!(std::abs(result.diff[0] - 4.0 / 3) <= 1e-15));
  CHECK(result.diff[3] == 0);
  p.valid = trainer::Valid::positive;
  CHECK(run_loss<double>("mse", p, input).value == 4); // (3 - 5)^2 alone
}

TEST_CASE("the same bits on any number of threads") {
  // More rows than one chunk of the tree, and not a multiple of it.
  for (const std::string& name : depth_losses()) {
    INFO(name);
    const LossInput input = scene(3, 29, 37, 10, 0.03);
    const LossResult one = run_loss_on_host<float>(name, params(), input),
                     many = run_loss<float>(name, params(), input);
    if constexpr (DefaultExec::on_host) {
      CHECK(one.value == many.value);
      CHECK(same_bits(one.diff, many.diff));
    } else {
      CHECK_FALSE(!(std::abs(one.value - many.value) <= 1e-5 * std::abs(one.value)));
    }
    const LossResult again = run_loss<float>(name, params(), input);
    CHECK(again.value == many.value);
    CHECK(same_bits(again.diff, many.diff));
    CHECK(run_loss<float>(name, params(), input, false).value == many.value);
  }
}

TEST_CASE("a channel of a wider tensor, as a network with two heads gives it") {
  const LossInput input = scene(1, 6, 7, 12);
  const LossResult dense = run_loss_on_host<double>("silog", params(), input);
  std::vector<double> wide(input.prediction.size() * 2, not_a_number), wide_diff(wide.size(), 42.0);
  for (size_t i = 0; i < input.prediction.size(); ++i) wide[2 * i + 1] = input.prediction[i];
  const auto loss = trainer::make_loss<double, HostExec>("silog", params());
  std::vector<double> workspace(loss->workspace_bytes(input.shape) / sizeof(double));
  double value = not_a_number;
  trainer::LossArgs<double> args;
  args.prediction = Tensor<const double>(wide.data(), {1, 6, 7, 2}).channels(1, 1);
  args.target = Tensor<const double>(input.target.data(), input.shape);
  args.diff_prediction = Tensor<double>(wide_diff.data(), {1, 6, 7, 2}).channels(1, 1);
  args.value = &value;
  args.workspace = {reinterpret_cast<unsigned char*>(workspace.data()), workspace.size() * sizeof(double)};
  loss->forward_backward(HostExec(), args);
  CHECK(value == dense.value);
  for (size_t i = 0; i < dense.diff.size(); ++i) {
    CHECK(wide_diff[2 * i] == 42.0);
    CHECK(wide_diff[2 * i + 1] == dense.diff[i]);
  }
}

TEST_CASE("unknown names and impossible options are explained") {
  const auto make = [](const std::string& name, const LossParams& p) {
    trainer::make_loss<float, DefaultExec>(name, p);
  };
  CHECK_THROWS_WITH(make("silogg", {}),
                    ContainsSubstring("\"silogg\"") && ContainsSubstring("Did you mean \"silog\"?"));
  CHECK_THROWS_WITH(make("quantum", {}), ContainsSubstring("Known: mse, l1") && !ContainsSubstring("Did you mean"));
  LossParams p;
  p.delta = 0;
  CHECK_THROWS_WITH(make("huber", p), ContainsSubstring("delta"));
  p = {};
  p.silog_lambda = 1.5;
  CHECK_THROWS_WITH(make("silog", p), ContainsSubstring("silog_lambda") && ContainsSubstring("1.5"));
  p = {};
  p.berhu_fraction = not_a_number;
  CHECK_THROWS_WITH(make("berhu", p), ContainsSubstring("berhu_fraction"));
  p = {};
  p.ssim_window = 4;
  CHECK_THROWS_WITH(make("ssim", p), ContainsSubstring("ssim_window"));
  LossInput input = scene(1, 7, 9, 13);
  input.target_shape = {1, 9, 7, 1};
  CHECK_THROWS_WITH(run_loss<float>("l1", {}, input), ContainsSubstring("[1,9,7,1]") && ContainsSubstring("[1,7,9,1]"));
  CHECK_THROWS_WITH(run_loss<float>("ssim", {}, scene(1, 7, 9, 13)), ContainsSubstring("11x11"));
  input = scene(1, 7, 9, 13);
  input.image.clear();
  CHECK_THROWS_WITH(run_loss<float>("smoothness", {}, input), ContainsSubstring("image"));
}

namespace {

/// A loss of a user's program: its value is an option of its own.
template <class T, class Exec> struct ConstantLoss final : trainer::Loss<T, Exec> {
  explicit ConstantLoss(const LossParams& p) : value(static_cast<T>(p.extra.at("constant"))) {}
  const char* name() const override { return "constant"; }
  size_t workspace_bytes(const Shape&) const override { return 0; }
  void forward_backward(const Exec& exec, const trainer::LossArgs<T>& args) const override {
    write(exec, args.value, value);
  }
  static void write(const Exec& exec, T* where, T what) {
    parallel_for(exec, "test::constant", 1, [=] LEADLINE_FUNCTION(index_t) { *where = what; });
  }
  T value;
};

} // namespace

TEST_CASE("a program adds a loss of its own") {
  trainer::loss_registry<float, DefaultExec>().add(
      "constant", [](const LossParams& p) { return std::make_unique<ConstantLoss<float, DefaultExec>>(p); });
  LossParams p;
  p.extra["constant"] = 7;
  CHECK(run_loss<float>("constant", p, scene(1, 2, 2, 1)).value == 7);
}

TEST_CASE("a sum of losses is the sum of its parts' values and gradients") {
  const LossInput input = scene(2, 12, 17, 5);
  const LossResult sum = run_loss<double>("2e+0*mse +l1* 0.25 + silog", params(), input);
  const LossResult mse = run_loss<double>("mse", params(), input), l1 = run_loss<double>("l1", params(), input),
                   silog = run_loss<double>("silog", params(), input);
  CHECK(sum.value == 2 * mse.value + 0.25 * l1.value + silog.value);
  REQUIRE(sum.diff.size() == mse.diff.size());
  for (size_t i = 0; i < sum.diff.size(); ++i)
    CHECK(sum.diff[i] == 2 * mse.diff[i] + 0.25 * l1.diff[i] + silog.diff[i]);
  CHECK(run_loss<double>("mse + mse", params(), input, false).value == 2 * mse.value);
  CHECK(same_bits(run_loss<double>("1*mse", params(), input).diff, mse.diff));
}

TEST_CASE("sums that make no sense are refused") {
  for (const auto& [text, word] : std::vector<std::pair<std::string, std::string>>{{"", "names no loss"},
                                                                                   {"silog +", "names no loss"},
                                                                                   {"+ silog", "names no loss"},
                                                                                   {"silog + -0.5*ssim", "positive"},
                                                                                   {"0*silog", "positive"},
                                                                                   {"half*silog", "no number"},
                                                                                   {"silog + 0.5*sim", "ssim"}}) {
    INFO(text);
    CHECK_THROWS_WITH((trainer::make_loss<double, HostExec>(text)), ContainsSubstring(word));
  }
}
