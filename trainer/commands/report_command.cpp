// leadline report
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/report.hpp"
#include "trainer/run_evaluation.hpp"

#include <cstdio>
#include <filesystem>
#include <optional>

namespace leadline::trainer {

namespace {

constexpr const char* introduction = R"(leadline report RUN...: make report.html of a run again.

  leadline report runs/office
  leadline report runs/* --evaluate no

The page holds curves, metrics beside the baselines, the best and worst pictures, timings and settings in one file that
needs nothing else; `leadline train` writes it after each epoch (run.report).
)";

/// Whether the run's numbers are older than its best checkpoint, or aren't there.
bool stale(const RunDirectory& run) {
  namespace fs = std::filesystem;
  return fs::exists(run.best()) &&
         (!fs::exists(run.evaluation()) || fs::last_write_time(run.evaluation()) < fs::last_write_time(run.best()));
}

} // namespace

int report_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups{
      {"Options",
       {{"evaluate",
         "auto",
         "measure the best checkpoint on the run's validation frames; auto: if it is newer than the last measurement",
         {"auto", "yes", "no"}},
        threads_option,
        help_option}}};
  Settings options;
  std::string first;
  std::vector<std::string> runs;
  if (!read_command("leadline report", introduction, groups, arguments, "RUN", &options, &first, &runs)) return 0;
  const std::string& when = options.text("evaluate");
  runs.insert(runs.begin(), first);
  std::optional<Compute> compute;
  for (const std::string& path : runs) {
    const RunDirectory run{path};
    if (when == "yes" || (when == "auto" && stale(run))) {
      if (!compute) compute.emplace(static_cast<int>(options.integer("threads", 0, 4096)));
      evaluate_run(run);
    }
    write_report(run);
    std::printf("%s\n", run.report().c_str());
  }
  return 0;
}

} // namespace leadline::trainer
