// The training loop on an exec. All that a step touches lies in the exec's memory; the host gives pictures and takes
// one number, the loss.
#pragma once

#include "data/loader.hpp"
#include "shared/model/graph_builder.hpp"
#include "trainer/device_buffer.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/losses/losses.hpp"
#include "trainer/metrics/baselines.hpp"
#include "trainer/metrics/depth_metrics.hpp"
#include "trainer/optimizers/clipping.hpp"
#include "trainer/optimizers/optimizers.hpp"
#include "trainer/optimizers/parameter_groups.hpp"
#include "trainer/quantization_aware.hpp"
#include "trainer/train_loop.hpp"
#include "trainer/train_settings.hpp"
#include "trainer/weight_average.hpp"
#include "trainer/weight_io.hpp"
#include "trainer/weight_rounding.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace leadline::trainer {

/// Where a metric stands in DepthMetrics.
inline int metric_index(const std::string& name) {
  for (int i = 0; i < DepthMetrics::count; ++i)
    if (name == metric_names()[static_cast<size_t>(i)]) return i;
  throw Error({.field = "metric", .value = name, .reason = "there is no such metric"});
}

/// Uploads the first `n` pictures (or depths) of a host array into a dense tensor; the tensor's other images keep what
/// they had. `staging` converts to T and is reused.
template <class T, class Exec>
void upload_images(const GraphSession<T, Exec>& session, const float* host, index_t n, Tensor<T> device,
                   std::vector<T>& staging) {
  device.shape.n = n;
  if constexpr (std::is_same_v<T, float>) {
    session.upload(host, device);
  } else {
    staging.assign(host, host + device.shape.count());
    session.upload(staging.data(), device);
  }
}

/// A normalised picture back to bytes.
inline std::vector<unsigned char> picture_of(const float* image, index_t pixels, const Preprocess& p) {
  std::vector<unsigned char> rgb(static_cast<size_t>(3 * pixels));
  for (index_t i = 0; i < pixels; ++i)
    for (int c = 0; c < 3; ++c) {
      const float value =
          (image[3 * i + (p.colour_order == ColourOrder::bgr ? 2 - c : c)] * p.std[c] + p.mean[c]) * 255;
      rgb[static_cast<size_t>(3 * i + c)] = static_cast<unsigned char>(std::min(std::max(value + 0.5f, 0.0f), 255.0f));
    }
  return rgb;
}

