#include "trainer/mlp/table.hpp"

#include "data/digits.hpp"
#include "data/error.hpp"
#include "trainer/registry.hpp" // known_names
#include "trainer/settings.hpp" // parse_real
#include "trainer/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

namespace leadline::trainer::mlp {

namespace {

/// The fields of a line; those in double quotes may hold separators, and "" for a quote.
std::vector<std::string> fields_of(const std::string& line, char separator, const std::string& where) {
  std::vector<std::string> fields(1);
  bool quoted = false, was_quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"' && (quoted || trimmed(fields.back()).empty())) {
      quoted = !quoted;
      was_quoted = true;
      if (quoted) fields.back().clear();
    } else if (c == separator && !quoted) {
      if (!was_quoted) fields.back() = trimmed(fields.back());
      was_quoted = false;
      fields.emplace_back();
    } else if (!(was_quoted && !quoted)) { // blanks behind a quote don't count
      fields.back() += c;
    }
  }
  if (quoted) throw Error({.file = where, .reason = "a double quote isn't closed", .fix = "Close it on the same line"});
  if (!was_quoted) fields.back() = trimmed(fields.back());
  return fields;
}

bool all_numbers(const std::vector<std::string>& fields) {
  double value;
  return std::all_of(fields.begin(), fields.end(), [&](const std::string& f) { return parse_real(f, &value); });
}

Table digits_table() {
  const data::Digits digits = data::load_digits();
  Table table;
  table.name = "digits";
  table.targets = {"digit"};
  for (size_t i = 0; i < data::Digits::feature_count; ++i)
    table.features.push_back("pixel_" + std::to_string(i / 8) + "_" + std::to_string(i % 8));
  for (const float ink : digits.features) table.x.push_back(static_cast<double>(ink) / 16);
  for (const int label : digits.targets) {
    table.labels.push_back(std::to_string(label));
    table.y.push_back(label);
  }
  return table;
}

