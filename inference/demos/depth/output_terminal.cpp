// Depth in a terminal: each character is two pixels, one above the other (the upper half block in one colour on
// another), in 24-bit colours, the 256 of xterm, or as letters of different darkness.
#include "data/error.hpp"
#include "inference/demos/depth/latency.hpp"
#include "inference/demos/depth/output.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__unix__)
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace leadline::demo {

namespace {

/// The terminal's size; what isn't known stays.
void terminal_size(int* columns, int* rows) {
#if defined(__unix__)
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    *columns = size.ws_col;
    *rows = size.ws_row;
  }
#else
  (void)columns, (void)rows;
#endif
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool to_a_person() {
#if defined(__unix__)
  return ::isatty(STDOUT_FILENO) == 1;
#else
  return false;
#endif
}

/// The nearest of xterm's 6 x 6 x 6 cube (levels 0, 95, 135, ..., 255) and its 24 greys (8, 18, ..., 238).
int xterm_colour(const std::uint8_t* rgb) {
  const auto cube_index = [](int v) { return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40; };
  const auto level = [](int i) { return i == 0 ? 0 : 55 + 40 * i; };
  const int grey = std::clamp((rgb[0] + rgb[1] + rgb[2] - 9) / 30, 0, 23);
  int cube[3], cube_error = 0, grey_error = 0;
  for (int c = 0; c < 3; ++c) {
    cube[c] = cube_index(rgb[c]);
    cube_error += (rgb[c] - level(cube[c])) * (rgb[c] - level(cube[c]));
    grey_error += (rgb[c] - 8 - 10 * grey) * (rgb[c] - 8 - 10 * grey);
  }
  return grey_error < cube_error ? 232 + grey : 16 + 36 * cube[0] + 6 * cube[1] + cube[2];
}

/// From far to near: near is what one looks at, so it has most ink.
constexpr char inks[] = " .:-=+*#%@";

class Terminal final : public Output {
public:
  Terminal(TerminalColours colours, int columns, int rows, bool video)
      : colours_(colours), columns_(columns), rows_(rows), video_(video), over_(video && to_a_person()) {}

  void write(const Result& result) override {
    latency_.add(result.milliseconds);
    int columns = 80, rows = 24;
    terminal_size(&columns, &rows);
    if (columns_ > 0) columns = columns_;
    if (rows_ > 0) rows = rows_;

    // Picture and depth side by side; characters are about twice as high as wide, so two pixels each.
    const data::RgbImage picture = result.frame->rgb();
    const int half = std::max(1, (columns - 1) / 2), lines_most = std::max(4, rows - 3);
    int width = half, lines = std::max(1, half * picture.height / picture.width / 2);
    if (lines > lines_most) {
      lines = lines_most;
      width = std::clamp(2 * lines * picture.width / picture.height, std::min(8, half), half);
    }
    const data::RgbImage left = data::resized(picture, 2 * lines, width);
    const data::RgbImage depth = data::resized(
        data::colour_depth(result.depth.data(), result.height, result.width, result.range), 2 * lines, width);

    text_.clear();
    if (over_) text_ += count_ == 0 ? "\x1b[2J\x1b[?25l\x1b[H" : "\x1b[H";
    ++count_;
    for (int line = 0; line < lines; ++line) {
      blocks(left, line, std::string());
      text_ += ' ';
      blocks(depth, line, grid_numbers(result, line, lines, width));
      text_ += over_ ? "\x1b[K\n" : "\n";
    }
    std::string status = file_name(result.frame->name);
    const auto add = [&status](const char* format, auto... values) {
      char part[128];
      std::snprintf(part, sizeof part, format, values...);
      status += part;
    };
    add("   %.2f to %.2f%s   ", static_cast<double>(result.range.near), static_cast<double>(result.range.far),
        result.metric ? " m" : " (no unit)");
    if (video_ && latency_.count() > 1)
      add("%.1f frames/s   ms: %.1f median, %.1f p90, %.1f p99", latency_.frames_a_second(), latency_.percentile(0.5),
          latency_.percentile(0.9), latency_.percentile(0.99));
    else
      add("%.1f ms", result.milliseconds);
    text_ += status.substr(0, static_cast<std::size_t>(columns)); // what wraps would move the picture
    text_ += over_ ? "\x1b[K\n\x1b[J" : "\n";
    write_all(stdout, "standard output", text_.data(), text_.size());
  }
  void finish() override {
    if (over_ && count_ > 0) write_all(stdout, "standard output", "\x1b[?25h", 6);
  }
  ~Terminal() override {
    if (over_ && count_ > 0) std::fputs("\x1b[?25h", stdout), std::fflush(stdout);
  }
  bool takes_stdout() const override { return true; }

private:
  /// One line of characters; where `over` has one that isn't a blank, it is written over the picture.
  void blocks(const data::RgbImage& image, int line, const std::string& over) {
    char code[64];
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t *upper = image.pixel(2 * line, x), *lower = image.pixel(2 * line + 1, x);
      const char letter = static_cast<std::size_t>(x) < over.size() ? over[static_cast<std::size_t>(x)] : ' ';
      if (colours_ == TerminalColours::ascii) {
        const int light = (2 * (upper[0] + lower[0]) + 5 * (upper[1] + lower[1]) + (upper[2] + lower[2])) / 16;
        text_ += letter != ' ' ? letter : inks[light * 9 / 255];
        continue;
      }
      if (letter != ' ')
        std::snprintf(code, sizeof code, "\x1b[38;5;16;48;5;231m%c", letter); // black on white
      else if (colours_ == TerminalColours::truecolour)
        std::snprintf(code, sizeof code, "\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm\xe2\x96\x80", upper[0], upper[1], upper[2],
                      lower[0], lower[1], lower[2]);
      else
        std::snprintf(code, sizeof code, "\x1b[38;5;%d;48;5;%dm\xe2\x96\x80", xterm_colour(upper), xterm_colour(lower));
      text_ += code;
    }
    if (colours_ != TerminalColours::ascii) text_ += "\x1b[0m";
  }

  /// Numbers in the middle of the cells of a grid of 3 rows and as many columns as there is room for; empty for lines
  /// between.
  static std::string grid_numbers(const Result& result, int line, int lines, int width) {
    constexpr int grid_rows = 3, room = 10;
    const int grid_columns = std::clamp(width / room, 1, 5);
    std::string numbers;
    for (int row = 0; row < grid_rows; ++row) {
      if (lines < grid_rows || line != (2 * row + 1) * lines / (2 * grid_rows)) continue;
      numbers.assign(static_cast<std::size_t>(width), ' ');
      for (int column = 0; column < grid_columns; ++column) {
        const auto y = static_cast<std::size_t>((2 * row + 1) * result.height / (2 * grid_rows)),
                   x = static_cast<std::size_t>((2 * column + 1) * result.width / (2 * grid_columns));
        const float d = result.depth[y * static_cast<std::size_t>(result.width) + x];
        char number[24];
        const int size = std::snprintf(number, sizeof number, d > 0 ? (result.metric ? "%.2fm" : "%.2f") : "none",
                                       static_cast<double>(d));
        const int begin = (2 * column + 1) * width / (2 * grid_columns) - size / 2;
        for (int i = 0, at = begin; i < size; ++i, ++at)
          if (at >= 0 && at < width) numbers[static_cast<std::size_t>(at)] = number[i];
      }
    }
    return numbers;
  }

  TerminalColours colours_;
  int columns_, rows_;
  bool video_, over_; ///< over_: each frame is drawn over the one before
  long long count_ = 0;
  Latency latency_;
  std::string text_;
};

bool mentions(const char* variable, const char* word) {
  const char* value = std::getenv(variable);
  return value && std::strstr(value, word);
}

} // namespace

