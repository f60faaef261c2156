// What a settings file of `leadline train` may say, and how it becomes the parts of a run. Knows no Kokkos.
#pragma once

#include "data/loader.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/losses/loss.hpp"
#include "trainer/networks/initialise.hpp"
#include "trainer/networks/network.hpp"
#include "trainer/optimizers/optimizer_params.hpp"
#include "trainer/schedulers/scheduler.hpp"
#include "trainer/settings.hpp"

#include <string>
#include <vector>

namespace leadline::trainer {

/// All options of a run in the order of the saved file: data, model (with those of every known network), loss,
/// optimizer, scheduler, train, eval, run.
std::vector<OptionGroup> train_option_groups();

/// The training and validation frames that [data] names. Throws leadline::Error.
struct Datasets {
  data::DatasetPtr train, val;
  std::string val_name; ///< what to call the validation set in reports
};
Datasets open_datasets(const Settings& settings);

/// The network's input: size, colour order, mean and std.
Preprocess preprocess_settings(const Settings& settings);
/// `training`: shuffled and augmented, as [data] says; otherwise frames as they are, in order.
data::LoaderOptions loader_settings(const Settings& settings, bool training);

/// The network at the size of [data].
Graph graph_settings(const Settings& settings);
Initialisation initialisation_settings(const Settings& settings);
LossParams loss_settings(const Settings& settings);
/// The optimizer's own defaults, and what [optimizer] says instead.
OptimizerParams optimizer_settings(const Settings& settings);
SchedulerParams scheduler_settings(const Settings& settings, double lr);

/// "name=number, name=number" of options that a program's own loss, optimizer or scheduler reads.
std::map<std::string, double> extra_settings(const Settings& settings, const std::string& key);

/// Samples of one micro-batch: train.micro_batch, or the whole batch. Throws unless it divides data.batch_size.
int micro_batch_settings(const Settings& settings);
uint64_t seed_settings(const Settings& settings);

/// Throws leadline::Error for a checkpoint of an MLP: what `leadline mlp` fits has no settings of a run.
void require_depth_network(const Checkpoint& checkpoint, const std::string& file);
/// The settings that a checkpoint was trained with, with every option this program knows. `file` is what messages call
/// it. Throws leadline::Error.
Settings checkpoint_settings(const Checkpoint& checkpoint, const std::string& file);

} // namespace leadline::trainer
