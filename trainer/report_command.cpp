// leadline report
#include "trainer/commands.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/report.hpp"

#include <cstdio>

namespace leadline::trainer {

namespace {

constexpr const char* introduction = R"(leadline report RUN...: make report.html of a run again.

  leadline report runs/office
  leadline report runs/*

The page holds curves, metrics, pictures, timings and settings in one file that needs nothing else; `leadline train`
writes it after each epoch (run.report).
)";

const std::vector<OptionGroup> groups{{"Options", {help_option}}};

} // namespace

int report_command(const std::vector<std::string>& arguments) {
  Settings options(groups);
  const std::vector<std::string> runs = read_command_line(arguments, "leadline report", options);
  if (options.given("help")) {
    std::printf("%s\n%s", introduction, option_help(groups).c_str());
    return 0;
  }
  if (runs.empty())
    throw Error({.file = "leadline report",
                 .field = "RUN",
                 .reason = "is missing",
                 .fix = "Name a run directory made by `leadline train`"});
  for (const std::string& path : runs) {
    const RunDirectory run{path};
    write_report(run);
    std::printf("%s\n", run.report().c_str());
  }
  return 0;
}

} // namespace leadline::trainer
