// What [optimizer], [scheduler] and [train] promise of learning: parameter groups, clipping, averaged weights, L-BFGS,
// schedules that the loop drives.
#include "tests/trainer/exec_array.hpp"
#include "tests/trainer/toy_runs.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/optimizers/clipping.hpp"
#include "trainer/optimizers/parameter_groups.hpp"
#include "trainer/train_settings.hpp"
#include "trainer/weight_layout.hpp"

#include "shared/core/rng.hpp"

#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <limits>

using namespace leadline;
using namespace leadline::testing;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using Changes = std::vector<std::pair<std::string, std::string>>;

namespace {

/// The first weights of a run.
std::vector<NamedArray> first_weights(const Settings& settings) {
  return make_train_loop(settings, toy_frames(22, 1), toy_frames(5, 2))->checkpoint().weights;
}

Changes with(Changes base, const Changes& more) {
  base.insert(base.end(), more.begin(), more.end());
  return base;
}

bool is_state(const std::string& name) { return matches("*running_*", name); }

const Changes one_sgd_step{{"train.precision", "f64"}, {"optimizer.name", "sgd"}, {"optimizer.lr", "0.5"}};

} // namespace

TEST_CASE("patterns") {
  for (const auto& [pattern, text] : Changes{{"*", ""},
                                             {"a*", "a"},
                                             {"*.bias", "down.0.bias"},
                                             {"d*n.*", "down.0"},
                                             {"*0*0*", "down.0.0.weight"},
                                             {"plain", "plain"},
                                             {"**x", "aax"}})
    CHECK(matches(pattern, text));
  for (const auto& [pattern, text] :
       Changes{{"", "a"}, {"a", ""}, {"a*b", "abc"}, {"*.bias", "bias"}, {"pla", "plain"}})
    CHECK_FALSE(matches(pattern, text));
}

TEST_CASE("parameter groups share the weights out") {
  const Settings settings =
      toy_settings({{"optimizer.lr_factors", "down.*=0.1, *0.weight = 3"}, {"optimizer.no_decay", "norm, bias"}});
  const Graph graph = graph_settings(settings);
  std::vector<int> seen(graph.weight_names.size());
  std::vector<std::string> names;
  for (const ParameterGroup& group : parameter_groups(settings, graph)) {
    names.push_back(group.name);
    CHECK_FALSE(group.weights.empty());
    for (const int i : group.weights) {
      const std::string& name = graph.weight_names[static_cast<size_t>(i)];
      INFO(name << " in " << group.name);
      ++seen[static_cast<size_t>(i)];
      CHECK(group.lr_factor == (matches("down.*", name) ? 0.1 : matches("*0.weight", name) ? 3 : 1));
      // Norms and biases are what has one axis.
      CHECK(group.decay == (pytorch_shape(graph, i).size() > 1));
    }
  }
  for (size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == (graph.trainable[i] ? 1 : 0));
  CHECK(names.back() == "rest");
  CHECK(std::find(names.begin(), names.end(), "down.* no_decay") != names.end());

  CHECK(parameter_groups(toy_settings(), graph).size() == 1);
  const auto refused = [&](const char* key, const char* value) {
    parameter_groups(toy_settings({{key, value}}), graph);
  };
  CHECK_THROWS_MATCHES(refused("optimizer.lr_factors", "dwn.*=2"), Error,
                       MessageMatches(ContainsSubstring("dwn.*") && ContainsSubstring("down.0.0.weight")));
  CHECK_THROWS_MATCHES(refused("optimizer.no_decay", "norms"), Error, MessageMatches(ContainsSubstring("norms")));
  CHECK_THROWS_MATCHES(refused("optimizer.lr_factors", "down.*=-1"), Error,
                       MessageMatches(ContainsSubstring("0 (frozen)")));
  CHECK_THROWS_MATCHES(refused("optimizer.lr_factors", "down.*"), Error,
                       MessageMatches(ContainsSubstring("name=number")));
}

