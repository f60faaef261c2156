// GraphSession: gradients of whole graphs, micro-batches, aliasing, the same bits on every host exec and thread count.
#include "shared/core/rng.hpp"
#include "shared/model/run_plan.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/networks/unet.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstring>
#include <set>

using namespace leadline;
using leadline::trainer::GraphSession;
using leadline::trainer::Recompute;

namespace {

Conv2d::Params conv3x3(int out_channels, int stride = 1) {
  Conv2d::Params p;
  p.out_channels = out_channels;
  p.kernel_h = p.kernel_w = 3;
  p.stride_h = p.stride_w = stride;
  p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = 1;
  return p;
}

// Everything that makes gradients meet: a skip that is read twice and lives in a concat, a concat inside a concat, a
// value added to itself, a concat that must copy because its guest is read later, a branch that leads nowhere.
Graph tangled(const Shape& input, bool batch_norm) {
  GraphBuilder b("tangled", input);
  const auto smooth = make_activation(ActivationKind::silu); // no kinks: finite differences apply everywhere
  int32_t x = b.add<Conv2d>(conv3x3(5), {b.input()}, "stem");
  if (batch_norm) x = b.add<BatchNorm2d>({}, {x}, "norm");
  const int32_t skip = b.add<Activation>(smooth, {x}, "skip");
  int32_t down = b.add<Conv2d>(conv3x3(6, 2), {skip}, "down");
  down = b.add<Activation>(smooth, {down}, "down.act");
  ConvTranspose2d::Params up_params;
  up_params.out_channels = 4;
  up_params.kernel_h = up_params.kernel_w = up_params.stride_h = up_params.stride_w = 2;
  const int32_t up = b.add<ConvTranspose2d>(up_params, {down}, "up");
  const int32_t inner = b.add<Concat>({}, {up, skip}, "inner");
  const int32_t outer = b.add<Concat>({}, {inner, b.input(), up}, "outer"); // the input and a guest of inner: copies
  int32_t y = b.add<Conv2d>(conv3x3(5), {outer}, "mix");
  y = b.add<Add>({}, {y, y}, "twice");
  y = b.add<Mul>({}, {y, skip}, "gate"); // reads skip after the concat that it lives in
  b.add<Activation>(smooth, {y}, "nowhere");
  Conv2d::Params head;
  head.out_channels = 1;
  b.output(b.add<Conv2d>(head, {y}, "head"));
  return b.finish();
}

template <class T> std::vector<T> random_values(index_t count, uint64_t stream, double scale = 1) {
  const Philox random(11, stream);
  std::vector<T> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>((random.uniform_double(i) * 2 - 1) * scale);
  return values;
}

template <class T, class Exec> void set_random_weights(GraphSession<T, Exec>& session) {
  for (int i = 0; i < session.num_weights(); ++i) {
    std::vector<T> values = random_values<T>(session.weight(i).shape.count(), 100 + static_cast<uint64_t>(i), 0.5);
    const std::string& name = session.graph().weight_names[static_cast<size_t>(i)];
    if (name.find("var") != std::string::npos)
      for (T& v : values) v = T(1) + v;
    session.set_weight(i, values);
  }
}

// loss = sum of output * given factors, so diff_output is the factors.
template <class T, class Exec>
double loss_of(GraphSession<T, Exec>& session, const std::vector<T>& input, const std::vector<T>& factors) {
  session.upload(input.data(), session.input());
  session.forward(true);
  std::vector<T> output(factors.size());
  session.download(session.output(), output.data());
  double loss = 0;
  for (size_t i = 0; i < output.size(); ++i) loss += static_cast<double>(output[i]) * static_cast<double>(factors[i]);
  return loss;
}

template <class T> bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T, class Exec> std::vector<std::vector<T>> run_step(const Exec& exec, int micro_batches) {
  const Shape shape{2, 8, 6, 3};
  GraphSession<T, Exec> session(exec, tangled(shape, true), shape, true);
  set_random_weights(session);
  for (int m = 0; m < micro_batches; ++m) {
    session.upload(random_values<T>(shape.count(), static_cast<uint64_t>(m)).data(), session.input());
    session.forward(true);
    session.upload(random_values<T>(session.output().shape.count(), 50 + static_cast<uint64_t>(m)).data(),
                   session.diff_output());
    session.backward(m);
  }
  session.finish_step();
  std::vector<std::vector<T>> results;
  for (int i = 0; i < session.num_weights(); ++i) {
    results.push_back(session.get_weight(i)); // running statistics moved
    if (session.graph().trainable[static_cast<size_t>(i)]) results.push_back(session.get_diff_weight(i));
  }
  return results;
}

void check_gradients(const Graph& graph) {
  const Shape shape{2, 6, 4, 3};
  GraphSession<double, DefaultExec> session(DefaultExec(), graph, shape, true, true);
  set_random_weights(session);
  std::vector<double> input = random_values<double>(shape.count(), 1);
  const std::vector<double> factors = random_values<double>(session.output().shape.count(), 2);
  loss_of(session, input, factors);
  session.upload(factors.data(), session.diff_output());
  for (size_t k = 1; k < graph.outputs.size(); ++k) // the loss doesn't look at them
    session.upload(std::vector<double>(static_cast<size_t>(session.output(static_cast<int>(k)).shape.count())).data(),
                   session.diff_output(static_cast<int>(k)));
  session.backward(0);
  session.finish_step();

  std::vector<std::vector<double>> gradients;
  for (int i = 0; i < session.num_weights(); ++i)
    gradients.push_back(session.graph().trainable[static_cast<size_t>(i)] ? session.get_diff_weight(i)
                                                                          : std::vector<double>());
  std::vector<double> diff_input(input.size());
  session.download(session.diff_input(), diff_input.data());

  constexpr double eps = 1e-5;
  const auto check = [&](const char* what, size_t k, double gradient, auto&& shift) {
    shift(eps);
    const double up = loss_of(session, input, factors);
    shift(-2 * eps);
    const double down = loss_of(session, input, factors);
    shift(eps);
    const double numeric = (up - down) / (2 * eps);
    INFO(what << " element " << k << ": backward " << gradient << ", finite difference " << numeric);
    CHECK_FALSE(!(std::fabs(gradient - numeric) <= 1e-6 * (1 + std::fabs(numeric))));
  };
  for (int i = 0; i < session.num_weights(); ++i) {
    if (!session.graph().trainable[static_cast<size_t>(i)]) continue;
    std::vector<double> values = session.get_weight(i);
    const auto& gradient = gradients[static_cast<size_t>(i)];
    for (size_t k = 0; k < values.size(); k += 1 + values.size() / 7)
      check(session.graph().weight_names[static_cast<size_t>(i)].c_str(), k, gradient[k], [&](double step) {
        values[k] += step;
        session.set_weight(i, values);
      });
  }
  for (size_t k = 0; k < input.size(); k += 11)
    check("input", k, diff_input[k], [&](double step) { input[k] += step; });
}

std::set<std::string> launched;
void on_launch(const char* label, const uint32_t, uint64_t*) { launched.insert(label); }

} // namespace

