// Tables as text, for terminals and Markdown.
#pragma once

#include <string>
#include <vector>

namespace leadline::trainer {

/// Rows of cells, the header first, all of one length: columns as wide as their longest cell, the first to the left,
/// the others to the right. Letters beyond ASCII count as one.
std::string text_table(const std::vector<std::vector<std::string>>& rows, bool markdown);

} // namespace leadline::trainer
