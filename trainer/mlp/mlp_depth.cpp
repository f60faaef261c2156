// leadline mlp depth: from a small picture to a small depth map with an MLP alone. What a network that sees its
// neighbourhood has to beat.
#include "data/dataset.hpp"
#include "data/depth_filters.hpp"
#include "data/picture.hpp"
#include "trainer/callbacks/stop_on_signal.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/metrics/baselines.hpp"
#include "trainer/metrics/names.hpp"
#include "trainer/mlp/fitted.hpp"
#include "trainer/mlp/mlp_options.hpp"
#include "trainer/mlp/score.hpp"
#include "trainer/mlp/standard_scaler.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <new>
#include <numeric>
#include <optional>

namespace leadline::trainer {

namespace {

constexpr const char* depth_help =
    R"(leadline mlp depth: fits an MLPRegressor from a small picture to the logarithm of a small depth map, and measures it.

  leadline mlp depth --data pairs:train.txt --val pairs:val.txt
  leadline mlp depth --data synthetic:count=400,seed=1 --val synthetic:count=100,seed=2 --hidden_layer_sizes 128
)";

std::vector<OptionGroup> depth_options() {
  std::vector<OptionGroup> groups{
      {"Data",
       {{"data", "", "frames to fit, SCHEME:WHERE"},
        {"val", "", "frames to measure on; empty: the last fifth of the others"},
        {"image_size", "24x32", "of the picture that goes in"},
        {"depth_size", "12x16", "of the depth map that comes out; enlarged to the frames' size for the metrics"},
        {"max_memory", "1GB",
         "for the table of all pictures and depth maps; frames in equal steps are taken if not all fit"},
        {"protocol", "raw", "crop, depth range and mean", protocol_names()},
        {"out", "", "folder for model and results; empty: runs/mlp-depth-001, -002, ..."}}}};
  std::vector<OptionGroup> more = mlp_options();
  for (OptionGroup& group : more) {
    std::erase_if(group.options, [](const OptionSpec& o) { return o.key == "class_weight"; });
    for (OptionSpec& option : group.options)
      if (option.key == "hidden_layer_sizes")
        option.default_value = "256";
      else if (option.key == "alpha")
        option.default_value = "1";
      else if (option.key == "max_iter")
        option.default_value = "100";
      else if (option.key == "dtype")
        option.default_value = "float32";
    groups.push_back(group);
  }
  groups.back().options.push_back(help_option);
  return groups;
}

/// "512MB", "1.5GB", or bytes.
double bytes_option(const Settings& settings, const std::string& key) {
  std::string text = settings.text(key);
  double factor = 1;
  for (const auto& [suffix, bytes] : {std::pair{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}})
    if (text.ends_with(suffix)) {
      text.resize(text.size() - 2);
      factor = bytes;
    }
  double value = 0;
  if (!parse_real(text, &value) || !(value > 0))
    settings.fail(key, "it is no amount of memory", "Use 512MB, 1.5GB, or bytes");
  return value * factor;
}

/// Frames as rows of a table.
class DepthTable {
public:
  DepthTable(std::pair<int, int> image, std::pair<int, int> depth) : image_(image), depth_(depth) {}

  size_t features() const { return static_cast<size_t>(image_.first * image_.second * 3); }
  size_t cells() const { return static_cast<size_t>(depth_.first * depth_.second); }

