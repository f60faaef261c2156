// leadline-depth: pictures, videos and cameras in; depth as files, video, or in the terminal out. Built on the C API's
// wrapper and leadline_image_io alone, so that it doubles as an example of a host program:
//
//   options.*                         the command line
//   input_*.cpp, camera_v4l2.cpp      where frames come from
//   estimator.*                       the library: open a model, make a session, run
//   output_*.cpp                      where depth goes
//   model_commands.*                  --info, bench, self-test
#include "data/error.hpp"
#include "inference/demos/depth/estimator.hpp"
#include "inference/demos/depth/latency.hpp"
#include "inference/demos/depth/model_commands.hpp"
#include "inference/demos/depth/options.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace leadline::demo {

namespace {

volatile std::sig_atomic_t interrupted = 0;

/// Ctrl-C ends after the frame under way (twice: at once); a reader that has gone is an error of writing, not a signal.
/// Of a video these signals wait until the next frame is asked for, and end the waiting for it: what is written isn't
/// cut. To be called before there are threads, which would take the signals.
void handle_signals(bool video) {
#if defined(__unix__)
  std::signal(SIGPIPE, SIG_IGN);
  if (!video) return;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGINT);
  sigaddset(&both, SIGTERM);
  sigprocmask(SIG_BLOCK, &both, nullptr);
#else
  (void)video;
#endif
}

/// The next frame; false at the end, or when it was Ctrl-C that came.
bool next_frame(Source& source, Frame& frame) {
#if defined(__unix__)
  sigset_t none, before;
  sigemptyset(&none);
  struct Open {
    sigset_t* before;
    ~Open() { sigprocmask(SIG_SETMASK, before, nullptr); }
  } open{&before};
  sigprocmask(SIG_SETMASK, &none, &before);
#endif
  if (interrupted) return false;
  try {
    return source.next(frame);
  } catch (const Error&) {
    if (interrupted) return false; // that is why it can't be read
    throw;
  }
}

/// Depth at the picture's size; 0 outside the part that the network saw.
std::vector<float> as_large_as(const Frame& frame, const std::vector<float>& depth, const leadline_session_info& size,
                               const CropWindow& window) {
  const std::vector<float> seen = enlarged(depth, size.output_height, size.output_width, window.height, window.width);
  std::vector<float> whole(static_cast<size_t>(frame.height) * static_cast<size_t>(frame.width), 0.0f);
  for (int y = 0; y < window.height; ++y)
    std::copy_n(seen.begin() + std::ptrdiff_t{y} * window.width, window.width,
                whole.begin() + std::ptrdiff_t{window.y + y} * frame.width + window.x);
  return whole;
}

/// Makes results of frames; remembers what a video needs from one to the next.
class Pipeline {
public:
  Pipeline(Estimator& estimator, const Options& options, bool video)
      : estimator_(estimator), options_(options), video_(video) {}

  Result operator()(const Frame& frame) {
    const leadline_session_info size = estimator_.session().info();
    const leadline_model_info& model = estimator_.info();
    const CropWindow window = crop_window(model.crops_centre ? CropMode::centre_crop : CropMode::none, frame.height,
                                          frame.width, size.input_height, size.input_width);
    const auto width = static_cast<float>(frame.width);
    const auto focal_of = [&](float degrees) { return width / 2 / std::tan(degrees / 2 * 3.14159265f / 180); };
    const float told = options_.fov > 0 ? focal_of(options_.fov) : 0; // else that of a training camera, or 60 degrees
    const float focal = told > 0 ? told
                        : model.focal_x > 0
                            ? model.focal_x * static_cast<float>(window.width) / static_cast<float>(size.input_width)
                            : focal_of(60);
    Result result;
    result.frame = &frame;
    result.depth = estimator_.run(frame, told, &result.milliseconds);
    for (const float d : result.depth)
      if (!std::isfinite(d))
        throw Error(frame.name + ": the network's answer is not finite; try --self-test to see if the model is sound");

    std::vector<float> apart;
    if ((options_.doubt > 0 && estimator_.metric() && count_++ % (video_ ? 30 : 1) == 0) || options_.kinds.doubt)
      doubt_ = estimator_.doubt(frame, told, result.depth, apart);
    result.doubt = doubt_;
    result.doubted = estimator_.metric() && options_.doubt > 0 && doubt_ > options_.doubt;
    result.metric = estimator_.metric() && !result.doubted;
    if (video_ && options_.steady) estimator_.steady(result.depth);

    std::vector<float> sorted = result.depth;
    std::sort(sorted.begin(), sorted.end());
    result.near = sorted.front();
    result.median = sorted[sorted.size() / 2];
    result.far = sorted.back();
    if (options_.network_size) {
      result.height = size.output_height;
      result.width = size.output_width;
      result.focal_x = focal * static_cast<float>(size.output_width) / static_cast<float>(window.width);
      result.focal_y = focal * static_cast<float>(size.output_height) / static_cast<float>(window.height);
    } else {
      result.depth = as_large_as(frame, result.depth, size, window);
      result.height = frame.height;
      result.width = frame.width;
      result.focal_x = result.focal_y = focal;
      if (!apart.empty()) apart = as_large_as(frame, apart, size, window);
    }
    result.apart = std::move(apart);
    result.range = range_of(result);
    return result;
  }

private:
  /// As asked for; else what is in the picture, and in a video a slow mean of it, so that colours don't flicker.
  data::DepthRange range_of(const Result& result) {
    if (options_.range) return *options_.range;
    data::DepthRange range = result.metric ? data::depth_range(result.depth.data(), result.depth.size())
                                           : data::DepthRange{result.near, std::max(result.far, result.near + 1e-6f)};
    if (video_ && range_.far > 0)
      range = {0.95f * range_.near + 0.05f * range.near, 0.95f * range_.far + 0.05f * range.far};
    return range_ = range;
  }

