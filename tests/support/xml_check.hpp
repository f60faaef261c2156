// Whether a text is well-formed XML, as far as our writers use it: elements, attributes, texts, entities, comments.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace leadline::testing {

/// Empty if it is; else what is wrong and where. A `<!doctype html>` at the beginning is allowed.
inline std::string xml_error(const std::string& text) {
  const auto wrong = [&](const std::string& what, size_t at) {
    return what + " near \"" + text.substr(at > 20 ? at - 20 : 0, 60) + "\"";
  };
  const auto entities_are_known = [](const std::string& part) {
    for (size_t i = part.find('&'); i != std::string::npos; i = part.find('&', i + 1)) {
      bool known = false;
      for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"})
        known = known || part.compare(i, std::string(entity).size(), entity) == 0;
      if (!known) return false;
    }
    return true;
  };
  std::vector<std::string> open;
  size_t roots = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '<') {
      const size_t end = std::min(text.find('<', i), text.size());
      const std::string part = text.substr(i, end - i);
      if (open.empty() && part.find_first_not_of(" \n") != std::string::npos) return wrong("text outside", i);
      const bool code = !open.empty() && open.back() == "script"; // HTML's: no entities in there
      if (!code && !entities_are_known(part)) return wrong("a bare &", i);
      i = end;
      continue;
    }
    if (text.compare(i, 15, "<!doctype html>") == 0 && i == 0) {
      i += 15;
      continue;
    }
    size_t end = i + 1;
    for (char quote = 0; end < text.size() && (quote || text[end] != '>'); ++end) {
      if (quote ? text[end] == quote : text[end] == '"' || text[end] == '\'') quote = quote ? '\0' : text[end];
      if (text[end] == '<') return wrong("< inside of a tag", end);
    }
    if (end == text.size()) return wrong("a tag without end", i);
    std::string tag = text.substr(i + 1, end - i - 1);
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return wrong("</> of something else", i);
      open.pop_back();
    } else {
      const bool closed = tag.back() == '/';
      if (closed) tag.pop_back();
      const size_t name_end = std::min(tag.find_first_of(" \n"), tag.size());
      std::set<std::string> seen;
      for (size_t k = tag.find_first_not_of(" \n", name_end); k < tag.size(); k = tag.find_first_not_of(" \n", k)) {
        const size_t equals = tag.find('=', k);
        if (equals == std::string::npos || tag[equals + 1] != '"') return wrong("an attribute without a value", i);
        const size_t quote = tag.find('"', equals + 2);
        if (quote == std::string::npos) return wrong("a value without end", i);
        if (!seen.insert(tag.substr(k, equals - k)).second) return wrong("an attribute twice", i);
        if (!entities_are_known(tag.substr(equals, quote - equals))) return wrong("a bare & in an attribute", i);
        k = quote + 1;
        if (k < tag.size() && tag[k] != ' ' && tag[k] != '\n') return wrong("no space between attributes", i);
      }
      if (open.empty() && ++roots > 1) return wrong("a second root", i);
      if (!closed) open.push_back(tag.substr(0, name_end));
    }
    i = end + 1;
  }
  return !open.empty() ? "<" + open.back() + "> isn't closed" : roots == 1 ? "" : "no element";
}

} // namespace leadline::testing