template <class T, class Exec> class TrainLoopOn final : public TrainLoop {
public:
  TrainLoopOn(const Exec& exec, const Settings& settings, TrainingGraph graph, data::DatasetPtr train,
              data::DatasetPtr val)
      : exec_(exec), settings_(settings), graph_(std::move(graph.graph)), ranges_(std::move(graph.ranges)),
        micro_batch_(micro_batch_settings(settings)), train_loader_(train, train_loader_settings(settings)),
        val_loader_(val, val_loader_settings(settings)),
        session_(exec, graph_, input_shape(), true, false,
                 settings.text("train.recompute") == "none" ? Recompute::none : Recompute::cheap,
                 settings.text("train.compute") == "bf16" ? ComputePrecision::bf16 : ComputePrecision::full),
        depth_shape_{micro_batch_, graph_.input_shape.h, graph_.input_shape.w, 1},
        loss_(make_loss<T, Exec>(settings.required("loss.name"), loss_settings(settings))),
        target_(exec, static_cast<size_t>(depth_shape_.count()) * sizeof(T)),
        workspace_(exec, loss_->workspace_bytes(depth_shape_)),
        loss_values_(exec, static_cast<size_t>(micro_batches()) * sizeof(T)),
        clipping_(exec, session_.all_diff_weights(), settings.real("train.clip_norm", 0, 1e12),
                  settings.real("train.clip_value", 0, 1e12)),
        average_(exec, session_.all_weights(), settings.real("train.ema", 0, 0.999999999),
                 settings.boolean("train.ema_warmup")),
        rounding_(exec, rounded_weights(graph.rounded)) {
    if (rounding_.on() && average_.on())
      settings.fail("train.ema", "an average of weights that int8 rounds lies between its steps",
                    "Set train.ema to 0 with quantize.aware");
    place_info(train->size(), val->size());
    initialise_weights();
    average_.update(0);
    make_optimizers();
    metric_ = metric_index(settings.required("eval.monitor"));
    protocol_ = depth_protocol(settings.required("eval.protocol"));
    val_every_ = settings.integer("train.val_every", 1, 1 << 20);
    pictures_ = settings.integer("run.pictures", 0, 64);
  }

  const RunInfo& info() const override { return info_; }
  void add(std::unique_ptr<Callback> callback) override { callbacks_.push_back(std::move(callback)); }
  const Settings& settings() const override { return settings_; }
  Checkpoint checkpoint() const override;
  void request_stop() override { stop_ = true; }
  void finish_early(const std::string& reason) override {
    if (finish_reason_.empty()) finish_reason_ = reason.empty() ? "a listener asked for it" : reason;
  }
  const std::string& finish_reason() const override { return finish_reason_; }
  std::vector<std::string> weight_names() const override;
  NamedArray weight(const std::string& name) const override;
  NamedArray gradient(const std::string& name) const override;
  std::string find_not_finite() override;
  void restore(const Checkpoint& checkpoint, const std::string& file) override;
  void begin_with(const Checkpoint& checkpoint, const std::string& file) override;
  RunResult run() override;

private:
  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

  // ---- parts that the constructor puts together
  static data::LoaderOptions train_loader_settings(const Settings& settings) {
    data::LoaderOptions options = loader_settings(settings, true);
    options.drop_last =
        options.drop_last || options.on_bad_sample == data::OnBadSample::skip; // so that batches stay full
    return options;
  }
  data::LoaderOptions val_loader_settings(const Settings& settings) const {
    data::LoaderOptions options = loader_settings(settings, false);
    options.batch_size = micro_batch_;
    return options;
  }
  Shape input_shape() const {
    Shape shape = graph_.input_shape;
    shape.n = micro_batch_;
    return shape;
  }
  index_t micro_batches() const { return train_loader_.options().batch_size / micro_batch_; }

  void place_info(size_t train_frames, size_t val_frames) {
    info_.dir = settings_.text("run.dir");
    info_.network = graph_.name;
    info_.summary = session_.summary();
    for (size_t i = 0; i < graph_.weight_shapes.size(); ++i)
      info_.parameters += graph_.trainable[i] ? graph_.weight_shapes[i].count() : 0;
    info_.bytes = session_.bytes() + average_.bytes() + rounding_.bytes();
    info_.exec = std::string(Exec::on_host ? "CPU" : "GPU") + ", " + std::to_string(exec_.threads()) +
                 (Exec::on_host ? " threads, " : " lanes, ") + settings_.text("train.precision");
    info_.train_frames = static_cast<index_t>(train_frames);
    info_.val_frames = static_cast<index_t>(val_frames);
    info_.epochs = settings_.integer("train.epochs", 1, 1000000);
    info_.batch_size = train_loader_.options().batch_size;
    info_.steps_per_epoch = train_loader_.batches_per_epoch();
    if (info_.steps_per_epoch == 0)
      settings_.fail("data.batch_size", "the " + std::to_string(train_frames) + " training frames don't fill one batch",
                     "Use a smaller batch, or data.drop_last = false");
    info_.protocol = settings_.text("eval.protocol");
    info_.monitor = settings_.text("eval.monitor");
  }

  /// The weights that these nodes multiply with.
  std::vector<typename WeightRounding<T, Exec>::Weight> rounded_weights(const std::vector<int32_t>& nodes) const {
    std::vector<typename WeightRounding<T, Exec>::Weight> weights;
    for (const int32_t i : nodes) {
      const Node& node = graph_.nodes[static_cast<size_t>(i)];
      const Tensor<T> weight = session_.weight(node.weights[0]);
      const bool known = std::any_of(weights.begin(), weights.end(),
                                     [&](const auto& other) { return other.values.data == weight.data; });
      if (!known) weights.push_back({weight, weight_channels(node, 0, weight.shape)});
    }
    return weights;
  }
  /// From the weights that learn to those that answer, and back.
  void use_answering_weights() const {
    average_.swap();
    rounding_.round();
  }
  void use_learning_weights() const {
    rounding_.restore();
    average_.swap();
  }

  void initialise_weights() {
    for (int i = 0; i < session_.num_weights(); ++i) {
      const std::vector<double> values =
          initial_weight(graph_, i, initialisation_settings(settings_), seed_settings(settings_),
                         settings_.text("model.final_bias") == "zero");
      session_.set_weight(i, std::vector<T>(values.begin(), values.end()));
    }
  }

  /// lbfgs learns the curvature from gradients of several steps, which must be gradients of one function: says what of
  /// the settings makes each step another one.
  void warn_of_changing_loss() const {
    std::string why;
    const auto add = [&](const std::string& key, const std::string& wanted) {
      why += (why.empty() ? "" : ", ") + key + " = " + settings_.text(key) + " (wants " + wanted + ")";
    };
    if (info_.batch_size != info_.train_frames)
      add("data.batch_size", std::to_string(info_.train_frames) + ", all training frames");
    const data::Augment& chosen = *train_loader_.options().augment;
    for (const data::AugmentField& field : data::augment_fields()) {
      const bool factor = field.value == &data::Augment::scale || field.value == &data::Augment::random_crop;
      if (field.value != &data::Augment::cutout_size && chosen.*field.value != (factor ? 1.0f : 0.0f))
        add(std::string("data.") + field.name, factor ? "1" : "0");
    }
    if (std::any_of(graph_.nodes.begin(), graph_.nodes.end(),
                    [](const Node& node) { return node.kind == layer_kind<Dropout>; }))
      add("model.dropout", "0");
    if (!why.empty())
      std::fprintf(
          stderr,
          "leadline: warning: optimizer.name = lbfgs needs the same loss in every step, of all frames and with "
          "nothing by chance; here it changes with %s\n",
          why.c_str());
  }

  /// One optimizer for each parameter group, and the scheduler that drives them.
  void make_optimizers() {
    const std::string& name = settings_.required("optimizer.name");
    const OptimizerParams params = optimizer_settings(settings_);
    for (const ParameterGroup& group : parameter_groups(settings_, graph_)) {
      std::vector<WeightSlot<T>> slots;
      for (const int i : group.weights)
        slots.push_back({graph_.weight_names[static_cast<size_t>(i)], session_.weight(i), session_.diff_weight(i)});
      OptimizerParams own = params;
      own.lr = params.lr * group.lr_factor;
      if (!group.decay) own.weight_decay = 0;
      groups_.push_back({group.name, group.lr_factor, make_optimizer<T, Exec>(name, own, exec_, slots)});
    }
    if (groups_.empty())
      settings_.fail("model.network", "the network has nothing to train", "Choose a network with weights");
    Optimizer<T, Exec>& first = *groups_.front().optimizer;
    if (first.needs_closure()) { // what evaluates the loss at weights of its choice
      if (groups_.size() > 1)
        settings_.fail("optimizer.name", "it moves all weights along one line, so they can't have groups",
                       "Leave optimizer.lr_factors and optimizer.no_decay empty, or take sgd or an adam");
      if (rounding_.on())
        settings_.fail("optimizer.name", "its line search needs a smooth loss, which rounding breaks into steps",
                       "Take sgd or an adam with quantize.aware");
      if (settings_.real("train.clip_norm", 0, 1e12) > 0 || settings_.real("train.clip_value", 0, 1e12) > 0)
        settings_.fail("optimizer.name", "its line search needs the loss's own gradient, not a clipped one",
                       "Set train.clip_norm and train.clip_value to 0, or take sgd or an adam");
      warn_of_changing_loss();
    }

    SchedulerParams schedule = scheduler_settings(settings_, params.lr);
    if (settings_.text("scheduler.cycle_momentum") == "auto") schedule.cycle_momentum = first.has_momentum();
    by_epoch_ = settings_.text("scheduler.unit") == "epoch";
    scheduler_ = make_scheduler(settings_.required("scheduler.name"), schedule,
                                by_epoch_ ? info_.epochs : info_.epochs * info_.steps_per_epoch);
    if (scheduler_->at(0).momentum && !first.has_momentum())
      settings_.fail("scheduler.cycle_momentum", "optimizer " + name + " has no momentum to cycle",
                     "Set optimizer.momentum above 0, or scheduler.cycle_momentum to auto or false");
  }

  // ---- the run
  Tensor<T> target() const { return {reinterpret_cast<T*>(target_.data()), depth_shape_}; }
  void fill_up(data::Batch& batch) const;
  void load_micro_batch(const data::Batch& batch, int m);
  void micro_batch_gradients(const data::Batch& batch, int m, int number);
  double loss_and_gradients(const data::Batch& batch);
  void train_step(const data::Batch& batch, double data_seconds);
  bool train_epoch();
  void validate(EpochReport& report);
  void keep_predictions(const data::Batch& batch, const Tensor<T>& prediction, EpochReport& report);
  void measure_baselines();
  int weight_index(const std::string& name) const;
  void train_all();

  template <class Call> void tell(const Call& call) {
    for (const std::unique_ptr<Callback>& callback : callbacks_) call(*callback);
  }

  Exec exec_;
  Settings settings_;
  Graph graph_;
  std::vector<NamedArray> ranges_; ///< of its values, where they are rounded as int8 rounds them
  int micro_batch_;
  data::Loader train_loader_, val_loader_;
  GraphSession<T, Exec> session_;
  Shape depth_shape_; ///< of one micro-batch
  std::unique_ptr<Loss<T, Exec>> loss_;
  DeviceBuffer<Exec> target_, workspace_, loss_values_;
  GradientClipping<T, Exec> clipping_;
  std::vector<T> staging_;
  WeightAverage<T, Exec> average_;
  WeightRounding<T, Exec> rounding_;
  struct Group {
    std::string name;
    double lr_factor;
    std::unique_ptr<Optimizer<T, Exec>> optimizer;
    /// What a checkpoint calls one of its numbers.
    std::string scalar(const std::string& number) const { return name == "rest" ? number : name + "/" + number; }
  };
  std::vector<Group> groups_;
  std::unique_ptr<Scheduler> scheduler_;
  bool by_epoch_ = false; ///< the scheduler counts epochs
  DepthProtocol protocol_;
  int metric_ = 0; ///< the monitored one
  index_t val_every_ = 1, pictures_ = 0;
  std::vector<std::unique_ptr<Callback>> callbacks_;
  std::vector<NamedArray> callback_states_; ///< of the run that is resumed
  RunInfo info_;
  bool stop_ = false;
  std::string finish_reason_;          ///< why; empty: nobody asked
  const data::Batch* batch_ = nullptr; ///< of the step that is under way

  /// What a checkpoint keeps besides weights, optimizer and scheduler.
  struct Position {
    index_t epoch = 0, batch = 0, step = 0;
    double loss_sum = 0, best = 0;
    index_t best_epoch = 0;
    std::vector<NamedNumber> metrics;
    double focal_x = 0, focal_y = 0, median_depth = 0;
    NamedArray mean_map;
    bool baselines = false;
  } at_;
  double last_lr_ = 0, data_seconds_ = 0;
  index_t images_ = 0;
  Clock::time_point started_;
};

