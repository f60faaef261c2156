#include "trainer/table.hpp"

#include <algorithm>
#include <cstddef>

namespace leadline::trainer {

std::string text_table(const std::vector<std::vector<std::string>>& rows, bool markdown) {
  const auto length = [](const std::string& text) {
    return std::count_if(text.begin(), text.end(),
                         [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  };
  std::vector<std::ptrdiff_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], length(row[c]));
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const std::string pad(static_cast<size_t>(widths[c] - length(rows[r][c])), ' ');
      out += (markdown ? (c == 0 ? "| " : " | ") : c == 0 ? "" : "  ") + (c == 0 ? rows[r][c] + pad : pad + rows[r][c]);
    }
    out += markdown ? " |\n" : "\n";
    if (r > 0 || !markdown) continue;
    for (size_t c = 0; c < widths.size(); ++c)
      out += (c == 0 ? "|" : "|") + std::string(static_cast<size_t>(widths[c]) + (c == 0 ? 2 : 1), '-') +
             (c == 0 ? "" : ":");
    out += "|\n";
  }
  return out;
}

} // namespace leadline::trainer
