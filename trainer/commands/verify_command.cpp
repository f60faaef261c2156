// leadline verify
#include "data/image_io.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/report.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/train_settings.hpp"
#include "trainer/verify.hpp"

#include <cstdio>
#include <filesystem>

namespace leadline::trainer {

namespace {

constexpr const char* verify_help =
    R"(leadline verify RUN|CHECKPOINT MODEL.lead: prove that the device's engine and the trainer agree, on real frames with
preprocessing and all: the same bits for the same plan, and how far other levels of this CPU, bf16 products and the
network as it was trained (norms not folded) are from that. In a run directory the table stays as parity.txt and becomes
part of report.html.

  leadline verify runs/office office.lead
  leadline verify runs/office office.lead --data pairs:val.txt --count 50
)";

} // namespace

int verify_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups{
      {"Options",
       {{"data", "", "frames to compare on, SCHEME:WHERE; empty: the run's own validation frames"},
        {"count", "16", "frames, evenly spread"},
        checkpoint_option,
        threads_option,
        help_option}}};
  Settings options;
  std::string path;
  std::vector<std::string> models;
  if (!read_command("leadline verify", verify_help, groups, arguments, "RUN", &options, &path, &models)) return 0;
  if (models.size() != 1)
    throw Error(
        {.file = "leadline verify",
         .field = "MODEL.lead",
         .reason = models.empty() ? "is missing" : "exactly one is wanted, not " + std::to_string(models.size()),
         .fix = "`leadline verify --help` has an example"});
  const std::string file = find_checkpoint(path, options.text("checkpoint") == "best");
  const Checkpoint checkpoint = read_checkpoint(file);
  const data::DatasetPtr frames = options.text("data").empty()
                                      ? open_datasets(checkpoint_settings(checkpoint, file)).val
                                      : data::open_dataset(options.text("data"));
  const Compute compute(static_cast<int>(options.integer("threads", 0, 4096)));
  const Parity parity = verify_parity(checkpoint, file, models.front(), *frames,
                                      static_cast<size_t>(options.integer("count", 1, 1 << 20)));
  const std::string text = models.front() + " and " + file + ", epoch " + std::to_string(checkpoint.epoch) + "\n" +
                           parity.table + (parity.passed ? "they agree\n" : "they do NOT agree\n");
  std::fputs(text.c_str(), stdout);
  if (path != file) { // a run directory
    const RunDirectory run{path};
    data::write_file(run.parity(), text.data(), text.size());
    write_report(run);
  }
  return parity.passed ? 0 : 1;
}

} // namespace leadline::trainer
