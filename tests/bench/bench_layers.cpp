// bench_layers [LAYER...]: one layer at a time, by every algorithm, ISA level and number of threads, taking turns:
// time, GFLOP/s, and the parts of the machine's measured peak and memory bandwidth that are reached.
//
//   --passes forward,data_gradient,weight_gradient      also: training_forward
//   --algorithms ...   names (algorithm_name); default: all that the layer has
//   --isa best         or all, or names
//   --threads 1        or 1,2
//   --precision f32    bf16: marks what the plan chooses then
//   --rounds 7         measurements of each
//   --seconds 0.02     length of one
//   --csv FILE         for roofline.py and for fitting cost models
//
// A LAYER is a kind with its numbers: conv2d:ci=32,co=32,k=3,h=224,w=224. Keys: n h w (of the source), ci co, k
// (kernel) s (stride) d (dilation) g (groups); p (padding; default: same size), mode (resize: 0 nearest, 1 bilinear),
// act (number of the activation: conv2d's epilogue, activation). Kinds: conv2d conv_transpose2d linear max_pool2d
// avg_pool2d resize batch_norm2d activation add. FLOPs are those of the definition: Winograd's can exceed the peak. *
// marks the plan's choice.
#include "shared/core/rng.hpp"
#include "shared/core/thread_pool.hpp"
#include "shared/layers/layers.hpp"
#include "tests/bench/machine.hpp"

#include <array>
#include <map>
#include <memory>

using namespace leadline;
using namespace leadline::bench;

namespace {

/// 64-byte aligned memory.
class Buffer {
public:
  explicit Buffer(size_t bytes)
      : data_(static_cast<unsigned char*>(std::aligned_alloc(64, align_up(bytes ? bytes : 1)))), bytes_(bytes) {
    if (!data_) usage_error("memory is short");
  }
  unsigned char* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

private:
  struct Free {
    void operator()(unsigned char* p) const { std::free(p); }
  };
  std::unique_ptr<unsigned char, Free> data_;
  size_t bytes_;
};

/// A dense tensor of numbers in [low, high).
struct Values {
  Shape shape;
  Buffer memory;
  explicit Values(const Shape& s, float low = -1, float high = 1)
      : shape(s), memory(static_cast<size_t>(s.count()) * sizeof(float)) {
    const Philox random(3, static_cast<uint64_t>(s.count()));
    for (index_t i = 0; i < s.count(); ++i)
      tensor().data[i] = low + (high - low) * static_cast<float>(random.uniform_double(static_cast<uint64_t>(i)));
  }
  Tensor<float> tensor() const { return {reinterpret_cast<float*>(memory.data()), shape}; }
};

enum class Measured { forward, training_forward, data_gradient, weight_gradient };
constexpr const char* measured_names[] = {"forward", "training_forward", "data_gradient", "weight_gradient"};

/// A layer with everything that its passes read and write.
class Subject {
public:
  explicit Subject(const std::string& text) : text_(text) {
    parse();
    visit([&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      const auto params = get<Layer>();
      if (shapes_.num_src > Layer::max_inputs ||
          Layer::infer(params, shapes_.src, shapes_.num_src, &shapes_.dst) != Status::ok)
        usage_error(text_ + ": the layer can't take these numbers");
      Layer::weight_shapes(params, shapes_.src, shapes_.weights);
      saved_ = std::make_unique<Buffer>(Layer::saved_bytes(shapes_, params, sizeof(float)));
    });
    for (int i = 0; i < shapes_.num_src; ++i) src_.emplace_back(shapes_.src[i]);
    for (const Shape& shape : shapes_.weights) weights_.emplace_back(shape, 0.01f, 0.1f); // variances are positive
    for (const Shape& shape : shapes_.weights) diff_weights_.emplace_back(shape);
    for (int i = 0; i < shapes_.num_src; ++i) diff_src_.emplace_back(shapes_.src[i]);
    dst_ = std::make_unique<Values>(shapes_.dst);
    diff_dst_ = std::make_unique<Values>(shapes_.dst);
  }
  const std::string& text() const { return text_; }

