// data/loader.hpp: the same bits for any number of threads, any cache, any place to resume; and what goes wrong on the
// way.
#include "data/loader.hpp"
#include "tests/data/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <set>
#include <thread>

using namespace leadline;
using namespace leadline::data;
using namespace leadline::data::test;

namespace {

/// Frames made in memory: picture i is `pattern` plus i, depth i + pixel / 100; chosen ones are damaged.
class Memory final : public Dataset {
public:
  explicit Memory(std::size_t n, std::set<std::size_t> bad_frames = {}) : n_(n), bad_(std::move(bad_frames)) {}
  std::size_t size() const override { return n_; }
  std::string name(std::size_t i) const override { return "frame " + std::to_string(i); }
  Sample load(std::size_t i) const override {
    ++loads;
    if (bad_.count(i)) throw Error({.file = name(i), .reason = "damaged for the test"});
    Sample sample;
    sample.height = 12;
    sample.width = 20;
    sample.rgb = pattern(12, 20).rgb;
    for (std::uint8_t& v : sample.rgb) v = static_cast<std::uint8_t>(v + 3 * i);
    for (std::size_t k = 0; k < 240; ++k)
      sample.depth.push_back(k % 9 == 0 ? 0.0f : static_cast<float>(i) + static_cast<float>(k) / 100.0f);
    sample.intrinsics = {25, 26, 7.5f, 5.5f};
    sample.label = static_cast<int>(i % 10);
    sample.name = name(i);
    return sample;
  }
  mutable std::atomic<int> loads{0};

private:
  std::size_t n_;
  std::set<std::size_t> bad_;
};

LoaderOptions options_for(int height = 6, int width = 10) {
  LoaderOptions options;
  options.preprocess.height = height;
  options.preprocess.width = width;
  options.batch_size = 4;
  options.seed = 42;
  return options;
}

LoaderOptions training() {
  LoaderOptions options = options_for();
  options.shuffle = true;
  options.augment = parse_augment(
      "rotation=10, scale=1.3, random_crop=0.7, contrast=0.2, hue=0.1, gamma=0.2, blur=1, noise=0.05, cutout=2", {});
  return options;
}

bool same(const Batch& a, const Batch& b) {
  const auto cameras = [](const Batch& batch) {
    std::vector<float> values;
    for (const Intrinsics& k : batch.intrinsics) values.insert(values.end(), {k.fx, k.fy, k.cx, k.cy});
    return values;
  };
  return a.n == b.n && a.height == b.height && a.width == b.width && a.image == b.image && a.depth == b.depth &&
         a.indices == b.indices && a.labels == b.labels && cameras(a) == cameras(b) && a.epoch == b.epoch &&
         a.number == b.number;
}

std::vector<Batch> epoch_of(Loader& loader, std::int64_t epoch, std::int64_t from = 0) {
  std::vector<Batch> batches;
  loader.start(epoch, from);
  Batch batch;
  while (loader.next(batch)) batches.push_back(batch);
  return batches;
}

std::vector<Batch> epoch_of(const LoaderOptions& options, std::int64_t epoch, std::size_t n = 23,
                            std::set<std::size_t> bad = {}) {
  Loader loader(std::make_shared<Memory>(n, std::move(bad)), options);
  return epoch_of(loader, epoch);
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const Batch& x, const Batch& y) { return same(x, y); });
}

std::vector<std::size_t> visited(const std::vector<Batch>& batches) {
  std::vector<std::size_t> all;
  for (const Batch& batch : batches) all.insert(all.end(), batch.indices.begin(), batch.indices.end());
  return all;
}

} // namespace

TEST_CASE("a batch holds what preprocess and nearest depth give, frame by frame") {
  const LoaderOptions options = options_for();
  const std::vector<Batch> batches = epoch_of(options, 0);
  REQUIRE(batches.size() == 6);
  CHECK(batches.back().n == 3);
  const Memory data(23);
  for (const Batch& batch : batches)
    for (std::size_t k = 0; k < static_cast<std::size_t>(batch.n); ++k) {
      const Sample sample = data.load(batch.indices[k]);
      std::vector<std::uint32_t> workspace(preprocess_workspace_bytes(options.preprocess, 12, 20) / 4);
      std::vector<float> image(180), depth(60);
      REQUIRE(preprocess_rgb8(options.preprocess, packed_image(sample.rgb.data(), 12, 20), workspace.data(),
                              workspace.size() * 4, image.data()));
      resize_depth_nearest(sample.depth.data(), 12, 20, 20, 6, 10, depth.data());
      CHECK(std::equal(image.begin(), image.end(), batch.image.begin() + static_cast<std::ptrdiff_t>(k * 180)));
      CHECK(std::equal(depth.begin(), depth.end(), batch.depth.begin() + static_cast<std::ptrdiff_t>(k * 60)));
      CHECK(batch.intrinsics[k].fx == 12.5f);
      CHECK(batch.labels[k] == sample.label);
    }
  const std::vector<std::size_t> order = visited(batches);
  for (std::size_t i = 0; i < 23; ++i) CHECK(order[i] == i);
}

