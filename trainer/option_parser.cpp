// The only file that sees Boost.Program_options.
#include "trainer/option_parser.hpp"

#include "trainer/registry.hpp" // nearest_name

#include <boost/program_options.hpp>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

namespace leadline::trainer {

namespace po = boost::program_options;

namespace {

/// What the settings know, in Boost's words. `in_file`: only keys with a section.
po::options_description describe_options(const Settings& settings, bool in_file) {
  po::options_description description;
  for (const std::string& key : settings.keys())
    if (settings.spec(key).is_switch)
      description.add_options()(key.c_str(), "");
    else if (!in_file || key.find('.') != std::string::npos)
      description.add_options()(key.c_str(), po::value<std::string>(), "");
  return description;
}

/// "Did you mean train.epochs?", or where to look.
std::string suggestion(const std::string& key, const Settings& settings, const std::string& look) {
  // lr in the wrong section is no slip of the pen: the option with that last word is meant, if there is one alone.
  std::vector<std::string> same_word;
  if (const size_t dot = key.find('.'); dot != std::string::npos)
    for (const std::string& other : settings.keys())
      if (other.ends_with(key.substr(dot))) same_word.push_back(other);
  const std::string near = same_word.size() == 1 ? same_word[0] : nearest_name(key, settings.keys());
  return near.empty() ? look : "Did you mean " + near + "?";
}

/// The line (from 1) where a settings file gives `key`; 0 if it isn't found.
int line_of(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  std::string line, section;
  for (int number = 1; std::getline(lines, line); ++number) {
    const size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos) continue;
    if (line[first] == '[') {
      section = line.substr(first + 1, line.find(']') - first - 1) + ".";
    } else if (const size_t equals = line.find('='); equals != std::string::npos) {
      const size_t last = line.find_last_not_of(" \t", equals - 1);
      if (section + line.substr(first, last - first + 1) == key) return number;
    }
  }
  return 0;
}

std::string place(const std::string& file, int line) { return line > 0 ? file + ":" + std::to_string(line) : file; }

/// `--model.base-channels=8` as `--model.base_channels=8`; values stay as they are.
std::string snake_case(std::string argument) {
  if (argument.rfind("--", 0) != 0) return argument;
  for (size_t i = 2; i < argument.size() && argument[i] != '='; ++i)
    if (argument[i] == '-') argument[i] = '_';
  return argument;
}

} // namespace

void read_settings_text(const std::string& bytes, const std::string& file, Settings& settings) {
  constexpr const char* byte_order_mark = "\xEF\xBB\xBF"; // that some editors put before UTF-8
  const std::string text = bytes.starts_with(byte_order_mark) ? bytes.substr(3) : bytes;
  std::istringstream stream(text);
  po::parsed_options parsed(nullptr);
  try {
    parsed = po::parse_config_file(stream, describe_options(settings, true), true);
  } catch (const po::error& error) {
    throw Error({.file = file,
                 .reason = error.what(),
                 .fix = "A settings file has [section] lines, key = value lines and # comments"});
  }
  std::set<std::string> seen;
  for (const po::option& option : parsed.options) {
    const std::string& key = option.string_key;
    const std::string where = place(file, line_of(text, key));
    if (option.unregistered)
      throw Error({.file = where,
                   .field = key,
                   .reason = "there is no such option",
                   .fix = suggestion(key, settings, "`leadline train --help` lists all of them")});
    if (!seen.insert(key).second)
      throw Error({.file = file, .field = key, .reason = "is given twice", .fix = "Keep one of the two lines"});
    settings.set(key, option.value.empty() ? "" : option.value.front(), where);
  }
}

void read_settings_file(const std::string& file, Settings& settings) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf()))
    throw Error({.file = file,
                 .reason = "the settings file can't be read, or is empty",
                 .fix = "Check the path; trainer/configs has examples"});
  read_settings_text(text.str(), file, settings);
}

