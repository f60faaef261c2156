// leadline inspect
#include "data/image_io.hpp"
#include "trainer/arena_picture.hpp"
#include "trainer/commands.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/predictor.hpp"
#include "trainer/text.hpp"

#include <leadline/leadline.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace leadline::trainer {

namespace {

constexpr const char* inspect_help =
    R"(leadline inspect MODEL.lead: layers, shapes, cost, memory and origin of a model file, and the plan for this CPU:
which algorithm each layer runs by, how much memory its weights take in the form that the kernels read, which bytes it
moves, and the memory certificate: a session's peak, the least that is possible for its buffers, and what lies where in
the arena while which layers run. It is what the device's own planner says.

  leadline inspect office.lead
  leadline inspect office.lead --memory_limit 20000000      the fastest plan that keeps to 20 MB; 1: the smallest
  leadline inspect office.lead --arena arena.png            the arena over time as a picture
  leadline inspect office.lead --precision bf16 --threads 4
)";

} // namespace

int inspect_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups{
      {"Plan",
       {{"height", "0", "of the network's input; 0: the model's default"},
        {"width", "0", "of the network's input; 0: the model's default"},
        {"threads", "1", "CPU threads: each has scratch of its own"},
        {"memory_limit", "0", "bytes for values, scratch and prepared weights; 0: as fast as can be"},
        {"precision", "f32", "of products, where the other is faster", {"f32", "bf16"}},
        {"algorithm",
         "automatic",
         "for every layer that can",
         {"automatic", "portable", "host_gemm", "winograd4", "winograd6", "bf16", "bf16x3"}},
        {"arena", "", "PNG to write: the arena's bytes upwards, the layers to the right"},
        help_option}}};
  Settings options;
  std::string path;
  if (!read_command("leadline inspect", inspect_help, groups, arguments, "MODEL", &options, &path)) return 0;
  leadline::ErrorText error;
  Model model;
  if (std::filesystem::is_directory(path))
    throw Error({.file = path,
                 .reason = "this is a folder, no model file",
                 .fix = "Name a model that `leadline export RUN --out model.lead` wrote, or look at a run with "
                        "`leadline summary`"});
  check_engine(model.open_file(path.c_str(), error), error, path);
  const leadline_model_info info = model.info();

  leadline_session_options plan{};
  plan.struct_size = sizeof plan;
  plan.height = static_cast<int32_t>(options.integer("height", 0, max_image_side));
  plan.width = static_cast<int32_t>(options.integer("width", 0, max_image_side));
  if (plan.height == 0 && plan.width != 0) plan.height = info.input_height; // one side given: the other is the model's
  if (plan.width == 0 && plan.height != 0) plan.width = info.input_width;
  plan.memory_limit = static_cast<size_t>(options.integer("memory_limit", 0, INT64_MAX));
  plan.precision = options.text("precision") == "bf16" ? LEADLINE_PRECISION_BF16 : LEADLINE_PRECISION_F32;
  if (options.text("algorithm") != "automatic") plan.algorithm = options.text("algorithm").c_str();
  // Nothing is run by these threads: the plan only asks how many there are.
  leadline_runner runner{};
  runner.threads = static_cast<int32_t>(options.integer("threads", 1, 1024));
  runner.run = [](void*, int64_t tasks, void (*task)(void*, int64_t), void* argument) {
    for (int64_t i = 0; i < tasks; ++i) task(argument, i);
  };
  plan.runner = &runner;
  Session session;
  if (const leadline_status status = session.create(model, error, &plan); status != LEADLINE_OK)
    throw Error({.file = path,
                 .reason = "no session: " + std::string(error.text[0] ? error.text : leadline_status_text(status)),
                 .fix = "Ask for another size or plan"});

  std::printf("%3s %-20s %-18s %-18s %12s %-6s %10s %-10s %6s %9s %12s %12s %12s %9s  %s\n", "", "layer", "kind",
              "output", "parameters", "stored", "MMAC", "algorithm", "strips", "MB moved", "prepared KiB",
              "scratch KiB", "buffer KiB", "alive", "reads");
  int64_t bytes_moved = 0;
  for (int32_t i = 0; i < info.nodes; ++i) {
    leadline_node_info node{};
    node.struct_size = sizeof node;
    if (leadline_model_get_node(model.get(), i, &node) != LEADLINE_OK) continue;
    const std::string shape = "[" + std::to_string(node.batch) + "," + std::to_string(node.height) + "," +
                              std::to_string(node.width) + "," + std::to_string(node.channels) + "]";
    std::string reads;
    for (int32_t s = 0; s < node.inputs; ++s) {
      leadline_node_info source{};
      source.struct_size = sizeof source;
      const bool layer =
          node.input[s] >= 0 && leadline_model_get_node(model.get(), node.input[s], &source) == LEADLINE_OK;
      reads += (s > 0 ? ", " : "") + std::string(layer ? source.name : "input");
    }
    leadline_node_plan chosen{};
    chosen.struct_size = sizeof chosen;
    leadline_session_get_node(session.get(), i, &chosen);
    const std::string alive = std::to_string(chosen.first_node) + "-" +
                              (chosen.last_node < info.nodes ? std::to_string(chosen.last_node) : "end");
    std::printf("%3d %-20s %-18s %-18s %12lld %-6s %10.2f %-10s %6d %9.2f %12.1f %12.1f %12.1f %9s  %s\n", i, node.name,
                node.layer, shape.c_str(), static_cast<long long>(node.parameters),
                node.parameters > 0 ? leadline_weight_type_name(node.weight_type) : "",
                static_cast<double>(node.macs) * 1e-6, chosen.algorithm, chosen.strips,
                static_cast<double>(chosen.bytes_moved) * 1e-6, static_cast<double>(chosen.prepared_bytes) / 1024,
                static_cast<double>(chosen.workspace_bytes) / 1024, static_cast<double>(chosen.arena_bytes) / 1024,
                alive.c_str(), reads.c_str());
    bytes_moved += chosen.bytes_moved;
  }
  std::printf("\n%s: %d layers, %lld parameters, %.2f MMAC, file %s KiB, of these %s KiB weights in %s\n", info.name,
              info.nodes, static_cast<long long>(info.parameters), static_cast<double>(info.macs) * 1e-6,
              decimals(static_cast<double>(info.file_bytes) / 1024, 1).c_str(),
              decimals(static_cast<double>(info.weight_bytes) / 1024, 1).c_str(),
              leadline_weight_type_name(info.weight_type));
  std::printf("input   %dx%d, %d channels%s; %s\n", info.input_height, info.input_width, info.input_channels,
              info.crops_centre ? ", centre crop" : "",
              info.size_multiple > 0 ? ("other sizes: multiples of " + std::to_string(info.size_multiple)).c_str()
                                     : "no other size");
  if (info.focal_x > 0)
    std::printf("cameras of the training pictures: focal lengths %.1f, %.1f pixels at this size\n",
                static_cast<double>(info.focal_x), static_cast<double>(info.focal_y));
  if (info.output_kind == LEADLINE_VALUES)
    std::printf("output  %dx%d, %d values\n", info.output_height, info.output_width, info.output_channels);
  else
    std::printf("output  %dx%d, %s, %s to %s m\n", info.output_height, info.output_width,
                info.output_kind == LEADLINE_METRIC_DEPTH ? "depth in metres" : "relative values",
                exact(info.min_depth).c_str(), exact(info.max_depth).c_str());
  const leadline_session_info memory = session.info();
  std::printf("memory  %s KiB for a session at %dx%d on %s with %d thread%s: %s KiB values and scratch, %s KiB "
              "prepared weights\n",
              decimals(static_cast<double>(memory.bytes) / 1024, 1).c_str(), memory.input_height, memory.input_width,
              memory.isa, memory.threads, memory.threads == 1 ? "" : "s",
              decimals(static_cast<double>(memory.arena_bytes - memory.prepared_bytes) / 1024, 1).c_str(),
              decimals(static_cast<double>(memory.prepared_bytes) / 1024, 1).c_str());
  std::printf("moved   %s MB a run at the least: sources, weights and outputs\n",
              decimals(static_cast<double>(bytes_moved) * 1e-6, 2).c_str());
  const ArenaPicture arena = arena_picture(model, session);
  std::printf("\nmemory certificate: no run takes more than %zu bytes of arena; the buffers of this plan can't do with "
              "less than %zu: ratio %s%s\n%s\n",
              memory.arena_bytes, memory.least_bytes,
              decimals(static_cast<double>(memory.arena_bytes) / static_cast<double>(memory.least_bytes), 4).c_str(),
              memory.arena_bytes == memory.least_bytes ? ", proven optimal" : "", arena_text(arena).c_str());
  if (options.given("arena")) {
    const std::string file = options.required("arena");
    if (!file.ends_with(".png"))
      throw Error({.file = "leadline inspect",
                   .field = "--arena",
                   .value = file,
                   .reason = "it is a PNG that is written",
                   .fix = "Name a file that ends in .png"});
    data::write_png(file, arena_image(arena));
    std::printf("arena   %s\n", file.c_str());
  }
  float largest = 0;
  if (info.has_golden && memory.input_height == info.input_height && memory.input_width == info.input_width)
    std::printf("self-test %s\n", session.self_test(&largest) == LEADLINE_OK ? "passed" : "FAILED");
  for (int32_t i = 0; const char* entry = leadline_model_provenance_entry(model.get(), i); ++i) {
    const std::string text = entry;
    const size_t equals = text.find('=');
    std::printf("%-10s %s\n", text.substr(0, equals).c_str(), text.substr(std::min(equals + 1, text.size())).c_str());
  }
  return 0;
}

} // namespace leadline::trainer