TEST_CASE("the same batches for any number of threads, prefetch and cache") {
  const std::vector<Batch> expected = epoch_of(training(), 3);
  REQUIRE(expected.size() == 6);
  for (const int threads : {1, 2, 3})
    for (const int prefetch : {1, 7})
      for (const std::size_t cache_mb : {std::size_t{0}, std::size_t{64}}) {
        LoaderOptions options = training();
        options.threads = threads;
        options.prefetch = prefetch;
        options.cache_mb = cache_mb;
        CHECK(same(epoch_of(options, 3), expected));
      }
}

TEST_CASE("a run resumed in mid-epoch sees the batches that it would have seen") {
  const std::vector<Batch> whole = epoch_of(training(), 5);
  for (std::int64_t from = 0; from <= 6; ++from) {
    LoaderOptions options = training();
    options.threads = 2;
    Loader loader(std::make_shared<Memory>(23), options);
    const std::vector<Batch> rest = epoch_of(loader, 5, from);
    CHECK(same(rest, std::vector<Batch>(whole.begin() + from, whole.end())));
  }
}

TEST_CASE("starting again gives up what was being made") {
  LoaderOptions options = training();
  options.threads = 3;
  Loader loader(std::make_shared<Memory>(23), options);
  const std::vector<Batch> first = epoch_of(training(), 0), second = epoch_of(training(), 1);
  for (int round = 0; round < 20; ++round) {
    loader.start(0);
    Batch batch;
    for (int i = 0; i < round % 6; ++i) REQUIRE(loader.next(batch));
    CHECK(same(epoch_of(loader, 1), second));
  }
  CHECK(same(epoch_of(loader, 0), first));
}

TEST_CASE("epochs differ in order and augmentation, seeds too, and each visits every frame once") {
  LoaderOptions other = training();
  other.seed = 43;
  const auto a = epoch_of(training(), 0), b = epoch_of(training(), 1), c = epoch_of(other, 0);
  CHECK(visited(a) != visited(b));
  CHECK(visited(a) != visited(c));
  for (const auto& batches : {a, b, c}) {
    std::vector<std::size_t> all = visited(batches);
    std::sort(all.begin(), all.end());
    std::vector<std::size_t> expected(23);
    std::iota(expected.begin(), expected.end(), std::size_t{0});
    CHECK(all == expected);
  }
}

TEST_CASE("drop_last leaves out what doesn't fill a batch") {
  LoaderOptions options = training();
  options.drop_last = true;
  const auto batches = epoch_of(options, 0);
  CHECK(batches.size() == 5);
  for (const Batch& batch : batches) CHECK(batch.n == 4);
}

TEST_CASE("flip mirrors picture, depth and principal point") {
  LoaderOptions plain = options_for(), flipped = options_for();
  flipped.augment = Augment{.flip_probability = 1, .brightness_gain = 0, .brightness_shift = 0};
  const Batch a = epoch_of(plain, 0).front(), b = epoch_of(flipped, 0).front();
  for (std::size_t row = 0; row < 4 * 6; ++row)
    for (std::size_t x = 0; x < 10; ++x) {
      REQUIRE(a.depth[row * 10 + x] == b.depth[row * 10 + 9 - x]);
      for (std::size_t c = 0; c < 3; ++c)
        REQUIRE(a.image[(row * 10 + x) * 3 + c] == b.image[(row * 10 + 9 - x) * 3 + c]);
    }
  CHECK(b.intrinsics[0].cx == 9 - a.intrinsics[0].cx);
  CHECK(b.intrinsics[0].cy == a.intrinsics[0].cy);
}

TEST_CASE("half of the frames are flipped, drawn for each epoch and frame") {
  LoaderOptions options = options_for();
  options.augment = Augment{.flip_probability = 0.5f, .brightness_gain = 0, .brightness_shift = 0};
  LoaderOptions plain = options_for();
  Loader loader(std::make_shared<Memory>(40), options), reference(std::make_shared<Memory>(40), plain);
  const auto straight = epoch_of(reference, 0);
  int flips = 0, changes = 0;
  std::vector<bool> before(40);
  for (int epoch = 0; epoch < 25; ++epoch) {
    const auto batches = epoch_of(loader, epoch);
    for (std::size_t i = 0; i < 40; ++i) {
      const bool flip = batches[i / 4].intrinsics[i % 4].cx != straight[i / 4].intrinsics[i % 4].cx;
      flips += flip;
      changes += epoch > 0 && flip != before[i];
      before[i] = flip;
    }
  }
  CHECK(std::abs(flips - 500) < 80); // of 1000; five standard deviations
  CHECK(std::abs(changes - 480) < 80);
}

