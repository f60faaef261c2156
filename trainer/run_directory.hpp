// Where a run keeps its things:
//
//     RUN/config.ini                 the resolved settings: `leadline train --config RUN/config.ini` repeats the run
//     RUN/metrics.csv                one line an epoch; the same bytes for the same run
//     RUN/metrics.jsonl              every step and epoch with their times (loggers/jsonl_logger.hpp)
//     RUN/tensorboard/               event files
//     RUN/evaluation.jsonl           metrics of the best checkpoint beside the baselines, best and worst frames
//     RUN/report.html                all of it to look at
//     RUN/parity.txt                 what `leadline verify` found: does the exported model agree with the run?
//     RUN/log.txt                    what the terminal saw, with times
//     RUN/checkpoints/last.h5        newest state, RUN/checkpoints/best.h5 best validation (checkpoint.hpp)
//     RUN/checkpoints/epoch_XXX.h5   the best few, where run.checkpoint_top_k asks for them
//     RUN/timers.csv                 where each epoch's time went
//     RUN/predictions/epoch_XXX.png  picture | truth | prediction
//     RUN/.lock                      held by who trains there (folder_lock.hpp)
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace leadline::trainer {

struct RunDirectory {
  std::string path;

  std::string config() const { return path + "/config.ini"; }
  std::string metrics() const { return path + "/metrics.csv"; }
  std::string lines() const { return path + "/metrics.jsonl"; }
  std::string tensorboard() const { return path + "/tensorboard"; }
  std::string evaluation() const { return path + "/evaluation.jsonl"; }
  std::string parity() const { return path + "/parity.txt"; }
  std::string report() const { return path + "/report.html"; }
  std::string log() const { return path + "/log.txt"; }
  std::string checkpoints() const { return path + "/checkpoints"; }
  std::string last() const { return checkpoints() + "/last.h5"; }
  std::string best() const { return checkpoints() + "/best.h5"; }
  std::string of_epoch(long long epoch) const {
    char name[40];
    std::snprintf(name, sizeof name, "/epoch_%03lld.h5", epoch);
    return checkpoints() + name;
  }
  std::string timers() const { return path + "/timers.csv"; }
  /// Begun, but nothing was saved yet: there are its settings alone.
  bool only_begun() const;
  std::string predictions() const { return path + "/predictions"; }
};

/// The place of a new run: `path`, or if that is empty the first runs/NAME-001, -002, ... that is free. Throws
/// leadline::Error if there is a run in it already. Makes nothing yet. `option` is where the path came from.
RunDirectory new_run_directory(const std::string& path, const std::string& name, const std::string& option = "run.dir");
/// Makes its folders; throws leadline::Error.
void make_folders(const RunDirectory& run);

/// For a run that writes only at its end: makes the folder at once, so that a wrong place shows before the work, and
/// takes away what it made, as far as it is empty, unless the run came to its end.
class FolderOfRun {
public:
  /// Throws leadline::Error that names `option`.
  FolderOfRun(const RunDirectory& run, const std::string& option);
  ~FolderOfRun();
  FolderOfRun(const FolderOfRun&) = delete;
  FolderOfRun& operator=(const FolderOfRun&) = delete;

private:
  std::vector<std::string> made_; ///< innermost first
};

/// The checkpoint that `path` means: a file itself, or the best (`best` false: the last) one of a run directory.
/// Throws leadline::Error that says what is there instead.
std::string find_checkpoint(const std::string& path, bool best);

} // namespace leadline::trainer