TEST_CASE("gradients of a tangled graph agree with finite differences") {
  check_gradients(tangled({2, 6, 4, 3}, false));
  check_gradients(tangled({2, 6, 4, 3}, true));
}

TEST_CASE("micro-batches give the mean gradient, whatever their number") {
  const Graph graph = tangled({1, 8, 6, 3}, false);
  for (const int count : {1, 2, 3, 5, 8}) {
    GraphSession<double, DefaultExec> many(DefaultExec(), graph, {1, 8, 6, 3}, true);
    GraphSession<double, DefaultExec> one(DefaultExec(), graph, {count, 8, 6, 3}, true);
    set_random_weights(many);
    set_random_weights(one);
    const index_t values = 8 * 6 * 3, outputs = 8 * 6;
    const std::vector<double> input = random_values<double>(count * values, 5),
                              factors = random_values<double>(count * outputs, 6);
    for (int step = 0; step < 2; ++step) { // the second step starts from blocks that were used
      for (int m = 0; m < count; ++m) {
        many.upload(input.data() + m * values, many.input());
        many.forward(true);
        many.upload(factors.data() + m * outputs, many.diff_output());
        many.backward(m);
      }
      many.finish_step();
    }
    loss_of(one, input, factors);
    one.upload(factors.data(), one.diff_output());
    one.backward(0);
    one.finish_step();
    for (int i = 0; i < one.num_weights(); ++i) {
      const auto a = many.get_diff_weight(i), b = one.get_diff_weight(i);
      double largest = 0, error = 0;
      for (size_t k = 0; k < a.size(); ++k) {
        largest = std::max(largest, std::fabs(b[k] / count));
        error = std::max(error, std::fabs(a[k] - b[k] / count));
      }
      INFO(count << " micro-batches, " << graph.weight_names[static_cast<size_t>(i)]);
      CHECK_FALSE(!(error <= 1e-12 * largest));
    }
  }
}

