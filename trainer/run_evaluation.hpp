// The end of a run: its best checkpoint measured beside the answers that need no network, and the validation frames
// that it does best and worst. RUN/evaluation.jsonl keeps the numbers, RUN/predictions/best_N.png and worst_N.png the
// pictures; report.html shows them.
#pragma once

#include "data/dataset.hpp"
#include "trainer/run_directory.hpp"

#include <string>

namespace leadline::trainer {

/// Evaluates the run's best checkpoint (the last one where there is no best) under the run's protocol and writes the
/// files. `frames` are called `name` in them; null: the run's own validation frames. `ranked`: how many pictures of
/// each kind. Returns the table for people. Kokkos must run (Compute). Throws leadline::Error.
std::string evaluate_run(const RunDirectory& run, data::DatasetPtr frames = nullptr, const std::string& name = "",
                         size_t ranked = 3);

} // namespace leadline::trainer