  /// Two per multiply-add of the definition; 0 where a layer has none to speak of.
  double flops() const {
    const index_t outputs = shapes_.dst.count();
    if (kind_ == layer_kind<Conv2d>) {
      const Shape& w = shapes_.weights[0];
      return 2.0 * static_cast<double>(outputs) * static_cast<double>(w.h * w.w * w.c);
    }
    if (kind_ == layer_kind<ConvTranspose2d>) {
      const Shape& w = shapes_.weights[0];
      return 2.0 * static_cast<double>(shapes_.src[0].count()) * static_cast<double>(w.h * w.w * w.c);
    }
    if (kind_ == layer_kind<Linear>) return 2.0 * static_cast<double>(outputs * shapes_.src[0].c);
    return 0;
  }
  /// The least that a pass must read and write.
  double bytes(Measured pass) const {
    index_t count = shapes_.dst.count() + shapes_.weights[0].count();
    for (int i = 0; i < shapes_.num_src; ++i) count += shapes_.src[i].count();
    if (pass == Measured::data_gradient && !has_algorithms()) count += shapes_.src[0].count(); // the source as well
    return static_cast<double>(count) * sizeof(float);
  }
  bool has_algorithms() const {
    bool has = false;
    visit([&](auto tag) { has = leadline::has_algorithms<typename decltype(tag)::Layer>(); });
    return has;
  }
  bool has_weights() const { return shapes_.weights[0].count() > 0; }
  /// Whether an algorithm has a kernel of its own for these shapes at the current ISA level.
  bool runs(Algorithm algorithm) const {
    if (!has_algorithms()) return algorithm == Algorithm::portable;
    bool own = false;
    visit([&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      if constexpr (leadline::has_algorithms<Layer>())
        own = Layer::effective(shapes_, get<Layer>(), algorithm, sizeof(float)) == algorithm;
    });
    return own;
  }
  /// What the plan chooses at the current ISA level, and what it thinks an algorithm costs (forward only).
  Algorithm chosen(Measured pass, ComputePrecision precision) const {
    const bool backward = pass == Measured::data_gradient || pass == Measured::weight_gradient;
    Algorithm algorithm = Algorithm::portable;
    visit([&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      if constexpr (leadline::has_algorithms<Layer>())
        algorithm = Layer::choose(shapes_, get<Layer>(), precision, backward);
    });
    return algorithm;
  }
  double cost(Algorithm algorithm) const {
    double value = 0;
    visit([&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      if constexpr (leadline::has_algorithms<Layer>()) value = Layer::cost(shapes_, get<Layer>(), algorithm);
    });
    return value;
  }

  /// Scratch and prepared weights for one way of running it.
  struct Memory {
    Buffer workspace, prepared;
  };
  Memory memory(Measured measured, Algorithm algorithm, const HostExec& exec) const {
    const Pass pass = measured == Measured::forward            ? Pass::inference
                      : measured == Measured::training_forward ? Pass::training_forward
                                                               : Pass::backward;
    LayerShapes shapes = shapes_;
    shapes.threads = exec.threads();
    size_t workspace = 0, prepared = 0;
    visit([&](auto tag) {
      using Layer = typename decltype(tag)::Layer;
      workspace = Layer::workspace_bytes(shapes, get<Layer>(), pass, algorithm, sizeof(float));
      if (pass == Pass::inference) prepared = prepared_bytes<Layer>(shapes, get<Layer>(), algorithm, sizeof(float));
      if (pass == Pass::backward) // what backward reads was left by a forward
        workspace = std::max(
            workspace, Layer::workspace_bytes(shapes, get<Layer>(), Pass::training_forward, algorithm, sizeof(float)));
    });
    Memory memory{Buffer(workspace), Buffer(prepared)};
    if (prepared > 0) {
      PrepareArgs<float> args;
      args.shapes = shapes;
      for (int w = 0; w < max_weights; ++w) args.weights[w] = weight(w);
      args.prepared = memory.prepared.data();
      args.algorithm = algorithm;
      prepare_layer<float>(exec, kind_, params_.data(), args);
    }
    if (pass == Pass::backward) run(Measured::training_forward, algorithm, exec, memory);
    return memory;
  }

