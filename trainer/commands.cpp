#include "trainer/commands.hpp"

#include "data/data_command.hpp"
#include "data/error.hpp"
#include "trainer/compute.hpp"
#include "trainer/registry.hpp" // nearest_name

#include <leadline/leadline.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace leadline::trainer {

namespace {

struct Command {
  const char* name;
  const char* does;
  const char* example; ///< behind "leadline "
  int (*run)(const std::vector<std::string>&);
};

// clang-format off
constexpr Command commands[] = {
    {"train", "train a network", "train --config trainer/configs/quickstart.ini", train_command},
    {"lr_find", "which learning rate suits a run", "lr_find --config trainer/configs/quickstart.ini", lr_find_command},
    {"evaluate", "metrics of a run, beside simple baselines", "evaluate runs/unet-001 --data pairs:val.txt", evaluate_command},
    {"predict", "depth of pictures, as files", "predict runs/unet-001 photos --out depth", predict_command},
    {"export", "write a run as model.lead, for devices", "export runs/unet-001 --out model.lead", export_command},
    {"verify", "prove that device and trainer agree", "verify runs/unet-001 model.lead --data pairs:val.txt", verify_command},
    {"inspect", "layers, cost and origin of a model.lead", "inspect model.lead", inspect_command},
    {"mlp", "multi-layer perceptrons, as scikit-learn has them", "mlp fit --data digits --solver lbfgs", mlp_command},
    {"report", "curves, metrics, pictures as one page", "report runs/unet-001", report_command},
    {"compare", "settings side by side, with several seeds", "compare --over optimizer=sgd,adam --seeds 3", compare_command},
    {"search", "look for the settings that train best", "search --over optimizer.lr=log:1e-4..1e-1", search_command},
    {"summary", "layers, parameters and cost of a network", "summary --model.network mobile_unet", summary_command},
    {"graph", "a network as DOT or SVG", "graph runs/unet-001 --out unet.svg", graph_command},
};
// clang-format on

void print_help() {
  std::printf("leadline trains depth networks and writes them for devices.\n\n");
  const auto line = [](const char* name, const char* does, const char* example) {
    std::printf("  leadline %-9s %-44s leadline %s\n", name, does, example);
  };
  line("data", "look at data, render rooms, convert", "data generate --help");
  for (const Command& command : commands) line(command.name, command.does, command.example);
  std::printf(
      "\nEach has --help. `leadline --version` prints versions. --isa NAME (or LEADLINE_ISA) behind a command takes\n"
      "the kernels for that level of the CPU, x86-64-v3 say, instead of the best; results differ between levels in\n"
      "their last bits.\n");
}

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
    print_help();
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
    const int status = run(argc, argv);
    // What was printed may still lie in memory: a full disk shows only now, or has shown before.
    errno = 0;
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    std::fprintf(stderr, "leadline: error: standard output can't be written%s%s\n", errno != 0 ? ": " : "",
                 errno != 0 ? std::strerror(errno) : "");
    return status != 0 ? status : 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "leadline: error: memory is short. Use a smaller data.batch_size (or train.micro_batch), "
                         "data.size or data.cache_mb.\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "leadline: error: %s\n", error.what());
  }
  return 1;
}

} // namespace leadline::trainer
