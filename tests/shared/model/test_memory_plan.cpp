// Plans of memory: what they promise (no live value is touched, never more than the certificate) and how good they are.
#include "shared/core/thread_pool.hpp"
#include "shared/model/run_plan.hpp"
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <ctime>
#include <numeric>
#include <random>

using namespace leadline;
using namespace leadline::test;

namespace {

bool alive_together(const Interval& a, const Interval& b) { return a.first <= b.last && b.first <= a.last; }

void check_no_overlap(const std::vector<Interval>& intervals, size_t total) {
  bool good = true;
  for (size_t i = 0; i < intervals.size(); ++i) {
    const Interval& one = intervals[i];
    good = good && one.offset % workspace_alignment == 0 && one.offset + one.bytes <= total;
    for (size_t k = 0; k < i; ++k) {
      const Interval& other = intervals[k];
      good = good && (!alive_together(one, other) || one.offset + one.bytes <= other.offset ||
                      other.offset + other.bytes <= one.offset);
    }
  }
  REQUIRE(good);
}

/// The smallest total there is: in some order, the lowest free offset for each gives an optimal placement (push all
/// buffers of one down as far as they go; place them by rising offset).
size_t best_total(std::vector<Interval> intervals) {
  std::vector<size_t> order(intervals.size());
  std::iota(order.begin(), order.end(), size_t{0});
  size_t best = SIZE_MAX;
  do {
    size_t total = 0;
    for (size_t k = 0; k < order.size() && total < best; ++k) {
      Interval& interval = intervals[order[k]];
      std::vector<std::pair<size_t, size_t>> taken;
      for (size_t j = 0; j < k; ++j)
        if (const Interval& other = intervals[order[j]]; alive_together(interval, other))
          taken.emplace_back(other.offset, other.offset + align_up(other.bytes));
      std::sort(taken.begin(), taken.end());
      interval.offset = 0;
      for (const auto& [begin, end] : taken) {
        if (begin >= interval.offset + align_up(interval.bytes)) break;
        interval.offset = std::max(interval.offset, end);
      }
      total = std::max(total, interval.offset + align_up(interval.bytes));
    }
    best = std::min(best, total);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

std::vector<Interval> random_intervals(std::mt19937& random, int count, int steps) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::vector<Interval> intervals;
  for (int i = 0; i < count; ++i) {
    const int32_t first = below(steps);
    intervals.push_back(
        {static_cast<size_t>(64 * below(20) + below(2)), first, std::min(steps - 1, first + below(steps / 2 + 1)), 0});
  }
  return intervals;
}

/// A graph of random layers, `height` x `width` pixels at its input; every layer that can run in rows is there, and
/// some that can't.
Graph random_graph(uint32_t seed, int32_t height, int32_t width) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int32_t>(random() % static_cast<unsigned>(n)); };
  GraphBuilder b("random", {1, height, width, 3});
  std::vector<int32_t> values{b.input()};
  const auto name = [&] { return "node" + std::to_string(values.size()); };
  for (int tries = 0; tries < 24; ++tries) {
    // Mostly the newest value, so that there are chains; sometimes an old one, so that there are skips.
    const int32_t x =
        below(4) > 0 ? values.back() : values[static_cast<size_t>(below(static_cast<int>(values.size())))];
    const Shape shape = b.shape(x);
    const auto add = [&](auto tag, const auto& params, const std::vector<int32_t>& inputs) {
      values.push_back(b.add<typename decltype(tag)::Layer>(params, inputs, name()));
    };
    std::vector<int32_t> alike, same_size;
    for (const int32_t v : values) {
      if (b.shape(v) == shape) alike.push_back(v);
      if (b.shape(v).h == shape.h && b.shape(v).w == shape.w) same_size.push_back(v);
    }
    const auto any = [&](const std::vector<int32_t>& of) {
      return of[static_cast<size_t>(below(static_cast<int>(of.size())))];
    };
    switch (below(13)) {
    case 0:
    case 1: {
      Conv2d::Params p = conv3x3(1 + below(9), ActivationKind::relu);
      add(LayerTag<Conv2d>{}, p, {x});
      break;
    }
    case 2: { // odd kernels, uneven padding, strides, dilation
      Conv2d::Params p = conv3x3(1 + below(6), ActivationKind::silu, 1 + below(2));
      p.kernel_h = 1 + below(5);
      p.kernel_w = 1 + below(3);
      p.dilation_h = 1 + below(2);
      p.padding_top = below(p.kernel_h);
      p.padding_bottom = below(p.kernel_h);
      if (shape.h > 12 && shape.w > 12) add(LayerTag<Conv2d>{}, p, {x});
      break;
    }
    case 3: { // depthwise
      Conv2d::Params p = conv3x3(static_cast<int32_t>(shape.c), ActivationKind::relu6, 1 + below(2));
      p.groups = p.out_channels;
      add(LayerTag<Conv2d>{}, p, {x});
      break;
    }
    case 4: {
      ConvTranspose2d::Params p;
      p.out_channels = 1 + below(4);
      p.kernel_h = p.kernel_w = 2 + below(3);
      p.stride_h = p.stride_w = 1 + below(2);
      p.padding_h = p.padding_w = p.kernel_h == 2 ? 0 : 1;
      p.output_padding_h = p.output_padding_w = p.kernel_h == 3 ? p.stride_h - 1 : 0;
      if (shape.h < 100) add(LayerTag<ConvTranspose2d>{}, p, {x});
      break;
    }
    case 5:
      if (shape.h > 3 && shape.w > 3)
        below(2) ? add(LayerTag<MaxPool2d>{}, Pool2dParams{}, {x}) : add(LayerTag<AvgPool2d>{}, Pool2dParams{}, {x});
      break;
    case 6: { // overlapping windows over the edge
      Pool2dParams p{3, 3, 2, 2, 1, 1, 1, 1, below(2)};
      below(2) ? add(LayerTag<MaxPool2d>{}, p, {x}) : add(LayerTag<AvgPool2d>{}, p, {x});
      break;
    }
    case 7: {
      Resize::Params p;
      p.mode = below(3) > 0 ? ResizeMode::nearest : ResizeMode::bilinear;
      if (shape.h < 100) add(LayerTag<Resize>{}, p, {x});
      break;
    }
    case 8: add(LayerTag<Add>{}, NoParams{}, {x, any(alike)}); break;
    case 9: {
      std::vector<int32_t> inputs{x};
      for (int i = below(3); i >= 0; --i) inputs.push_back(any(same_size));
      if (shape.c < 40) add(LayerTag<Concat>{}, NoParams{}, inputs);
      break;
    }
    case 10: {
      const int32_t gate = b.add<GlobalAvgPool2d>({}, {any(alike)}, name() + ".mean");
      values.push_back(b.add<Mul>(
          {}, {x, b.add<Activation>(make_activation(ActivationKind::sigmoid), {gate}, name() + ".gate")}, name()));
      break;
    }
    case 11: {
      std::vector<int32_t> one;
      for (const int32_t v : same_size)
        if (b.shape(v).c == 1) one.push_back(v);
      if (one.empty()) {
        add(LayerTag<Activation>{}, make_activation(ActivationKind::tanh), {x});
        break;
      }
      add(LayerTag<Mul>{}, NoParams{}, {x, any(one)}); // a map of weights for all channels
      break;
    }
    case 12: {
      Affine::Params p;
      p.scale = 0.75f;
      p.shift = 0.125f;
      below(2) ? add(LayerTag<Affine>{}, p, {x}) : add(LayerTag<BatchNorm2d>{}, BatchNorm2d::Params{}, {x});
      break;
    }
    }
  }
  b.output(values.back() == 0 ? b.add<Activation>({}, {0}, "only") : values.back());
  if (below(3) == 0 && values.size() > 4) b.output(values[values.size() / 2]);
  return b.finish();
}