/// A last batch that isn't full (data.drop_last = false) is filled up with its own first frames, as PyTorch's
/// distributed sampler does with an epoch: every step averages over whole micro-batches.
template <class T, class Exec> void TrainLoopOn<T, Exec>::fill_up(data::Batch& batch) const {
  const size_t pixels = static_cast<size_t>(batch.height) * static_cast<size_t>(batch.width);
  const int full = (batch.n + micro_batch_ - 1) / micro_batch_ * micro_batch_;
  const int have = batch.n;
  batch.image.resize(static_cast<size_t>(full) * pixels * 3);
  batch.depth.resize(static_cast<size_t>(full) * pixels);
  for (; batch.n < full; ++batch.n) {
    const size_t from = static_cast<size_t>(batch.n % have), to = static_cast<size_t>(batch.n);
    std::copy_n(batch.image.begin() + static_cast<ptrdiff_t>(from * pixels * 3), pixels * 3,
                batch.image.begin() + static_cast<ptrdiff_t>(to * pixels * 3));
    std::copy_n(batch.depth.begin() + static_cast<ptrdiff_t>(from * pixels), pixels,
                batch.depth.begin() + static_cast<ptrdiff_t>(to * pixels));
  }
}

template <class T, class Exec> void TrainLoopOn<T, Exec>::load_micro_batch(const data::Batch& batch, int m) {
  const size_t pixels = static_cast<size_t>(batch.height) * static_cast<size_t>(batch.width);
  const size_t first = static_cast<size_t>(m) * static_cast<size_t>(micro_batch_) * pixels;
  upload_images(session_, batch.image.data() + 3 * first, micro_batch_, session_.input(), staging_);
  upload_images(session_, batch.depth.data() + first, micro_batch_, target(), staging_);
}

