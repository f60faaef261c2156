// Options of the programs: what may be set (OptionSpec), what was set and where (Settings).
//
// A settings file is an INI file; the command line uses the same keys and wins:
//
//     [train]                      --train.epochs 40   (or --train.epochs=40)
//     epochs = 20
//
// Keys are snake_case; on the command line kebab-case is accepted. The parsers are in option_parser.hpp.
#pragma once

#include "data/error.hpp"
#include "shared/core/config.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace leadline::trainer {

/// One option: everything that help, parsers, the saved settings and the messages know of it.
struct OptionSpec {
  std::string key;                    ///< "train.epochs"; without a dot it exists on the command line only
  std::string default_value;          ///< as it would be written in a file; empty: none
  std::string help;                   ///< one or two lines, begins in lower case
  std::vector<std::string> choices{}; ///< the only values there are; empty: anything
  bool is_switch = false;             ///< takes no value; command line only
};

/// Options that are shown together.
struct OptionGroup {
  std::string title;
  std::vector<OptionSpec> options;
};

/// Values by key, each with the place where it was given, for messages. Typed getters check and throw leadline::Error
/// with that place, the key, the value and what would be right. A value type: copyable, thread-safe to read.
class Settings {
public:
  Settings() = default;
  /// Every option at its default.
  explicit Settings(const std::vector<OptionGroup>& groups);

  /// Sets a known key; throws if the value isn't among its choices. `origin`: "file.ini:12" or "--train.epochs".
  void set(const std::string& key, const std::string& value, const std::string& origin);
  /// Takes over what a command line was given, as far as the key is known here.
  void set_given(const Settings& command_line);
  bool known(const std::string& key) const { return entries_.count(key) != 0; }
  /// Whether it was set at all, by file or command line.
  bool given(const std::string& key) const { return !entry(key).origin.empty(); }
  std::vector<std::string> keys() const; ///< in the order of the groups
  const OptionSpec& spec(const std::string& key) const { return entry(key).spec; }

  const std::string& text(const std::string& key) const { return entry(key).value; }
  /// Like text; throws if it is empty.
  const std::string& required(const std::string& key) const;
  index_t integer(const std::string& key, index_t min, index_t max) const;
  double real(const std::string& key, double min, double max) const;
  bool boolean(const std::string& key) const;                            ///< true|false, yes|no, on|off, 1|0
  std::pair<int, int> size(const std::string& key) const;                ///< "144x192": height, width
  std::vector<double> reals(const std::string& key, size_t count) const; ///< "0.9, 0.999"

  std::vector<std::string> list(const std::string& key) const; ///< "norm, bias"; empty: none
  /// "encoder.*=0.1, head.*=2", in that order; empty: none.
  std::vector<std::pair<std::string, double>> named_reals(const std::string& key) const;

  /// Throws an Error about this key's value.
  [[noreturn]] void fail(const std::string& key, const std::string& reason, const std::string& fix) const;

  /// All keys with a section, as a file that says the same; with `comments`, each option's help above it.
  std::string to_ini(bool comments) const;

private:
  struct Entry {
    OptionSpec spec;
    std::string value;
    std::string origin; ///< empty: default
  };
  const Entry& entry(const std::string& key) const;

  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
};

/// "a, b or c".
std::string join_choices(const std::vector<std::string>& choices);

/// Parses a whole number or a real number; false unless the text is exactly one.
bool parse_integer(const std::string& text, index_t* value);
bool parse_real(const std::string& text, double* value);

} // namespace leadline::trainer
