// Every case of depth_metrics.h5: each image's ten metrics and their mean within 1e-10, with any batch size.
#include "tests/support/golden_file.hpp"
#include "tests/trainer/exec_array.hpp"
#include "trainer/metrics/depth_metrics.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

using namespace leadline;
using namespace leadline::testing;
using trainer::DepthMetrics;

TEST_CASE("every case of depth_metrics.h5 is reproduced") {
  const GoldenGroup file = read_golden("depth_metrics.h5");
  REQUIRE(file.groups.size() >= 1);
  for (const auto& [name, group] : file.groups) {
    INFO(name);
    trainer::DepthProtocol protocol = trainer::depth_protocol("raw");
    protocol.min_depth = protocol.clamp_min = group.number("min_depth");
    protocol.max_depth = protocol.clamp_max = group.number("max_depth");
    const std::vector<std::string> names = group.texts("names");
    const GoldenArray &prediction = group.array("prediction"), &target = group.array("target");
    const std::vector<double>&per_image = group.array("per_image").values, &mean = group.array("mean").values;
    REQUIRE(group.unread() == "");
    REQUIRE(prediction.dims.size() == 3);
    REQUIRE(target.dims == prediction.dims);
    const index_t n = prediction.dims[0], h = prediction.dims[1], w = prediction.dims[2];
    REQUIRE(per_image.size() == static_cast<size_t>(n) * names.size());
    REQUIRE(mean.size() == names.size());
    REQUIRE(names.size() == DepthMetrics::count);

    for (const index_t batch : {n, index_t{1}}) {
      trainer::DepthEvaluator<DefaultExec> evaluator(DefaultExec(), protocol);
      for (index_t first = 0; first < n; first += batch) {
        const auto part = [&](const GoldenArray& array) {
          const auto begin = array.values.begin() + first * h * w;
          return ExecArray<double>({batch, h, w, 1}, std::vector<double>(begin, begin + batch * h * w));
        };
        evaluator.add(part(prediction).view(), part(target).view());
      }
      const std::vector<DepthMetrics> images = evaluator.per_image();
      REQUIRE(images.size() == static_cast<size_t>(n));
      const DepthMetrics result = evaluator.result();
      CHECK(result.images == n);
      CHECK(result.skipped == 0);
      for (size_t i = 0; i < names.size(); ++i) {
        REQUIRE(names[i] == trainer::metric_names()[static_cast<size_t>(i)]);
        const int k = static_cast<int>(i);
        INFO(names[i]);
        CHECK_FALSE(!(std::abs(result.value(k) - mean[i]) <= 1e-10 * std::abs(mean[i])));
        for (size_t image = 0; image < images.size(); ++image) {
          const double expected = per_image[image * names.size() + i];
          CHECK_FALSE(!(std::abs(images[image].value(k) - expected) <= 1e-10 * std::abs(expected)));
        }
      }
    }
  }
}
