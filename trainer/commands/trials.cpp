#include "trainer/commands/trials.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/train_settings.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace leadline::trainer {

namespace fs = std::filesystem;

namespace {

volatile std::sig_atomic_t interrupted = 0;
extern "C" void on_interrupt(int signal) {
  interrupted = 1;
  std::signal(signal, SIG_DFL); // the second one ends the program, and with it the trainings
}

struct InterruptGuard {
  InterruptGuard() {
    interrupted = 0;
    old_interrupt = std::signal(SIGINT, on_interrupt);
    old_terminate = std::signal(SIGTERM, on_interrupt);
  }
  ~InterruptGuard() {
    std::signal(SIGINT, old_interrupt);
    std::signal(SIGTERM, old_terminate);
  }
  void (*old_interrupt)(int);
  void (*old_terminate)(int);
};

void wait_a_little() {
  const timespec twenty_ms{0, 20'000'000};
  nanosleep(&twenty_ms, nullptr);
}

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// This program, to be started again.
std::string own_program() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) throw Error("the program's own file can't be found: " + error.message() + ".");
  return program.string();
}

/// Starts `leadline ARGUMENTS`, what it says goes to `log`. A child doesn't outlive this program: it is asked to stop.
pid_t start(const std::string& program, const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (out < 0) throw Error({.file = log, .reason = std::string("the file can't be written: ") + std::strerror(errno)});
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) { // from here on only what is safe between fork and exec
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
#endif
    setpgid(0, 0); // the terminal's ctrl-C is for the parent, which passes it on once
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  close(out);
  if (pid < 0) throw Error(std::string("a process can't be started: ") + std::strerror(errno) + ".");
  return pid;
}

/// Whether a trial of an earlier call had these settings. Options that are newer than the file have their defaults.
bool same_settings(const std::string& file, const Settings& wanted) {
  Settings old(train_option_groups());
  read_settings_file(file, old);
  for (const std::string& key : old.keys())
    if (key != "run.dir" && old.text(key) != wanted.text(key)) return false;
  return true;
}

struct Child {
  size_t trial;
  pid_t pid;
};

/// Nobody trains on when an exception ends the whole.
struct Children {
  std::vector<Child> all;
  ~Children() {
    for (const Child& child : all) kill(child.pid, SIGTERM);
    for (const Child& child : all) waitpid(child.pid, nullptr, 0);
  }
};

/// The error message at the end of a log, or its last line.
std::string last_words(const std::string& log) {
  std::istringstream lines(text_of(log));
  std::string last, error;
  for (std::string line; std::getline(lines, line);) {
    if (const size_t at = line.find("leadline: error: "); at != std::string::npos) error = line.substr(at + 17);
    if (!line.empty()) last = line;
  }
  return !error.empty() ? error : last.empty() ? "it said nothing" : last;
}

std::string settings_text(const Trial& trial, const RunDirectory& run) {
  Settings settings = trial.settings;
  settings.set("run.dir", run.path, "trial");
  return "# " + trial.title + "\n" + settings.to_ini(false);
}

} // namespace

std::vector<OptionSpec> trial_options(const std::string& command) {
  return {{"config", "", "settings that all trainings share"},
          {"out", "", "folder for everything; the same folder again goes on. Empty: runs/" + command + "-001, ..."},
          {"jobs", "1", "trainings at a time"},
          {"threads", "0", "CPU threads of each; 0: all cores, shared among the jobs"},
          help_option};
}

std::string folder_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      std::string(".,=+-_").find(c) != std::string::npos;
    name += fine ? c : '_';
  }
  if (name.find_first_not_of('.') == std::string::npos) name = "_" + name; // "", "." and ".." are no names
  return name;
}

TrialFolder::TrialFolder(const std::string& path, const std::string& name) : path_(path) {
  for (int number = 1; path_.empty() || (path.empty() && fs::exists(path_)); ++number) {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "-%03d", number);
    path_ = "runs/" + name + suffix;
  }
  std::error_code error;
  made_ = fs::create_directories(path_, error);
  if (error)
    throw Error({.file = path_,
                 .field = "--out",
                 .reason = "the folder can't be made: " + error.message(),
                 .fix = "Choose a place that you may write to"});
  constexpr int seconds = 30; // for trainings whose parent was killed to save themselves
  lock_.emplace(path_, "--out", seconds);
}

