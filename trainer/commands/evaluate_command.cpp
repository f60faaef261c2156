// leadline evaluate
#include "data/progress.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/metrics/names.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/text.hpp"
#include "trainer/train_settings.hpp"

#include <algorithm>
#include <cstdio>

namespace leadline::trainer {

namespace {

constexpr const char* evaluate_help =
    R"(leadline evaluate RUN|CHECKPOINT|MODEL.lead: metrics on a data set, beside the median training depth and the mean map.

  leadline evaluate runs/office --data pairs:val.txt
  leadline evaluate runs/office --data nyu_h5:nyudepthv2,split=val --protocol eigen --flip
  leadline evaluate office.lead --data pairs:val.txt --frames val.csv      each frame's metrics into a table

Another program's predictions, a folder with one .npy, .pfm or .png a frame, or one .npy [N, H, W]:

  leadline evaluate --predictions outputs --data nyu_mat:nyu.mat,list=test.txt --protocol eigen
  leadline evaluate --predictions midas --predictions_are disparity --align disparity --data pairs:val.txt
)";

} // namespace

int evaluate_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups{
      {"Options",
       {{"data", "", "frames to evaluate on, SCHEME:WHERE; empty: the run's own validation frames"},
        {"protocol", "", "crop, depth range and mean; empty: that of the run", protocol_names()},
        {"resolution",
         "automatic",
         "where prediction and truth meet: at the prediction's size or the ground truth's; automatic: the latter for "
         "eigen, densedepth and garg, whose published figures are made so",
         {"automatic", "prediction", "frame"}},
        {"flip", "", "the mean of what the network says about the picture and its mirror image", {}, true},
        {"align", "none", "fit each image to its truth first, by scale, or scale and shift of depth or of 1/depth",
         alignment_names()},
        {"frames", "", "file for each frame's metrics, .csv"},
        {"on_bad_sample", "stop", "what an unreadable frame does", {"stop", "skip"}},
        checkpoint_option,
        threads_option,
        help_option}},
      {"Predictions of another program",
       {{"predictions", "", "folder with one .npy, .pfm or .png a frame, or one .npy [N, H, W]; takes RUN's place"},
        {"predictions_unit", "0.001", "metres of one step where they are whole numbers"},
        {"predictions_are",
         "depth",
         "disparity: 1/depth; up to scale and shift with --align disparity",
         {"depth", "disparity"}}}}};
  Settings options;
  std::vector<std::string> words;
  if (!read_options("leadline evaluate", evaluate_help, groups, arguments, &options, &words)) return 0;
  const bool files = options.given("predictions");
  for (const char* key : {"predictions_unit", "predictions_are"})
    if (!files && options.given(key))
      throw Error({.file = "leadline evaluate",
                   .field = std::string("--") + key,
                   .value = options.text(key),
                   .reason = "it says how the files of --predictions are to be read, and there are none",
                   .fix = "Add --predictions FOLDER in RUN's place, or leave it out"});
  const std::string path = files ? "" : one_operand("leadline evaluate", "RUN", words);
  if (files) {
    for (const char* key : {"flip", "checkpoint"})
      if (options.given(key))
        throw Error({.file = "leadline evaluate",
                     .field = std::string("--") + key,
                     .reason = "it is about a network, and with --predictions there is none to run",
                     .fix = "Leave one of them out"});
    if (options.text("predictions_are") == "disparity" && options.text("align") == "none")
      std::fprintf(stderr, "leadline: warning: --predictions_are disparity without --align takes 1/value for metres. "
                           "Disparity that is known up to scale and shift needs --align disparity\n");
    if (!words.empty())
      throw Error({.file = "leadline evaluate",
                   .field = "RUN",
                   .value = words.front(),
                   .reason = "with --predictions there is no network to run",
                   .fix = "Leave one of them out"});
    options.required("predictions");
    if (options.text("data").empty())
      throw Error({.file = "leadline evaluate",
                   .field = "--data",
                   .reason = "is not given: predictions have no validation frames of their own",
                   .fix = "Name the frames that they belong to, e.g. --data pairs:val.txt"});
  }

  const int threads = static_cast<int>(options.integer("threads", 0, 4096));
  const Compute compute(threads);
  EvaluateOptions how;
  how.protocol = options.text("protocol");
  how.alignment = static_cast<Alignment>(
      std::find(alignment_names().begin(), alignment_names().end(), options.text("align")) - alignment_names().begin());
  how.on_bad_sample = options.text("on_bad_sample") == "skip" ? data::OnBadSample::skip : data::OnBadSample::stop;
  data::DatasetPtr frames;
  std::string name = options.text("data");
  if (!name.empty()) {
    frames = data::open_dataset(name, {.on_bad_sample = how.on_bad_sample});
  } else if (path.ends_with(".lead")) {
    options.required("data");
  } else {
    const std::string file = find_checkpoint(path, options.text("checkpoint") == "best");
    const Datasets sets = open_datasets(checkpoint_settings(read_checkpoint(file), file));
    frames = sets.val;
    name = sets.val_name;
  }
  std::unique_ptr<Predictor> network;
  std::vector<PredictionSource> sources;
  std::string what;
  if (files) {
    what = options.text("predictions");
    sources = {prediction_files(what, *frames, options.real("predictions_unit", 1e-9, 1e9),
                                options.text("predictions_are") == "disparity")};
    if (how.protocol.empty()) how.protocol = "raw";
  } else {
    network = open_predictor(path, options.text("checkpoint") == "best", threads);
    what = network->origin;
    sources = prediction_sources(*network, options.given("flip"));
    if (how.protocol.empty()) how.protocol = network->protocol;
  }
  const std::string& resolution = options.text("resolution");
  const bool published_large = how.protocol == "eigen" || how.protocol == "densedepth" || how.protocol == "garg";
  how.resolution = resolution == "frame" || (resolution == "automatic" && published_large) ? Resolution::frame
                                                                                           : Resolution::prediction;
  data::Progress progress("evaluating", frames->size());
  sources.front().predict = [inner = sources.front().predict, &progress](size_t i, const data::Sample& frame) {
    PlacedDepth placed = inner(i, frame);
    progress.step();
    return placed;
  };
  const Evaluation result = evaluate(sources, *frames, how);
  progress.finish();
  if (!options.text("frames").empty()) write_frame_metrics(options.text("frames"), result);
  std::printf("%s, on %lld frames of %s\n%s%s images/s\n", what.c_str(), static_cast<long long>(result.images),
              name.c_str(), result.table.c_str(), decimals(result.images_per_second, 1).c_str());
  if (result.skipped > 0)
    std::printf("%lld frames couldn't be read and were left out\n", static_cast<long long>(result.skipped));
  return 0;
}

} // namespace leadline::trainer
