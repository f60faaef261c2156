// What a classifier's predictions are worth: scikit-learn's classification_report and confusion matrix, as text and as
// a picture; and a curve as a line of text.
#pragma once

#include "data/image_io.hpp"
#include "shared/core/config.hpp"

#include <string>
#include <vector>

namespace leadline::trainer::mlp {

/// counts[truth * classes + predicted].
std::vector<index_t> confusion_matrix(const std::vector<index_t>& truth, const std::vector<index_t>& predicted,
                                      index_t classes);
double accuracy(const std::vector<index_t>& confusion, index_t classes);

/// Precision, recall, F1 and support of each class, accuracy, macro and weighted means; where a quotient is 0 / 0 it is
/// 0, as in scikit-learn.
std::string classification_report(const std::vector<index_t>& confusion, const std::vector<std::string>& names);

/// Rows are the true classes, columns the predicted ones.
std::string confusion_text(const std::vector<index_t>& confusion, const std::vector<std::string>& names);
data::RgbImage confusion_picture(const std::vector<index_t>& confusion, const std::vector<std::string>& names);

/// Values on a logarithmic scale as a line of at most `width` blocks of eight heights; empty for none.
std::string sparkline(const std::vector<double>& values, size_t width);

} // namespace leadline::trainer::mlp