  Estimator& estimator_;
  const Options& options_;
  bool video_;
  long count_ = 0;
  float doubt_ = -1;
  data::DepthRange range_;
};

/// A file that is closed when it goes.
struct InputFile {
  std::FILE* file = nullptr;
  ~InputFile() {
    if (file && file != stdin) std::fclose(file);
  }
};

std::unique_ptr<Source> open_source(const Options& options, InputFile& input) {
  if (!options.reads_video()) return open_pictures(options.inputs);
  const std::string& name = options.inputs[0];
  if (!options.raw && options.is_camera()) return open_camera(name, options.camera_width, options.camera_height);
  input.file = name == "-" ? stdin : std::fopen(name.c_str(), "rb");
  if (!input.file) throw Error({.file = name, .reason = std::string("can't open it: ") + std::strerror(errno)});
  return open_video(input.file, name == "-" ? "standard input" : name, options.raw ? &*options.raw : nullptr);
}

std::vector<std::unique_ptr<Output>> open_outputs(const Options& options, const Source& source) {
  std::vector<std::unique_ptr<Output>> outputs;
  if (options.writes_video()) {
    int numerator = 0, denominator = 1;
    source.rate(&numerator, &denominator);
    if (numerator == 0) numerator = 25, denominator = 1; // a player wants some
    outputs.push_back(write_y4m(options.out, numerator, denominator));
  } else if (!options.out.empty()) {
    outputs.push_back(write_files(options.out, options.kinds));
  }
  if (options.view) outputs.push_back(show_in_terminal(options.colours, options.columns, options.rows, source.video()));
  return outputs;
}

void print_heading(const Estimator& estimator, const std::string& model) {
  std::printf("%s: %s, %d x %d (height x width), %d thread%s; ms: preprocessing and network, one run, without files\n",
              model.c_str(), estimator.info().name, estimator.info().input_height, estimator.info().input_width,
              estimator.session().info().threads, estimator.session().info().threads == 1 ? "" : "s");
  std::printf(estimator.metric() ? "   min m median m    max m        ms   picture\n"
                                 : "     min   median      max        ms   picture   (no unit)\n");
}

void print_line(const Result& result, const Options& options) {
  std::printf("%8.3f %8.3f %8.3f %9.1f   %s", static_cast<double>(result.near), static_cast<double>(result.median),
              static_cast<double>(result.far), result.milliseconds, result.frame->name.c_str());
  if (result.doubted)
    std::printf("   NO METRES: doubt %.2f is beyond %.2f, so it is unlike the training pictures",
                static_cast<double>(result.doubt), static_cast<double>(options.doubt));
  std::printf("\n");
  std::fflush(stdout);
}

