// leadline search
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
#include <map>
#include <optional>
#include <set>

namespace leadline::trainer {

namespace {

constexpr const char* introduction = R"(leadline search: look for the settings that train best.

  leadline search --config rooms.ini --over optimizer.lr=log:1e-4..1e-1 --over optimizer=adam,adamw --trials 20
  leadline search --config rooms.ini --method grid --over optimizer.lr=log:1e-4..1e-1:4 --over levels=int:2..4
  leadline search --config rooms.ini --method halving --trials 27 --train.epochs 18 --over lr=log:1e-4..1e-1 --jobs 2

random   --trials settings by chance; the same --seed draws the same ones, more --trials add to them
grid     every combination; ranges need :POINTS
halving  successive halving (Jamieson and Talwalkar, AISTATS 2016): --trials settings train for a few epochs, the best
         1/--factor of them for --factor times as many, and so on up to train.epochs. Every rung trains from the
         start, so that each has its whole schedule

Options of `leadline train` (see its --help) hold for all trials. --out has journal.jsonl (one line a result), a run directory for each
trial, and at the end search.md, search.csv, a chart for each range, and best.ini for `leadline train --config`. The same
command with the same --out goes on where it was stopped, or killed.
)";

/// One choice of all dimensions.
struct Candidate {
  std::vector<std::string> values;  ///< in the order of the dimensions
  std::map<index_t, double> scores; ///< by epochs trained; NaN: failed
  std::string error;

  index_t epochs() const { return scores.empty() ? 0 : scores.rbegin()->first; }
  double score() const { return scores.empty() ? NAN : scores.rbegin()->second; }
};

struct Rung {
  index_t epochs, candidates;
};

/// Everything that a search is.
class Search {
public:
  Search(const Settings& options, const Settings& base, std::vector<SearchDimension> dimensions);

  void draw();
  int run();

private:
  std::string title(const Candidate& candidate) const;
  Settings settings_of(const std::vector<std::string>& values) const;
  Trial trial(size_t candidate, index_t epochs) const;
  std::vector<Rung> rungs() const;
  std::vector<size_t> ranking() const;
  bool train_rung(const TrialFolder& folder, const std::vector<size_t>& chosen, index_t epochs);
  void check(const TrialFolder& folder) const;
  void open_journal(const TrialFolder& folder);
  void write_results(const TrialFolder& folder) const;

