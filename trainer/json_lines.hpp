// Files of JSON lines (https://jsonlines.org): one flat object a line, texts and numbers. What a run or a search writes
// while it goes on: a line is there whole, or it isn't there.
#pragma once

#include "shared/core/config.hpp"

#include <string>
#include <utility>
#include <vector>

namespace leadline::trainer {

/// One object, its members in order. Values are kept as texts; numbers as they were written.
class JsonLine {
public:
  JsonLine& text(const std::string& name, const std::string& value);
  JsonLine& number(const std::string& name, double value); ///< what isn't finite is written as null
  JsonLine& integer(const std::string& name, index_t value);
  JsonLine& boolean(const std::string& name, bool value);

  bool has(const std::string& name) const;
  /// The member as text; `otherwise` if there is none.
  std::string text_of(const std::string& name, const std::string& otherwise = "") const;
  /// The member as a number: NaN if there is none, or it is null or no number.
  double number_of(const std::string& name) const;
  const std::vector<std::pair<std::string, std::string>>& members() const { return members_; }

  /// {"name":"value","other":1.5} without a line's end; what was read is written as it was.
  std::string to_json() const;

private:
  friend std::vector<JsonLine> read_json_lines(const std::string& file);
  JsonLine& add(const std::string& name, const std::string& value, bool quoted);

  std::vector<std::pair<std::string, std::string>> members_; ///< name, value without quotes
  std::vector<bool> quoted_;                                 ///< whether to write it with quotes
  std::string source_;                                       ///< the line that it was read from, as long as it is that
};

/// All lines of a file. A last line without its end (the writer was killed) is left out. Throws leadline::Error that
/// names file and line for anything else that is no flat JSON object.
std::vector<JsonLine> read_json_lines(const std::string& file);

/// Replaces the file by these lines: whole or not at all. Throws leadline::Error.
void write_json_lines(const std::string& file, const std::vector<JsonLine>& lines);

/// Adds a line and hands it to the system. Throws leadline::Error.
void append_json_line(const std::string& file, const JsonLine& line);

} // namespace leadline::trainer
