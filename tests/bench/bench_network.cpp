// bench_network MODEL.lead: how fast, how large and how soon ready the edge library is on a model, through its C API.
//
//   --threads 1,2     thread counts, measured in turns
//   --rounds 20       measurements of each
//   --seconds 0.1     length of one measurement: as many runs as fit, at least one
//   --size HxW        another size than the model's own
//   --isa NAME        force an ISA level (leadline_isa_level)
//   --memory_limit N  bytes that a session should keep to (leadline_session_options)
//   --precision f32   bf16: layers may round products (leadline_session_options)
//   --algorithm NAME  the same for every layer that has it
//   --clock wall      cpu: only time that the process worked (for busy machines; 1 thread)
//   --csv FILE        the same table for programs
//   --layers 1        a table of the layers: time, share, part of the measured multiply-add peak and memory bandwidth
//   --once 1          open, run once and leave, with no clock: for callgrind (instructions.py)
#include "tests/bench/bench.hpp"
#include "tests/bench/machine.hpp"

#include <leadline/leadline.hpp>

#include <cmath>
#include <memory>
#include <sys/wait.h>
#include <unistd.h>

using namespace leadline;
using namespace leadline::bench;

namespace {

[[noreturn]] void stop(const char* what, leadline_status status, const ErrorText& error) {
  std::fprintf(stderr, "error: %s: %s%s%s\n", what, leadline_status_text(status), error.text[0] ? "; " : "",
               error.text);
  std::exit(1);
}

/// What all engines of this run have in common.
struct Setup {
  std::string path, algorithm;
  int height, width;
  size_t memory_limit;
  bool bf16;
};

/// A model ready to run with a number of threads.
struct Engine {
  Model model;
  Threads threads; // before the session, which uses it to the end
  Session session;
  std::vector<float> input, output;
  double open_seconds = 0, session_seconds = 0;

