// Every case of torch_optimizers.h5: the whole trajectory in double within 1e-10, in float within 1e-4 (lbfgs, which
// amplifies rounding by its line searches: double only).
#include "tests/support/golden_file.hpp"
#include "tests/trainer/exec_array.hpp"
#include "trainer/optimizers/optimizers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;

namespace {

const std::map<std::string, std::string>& names() {
  static const std::map<std::string, std::string> map{
      {"SGD", "sgd"},           {"Adam", "adam"},   {"AdamW", "adamw"}, {"RMSprop", "rmsprop"}, {"Adagrad", "adagrad"},
      {"Adadelta", "adadelta"}, {"NAdam", "nadam"}, {"RAdam", "radam"}, {"LBFGS", "lbfgs"}};
  return map;
}

OptimizerParams params_of(const GoldenGroup& group, const std::string& optimizer) {
  OptimizerParams p = default_optimizer_params(optimizer);
  for (const auto& [name, attribute] : group.attributes) {
    if (name == "optimizer") continue;
    if (name == "lr")
      p.lr = group.number(name);
    else if (name == "weight_decay")
      p.weight_decay = group.number(name);
    else if (name == "momentum")
      p.momentum = group.number(name);
    else if (name == "dampening")
      p.dampening = group.number(name);
    else if (name == "nesterov")
      p.nesterov = group.boolean(name);
    else if (name == "betas") {
      p.beta1 = group.numbers(name).at(0);
      p.beta2 = group.numbers(name).at(1);
    } else if (name == "eps")
      p.eps = group.number(name);
    else if (name == "amsgrad")
      p.amsgrad = group.boolean(name);
    else if (name == "alpha")
      p.alpha = group.number(name);
    else if (name == "centered")
      p.centered = group.boolean(name);
    else if (name == "lr_decay")
      p.lr_decay = group.number(name);
    else if (name == "max_iter")
      p.max_iter = group.integer(name);
    else if (name == "history_size")
      p.history_size = group.integer(name);
    else if (name == "line_search_fn") {
      p.strong_wolfe = group.text(name) == "strong_wolfe";
      REQUIRE((p.strong_wolfe || group.text(name) == "none"));
    } else if (name == "objective")
      REQUIRE(group.text(name) == "0.5 x'Ax - b'x + 0.1 sum x^4");
    else
      FAIL(group.path << ": unknown attribute " << name);
  }
  return p;
}

/// The weights in two tensors, as a network has several.
template <class T> struct TwoWeights {
  index_t first, second;
  ExecArray<T> weight_a, weight_b, gradient_a, gradient_b;

  explicit TwoWeights(const std::vector<double>& initial)
      : first(static_cast<index_t>(initial.size()) / 3), second(static_cast<index_t>(initial.size()) - first),
        weight_a({1, 1, 1, first}), weight_b({1, 1, 1, second}), gradient_a({1, 1, 1, first}),
        gradient_b({1, 1, 1, second}) {
    split(initial, weight_a, weight_b);
  }
  void split(const std::vector<double>& all, ExecArray<T>& a, ExecArray<T>& b) const {
    a.set(std::vector<double>(all.begin(), all.begin() + first));
    b.set(std::vector<double>(all.begin() + first, all.end()));
  }
  void set_gradient(const std::vector<double>& all) { split(all, gradient_a, gradient_b); }
  std::vector<double> weights() const {
    std::vector<double> all;
    for (const T v : weight_a.get()) all.push_back(static_cast<double>(v));
    for (const T v : weight_b.get()) all.push_back(static_cast<double>(v));
    return all;
  }
  std::vector<WeightSlot<T>> slots() const {
    return {{"a", weight_a.tensor(), gradient_a.view()}, {"b", weight_b.tensor(), gradient_b.view()}};
  }
};

void check(const std::vector<double>& got, const double* expected, double tolerance) {
  for (size_t i = 0; i < got.size(); ++i)
    CHECK_FALSE(!(std::abs(got[i] - expected[i]) <= tolerance * std::max(1.0, std::abs(expected[i]))));
}

template <class T> void replay(const GoldenGroup& group, double tolerance) {
  const std::string optimizer_name = names().at(group.text("optimizer"));
  const OptimizerParams params = params_of(group, optimizer_name);
  const std::vector<double>&initial = group.array("initial").values, &gradients = group.array("gradients").values;
  const GoldenArray& trajectory = group.array("trajectory");
  const size_t n = initial.size();
  TwoWeights<T> weights(initial);
  const DefaultExec exec;
  const auto optimizer = make_optimizer<T>(optimizer_name, params, exec, weights.slots());
  for (size_t s = 0; s < static_cast<size_t>(trajectory.dims.at(0)); ++s) {
    const auto g = gradients.begin() + static_cast<std::ptrdiff_t>(s * n);
    weights.set_gradient(std::vector<double>(g, g + static_cast<std::ptrdiff_t>(n)));
    optimizer->step();
    exec.fence();
    INFO("step " << s);
    check(weights.weights(), trajectory.values.data() + s * n, tolerance);
  }
  CHECK(optimizer->steps() == trajectory.dims[0]);
}

void replay_closure(const GoldenGroup& group) {
  const OptimizerParams params = params_of(group, "lbfgs");
  const std::vector<double>&initial = group.array("initial").values, &a = group.array("A").values;
  const std::vector<double>&b = group.array("b").values, &losses = group.array("losses").values;
  const GoldenArray& trajectory = group.array("trajectory");
  const size_t n = initial.size();
  TwoWeights<double> weights(initial);
  const DefaultExec exec;
  const auto optimizer = make_optimizer<double>("lbfgs", params, exec, weights.slots());
  const auto closure = [&] {
    exec.fence();
    const std::vector<double> x = weights.weights();
    std::vector<double> gradient(n);
    double loss = 0;
    for (size_t i = 0; i < n; ++i) {
      double ax = 0;
      for (size_t j = 0; j < n; ++j) ax += a[i * n + j] * x[j];
      loss += 0.5 * x[i] * ax - b[i] * x[i] + 0.1 * x[i] * x[i] * x[i] * x[i];
      gradient[i] = ax - b[i] + 0.4 * x[i] * x[i] * x[i];
    }
    weights.set_gradient(gradient);
    return loss;
  };
  for (size_t s = 0; s < static_cast<size_t>(trajectory.dims.at(0)); ++s) {
    INFO("step " << s);
    const double loss = optimizer->step(closure);
    exec.fence();
    CHECK_FALSE(!(std::abs(loss - losses.at(s)) <= 1e-10 * std::max(1.0, std::abs(losses.at(s)))));
    check(weights.weights(), trajectory.values.data() + s * n, 1e-10);
  }
}

} // namespace

TEST_CASE("every case of torch_optimizers.h5 is reproduced") {
  const GoldenGroup file = read_golden("torch_optimizers.h5");
  REQUIRE(file.groups.size() >= 1);
  for (const auto& [name, group] : file.groups) {
    INFO(name);
    REQUIRE(names().count(group.text("optimizer")) == 1);
    if (group.text("optimizer") == "LBFGS") {
      replay_closure(group);
    } else {
      replay<double>(group, 1e-10);
      replay<float>(group, 1e-4);
    }
    CHECK(group.unread() == "");
  }
}
