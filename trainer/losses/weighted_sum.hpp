// A weighted sum of losses, as configs write it: "silog + 0.5*gradient + 0.1*ssim".
#pragma once

#include "trainer/losses/elements.hpp"
#include "trainer/settings.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace leadline::trainer::losses {

/// One summand of a sum in text: its factor and the loss's name.
using Summand = std::pair<double, std::string>;

/// Splits at +; a summand is NAME, FACTOR*NAME or NAME*FACTOR. Throws leadline::Error for what is none of them, and for
/// factors that aren't positive.
inline std::vector<Summand> parse_sum(const std::string& text) {
  const auto trimmed = [](const std::string& part) {
    const size_t first = part.find_first_not_of(" \t");
    return first == std::string::npos ? "" : part.substr(first, part.find_last_not_of(" \t") - first + 1);
  };
  const auto fail = [&](const std::string& part, const std::string& reason) {
    throw Error({.field = "loss",
                 .value = text,
                 .reason = "\"" + part + "\" " + reason,
                 .fix = "A sum of losses looks like: silog + 0.5*gradient + 0.1*ssim"});
  };
  std::vector<Summand> sum;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = text.find('+', begin);
    // 1e+3: the sign of an exponent is no sum
    while (end != std::string::npos && end >= 2 && (text[end - 1] == 'e' || text[end - 1] == 'E') &&
           ((text[end - 2] >= '0' && text[end - 2] <= '9') || text[end - 2] == '.'))
      end = text.find('+', end + 1);
    if (end == std::string::npos) end = text.size();
    const std::string part = trimmed(text.substr(begin, end - begin));
    begin = end + 1;
    const size_t star = part.find('*');
    Summand summand{1.0, part};
    if (star != std::string::npos) {
      const std::string left = trimmed(part.substr(0, star)), right = trimmed(part.substr(star + 1));
      if (parse_real(left, &summand.first))
        summand.second = right;
      else if (parse_real(right, &summand.first))
        summand.second = left;
      else
        fail(part, "has no number beside the *");
      if (!(summand.first > 0)) fail(part, "has a factor that isn't positive");
    }
    if (summand.second.empty()) fail(part, "names no loss");
    sum.push_back(summand);
  }
  return sum;
}

/// total = (first ? 0 : total) + factor * part
template <class T, class Exec>
void add_scaled(const Exec& exec, T* total, const T* part, index_t count, T factor, bool first) {
  parallel_for(exec, "leadline::loss::weighted_sum", count,
               [=] LEADLINE_FUNCTION(index_t i) { total[i] = first ? factor * part[i] : total[i] + factor * part[i]; });
}

/// Values and gradients are summed in the order of the text. Workspace: a gradient and a value of one summand, then the
/// largest of the summands' own.
template <class T, class Exec> class WeightedSum final : public Loss<T, Exec> {
public:
  using Part = std::pair<double, std::unique_ptr<Loss<T, Exec>>>;
  WeightedSum(std::string name, std::vector<Part> parts) : name_(std::move(name)), parts_(std::move(parts)) {}
  const char* name() const override { return name_.c_str(); }
  size_t workspace_bytes(const Shape& prediction) const override {
    size_t own = 0;
    for (const Part& part : parts_) own = std::max(own, part.second->workspace_bytes(prediction));
    return Scratch::bytes<T>(prediction.count()) + Scratch::bytes<T>(1) + own;
  }
  void forward_backward(const Exec& exec, const LossArgs<T>& args) const override {
    const index_t count = args.prediction.shape.count();
    if (args.diff_prediction && !args.diff_prediction.dense())
      throw Error("loss " + name_ + ": a sum of losses writes its gradient to dense tensors only.");
    Scratch scratch(args.workspace);
    LossArgs<T> one = args;
    T* diff = scratch.take<T>(count);
    one.value = scratch.take<T>(1);
    if (args.diff_prediction) one.diff_prediction = Tensor<T>(diff, args.prediction.shape);
    const auto used =
        static_cast<size_t>(reinterpret_cast<unsigned char*>(one.value) - args.workspace.data) + Scratch::bytes<T>(1);
    one.workspace = {args.workspace.data + used, args.workspace.bytes - used, args.workspace.threads};
    bool first = true;
    for (const Part& part : parts_) {
      part.second->forward_backward(exec, one);
      const T factor = static_cast<T>(part.first);
      add_scaled<T>(exec, args.value, one.value, 1, factor, first);
      if (args.diff_prediction) add_scaled<T>(exec, args.diff_prediction.data, diff, count, factor, first);
      first = false;
    }
  }

private:
  std::string name_;
  std::vector<Part> parts_;
};

} // namespace leadline::trainer::losses
