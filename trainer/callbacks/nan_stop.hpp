// Ends a run whose loss or gradient is no longer a number, and says which layer it was.
#pragma once

#include "trainer/callbacks/callback.hpp"

namespace leadline::trainer {

/// Throws leadline::Error before the update that would spoil the weights.
class NanStop final : public Callback {
public:
  void on_before_optimizer_step(const StepReport& report, RunControl& run) override;
};

} // namespace leadline::trainer
