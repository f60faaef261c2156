#include "trainer/callbacks/callbacks.hpp"

#include "trainer/callbacks/checkpoint_writer.hpp"
#include "trainer/callbacks/console.hpp"
#include "trainer/callbacks/early_stopping.hpp"
#include "trainer/callbacks/prediction_pictures.hpp"
#include "trainer/callbacks/report_writer.hpp"
#include "trainer/callbacks/stop_on_signal.hpp"
#include "trainer/callbacks/timers.hpp"
#include "trainer/loggers/csv_logger.hpp"
#include "trainer/loggers/jsonl_logger.hpp"
#include "trainer/loggers/tensorboard_logger.hpp"

namespace leadline::trainer {

std::vector<CallbackEntry>& callback_registry() {
  // The order is that of the calls: what stops the run first, then the tables of numbers, then the checkpoint, which
  // holds what these did. What can be made again comes last: a full disk must not cost the epoch.
  static std::vector<CallbackEntry> registry{
      stop_on_signal_entry(),      timers_entry(),        early_stopping_entry(),     console_entry(),
      csv_logger_entry(),          jsonl_logger_entry(),  tensorboard_logger_entry(), checkpoint_writer_entry(),
      prediction_pictures_entry(), report_writer_entry(),
  };
  return registry;
}

std::vector<std::unique_ptr<Callback>> make_callbacks(const Settings& settings, const RunDirectory& run, bool resumed) {
  std::vector<std::unique_ptr<Callback>> all;
  for (const CallbackEntry& entry : callback_registry())
    if (std::unique_ptr<Callback> callback = entry.make(settings, run, resumed)) all.push_back(std::move(callback));
  return all;
}

} // namespace leadline::trainer
