#include "data/loader.hpp"

#include "data/error.hpp"
#include "data/sources.hpp"
#include "shared/core/rng.hpp"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

namespace leadline::data {
namespace {

// The loader's random stream, folded with the epoch.
constexpr std::uint64_t shuffle_stream = 0x5348554646ull; // "SHUFF"

/// A frame at network size, before normalisation and augmentation: what the cache keeps.
struct Frame {
  std::vector<std::uint8_t> rgb; // [H, W, 3]
  std::vector<float> depth;      // [H, W]
  Intrinsics intrinsics{};
  int label = -1;
  std::size_t bytes() const { return sizeof(Frame) + rgb.size() + depth.size() * sizeof(float); }
};
using FramePtr = std::shared_ptr<const Frame>;

Frame make_frame(const Sample& sample, const LoaderOptions& options) {
  const Preprocess& p = options.preprocess;
  const CropWindow window = crop_window(p.crop, sample.height, sample.width, p.height, p.width);
  const std::size_t pixels = static_cast<std::size_t>(p.height) * static_cast<std::size_t>(p.width);
  Frame frame;
  frame.rgb.resize(3 * pixels);
  const std::size_t bytes = resize_rgb8_workspace_bytes(p.resize, window.height, window.width, p.height, p.width);
  std::vector<std::uint32_t> workspace(bytes / sizeof(std::uint32_t) + 1);
  const ImageView8 picture = packed_image(sample.rgb.data(), sample.height, sample.width);
  if (!resize_rgb8(p.resize, cropped(picture, window), p.height, p.width, workspace.data(), frame.rgb.data()))
    throw Error(
        {.file = sample.name,
         .field = "size",
         .value = std::to_string(sample.width) + "x" + std::to_string(sample.height),
         .reason = "this frame can't be resized to " + std::to_string(p.width) + "x" + std::to_string(p.height)});
  frame.depth.assign(pixels, 0.0f);
  if (!sample.depth.empty()) {
    const float* corner = sample.depth.data() + std::ptrdiff_t{window.y} * sample.width + window.x;
    const auto resize = options.depth_resize == DepthResize::area ? resize_depth_area : resize_depth_nearest;
    resize(corner, window.height, window.width, sample.width, p.height, p.width, frame.depth.data());
  }
  frame.intrinsics = adjust_intrinsics(sample.intrinsics, window, p.height, p.width);
  frame.label = sample.label;
  return frame;
}

/// Brings frame `index` into place `at` of the batch: normalised, and as this epoch's augmentation has it.
void place(const Frame& frame, std::size_t index, const LoaderOptions& options, Batch& batch, std::size_t at) {
  const Preprocess& p = options.preprocess;
  const std::ptrdiff_t pixels = std::ptrdiff_t{p.height} * p.width;
  float* image = batch.image.data() + static_cast<std::ptrdiff_t>(at) * pixels * 3;
  float* depth = batch.depth.data() + static_cast<std::ptrdiff_t>(at) * pixels;
  batch.labels[at] = frame.label;
  if (options.augment) {
    batch.intrinsics[at] = augment_frame(*options.augment, p, options.seed, batch.epoch, index,
                                         {frame.rgb.data(), frame.depth.data(), frame.intrinsics}, image, depth);
    return;
  }
  float scale[3], offset[3];
  normalise_factors(p.mean, p.std, scale, offset);
  const ImageView8 rgb = packed_image(frame.rgb.data(), p.height, p.width);
  scale_rgb8(rgb, scale, offset, p.colour_order, image, 3, std::ptrdiff_t{3} * p.width);
  std::copy(frame.depth.begin(), frame.depth.end(), depth);
  batch.intrinsics[at] = frame.intrinsics;
}

void check(const Dataset& dataset, const LoaderOptions& o) {
  const auto refuse = [](const char* field, const std::string& value, const std::string& reason) {
    throw Error({.field = field, .value = value, .reason = reason});
  };
  if (dataset.size() == 0) throw Error({.field = "data", .reason = "it has no frames"});
  const Preprocess& p = o.preprocess;
  if (!preprocess_valid(p))
    refuse("preprocess", std::to_string(p.width) + "x" + std::to_string(p.height),
           "network sides must be 1 to " + std::to_string(max_image_side) + " and std greater than 0");
  if (o.batch_size < 1) refuse("batch_size", std::to_string(o.batch_size), "it must be at least 1");
  if (o.prefetch < 1) refuse("prefetch", std::to_string(o.prefetch), "it must be at least 1");
  if (o.threads < 1 || o.threads > 256) refuse("threads", std::to_string(o.threads), "it must be 1 to 256");
  if (o.drop_last && dataset.size() < static_cast<std::size_t>(o.batch_size))
    throw Error({.field = "batch_size",
                 .value = std::to_string(o.batch_size),
                 .reason = "the data has only " + std::to_string(dataset.size()) + " frames, so no batch is ever full",
                 .fix = "Choose a batch_size of at most that."});
  if (o.augment) check_augment(*o.augment);
}

} // namespace

struct Loader::Impl {
  Impl(DatasetPtr dataset_, LoaderOptions options_)
      : dataset(std::move(dataset_)), options(options_), cache(dataset->size()), bad(dataset->size()) {}

