#include "trainer/run_directory.hpp"

#include "data/error.hpp"

#include <cstdio>
#include <filesystem>

namespace leadline::trainer {

namespace fs = std::filesystem;

bool RunDirectory::only_begun() const { return fs::exists(config()) && !fs::exists(last()) && !fs::exists(best()); }

RunDirectory new_run_directory(const std::string& path, const std::string& name, const std::string& option) {
  RunDirectory run{path};
  for (int number = 1; path.empty(); ++number) {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "-%03d", number);
    run.path = "runs/" + name + suffix;
    if (!fs::exists(run.path)) break;
  }
  if (fs::exists(run.config()) || fs::exists(run.last()))
    throw Error({.file = run.path,
                 .field = option,
                 .reason = "there is a run in this folder already",
                 .fix = option == "run.dir"
                            ? "Name another folder, or go on with it: leadline train --resume " + run.path
                            : "Name another folder with --" + option + ", or remove this one"});
  return run;
}

FolderOfRun::FolderOfRun(const RunDirectory& run, const std::string& option) {
  std::error_code error;
  for (fs::path folder = run.checkpoints(); !folder.empty() && !fs::exists(folder, error);
       folder = folder.parent_path())
    made_.push_back(folder.string());
  fs::create_directories(run.checkpoints(), error);
  if (!error) return;
  std::error_code ignored;
  for (const std::string& folder : made_) fs::remove(folder, ignored);
  throw Error({.file = run.path,
               .field = option,
               .reason = "the folder can't be made: " + error.message(),
               .fix = "Choose a place that you may write to"});
}

FolderOfRun::~FolderOfRun() {
  std::error_code error; // what isn't empty stays
  for (const std::string& folder : made_) fs::remove(folder, error);
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
