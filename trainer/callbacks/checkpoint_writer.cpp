#include "trainer/callbacks/checkpoint_writer.hpp"

#include "trainer/metrics/names.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace leadline::trainer {

void CheckpointWriter::on_start(const RunInfo& info, RunControl& run) {
  // A run that was killed, or whose disk was full, may not have come to the copies of its last checkpoint: those that
  // it should have are made now.
  if (info.first_epoch > 0 && info.first_batch == 0) {
    const Checkpoint checkpoint = run.checkpoint();
    const auto is_there = [&](const std::string& file) {
      return std::filesystem::exists(file) && read_checkpoint(file).epoch == checkpoint.epoch;
    };
    const bool keep =
        std::any_of(kept_.begin(), kept_.end(), [&](const auto& kept) { return kept.second == checkpoint.epoch; });
    if (keep && !is_there(run_.of_epoch(checkpoint.epoch)))
      write_checkpoint(run_.of_epoch(checkpoint.epoch), checkpoint);
    if (checkpoint.best_epoch == checkpoint.epoch && !is_there(run_.best())) write_checkpoint(run_.best(), checkpoint);
  }
  // Nor may it have come to removing what the checkpoint doesn't name any more.
  for (index_t epoch = 1; top_k_ > 0 && epoch <= info.first_epoch; ++epoch)
    if (std::none_of(kept_.begin(), kept_.end(), [&](const auto& kept) { return kept.second == epoch; }))
      std::filesystem::remove(run_.of_epoch(epoch));
}

void CheckpointWriter::on_step(const StepReport& report, RunControl& run) {
  if (every_steps_ > 0 && report.step % every_steps_ == 0) write_checkpoint(run_.last(), run.checkpoint());
}

void CheckpointWriter::on_epoch_end(const EpochReport& report, RunControl& run) {
  // What is kept is known before the checkpoints that say so are written; what isn't any more goes after them.
  index_t dropped = 0;
  bool keep = top_k_ > 0 && report.validated && std::isfinite(report.monitored);
  if (keep) {
    const bool maximise = larger_is_better(run.settings().text("eval.monitor"));
    kept_.insert(std::find_if(kept_.begin(), kept_.end(),
                              [&](const auto& other) {
                                return maximise ? report.monitored > other.first : report.monitored < other.first;
                              }),
                 {report.monitored, report.epoch});
    if (static_cast<index_t>(kept_.size()) > top_k_) {
      dropped = kept_.back().second;
      kept_.pop_back();
      keep = dropped != report.epoch;
    }
  }
  const Checkpoint checkpoint = run.checkpoint();
  write_checkpoint(run_.last(), checkpoint); // first: with it the run can go on, and make the others (on_start)
  if (keep) write_checkpoint(run_.of_epoch(report.epoch), checkpoint);
  if (report.best) write_checkpoint(run_.best(), checkpoint);
  if (dropped > 0 && dropped != report.epoch) std::filesystem::remove(run_.of_epoch(dropped));
}

void CheckpointWriter::on_stop(RunControl& run) { write_checkpoint(run_.last(), run.checkpoint()); }

std::vector<double> CheckpointWriter::state() const {
  std::vector<double> numbers;
  for (const auto& [value, epoch] : kept_) {
    numbers.push_back(value);
    numbers.push_back(static_cast<double>(epoch));
  }
  return numbers;
}

void CheckpointWriter::set_state(const std::vector<double>& state) {
  kept_.clear();
  for (size_t i = 0; i + 1 < state.size(); i += 2) kept_.push_back({state[i], static_cast<index_t>(state[i + 1])});
}

CallbackEntry checkpoint_writer_entry() {
  return {"checkpoint_writer",
          {{"run.checkpoint_every", "0", "steps between two checkpoints within an epoch; 0: at its end only"},
           {"run.checkpoint_top_k", "0", "epochs, the best in eval.monitor, whose checkpoints stay as epoch_XXX.h5"}},
          [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            return std::make_unique<CheckpointWriter>(run, settings.integer("run.checkpoint_every", 0, INT64_MAX),
                                                      settings.integer("run.checkpoint_top_k", 0, 1000));
          }};
}

} // namespace leadline::trainer