  // One finished place in the order: a batch, or the error that making it met.
  struct Result {
    Batch batch;
    std::exception_ptr error;
  };

  const DatasetPtr dataset;
  const LoaderOptions options;

  std::mutex cache_mutex; // cache, cache_bytes, bad, bad_count
  std::vector<FramePtr> cache;
  std::size_t cache_bytes = 0;
  std::vector<bool> bad;
  std::size_t bad_count = 0;

  std::mutex mutex; // everything below
  std::condition_variable work, ready;
  std::vector<std::thread> threads;
  bool stopping = false;
  std::uint64_t generation = 0; // of start(); results of an older one are thrown away
  std::int64_t epoch = 0;
  std::shared_ptr<const std::vector<std::size_t>> epoch_order;
  std::int64_t to_make = 0, to_take = 0, end = 0; // batch numbers
  std::map<std::int64_t, Result> results;         // at most `prefetch`
  std::vector<Batch> spare;                       // vectors to fill again
  bool any_frame = false;                         // this epoch gave at least one frame

  std::int64_t batches() const {
    const auto n = static_cast<std::int64_t>(dataset->size()), b = std::int64_t{options.batch_size};
    return options.drop_last ? n / b : (n + b - 1) / b;
  }

  std::vector<std::size_t> order(std::int64_t e) const {
    if (options.shuffle)
      return seeded_permutation(dataset->size(), options.seed,
                                philox_stream(shuffle_stream, static_cast<std::uint64_t>(e)));
    std::vector<std::size_t> natural(dataset->size());
    for (std::size_t i = 0; i < natural.size(); ++i) natural[i] = i;
    return natural;
  }

  /// The frame at network size, from the cache or the disk; null if it can't be read and bad frames are skipped.
  /// The cache fills once and then stays: every epoch visits every frame, so throwing out the oldest would help nobody.
  FramePtr frame(std::size_t index) {
    {
      const std::lock_guard lock(cache_mutex);
      if (bad[index]) return nullptr;
      if (cache[index]) return cache[index];
    }
    FramePtr made;
    try {
      made = std::make_shared<const Frame>(make_frame(dataset->load(index), options));
    } catch (const Error& error) {
      if (options.on_bad_sample == OnBadSample::stop) throw;
      const std::lock_guard lock(cache_mutex);
      if (!bad[index]) {
        bad[index] = true;
        warn_skipped(std::string(error.what()) + " (" + std::to_string(++bad_count) + " so far)");
      }
      return nullptr;
    }
    const std::lock_guard lock(cache_mutex);
    if (!cache[index] && cache_bytes + made->bytes() <= options.cache_mb << 20) {
      cache[index] = made;
      cache_bytes += made->bytes();
    }
    return made;
  }

