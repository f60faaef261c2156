#include "trainer/graph_session.hpp"

#include "shared/core/reduce.hpp"
#include "shared/model/fold.hpp"
#include "shared/model/memory_plan.hpp"
#include "trainer/device_buffer.hpp"
#include "trainer/layer_text.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>

namespace leadline::trainer {
namespace {

// Kernels stand in free functions: nvcc takes no extended lambda inside a private member.
template <class T, class Exec> void add_into(const Exec& exec, T* sum, const T* other, index_t count) {
  parallel_for(exec, "leadline::graph_session::add", count, [=] LEADLINE_FUNCTION(index_t i) { sum[i] += other[i]; });
}
template <class T, class Exec> void divide(const Exec& exec, T* values, T divisor, index_t count) {
  parallel_for(exec, "leadline::graph_session::average", count,
               [=] LEADLINE_FUNCTION(index_t i) { values[i] /= divisor; });
}
template <class T, class Exec> void copy_values(const Exec& exec, T* to, const T* from, index_t count) {
  parallel_for(exec, "leadline::graph_session::copy", count, [=] LEADLINE_FUNCTION(index_t i) { to[i] = from[i]; });
}

/// *result = how many elements are NaN or infinite.
template <class T, class Exec>
void count_not_finite(const Exec& exec, const Tensor<const T>& x, index_t* partial, index_t* result) {
  reduce_columns(
      exec, "leadline::graph_session::watch", x.shape.pixels(), 1,
      [=] LEADLINE_FUNCTION(index_t i, index_t) {
        index_t bad = 0;
        for (index_t c = 0; c < x.shape.c; ++c) bad += math::isfinite(x.pixel(i)[c]) ? 0 : 1;
        return bad;
      },
      partial, [=] LEADLINE_FUNCTION(index_t, const index_t& sum) { *result = sum; });
}

// Where node i's training pass keeps things, and what its backward writes.
struct TrainingNode {
  Algorithm backward_algorithm = Algorithm::portable; // the forward one is in its NodePlan
  bool backward = false;                              // its output reaches a graph output
  size_t saved_bytes = 0, saved_offset = 0;
  size_t forward_bytes = 0, backward_bytes = 0; // of workspace
  bool diff_src[max_inputs] = {}, accumulate_src[max_inputs] = {};
  bool accumulate_weights = false; // the weights have another user whose backward runs earlier
  index_t statistics = -1;         // batch norm: first element of its statistics in a gradient block
  std::vector<int32_t> recompute;  // nodes to run again right before backward, in order
};

// Seconds that a node took, and how often it ran.
struct NodeTimes {
  double forward = 0, backward = 0, recompute = 0;
  int forwards = 0, backwards = 0;
};

} // namespace

template <class T, class Exec> struct GraphSession<T, Exec>::Impl {
  Exec exec;
  Graph given, graph; // as it was given, and as it runs
  bool training, want_diff_input;
  Recompute recompute;
  ComputePrecision compute;
  std::vector<ValuePlan> values, diffs;
  std::vector<ValuePlan> again; // values as backward finds them: those that are computed again have a second place
  std::vector<NodePlan> nodes;
  std::vector<TrainingNode> steps;
  std::vector<index_t> weight_offset; // elements
  std::vector<index_t> gradient_offset;
  index_t weight_count = 0, gradient_count = 0; // elements of one block
  struct Place {
    size_t bytes = 0, offset = 0;
  };
  std::vector<Place> workspaces; // of every step: only the node that runs has one
  size_t arena_bytes = 0;
  DeviceBuffer<Exec> weights, arena;
  // Gradients of micro-batches, combined like a binary counter: slot l holds the sum of 2^l consecutive ones, or none.
  // A sum stays in the block of its earlier half, so everything ends in block 0.
  std::vector<DeviceBuffer<Exec>> blocks;
  std::vector<int> slots, free_blocks;
  int micro_batches = 0;
  bool measuring = false, watching = false;
  std::string not_finite;                // what watching found first
  uint64_t seed = 0, number_of_step = 0; // of dropout's masks
  std::vector<NodeTimes> times;

  Impl(const Exec& exec_, const Graph& graph_, const Shape& input, bool training_, bool want_diff_input_,
       Recompute recompute_, ComputePrecision compute_)
      : exec(exec_), given(graph_), graph(fuse_activations(graph_)), training(training_),
        want_diff_input(want_diff_input_), recompute(recompute_), compute(compute_) {
    plan(graph.infer(input));
    place_weights();
    arena = DeviceBuffer<Exec>(exec, arena_bytes);
    times.resize(graph.nodes.size());
  }

  void place_weights() {
    constexpr index_t align = static_cast<index_t>(workspace_alignment / sizeof(T));
    const auto padded = [&](index_t count) { return (count + align - 1) / align * align; };
    for (size_t i = 0; i < graph.weight_shapes.size(); ++i) {
      weight_offset.push_back(weight_count);
      weight_count += padded(graph.weight_shapes[i].count());
      gradient_offset.push_back(gradient_count);
      if (graph.trainable[i]) gradient_count += padded(graph.weight_shapes[i].count());
    }
    weights = DeviceBuffer<Exec>(exec, static_cast<size_t>(weight_count) * sizeof(T));
    const std::vector<T> zeros(static_cast<size_t>(weight_count));
    copy_to_exec(exec, weights.data(), zeros.data(), zeros.size() * sizeof(T));
    if (!training) return;
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      if (graph.nodes[i].kind == layer_kind<BatchNorm2d>) {
        steps[i].statistics = gradient_count;
        gradient_count += padded(2 * graph.weight_shapes[static_cast<size_t>(graph.nodes[i].weights[2])].c);
      }
    take_block(); // block 0: where the step's gradient ends up
    free_blocks.push_back(0);
  }

  // Steps 0..N-1 run forward, N is the loss, N+1..2N run backward in reverse order.
  int32_t forward_step(int32_t node) const { return node; }
  int32_t loss_step() const { return static_cast<int32_t>(graph.nodes.size()); }
  int32_t backward_step(int32_t node) const { return 2 * loss_step() - node; }

  void plan(const std::vector<Shape>& shapes) {
    const GraphView view = graph.view();
    const auto num_nodes = static_cast<int32_t>(graph.nodes.size());
    nodes.resize(graph.nodes.size());
    steps.resize(graph.nodes.size());
    for (int32_t v = 0; v < graph.num_values; ++v)
      values.push_back(ValuePlan{shapes[static_cast<size_t>(v)], Layout::nhwc, v, 0, INT32_MAX, -1, 0});
    for (int32_t i = 0; i < num_nodes; ++i) {
      const Node& node = graph.nodes[static_cast<size_t>(i)];
      if (training && node.kind != layer_kind<BatchNorm2d> && fused_activation(node).kind != ActivationKind::identity)
        throw std::invalid_argument(graph.name + ": node " + graph.node_names[static_cast<size_t>(i)] +
                                    " has a fused activation, which has no backward pass: train the graph before it is "
                                    "optimised for export");
      NodePlan& plan = nodes[static_cast<size_t>(i)];
      LayerShapes around = node_shapes(view, i, shapes.data());
      TrainingNode& step = steps[static_cast<size_t>(i)];
      plan.algorithm = default_algorithm(node, around, Exec::on_host, sizeof(T), compute, false);
      step.backward_algorithm = default_algorithm(node, around, Exec::on_host, sizeof(T), compute, true);
      around.threads = Exec::on_host ? exec.threads() : 1;
      visit_layer(node.kind, [&](auto tag) {
        using Layer = typename decltype(tag)::Layer;
        const auto params = node.get<Layer>();
        const auto bytes = [&](Pass pass) {
          const Algorithm algorithm = pass == Pass::backward ? step.backward_algorithm : plan.algorithm;
          return Layer::workspace_bytes(around, params, pass, algorithm, sizeof(T));
        };
        step.forward_bytes = bytes(Pass::training_forward); // weights change: they are prepared in each pass
        if (training) {
          step.backward_bytes = bytes(Pass::backward);
          step.saved_bytes = Layer::saved_bytes(around, params, sizeof(T));
        }
      });
    }
    alias_concats(view, values.data(), nodes.data());
    if (training) plan_gradients();

    again = values;
    const std::vector<bool> twice = plan_recomputing();
    const auto touch = [](std::vector<ValuePlan>& plans, int32_t v, int32_t step) {
      ValuePlan& root = plans[static_cast<size_t>(plans[static_cast<size_t>(v)].root)];
      root.first = std::min(root.first, step);
      root.last = std::max(root.last, step);
    };
    const auto touch_again = [&](int32_t v, int32_t step) {
      touch(twice[static_cast<size_t>(values[static_cast<size_t>(v)].root)] ? again : values, v, step);
    };
    touch(values, 0, 0);
    for (int32_t i = 0; i < num_nodes; ++i) {
      const Node& node = graph.nodes[static_cast<size_t>(i)];
      const TrainingNode& step = steps[static_cast<size_t>(i)];
      const NodeReads reads = reads_of(node.kind);
      touch(values, node.output, forward_step(i));
      if (step.backward && reads.dst) touch_again(node.output, backward_step(i));
      if (step.backward) touch(diffs, node.output, backward_step(i));
      for (int s = 0; s < node.num_inputs; ++s) {
        touch(values, node.inputs[s], forward_step(i));
        if (step.backward && reads.src) touch_again(node.inputs[s], backward_step(i));
        if (step.diff_src[s]) touch(diffs, node.inputs[s], backward_step(i));
      }
      for (const int32_t r : step.recompute) {
        touch_again(graph.nodes[static_cast<size_t>(r)].output, backward_step(i));
        touch_again(graph.nodes[static_cast<size_t>(r)].inputs[0], backward_step(i));
      }
    }
    for (const int32_t v : graph.outputs) {
      touch(values, v, training ? backward_step(0) + 1 : loss_step()); // read until the next forward
      if (training) touch(diffs, v, loss_step());
    }
    if (want_diff_input && training) touch(diffs, 0, backward_step(0) + 1);

    std::vector<Interval> intervals;
    std::vector<size_t*> offsets;
    const auto reserve = [&](size_t bytes, int32_t first, int32_t last, size_t* offset) {
      intervals.push_back({bytes, first, last, 0});
      offsets.push_back(offset);
    };
    for (std::vector<ValuePlan>* plans : {&values, &again, &diffs})
      for (size_t v = 0; v < plans->size(); ++v) {
        ValuePlan& plan = (*plans)[v];
        if (plan.root == static_cast<int32_t>(v) && plan.last >= 0)
          reserve(static_cast<size_t>(plan.shape.count()) * sizeof(T), plan.first, plan.last, &plan.offset);
      }
    workspaces.resize(static_cast<size_t>(backward_step(0)) + 1);
    for (int32_t i = 0; i < num_nodes; ++i) {
      TrainingNode& step = steps[static_cast<size_t>(i)];
      workspaces[static_cast<size_t>(forward_step(i))].bytes = step.forward_bytes;
      if (!training) continue;
      reserve(step.saved_bytes, forward_step(i), backward_step(i), &step.saved_offset);
      size_t bytes = step.backward_bytes;
      for (const int32_t r : step.recompute) bytes = std::max(bytes, steps[static_cast<size_t>(r)].forward_bytes);
      workspaces[static_cast<size_t>(backward_step(i))].bytes = bytes;
    }
    for (size_t s = 0; s < workspaces.size(); ++s)
      if (workspaces[s].bytes > 0)
        reserve(workspaces[s].bytes, static_cast<int32_t>(s), static_cast<int32_t>(s), &workspaces[s].offset);
    if (plan_intervals(intervals.data(), static_cast<int32_t>(intervals.size()), &arena_bytes) != Status::ok)
      throw std::bad_alloc();
    for (size_t i = 0; i < intervals.size(); ++i) *offsets[i] = intervals[i].offset;
    for (size_t v = 0; v < values.size(); ++v)
      if (!twice[v]) again[v].offset = values[v].offset;
  }

  // What backward needs of a layer's forward pass.
  struct NodeReads {
    bool src = false, dst = false;
  };
  static NodeReads reads_of(LayerKind kind) {
    NodeReads reads;
    visit_layer(kind, [&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      reads = {Layer::backward_reads_src, Layer::backward_reads_dst};
    });
    return reads;
  }

  // Which values die after their last forward reader and are computed again before their first reader in backward: the
  // results of layers that can do so from sources that backward keeps anyway, so that no other value lives longer.
  // Returns them; their nodes are listed with the node before whose backward pass they run.
  std::vector<bool> plan_recomputing() {
    std::vector<bool> twice(values.size());
    if (!training || recompute == Recompute::none) return twice;
    const auto num_nodes = static_cast<int32_t>(graph.nodes.size());
    // Of every value, the last node whose forward and the last whose backward pass reads it: that one is the first in
    // backward's order.
    std::vector<int32_t> last_forward(values.size(), -1), last_backward(values.size(), -1);
    std::vector<int> residents(values.size()); // of every root
    for (const ValuePlan& value : values) ++residents[static_cast<size_t>(value.root)];
    for (int32_t i = 0; i < num_nodes; ++i) {
      const Node& node = graph.nodes[static_cast<size_t>(i)];
      const NodeReads reads = reads_of(node.kind);
      const bool backward = steps[static_cast<size_t>(i)].backward;
      last_forward[static_cast<size_t>(node.output)] = i;
      if (backward && reads.dst) last_backward[static_cast<size_t>(node.output)] = i;
      for (int s = 0; s < node.num_inputs; ++s) {
        last_forward[static_cast<size_t>(node.inputs[s])] = i;
        if (backward && reads.src) last_backward[static_cast<size_t>(node.inputs[s])] = i;
      }
    }
    for (const int32_t v : graph.outputs) last_forward[static_cast<size_t>(v)] = num_nodes; // kept to the end
    for (int32_t i = num_nodes - 1; i >= 0; --i) { // later nodes first: what they read again counts as a reader
      const Node& node = graph.nodes[static_cast<size_t>(i)];
      const auto v = static_cast<size_t>(node.output);
      bool able = steps[static_cast<size_t>(i)].backward && last_backward[v] > i;
      visit_layer(node.kind, [&](auto tag) {
        using Layer = typename decltype(tag)::Layer;
        able = able && recomputes<Layer>() && Layer::backward_reads_src;
      });
      able = able && values[v].root == node.output && residents[v] == 1 && last_forward[v] < num_nodes;
      // Nothing is won where nothing but the loss runs between the two readers.
      if (!able || (last_forward[v] == num_nodes - 1 && last_backward[v] == num_nodes - 1)) continue;
      twice[v] = true;
      std::vector<int32_t>& list = steps[static_cast<size_t>(last_backward[v])].recompute;
      list.insert(list.begin(), i);
      int32_t& source = last_backward[static_cast<size_t>(node.inputs[0])];
      source = std::max(source, last_backward[v]);
    }
    return twice;
  }

  // Which gradients are computed, who overwrites and who adds, and which live inside the gradient of a concat.
  void plan_gradients() {
    const auto num_nodes = static_cast<int32_t>(graph.nodes.size());
    for (int32_t v = 0; v < graph.num_values; ++v)
      diffs.push_back(ValuePlan{values[static_cast<size_t>(v)].shape, Layout::nhwc, v, 0, INT32_MAX, -1, 0});

    std::vector<bool> has_diff(diffs.size()), weight_seen(graph.weight_shapes.size());
    std::vector<int32_t> last_consumer(diffs.size(), -1);
    for (int32_t i = 0; i < num_nodes; ++i)
      for (int s = 0; s < graph.nodes[static_cast<size_t>(i)].num_inputs; ++s)
        last_consumer[static_cast<size_t>(graph.nodes[static_cast<size_t>(i)].inputs[s])] = i;
    for (const int32_t v : graph.outputs) has_diff[static_cast<size_t>(v)] = true; // the loss writes it

    for (int32_t i = num_nodes - 1; i >= 0; --i) {
      const Node& node = graph.nodes[static_cast<size_t>(i)];
      TrainingNode& step = steps[static_cast<size_t>(i)];
      step.backward = has_diff[static_cast<size_t>(node.output)];
      if (!step.backward) continue;
      const ValuePlan& out_diff = diffs[static_cast<size_t>(node.output)];
      const ValuePlan& out = values[static_cast<size_t>(node.output)];
      int32_t channel = 0;
      for (int s = 0; s < node.num_inputs; ++s) {
        const auto v = static_cast<size_t>(node.inputs[s]);
        step.diff_src[s] = v != 0 || want_diff_input;
        // A guest of this concat keeps its gradient inside the concat's, too, if this is the first write to it: later
        // consumers' backward passes, which run earlier, would be overwritten.
        const bool guest = node.kind == layer_kind<Concat> && values[v].root != static_cast<int32_t>(v) &&
                           values[v].root == out.root && values[v].channel_offset == out.channel_offset + channel;
        if (guest && last_consumer[v] == i && !has_diff[v]) {
          diffs[v].root = out_diff.root;
          diffs[v].channel_offset = out_diff.channel_offset + channel;
          step.diff_src[s] = false; // already in place
        }
        channel += static_cast<int32_t>(values[v].shape.c);
        step.accumulate_src[s] = has_diff[v];
        has_diff[v] = true;
      }
      // The gradient of the source takes the place of the output's, which nobody reads any more.
      const auto v = static_cast<size_t>(node.inputs[0]);
      const bool whole = diffs[static_cast<size_t>(out_diff.root)].shape == out_diff.shape;
      const bool own = diffs[v].root == node.inputs[0] && step.diff_src[0] && !step.accumulate_src[0];
      const bool inner = std::count(graph.outputs.begin(), graph.outputs.end(), node.output) == 0;
      visit_layer(node.kind, [&](auto tag) {
        if (backward_in_place<typename decltype(tag)::Layer>() && node.num_inputs == 1 && whole && own && inner)
          diffs[v].root = out_diff.root;
      });
      for (const int32_t w : node.weights) {
        if (w == no_index) continue;
        if (weight_seen[static_cast<size_t>(w)]) step.accumulate_weights = true;
        weight_seen[static_cast<size_t>(w)] = true;
      }
    }
  }

  Tensor<T> value(int32_t v) const { return value_tensor<T>(values.data(), v, arena.data()); }
  Tensor<T> diff(int32_t v) const { return value_tensor<T>(diffs.data(), v, arena.data()); }
  Tensor<T> weight(int i) const {
    return {reinterpret_cast<T*>(weights.data()) + weight_offset[static_cast<size_t>(i)],
            graph.weight_shapes[static_cast<size_t>(i)]};
  }
  T* block(int b) const { return reinterpret_cast<T*>(blocks[static_cast<size_t>(b)].data()); }
  Tensor<T> gradient(int b, int i) const {
    if (!graph.trainable[static_cast<size_t>(i)]) return {};
    return {block(b) + gradient_offset[static_cast<size_t>(i)], graph.weight_shapes[static_cast<size_t>(i)]};
  }
  Workspace workspace(int32_t step) const {
    const Place& place = workspaces[static_cast<size_t>(step)];
    return {arena.data() + place.offset, place.bytes, Exec::on_host ? exec.threads() : 1};
  }

  int take_block() {
    if (free_blocks.empty()) {
      blocks.emplace_back(exec, static_cast<size_t>(gradient_count) * sizeof(T));
      const std::vector<T> zeros(static_cast<size_t>(gradient_count)); // padding between weights is summed too
      copy_to_exec(exec, blocks.back().data(), zeros.data(), zeros.size() * sizeof(T));
      return static_cast<int>(blocks.size()) - 1;
    }
    const int b = free_blocks.back();
    free_blocks.pop_back();
    return b;
  }

  // Numbers that node i draws in this step and micro-batch.
  Philox random_of(size_t i) const {
    constexpr uint64_t dropout_stream = 0x64726F70; // keeps them apart from those of shuffling and augmentation
    const uint64_t step = philox_stream(dropout_stream, number_of_step);
    return Philox(seed, philox_stream(step, static_cast<uint64_t>(micro_batches), i));
  }

  // At `step`, which is not the node's own where it runs again.
  void forward_node(size_t i, int32_t step, const std::vector<ValuePlan>& plans, bool training_mode) {
    const Node& node = graph.nodes[i];
    ForwardArgs<T> args;
    args.num_src = node.num_inputs;
    for (int s = 0; s < node.num_inputs; ++s) args.src[s] = value_tensor<T>(plans.data(), node.inputs[s], arena.data());
    for (int w = 0; w < max_weights; ++w)
      if (node.weights[w] != no_index) args.weights[w] = weight(node.weights[w]);
    args.dst = value_tensor<T>(plans.data(), node.output, arena.data());
    args.saved = training ? arena.data() + steps[i].saved_offset : nullptr;
    args.workspace = workspace(step);
    args.algorithm = nodes[i].algorithm;
    args.training = training_mode;
    args.recompute = step > loss_step();
    if (node.kind == layer_kind<Dropout>) args.random = random_of(i);
    forward_layer<T>(exec, node.kind, node.params, args);
  }

  // Remembers `what` if it is the first that holds a NaN or an infinity.
  void look(const Tensor<const T>& x, const std::string& what) {
    if (!not_finite.empty() || !x || x.shape.count() == 0) return;
    const index_t partials = reduce_chunks(x.shape.pixels());
    const DeviceBuffer<Exec> scratch(exec, static_cast<size_t>(partials + 1) * sizeof(index_t));
    auto* counts = reinterpret_cast<index_t*>(scratch.data());
    count_not_finite<T>(exec, x, counts + 1, counts);
    index_t bad = 0;
    exec.fence();
    copy_to_host(exec, &bad, counts, sizeof bad);
    if (bad > 0)
      not_finite =
          what + " holds " + std::to_string(bad) + " NaN or infinite numbers of " + std::to_string(x.shape.count());
  }
  std::string node_text(size_t i) const {
    return "layer \"" + graph.node_names[i] + "\" (" + layer_text(graph.nodes[i]) + ")";
  }

  // Runs f, and adds its time to `seconds` where times are wanted.
  template <class F> void timed(double& seconds, const F& f) {
    if (!measuring) return f();
    exec.fence();
    const auto start = std::chrono::steady_clock::now();
    f();
    exec.fence();
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  void forward(bool training_mode) {
    if (watching) {
      look(value(0), "the network's input");
      for (int w = 0; w < static_cast<int>(graph.weight_names.size()); ++w)
        look(weight(w), "weight \"" + graph.weight_names[static_cast<size_t>(w)] + "\"");
    }
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (nodes[i].skip) continue;
      ++times[i].forwards;
      timed(times[i].forward, [&] { forward_node(i, forward_step(static_cast<int32_t>(i)), values, training_mode); });
      if (watching) look(value(graph.nodes[i].output), "the result of " + node_text(i));
    }
  }

  void backward_node(size_t i, int b) {
    const Node& node = graph.nodes[i];
    const TrainingNode& step = steps[i];
    const auto kept = [&](int32_t v) { return value_tensor<T>(again.data(), v, arena.data()); };
    BackwardArgs<T> args;
    args.num_src = node.num_inputs;
    for (int s = 0; s < node.num_inputs; ++s) {
      args.src[s] = kept(node.inputs[s]);
      if (step.diff_src[s]) args.diff_src[s] = diff(node.inputs[s]);
      args.accumulate_src[s] = step.accumulate_src[s];
    }
    for (int w = 0; w < max_weights; ++w)
      if (node.weights[w] != no_index) {
        args.weights[w] = weight(node.weights[w]);
        args.diff_weights[w] = gradient(b, node.weights[w]);
      }
    args.accumulate_weights = step.accumulate_weights;
    args.dst = kept(node.output);
    args.diff_dst = diff(node.output);
    args.saved = arena.data() + step.saved_offset;
    args.workspace = workspace(backward_step(static_cast<int32_t>(i)));
    args.algorithm = step.backward_algorithm;
    if (node.kind == layer_kind<Dropout>) args.random = random_of(i);
    backward_layer<T>(exec, node.kind, node.params, args);

    if (step.statistics >= 0) { // batch norm's mean and variance travel with the gradient
      const index_t c = args.src[0].shape.c;
      const auto statistics = BatchNorm2d::statistics<T>(args.saved, c);
      copy_values(exec, block(b) + step.statistics, statistics.mean, c);
      copy_values(exec, block(b) + step.statistics + c, statistics.unbiased_var, c);
    }
  }

  void backward(int b) {
    if (watching) look(diff(graph.outputs[0]), "the loss's gradient at the network's output");
    for (size_t i = graph.nodes.size(); i-- > 0;) {
      if (!steps[i].backward) continue;
      for (const int32_t r : steps[i].recompute)
        timed(times[static_cast<size_t>(r)].recompute,
              [&] { forward_node(static_cast<size_t>(r), backward_step(static_cast<int32_t>(i)), again, true); });
      ++times[i].backwards;
      timed(times[i].backward, [&] { backward_node(i, b); });
      if (watching) look_at_gradients(i, b);
    }
  }

  void look_at_gradients(size_t i, int b) {
    const Node& node = graph.nodes[i];
    for (int s = 0; s < node.num_inputs; ++s)
      if (steps[i].diff_src[s]) look(diff(node.inputs[s]), "the gradient of " + node_text(i) + " for its input");
    for (const int32_t w : node.weights)
      if (w != no_index && graph.trainable[static_cast<size_t>(w)])
        look(gradient(b, w),
             "the gradient of " + node_text(i) + " for \"" + graph.weight_names[static_cast<size_t>(w)] + "\"");
  }

  // Adds one micro-batch's block to the counter.
  void combine(int b) {
    size_t level = 0;
    for (; level < slots.size() && slots[level] >= 0; ++level) {
      add_into(exec, block(slots[level]), block(b), gradient_count);
      free_blocks.push_back(b);
      b = slots[level];
      slots[level] = -1;
    }
    if (level == slots.size()) slots.push_back(-1);
    slots[level] = b;
  }

  void finish_step() {
    // What is left, from the latest (smallest) sum to the earliest.
    int sum = -1;
    for (int& slot : slots) {
      if (slot < 0) continue;
      if (sum >= 0) {
        add_into(exec, block(slot), block(sum), gradient_count);
        free_blocks.push_back(sum);
      }
      sum = slot;
      slot = -1;
    }
    if (micro_batches > 1) divide(exec, block(sum), static_cast<T>(micro_batches), gradient_count);
    free_blocks.push_back(sum); // block 0: taken again, first, by the next step
    micro_batches = 0;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (steps[i].statistics < 0 || !steps[i].backward) continue;
      const Node& node = graph.nodes[i];
      const index_t c = weight(node.weights[2]).shape.c;
      const T* statistics = block(sum) + steps[i].statistics;
      BatchNorm2d::update_state(exec, node.get<BatchNorm2d>(), c, statistics, statistics + c,
                                weight(node.weights[2]).data, weight(node.weights[3]).data);
    }
  }
};