/// Forward, loss and backward of micro-batch m, for GraphSession's micro-batch `number`.
template <class T, class Exec>
void TrainLoopOn<T, Exec>::micro_batch_gradients(const data::Batch& batch, int m, int number) {
  load_micro_batch(batch, m);
  session_.forward(true);
  LossArgs<T> args;
  args.prediction = session_.output();
  args.target = target();
  args.image = session_.input();
  args.diff_prediction = session_.diff_output();
  args.value = reinterpret_cast<T*>(loss_values_.data()) + m;
  args.workspace = {workspace_.data(), workspace_.bytes()};
  loss_->forward_backward(exec_, args);
  session_.backward(number);
}

/// Loss and gradient of the batch at the weights as they are; the gradient is ready when it returns.
template <class T, class Exec> double TrainLoopOn<T, Exec>::loss_and_gradients(const data::Batch& batch) {
  const int count = batch.n / micro_batch_;
  rounding_.round(); // straight through: the gradient there is that of the weights that learn
  for (int m = 0; m < count; ++m) micro_batch_gradients(batch, m, m);
  session_.finish_step();
  rounding_.restore();

  std::vector<T> losses(static_cast<size_t>(count));
  session_.download(Tensor<const T>(reinterpret_cast<T*>(loss_values_.data()), {1, 1, 1, count}), losses.data());
  for (size_t step = 1; step < losses.size(); step *= 2) // pairwise, like the gradients
    for (size_t i = 0; i + step < losses.size(); i += 2 * step) losses[i] += losses[i + step];
  return static_cast<double>(losses[0]) / count;
}

