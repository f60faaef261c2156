#include "trainer/evaluate.hpp"

#include "data/depth_filters.hpp"
#include "trainer/device_buffer.hpp"
#include "trainer/text.hpp"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>

namespace leadline::trainer {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

ImageView8 picture_of(const data::Sample& frame) { return packed_image(frame.rgb.data(), frame.height, frame.width); }

/// Prediction and truth of one size.
struct Pair {
  data::DepthMap prediction, truth;
};

Pair meet(PlacedDepth placed, const data::Sample& frame, const PredictionSource& source, Resolution resolution) {
  const CropWindow& window = placed.window;
  Pair pair;
  if (resolution == Resolution::prediction) {
    data::DepthMap& p = placed.depth;
    pair.truth = {p.height, p.width, std::vector<float>(p.metres.size())};
    const auto resize = source.depth_resize == data::DepthResize::area ? resize_depth_area : resize_depth_nearest;
    resize(frame.depth.data() + ptrdiff_t{window.y} * frame.width + window.x, window.height, window.width, frame.width,
           p.height, p.width, pair.truth.metres.data());
    pair.prediction = std::move(p);
    return pair;
  }
  pair.prediction = placed.on_picture(frame.height, frame.width);
  pair.truth = {frame.height, frame.width, std::vector<float>(frame.pixels())};
  for (int y = 0; y < window.height; ++y) { // outside the window nobody answers, so nobody is asked
    const ptrdiff_t row = ptrdiff_t{window.y + y} * frame.width + window.x;
    std::copy_n(frame.depth.begin() + row, window.width, pair.truth.metres.begin() + row);
  }
  return pair;
}

/// The metrics of one source, image by image, on the trainer's exec.
class Measure {
public:
  explicit Measure(const DepthProtocol& protocol) : evaluator_(exec_, protocol) {}
  void add(const Pair& pair) {
    const Shape shape{1, pair.truth.height, pair.truth.width, 1};
    const size_t bytes = pair.truth.metres.size() * sizeof(float);
    if (prediction_.bytes() < bytes) {
      prediction_ = DeviceBuffer<DefaultExec>(exec_, bytes);
      truth_ = DeviceBuffer<DefaultExec>(exec_, bytes);
    }
    copy_to_exec(exec_, prediction_.data(), pair.prediction.metres.data(), bytes);
    copy_to_exec(exec_, truth_.data(), pair.truth.metres.data(), bytes);
    evaluator_.add(Tensor<const float>(reinterpret_cast<const float*>(prediction_.data()), shape),
                   Tensor<const float>(reinterpret_cast<const float*>(truth_.data()), shape));
  }
  const DepthEvaluator<DefaultExec>& evaluator() const { return evaluator_; }

private:
  DefaultExec exec_;
  DepthEvaluator<DefaultExec> evaluator_;
  DeviceBuffer<DefaultExec> prediction_, truth_;
};

} // namespace

std::vector<PredictionSource> prediction_sources(Predictor& network, bool flip) {
  std::vector<PredictionSource> sources;
  sources.push_back({network.name + (flip ? ", flip" : ""),
                     [&network, flip](size_t, const data::Sample& frame) {
                       return flip ? network.predict_flip_mean(picture_of(frame)) : network.predict(picture_of(frame));
                     },
                     network.depth_resize});
  const size_t pixels = static_cast<size_t>(network.height) * static_cast<size_t>(network.width);
  if (network.mean_map.size() != pixels) return sources;
  const auto everywhere = [&network](std::vector<float> map) {
    return [&network, map = std::move(map)](size_t, const data::Sample& frame) -> PlacedDepth {
      return {{network.height, network.width, map},
              crop_window(network.crop, frame.height, frame.width, network.height, network.width)};
    };
  };
  const std::vector<float> constant(pixels, static_cast<float>(network.median_depth));
  sources.push_back({"constant depth", everywhere(constant), network.depth_resize});
  sources.push_back({"mean map", everywhere(network.mean_map), network.depth_resize});
  return sources;
}

std::vector<std::string> frame_keys(const data::Dataset& frames) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < frames.size(); ++i) keys.push_back(fs::path(frames.name(i)).stem().string());
  if (std::set<std::string>(keys.begin(), keys.end()).size() == keys.size()) return keys;
  for (size_t i = 0; i < keys.size(); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "%06zu", i);
    keys[i] = number;
  }
  return keys;
}