template <class T, class Exec>
GraphSession<T, Exec>::GraphSession(const Exec& exec, const Graph& graph, const Shape& input, bool training,
                                    bool want_diff_input, Recompute recompute, ComputePrecision compute)
    : impl_(std::make_unique<Impl>(exec, graph, input, training, want_diff_input, recompute, compute)) {}
template <class T, class Exec> GraphSession<T, Exec>::~GraphSession() = default;

template <class T, class Exec> const Exec& GraphSession<T, Exec>::exec() const { return impl_->exec; }
template <class T, class Exec> const Graph& GraphSession<T, Exec>::graph() const { return impl_->given; }
template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::input() const { return impl_->value(0); }
template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::output(int k) const {
  return impl_->value(impl_->graph.outputs.at(static_cast<size_t>(k)));
}
template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::diff_output(int k) const {
  if (!impl_->training) throw std::logic_error("GraphSession::diff_output: the session was made without training");
  return impl_->diff(impl_->graph.outputs.at(static_cast<size_t>(k)));
}
template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::diff_input() const {
  return impl_->training && impl_->want_diff_input ? impl_->diff(0) : Tensor<T>();
}
template <class T, class Exec> int GraphSession<T, Exec>::num_weights() const {
  return static_cast<int>(impl_->graph.weight_shapes.size());
}
template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::weight(int i) const { return impl_->weight(i); }
template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::diff_weight(int i) const {
  return impl_->training ? impl_->gradient(0, i) : Tensor<T>();
}
template <class T, class Exec> void GraphSession<T, Exec>::set_weight(int i, const std::vector<T>& values) {
  const Tensor<T> weight = impl_->weight(i);
  if (static_cast<index_t>(values.size()) != weight.shape.count())
    throw std::invalid_argument("GraphSession::set_weight: " + impl_->graph.weight_names[static_cast<size_t>(i)] +
                                " has " + std::to_string(weight.shape.count()) + " values, not " +
                                std::to_string(values.size()));
  copy_to_exec(impl_->exec, weight.data, values.data(), values.size() * sizeof(T));
}
template <class T, class Exec> std::vector<T> GraphSession<T, Exec>::get_weight(int i) const {
  std::vector<T> values(static_cast<size_t>(weight(i).shape.count()));
  impl_->exec.fence();
  copy_to_host(impl_->exec, values.data(), weight(i).data, values.size() * sizeof(T));
  return values;
}
template <class T, class Exec> std::vector<T> GraphSession<T, Exec>::get_diff_weight(int i) const {
  const Tensor<T> gradient = diff_weight(i);
  std::vector<T> values(static_cast<size_t>(gradient.shape.count()));
  impl_->exec.fence();
  copy_to_host(impl_->exec, values.data(), gradient.data, values.size() * sizeof(T));
  return values;
}