template <class T, class Exec> void TrainLoopOn<T, Exec>::train_step(const data::Batch& batch, double data_seconds) {
  const Clock::time_point start = Clock::now();
  const Rates rates = scheduler_->at(by_epoch_ ? at_.epoch : at_.step);
  last_lr_ = rates.lr;
  session_.set_step(seed_settings(settings_), static_cast<uint64_t>(at_.step));
  StepReport report;
  for (const Group& group : groups_) {
    group.optimizer->set_lr(rates.lr * group.lr_factor);
    if (rates.momentum) group.optimizer->set_momentum(*rates.momentum);
    report.group_lr.push_back({group.name, rates.lr * group.lr_factor});
  }
  report.epoch = at_.epoch;
  report.batch = at_.batch;
  report.step = at_.step + 1;
  report.lr = rates.lr;
  report.momentum = rates.momentum;
  report.data_seconds = data_seconds;
  report.images = images_ += batch.n;
  batch_ = &batch;
  bool first = true;
  // The first group's optimizer asks for loss and gradient; those of the others are then there, too.
  report.loss = groups_.front().optimizer->step([&] {
    const double loss = loss_and_gradients(batch), norm = clipping_.norm();
    if (first) { // lbfgs asks again, for weights that it tries
      first = false;
      report.loss = loss;
      report.gradient_norm = norm;
      report.step_seconds = since(start);
      report.seconds = since(started_);
      tell([&](Callback& callback) { callback.on_before_optimizer_step(report, *this); });
    }
    clipping_.clip(norm);
    return loss;
  });
  for (size_t g = 1; g < groups_.size(); ++g) groups_[g].optimizer->step();
  batch_ = nullptr;
  ++at_.step;
  average_.update(at_.step);
  ++at_.batch;
  at_.loss_sum += report.loss;
  report.step_seconds = since(start);
  report.seconds = since(started_);
  tell([&](Callback& callback) { callback.on_step(report, *this); });
}

/// False if somebody asked to stop.
template <class T, class Exec> bool TrainLoopOn<T, Exec>::train_epoch() {
  data_seconds_ = 0;
  if (at_.batch == info_.steps_per_epoch) return true; // resumed between the last step and the end
  train_loader_.start(at_.epoch, at_.batch);
  for (data::Batch batch; at_.batch < info_.steps_per_epoch;) {
    const Clock::time_point start = Clock::now();
    if (!train_loader_.next(batch)) break;
    fill_up(batch);
    const double waited = since(start);
    data_seconds_ += waited;
    train_step(batch, waited);
    if (stop_ && at_.batch < info_.steps_per_epoch) return false;
  }
  exec_.fence();
  return true;
}

/// Keeps frame k * frames / wanted for k = 0, 1, ..., wanted - 1, for people to look at.
template <class T, class Exec>
void TrainLoopOn<T, Exec>::keep_predictions(const data::Batch& batch, const Tensor<T>& prediction,
                                            EpochReport& report) {
  const index_t frames = info_.val_frames, wanted = std::min(pictures_, frames),
                pixels = index_t{batch.height} * batch.width;
  std::vector<T> output;
  for (index_t i = 0; i < batch.n; ++i) {
    const auto k = static_cast<index_t>(report.predictions.size());
    const auto index = static_cast<index_t>(batch.indices[static_cast<size_t>(i)]);
    if (k >= wanted || index < k * frames / wanted) continue;
    if (output.empty()) {
      output.resize(static_cast<size_t>(prediction.shape.count()));
      session_.download(prediction, output.data());
    }
    const float *image = batch.image.data() + 3 * i * pixels, *depth = batch.depth.data() + i * pixels;
    const T* metres = output.data() + i * pixels;
    report.predictions.push_back({val_loader_.dataset().name(static_cast<size_t>(index)), batch.height, batch.width,
                                  picture_of(image, pixels, val_loader_.options().preprocess),
                                  std::vector<float>(depth, depth + pixels),
                                  std::vector<float>(metres, metres + pixels)});
  }
}

