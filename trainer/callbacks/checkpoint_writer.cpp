#include "trainer/callbacks/checkpoint_writer.hpp"

namespace leadline::trainer {

void CheckpointWriter::on_step(const StepReport& report, RunControl& run) {
  if (every_steps_ > 0 && report.step % every_steps_ == 0) write_checkpoint(run_.last(), run.checkpoint());
}

void CheckpointWriter::on_epoch_end(const EpochReport& report, RunControl& run) {
  const Checkpoint checkpoint = run.checkpoint();
  write_checkpoint(run_.last(), checkpoint);
  if (report.best) write_checkpoint(run_.best(), checkpoint);
}

void CheckpointWriter::on_stop(RunControl& run) { write_checkpoint(run_.last(), run.checkpoint()); }

CallbackEntry checkpoint_writer_entry() {
  return {"checkpoint_writer",
          {{"run.checkpoint_every", "0", "steps between two checkpoints within an epoch; 0: at its end only"}},
          [](const Settings& settings, const RunDirectory& run, bool) -> std::unique_ptr<Callback> {
            return std::make_unique<CheckpointWriter>(run, settings.integer("run.checkpoint_every", 0, INT64_MAX));
          }};
}

} // namespace leadline::trainer