TEST_CASE("brightness is gain by channel plus one shift, on 0 to 1 before mean and std") {
  LoaderOptions plain = options_for(), changed = options_for();
  changed.augment = Augment{.flip_probability = 0, .brightness_gain = 0.15f, .brightness_shift = 0.05f};
  const auto before = epoch_of(plain, 0), after = epoch_of(changed, 0);
  const Preprocess& p = plain.preprocess;
  std::vector<double> gains, shifts;
  for (std::size_t b = 0; b < before.size(); ++b)
    for (std::size_t k = 0; k < static_cast<std::size_t>(before[b].n); ++k) {
      double shift_of_channel[3];
      for (std::size_t c = 0; c < 3; ++c) { // after = gain * before + shift is one line through all pixels
        const auto value = [&](const Batch& batch, std::size_t pixel) {
          return static_cast<double>(batch.image[(k * 60 + pixel) * 3 + c]) * static_cast<double>(p.std[c]) +
                 static_cast<double>(p.mean[c]);
        };
        std::size_t low = 0, high = 0;
        for (std::size_t i = 0; i < 60; ++i) {
          low = value(before[b], i) < value(before[b], low) ? i : low;
          high = value(before[b], i) > value(before[b], high) ? i : high;
        }
        const double gain =
            (value(after[b], high) - value(after[b], low)) / (value(before[b], high) - value(before[b], low));
        shift_of_channel[c] = value(after[b], low) - gain * value(before[b], low);
        for (std::size_t i = 0; i < 60; ++i)
          REQUIRE(!(std::abs(value(after[b], i) - gain * value(before[b], i) - shift_of_channel[c]) > 1e-5));
        gains.push_back(gain);
      }
      REQUIRE(!(std::abs(shift_of_channel[0] - shift_of_channel[1]) > 1e-5));
      REQUIRE(!(std::abs(shift_of_channel[0] - shift_of_channel[2]) > 1e-5));
      shifts.push_back(shift_of_channel[0]);
    }
  const auto [least_gain, most_gain] = std::minmax_element(gains.begin(), gains.end());
  const auto [least_shift, most_shift] = std::minmax_element(shifts.begin(), shifts.end());
  CHECK((*least_gain > 0.85 - 1e-5 && *least_gain < 0.9 && *most_gain < 1.15 + 1e-5 && *most_gain > 1.1));
  CHECK((*least_shift > -0.05 - 1e-5 && *least_shift < -0.03 && *most_shift < 0.05 + 1e-5 && *most_shift > 0.03));
}

TEST_CASE("augmentation of strength 0 changes no bit") {
  LoaderOptions none = options_for();
  none.augment = Augment{.flip_probability = 0, .brightness_gain = 0, .brightness_shift = 0};
  CHECK(same(epoch_of(none, 2), epoch_of(options_for(), 2)));
}

TEST_CASE("the cache spares reading and keeps its bound") {
  const auto data = std::make_shared<Memory>(23);
  LoaderOptions options = training();
  Loader loader(data, options);
  epoch_of(loader, 0);
  CHECK(data->loads == 23);
  epoch_of(loader, 1);
  CHECK(data->loads == 23);

  const auto large = std::make_shared<Memory>(23);
  options.preprocess.height = 120;
  options.preprocess.width = 160; // 134 kB a frame: 7 fit into a megabyte
  options.cache_mb = 1;
  Loader bounded(large, options);
  epoch_of(bounded, 0);
  CHECK(bounded.cached_bytes() <= 1u << 20);
  CHECK(bounded.cached_bytes() > 900000);
  epoch_of(bounded, 1);
  CHECK(large->loads == 23 + 23 - 7);
  options.cache_mb = 0;
  Loader none(large, options);
  epoch_of(none, 0);
  CHECK(none.cached_bytes() == 0);
}

TEST_CASE("no more than prefetch batches are made ahead") {
  const auto data = std::make_shared<Memory>(400);
  LoaderOptions options = options_for();
  options.prefetch = 3;
  options.threads = 2;
  options.cache_mb = 0;
  Loader loader(data, options);
  loader.start(0);
  Batch batch;
  REQUIRE(loader.next(batch));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(data->loads <= 4 * (1 + 3));
}

