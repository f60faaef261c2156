#include "trainer/callbacks/stop_on_signal.hpp"

#include <csignal>

namespace leadline::trainer {

namespace {

constexpr int handled[3] = {SIGINT, SIGTERM, SIGUSR1};
volatile std::sig_atomic_t received = 0;
extern "C" void on_signal(int signal) {
  received = 1;
  std::signal(signal, SIG_DFL); // the second one ends the program
}

} // namespace

StopOnSignal::StopOnSignal() {
  received = 0;
  for (int i = 0; i < 3; ++i) before_[i] = std::signal(handled[i], on_signal);
}
StopOnSignal::~StopOnSignal() {
  for (int i = 0; i < 3; ++i) std::signal(handled[i], before_[i]);
}
bool StopOnSignal::requested() const { return received != 0; }
void StopOnSignal::on_step(const StepReport&, RunControl& run) {
  if (requested()) run.request_stop();
}
void StopOnSignal::on_epoch_end(const EpochReport&, RunControl& run) {
  if (requested()) run.request_stop();
}

CallbackEntry stop_on_signal_entry() {
  return {"stop_on_signal", {}, [](const Settings&, const RunDirectory&, bool) -> std::unique_ptr<Callback> {
            return std::make_unique<StopOnSignal>();
          }};
}

} // namespace leadline::trainer