/// Metrics of the validation frames under running statistics, and a few predictions to look at.
template <class T, class Exec> void TrainLoopOn<T, Exec>::validate(EpochReport& report) {
  const Clock::time_point start = Clock::now();
  DepthEvaluator<Exec> evaluator(exec_, protocol_);
  use_answering_weights();
  val_loader_.start(0);
  for (data::Batch batch; val_loader_.next(batch);) {
    if (batch.n == 0) // every frame of it was unreadable and skipped
      continue;
    upload_images(session_, batch.image.data(), batch.n, session_.input(), staging_);
    upload_images(session_, batch.depth.data(), batch.n, target(), staging_);
    session_.forward(false);
    Tensor<T> prediction = session_.output(), truth = target();
    prediction.shape.n = truth.shape.n = batch.n;
    evaluator.template add<T>(prediction, truth);
    keep_predictions(batch, prediction, report);
  }
  use_learning_weights();
  const DepthMetrics metrics = evaluator.result();
  report.validated = true;
  report.note = evaluator.note();
  for (int i = 0; i < DepthMetrics::count; ++i)
    report.metrics.push_back({metric_names()[static_cast<size_t>(i)], metrics.value(i)});
  const double value = metrics.value(metric_);
  report.best = std::isfinite(value) &&
                (at_.best_epoch == 0 || (larger_is_better(info_.monitor) ? value > at_.best : value < at_.best));
  if (report.best) {
    at_.best = value;
    at_.best_epoch = report.epoch;
  }
  at_.metrics = report.metrics;
  scheduler_->observe(value);
  report.monitored = value;
  report.validation_seconds = since(start);
}

/// Median and mean map of (at most eval.baseline_frames) training depths, and their cameras' focal lengths: of the
/// frames as they are, without augmentation.
template <class T, class Exec> void TrainLoopOn<T, Exec>::measure_baselines() {
  const auto most = static_cast<size_t>(settings_.integer("eval.baseline_frames", 0, INT64_MAX));
  at_.baselines = true;
  if (most == 0) return;
  const data::DatasetPtr all(std::shared_ptr<void>(), &train_loader_.dataset()); // borrowed
  const size_t count = std::min(most, all->size());
  std::vector<size_t> indices;
  for (size_t i = 0; i < count; ++i) indices.push_back(i * all->size() / count);
  data::LoaderOptions options = loader_settings(settings_, false);
  options.cache_mb = 0;
  data::Loader loader(std::make_shared<data::Subset>(all, indices), options);
  DepthBaselines baselines(depth_shape_.h, depth_shape_.w);
  std::vector<float> focal_x, focal_y;
  loader.start(0);
  for (data::Batch batch; loader.next(batch);) {
    baselines.add(batch.depth.data(), batch.n);
    for (const Intrinsics& camera : batch.intrinsics)
      if (camera.known()) {
        focal_x.push_back(camera.fx);
        focal_y.push_back(camera.fy);
      }
  }
  if (2 * focal_x.size() > count) { // known for most frames
    std::nth_element(focal_x.begin(), focal_x.begin() + static_cast<ptrdiff_t>(focal_x.size() / 2), focal_x.end());
    std::nth_element(focal_y.begin(), focal_y.begin() + static_cast<ptrdiff_t>(focal_y.size() / 2), focal_y.end());
    at_.focal_x = static_cast<double>(focal_x[focal_x.size() / 2]);
    at_.focal_y = static_cast<double>(focal_y[focal_y.size() / 2]);
  }
  if (baselines.valid_pixels() == 0)
    throw Error({.field = "data.train",
                 .value = settings_.text("data.train"),
                 .reason = "not one pixel of the training frames has depth",
                 .fix = "Look at them with `leadline data info`; the metres-per-unit of a pairs list may be wrong"});
  at_.median_depth = baselines.median();
  const std::vector<float> map = baselines.mean_map();
  at_.mean_map = {"mean_map", {depth_shape_.h, depth_shape_.w}, std::vector<double>(map.begin(), map.end())};
}

template <class T, class Exec> void TrainLoopOn<T, Exec>::train_all() {
  info_.first_epoch = at_.epoch;
  info_.first_batch = at_.batch;
  for (const NamedArray& state : callback_states_)
    tell([&](Callback& callback) {
      if (callback.state_name() == state.name) callback.set_state(state.values);
    });
  if (!at_.baselines) measure_baselines();
  tell([&](Callback& callback) { callback.on_start(info_, *this); });
  started_ = Clock::now();

  while (at_.epoch < info_.epochs && !stop_ && finish_reason_.empty()) {
    const Clock::time_point start = Clock::now();
    const index_t before = images_;
    tell([&](Callback& callback) { callback.on_epoch_start(at_.epoch, *this); });
    if (!train_epoch()) break;
    EpochReport report;
    report.images_per_second = static_cast<double>(images_ - before) / since(start);
    report.data_seconds = data_seconds_;
    report.epoch = at_.epoch + 1;
    report.step = at_.step;
    report.train_loss = at_.loss_sum / static_cast<double>(info_.steps_per_epoch);
    report.lr = last_lr_;
    if (report.epoch % val_every_ == 0 || report.epoch == info_.epochs) validate(report);
    report.seconds = since(start);
    at_.epoch = report.epoch;
    at_.batch = 0;
    at_.loss_sum = 0;
    if (report.validated) tell([&](Callback& callback) { callback.on_validation(report, *this); });
    tell([&](Callback& callback) { callback.on_epoch_end(report, *this); });
  }
}

