// Numbers for people and for tables; independent of the locale.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>

namespace leadline::trainer {

/// The shortest text that reads back as the same double: for files.
inline std::string exact(double value) {
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

} // namespace leadline::trainer
