// bench_train --model.network unet --size 224x224 --batch 4: one training step (forward, MSE, backward, Adam) of any
// network of `leadline train`: images per second and memory.
//
// With --serve it waits for lines on its standard input, each a number of steps to run, and answers with the seconds
// that each took: peers.py lets it take turns with PyTorch that way.
#include "tests/bench/bench.hpp"
#include "trainer/compute.hpp"
#include "trainer/device_buffer.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/losses/losses.hpp"
#include "trainer/networks/initialise.hpp"
#include "trainer/optimizers/optimizers.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/train_settings.hpp"

#include "shared/core/rng.hpp"
#include "shared/layers/host/host_kernels.hpp"

#include <iostream>

using namespace leadline;
using namespace leadline::trainer;
using leadline::bench::now;
using leadline::bench::peak_rss_mib;
using leadline::bench::Times;

namespace {

std::vector<OptionGroup> options() {
  std::vector<OptionGroup> groups{
      {"Training step",
       {{"size", "224x224", "HEIGHTxWIDTH of the input"},
        {"batch", "4", "images in a step"},
        {"micro_batch", "0", "images in one pass; 0: all of them"},
        {"threads", "1", "CPU threads"},
        {"seconds", "10", "how long to measure, at least three steps"},
        {"steps", "0", "instead: exactly so many steps, without warming up"},
        {"isa", "", "force an ISA level (x86-64, x86-64-v3, x86-64-v4)"},
        {"clock", "wall", "cpu: only time that the process worked, for busy machines and 1 thread", {"wall", "cpu"}},
        {"recompute", "cheap", "as train.recompute", {"none", "cheap"}},
        {"compute", "full", "as train.compute", {"full", "bf16"}},
        {"profile", "", "print the time of every node, too", {}, true},
        {"serve", "", "read numbers of steps from standard input", {}, true},
        {"help", "", "this text", {}, true}}}};
  for (const OptionGroup& group : train_option_groups())
    if (group.title == "Model") groups.push_back(group);
  return groups;
}

/// A session, a loss, an optimizer and a batch of noise.
class Training {
public:
  using T = float;

  Training(const Settings& settings, const Graph& graph, index_t batch, index_t micro_batch)
      : passes_(static_cast<int>(batch / micro_batch)), shape_(with_batch(graph.input_shape, micro_batch)),
        session_(exec_, graph, shape_, true, false,
                 settings.text("recompute") == "none" ? Recompute::none : Recompute::cheap,
                 settings.text("compute") == "bf16" ? ComputePrecision::bf16 : ComputePrecision::full),
        loss_(make_loss<T, DefaultExec>("mse")),
        target_(exec_, static_cast<size_t>(session_.output().shape.count()) * sizeof(T)),
        workspace_(exec_, loss_->workspace_bytes(session_.output().shape)), value_(exec_, sizeof(T)) {
    const Initialisation rule = initialisation_settings(settings);
    std::vector<WeightSlot<T>> slots;
    for (int i = 0; i < session_.num_weights(); ++i) {
      const std::vector<double> values = initial_weight(graph, i, rule, 1);
      session_.set_weight(i, std::vector<T>(values.begin(), values.end()));
      if (graph.trainable[static_cast<size_t>(i)])
        slots.push_back({graph.weight_names[static_cast<size_t>(i)], session_.weight(i), session_.diff_weight(i)});
    }
    optimizer_ = make_optimizer<T, DefaultExec>("adam", default_optimizer_params("adam"), exec_, slots);
    images_ = noise(shape_, 1);
    const std::vector<T> depth = noise(session_.output().shape, 2);
    session_.upload(depth.data(), target());
  }

