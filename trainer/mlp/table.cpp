#include "trainer/mlp/table.hpp"

#include "data/digits.hpp"
#include "data/error.hpp"
#include "trainer/registry.hpp" // known_names
#include "trainer/settings.hpp" // parse_real
#include "trainer/text.hpp"

#include <algorithm>
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

/// Numbers of the columns that `target` names.
std::vector<size_t> target_columns(const std::string& target, const std::vector<std::string>& names,
                                   const std::string& file) {
  if (target.empty()) return {names.size() - 1};
  std::vector<size_t> columns;
  for (const std::string& part : comma_list(target)) {
    auto at = std::find(names.begin(), names.end(), part);
    index_t number = 0;
    if (at == names.end() && parse_integer(part, &number) && number >= 1 &&
        number <= static_cast<index_t>(names.size()))
      at = names.begin() + static_cast<std::ptrdiff_t>(number - 1);
    if (at == names.end())
      throw Error({.file = file,
                   .field = "target",
                   .value = part,
                   .reason = "the file has no such column",
                   .fix = known_names(part, names) + ", or numbers from 1 to " + std::to_string(names.size())});
    const auto column = static_cast<size_t>(at - names.begin());
    if (std::find(columns.begin(), columns.end(), column) == columns.end()) columns.push_back(column);
  }
  if (columns.empty()) throw Error({.file = file, .field = "target", .value = target, .reason = "it names no column"});
  return columns;
}

Table csv_table(const std::string& file, const std::string& target, bool has_target) {
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
      // a file to predict from may have the target or not
      if (has_target || (!target.empty() && std::find(names.begin(), names.end(), target) != names.end()))
        targets = target_columns(target, names, file);
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
    for (const size_t column : targets) {
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

Table read_table(const std::string& spec, const std::string& target, bool has_target) {
  if (spec == "digits") return digits_table();
  if (spec.starts_with("csv:")) return csv_table(spec.substr(4), target, has_target);
  throw Error({.field = "data",
               .value = spec,
               .reason = "an MLP learns from tables",
               .fix = "Use --data digits or --data csv:FILE; depth data is for `leadline mlp depth`"});
}

} // namespace leadline::trainer::mlp