void TrialFolder::check(const std::vector<Trial>& trials) const {
  const std::string program = own_program(), settings = path_ + "/.check.ini", log = path_ + "/.check.log";
  for (const Trial& trial : trials) {
    if (fs::exists(run(trial).path + "/trial.ini")) continue;
    const std::string text = settings_text(trial, run(trial));
    data::write_file(settings, text.data(), text.size());
    fs::remove(log);
    int status = 0;
    const pid_t pid = start(program, {"train", "--config", settings, "--dry_run"}, log);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status == 0) continue;
    // The file it read is gone in a moment: its name and line say nothing to anybody.
    std::string words = last_words(log);
    if (words.starts_with(settings))
      words.erase(0, std::min(words.find_first_not_of(": 0123456789", settings.size()), words.size()));
    fs::remove(settings);
    fs::remove(log);
    if (made_) { // nothing else is there yet
      std::error_code ignored;
      fs::remove(lock_->file(), ignored);
      fs::remove(path_, ignored);
    }
    throw Error({.file = trial.title, .reason = "these settings can't be trained with", .fix = words});
  }
  fs::remove(settings);
  fs::remove(log);
}

bool TrialFolder::train(const std::vector<Trial>& trials, index_t jobs, index_t threads,
                        const std::function<void(size_t, const TrialResult&)>& done) const {
  const std::string program = own_program();
  const auto cores = static_cast<index_t>(std::max(1u, std::thread::hardware_concurrency()));
  const std::string each = std::to_string(threads > 0 ? threads : std::max<index_t>(1, cores / jobs));
  for (const Trial& trial : trials) { // before anything is started
    const std::string file = run(trial).path + "/trial.ini";
    if (fs::exists(file) && !same_settings(file, trial.settings))
      throw Error({.file = file,
                   .reason = "this folder has another training of the same name: its settings differ",
                   .fix = "Use another --out, or remove the folder"});
  }
  const InterruptGuard guard;
  Children running;
  std::vector<Child>& children = running.all;
  bool told = false;

  const auto finished = [&](const RunDirectory& dir, TrialResult* result) {
    if (!fs::exists(dir.lines())) return false;
    result->history = read_run_history(dir);
    return result->history.end.text_of("event") == "finish";
  };
  const auto launch = [&](size_t index) {
    const RunDirectory dir = run(trials[index]);
    const std::string settings = dir.path + "/trial.ini", text = settings_text(trials[index], dir);
    TrialResult result;
    if (finished(dir, &result)) {
      done(index, result);
      return;
    }
    fs::create_directories(dir.path);
    data::write_file(settings, text.data(), text.size());
    std::vector<std::string> arguments{"train"};
    if (fs::exists(dir.last())) {
      arguments.insert(arguments.end(), {"--resume", dir.path});
    } else {
      fs::remove(dir.config()); // begun, but never saved
      arguments.insert(arguments.end(), {"--config", settings});
    }
    arguments.insert(arguments.end(), {"--threads", each});
    children.push_back({index, start(program, arguments, dir.path + "/trial.log")});
  };

  size_t next = 0;
  while (next < trials.size() || !children.empty()) {
    if (interrupted != 0 && !told) {
      for (const Child& child : children) kill(child.pid, SIGTERM); // they save and stop
      told = true;
    }
    if (told && children.empty()) return false;
    if (!told && next < trials.size() && static_cast<index_t>(children.size()) < jobs) {
      launch(next++);
      continue;
    }
    for (auto child = children.begin(); child != children.end();) {
      int status = 0;
      if (waitpid(child->pid, &status, WNOHANG) != child->pid) {
        ++child;
        continue;
      }
      const size_t index = child->trial;
      child = children.erase(child);
      const RunDirectory dir = run(trials[index]);
      TrialResult result;
      if (!finished(dir, &result)) {
        if (told) continue; // it goes on another time
        result.error = WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                                           : last_words(dir.path + "/trial.log");
      }
      done(index, result);
    }
    wait_a_little();
  }
  return true;
}

} // namespace leadline::trainer