struct Pool {
  explicit Pool(int threads) : memory(std::vector<unsigned char>(thread_pool_bytes(threads))) {
    REQUIRE(thread_pool_create(memory.data(), memory.size(), threads, &pool) == Status::ok);
    runner = thread_pool_runner(pool);
  }
  ~Pool() { thread_pool_destroy(pool); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  AlignedBytes memory;
  ThreadPool* pool = nullptr;
  Runner runner;
};

struct Plan {
  std::vector<ValuePlan> values;
  std::vector<NodePlan> nodes;
  PlanSummary summary;

  Plan(const Graph& graph, const PlanOptions& options)
      : values(static_cast<size_t>(graph.num_values)), nodes(graph.nodes.size()) {
    std::vector<Interval> scratch(values.size() + nodes.size());
    GraphError error;
    REQUIRE(plan_inference(graph.view(), graph.input_shape, options, values.data(), nodes.data(), scratch.data(),
                           &summary, &error) == Status::ok);
  }
  bool grouped() const {
    return std::any_of(nodes.begin(), nodes.end(), [](const NodePlan& node) { return node.strips > 1; });
  }
};

/// Runs a plan with all memory that no live value owns overwritten before each node: what a plan lets die must be dead.
/// Checks that nothing around the arena changes.
std::vector<std::vector<float>> run_plan(const Graph& graph, Plan plan, const std::vector<std::vector<float>>& weights,
                                         const InferenceExec& exec, bool poison) {
  const GraphView view = graph.view();
  std::vector<const void*> pointers;
  for (const auto& weight : weights) pointers.push_back(weight.data());
  constexpr size_t guard = 4096;
  AlignedBytes memory(std::vector<unsigned char>(plan.summary.arena_bytes + 2 * guard, 0xFF));
  unsigned char* arena = memory.data() + guard;
  const Tensor<float> input = value_tensor<float>(plan.values.data(), view.input, arena);
  for (index_t i = 0; i < input.shape.count(); ++i) input.data[i] = golden_input(7, i);
  prepare_inference<float>(exec, view, plan.values.data(), plan.nodes.data(), pointers.data(), arena);
  const size_t shared = plan.summary.arena_bytes - plan.summary.prepared_bytes;
  std::vector<unsigned char> live(shared);
  for_each_run<float>(view, plan.values.data(), plan.nodes.data(), arena, [&](int32_t i) {
    const NodePlan& node = plan.nodes[static_cast<size_t>(i)];
    if (poison && (node.strips <= 1 || node.made == 0)) {
      std::fill(live.begin(), live.end(), 0);
      for (int32_t v = 0; v < view.num_values; ++v) {
        const ValuePlan& value = plan.values[static_cast<size_t>(v)];
        if (value.root != v || value.last < node.group_first || node.group_last < value.first) continue;
        Shape shape = value.shape;
        if (value.window > 0) shape.h = value.window;
        const size_t bytes = static_cast<size_t>(shape.count()) * sizeof(float);
        REQUIRE(value.offset + bytes <= shared);
        std::fill_n(live.begin() + static_cast<ptrdiff_t>(value.offset), bytes, 1);
      }
      REQUIRE(node.workspace_offset + node.workspace_bytes <= shared);
      for (size_t k = 0; k < shared; ++k)
        if (!live[k]) arena[k] = 0xFF;
    }
    run_node<float>(exec, view, i, plan.values.data(), plan.nodes.data(), plan.summary, pointers.data(), arena);
    return true;
  });
  bool untouched = true;
  for (size_t k = 0; k < guard; ++k)
    untouched = untouched && (memory.data()[k] & arena[plan.summary.arena_bytes + k]) == 0xFF;
  REQUIRE(untouched);
  std::vector<std::vector<float>> outputs;
  for (int32_t o = 0; o < view.num_outputs; ++o) {
    const Tensor<float> output = value_tensor<float>(plan.values.data(), view.outputs[o], arena);
    outputs.emplace_back(output.data, output.data + output.shape.count());
  }
  return outputs;
}

/// The same algorithms, every value whole and in a buffer of its own.
Plan spacious(const Graph& graph, const Plan& like, int threads) {
  std::vector<Algorithm> algorithms;
  for (const NodePlan& node : like.nodes) algorithms.push_back(node.algorithm);
  PlanOptions options;
  options.threads = threads;
  options.algorithms = algorithms.data();
  options.strips = Strips::never;
  Plan plan(graph, options);
  size_t end = 0;
  const auto take = [&](size_t bytes) {
    const size_t offset = end;
    end += align_up(bytes);
    return offset;
  };
  for (int32_t v = 0; v < graph.num_values; ++v) {
    ValuePlan& value = plan.values[static_cast<size_t>(v)];
    value.root = v;
    value.channel_offset = 0;
    value.offset = take(static_cast<size_t>(value.shape.count()) * sizeof(float));
  }
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    REQUIRE(plan.nodes[i].algorithm == like.nodes[i].algorithm);
    plan.nodes[i].skip = false;
    plan.nodes[i].workspace_offset = take(plan.nodes[i].workspace_bytes);
    plan.nodes[i].prepared_offset = take(plan.nodes[i].prepared_bytes);
  }
  plan.summary.arena_bytes = end;
  plan.summary.prepared_bytes = 0;
  return plan;
}