template <class T, class Exec> void GraphSession<T, Exec>::set_step(uint64_t seed, uint64_t step) {
  impl_->seed = seed;
  impl_->number_of_step = step;
}
template <class T, class Exec> void GraphSession<T, Exec>::forward(bool training) {
  if (training && !impl_->training)
    throw std::logic_error("GraphSession::forward: the session was made without training");
  impl_->forward(training);
}
template <class T, class Exec> void GraphSession<T, Exec>::backward(int m) {
  if (!impl_->training) throw std::logic_error("GraphSession::backward: the session was made without training");
  if (m != impl_->micro_batches)
    throw std::logic_error("GraphSession::backward: micro-batch " + std::to_string(m) + " after " +
                           std::to_string(impl_->micro_batches) + ": they come in order");
  const int b = impl_->take_block();
  impl_->backward(b);
  impl_->combine(b);
  ++impl_->micro_batches;
}
template <class T, class Exec> void GraphSession<T, Exec>::finish_step() {
  if (impl_->micro_batches == 0) throw std::logic_error("GraphSession::finish_step: no micro-batch was run");
  impl_->finish_step();
}

template <class T, class Exec> size_t GraphSession<T, Exec>::bytes() const {
  size_t total = impl_->weights.bytes() + impl_->arena.bytes();
  for (const auto& block : impl_->blocks) total += block.bytes();
  return total;
}

