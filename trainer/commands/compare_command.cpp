// leadline compare
#include "trainer/commands.hpp"
#include "trainer/commands/search_space.hpp"
#include "trainer/commands/trials.hpp"
#include "trainer/metrics/names.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/plot.hpp"
#include "trainer/table.hpp"
#include "trainer/text.hpp"
#include "trainer/train_settings.hpp"

#include "data/image_io.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>

namespace leadline::trainer {

namespace {

constexpr const char* introduction =
    R"(leadline compare: train settings side by side, and tell which is better and by how much.

  leadline compare a.ini b.ini --seeds 3
  leadline compare --config rooms.ini --over optimizer=sgd,adam,adamw --over scheduler=constant,one_cycle
  leadline compare --config rooms.ini --over optimizer.lr=log:1e-4..1e-1:4 --train.epochs 5 --out runs/rates

Every combination of the values is trained, with each seed, as `leadline train` would, in a folder of its own below
--out: the same command again goes on where it was stopped. Options of `leadline train` (see its --help) hold for all of them. At the
end --out has compare.md and compare.csv, metric.svg and loss.svg.

KEY=VALUES of --over: a list a,b,c (a;b;c where values have commas), or a range with points LOW..HIGH:N,
log:LOW..HIGH:N, int:LOW..HIGH. KEY may be an option's last word; optimizer, scheduler, loss and network choose by name.
)";

/// One line of the table: settings, trained with every seed.
struct Variant {
  std::string title;
  Settings settings;
  std::vector<size_t> trials;
};

struct Spread {
  double mean = NAN, deviation = NAN; ///< of the sample (n - 1); NaN for one value
};

Spread spread_of(const std::vector<double>& values) {
  Spread s;
  if (values.empty()) return s;
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  s.mean = sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - s.mean) * (value - s.mean);
  if (values.size() > 1) s.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return s;
}

std::string spread_text(const std::vector<double>& values, int digits) {
  const Spread s = spread_of(values);
  if (!std::isfinite(s.mean)) return "-";
  return decimals(s.mean, digits) + (std::isfinite(s.deviation) ? " ± " + decimals(s.deviation, digits) : "");
}

/// Everything that was trained.
struct Comparison {
  std::string metric;
  std::vector<Variant> variants;
  std::vector<Trial> trials;
  std::vector<TrialResult> results;

  /// A number of each seed's best epoch (by the metric), of the seeds that have one.
  std::vector<double> values(const Variant& variant, const std::string& name) const;
  std::vector<std::vector<std::string>> table() const;
  Plot plot(bool of_loss) const;
};

std::vector<double> Comparison::values(const Variant& variant, const std::string& name) const {
  std::vector<double> all;
  for (const size_t trial : variant.trials)
    if (const JsonLine* best = best_epoch(results[trial].history, metric); best && results[trial].error.empty())
      all.push_back(best->number_of(name));
  return all;
}

/// How far a variant is behind the best one, seed by seed: what the seeds have in common drops out.
std::string behind(const std::vector<double>& best, const std::vector<double>& own) {
  std::vector<double> differences;
  for (size_t i = 0; i < own.size() && i < best.size() && own.size() == best.size(); ++i)
    differences.push_back(own[i] - best[i]);
  const Spread s = spread_of(differences);
  if (!std::isfinite(s.mean)) return "-";
  std::string text = (s.mean > 0 ? "+" : "") + decimals(s.mean, 4);
  if (!std::isfinite(s.deviation)) return text;
  text += " ± " + decimals(s.deviation, 4);
  // Student's t: 95 % of the differences that chance makes between equals lie within t deviations / sqrt(n).
  constexpr double quantile[] = {12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26}; // of 1 to 9 degrees of freedom
  const size_t degrees = differences.size() - 1;
  const double t = degrees <= std::size(quantile) ? quantile[degrees - 1] : 2.2;
  const bool chance = std::abs(s.mean) <= t * s.deviation / std::sqrt(static_cast<double>(differences.size()));
  return text + (chance ? " (may be chance)" : "");
}

std::vector<std::vector<std::string>> Comparison::table() const {
  std::vector<const Variant*> order;
  for (const Variant& variant : variants) order.push_back(&variant);
  const auto mean = [&](const Variant* variant) { return spread_of(values(*variant, metric)).mean; };
  std::stable_sort(order.begin(), order.end(), [&](const Variant* a, const Variant* b) {
    const double va = mean(a), vb = mean(b);
    if (std::isnan(va) || std::isnan(vb)) return !std::isnan(va);
    return larger_is_better(metric) ? va > vb : va < vb;
  });
  std::vector<std::string> columns{metric};
  for (const char* other : {"delta1", "abs_rel", "rmse"})
    if (metric != other) columns.push_back(other);
  std::vector<std::vector<std::string>> rows{{"settings"}};
  rows[0].insert(rows[0].end(), columns.begin(), columns.end());
  rows[0].insert(rows[0].end(), {"behind the best", "train loss", "time"});
  for (const Variant* variant : order) {
    std::vector<std::string> row{variant->title};
    for (const std::string& column : columns) row.push_back(spread_text(values(*variant, column), 4));
    row.push_back(variant == order[0] ? "" : behind(values(*order[0], metric), values(*variant, metric)));
    std::vector<double> losses, seconds;
    bool failed = false;
    for (const size_t trial : variant->trials) {
      const TrialResult& result = results[trial];
      failed = failed || !result.error.empty();
      if (!result.error.empty() || result.history.epochs.empty()) continue;
      losses.push_back(result.history.epochs.back().number_of("train_loss"));
      double total = 0;
      for (const double s : RunHistory::column(result.history.epochs, "seconds")) total += s;
      seconds.push_back(total);
    }
    row.push_back(spread_text(losses, 4));
    row.push_back(failed ? "failed" : duration(spread_of(seconds).mean));
    rows.push_back(row);
  }
  return rows;
}

