// Protocols: their crops, valid rules, limits and means, and what an evaluator does with images that have no truth.
#include "shared/core/rng.hpp"
#include "tests/trainer/exec_array.hpp"
#include "trainer/metrics/depth_metrics.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstring>
#include <limits>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

struct Images {
  Shape shape;
  std::vector<double> prediction, target;
};

Images random_images(index_t n, index_t h, index_t w, uint64_t seed) {
  const Philox random(seed);
  Images images{{n, h, w, 1}, {}, {}};
  for (uint64_t i = 0; i < static_cast<uint64_t>(n * h * w); ++i) {
    const double t = 12 * random.uniform_double(3 * i);
    images.target.push_back(random.uniform_double(3 * i + 1) < 0.2 ? 0.0 : t);
    images.prediction.push_back(t * (0.6 + 0.8 * random.uniform_double(3 * i + 2)) + 0.01);
  }
  return images;
}

template <class T> DepthEvaluator<DefaultExec> evaluate(const Images& images, const DepthProtocol& protocol) {
  DepthEvaluator<DefaultExec> evaluator(DefaultExec(), protocol);
  evaluator.add(ExecArray<T>(images.shape, images.prediction).view(), ExecArray<T>(images.shape, images.target).view());
  return evaluator;
}

/// The definitions, once more and slowly, over the pixels that `counts` admits.
template <class Counts> DepthMetrics slow(const Images& images, const DepthProtocol& p, const Counts& counts) {
  double n = 0, delta[3] = {}, abs_rel = 0, sq_rel = 0, squared = 0, log_squared = 0, log_10 = 0, log_sum = 0, mae = 0;
  for (index_t i = 0; i < images.shape.count(); ++i) {
    const index_t w = i % images.shape.w, h = i / images.shape.w % images.shape.h;
    const double t = images.target[static_cast<size_t>(i)];
    if (!counts(h, w, t)) continue;
    const double q = std::min(std::max(images.prediction[static_cast<size_t>(i)], p.clamp_min), p.clamp_max);
    const double d = std::log(q) - std::log(t);
    n += 1;
    for (int k = 0; k < 3; ++k) delta[k] += std::max(q / t, t / q) < std::pow(1.25, k + 1);
    abs_rel += std::abs(q - t) / t;
    sq_rel += (q - t) * (q - t) / t;
    squared += (q - t) * (q - t);
    log_squared += d * d;
    log_sum += d;
    log_10 += std::abs(std::log10(q) - std::log10(t));
    mae += std::abs(q - t);
  }
  return {delta[0] / n,
          delta[1] / n,
          delta[2] / n,
          abs_rel / n,
          sq_rel / n,
          std::sqrt(squared / n),
          std::sqrt(log_squared / n),
          log_10 / n,
          100 * std::sqrt(log_squared / n - log_sum * log_sum / n / n),
          mae / n};
}

void check_equal(const DepthMetrics& a, const DepthMetrics& b, double tolerance = 1e-11) {
  for (int i = 0; i < DepthMetrics::count; ++i) {
    INFO(metric_names()[static_cast<size_t>(i)]);
    CHECK_FALSE(!(std::abs(a.value(i) - b.value(i)) <= tolerance * (std::abs(b.value(i)) + 1e-3)));
  }
}

} // namespace

TEST_CASE("crops at their own size are the published ones") {
  CropBox box = crop_box(depth_protocol("eigen"), 480, 640);
  CHECK((box.top == 45 && box.bottom == 471 && box.left == 41 && box.right == 601));
  CHECK(box.note.empty());
  box = crop_box(depth_protocol("densedepth"), 480, 640);
  CHECK((box.top == 20 && box.bottom == 460 && box.left == 24 && box.right == 616));
  CHECK(box.note.empty());
  box = crop_box(depth_protocol("fastdepth"), 224, 224);
  CHECK((box.top == 0 && box.bottom == 224 && box.left == 0 && box.right == 224));
  CHECK(box.note.empty());
  box = crop_box(depth_protocol("fastdepth"), 480, 640); // 228x304 in the middle of 250x333
  CHECK((box.top == 21 && box.bottom == 459 && box.left == 27 && box.right == 611));
  box = crop_box(depth_protocol("garg"), 375, 1242);
  CHECK((box.top == 153 && box.bottom == 371 && box.left == 44 && box.right == 1197));
  CHECK(box.note.empty());
  box = crop_box(depth_protocol("raw"), 7, 5);
  CHECK((box.top == 0 && box.bottom == 7 && box.left == 0 && box.right == 5));
}

