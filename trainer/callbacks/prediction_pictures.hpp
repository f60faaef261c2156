// predictions/epoch_XXX.png after each validation: picture | truth | prediction.
#pragma once

#include "trainer/callbacks/callbacks.hpp"

namespace leadline::trainer {

class PredictionPictures final : public Callback {
public:
  explicit PredictionPictures(std::string folder) : folder_(std::move(folder)) {}
  void on_epoch_end(const EpochReport& report, RunControl& run) override;

private:
  std::string folder_;
};

CallbackEntry prediction_pictures_entry();

} // namespace leadline::trainer