Plot Comparison::plot(bool of_loss) const {
  Plot plot{.title = of_loss ? "Training loss" : "Validation " + metric,
            .x = {.title = "step"},
            .y = {.title = of_loss ? "loss" : metric, .unit = metric == "rmse" && !of_loss ? "m" : ""}};
  plot.width = 860;
  plot.height = 480;
  size_t most = 1;
  for (const Variant& variant : variants) {
    // Means over bins of an epoch's steps (loss) or of the epochs themselves (metric), over the seeds.
    std::map<double, std::vector<double>> at;
    for (const size_t trial : variant.trials) {
      const RunHistory& history = results[trial].history;
      for (const JsonLine& epoch : history.epochs)
        at[epoch.number_of("step")].push_back(epoch.number_of(of_loss ? "train_loss" : metric));
    }
    Series series{.name = variant.title, .mark = at.size() <= 40 ? Mark::line_and_points : Mark::line};
    for (const auto& [step, all] : at) {
      std::vector<double> finite;
      for (const double value : all)
        if (std::isfinite(value)) finite.push_back(value);
      if (finite.empty()) continue; // this epoch had no validation
      most = std::max(most, finite.size());
      const Spread s = spread_of(finite);
      series.x.push_back(step);
      series.y.push_back(s.mean);
      const double deviation = std::isfinite(s.deviation) ? s.deviation : 0;
      series.low.push_back(s.mean - deviation);
      series.high.push_back(s.mean + deviation);
    }
    if (variant.trials.size() == 1) series.low = series.high = {};
    plot.series.push_back(series);
  }
  if (most > 1) plot.title += ", mean and standard deviation of " + std::to_string(most) + " seeds";
  return plot;
}

std::string csv(const Comparison& comparison, const std::vector<index_t>& seeds) {
  const std::vector<std::string> names = metric_choices({"epoch", "step"}, {"train_loss"});
  std::string out = "settings,seed";
  for (const std::string& name : names) out += "," + name;
  out += ",error\n";
  for (const Variant& variant : comparison.variants)
    for (size_t s = 0; s < variant.trials.size(); ++s) {
      const TrialResult& result = comparison.results[variant.trials[s]];
      out += "\"" + variant.title + "\"," + std::to_string(seeds[s]);
      const JsonLine* best = best_epoch(result.history, comparison.metric);
      for (const std::string& name : names) out += "," + (best ? exact(best->number_of(name)) : "");
      std::string error = result.error;
      std::replace(error.begin(), error.end(), '"', '\'');
      out += error.empty() ? ",\n" : ",\"" + error + "\"\n";
    }
  return out;
}

} // namespace

