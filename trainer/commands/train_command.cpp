// leadline train
#include "trainer/callbacks/callbacks.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/folder_lock.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/report.hpp"
#include "trainer/run_evaluation.hpp"
#include "trainer/train_loop.hpp"
#include "trainer/train_settings.hpp"
#include "trainer/weight_io.hpp"

#include "data/image_io.hpp"

#include <cstdio>
#include <filesystem>
#include <optional>

namespace leadline::trainer {

namespace {

constexpr const char* introduction = R"(leadline train: train a depth network.

  leadline train --config trainer/configs/quickstart.ini
  leadline train --data.train pairs:train.txt --data.val pairs:val.txt --run.dir runs/office
  leadline train --config my.ini --model.base_channels 8 --train.epochs 40
  leadline train --resume runs/office                 goes on where it stopped, with the same bits

A settings file has one [section] for each word before the dot:

  [data]
  train = pairs:train.txt
  val = pairs:val.txt
  size = 144x192
  [model]
  base_channels = 16

The command line wins over the file. Everything that was used is saved in the run directory as config.ini. Ctrl-C
(SIGTERM, SIGUSR1) finishes the step, saves, and stops with exit status 130; twice stops at once.
)";

const OptionGroup own_options{
    "This command",
    {
        {"config", "", "settings file"},
        {"resume", "",
         "run directory (or checkpoint) to go on with; other options change its settings, e.g. train.epochs"},
        {"threads", "0", "CPU threads; 0: OMP_NUM_THREADS, or all cores. Doesn't change results"},
        {"dry_run", "", "only check that these settings can be trained with; writes nothing", {}, true},
        {"help", "", "this text", {}, true},
    }};

/// What the first weights have seen: the data and licence of their run, and of the one before that.
std::string pretraining(const std::string& weights) {
  const std::string file = find_checkpoint(weights, true);
  const Settings theirs = checkpoint_settings(read_checkpoint(file), file);
  std::string text = theirs.text("data.train");
  if (const std::string& licence = theirs.text("run.data_licence"); !licence.empty()) text += " (" + licence + ")";
  if (const std::string& before = theirs.text("run.pretraining"); !before.empty()) text += ", after " + before;
  return text;
}

} // namespace

int train_command(const std::vector<std::string>& arguments) {
  std::vector<OptionGroup> groups = train_option_groups();
  groups.insert(groups.begin(), own_options);
  Settings settings(groups), command_line;
  if (!read_options("leadline train", introduction, groups, arguments, &command_line)) return 0;

  // File or earlier run first, the command line over it.
  Checkpoint checkpoint;
  std::string checkpoint_file;
  std::optional<FolderLock> lock; // nobody else trains in the folder
  const bool dry_run = command_line.given("dry_run");
  bool resume = command_line.given("resume"), again = false; // again: with the settings of a run that never saved
  if (resume) {
    if (command_line.given("config"))
      throw Error({.file = "leadline train",
                   .field = "--config",
                   .reason = "a resumed run has its own settings",
                   .fix = "Leave --config out; single options may be changed, e.g. --train.epochs 40"});
    if (command_line.given("run.dir"))
      throw Error({.file = "leadline train",
                   .field = "--run.dir",
                   .reason = "a resumed run goes on in its own folder",
                   .fix = "Leave --run.dir out, or copy the folder and resume the copy"});
    const RunDirectory begun{command_line.required("resume")};
    const bool folder = std::filesystem::is_directory(begun.path);
    if (folder && !dry_run && std::filesystem::exists(begun.config())) lock.emplace(begun.path, "--resume");
    again = folder && begun.only_begun();
    resume = !again;
    if (again) {
      read_settings_file(begun.config(), settings);
    } else {
      checkpoint_file = find_checkpoint(begun.path, false);
      checkpoint = read_checkpoint(checkpoint_file);
      require_depth_network(checkpoint, checkpoint_file);
      read_settings_text(checkpoint.settings, checkpoint_file + " (settings)", settings);
    }
    if (folder) settings.set("run.dir", begun.path, "--resume"); // it may have been moved
  }
  apply_settings(command_line, settings);

  const Compute compute(static_cast<int>(settings.integer("threads", 0, 4096)));
  const Datasets sets = open_datasets(settings);
  RunDirectory run{settings.text("run.dir")};
  if (!resume && !again) run = new_run_directory(run.path, settings.text("model.network"));
  settings.set("run.dir", run.path, "--run.dir");
  if (const std::string& weights = settings.text("model.weights");
      !resume && !weights.empty() && settings.text("run.pretraining").empty())
    settings.set("run.pretraining", pretraining(weights), "--run.pretraining");
  std::unique_ptr<TrainLoop> loop = make_train_loop(settings, sets.train, sets.val, resume ? &checkpoint : nullptr);
  if (resume) {
    loop->restore(checkpoint, checkpoint_file);
    if (checkpoint.epoch >= loop->info().epochs)
      throw Error({.file = checkpoint_file,
                   .field = "epoch",
                   .value = std::to_string(checkpoint.epoch),
                   .reason = "the run is complete",
                   .fix = "Add more epochs with --train.epochs N, or start a new run"});
  }
  for (std::unique_ptr<Callback>& callback : make_callbacks(settings, run, resume)) loop->add(std::move(callback));
  if (dry_run) return 0;
  make_folders(run); // only now: whatever is wrong with the settings has been found
  if (!lock) lock.emplace(run.path, "run.dir");
  if (!resume && !again) new_run_directory(run.path, ""); // nobody was quicker
  const std::string config =
      "# Settings of this run: leadline train --config THIS --run.dir ANOTHER repeats it.\n" + settings.to_ini(true);
  data::write_file(run.config(), config.data(), config.size());

  const RunResult result = loop->run();
  if (result.stopped) return 130;
  if (settings.boolean("run.report")) {
    loop.reset(); // its memory is needed
    std::printf("%s", evaluate_run(run, sets.val, sets.val_name).c_str());
    write_report(run);
  }
  std::printf("%s\n  %s\n  leadline evaluate %s --data %s\n  leadline export %s --out model.lead%s\n", "next:",
              result.best_epoch > 0 ? ("best " + settings.text("eval.monitor") + " in epoch " +
                                       std::to_string(result.best_epoch) + ": " + run.best())
                                          .c_str()
                                    : run.last().c_str(),
              run.path.c_str(), settings.text("data.val").empty() ? "SPEC" : settings.text("data.val").c_str(),
              run.path.c_str(), settings.boolean("quantize.aware") ? " --precision int8" : "");
  return 0;
}

} // namespace leadline::trainer
