#include "trainer/run_history.hpp"

#include "data/error.hpp"
#include "trainer/metrics/names.hpp"
#include "trainer/settings.hpp" // parse_real

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace leadline::trainer {

namespace {

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> all;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) all.push_back(cell);
  return all;
}

std::vector<JsonLine> read_csv(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::vector<JsonLine> lines;
  if (!std::getline(in, line)) return lines;
  const std::vector<std::string> names = cells(line);
  while (std::getline(in, line)) {
    JsonLine object;
    const std::vector<std::string> values = cells(line);
    double number = 0;
    for (size_t i = 0; i < names.size() && i < values.size(); ++i)
      if (parse_real(values[i], &number)) object.number(names[i], number);
    lines.push_back(object);
  }
  return lines;
}

} // namespace

std::vector<double> RunHistory::column(const std::vector<JsonLine>& lines, const std::string& name) {
  std::vector<double> values;
  for (const JsonLine& line : lines) values.push_back(line.number_of(name));
  return values;
}

const JsonLine* best_epoch(const RunHistory& history, const std::string& metric) {
  const JsonLine* best = nullptr;
  for (const JsonLine& epoch : history.epochs) {
    const double value = epoch.number_of(metric), record = best ? best->number_of(metric) : 0;
    if (std::isfinite(value) && (!best || (larger_is_better(metric) ? value > record : value < record))) best = &epoch;
  }
  return best;
}

RunHistory read_run_history(const RunDirectory& run) {
  RunHistory history;
  if (std::filesystem::exists(run.lines())) {
    for (const JsonLine& line : read_json_lines(run.lines())) {
      const std::string event = line.text_of("event");
      if (event == "start") {
        history.start = line;
        history.end = JsonLine();
      } else if (event == "step") {
        history.steps.push_back(line);
      } else if (event == "epoch") {
        history.epochs.push_back(line);
      } else {
        history.end = line;
      }
    }
    return history;
  }
  if (!std::filesystem::exists(run.metrics()))
    throw Error({.file = run.path,
                 .reason = "this folder has neither metrics.jsonl nor metrics.csv, so it is no run, or one whose "
                           "run.loggers names neither",
                 .fix = "Give a run directory made by `leadline train`"});
  history.epochs = read_csv(run.metrics());
  return history;
}

} // namespace leadline::trainer