template <class T, class Exec> RunResult TrainLoopOn<T, Exec>::run() {
  try {
    train_all();
    const bool stopped = at_.epoch < info_.epochs && finish_reason_.empty();
    tell([&](Callback& callback) { stopped ? callback.on_stop(*this) : callback.on_finish(*this); });
    return {stopped, finish_reason_, at_.step, at_.best, at_.best_epoch, at_.metrics};
  } catch (const std::exception& error) {
    for (const std::unique_ptr<Callback>& callback : callbacks_) try {
        callback->on_error(error, *this);
      } catch (...) { // what ended the run matters more
      }
    throw;
  }
}

// ---- what listeners may ask

template <class T, class Exec> std::vector<std::string> TrainLoopOn<T, Exec>::weight_names() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < graph_.weight_names.size(); ++i)
    if (graph_.trainable[i]) names.push_back(graph_.weight_names[i]);
  return names;
}

/// The number of a trainable weight.
template <class T, class Exec> int TrainLoopOn<T, Exec>::weight_index(const std::string& name) const {
  const std::vector<std::string>& names = graph_.weight_names;
  const auto i = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  if (i == names.size() || !graph_.trainable[i])
    throw Error({.field = "weight",
                 .value = name,
                 .reason = "the network has no trainable weight of this name",
                 .fix = known_names(name, weight_names())});
  return static_cast<int>(i);
}
template <class T, class Exec> NamedArray TrainLoopOn<T, Exec>::weight(const std::string& name) const {
  const int i = weight_index(name);
  return pytorch_array(graph_, i, name, session_.get_weight(i));
}
template <class T, class Exec> NamedArray TrainLoopOn<T, Exec>::gradient(const std::string& name) const {
  const int i = weight_index(name);
  return pytorch_array(graph_, i, name, session_.get_diff_weight(i));
}

template <class T, class Exec> std::string TrainLoopOn<T, Exec>::find_not_finite() {
  if (!batch_)
    throw std::logic_error("RunControl::find_not_finite: no batch is under way outside on_before_optimizer_step");
  session_.watch(true);
  for (int m = 0; m < batch_->n / micro_batch_ && session_.not_finite().empty(); ++m)
    micro_batch_gradients(*batch_, m, m);
  session_.finish_step();
  std::string found = session_.not_finite();
  session_.watch(false);
  return found;
}

// ---- checkpoints

template <class T, class Exec> Checkpoint TrainLoopOn<T, Exec>::checkpoint() const {
  Checkpoint c;
  c.settings = settings_.to_ini(false);
  c.network = graph_.name;
  c.precision = settings_.text("train.precision");
  const auto arrays = [&] {
    std::vector<NamedArray> all;
    for (int i = 0; i < session_.num_weights(); ++i)
      all.push_back(pytorch_array(graph_, i, graph_.weight_names[static_cast<size_t>(i)], session_.get_weight(i)));
    return all;
  };
  if (average_.on() || rounding_.on()) {
    c.trained_weights = arrays();
    use_answering_weights();
    c.weights = arrays();
    use_learning_weights();
  } else {
    c.weights = arrays();
  }
  c.ranges = ranges_;
  c.optimizer = groups_.front().optimizer->name();
  c.optimizer_steps = groups_.front().optimizer->steps();
  for (const Group& group : groups_) {
    for (const OptimizerState<T>& state : group.optimizer->states()) {
      std::vector<T> values(static_cast<size_t>(state.values.shape.count()));
      session_.download(state.values, values.data());
      if (state.weight.empty()) {
        c.optimizer_state.push_back({state.name, {state.values.shape.c}, {values.begin(), values.end()}});
        continue;
      }
      const auto weight = std::find(graph_.weight_names.begin(), graph_.weight_names.end(), state.weight);
      c.optimizer_state.push_back(pytorch_array(graph_, static_cast<int>(weight - graph_.weight_names.begin()),
                                                state.name + "/" + state.weight, values));
    }
    for (const OptimizerScalar& scalar : group.optimizer->scalars())
      c.optimizer_scalars.push_back({group.scalar(scalar.name), *scalar.value});
  }
  c.scheduler = scheduler_->name();
  c.scheduler_state = scheduler_->state();
  for (const std::unique_ptr<Callback>& callback : callbacks_)
    if (const std::string name = callback->state_name(); !name.empty()) {
      const std::vector<double> state = callback->state();
      c.callbacks.push_back({name, {static_cast<index_t>(state.size())}, state});
    }
  c.seed = seed_settings(settings_);
  c.epoch = at_.epoch;
  c.batch = at_.batch;
  c.step = at_.step;
  c.loss_sum = at_.loss_sum;
  c.monitor = info_.monitor;
  c.best = at_.best;
  c.best_epoch = at_.best_epoch;
  c.protocol = protocol_.name;
  c.metrics = at_.metrics;
  c.focal_x = at_.focal_x;
  c.focal_y = at_.focal_y;
  c.median_depth = at_.median_depth;
  c.mean_map = at_.mean_map;
  return c;
}