TEST_CASE("crops of other sizes are scaled, and say so") {
  const CropBox box = crop_box(depth_protocol("eigen"), 144, 192);
  CHECK((box.top == 14 && box.bottom == 141 && box.left == 12 && box.right == 180));
  CHECK(box.note == "eigen crop scaled from 480x640 to 144x192: rows 14:141 cols 12:180");
  for (const DepthProtocol& protocol : depth_protocols())
    for (const index_t size : {1, 2, 3, 5, 13, 64}) {
      const CropBox tiny = crop_box(protocol, size, size);
      CHECK((0 <= tiny.top && tiny.top < tiny.bottom && tiny.bottom <= size));
      CHECK((0 <= tiny.left && tiny.left < tiny.right && tiny.right <= size));
    }
}

TEST_CASE("each protocol measures the pixels it names, in double and from float") {
  const Images images = random_images(1, 48, 64, 1);
  for (const DepthProtocol& protocol : depth_protocols()) {
    if (protocol.or_predicted) continue; // below
    INFO(protocol.name);
    const CropBox box = crop_box(protocol, 48, 64);
    const DepthMetrics expected = slow(images, protocol, [&](index_t h, index_t w, double t) {
      return h >= box.top && h < box.bottom && w >= box.left && w < box.right && t > protocol.min_depth &&
             t < protocol.max_depth;
    });
    check_equal(evaluate<double>(images, protocol).result(), expected);
    check_equal(evaluate<float>(images, protocol).result(), expected, 2e-3); // a pixel may change sides of a threshold
    CHECK(evaluate<double>(images, protocol).note() == box.note);
  }
}

TEST_CASE("bounds of the valid range are strict, predictions are limited") {
  // ground truth on the bounds doesn't count; inside it does
  const Images edge{{1, 1, 5, 1}, {1, 1, 1, 1, 1}, {1e-3, 10, 0, 1e-3 + 1e-9, 10 - 1e-9}};
  CHECK(evaluate<double>(edge, depth_protocol("raw")).result().pixels == 2);
  // 1e-3 and 10 are the limits of a prediction
  const Images far{{1, 1, 3, 1}, {-5, 50, infinity}, {1, 5, 4}};
  const DepthMetrics m = evaluate<double>(far, depth_protocol("raw")).result();
  CHECK_FALSE(!(std::abs(m.mae - (0.999 + 5 + 6) / 3) <= 1e-12));
  CHECK(m.not_finite == 1);
}

TEST_CASE("fastdepth counts predictions without ground truth") {
  // errors 1, 2 (no truth: the prediction itself), and one pixel that neither has
  const Images images{{1, 1, 3, 1}, {3, 2, 0}, {2, 0, 0}};
  const DepthMetrics m = evaluate<double>(images, depth_protocol("fastdepth")).result();
  CHECK(m.pixels == 2);
  CHECK_FALSE(!(std::abs(m.rmse - std::sqrt(2.5)) <= 1e-15));
  CHECK(m.mae == 1.5);
  CHECK(m.delta2 == 0.5);                             // 3/2 < 1.25^2, and the pixel without truth fails
  CHECK_FALSE(!(std::abs(m.abs_rel - 0.5) <= 1e-15)); // where there is truth
  const Images raw{{1, 1, 3, 1}, {3, 2, 0}, {2, 0, 0}};
  CHECK(evaluate<double>(raw, depth_protocol("raw")).result().pixels == 1);
}

TEST_CASE("per-image mean and pooling differ where images have different numbers of pixels") {
  // image 0: three pixels with error 1; image 1: one pixel with error 3
  const Images images{{2, 1, 3, 1}, {3, 3, 3, 5, 1, 1}, {2, 2, 2, 2, 0, 0}};
  DepthProtocol protocol = depth_protocol("raw");
  CHECK(evaluate<double>(images, protocol).result().mae == 2.0);
  protocol.pooled = true;
  CHECK(evaluate<double>(images, protocol).result().mae == 1.5);
  CHECK_FALSE(!(std::abs(evaluate<double>(images, protocol).result().rmse - std::sqrt(3.0)) <= 1e-15));
  CHECK(evaluate<double>(images, protocol).result().pixels == 4);
}

