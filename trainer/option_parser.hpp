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

/// A command's options into new `settings`, its other words into `words`; null: it takes none. Prints its help and
/// returns false if that was asked for; `shown` are the groups that it speaks of, null: all. Throws leadline::Error.
bool read_options(const std::string& command, const char* introduction, const std::vector<OptionGroup>& groups,
                  const std::vector<std::string>& arguments, Settings* settings,
                  std::vector<std::string>* words = nullptr, const std::vector<OptionGroup>* shown = nullptr);

/// The one operand among a command's words (the others go to `more`; null: there must be none). `operand` is what
/// messages call it. Throws leadline::Error.
std::string one_operand(const std::string& command, const char* operand, const std::vector<std::string>& words,
                        std::vector<std::string>* more = nullptr);

/// Both: a command with options and one operand, or several.
bool read_command(const std::string& command, const char* introduction, const std::vector<OptionGroup>& groups,
                  const std::vector<std::string>& arguments, const char* operand, Settings* settings,
                  std::string* value, std::vector<std::string>* more = nullptr);

/// What a command line says, over what its --config file says (where the command has that option), over `settings`.
void apply_settings(const Settings& command_line, Settings& settings);

/// Options that several commands have.
inline const OptionSpec help_option{"help", "", "this text", {}, true};
inline const OptionSpec threads_option{"threads", "0", "CPU threads; 0: OMP_NUM_THREADS, or all cores"};
inline const OptionSpec checkpoint_option{"checkpoint", "best", "of a run directory", {"best", "last"}};

/// The groups as help text, at most 100 columns wide.
std::string option_help(const std::vector<OptionGroup>& groups);

} // namespace leadline::trainer
