#include "trainer/plot.hpp"

#include "data/image_io.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace leadline::trainer {

namespace {

struct Colours {
  const char *light, *dark;
};
constexpr Colours palette[] = {{"#0072b2", "#4fb0ea"}, {"#d55e00", "#ff8a3d"}, {"#009e73", "#2fcf9f"},
                               {"#cc79a7", "#ec9fcb"}, {"#a87900", "#f2b632"}, {"#5b6470", "#b4bdc9"},
                               {"#2a9fd8", "#8fd3f7"}};
constexpr int num_colours = sizeof palette / sizeof palette[0];
constexpr const char* dashes[] = {"", "7 4", "2 3", "9 3 2 3"};

/// Attributes say the light colours, so that renderers without CSS have them; the style sheet turns them dark.
std::string style_sheet() {
  std::string dark = ".ll-paper{fill:#16191f}.ll-ink{fill:#e4e7ec}.ll-soft{fill:#a5adba}.ll-grid{stroke:#2f353f}"
                     ".ll-axis{stroke:#79828f}.ll-halo{stroke:#16191f}";
  for (int i = 0; i < num_colours; ++i) {
    const std::string number = std::to_string(i), colour = palette[i].dark;
    dark += ".ll-s" + number + "{stroke:" + colour + "}.ll-f" + number + "{fill:" + colour + "}";
  }
  return "<style>@media (prefers-color-scheme:dark){" + dark + "}</style>";
}

/// Coordinates in the picture, a hundredth of a pixel exactly.
std::string px(double value) {
  std::string text = decimals(value, 2);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

/// About as wide as a sans-serif font sets it; digits and capitals are wider than most small letters.
double text_width(const std::string& text, double size) {
  double width = 0;
  for (const char c : text)
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) // continuation bytes of UTF-8 have no width
      width += std::string("iljt.,:;|!'() ").find(c) != std::string::npos ? 0.38 : c >= 'A' && c <= 'Z' ? 0.76 : 0.64;
  return width * size;
}

std::string text_at(double x, double y, const char* anchor, const char* ink, const std::string& text,
                    const std::string& more = "") {
  const char* colour = std::string(ink).rfind("ll-ink", 0) == 0 ? "#1b1f26" : "#59616e";
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" text-anchor=\"" + anchor + "\" class=\"" + ink + "\" fill=\"" +
         colour + "\"" + more + ">" + markup(text) + "</text>";
}

std::string line_at(double x1, double y1, double x2, double y2, const char* kind, const char* colour) {
  return "<line x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) + "\" class=\"" +
         kind + "\" stroke=\"" + colour + "\"/>";
}

/// Values of one axis to [0, 1].
struct Scale {
  bool log = false;
  double min = 0, max = 1; ///< of log10 of the values, if log

