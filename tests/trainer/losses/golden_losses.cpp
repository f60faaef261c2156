// Every case of torch_losses.h5: value and gradient in double within 1e-10, in float within 3e-5 of the largest value.
#include "tests/support/golden_file.hpp"
#include "tests/trainer/losses/loss_runner.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

using namespace leadline;
using namespace leadline::testing;

namespace {

/// [N,C,H,W] or [N,C] to [N,H,W,C].
struct Nhwc {
  Shape shape;
  std::vector<double> values;
};

Nhwc to_nhwc(const GoldenArray& array) {
  const auto& d = array.dims;
  if (d.size() == 1 || d.size() == 2) return {{d[0], 1, 1, d.size() == 2 ? d[1] : 1}, array.values};
  REQUIRE(d.size() == 4);
  Nhwc result{{d[0], d[2], d[3], d[1]}, array.values};
  size_t to = 0;
  for (int64_t n = 0; n < d[0]; ++n)
    for (int64_t h = 0; h < d[2]; ++h)
      for (int64_t w = 0; w < d[3]; ++w)
        for (int64_t c = 0; c < d[1]; ++c)
          result.values[to++] = array.values[static_cast<size_t>(((n * d[1] + c) * d[2] + h) * d[3] + w)];
  return result;
}

trainer::LossParams params_of(const GoldenGroup& group) {
  trainer::LossParams p;
  for (const auto& [name, attribute] : group.attributes) {
    if (name == "loss") continue;
    if (name == "delta")
      p.delta = group.number(name);
    else if (name == "beta")
      p.beta = group.number(name);
    else if (name == "berhu_fraction")
      p.berhu_fraction = group.number(name);
    else if (name == "silog_lambda")
      p.silog_lambda = group.number(name);
    else if (name == "silog_scale")
      p.silog_scale = group.number(name);
    else if (name == "window")
      p.ssim_window = group.integer(name);
    else if (name == "sigma")
      p.ssim_sigma = group.number(name);
    else if (name == "c1")
      p.ssim_c1 = group.number(name);
    else if (name == "c2")
      p.ssim_c2 = group.number(name);
    else if (name == "valid")
      REQUIRE(group.text(name) == "target > 0");
    else if (name == "value_of")
      REQUIRE(group.text(name) == "clamp((1 - SSIM) / 2, 0, 1)");
    else if (name == "normalised_by")
      REQUIRE(group.text(name) == "each image's mean");
    else
      FAIL(group.path << ": unknown attribute " << name);
  }
  return p;
}

void check(const std::string& what, const LossResult& got, double value, const std::vector<double>& diff,
           double tolerance) {
  INFO(what);
  double largest = 0, error = 0;
  for (size_t i = 0; i < diff.size(); ++i) {
    largest = std::max(largest, std::abs(diff[i]));
    const double difference = std::abs(got.diff.at(i) - diff[i]);
    error = !(difference <= error) ? difference : error; // keeps a NaN
  }
  CHECK_FALSE(!(std::abs(got.value - value) <= tolerance * std::abs(value)));
  CHECK_FALSE(!(error <= tolerance * largest));
}

} // namespace

TEST_CASE("every case of torch_losses.h5 is reproduced") {
  const GoldenGroup file = read_golden("torch_losses.h5");
  REQUIRE(file.groups.size() >= 1);
  for (const auto& [name, group] : file.groups) {
    INFO(name);
    const std::string loss = group.text("loss");
    const trainer::LossParams params = params_of(group);
    const Nhwc prediction = to_nhwc(group.array("prediction")), diff = to_nhwc(group.array("diff_prediction"));
    LossInput input{prediction.shape, prediction.shape, prediction.values, prediction.values};
    if (group.has_array("target")) {
      const Nhwc target = to_nhwc(group.array("target"));
      input.target_shape = target.shape;
      input.target = target.values;
    } else {
      REQUIRE(loss == "smoothness"); // the only one that works without
    }
    if (group.has_array("image")) {
      const Nhwc image = to_nhwc(group.array("image"));
      input.image_shape = image.shape;
      input.image = image.values;
    }
    const double value = group.array("value").values.at(0);
    REQUIRE(group.unread() == "");
    check("double", run_loss<double>(loss, params, input), value, diff.values, 1e-10);
    check("float", run_loss<float>(loss, params, input), value, diff.values, 3e-5);
  }
}
