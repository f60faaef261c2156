// Optimizers against their formulas written out naively, over many tensors and blocks; state, resume, messages, bits.
#include "shared/core/rng.hpp"
#include "tests/trainer/exec_array.hpp"
#include "trainer/optimizers/optimizers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstring>
#include <deque>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;

namespace {

const std::vector<std::string>& all_names() {
  static const std::vector<std::string> names{"sgd",     "adam",     "adamw", "rmsprop",
                                              "adagrad", "adadelta", "nadam", "radam"};
  return names;
}

/// Weights as a network has them: small, empty, larger than a block of the launch, and not a multiple of anything.
template <class T> struct Weights {
  std::deque<ExecArray<T>> weights, gradients;
  std::vector<WeightSlot<T>> slots;

  Weights() {
    const Shape shapes[] = {{3, 3, 3, 5}, {1, 1, 1, 1}, {0, 1, 1, 4}, {1, 1, 1, 4096}, {7, 3, 3, 131}};
    for (const Shape& shape : shapes) {
      const ExecArray<T>& weight = weights.emplace_back(shape);
      const ExecArray<T>& gradient = gradients.emplace_back(shape);
      slots.push_back({"w" + std::to_string(slots.size()), weight.tensor(), gradient.view()});
    }
    fill(weights, 1);
  }
  static void fill(std::deque<ExecArray<T>>& arrays, uint64_t seed) {
    for (size_t k = 0; k < arrays.size(); ++k) {
      const Philox random(seed, k);
      std::vector<double> values;
      for (index_t i = 0; i < arrays[k].tensor().shape.count(); ++i)
        values.push_back(2 * random.uniform_double(static_cast<uint64_t>(i)) - 1);
      arrays[k].set(values);
    }
  }
  void new_gradients(uint64_t step) { fill(gradients, 1000 + step); }
  std::vector<T> flat(const std::deque<ExecArray<T>>& arrays) const {
    std::vector<T> all;
    for (const ExecArray<T>& array : arrays)
      for (const T value : array.get()) all.push_back(value);
    return all;
  }
};

template <class T> bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

OptimizerParams params(const std::string& name) {
  OptimizerParams p = default_optimizer_params(name);
  p.weight_decay = 0.03;
  if (name == "sgd" || name == "rmsprop") p.momentum = 0.7;
  p.centered = p.amsgrad = true;
  p.initial_accumulator_value = 0.1;
  return p;
}

template <class T> void copy(const Tensor<T>& to, const Tensor<T>& from) {
  using View = Kokkos::View<T*, DefaultExec::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  const size_t n = static_cast<size_t>(to.shape.count());
  Kokkos::deep_copy(View(to.data, n), View(from.data, n));
}

} // namespace

TEST_CASE("sgd and adamw, element by element, with rates and momentum that change from step to step") {
  for (const std::string name : {"sgd", "adamw"}) {
    INFO(name);
    Weights<double> w;
    const OptimizerParams p = params(name);
    const DefaultExec exec;
    const auto optimizer = make_optimizer<double>(name, p, exec, w.slots);
    std::vector<double> x = w.flat(w.weights), a(x.size()), b(x.size()), c(x.size());
    for (int t = 1; t <= 12; ++t) {
      const double lr = 0.1 / t, momentum = 0.9 - 0.03 * t;
      optimizer->set_lr(lr);
      optimizer->set_momentum(momentum);
      CHECK(optimizer->momentum() == momentum);
      w.new_gradients(static_cast<uint64_t>(t));
      optimizer->step();
      exec.fence();
      const std::vector<double> g = w.flat(w.gradients);
      for (size_t i = 0; i < x.size(); ++i) {
        if (name == "sgd") {
          const double d = g[i] + 0.03 * x[i];
          a[i] = t == 1 ? d : momentum * a[i] + d;
          x[i] -= lr * a[i];
        } else {
          x[i] *= 1 - lr * 0.03;
          a[i] = momentum * a[i] + (1 - momentum) * g[i];
          b[i] = 0.999 * b[i] + 0.001 * g[i] * g[i];
          c[i] = std::max(c[i], b[i]);
          x[i] -=
              lr / (1 - std::pow(momentum, t)) * a[i] / (std::sqrt(c[i]) / std::sqrt(1 - std::pow(0.999, t)) + 1e-8);
        }
      }
      const std::vector<double> got = w.flat(w.weights);
      double error = 0;
      for (size_t i = 0; i < x.size(); ++i)
        error = !(std::abs(got[i] - x[i]) <= error) ? std::abs(got[i] - x[i]) : error;
      CHECK_FALSE(!(error <= 1e-11));
    }
  }
}