TEST_CASE("a step has the same bits on HostExec and OpenMP") {
  for (const int micro_batches : {1, 3}) {
    const auto host = run_step<float>(HostExec(), micro_batches),
               kokkos = run_step<float>(DefaultExec(), micro_batches);
    REQUIRE(host.size() == kokkos.size());
    for (size_t i = 0; i < host.size(); ++i) CHECK(same_bits(host[i], kokkos[i]));
    const auto again = run_step<float>(DefaultExec(), micro_batches);
    for (size_t i = 0; i < host.size(); ++i) CHECK(same_bits(kokkos[i], again[i]));
  }
}

TEST_CASE("evaluation in a training session, an inference session and run_inference agree bit for bit") {
  const Shape shape{2, 24, 36, 3};
  const Graph graph = tangled(shape, true);
  GraphSession<float, DefaultExec> training(DefaultExec(), graph, shape, true),
      inference(DefaultExec(), graph, shape, false);
  set_random_weights(training);
  set_random_weights(inference);
  const auto input = random_values<float>(shape.count(), 3);
  std::vector<float> a(static_cast<size_t>(training.output().shape.count())), b(a.size()), c(a.size());
  training.upload(input.data(), training.input());
  training.forward(false);
  training.download(training.output(), a.data());
  inference.upload(input.data(), inference.input());
  inference.forward(false);
  inference.download(inference.output(), b.data());
  CHECK(same_bits(a, b));
  CHECK(inference.bytes() < training.bytes());

  const GraphView view = graph.view();
  std::vector<ValuePlan> values(static_cast<size_t>(view.num_values));
  std::vector<NodePlan> nodes(static_cast<size_t>(view.num_nodes));
  std::vector<Interval> scratch(values.size() + nodes.size());
  PlanSummary summary;
  GraphError error;
  REQUIRE(plan_inference(view, shape, PlanOptions(), values.data(), nodes.data(), scratch.data(), &summary, &error) ==
          Status::ok);
  std::vector<std::vector<float>> weights;
  std::vector<const void*> pointers;
  for (int i = 0; i < training.num_weights(); ++i) weights.push_back(training.get_weight(i));
  for (const auto& w : weights) pointers.push_back(w.data());
  std::vector<unsigned char> memory(summary.arena_bytes + 64);
  unsigned char* arena = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
  std::memcpy(value_tensor<float>(values.data(), view.input, arena).data, input.data(), input.size() * sizeof(float));
  prepare_inference<float>(HostExec(), view, values.data(), nodes.data(), pointers.data(), arena);
  run_inference<float>(HostExec(), view, values.data(), nodes.data(), summary, pointers.data(), arena);
  std::memcpy(c.data(), value_tensor<float>(values.data(), view.outputs[0], arena).data, c.size() * sizeof(float));
  CHECK(same_bits(a, c));
}