  const Settings& options_;
  Settings base_;
  std::vector<SearchDimension> dimensions_;
  std::string method_, metric_, journal_;
  index_t seed_, wanted_, epochs_, min_epochs_, factor_, jobs_, threads_;
  std::vector<Candidate> candidates_;
  std::set<std::pair<index_t, index_t>> written_; ///< trial and epochs that the journal has
};

Search::Search(const Settings& options, const Settings& base, std::vector<SearchDimension> dimensions)
    : options_(options), base_(base), dimensions_(std::move(dimensions)), method_(options.text("method")),
      metric_(options.text("metric").empty() ? base.text("eval.monitor") : options.text("metric")),
      seed_(options.integer("seed", 0, INT64_MAX)), wanted_(options.integer("trials", 1, 100000)),
      epochs_(base.integer("train.epochs", 1, INT64_MAX)), min_epochs_(options.integer("min_epochs", 1, epochs_)),
      factor_(options.integer("factor", 2, 1000)), jobs_(options.integer("jobs", 1, 1024)),
      threads_(options.integer("threads", 0, 4096)) {
  if (method_ == "halving" && epochs_ / factor_ < min_epochs_)
    throw Error({.file = "leadline search",
                 .field = "train.epochs",
                 .value = std::to_string(epochs_),
                 .reason = "halving would have one rung only, which halves nothing: a rung before it needs 1/" +
                           std::to_string(factor_) + " of these epochs (--factor), and at least " +
                           std::to_string(min_epochs_) + " (--min_epochs)",
                 .fix = "Use --train.epochs " + std::to_string(factor_ * min_epochs_) +
                        " or more, a smaller --factor, or --method random"});
  draw();
}

std::string Search::title(const Candidate& candidate) const {
  std::string text;
  for (size_t d = 0; d < dimensions_.size(); ++d)
    text += (d == 0 ? "" : " ") + dimensions_[d].name + "=" + candidate.values[d];
  return text;
}

/// The candidates: a function of dimensions, method and seed.
void Search::draw() {
  std::set<std::vector<std::string>> seen;
  if (method_ == "grid") {
    candidates_.resize(1);
    for (const SearchDimension& dimension : dimensions_) {
      std::vector<Candidate> more;
      for (const Candidate& candidate : candidates_)
        for (const std::string& value : dimension.grid()) {
          more.push_back(candidate);
          more.back().values.push_back(value);
        }
      candidates_ = more;
    }
    return;
  }
  index_t without_new = 0; // the same settings are not trained twice; a small space may have no others
  for (index_t draw = 0; static_cast<index_t>(candidates_.size()) < wanted_ && without_new < 1000; ++draw) {
    Candidate candidate;
    for (size_t d = 0; d < dimensions_.size(); ++d)
      candidate.values.push_back(dimensions_[d].sample(static_cast<uint64_t>(seed_), draw, static_cast<index_t>(d)));
    ++without_new;
    if (!seen.insert(candidate.values).second) continue;
    without_new = 0;
    candidates_.push_back(candidate);
  }
}

Settings Search::settings_of(const std::vector<std::string>& values) const {
  Settings settings = base_;
  for (size_t d = 0; d < dimensions_.size(); ++d) settings.set(dimensions_[d].key, values[d], "--over");
  return settings;
}

Trial Search::trial(size_t candidate, index_t epochs) const {
  char name[64];
  std::snprintf(name, sizeof name, "trial_%03zu", candidate);
  Trial trial{name, title(candidates_[candidate]), settings_of(candidates_[candidate].values)};
  if (method_ == "halving") {
    trial.folder += "/epochs_" + std::to_string(epochs);
    trial.settings.set("train.epochs", std::to_string(epochs), "--method halving");
  }
  if (trial.settings.text("run.loggers").find("jsonl") == std::string::npos)
    trial.settings.set("run.loggers", "csv, jsonl", "leadline search");
  for (const char* key : {"run.report", "run.pictures"}) // not for every trial, unless asked for
    if (!options_.given(key))
      trial.settings.set(key, std::string(key) == "run.report" ? "false" : "0", "leadline search");
  return trial;
}

/// From few epochs to all of them, each with 1/factor of the candidates before.
std::vector<Rung> Search::rungs() const {
  std::vector<Rung> all;
  if (method_ != "halving") return {{epochs_, static_cast<index_t>(candidates_.size())}};
  std::vector<index_t> budgets{epochs_};
  while (budgets.back() / factor_ >= min_epochs_) budgets.push_back(budgets.back() / factor_);
  index_t left = static_cast<index_t>(candidates_.size());
  for (auto budget = budgets.rbegin(); budget != budgets.rend(); ++budget) {
    all.push_back({*budget, left});
    left = std::max<index_t>(1, left / factor_);
  }
  return all;
}

/// The best first: those that trained longest before the others, failures last.
std::vector<size_t> Search::ranking() const {
  std::vector<size_t> order;
  for (size_t i = 0; i < candidates_.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Candidate &ca = candidates_[a], &cb = candidates_[b];
    if (std::isnan(ca.score()) || std::isnan(cb.score())) return !std::isnan(ca.score()) && std::isnan(cb.score());
    if (ca.epochs() != cb.epochs()) return ca.epochs() > cb.epochs();
    return larger_is_better(metric_) ? ca.score() > cb.score() : ca.score() < cb.score();
  });
  return order;
}

/// What can't be trained with is found before anything is: each value of a list and both ends of each range are tried,
/// with the first candidate's other values.
void Search::check(const TrialFolder& folder) const {
  std::vector<Trial> trials;
  const std::vector<std::string>& first = candidates_.front().values;
  for (size_t d = 0; d < dimensions_.size(); ++d) {
    std::vector<std::string> values = dimensions_[d].values;
    if (dimensions_[d].is_range()) {
      SearchDimension ends = dimensions_[d];
      ends.points = 2;
      values = ends.grid();
    }
    for (const std::string& value : values) {
      std::vector<std::string> all = first;
      all[d] = value;
      trials.push_back({"check", dimensions_[d].name + "=" + value, settings_of(all)});
    }
  }
  folder.check(trials);
}

void Search::open_journal(const TrialFolder& folder) {
  journal_ = folder.path() + "/journal.jsonl";
  JsonLine head;
  head.text("event", "search").text("method", method_).text("metric", metric_);
  if (method_ != "grid") head.integer("seed", seed_);
  head.integer("epochs", epochs_);
  if (method_ == "halving") head.integer("min_epochs", min_epochs_).integer("factor", factor_);
  for (const SearchDimension& dimension : dimensions_) {
    std::string values;
    for (const std::string& value : dimension.values) values += (values.empty() ? "" : ";") + value;
    if (dimension.is_range())
      values = std::to_string(static_cast<int>(dimension.kind)) + ":" + exact(dimension.min) + ".." +
               exact(dimension.max) + ":" + std::to_string(dimension.points);
    head.text("over " + dimension.key, values);
  }
  if (!std::filesystem::exists(journal_)) {
    write_json_lines(journal_, {head});
    return;
  }
  const std::vector<JsonLine> lines = read_json_lines(journal_);
  if (lines.empty() || lines[0].members() != head.members())
    throw Error({.file = journal_,
                 .reason = "the folder has another search in it",
                 .fix = "Give the options that it was begun with (--trials, --jobs and --threads may change), or "
                        "another --out"});
  write_json_lines(journal_, lines); // without a line that was cut
  for (size_t i = 1; i < lines.size(); ++i)
    written_.insert(
        {static_cast<index_t>(lines[i].number_of("trial")), static_cast<index_t>(lines[i].number_of("epochs"))});
}

