// leadline-depth: pictures in, depth pictures out. Built on the C API's wrapper and leadline_image_io alone, so that it
// doubles as an example of a host program.
#include "data/image_io.hpp"
#include "data/picture.hpp"

#include <leadline/leadline.hpp>

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
using leadline::data::DepthRange;
using leadline::data::RgbImage;

constexpr const char* help_text = R"(leadline-depth MODEL IMAGE... --out DIR

Estimates the depth of pictures with a model file (model.lead, from `leadline export`). For each IMAGE (JPEG or PNG) it
writes into DIR, which is made if it isn't there:

  NAME_depth.png    depth, 16-bit grey, in millimetres; 0 = none
  NAME_colour.png   the picture beside its depth in colours, with a scale in metres

and prints the nearest, the median and the farthest depth in metres and the time that it took.

  --out DIR           where the pictures go
  --size WHICH        size of NAME_depth.png: `input` (default), as the picture, or `network`, as the network answers
  --range MIN,MAX     metres at the two ends of the colours (default: what is in the picture)
  --threads N         threads for the network, 1 to 64 (default: all cores); the result is the same for any number
  --isa NAME          kernels for this level of the CPU (default: LEADLINE_ISA, else the best): x86-64-v3, ...
  --self-test         first prove that this machine reproduces the answer stored in the model
  --info              print what the model is, where it comes from and what it costs; needs no IMAGE
  --version           print the version
  --help              print this