  bool shows(double value) const { return std::isfinite(value) && (!log || value > 0); }
  double at(double value) const { return ((log ? std::log10(value) : value) - min) / (max - min); }
  double low() const { return log ? std::pow(10, min) : min; }
  double high() const { return log ? std::pow(10, max) : max; }
};

/// Holds all values that can be shown, with a little air around them.
Scale scale_of(const Axis& axis, const std::vector<double>& values) {
  Scale scale{axis.log, INFINITY, -INFINITY};
  for (const double value : values)
    if (scale.shows(value)) {
      const double v = axis.log ? std::log10(value) : value;
      scale.min = std::min(scale.min, v);
      scale.max = std::max(scale.max, v);
    }
  if (!(scale.min <= scale.max)) {
    scale.min = 0;
    scale.max = 1;
  }
  double air = (scale.max - scale.min) * 0.03;
  if (!(air > 1e-9 * std::max(std::abs(scale.min), std::abs(scale.max)))) // one value only
    air = axis.log ? 0.5 : scale.max == 0 ? 1 : 0.1 * std::abs(scale.max);
  const bool from_zero = !axis.log && scale.min >= 0 && scale.min <= air; // don't begin just below 0
  scale.min = from_zero ? 0 : scale.min - air;
  scale.max += air;
  const auto given = [&](double value, double* bound) {
    if (scale.shows(value)) *bound = axis.log ? std::log10(value) : value;
  };
  given(axis.min, &scale.min);
  given(axis.max, &scale.max);
  if (!(scale.min < scale.max)) scale.max = scale.min + 1;
  return scale;
}

struct Point {
  double x, y;
};

std::string coordinates(const std::vector<Point>& points) {
  std::string text;
  for (const Point& p : points) text += (text.empty() ? "" : " ") + px(p.x) + "," + px(p.y);
  return text;
}

/// A line of more points than pixels: of each half pixel its first, lowest, highest and last point, so that no spike
/// is lost and the file stays small.
std::vector<Point> thinned(const std::vector<Point>& points, double width) {
  if (static_cast<double>(points.size()) <= 4 * width) return points;
  std::vector<Point> kept;
  for (size_t i = 0; i < points.size();) {
    const double column = std::floor(2 * points[i].x);
    size_t end = i, low = i, high = i;
    for (; end < points.size() && std::floor(2 * points[end].x) == column; ++end) {
      if (points[end].y < points[low].y) low = end;
      if (points[end].y > points[high].y) high = end;
    }
    std::vector<size_t> chosen{i, std::min(low, high), std::max(low, high), end - 1};
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    for (const size_t k : chosen) kept.push_back(points[k]);
    i = end;
  }
  return kept;
}

/// The drawing of one chart: the frame's place, and the two scales.
struct Canvas {
  double left = 0, top = 0, width = 0, height = 0;
  Scale x, y;

  Point at(double vx, double vy) const { return {left + x.at(vx) * width, top + (1 - y.at(vy)) * height}; }
};

std::string band(const Canvas& canvas, const Series& series, const std::string& colour) {
  std::string out;
  std::vector<Point> upper, lower;
  const auto close = [&] {
    if (upper.size() > 1) {
      upper.insert(upper.end(), lower.rbegin(), lower.rend());
      out += "<polygon points=\"" + coordinates(upper) + "\" fill-opacity=\"0.16\" " + colour + "/>";
    }
    upper.clear();
    lower.clear();
  };
  for (size_t i = 0; i < series.x.size(); ++i)
    if (canvas.x.shows(series.x[i]) && canvas.y.shows(series.low[i]) && canvas.y.shows(series.high[i])) {
      upper.push_back(canvas.at(series.x[i], series.high[i]));
      lower.push_back(canvas.at(series.x[i], series.low[i]));
    } else {
      close();
    }
  close();
  return out;
}

std::string drawing(const Canvas& canvas, const Series& series, const std::string& stroke, const std::string& fill,
                    const std::string& dash) {
  std::string out;
  std::vector<std::vector<Point>> pieces(1);
  size_t points = 0;
  for (size_t i = 0; i < series.x.size(); ++i)
    if (canvas.x.shows(series.x[i]) && canvas.y.shows(series.y[i])) {
      pieces.back().push_back(canvas.at(series.x[i], series.y[i]));
      ++points;
    } else if (!pieces.back().empty()) {
      pieces.emplace_back();
    }
  if (!series.low.empty()) out += band(canvas, series, fill);
  const auto dot = [&](const Point& p, double radius, const std::string& inside) {
    out += "<circle cx=\"" + px(p.x) + "\" cy=\"" + px(p.y) + "\" r=\"" + px(radius) + "\" " + fill +
           (inside.empty() ? "/>" : ">" + inside + "</circle>");
  };
  if (series.mark != Mark::points)
    for (const std::vector<Point>& piece : pieces) {
      if (piece.size() == 1 && series.mark == Mark::line) dot(piece[0], 2.5, ""); // a lonely point shows, too
      if (piece.size() > 1)
        out += "<polyline points=\"" + coordinates(thinned(piece, canvas.width)) +
               "\" fill=\"none\" stroke-width=\"1.8\" stroke-linejoin=\"round\" " + stroke + dash + "/>";
    }
  if (series.mark == Mark::line) return out;
  constexpr size_t told = 400; // points that say their numbers when pointed at
  for (size_t i = 0; i < series.x.size(); ++i)
    if (canvas.x.shows(series.x[i]) && canvas.y.shows(series.y[i]))
      dot(canvas.at(series.x[i], series.y[i]), points > told ? 1.6 : 3,
          points > told ? ""
                        : "<title>" +
                              markup(series.name + (series.name.empty() ? "" : ": ") + exact(series.x[i]) + ", " +
                                     exact(series.y[i])) +
                              "</title>");
  return out;
}

std::string axis_title(const Axis& axis) { return axis.title + (axis.unit.empty() ? "" : " [" + axis.unit + "]"); }

} // namespace

