// Folding: every rule gives the same values with fewer nodes, and none is applied where it would be wrong.
#include "shared/core/rng.hpp"
#include "shared/model/fold.hpp"
#include "shared/model/memory_plan.hpp"
#include "shared/model/reorder.hpp"
#include "trainer/graph_session.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>

using namespace leadline;
using leadline::trainer::GraphSession;

namespace {

std::vector<std::vector<double>> random_weights(const Graph& graph) {
  std::vector<std::vector<double>> weights;
  for (size_t i = 0; i < graph.weight_shapes.size(); ++i) {
    const Philox random(5, i);
    const bool variance = graph.weight_names[i].find("running_var") != std::string::npos;
    std::vector<double> values(static_cast<size_t>(graph.weight_shapes[i].count()));
    for (size_t k = 0; k < values.size(); ++k)
      values[k] = variance ? 0.2 + random.uniform_double(k) : 2 * random.uniform_double(k) - 1;
    weights.push_back(values);
  }
  return weights;
}

template <class W> std::vector<double> run(const Graph& graph, const std::vector<W>& weights) {
  GraphSession<double, HostExec> session(HostExec(), graph, graph.input_shape, false);
  for (size_t i = 0; i < weights.size(); ++i)
    session.set_weight(static_cast<int>(i), std::vector<double>(weights[i].begin(), weights[i].end()));
  std::vector<double> input(static_cast<size_t>(graph.input_shape.count()));
  for (size_t i = 0; i < input.size(); ++i) input[i] = 2 * Philox(6).uniform_double(i) - 1;
  session.upload(input.data(), session.input());
  session.forward(false);
  std::vector<double> output(static_cast<size_t>(session.output().shape.count()));
  session.download(session.output(), output.data());
  return output;
}

/// Folds, compares the answers (weights are rounded to float), and returns how many nodes are left.
size_t folded_nodes(const Graph& graph) {
  const auto weights = random_weights(graph);
  const FoldedGraph folded = fold_graph(graph, weights);
  const std::vector<double> wanted = run(graph, weights), got = run(folded.graph, folded.weights);
  REQUIRE(wanted.size() == got.size());
  double largest = 0;
  for (const double value : wanted) largest = std::max(largest, std::abs(value));
  REQUIRE(largest > 0);
  for (size_t i = 0; i < wanted.size(); ++i)
    if (!(std::abs(wanted[i] - got[i]) <= 2e-6 * largest))
      FAIL("value " << i << ": " << got[i] << " instead of " << wanted[i]);
  CHECK(folded.graph.weight_shapes.size() == folded.weights.size());
  CHECK(folded.graph.weight_names.size() == folded.weights.size());
  return folded.graph.nodes.size();
}

Conv2d::Params conv3x3(int channels, int groups = 1) {
  Conv2d::Params p;
  p.out_channels = channels;
  p.kernel_h = p.kernel_w = 3;
  p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = 1;
  p.groups = groups;
  return p;
}

} // namespace

TEST_CASE("1x1 convolutions run before nearest up-sampling, with the same bits") {
  GraphBuilder b("late", {1, 3, 5, 4});
  Conv2d::Params pointwise, wide;
  pointwise.out_channels = 6;
  wide.out_channels = 2;
  wide.kernel_h = wide.kernel_w = 3;
  wide.padding_top = wide.padding_bottom = wide.padding_left = wide.padding_right = 1;
  const Resize::Params twice;
  const int32_t up = b.add<Resize>(twice, {b.input()}, "up");
  const int32_t a = b.add<Conv2d>(pointwise, {up}, "a");
  const int32_t c = b.add<Conv2d>(pointwise, {a}, "c");
  const int32_t again = b.add<Resize>(twice, {c}, "again");
  b.output(b.add<Conv2d>(wide, {again}, "wide")); // reads neighbours: stays behind
  const Graph graph = b.finish();
  Graph late = graph;
  up_sample_late(&late);
  CHECK(late.node_names == std::vector<std::string>{"a", "c", "up", "again", "wide"});
  const auto weights = random_weights(graph);
  CHECK(run(graph, weights) == run(late, weights));
}