TEST_CASE("a group's rate and weight decay are those of its weights alone") {
  const auto first = first_weights(toy_settings(one_sgd_step));
  const Run plain = train(toy_settings(one_sgd_step), nullptr, 1);
  const Run groups = train(toy_settings(with(one_sgd_step, {{"optimizer.lr_factors", "down.*=0.25, *.bias=0"},
                                                            {"optimizer.weight_decay", "0.1"},
                                                            {"optimizer.no_decay", "norm, up.*"}})),
                           nullptr, 1);
  const Graph graph = graph_settings(toy_settings());
  int decayed = 0, frozen = 0;
  for (size_t w = 0; w < first.size(); ++w) {
    const std::string& name = first[w].name;
    if (is_state(name)) continue;
    INFO(name);
    const double factor = matches("down.*", name) ? 0.25 : matches("*.bias", name) ? 0 : 1;
    const bool decays = first[w].shape.size() > 1 && !matches("up.*", name);
    decayed += decays;
    frozen += factor == 0;
    for (size_t i = 0; i < first[w].values.size(); ++i) {
      const double start = first[w].values[i], step = plain.end.weights[w].values[i] - start; // -0.5 g
      const double expected = start + factor * (step - (decays ? 0.5 * 0.1 * start : 0));
      CHECK_FALSE(!(std::abs(groups.end.weights[w].values[i] - expected) <= 1e-14));
    }
  }
  CHECK(decayed > 2);
  CHECK(frozen > 0);
  const auto& rates = groups.diary.steps[0].group_lr;
  REQUIRE(rates.size() >= 3);
  CHECK(rates.front().second == 0.125);
  CHECK(rates.back().second == 0.5);
}

TEST_CASE("the gradient's norm, and clipping") {
  const DefaultExec exec;
  const Philox random(3);
  std::vector<double> values;
  double square = 0;
  for (uint64_t i = 0; i < 1700; ++i) {
    values.push_back(random.uniform_double(i) - 0.5);
    square += values.back() * values.back();
  }
  const double norm = std::sqrt(square);
  const auto clipped = [&](std::vector<double> gradient, double max_norm, double max_value) {
    ExecArray<double> on_exec({1, 1, 1, static_cast<index_t>(gradient.size())}, gradient);
    const GradientClipping<double, DefaultExec> clipping(exec, on_exec.tensor(), max_norm, max_value);
    clipping.clip(clipping.norm());
    exec.fence();
    return on_exec.get();
  };
  {
    ExecArray<double> on_exec({1, 1, 1, 1700}, values);
    CHECK_FALSE(
        !(std::abs((GradientClipping<double, DefaultExec>(exec, on_exec.tensor(), 0, 0).norm()) - norm) <= 1e-12));
    std::vector<double> broken = values;
    broken[1234] = std::numeric_limits<double>::infinity();
    ExecArray<double> bad({1, 1, 1, 1700}, broken);
    CHECK_FALSE(std::isfinite(GradientClipping<double, DefaultExec>(exec, bad.tensor(), 0, 0).norm()));
  }
  CHECK(clipped(values, 0, 0) == values);
  CHECK(clipped(values, norm * 1.01, 0) == values); // short enough
  const std::vector<double> shorter = clipped(values, 1, 0), limited = clipped(values, 0, 0.25);
  for (size_t i = 0; i < values.size(); ++i) {
    CHECK_FALSE(!(std::abs(shorter[i] - values[i] / (norm + 1e-6)) <= 1e-15));
    CHECK(limited[i] == std::min(std::max(values[i], -0.25), 0.25));
  }
}

TEST_CASE("the loop clips the whole gradient, and reports its norm from before") {
  const Changes clipped = with(one_sgd_step, {{"train.clip_norm", "0.01"}});
  const auto first = first_weights(toy_settings(clipped));
  const Run run = train(toy_settings(clipped), nullptr, 1), plain = train(toy_settings(one_sgd_step), nullptr, 1);
  double square = 0, plain_square = 0;
  for (size_t w = 0; w < first.size(); ++w)
    for (size_t i = 0; i < first[w].values.size() && !is_state(first[w].name); ++i) {
      square += std::pow(run.end.weights[w].values[i] - first[w].values[i], 2);
      plain_square += std::pow(plain.end.weights[w].values[i] - first[w].values[i], 2);
    }
  CHECK_FALSE(!(std::abs(std::sqrt(square) - 0.5 * 0.01) <= 1e-6));
  CHECK(run.diary.steps[0].gradient_norm == plain.diary.steps[0].gradient_norm);
  CHECK_FALSE(!(std::abs(std::sqrt(plain_square) - 0.5 * plain.diary.steps[0].gradient_norm) <= 1e-12));
}