Examples:
  leadline-depth model.lead kitchen.jpg --out depth
  leadline-depth model.lead photos/*.jpg --out depth --range 0.5,8
  leadline-depth model.lead --info --self-test

Exit status: 0 all went well, 1 something failed (the other pictures are still done), 2 wrong use.
)";

/// Wrong use of the command line.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Options {
  std::string model;
  std::vector<std::string> images;
  std::string out;
  bool network_size = false, self_test = false, info = false;
  bool has_range = false;
  DepthRange range;
  int threads = 0; ///< 0: all cores
  std::string isa; ///< empty: the best
};

float parse_metres(const std::string& text, const std::string& whole) {
  char* end = nullptr;
  const float value = std::strtof(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value))
    throw UsageError("--range is \"" + whole + "\"; give two distances in metres, e.g. --range 0.5,8");
  return value;
}

DepthRange parse_range(const std::string& text) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos) parse_metres("", text);
  const DepthRange range{parse_metres(text.substr(0, comma), text), parse_metres(text.substr(comma + 1), text)};
  if (!(range.near >= 0 && range.near < range.far))
    throw UsageError("--range is \"" + text + "\"; the first distance must be at least 0 and below the second");
  return range;
}

Options parse(int argc, char** argv) {
  Options options;
  std::vector<std::string> files;
  bool only_files = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i], value;
    if (only_files || argument.size() < 2 || argument[0] != '-') {
      files.push_back(argument);
      continue;
    }
    if (argument == "--") {
      only_files = true;
      continue;
    }
    const size_t equals = argument.find('=');
    const bool attached = equals != std::string::npos;
    if (attached) {
      value = argument.substr(equals + 1);
      argument.resize(equals);
    }
    const auto take_value = [&](const char* what) -> const std::string& {
      if (!attached) {
        if (i + 1 >= argc) throw UsageError(argument + " needs " + what + " after it");
        value = argv[++i];
      }
      return value;
    };
    if (argument == "--out" || argument == "-o") {
      options.out = take_value("a folder");
    } else if (argument == "--size") {
      if (take_value("`input` or `network`") != "input" && value != "network")
        throw UsageError("--size is \"" + value + "\"; it must be `input` or `network`");
      options.network_size = value == "network";
    } else if (argument == "--range") {
      options.range = parse_range(take_value("two distances, e.g. 0.5,8,"));
      options.has_range = true;
    } else if (argument == "--threads") {
      char* end = nullptr;
      const long threads = std::strtol(take_value("a number").c_str(), &end, 10);
      if (value.empty() || *end != '\0' || threads < 1 || threads > 64)
        throw UsageError("--threads is \"" + value + "\"; it must be a number from 1 to 64");
      options.threads = static_cast<int>(threads);
    } else if (argument == "--isa") {
      options.isa = take_value("a level of the CPU, e.g. x86-64-v3,");
    } else if (argument == "--self-test" || argument == "--info") {
      if (attached) throw UsageError(argument + " takes no value");
      (argument == "--info" ? options.info : options.self_test) = true;
    } else {
      throw UsageError("there is no option " + argument + "; `leadline-depth --help` lists them");
    }
  }
  if (const char* isa = std::getenv("LEADLINE_ISA"); isa && options.isa.empty()) options.isa = isa;
  if (files.empty()) throw UsageError("no model file was named; `leadline-depth --help` explains the use");
  options.model = files[0];
  options.images.assign(files.begin() + 1, files.end());
  if (options.images.empty() && !options.info && !options.self_test)
    throw UsageError("no picture was named; give the model file first, then pictures: leadline-depth " + options.model +
                     " kitchen.jpg --out depth");
  if (!options.images.empty() && options.out.empty())
    throw UsageError("--out is missing: say where the depth pictures go, e.g. --out depth");
  return options;
}

/// Where an image's results go.
struct Outputs {
  fs::path depth, colour;
};

Outputs outputs_of(const std::string& image, const std::string& out) {
  const std::string name = fs::path(image).stem().string();
  return {fs::path(out) / (name + "_depth.png"), fs::path(out) / (name + "_colour.png")};
}

/// No result may replace another one or a picture that was given.
void check_collisions(const Options& options) {
  std::set<std::string> taken, pictures;
  for (const std::string& image : options.images) pictures.insert(fs::absolute(image).lexically_normal().string());
  for (const std::string& image : options.images) {
    const Outputs outputs = outputs_of(image, options.out);
    if (!taken.insert(outputs.depth.string()).second)
      throw UsageError("two pictures would both be written to " + outputs.depth.string() +
                       "; run them separately, with different folders after --out");
    for (const fs::path& path : {outputs.depth, outputs.colour})
      if (pictures.count(fs::absolute(path).lexically_normal().string()) != 0)
        throw UsageError("the result for " + image + " would replace the picture " + path.string() +
                         "; choose another folder after --out");
  }
}

[[noreturn]] void fail(const std::string& text) { throw std::runtime_error(text); }

/// Milliseconds of a clock. C's: <chrono> of g++ 14 is too much for clang 14.
double now() {
  std::timespec time{};
  std::timespec_get(&time, TIME_UTC);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

/// The model with a session for pictures of any size.
class Estimator {
public:
  Estimator(const std::string& path, int threads) : path_(path) {
    leadline::ErrorText error;
    if (model_.open_file(path.c_str(), error) != LEADLINE_OK) fail(error.text);
    info_ = model_.info();
    leadline_session_options options{};
    options.struct_size = sizeof options;
    options.max_picture_height = options.max_picture_width = leadline::max_image_side;
    leadline_runner runner;
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

  const leadline::Model& model() const { return model_; }
  const leadline_model_info& info() const { return info_; }
  const leadline::Session& session() const { return session_; }
  bool metric() const { return info_.output_kind == LEADLINE_METRIC_DEPTH; }

  /// Depth `[output_height, output_width]`; `milliseconds` for preprocessing and network.
  std::vector<float> run(const RgbImage& image, double* milliseconds) {
    std::vector<float> depth(session_.output_values());
    const double start = now();
    const leadline_status status =
        session_.run_rgb8(image.rgb.data(), image.width, image.height, depth.data(), depth.size());
    *milliseconds = now() - start;
    if (status == LEADLINE_UNSUPPORTED || info_.output_kind == LEADLINE_VALUES)
      fail(path_ + ": this model's input or output is no picture; `leadline-depth " + path_ +
           " --info` says what it is");
    if (status != LEADLINE_OK) fail(path_ + ": " + leadline_status_text(status));
    return depth;
  }

  bool self_test(float* largest_error) {
    const leadline_status status = session_.self_test(largest_error);
    if (status == LEADLINE_UNSUPPORTED) fail(path_ + ": the model holds no golden sample, so there is nothing to test");
    return status == LEADLINE_OK;
  }

private:
  std::string path_;
  leadline::Model model_; // before what is made from it, so that it goes last
  leadline::Threads pool_;
  leadline::Session session_;
  leadline_model_info info_{};
};

/// Bilinear, half-pixel centres, edges held: depth [height, width] to [dst_height, dst_width].
std::vector<float> enlarge(const std::vector<float>& depth, int height, int width, int dst_height, int dst_width) {
  struct Tap {
    size_t low, high;
    float part;
  };
  const auto tap = [](int i, int src, int dst) {
    const double centre = (i + 0.5) * src / dst - 0.5, held = std::clamp(centre, 0.0, double(src - 1));
    const int low = static_cast<int>(held);
    return Tap{static_cast<size_t>(low), static_cast<size_t>(std::min(low + 1, src - 1)),
               static_cast<float>(held - low)};
  };
  std::vector<Tap> columns;
  columns.reserve(static_cast<size_t>(dst_width));
  for (int x = 0; x < dst_width; ++x) columns.push_back(tap(x, width, dst_width));
  std::vector<float> result;
  result.reserve(static_cast<size_t>(dst_height) * static_cast<size_t>(dst_width));
  for (int y = 0; y < dst_height; ++y) {
    const Tap row = tap(y, height, dst_height);
    const float* upper = depth.data() + row.low * static_cast<size_t>(width);
    const float* lower = depth.data() + row.high * static_cast<size_t>(width);
    for (const Tap& column : columns) {
      const float above = upper[column.low] + column.part * (upper[column.high] - upper[column.low]);
      const float below = lower[column.low] + column.part * (lower[column.high] - lower[column.low]);
      result.push_back(above + row.part * (below - above));
    }
  }
  return result;
}

/// Depth at the picture's size; 0 outside the part that the network saw.
std::vector<float> as_large_as(const RgbImage& image, const std::vector<float>& depth,
                               const leadline_session_info& size, bool crops_centre) {
  const leadline::CropWindow window =
      leadline::crop_window(crops_centre ? leadline::CropMode::centre_crop : leadline::CropMode::none, image.height,
                            image.width, size.input_height, size.input_width);
  const std::vector<float> seen = enlarge(depth, size.output_height, size.output_width, window.height, window.width);
  std::vector<float> whole(static_cast<size_t>(image.height) * static_cast<size_t>(image.width), 0.0f);
  for (int y = 0; y < window.height; ++y)
    std::copy_n(seen.begin() + std::ptrdiff_t{y} * window.width, window.width,
                whole.begin() + std::ptrdiff_t{window.y + y} * image.width + window.x);
  return whole;
}

/// Relative depth has no unit: its range is spread over what 16 bits hold, so that nearer stays darker.
void write_relative_png(const std::string& file, int height, int width, const std::vector<float>& depth) {
  const auto [low, high] = std::minmax_element(depth.begin(), depth.end());
  const float scale = *high > *low ? 65534.0f / (*high - *low) : 0.0f;
  std::vector<std::uint16_t> values;
  values.reserve(depth.size());
  for (const float d : depth) values.push_back(static_cast<std::uint16_t>(1.0f + (d - *low) * scale));
  leadline::data::write_png16(file, height, width, values.data());
}

/// The picture beside its depth, scale beneath; brought to a size for looking at.
RgbImage overview(const RgbImage& image, const std::vector<float>& depth, int height, int width,
                  const DepthRange& range, bool metric) {
  constexpr int widest = 1280;
  const int shown_width = std::min(image.width, widest);
  const int shown_height = std::max(1, static_cast<int>(std::int64_t{image.height} * shown_width / image.width));
  const RgbImage picture =
      shown_width == image.width ? image : leadline::data::resized(image, shown_height, shown_width);
  const RgbImage colours = leadline::data::colour_depth(depth.data(), height, width, range);
  RgbImage both =
      leadline::data::side_by_side({picture, leadline::data::resized(colours, picture.height, picture.width)});
  if (!metric) return both;
  return leadline::data::stacked(
      {both, leadline::data::metre_scale(std::max(80, both.width), range, both.width > 1000 ? 2 : 1)});
}

/// Everything for one picture; returns its line of the report.
std::string estimate(Estimator& estimator, const std::string& path, const Options& options) {
  const RgbImage image = leadline::data::read_rgb(path);
  double milliseconds = 0;
  std::vector<float> depth = estimator.run(image, &milliseconds);
  for (const float d : depth)
    if (!std::isfinite(d))
      fail(path + ": the network's answer is not finite; try --self-test to see if the model is sound");

  std::vector<float> sorted = depth;
  std::sort(sorted.begin(), sorted.end());
  const leadline_session_info size = estimator.session().info();
  int height = size.output_height, width = size.output_width;
  if (!options.network_size) {
    depth = as_large_as(image, depth, size, estimator.info().crops_centre != 0);
    height = image.height;
    width = image.width;
  }
  DepthRange range = options.range;
  if (!options.has_range)
    range = estimator.metric() ? leadline::data::depth_range(depth.data(), depth.size())
                               : DepthRange{sorted.front(), std::max(sorted.back(), sorted.front() + 1e-6f)};

  const Outputs outputs = outputs_of(path, options.out);
  std::error_code error;
  fs::create_directories(options.out, error);
  if (error || !fs::is_directory(options.out))
    fail("can't make the folder " + options.out +
         (error ? ": " + error.message() : ": a file of that name is in the way") + "; choose another one after --out");
  if (estimator.metric())
    leadline::data::write_depth_png(outputs.depth.string(), height, width, depth.data());
  else
    write_relative_png(outputs.depth.string(), height, width, depth);
  leadline::data::write_png(outputs.colour.string(), overview(image, depth, height, width, range, estimator.metric()));

  char line[160];
  std::snprintf(line, sizeof line, "%8.3f %8.3f %8.3f %9.1f   ", static_cast<double>(sorted.front()),
                static_cast<double>(sorted[sorted.size() / 2]), static_cast<double>(sorted.back()), milliseconds);
  return line + path;
}

std::string count_text(double value) {
  char text[32];
  const char* unit = value >= 1e9 ? " G" : value >= 1e6 ? " M" : value >= 1e3 ? " k" : "";
  std::snprintf(text, sizeof text, "%.*f%s", *unit ? 2 : 0,
                value / (value >= 1e9   ? 1e9
                         : value >= 1e6 ? 1e6
                         : value >= 1e3 ? 1e3
                                        : 1),
                unit);
  return text;
}

void print_info(const Estimator& estimator, const std::string& path) {
  const leadline_model_info& i = estimator.info();
  const leadline_session_info s = estimator.session().info();
  std::printf("%s: %s, %" PRIu64 " bytes\n\n", path.c_str(), i.name, i.file_bytes);
  std::printf("  input        %d x %d x %d (height x width x channels), ", i.input_height, i.input_width,
              i.input_channels);
  if (i.size_multiple > 0)
    std::printf("other sizes in multiples of %d", i.size_multiple);
  else
    std::printf("no other size");
  std::printf("\n               pictures are %s\n",
              i.crops_centre ? "cut to that shape, then resized" : "resized to that, whatever their shape");
  if (i.focal_x > 0)
    std::printf("               trained for a focal length of %.1f x %.1f pixels at that size\n",
                static_cast<double>(i.focal_x), static_cast<double>(i.focal_y));
  std::printf("  output       %d x %d x %d, ", i.output_height, i.output_width, i.output_channels);
  if (i.output_kind == LEADLINE_METRIC_DEPTH)
    std::printf("depth from %g to %g metres\n", static_cast<double>(i.min_depth), static_cast<double>(i.max_depth));
  else
    std::printf("%s\n", i.output_kind == LEADLINE_RELATIVE_DEPTH ? "relative depth (no unit)" : "values");
  std::printf("  cost         %s parameters, %s multiply-accumulates, %.1f MB of memory\n",
              count_text(static_cast<double>(i.parameters)).c_str(), count_text(static_cast<double>(i.macs)).c_str(),
              static_cast<double>(s.bytes) / 1e6);
  std::printf("  self-test    %s\n\n  where it comes from\n", i.has_golden ? "yes" : "none stored");
  const char* entry = nullptr;
  for (int k = 0; (entry = leadline_model_provenance_entry(estimator.model().get(), k)); ++k) {
    const char* equals = std::strchr(entry, '=');
    std::printf("    %-18.*s %s\n", static_cast<int>(equals - entry), entry, equals + 1);
  }
  std::printf("\n  layers\n");
  for (int k = 0; k < i.nodes; ++k) {
    leadline_node_info node{};
    node.struct_size = sizeof node;
    if (leadline_model_get_node(estimator.model().get(), k, &node) != LEADLINE_OK) break;
    char shape[64];
    std::snprintf(shape, sizeof shape, "%d x %d x %d", node.height, node.width, node.channels);
    std::printf("    %-28s %-18s %-18s %10s parameters %10s MACs\n", node.name, node.layer, shape,
                count_text(static_cast<double>(node.parameters)).c_str(),
                count_text(static_cast<double>(node.macs)).c_str());
  }
}

int run(const Options& options) {
  check_collisions(options);
  if (!options.isa.empty()) {
    leadline::ErrorText error;
    if (leadline_set_isa(options.isa.c_str(), error.text, sizeof error.text) != LEADLINE_OK)
      throw UsageError(std::string("--isa (or LEADLINE_ISA): ") + error.text);
  }
  const unsigned cores = std::thread::hardware_concurrency();
  Estimator estimator(options.model,
                      options.threads != 0 ? options.threads : static_cast<int>(std::clamp(cores, 1u, 64u)));
  if (options.info) print_info(estimator, options.model);
  if (options.self_test) {
    float error = 0;
    const bool passed = estimator.self_test(&error);
    std::printf("self-test %s: largest difference %.2g of the largest value\n", passed ? "passed" : "FAILED",
                static_cast<double>(error));
    if (!passed)
      fail(options.model + ": this machine doesn't reproduce the model's golden sample (largest difference " +
           std::to_string(error) + " of the largest value); don't use it here, and report the CPU and the compiler");
  }
  if (options.images.empty()) return 0;

  std::printf("%s: %s, %d x %d (height x width), %d thread%s; ms: preprocessing and network, one run, without files\n",
              options.model.c_str(), estimator.info().name, estimator.info().input_height, estimator.info().input_width,
              estimator.session().info().threads, estimator.session().info().threads == 1 ? "" : "s");
  std::printf(estimator.metric() ? "   min m median m    max m        ms   picture\n"
                                 : "     min   median      max        ms   picture   (no unit)\n");
  int failed = 0;
  for (const std::string& image : options.images) {
    try {
      std::printf("%s\n", estimate(estimator, image, options).c_str());
      std::fflush(stdout);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "leadline-depth: error: %s\n", error.what());
      ++failed;
    }
  }
  if (failed == 0)
    std::printf("written to %s: NAME_depth.png (%s), NAME_colour.png\n", options.out.c_str(),
                estimator.metric() ? "16-bit, millimetres" : "16-bit, no unit");
  return failed == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--help") == 0 || std::strcmp(argv[i], "-h") == 0)
      return std::fputs(help_text, stdout) < 0;
    if (std::strcmp(argv[i], "--version") == 0)
      return std::printf("leadline-depth %s, model format %d\n", leadline_version_string(), leadline_model_format()) <
             0;
  }
  if (argc == 1) return std::fputs(help_text, stderr), 2;
  try {
    return run(parse(argc, argv));
  } catch (const UsageError& error) {
    std::fprintf(stderr, "leadline-depth: error: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "leadline-depth: error: %s\n", error.what());
    return 1;
  }
}
