// Reads settings files and command lines into Settings. Errors name the file and line, or the argument, and the nearest
// key there is.
#pragma once

#include "trainer/settings.hpp"

namespace leadline::trainer {

/// Applies an INI file; throws leadline::Error.
void read_settings_file(const std::string& file, Settings& settings);
/// The same from text; `file` is what messages call it.
void read_settings_text(const std::string& text, const std::string& file, Settings& settings);

/// Applies `--key value` and `--key=value` to the settings and returns the other arguments in order. `arguments`
/// excludes program and command. `command` is named in messages ("leadline train").
std::vector<std::string> read_command_line(const std::vector<std::string>& arguments, const std::string& command,
                                           Settings& settings);

/// A command with options and one operand (or `more` of them, at least one): prints its help and returns false if that
/// was asked for. `operand` is what messages call what is missing. Throws leadline::Error.
bool read_command(const std::string& command, const char* introduction, const std::vector<OptionGroup>& groups,
                  const std::vector<std::string>& arguments, const char* operand, Settings* settings,
                  std::string* value, std::vector<std::string>* more = nullptr);

/// Options that several commands have.
inline const OptionSpec help_option{"help", "", "this text", {}, true};
inline const OptionSpec threads_option{"threads", "0", "CPU threads; 0: OMP_NUM_THREADS, or all cores"};
inline const OptionSpec checkpoint_option{"checkpoint", "best", "of a run directory", {"best", "last"}};

/// The groups as help text, at most 100 columns wide.
std::string option_help(const std::vector<OptionGroup>& groups);

} // namespace leadline::trainer
