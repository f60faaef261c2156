// What there is to say about models without a picture.
#pragma once

#include "inference/demos/depth/estimator.hpp"
#include "inference/demos/depth/options.hpp"

namespace leadline::demo {

/// What a model is, where it comes from, what it costs, layer by layer.
void print_info(const Estimator& estimator, const std::string& path);
/// Prints a line; throws leadline::Error where this machine doesn't reproduce the model's golden sample.
void prove(Estimator& estimator, const std::string& path);

/// All models in turn; the exit status.
int bench_command(const Options& options);
int self_test_command(const Options& options);

} // namespace leadline::demo
