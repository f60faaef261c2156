#include "trainer/settings.hpp"

#include "trainer/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

namespace leadline::trainer {

namespace {

std::string number(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

} // namespace

std::string join_choices(const std::vector<std::string>& choices) {
  std::vector<std::string> named = choices; // the empty one is in the option's help
  named.erase(std::remove(named.begin(), named.end(), ""), named.end());
  std::string text;
  for (size_t i = 0; i < named.size(); ++i) text += (i == 0 ? "" : i + 1 == named.size() ? " or " : ", ") + named[i];
  return text;
}

bool parse_integer(const std::string& text, index_t* value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

bool parse_real(const std::string& text, double* value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end && std::isfinite(*value);
}

Settings::Settings(const std::vector<OptionGroup>& groups) {
  for (const OptionGroup& group : groups)
    for (const OptionSpec& spec : group.options)
      if (entries_.insert({spec.key, {spec, spec.default_value, ""}}).second) order_.push_back(spec.key);
}

const Settings::Entry& Settings::entry(const std::string& key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) throw std::logic_error("no option is called " + key);
  return found->second;
}

void Settings::set(const std::string& key, const std::string& value, const std::string& origin) {
  entry(key); // throws for what there isn't
  Entry& slot = entries_[key];
  slot.value = trimmed(value);
  slot.origin = origin;
  const std::vector<std::string>& choices = slot.spec.choices;
  if (choices.empty()) return;
  for (const std::string& choice : choices)
    if (slot.value == choice) return;
  fail(key, "there is no such choice", "Use " + join_choices(choices));
}

void Settings::set_given(const Settings& command_line) {
  for (const std::string& key : command_line.order_)
    if (command_line.given(key) && known(key)) set(key, command_line.text(key), "--" + key);
}

std::vector<std::string> Settings::keys() const { return order_; }

void Settings::fail(const std::string& key, const std::string& reason, const std::string& fix) const {
  const Entry& e = entry(key);
  throw Error({.file = e.origin, .field = key, .value = e.value, .reason = reason, .fix = fix});
}

const std::string& Settings::required(const std::string& key) const {
  const Entry& e = entry(key);
  if (e.value.empty()) {
    const size_t dot = key.find('.');
    const std::string in_file =
        dot == std::string::npos ? ""
                                 : ", or write `" + key.substr(dot + 1) + " = ...` under [" + key.substr(0, dot) + "]";
    throw Error({.file = e.origin,
                 .field = key,
                 .reason = "is not given: " + e.spec.help,
                 .fix = "Add `--" + key + " ...`" + in_file});
  }
  return e.value;
}

index_t Settings::integer(const std::string& key, index_t min, index_t max) const {
  index_t value = 0;
  const std::string range = "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  if (!parse_integer(text(key), &value)) fail(key, "it is not a whole number", "Use " + range);
  if (value < min || value > max) fail(key, "it is out of range", "Use " + range);
  return value;
}

double Settings::real(const std::string& key, double min, double max) const {
  double value = 0;
  const std::string top = number(max); // 0.999999999 reads "1": that end is open
  const bool open = std::stod(top) > max;
  const std::string range = "a number from " + number(min) + " to " + top + (open ? ", but below it" : "");
  if (!parse_real(text(key), &value)) fail(key, "it is not a number", "Use " + range);
  if (!(value >= min && value <= max)) fail(key, "it is out of range", "Use " + range);
  return value;
}

bool Settings::boolean(const std::string& key) const {
  const std::string& value = text(key);
  for (const char* yes : {"true", "yes", "on", "1"})
    if (value == yes) return true;
  for (const char* no : {"false", "no", "off", "0"})
    if (value == no) return false;
  fail(key, "it is neither yes nor no", "Use true or false");
}

std::pair<int, int> Settings::size(const std::string& key) const {
  const std::string& value = text(key);
  const size_t x = value.find('x');
  index_t height = 0, width = 0;
  if (x == std::string::npos || !parse_integer(trimmed(value.substr(0, x)), &height) ||
      !parse_integer(trimmed(value.substr(x + 1)), &width))
    fail(key, "it is not a size", "Use HEIGHTxWIDTH in pixels, such as 144x192");
  if (height < 1 || width < 1 || height > 16384 || width > 16384)
    fail(key, "it is out of range", "Use HEIGHTxWIDTH with sides from 1 to 16384 pixels");
  return {static_cast<int>(height), static_cast<int>(width)};
}

std::vector<std::string> Settings::list(const std::string& key) const {
  const std::vector<std::string> parts = comma_list(text(key));
  for (const std::string& part : parts)
    if (part.empty()) fail(key, "there is nothing between two commas", "Leave the comma out");
  return parts;
}

std::vector<double> Settings::reals(const std::string& key, size_t count) const {
  const std::string fix = "Use " + std::to_string(count) + " numbers with commas between";
  std::vector<double> values;
  for (const std::string& part : list(key)) {
    values.push_back(0);
    if (!parse_real(part, &values.back())) fail(key, "\"" + part + "\" is not a number", fix);
  }
  if (values.size() != count) fail(key, "it has " + std::to_string(values.size()) + " numbers", fix);
  return values;
}

std::vector<std::pair<std::string, double>> Settings::named_reals(const std::string& key) const {
  std::vector<std::pair<std::string, double>> numbers;
  for (const std::string& part : list(key)) {
    const size_t equals = part.find('=');
    double value = 0;
    if (equals == 0 || equals == std::string::npos || !parse_real(trimmed(part.substr(equals + 1)), &value))
      fail(key, "\"" + part + "\" is not name=number", "Use name=number with commas between");
    numbers.push_back({trimmed(part.substr(0, equals)), value});
  }
  return numbers;
}

std::string Settings::to_ini(bool comments) const {
  std::string out, section;
  for (const std::string& key : order_) {
    const size_t dot = key.find('.');
    if (dot == std::string::npos) continue; // about one call, not about the run
    if (key.substr(0, dot) != section) {
      section = key.substr(0, dot);
      out += (out.empty() ? "[" : "\n[") + section + "]\n";
    }
    const Entry& e = entry(key);
    if (comments)
      out += "# " + e.spec.help + (e.spec.choices.empty() ? "" : ": " + join_choices(e.spec.choices)) + "\n";
    out += key.substr(dot + 1) + " = " + e.value + "\n";
  }
  return out;
}

} // namespace leadline::trainer