std::vector<double> ticks(double min, double max, int wanted, bool log) {
  std::vector<double> values;
  if (!std::isfinite(min) || !std::isfinite(max) || !(min < max) || wanted < 1 || (log && !(min > 0))) return values;
  constexpr double slack = 1e-9; // a bound that is a tick but for rounding counts
  if (log && max / min >= 10) {
    const double first = std::log10(min), last = std::log10(max);
    const int from = static_cast<int>(std::ceil(first - slack)), to = static_cast<int>(std::floor(last + slack));
    const int every = std::max(1, (to - from) / wanted + ((to - from) % wanted != 0 ? 1 : 0));
    const bool between = to - from < 2; // few decades
    for (int decade = from - 1; decade <= to; ++decade)
      for (const double times : {1.0, 2.0, 5.0}) {
        const double value = std::stod(exact(times) + "e" + std::to_string(decade));
        if (times == 1 ? (decade - from) % every != 0 : !between) continue;
        if (std::log10(value) >= first - slack && std::log10(value) <= last + slack) values.push_back(value);
      }
    return values;
  }
  const double rough = (max - min) / wanted, power = std::pow(10, std::floor(std::log10(rough)));
  double step = power; // the one nearest to that, as a ratio
  for (const double times : {2.0, 5.0, 10.0})
    if (std::abs(std::log(times * power / rough)) < std::abs(std::log(step / rough))) step = times * power;
  if (!(step > 0) || !std::isfinite(step)) return values;
  const double first = std::ceil(min / step - slack), last = std::floor(max / step + slack);
  if (last - first > 1000) return values; // the bounds differ in their last bits only
  for (double k = first; k <= last; ++k) values.push_back(k * step);
  return values;
}

std::vector<std::string> tick_labels(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  const bool even = values.size() < 3 || std::abs((values[2] - values[1]) / (values[1] - values[0]) - 1) < 1e-6;
  const bool shortest = !even || largest >= 1e6 || largest < 1e-3; // each with the digits that it needs
  int digits = 0;                                                  // else the fewest that give every value exactly
  const auto cut = [&](double value) {
    const double scaled = value * std::pow(10, digits);
    return std::abs(scaled - std::round(scaled)) > 1e-6;
  };
  while (digits < 12 && std::any_of(values.begin(), values.end(), cut)) ++digits;
  std::vector<std::string> labels;
  for (const double value : values) {
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6).ptr;
    std::string label = shortest ? std::string(text, end) : decimals(value, digits);
    if (label.find_first_not_of("-0.") == std::string::npos) label = "0"; // -0, 0.00
    labels.push_back(label);
  }
  return labels;
}