TEST_CASE("nodes are put in the order that takes least memory, with the same bits") {
  // As a builder would write it: all wide values first. Each of them can go before the next one comes.
  GraphBuilder b("wide", {1, 24, 16, 3});
  std::vector<int32_t> wide, narrow;
  for (int i = 0; i < 4; ++i) wide.push_back(b.add<Conv2d>(conv3x3(16), {b.input()}, "wide." + std::to_string(i)));
  for (int i = 0; i < 4; ++i)
    narrow.push_back(b.add<Conv2d>(conv3x3(2), {wide[static_cast<size_t>(i)]}, "narrow." + std::to_string(i)));
  b.output(b.add<Conv2d>(conv3x3(1), {b.add<Concat>({}, narrow, "cat")}, "head"));
  const Graph built = b.finish();
  const auto bytes = [](const Graph& graph) {
    std::vector<ValuePlan> values(static_cast<size_t>(graph.num_values));
    std::vector<NodePlan> nodes(graph.nodes.size());
    std::vector<Interval> scratch(values.size() + nodes.size());
    PlanSummary summary;
    GraphError error;
    REQUIRE(plan_inference(graph.view(), graph.input_shape, PlanOptions(), values.data(), nodes.data(), scratch.data(),
                           &summary, &error) == Status::ok);
    return summary.arena_bytes - summary.prepared_bytes;
  };
  Graph ordered = built;
  least_memory_order(&ordered);
  CHECK(2 * bytes(ordered) < bytes(built));
  CHECK(ordered.node_names != built.node_names);
  CHECK(run(ordered, random_weights(built)) == run(built, random_weights(built)));
  for (size_t i = 0; i < ordered.nodes.size(); ++i) { // names moved with their nodes
    const auto at = std::find(built.node_names.begin(), built.node_names.end(), ordered.node_names[i]);
    REQUIRE(at != built.node_names.end());
    CHECK(built.nodes[static_cast<size_t>(at - built.node_names.begin())].output == ordered.nodes[i].output);
  }

  Graph again = ordered; // nothing left to gain
  least_memory_order(&again);
  CHECK(again.node_names == ordered.node_names);
}

TEST_CASE("conv, batch norm, activation become one node; with and without bias, in groups") {
  for (const unsigned without : {0u, 2u})
    for (const int groups : {1, 2, 4}) {
      GraphBuilder b("g", {2, 6, 5, 4});
      int32_t x = b.add<Conv2d>(conv3x3(8, groups), {b.input()}, "conv", without);
      x = b.add<BatchNorm2d>({}, {x}, "norm");
      b.output(b.add<Activation>(make_activation(ActivationKind::leaky_relu), {x}, "act"));
      CHECK(folded_nodes(b.finish()) == 1);
    }
}

TEST_CASE("transposed convolutions, whose output channels lie elsewhere") {
  for (const int groups : {1, 2}) {
    GraphBuilder b("g", {2, 3, 4, 6});
    ConvTranspose2d::Params p;
    p.out_channels = 4;
    p.kernel_h = 3;
    p.kernel_w = p.stride_h = p.stride_w = 2;
    p.groups = groups;
    int32_t x = b.add<ConvTranspose2d>(p, {b.input()}, "up", 2);
    x = b.add<BatchNorm2d>({}, {x}, "norm");
    b.output(b.add<Activation>(make_activation(ActivationKind::relu6), {x}, "act"));
    CHECK(folded_nodes(b.finish()) == 1);
  }
}

TEST_CASE("linear layers and affine maps") {
  GraphBuilder b("g", {3, 1, 1, 5});
  Linear::Params p;
  p.out_features = 4;
  int32_t x = b.add<Linear>(p, {b.input()}, "linear");
  x = b.add<Affine>({2.5f, -1}, {x}, "scale");
  x = b.add<Activation>(make_activation(ActivationKind::identity), {x}, "nothing");
  x = b.add<Affine>({1, 0}, {x}, "nothing_either");
  b.output(b.add<Activation>(make_activation(ActivationKind::tanh), {x}, "act"));
  CHECK(folded_nodes(b.finish()) == 1);
}

TEST_CASE("an affine map after an activation stays") {
  GraphBuilder b("g", {1, 4, 4, 3});
  int32_t x = b.add<Conv2d>(conv3x3(1), {b.input()}, "conv");
  x = b.add<Activation>(make_activation(ActivationKind::sigmoid), {x}, "act");
  b.output(b.add<Affine>({9.9f, 0.1f}, {x}, "range"));
  CHECK(folded_nodes(b.finish()) == 2);
}

TEST_CASE("a value that somebody else reads is left as it is") {
  GraphBuilder b("g", {1, 4, 4, 4});
  const int32_t x = b.add<Conv2d>(conv3x3(4), {b.input()}, "conv");
  const int32_t y = b.add<BatchNorm2d>({}, {x}, "norm");
  b.output(b.add<Add>({}, {x, y}, "sum")); // reads the convolution's own result, too
  CHECK(folded_nodes(b.finish()) == 3);

  GraphBuilder c("g", {1, 4, 4, 4});
  const int32_t z = c.add<Conv2d>(conv3x3(4), {c.input()}, "conv");
  c.output(z); // an output of the network
  c.output(c.add<Activation>(make_activation(ActivationKind::relu), {z}, "act"));
  CHECK(folded_nodes(c.finish()) == 2);
}

