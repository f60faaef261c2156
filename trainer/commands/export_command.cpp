// leadline export
#include "data/picture_folder.hpp"
#include "trainer/autotune.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/export.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/text.hpp"
#include "trainer/train_settings.hpp"

#include <cstdio>
#include <filesystem>

namespace leadline::trainer {

namespace {

constexpr const char* export_help = R"(leadline export RUN|CHECKPOINT --out FILE: write a network for devices.

  leadline export runs/office --out office.lead
  leadline export runs/office --out office.onnx --format onnx     for other engines; int8 as QuantizeLinear nodes
  leadline export runs/office --out office.lead --precision f16   half the size; layers still multiply floats
  leadline export runs/office --out office.lead --precision int8 --calibrate pairs:val.txt     smaller and faster yet
  leadline export runs/office --out office.lead --autotune        the fastest plan for this machine, recorded
  leadline export runs/office --out office.lead --algorithm head=host_gemm,down.0.0=winograd4

Batch norms are folded, activations fused; preprocessing, origin and a golden sample go into the file. A .lead
file appears only once the device's engine has run it and given the trainer's answer, bit for bit.
)";

/// What --precision int8 asks for.
Int8Options int8_options(const Settings& options, const Checkpoint& checkpoint, const std::string& file) {
  Int8Options int8;
  const std::string where = options.text("calibrate");
  int8.frames = where.empty()                          ? open_datasets(checkpoint_settings(checkpoint, file)).val
                : std::filesystem::is_directory(where) ? data::open_picture_folder(where)
                                                       : data::open_dataset(where);
  int8.calibration_frames = static_cast<size_t>(options.integer("calibration_frames", 1, 1 << 20));
  int8.measured_frames = static_cast<size_t>(options.integer("measured_frames", 1, 1 << 20));
  int8.method = options.text("calibration") == "min_max" ? RangeMethod::min_max : RangeMethod::percentile;
  int8.max_delta1_loss = options.real("max_delta1_loss", 0, 1);
  int8.force = options.given("force");
  return int8;
}

} // namespace

int export_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups{
      {"Options",
       {{"out", "", "model file to write; replaced if it exists"},
        {"format", "lead", "lead: for this library; onnx: for other engines (opset 17)", {"lead", "onnx"}},
        {"precision",
         "f32",
         "f16, bf16: of the weights in a .lead file; int8: of weights and of the layers that can run on bytes",
         {"f32", "f16", "bf16", "int8"}},
        {"algorithm", "automatic",
         "recorded in the file: automatic (devices choose), one for all layers, or LAYER=ALGORITHM,..."},
        {"autotune", "", "measure each layer's algorithms on this machine and record the fastest", {}, true},
        checkpoint_option,
        threads_option,
        help_option}},
      {"For --precision int8",
       {{"calibrate", "",
         "pictures like those that the device will see: SCHEME:WHERE, or a folder of pictures (what int8 loses is then "
         "measured against f32); empty: the run's own validation frames"},
        {"calibration",
         "percentile",
         "how values' ranges follow from that: without the 0.01% at either end, or all",
         {"percentile", "min_max"}},
        {"calibration_frames", "64", "frames for the ranges, evenly spread; the others measure the loss"},
        {"measured_frames", "256", "at most"},
        {"max_delta1_loss", "0.01", "how much delta1 may fall; layers that cost most stay in float for it"},
        {"force", "", "all layers in int8 that can be, whatever is lost", {}, true}}}};
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
  ExportOptions chosen;
  for (const WeightType type : {WeightType::f16, WeightType::bf16})
    if (options.text("precision") == weight_type_name(type)) chosen.weights = type;
  const bool int8 = options.text("precision") == "int8";
  for (const char* key :
       {"calibrate", "calibration", "calibration_frames", "measured_frames", "max_delta1_loss", "force"})
    if (options.given(key) && !int8)
      throw Error({.file = "leadline export",
                   .field = std::string("--") + key,
                   .reason = "is for --precision int8",
                   .fix = "Add that, or leave it out"});
  if (onnx && !int8 && options.text("precision") != "f32")
    throw Error({.file = "leadline export",
                 .field = "--precision",
                 .value = options.text("precision"),
                 .reason = "ONNX files are written in f32 or int8",
                 .fix = "Leave it out, or write a .lead file"});
  if (int8) chosen.int8 = int8_options(options, checkpoint, file);
  if (options.given("autotune"))
    chosen.choose = [&](const Graph& graph, const std::vector<std::vector<float>>& weights) {
      constexpr int rounds = 20;
      return autotune(graph, weights, ComputePrecision::full, rounds, &measured);
    };
  else if (options.text("algorithm") != "automatic")
    chosen.choose = [&](const Graph& graph, const std::vector<std::vector<float>>&) {
      return parse_algorithms(options.text("algorithm"), graph);
    };
  const ExportReport report =
      onnx ? export_onnx(checkpoint, file, out, chosen.int8) : export_model(checkpoint, file, out, chosen);
  std::fputs(measured.c_str(), stdout);
  std::fputs(report.int8_report.c_str(), stdout);
  std::printf("%s: %s KiB, %zu layers (%zu before folding, which changed the answer by %.1e), %lld parameters\n%s",
              out.c_str(), decimals(static_cast<double>(report.file_bytes) / 1024, 1).c_str(), report.nodes_after,
              report.nodes_before, report.fold_error, static_cast<long long>(report.parameters),
              onnx ? "" : "verified: the engine gives the trainer's bits, and passes its self-test\n");
  if (!onnx && options.text("precision") != "f32")
    std::printf("weights: %s KiB in %s, %.2f times smaller than in f32\n",
                decimals(static_cast<double>(report.weight_bytes) / 1024, 1).c_str(), options.text("precision").c_str(),
                static_cast<double>(report.float_weight_bytes) / static_cast<double>(report.weight_bytes));
  if (chosen.weights != WeightType::f32)
    std::printf("rounding them changed the answer by %.1e of its largest value\n", report.round_error);
  return 0;
}

} // namespace leadline::trainer
