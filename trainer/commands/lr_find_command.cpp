// leadline lr_find
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/lr_finder.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/text.hpp"
#include "trainer/train_settings.hpp"

#include "data/image_io.hpp"

#include <cmath>
#include <cstdio>

namespace leadline::trainer {

namespace {

constexpr const char* introduction = R"(leadline lr_find: which learning rate suits a run.

  leadline lr_find --config my.ini
  leadline lr_find --config my.ini --optimizer.name sgd --min_lr 1e-6 --max_lr 10 --out sgd

Trains some steps at a rate that grows from min_lr to max_lr, writes loss over rate as OUT.csv and OUT.svg, and suggests
the rate where the loss falls fastest: for one_cycle as scheduler.max_lr, for other schedules as optimizer.lr. Nothing
else is saved. All options of `leadline train` hold but those of the schedule.
)";

const OptionGroup own_options{"This command",
                              {
                                  {"config", "", "settings file"},
                                  {"out", "lr_find", "the two files' name without ending"},
                                  {"min_lr", "1e-8", "rate of the first step"},
                                  {"max_lr", "1", "rate of the last step"},
                                  {"steps", "100", "steps from one to the other"},
                                  {"stop_factor", "4", "ends where the smoothed loss is so many times its lowest"},
                                  threads_option,
                                  help_option,
                              }};

} // namespace

int lr_find_command(const std::vector<std::string>& arguments) {
  std::vector<OptionGroup> groups = train_option_groups();
  groups.insert(groups.begin(), own_options);
  Settings settings(groups), command_line;
  if (!read_options("leadline lr_find", introduction, groups, arguments, &command_line)) return 0;
  apply_settings(command_line, settings);

  LrFinderOptions options;
  options.min_lr = settings.real("min_lr", 1e-12, 1e3);
  options.max_lr = settings.real("max_lr", 1e-12, 1e3);
  if (!(options.max_lr > options.min_lr))
    settings.fail("max_lr", "it isn't above min_lr = " + settings.text("min_lr"), "Use a larger rate");
  options.steps = settings.integer("steps", 20, 100000);
  options.stop_factor = settings.real("stop_factor", 1.01, 1e6);
  const std::string& out = settings.required("out");

  const Compute compute(static_cast<int>(settings.integer("threads", 0, 4096)));
  const Datasets sets = open_datasets(settings);
  const LrFinderResult result = find_lr(settings, sets.train, sets.val, options);
  std::string csv = "lr,loss,smoothed_loss\n";
  for (size_t i = 0; i < result.lr.size(); ++i)
    csv += exact(result.lr[i]) + "," + exact(result.loss[i]) + "," + exact(result.smooth[i]) + "\n";
  data::write_file(out + ".csv", csv.data(), csv.size());
  write_svg(out + ".svg", lr_plot(result));

  std::printf("%zu steps, %s; %s.svg and %s.csv\n", result.lr.size(),
              result.exploded ? ("the loss explodes at lr = " + exact(result.lr.back())).c_str()
                              : "the loss explodes nowhere",
              out.c_str(), out.c_str());
  if (!std::isfinite(result.suggestion)) {
    std::printf("no suggestion: the loss falls nowhere. Try more --steps, or another --min_lr and --max_lr\n");
    return 0;
  }
  std::printf("suggestion: %.2g, where the loss falls fastest\n", result.suggestion);
  return 0;
}

} // namespace leadline::trainer
