#include "trainer/json_lines.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"
#include "trainer/settings.hpp" // parse_real
#include "trainer/text.hpp"

#include <boost/property_tree/json_parser.hpp>

#include <fstream>
#include <limits>
#include <sstream>

namespace leadline::trainer {

namespace {

std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else
      out += c;
  }
  return out + "\"";
}

} // namespace

JsonLine& JsonLine::add(const std::string& name, const std::string& value, bool quoted) {
  members_.emplace_back(name, value);
  quoted_.push_back(quoted);
  source_.clear();
  return *this;
}

JsonLine& JsonLine::text(const std::string& name, const std::string& value) { return add(name, value, true); }
JsonLine& JsonLine::number(const std::string& name, double value) {
  return add(name, std::isfinite(value) ? exact(value) : "null", false);
}
JsonLine& JsonLine::integer(const std::string& name, index_t value) { return add(name, std::to_string(value), false); }
JsonLine& JsonLine::boolean(const std::string& name, bool value) { return add(name, value ? "true" : "false", false); }

bool JsonLine::has(const std::string& name) const {
  for (const auto& member : members_)
    if (member.first == name) return true;
  return false;
}

std::string JsonLine::text_of(const std::string& name, const std::string& otherwise) const {
  for (const auto& member : members_)
    if (member.first == name) return member.second;
  return otherwise;
}

double JsonLine::number_of(const std::string& name) const {
  double value = 0;
  return parse_real(text_of(name), &value) ? value : std::numeric_limits<double>::quiet_NaN();
}

std::string JsonLine::to_json() const {
  if (!source_.empty()) return source_;
  std::string out = "{";
  for (size_t i = 0; i < members_.size(); ++i)
    out += (i == 0 ? "" : ",") + in_quotes(members_[i].first) + ":" +
           (quoted_[i] ? in_quotes(members_[i].second) : members_[i].second);
  return out + "}";
}

std::vector<JsonLine> read_json_lines(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error({.file = file, .reason = "the file can't be read", .fix = "Check the path"});
  std::vector<JsonLine> lines;
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    if (in.eof()) break; // no line's end
    if (line.empty()) continue;
    const auto fail = [&](const std::string& reason) {
      throw Error({.file = file + ":" + std::to_string(number),
                   .reason = reason,
                   .fix = "Each line is one object of texts and numbers, as Leadline writes it; remove a line that "
                          "isn't"});
    };
    boost::property_tree::ptree tree;
    std::istringstream text(line);
    try {
      boost::property_tree::read_json(text, tree);
    } catch (const boost::property_tree::json_parser_error& error) {
      fail("the line is no JSON (" + error.message() + ")");
    }
    JsonLine object;
    double value = 0;
    for (const auto& [name, member] : tree) {
      if (!member.empty() || name.empty()) fail("the line is no flat object");
      const std::string data = member.data();
      object.add(name, data, data != "null" && data != "true" && data != "false" && !parse_real(data, &value));
    }
    object.source_ = line;
    lines.push_back(object);
  }
  return lines;
}

void write_json_lines(const std::string& file, const std::vector<JsonLine>& lines) {
  std::string text;
  for (const JsonLine& line : lines) text += line.to_json() + "\n";
  data::write_file(file, text.data(), text.size());
}

void append_json_line(const std::string& file, const JsonLine& line) {
  std::ofstream out(file, std::ios::app | std::ios::binary);
  if (!(out << line.to_json() + "\n") || !out.flush())
    throw Error({.file = file,
                 .reason = "the file can't be written",
                 .fix = "Check that its folder may be written to and that the disk isn't full"});
}

} // namespace leadline::trainer