TerminalColours terminal_colours(const std::string& choice) {
  if (choice == "true") return TerminalColours::truecolour;
  if (choice == "256") return TerminalColours::ansi256;
  if (choice == "ascii") return TerminalColours::ascii;
  if (!choice.empty())
    throw Error({.field = "--colours",
                 .value = choice,
                 .reason = "a terminal has no such colours",
                 .fix = "Write true (24 bits), 256 or ascii (letters)"});
  const char* locale = nullptr;
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"})
    if ((locale = std::getenv(variable)) && *locale) break;
  std::string charset = locale ? locale : "";
  for (char& c : charset) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool blocks = charset.find("utf-8") != std::string::npos || charset.find("utf8") != std::string::npos;
  const char* none = std::getenv("NO_COLOR");
  if (!blocks || (none && *none) || mentions("TERM", "dumb")) return TerminalColours::ascii;
  if (mentions("COLORTERM", "truecolor") || mentions("COLORTERM", "24bit")) return TerminalColours::truecolour;
  return mentions("TERM", "256") ? TerminalColours::ansi256 : TerminalColours::ascii;
}

std::unique_ptr<Output> show_in_terminal(TerminalColours colours, int columns, int rows, bool video) {
  return std::make_unique<Terminal>(colours, columns, rows, video);
}

} // namespace leadline::demo