  /// Colours from 0 to 1, means over areas.
  std::vector<double> picture(const data::Sample& frame) const {
    Preprocess p;
    p.height = image_.first;
    p.width = image_.second;
    for (int c = 0; c < 3; ++c) p.mean[c] = 0, p.std[c] = 1;
    const ImageView8 view = packed_image(frame.rgb.data(), frame.height, frame.width);
    const size_t bytes = preprocess_workspace_bytes(p, frame.height, frame.width);
    std::vector<uint64_t> workspace((bytes + 7) / 8);
    std::vector<float> colours(features());
    if (!preprocess_rgb8(p, view, workspace.data(), workspace.size() * 8, colours.data()))
      throw Error(
          {.file = frame.name, .reason = "the picture is too small for --image_size", .fix = "Choose a smaller one"});
    return {colours.begin(), colours.end()};
  }
  /// Mean depth of each cell in metres, 0 where nothing was measured.
  std::vector<float> depth(const data::Sample& frame) const {
    if (frame.depth.empty())
      throw Error({.file = frame.name,
                   .reason = "the frame has no depth",
                   .fix = "Name data with depth: pairs:LIST, nyu_h5:DIR, synthetic:..."});
    std::vector<float> metres(cells());
    resize_depth_area(frame.depth.data(), frame.height, frame.width, frame.width, depth_.first, depth_.second,
                      metres.data());
    return metres;
  }

private:
  std::pair<int, int> image_, depth_;
};

template <class T>
MLPResults fit_depth(const MLPParams& params, const std::vector<double>& x, const std::vector<double>& y, index_t n,
                     FittedMLP* model) {
  const std::vector<T> input(x.begin(), x.end()), target(y.begin(), y.end());
  MLPRegressor<T> estimator(params);
  estimator.fit({input.data(), n, static_cast<index_t>(input.size()) / n},
                {target.data(), n, static_cast<index_t>(target.size()) / n});
  model->keep(estimator);
  return estimator.results();
}

std::vector<size_t> numbers(size_t begin, size_t end) {
  std::vector<size_t> all(end - begin);
  std::iota(all.begin(), all.end(), begin);
  return all;
}

} // namespace

