// MLPParams as options of commands, by scikit-learn's names.
#pragma once

#include "trainer/mlp/mlp.hpp"
#include "trainer/settings.hpp"

namespace leadline::trainer {

/// Names, defaults and help of all of them, and of `dtype`.
std::vector<OptionGroup> mlp_options();
/// Their values; throws leadline::Error that names the option.
MLPParams mlp_params(const Settings& settings, bool classifier);
/// Throws leadline::Error for a fit that found no memory for a network from `features` to `outputs`.
[[noreturn]] void out_of_memory(const Settings& settings, index_t features, index_t outputs);
/// All settings of a fit as a file to read again, but for where it went.
void write_record(const std::string& file, const Settings& settings);

} // namespace leadline::trainer
