#include "inference/demos/depth/model_commands.hpp"

#include "data/error.hpp"
#include "inference/demos/depth/latency.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace leadline::demo {

namespace {

std::string count_text(double value) {
  char text[32];
  const char* unit = value >= 1e9 ? " G" : value >= 1e6 ? " M" : value >= 1e3 ? " k" : "";
  std::snprintf(text, sizeof text, "%.*f%s", *unit ? 2 : 0,
                value / (value >= 1e9   ? 1e9
                         : value >= 1e6 ? 1e6
                         : value >= 1e3 ? 1e3
                                        : 1),
                unit);
  return text;
}

/// `work` for each model; what goes wrong with one is said, and the others go on.
template <class Work> int each_model(const Options& options, const Work& work) {
  int failed = 0;
  for (const std::string& path : options.models) {
    try {
      Estimator estimator(path, options.threads);
      work(estimator, path);
      std::fflush(stdout);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "leadline-depth: error: %s\n", error.what());
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}

} // namespace

void print_info(const Estimator& estimator, const std::string& path) {
  const leadline_model_info& i = estimator.info();
  const leadline_session_info s = estimator.session().info();
  std::printf("%s: %s, %" PRIu64 " bytes\n\n", path.c_str(), i.name, i.file_bytes);
  std::printf("  input        %d x %d x %d (height x width x channels), ", i.input_height, i.input_width,
              i.input_channels);
  if (i.size_multiple > 0)
    std::printf("other sizes in multiples of %d", i.size_multiple);
  else
    std::printf("no other size");
  std::printf("\n               pictures are %s\n",
              i.crops_centre ? "cut to that shape, then resized" : "resized to that, whatever their shape");
  if (i.focal_x > 0)
    std::printf("               trained for a focal length of %.1f x %.1f pixels at that size\n",
                static_cast<double>(i.focal_x), static_cast<double>(i.focal_y));
  std::printf("  output       %d x %d x %d, ", i.output_height, i.output_width, i.output_channels);
  if (i.output_kind == LEADLINE_METRIC_DEPTH)
    std::printf("depth from %g to %g metres\n", static_cast<double>(i.min_depth), static_cast<double>(i.max_depth));
  else
    std::printf("%s\n", i.output_kind == LEADLINE_RELATIVE_DEPTH ? "relative depth (no unit)" : "values");
  std::printf("  cost         %s parameters, %s multiply-accumulates, %.1f MB of memory\n",
              count_text(static_cast<double>(i.parameters)).c_str(), count_text(static_cast<double>(i.macs)).c_str(),
              static_cast<double>(s.bytes) / 1e6);
  std::printf("  self-test    %s\n\n  where it comes from\n", i.has_golden ? "yes" : "none stored");
  const char* entry = nullptr;
  for (int k = 0; (entry = leadline_model_provenance_entry(estimator.model().get(), k)); ++k) {
    const char* equals = std::strchr(entry, '=');
    std::printf("    %-18.*s %s\n", static_cast<int>(equals - entry), entry, equals + 1);
  }
  std::printf("\n  layers\n");
  for (int k = 0; k < i.nodes; ++k) {
    leadline_node_info node{};
    node.struct_size = sizeof node;
    if (leadline_model_get_node(estimator.model().get(), k, &node) != LEADLINE_OK) break;
    char shape[64];
    std::snprintf(shape, sizeof shape, "%d x %d x %d", node.height, node.width, node.channels);
    std::printf("    %-28s %-18s %-18s %10s parameters %10s MACs\n", node.name, node.layer, shape,
                count_text(static_cast<double>(node.parameters)).c_str(),
                count_text(static_cast<double>(node.macs)).c_str());
  }
}

void prove(Estimator& estimator, const std::string& path) {
  float error = 0;
  const bool passed = estimator.self_test(&error);
  std::printf("self-test %s: largest difference %.2g of the largest value\n", passed ? "passed" : "FAILED",
              static_cast<double>(error));
  if (!passed)
    throw Error(path + ": this machine doesn't reproduce the model's golden sample (largest difference " +
                std::to_string(error) +
                " of the largest value); don't use it here, and report the CPU and the compiler");
}

int self_test_command(const Options& options) {
  return each_model(options, [](Estimator& estimator, const std::string& path) {
    std::printf("%s: ", path.c_str());
    prove(estimator, path);
  });
}

int bench_command(const Options& options) {
  std::printf("levels of this CPU that the library has:");
  for (int i = 0; leadline_isa_level(i); ++i) std::printf("%s %s", i ? "," : "", leadline_isa_level(i));
  std::printf("\n%d runs each after 3 to warm up; milliseconds of the network alone\n\n", options.runs);
  return each_model(options, [&](Estimator& estimator, const std::string& path) {
    for (int i = 0; i < 3; ++i) estimator.run_once();
    Latency latency;
    for (int i = 0; i < options.runs; ++i) latency.add(estimator.run_once());
    const leadline_session_info size = estimator.session().info();
    std::printf("%24s  min = %8.2f  median = %8.2f  max = %8.2f   %d x %d, %s MACs, %d thread%s, %s\n",
                std::filesystem::path(path).filename().string().c_str(), latency.percentile(0), latency.percentile(0.5),
                latency.percentile(1), size.input_height, size.input_width,
                count_text(static_cast<double>(estimator.info().macs)).c_str(), size.threads,
                size.threads == 1 ? "" : "s", size.isa);
  });
}

} // namespace leadline::demo