bool Search::train_rung(const TrialFolder& folder, const std::vector<size_t>& chosen, index_t epochs) {
  std::vector<Trial> trials;
  for (const size_t candidate : chosen) trials.push_back(trial(candidate, epochs));
  size_t ended = 0;
  return folder.train(trials, jobs_, threads_, [&](size_t index, const TrialResult& result) {
    Candidate& candidate = candidates_[chosen[index]];
    const JsonLine* best = result.error.empty() ? best_epoch(result.history, metric_) : nullptr;
    const double score = best ? best->number_of(metric_) : NAN;
    candidate.scores[epochs] = score;
    candidate.error = !result.error.empty() ? result.error : best ? "" : "no epoch has a value of " + metric_;
    const auto number = static_cast<index_t>(chosen[index]);
    if (written_.insert({number, epochs}).second) {
      JsonLine line;
      line.text("event", "result").integer("trial", number).integer("epochs", epochs);
      for (size_t d = 0; d < dimensions_.size(); ++d) line.text(dimensions_[d].key, candidate.values[d]);
      line.number(metric_, score);
      if (!candidate.error.empty()) line.text("error", candidate.error);
      append_json_line(journal_, line);
    }
    std::printf("[%zu/%zu] trial %lld, %s: %s\n", ++ended, trials.size(), static_cast<long long>(number),
                trials[index].title.c_str(),
                candidate.error.empty() ? (metric_ + " " + decimals(score, 4)).c_str()
                                        : ("failed: " + candidate.error).c_str());
    std::fflush(stdout);
  });
}

void Search::write_results(const TrialFolder& folder) const {
  const std::vector<size_t> order = ranking();
  std::vector<std::vector<std::string>> rows{{"trial"}};
  for (const SearchDimension& dimension : dimensions_) rows[0].push_back(dimension.name);
  rows[0].insert(rows[0].end(), {metric_, "epochs"});
  std::string values = "trial";
  for (const SearchDimension& dimension : dimensions_) values += ",\"" + dimension.key + "\"";
  values += "," + metric_ + ",epochs\n";
  for (const size_t i : order) {
    const Candidate& candidate = candidates_[i];
    if (candidate.scores.empty()) continue;
    std::vector<std::string> row{std::to_string(i)};
    row.insert(row.end(), candidate.values.begin(), candidate.values.end());
    row.push_back(std::isnan(candidate.score()) ? "failed" : decimals(candidate.score(), 4));
    row.push_back(std::to_string(candidate.epochs()));
    rows.push_back(row);
    values += std::to_string(i);
    for (const std::string& value : candidate.values) values += ",\"" + value + "\"";
    values += "," + (std::isnan(candidate.score()) ? "" : exact(candidate.score())) + "," +
              std::to_string(candidate.epochs()) + "\n";
  }
  const std::string markdown = "`" + metric_ + "` of each trial's best epoch\n\n" + text_table(rows, true);
  data::write_file(folder.path() + "/search.md", markdown.data(), markdown.size());
  data::write_file(folder.path() + "/search.csv", values.data(), values.size());

  std::string charts;
  for (size_t d = 0; d < dimensions_.size(); ++d) {
    if (!dimensions_[d].is_range()) continue;
    Plot plot{.title = metric_ + " over " + dimensions_[d].name,
              .x = {.title = dimensions_[d].name, .log = dimensions_[d].kind == SearchDimension::Kind::logarithmic},
              .y = {.title = metric_}};
    std::map<index_t, Series> by_epochs;
    for (const Candidate& candidate : candidates_)
      for (const auto& [epochs, score] : candidate.scores) {
        Series& series = by_epochs[epochs];
        series.mark = Mark::points;
        series.x.push_back(std::stod(candidate.values[d]));
        series.y.push_back(score);
      }
    for (auto& [epochs, series] : by_epochs) {
      if (by_epochs.size() > 1) series.name = std::to_string(epochs) + " epochs";
      plot.series.push_back(series);
    }
    write_svg(folder.path() + "/" + dimensions_[d].key + ".svg", plot);
    charts += ", " + dimensions_[d].key + ".svg";
  }

  const Candidate& best = candidates_[order.front()];
  const std::string ini = "# " + metric_ + " " + decimals(best.score(), 4) + " after " + std::to_string(best.epochs()) +
                          " epochs: the best of " + std::to_string(rows.size() - 1) + " trials (" + title(best) +
                          ").\n#   leadline train --config best.ini\n" + settings_of(best.values).to_ini(true);
  data::write_file(folder.path() + "/best.ini", ini.data(), ini.size());
  const bool cut = rows.size() > 11;
  if (cut) rows.resize(11);
  std::printf("\n%s%s\n%s/{best.ini, search.md, search.csv%s}\n", text_table(rows, false).c_str(), cut ? "...\n" : "",
              folder.path().c_str(), charts.c_str());
}

