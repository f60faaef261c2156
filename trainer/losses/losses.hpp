// All losses by name. Adding one: a header in this folder and a line below; a user's program calls
//   loss_registry<float, Exec>().add("mine", [](const LossParams &params) { return std::make_unique<Mine>(params); });
#pragma once

#include "trainer/losses/berhu.hpp"
#include "trainer/losses/cross_entropy.hpp"
#include "trainer/losses/gradient.hpp"
#include "trainer/losses/huber.hpp"
#include "trainer/losses/l1.hpp"
#include "trainer/losses/mse.hpp"
#include "trainer/losses/silog.hpp"
#include "trainer/losses/smooth_l1.hpp"
#include "trainer/losses/smoothness.hpp"
#include "trainer/losses/ssim.hpp"
#include "trainer/losses/weighted_sum.hpp"

#include <memory>

namespace leadline::trainer {

namespace detail {

template <class T, class Exec> LossRegistry<T, Exec> builtin_losses() {
  using Pointer = std::unique_ptr<Loss<T, Exec>>;
  LossRegistry<T, Exec> registry("loss");
  registry.add("mse", [](const LossParams& p) -> Pointer { return std::make_unique<losses::Mse<T, Exec>>(p); });
  registry.add("l1", [](const LossParams& p) -> Pointer { return std::make_unique<losses::L1<T, Exec>>(p); });
  registry.add("huber", [](const LossParams& p) -> Pointer { return std::make_unique<losses::Huber<T, Exec>>(p); });
  registry.add("smooth_l1",
               [](const LossParams& p) -> Pointer { return std::make_unique<losses::SmoothL1<T, Exec>>(p); });
  registry.add("berhu", [](const LossParams& p) -> Pointer { return std::make_unique<losses::Berhu<T, Exec>>(p); });
  registry.add("silog", [](const LossParams& p) -> Pointer {
    return std::make_unique<losses::Silog<T, Exec>>("silog", p.silog_lambda, p.silog_scale, p.min_depth);
  });
  registry.add("log_rmse", [](const LossParams& p) -> Pointer {
    return std::make_unique<losses::Silog<T, Exec>>("log_rmse", 0.0, 1.0, p.min_depth);
  });
  registry.add("gradient",
               [](const LossParams& p) -> Pointer { return std::make_unique<losses::Gradient<T, Exec>>(p); });
  registry.add("ssim", [](const LossParams& p) -> Pointer { return std::make_unique<losses::Ssim<T, Exec>>(p); });
  registry.add("smoothness",
               [](const LossParams& p) -> Pointer { return std::make_unique<losses::Smoothness<T, Exec>>(p); });
  registry.add("cross_entropy",
               [](const LossParams& p) -> Pointer { return std::make_unique<losses::CrossEntropy<T, Exec>>(p); });
  return registry;
}

} // namespace detail

/// The losses that are known for this element type and exec, built-in ones first.
template <class T, class Exec> LossRegistry<T, Exec>& loss_registry() {
  static LossRegistry<T, Exec> registry = detail::builtin_losses<T, Exec>();
  return registry;
}

/// Makes a loss, or a weighted sum of losses: "silog + 0.5*gradient + 0.1*ssim". Throws leadline::Error for unknown
/// names (with the nearest known one) and impossible options.
template <class T, class Exec>
std::unique_ptr<Loss<T, Exec>> make_loss(const std::string& name, const LossParams& params = {}) {
  const std::vector<losses::Summand> sum = losses::parse_sum(name);
  if (sum.size() == 1 && sum[0].first == 1) return loss_registry<T, Exec>().make(sum[0].second, params);
  std::vector<typename losses::WeightedSum<T, Exec>::Part> parts;
  for (const auto& [factor, part] : sum) parts.push_back({factor, loss_registry<T, Exec>().make(part, params)});
  return std::make_unique<losses::WeightedSum<T, Exec>>(name, std::move(parts));
}

} // namespace leadline::trainer
