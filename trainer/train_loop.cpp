#include "trainer/train_loop.hpp"

#include "trainer/train_loop_impl.hpp"

namespace leadline::trainer {

std::unique_ptr<TrainLoop> make_train_loop(const Settings& settings, data::DatasetPtr train, data::DatasetPtr val) {
  const DefaultExec exec;
  if (settings.text("train.precision") == "f64")
    return std::make_unique<TrainLoopOn<double, DefaultExec>>(exec, settings, std::move(train), std::move(val));
  return std::make_unique<TrainLoopOn<float, DefaultExec>>(exec, settings, std::move(train), std::move(val));
}

} // namespace leadline::trainer