int compare_command(const std::vector<std::string>& all_arguments) {
  std::vector<std::string> arguments = all_arguments;
  const std::vector<std::string> over = take_over_arguments(arguments, "leadline compare");
  OptionGroup own{"This command", trial_options("compare")};
  own.options.insert(own.options.end() - 1,
                     {{"over", "", "KEY=VALUES to try; several --over: every combination"},
                      {"seeds", "1",
                       "trainings of each, with train.seed, train.seed + 1, ...: only they tell chance "
                       "from difference"},
                      {"metric", "", "what decides, of each run's best epoch; empty: eval.monitor",
                       metric_choices({""}, {"train_loss"})}});
  std::vector<OptionGroup> groups = train_option_groups();
  groups.insert(groups.begin(), own);
  Settings options;
  std::vector<std::string> configs;
  const std::vector<OptionGroup> shown{own};
  if (!read_options("leadline compare", introduction, groups, arguments, &options, &configs, &shown)) return 0;
  const index_t seeds = options.integer("seeds", 1, 1000), jobs = options.integer("jobs", 1, 1024),
                threads = options.integer("threads", 0, 4096);

  // Settings: the common file, then each CONFIG, then the command line, then what is varied.
  Settings base(train_option_groups());
  if (options.given("config")) read_settings_file(options.required("config"), base);
  std::vector<std::pair<std::string, Settings>> files;
  for (const std::string& config : configs) {
    files.emplace_back(std::filesystem::path(config).stem().string(), base);
    read_settings_file(config, files.back().second);
  }
  if (files.empty()) files.emplace_back("", base);
  if (configs.size() < 2 && over.empty())
    throw Error({.file = "leadline compare",
                 .field = "--over",
                 .reason = "there is only one kind of settings, so nothing to compare",
                 .fix = "Name several CONFIG files, or vary an option: --over optimizer=sgd,adam"});
  Comparison comparison;
  for (const auto& [name, settings] : files) {
    Variant variant{name, settings, {}};
    variant.settings.set_given(options);
    comparison.variants.push_back(variant);
  }
  for (const SearchDimension& dimension : parse_dimensions(over, base)) {
    if (dimension.key == "train.seed" && options.given("seeds"))
      throw Error({.file = "leadline compare",
                   .field = "--over",
                   .value = dimension.name,
                   .reason = "--seeds chooses train.seed, too",
                   .fix = "Keep one of the two"});
    std::vector<Variant> more;
    for (const Variant& variant : comparison.variants)
      for (const std::string& value : dimension.grid()) {
        Variant next = variant;
        next.title += (next.title.empty() ? "" : " ") + dimension.name + "=" + value;
        next.settings.set(dimension.key, value, "--over");
        more.push_back(next);
      }
    comparison.variants = more;
  }
  comparison.metric = options.text("metric");
  if (comparison.metric.empty()) comparison.metric = comparison.variants[0].settings.text("eval.monitor");

  std::vector<index_t> seed_numbers;
  for (Variant& variant : comparison.variants) {
    seed_numbers.clear();
    const index_t first = variant.settings.integer("train.seed", 0, INT64_MAX - seeds);
    for (index_t s = 0; s < seeds; ++s) {
      Trial trial{folder_name(variant.title) + (seeds > 1 ? "/seed_" + std::to_string(first + s) : ""),
                  variant.title + (seeds > 1 ? " seed " + std::to_string(first + s) : ""), variant.settings};
      trial.settings.set("train.seed", std::to_string(first + s), "--seeds");
      if (trial.settings.text("run.loggers").find("jsonl") == std::string::npos) // what is read at the end
        trial.settings.set("run.loggers", "csv, jsonl", "leadline compare");
      for (const Trial& other : comparison.trials)
        if (other.folder == trial.folder)
          throw Error({.file = "leadline compare",
                       .value = trial.title,
                       .reason = "two kinds of settings have this name",
                       .fix = "Give configuration files different names"});
      seed_numbers.push_back(first + s);
      variant.trials.push_back(comparison.trials.size());
      comparison.trials.push_back(trial);
    }
  }
  comparison.results.resize(comparison.trials.size());

  const TrialFolder folder(options.text("out"), "compare");
  std::printf("%zu kinds of settings, %zu trainings, in %s\n", comparison.variants.size(), comparison.trials.size(),
              folder.path().c_str());
  std::fflush(stdout);
  std::vector<Trial> first_seeds;
  for (const Variant& variant : comparison.variants) first_seeds.push_back(comparison.trials[variant.trials[0]]);
  folder.check(first_seeds);
  size_t ended = 0, failed = 0;
  const bool complete = folder.train(comparison.trials, jobs, threads, [&](size_t index, const TrialResult& result) {
    comparison.results[index] = result;
    failed += result.error.empty() ? 0 : 1;
    const JsonLine* best = best_epoch(result.history, comparison.metric);
    std::printf("[%zu/%zu] %s: %s\n", ++ended, comparison.trials.size(), comparison.trials[index].title.c_str(),
                !result.error.empty() ? ("failed: " + result.error).c_str()
                : best ? (comparison.metric + " " + decimals(best->number_of(comparison.metric), 4)).c_str()
                       : "done");
    std::fflush(stdout);
  });
  if (!complete) {
    std::printf("stopped; the same command with --out %s goes on\n", folder.path().c_str());
    return 130;
  }

  const std::vector<std::vector<std::string>> table = comparison.table();
  std::string failures;
  for (size_t i = 0; i < comparison.trials.size(); ++i)
    if (!comparison.results[i].error.empty())
      failures += "\n" + comparison.trials[i].title + " failed: " + comparison.results[i].error + "\n";
  const std::string markdown = "`" + comparison.metric + "` of each run's best epoch" +
                               (seeds > 1 ? ", mean ± standard deviation of " + std::to_string(seeds) + " seeds" : "") +
                               "\n\n" + text_table(table, true) + failures,
                    values = csv(comparison, seed_numbers);
  data::write_file(folder.path() + "/compare.md", markdown.data(), markdown.size());
  data::write_file(folder.path() + "/compare.csv", values.data(), values.size());
  write_svg(folder.path() + "/metric.svg", comparison.plot(false));
  write_svg(folder.path() + "/loss.svg", comparison.plot(true));
  std::printf("\n%s\n%s/{compare.md, compare.csv, metric.svg, loss.svg}\n", text_table(table, false).c_str(),
              folder.path().c_str());
  return failed == 0 ? 0 : 1;
}

} // namespace leadline::trainer
