#include "trainer/mlp/random_state.hpp"

#include "data/error.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace leadline::trainer::mlp {

RandomState::RandomState(uint32_t seed) {
  for (uint32_t i = 0; i < key_.size(); ++i) {
    key_[i] = seed;
    seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
  }
}

uint32_t RandomState::system_seed() { return std::random_device()(); }

uint32_t RandomState::bits() {
  constexpr int size = 624, middle = 397;
  if (position_ == size) {
    const auto twist = [this](int i, int next, int from) {
      const uint32_t y = (key_[i] & 0x80000000u) | (key_[next] & 0x7fffffffu);
      key_[i] = key_[from] ^ y >> 1 ^ ((0u - (y & 1)) & 0x9908b0dfu);
    };
    for (int i = 0; i < size - middle; ++i) twist(i, i + 1, i + middle);
    for (int i = size - middle; i < size - 1; ++i) twist(i, i + 1, i + middle - size);
    twist(size - 1, 0, middle - 1);
    for (int i = 0; i < size; ++i) {
      uint32_t y = key_[i];
      y ^= y >> 11;
      y ^= y << 7 & 0x9d2c5680u;
      y ^= y << 15 & 0xefc60000u;
      drawn_[i] = y ^ y >> 18;
    }
    position_ = 0;
  }
  return drawn_[position_++];
}

double RandomState::random_sample() {
  const uint32_t high = bits() >> 5, low = bits() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

uint64_t RandomState::interval(uint64_t max) {
  if (max == 0) return 0;
  uint64_t mask = max;
  for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
  for (;;) {
    uint64_t value = bits();
    if (max > 0xffffffffu) value = value << 32 | bits();
    if ((value & mask) <= max) return value & mask;
  }
}

void RandomState::shuffle(std::vector<index_t>& x) {
  for (size_t i = x.size(); i-- > 1;) std::swap(x[i], x[interval(i)]);
}

std::vector<index_t> RandomState::permutation(index_t n) {
  std::vector<index_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), index_t{0});
  shuffle(order);
  return order;
}

namespace {

/// How many of `draws` each class gets: in proportion, and what rounding leaves goes to the largest remainders, drawn
/// among equal ones.
std::vector<index_t> share_out(const std::vector<index_t>& counts, index_t draws, RandomState& random) {
  const double total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), index_t{0}));
  std::vector<index_t> shares;
  std::vector<double> remainders;
  index_t missing = draws;
  for (const index_t count : counts) {
    const double exact_share = static_cast<double>(count) / total * static_cast<double>(draws);
    shares.push_back(static_cast<index_t>(std::floor(exact_share)));
    remainders.push_back(exact_share - std::floor(exact_share));
    missing -= shares.back();
  }
  std::vector<double> values = remainders;
  std::sort(values.begin(), values.end(), std::greater<>());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  for (size_t v = 0; v < values.size() && missing > 0; ++v) {
    std::vector<size_t> equal;
    for (size_t i = 0; i < remainders.size(); ++i)
      if (remainders[i] == values[v]) equal.push_back(i);
    const std::vector<index_t> order = random.permutation(static_cast<index_t>(equal.size()));
    const index_t now = std::min(missing, static_cast<index_t>(equal.size()));
    for (index_t i = 0; i < now; ++i) ++shares[equal[static_cast<size_t>(order[static_cast<size_t>(i)])]];
    missing -= now;
  }
  return shares;
}

Split stratified_split(index_t train, index_t test, RandomState& random, const std::vector<index_t>& labels,
                       const SplitNames& names) {
  const index_t classes = *std::max_element(labels.begin(), labels.end()) + 1;
  std::vector<std::vector<index_t>> members(static_cast<size_t>(classes));
  for (size_t i = 0; i < labels.size(); ++i) members[static_cast<size_t>(labels[i])].push_back(static_cast<index_t>(i));
  for (size_t c = 0; c < members.size(); ++c)
    if (members[c].size() == 1)
      throw Error({.file = names.file,
                   .field = names.labels,
                   .value = c < names.classes.size() ? names.classes[c] : std::to_string(c),
                   .reason = "this class has only 1 member, which is too few for two sets",
                   .fix = "Give every class at least 2 samples, or " + names.otherwise});
  std::erase_if(members, [](const std::vector<index_t>& class_members) { return class_members.empty(); });
  const index_t present = static_cast<index_t>(members.size());
  std::vector<index_t> counts;
  for (const std::vector<index_t>& class_members : members)
    counts.push_back(static_cast<index_t>(class_members.size()));
  if (train < present || test < present)
    throw Error({.file = names.file,
                 .field = names.size,
                 .value = std::to_string(test) + " of " + std::to_string(train + test) + " samples",
                 .reason = "each set needs at least one sample of each of the " + std::to_string(present) + " classes",
                 .fix = train + test < 2 * present
                            ? "Give more samples, or " + names.otherwise
                            : "Choose a share for " + std::to_string(present) + " to " +
                                  std::to_string(train + test - present) + " samples, or " + names.otherwise});
  const std::vector<index_t> in_train = share_out(counts, train, random);
  std::vector<index_t> remaining = counts;
  for (size_t c = 0; c < counts.size(); ++c) remaining[c] -= in_train[c];
  const std::vector<index_t> in_test = share_out(remaining, test, random);
  Split split;
  for (size_t c = 0; c < counts.size(); ++c) {
    const std::vector<index_t> order = random.permutation(counts[c]);
    for (index_t i = 0; i < in_train[c] + in_test[c]; ++i)
      (i < in_train[c] ? split.train : split.test)
          .push_back(members[c][static_cast<size_t>(order[static_cast<size_t>(i)])]);
  }
  random.shuffle(split.train);
  random.shuffle(split.test);
  return split;
}

} // namespace

Split train_test_split(index_t n, index_t test, RandomState& random, const std::vector<index_t>* labels,
                       const SplitNames& names) {
  if (!(test > 0 && test < n))
    throw Error(
        {.file = names.file,
         .field = names.size,
         .value = std::to_string(test) + " of " + std::to_string(n) + " samples",
         .reason = "the training or the test set would be empty",
         .fix = "Use 1 to " + std::to_string(std::max<index_t>(n - 1, 1)) + " test samples, or a share in (0, 1)"});
  if (labels) return stratified_split(n - test, test, random, *labels, names);
  const std::vector<index_t> order = random.permutation(n);
  return {{order.begin() + test, order.end()}, {order.begin(), order.begin() + test}};
}

Split train_test_split(index_t n, double test_size, RandomState& random, const std::vector<index_t>* labels,
                       const SplitNames& names) {
  if (!(test_size > 0 && test_size < 1))
    throw Error({.field = names.size,
                 .value = exact(test_size),
                 .reason = "it is not a share",
                 .fix = "Use a number in (0, 1)"});
  return train_test_split(n, static_cast<index_t>(std::ceil(test_size * static_cast<double>(n))), random, labels,
                          names);
}

} // namespace leadline::trainer::mlp
