#include "trainer/train_loop.hpp"

#include "trainer/callbacks/nan_stop.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/train_loop_impl.hpp"

namespace leadline::trainer {

std::unique_ptr<TrainLoop> make_train_loop(const Settings& settings, data::DatasetPtr train, data::DatasetPtr val,
                                           const Checkpoint* resumed) {
  const DefaultExec exec;
  const std::string& weights = settings.text("model.weights");
  const bool begins = !resumed && !weights.empty();
  const std::string file = begins ? find_checkpoint(weights, true) : "";
  Checkpoint start;
  if (begins) start = read_checkpoint(file);
  if (quantization_aware(settings) && !resumed) {
    if (!begins)
      settings.fail("quantize.aware", "it fine-tunes a trained network, and there is none",
                    "Name a run of this network in model.weights");
    start = quantization_aware_start(settings, start, file, *train);
  }
  TrainingGraph graph = training_graph(settings, resumed ? resumed->ranges : start.ranges, file);

  std::unique_ptr<TrainLoop> loop;
  if (settings.text("train.precision") == "f64")
    loop = std::make_unique<TrainLoopOn<double, DefaultExec>>(exec, settings, std::move(graph), std::move(train),
                                                              std::move(val));
  else
    loop = std::make_unique<TrainLoopOn<float, DefaultExec>>(exec, settings, std::move(graph), std::move(train),
                                                             std::move(val));
  if (begins) loop->begin_with(start, file);
  loop->add(std::make_unique<NanStop>()); // no run goes on with numbers that aren't any more
  return loop;
}

} // namespace leadline::trainer