TEST_CASE("an average over the steps' weights is what is validated and saved") {
  struct Recorder final : Callback {
    explicit Recorder(std::vector<std::vector<double>>* to) : steps(to) {}
    void on_step(const StepReport&, RunControl& run) override {
      steps->push_back(run.weight("down.0.0.weight").values);
    }
    std::vector<std::vector<double>>* steps;
  };
  for (const std::string warm_up : {"true", "false"}) {
    INFO("ema_warmup " << warm_up);
    const Settings settings = toy_settings(
        {{"train.precision", "f64"}, {"train.ema", "0.9"}, {"train.ema_warmup", warm_up}, {"train.epochs", "3"}});
    std::vector<std::vector<double>> steps;
    const auto loop = make_train_loop(settings, toy_frames(22, 1), toy_frames(5, 2));
    loop->add(std::make_unique<Recorder>(&steps));
    loop->run();
    const Checkpoint end = loop->checkpoint();
    REQUIRE(end.weights[0].name == "down.0.0.weight");
    REQUIRE(end.trained_weights.size() == end.weights.size());
    std::vector<double> average = steps[0];
    for (size_t n = 1; n < steps.size(); ++n) {
      const double k = static_cast<double>(n), d = warm_up == "true" ? std::min(0.9, (1 + k) / (10 + k)) : 0.9;
      for (size_t i = 0; i < average.size(); ++i) average[i] = d * average[i] + (1 - d) * steps[n][i];
    }
    for (size_t i = 0; i < average.size(); ++i)
      CHECK_FALSE(!(std::abs(end.weights[0].values[i] - average[i]) <= 1e-15));
    CHECK(end.trained_weights[0].values == steps.back());
    // Validation was that of the average: what anybody who evaluates the checkpoint finds.
    const auto network = checkpoint_predictor(end, "c.h5");
    const Evaluation evaluation = evaluate(prediction_sources(*network, false), *toy_frames(5, 2), {.protocol = "raw"});
    for (size_t i = 0; i < end.metrics.size(); ++i)
      CHECK_FALSE(!(std::abs(evaluation.rows[0].metrics[i].second - end.metrics[i].second) <=
                    1e-5 * std::abs(end.metrics[i].second) + 1e-5)); // evaluation is in float
  }
  // Training itself isn't touched by it.
  const Run plain = train(toy_settings()), averaged = train(toy_settings({{"train.ema", "0.9"}}));
  for (size_t w = 0; w < plain.end.weights.size(); ++w)
    CHECK(plain.end.weights[w].values == averaged.end.trained_weights[w].values);
}

TEST_CASE("L-BFGS takes the whole set as its batch") {
  const Changes full{{"optimizer.name", "lbfgs"},    {"optimizer.lr", "1"},       {"optimizer.history_size", "10"},
                     {"data.batch_size", "20"},      {"data.flip", "0"},          {"data.brightness_gain", "0"},
                     {"data.brightness_shift", "0"}, {"optimizer.max_iter", "8"}, {"train.epochs", "4"}};
  const Run run = train(toy_settings(full), nullptr, 0, 20);
  REQUIRE(run.diary.epochs.size() == 4);
  CHECK(run.diary.epochs.back().train_loss < 0.5 * run.diary.epochs.front().train_loss);
  for (size_t i = 1; i < run.diary.epochs.size(); ++i) // the line search never goes up; BN statistics are the batch's
    CHECK(run.diary.epochs[i].train_loss <= run.diary.epochs[i - 1].train_loss * 1.0001);
  // Resumed with its history.
  const Run first = train(toy_settings(full), nullptr, 2, 20);
  check_same_bits(train(toy_settings(full), &first.end, 0, 20).end, run.end);

  CHECK_THROWS_MATCHES(train(toy_settings(with(full, {{"train.clip_norm", "1"}}))), Error,
                       MessageMatches(ContainsSubstring("line search") && ContainsSubstring("train.clip_norm")));
  CHECK_THROWS_MATCHES(train(toy_settings(with(full, {{"optimizer.lr_factors", "down.*=0.1"}}))), Error,
                       MessageMatches(ContainsSubstring("one line") && ContainsSubstring("lr_factors")));
}