namespace {

// All that can be computed again, in all the ways that it can be read: norms with their activation and without,
// activations in a row, a result that a gate and a convolution read, one in a concat, one that is returned.
Graph forgetful(const Shape& input) {
  GraphBuilder b("forgetful", input);
  const auto silu = make_activation(ActivationKind::silu), relu = make_activation(ActivationKind::relu);
  int32_t x = b.add<Conv2d>(conv3x3(6), {b.input()}, "stem");
  x = b.add<BatchNorm2d>({}, {x}, "batch");
  const int32_t gate = b.add<Activation>(relu, {x}, "batch.act");
  x = b.add<Conv2d>(conv3x3(6), {gate}, "a");
  GroupNorm::Params groups;
  groups.num_groups = 3;
  x = b.add<GroupNorm>(groups, {x}, "group");
  x = b.add<Activation>(silu, {x}, "group.act");
  x = b.add<Activation>(relu, {x}, "group.act.twice");
  const int32_t skip = b.add<Mul>({}, {x, gate}, "gate");
  x = b.add<Conv2d>(conv3x3(4), {skip}, "b");
  x = b.add<LayerNorm>({}, {x}, "layer");
  const int32_t pooled = b.add<MaxPool2d>({}, {x}, "pool");
  x = b.add<Conv2d>(conv3x3(5), {pooled}, "c");
  x = b.add<BatchNorm2d>({}, {x}, "low");
  x = b.add<Activation>(silu, {x}, "low.act");
  x = b.add<Resize>({}, {x}, "up");
  x = b.add<Concat>({}, {x, skip}, "cat");
  x = b.add<Conv2d>(conv3x3(5), {x}, "d");
  x = b.add<BatchNorm2d>({}, {x}, "end");
  const int32_t returned = b.add<Activation>(silu, {x}, "end.act");
  b.output(returned);
  Conv2d::Params head;
  head.out_channels = 1;
  b.output(b.add<Conv2d>(head, {returned}, "head"));
  return b.finish();
}

// Bytes of a session's activations alone.
size_t activation_bytes(const Graph& graph, const Shape& input, Recompute recompute) {
  const GraphSession<float, HostExec> session(HostExec(), graph, input, true, false, recompute);
  size_t weights = 0;
  for (size_t i = 0; i < graph.weight_shapes.size(); ++i)
    weights += static_cast<size_t>(graph.weight_shapes[i].count()) * sizeof(float) * (graph.trainable[i] ? 2 : 1);
  return session.bytes() - weights;
}

} // namespace

TEST_CASE("computing results again for backward doesn't change a bit, and takes less memory") {
  const Shape shape{2, 8, 6, 3};
  for (const bool want_diff_input : {false, true}) {
    std::vector<std::vector<float>> kept;
    size_t bytes = 0;
    for (const Recompute recompute : {Recompute::none, Recompute::cheap}) {
      GraphSession<float, DefaultExec> session(DefaultExec(), forgetful(shape), shape, true, want_diff_input,
                                               recompute);
      set_random_weights(session);
      std::vector<std::vector<float>> results;
      for (int step = 0; step < 2; ++step)
        for (int m = 0; m < 2; ++m) {
          session.upload(random_values<float>(shape.count(), static_cast<uint64_t>(m)).data(), session.input());
          session.forward(true);
          for (const int k : {0, 1}) {
            std::vector<float> output(static_cast<size_t>(session.output(k).shape.count()));
            session.download(session.output(k), output.data());
            results.push_back(output);
            session.upload(random_values<float>(session.output(k).shape.count(), 50).data(), session.diff_output(k));
          }
          session.backward(m);
          if (want_diff_input) {
            std::vector<float> diff(static_cast<size_t>(shape.count()));
            session.download(session.diff_input(), diff.data());
            results.push_back(diff);
          }
          if (m == 1) session.finish_step();
        }
      for (int i = 0; i < session.num_weights(); ++i) {
        results.push_back(session.get_weight(i));
        if (session.graph().trainable[static_cast<size_t>(i)]) results.push_back(session.get_diff_weight(i));
      }
      session.forward(false); // evaluation finds everything where it was
      std::vector<float> output(static_cast<size_t>(session.output(1).shape.count()));
      session.download(session.output(1), output.data());
      results.push_back(output);
      if (recompute == Recompute::none) {
        kept = results;
        bytes = session.bytes();
        CHECK(session.summary().find("recomputed") == std::string::npos);
        continue;
      }
      REQUIRE(results.size() == kept.size());
      for (size_t i = 0; i < results.size(); ++i) CHECK(same_bits(results[i], kept[i]));
      CHECK(session.bytes() < bytes);
      CHECK(session.summary().find("recomputed") != std::string::npos);
    }
  }
}