TEST_CASE("an error of a loader thread arrives in its place, and the loader can go on") {
  LoaderOptions options = options_for();
  options.threads = 3;
  Loader loader(std::make_shared<Memory>(23, std::set<std::size_t>{9}), options);
  for (int round = 0; round < 3; ++round) {
    loader.start(round);
    Batch batch;
    CHECK(loader.next(batch)); // 0..3
    CHECK(loader.next(batch)); // 4..7
    CHECK(contains(error_of([&] { loader.next(batch); }), "frame 9"));
    CHECK_FALSE(loader.next(batch));
  }
}

TEST_CASE("skip: evaluation leaves bad frames out, training fills their place; both the same for any threads") {
  const std::set<std::size_t> bad = {0, 1, 2, 3, 9, 22};
  for (const bool drop_last : {false, true}) {
    LoaderOptions options = options_for();
    options.on_bad_sample = OnBadSample::skip;
    options.drop_last = drop_last;
    const auto batches = epoch_of(options, 0, 23, bad);
    for (const std::size_t i : visited(batches)) CHECK(bad.count(i) == 0);
    if (drop_last) {
      CHECK(batches.size() == 5);
      for (const Batch& batch : batches) CHECK(batch.n == 4);
      CHECK(batches[0].indices == std::vector<std::size_t>{4, 4, 4, 4});
      CHECK(batches[2].indices == std::vector<std::size_t>{8, 10, 10, 11});
    } else {
      CHECK(visited(batches).size() == 17);
      CHECK(batches.size() == 5); // the first has nothing left
      CHECK(batches[0].number == 1);
    }
    for (const int threads : {2, 3}) {
      options.threads = threads;
      CHECK(same(epoch_of(options, 0, 23, bad), batches));
    }
  }
}

TEST_CASE("skip: counts each bad frame once, and gives up where nothing is good") {
  LoaderOptions options = options_for();
  options.on_bad_sample = OnBadSample::skip;
  Loader loader(std::make_shared<Memory>(10, std::set<std::size_t>{2, 5}), options);
  epoch_of(loader, 0);
  epoch_of(loader, 1);
  CHECK(loader.bad_samples() == 2);
  Loader hopeless(std::make_shared<Memory>(3, std::set<std::size_t>{0, 1, 2}), options);
  CHECK(contains(error_of([&] { epoch_of(hopeless, 0); }), "not one of its 3 frames"));
}

TEST_CASE("options and positions that make no sense are refused") {
  const auto message = [](auto change, std::size_t n = 23) {
    LoaderOptions options = options_for();
    change(options);
    return error_of([&] { Loader(std::make_shared<Memory>(n), options); });
  };
  CHECK(contains(message([](LoaderOptions& o) { o.batch_size = 0; }), "batch_size"));
  CHECK(contains(message([](LoaderOptions& o) { o.threads = 0; }), "threads"));
  CHECK(contains(message([](LoaderOptions& o) { o.prefetch = 0; }), "prefetch"));
  CHECK(contains(message([](LoaderOptions& o) { o.preprocess.width = 0; }), "network sides"));
  CHECK(contains(message([](LoaderOptions& o) { o.augment = Augment{.flip_probability = 2}; }), "flip is \"2\""));
  CHECK(contains(message([](LoaderOptions& o) { o.augment = Augment{.brightness_gain = std::nanf("")}; }),
                 "brightness_gain"));
  CHECK(contains(message([](LoaderOptions& o) { o.drop_last = true; }, 3), "only 3 frames"));
  CHECK(contains(message([](LoaderOptions&) {}, 0), "no frames"));
  Loader loader(std::make_shared<Memory>(23), options_for());
  CHECK(contains(error_of([&] { loader.start(0, 7); }), "batch 7"));
  CHECK(contains(error_of([&] { loader.start(-1); }), "epoch -1"));
}

TEST_CASE("depth by area and centre crop go through the loader too") {
  LoaderOptions options = options_for(6, 6);
  options.preprocess.crop = CropMode::centre_crop;
  options.depth_resize = DepthResize::area;
  const Batch batch = epoch_of(options, 0).front();
  const Sample sample = Memory(1).load(0);
  std::vector<float> depth(36);
  resize_depth_area(sample.depth.data() + 4, 12, 12, 20, 6, 6, depth.data()); // columns 4..15
  CHECK(std::equal(depth.begin(), depth.end(), batch.depth.begin()));
  CHECK(batch.intrinsics[0].cx == (7.5f - 4 + 0.5f) / 2 - 0.5f);
}
