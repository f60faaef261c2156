// predictions/epoch_XXX.png after each validation: picture | truth | prediction.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

namespace leadline::trainer {

/// A picture that can't be written is told once and doesn't end the run.
class PredictionPictures final : public Callback {
public:
  explicit PredictionPictures(std::string folder) : folder_(std::move(folder)) {}
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  std::string folder_;
  bool told_ = false;
};

CallbackEntry prediction_pictures_entry();

} // namespace leadline::trainer
