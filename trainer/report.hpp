// report.html of a run: curves, metrics beside the baselines, pictures, timings, machine and settings, in one file that
// needs nothing from outside. It is made from what the run directory holds and can be made again at any time.
#pragma once

#include "trainer/run_directory.hpp"

#include <string>

namespace leadline::trainer {

/// The page as text. From metrics.jsonl (or metrics.csv), evaluation.jsonl, config.ini and predictions/*.png; what
/// isn't there is left out. Throws leadline::Error where the folder is no run, or a file of it is broken.
std::string report_page(const RunDirectory& run);

/// Writes it as RUN/report.html: whole or not at all. Throws leadline::Error.
void write_report(const RunDirectory& run);

} // namespace leadline::trainer
