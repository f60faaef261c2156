// Frames in memory for the trainer's tests: bright is near, and some pixels have no depth.
#pragma once

#include "data/dataset.hpp"
#include "data/error.hpp"
#include "shared/core/rng.hpp"
#include "trainer/settings.hpp"
#include "trainer/train_settings.hpp"

#include <memory>

namespace leadline::testing {

class ToyFrames final : public data::Dataset {
public:
  ToyFrames(std::size_t count, uint64_t seed, bool with_depth = true)
      : count_(count), seed_(seed), with_depth_(with_depth) {}
  std::size_t size() const override { return count_; }
  std::string name(std::size_t i) const override { return "toy frame " + std::to_string(i); }
  data::Sample load(std::size_t i) const override {
    data::Sample sample;
    sample.height = 16;
    sample.width = 24;
    sample.name = name(i);
    sample.intrinsics = {20, 20, 11.5f, 7.5f};
    const Philox random(seed_, i);
    const int split = 4 + static_cast<int>(random.below(0, 16)); // a near and a far half
    for (int y = 0; y < sample.height; ++y)
      for (int x = 0; x < sample.width; ++x) {
        const auto p = static_cast<uint64_t>(y * sample.width + x);
        const float metres = (x < split ? 1.0f : 4.0f) + 0.05f * static_cast<float>(y);
        const int grey = static_cast<int>(255 / metres) - static_cast<int>(random.below(100 + p, 10));
        for (int c = 0; c < 3; ++c) sample.rgb.push_back(static_cast<uint8_t>(std::min(std::max(grey, 0), 255)));
        sample.depth.push_back(!with_depth_ || random.below(1000 + p, 10) == 0 ? 0.0f : metres);
      }
    return sample;
  }

private:
  std::size_t count_;
  uint64_t seed_;
  bool with_depth_;
};

inline data::DatasetPtr toy_frames(std::size_t count, uint64_t seed) {
  return std::make_shared<ToyFrames>(count, seed);
}

/// Settings of a tiny run on toy frames; `changes` are key, value pairs.
inline trainer::Settings toy_settings(const std::vector<std::pair<std::string, std::string>>& changes = {}) {
  trainer::Settings settings(trainer::train_option_groups());
  const std::vector<std::pair<std::string, std::string>> tiny{
      {"data.train", "toy"},          {"data.val", "toy"},          {"data.size", "16x24"},  {"data.batch_size", "4"},
      {"model.levels", "2"},          {"model.base_channels", "4"}, {"train.epochs", "4"},   {"optimizer.lr", "5e-3"},
      {"scheduler.name", "constant"}, {"run.pictures", "2"},        {"model.max_depth", "8"}};
  for (const auto& list : {tiny, changes})
    for (const auto& [key, value] : list) settings.set(key, value, "test");
  return settings;
}

} // namespace leadline::testing