TEST_CASE("gradients through results that are computed again agree with finite differences") {
  check_gradients(forgetful({2, 6, 4, 3}));
}

TEST_CASE("dropout: masks are a function of seed, step and micro-batch, the same forward, backward and on every exec") {
  const Shape shape{2, 6, 4, 5};
  GraphBuilder b("drops", shape);
  b.output(b.add<Dropout>({0.5f}, {b.add<Dropout>({0.25f}, {b.input()}, "first")}, "second"));
  const Graph graph = b.finish();
  const std::vector<float> ones(static_cast<size_t>(shape.count()), 1);
  using Masks = std::vector<std::vector<float>>; // of each micro-batch: what comes out for ones, and the gradient
  const auto run = [&](const auto& exec, uint64_t seed, uint64_t step) {
    GraphSession<float, std::decay_t<decltype(exec)>> session(exec, graph, shape, true, true);
    session.set_step(seed, step);
    Masks masks;
    for (int m = 0; m < 2; ++m) {
      session.upload(ones.data(), session.input());
      session.forward(true);
      masks.emplace_back(ones.size());
      session.download(session.output(), masks.back().data());
      session.upload(ones.data(), session.diff_output());
      session.backward(m);
      masks.emplace_back(ones.size());
      session.download(session.diff_input(), masks.back().data());
    }
    session.finish_step();
    session.upload(ones.data(), session.input());
    session.forward(false);
    std::vector<float> evaluated(ones.size());
    session.download(session.output(), evaluated.data());
    CHECK(same_bits(evaluated, ones));
    return masks;
  };
  const Masks masks = run(DefaultExec(), 7, 3);
  CHECK(same_bits(masks[0], masks[1])); // the loss is the sum of the output
  CHECK(same_bits(masks[2], masks[3]));
  CHECK_FALSE(same_bits(masks[0], masks[2]));
  size_t kept = 0;
  for (const float v : masks[0]) {
    CHECK((v == 0 || std::fabs(v - 1 / 0.375f) <= 1e-6f));
    kept += v != 0;
  }
  CHECK(std::fabs(static_cast<double>(kept) / 240 - 0.375) <= 4 * std::sqrt(0.375 * 0.625 / 240));
  CHECK(run(DefaultExec(), 7, 3) == masks);
  CHECK(run(HostExec(), 7, 3) == masks);
  CHECK(run(DefaultExec(), 7, 4)[0] != masks[0]);
  CHECK(run(DefaultExec(), 8, 3)[0] != masks[0]);
}

TEST_CASE("the activations of a U-Net's training step") {
  leadline::trainer::UNetParams params;
  params.base_channels = 32;
  params.levels = 3;
  params.height = params.width = 224;
  const Graph graph = leadline::trainer::unet(params);
  const Shape input{4, 224, 224, 3}; // nothing runs: only addresses are taken
  size_t values = 0;                 // what a step holds that keeps every result
  for (const Shape& shape : graph.infer(input)) values += static_cast<size_t>(shape.count()) * sizeof(float);
  const size_t none = activation_bytes(graph, input, Recompute::none),
               cheap = activation_bytes(graph, input, Recompute::cheap);
  INFO("all values " << values << ", kept " << none << ", recomputed " << cheap);
  CHECK(cheap < 0.8 * static_cast<double>(none));
  CHECK(cheap < 0.55 * static_cast<double>(values));
}