TEST_CASE("decoupled weight decay shrinks weights and stays out of the gradient") {
  for (const std::string name : {"nadam", "radam"}) {
    INFO(name);
    OptimizerParams p = default_optimizer_params(name);
    p.lr = 0.25;
    Weights<double> plain, decayed;
    const auto without = make_optimizer<double, DefaultExec>(name, p, DefaultExec(), plain.slots);
    p.weight_decay = 0.5;
    p.decoupled_weight_decay = true;
    const auto with = make_optimizer<double, DefaultExec>(name, p, DefaultExec(), decayed.slots);
    std::vector<double> plain_before = plain.flat(plain.weights), before = plain_before;
    for (uint64_t t = 0; t < 8; ++t) { // with the same gradients both make the same step, from other places
      plain.new_gradients(t);
      decayed.new_gradients(t);
      without->step();
      with->step();
      DefaultExec().fence();
      const std::vector<double> a = plain.flat(plain.weights), b = decayed.flat(decayed.weights);
      size_t wrong = 0;
      for (size_t i = 0; i < a.size(); ++i)
        wrong += !(std::abs((b[i] - 0.875 * before[i]) - (a[i] - plain_before[i])) <= 1e-13);
      CHECK(wrong == 0);
      plain_before = a;
      before = b;
    }
  }
}

TEST_CASE("a run that is resumed from its state gives the same bits") {
  const DefaultExec exec;
  for (const std::string& name : all_names()) {
    INFO(name);
    Weights<float> whole, cut;
    const auto first = make_optimizer<float>(name, params(name), exec, whole.slots);
    auto second = make_optimizer<float>(name, params(name), exec, cut.slots);
    for (uint64_t t = 1; t <= 9; ++t) {
      whole.new_gradients(t);
      cut.new_gradients(t);
      first->step();
      second->step();
      if (t == 4) { // as a checkpoint does it: weights, states, scalars, steps
        auto resumed = make_optimizer<float>(name, params(name), exec, cut.slots);
        exec.fence();
        const auto from = second->states(), to = resumed->states();
        REQUIRE(from.size() == to.size());
        for (size_t i = 0; i < from.size(); ++i) {
          CHECK((from[i].weight == to[i].weight && from[i].name == to[i].name));
          copy(to[i].values, from[i].values);
        }
        const auto from_scalars = second->scalars(), to_scalars = resumed->scalars();
        for (size_t i = 0; i < from_scalars.size(); ++i) *to_scalars[i].value = *from_scalars[i].value;
        resumed->set_steps(second->steps());
        second = std::move(resumed);
      }
    }
    exec.fence();
    CHECK(same_bits(whole.flat(whole.weights), cut.flat(cut.weights)));
    CHECK(second->steps() == 9);
    for (const float v : whole.flat(whole.weights)) CHECK_FALSE(!(std::abs(v) <= 10));
  }
}

TEST_CASE("states have PyTorch's names and the weights' shapes") {
  const DefaultExec exec;
  Weights<float> w;
  const auto names = [&](const std::string& name, const OptimizerParams& p) {
    std::string text;
    for (const auto& state : make_optimizer<float>(name, p, exec, w.slots)->states())
      if (state.weight == "w0") {
        CHECK((state.values.shape == w.slots[0].weight.shape));
        text += state.name + " ";
      }
    return text;
  };
  CHECK(names("sgd", default_optimizer_params("sgd")).empty());
  CHECK(names("sgd", params("sgd")) == "momentum_buffer ");
  CHECK(names("adam", default_optimizer_params("adam")) == "exp_avg exp_avg_sq ");
  CHECK(names("adamw", params("adamw")) == "exp_avg exp_avg_sq max_exp_avg_sq ");
  CHECK(names("rmsprop", params("rmsprop")) == "square_avg momentum_buffer grad_avg ");
}

TEST_CASE("the same bits on the caller's thread alone") {
  if constexpr (DefaultExec::on_host) {
    // The rules through the same loop on HostExec.
    const index_t n = 10000;
    std::vector<float> a(n), b(n), g(n), states_a(2 * n), states_b(2 * n);
    const Philox random(5);
    for (index_t i = 0; i < n; ++i) {
      a[static_cast<size_t>(i)] = b[static_cast<size_t>(i)] = random.uniform(static_cast<uint64_t>(2 * i)) - 0.5f;
      g[static_cast<size_t>(i)] = random.uniform(static_cast<uint64_t>(2 * i + 1)) - 0.5f;
    }
    const optimizers::AdamRule<float> rule{1e-2f, 0.5f, 1e-8f, 0.999f, 0.1f, 0.001f, 0.01f, 0.99f, false};
    const auto run = [&](const auto& exec, std::vector<float>& weights, std::vector<float>& states) {
      std::vector<trainer::detail::WeightBlock<float>> blocks;
      for (index_t first = 0; first < n; first += trainer::detail::weight_block)
        blocks.push_back(
            {weights.data() + first, g.data() + first, first, std::min(trainer::detail::weight_block, n - first)});
      trainer::detail::StateArrays<float> arrays;
      arrays.at[0] = states.data();
      arrays.at[1] = states.data() + n;
      for (int step = 0; step < 3; ++step)
        trainer::detail::for_each_weight<float>(exec, "test", blocks.data(), static_cast<index_t>(blocks.size()),
                                                arrays, rule);
      exec.fence();
    };
    run(HostExec(), a, states_a);
    run(DefaultExec(), b, states_b);
    CHECK(same_bits(a, b));
    CHECK(same_bits(states_a, states_b));
  }
}