TEST_CASE("norms that depend on the picture, and norms with nothing before them, stay") {
  GraphBuilder b("g", {2, 4, 4, 4});
  int32_t x = b.add<BatchNorm2d>({}, {b.input()}, "first");
  x = b.add<Conv2d>(conv3x3(4), {x}, "conv");
  GroupNorm::Params p;
  p.num_groups = 2;
  x = b.add<GroupNorm>(p, {x}, "group");
  b.output(b.add<Activation>(make_activation(ActivationKind::relu), {x}, "act"));
  CHECK(folded_nodes(b.finish()) == 4);
}

TEST_CASE("two activations in a row: the second has a node of its own") {
  GraphBuilder b("g", {1, 4, 4, 4});
  int32_t x = b.add<Conv2d>(conv3x3(4), {b.input()}, "conv");
  x = b.add<Activation>(make_activation(ActivationKind::relu), {x}, "a");
  b.output(b.add<Activation>(make_activation(ActivationKind::tanh), {x}, "b"));
  CHECK(folded_nodes(b.finish()) == 2);
}

TEST_CASE("a batch norm that stays takes the activation behind it; one with an activation folds with it") {
  GraphBuilder b("g", {2, 4, 4, 3});
  int32_t x = b.add<BatchNorm2d>({}, {b.input()}, "first");
  x = b.add<Activation>(make_activation(ActivationKind::silu), {x}, "act");
  b.output(b.add<Conv2d>(conv3x3(4), {x}, "conv"));
  CHECK(folded_nodes(b.finish()) == 2);

  GraphBuilder c("g", {2, 4, 4, 3});
  BatchNorm2d::Params norm;
  norm.activation = make_activation(ActivationKind::leaky_relu);
  x = c.add<Conv2d>(conv3x3(4), {c.input()}, "conv", 2);
  x = c.add<BatchNorm2d>(norm, {x}, "norm");
  c.output(c.add<Activation>(make_activation(ActivationKind::tanh), {x}, "act"));
  CHECK(folded_nodes(c.finish()) == 2);
}

TEST_CASE("fuse_activations: an activation becomes part of the batch norm that only it reads") {
  GraphBuilder b("g", {2, 6, 5, 3});
  const auto relu = make_activation(ActivationKind::relu);
  int32_t x = b.add<Conv2d>(conv3x3(4), {b.input()}, "conv", 2);
  x = b.add<BatchNorm2d>({}, {x}, "norm");
  x = b.add<Activation>(relu, {x}, "act"); // fused
  const int32_t norm = b.add<BatchNorm2d>({}, {x}, "read_twice");
  x = b.add<Activation>(relu, {norm}, "stays");
  x = b.add<Add>({}, {x, norm}, "sum");
  const int32_t returned = b.add<BatchNorm2d>({}, {x}, "returned");
  b.output(returned);
  x = b.add<Activation>(relu, {returned}, "stays_too");
  x = b.add<BatchNorm2d>({}, {x}, "last");
  x = b.add<Activation>(relu, {x}, "fused_too");
  b.output(b.add<Activation>(make_activation(ActivationKind::tanh), {x}, "second"));
  const Graph graph = b.finish(), fused = fuse_activations(graph);
  CHECK(fused.node_names == std::vector<std::string>{"conv", "norm", "read_twice", "stays", "sum", "returned",
                                                     "stays_too", "last", "second"});
  CHECK(fused.weight_names == graph.weight_names);
  CHECK(fused.num_values == graph.num_values - 2);
  CHECK(fused.nodes[1].get<BatchNorm2d>().activation.kind == ActivationKind::relu);
  CHECK(fused.nodes[2].get<BatchNorm2d>().activation.kind == ActivationKind::identity);
  const std::vector<Shape> before = graph.infer(graph.input_shape), after = fused.infer(fused.input_shape);
  for (size_t o = 0; o < graph.outputs.size(); ++o)
    CHECK(before[static_cast<size_t>(graph.outputs[o])] == after[static_cast<size_t>(fused.outputs[o])]);
  CHECK(fuse_activations(fused).nodes.size() == fused.nodes.size());
}

TEST_CASE("weights that two nodes share are folded for each by itself") {
  GraphBuilder b("g", {1, 4, 4, 4});
  int32_t x = b.add<Conv2d>(conv3x3(4), {b.input()}, "one");
  x = b.add<BatchNorm2d>({}, {x}, "norm");
  b.output(b.add<Conv2d>(conv3x3(4), {x}, "two"));
  Graph graph = b.finish();
  graph.nodes[2].weights[0] = graph.nodes[0].weights[0];
  graph.nodes[2].weights[1] = graph.nodes[0].weights[1];
  CHECK(folded_nodes(graph) == 2);
}

TEST_CASE("a network whose output is its input keeps a node") {
  GraphBuilder b("g", {1, 4, 4, 4});
  b.output(b.add<Activation>(make_activation(ActivationKind::identity), {b.input()}, "nothing"));
  CHECK(folded_nodes(b.finish()) == 1);
}
