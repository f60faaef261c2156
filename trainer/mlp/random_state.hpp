// NumPy's legacy random numbers, bit for bit: RandomState(seed), its uniform numbers, shuffles and permutations, and
// scikit-learn's train_test_split on top. They exist so that an MLP fitted here begins with the weights, the shuffles
// and the splits of scikit-learn's; everything else in this project draws from shared/core/rng.hpp.
//
// The generator: M. Matsumoto and T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform
// pseudo-random number generator", ACM TOMACS 8(1), 1998; seeded by their init_genrand. Not thread-safe.
#pragma once

#include "shared/core/config.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace leadline::trainer::mlp {

class RandomState {
public:
  /// numpy.random.RandomState(seed).
  explicit RandomState(uint32_t seed);
  /// A seed that the system draws.
  static uint32_t system_seed();

  /// The next 32 bits.
  uint32_t bits();
  /// random_sample(): in [0, 1), with 53 random bits.
  double random_sample();
  /// uniform(low, high).
  double uniform(double low, double high) { return low + (high - low) * random_sample(); }
  /// A number in 0..max, by rejecting what lies beyond under the smallest mask of ones.
  uint64_t interval(uint64_t max);
  /// shuffle(x) of a one-dimensional array.
  void shuffle(std::vector<index_t>& x);
  /// permutation(n).
  std::vector<index_t> permutation(index_t n);

private:
  std::array<uint32_t, 624> key_;
  std::array<uint32_t, 624> drawn_{}; ///< what bits() gives from `key_`
  int position_ = 624;
};

struct Split {
  std::vector<index_t> train, test;
};

/// What messages about a split call things.
struct SplitNames {
  std::string size = "test_size";        ///< the option with the share
  std::string file, labels = "stratify"; ///< where labels come from: file and column
  std::vector<std::string> classes;      ///< by number; empty: their numbers
  std::string otherwise = "split without stratify";
};

/// sklearn.model_selection.train_test_split of n samples: ceil(test_size n) go to the test set. With `labels` (class
/// numbers, [n]) classes keep their shares (`stratify`); null: no stratification. Throws leadline::Error where
/// test_size isn't inside (0, 1), a set would be empty or a class is too small to be in both.
Split train_test_split(index_t n, double test_size, RandomState& random, const std::vector<index_t>* labels = nullptr,
                       const SplitNames& names = {});
/// The same with a number of test samples.
Split train_test_split(index_t n, index_t test_samples, RandomState& random,
                       const std::vector<index_t>* labels = nullptr, const SplitNames& names = {});

} // namespace leadline::trainer::mlp