template <class T, class Exec> void TrainLoopOn<T, Exec>::begin_with(const Checkpoint& c, const std::string& file) {
  check_weights(graph_, c.weights, file);
  for (int i = 0; i < session_.num_weights(); ++i) session_.set_weight(i, internal_values<T>(graph_, i, c.weights));
  average_.update(0);
}

template <class T, class Exec> void TrainLoopOn<T, Exec>::restore(const Checkpoint& c, const std::string& file) {
  check_weights(graph_, c.weights, file);
  if (!c.trained_weights.empty()) check_weights(graph_, c.trained_weights, file);
  const auto want = [&](const char* field, const std::string& has, const std::string& wanted) {
    if (has != wanted)
      throw Error({.file = file,
                   .field = field,
                   .value = has,
                   .reason = "the settings ask for " + wanted + ", so the run can't go on as it began",
                   .fix = "Resume with the settings of the run, or start a new one"});
  };
  want("precision", c.precision, settings_.text("train.precision"));
  want("optimizer", c.optimizer, groups_.front().optimizer->name());
  want("scheduler", c.scheduler, scheduler_->name());
  want("quantize.aware", c.ranges.empty() ? "false" : "true", rounding_.on() ? "true" : "false");
  if (!rounding_.on())
    want("train.ema", c.trained_weights.empty() ? "none" : "an average", average_.on() ? "an average" : "none");
  want("seed", std::to_string(c.seed), std::to_string(seed_settings(settings_)));
  // A checkpoint from right after an epoch's last step: its validation is still to come.
  if (c.batch > info_.steps_per_epoch || c.epoch > info_.epochs)
    throw Error(
        {.file = file,
         .field = "epoch",
         .value = std::to_string(c.epoch) + ", batch " + std::to_string(c.batch),
         .reason = "the settings have " + std::to_string(info_.epochs) + " epochs of " +
                   std::to_string(info_.steps_per_epoch) + " batches",
         .fix = "Resume with the data, data.batch_size and train.epochs of the run (more epochs are possible)"});

  for (int i = 0; i < session_.num_weights(); ++i) {
    session_.set_weight(i, internal_values<T>(graph_, i, c.trained_weights.empty() ? c.weights : c.trained_weights));
    if (average_.on())
      session_.upload(internal_values<T>(graph_, i, c.weights).data(), average_.of(session_.weight(i)));
  }
  const auto missing = [&](const std::string& name) {
    throw Error({.file = file,
                 .field = "optimizer/" + name,
                 .reason = "this state of the optimizer is missing or has another size",
                 .fix = "Resume with the [optimizer] settings of the run"});
  };
  size_t states = 0;
  for (const Group& group : groups_) {
    group.optimizer->set_steps(c.optimizer_steps);
    for (const OptimizerScalar& scalar : group.optimizer->scalars()) {
      const std::string name = group.scalar(scalar.name);
      const auto found = std::find_if(c.optimizer_scalars.begin(), c.optimizer_scalars.end(),
                                      [&](const NamedNumber& number) { return number.first == name; });
      if (found == c.optimizer_scalars.end()) missing(name);
      *scalar.value = found->second;
    }
    for (const OptimizerState<T>& state : group.optimizer->states()) {
      const bool row = state.weight.empty();
      const std::string name = row ? state.name : state.name + "/" + state.weight;
      const auto found = std::find_if(c.optimizer_state.begin(), c.optimizer_state.end(),
                                      [&](const NamedArray& array) { return array.name == name; });
      if (found == c.optimizer_state.end() || static_cast<index_t>(found->values.size()) != state.values.shape.count())
        missing(name);
      const std::vector<T> values(found->values.begin(), found->values.end());
      session_.upload((row ? values : from_pytorch(values, state.values.shape)).data(), state.values);
      ++states;
    }
  }
  want("optimizer's number of states", std::to_string(c.optimizer_state.size()), std::to_string(states));
  scheduler_->set_state(c.scheduler_state);
  last_lr_ = scheduler_->at(by_epoch_ ? c.epoch : std::max<index_t>(c.step - 1, 0)).lr;
  callback_states_ = c.callbacks;
  at_ = {c.epoch,   c.batch,   c.step,    c.loss_sum,     c.best,     c.best_epoch,
         c.metrics, c.focal_x, c.focal_y, c.median_depth, c.mean_map, true};
}

} // namespace leadline::trainer
