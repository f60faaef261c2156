// A program of a user's own on the installed trainer: it adds a network, a loss and a callback with options of its own,
// and trains one run.
// (With `return leadline::trainer::run_command_line(argc, argv);` as its main it would be the whole program `leadline`
// plus what it adds.)
#include "trainer/callbacks/callbacks.hpp"
#include "trainer/compute.hpp"
#include "trainer/losses/losses.hpp"
#include "trainer/losses/pointwise.hpp"
#include "trainer/networks/network.hpp"
#include "trainer/train_loop.hpp"
#include "trainer/train_settings.hpp"

#include "shared/core/kokkos_exec.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>

namespace {

using namespace leadline;
using namespace leadline::trainer;

/// Two convolutions; `model.width` is an option of its own.
Network tiny_network() {
  return {.name = "tiny",
          .description = "two convolutions",
          .options = {{"model.width", "4", "channels of the hidden layer"}},
          .build = [](const Settings& settings, const Shape& input) {
            GraphBuilder builder("tiny", input);
            Conv2d::Params hidden;
            hidden.out_channels = static_cast<int32_t>(settings.integer("model.width", 1, 1024));
            hidden.kernel_h = hidden.kernel_w = 3;
            hidden.padding_top = hidden.padding_bottom = hidden.padding_left = hidden.padding_right = 1;
            int32_t x = builder.add<Conv2d>(hidden, {builder.input()}, "hidden");
            x = builder.add<Activation>(make_activation(ActivationKind::relu), {x}, "relu");
            Conv2d::Params head;
            x = builder.add<Conv2d>(head, {x}, "head");
            x = builder.add<Activation>(make_activation(ActivationKind::softplus), {x}, "softplus");
            builder.output(x);
            return builder.finish();
          }};
}

/// Charbonnier's loss, mean of sqrt(d^2 + eps^2) over valid pixels: L1 with a round corner.
template <class T> struct CharbonnierRule {
  static constexpr const char *name = "charbonnier", *label = "consumer::loss::charbonnier";
  T eps;
  explicit CharbonnierRule(const LossParams& params) : eps(0.1f) {
    if (const auto given = params.extra.find("eps"); given != params.extra.end()) eps = static_cast<T>(given->second);
  }
  LEADLINE_INLINE_FUNCTION T value(T d) const { return math::sqrt(d * d + eps * eps); }
  LEADLINE_INLINE_FUNCTION T derivative(T d) const { return d / value(d); }
};

struct Seen {
  int steps = 0, epochs = 0;
  double largest_gradient = 0;
  double first_loss = 0, last_loss = 0;
  bool finished = false;
};

/// Counts what it is told, and looks at a gradient now and then.
class Witness : public Callback {
public:
  Witness(Seen* seen, index_t every) : seen_(seen), every_(every) {}
  void on_before_optimizer_step(const StepReport& report, RunControl& run) override {
    if (report.step % every_ != 0) return;
    for (const double g : run.gradient("head.weight").values)
      seen_->largest_gradient = std::max(seen_->largest_gradient, std::abs(g));
  }
  void on_step(const StepReport& report, RunControl&) override {
    if (seen_->steps++ == 0) seen_->first_loss = report.loss;
    seen_->last_loss = report.loss;
  }
  void on_epoch_end(const EpochReport&, RunControl&) override { ++seen_->epochs; }
  void on_finish(RunControl&) override { seen_->finished = true; }

private:
  Seen* seen_;
  index_t every_;
};

int train() {
  register_network(tiny_network());
  loss_registry<float, DefaultExec>().add("charbonnier", [](const LossParams& params) {
    return std::make_unique<losses::PointwiseLoss<float, DefaultExec, CharbonnierRule<float>>>(params);
  });

  Seen seen;
  callback_registry().push_back({"witness",
                                 {{"witness.every", "10", "steps between two looks at a gradient"}},
                                 [&](const Settings& own, const RunDirectory&, bool) -> std::unique_ptr<Callback> {
                                   return std::make_unique<Witness>(&seen, own.integer("witness.every", 1, 1000));
                                 }});

  Settings settings(train_option_groups());
  for (const auto& [key, value] : {std::pair{"model.network", "tiny"},
                                   {"model.width", "6"},
                                   {"loss.name", "charbonnier + 0.1*gradient"},
                                   {"witness.every", "5"},
                                   {"loss.extra", "eps=0.05"},
                                   {"data.train", "synthetic:count=8,height=24,width=32"},
                                   {"data.val", "synthetic:count=4,split=val,height=24,width=32"},
                                   {"data.size", "24x32"},
                                   {"data.batch_size", "4"},
                                   {"optimizer.lr", "0.02"},
                                   {"scheduler.name", "constant"},
                                   {"train.epochs", "10"}})
    settings.set(key, value, "main.cpp");

  const Compute compute(2);
  const Datasets sets = open_datasets(settings);
  const std::unique_ptr<TrainLoop> loop = make_train_loop(settings, sets.train, sets.val);
  loop->add(
      callback_registry().back().make(settings, RunDirectory{}, false)); // make_callbacks: all, with a run's files
  loop->run();

  std::printf("%s: %d steps, %d epochs, loss %.4f to %.4f\n", loop->info().network.c_str(), seen.steps, seen.epochs,
              seen.first_loss, seen.last_loss);
  const bool learned = seen.last_loss < seen.first_loss; // false for NaN too
  const bool looked = seen.largest_gradient > 0;
  return looked && seen.steps == 20 && seen.epochs == 10 && seen.finished && learned && loop->info().network == "tiny"
             ? 0
             : 1;
}

} // namespace

int main() {
  try {
    return train();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "consumer: error: %s\n", error.what());
    return 1;
  }
}