std::vector<std::string> read_command_line(const std::vector<std::string>& arguments, const std::string& command,
                                           Settings& settings) {
  const std::string look = "`" + command + " --help` lists all of them";
  std::vector<std::string> normalised, rest;
  for (const std::string& argument : arguments)
    normalised.push_back(argument == "-h" ? "--help" : snake_case(argument));

  const po::options_description description = describe_options(settings, false);
  po::parsed_options parsed(nullptr);
  try {
    using namespace po::command_line_style;
    parsed = po::command_line_parser(normalised)
                 .options(description)
                 .style(allow_long | long_allow_adjacent | long_allow_next)
                 .allow_unregistered()
                 .run();
  } catch (const po::error& error) {
    throw Error(
        {.file = command, .reason = error.what(), .fix = "Options are written --key value or --key=value; " + look});
  }
  for (const po::option& option : parsed.options) {
    if (option.position_key != -1) {
      rest.insert(rest.end(), option.value.begin(), option.value.end());
    } else if (option.unregistered) {
      const std::string key = option.string_key;
      throw Error({.file = command,
                   .field = "--" + key,
                   .reason = "there is no such option",
                   .fix = suggestion(key, settings, look)});
    } else {
      settings.set(option.string_key, option.value.empty() ? "true" : option.value.front(), "--" + option.string_key);
    }
  }
  for (const std::string& argument : rest)
    if (argument.size() > 1 && argument[0] == '-')
      throw Error({.file = command, .field = argument, .reason = "there is no such option", .fix = look});
  return rest;
}

std::string option_help(const std::vector<OptionGroup>& groups) {
  po::options_description all("", 100, 56);
  for (const OptionGroup& group : groups) {
    po::options_description part(group.title, 100, 56);
    for (const OptionSpec& spec : group.options) {
      std::string help = spec.help;
      if (!spec.choices.empty()) help += ": " + join_choices(spec.choices);
      if (!spec.default_value.empty()) help += " (" + spec.default_value + ")";
      if (spec.is_switch)
        part.add_options()(spec.key.c_str(), help.c_str());
      else
        part.add_options()(spec.key.c_str(), po::value<std::string>()->value_name("X"), help.c_str());
    }
    all.add(part);
  }
  std::ostringstream out;
  out << all;
  return out.str();
}

bool read_options(const std::string& command, const char* introduction, const std::vector<OptionGroup>& groups,
                  const std::vector<std::string>& arguments, Settings* settings, std::vector<std::string>* words,
                  const std::vector<OptionGroup>* shown) {
  *settings = Settings(groups);
  const std::vector<std::string> rest = read_command_line(arguments, command, *settings);
  if (settings->given("help")) {
    std::printf("%s\n%s", introduction, option_help(shown ? *shown : groups).c_str());
    return false;
  }
  if (!words && !rest.empty())
    throw Error({.file = command,
                 .value = rest.front(),
                 .reason = "this word is not expected: every option has a name",
                 .fix = settings->known("config") ? "A settings file is given with --config FILE"
                                                  : "`" + command + " --help` lists them"});
  if (words) *words = rest;
  return true;
}

std::string one_operand(const std::string& command, const char* operand, const std::vector<std::string>& words,
                        std::vector<std::string>* more) {
  if (words.empty() || (words.size() != 1 && !more))
    throw Error({.file = command,
                 .field = operand,
                 .reason = words.empty() ? "is missing" : "exactly one is wanted, not " + std::to_string(words.size()),
                 .fix = "`" + command + " --help` has an example"});
  if (more) more->assign(words.begin() + 1, words.end());
  return words.front();
}

bool read_command(const std::string& command, const char* introduction, const std::vector<OptionGroup>& groups,
                  const std::vector<std::string>& arguments, const char* operand, Settings* settings,
                  std::string* value, std::vector<std::string>* more) {
  std::vector<std::string> words;
  if (!read_options(command, introduction, groups, arguments, settings, &words)) return false;
  *value = one_operand(command, operand, words, more);
  return true;
}

void apply_settings(const Settings& command_line, Settings& settings) {
  if (command_line.known("config") && command_line.given("config"))
    read_settings_file(command_line.required("config"), settings);
  settings.set_given(command_line);
}

} // namespace leadline::trainer