size_t find_column(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

/// Numbers of the columns that `target` names.
std::vector<size_t> target_columns(const std::string& target, const std::vector<std::string>& names,
                                   const std::string& file) {
  std::vector<size_t> columns;
  const bool one = find_column(names, target) < names.size(); // a name may have a comma in it
  for (const std::string& part : one ? std::vector<std::string>{target} : comma_list(target)) {
    size_t column = find_column(names, part);
    index_t number = 0;
    if (column == names.size() && parse_integer(part, &number) && number >= 1 &&
        number <= static_cast<index_t>(names.size()))
      column = static_cast<size_t>(number - 1);
    if (column == names.size())
      throw Error({.file = file,
                   .field = "target",
                   .value = part,
                   .reason = "the file has no such column",
                   .fix = known_names(part, names) + ", or numbers from 1 to " + std::to_string(names.size())});
    if (std::find(columns.begin(), columns.end(), column) == columns.end()) columns.push_back(column);
  }
  if (columns.empty()) throw Error({.file = file, .field = "target", .value = target, .reason = "it names no column"});
  return columns;
}

/// The fit's targets in a table for its model; nobody said which they are.
std::vector<size_t> fitted_targets(const Columns& fitted, const std::vector<std::string>& names, bool named,
                                   TargetUse use, const std::string& file) {
  std::vector<size_t> columns;
  const bool comparable = named || names.size() == fitted.features.size() + fitted.targets.size();
  if (fitted.named == named && comparable) {
    for (const std::string& target : fitted.targets) {
      const size_t column = find_column(names, target);
      if (column < names.size())
        columns.push_back(column);
      else if (use == TargetUse::needed)
        throw Error({.file = file,
                     .field = "target",
                     .value = target,
                     .reason = "the model was fitted to this column, and the file has none of that name",
                     .fix = "Name the target's column with --target. " + known_names(target, names)});
    }
  }
  if (columns.empty() && use == TargetUse::needed) columns.push_back(names.size() - 1);
  return columns;
}

/// Columns in another order would be taken for one another without a word.
void check_features(const Columns& table, const Columns& fitted, const std::string& file) {
  if (!table.named || !fitted.named || table.features == fitted.features) return;
  const auto lacks = [](const std::vector<std::string>& names, const std::vector<std::string>& others) {
    std::string text;
    int more = 0;
    for (const std::string& name : names)
      if (find_column(others, name) == others.size()) {
        if (text.size() < 200)
          text += (text.empty() ? "" : ", ") + name;
        else
          ++more;
      }
    return more > 0 ? text + " and " + std::to_string(more) + " more" : text;
  };
  const std::string missing = lacks(fitted.features, table.features), unseen = lacks(table.features, fitted.features);
  if (!missing.empty() || !unseen.empty())
    throw Error({.file = file,
                 .field = "features",
                 .reason = "they aren't those of the fit:" + (missing.empty() ? "" : " missing: " + missing) +
                           (missing.empty() || unseen.empty() ? "" : ";") +
                           (unseen.empty() ? "" : " not in the fit: " + unseen),
                 .fix = "Give the fit's columns; --target says which one is none of them"});
  size_t i = 0;
  while (i < table.features.size() && i < fitted.features.size() && table.features[i] == fitted.features[i]) ++i;
  std::string order;
  for (const std::string& name : fitted.features) order += (order.empty() ? "" : ",") + name;
  throw Error({.file = file,
               .field = "features",
               .value = i < table.features.size() ? table.features[i] : table.features.back(),
               .reason = "in the fit, feature " + std::to_string(i + 1) + " was " +
                         (i < fitted.features.size() ? "\"" + fitted.features[i] + "\"" : "none"),
               .fix = "Bring the columns into the fit's order: " + order});
}

/// Whether it is text for a missing or infinite number. Such a class would be one by mistake.
bool is_no_value(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return text.empty() || (read.ec == std::errc() && read.ptr == end && !std::isfinite(value));
}

/// `fitted`: what the model it is for was fitted on; null: it is to be fitted.
Table csv_table(const std::string& file, const std::string& target, const Columns* fitted, TargetUse use) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream)
    throw Error({.file = file, .reason = "the file can't be read", .fix = "Check the path; write --data csv:FILE"});
  Table table;
  table.name = "csv:" + file;
  std::vector<std::string> names;
  std::vector<size_t> targets;
  std::vector<bool> is_target;
  char separator = ',';
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    const std::string where = file + ":" + std::to_string(++number);
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3); // a byte order mark
    if (trimmed(line).empty()) continue;
    if (names.empty())
      for (const char c : {';', '\t'})
        if (std::count(line.begin(), line.end(), c) > std::count(line.begin(), line.end(), separator)) separator = c;
    std::vector<std::string> fields = fields_of(line, separator, where);
    if (names.empty()) {
      const bool header = !all_numbers(fields);
      for (size_t i = 0; i < fields.size(); ++i)
        names.push_back(header && !fields[i].empty() ? fields[i] : "column " + std::to_string(i + 1));
      table.named = header;
      targets = !target.empty() ? target_columns(target, names, file)
                : fitted        ? fitted_targets(*fitted, names, header, use, file)
                                : std::vector<size_t>{names.size() - 1};
      is_target.assign(names.size(), false);
      for (const size_t column : targets) {
        is_target[column] = true;
        table.targets.push_back(names[column]);
      }
      for (size_t i = 0; i < names.size(); ++i)
        if (!is_target[i]) table.features.push_back(names[i]);
      if (table.features.empty())
        throw Error(
            {.file = where, .reason = "there is no column beside the target", .fix = "Give at least one feature"});
      if (fitted) check_features(table, *fitted, file);
      if (header) continue;
    }
    if (fields.size() != names.size())
      throw Error({.file = where,
                   .value = std::to_string(fields.size()) + " fields",
                   .reason = "the first line has " + std::to_string(names.size()),
                   .fix = "Give each line the same number of fields"});
    for (size_t i = 0; i < fields.size(); ++i) {
      if (is_target[i]) continue;
      double value = 0;
      if (!parse_real(fields[i], &value))
        throw Error({.file = where,
                     .field = names[i],
                     .value = fields[i],
                     .reason = fields[i].empty() ? "the field is empty" : "it is not a finite number",
                     .fix = "Features are numbers: fill gaps and encode words first"});
      table.x.push_back(value);
    }
    if (use == TargetUse::left_out) continue;
    for (const size_t column : targets) {
      if (is_no_value(fields[column]))
        throw Error({.file = where,
                     .field = names[column],
                     .value = fields[column],
                     .reason = fields[column].empty() ? "the field is empty" : "it is not a finite number",
                     .fix = "Each row needs a target: leave such rows out or fill the gaps"});
      double value = 0;
      if (!parse_real(fields[column], &value) && table.not_a_number.empty())
        table.not_a_number = where + ": " + names[column] + " is \"" + fields[column] + "\"";
      table.y.push_back(value);
    }
    if (!targets.empty()) table.labels.push_back(fields[targets.front()]);
  }
  if (table.x.empty())
    throw Error({.file = file, .reason = "there is no line with numbers", .fix = "Give rows of features and target"});
  if (!table.not_a_number.empty()) table.y.clear();
  return table;
}

} // namespace

namespace {

Table read(const std::string& spec, const std::string& target, const Columns* fitted, TargetUse use) {
  if (spec.starts_with("csv:")) return csv_table(spec.substr(4), target, fitted, use);
  if (spec != "digits")
    throw Error({.field = "data",
                 .value = spec,
                 .reason = "an MLP learns from tables",
                 .fix = "Use --data digits or --data csv:FILE; depth data is for `leadline mlp depth`"});
  Table table = digits_table();
  if (!target.empty() && target != table.targets.front())
    throw Error({.file = spec,
                 .field = "target",
                 .value = target,
                 .reason = "the digits have no such target",
                 .fix = "Leave --target out: it is \"" + table.targets.front() + "\""});
  if (fitted) check_features(table, *fitted, spec);
  return table;
}

} // namespace

Table read_table(const std::string& spec, const std::string& target) {
  return read(spec, target, nullptr, TargetUse::needed);
}

Table read_table(const std::string& spec, const std::string& target, const Columns& fitted, TargetUse use) {
  return read(spec, target, &fitted, use);
}

} // namespace leadline::trainer::mlp
