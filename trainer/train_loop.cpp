#include "trainer/train_loop.hpp"

#include "trainer/callbacks/nan_stop.hpp"
#include "trainer/train_loop_impl.hpp"

namespace leadline::trainer {

std::unique_ptr<TrainLoop> make_train_loop(const Settings& settings, data::DatasetPtr train, data::DatasetPtr val) {
  const DefaultExec exec;
  std::unique_ptr<TrainLoop> loop;
  if (settings.text("train.precision") == "f64")
    loop = std::make_unique<TrainLoopOn<double, DefaultExec>>(exec, settings, std::move(train), std::move(val));
  else
    loop = std::make_unique<TrainLoopOn<float, DefaultExec>>(exec, settings, std::move(train), std::move(val));
  loop->add(std::make_unique<NanStop>()); // no run goes on with numbers that aren't any more
  return loop;
}

} // namespace leadline::trainer
