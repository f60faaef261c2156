// The one exception of the host side (data/ and trainer/): its message is a paragraph for the person at the terminal.
#pragma once

#include <concepts>
#include <stdexcept>
#include <string>

namespace leadline {

/// What a message tells: which file (and line), which field, the value found there, what is wrong with it, what to do.
/// Empty parts are left out. `throw Error({.file = list + ":12", .field = "depth", .reason = "...", .fix = "..."})`
struct ErrorParts {
  std::string file{};
  std::string field{};
  std::string value{};
  std::string reason{};
  std::string fix{};
};

/// "FILE: FIELD is "VALUE": REASON. FIX"
inline std::string describe(const ErrorParts& text) {
  std::string out = text.file;
  const auto add = [&out](const char* separator, const std::string& part) {
    if (!part.empty()) out += (out.empty() ? "" : separator) + part;
  };
  add(": ", text.field);
  if (!text.value.empty()) out += (text.field.empty() ? (out.empty() ? "\"" : ": \"") : " is \"") + text.value + "\"";
  add(": ", text.reason);
  if (!out.empty() && std::string(".?!").find(out.back()) == std::string::npos) out += '.';
  add(" ", text.fix); // as it is: it may end in a command or path to be copied
  return out;
}

/// Bad input, a missing file, an impossible request. Programs print `leadline: error: MESSAGE` and exit non-zero.
class Error : public std::runtime_error {
public:
  template <std::convertible_to<std::string> Text> // a template: braces can only mean an ErrorParts
  explicit Error(const Text& message) : std::runtime_error(message) {}
  explicit Error(const ErrorParts& text) : std::runtime_error(describe(text)) {}
};

} // namespace leadline