TEST_CASE("images without a valid pixel are left out and counted; NaN does no harm") {
  Images images = random_images(4, 9, 11, 2);
  const DepthMetrics before = evaluate<double>(images, depth_protocol("raw")).result();
  const Images first_three = {{3, 9, 11, 1},
                              {images.prediction.begin(), images.prediction.begin() + 3 * 99},
                              {images.target.begin(), images.target.begin() + 3 * 99}};
  for (const double missing : {0.0, not_a_number, infinity, -1.0}) {
    for (size_t i = 3 * 99; i < images.target.size(); ++i) images.target[i] = missing;
    const DepthEvaluator<DefaultExec> evaluator = evaluate<double>(images, depth_protocol("raw"));
    const DepthMetrics m = evaluator.result();
    CHECK(m.images == 3);
    CHECK(m.skipped == 1);
    check_equal(m, evaluate<double>(first_three, depth_protocol("raw")).result(), 0);
    CHECK(evaluator.per_image()[3].skipped == 1);
    CHECK(std::isnan(evaluator.per_image()[3].rmse));
  }
  CHECK(before.images == 4);

  // A NaN prediction counts as the smallest depth, and is reported.
  const Images broken{{1, 1, 2, 1}, {not_a_number, 2}, {2, 2}};
  const DepthMetrics m = evaluate<double>(broken, depth_protocol("eigen")).result();
  CHECK(m.not_finite == 1);
  CHECK(m.delta1 == 0.5);
  CHECK_FALSE(!(std::abs(m.mae - 1.999 / 2) <= 1e-12));

  const Images nothing{{2, 1, 2, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}};
  for (const DepthProtocol& protocol : depth_protocols()) {
    const DepthMetrics none = evaluate<double>(nothing, protocol).result();
    CHECK(none.images == 0);
    CHECK(none.skipped == 2);
    for (int i = 0; i < DepthMetrics::count; ++i) CHECK(std::isnan(none.value(i)));
  }
}

TEST_CASE("the same bits whatever the batch size; float and double share one accumulation") {
  const Images images = random_images(5, 31, 37, 3);
  for (const DepthProtocol& protocol : depth_protocols()) {
    const DepthMetrics whole = evaluate<float>(images, protocol).result();
    DepthEvaluator<DefaultExec> by_two(DefaultExec(), protocol);
    for (index_t first = 0; first < 5; first += 2) {
      const index_t n = std::min<index_t>(2, 5 - first);
      const auto part = [&](const std::vector<double>& all) {
        const auto begin = all.begin() + first * 31 * 37;
        return ExecArray<float>({n, 31, 37, 1}, std::vector<double>(begin, begin + n * 31 * 37));
      };
      by_two.add(part(images.prediction).view(), part(images.target).view());
    }
    for (int i = 0; i < DepthMetrics::count; ++i) {
      const double a = whole.value(i), b = by_two.result().value(i);
      CHECK(std::memcmp(&a, &b, sizeof a) == 0);
    }
  }
}

TEST_CASE("the kernel's sums are the same bits on the caller's thread alone") {
  if constexpr (DefaultExec::on_host) {
    const Images images = random_images(3, 31, 37, 4);
    const ExecArray<double> prediction(images.shape, images.prediction), target(images.shape, images.target);
    const trainer::detail::DepthRule rule{1e-3, 10, 1e-3, 10, false};
    const size_t partial = static_cast<size_t>(reduce_chunks(31 * 37) * 3);
    std::vector<trainer::detail::DepthSums> scratch(partial), one(3), many(3);
    trainer::detail::depth_sums<double>(HostExec(), rule, prediction.view(), target.view(), 0, 0, 31, 37,
                                        scratch.data(), one.data());
    const DefaultExec exec;
    trainer::detail::depth_sums<double>(exec, rule, prediction.view(), target.view(), 0, 0, 31, 37, scratch.data(),
                                        many.data());
    exec.fence();
    CHECK(std::memcmp(one.data(), many.data(), 3 * sizeof(one[0])) == 0);
  }
}

TEST_CASE("reset, empty batches, wrong shapes and unknown names") {
  const Images images = random_images(2, 9, 11, 5);
  DepthEvaluator<DefaultExec> evaluator = evaluate<double>(images, depth_protocol("raw"));
  evaluator.add(Tensor<float>(nullptr, {0, 9, 11, 1}), Tensor<float>(nullptr, {0, 9, 11, 1}));
  CHECK(evaluator.result().images == 2);
  evaluator.reset();
  CHECK(evaluator.result().images == 0);
  const ExecArray<float> a({1, 3, 4, 1}), b({1, 4, 3, 1}), c({1, 3, 4, 2});
  CHECK_THROWS_WITH(evaluator.add(a.view(), b.view()),
                    ContainsSubstring("[1,3,4,1]") && ContainsSubstring("[1,4,3,1]"));
  CHECK_THROWS_WITH(evaluator.add(c.view(), c.view()), ContainsSubstring("[1,3,4,2]"));
  CHECK_THROWS_WITH(depth_protocol("eigne"), ContainsSubstring("Did you mean \"eigen\"?"));
}

TEST_CASE("the table names its protocol") {
  const Images images = random_images(2, 144, 192, 6);
  DepthEvaluator<DefaultExec> evaluator = evaluate<float>(images, depth_protocol("eigen"));
  const std::string table = depth_metrics_table({{"model", evaluator.result()}, {"constant depth", DepthMetrics{}}},
                                                evaluator.protocol(), evaluator.note());
  CHECK_THAT(table, ContainsSubstring("protocol eigen:") && ContainsSubstring("rows 14:141 cols 12:180") &&
                        ContainsSubstring("delta1") && ContainsSubstring("model") &&
                        ContainsSubstring("constant depth"));
}