bool same_bits(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
      return false;
  return true;
}

/// f(graph, its weights, options) for a random graph in every algorithm, with and without strips.
template <class F> void for_each_way(uint32_t seed, const F& f) {
  const Graph graph = random_graph(seed, 33 + static_cast<int32_t>(seed * 7 % 40), 11 + static_cast<int32_t>(seed % 9));
  const std::vector<std::vector<float>> weights = random_weights(graph, seed);
  constexpr Algorithm algorithms[] = {
      automatic,      Algorithm::portable, Algorithm::host_gemm, Algorithm::winograd4, Algorithm::winograd6,
      Algorithm::bf16};
  for (const Algorithm every : algorithms)
    for (const auto& [strips, limit] :
         {std::pair{Strips::never, size_t{0}}, std::pair{Strips::always, size_t{0}},
          std::pair{Strips::if_needed, size_t{1}}, std::pair{Strips::if_needed, size_t{60000}}}) {
      CAPTURE(seed, algorithm_name(every), static_cast<int>(strips), limit);
      PlanOptions options;
      options.every = every;
      options.strips = strips;
      options.memory_limit = limit;
      f(graph, weights, options);
    }
}

} // namespace

TEST_CASE("buffers that are alive together never overlap, and the total is never below the bound") {
  std::mt19937 random(1);
  int optimal = 0, cases = 0;
  double ratio = 0;
  for (int count = 0; count < 80; count += count < 8 ? 1 : 9)
    for (int k = 0; k < 8; ++k) {
      std::vector<Interval> intervals = random_intervals(random, count, 3 + count);
      size_t total = 1, least = 1;
      REQUIRE(plan_intervals(intervals.data(), count, &total, &least) == Status::ok);
      check_no_overlap(intervals, total);
      REQUIRE(least <= total);
      ratio += count > 0 && least > 0 ? static_cast<double>(total) / static_cast<double>(least) : 1;
      optimal += total == least;
      ++cases;
    }
  CAPTURE(optimal, ratio / cases);
  CHECK(optimal * 10 >= cases * 7); // proven so
  CHECK(ratio / cases < 1.02);      // sizes and lives of networks are kinder, see below
}