  void run(Measured measured, Algorithm algorithm, const HostExec& exec, const Memory& memory) const {
    const Workspace workspace{memory.workspace.data(), memory.workspace.bytes()};
    if (measured == Measured::forward || measured == Measured::training_forward) {
      ForwardArgs<float> args;
      args.num_src = shapes_.num_src;
      for (int i = 0; i < shapes_.num_src; ++i) args.src[i] = src_[static_cast<size_t>(i)].tensor();
      for (int w = 0; w < max_weights; ++w) args.weights[w] = weight(w);
      args.dst = dst_->tensor();
      args.training = measured == Measured::training_forward;
      args.saved = args.training ? saved_->data() : nullptr;
      args.prepared = memory.prepared.bytes() > 0 ? memory.prepared.data() : nullptr;
      args.workspace = workspace;
      args.algorithm = algorithm;
      forward_layer<float>(exec, kind_, params_.data(), args);
      return;
    }
    BackwardArgs<float> args;
    args.num_src = shapes_.num_src;
    for (int i = 0; i < shapes_.num_src; ++i) {
      args.src[i] = src_[static_cast<size_t>(i)].tensor();
      if (measured == Measured::data_gradient) args.diff_src[i] = diff_src_[static_cast<size_t>(i)].tensor();
    }
    for (int w = 0; w < max_weights; ++w) {
      args.weights[w] = weight(w);
      if (measured == Measured::weight_gradient && w < 2 && weight(w))
        args.diff_weights[w] = diff_weights_[static_cast<size_t>(w)].tensor();
    }
    args.dst = dst_->tensor();
    args.diff_dst = diff_dst_->tensor();
    args.saved = saved_->data();
    args.workspace = workspace;
    args.algorithm = algorithm;
    backward_layer<float>(exec, kind_, params_.data(), args);
  }

private:
  template <class F> void visit(F&& f) const { visit_layer(kind_, f); }
  template <class Layer> typename Layer::Params get() const {
    typename Layer::Params params;
    memcpy(&params, params_.data(), sizeof params);
    return params;
  }
  Tensor<const float> weight(int w) const {
    return shapes_.weights[w].count() > 0 ? Tensor<const float>(weights_[static_cast<size_t>(w)].tensor())
                                          : Tensor<const float>();
  }
  template <class Layer> void set(const typename Layer::Params& params) {
    kind_ = layer_kind<Layer>;
    memcpy(params_.data(), &params, sizeof params);
  }

  void parse() {
    std::map<std::string, int> keys{{"n", 1}, {"h", 56}, {"w", 56}, {"ci", 32}, {"co", 32},  {"k", 3},
                                    {"s", 1}, {"d", 1},  {"g", 1},  {"p", -1},  {"mode", 0}, {"act", 0}};
    const size_t colon = std::min(text_.find(':'), text_.size());
    for (size_t at = colon + 1; at < text_.size();) {
      const size_t comma = std::min(text_.find(',', at), text_.size()), equals = text_.find('=', at);
      const std::string key = text_.substr(at, equals < comma ? equals - at : comma - at);
      if (keys.count(key) == 0 || equals >= comma)
        usage_error(text_ + ": \"" + text_.substr(at, comma - at) +
                    "\" is no key=number of n h w ci co k s d g p mode act");
      keys[key] = std::atoi(text_.substr(equals + 1, comma - equals - 1).c_str());
      at = comma + 1;
    }
    const std::string kind = text_.substr(0, colon);
    const int k = keys["k"], s = keys["s"], d = keys["d"], p = keys["p"] >= 0 ? keys["p"] : d * (k - 1) / 2;
    const ActivationParams activation = make_activation(static_cast<ActivationKind>(keys["act"]));
    shapes_.num_src = 1;
    shapes_.src[0] = {keys["n"], keys["h"], keys["w"], keys["ci"]};
    if (kind == "conv2d") {
      set<Conv2d>({keys["co"], k, k, s, s, p, p, p, p, d, d, keys["g"], activation});
    } else if (kind == "conv_transpose2d") {
      set<ConvTranspose2d>({keys["co"], k, k, s, s, 0, 0, 0, 0, d, d, keys["g"], activation});
    } else if (kind == "linear") {
      set<Linear>({keys["co"], activation});
    } else if (kind == "max_pool2d" || kind == "avg_pool2d") {
      const int border = keys["p"] >= 0 ? keys["p"] : 0;
      const Pool2dParams params{k, k, s, s, border, border, border, border, 1};
      if (kind == "max_pool2d")
        set<MaxPool2d>(params);
      else
        set<AvgPool2d>(params);
    } else if (kind == "resize") {
      set<Resize>({static_cast<ResizeMode>(keys["mode"]), 0, 0, s, s, 0});
    } else if (kind == "batch_norm2d") {
      set<BatchNorm2d>({});
    } else if (kind == "activation") {
      set<Activation>(activation);
    } else if (kind == "add") {
      set<Add>({});
      shapes_.num_src = 2;
      shapes_.src[1] = shapes_.src[0];
    } else {
      usage_error(text_ + ": there is no kind \"" + kind +
                  "\"; known: conv2d conv_transpose2d linear max_pool2d avg_pool2d resize batch_norm2d activation add");
    }
  }

