#include "trainer/train_settings.hpp"

#include "trainer/callbacks/callbacks.hpp"
#include "trainer/metrics/names.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/text.hpp"

#include <algorithm>

namespace leadline::trainer {

namespace {

/// Options of all networks, each key once.
std::vector<OptionSpec> network_options() {
  std::vector<OptionSpec> options;
  for (const Network& network : networks())
    for (const OptionSpec& option : network.options) {
      bool known = false;
      for (const OptionSpec& other : options) known = known || other.key == option.key;
      if (!known) options.push_back(option);
    }
  return options;
}

/// Puts an option behind the others of its section, so that a saved file has each section once.
void add_option(std::vector<OptionGroup>& groups, const OptionSpec& option) {
  const std::string section = option.key.substr(0, option.key.find('.') + 1);
  for (OptionGroup& group : groups)
    if (group.options.front().key.rfind(section, 0) == 0) {
      group.options.push_back(option);
      return;
    }
  groups.push_back({"[" + section.substr(0, section.size() - 1) + "]", {option}});
}

} // namespace

std::vector<OptionGroup> train_option_groups() {
  std::vector<OptionGroup> groups;
  groups.push_back(
      {"Data (lists, NYU folders and files, rendered rooms: `leadline data --help`)",
       {
           {"data.train", "", "training frames, SCHEME:WHERE; e.g. pairs:train.txt or synthetic:count=400"},
           {"data.val", "", "validation frames; empty: a part of the training frames is held out"},
           {"data.val_fraction", "0.1", "how much is held out if data.val is empty"},
           {"data.size", "144x192", "HEIGHTxWIDTH of the network's input"},
           {"data.crop",
            "none",
            "part of the picture used: all of it stretched, or the centre of the right shape",
            {"none", "centre"}},
           {"data.resize", "triangle", "how colour is resized", {"triangle", "nearest"}},
           {"data.depth_resize",
            "nearest",
            "how depth is resized: the measurement in the middle, or the mean of the valid ones",
            {"nearest", "area"}},
           {"data.colour_order", "rgb", "order of the network's input channels", {"rgb", "bgr"}},
           {"data.mean", "0.45, 0.45, 0.45", "subtracted from R, G, B in [0, 1]"},
           {"data.std", "0.25, 0.25, 0.25", "then divided by"},
           {"data.batch_size", "8", "frames in one step"},
           {"data.drop_last", "true",
            "leave out an epoch's last frames if they fill no batch; false: their own first ones fill it up"},
           {"data.on_bad_sample", "stop", "what an unreadable frame does", {"stop", "skip"}},
           {"data.cache_mb", "1024", "memory for decoded frames in MB; 0: none"},
           {"data.prefetch", "4", "batches made ahead"},
           {"data.threads", "1", "threads that read and decode"},
       }});
  OptionGroup augmentation{
      "Augmentation (of training frames, drawn for each epoch; look: `leadline data show --augment`)", {}};
  for (const data::AugmentField& field : data::augment_fields())
    augmentation.options.push_back(
        {std::string("data.") + field.name, exact(data::Augment().*field.value), field.help});
  groups.push_back(std::move(augmentation));

  std::vector<std::string> names;
  for (const Network& network : networks()) names.push_back(network.name);
  OptionGroup model{
      "Model",
      {
          {"model.network", "unet", "which network", names},
          {"model.weights", "",
           "run directory or checkpoint whose (best) weights are the first; empty: drawn by model.initialisation"},
          {"model.initialisation", "pytorch", "rule of the first weights", initialisation_names()},
          {"model.final_bias", "drawn", "the depth head's first bias: by that rule, or 0", {"drawn", "zero"}},
      }};
  for (const OptionSpec& option : network_options()) model.options.push_back(option);
  groups.push_back(model);

  groups.push_back(
      {"Loss (over pixels that have ground truth)",
       {
           {"loss.name", "silog",
            "silog, l1, mse, berhu, huber, smooth_l1, log_rmse, ssim, gradient, smoothness, a program's own, or a sum: "
            "silog + 0.5*gradient + 0.1*ssim"},
           {"loss.silog_lambda", "0.85", "silog: 0 is the RMS of log errors, 1 their standard deviation"},
           {"loss.silog_scale", "10", "silog: factor of the whole loss"},
           {"loss.berhu_fraction", "0.2", "berhu: c as a fraction of the largest error"},
           {"loss.delta", "1", "huber: where the parabola ends, metres"},
           {"loss.beta", "1", "smooth_l1: where the parabola ends, metres"},
           {"loss.min_depth", "0.001", "silog, log_rmse: log is continued by its tangent below, metres"},
           {"loss.ssim_range", "1", "ssim: depths are divided by this first, metres"},
           {"loss.extra", "", "name=number, ... for a program's own loss"},
       }});

  groups.push_back(
      {"Optimizer (empty: its own default, PyTorch's)",
       {
           {"optimizer.name", "adamw",
            "sgd, adam, adamw, rmsprop, adagrad, adadelta, nadam, radam, lbfgs, or a program's own"},
           {"optimizer.lr", "", "learning rate"},
           {"optimizer.lr_factors", "",
            "rates of some weights as factors of lr, PATTERN=FACTOR with commas between: encoder.*=0.1; 0 freezes"},
           {"optimizer.weight_decay", "", "L2 penalty; adamw: decoupled"},
           {"optimizer.decoupled_weight_decay",
            "false",
            "nadam, radam: weight_decay shrinks weights, as with adamw",
            {"true", "false"}},
           {"optimizer.no_decay", "", "weights without weight_decay: norm, bias, or patterns on their names"},
           {"optimizer.momentum", "", "sgd, rmsprop"},
           {"optimizer.dampening", "", "sgd"},
           {"optimizer.nesterov", "false", "sgd", {"true", "false"}},
           {"optimizer.betas", "", "two numbers; adam, adamw, nadam, radam"},
           {"optimizer.eps", "", "all but sgd and lbfgs"},
           {"optimizer.amsgrad", "false", "adam, adamw", {"true", "false"}},
           {"optimizer.alpha", "", "rmsprop"},
           {"optimizer.centered", "false", "rmsprop", {"true", "false"}},
           {"optimizer.lr_decay", "", "adagrad"},
           {"optimizer.initial_accumulator_value", "", "adagrad"},
           {"optimizer.rho", "", "adadelta"},
           {"optimizer.momentum_decay", "", "nadam"},
           {"optimizer.max_iter", "", "lbfgs: iterations on one batch"},
           {"optimizer.max_eval", "", "lbfgs: evaluations on one batch; 0: 5/4 of max_iter"},
           {"optimizer.history_size", "", "lbfgs: pairs of vectors kept, each twice the weights' memory"},
           {"optimizer.tolerance_grad", "", "lbfgs: largest gradient element that ends a step"},
           {"optimizer.tolerance_change", "", "lbfgs: smallest change of loss or weights that doesn't"},
           {"optimizer.line_search",
            "strong_wolfe",
            "lbfgs; none, PyTorch's default: steps of lr",
            {"strong_wolfe", "none"}},
           {"optimizer.extra", "", "name=number, ... for a program's own optimizer"},
       }});

  groups.push_back(
      {"Scheduler (of the learning rate)",
       {
           {"scheduler.name", "one_cycle",
            "constant, one_cycle, cosine, cosine_restarts, step, multistep, exponential, polynomial, linear, cyclic, "
            "plateau, a program's own, or a sequence: linear:100, cosine:400, constant"},
           {"scheduler.unit",
            "step",
            "what lengths count, and how often the rate changes; every option that says steps then means epochs",
            {"step", "epoch"}},
           {"scheduler.max_lr", "0", "one_cycle: the peak, 0: optimizer.lr; cyclic: the highest rate"},
           {"scheduler.pct_start", "0.3", "one_cycle: part of the run that the rise takes"},
           {"scheduler.anneal_strategy", "cos", "one_cycle", {"cos", "linear"}},
           {"scheduler.three_phase", "false", "one_cycle", {"true", "false"}},
           {"scheduler.div_factor", "25", "one_cycle: the start is max_lr / this"},
           {"scheduler.final_div_factor", "1e4", "one_cycle: the end is the start / this"},
           {"scheduler.cycle_momentum",
            "auto",
            "one_cycle, cyclic: momentum (beta1) falls while the rate rises; auto: if the optimizer has one",
            {"auto", "true", "false"}},
           {"scheduler.base_momentum", "", "one_cycle, cyclic: momentum at the peak; empty: 0.85, 0.8"},
           {"scheduler.max_momentum", "", "one_cycle, cyclic: momentum at the ends; empty: 0.95, 0.9"},
           {"scheduler.step_size", "30", "step: steps between two cuts"},
           {"scheduler.gamma", "0.1", "step, multistep, exponential: factor of a cut; cyclic: of a step in exp_range"},
           {"scheduler.milestones", "", "multistep: steps of the cuts, with commas between"},
           {"scheduler.t_max", "0", "cosine: half a period in steps; 0: the whole run"},
           {"scheduler.eta_min", "0", "cosine, cosine_restarts: the lowest rate"},
           {"scheduler.t_0", "10", "cosine_restarts: first period in steps"},
           {"scheduler.t_mult", "1", "cosine_restarts: each period is so many times the one before"},
           {"scheduler.total_iters", "0", "polynomial, linear, constant: length in steps; 0: the whole run"},
           {"scheduler.power", "1", "polynomial"},
           {"scheduler.factor", "0", "of lr; 0: constant 1, plateau 0.1"},
           {"scheduler.start_factor", "0.3333333333333333", "linear: from lr times this"},
           {"scheduler.end_factor", "1", "linear: to lr times this"},
           {"scheduler.base_lr", "0", "cyclic: the lowest rate; 0: optimizer.lr"},
           {"scheduler.step_size_up", "2000", "cyclic: steps of a rise"},
           {"scheduler.step_size_down", "0", "cyclic: steps of a fall; 0: step_size_up"},
           {"scheduler.mode", "",
            "plateau: min or max, empty: what eval.monitor wants; cyclic: triangular (empty), triangular2 or "
            "exp_range"},
           {"scheduler.patience", "10", "plateau: validations without improvement that it bears"},
           {"scheduler.threshold", "1e-4", "plateau: what counts as an improvement of eval.monitor"},
           {"scheduler.threshold_mode",
            "rel",
            "plateau: threshold is a fraction of the best, or a number",
            {"rel", "abs"}},
           {"scheduler.cooldown", "0", "plateau: validations to wait after a cut"},
           {"scheduler.min_lr", "0", "plateau: the lowest rate"},
           {"scheduler.warmup_steps", "0", "all: linear rise before the schedule begins"},
           {"scheduler.extra", "", "name=number, ... for a program's own scheduler"},
       }});

  groups.push_back(
      {"Training",
       {
           {"train.epochs", "20", "how often the training frames are seen"},
           {"train.seed", "0", "of first weights, order and augmentation: the same seed gives the same bits"},
           {"train.micro_batch", "0",
            "frames computed at once, each with its own batch statistics; 0: the whole batch"},
           {"train.recompute",
            "cheap",
            "results that backward computes again instead of keeping them; cheap: of norms and activations",
            {"none", "cheap"}},
           {"train.precision", "f32", "of weights and arithmetic", {"f32", "f64"}},
           {"train.compute",
            "full",
            "bf16: convolutions multiply values rounded to bf16 where that is faster; weights and sums stay f32",
            {"full", "bf16"}},
           {"train.clip_norm", "0", "the whole gradient is scaled down to this L2 norm; 0: as it is"},
           {"train.clip_value", "0", "each element of the gradient is clamped to this magnitude; 0: as it is"},
           {"train.ema", "0",
            "decay of an average over the weights of all steps, e.g. 0.999: what is validated, best and exported; 0: "
            "none"},
           {"train.ema_warmup",
            "true",
            "average over fewer steps at first: a decay of at most (1 + steps) / (10 + steps)",
            {"true", "false"}},
           {"train.val_every", "1", "epochs between two validations; the last epoch always has one"},
       }});
  groups.push_back(
      {"Quantisation (fine-tuning of a trained network for int8; inference/docs/precision.md)",
       {
           {"quantize.aware",
            "false",
            "round values and weights in the forward pass as int8 does; begins with model.weights, norms folded",
            {"true", "false"}},
           {"quantize.calibration",
            "percentile",
            "how values' ranges follow from training frames: without the 0.01% at either end, or all",
            {"percentile", "min_max"}},
           {"quantize.calibration_frames", "64", "training frames for the ranges, evenly spread"},
       }});
  groups.push_back(
      {"Evaluation",
       {
           {"eval.protocol", "raw", "crop, depth range and mean of the metrics", protocol_names()},
           {"eval.monitor", "delta1", "metric that chooses best.h5", metric_names()},
           {"eval.baseline_frames", "1000", "training frames (evenly chosen) whose depth makes the baselines; 0: none"},
       }});
  groups.push_back(
      {"Run directory",
       {
           {"run.dir", "", "where settings, metrics, log, checkpoints and pictures go; must be new or empty"},
           {"run.data_licence", "", "licence of the training data, for the exported model's papers"},
           {"run.pretraining", "",
            "what model.weights were trained on, for the same papers; empty: that run's own data and licence"},
       }});
  // Those of listeners join the group that has their section, or make a new one.
  for (const CallbackEntry& entry : callback_registry())
    for (const OptionSpec& option : entry.options) add_option(groups, option);
  return groups;
}

Datasets open_datasets(const Settings& settings) {
  data::DatasetOptions options;
  options.on_bad_sample =
      settings.text("data.on_bad_sample") == "skip" ? data::OnBadSample::skip : data::OnBadSample::stop;
  Datasets sets;
  sets.train = data::open_dataset(settings.required("data.train"), options);
  if (const std::string& val = settings.text("data.val"); !val.empty()) {
    sets.val = data::open_dataset(val, options);
    sets.val_name = val;
    return sets;
  }
  const double fraction = settings.real("data.val_fraction", 0, 0.9);
  const data::Split split = data::split_by_fraction(sets.train->size(), fraction, seed_settings(settings));
  if (split.train.empty() || split.val.empty())
    settings.fail("data.val_fraction",
                  "it leaves no frame for one of training (" + std::to_string(split.train.size()) +
                      ") and validation (" + std::to_string(split.val.size()) + ")",
                  "Name validation frames with data.val, or change the fraction");
  const data::DatasetPtr all = sets.train;
  sets.train = std::make_shared<data::Subset>(all, split.train);
  sets.val = std::make_shared<data::Subset>(all, split.val);
  sets.val_name = settings.text("data.val_fraction") + " of " + settings.text("data.train");
  return sets;
}

Preprocess preprocess_settings(const Settings& settings) {
  Preprocess p;
  std::tie(p.height, p.width) = settings.size("data.size");
  p.crop = settings.text("data.crop") == "centre" ? CropMode::centre_crop : CropMode::none;
  p.resize = settings.text("data.resize") == "nearest" ? ResizeKernel::nearest : ResizeKernel::triangle_antialiased;
  p.colour_order = settings.text("data.colour_order") == "bgr" ? ColourOrder::bgr : ColourOrder::rgb;
  const std::vector<double> mean = settings.reals("data.mean", 3), deviation = settings.reals("data.std", 3);
  for (size_t c = 0; c < 3; ++c) {
    p.mean[c] = static_cast<float>(mean[c]);
    p.std[c] = static_cast<float>(deviation[c]);
    if (!(p.std[c] > 0))
      settings.fail("data.std", "a standard deviation is above 0", "Use three positive numbers, e.g. 0.25, 0.25, 0.25");
  }
  return p;
}

data::LoaderOptions loader_settings(const Settings& settings, bool training) {
  data::LoaderOptions options;
  options.preprocess = preprocess_settings(settings);
  options.batch_size = static_cast<int>(settings.integer("data.batch_size", 1, 4096));
  options.seed = seed_settings(settings);
  options.depth_resize =
      settings.text("data.depth_resize") == "area" ? data::DepthResize::area : data::DepthResize::nearest;
  options.cache_mb = static_cast<size_t>(settings.integer("data.cache_mb", 0, 1 << 20));
  options.prefetch = static_cast<int>(settings.integer("data.prefetch", 1, 64));
  options.threads = static_cast<int>(settings.integer("data.threads", 1, 256));
  options.on_bad_sample =
      settings.text("data.on_bad_sample") == "skip" ? data::OnBadSample::skip : data::OnBadSample::stop;
  if (training) {
    options.shuffle = true;
    options.drop_last = settings.boolean("data.drop_last");
    options.augment.emplace();
    for (const data::AugmentField& field : data::augment_fields())
      (*options.augment).*field.value =
          static_cast<float>(settings.real(std::string("data.") + field.name, field.min, field.max));
  }
  return options;
}

Graph graph_settings(const Settings& settings) {
  const auto [height, width] = settings.size("data.size");
  Graph graph = build_network(settings, {1, height, width, 3});
  const std::vector<Shape> values = graph.infer(graph.input_shape);
  const Shape out = graph.outputs.empty() ? Shape() : values[static_cast<size_t>(graph.outputs[0])];
  if (!(out == Shape{1, height, width, 1}))
    settings.fail("model.network",
                  "its output is " + GraphBuilder::to_string(out) + " where depth for every pixel, " +
                      GraphBuilder::to_string({1, height, width, 1}) + ", is wanted",
                  "End the network with one channel at the size of its input");
  return graph;
}

Initialisation initialisation_settings(const Settings& settings) {
  const std::vector<std::string>& names = initialisation_names();
  return static_cast<Initialisation>(std::find(names.begin(), names.end(), settings.text("model.initialisation")) -
                                     names.begin());
}

LossParams loss_settings(const Settings& settings) {
  LossParams p;
  p.silog_lambda = settings.real("loss.silog_lambda", 0, 1);
  p.silog_scale = settings.real("loss.silog_scale", 0, 1e6);
  p.berhu_fraction = settings.real("loss.berhu_fraction", 0, 1);
  p.delta = settings.real("loss.delta", 0, 1e6);
  p.beta = settings.real("loss.beta", 0, 1e6);
  p.min_depth = settings.real("loss.min_depth", 0, 1e6);
  p.ssim_range = settings.real("loss.ssim_range", 0, 1e6);
  p.extra = extra_settings(settings, "loss.extra");
  return p;
}

OptimizerParams optimizer_settings(const Settings& settings) {
  OptimizerParams p = default_optimizer_params(settings.required("optimizer.name"));
  const auto set = [&](const char* key, double& value, double max) {
    if (!settings.text(key).empty()) value = settings.real(key, 0, max);
  };
  const auto set_integer = [&](const char* key, int& value, int min) {
    if (!settings.text(key).empty()) value = static_cast<int>(settings.integer(key, min, 1000000));
  };
  constexpr double below_1 = 0.999999999;
  set("optimizer.lr", p.lr, 1e6);
  set("optimizer.weight_decay", p.weight_decay, 1e6);
  set("optimizer.momentum", p.momentum, below_1);
  set("optimizer.dampening", p.dampening, 1);
  set("optimizer.eps", p.eps, 1);
  set("optimizer.alpha", p.alpha, below_1);
  set("optimizer.lr_decay", p.lr_decay, 1e6);
  set("optimizer.initial_accumulator_value", p.initial_accumulator_value, 1e6);
  set("optimizer.rho", p.rho, below_1);
  set("optimizer.momentum_decay", p.momentum_decay, 1e6);
  set_integer("optimizer.max_iter", p.max_iter, 1);
  set_integer("optimizer.max_eval", p.max_eval, 0);
  set_integer("optimizer.history_size", p.history_size, 1);
  set("optimizer.tolerance_grad", p.tolerance_grad, 1e6);
  set("optimizer.tolerance_change", p.tolerance_change, 1e6);
  p.strong_wolfe = settings.text("optimizer.line_search") == "strong_wolfe";
  p.nesterov = settings.boolean("optimizer.nesterov");
  p.amsgrad = settings.boolean("optimizer.amsgrad");
  p.decoupled_weight_decay = settings.boolean("optimizer.decoupled_weight_decay");
  p.centered = settings.boolean("optimizer.centered");
  if (!settings.text("optimizer.betas").empty()) {
    const std::vector<double> betas = settings.reals("optimizer.betas", 2);
    p.beta1 = betas[0];
    p.beta2 = betas[1];
    if (!(p.beta1 >= 0 && p.beta1 < 1 && p.beta2 >= 0 && p.beta2 < 1))
      settings.fail("optimizer.betas", "both must be at least 0 and below 1", "Use for example 0.9, 0.999");
  }
  p.extra = extra_settings(settings, "optimizer.extra");
  return p;
}

SchedulerParams scheduler_settings(const Settings& settings, double lr) {
  constexpr index_t most = index_t{1} << 40;
  const std::string& name = settings.required("scheduler.name");
  SchedulerParams p = default_scheduler_params(name);
  p.lr = lr;
  p.max_lr = settings.real("scheduler.max_lr", 0, 1e6);
  p.pct_start = settings.real("scheduler.pct_start", 0, 1);
  p.anneal_strategy = settings.text("scheduler.anneal_strategy");
  p.three_phase = settings.boolean("scheduler.three_phase");
  p.div_factor = settings.real("scheduler.div_factor", 1e-12, 1e12);
  p.final_div_factor = settings.real("scheduler.final_div_factor", 1e-12, 1e12);
  p.cycle_momentum =
      settings.text("scheduler.cycle_momentum") == "auto" || settings.boolean("scheduler.cycle_momentum");
  if (!settings.text("scheduler.base_momentum").empty())
    p.base_momentum = settings.real("scheduler.base_momentum", 0, 0.999999);
  if (!settings.text("scheduler.max_momentum").empty())
    p.max_momentum = settings.real("scheduler.max_momentum", 0, 0.999999);
  if (p.max_momentum < p.base_momentum)
    settings.fail("scheduler.max_momentum", "it is below the momentum at the peak, " + exact(p.base_momentum),
                  "Use a number from scheduler.base_momentum to 0.999999");
  p.step_size = settings.integer("scheduler.step_size", 1, most);
  p.gamma = settings.real("scheduler.gamma", 1e-12, 1e6);
  p.t_max = settings.integer("scheduler.t_max", 0, most);
  p.eta_min = settings.real("scheduler.eta_min", 0, 1e6);
  p.t_0 = settings.integer("scheduler.t_0", 1, most);
  p.t_mult = settings.integer("scheduler.t_mult", 1, most);
  p.total_iters = settings.integer("scheduler.total_iters", 0, most);
  p.power = settings.real("scheduler.power", 0, 100);
  p.factor = settings.real("scheduler.factor", 0, 1e6);
  p.start_factor = settings.real("scheduler.start_factor", 0, 1e6);
  p.end_factor = settings.real("scheduler.end_factor", 0, 1e6);
  p.base_lr = settings.real("scheduler.base_lr", 0, 1e6);
  p.step_size_up = settings.integer("scheduler.step_size_up", 1, most);
  p.step_size_down = settings.integer("scheduler.step_size_down", 0, most);
  p.mode = settings.text("scheduler.mode");
  if (p.mode.empty() && name.find("plateau") != std::string::npos)
    p.mode = larger_is_better(settings.text("eval.monitor")) ? "max" : "min";
  p.patience = settings.integer("scheduler.patience", 0, most);
  p.threshold = settings.real("scheduler.threshold", 0, 1e6);
  p.threshold_mode = settings.text("scheduler.threshold_mode");
  p.cooldown = settings.integer("scheduler.cooldown", 0, most);
  p.min_lr = settings.real("scheduler.min_lr", 0, 1e6);
  p.warmup_steps = settings.integer("scheduler.warmup_steps", 0, most);
  p.extra = extra_settings(settings, "scheduler.extra");
  for (const std::string& part : settings.list("scheduler.milestones")) {
    index_t step = 0;
    if (!parse_integer(part, &step))
      settings.fail("scheduler.milestones", "\"" + part + "\" is not a whole number", "Use steps with commas between");
    if (step < 0 || (!p.milestones.empty() && step <= p.milestones.back()))
      settings.fail("scheduler.milestones", "\"" + part + "\" comes after a later step, or is negative",
                    "Use steps from 0 in rising order");
    p.milestones.push_back(step);
  }
  const std::vector<std::string> parts = comma_list(name); // linear:10, multistep
  if (p.milestones.empty() && std::any_of(parts.begin(), parts.end(), [](const std::string& part) {
        return part.substr(0, part.find(':')) == "multistep";
      }))
    settings.fail("scheduler.milestones", "multistep lowers the rate at these steps, but there are none",
                  "Give at least one step, in rising order, e.g. scheduler.milestones = 3000, 6000");
  return p;
}

std::map<std::string, double> extra_settings(const Settings& settings, const std::string& key) {
  std::map<std::string, double> extra;
  for (const auto& [name, value] : settings.named_reals(key)) extra[name] = value;
  return extra;
}

int micro_batch_settings(const Settings& settings) {
  const index_t batch = settings.integer("data.batch_size", 1, 4096);
  const index_t micro = settings.integer("train.micro_batch", 0, 4096);
  if (micro > 0 && batch % micro != 0)
    settings.fail("train.micro_batch", "it doesn't divide data.batch_size = " + std::to_string(batch),
                  "Use 0 or a divisor of the batch size");
  return static_cast<int>(micro > 0 ? micro : batch);
}

uint64_t seed_settings(const Settings& settings) {
  return static_cast<uint64_t>(settings.integer("train.seed", 0, INT64_MAX));
}

void require_depth_network(const Checkpoint& checkpoint, const std::string& file) {
  if (checkpoint.network == "mlp")
    throw Error({.file = file,
                 .reason = "this is an MLP, fitted to a table by `leadline mlp fit`, and no depth network",
                 .fix = "Use `leadline mlp score` or `leadline mlp predict`"});
}

Settings checkpoint_settings(const Checkpoint& checkpoint, const std::string& file) {
  require_depth_network(checkpoint, file);
  Settings settings(train_option_groups());
  read_settings_text(checkpoint.settings, file + " (settings)", settings);
  return settings;
}

} // namespace leadline::trainer
