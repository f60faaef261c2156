// Runs a loss on arrays of the host: on DefaultExec, and on HostExec as the reference for bits.
#pragma once

#include "tests/trainer/exec_array.hpp"
#include "trainer/losses/losses.hpp"

#include <cstring>
#include <limits>

namespace leadline::testing {

struct LossInput {
  Shape shape;        ///< of the prediction
  Shape target_shape; ///< usually the same
  std::vector<double> prediction, target;
  Shape image_shape{};
  std::vector<double> image{}; ///< empty: none
};

struct LossResult {
  double value = 0;
  std::vector<double> diff{};
};

template <class T> std::vector<T> as(const std::vector<double>& values) {
  return std::vector<T>(values.begin(), values.end());
}

/// The gradient's memory holds NaN before: what isn't written shows.
template <class T>
LossResult run_loss(const std::string& name, const trainer::LossParams& params, const LossInput& input,
                    bool want_gradient = true) {
  const DefaultExec exec;
  const auto loss = trainer::make_loss<T, DefaultExec>(name, params);
  const ExecArray<T> prediction(input.shape, input.prediction), target(input.target_shape, input.target);
  const ExecArray<T> image(input.image.empty() ? Shape{} : input.image_shape, input.image);
  ExecArray<T> diff(input.shape,
                    std::vector<double>(input.prediction.size(), std::numeric_limits<double>::quiet_NaN()));
  ExecArray<T> value({1, 1, 1, 1});
  const size_t bytes = loss->workspace_bytes(input.shape);
  ExecArray<double> workspace({1, 1, 1, static_cast<index_t>(bytes / sizeof(double))});
  trainer::LossArgs<T> args;
  args.prediction = prediction.view();
  args.target = target.view();
  if (!input.image.empty()) args.image = image.view();
  if (want_gradient) args.diff_prediction = diff.tensor();
  args.value = value.data();
  args.workspace = {reinterpret_cast<unsigned char*>(workspace.data()), bytes};
  loss->forward_backward(exec, args);
  exec.fence();
  const std::vector<T> gradient = diff.get();
  return {static_cast<double>(value.get()[0]), std::vector<double>(gradient.begin(), gradient.end())};
}

/// The same on the calling thread alone.
template <class T>
LossResult run_loss_on_host(const std::string& name, const trainer::LossParams& params, const LossInput& input,
                            bool want_gradient = true) {
  const auto loss = trainer::make_loss<T, HostExec>(name, params);
  const std::vector<T> prediction = as<T>(input.prediction), target = as<T>(input.target), image = as<T>(input.image);
  std::vector<T> diff(prediction.size());
  T value{};
  std::vector<double> workspace(loss->workspace_bytes(input.shape) / sizeof(double));
  trainer::LossArgs<T> args;
  args.prediction = Tensor<const T>(prediction.data(), input.shape);
  args.target = Tensor<const T>(target.data(), input.target_shape);
  if (!image.empty()) args.image = Tensor<const T>(image.data(), input.image_shape);
  if (want_gradient) args.diff_prediction = Tensor<T>(diff.data(), input.shape);
  args.value = &value;
  args.workspace = {reinterpret_cast<unsigned char*>(workspace.data()), workspace.size() * sizeof(double)};
  loss->forward_backward(HostExec(), args);
  return {static_cast<double>(value), std::vector<double>(diff.begin(), diff.end())};
}

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

} // namespace leadline::testing
