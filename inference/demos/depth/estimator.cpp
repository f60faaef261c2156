#include "inference/demos/depth/estimator.hpp"

#include "data/error.hpp"
#include "inference/demos/depth/latency.hpp"
#include "inference/demos/doubt.hpp"

#include <algorithm>
#include <thread>

namespace leadline::demo {

namespace {

[[noreturn]] void fail(const std::string& text) { throw Error(text); }

} // namespace

Estimator::Estimator(const std::string& path, int threads) : path_(path) {
  ErrorText error;
  if (model_.open_file(path.c_str(), error) != LEADLINE_OK) fail(error.text);
  info_ = model_.info();
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.max_picture_height = options.max_picture_width = max_image_side;
  leadline_runner runner;
  if (threads == 0) threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 64u));
  if (threads > 1) {
    if (const leadline_status status = pool_.create(threads); status != LEADLINE_OK)
      fail("can't start " + std::to_string(threads) + " threads: " + leadline_status_text(status) +
           "; try a smaller number after --threads");
    runner = pool_.runner();
    options.runner = &runner;
  }
  if (const leadline_status status = session_.create(model_, error, &options); status != LEADLINE_OK)
    fail(path + ": " + (error.text[0] ? error.text : leadline_status_text(status)));
}

std::vector<float> Estimator::run(const leadline_picture& picture) {
  std::vector<float> depth(session_.output_values());
  leadline_depth to{};
  to.struct_size = sizeof to;
  to.data = depth.data();
  to.bytes = depth.size() * sizeof(float);
  const leadline_status status = session_.run(picture, to);
  if (status == LEADLINE_UNSUPPORTED || info_.output_kind == LEADLINE_VALUES)
    fail(path_ + ": this model's input or output is no picture; `leadline-depth " + path_ + " --info` says what it is");
  if (status != LEADLINE_OK) fail(path_ + ": " + leadline_status_text(status));
  return depth;
}

std::vector<float> Estimator::run(const Frame& frame, float focal_x, double* milliseconds) {
  const double start = now();
  std::vector<float> depth = run(frame.picture(focal_x));
  *milliseconds = now() - start;
  return depth;
}

float Estimator::doubt(const Frame& frame, float focal_x, const std::vector<float>& depth, std::vector<float>& apart) {
  const leadline_picture picture = frame.picture(focal_x);
  const std::vector<float> mirrored = run(mirrored_view(picture)), upside_down = run(upside_down_view(picture));
  const leadline_session_info size = session_.info();
  apart.resize(depth.size());
  return picture_doubt(depth.data(), mirrored.data(), upside_down.data(), size.output_height, size.output_width,
                       apart.data());
}

void Estimator::steady(std::vector<float>& depth) {
  const leadline_session_info size = session_.info();
  if (!stabiliser_) {
    const std::size_t bytes = leadline_stabiliser_bytes(size.output_width, size.output_height);
    if (!past_.allocate(bytes) || leadline_stabiliser_create(size.output_width, size.output_height, past_.data(), bytes,
                                                             &stabiliser_) != LEADLINE_OK)
      fail("no memory for holding the video steady; try --steady off");
  }
  if (const leadline_status status = leadline_stabiliser_run(stabiliser_, depth.data(), depth.data(), nullptr);
      status != LEADLINE_OK)
    fail(std::string("holding the video steady: ") + leadline_status_text(status));
}

double Estimator::run_once() {
  const leadline_session_info size = session_.info();
  const auto values = [](int height, int width, int channels) {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  };
  std::vector<float> input(values(size.input_height, size.input_width, size.input_channels)),
      output(session_.output_values());
  for (std::size_t i = 0; i < input.size(); ++i) // anything but zeros, the same each time
    input[i] = static_cast<float>((i * 2654435761u >> 16) & 0xFF) / 128.0f - 1.0f;
  const double start = now();
  const leadline_status status = session_.run_raw(input.data(), input.size(), output.data(), output.size());
  const double milliseconds = now() - start;
  if (status != LEADLINE_OK) fail(path_ + ": " + leadline_status_text(status));
  return milliseconds;
}

bool Estimator::self_test(float* largest_error) {
  const leadline_status status = session_.self_test(largest_error);
  if (status == LEADLINE_UNSUPPORTED) fail(path_ + ": the model holds no golden sample, so there is nothing to test");
  return status == LEADLINE_OK;
}

} // namespace leadline::demo