TEST_CASE("small sets of buffers are placed as well as by trying all orders") {
  std::mt19937 random(2);
  for (int k = 0; k < 120; ++k) {
    std::vector<Interval> intervals = random_intervals(random, 6, 6);
    size_t total = 0;
    REQUIRE(plan_intervals(intervals.data(), 6, &total) == Status::ok);
    REQUIRE(total == best_total(intervals));
  }
}

TEST_CASE("sizes beyond the address space are refused") {
  std::vector<Interval> intervals{{SIZE_MAX / 4, 0, 1, 0}, {SIZE_MAX / 4, 0, 1, 0}, {SIZE_MAX - 10, 0, 0, 0}};
  size_t total = 0;
  CHECK(plan_intervals(intervals.data(), 3, &total) == Status::overflow);
}

TEST_CASE("strips and work in place change no bit, and no plan touches what is alive") {
  int grouped = 0, in_place = 0;
  for (uint32_t seed = 1; seed <= 16; ++seed)
    for_each_way(seed, [&](const Graph& graph, const std::vector<std::vector<float>>& weights, PlanOptions options) {
      const Plan plan(graph, options);
      CAPTURE(plan.grouped());
      REQUIRE(plan.summary.least_bytes <= plan.summary.arena_bytes);
      REQUIRE(!(static_cast<double>(plan.summary.arena_bytes) > 1.05 * static_cast<double>(plan.summary.least_bytes)));
      grouped += plan.grouped();
      for (const Node& node : graph.nodes)
        in_place += node.kind != layer_kind<Concat> && plan.values[static_cast<size_t>(node.output)].root ==
                                                           plan.values[static_cast<size_t>(node.inputs[0])].root;
      const auto expected = run_plan(graph, spacious(graph, plan, 1), weights, InferenceExec(), false);
      REQUIRE(same_bits(run_plan(graph, plan, weights, InferenceExec(), true), expected));
    });
  CAPTURE(grouped, in_place);
  CHECK(grouped > 60);
  CHECK(in_place > 60);
}