TEST_CASE("lbfgs: resumed bit for bit, and it finds the minimum of a valley") {
  const DefaultExec exec;
  const auto run = [&](bool wolfe, int steps, int cut_at) {
    ExecArray<double> x({1, 1, 1, 2}, std::vector<double>{-1.2, 1.0}), g({1, 1, 1, 2});
    const std::vector<WeightSlot<double>> slots{{"x", x.tensor(), g.view()}};
    OptimizerParams p = default_optimizer_params("lbfgs");
    p.strong_wolfe = wolfe;
    p.history_size = 3;
    p.max_iter = 4;
    p.lr = wolfe ? 1.0 : 1e-3;
    p.tolerance_change = 1e-14;
    auto optimizer = make_optimizer<double>("lbfgs", p, exec, slots);
    const auto closure = [&] { // Rosenbrock
      exec.fence();
      const std::vector<double> at = x.get();
      const double u = 1 - at[0], v = at[1] - at[0] * at[0];
      g.set(std::vector<double>{-2 * u - 400 * at[0] * v, 200 * v});
      return u * u + 100 * v * v;
    };
    for (int step = 0; step < steps; ++step) {
      optimizer->step(closure);
      if (step == cut_at) {
        auto resumed = make_optimizer<double>("lbfgs", p, exec, slots);
        exec.fence();
        const auto from_scalars = optimizer->scalars(), to_scalars = resumed->scalars();
        REQUIRE(from_scalars.size() == to_scalars.size());
        for (size_t i = 0; i < from_scalars.size(); ++i) *to_scalars[i].value = *from_scalars[i].value;
        const auto from = optimizer->states(), to = resumed->states(); // as many as the scalars say
        REQUIRE(from.size() == to.size());
        for (size_t i = 0; i < from.size(); ++i) copy(to[i].values, from[i].values);
        resumed->set_steps(optimizer->steps());
        optimizer = std::move(resumed);
      }
    }
    exec.fence();
    return x.get();
  };
  CHECK(same_bits(run(true, 6, -1), run(true, 6, 2)));
  CHECK(same_bits(run(false, 6, -1), run(false, 6, 2)));
  const std::vector<double> minimum = run(true, 30, -1);
  CHECK_FALSE(!(std::abs(minimum[0] - 1) <= 1e-6));
  CHECK_FALSE(!(std::abs(minimum[1] - 1) <= 1e-6));
}

TEST_CASE("impossible options and uses are explained") {
  const DefaultExec exec;
  Weights<float> w;
  const auto make = [&](const std::string& name, auto change) {
    OptimizerParams p = default_optimizer_params(name);
    change(p);
    return make_optimizer<float>(name, p, exec, w.slots);
  };
  const auto nothing = [](OptimizerParams&) {};
  CHECK_THROWS_WITH(make("adamv", nothing), ContainsSubstring("Did you mean \"adam"));
  CHECK_THROWS_WITH(make("sgd", [](auto& p) { p.nesterov = true; }), ContainsSubstring("nesterov"));
  CHECK_THROWS_WITH(make("adam", [](auto& p) { p.beta2 = 1; }), ContainsSubstring("beta2"));
  CHECK_THROWS_WITH(make("adam", [](auto& p) { p.lr = -1; }), ContainsSubstring("lr"));
  CHECK_THROWS_WITH(make("adam", [](auto& p) { p.lr = std::nan(""); }), ContainsSubstring("lr"));
  CHECK_THROWS_WITH(make("lbfgs", [](auto& p) { p.history_size = 0; }), ContainsSubstring("history_size"));
  CHECK_THROWS_WITH(make("lbfgs", nothing)->step(), ContainsSubstring("lbfgs"));
  CHECK_THROWS_WITH(make("sgd", nothing)->set_momentum(0.9), ContainsSubstring("cycle_momentum"));
  CHECK_THROWS_WITH(make("adagrad", nothing)->set_momentum(0.9), ContainsSubstring("adagrad"));
  CHECK(make("adamw", nothing)->has_momentum());
  CHECK_FALSE(make("adagrad", nothing)->has_momentum());
  w.slots[0].gradient = w.slots[1].gradient;
  CHECK_THROWS_WITH(make("sgd", nothing), ContainsSubstring("\"w0\""));
}
