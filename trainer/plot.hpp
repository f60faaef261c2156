// Charts as SVG text: lines or points over linear or logarithmic axes. The text needs nothing from outside, so that it
// can be a file of its own or a part of an HTML page; it follows the reader's light or dark mode.
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace leadline::trainer {

struct Axis {
  std::string title;
  std::string unit{}; ///< "m", "images/s"; shown in brackets after the title; empty: a pure number
  bool log = false;   ///< points whose coordinate isn't above 0 are left out
  double min = std::numeric_limits<double>::quiet_NaN(); ///< NaN: as the points need; what lies outside is cut off
  double max = std::numeric_limits<double>::quiet_NaN();
};

enum class Mark { line, points, line_and_points };

/// A series' points in the order in which the line goes through them. Points with a coordinate that isn't finite are
/// left out, and the line has a gap there.
struct Series {
  std::string name{}; ///< in the legend; empty: not there
  std::vector<double> x{}, y{};
  std::vector<double> low{}, high{}; ///< a band around the line (mean - deviation, mean + deviation); empty: none
  Mark mark = Mark::line;
  int colour = -1; ///< number in the palette; -1: the series' own number. Series of one colour belong together
  bool dashed = false;
};

/// A thin vertical line at `x` with a word at its top: a chosen learning rate, the best epoch.
struct PlotMarker {
  double x = 0;
  std::string text;
};

struct Plot {
  std::string title;
  Axis x, y;
  std::vector<Series> series{};
  std::vector<PlotMarker> markers{};
  int width = 720, height = 420; ///< CSS pixels, legend excluded; at least 240 x 160 are used
};

/// The chart as one <svg> element. Total: without any point it shows empty axes and says so. Colours are those of
/// M. Okabe and K. Ito (Color Universal Design, 2008), which colour-blind people tell apart, made brighter for dark
/// mode; from the eighth series on, dashes tell them apart as well.
/// Throws std::logic_error if a series' vectors differ in length.
std::string svg(const Plot& plot);

/// Writes svg(plot) as a file that appears whole or not at all. Throws leadline::Error.
void write_svg(const std::string& file, const Plot& plot);

/// Round numbers within [min, max], about `wanted` of them: multiples of 1, 2 or 5 times a power of ten; with `log`
/// powers of ten, with their 2 and 5 times if those are few. Empty if the bounds aren't finite or in order.
std::vector<double> ticks(double min, double max, int wanted, bool log);

/// Tick values as texts: no more decimals than tell them apart; very large or small ones as 2e-05.
std::vector<std::string> tick_labels(const std::vector<double>& values);

} // namespace leadline::trainer