TEST_CASE("threads change no bit", "[threads]") {
  for (const uint32_t seed : {4, 8, 12, 16})
    for_each_way(seed, [&](const Graph& graph, const std::vector<std::vector<float>>& weights, PlanOptions options) {
      const auto expected = run_plan(graph, Plan(graph, options), weights, InferenceExec(), true);
      options.threads = 3;
      const Pool pool(3);
      REQUIRE(same_bits(run_plan(graph, Plan(graph, options), weights, InferenceExec(&pool.runner), true), expected));
    });
}

TEST_CASE("weights that are packed in each run are packed in pieces: less memory, the same bits") {
  for (const index_t channels : {1027, 1100, 260, 33}) { // 1027: a piece of a few channels would be written otherwise
    GraphBuilder b("wide", {1, 5, 3, 300});
    Conv2d::Params pointwise = conv3x3(static_cast<int32_t>(channels)), small = conv3x3(3);
    pointwise.kernel_h = pointwise.kernel_w = 1;
    pointwise.padding_top = pointwise.padding_bottom = pointwise.padding_left = pointwise.padding_right = 0;
    const int32_t wide = b.add<Conv2d>(pointwise, {b.input()}, "pointwise", 0b10);
    const int32_t again = b.add<Conv2d>(conv3x3(200), {wide}, "conv", 0b10);
    b.output(b.add<Conv2d>(small, {again}, "small", 0b10));
    const Graph graph = b.finish();
    const std::vector<std::vector<float>> weights = random_weights(graph, 5);
    PlanOptions options;
    options.every = Algorithm::host_gemm;
    const Plan fast(graph, options);
    options.memory_limit = 1;
    const Plan least(graph, options);
    const auto expected = run_plan(graph, fast, weights, InferenceExec(), false);
    CAPTURE(channels, fast.summary.arena_bytes, least.summary.arena_bytes);
    CHECK(same_bits(run_plan(graph, least, weights, InferenceExec(), true), expected));
    size_t largest = 0; // of the 3x3 convolution of many channels
    for (const auto& weight : weights) largest = std::max(largest, weight.size() * sizeof(float));
    CHECK((channels < 100 || least.summary.arena_bytes < largest / 2));
  }
}

TEST_CASE("the largest graph that a file may hold is planned in a moment") {
  // Chains of convolutions with skips over many nodes, as deep as a file allows.
  GraphBuilder b("hostile", {1, 64, 16, 4});
  std::vector<int32_t> values{b.input()};
  std::mt19937 random(3);
  for (int i = 0; i < max_nodes; ++i) {
    const std::string name = "n" + std::to_string(i);
    if (i % 3 == 2)
      values.push_back(b.add<Add>({}, {values.back(), values[random() % values.size()]}, name));
    else
      values.push_back(b.add<Conv2d>(conv3x3(4), {values.back()}, name, 0b10));
    if (b.shape(values.back()).c != 4) break;
  }
  b.output(values.back());
  Graph graph;
  try {
    graph = b.finish();
  } catch (const std::invalid_argument& error) {
    FAIL(error.what());
  }
  for (const size_t limit : {size_t{0}, size_t{1}}) {
    PlanOptions options;
    options.memory_limit = limit;
    const std::clock_t start = std::clock();
    const Plan plan(graph, options);
    std::printf("memory limit %zu: planned in %.2f s, %zu KiB, bound %zu KiB\n", limit,
                static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, plan.summary.arena_bytes >> 10,
                plan.summary.least_bytes >> 10);
    CHECK(plan.summary.least_bytes <= plan.summary.arena_bytes);
  }
}
