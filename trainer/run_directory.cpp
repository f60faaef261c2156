#include "trainer/run_directory.hpp"

#include "data/error.hpp"

#include <cstdio>
#include <filesystem>

namespace leadline::trainer {

namespace fs = std::filesystem;

bool RunDirectory::only_begun() const { return fs::exists(config()) && !fs::exists(last()) && !fs::exists(best()); }

RunDirectory new_run_directory(const std::string& path, const std::string& name) {
  RunDirectory run{path};
  for (int number = 1; path.empty(); ++number) {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "-%03d", number);
    run.path = "runs/" + name + suffix;
    if (!fs::exists(run.path)) break;
  }
  if (fs::exists(run.config()) || fs::exists(run.last()))
    throw Error({.file = run.path,
                 .field = "run.dir",
                 .reason = "there is a run in this folder already",
                 .fix = "Name another folder, or go on with it: leadline train --resume " + run.path});
  return run;
}

void make_folders(const RunDirectory& run) {
  std::error_code error;
  for (const std::string& folder : {run.checkpoints(), run.predictions()})
    if (fs::create_directories(folder, error); error)
      throw Error({.file = folder,
                   .field = "run.dir",
                   .reason = "the folder can't be made: " + error.message(),
                   .fix = "Choose a place that you may write to"});
}

std::string find_checkpoint(const std::string& path, bool best) {
  if (!fs::is_directory(path)) {
    if (!fs::exists(path))
      throw Error({.file = path,
                   .reason = "there is no such run or checkpoint",
                   .fix = "Give a run directory (made by `leadline train`) or one of its checkpoints/*.h5"});
    return path;
  }
  const RunDirectory run{path};
  const std::string first = best ? run.best() : run.last(), second = best ? run.last() : run.best();
  for (const std::string& file : {first, second})
    if (fs::exists(file)) return file;
  if (run.only_begun())
    throw Error({.file = path,
                 .reason = "this run ended before its first checkpoint",
                 .fix = "Begin it again: leadline train --resume " + path});
  throw Error({.file = path,
               .reason = "this folder has no checkpoints/last.h5 or best.h5, so it is no run",
               .fix = "Give a run directory made by `leadline train`"});
}

} // namespace leadline::trainer
