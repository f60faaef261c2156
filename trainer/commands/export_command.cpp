// leadline export
#include "trainer/autotune.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/export.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/text.hpp"

#include <cstdio>

namespace leadline::trainer {

namespace {

constexpr const char* export_help = R"(leadline export RUN|CHECKPOINT --out FILE: write a network for devices.

  leadline export runs/office --out office.lead
  leadline export runs/office --out office.onnx --format onnx     for other engines
  leadline export runs/office --out office.lead --autotune        the fastest plan for this machine, recorded
  leadline export runs/office --out office.lead --algorithm head=host_gemm,down.0.0=winograd4

Batch norms are folded, activations fused; preprocessing, origin and a golden sample go into the file. A .lead
file appears only once the device's engine has run it and given the trainer's answer, bit for bit.
)";

} // namespace

int export_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups{
      {"Options",
       {{"out", "", "model file to write; replaced if it exists"},
        {"format", "lead", "lead: for this library; onnx: for other engines (opset 17)", {"lead", "onnx"}},
        {"algorithm", "automatic",
         "recorded in the file: automatic (devices choose), one for all layers, or LAYER=ALGORITHM,..."},
        {"autotune", "", "measure each layer's algorithms on this machine and record the fastest", {}, true},
        checkpoint_option,
        threads_option,
        help_option}}};
  Settings options;
  std::string path;
  if (!read_command("leadline export", export_help, groups, arguments, "RUN", &options, &path)) return 0;
  const std::string out = options.required("out");
  const bool onnx = options.text("format") == "onnx";
  if (!onnx && out.ends_with(".onnx"))
    throw Error({.file = "leadline export",
                 .field = "--out",
                 .value = out,
                 .reason = "the name is that of an ONNX file, the format that of a .lead file",
                 .fix = "Add --format onnx, or name a .lead file"});
  const std::string file = find_checkpoint(path, options.text("checkpoint") == "best");
  const Checkpoint checkpoint = read_checkpoint(file);
  const Compute compute(static_cast<int>(options.integer("threads", 0, 4096)));
  std::string measured;
  ChooseAlgorithms choose;
  if (options.given("autotune"))
    choose = [&](const Graph& graph, const std::vector<std::vector<float>>& weights) {
      constexpr int rounds = 20;
      return autotune(graph, weights, ComputePrecision::full, rounds, &measured);
    };
  else if (options.text("algorithm") != "automatic")
    choose = [&](const Graph& graph, const std::vector<std::vector<float>>&) {
      return parse_algorithms(options.text("algorithm"), graph);
    };
  const ExportReport report = onnx ? export_onnx(checkpoint, file, out) : export_model(checkpoint, file, out, choose);
  std::fputs(measured.c_str(), stdout);
  std::printf("%s: %s KiB, %zu layers (%zu before folding, which changed the answer by %.1e), %lld parameters\n%s",
              out.c_str(), decimals(static_cast<double>(report.file_bytes) / 1024, 1).c_str(), report.nodes_after,
              report.nodes_before, report.fold_error, static_cast<long long>(report.parameters),
              onnx ? "" : "verified: the engine gives the trainer's bits, and passes its self-test\n");
  return 0;
}

} // namespace leadline::trainer
