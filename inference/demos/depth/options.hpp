// The command line of leadline-depth.
#pragma once

#include "inference/demos/depth/input.hpp"
#include "inference/demos/depth/output.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace leadline::demo {

/// Wrong use of the command line.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

extern const char* const help_text;

struct Options {
  enum class Command { estimate, bench, self_test };
  Command command = Command::estimate;
  std::vector<std::string> models; ///< estimate: one
  std::vector<std::string> inputs; ///< pictures with folders replaced by what is in them; or one video or camera

  std::string out;
  FileKinds kinds;
  bool view = false;
  TerminalColours colours = TerminalColours::ascii;
  int columns = 0, rows = 0; ///< of the terminal; 0: found out
  bool network_size = false;
  std::optional<data::DepthRange> range;
  std::optional<RawFormat> raw;
  int camera_width = 640, camera_height = 480;
  long frames = 0;             ///< 0: all
  bool steady = true;          ///< videos: the stabiliser
  float fov = 0;               ///< degrees across the picture; 0: not known
  float doubt = default_doubt; ///< doubt (doubt.hpp) beyond which depth has no metres; 0: not asked

  int threads = 0; ///< 0: all cores
  std::string isa; ///< empty: the best
  int runs = 20;   ///< of bench
  bool self_test = false, info = false;

  /// Chosen so that it keeps the demo model's validation pictures (inference/demos/models/CARD.md).
  static constexpr float default_doubt = 0.6f;

  bool reads_video() const { return raw || (inputs.size() == 1 && (is_camera() || names_video(inputs[0]))); }
  bool is_camera() const;
  static bool names_video(const std::string& input); ///< "-" or *.y4m
  /// Whether --out is a video and not a folder.
  bool writes_video() const { return out == "-" || names_video(out) || is_stream(out); }
  static bool is_stream(const std::string& path); ///< a pipe or a device
};

/// Throws UsageError.
Options parse_options(int argc, char** argv);

} // namespace leadline::demo
