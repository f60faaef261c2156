// The listeners of `leadline train`, in the order in which they are called. Adding one: a file in this folder and a
// line in callbacks.cpp; a user's program calls
//   callback_registry().push_back({"mine", {{"mine.every", "10", "steps between two lines"}}, make_mine});
// and then has `--mine.every` on its command line and [mine] in its settings files.
#pragma once

#include "trainer/callbacks/callback.hpp"
#include "trainer/run_directory.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace leadline::trainer {

/// A kind of listener.
struct CallbackEntry {
  std::string name;
  /// Keys "section.key" of its own; they join those of train_option_groups().
  std::vector<OptionSpec> options;
  /// Makes it, or returns null where the settings don't want it. `resumed`: files of the run are there already.
  std::function<std::unique_ptr<Callback>(const Settings& settings, const RunDirectory& run, bool resumed)> make;
};

/// All kinds, built-in ones first. Not thread-safe: add before the first run.
std::vector<CallbackEntry>& callback_registry();

/// Those that the settings want. Throws leadline::Error for options that make no sense.
std::vector<std::unique_ptr<Callback>> make_callbacks(const Settings& settings, const RunDirectory& run, bool resumed);

} // namespace leadline::trainer
