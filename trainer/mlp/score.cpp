#include "trainer/mlp/score.hpp"

#include "data/picture.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>

namespace leadline::trainer::mlp {

namespace {

/// Of UTF-8.
size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string right(const std::string& text, size_t width) {
  const size_t wide = characters(text);
  return wide < width ? std::string(width - wide, ' ') + text : text;
}

double quotient(double a, double b) { return b > 0 ? a / b : 0; }

/// Names short enough for a table; those that would look the same are numbered from 0.
std::vector<std::string> cut(const std::vector<std::string>& names, size_t width) {
  const auto first = [](const std::string& name, size_t count) {
    size_t end = 0;
    for (size_t seen = 0; end < name.size(); ++end)
      if ((name[end] & 0xC0) != 0x80 && seen++ == count) break;
    return end < name.size() ? name.substr(0, end) : name;
  };
  const auto fit = [&](const std::string& name, size_t room) {
    return characters(name) <= room ? name : first(name, room - 1) + "~";
  };
  std::vector<std::string> all;
  for (const std::string& name : names) all.push_back(fit(name, width));
  const std::vector<std::string> before = all;
  for (size_t i = 0; i < all.size(); ++i)
    if (std::count(before.begin(), before.end(), before[i]) > 1) {
      const std::string number = std::to_string(i) + " ";
      all[i] = number + fit(names[i], width - number.size());
    }
  return all;
}

} // namespace

std::vector<index_t> confusion_matrix(const std::vector<index_t>& truth, const std::vector<index_t>& predicted,
                                      index_t classes) {
  std::vector<index_t> counts(static_cast<size_t>(classes * classes), 0);
  for (size_t i = 0; i < truth.size(); ++i) ++counts[static_cast<size_t>(truth[i] * classes + predicted[i])];
  return counts;
}

double accuracy(const std::vector<index_t>& confusion, index_t classes) {
  double good = 0, all = 0;
  for (index_t i = 0; i < classes; ++i)
    for (index_t j = 0; j < classes; ++j) {
      all += static_cast<double>(confusion[static_cast<size_t>(i * classes + j)]);
      if (i == j) good += static_cast<double>(confusion[static_cast<size_t>(i * classes + j)]);
    }
  return quotient(good, all);
}

std::string classification_report(const std::vector<index_t>& confusion, const std::vector<std::string>& names) {
  const size_t classes = names.size();
  size_t width = 12; // "weighted avg"
  const std::vector<std::string> short_names = cut(names, 30);
  for (const std::string& name : short_names) width = std::max(width, characters(name));
  const auto line = [&](const std::string& name, double precision, double recall, double f1, double support) {
    return right(name, width) + right(decimals(precision, 2), 11) + right(decimals(recall, 2), 10) +
           right(decimals(f1, 2), 10) + right(decimals(support, 0), 10) + "\n";
  };
  std::string text = std::string(width, ' ') + "  precision    recall  f1-score   support\n\n";
  double total = 0, macro[3] = {}, weighted[3] = {};
  for (size_t c = 0; c < classes; ++c) {
    double support = 0, predicted = 0;
    for (size_t j = 0; j < classes; ++j) {
      support += static_cast<double>(confusion[c * classes + j]);
      predicted += static_cast<double>(confusion[j * classes + c]);
    }
    const double hits = static_cast<double>(confusion[c * classes + c]);
    const double scores[3] = {quotient(hits, predicted), quotient(hits, support),
                              quotient(2 * hits, predicted + support)};
    text += line(short_names[c], scores[0], scores[1], scores[2], support);
    total += support;
    for (int k = 0; k < 3; ++k) {
      macro[k] += scores[k] / static_cast<double>(classes);
      weighted[k] += scores[k] * support;
    }
  }
  text += "\n" + right("accuracy", width) + right(decimals(accuracy(confusion, static_cast<index_t>(classes)), 2), 31) +
          right(decimals(total, 0), 10) + "\n";
  text += line("macro avg", macro[0], macro[1], macro[2], total);
  return text + line("weighted avg", quotient(weighted[0], total), quotient(weighted[1], total),
                     quotient(weighted[2], total), total);
}

std::string confusion_text(const std::vector<index_t>& confusion, const std::vector<std::string>& names) {
  const size_t classes = names.size();
  const std::vector<std::string> short_names = cut(names, 10);
  size_t width = 4, first = 5;
  for (const std::string& name : short_names) {
    width = std::max(width, characters(name) + 1);
    first = std::max(first, characters(name));
  }
  for (const index_t count : confusion) width = std::max(width, std::to_string(count).size() + 1);
  std::string text = right("truth", first) + "  predicted\n" + std::string(first, ' ');
  for (const std::string& name : short_names) text += right(name, width);
  for (size_t i = 0; i < classes; ++i) {
    text += "\n" + right(short_names[i], first);
    for (size_t j = 0; j < classes; ++j) {
      const index_t count = confusion[i * classes + j];
      text += right(count == 0 ? "." : std::to_string(count), width);
    }
  }
  return text + "\n";
}

data::RgbImage confusion_picture(const std::vector<index_t>& confusion, const std::vector<std::string>& names) {
  const int classes = static_cast<int>(names.size());
  const int cell = std::clamp(900 / std::max(classes, 1), 12, 56), scale = cell >= 40 ? 2 : 1;
  std::vector<std::string> drawn;
  for (const std::string& name : names) drawn.push_back(data::drawable_text(name));
  const std::vector<std::string> short_names = cut(drawn, 16);
  int longest = 0;
  for (const std::string& name : short_names) longest = std::max(longest, data::text_width(name, scale));
  const bool turned = longest > cell; // heads that are too wide for their columns stand upright
  const int left = std::max(longest, data::text_width("truth", scale)) + 24;
  const int top = 8 + 9 * scale + (turned ? longest : 9 * scale) + 12;
  data::RgbImage picture(top + classes * cell + 12, left + classes * cell + 12, 255, 255, 255);
  const data::Colour ink{40, 40, 40};
  data::draw_text(picture, left, 8, "predicted", ink, scale);
  data::draw_text(picture, 8, top - 9 * scale, "truth", ink, scale);
  for (int i = 0; i < classes; ++i) {
    double total = 0;
    for (int j = 0; j < classes; ++j) total += static_cast<double>(confusion[static_cast<size_t>(i * classes + j)]);
    const std::string& name = short_names[static_cast<size_t>(i)];
    data::draw_text(picture, left - 8 - data::text_width(name, scale), top + i * cell + (cell - 7 * scale) / 2, name,
                    ink, scale);
    data::RgbImage head(7 * scale, data::text_width(name, scale), 255, 255, 255);
    data::draw_text(head, 0, 0, name, ink, scale);
    if (turned) head = data::apply_orientation(head, 8); // reads from bottom to top
    data::paste(picture, head, left + i * cell + (cell - head.width) / 2, top - 2 * scale - head.height);
    for (int j = 0; j < classes; ++j) {
      const index_t count = confusion[static_cast<size_t>(i * classes + j)];
      // white to dark blue by the share of the row; a square root, so that single mistakes are seen
      const double share = std::sqrt(quotient(static_cast<double>(count), total));
      const auto mix = [&](double from, double to) { return static_cast<std::uint8_t>(from + (to - from) * share); };
      for (int y = 1; y < cell; ++y)
        for (int x = 1; x < cell; ++x) {
          std::uint8_t* pixel = picture.pixel(top + i * cell + y, left + j * cell + x);
          pixel[0] = mix(240, 8);
          pixel[1] = mix(244, 48);
          pixel[2] = mix(248, 107);
        }
      const std::string number = std::to_string(count);
      if (count > 0 && data::text_width(number, scale) <= cell)
        data::draw_text(picture, left + j * cell + (cell - data::text_width(number, scale)) / 2,
                        top + i * cell + (cell - 7 * scale) / 2, number,
                        share > 0.5 ? data::Colour{255, 255, 255} : ink, scale);
    }
  }
  return picture;
}

std::string sparkline(const std::vector<double>& values, size_t width) {
  std::vector<double> points;
  const size_t count = std::min(width, values.size());
  for (size_t i = 0; i < count; ++i)
    points.push_back(std::log(std::max(values[i * (values.size() - 1) / std::max<size_t>(count - 1, 1)], 1e-12)));
  if (points.empty()) return "";
  const auto [low, high] = std::minmax_element(points.begin(), points.end());
  std::string text;
  for (const double point : points) {
    const double height = *high > *low ? (point - *low) / (*high - *low) : 0;
    constexpr const char* blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
    text += blocks[std::isfinite(height) ? static_cast<int>(height * 7.999) : 7];
  }
  return text;
}

} // namespace leadline::trainer::mlp