template <class T, class Exec> std::string GraphSession<T, Exec>::summary() const {
  const Graph& graph = impl_->graph;
  std::vector<Shape> shapes;
  for (const ValuePlan& value : impl_->values) shapes.push_back(value.shape);
  std::string text;
  char line[256];
  index_t total_parameters = 0, total_macs = 0;
  std::snprintf(line, sizeof line, "%-20s %-18s %-20s %12s %10s  %s\n", "node", "layer", "output", "parameters", "MMAC",
                "algorithm");
  text += line;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    index_t parameters = 0;
    for (const int32_t w : node.weights)
      if (w != no_index && graph.trainable[static_cast<size_t>(w)])
        parameters += graph.weight_shapes[static_cast<size_t>(w)].count();
    const index_t macs = node_macs(graph.view(), static_cast<int32_t>(i), shapes.data());
    std::string algorithm = impl_->nodes[i].skip ? "in place" : algorithm_name(impl_->nodes[i].algorithm);
    for (const TrainingNode& step : impl_->steps)
      if (std::count(step.recompute.begin(), step.recompute.end(), static_cast<int32_t>(i)) != 0)
        algorithm += ", recomputed";
    std::snprintf(line, sizeof line, "%-20s %-18s %-20s %12lld %10.2f  %s\n", graph.node_names[i].c_str(),
                  layer_text(node).c_str(), GraphBuilder::to_string(shapes[static_cast<size_t>(node.output)]).c_str(),
                  static_cast<long long>(parameters), static_cast<double>(macs) * 1e-6, algorithm.c_str());
    text += line;
    total_parameters += parameters;
    total_macs += macs;
  }
  std::snprintf(line, sizeof line, "%zu nodes, %lld parameters, %.2f MMAC, %.1f MiB on the exec\n", graph.nodes.size(),
                static_cast<long long>(total_parameters), static_cast<double>(total_macs) * 1e-6,
                static_cast<double>(bytes()) / (1 << 20));
  return text + line;
}