  Engine(const Setup& setup, int thread_count) {
    ErrorText error;
    const double start = now();
    if (const leadline_status status = model.open_file(setup.path.c_str(), error); status != LEADLINE_OK)
      stop(setup.path.c_str(), status, error);
    open_seconds = now() - start;
    leadline_session_options options{};
    options.struct_size = sizeof options;
    options.height = setup.height;
    options.width = setup.width;
    options.memory_limit = setup.memory_limit;
    options.precision = setup.bf16 ? LEADLINE_PRECISION_BF16 : LEADLINE_PRECISION_F32;
    options.algorithm = setup.algorithm.empty() ? nullptr : setup.algorithm.c_str();
    leadline_runner runner{};
    if (thread_count > 1) {
      if (const leadline_status status = threads.create(thread_count); status != LEADLINE_OK)
        stop("threads", status, error);
      runner = threads.runner();
      options.runner = &runner;
    }
    if (const leadline_status status = session.create(model, error, &options); status != LEADLINE_OK)
      stop("session", status, error);
    session_seconds = now() - start - open_seconds;
    const leadline_session_info info = session.info();
    input.resize(static_cast<size_t>(info.input_height) * static_cast<size_t>(info.input_width) *
                 static_cast<size_t>(info.input_channels));
    for (size_t i = 0; i < input.size(); ++i) // between 0 and 1, the same everywhere
      input[i] = static_cast<float>(i * 2654435761u % 65536) / 65536;
    output.resize(session.output_values());
  }
  void run() {
    if (const leadline_status status = session.run_raw(input.data(), input.size(), output.data(), output.size());
        status != LEADLINE_OK)
      stop("run", status, {});
  }
};

/// What one fresh process needs from the file to the first depth.
struct ColdStart {
  double open, session, first_run; // seconds
  double peak_rss;                 // MiB
};
ColdStart cold_start(const Setup& setup, int threads) {
  int ends[2];
  if (pipe(ends) != 0) usage_error("no pipe");
  const pid_t child = fork();
  if (child == 0) {
    Engine engine(setup, threads);
    const double start = now();
    engine.run();
    const ColdStart result{engine.open_seconds, engine.session_seconds, now() - start, peak_rss_mib()};
    _exit(write(ends[1], &result, sizeof result) == static_cast<ssize_t>(sizeof result) ? 0 : 1);
  }
  ColdStart result{};
  const bool whole = child > 0 && read(ends[0], &result, sizeof result) == static_cast<ssize_t>(sizeof result);
  int status = 0;
  waitpid(child, &status, 0);
  close(ends[0]);
  close(ends[1]);
  if (!whole || status != 0) std::exit(1); // the child has said why
  return result;
}

/// One line per layer: where an engine's time goes, and how near each layer is to what the machine could do. Bytes are
/// those of its sources, its result and its weights, once each.
void print_layers(Engine& engine, int threads, int rounds, Clock clock) {
  const leadline_model_info model = engine.model.info();
  const leadline_session_info shape = engine.session.info();
  const auto count = static_cast<size_t>(model.nodes);
  std::vector<Times> times(count);
  std::vector<int64_t> ticks(count);
  const auto read = [](void* context) { return static_cast<int64_t>((*static_cast<Clock*>(context))() * 1e9); };
  Clock used = clock;
  for (int round = -1; round < rounds; ++round) {
    std::fill(ticks.begin(), ticks.end(), 0);
    leadline_session_set_clock(engine.session.get(), read, &used, ticks.data(), model.nodes);
    engine.run();
    for (size_t i = 0; i < count && round >= 0; ++i) times[i].add(static_cast<double>(ticks[i]) * 1e-9);
  }
  leadline_session_set_clock(engine.session.get(), nullptr, nullptr, nullptr, 0);

  const double peak = peak_flops(shape.isa, threads), bandwidth = memory_bandwidth(threads);
  std::printf("\n%d thread%s; %.1f GFLOP/s in registers, %.1f GB/s of memory\n", threads, threads == 1 ? "" : "s",
              peak * 1e-9, bandwidth * 1e-9);
  std::printf("%-28s %-16s %-10s %15s %8s %9s %7s %8s %7s %7s\n", "layer", "kind", "algorithm", "result", "MMAC",
              "median ms", "share", "GFLOP/s", "% peak", "% mem");
  double total = 0;
  for (const Times& time : times) total += time.median();
  const double scale = static_cast<double>(shape.input_height) * shape.input_width / model.input_height /
                       model.input_width; // layers are described at the default size
  const auto values = [&](const leadline_node_info& node) { return scale * node.height * node.width * node.channels; };
  for (int32_t i = 0; i < model.nodes; ++i) {
    leadline_node_info node{}, source{};
    leadline_node_plan plan{};
    node.struct_size = source.struct_size = sizeof node;
    plan.struct_size = sizeof plan;
    leadline_model_get_node(engine.model.get(), i, &node);
    leadline_session_get_node(engine.session.get(), i, &plan);
    double moved = values(node) + static_cast<double>(node.parameters);
    for (int32_t s = 0; s < node.inputs; ++s) {
      if (node.input[s] < 0)
        moved += static_cast<double>(engine.input.size());
      else if (leadline_model_get_node(engine.model.get(), node.input[s], &source) == LEADLINE_OK)
        moved += values(source);
    }
    const double time = times[static_cast<size_t>(i)].median(), flops = 2 * scale * static_cast<double>(node.macs);
    const std::string result = std::to_string(static_cast<int>(node.height * std::sqrt(scale))) + "x" +
                               std::to_string(static_cast<int>(node.width * std::sqrt(scale))) + "x" +
                               std::to_string(node.channels);
    std::printf("%-28s %-16s %-10s %15s %8.2f %9.4f %6.1f%% %8.1f %6.1f%% %6.1f%%\n", node.name, node.layer,
                plan.algorithm, result.c_str(), flops / 2e6, time * 1e3, 100 * time / total, flops / time * 1e-9,
                100 * flops / time / peak, 100 * moved * sizeof(float) / time / bandwidth);
  }
  std::printf("%-28s %64.4f ms\n", "all layers", total * 1e3);
}

} // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {"threads", "rounds", "seconds", "size", "isa", "csv", "clock", "memory_limit", "precision",
                             "algorithm", "layers", "once"});
  if (arguments.operands().size() != 1)
    usage_error("bench_network MODEL.lead [--threads 1,2] [--rounds 20] [--seconds 0.1] [--size HxW] [--isa NAME] "
                "[--csv FILE]; bench_model writes models");
  Setup setup{arguments.operands()[0],
              arguments.text("algorithm", ""),
              0,
              0,
              static_cast<size_t>(arguments.number("memory_limit", 0)),
              arguments.text("precision", "f32") == "bf16"};
  const std::string& path = setup.path;
  const std::string isa = arguments.text("isa", "");
  if (ErrorText error; !isa.empty() && leadline_set_isa(isa.c_str(), error.text, sizeof error.text) != LEADLINE_OK)
    usage_error(std::string("--isa: ") + error.text);
  if (const std::string size = arguments.text("size", "");
      !size.empty() && std::sscanf(size.c_str(), "%dx%d", &setup.height, &setup.width) != 2)
    usage_error("--size is \"" + size + "\": HEIGHTxWIDTH is wanted, e.g. 224x224");
  const std::vector<int> thread_counts = arguments.integers("threads", "1");

  if (arguments.integer("once", 0) != 0) {
    Engine(setup, thread_counts.at(0)).run();
    return 0;
  }
  std::vector<ColdStart> starts;
  for (const int threads : thread_counts) starts.push_back(cold_start(setup, threads));

  std::vector<std::unique_ptr<Engine>> engines;
  for (const int threads : thread_counts) engines.push_back(std::make_unique<Engine>(setup, threads));
  std::vector<Times> times(engines.size());
  const int rounds = arguments.integer("rounds", 20);
  const double seconds = arguments.number("seconds", 0.1);
  const Clock clock = arguments.clock();
  for (int round = -1; round < rounds; ++round) // the first warms up
    for (size_t e = 0; e < engines.size(); ++e) {
      engines[e]->run(); // caches are this engine's again
      int runs = 0;
      const double start = clock();
      double end = start;
      do {
        engines[e]->run();
        ++runs;
        end = clock();
      } while (end - start < (round < 0 ? 0 : seconds));
      if (round >= 0) times[e].add((end - start) / runs);
    }

  const leadline_model_info model = engines[0]->model.info();
  const leadline_session_info shape = engines[0]->session.info();
  const double gmac = static_cast<double>(model.macs) * 1e-9 * shape.input_height * shape.input_width /
                      model.input_height / model.input_width;
  std::printf("%s (%s), %dx%d, %.2f M parameters, %.2f GMAC, %s; %d rounds in turns\n", path.c_str(), model.name,
              shape.input_height, shape.input_width, static_cast<double>(model.parameters) * 1e-6, gmac, shape.isa,
              rounds);
  std::printf("%7s %10s %9s %8s %8s | cold start: %8s %8s %10s %10s | %12s %10s\n", "threads", "median ms", "min ms",
              "spread", "GMAC/s", "open ms", "plan ms", "1st run ms", "peak MiB", "session MiB", "arena MiB");
  std::FILE* csv = nullptr;
  if (const std::string file = arguments.text("csv", ""); !file.empty()) {
    csv = std::fopen(file.c_str(), "w");
    if (!csv) usage_error("--csv: " + file + " can't be written");
    std::fprintf(csv, "model,isa,height,width,threads,median_ms,min_ms,spread,gmac,open_ms,plan_ms,first_run_ms,"
                      "peak_mib,session_mib,arena_mib\n");
  }
  for (size_t e = 0; e < engines.size(); ++e) {
    const leadline_session_info session = engines[e]->session.info();
    const ColdStart& start = starts[e];
    const double session_mib = static_cast<double>(session.bytes) / (1 << 20),
                 arena_mib = static_cast<double>(session.arena_bytes) / (1 << 20);
    std::printf("%7d %10.2f %9.2f %7.1f%% %8.1f | %20.2f %8.2f %10.2f %10.1f | %12.1f %10.1f\n", thread_counts[e],
                times[e].median() * 1e3, times[e].min() * 1e3, times[e].spread() * 100, gmac / times[e].median(),
                start.open * 1e3, start.session * 1e3, start.first_run * 1e3, start.peak_rss, session_mib, arena_mib);
    if (csv)
      std::fprintf(csv, "%s,%s,%d,%d,%d,%.4f,%.4f,%.4f,%.4f,%.4f,%.4f,%.4f,%.2f,%.3f,%.3f\n", path.c_str(), shape.isa,
                   shape.input_height, shape.input_width, thread_counts[e], times[e].median() * 1e3,
                   times[e].min() * 1e3, times[e].spread(), gmac, start.open * 1e3, start.session * 1e3,
                   start.first_run * 1e3, start.peak_rss, session_mib, arena_mib);
  }
  if (csv) std::fclose(csv);
  if (arguments.integer("layers", 0) != 0)
    for (size_t e = 0; e < engines.size(); ++e) print_layers(*engines[e], thread_counts[e], 5 * rounds, clock);
}
