#include "data/dataset.hpp"

#include "data/digits.hpp"
#include "data/error.hpp"
#include "data/sources.hpp"
#include "data/synthetic.hpp"
#include "shared/core/rng.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace leadline::data {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> schemes = {"nyu_h5", "nyu_mat", "pairs", "synthetic", "digits"};

constexpr const char* forms =
    "Data is named by scheme: nyu_h5:DIR, nyu_mat:FILE, pairs:LIST.txt, synthetic:OPTIONS or digits";

/// The scheme that a bare path most likely means, or empty.
std::string guessed_scheme(const std::string& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return "nyu_h5";
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".mat") return "nyu_mat";
  if (extension == ".txt" || extension == ".lst" || extension == ".csv") return "pairs";
  if (extension == ".h5" || extension == ".hdf5") return "nyu_h5"; // of the folder that holds it
  return {};
}

[[noreturn]] void bare_path(const std::string& spec) {
  const std::string scheme = guessed_scheme(spec);
  std::string argument = spec;
  if (scheme == "nyu_h5" && !fs::is_directory(spec))
    argument = fs::path(spec).parent_path().empty() ? "." : fs::path(spec).parent_path().string();
  throw Error({.field = "data",
               .value = spec,
               .reason = "this path has no scheme in front, so its form isn't known",
               .fix = "Write " + scheme + ":" + argument});
}

/// Takes ",key=value" for the known keys off the end of `argument`.
std::string take_option(std::string& argument, const std::string& key) {
  const std::size_t at = argument.rfind("," + key + "=");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + key.size() + 2, end = std::min(argument.find(',', begin), argument.size());
  std::string value = argument.substr(begin, end - begin);
  argument.erase(at, end - at);
  if (value.empty())
    throw Error(
        {.field = key, .reason = "nothing stands after the =", .fix = "Write " + key + "=VALUE or leave it out."});
  return value;
}

} // namespace

std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1); // Levenshtein distance, one row at a time
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t corner = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min({above + 1, row[j - 1] + 1, corner + (word[i - 1] == candidate[j - 1] ? 0 : 1)});
        corner = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

void warn_skipped(const std::string& reason) {
  std::fprintf(stderr, "leadline: warning: left out: %s\n", reason.c_str());
}

DatasetPtr open_dataset(const std::string& spec, const DatasetOptions& options) {
  if (spec.empty()) throw Error({.field = "data", .reason = "no data is named", .fix = forms});
  const std::size_t colon = spec.find(':');
  const std::string scheme = spec.substr(0, colon);
  std::string argument = colon == std::string::npos ? std::string{} : spec.substr(colon + 1);

  if (std::find(schemes.begin(), schemes.end(), scheme) == schemes.end()) {
    if (!guessed_scheme(spec).empty() && (colon == std::string::npos || fs::exists(spec))) bare_path(spec);
    const std::string nearest = nearest_word(scheme, schemes);
    throw Error(
        {.field = "data scheme",
         .value = scheme,
         .reason = "there is no such scheme" + (nearest.empty() ? std::string{} : "; did you mean " + nearest + "?"),
         .fix = forms});
  }
  if (scheme == "synthetic") return open_synthetic(argument);
  if (scheme == "digits") return open_digits(argument);

  const std::string list = take_option(argument, "list");
  const std::string split = take_option(argument, "split");
  if (argument.empty())
    throw Error({.field = "data", .value = spec, .reason = "nothing stands after the colon", .fix = forms});
  if (!split.empty() && scheme != "nyu_h5")
    throw Error({.field = "split",
                 .value = split,
                 .reason = "only nyu_h5 folders have splits of their own",
                 .fix = "Use list=FILE with " + scheme + ", or val_fraction"});
  DatasetPtr dataset = scheme == "pairs"    ? open_pairs(argument, options)
                       : scheme == "nyu_h5" ? open_nyu_h5(argument, split)
                                            : open_nyu_mat(argument);
  if (!list.empty()) {
    std::vector<std::size_t> indices = read_index_list(list, *dataset);
    dataset = std::make_shared<Subset>(std::move(dataset), std::move(indices));
  }
  return dataset;
}

Subset::Subset(DatasetPtr dataset, std::vector<std::size_t> indices)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  for (const std::size_t i : indices_)
    if (i >= dataset_->size())
      throw Error({.field = "frame number",
                   .value = std::to_string(i),
                   .reason = "the data has frames 0 to " + std::to_string(dataset_->size()) + " (exclusive) only"});
}

std::vector<std::size_t> seeded_permutation(std::size_t n, std::uint64_t seed, std::uint64_t stream) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Philox random(seed, stream);
  for (std::size_t i = 0; i + 1 < n; ++i) // Fisher-Yates
    std::swap(order[i], order[i + random.below(i, n - i)]);
  return order;
}

Split split_by_fraction(std::size_t n, double val_fraction, std::uint64_t seed) {
  if (!(val_fraction >= 0 && val_fraction <= 1))
    throw Error({.field = "val_fraction",
                 .value = std::to_string(val_fraction),
                 .reason = "it must lie between 0 and 1",
                 .fix = "0.1 keeps a tenth of the frames for validation."});
  constexpr std::uint64_t split_stream = 0x53504C4954; // "SPLIT"
  std::vector<std::size_t> order = seeded_permutation(n, seed, split_stream);
  const auto val_count = static_cast<std::ptrdiff_t>(std::llround(static_cast<double>(n) * val_fraction));
  Split split;
  split.val.assign(order.begin(), order.begin() + val_count);
  split.train.assign(order.begin() + val_count, order.end());
  std::sort(split.val.begin(), split.val.end());
  std::sort(split.train.begin(), split.train.end());
  return split;
}

std::vector<std::size_t> read_index_list(const std::string& file, const Dataset& dataset) {
  std::ifstream in(file);
  if (!in || fs::is_directory(file))
    throw Error({.file = file, .reason = "this list of frames can't be opened", .fix = "Check the path."});
  std::unordered_map<std::string, std::size_t> by_name; // built only if a line isn't a number
  const auto find_name = [&](const std::string& name) {
    if (by_name.empty())
      for (std::size_t i = 0; i < dataset.size(); ++i) {
        const std::string full = dataset.name(i);
        by_name.emplace(full, i);
        for (std::size_t at = full.find('/'); at != std::string::npos; at = full.find('/', at + 1))
          by_name.emplace(full.substr(at + 1), i); // the first of several with the same ending
      }
    const auto found = by_name.find(name);
    return found == by_name.end() ? dataset.size() : found->second;
  };
  std::vector<std::size_t> indices;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    line.erase(0, line.find_first_not_of(" \t"));
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty() || line[0] == '#') continue;
    std::size_t index = 0;
    const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), index);
    const bool is_number = ec == std::errc{} && end == line.data() + line.size();
    if (!is_number) index = find_name(line);
    if (index >= dataset.size())
      throw Error({.file = file + ":" + std::to_string(number),
                   .field = "frame",
                   .value = line,
                   .reason = is_number
                                 ? "the data has only " + std::to_string(dataset.size()) + " frames, counted from 0"
                                 : "the data has no frame of this name",
                   .fix = "Each line is a frame's number from 0 or its name; the first is called " +
                          (dataset.size() ? dataset.name(0) : std::string("nothing: the data is empty"))});
    indices.push_back(index);
  }
  if (indices.empty()) throw Error({.file = file, .reason = "this list names no frame"});
  return indices;
}

} // namespace leadline::data
