#include "data/data_command.hpp"

#include "data/augment.hpp"
#include "data/dataset.hpp"
#include "data/digits.hpp"
#include "data/error.hpp"
#include "data/image_io.hpp"
#include "data/picture.hpp"
#include "data/progress.hpp"
#include "data/sources.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>
#include <utility>

#include <unistd.h>

namespace leadline::data {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

/// A command line that can't be understood: exit code 2 instead of 1.
class UsageError : public Error {
public:
  using Error::Error;
};

// ---------------------------------------------------------------------------------------------------------------------
// Work over many frames

struct Work {
  int threads = 1;
  OnBadSample on_bad_sample = OnBadSample::stop;
};

/// Calls `use(k, sample)` for each frame `indices[k]`, from several threads in any order. Frames that can't be read end
/// it (the first in order that was met is thrown) or are warned about and left out. Returns which k were used.
std::vector<char> for_each_frame(const Dataset& dataset, const std::vector<std::size_t>& indices, const Work& work,
                                 const char* label, const std::function<void(std::size_t, const Sample&)>& use) {
  std::vector<char> used(indices.size(), 0);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  std::size_t failed_at = indices.size();
  Progress progress(label, indices.size());
  const auto run = [&] {
    for (std::size_t k; (k = next++) < indices.size();) {
      try {
        Sample sample;
        try {
          sample = dataset.load(indices[k]);
        } catch (const Error& error) {
          if (work.on_bad_sample == OnBadSample::stop) throw;
          warn_skipped(error.what());
          progress.step();
          continue;
        }
        use(k, sample);
        used[k] = 1;
        progress.step();
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (k < failed_at) {
          failed_at = k;
          failure = std::current_exception();
        }
        next = indices.size();
      }
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < work.threads; ++t) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  if (std::none_of(used.begin(), used.end(), [](char u) { return u != 0; }))
    throw Error({.field = "data", .reason = "not one of its frames can be used"});
  return used;
}

/// `count` numbers spread evenly over 0..n-1; all of them for 0.
std::vector<std::size_t> spread(std::size_t n, std::size_t count) {
  const std::size_t m = count == 0 ? n : std::min(n, count);
  std::vector<std::size_t> indices(m);
  for (std::size_t k = 0; k < m; ++k) indices[k] = (2 * k + 1) * n / (2 * m);
  return indices;
}

/// A folder that appears whole: filled under another name, renamed at the end, removed if that never comes.
class NewFolder {
public:
  explicit NewFolder(const std::string& path) : path_(fs::path(path).lexically_normal()) {
    if (!path_.has_filename()) // "out/"
      path_ = path_.parent_path();
    if (fs::exists(path_))
      throw Error({.file = path,
                   .field = "out",
                   .reason = "this exists already, and nothing is overwritten",
                   .fix = "Choose another name or remove it first."});
    partial_ = path_;
    partial_ += ".partial-" + std::to_string(getpid());
    std::error_code ec;
    fs::create_directories(partial_, ec);
    if (ec) throw Error({.file = partial_.string(), .reason = "the folder can't be made (" + ec.message() + ")"});
  }
  ~NewFolder() {
    std::error_code ec;
    if (!partial_.empty()) fs::remove_all(partial_, ec);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const fs::path& at() const { return partial_; }
  void finish() {
    std::error_code ec;
    fs::rename(partial_, path_, ec);
    if (ec)
      throw Error(
          {.file = path_.string(), .reason = "the finished folder can't be put in place (" + ec.message() + ")"});
    partial_.clear();
  }

private:
  fs::path path_, partial_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Command line

std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Reads the words after the action. `--kebab-case` means `--snake_case`; unknown options are refused with the nearest.
po::variables_map parse(int argc, const char* const* argv, po::options_description& options, bool& help) {
  options.add_options()("help,h", "this text")("on_bad_sample", po::value<std::string>()->default_value("stop"),
                                               "a frame that can't be read: stop, or skip with a warning");
  po::options_description all = options;
  all.add_options()("spec", po::value<std::string>());
  po::positional_options_description positional;
  positional.add("spec", 1);

  std::vector<std::string> words;
  for (int i = 2; i < argc; ++i) {
    std::string word = argv[i];
    if (word.rfind("--", 0) == 0 && word.size() > 2) {
      const std::size_t equals = std::min(word.find('='), word.size());
      word = "--" + underscored(word.substr(2, equals - 2)) + word.substr(equals);
    }
    words.push_back(word);
  }
  po::variables_map values;
  try {
    constexpr int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(all).positional(positional).style(style).run(), values);
    po::notify(values);
  } catch (const po::unknown_option& error) {
    std::vector<std::string> names;
    for (const auto& option : options.options()) names.push_back(option->long_name());
    std::string name = error.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    const std::string nearest = nearest_word(name, names);
    throw UsageError(ErrorParts{.field = "option",
                                .value = "--" + name,
                                .reason = "there is no such option" +
                                          (nearest.empty() ? std::string{} : "; did you mean --" + nearest + "?"),
                                .fix = std::string("leadline data ") + argv[1] + " --help lists them"});
  } catch (const po::error& error) {
    throw UsageError(ErrorParts{.field = "command line",
                                .reason = error.what(),
                                .fix = std::string("leadline data ") + argv[1] + " --help shows the form"});
  }
  help = values.count("help") > 0;
  return values;
}

std::string required_spec(const po::variables_map& values, const std::string& action) {
  if (!values.count("spec"))
    throw UsageError(ErrorParts{.field = "SPEC",
                                .reason = "the data is missing",
                                .fix = "For example: leadline data " + action + " synthetic:count=8"});
  return values["spec"].as<std::string>();
}

std::string required_out(const po::variables_map& values) {
  if (!values.count("out"))
    throw UsageError(ErrorParts{.field = "--out", .reason = "it isn't said where to write", .fix = "Add --out PATH"});
  return values["out"].as<std::string>();
}

OnBadSample on_bad_sample(const po::variables_map& values) {
  const std::string text = values["on_bad_sample"].as<std::string>();
  if (text != "stop" && text != "skip")
    throw UsageError(ErrorParts{.field = "on_bad_sample", .value = text, .reason = "it is stop or skip"});
  return text == "stop" ? OnBadSample::stop : OnBadSample::skip;
}

std::size_t not_negative(const po::variables_map& values, const char* name) {
  const long value = values[name].as<long>();
  if (value < 0)
    throw UsageError(ErrorParts{.field = name, .value = std::to_string(value), .reason = "it can't be negative"});
  return static_cast<std::size_t>(value);
}

int threads_of(const po::variables_map& values) {
  const std::size_t threads = not_negative(values, "threads");
  return static_cast<int>(
      std::min<std::size_t>(threads ? threads : std::max(1u, std::thread::hardware_concurrency()), 256));
}

/// "HxW", as in 144x192.
std::pair<int, int> parse_size(const std::string& text) {
  int height = 0, width = 0;
  const char *begin = text.data(), *end = begin + text.size();
  const auto first = std::from_chars(begin, end, height);
  if (first.ec == std::errc{} && first.ptr != end && (*first.ptr == 'x' || *first.ptr == 'X')) {
    const auto second = std::from_chars(first.ptr + 1, end, width);
    if (second.ec == std::errc{} && second.ptr == end && detail::valid_size(height, width)) return {height, width};
  }
  throw UsageError(
      ErrorParts{.field = "size",
                 .value = text,
                 .reason = "this is no size",
                 .fix = "Write height x width, such as 144x192, each 1 to " + std::to_string(max_image_side)});
}

bool is_digits(const std::string& spec) { return spec == "digits" || spec.rfind("digits:", 0) == 0; }
std::string digits_path(const std::string& spec) { return spec == "digits" ? std::string{} : spec.substr(7); }

// ---------------------------------------------------------------------------------------------------------------------
// info

/// What `info` gathers from one frame or many.
struct Statistics {
  static constexpr std::size_t millimetres = 100000; // one bin a millimetre, up to 100 m; beyond in the last

  std::vector<std::uint64_t> bins = std::vector<std::uint64_t>(millimetres + 1);
  std::uint64_t pixels = 0, valid = 0;
  float nearest = 0, farthest = 0;
  double least_valid = 1;
  std::string least_valid_name;
  std::array<std::uint64_t, 3> sum{}, sum_of_squares{};
  std::map<std::pair<int, int>, std::size_t> sizes; // height, width
  std::size_t frames = 0, with_camera = 0, without_depth = 0;
  std::map<std::array<float, 4>, std::size_t> cameras;

  void add(const Sample& sample) {
    ++frames;
    ++sizes[{sample.height, sample.width}];
    pixels += sample.pixels();
    for (std::size_t k = 0; k < sample.rgb.size(); ++k) {
      sum[k % 3] += sample.rgb[k];
      sum_of_squares[k % 3] += std::uint64_t{sample.rgb[k]} * sample.rgb[k];
    }
    if (sample.intrinsics.known()) {
      ++with_camera;
      ++cameras[{sample.intrinsics.fx, sample.intrinsics.fy, sample.intrinsics.cx, sample.intrinsics.cy}];
    }
    if (sample.depth.empty()) {
      ++without_depth;
      return;
    }
    std::uint64_t valid_here = 0;
    for (const float metres : sample.depth) {
      if (!depth_is_valid(metres)) continue;
      nearest = valid + valid_here == 0 ? metres : std::min(nearest, metres);
      farthest = std::max(farthest, metres);
      ++valid_here;
      ++bins[std::min(millimetres, static_cast<std::size_t>(std::min(metres, 1000.0f) * 1000.0f))];
    }
    valid += valid_here;
    const double part = static_cast<double>(valid_here) / static_cast<double>(sample.depth.size());
    if (part < least_valid) {
      least_valid = part;
      least_valid_name = sample.name;
    }
  }

  double percentile(double p) const {
    const auto target = static_cast<std::uint64_t>(p * static_cast<double>(valid));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < bins.size(); ++i)
      if ((seen += bins[i]) > target) return (static_cast<double>(i) + 0.5) / 1000;
    return static_cast<double>(farthest);
  }

  void print(const std::string& spec, std::size_t total) const {
    std::printf("%s\n", spec.c_str());
    std::printf("  frames     %zu%s\n", total,
                frames < total ? (" (" + std::to_string(frames) + " of them, evenly spread, were looked at)").c_str()
                               : "");
    std::string text;
    for (const auto& [size, count] : sizes)
      text += (text.empty() ? "" : ", ") + std::to_string(size.second) + "x" + std::to_string(size.first) +
              (sizes.size() > 1 ? " (" + std::to_string(count) + ")" : "");
    std::printf("  size       %s  (width x height)\n", text.c_str());
    std::array<double, 3> mean{}, deviation{};
    for (std::size_t c = 0; c < 3; ++c) {
      const double n = static_cast<double>(pixels);
      mean[c] = static_cast<double>(sum[c]) / n / 255;
      deviation[c] =
          std::sqrt(std::max(0.0, static_cast<double>(sum_of_squares[c]) / n / (255.0 * 255.0) - mean[c] * mean[c]));
    }
    std::printf("  colour     mean %.3f %.3f %.3f   std %.3f %.3f %.3f   (R G B, of 0 to 1)\n", mean[0], mean[1],
                mean[2], deviation[0], deviation[1], deviation[2]);
    if (with_camera == 0) {
      std::printf("  camera     not known\n");
    } else {
      const auto& [k, count] = *std::max_element(cameras.begin(), cameras.end(),
                                                 [](const auto& a, const auto& b) { return a.second < b.second; });
      std::printf("  camera     fx %.2f  fy %.2f  cx %.2f  cy %.2f", static_cast<double>(k[0]),
                  static_cast<double>(k[1]), static_cast<double>(k[2]), static_cast<double>(k[3]));
      if (cameras.size() > 1)
        std::printf("  (%zu of %zu frames; %zu different cameras)", count, frames, cameras.size());
      else if (with_camera < frames)
        std::printf("  (known for %zu of %zu frames)", with_camera, frames);
      std::printf("\n");
    }
    if (valid == 0) {
      std::printf("  depth      none\n");
      return;
    }
    std::printf("  valid      %.1f %% of pixels have depth; fewest in %s (%.1f %%)\n",
                100 * static_cast<double>(valid) / static_cast<double>(pixels), least_valid_name.c_str(),
                100 * least_valid);
    std::printf("  depth [m]  min %.3f   5%% %.2f   25%% %.2f   median %.2f   75%% %.2f   95%% %.2f   max %.3f\n",
                static_cast<double>(nearest), percentile(.05), percentile(.25), percentile(.5), percentile(.75),
                percentile(.95), static_cast<double>(farthest));
    print_histogram();
  }

  /// A dozen rows of a round width that reach to the 99.5th percentile; what is farther is the last row.
  void print_histogram() const {
    const double reach = percentile(.995);
    double step = 0.01;
    for (const double round : {0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0})
      if ((step = round) * 12 >= reach) break;
    const std::size_t width = static_cast<std::size_t>(std::llround(step * 1000));
    std::vector<std::uint64_t> rows;
    for (std::size_t i = 0; i < bins.size(); ++i) {
      const std::size_t row = std::min<std::size_t>(i / width, 12);
      rows.resize(std::max(rows.size(), bins[i] ? row + 1 : rows.size()));
      if (bins[i]) rows[row] += bins[i];
    }
    const std::uint64_t most = *std::max_element(rows.begin(), rows.end());
    std::printf("\n");
    for (std::size_t r = 0; r < rows.size(); ++r) {
      char range[64];
      if (r == 12)
        std::snprintf(range, sizeof range, "%6.2f m and more", step * 12);
      else
        std::snprintf(range, sizeof range, "%6.2f to %5.2f m", step * static_cast<double>(r),
                      step * static_cast<double>(r + 1));
      const auto bar = static_cast<std::size_t>(40 * rows[r] / most);
      std::printf("  %-17s %5.1f %%  %s\n", range, 100 * static_cast<double>(rows[r]) / static_cast<double>(valid),
                  std::string(bar ? bar : (rows[r] ? 1 : 0), '#').c_str());
    }
  }
};

void info(const po::variables_map& values) {
  const std::string spec = required_spec(values, "info");
  if (is_digits(spec)) {
    print_digits_info(std::cout, digits_path(spec));
    return;
  }
  const Work work{threads_of(values), on_bad_sample(values)};
  const DatasetPtr dataset = open_dataset(spec, {.on_bad_sample = work.on_bad_sample});
  Statistics statistics;
  std::mutex mutex;
  for_each_frame(*dataset, spread(dataset->size(), not_negative(values, "frames")), work, "reading",
                 [&](std::size_t, const Sample& sample) {
                   const std::lock_guard lock(mutex);
                   statistics.add(sample);
                 });
  statistics.print(spec, dataset->size());
}

// ---------------------------------------------------------------------------------------------------------------------
// show

/// The frame brought to another size, with depth by the nearest measurement.
Sample resized_sample(const Sample& sample, int height, int width) {
  Sample out;
  out.height = height;
  out.width = width;
  out.name = sample.name;
  out.label = sample.label;
  RgbImage image;
  image.height = sample.height;
  image.width = sample.width;
  image.rgb = sample.rgb;
  out.rgb = resized(image, height, width).rgb;
  if (!sample.depth.empty()) {
    out.depth.resize(out.pixels());
    resize_depth_nearest(sample.depth.data(), sample.height, sample.width, sample.width, height, width,
                         out.depth.data());
  }
  const CropWindow all = crop_window(CropMode::none, sample.height, sample.width, height, width);
  out.intrinsics = adjust_intrinsics(sample.intrinsics, all, height, width);
  return out;
}

SheetRow sheet_row(const Sample& sample, std::string caption) {
  SheetRow row;
  row.image.height = sample.height;
  row.image.width = sample.width;
  row.image.rgb = sample.rgb;
  row.depth = sample.depth;
  row.caption = std::move(caption);
  return row;
}

/// Frame `index` as training would see it in an epoch.
Sample augmented(const Sample& sample, const Augment& augment, std::int64_t epoch, std::size_t index) {
  Sample out = sample;
  Preprocess p;
  p.height = sample.height;
  p.width = sample.width;
  for (int c = 0; c < 3; ++c) {
    p.mean[c] = 0;
    p.std[c] = 1;
  }
  std::vector<float> image(3 * sample.pixels()), depth(sample.pixels());
  out.depth.resize(sample.pixels()); // frames without depth have zeros here
  const FrameView frame{sample.rgb.data(), out.depth.data(), sample.intrinsics};
  out.intrinsics = augment_frame(augment, p, 0, epoch, index, frame, image.data(), depth.data());
  out.depth = std::move(depth);
  for (std::size_t i = 0; i < image.size(); ++i)
    out.rgb[i] = static_cast<std::uint8_t>(std::clamp(image[i] * 255 + 0.5f, 0.0f, 255.0f));
  return out;
}

void show(const po::variables_map& values) {
  const std::string spec = required_spec(values, "show"), out = required_out(values);
  const std::size_t count = not_negative(values, "count");
  if (count == 0)
    throw UsageError(
        ErrorParts{.field = "count", .value = "0", .reason = "a sheet has at least 1 frame", .fix = "Use 1 or more."});
  const std::string extension = fs::path(out).extension().string();
  if (extension != ".png" && extension != ".jpg" && extension != ".jpeg")
    throw UsageError(ErrorParts{.field = "--out", .value = out, .reason = "the sheet is written as .png or .jpg"});
  const auto save = [&](const RgbImage& sheet) {
    extension == ".png" ? write_png(out, sheet) : write_jpeg(out, sheet);
    std::printf("%s: %dx%d\n", out.c_str(), sheet.width, sheet.height);
  };
  if (is_digits(spec)) return save(digits_sheet(load_digits(digits_path(spec)), count));

  const Work work{threads_of(values), on_bad_sample(values)};
  const DatasetPtr dataset = open_dataset(spec, {.on_bad_sample = work.on_bad_sample});
  const std::vector<std::size_t> indices = spread(dataset->size(), count);
  const long tile_width = values["tile_width"].as<long>(), columns = values["columns"].as<long>();
  if (tile_width < 32 || tile_width > 2048)
    throw UsageError(
        ErrorParts{.field = "tile_width", .value = std::to_string(tile_width), .reason = "it must be 32 to 2048"});
  if (columns < 1)
    throw UsageError(
        ErrorParts{.field = "columns", .value = std::to_string(columns), .reason = "it must be at least 1"});
  const bool augment = values.count("augment") > 0;
  const std::size_t epochs = augment ? std::max<std::size_t>(1, not_negative(values, "epochs")) : 0;
  const Augment strengths = augment ? parse_augment(values["augment"].as<std::string>(), Augment{}) : Augment{};
  // Every frame: as it is, then as so many epochs see it.
  std::vector<std::vector<SheetRow>> frames(indices.size());
  for_each_frame(*dataset, indices, work, "reading", [&](std::size_t k, const Sample& full) {
    // at the tile's size already, so that a thousand large frames fit into memory
    const int width = static_cast<int>(tile_width), height = std::max(1, width * full.height / full.width);
    const Sample sample = resized_sample(full, height, width);
    frames[k].push_back(sheet_row(sample, dataset->name(indices[k])));
    for (std::size_t epoch = 0; epoch < epochs; ++epoch)
      frames[k].push_back(sheet_row(augmented(sample, strengths, static_cast<std::int64_t>(epoch), indices[k]),
                                    "epoch " + std::to_string(epoch + 1)));
  });
  std::vector<SheetRow> rows;
  for (std::vector<SheetRow>& frame : frames) std::move(frame.begin(), frame.end(), std::back_inserter(rows));
  const long across = augment ? static_cast<long>(1 + epochs) : columns;
  save(contact_sheet(rows, static_cast<int>(std::min<long>(across, 64)), static_cast<int>(tile_width)));
}

// ---------------------------------------------------------------------------------------------------------------------
// generate, convert

struct WriteOptions {
  std::string form = "pairs", picture = "jpg";
  double metres_per_unit = 0.001;
  std::pair<int, int> size{0, 0}; // {0, 0} = as it is
};

/// The shortest text that reads back as the same float.
std::string number_text(float value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return std::string(text.data(), end);
}

/// Writes all frames of `dataset` into the new folder `out`.
void write_frames(const Dataset& dataset, const std::string& out, const WriteOptions& options, const Work& work) {
  NewFolder folder(out);
  std::vector<std::string> lines(dataset.size());
  std::atomic<std::uint64_t> lost{0};
  const std::vector<char> used =
      for_each_frame(dataset, spread(dataset.size(), 0), work, "writing", [&](std::size_t k, const Sample& original) {
        if (original.depth.empty())
          throw Error({.file = original.name,
                       .field = "depth",
                       .reason = "these frames have none, so there is nothing to write"});
        const bool resize = options.size.first > 0;
        const Sample changed = resize ? resized_sample(original, options.size.first, options.size.second) : Sample{};
        const Sample& sample = resize ? changed : original;
        char stem[32];
        std::snprintf(stem, sizeof stem, "%06zu", k);
        const std::string base = (folder.at() / stem).string();
        if (options.form == "nyu_h5") {
          write_nyu_h5(base + ".h5", sample);
          return;
        }
        RgbImage image;
        image.height = sample.height;
        image.width = sample.width;
        image.rgb = sample.rgb;
        if (options.picture == "jpg")
          write_jpeg(base + ".jpg", image);
        else
          write_png(base + ".png", image);
        std::vector<std::uint16_t> units(sample.pixels());
        std::uint64_t lost_here = 0;
        for (std::size_t i = 0; i < units.size(); ++i) {
          const double unit = std::round(static_cast<double>(sample.depth[i]) / options.metres_per_unit);
          if (unit >= 1 && unit <= 65535)
            units[i] = static_cast<std::uint16_t>(unit);
          else if (sample.depth[i] > 0)
            ++lost_here;
        }
        lost += lost_here;
        write_png16(base + "_depth.png", sample.height, sample.width, units.data());
        std::string line = std::string(stem) + "." + options.picture + " " + stem + "_depth.png " +
                           number_text(static_cast<float>(options.metres_per_unit));
        if (sample.intrinsics.known())
          for (const float value :
               {sample.intrinsics.fx, sample.intrinsics.fy, sample.intrinsics.cx, sample.intrinsics.cy})
            line += " " + number_text(value);
        lines[k] = line + "\n";
      });
  const auto written = static_cast<std::size_t>(std::count(used.begin(), used.end(), 1));
  if (options.form == "pairs") {
    std::string list = "# image depth metres_per_unit [fx fy cx cy] (depth 0 = none)\n";
    for (const std::string& line : lines) list += line;
    write_file((folder.at() / "list.txt").string(), list.data(), list.size());
  }
  folder.finish();
  std::string where = out;
  if (options.form == "pairs")
    where = "pairs:" + (fs::path(out) / "list.txt").lexically_normal().string();
  else
    where = "nyu_h5:" + out;
  std::printf("%zu frames written: %s\n", written, where.c_str());
  if (lost > 0)
    std::fprintf(stderr, "leadline: warning: %llu depths don't fit into 16 bits at %g m a unit and became 0 = none\n",
                 static_cast<unsigned long long>(lost.load()), options.metres_per_unit);
}

WriteOptions write_options(const po::variables_map& values) {
  WriteOptions options;
  options.picture = values["format"].as<std::string>();
  if (options.picture == "jpeg") options.picture = "jpg";
  if (options.picture != "jpg" && options.picture != "png")
    throw UsageError(
        ErrorParts{.field = "format", .value = options.picture, .reason = "colour is written as jpg or png"});
  options.metres_per_unit = values["metres_per_unit"].as<double>();
  if (!(options.metres_per_unit >= 1e-6 && options.metres_per_unit <= 10))
    throw UsageError(ErrorParts{.field = "metres_per_unit",
                                .value = std::to_string(options.metres_per_unit),
                                .reason = "it must lie between 0.000001 and 10",
                                .fix = "0.001 stores millimetres, up to 65.5 m."});
  return options;
}

void generate(const po::variables_map& values) {
  std::string spec = required_spec(values, "generate");
  if (spec == "synthetic") spec += ":";
  if (spec.rfind("synthetic:", 0) != 0)
    throw UsageError(ErrorParts{.field = "SPEC",
                                .value = spec,
                                .reason = "only synthetic data can be generated",
                                .fix = "leadline data convert turns existing data into another form."});
  if (values.count("count")) { // an option of its own, because everyone needs it
    if (spec.find("count=") != std::string::npos)
      throw UsageError(
          ErrorParts{.field = "count", .reason = "it is given twice", .fix = "Leave --count or count= out."});
    spec += std::string(spec.back() == ':' ? "" : ",") + "count=" + std::to_string(not_negative(values, "count"));
  }
  const WriteOptions options = write_options(values);
  const std::string out = required_out(values);
  write_frames(*open_dataset(spec), out, options, {threads_of(values), on_bad_sample(values)});
}

void convert(const po::variables_map& values) {
  const std::string spec = required_spec(values, "convert");
  WriteOptions options = write_options(values);
  if (!values.count("to"))
    throw UsageError(ErrorParts{
        .field = "--to", .reason = "it isn't said which form is wanted", .fix = "Add --to pairs or --to nyu_h5"});
  options.form = values["to"].as<std::string>();
  if (options.form != "pairs" && options.form != "nyu_h5")
    throw UsageError(
        ErrorParts{.field = "to", .value = options.form, .reason = "data is converted to pairs or nyu_h5"});
  if (values.count("size")) options.size = parse_size(values["size"].as<std::string>());
  const std::string out = required_out(values);
  const Work work{threads_of(values), on_bad_sample(values)};
  write_frames(*open_dataset(spec, {.on_bad_sample = work.on_bad_sample}), out, options, work);
}

// ---------------------------------------------------------------------------------------------------------------------

struct Action {
  const char* name;
  const char* summary;
  const char* help; ///< what it does and examples
  std::function<void(po::options_description&)> options;
  std::function<void(const po::variables_map&)> run;
};

const std::vector<Action>& actions() {
  static const std::string augment_help = [] {
    std::string text = "as training changes frames, NAME=STRENGTH,...; names:";
    for (const AugmentField& field : augment_fields()) text += std::string(" ") + field.name;
    return text;
  }();
  const auto common = [](po::options_description& o) {
    o.add_options()("threads", po::value<long>()->default_value(0), "threads that read and write; 0 = one a core");
  };
  const auto writing = [common](po::options_description& o) {
    common(o);
    o.add_options()("out", po::value<std::string>(), "the new folder; it appears when all is written")(
        "format", po::value<std::string>()->default_value("jpg"), "colour as jpg or png (pairs)")(
        "metres_per_unit", po::value<double>()->default_value(0.001, "0.001"), "step of the 16-bit depth (pairs)");
  };
  static const std::vector<Action> all = {
      {"info", "count, sizes, camera, colour and depth statistics",
       "Prints what there is to know before training: number and size of frames, the part of the pixels that has\n"
       "depth, the distribution of distances, colour mean and std (of 0 to 1), the camera where it is known.\n\n"
       "  leadline data info pairs:rgbd/train.txt\n"
       "  leadline data info nyu_h5:nyudepthv2,split=val --frames 0\n"
       "  leadline data info synthetic:count=100,seed=3\n",
       [common](po::options_description& o) {
         common(o);
         o.add_options()("frames", po::value<long>()->default_value(200),
                         "how many are looked at, evenly spread; 0 = all");
       },
       info},
      {"show", "a contact sheet of pictures and their depth",
       "Writes one picture with frames spread evenly over the data: colour beside depth, red near, violet far, black\n"
       "where there is no depth, and the scale in metres beneath.\n\n"
       "  leadline data show pairs:rgbd/train.txt --out sheet.png\n"
       "  leadline data show synthetic:seed=7 --count 24 --columns 3 --out rooms.jpg\n\n"
       "With --augment every frame has a line of its own: as it is, then as training sees it in its first epochs.\n\n"
       "  leadline data show synthetic --count 4 --augment rotation=10,scale=1.4,hue=0.1,cutout=2 --out "
       "augmented.png\n",
       [common](po::options_description& o) {
         common(o);
         o.add_options()("out", po::value<std::string>(),
                         "the sheet, .png or .jpg")("count", po::value<long>()->default_value(12), "frames")(
             "augment", po::value<std::string>()->implicit_value(""),
             augment_help.c_str())("epochs", po::value<long>()->default_value(3), "shown with --augment")(
             "columns", po::value<long>()->default_value(2),
             "frames in a row")("tile_width", po::value<long>()->default_value(240), "pixels of each picture");
       },
       show},
      {"generate", "write rendered rooms to files",
       "Renders synthetic rooms into a folder: colour, 16-bit depth in millimetres, and list.txt with the camera.\n\n"
       "  leadline data generate synthetic:seed=1 --count 500 --out rooms\n"
       "  leadline train --data.train pairs:rooms/list.txt --run.dir runs/rooms\n",
       [writing](po::options_description& o) {
         writing(o);
         o.add_options()("count", po::value<long>(), "frames, instead of count= in SPEC");
       },
       generate},
      {"convert", "turn one form of data into another",
       "Reads any data and writes it as pairs (pictures and list.txt) or nyu_h5 (one HDF5 file a frame), at another\n"
       "size if asked: colour with the triangle filter, depth by the nearest measurement, the camera accordingly.\n\n"
       "  leadline data convert nyu_mat:nyu_depth_v2_labeled.mat --to pairs --out nyu_pairs --size 240x320\n"
       "  leadline data convert pairs:rgbd/val.txt --to nyu_h5 --out rgbd_h5 --on_bad_sample skip\n",
       [writing](po::options_description& o) {
         writing(o);
         o.add_options()("to", po::value<std::string>(), "pairs or nyu_h5")("size", po::value<std::string>(),
                                                                            "HxW, such as 144x192");
       },
       convert},
  };
  return all;
}

void print_overview(std::FILE* out) {
  std::fprintf(out, "leadline data ACTION SPEC [options]\n\n");
  for (const Action& action : actions()) std::fprintf(out, "  %-9s %s\n", action.name, action.summary);
  std::fprintf(out, "\nSPEC names data by scheme:\n"
                    "  nyu_h5:DIR[,split=train|val]  NYU Depth V2 as per-frame HDF5 files\n"
                    "  nyu_mat:FILE                  nyu_depth_v2_labeled.mat\n"
                    "  pairs:LIST.txt                lines IMAGE DEPTH METRES_PER_UNIT [FX FY CX CY]\n"
                    "  synthetic:key=value,...       rendered rooms, no files needed\n"
                    "  digits                        8x8 handwritten digits\n"
                    "  ...,list=FILE                 only the frames that FILE names (nyu_h5, nyu_mat, pairs)\n"
                    "\nStart with:  leadline data show synthetic --out rooms.png\n"
                    "More on each:  leadline data ACTION --help\n");
}

int run(int argc, const char* const* argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    print_overview(name.empty() ? stderr : stdout);
    return name.empty() ? 2 : 0;
  }
  std::vector<std::string> names;
  for (const Action& action : actions()) {
    names.push_back(action.name);
    if (name != action.name) continue;
    po::options_description options("Options");
    action.options(options);
    bool help = false;
    const po::variables_map values = parse(argc, argv, options, help);
    if (help) {
      std::ostringstream text;
      text << "leadline data " << name << " SPEC [options]\n\n" << action.help << "\n" << options;
      std::printf("%s", text.str().c_str());
    } else {
      action.run(values);
    }
    return 0;
  }
  const std::string nearest = nearest_word(name, names);
  throw UsageError(ErrorParts{.field = "action",
                              .value = name,
                              .reason = "there is no such action" +
                                        (nearest.empty() ? std::string{} : "; did you mean " + nearest + "?"),
                              .fix = "leadline data --help lists them"});
}

} // namespace

int data_command(int argc, const char* const* argv) {
  try {
    return run(argc, argv);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "leadline: error: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "leadline: error: %s\n", error.what());
    return 1;
  }
}

} // namespace leadline::data
