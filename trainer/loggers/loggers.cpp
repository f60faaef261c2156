#include "trainer/loggers/loggers.hpp"

#include <algorithm>

namespace leadline::trainer {

namespace {
const std::vector<std::string> known{"csv", "jsonl", "tensorboard"};
}

bool wants_logger(const Settings& settings, const std::string& name) {
  bool wanted = false;
  for (const std::string& part : settings.list("run.loggers")) {
    if (std::find(known.begin(), known.end(), part) == known.end())
      settings.fail("run.loggers", "there is no logger \"" + part + "\"",
                    "Use " + join_choices(known) + ", or several with commas between");
    wanted = wanted || part == name;
  }
  return wanted;
}

std::vector<OptionSpec> logger_options() {
  return {{"run.loggers", "csv, jsonl", "files for the run's numbers, with commas between: csv, jsonl, tensorboard"},
          {"run.log_every", "1", "steps between two that jsonl and tensorboard keep"}};
}

index_t log_every_settings(const Settings& settings) { return settings.integer("run.log_every", 1, INT64_MAX); }

} // namespace leadline::trainer
