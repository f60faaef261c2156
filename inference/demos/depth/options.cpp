#include "inference/demos/depth/options.hpp"

#include "data/error.hpp"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

namespace leadline::demo {

namespace fs = std::filesystem;

const char* const help_text = R"(leadline-depth MODEL INPUT... [options]      depth of pictures, videos and cameras
leadline-depth bench MODEL... [options]      how fast models are on this machine
leadline-depth self-test MODEL...            does this machine reproduce the models' own answers?

MODEL is a model.lead, from `leadline export` or inference/demos/models. INPUT is one of

  kitchen.jpg photos    pictures (JPEG, PNG), and folders of them
  -  or  movie.y4m      a video as YUV4MPEG2, from a pipe or a file: ffmpeg -i VIDEO -f yuv4mpegpipe - | leadline-depth ...
  -  with --raw FORMAT  raw frames one after the other, e.g. --raw rgb24:640x480@30
  /dev/video0           a camera (Linux)

Results go to one or both of
  --out DIR             for each picture or frame NAME_depth.png (16 bits, millimetres; 0 = none) and NAME_colour.png,
                        the picture beside its depth in colours; NAME_relative.png (16 bits, no unit) instead where the
                        network is in doubt
  --out FILE.y4m, -     a video of the depth in colours; - is standard output: ... --out - | ffplay -
  --view                this terminal: picture, depth, and metres on a grid
and without --view, pictures' nearest, median and farthest depth and the time that it took are printed.

What is written
  --format KINDS        files of --out DIR, with commas between: png,colour (default), pfm (32-bit metres), ply (points),
                        doubt (white where the network is sure)
  --size WHICH          size of the depth: `input` (default), as the picture, or `network`, as the network answers
  --range MIN,MAX       metres at the two ends of the colours (default: what is in the picture, or the video so far)
  --colours WHICH       of --view: true (24 bits), 256 or ascii (default: what the terminal says that it can)
  --columns N, --rows N size of --view in characters (default: the terminal's)

What is read
  --raw FORMAT          PIXELS:WIDTHxHEIGHT[@FPS]; pixels as ffmpeg names them: rgb24, bgr24, rgba, bgra, gray, nv12,
                        nv21, yuyv422, yuv420p, yuv422p, yuv444p
  --camera-size WxH     asked of the camera (640x480)
  --frames N            end after so many frames
  --fov DEGREES         angle across the picture, if you know it: metres are then right for this camera
  --steady on|off       hold a video's depth steady (on)
  --doubt X             beyond this doubt (0 to 2) depth is called relative, without metres: the network says something
                        else of the mirror image, or its habit whatever it is shown (0.60; 0: never ask; costs two more
                        runs for pictures and for each 30th frame)

How
  --threads N           threads for the network, 1 to 64 (default: all cores); the result is the same for any number
  --isa NAME            kernels for this level of the CPU (default: LEADLINE_ISA, else the best): x86-64-v3, ...
  --runs N              of bench (20)
  --self-test           first prove that this machine reproduces the answer stored in the model
  --info                print what the model is, where it comes from and what it costs; needs no INPUT
  --version             print the version
  --help                print this

Examples
  leadline-depth model.lead kitchen.jpg --out depth
  leadline-depth model.lead photos --out depth --format pfm,ply --range 0.5,8
  leadline-depth model.lead /dev/video0 --view
  ffmpeg -i walk.mp4 -f yuv4mpegpipe - | leadline-depth model.lead - --out - | ffmpeg -i - depth.mp4
  leadline-depth bench model.lead --threads 4

Ctrl-C ends a video or camera after the frame under way.
Exit status: 0 all went well, 1 something failed (the other pictures are still done), 2 wrong use.
)";

namespace {

float parse_metres(const std::string& text, const std::string& whole) {
  char* end = nullptr;
  const float value = std::strtof(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value))
    throw UsageError("--range is \"" + whole + "\"; give two distances in metres, e.g. --range 0.5,8");
  return value;
}

data::DepthRange parse_range(const std::string& text) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos) parse_metres("", text);
  const data::DepthRange range{parse_metres(text.substr(0, comma), text), parse_metres(text.substr(comma + 1), text)};
  if (!(range.near >= 0 && range.near < range.far))
    throw UsageError("--range is \"" + text + "\"; the first distance must be at least 0 and below the second");
  return range;
}

long parse_count(const std::string& option, const std::string& text, long low, long high) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < low || value > high)
    throw UsageError(option + " is \"" + text + "\"; it must be a number from " + std::to_string(low) + " to " +
                     std::to_string(high));
  return value;
}

float parse_number(const std::string& option, const std::string& text, float low, float high) {
  char* end = nullptr;
  const float value = std::strtof(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= low && value <= high))
    throw UsageError(option + " is \"" + text + "\"; it must be a number from " + std::to_string(std::lround(low)) +
                     " to " + std::to_string(std::lround(high)));
  return value;
}

