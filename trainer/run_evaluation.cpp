#include "trainer/run_evaluation.hpp"

#include "data/image_io.hpp"
#include "data/picture.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/json_lines.hpp"
#include "trainer/train_settings.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

namespace leadline::trainer {

namespace {

/// Picture, truth and prediction at the network's size, side by side with a scale in metres.
data::RgbImage sheet_of(const data::Sample& frame, const PlacedDepth& placed) {
  const CropWindow& window = placed.window;
  const data::DepthMap& depth = placed.depth;
  data::RgbImage part(window.height, window.width);
  for (int y = 0; y < window.height; ++y)
    std::copy_n(frame.rgb.data() + 3 * (ptrdiff_t{window.y + y} * frame.width + window.x), 3 * window.width,
                part.pixel(y, 0));
  data::SheetRow row;
  row.image = data::resized(part, depth.height, depth.width);
  row.prediction = depth.metres;
  row.depth.resize(depth.metres.size());
  resize_depth_nearest(frame.depth.data() + ptrdiff_t{window.y} * frame.width + window.x, window.height, window.width,
                       frame.width, depth.height, depth.width, row.depth.data());
  return data::contact_sheet({row});
}

} // namespace

std::string evaluate_run(const RunDirectory& run, data::DatasetPtr frames, const std::string& name, size_t ranked) {
  const std::string file = find_checkpoint(run.path, true);
  const Checkpoint checkpoint = read_checkpoint(file);
  const Settings settings = checkpoint_settings(checkpoint, file);
  std::string data_name = name;
  if (!frames) {
    const Datasets sets = open_datasets(settings);
    frames = sets.val;
    data_name = sets.val_name;
  }
  const std::unique_ptr<Predictor> network = checkpoint_predictor(checkpoint, file);
  const std::vector<PredictionSource> sources = prediction_sources(*network, false);
  EvaluateOptions options;
  options.protocol = checkpoint.protocol;
  if (settings.text("data.on_bad_sample") == "skip") options.on_bad_sample = data::OnBadSample::skip;
  const Evaluation evaluation = evaluate(sources, *frames, options);

  std::vector<JsonLine> lines;
  for (const EvaluationRow& row : evaluation.rows) {
    JsonLine line;
    line.text("kind", "row")
        .text("name", row.name)
        .text("protocol", options.protocol)
        .text("data", data_name)
        .integer("frames", evaluation.images)
        .integer("epoch", checkpoint.epoch);
    for (const NamedNumber& metric : row.metrics) line.number(metric.first, metric.second);
    lines.push_back(line);
  }

  // Frames by their own error, the worst first; those without a valid pixel have none.
  const std::vector<DepthMetrics>& each = evaluation.rows.front().frames;
  std::vector<size_t> order;
  for (size_t i = 0; i < each.size(); ++i)
    if (std::isfinite(each[i].abs_rel)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return each[a].abs_rel > each[b].abs_rel; });
  std::map<std::string, size_t> numbers; // unreadable frames may have been left out
  for (size_t i = 0; i < frames->size(); ++i) numbers.emplace(frames->name(i), i);
  const size_t count = std::min(ranked, order.size() / 2);
  for (const bool worst : {true, false})
    for (size_t k = 0; k < count; ++k) {
      const size_t i = worst ? order[k] : order[order.size() - 1 - k];
      const auto number = numbers.find(evaluation.names[i]);
      if (number == numbers.end()) continue;
      const data::Sample frame = frames->load(number->second);
      const std::string kind = worst ? "worst" : "best",
                        picture = "predictions/" + kind + "_" + std::to_string(k + 1) + ".png";
      data::write_png(run.path + "/" + picture, sheet_of(frame, sources.front().predict(number->second, frame)));
      lines.push_back(JsonLine()
                          .text("kind", kind)
                          .text("file", picture)
                          .text("name", std::filesystem::path(frame.name).filename().string())
                          .number("abs_rel", each[i].abs_rel)
                          .number("rmse", each[i].rmse));
    }
  write_json_lines(run.evaluation(), lines);
  return evaluation.table;
}

} // namespace leadline::trainer
