#include "trainer/commands.hpp"

#include "data/data_command.hpp"
#include "data/error.hpp"
#include "trainer/compute.hpp"
#include "trainer/registry.hpp" // nearest_name

#include <leadline/leadline.h>

#include <cstdio>
#include <cstdlib>

namespace leadline::trainer {

namespace {

constexpr const char* help = R"(leadline trains depth networks and writes them for devices.

  leadline data      look at data, render rooms, convert         leadline data generate --help
  leadline train     train a network                             leadline train --config trainer/configs/quickstart.ini
  leadline evaluate  metrics of a run, beside simple baselines   leadline evaluate runs/unet-001 --data pairs:val.txt
  leadline export    write a run as model.lead, for devices      leadline export runs/unet-001 --out model.lead
  leadline inspect   layers, cost and origin of a model.lead     leadline inspect model.lead
  leadline report    curves, metrics, pictures as one page      leadline report runs/unet-001
  leadline summary   layers, parameters and cost of a network    leadline summary --model.network mobile_unet
  leadline graph     a network as DOT or SVG                     leadline graph runs/unet-001 --out unet.svg

Each has --help. `leadline --version` prints versions. --isa NAME (or LEADLINE_ISA) behind a command takes the kernels
for that level of the CPU, x86-64-v3 say, instead of the best; results differ between levels in their last bits.
)";

struct Command {
  const char* name;
  int (*run)(const std::vector<std::string>&);
};
constexpr Command commands[] = {
    {"train", train_command},     {"evaluate", evaluate_command}, {"export", export_command},
    {"inspect", inspect_command}, {"report", report_command},     {"summary", summary_command},
    {"graph", graph_command},
};

/// Takes `--isa NAME` out of a command's arguments and does as it, or the environment, says.
void choose_isa(std::vector<std::string>& arguments) {
  const char* environment = std::getenv("LEADLINE_ISA");
  std::string isa = environment ? environment : "", from = "LEADLINE_ISA";
  for (auto i = arguments.begin(); i != arguments.end();) {
    const bool attached = i->starts_with("--isa=");
    if (!attached && *i != "--isa") {
      ++i;
      continue;
    }
    from = "--isa";
    const auto value = attached ? i : i + 1;
    if (value == arguments.end() || (attached && i->size() == 6))
      throw Error({.field = "--isa", .reason = "needs a level's name after it", .fix = "For example --isa x86-64-v3"});
    isa = attached ? i->substr(6) : *value;
    i = arguments.erase(i, value + 1);
  }
  char error[512];
  if (!isa.empty() && leadline_set_isa(isa.c_str(), error, sizeof error) != LEADLINE_OK)
    throw Error({.file = from, .reason = error});
}

int run(int argc, const char* const* argv) {
  const std::string name = argc > 1 ? argv[1] : "--help";
  if (name == "--help" || name == "-h" || name == "help") {
    std::printf("%s", help);
    return argc > 1 ? 0 : 2;
  }
  if (name == "--version") {
    std::printf("leadline %s\nmodel format %d\n%s\n", leadline_version_string(),
                static_cast<int>(leadline_model_format()), Compute::description().c_str());
    return 0;
  }
  if (name == "data") return data::data_command(argc - 1, argv + 1);
  std::vector<std::string> names{"data"};
  for (const Command& command : commands) {
    if (name == command.name) {
      std::vector<std::string> arguments(argv + 2, argv + argc);
      choose_isa(arguments);
      return command.run(arguments);
    }
    names.push_back(command.name);
  }
  std::fprintf(stderr, "leadline: error: there is no command \"%s\". %s. `leadline --help` explains them.\n",
               name.c_str(), known_names(name, names).c_str());
  return 2;
}

} // namespace

int run_command_line(int argc, const char* const* argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "leadline: error: memory is short. Use a smaller data.batch_size (or train.micro_batch), "
                         "data.size or data.cache_mb.\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "leadline: error: %s\n", error.what());
  }
  return 1;
}

} // namespace leadline::trainer
