// Nodes that run as one: which do, and that nobody can tell from the results.
#include "shared/core/rng.hpp"
#include "shared/core/thread_pool.hpp"
#include "shared/model/graph_builder.hpp"
#include "shared/model/run_plan.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <memory>

using namespace leadline;

namespace {

/// Weights of a graph, the same for every plan of it.
struct Weights {
  std::vector<std::vector<float>> values;
  std::vector<const void*> pointers;
  explicit Weights(const Graph& graph) {
    for (const Shape& shape : graph.weight_shapes) {
      const Philox random(5, values.size());
      std::vector<float>& all = values.emplace_back(static_cast<size_t>(shape.count()));
      for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<float>(random.uniform_double(i) - 0.5);
    }
    for (const auto& all : values) pointers.push_back(all.data());
  }
};

/// A planned pass over its own arena.
struct Planned {
  GraphView view;
  std::vector<ValuePlan> values;
  std::vector<NodePlan> nodes;
  PlanSummary summary;

  Planned(const Graph& graph, const Shape& input, const PlanOptions& options)
      : view(graph.view()), values(static_cast<size_t>(view.num_values)), nodes(static_cast<size_t>(view.num_nodes)) {
    std::vector<Interval> scratch(values.size() + nodes.size());
    GraphError error;
    REQUIRE(plan_inference(view, input, options, values.data(), nodes.data(), scratch.data(), &summary, &error) ==
            Status::ok);
  }
  /// All outputs, one after the other.
  std::vector<float> run(const InferenceExec& exec, const Weights& weights) {
    const std::unique_ptr<unsigned char, void (*)(void*)> arena(
        static_cast<unsigned char*>(std::aligned_alloc(64, align_up(summary.arena_bytes))), std::free);
    prepare_inference<float>(exec, view, values.data(), nodes.data(), weights.pointers.data(), arena.get());
    const Tensor<float> input = value_tensor<float>(values.data(), view.input, arena.get());
    const Philox random(7, 1);
    for (index_t i = 0; i < input.shape.count(); ++i)
      input.data[i] = static_cast<float>(random.uniform_double(static_cast<uint64_t>(i)) - 0.5);
    run_inference<float>(exec, view, values.data(), nodes.data(), summary, weights.pointers.data(), arena.get());
    std::vector<float> results;
    for (int32_t o = 0; o < view.num_outputs; ++o) {
      const Tensor<float> output = value_tensor<float>(values.data(), view.outputs[o], arena.get());
      for (index_t p = 0; p < output.shape.pixels(); ++p)
        for (index_t c = 0; c < output.shape.c; ++c) results.push_back(output.data[p * output.stride_w + c]);
    }
    return results;
  }
};

Conv2d::Params depthwise(int channels, int kernel, int stride) {
  const int p = kernel / 2;
  return {channels, kernel, kernel, stride, stride, p, p, p, p, 1, 1, channels, make_activation(ActivationKind::relu6)};
}
Conv2d::Params pointwise(int channels, ActivationKind activation) {
  Conv2d::Params params;
  params.out_channels = channels;
  params.activation = make_activation(activation);
  return params;
}

/// Everything that may be fused, and what looks like it.
Graph separable(const Shape& input) {
  GraphBuilder b("separable", input);
  Conv2d::Params stem = depthwise(1, 3, 1);
  stem.out_channels = 24;
  const int32_t x = b.add<Conv2d>(stem, {b.input()}, "stem");
  // A bottleneck whose source is also what is added.
  int32_t y = b.add<Conv2d>(depthwise(24, 3, 1), {x}, "residual.depthwise");
  y = b.add<Conv2d>(pointwise(24, ActivationKind::identity), {y}, "residual.pointwise");
  const int32_t skip = b.add<Add>({}, {x, y}, "residual.add");
  // Down, and up again to the skip.
  y = b.add<Conv2d>(depthwise(24, 5, 2), {skip}, "down.depthwise");
  const int32_t low = b.add<Conv2d>(pointwise(35, ActivationKind::relu), {y}, "down.pointwise");
  y = b.add<Conv2d>(depthwise(35, 5, 1), {low}, "up.depthwise");
  y = b.add<Conv2d>(pointwise(24, ActivationKind::silu), {y}, "up.pointwise");
  y = b.add<Resize>({}, {y}, "up.resize");
  y = b.add<Add>({}, {y, skip}, "up.add");
  // Two read the depthwise result; and the pointwise one is returned.
  const int32_t shared = b.add<Conv2d>(depthwise(24, 3, 1), {y}, "shared.depthwise");
  const int32_t returned = b.add<Conv2d>(pointwise(24, ActivationKind::relu), {shared}, "shared.pointwise");
  y = b.add<Add>({}, {returned, shared}, "shared.add");
  y = b.add<Concat>({}, {y, skip}, "both");
  const int32_t end = b.add<Conv2d>(pointwise(7, ActivationKind::identity), {y}, "end");
  b.output(end);
  b.output(returned);
  return b.finish();
}

} // namespace

TEST_CASE("fused nodes give the bits of the others, in less memory") {
  const std::unique_ptr<unsigned char[]> memory(new unsigned char[thread_pool_bytes(2)]);
  ThreadPool* pool = nullptr;
  REQUIRE(thread_pool_create(memory.get(), thread_pool_bytes(2), 2, &pool) == Status::ok);
  const Runner runner = thread_pool_runner(pool);
  for (const Shape& input : {Shape{1, 14, 18, 3}, Shape{2, 30, 2, 3}}) {
    const Graph graph = separable(input);
    const Weights weights(graph);
    PlanOptions options;
    Planned apart(graph, input, options);
    options.fuse = true;
    Planned fused(graph, input, options);
    options.threads = 2;
    Planned with_two(graph, input, options);

    const auto into = [&](const std::string& name) {
      for (size_t i = 0; i < graph.nodes.size(); ++i)
        if (graph.node_names[i] == name)
          return fused.nodes[i].fused_into == no_index
                     ? std::string()
                     : graph.node_names[static_cast<size_t>(fused.nodes[i].fused_into)];
      return std::string("there is no such node");
    };
    for (const char* name : {"residual.depthwise", "residual.pointwise", "residual.add"})
      CHECK(into(name) == "residual.add");
    for (const char* name : {"down.depthwise", "down.pointwise"}) CHECK(into(name) == "down.pointwise");
    for (const char* name : {"up.depthwise", "up.pointwise", "up.resize", "up.add"}) CHECK(into(name) == "up.add");
    for (const char* name : {"stem", "shared.depthwise", "shared.pointwise", "shared.add", "both", "end"})
      CHECK(into(name) == "");
    for (const NodePlan& node : apart.nodes) CHECK(node.fused_into == no_index);

    const std::vector<float> expected = apart.run(InferenceExec(), weights);
    CHECK(fused.run(InferenceExec(), weights) == expected);
    CHECK(with_two.run(InferenceExec(&runner), weights) == expected);
  }
  thread_pool_destroy(pool);

  // What lies between is nowhere: at sizes where scratch counts for little, that shows.
  const Shape large{1, 224, 224, 3};
  const Graph graph = separable(large);
  PlanOptions options;
  const size_t apart = Planned(graph, large, options).summary.arena_bytes;
  options.fuse = true;
  CHECK(Planned(graph, large, options).summary.arena_bytes < apart);
}
