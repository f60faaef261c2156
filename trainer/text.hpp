// Numbers for people and for tables, independent of the locale; lists in options; text for HTML and SVG.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

namespace leadline::trainer {

/// The shortest text that reads back as the same double: for files.
inline std::string exact(double value) {
  if (std::isnan(value)) return "nan";
  char text[40];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

/// The same for float: 0.15, not the double next to it.
inline std::string exact(float value) {
  if (std::isnan(value)) return "nan";
  char text[40];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

/// With a number of decimals: for people.
inline std::string decimals(double value, int digits) {
  if (std::isnan(value)) return "nan";
  char text[400];
  const auto result = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
  return result.ec == std::errc() ? std::string(text, result.ptr) : "?";
}

/// "0:07", "12:34", "1:02:03".
inline std::string duration(double seconds) {
  const long long s = std::isfinite(seconds) && seconds > 0 ? static_cast<long long>(seconds + 0.5) : 0;
  char text[48];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  return text;
}

/// Without the letters of `around` at both ends.
inline std::string trimmed(const std::string& text, const char* around = " \t\r\n") {
  const size_t first = text.find_first_not_of(around);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(around) - first + 1);
}

/// "a, b,c": three parts, trimmed; empty ones too.
inline std::vector<std::string> comma_list(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(trimmed(part));
  return parts;
}

/// As text or attribute of HTML and XML: the five special letters are escaped; what XML can't hold at all (control
/// characters, broken UTF-8) becomes '?'.
inline std::string markup(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
    const unsigned c = byte(i);
    const size_t length = c < 0x80                ? 1
                          : c >= 0xC2 && c < 0xE0 ? 2
                          : c >= 0xE0 && c < 0xF0 ? 3
                          : c >= 0xF0 && c < 0xF5 ? 4
                                                  : 0;
    unsigned code = length == 1 ? c : c & (0x7Fu >> length);
    bool whole = length > 0;
    for (size_t k = 1; k < length; ++k) {
      whole = whole && (byte(i + k) & 0xC0) == 0x80;
      code = code << 6 | (byte(i + k) & 0x3F);
    }
    constexpr unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000}; // by length: longer than needed is broken, too
    whole = whole && code >= smallest[length] && (code < 0xD800 || code > 0xDFFF) && code < 0x110000 &&
            code != 0xFFFE && code != 0xFFFF && (code >= 0x20 || code == '\n' || code == '\t');
    if (!whole) {
      out += '?';
      ++i;
      continue;
    }
    switch (c) {
    case '&': out += "&amp;"; break;
    case '<': out += "&lt;"; break;
    case '>': out += "&gt;"; break;
    case '"': out += "&quot;"; break;
    case '\'': out += "&#39;"; break;
    default: out.append(text, i, length);
    }
    i += length;
  }
  return out;
}

} // namespace leadline::trainer