std::string svg(const Plot& plot) {
  std::vector<double> all_x, all_y;
  size_t shown = 0;
  for (const Series& s : plot.series) {
    if (s.y.size() != s.x.size() || s.low.size() != s.high.size() || (!s.low.empty() && s.low.size() != s.x.size()))
      throw std::logic_error("plot \"" + plot.title + "\", series \"" + s.name + "\": its vectors differ in length");
    for (size_t i = 0; i < s.x.size(); ++i) {
      const auto able = [](const Axis& axis, double v) { return std::isfinite(v) && (!axis.log || v > 0); };
      if (!able(plot.x, s.x[i]) || !able(plot.y, s.y[i])) continue;
      ++shown;
      all_x.push_back(s.x[i]);
      all_y.push_back(s.y[i]);
      if (!s.low.empty()) all_y.insert(all_y.end(), {s.low[i], s.high[i]});
    }
  }
  for (const PlotMarker& marker : plot.markers) all_x.push_back(marker.x);

  Canvas canvas;
  canvas.x = scale_of(plot.x, all_x);
  canvas.y = scale_of(plot.y, all_y);
  const double width = std::max(plot.width, 240), height = std::max(plot.height, 160);
  constexpr double size = 13; // of letters
  const std::vector<double> y_ticks = ticks(canvas.y.low(), canvas.y.high(), std::max(2, plot.height / 65), plot.y.log);
  const std::vector<std::string> y_labels = tick_labels(y_ticks);
  double widest = 0;
  for (const std::string& label : y_labels) widest = std::max(widest, text_width(label, size));
  canvas.left = 12 + size + 10 + widest + 8;
  canvas.top = plot.title.empty() ? 16 : 40;
  canvas.width = std::max(width - canvas.left - 18, 60.0);
  canvas.height = height - canvas.top - 52;
  const double right = canvas.left + canvas.width, bottom = canvas.top + canvas.height;

  // The legend stands below, in as many lines as it needs.
  std::vector<Point> places;
  double x = canvas.left, y = bottom + 52 + 14;
  for (const Series& s : plot.series) {
    const double wide = s.name.empty() ? 0 : 34 + text_width(s.name, size) + 14;
    if (x + wide > width && x > canvas.left) {
      x = canvas.left;
      y += 20;
    }
    places.push_back({x, y});
    x += wide;
  }
  const bool legend =
      std::any_of(plot.series.begin(), plot.series.end(), [](const Series& s) { return !s.name.empty(); });
  const double total = legend ? y + 12 : height;

  std::string names;
  for (const Series& s : plot.series)
    if (!s.name.empty()) names += (names.empty() ? ": " : ", ") + s.name;
  const std::string label =
      plot.title + (plot.title.empty() ? "" : "; ") + plot.y.title + " over " + plot.x.title + names;
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + px(width) + " " + px(total) +
                    "\" width=\"" + px(width) + "\" height=\"" + px(total) + "\" role=\"img\" aria-label=\"" +
                    markup(label) +
                    "\" style=\"max-width:100%;height:auto\" font-family=\"system-ui,-apple-system,'Segoe UI',Roboto,"
                    "'DejaVu Sans',sans-serif\" font-size=\"" +
                    px(size) + "\">" + style_sheet() + "\n<rect width=\"" + px(width) + "\" height=\"" + px(total) +
                    "\" class=\"ll-paper\" fill=\"#ffffff\"/>\n";
  // A title that is too long to begin above the frame begins at the edge.
  const bool long_title = text_width(plot.title, 15) * 1.1 > width - canvas.left - 6;
  if (!plot.title.empty())
    out += text_at(long_title ? 8 : canvas.left, 24, "start", "ll-ink", plot.title,
                   " font-size=\"15\" font-weight=\"600\"") +
           "\n";

  for (size_t i = 0; i < y_ticks.size(); ++i) {
    const double at = bottom - canvas.y.at(y_ticks[i]) * canvas.height;
    out += line_at(canvas.left, at, right, at, "ll-grid", "#e3e6ea") +
           text_at(canvas.left - 8, at + 4.5, "end", "ll-soft", y_labels[i]) + "\n";
  }
  std::vector<double> x_ticks;
  std::vector<std::string> x_labels;
  for (int wanted = 8; wanted >= 1; --wanted) { // as many as have room side by side
    x_ticks = ticks(canvas.x.low(), canvas.x.high(), wanted, plot.x.log);
    x_labels = tick_labels(x_ticks);
    bool fits = true;
    for (size_t i = 1; i < x_ticks.size(); ++i)
      fits = fits && (canvas.x.at(x_ticks[i]) - canvas.x.at(x_ticks[i - 1])) * canvas.width >
                         (text_width(x_labels[i], size) + text_width(x_labels[i - 1], size)) / 2 + 10;
    if (fits) break;
  }
  for (size_t i = 0; i < x_ticks.size(); ++i) {
    const double at = canvas.left + canvas.x.at(x_ticks[i]) * canvas.width;
    out += line_at(at, canvas.top, at, bottom, "ll-grid", "#e3e6ea") +
           text_at(at, bottom + 18, "middle", "ll-soft", x_labels[i]) + "\n";
  }
  out += line_at(canvas.left, bottom, right, bottom, "ll-axis", "#7d8693") +
         line_at(canvas.left, canvas.top, canvas.left, bottom, "ll-axis", "#7d8693") + "\n";
  out += text_at(canvas.left + canvas.width / 2, bottom + 40, "middle", "ll-ink", axis_title(plot.x)) + "\n";
  const double middle = canvas.top + canvas.height / 2;
  out +=
      text_at(18, middle, "middle", "ll-ink", axis_title(plot.y), " transform=\"rotate(-90 18 " + px(middle) + ")\"") +
      "\n";

  // A picture within the picture cuts off what lies outside of the axes.
  out += "<svg x=\"" + px(canvas.left) + "\" y=\"" + px(canvas.top) + "\" width=\"" + px(canvas.width) +
         "\" height=\"" + px(canvas.height) + "\" overflow=\"hidden\">\n";
  Canvas inside = canvas;
  inside.left = inside.top = 0;
  std::string key;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const Series& s = plot.series[i];
    const int number = s.colour >= 0 ? s.colour : static_cast<int>(i), c = number % num_colours;
    const size_t pattern = static_cast<size_t>(number / num_colours + (s.dashed ? 1 : 0)) % 4;
    const std::string id = std::to_string(c), light = palette[c].light,
                      stroke = "class=\"ll-s" + id + "\" stroke=\"" + light + "\"",
                      fill = "class=\"ll-f" + id + "\" fill=\"" + light + "\"",
                      dash = pattern == 0 ? "" : std::string(" stroke-dasharray=\"") + dashes[pattern] + "\"";
    out += "<g>" + drawing(inside, s, stroke, fill, dash) + "</g>\n";
    if (s.name.empty()) continue;
    const Point at = places[i];
    if (s.mark != Mark::points)
      key += "<line x1=\"" + px(at.x) + "\" y1=\"" + px(at.y - 4) + "\" x2=\"" + px(at.x + 26) + "\" y2=\"" +
             px(at.y - 4) + "\" stroke-width=\"2.4\" " + stroke + dash + "/>";
    if (s.mark != Mark::line)
      key += "<circle cx=\"" + px(at.x + 13) + "\" cy=\"" + px(at.y - 4) + "\" r=\"3.4\" " + fill + "/>";
    key += text_at(at.x + 33, at.y, "start", "ll-ink", s.name) + "\n";
  }
  for (const PlotMarker& marker : plot.markers)
    if (inside.x.shows(marker.x)) {
      const double at = inside.x.at(marker.x) * inside.width;
      const bool on_the_right = at > 0.7 * inside.width;
      out += "<line x1=\"" + px(at) + "\" y1=\"0\" x2=\"" + px(at) + "\" y2=\"" + px(inside.height) +
             "\" class=\"ll-axis\" stroke=\"#7d8693\" stroke-dasharray=\"4 3\"/>" +
             text_at(at + (on_the_right ? -5 : 5), 14, on_the_right ? "end" : "start", "ll-ink ll-halo", marker.text,
                     " stroke=\"#ffffff\" stroke-width=\"4\" paint-order=\"stroke\"") +
             "\n";
    }
  if (shown == 0) out += text_at(inside.width / 2, inside.height / 2, "middle", "ll-soft", "no values to show") + "\n";
  return out + "</svg>\n" + key + "</svg>\n";
}

void write_svg(const std::string& file, const Plot& plot) {
  const std::string text = svg(plot);
  data::write_file(file, text.data(), text.size());
}

} // namespace leadline::trainer
