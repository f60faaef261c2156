#include "trainer/commands/search_space.hpp"

#include "shared/core/rng.hpp"
#include "trainer/registry.hpp" // nearest_name, known_names
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace leadline::trainer {

namespace {

[[noreturn]] void fail(const std::string& text, const std::string& reason, const std::string& fix) {
  throw Error({.field = "--over", .value = text, .reason = reason, .fix = fix});
}

/// Few enough digits to be read, and to name a folder.
std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

} // namespace

std::string option_key(const std::string& name, const Settings& settings) {
  if (name.find('.') != std::string::npos && settings.known(name)) return name;
  if (settings.known(name + ".name")) return name + ".name";
  std::vector<std::string> ends, all;
  for (const std::string& key : settings.keys())
    if (const size_t dot = key.find('.'); dot != std::string::npos) {
      all.push_back(key);
      if (key.substr(dot + 1) == name) ends.push_back(key);
    }
  if (ends.size() == 1) return ends[0];
  if (ends.empty()) {
    const std::string near = nearest_name(name, all);
    fail(name, "there is no such option",
         near.empty() ? "`leadline train --help` lists all of them" : "Did you mean " + near + "?");
  }
  fail(name, "several options end in this word", "Use one of " + join_choices(ends));
}

SearchDimension parse_dimension(const std::string& text, const Settings& settings) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    fail(text, "it is not KEY=VALUES", "For example --over optimizer=sgd,adam or --over optimizer.lr=log:1e-4..1e-1");
  SearchDimension dimension;
  dimension.name = trimmed(text.substr(0, equals));
  std::replace(dimension.name.begin(), dimension.name.end(), '-', '_');
  dimension.key = option_key(dimension.name, settings);
  std::string values = trimmed(text.substr(equals + 1));

  const bool logarithmic = values.rfind("log:", 0) == 0, integer = values.rfind("int:", 0) == 0;
  const size_t dots = values.find("..");
  if (logarithmic || integer || dots != std::string::npos) {
    using Kind = SearchDimension::Kind;
    dimension.kind = logarithmic ? Kind::logarithmic : integer ? Kind::integer : Kind::linear;
    if (logarithmic || integer) values = values.substr(4);
    const size_t between = values.find(".."), colon = values.find(':');
    const std::string low = trimmed(values.substr(0, between)),
                      high = between == std::string::npos
                                 ? ""
                                 : trimmed(values.substr(between + 2,
                                                         colon == std::string::npos ? colon : colon - between - 2));
    const bool counted = colon != std::string::npos;
    if (!parse_real(low, &dimension.min) || !parse_real(high, &dimension.max) ||
        (counted && !parse_integer(trimmed(values.substr(colon + 1)), &dimension.points)))
      fail(text, "it is not a range of numbers",
           "Write LOW..HIGH, log:LOW..HIGH or int:LOW..HIGH, with :POINTS for a grid");
    if (!(dimension.min < dimension.max)) fail(text, "the range's low end isn't below its high end", "Swap the two");
    if (logarithmic && !(dimension.min > 0))
      fail(text, "a logarithmic range begins above 0", "Use a small positive number such as 1e-6");
    if (integer && (dimension.min != std::floor(dimension.min) || dimension.max != std::floor(dimension.max)))
      fail(text, "the ends of an int range are whole numbers", "For example int:2..5");
    if (counted && (dimension.points < 2 || dimension.points > 1000))
      fail(text, "a grid has 2 to 1000 points a range", "For example 0.1..0.9:5");
    if (!settings.spec(dimension.key).choices.empty())
      fail(text, dimension.key + " takes names", "Use a list of " + join_choices(settings.spec(dimension.key).choices));
    return dimension;
  }
  std::istringstream parts(values);
  const char separator = values.find(';') != std::string::npos ? ';' : ',';
  for (std::string part; std::getline(parts, part, separator);) {
    part = trimmed(part);
    Settings probe = settings;
    probe.set(dimension.key, part, "--over"); // refuses what isn't among its choices
    if (std::find(dimension.values.begin(), dimension.values.end(), part) != dimension.values.end())
      fail(text, "\"" + part + "\" is there twice", "Keep one of them");
    dimension.values.push_back(part);
  }
  return dimension;
}

std::vector<SearchDimension> parse_dimensions(const std::vector<std::string>& over, const Settings& settings) {
  std::vector<SearchDimension> dimensions;
  for (const std::string& text : over) {
    dimensions.push_back(parse_dimension(text, settings));
    const std::string& key = dimensions.back().key;
    if (key.starts_with("run."))
      fail(text, key + " is about a run's folder, and each training has its own", "Vary what the network learns from");
    for (size_t d = 0; d + 1 < dimensions.size(); ++d)
      if (dimensions[d].key == key) fail(text, key + " is varied twice", "Keep one of the two");
  }
  return dimensions;
}

std::vector<std::string> SearchDimension::grid() const {
  if (kind == Kind::list) return values;
  std::vector<std::string> all;
  if (kind == Kind::integer && points == 0) {
    if (max - min >= 1000) fail(name, "the range has more than 1000 whole numbers", "Add :POINTS, e.g. int:0..10000:5");
    for (double v = min; v <= max; ++v) all.push_back(decimals(v, 0));
    return all;
  }
  if (points == 0)
    fail(name, "a range has no grid until it is said how many points",
         "Add :POINTS behind it, e.g. log:1e-4..1e-1:4, or give a list");
  for (index_t i = 0; i < points; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(points - 1);
    const double value = kind == Kind::logarithmic ? min * std::pow(max / min, t) : min + (max - min) * t;
    const std::string shown = kind == Kind::integer ? decimals(std::round(value), 0) : short_number(value);
    if (all.empty() || all.back() != shown) all.push_back(shown);
  }
  return all;
}

std::string SearchDimension::sample(uint64_t seed, index_t trial, index_t dimension) const {
  const double u = Philox(seed, static_cast<uint64_t>(trial)).uniform_double(static_cast<uint64_t>(dimension));
  switch (kind) {
  case Kind::list: return values[static_cast<size_t>(u * static_cast<double>(values.size()))];
  case Kind::integer: return decimals(min + std::floor(u * (max - min + 1)), 0);
  case Kind::logarithmic: return short_number(std::clamp(min * std::pow(max / min, u), min, max));
  case Kind::linear: return short_number(std::clamp(min + (max - min) * u, min, max));
  }
  return "";
}

std::vector<std::string> take_over_arguments(std::vector<std::string>& arguments, const std::string& command) {
  std::vector<std::string> over;
  for (auto i = arguments.begin(); i != arguments.end();) {
    const bool attached = i->starts_with("--over=");
    if (!attached && *i != "--over") {
      ++i;
      continue;
    }
    const auto value = attached ? i : i + 1;
    if (value == arguments.end())
      throw Error({.file = command,
                   .field = "--over",
                   .reason = "needs KEY=VALUES after it",
                   .fix = "For example --over optimizer=sgd,adam"});
    over.push_back(attached ? i->substr(7) : *value);
    i = arguments.erase(i, value + 1);
  }
  return over;
}

} // namespace leadline::trainer