int mlp_depth_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups = depth_options();
  Settings settings;
  if (!read_options("leadline mlp depth", depth_help, groups, arguments, &settings)) return 0;
  MLPParams params = mlp_params(settings, false);
  if (params.loss == "poisson")
    settings.fail("loss", "logarithms of depth can be negative", "Use squared_error, absolute_error or huber");
  const DepthTable table(settings.size("image_size"), settings.size("depth_size"));
  const bool single = settings.text("dtype") == "float32";
  const RunDirectory run = new_run_directory(settings.text("out"), "mlp-depth", "out");
  const FolderOfRun folder(run, "out");
  data::DatasetPtr train = data::open_dataset(settings.required("data")), val;
  if (!settings.text("val").empty()) {
    val = data::open_dataset(settings.text("val"));
  } else {
    const size_t kept = train->size() - train->size() / 5;
    if (kept == train->size())
      settings.fail("data", "there are too few frames to keep a fifth for measuring", "Name others with --val");
    val = std::make_shared<data::Subset>(train, numbers(kept, train->size()));
    train = std::make_shared<data::Subset>(train, numbers(0, kept));
  }

  // Each number is there once as a double and once as what is computed with.
  const double row_bytes = static_cast<double>(table.features() + table.cells()) * (8 + (single ? 4 : 8));
  const size_t fitting = static_cast<size_t>(bytes_option(settings, "max_memory") / row_bytes);
  const size_t used = std::min(fitting, train->size());
  if (used < 2)
    settings.fail("max_memory", "not even two frames fit: each takes " + decimals(row_bytes / 1e6, 2) + " MB",
                  "Give more, or choose a smaller image_size");

  FittedMLP model;
  model.classifier = false;
  model.precision = single ? "f32" : "f64";
  model.data = settings.text("data");
  for (size_t i = 0; i < table.features(); ++i) model.columns.features.push_back("pixel_" + std::to_string(i));
  for (size_t i = 0; i < table.cells(); ++i) model.classes.push_back("log_depth_" + std::to_string(i));
  std::vector<double> x, y;
  const auto [depth_height, depth_width] = settings.size("depth_size");
  DepthBaselines baselines(depth_height, depth_width);
  for (size_t i = 0; i < used; ++i) {
    const data::Sample frame = train->load(i * train->size() / used);
    const std::vector<double> picture = table.picture(frame);
    const std::vector<float> depth = table.depth(frame);
    baselines.add(depth.data(), 1);
    x.insert(x.end(), picture.begin(), picture.end());
    y.insert(y.end(), depth.begin(), depth.end());
  }
  if (baselines.valid_pixels() == 0)
    throw Error(
        {.file = settings.text("data"), .reason = "no frame has any measured depth", .fix = "Name data with depth"});
  // A regressor needs a number everywhere: where nothing was measured, the mean of the logarithms that the cell had.
  std::vector<double> sum(table.cells(), 0), count(table.cells(), 0);
  for (size_t i = 0; i < y.size(); ++i)
    if (y[i] > 0) {
      y[i] = std::log(y[i]);
      sum[i % table.cells()] += y[i];
      ++count[i % table.cells()];
    } else {
      y[i] = std::nan("");
    }
  for (size_t i = 0; i < y.size(); ++i)
    if (std::isnan(y[i]))
      y[i] = count[i % table.cells()] > 0 ? sum[i % table.cells()] / count[i % table.cells()]
                                          : std::log(baselines.median());
  const size_t features = table.features();
  const auto scaler = mlp::StandardScaler::fit(x, features);
  scaler.transform(x);
  model.mean = scaler.mean;
  model.scale = scaler.scale;

  std::printf("%zu of %zu frames fit %s; %zu to measure; %zu features, %zu targets\n", used, train->size(),
              settings.text("max_memory").c_str(), val->size(), features, table.cells());
  const auto start = std::chrono::steady_clock::now();
  std::optional<StopOnSignal> stop;
  stop.emplace();
  params.interrupted = [&] { return stop->requested(); };
  MLPResults results;
  try {
    results = (single ? fit_depth<float> : fit_depth<double>)(params, x, y, static_cast<index_t>(used), &model);
  } catch (const std::bad_alloc&) {
    out_of_memory(settings, static_cast<index_t>(features), static_cast<index_t>(table.cells()));
  }
  const bool interrupted = stop->requested();
  stop.reset();
  std::printf("%s, %lld %s, loss %s, fitted in %s s\n", params.solver.c_str(), static_cast<long long>(results.n_iter),
              params.solver == "lbfgs" ? "iterations" : "epochs", decimals(results.loss, 6).c_str(),
              decimals(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 2).c_str());
  if (!results.loss_curve.empty())
    std::printf("loss %s %s %s\n", decimals(results.loss_curve.front(), 4).c_str(),
                mlp::sparkline(results.loss_curve, 60).c_str(), decimals(results.loss_curve.back(), 4).c_str());

  const auto whole = [h = depth_height, w = depth_width](std::vector<float> metres,
                                                         const data::Sample& frame) -> PlacedDepth {
    return {{h, w, std::move(metres)}, crop_window(CropMode::none, frame.height, frame.width, h, w)};
  };
  const auto predicted = [&](const data::Sample& frame) {
    std::vector<float> metres;
    for (const double log_depth : model.predict(table.picture(frame), 1))
      metres.push_back(static_cast<float>(std::exp(log_depth)));
    return metres;
  };
  const std::vector<float> mean_map = baselines.mean_map(), constant = baselines.constant_map();
  const std::vector<PredictionSource> sources{
      {"MLP", [&](size_t, const data::Sample& frame) { return whole(predicted(frame), frame); }},
      {"constant depth", [&](size_t, const data::Sample& frame) { return whole(constant, frame); }},
      {"mean map", [&](size_t, const data::Sample& frame) { return whole(mean_map, frame); }}};
  const Compute compute(params.threads);
  const Evaluation evaluation =
      evaluate(sources, *val, {.protocol = settings.text("protocol"), .resolution = Resolution::frame});
  std::printf("\n%s", evaluation.table.c_str());
  model.metrics = evaluation.rows.front().metrics;

  std::vector<data::SheetRow> rows;
  const size_t shown = std::min<size_t>(6, val->size());
  for (size_t i = 0; i < shown; ++i) {
    const data::Sample frame = val->load(i * val->size() / shown);
    data::SheetRow row;
    row.image = data::RgbImage(frame.height, frame.width);
    row.image.rgb = frame.rgb;
    row.depth = frame.depth;
    row.prediction =
        data::resize_depth({depth_height, depth_width, predicted(frame)}, frame.height, frame.width).metres;
    row.caption = frame.name;
    rows.push_back(std::move(row));
  }
  data::write_png(run.path + "/predictions.png", data::contact_sheet(rows, 2));
  data::write_file(run.path + "/score.txt", evaluation.table.data(), evaluation.table.size());
  write_record(run.config(), settings);
  write_mlp(run.best(), model);
  std::printf("\n%s: model, predictions.png, score.txt\n", run.path.c_str());
  return interrupted ? 130 : 0;
}

} // namespace leadline::trainer