  void make(Batch& batch, std::int64_t e, std::int64_t number, const std::vector<std::size_t>& visit) {
    const Preprocess& p = options.preprocess;
    const std::size_t first = static_cast<std::size_t>(number) * static_cast<std::size_t>(options.batch_size);
    const std::size_t count = std::min(static_cast<std::size_t>(options.batch_size), visit.size() - first);
    const std::size_t pixels = static_cast<std::size_t>(p.height) * static_cast<std::size_t>(p.width);
    batch.height = p.height;
    batch.width = p.width;
    batch.epoch = e;
    batch.number = number;
    batch.image.resize(count * pixels * 3);
    batch.depth.resize(count * pixels);
    batch.intrinsics.resize(count);
    batch.labels.resize(count);
    batch.indices.clear();
    for (std::size_t k = 0; k < count; ++k) {
      std::size_t index = visit[first + k];
      FramePtr f = frame(index);
      for (std::size_t step = 1; !f && options.drop_last && step < visit.size(); ++step) {
        index = visit[(first + k + step) % visit.size()];
        f = frame(index);
      }
      if (!f) continue;
      place(*f, index, options, batch, batch.indices.size());
      batch.indices.push_back(index);
    }
    const std::size_t n = batch.indices.size();
    batch.n = static_cast<int>(n);
    batch.image.resize(n * pixels * 3);
    batch.depth.resize(n * pixels);
    batch.intrinsics.resize(n);
    batch.labels.resize(n);
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock, [this] { return stopping || (to_make < end && to_make < to_take + options.prefetch); });
      if (stopping) return;
      const std::int64_t number = to_make++, e = epoch;
      const std::uint64_t mine = generation;
      const auto visit = epoch_order;
      Result result;
      if (!spare.empty()) {
        result.batch = std::move(spare.back());
        spare.pop_back();
      }
      lock.unlock();
      try {
        make(result.batch, e, number, *visit);
      } catch (...) {
        result.error = std::current_exception();
      }
      lock.lock();
      if (mine == generation) {
        results.emplace(number, std::move(result));
        ready.notify_one();
      } else {
        keep(std::move(result.batch));
      }
    }
  }

  void keep(Batch&& batch) {
    if (spare.size() < static_cast<std::size_t>(options.prefetch) && batch.image.capacity() > 0)
      spare.push_back(std::move(batch));
  }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    work.notify_all();
    for (std::thread& thread : threads) thread.join();
  }
};

Loader::Loader(DatasetPtr dataset, LoaderOptions options) {
  if (!dataset) throw std::invalid_argument("leadline::data::Loader: dataset is null");
  check(*dataset, options);
  impl_ = std::make_unique<Impl>(std::move(dataset), options);
}

Loader::~Loader() { impl_->stop(); }

const Dataset& Loader::dataset() const { return *impl_->dataset; }
const LoaderOptions& Loader::options() const { return impl_->options; }
std::int64_t Loader::batches_per_epoch() const { return impl_->batches(); }
std::vector<std::size_t> Loader::order(std::int64_t epoch) const { return impl_->order(epoch); }

std::size_t Loader::bad_samples() const {
  const std::lock_guard lock(impl_->cache_mutex);
  return impl_->bad_count;
}

std::size_t Loader::cached_bytes() const {
  const std::lock_guard lock(impl_->cache_mutex);
  return impl_->cache_bytes;
}

void Loader::start(std::int64_t epoch, std::int64_t batch) {
  Impl& m = *impl_;
  if (epoch < 0 || batch < 0 || batch > m.batches())
    throw Error({.field = "loader position",
                 .value = "epoch " + std::to_string(epoch) + ", batch " + std::to_string(batch),
                 .reason = "an epoch of this data has batches 0 to " + std::to_string(m.batches()) + " (exclusive)",
                 .fix = "The data or the batch_size differ from those of the run that is resumed."});
  auto order = std::make_shared<const std::vector<std::size_t>>(m.order(epoch));
  const std::lock_guard lock(m.mutex);
  ++m.generation;
  for (auto& [number, result] : m.results) m.keep(std::move(result.batch));
  m.results.clear();
  m.epoch = epoch;
  m.epoch_order = std::move(order);
  m.to_make = m.to_take = batch;
  m.end = m.batches();
  m.any_frame = batch > 0;
  while (m.threads.size() < static_cast<std::size_t>(m.options.threads)) m.threads.emplace_back([&m] { m.run(); });
  m.work.notify_all();
}

bool Loader::next(Batch& batch) {
  Impl& m = *impl_;
  std::unique_lock lock(m.mutex);
  if (!m.epoch_order) throw std::logic_error("leadline::data::Loader: next() before start()");
  while (m.to_take < m.end) {
    m.ready.wait(lock, [&m] { return m.results.count(m.to_take) > 0; });
    auto found = m.results.find(m.to_take);
    Impl::Result result = std::move(found->second);
    m.results.erase(found);
    ++m.to_take;
    m.work.notify_one();
    if (result.error) {
      m.end = m.to_take; // nothing more of this epoch
      std::rethrow_exception(result.error);
    }
    if (result.batch.n == 0) { // every frame of it was left out
      m.keep(std::move(result.batch));
      continue;
    }
    m.any_frame = true;
    std::swap(batch, result.batch);
    m.keep(std::move(result.batch));
    return true;
  }
  if (!m.any_frame && m.end > 0)
    throw Error({.field = "data",
                 .reason = "not one of its " + std::to_string(m.dataset->size()) + " frames can be used",
                 .fix = "See the warnings above, or choose on_bad_sample=stop to end at the first."});
  return false;
}

} // namespace leadline::data