/// Where files are; `metric`: of the model; `doubted`: of how many pictures or frames the depth has no unit.
void print_where(std::FILE* stream, const Options& options, bool metric, long doubted) {
  std::string kinds;
  const auto add = [&](bool wanted, const std::string& text) {
    if (wanted) kinds += (kinds.empty() ? "" : ", ") + text;
  };
  add(options.kinds.png, std::string("NAME_depth.png (") + (metric ? "16-bit, millimetres)" : "16-bit, no unit)"));
  add(options.kinds.colour, "NAME_colour.png");
  add(options.kinds.pfm, std::string("NAME_depth.pfm (") + (metric ? "metres)" : "no unit)"));
  add(options.kinds.ply, "NAME_points.ply");
  add(options.kinds.doubt, "NAME_doubt.png (white: sure)");
  std::fprintf(stream, "written to %s: %s\n", options.out.c_str(), kinds.c_str());
  if (doubted > 0 && (options.kinds.png || options.kinds.pfm))
    std::fprintf(stream,
                 "%ld unlike the training pictures (doubt beyond %.2f): NAME_relative instead of NAME_depth, no unit\n",
                 doubted, static_cast<double>(options.doubt));
}

int estimate_command(const Options& options) {
  handle_signals(!options.inputs.empty() && options.reads_video());
  Estimator estimator(options.models[0], options.threads);
  if (options.info) print_info(estimator, options.models[0]);
  if (options.self_test) prove(estimator, options.models[0]);
  if (options.inputs.empty()) return 0;

  InputFile input;
  const std::unique_ptr<Source> source = open_source(options, input);
  const std::vector<std::unique_ptr<Output>> outputs = open_outputs(options, *source);
  bool lines = !source->video();
  for (const std::unique_ptr<Output>& output : outputs) lines = lines && !output->takes_stdout();
  if (lines) print_heading(estimator, options.models[0]);

  Pipeline pipeline(estimator, options, source->video());
  Latency latency;
  int failed = 0;
  long written = 0, doubted = 0;
  Frame frame;
  for (long count = 0; options.frames == 0 || count < options.frames; ++count) {
    try {
      if (!next_frame(*source, frame)) break;
      const Result result = pipeline(frame);
      latency.add(result.milliseconds);
      for (const std::unique_ptr<Output>& output : outputs) output->write(result);
      ++written;
      if (result.doubted) ++doubted;
      if (lines) print_line(result, options);
    } catch (const std::exception& error) {
      if (!source->goes_on()) throw;
      std::fprintf(stderr, "leadline-depth: error: %s\n", error.what());
      ++failed;
    }
  }
  for (const std::unique_ptr<Output>& output : outputs) output->finish();
  std::FILE* const messages = options.view || options.out == "-" ? stderr : stdout;
  if (written > 0 && !options.out.empty() && !options.writes_video() && (lines || source->video()))
    print_where(messages, options, estimator.metric(), doubted);
  if (source->video())
    std::fprintf(messages, "%zu frames, %.1f a second; network and preprocessing: %.1f ms median, %.1f p90, %.1f p99\n",
                 latency.count(), latency.frames_a_second(), latency.percentile(0.5), latency.percentile(0.9),
                 latency.percentile(0.99));
  return failed == 0 ? 0 : 1;
}

int run(const Options& options) {
  if (!options.isa.empty()) {
    ErrorText error;
    if (leadline_set_isa(options.isa.c_str(), error.text, sizeof error.text) != LEADLINE_OK)
      throw UsageError(std::string("--isa (or LEADLINE_ISA): ") + error.text);
  }
  switch (options.command) {
  case Options::Command::bench: return bench_command(options);
  case Options::Command::self_test: return self_test_command(options);
  case Options::Command::estimate: break;
  }
  return estimate_command(options);
}

} // namespace

} // namespace leadline::demo

int main(int argc, char** argv) {
  using namespace leadline::demo;
  // What was printed may still wait in the buffer of a full disk.
  const auto ended = [](int status) {
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return status;
    std::fprintf(stderr, "leadline-depth: error: standard output can't be written: %s\n", std::strerror(errno));
    return 1;
  };
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--help") == 0 || std::strcmp(argv[i], "-h") == 0)
      return std::fputs(help_text, stdout), ended(0);
    if (std::strcmp(argv[i], "--version") == 0)
      return std::printf("leadline-depth %s, model format %d\n", leadline_version_string(), leadline_model_format()),
             ended(0);
  }
  if (argc == 1) return std::fputs(help_text, stderr), 2;
  try {
    return ended(run(parse_options(argc, argv)));
  } catch (const UsageError& error) {
    std::fprintf(stderr, "leadline-depth: error: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "leadline-depth: error: %s\n", error.what());
    return 1;
  }
}
