#include "trainer/report.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"
#include "trainer/metrics/names.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/plot.hpp"
#include "trainer/run_history.hpp"
#include "trainer/text.hpp"
#include "trainer/train_settings.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

namespace leadline::trainer {

namespace fs = std::filesystem;

namespace {

constexpr const char* style = R"(
:root{color-scheme:light dark;--paper:#ffffff;--ground:#f3f5f7;--ink:#1b1f26;--soft:#59616e;--line:#dfe3e8;--accent:#0067a3;--good:#0b6b4f}
@media (prefers-color-scheme:dark){:root{--paper:#16191f;--ground:#0e1014;--ink:#e4e7ec;--soft:#a5adba;--line:#2f353f;--accent:#6cc0f2;--good:#45d3a5}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main,header,footer{max-width:1240px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:1.7rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 12px}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:18px 0}
p{margin:.4em 0;overflow-wrap:anywhere}
.soft{color:var(--soft)}
.chip{display:inline-block;border:1px solid var(--line);border-radius:99px;padding:1px 12px;font-size:.85rem;background:var(--paper)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0}
.tiles>div{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.tiles dt{color:var(--soft);font-size:.85rem}
.tiles dd{margin:0;font-size:1.45rem;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px}
.charts svg{width:100%;height:auto;display:block}
.scroll{overflow-x:auto}
.scroll table{font-size:.92rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:right;padding:5px 7px;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
th{font-weight:600;color:var(--soft)}
td.win{font-weight:700;color:var(--good)}
.facts td{white-space:normal;text-align:left;overflow-wrap:anywhere}
.facts td:first-child{color:var(--soft);width:14em;white-space:normal}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:16px}
figure{margin:0}
figure img{width:100%;height:auto;display:block;border-radius:6px;image-rendering:auto}
figcaption{font-size:.9rem;color:var(--soft);overflow-wrap:anywhere}
h3{font-size:1rem;margin:16px 0 8px}
summary{cursor:pointer;font-weight:600;padding:2px 0}
pre{overflow-x:auto;background:var(--ground);border-radius:6px;padding:12px;font-size:.85rem;line-height:1.45}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-999px}
.skip:focus{left:12px;top:12px;background:var(--paper);padding:8px 12px}
footer{padding-bottom:32px;font-size:.9rem}
@media (max-width:600px){main,header,footer{padding-left:12px;padding-right:12px}section{padding:14px 12px}}
@media print{section{break-inside:avoid}}
)";

std::string base64(const std::vector<uint8_t>& bytes) {
  constexpr const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t k) { return i + k < bytes.size() ? uint32_t{bytes[i + k]} : 0u; };
    const uint32_t three = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : letters[three >> (18 - 6 * k) & 63]; // k letters need k bytes
  }
  return out;
}

std::string image(const std::string& file, const std::string& alt) {
  return "<img src=\"data:image/png;base64," + base64(data::read_file(file)) + "\" alt=\"" + markup(alt) +
         "\" loading=\"lazy\"/>";
}

std::string section(const std::string& id, const std::string& title, const std::string& inside) {
  return inside.empty() ? ""
                        : "<section aria-labelledby=\"" + id + "\">\n<h2 id=\"" + id + "\">" + markup(title) +
                              "</h2>\n" + inside + "</section>\n";
}

/// A table that a keyboard can scroll where it is wider than the screen.
std::string wide_table(const std::string& label, const std::string& rows) {
  return "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" + markup(label) + "\"><table>" + rows +
         "</table></div>\n";
}

std::string fact(const std::string& name, const std::string& value) {
  return value.empty() ? "" : "<tr><td>" + markup(name) + "</td><td>" + markup(value) + "</td></tr>\n";
}

/// A text file as it stands, where there is one.
std::string preformatted(const std::string& file, const std::string& label) {
  if (!std::filesystem::exists(file)) return "";
  const std::vector<std::uint8_t> bytes = data::read_file(file);
  return "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" + markup(label) + "\"><pre>" +
         markup(std::string(bytes.begin(), bytes.end())) + "</pre></div>\n";
}

std::string facts(const std::string& rows) {
  return rows.empty() ? "" : "<table class=\"facts\">" + rows + "</table>\n";
}

std::string unit_of(const std::string& metric) {
  return metric == "rmse" || metric == "mae" || metric == "sq_rel" ? "m" : "";
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += std::isfinite(value) ? value : 0;
  return total;
}

std::string whole(double value) { return std::isfinite(value) ? decimals(value, 0) : ""; }

/// Everything that the page is made of.
struct Page {
  RunDirectory run;
  RunHistory history;
  std::vector<JsonLine> evaluation;
  Settings settings{train_option_groups()};
  bool settings_known = false;
  std::string config;

