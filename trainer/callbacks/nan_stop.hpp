// Ends a run whose loss or gradient is no longer a number, and says which layer it was.
#pragma once

#include "data/error.hpp"
#include "trainer/callbacks/callback.hpp"

namespace leadline::trainer {

/// What NanStop throws.
class NotFinite : public Error {
public:
  using Error::Error;
};

/// Throws NotFinite before the update that would spoil the weights.
class NanStop final : public Callback {
public:
  void on_before_optimizer_step(const StepReport& report, RunControl& run) override;
};

} // namespace leadline::trainer
