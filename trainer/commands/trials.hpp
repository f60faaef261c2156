// Trainings side by side, each `leadline train` in a process and a run directory of its own: what `leadline compare`
// and `leadline search` are made of. What was finished once isn't trained again; what was interrupted goes on.
#pragma once

#include "trainer/folder_lock.hpp"
#include "trainer/run_history.hpp"
#include "trainer/settings.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace leadline::trainer {

struct Trial {
  std::string folder; ///< below the common one; may have slashes
  std::string title;  ///< for people
  Settings settings;  ///< all of them; run.dir is set by who runs it
};

/// What came out of one.
struct TrialResult {
  RunHistory history;
  std::string error; ///< empty, or why there is no result: what the process said
};

/// Options that both commands have: --out, --jobs, --threads, --help.
std::vector<OptionSpec> trial_options(const std::string& command);

/// One folder full of trials. Holds a lock on it while it lives: two programs never train in one folder.
class TrialFolder {
public:
  /// `path` is made if need be; empty: runs/NAME-001, -002, ... Throws leadline::Error.
  TrialFolder(const std::string& path, const std::string& name);

  const std::string& path() const { return path_; }
  RunDirectory run(const Trial& trial) const { return {path_ + "/" + trial.folder}; }

  /// Whether the settings can be trained with: each trial that isn't begun yet is tried as `leadline train --dry_run`.
  /// Throws leadline::Error with what the first that can't says; then a folder that this call made is gone again.
  void check(const std::vector<Trial>& trials) const;

  /// Trains them, `jobs` at a time with `threads` each (0: all cores shared among the jobs), and calls `done` for each
  /// as it ends (in the caller's thread; finished ones of an earlier call at once). Ctrl-C and SIGTERM stop the
  /// trainings, which save themselves: then it returns false, and a later call goes on. A training that fails doesn't
  /// end the others. Throws leadline::Error where a folder has another trial in it, or processes can't be started.
  bool train(const std::vector<Trial>& trials, index_t jobs, index_t threads,
             const std::function<void(size_t trial, const TrialResult& result)>& done) const;

private:
  std::string path_;
  bool made_ = false; ///< by this call
  std::optional<FolderLock> lock_;
};

/// Text that can be a folder's name: letters, digits and .,=+-_ stay.
std::string folder_name(const std::string& text);

} // namespace leadline::trainer