  std::string status() const;
  std::string monitor() const { return history.start.text_of("monitor", settings.text("eval.monitor")); }
  const JsonLine* best() const { return best_epoch(history, monitor()); }
  std::string tiles() const;
  std::string charts() const;
  std::string metrics_table() const;
  std::string pictures() const;
  std::string timings() const;
  std::string epochs_table() const;
  std::string machine() const;
  std::string changed_settings() const;
};

std::string Page::status() const {
  const std::string event = history.end.text_of("event");
  const std::string epochs = std::to_string(history.epochs.size()) +
                             (settings_known ? " of " + settings.text("train.epochs") : "") + " epochs";
  if (event == "finish") return "complete, " + std::to_string(history.epochs.size()) + " epochs";
  if (event == "stop") return "stopped after step " + history.end.text_of("step") + ", " + epochs;
  if (event == "error") return "failed after step " + history.end.text_of("step") + ", " + epochs;
  return epochs;
}

std::string Page::tiles() const {
  std::string out;
  const auto tile = [&](const std::string& name, const std::string& value) {
    out += "<div><dt>" + markup(name) + "</dt><dd>" + markup(value) + "</dd></div>\n";
  };
  if (const JsonLine* line = best()) {
    tile("best " + monitor() + ", epoch " + line->text_of("epoch"), decimals(line->number_of(monitor()), 4));
    if (monitor() != "rmse") tile("RMSE there", decimals(line->number_of("rmse"), 3) + " m");
  }
  if (!history.epochs.empty()) {
    tile("training loss, last epoch", decimals(history.epochs.back().number_of("train_loss"), 4));
    if (const double speed = history.epochs.back().number_of("images_per_second"); std::isfinite(speed))
      tile("images per second", decimals(speed, 1));
    if (history.epochs.back().has("seconds"))
      tile("training time", duration(sum(RunHistory::column(history.epochs, "seconds"))));
  }
  return out.empty() ? "" : "<dl class=\"tiles\">\n" + out + "</dl>\n";
}

std::string Page::charts() const {
  constexpr int width = 500, height = 310;
  std::string out;
  const std::vector<JsonLine>&steps = history.steps, &epochs = history.epochs;
  const std::vector<double> at = RunHistory::column(epochs, "step");
  const Axis steps_axis{.title = "step"};
  std::vector<PlotMarker> markers;
  if (const JsonLine* epoch = best(); epoch && epochs.size() > 1)
    markers = {{epoch->number_of("step"), "best " + monitor()}};
  const auto few = epochs.size() <= 40 ? Mark::line_and_points : Mark::line;
  const auto chart = [&](Plot plot) {
    plot.width = width;
    plot.height = height;
    out += "<div>" + svg(plot) + "</div>\n";
  };

  Plot loss{.title = "Training loss", .x = steps_axis, .y = {.title = "loss"}};
  if (!steps.empty())
    loss.series.push_back({.name = "each step",
                           .x = RunHistory::column(steps, "step"),
                           .y = RunHistory::column(steps, "loss"),
                           .colour = 6});
  loss.series.push_back({.name = steps.empty() ? "" : "mean of the epoch",
                         .x = at,
                         .y = RunHistory::column(epochs, "train_loss"),
                         .mark = few,
                         .colour = 1});
  const std::vector<double>& values = loss.series.front().y;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  loss.y.log = !values.empty() && *low > 0 && *high > 20 * *low;
  chart(loss);

  const auto of_epochs = [&](const std::string& title, const std::string& unit,
                             const std::vector<std::pair<std::string, std::string>>& names, double max) {
    Plot plot{
        .title = title, .x = steps_axis, .y = {.title = names.size() > 1 ? "value" : names[0].second, .unit = unit}};
    plot.y.max = max;
    for (const auto& [name, label] : names) {
      const std::vector<double> y = RunHistory::column(epochs, name);
      if (std::any_of(y.begin(), y.end(), [](double v) { return std::isfinite(v); }))
        plot.series.push_back({.name = names.size() > 1 ? label : "", .x = at, .y = y, .mark = few});
    }
    if (plot.series.empty()) return;
    plot.markers = markers;
    chart(plot);
  };
  of_epochs("Validation: pixels within a ratio of the truth", "",
            {{"delta1", "delta1: 1.25"}, {"delta2", "delta2: 1.25\u00b2"}, {"delta3", "delta3: 1.25\u00b3"}}, NAN);
  of_epochs("Validation: error in metres", "m", {{"rmse", "RMSE"}, {"mae", "MAE"}}, NAN);
  of_epochs("Validation: relative and logarithmic error", "",
            {{"abs_rel", "abs_rel"}, {"rmse_log", "rmse_log"}, {"log10", "log10"}}, NAN);

  const auto of_steps = [&](const std::string& title, const std::string& axis, const std::string& name, bool log) {
    const std::vector<double> y = RunHistory::column(steps, name);
    if (std::any_of(y.begin(), y.end(), [](double v) { return std::isfinite(v) && v > 0; }))
      chart({.title = title,
             .x = steps_axis,
             .y = {.title = axis, .log = log},
             .series = {{.x = RunHistory::column(steps, "step"), .y = y}}});
  };
  if (steps.empty())
    of_epochs("Learning rate", "", {{"lr", "learning rate"}}, NAN);
  else
    of_steps("Learning rate", "learning rate", "lr", false);
  of_steps("Gradient norm, before clipping", "L2 norm", "gradient_norm", true);
  return "<div class=\"charts\">\n" + out + "</div>\n";
}

std::string Page::metrics_table() const {
  std::vector<JsonLine> rows;
  for (const JsonLine& line : evaluation)
    if (line.text_of("kind") == "row") rows.push_back(line);
  std::string introduction;
  if (!rows.empty()) {
    introduction = "Protocol " + rows[0].text_of("protocol") + ", " + rows[0].text_of("frames") + " frames of " +
                   rows[0].text_of("data") + ", checkpoint of epoch " + rows[0].text_of("epoch") +
                   (rows.size() > 1 ? ". The other rows need no network: the median depth of the training frames "
                                      "everywhere, and each pixel's mean depth."
                                    : ".");
  } else if (const JsonLine* line = best()) {
    JsonLine row = *line;
    row.text("name", history.start.text_of("network", "network"));
    rows.push_back(row);
    introduction = "Protocol " + history.start.text_of("protocol", settings.text("eval.protocol")) +
                   ", validation of epoch " + line->text_of("epoch") + ".";
  }
  if (rows.empty()) return "";
  std::string out = "<tr><th scope=\"col\">answer</th>";
  for (const std::string& metric : metric_names())
    out += "<th scope=\"col\">" + metric + (unit_of(metric).empty() ? "" : " [m]") +
           (larger_is_better(metric) ? " <span title=\"higher is better\">\u2191</span>"
                                     : " <span title=\"lower is better\">\u2193</span>") +
           "</th>";
  out += "</tr>\n";
  for (const JsonLine& row : rows) {
    out += "<tr><td>" + markup(row.text_of("name")) + "</td>";
    for (const std::string& metric : metric_names()) {
      const double value = row.number_of(metric);
      bool wins = rows.size() > 1 && std::isfinite(value);
      for (const JsonLine& other : rows)
        wins = wins && !(larger_is_better(metric) ? other.number_of(metric) > value : other.number_of(metric) < value);
      out += std::string("<td") + (wins ? " class=\"win\"" : "") + ">" +
             (std::isfinite(value) ? decimals(value, 4) : std::string("\u2013")) + "</td>";
    }
    out += "</tr>\n";
  }
  const std::string note = rows[0].text_of("note");
  return "<p>" + markup(introduction) + (note.empty() ? "" : " " + markup(note) + ".") + "</p>\n" +
         wide_table("metrics", out);
}

std::string Page::pictures() const {
  std::string out;
  for (const std::string side : {"worst", "best"}) {
    std::string figures;
    for (const JsonLine& line : evaluation) {
      const std::string file = run.path + "/" + line.text_of("file");
      if (line.text_of("kind") != side || !fs::is_regular_file(file)) continue;
      const std::string name = line.text_of("name"), error = decimals(line.number_of("abs_rel"), 3);
      figures += "<figure>" +
                 image(file, "Frame " + name +
                                 ": picture, measured depth and predicted depth side by side; mean "
                                 "relative error " +
                                 error) +
                 "<figcaption>" + markup(name) + ": abs_rel " + error + "</figcaption></figure>\n";
    }
    if (!figures.empty())
      out += "<h3>" + std::string(side == "worst" ? "Where it is worst" : "Where it is best") +
             "</h3>\n<div class=\"pictures\">\n" + figures + "</div>\n";
  }
  std::string latest;
  if (fs::is_directory(run.predictions()))
    for (const fs::directory_entry& entry : fs::directory_iterator(run.predictions()))
      if (entry.path().filename().string().rfind("epoch_", 0) == 0 && entry.path().extension() == ".png" &&
          (latest.size() < entry.path().string().size() || latest < entry.path().string()))
        latest = entry.path().string();
  if (!latest.empty()) {
    const std::string epoch = fs::path(latest).stem().string().substr(6);
    out += "<h3>The same frames each epoch</h3>\n<figure style=\"max-width:760px\">" +
           image(latest, "Validation frames after epoch " + epoch +
                             ": picture, measured depth and predicted depth side by side, with a scale in metres") +
           "<figcaption>picture, truth and prediction after epoch " + epoch + "</figcaption></figure>\n";
  }
  return out;
}

std::string Page::timings() const {
  if (history.epochs.empty() || !history.epochs.back().has("seconds")) return "";
  const double total = sum(RunHistory::column(history.epochs, "seconds")),
               waiting = sum(RunHistory::column(history.epochs, "data_seconds")),
               validating = sum(RunHistory::column(history.epochs, "validation_seconds"));
  const auto share = [&](double seconds) {
    return duration(seconds) + " (" + decimals(100 * seconds / std::max(total, 1e-9), 1) + " %)";
  };
  std::vector<double> step_times = RunHistory::column(history.steps, "step_seconds");
  step_times.erase(std::remove_if(step_times.begin(), step_times.end(), [](double s) { return !std::isfinite(s); }),
                   step_times.end());
  std::sort(step_times.begin(), step_times.end());
  return facts(
      fact("epochs, all together", duration(total)) +
      fact("mean of an epoch", duration(total / static_cast<double>(history.epochs.size()))) +
      fact("validation", share(validating)) + fact("waiting for data", share(waiting)) +
      (step_times.empty()
           ? ""
           : fact("step, median", decimals(1000 * step_times[step_times.size() / 2], 1) + " ms") +
                 fact("step, 95 % are within", decimals(1000 * step_times[step_times.size() * 95 / 100], 1) + " ms")));
}

std::string Page::epochs_table() const {
  if (history.epochs.empty()) return "";
  std::string out = "<tr><th scope=\"col\">epoch</th><th scope=\"col\">step</th><th scope=\"col\">lr</th>"
                    "<th scope=\"col\">loss</th>";
  for (const std::string& metric : metric_names()) out += "<th scope=\"col\">" + metric + "</th>";
  out += "</tr>\n";
  for (const JsonLine& epoch : history.epochs) {
    const auto cell = [&](const std::string& name, int digits) {
      const double value = epoch.number_of(name);
      char short_number[32]; // of digits < 0: a rate may be tiny
      std::snprintf(short_number, sizeof short_number, "%.3g", value);
      out += "<td>" +
             (!std::isfinite(value) ? std::string("\u2013")
              : digits < 0          ? short_number
                                    : decimals(value, digits)) +
             "</td>";
    };
    out += "<tr>";
    cell("epoch", 0);
    cell("step", 0);
    cell("lr", -1);
    cell("train_loss", 4);
    for (const std::string& metric : metric_names()) cell(metric, 4);
    out += "</tr>\n";
  }
  return "<details><summary>Every epoch</summary>\n" + wide_table("every epoch", out) + "</details>\n";
}

std::string Page::machine() const {
  const JsonLine& s = history.start;
  const double bytes = s.number_of("bytes");
  return facts(fact("network", s.text_of("network")) + fact("parameters", whole(s.number_of("parameters"))) +
               fact("training frames", whole(s.number_of("train_frames"))) +
               fact("validation frames", whole(s.number_of("val_frames"))) +
               fact("memory", std::isfinite(bytes) ? decimals(bytes / (1 << 20), 1) + " MiB" : "") +
               fact("computed on", s.text_of("exec")) + fact("CPU", s.text_of("cpu")) +
               fact("instruction set of the kernels", s.text_of("isa")) + fact("Leadline", s.text_of("leadline")) +
               fact("libraries", s.text_of("libraries")) + fact("started (UTC)", s.text_of("time")));
}

std::string Page::changed_settings() const {
  std::string rows;
  if (settings_known)
    for (const std::string& key : settings.keys())
      if (key.find('.') != std::string::npos && settings.text(key) != settings.spec(key).default_value)
        rows += fact(key, settings.text(key));
  std::string out = rows.empty() ? "" : "<p class=\"soft\">What differs from the defaults:</p>\n" + facts(rows);
  if (!config.empty())
    out += "<details><summary>All of config.ini</summary>\n<pre tabindex=\"0\" aria-label=\"config.ini\">" +
           markup(config) + "</pre></details>\n";
  return out;
}

} // namespace

std::string report_page(const RunDirectory& run) {
  Page page;
  page.run = run;
  page.history = read_run_history(run);
  if (fs::exists(run.evaluation())) page.evaluation = read_json_lines(run.evaluation());
  if (fs::exists(run.config())) {
    const std::vector<uint8_t> bytes = data::read_file(run.config());
    page.config.assign(bytes.begin(), bytes.end());
    try { // options of another program's parts aren't known here; then the text is enough
      read_settings_text(page.config, run.config(), page.settings);
      page.settings_known = true;
    } catch (const Error&) {
      page.settings = Settings(train_option_groups());
    }
  }
  // The folder's own name: a page that is passed on says nothing of the machine's other folders.
  const std::string name = fs::weakly_canonical(run.path).filename().string();
  const JsonLine& start = page.history.start;
  std::string subtitle = start.text_of("network");
  if (!subtitle.empty())
    subtitle += ", " + start.text_of("parameters") + " parameters, " + start.text_of("train_frames") +
                " training and " + start.text_of("val_frames") + " validation frames";
  const std::string error = page.history.end.text_of("message");

  std::string out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
                    markup(name) + "</title>\n<style>" + style +
                    "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<header>\n"
                    "<h1>" +
                    markup(name) + "</h1>\n<p><span class=\"chip\">" + markup(page.status()) +
                    "</span> <span class=\"soft\">" + markup(subtitle) + "</span></p>\n" +
                    (error.empty() ? "" : "<p role=\"alert\">" + markup(error) + "</p>\n") +
                    "</header>\n<main id=\"content\">\n" + page.tiles();
  out += section("curves", "Curves", page.charts());
  out += section("metrics", "Metrics", page.metrics_table());
  out += section("pictures", "Pictures", page.pictures());
  out += section("parity", "The exported model beside the run", preformatted(run.parity(), "Parity"));
  out += section("timings", "Timings", page.timings() + page.epochs_table());
  out += section("machine", "Network and machine", page.machine());
  out += section("settings", "Settings", page.changed_settings());
  return out + "</main>\n<footer class=\"soft\"><p>Made by Leadline: <code>leadline report RUN</code></p></footer>\n"
               "</body>\n</html>\n";
}

void write_report(const RunDirectory& run) {
  const std::string page = report_page(run);
  data::write_file(run.report(), page.data(), page.size());
}

} // namespace leadline::trainer
