#include "trainer/train_loop.hpp"

#include "trainer/callbacks/nan_stop.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/train_loop_impl.hpp"

namespace leadline::trainer {

std::unique_ptr<TrainLoop> make_train_loop(const Settings& settings, data::DatasetPtr train, data::DatasetPtr val,
                                           bool resumed) {
  const DefaultExec exec;
  std::unique_ptr<TrainLoop> loop;
  if (settings.text("train.precision") == "f64")
    loop = std::make_unique<TrainLoopOn<double, DefaultExec>>(exec, settings, std::move(train), std::move(val));
  else
    loop = std::make_unique<TrainLoopOn<float, DefaultExec>>(exec, settings, std::move(train), std::move(val));
  if (const std::string& weights = settings.text("model.weights"); !weights.empty() && !resumed) {
    const std::string file = find_checkpoint(weights, true);
    loop->begin_with(read_checkpoint(file), file);
  }
  loop->add(std::make_unique<NanStop>()); // no run goes on with numbers that aren't any more
  return loop;
}

} // namespace leadline::trainer