  /// One step, waited for. Returns the loss of its last micro-batch.
  __attribute__((noinline)) double step() {
    for (int m = 0; m < passes_; ++m) {
      session_.upload(images_.data(), session_.input());
      session_.forward(true);
      LossArgs<T> args;
      args.prediction = session_.output();
      args.target = target();
      args.image = session_.input();
      args.diff_prediction = session_.diff_output();
      args.value = reinterpret_cast<T*>(value_.data());
      args.workspace = {workspace_.data(), workspace_.bytes()};
      loss_->forward_backward(exec_, args);
      session_.backward(m);
    }
    session_.finish_step();
    optimizer_->step();
    T loss = 0;
    session_.download(Tensor<const T>(reinterpret_cast<const T*>(value_.data()), {1, 1, 1, 1}), &loss); // waits
    return static_cast<double>(loss);
  }
  void measure() { session_.measure(true); }
  std::string profile() const { return session_.profile(); }
  size_t bytes() const {
    return session_.bytes() + optimizer_->bytes() + target_.bytes() + workspace_.bytes() + value_.bytes();
  }

private:
  static Shape with_batch(Shape shape, index_t n) {
    shape.n = n;
    return shape;
  }
  static std::vector<T> noise(const Shape& shape, uint64_t stream) {
    std::vector<T> values(static_cast<size_t>(shape.count()));
    const Philox random(1, stream);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(0.01 + random.uniform_double(i));
    return values;
  }
  Tensor<T> target() const { return {reinterpret_cast<T*>(target_.data()), session_.output().shape}; }

  DefaultExec exec_;
  int passes_;
  Shape shape_;
  GraphSession<T, DefaultExec> session_;
  std::unique_ptr<Loss<T, DefaultExec>> loss_;
  DeviceBuffer<DefaultExec> target_, workspace_, value_;
  std::unique_ptr<Optimizer<T, DefaultExec>> optimizer_;
  std::vector<T> images_;
};

int run(int argc, char** argv) {
  Settings settings(options());
  const std::vector<std::string> rest = read_command_line({argv + 1, argv + argc}, "bench_train", settings);
  if (settings.given("help")) return std::printf("%s", option_help(options()).c_str()), 0;
  if (!rest.empty()) throw Error({.file = "bench_train", .field = rest.front(), .reason = "is not an option"});
  const auto [height, width] = settings.size("size");
  const index_t batch = settings.integer("batch", 1, 4096);
  const index_t micro_batch = settings.integer("micro_batch", 0, batch);
  if (micro_batch > 0 && batch % micro_batch != 0)
    settings.fail("micro_batch", "the batch isn't a multiple of it", "Choose one that divides the batch");
  const auto threads = static_cast<int>(settings.integer("threads", 1, 4096));
  if (const std::string& isa = settings.text("isa"); !isa.empty() && !host::force_host_kernels(isa.c_str()))
    settings.fail("isa", "this build or CPU doesn't have it",
                  std::string("The best here is ") + host::host_kernels().isa);

  const Compute compute(threads);
  const double empty = peak_rss_mib();
  const Graph graph = build_network(settings, {1, height, width, 3});
  Training training(settings, graph, batch, micro_batch > 0 ? micro_batch : batch);
  const auto images = static_cast<double>(batch);
  const bench::Clock clock = settings.text("clock") == "cpu" ? bench::cpu_now : now;

  if (settings.given("serve")) {
    training.step();
    std::printf("ready %.1f %.1f\n", empty, static_cast<double>(training.bytes()) / (1 << 20));
    std::fflush(stdout);
    for (int steps = 0; std::cin >> steps;) {
      for (int i = 0; i < steps; ++i) {
        const double start = clock();
        training.step();
        std::printf("%.6f ", clock() - start);
      }
      std::printf("%.1f\n", peak_rss_mib());
      std::fflush(stdout);
    }
    return 0;
  }
  Times times;
  double loss = 0;
  if (const index_t steps = settings.integer("steps", 0, 1 << 30); steps > 0) {
    for (index_t i = 0; i < steps; ++i) {
      const double start = clock();
      loss = training.step();
      times.add(clock() - start);
    }
  } else {
    const double end = now() + settings.real("seconds", 0, 1e6);
    training.step(); // warms up
    if (settings.given("profile")) training.measure();
    do {
      const double start = clock();
      loss = training.step();
      times.add(clock() - start);
    } while (now() < end || times.count() < 3);
  }
  std::printf("%s, %dx%d, batch %lld, %d threads, %s, %s: median %.3f images/s, best %.3f, spread %.1f%%, %zu steps\n"
              "loss %.6f; session and optimizer %.1f MiB, peak RSS %.1f MiB (%.1f before the network was made)\n",
              graph.name.c_str(), height, width, static_cast<long long>(batch), threads, host::host_kernels().isa,
              Compute::description().c_str(), images / times.median(), images / times.min(), times.spread() * 100,
              times.count(), loss, static_cast<double>(training.bytes()) / (1 << 20), peak_rss_mib(), empty);
  if (settings.given("profile")) std::printf("%s", training.profile().c_str());
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_train: error: %s\n", error.what());
    return 1;
  }
}