TEST_CASE("schedules: by epochs, in a sequence, with cycled momentum, by a plateau of the metric") {
  const auto rates = [](const Changes& changes) {
    std::vector<double> lr;
    for (const StepReport& step : train(toy_settings(changes)).diary.steps) lr.push_back(step.lr);
    return lr;
  };
  const std::vector<double> epochs = rates({{"scheduler.name", "step"},
                                            {"scheduler.unit", "epoch"},
                                            {"scheduler.step_size", "2"},
                                            {"scheduler.gamma", "0.5"},
                                            {"optimizer.lr", "0.01"}});
  REQUIRE(epochs.size() == 20);
  for (size_t step = 0; step < 20; ++step) CHECK(epochs[step] == (step < 10 ? 0.01 : 0.005));

  const std::vector<double> sequence = rates({{"scheduler.name", "linear:4, cosine: 10, constant"},
                                              {"scheduler.start_factor", "0.5"},
                                              {"optimizer.lr", "0.01"}});
  CHECK(sequence[0] == 0.005);
  CHECK(sequence[4] == 0.01);
  CHECK_FALSE(!(std::abs(sequence[9] - 0.005) <= 1e-15)); // half of the cosine
  CHECK(sequence[14] == 0.01);
  CHECK(sequence[19] == 0.01);

  const Run cycle =
      train(toy_settings({{"optimizer.name", "sgd"}, {"optimizer.momentum", "0.9"}, {"scheduler.name", "one_cycle"}}));
  REQUIRE(cycle.diary.steps[0].momentum.has_value());
  CHECK(*cycle.diary.steps[0].momentum == 0.95);
  CHECK_FALSE(!(std::abs(*cycle.diary.steps[5].momentum - 0.85) <= 1e-12)); // 0.3 * 20 - 1
  CHECK_FALSE(
      train(toy_settings({{"optimizer.name", "adagrad"}, {"scheduler.name", "one_cycle"}, {"train.epochs", "1"}}))
          .diary.steps[0]
          .momentum.has_value()); // auto: it has none

  // No later validation is better enough, and each costs a cut; the metric is one where more is better.
  const std::vector<double> plateau = rates({{"scheduler.name", "plateau"},
                                             {"scheduler.patience", "0"},
                                             {"scheduler.threshold", "1e6"},
                                             {"scheduler.threshold_mode", "abs"},
                                             {"scheduler.factor", "0.5"},
                                             {"optimizer.lr", "0.01"}});
  CHECK(plateau[9] == 0.01); // the first is better than nothing
  CHECK(plateau[10] == 0.005);
  CHECK(plateau[19] == 0.0025);
}

TEST_CASE("everything at once resumes to the same bits") {
  const Settings settings = toy_settings({{"optimizer.name", "nadam"},
                                          {"optimizer.lr_factors", "down.*=0.3"},
                                          {"optimizer.no_decay", "norm, bias"},
                                          {"optimizer.weight_decay", "0.01"},
                                          {"loss.name", "silog + 0.5*gradient + 0.1*ssim"},
                                          {"scheduler.name", "linear:3, plateau"},
                                          {"scheduler.patience", "0"},
                                          {"scheduler.threshold", "0.2"},
                                          {"train.clip_norm", "0.5"},
                                          {"train.clip_value", "0.1"},
                                          {"train.ema", "0.95"},
                                          {"train.micro_batch", "2"}});
  const Run whole = train(settings);
  for (const index_t stop_at : {1, 7, 15}) {
    INFO("stopped after step " << stop_at);
    const Run first = train(settings, nullptr, stop_at);
    check_same_bits(train(settings, &first.end).end, whole.end);
  }
  const Checkpoint one_group = train(toy_settings({{"optimizer.name", "nadam"}}), nullptr, 3).end;
  CHECK_THROWS_MATCHES(
      train(toy_settings({{"optimizer.name", "nadam"}, {"optimizer.lr_factors", "down.*=0.3"}}), &one_group), Error,
      MessageMatches(ContainsSubstring("down.*/mu_product") && ContainsSubstring("[optimizer]")));
  const Checkpoint without = train(toy_settings(), nullptr, 3).end;
  CHECK_THROWS_MATCHES(train(toy_settings({{"train.ema", "0.9"}}), &without), Error,
                       MessageMatches(ContainsSubstring("train.ema")));
}
