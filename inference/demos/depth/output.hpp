// Where depth goes. Each kind of output is one file: output_files.cpp, output_y4m.cpp, output_terminal.cpp.
// All throw leadline::Error; a full disk and a closed pipe are such errors, too.
#pragma once

#include "inference/demos/depth/result.hpp"

#include <memory>
#include <string>
#include <vector>

namespace leadline::demo {

class Output {
public:
  virtual ~Output() = default;
  virtual void write(const Result& result) = 0;
  /// After the last one: what was held back is written.
  virtual void finish() {}
  /// Whether it prints on standard output, so that nothing else may.
  virtual bool takes_stdout() const { return false; }
};

/// NAME_depth.png, NAME_colour.png, NAME_depth.pfm, NAME_points.ply, NAME_doubt.png in a folder. A doubted result's
/// are NAME_relative.png and NAME_relative.pfm, so that no file of that name holds anything but metres.
struct FileKinds {
  bool png = true, colour = true, pfm = false, ply = false, doubt = false;
};
/// "png,colour,pfm,ply,doubt"; throws leadline::Error.
FileKinds parse_file_kinds(const std::string& text);
/// Files of a picture in that folder, doubted or not.
std::vector<std::string> output_names(const std::string& picture, const std::string& folder, const FileKinds& kinds);
std::unique_ptr<Output> write_files(const std::string& folder, const FileKinds& kinds);

/// A YUV4MPEG2 video, 4:4:4, of the depth in colours; "-": on standard output. `rate` frames a second as a fraction.
std::unique_ptr<Output> write_y4m(const std::string& file, int rate_numerator, int rate_denominator);

/// What a terminal can show.
enum class TerminalColours { truecolour, ansi256, ascii };
/// From `--colours` (empty: found out from COLORTERM, TERM, NO_COLOR and the locale).
TerminalColours terminal_colours(const std::string& choice);
/// Picture and depth in blocks of `columns` x `rows` characters (0: the terminal's), metres under a grid, frames a
/// second and latencies beneath. Frames of a video are drawn over each other where standard output is a terminal.
std::unique_ptr<Output> show_in_terminal(TerminalColours colours, int columns, int rows, bool video);

/// The picture beside its depth in colours, with a scale in metres; brought to a size for looking at.
data::RgbImage overview(const Result& result);

/// fwrite and fflush with an error that says what the system says. `name` is what messages call the stream.
void write_all(std::FILE* stream, const std::string& name, const void* bytes, std::size_t size);

} // namespace leadline::demo