TEST_CASE("a profile has a line for every node, and times where they were taken") {
  const Shape shape{1, 8, 6, 3};
  GraphSession<float, HostExec> session(HostExec(), tangled(shape, true), shape, true);
  session.measure(true);
  session.forward(true);
  session.backward(0);
  const std::string profile = session.profile();
  CHECK(profile.find("batch_norm2d") != std::string::npos);
  CHECK(profile.find("sum") != std::string::npos);
  double forward = 0, backward = 0;
  REQUIRE(std::sscanf(profile.c_str() + profile.rfind("sum") + 3, "%lf %lf", &forward, &backward) == 2);
  CHECK(forward > 0);
  CHECK(backward > 0);
}

TEST_CASE("every launch carries a leadline label") {
  launched.clear();
  Kokkos::Tools::Experimental::set_begin_parallel_for_callback(on_launch);
  run_step<float>(DefaultExec(), 2);
  Kokkos::Tools::Experimental::set_begin_parallel_for_callback(nullptr);
  CHECK(launched.size() > 10);
  for (const std::string& label : launched)
    if (label.find("Kokkos::Impl::") != 0) { // Kokkos's own copies and fills
      INFO(label);
      CHECK(label.find("leadline::") == 0);
    }
}

TEST_CASE("misuse is refused with a sentence") {
  const Shape shape{1, 8, 6, 3};
  GraphBuilder b("fused", shape);
  Conv2d::Params conv = conv3x3(2);
  conv.activation = make_activation(ActivationKind::relu);
  b.output(b.add<Conv2d>(conv, {b.input()}, "conv"));
  const Graph fused = b.finish();
  CHECK_THROWS_AS((GraphSession<float, DefaultExec>(DefaultExec(), fused, shape, true)), std::invalid_argument);
  GraphSession<float, DefaultExec> session(DefaultExec(), fused, shape, false);
  CHECK_THROWS_AS(session.forward(true), std::logic_error);
  CHECK_THROWS_AS(session.backward(0), std::logic_error);
  CHECK_THROWS_AS(session.set_weight(0, {1.0f}), std::invalid_argument);
  CHECK_THROWS_AS((GraphSession<float, DefaultExec>(DefaultExec(), fused, {1, 8, 6, 4}, false)), std::invalid_argument);
}

TEST_CASE("bf16 products in a training step: near the full step, the same bits for any threads") {
  const Shape shape{2, 24, 36, 3};
  const Graph graph = tangled(shape, true);
  const auto step = [&](const auto& exec, ComputePrecision compute) {
    using Exec = std::decay_t<decltype(exec)>;
    GraphSession<float, Exec> session(exec, graph, shape, true, false, Recompute::cheap, compute);
    set_random_weights(session);
    const auto input = random_values<float>(shape.count(), 3);
    const auto slope = random_values<float>(session.output().shape.count(), 4);
    session.upload(input.data(), session.input());
    session.forward(true);
    session.upload(slope.data(), session.diff_output());
    session.backward(0);
    session.finish_step();
    std::vector<std::vector<float>> gradients;
    for (int i = 0; i < session.num_weights(); ++i)
      if (session.diff_weight(i)) gradients.push_back(session.get_diff_weight(i));
    return gradients;
  };
  const auto full = step(HostExec(), ComputePrecision::full), bf16 = step(HostExec(), ComputePrecision::bf16);
  REQUIRE(full.size() == bf16.size());
  for (size_t i = 0; i < full.size(); ++i) {
    double largest = 0, error = 0;
    for (size_t k = 0; k < full[i].size(); ++k) {
      largest = std::max(largest, std::abs(static_cast<double>(full[i][k])));
      const double difference = std::abs(static_cast<double>(full[i][k]) - static_cast<double>(bf16[i][k]));
      error = !(difference <= error) ? difference : error;
    }
    CHECK(!(error > 0.1 * largest + 1e-6));
  }
  if constexpr (DefaultExec::on_host) {
    const auto kokkos = step(DefaultExec(), ComputePrecision::bf16);
    for (size_t i = 0; i < bf16.size(); ++i) CHECK(same_bits(kokkos[i], bf16[i]));
  }
}