int Search::run() {
  const TrialFolder folder(options_.text("out"), "search");
  if (!std::filesystem::exists(folder.path() + "/journal.jsonl")) check(folder);
  open_journal(folder);
  const std::vector<Rung> plan = rungs();
  std::printf("%s search, %zu kinds of settings, in %s\n", method_.c_str(), candidates_.size(), folder.path().c_str());
  if (method_ != "grid" && static_cast<index_t>(candidates_.size()) < wanted_)
    std::printf("(there are no more than %zu)\n", candidates_.size());
  for (const Rung& rung : plan)
    if (plan.size() > 1)
      std::printf("  %lld of them for %lld epochs\n", static_cast<long long>(rung.candidates),
                  static_cast<long long>(rung.epochs));
  std::fflush(stdout);

  std::vector<size_t> chosen = ranking(); // nobody has a score: in order
  for (const Rung& rung : plan) {
    chosen.resize(static_cast<size_t>(rung.candidates));
    std::sort(chosen.begin(), chosen.end());
    if (plan.size() > 1) std::printf("%lld epochs\n", static_cast<long long>(rung.epochs));
    if (!train_rung(folder, chosen, rung.epochs)) {
      std::printf("stopped; the same command with --out %s goes on\n", folder.path().c_str());
      return 130;
    }
    chosen = ranking();
  }
  if (std::isnan(candidates_[chosen.front()].score()))
    throw Error({.file = folder.path(),
                 .reason = "not one of " + std::to_string(candidates_.size()) +
                           " trials succeeded; the last words of "
                           "the first: " +
                           candidates_.front().error,
                 .fix = "Look at trial_000/trial.log there"});
  write_results(folder);
  return 0;
}

} // namespace

int search_command(const std::vector<std::string>& all_arguments) {
  std::vector<std::string> arguments = all_arguments;
  const std::vector<std::string> over = take_over_arguments(arguments, "leadline search");
  OptionGroup own{"This command", trial_options("search")};
  own.options.insert(own.options.end() - 1,
                     {{"over", "",
                       "KEY=VALUES: a list a,b,c, or a range LOW..HIGH, log:LOW..HIGH, int:LOW..HIGH, each "
                       "with :POINTS for a grid; several --over: all of them at once"},
                      {"method", "random", "how to look", {"random", "grid", "halving"}},
                      {"trials", "20", "random, halving: how many settings"},
                      {"seed", "0", "random, halving: of what is drawn"},
                      {"min_epochs", "1", "halving: epochs of the first rung, at least"},
                      {"factor", "3", "halving: one of so many goes on, for so many times as many epochs"},
                      {"metric", "", "what decides, of each trial's best epoch; empty: eval.monitor",
                       metric_choices({""}, {"train_loss"})}});
  std::vector<OptionGroup> groups = train_option_groups();
  groups.insert(groups.begin(), own);
  Settings options;
  const std::vector<OptionGroup> shown{own};
  if (!read_options("leadline search", introduction, groups, arguments, &options, nullptr, &shown)) return 0;
  if (over.empty())
    throw Error({.file = "leadline search",
                 .field = "--over",
                 .reason = "is not given, so there is nothing to vary",
                 .fix = "For example --over optimizer.lr=log:1e-4..1e-1"});
  Settings base(train_option_groups());
  apply_settings(options, base);
  const std::vector<SearchDimension> dimensions = parse_dimensions(over, base);
  for (const SearchDimension& dimension : dimensions)
    if (options.text("method") == "halving" && dimension.key == "train.epochs")
      throw Error({.field = "--over",
                   .value = dimension.key,
                   .reason = "halving itself chooses for how many epochs a trial trains",
                   .fix = "Take --method random or grid, or leave it out"});
  return Search(options, base, dimensions).run();
}

} // namespace leadline::trainer
