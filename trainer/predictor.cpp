#include "trainer/predictor.hpp"

#include "data/depth_filters.hpp" // resize_depth
#include "trainer/graph_session.hpp"
#include "trainer/quantization_aware.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/train_settings.hpp"
#include "trainer/weight_io.hpp"

#include <algorithm>
#include <thread>

namespace leadline::trainer {

namespace {

/// A checkpoint's network with its weights.
template <class T> class CheckpointPredictor final : public Predictor {
public:
  CheckpointPredictor(const Checkpoint& checkpoint, const std::string& file)
      : settings_(checkpoint_settings(checkpoint, file)), preprocess_(preprocess_settings(settings_)),
        graph_(training_graph(settings_, checkpoint.ranges, file).graph),
        session_(exec_, graph_, graph_.input_shape, false) {
    check_weights(graph_, checkpoint.weights, file);
    for (int i = 0; i < session_.num_weights(); ++i)
      session_.set_weight(i, internal_values<T>(graph_, i, checkpoint.weights));
    const data::LoaderOptions loader = loader_settings(settings_, false);
    name = graph_.name;
    origin = file + ", epoch " + std::to_string(checkpoint.epoch);
    height = preprocess_.height;
    width = preprocess_.width;
    crop = preprocess_.crop;
    depth_resize = loader.depth_resize;
    focal_x = checkpoint.focal_x;
    focal_y = checkpoint.focal_y;
    protocol = checkpoint.protocol;
    median_depth = checkpoint.median_depth;
    mean_map.assign(checkpoint.mean_map.values.begin(), checkpoint.mean_map.values.end());
  }

protected:
  std::vector<float> run(const ImageView8& picture) override {
    const size_t pixels = static_cast<size_t>(height) * static_cast<size_t>(width);
    std::vector<float> image(3 * pixels);
    std::vector<uint32_t> workspace(preprocess_workspace_bytes(preprocess_, picture.height, picture.width) / 4 + 1);
    if (!preprocess_rgb8(preprocess_, picture, workspace.data(), 4 * workspace.size(), image.data()))
      throw Error({.field = "picture size",
                   .value = std::to_string(picture.width) + "x" + std::to_string(picture.height),
                   .reason = "sides must be 1 to " + std::to_string(max_image_side)});
    const std::vector<T> input(image.begin(), image.end());
    session_.upload(input.data(), session_.input());
    session_.forward(false);
    std::vector<T> output(pixels);
    session_.download(session_.output(), output.data());
    return {output.begin(), output.end()};
  }

private:
  DefaultExec exec_;
  Settings settings_;
  Preprocess preprocess_;
  Graph graph_;
  GraphSession<T, DefaultExec> session_;
};

/// A model file in the device's engine.
class ModelPredictor final : public Predictor {
public:
  ModelPredictor(const std::string& path, int threads, int precision) {
    ErrorText error;
    const auto check = [&](leadline_status status) { check_engine(status, error, path); };
    check(model_.open_file(path.c_str(), error));
    const leadline_model_info info = model_.info();
    if (info.output_kind == LEADLINE_VALUES || info.input_channels != 3)
      throw Error({.file = path,
                   .reason = "this model doesn't turn pictures into depth",
                   .fix = "`leadline inspect " + path + "` says what it is"});
    leadline_session_options options{};
    options.struct_size = sizeof options;
    options.max_picture_height = options.max_picture_width = max_image_side;
    options.precision = precision;
    if (threads == 0) threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 64u));
    leadline_runner runner;
    if (threads > 1) {
      check(pool_.create(threads));
      runner = pool_.runner();
      options.runner = &runner;
    }
    check(session_.create(model_, error, &options));
    const leadline_session_info size = session_.info();
    name = info.name;
    origin = path;
    height = size.output_height;
    width = size.output_width;
    crop = info.crops_centre ? CropMode::centre_crop : CropMode::none;
    focal_x = static_cast<double>(info.focal_x);
    focal_y = static_cast<double>(info.focal_y);
  }

protected:
  std::vector<float> run(const ImageView8& picture) override {
    std::vector<float> depth(session_.output_values());
    const leadline_status status =
        leadline_run_rgb8(session_.get(), picture.data, picture.width, picture.height,
                          static_cast<size_t>(picture.row_stride), depth.data(), depth.size());
    if (status != LEADLINE_OK) throw Error({.file = origin, .reason = leadline_status_text(status)});
    return depth;
  }

private:
  leadline::Model model_; // before what is made from it, so that it goes last
  leadline::Threads pool_;
  leadline::Session session_;
};

} // namespace

data::DepthMap PlacedDepth::on_picture(int picture_height, int picture_width) const {
  const data::DepthMap large = data::resize_depth(depth, window.height, window.width);
  data::DepthMap whole{picture_height, picture_width,
                       std::vector<float>(static_cast<size_t>(ptrdiff_t{picture_height} * picture_width))};
  for (int y = 0; y < window.height; ++y)
    std::copy_n(large.metres.begin() + ptrdiff_t{y} * window.width, window.width,
                whole.metres.begin() + ptrdiff_t{window.y + y} * picture_width + window.x);
  return whole;
}

PlacedDepth Predictor::predict(const ImageView8& picture) {
  return {{height, width, run(picture)}, crop_window(crop, picture.height, picture.width, height, width)};
}

PlacedDepth Predictor::predict_flip_mean(const ImageView8& picture) {
  PlacedDepth result = predict(picture);
  std::vector<uint8_t> mirrored(static_cast<size_t>(3 * picture.height) * static_cast<size_t>(picture.width));
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x)
      std::copy_n(picture.data + y * picture.row_stride + ptrdiff_t{3} * x, 3,
                  mirrored.begin() + ptrdiff_t{3} * (ptrdiff_t{y} * picture.width + picture.width - 1 - x));
  const std::vector<float> other = run(packed_image(mirrored.data(), picture.height, picture.width));
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      float& value = result.depth.metres[static_cast<size_t>(ptrdiff_t{y} * width + x)];
      value = (value + other[static_cast<size_t>(ptrdiff_t{y} * width + width - 1 - x)]) / 2;
    }
  return result;
}

std::unique_ptr<Predictor> checkpoint_predictor(const Checkpoint& checkpoint, const std::string& file) {
  if (checkpoint.precision == "f64") return std::make_unique<CheckpointPredictor<double>>(checkpoint, file);
  return std::make_unique<CheckpointPredictor<float>>(checkpoint, file);
}

void check_engine(leadline_status status, const ErrorText& error, const std::string& file) {
  if (status == LEADLINE_OK) return;
  const std::string words = error.text;
  if (words.starts_with(file + ": ")) throw Error(words); // says all of it
  throw Error({.file = file, .reason = words.empty() ? leadline_status_text(status) : words});
}

std::unique_ptr<Predictor> model_predictor(const std::string& path, int threads, int precision) {
  return std::make_unique<ModelPredictor>(path, threads, precision);
}

std::unique_ptr<Predictor> open_predictor(const std::string& path, bool best, int threads) {
  if (path.ends_with(".lead")) return model_predictor(path, threads);
  const std::string file = find_checkpoint(path, best);
  return checkpoint_predictor(read_checkpoint(file), file);
}

} // namespace leadline::trainer