  std::string text_;
  LayerKind kind_{};
  alignas(8) std::array<unsigned char, max_params_bytes> params_{};
  LayerShapes shapes_;
  std::vector<Values> src_, weights_, diff_src_, diff_weights_;
  std::unique_ptr<Values> dst_, diff_dst_;
  std::unique_ptr<Buffer> saved_;
};

/// The caller's thread, or a pool.
class Workers {
public:
  explicit Workers(int threads) : memory_(thread_pool_bytes(threads)) {
    if (threads == 1) return;
    if (thread_pool_bytes(threads) == 0 ||
        thread_pool_create(memory_.data(), memory_.bytes(), threads, &pool_) != Status::ok)
      usage_error("--threads: " + std::to_string(threads) + " threads can't be had");
    runner_ = thread_pool_runner(pool_);
  }
  ~Workers() { thread_pool_destroy(pool_); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  HostExec exec() const { return pool_ ? HostExec(&runner_) : HostExec(); }

private:
  Buffer memory_;
  ThreadPool* pool_ = nullptr;
  Runner runner_;
};

/// One way of running a pass.
struct Variant {
  std::string isa;
  Algorithm algorithm;
  int threads;
  bool chosen;
  double cost;
  Subject::Memory memory;
  Times times{};
};

/// Layers of U-Nets, FastDepth and ResNets.
constexpr const char* usual_layers[] = {
    "conv2d:ci=3,co=32,k=3,h=224,w=224",
    "conv2d:ci=32,co=32,k=3,h=224,w=224",
    "conv2d:ci=64,co=32,k=3,h=224,w=224",
    "conv2d:ci=64,co=64,k=3,h=112,w=112",
    "conv2d:ci=128,co=128,k=3,h=56,w=56",
    "conv2d:ci=256,co=128,k=3,h=56,w=56",
    "conv2d:ci=256,co=256,k=3,h=28,w=28",
    "conv2d:ci=512,co=512,k=3,h=7,w=7",
    "conv2d:ci=3,co=64,k=7,s=2,h=224,w=224",
    "conv2d:ci=64,co=128,k=3,s=2,h=56,w=56",
    "conv2d:ci=256,co=256,g=256,k=3,h=56,w=56",
    "conv2d:ci=256,co=256,g=256,k=5,h=28,w=28",
    "conv2d:ci=512,co=512,k=1,h=14,w=14",
    "conv2d:ci=128,co=64,k=1,h=56,w=56",
    "conv2d:ci=32,co=1,k=1,h=224,w=224",
    "conv_transpose2d:ci=64,co=32,k=2,s=2,h=112,w=112",
    "linear:ci=512,co=512,h=1,w=64",
    "max_pool2d:ci=32,k=2,s=2,h=224,w=224",
    "resize:ci=64,s=2,h=56,w=56",
    "resize:ci=64,s=2,h=56,w=56,mode=1",
    "batch_norm2d:ci=32,h=224,w=224",
    "activation:ci=32,h=224,w=224,act=1",
    "add:ci=64,h=112,w=112",
};

} // namespace

int main(int argc, char** argv) {
  const Arguments arguments(
      argc, argv, {"passes", "algorithms", "isa", "threads", "precision", "rounds", "seconds", "csv", "clock"});
  const ComputePrecision precision =
      arguments.text("precision", "f32") == "bf16" ? ComputePrecision::bf16 : ComputePrecision::full;
  const Clock clock = arguments.clock();
  const std::vector<int> thread_counts = arguments.integers("threads", "1");
  const int rounds = arguments.integer("rounds", 7);
  const double seconds = arguments.number("seconds", 0.02);
  std::vector<std::string> levels = arguments.texts("isa", "best");
  if (levels[0] == "all") {
    levels.clear();
    for (int i = 0; const char* isa = host::isa_level(i); ++i) levels.push_back(isa);
  }
  if (levels[0] == "best") levels = {host::host_kernels().isa};
  std::erase_if(levels, [](const std::string& isa) { return !host::force_host_kernels(isa.c_str()); });
  if (levels.empty()) usage_error("--isa: this build or CPU has none of these levels");
  std::vector<std::string> layers = arguments.operands();
  if (layers.empty()) layers.assign(std::begin(usual_layers), std::end(usual_layers));
  const std::vector<std::string> passes = arguments.texts("passes", "forward,data_gradient,weight_gradient"),
                                 algorithms = arguments.texts("algorithms", "");

  std::map<std::pair<std::string, int>, double> peaks;
  std::map<int, double> bandwidths;
  std::map<int, std::unique_ptr<Workers>> workers;
  for (const int threads : thread_counts) {
    workers[threads] = std::make_unique<Workers>(threads);
    bandwidths[threads] = memory_bandwidth(threads);
    for (const std::string& isa : levels) {
      peaks[{isa, threads}] = peak_flops(isa, threads);
      std::printf("%s, %d threads: %.1f GFLOP/s in registers, %.1f GB/s of memory\n", isa.c_str(), threads,
                  peaks[{isa, threads}] * 1e-9, bandwidths[threads] * 1e-9);
    }
  }
  std::FILE* csv = nullptr;
  if (const std::string file = arguments.text("csv", ""); !file.empty()) {
    csv = std::fopen(file.c_str(), "w");
    if (!csv) usage_error("--csv: " + file + " can't be written");
    std::fprintf(csv, "layer,pass,isa,algorithm,threads,chosen,median_s,min_s,spread,flop,bytes,peak_flops,"
                      "bandwidth,cost\n");
  }

  for (const std::string& text : layers) {
    const Subject subject(text);
    for (const std::string& name : passes) {
      int p = 0;
      while (p < 4 && name != measured_names[p]) ++p;
      if (p == 4) usage_error("--passes: there is no pass \"" + name + "\"");
      const auto pass = static_cast<Measured>(p);
      if (pass == Measured::weight_gradient && !subject.has_weights()) continue;
      std::vector<Variant> variants;
      for (const std::string& isa : levels) {
        host::force_host_kernels(isa.c_str());
        for (int a = 0; a < num_algorithms; ++a) {
          const auto algorithm = static_cast<Algorithm>(a);
          const bool wanted = algorithms.empty() || std::find(algorithms.begin(), algorithms.end(),
                                                              algorithm_name(algorithm)) != algorithms.end();
          if (!wanted || !subject.runs(algorithm)) continue;
          if (algorithm == Algorithm::portable && subject.has_algorithms() && algorithms.empty()) continue; // far away
          for (const int threads : thread_counts)
            variants.push_back({isa, algorithm, threads, subject.chosen(pass, precision) == algorithm,
                                subject.cost(algorithm), subject.memory(pass, algorithm, workers[threads]->exec())});
        }
      }
      for (int round = 0; round < rounds; ++round)
        for (Variant& v : variants) {
          host::force_host_kernels(v.isa.c_str());
          const HostExec exec = workers[v.threads]->exec();
          subject.run(pass, v.algorithm, exec, v.memory); // caches are its own again
          int runs = 0;
          const double start = clock();
          double end = start;
          do {
            subject.run(pass, v.algorithm, exec, v.memory);
            ++runs;
            end = clock();
          } while (end - start < seconds);
          v.times.add((end - start) / runs);
        }
      std::printf("\n%s, %s: %.3f GFLOP, %.2f MB, %.1f FLOP/byte\n", text.c_str(), name.c_str(), subject.flops() * 1e-9,
                  subject.bytes(pass) * 1e-6, subject.flops() / subject.bytes(pass));
      std::printf("  %-14s %-10s %7s %11s %11s %8s %9s %7s %8s %7s\n", "isa", "algorithm", "threads", "median ms",
                  "min ms", "spread", "GFLOP/s", "% peak", "GB/s", "% mem");
      for (const Variant& v : variants) {
        const double time = v.times.median(), peak = peaks[{v.isa, v.threads}], memory = bandwidths[v.threads];
        std::printf("%c %-14s %-10s %7d %11.4f %11.4f %7.1f%% %9.1f %6.1f%% %8.1f %6.1f%%\n", v.chosen ? '*' : ' ',
                    v.isa.c_str(), algorithm_name(v.algorithm), v.threads, time * 1e3, v.times.min() * 1e3,
                    v.times.spread() * 100, subject.flops() / time * 1e-9, 100 * subject.flops() / time / peak,
                    subject.bytes(pass) / time * 1e-9, 100 * subject.bytes(pass) / time / memory);
        if (csv)
          std::fprintf(csv, "\"%s\",%s,%s,%s,%d,%d,%.9g,%.9g,%.4f,%.0f,%.0f,%.4g,%.4g,%.6g\n", text.c_str(),
                       name.c_str(), v.isa.c_str(), algorithm_name(v.algorithm), v.threads, v.chosen ? 1 : 0, time,
                       v.times.min(), v.times.spread(), subject.flops(), subject.bytes(pass), peak, memory, v.cost);
      }
      std::fflush(stdout);
    }
  }
  if (csv) std::fclose(csv);
}