/// What other files parse, as wrong use.
template <class Parse> auto parsed(const Parse& parse) {
  try {
    return parse();
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

/// No result may replace another one or a picture that was given.
void check_collisions(const Options& options) {
  std::set<std::string> taken, pictures;
  for (const std::string& image : options.inputs) pictures.insert(fs::absolute(image).lexically_normal().string());
  for (const std::string& image : options.inputs)
    for (const std::string& file : output_names(image, options.out, options.kinds)) {
      if (!taken.insert(file).second)
        throw UsageError("two pictures would both be written to " + file +
                         "; run them separately, with different folders after --out");
      if (pictures.count(fs::absolute(file).lexically_normal().string()) != 0)
        throw UsageError(std::string("the result for ")
                             .append(image)
                             .append(" would replace the picture ")
                             .append(file)
                             .append("; choose another folder after --out"));
    }
}

/// A video that is written over an input would be empty before its first frame is read.
void check_video_out(const Options& options) {
  for (const std::string& input : options.inputs) {
    std::error_code error; // neither need be there
    if (options.out != "-" && fs::equivalent(input, options.out, error))
      throw UsageError("--out " + options.out + " is the input " + input + " itself; name another file");
  }
}

void check_whole(Options& options, std::vector<std::string> words) {
  if (words.empty()) throw UsageError("no model file was named; `leadline-depth --help` explains the use");
  if (options.command != Options::Command::estimate) {
    options.models = std::move(words);
    return;
  }
  options.models = {words[0]};
  options.inputs.assign(words.begin() + 1, words.end());
  if (options.inputs.empty() && !options.info && !options.self_test)
    throw UsageError("no picture was named; give the model file first, then pictures: leadline-depth " + words[0] +
                     " kitchen.jpg --out depth");
  if (options.inputs.empty()) return;
  if (options.out.empty() && !options.view)
    throw UsageError("--out is missing: say where the depth pictures go, e.g. --out depth, or --view to see them here");
  if (options.reads_video()) {
    if (options.raw && options.inputs.size() != 1)
      throw UsageError("--raw says how one file or pipe is stored, but " + std::to_string(options.inputs.size()) +
                       " inputs were named");
  } else {
    for (const std::string& input : options.inputs)
      if (Options::names_video(input)) throw UsageError("a video (" + input + ") is read alone, without other inputs");
    options.inputs = parsed([&] { return expand_folders(options.inputs); });
    if (!options.out.empty() && !options.writes_video()) check_collisions(options);
  }
  if (options.writes_video()) check_video_out(options);
  if (options.view && options.writes_video() && options.out == "-")
    throw UsageError("--view and --out - both want standard output; write the video to a file instead");
}

} // namespace

bool Options::names_video(const std::string& input) { return input == "-" || fs::path(input).extension() == ".y4m"; }

bool Options::is_stream(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return !error && (fs::is_character_file(status) || fs::is_fifo(status));
}

bool Options::is_camera() const {
  std::error_code error;
  return inputs.size() == 1 && (inputs[0].rfind("/dev/video", 0) == 0 || fs::is_character_file(inputs[0], error));
}

Options parse_options(int argc, char** argv) {
  Options options;
  std::vector<std::string> words;
  std::string colours;
  bool only_words = false;
  int i = 1;
  if (argc > 1 && std::string(argv[1]) == "bench") options.command = Options::Command::bench, ++i;
  if (argc > 1 && std::string(argv[1]) == "self-test") options.command = Options::Command::self_test, ++i;
  for (; i < argc; ++i) {
    std::string argument = argv[i], value;
    if (only_words || argument.size() < 2 || argument[0] != '-') {
      words.push_back(argument);
      continue;
    }
    if (argument == "--") {
      only_words = true;
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
    const auto take_count = [&](long low, long high) {
      return parse_count(argument, take_value("a number"), low, high);
    };
    if (argument == "--out" || argument == "-o") {
      options.out = take_value("a folder");
    } else if (argument == "--format") {
      options.kinds = parsed([&] { return parse_file_kinds(take_value("kinds of files, e.g. png,ply,")); });
    } else if (argument == "--size") {
      if (take_value("`input` or `network`") != "input" && value != "network")
        throw UsageError("--size is \"" + value + "\"; it must be `input` or `network`");
      options.network_size = value == "network";
    } else if (argument == "--steady") {
      if (take_value("`on` or `off`") != "on" && value != "off")
        throw UsageError("--steady is \"" + value + "\"; it must be `on` or `off`");
      options.steady = value == "on";
    } else if (argument == "--range") {
      options.range = parse_range(take_value("two distances, e.g. 0.5,8,"));
    } else if (argument == "--raw") {
      options.raw = parsed([&] { return parse_raw_format(take_value("a format, e.g. rgb24:640x480,")); });
    } else if (argument == "--camera-size") {
      const RawFormat size = parsed([&] { return parse_raw_format("gray:" + take_value("a size, e.g. 640x480,")); });
      options.camera_width = size.width;
      options.camera_height = size.height;
    } else if (argument == "--frames") {
      options.frames = take_count(1, 1000000000);
    } else if (argument == "--columns") {
      options.columns = static_cast<int>(take_count(20, 1000));
    } else if (argument == "--rows") {
      options.rows = static_cast<int>(take_count(8, 1000));
    } else if (argument == "--runs") {
      options.runs = static_cast<int>(take_count(1, 100000));
    } else if (argument == "--colours") {
      colours = take_value("true, 256 or ascii");
      if (colours.empty()) throw UsageError("--colours needs true, 256 or ascii after it");
    } else if (argument == "--fov") {
      options.fov = parse_number(argument, take_value("an angle in degrees"), 5, 170);
    } else if (argument == "--doubt") {
      options.doubt = parse_number(argument, take_value("a number"), 0, 2);
    } else if (argument == "--threads") {
      options.threads = static_cast<int>(take_count(1, 64));
    } else if (argument == "--isa") {
      options.isa = take_value("a level of the CPU, e.g. x86-64-v3,");
    } else if (argument == "--self-test" || argument == "--info" || argument == "--view") {
      if (attached) throw UsageError(argument + " takes no value");
      (argument == "--info" ? options.info : argument == "--view" ? options.view : options.self_test) = true;
    } else {
      throw UsageError("there is no option " + argument + "; `leadline-depth --help` lists them");
    }
  }
  options.colours = parsed([&] { return terminal_colours(colours); });
  if (const char* isa = std::getenv("LEADLINE_ISA"); isa && options.isa.empty()) options.isa = isa;
  check_whole(options, std::move(words));
  return options;
}

} // namespace leadline::demo