PredictionSource prediction_files(const std::string& path, const data::Dataset& frames, double unit, bool disparity) {
  const auto whole = [disparity](data::DepthMap map, const data::Sample& frame) -> PlacedDepth {
    if (disparity)
      for (float& value : map.metres) value = depth_is_valid(value) ? 1 / value : 0;
    return {std::move(map), {0, 0, frame.height, frame.width}};
  };
  if (!fs::exists(path))
    throw Error({.file = path, .field = "--predictions", .reason = "there is no such file or folder"});
  if (fs::is_directory(path))
    return {fs::path(path).lexically_normal().filename().string(),
            [path, unit, whole, keys = frame_keys(frames)](size_t index, const data::Sample& frame) {
              const std::string& key = keys.at(index);
              for (const std::string& name : {key, key + "_depth"})
                for (const char* ending : {".npy", ".pfm", ".png"}) {
                  const std::string file = (fs::path(path) / (name + ending)).string();
                  if (fs::exists(file)) return whole(data::read_depth_map(file, unit), frame);
                }
              throw Error({.file = path,
                           .field = "--predictions",
                           .reason = "it has no prediction for frame " + std::to_string(index) + ", " + frame.name,
                           .fix = "Call it " + key + " with .npy, .pfm or .png behind it"});
            }};
  if (!path.ends_with(".npy"))
    throw Error({.file = path,
                 .field = "--predictions",
                 .reason = "this is neither a folder nor a .npy file",
                 .fix = "Name a folder with one file a frame, or one .npy of shape [N, H, W]"});
  const auto array = std::make_shared<const data::NpyArray>(data::read_npy(path));
  std::vector<size_t> shape;
  for (size_t axis = 0; axis < array->shape.size(); ++axis)
    if (axis == 0 || array->shape[axis] != 1) shape.push_back(array->shape[axis]);
  if (shape.size() == 3 && shape[0] != frames.size())
    throw Error({.file = path,
                 .field = "--predictions",
                 .value = std::to_string(shape[0]) + " predictions",
                 .reason = "the data has " + std::to_string(frames.size()) + " frames"});
  if (shape.size() != 3 || shape[1] > max_image_side || shape[2] > max_image_side)
    throw Error({.file = path, .field = "--predictions", .reason = "its shape isn't [N, H, W]"});
  return {fs::path(path).filename().string(), [=](size_t index, const data::Sample& frame) {
            const size_t pixels = shape[1] * shape[2];
            data::DepthMap map{static_cast<int>(shape[1]), static_cast<int>(shape[2]), {}};
            const auto first = array->values.begin() + static_cast<ptrdiff_t>(index * pixels);
            map.metres.assign(first, first + static_cast<ptrdiff_t>(pixels));
            if (array->integer)
              for (float& value : map.metres) value = static_cast<float>(static_cast<double>(value) * unit);
            return whole(std::move(map), frame);
          }};
}

Evaluation evaluate(const std::vector<PredictionSource>& sources, const data::Dataset& frames,
                    const EvaluateOptions& options) {
  const DepthProtocol& protocol = depth_protocol(options.protocol);
  std::vector<Measure> measures;
  for (size_t s = 0; s < sources.size(); ++s) measures.emplace_back(protocol);
  Evaluation result;
  double seconds = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    data::Sample frame;
    try {
      frame = frames.load(i);
    } catch (const Error& error) {
      if (options.on_bad_sample == data::OnBadSample::stop) throw;
      std::fprintf(stderr, "leadline: warning: left out: %s\n", error.what());
      ++result.skipped;
      continue;
    }
    frame.name = frames.name(i);
    if (frame.depth.empty())
      throw Error({.file = frame.name, .reason = "this frame has no ground truth", .fix = "Use data with depth"});
    for (size_t s = 0; s < sources.size(); ++s) {
      const auto start = Clock::now();
      PlacedDepth placed = sources[s].predict(i, frame);
      if (s == 0) seconds += std::chrono::duration<double>(Clock::now() - start).count();
      Pair pair = meet(std::move(placed), frame, sources[s], options.resolution);
      align_depth(options.alignment, protocol, pair.truth, &pair.prediction);
      measures[s].add(pair);
    }
    result.names.push_back(frame.name);
    ++result.images;
  }
  if (measures.front().evaluator().result().images == 0)
    throw Error(
        {.field = "protocol",
         .value = protocol.name,
         .reason = "not one of " + std::to_string(result.images) + " frames has a valid pixel under it",
         .fix = "Look at the frames with `leadline data info`; the metres-per-unit of a pairs list may be wrong"});

  result.images_per_second = static_cast<double>(result.images) / seconds;
  std::vector<DepthMetricsRow> rows;
  for (size_t s = 0; s < sources.size(); ++s) {
    const DepthMetrics metrics = measures[s].evaluator().result();
    rows.push_back({sources[s].name, metrics});
    EvaluationRow& row = result.rows.emplace_back();
    row.name = sources[s].name;
    for (int m = 0; m < DepthMetrics::count; ++m)
      row.metrics.push_back({metric_names()[static_cast<size_t>(m)], metrics.value(m)});
    row.frames = measures[s].evaluator().per_image();
  }
  std::string note = measures.front().evaluator().note();
  const auto add = [&note](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
  if (options.resolution == Resolution::frame) add("predictions enlarged to the ground truth's size");
  if (options.alignment != Alignment::none)
    add("each image ALIGNED by " + alignment_names()[static_cast<size_t>(options.alignment)] +
        ": not comparable with unaligned figures");
  result.table = depth_metrics_table(rows, protocol, note);
  return result;
}

void write_frame_metrics(const std::string& file, const Evaluation& evaluation) {
  std::string text = "frame";
  for (const std::string& name : metric_names()) text += "," + name;
  text += ",valid_pixels\n";
  const std::vector<DepthMetrics>& frames = evaluation.rows.front().frames;
  for (size_t i = 0; i < frames.size(); ++i) {
    text += "\"" + evaluation.names[i] + "\"";
    for (int m = 0; m < DepthMetrics::count; ++m) text += "," + exact(frames[i].value(m));
    text += "," + std::to_string(frames[i].pixels) + "\n";
  }
  data::write_file(file, text.data(), text.size());
}

} // namespace leadline::trainer
