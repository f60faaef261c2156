// Things that are made by name: losses, optimizers, schedulers. A user's program adds its own with `add`.
#pragma once

#include "data/error.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace leadline::trainer {

/// The candidate with the smallest edit distance (Levenshtein) to `name`; empty when none is near enough to be a slip.
inline std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(name.size(), 3) / 2 + 1; // more than half of the letters wrong is no slip
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= name.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j < row.size(); ++j) {
        const size_t substituted = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

/// What to say about a name that isn't known: the nearest one if there is one, and all that are known.
inline std::string known_names(const std::string& name, const std::vector<std::string>& candidates) {
  const std::string near = nearest_name(name, candidates);
  std::string text = near.empty() ? "" : "Did you mean \"" + near + "\"? ";
  text += "Known: ";
  for (size_t i = 0; i < candidates.size(); ++i) text += (i == 0 ? "" : ", ") + candidates[i];
  return text;
}

/// Factories by name, in the order in which they were added. Not thread-safe: add before the first run starts.
template <class Base, class... Args> class Registry {
public:
  using Factory = std::function<std::unique_ptr<Base>(Args...)>;

  /// `kind` is what messages call the thing: "loss", "optimizer", ...
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  /// A name that is there already gets the new factory.
  void add(const std::string& name, Factory factory) {
    for (auto& entry : entries_)
      if (entry.first == name) {
        entry.second = std::move(factory);
        return;
      }
    entries_.emplace_back(name, std::move(factory));
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : entries_) all.push_back(entry.first);
    return all;
  }

  /// Throws leadline::Error for an unknown name.
  std::unique_ptr<Base> make(const std::string& name, Args... args) const {
    for (const auto& entry : entries_)
      if (entry.first == name) return entry.second(std::forward<Args>(args)...);
    throw Error(ErrorParts{
        .field = kind_, .value = name, .reason = "no " + kind_ + " has this name", .fix = known_names(name, names())});
  }

private:
  std::string kind_;
  std::vector<std::pair<std::string, Factory>> entries_;
};

} // namespace leadline::trainer
