// leadline predict
#include "data/depth_filters.hpp"
#include "data/picture.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

namespace leadline::trainer {

namespace {

namespace fs = std::filesystem;

constexpr const char* predict_help =
    R"(leadline predict RUN|CHECKPOINT|MODEL.lead INPUT... --out DIR: depth of pictures. INPUT is a picture, a folder of
pictures, or data as `leadline data --help` has it. DIR gets, for each of the formats asked for:

  png16    NAME_depth.png    16-bit grey, millimetres, 0 = none      npy   NAME_depth.npy   float32 [H, W], metres
  colour   NAME_colour.png   picture beside depth, with a scale      pfm   NAME_depth.pfm   float map, metres
  ply      NAME.ply          coloured points, metres, by the camera

  leadline predict runs/office photos --out depth
  leadline predict office.lead kitchen.jpg --out depth --format colour,ply --fov 66
  leadline predict runs/office pairs:val.txt --out depth --filter median:1,guided:8:0.001 --flip
)";

/// A picture to be answered.
struct Input {
  std::string name;                   ///< results are called after it
  std::function<data::Sample()> load; ///< depth may be empty
};

data::Sample picture_file(const std::string& file) {
  data::RgbImage image = data::read_rgb(file);
  data::Sample sample;
  sample.height = image.height;
  sample.width = image.width;
  sample.rgb = std::move(image.rgb);
  sample.name = file;
  return sample;
}

bool is_picture(const fs::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

std::vector<Input> inputs_of(const std::vector<std::string>& arguments) {
  std::vector<Input> inputs;
  const auto add_file = [&](const fs::path& file) {
    inputs.push_back({file.stem().string(), [file] { return picture_file(file.string()); }});
  };
  for (const std::string& argument : arguments) {
    if (fs::is_directory(argument)) {
      std::vector<fs::path> files;
      for (const fs::directory_entry& entry : fs::directory_iterator(argument))
        if (entry.is_regular_file() && is_picture(entry.path())) files.push_back(entry.path());
      if (files.empty())
        throw Error({.file = argument, .field = "INPUT", .reason = "this folder has no .png or .jpg picture"});
      std::sort(files.begin(), files.end());
      for (const fs::path& file : files) add_file(file);
    } else if (fs::exists(argument) || argument.find(':') == std::string::npos) {
      add_file(argument);
    } else {
      const data::DatasetPtr frames = data::open_dataset(argument);
      const std::vector<std::string> keys = frame_keys(*frames);
      for (size_t i = 0; i < frames->size(); ++i) {
        std::string name = keys[i];
        std::replace_if(
            name.begin(), name.end(),
            [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '_' && c != '.'; }, '_');
        inputs.push_back({name, [frames, i] { return frames->load(i); }});
      }
    }
  }
  std::set<std::string> names;
  for (Input& input : inputs) // two folders may have a 0001.png each
    for (int copy = 2; !names.insert(input.name).second; ++copy)
      input.name = input.name.substr(0, input.name.rfind('~')) + "~" + std::to_string(copy);
  return inputs;
}

constexpr const char* formats[] = {"png16", "npy", "pfm", "colour", "ply"};

/// The camera of a picture: its own, else what the options say, else that of the training pictures.
Intrinsics camera_of(const data::Sample& sample, const Settings& options, const Predictor& network) {
  if (!options.text("camera").empty()) {
    const std::vector<double> k = options.reals("camera", 4);
    if (!(k[0] > 0 && k[1] > 0))
      options.fail("camera", "focal lengths are above 0", "Use fx, fy, cx, cy in pixels of the picture");
    return {static_cast<float>(k[0]), static_cast<float>(k[1]), static_cast<float>(k[2]), static_cast<float>(k[3])};
  }
  const auto centred = [&](double fx, double fy) -> Intrinsics {
    return {static_cast<float>(fx), static_cast<float>(fy), static_cast<float>(sample.width - 1) / 2,
            static_cast<float>(sample.height - 1) / 2};
  };
  if (!options.text("fov").empty()) {
    const double f = sample.width / 2.0 / std::tan(options.real("fov", 1, 179) * 3.14159265358979323846 / 360);
    return centred(f, f);
  }
  if (sample.intrinsics.known()) return sample.intrinsics;
  if (network.focal_x > 0) {
    const CropWindow window = crop_window(network.crop, sample.height, sample.width, network.height, network.width);
    return centred(network.focal_x * window.width / network.width, network.focal_y * window.height / network.height);
  }
  throw Error({.file = sample.name,
               .field = "camera",
               .reason = "a point cloud needs one, and neither the picture nor the network says which",
               .fix = "Add --fov DEGREES (horizontal; phones have about 65) or --camera fx,fy,cx,cy"});
}

struct PredictSettings {
  fs::path out;
  std::set<std::string> formats;
  std::string filter;
  bool flip = false, network_size = false;
  std::vector<double> range; ///< empty: that of each picture
};

/// Everything for one picture; returns its line.
std::string predict_one(Predictor& network, const Input& input, const Settings& options, const PredictSettings& s) {
  const data::Sample sample = input.load();
  const ImageView8 picture = packed_image(sample.rgb.data(), sample.height, sample.width);
  const auto start = std::chrono::steady_clock::now();
  PlacedDepth placed = s.flip ? network.predict_flip_mean(picture) : network.predict(picture);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const CropWindow& window = placed.window;
  data::RgbImage image(sample.height, sample.width);
  image.rgb = sample.rgb;
  data::DepthMap depth;
  if (s.network_size) {
    data::RgbImage seen(window.height, window.width);
    data::paste(seen, image, -window.x, -window.y);
    image = data::resized(seen, network.height, network.width);
    depth = std::move(placed.depth);
  } else {
    depth = placed.on_picture(sample.height, sample.width);
  }
  depth = data::filter_depth(s.filter, image, std::move(depth));

  std::vector<float> valid;
  std::copy_if(depth.metres.begin(), depth.metres.end(), std::back_inserter(valid), depth_is_valid);
  if (valid.empty())
    throw Error({.file = sample.name, .reason = "the network's answer has no valid depth", .fix = "Look at the run"});
  std::sort(valid.begin(), valid.end());

  const std::string base = (s.out / input.name).string();
  if (s.formats.count("png16"))
    data::write_depth_png(base + "_depth.png", depth.height, depth.width, depth.metres.data());
  if (s.formats.count("npy"))
    data::write_npy(base + "_depth.npy", {static_cast<size_t>(depth.height), static_cast<size_t>(depth.width)},
                    depth.metres.data());
  if (s.formats.count("pfm")) data::write_pfm(base + "_depth.pfm", depth);
  if (s.formats.count("colour")) {
    const data::DepthRange range =
        s.range.empty() ? data::depth_range(depth.metres.data(), depth.metres.size())
                        : data::DepthRange{static_cast<float>(s.range[0]), static_cast<float>(s.range[1])};
    const data::RgbImage colours = data::colour_depth(depth.metres.data(), depth.height, depth.width, range);
    const data::RgbImage both = data::side_by_side({image, colours});
    data::write_png(base + "_colour.png",
                    data::stacked({both, data::metre_scale(both.width, range, both.width > 1000 ? 2 : 1)}));
  }
  if (s.formats.count("ply")) {
    Intrinsics camera = camera_of(sample, options, network);
    if (s.network_size) camera = adjust_intrinsics(camera, window, network.height, network.width);
    data::write_ply(base + ".ply", image, depth, camera);
  }
  return input.name + ": " + decimals(static_cast<double>(valid.front()), 2) + " to " +
         decimals(static_cast<double>(valid.back()), 2) + " m, median " +
         decimals(static_cast<double>(valid[valid.size() / 2]), 2) + " m, " + decimals(1000 * seconds, 1) + " ms";
}

} // namespace

int predict_command(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups{
      {"Options",
       {{"out", "", "folder for the results; made if it isn't there"},
        {"format", "png16,colour", "which results: png16, npy, pfm, colour, ply, with commas between"},
        {"size", "input", "of the results: as the picture, or as the network answers", {"input", "network"}},
        {"filter", "",
         "smoothing, one after the other: median:RADIUS, bilateral:PIXELS:PART_OF_DEPTH, guided:RADIUS:EPS"},
        {"flip", "", "the mean of what the network says about the picture and its mirror image", {}, true},
        {"range", "", "metres at the two ends of the colours, MIN,MAX; empty: what is in the picture"},
        {"camera", "", "fx,fy,cx,cy of the pictures in pixels, for ply"},
        {"fov", "", "horizontal angle of view in degrees, for ply, where the camera isn't known better"},
        checkpoint_option,
        threads_option,
        help_option}}};
  Settings options;
  std::string path;
  std::vector<std::string> pictures;
  if (!read_command("leadline predict", predict_help, groups, arguments, "RUN", &options, &path, &pictures)) return 0;
  if (pictures.empty())
    throw Error({.file = "leadline predict",
                 .field = "INPUT",
                 .reason = "is missing",
                 .fix = "Name pictures, folders or data after " + path});
  PredictSettings s;
  s.out = options.required("out");
  s.filter = options.text("filter");
  data::filter_depth(s.filter, data::RgbImage(1, 1), {1, 1, {1.0f}}); // refuses wrong ones before any work
  s.flip = options.given("flip");
  s.network_size = options.text("size") == "network";
  if (!options.text("range").empty()) {
    s.range = options.reals("range", 2);
    if (!(s.range[0] >= 0 && s.range[0] < s.range[1]))
      options.fail("range", "the first distance must be at least 0 and below the second", "e.g. 0.5,8");
  }
  options.required("format");
  for (const std::string& format : options.list("format")) {
    if (std::find(std::begin(formats), std::end(formats), format) == std::end(formats))
      options.fail("format", "there is no format \"" + format + "\"", "Known: png16, npy, pfm, colour, ply");
    s.formats.insert(format);
  }
  const std::vector<Input> inputs = inputs_of(pictures);
  const int threads = static_cast<int>(options.integer("threads", 0, 4096));
  const Compute compute(threads);
  const std::unique_ptr<Predictor> network = open_predictor(path, options.text("checkpoint") == "best", threads);
  std::error_code error;
  fs::create_directories(s.out, error);
  if (error) throw Error({.file = s.out.string(), .reason = "the folder can't be made (" + error.message() + ")"});
  for (const Input& input : inputs) std::printf("%s\n", predict_one(*network, input, options, s).c_str());
  return 0;
}

} // namespace leadline::trainer