template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::all_weights() const {
  return {reinterpret_cast<T*>(impl_->weights.data()), {1, 1, 1, impl_->weight_count}};
}
template <class T, class Exec> Tensor<T> GraphSession<T, Exec>::all_diff_weights() const {
  if (!impl_->training) return {};
  index_t count = impl_->gradient_count; // without batch norm's statistics, which come after them
  for (const TrainingNode& step : impl_->steps)
    if (step.statistics >= 0) count = std::min(count, step.statistics);
  return {impl_->block(0), {1, 1, 1, count}};
}

template <class T, class Exec> void GraphSession<T, Exec>::watch(bool on) {
  impl_->watching = on;
  impl_->not_finite.clear();
}
template <class T, class Exec> std::string GraphSession<T, Exec>::not_finite() const { return impl_->not_finite; }

template <class T, class Exec> void GraphSession<T, Exec>::measure(bool on) {
  impl_->measuring = on;
  impl_->times.assign(impl_->graph.nodes.size(), NodeTimes());
}
template <class T, class Exec> std::string GraphSession<T, Exec>::profile() const {
  const Graph& graph = impl_->graph;
  char line[256];
  std::snprintf(line, sizeof line, "%-20s %-18s %12s %12s %12s\n", "node", "layer", "forward ms", "backward ms",
                "recompute ms");
  std::string text = line;
  double sums[3] = {};
  const auto add_line = [&](const std::string& name, const std::string& layer, const double(&ms)[3]) {
    std::snprintf(line, sizeof line, "%-20s %-18s %12.3f %12.3f %12.3f\n", name.c_str(), layer.c_str(), ms[0], ms[1],
                  ms[2]);
    text += line;
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const NodeTimes& t = impl_->times[i];
    const double forwards = std::max(t.forwards, 1), backwards = std::max(t.backwards, 1);
    const double ms[3] = {1e3 * t.forward / forwards, 1e3 * t.backward / backwards, 1e3 * t.recompute / backwards};
    add_line(graph.node_names[i], layer_text(graph.nodes[i]), ms);
    for (int k = 0; k < 3; ++k) sums[k] += ms[k];
  }
  add_line("sum", "", sums);
  return text;
}

template <class T, class Exec> void GraphSession<T, Exec>::upload(const T* host, Tensor<T> device) const {
  if (!device.dense()) throw std::logic_error("GraphSession::upload: the tensor is not dense");
  copy_to_exec(impl_->exec, device.data, host, static_cast<size_t>(device.shape.count()) * sizeof(T));
}
template <class T, class Exec> void GraphSession<T, Exec>::download(Tensor<const T> device, T* host) const {
  if (!device.dense()) throw std::logic_error("GraphSession::download: the tensor is not dense");
  impl_->exec.fence();
  copy_to_host(impl_->exec, host, device.data, static_cast<size_t>(device.shape.count()) * sizeof(T));
}

template class GraphSession<float, DefaultExec>;
template class GraphSession<double, DefaultExec>;
template class GraphSession<float, HostExec>;
template class GraphSession<double, HostExec>;

} // namespace leadline::trainer
