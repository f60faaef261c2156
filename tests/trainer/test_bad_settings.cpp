// Values that no run can have: each is refused before the run starts, by the option's name and with what is allowed.
#include "tests/trainer/toy_runs.hpp"
#include "trainer/callbacks/callbacks.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

using namespace leadline;
using namespace leadline::testing;
using Catch::Matchers::ContainsSubstring;
using Changes = std::vector<std::pair<std::string, std::string>>;

namespace {

struct Mistake {
  const char *key, *value;
  std::vector<std::string> words;                            ///< that the message has besides the key
  std::vector<std::pair<std::string, std::string>> others{}; ///< settings that give the key its meaning
};

/// What is said about these settings; empty: they are taken.
std::string message(const Mistake& mistake) {
  Changes changes = mistake.others;
  changes.push_back({mistake.key, mistake.value});
  try {
    const Settings settings = toy_settings(changes); // choices are checked here
    const auto loop = make_train_loop(settings, toy_frames(22, 1), toy_frames(5, 2));
    make_callbacks(settings, RunDirectory{"/tmp"}, false);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const Changes sgd{{"optimizer.name", "sgd"}}, rmsprop{{"optimizer.name", "rmsprop"}},
    adadelta{{"optimizer.name", "adadelta"}}, lbfgs{{"optimizer.name", "lbfgs"}};

Changes schedule(const std::string& name) { return {{"scheduler.name", name}}; }

} // namespace

TEST_CASE("each mistake is named, with what would be right") {
  const std::vector<Mistake> mistakes{
      // names
      {"optimizer.name", "adamm", {"\"adam", "sgd"}},
      {"optimizer.name", "", {"not given", "--optimizer.name"}},
      {"scheduler.name", "onecycle", {"\"one_cycle\"", "plateau"}},
      {"loss.name", "sillog", {"\"silog\"", "ssim"}},
      {"loss.name", "silog + 0.5*gradeint", {"\"gradient\""}},
      {"loss.name", "silog - 0.5*gradient", {"loss"}},
      {"model.network", "unett", {"Use unet, "}},
      {"eval.monitor", "delta4", {"delta1, delta2"}},
      {"eval.protocol", "egien", {"eigen"}},
      // optimizers
      {"optimizer.lr", "-0.1", {"number from 0 to 1e+06"}},
      {"optimizer.lr", "nan", {"not a number"}},
      {"optimizer.lr", "1e-3x", {"not a number"}},
      {"optimizer.lr", "inf", {"not a number"}},
      {"optimizer.weight_decay", "-1e-4", {"number from 0"}},
      {"optimizer.momentum", "1", {"number from 0 to 1"}, sgd},
      {"optimizer.momentum", "-0.9", {"number from 0 to 1"}, sgd},
      {"optimizer.dampening", "2", {"number from 0 to 1"}, sgd},
      {"optimizer.nesterov", "true", {"momentum", "nesterov"}, sgd},
      {"optimizer.nesterov", "perhaps", {"true or false"}, sgd},
      {"optimizer.betas", "0.9, 1", {"below 1", "0.9, 0.999"}},
      {"optimizer.betas", "-0.1, 0.9", {"at least 0", "0.9, 0.999"}},
      {"optimizer.betas", "0.9", {"1 numbers", "2 numbers"}},
      {"optimizer.betas", "0.9, 0.99, 0.999", {"3 numbers"}},
      {"optimizer.betas", "0.9, much", {"\"much\" is not a number"}},
      {"optimizer.betas", "0.9,, 0.99", {"between two commas"}},
      {"optimizer.eps", "-1e-8", {"number from 0 to 1"}},
      {"optimizer.alpha", "1", {"number from 0"}, rmsprop},
      {"optimizer.rho", "1.5", {"number from 0"}, adadelta},
      {"optimizer.lr_decay", "-1", {"number from 0"}},
      {"optimizer.initial_accumulator_value", "-1", {"number from 0"}},
      {"optimizer.momentum_decay", "-1", {"number from 0"}},
      {"optimizer.decoupled_weight_decay", "sometimes", {"true or false"}},
      {"optimizer.max_iter", "0", {"whole number from 1"}, lbfgs},
      {"optimizer.max_eval", "-3", {"whole number from 0"}, lbfgs},
      {"optimizer.history_size", "0", {"whole number from 1"}, lbfgs},
      {"optimizer.history_size", "ten", {"whole number"}, lbfgs},
      {"optimizer.tolerance_grad", "-1", {"number from 0"}, lbfgs},
      {"optimizer.tolerance_change", "-1", {"number from 0"}, lbfgs},
      {"optimizer.line_search", "armijo", {"strong_wolfe or none"}, lbfgs},
      {"optimizer.lr_factors", "down.*", {"name=number"}},
      {"optimizer.lr_factors", "down.*=-2", {"0 (frozen)"}},
      {"optimizer.lr_factors", "encoder.*=0.1", {"down.0.0.weight"}},
      {"optimizer.no_decay", "norms", {"none of the network's weights"}},
      {"optimizer.extra", "=3", {"name=number"}},
      {"optimizer.name", "lbfgs", {"clip_norm"}, {{"train.clip_norm", "1"}}},
      {"optimizer.name", "lbfgs", {"no_decay"}, {{"optimizer.no_decay", "bias"}}},
      // schedulers
      {"scheduler.max_lr", "-1", {"number from 0"}, schedule("one_cycle")},
      {"scheduler.pct_start", "1.5", {"number from 0 to 1"}, schedule("one_cycle")},
      {"scheduler.anneal_strategy", "cosine", {"cos or linear"}, schedule("one_cycle")},
      {"scheduler.div_factor", "0", {"number from 1e-12"}, schedule("one_cycle")},
      {"scheduler.final_div_factor", "-1", {"number from 1e-12"}, schedule("one_cycle")},
      {"scheduler.cycle_momentum",
       "true",
       {"no momentum", "optimizer.momentum"},
       {{"optimizer.name", "sgd"}, {"scheduler.name", "one_cycle"}}},
      {"scheduler.max_momentum", "1", {"number from 0"}, schedule("one_cycle")},
      {"scheduler.max_momentum", "0.5", {"below the momentum at the peak", "0.85"}, schedule("one_cycle")},
      {"scheduler.step_size", "0", {"whole number from 1"}, schedule("step")},
      {"scheduler.step_size", "2.5", {"whole number"}, schedule("step")},
      {"scheduler.gamma", "0", {"number from 1e-12"}, schedule("step")},
      {"scheduler.gamma", "-0.1", {"number from 1e-12"}, schedule("exponential")},
      {"scheduler.milestones", "", {"at least one step"}, schedule("multistep")},
      {"scheduler.milestones", "8, 4", {"rising order"}, schedule("multistep")},
      {"scheduler.milestones", "4, 4", {"rising order"}, schedule("multistep")},
      {"scheduler.milestones", "-4", {"rising order"}, schedule("multistep")},
      {"scheduler.milestones", "4, soon", {"\"soon\"", "whole number"}, schedule("multistep")},
      {"scheduler.t_max", "-1", {"whole number from 0"}, schedule("cosine")},
      {"scheduler.eta_min", "-1", {"number from 0"}, schedule("cosine")},
      {"scheduler.t_0", "0", {"whole number from 1"}, schedule("cosine_restarts")},
      {"scheduler.t_mult", "0", {"whole number from 1"}, schedule("cosine_restarts")},
      {"scheduler.total_iters", "-5", {"whole number from 0"}, schedule("polynomial")},
      {"scheduler.power", "-1", {"number from 0"}, schedule("polynomial")},
      {"scheduler.start_factor", "-1", {"number from 0"}, schedule("linear")},
      {"scheduler.end_factor", "-1", {"number from 0"}, schedule("linear")},
      {"scheduler.max_lr", "0.001", {"at least base_lr"}, schedule("cyclic")},
      {"scheduler.step_size_up", "0", {"whole number from 1"}, schedule("cyclic")},
      {"scheduler.mode", "square", {"triangular2"}, {{"scheduler.name", "cyclic"}, {"scheduler.max_lr", "1"}}},
      {"scheduler.mode", "lowest", {"min or max"}, schedule("plateau")},
      {"scheduler.factor", "1.5", {"(0, 1)"}, schedule("plateau")},
      {"scheduler.patience", "-1", {"whole number from 0"}, schedule("plateau")},
      {"scheduler.threshold", "-1", {"number from 0"}, schedule("plateau")},
      {"scheduler.threshold_mode", "both", {"rel or abs"}, schedule("plateau")},
      {"scheduler.cooldown", "-1", {"whole number from 0"}, schedule("plateau")},
      {"scheduler.min_lr", "-1", {"number from 0"}, schedule("plateau")},
      {"scheduler.warmup_steps", "20", {"20 steps"}},
      {"scheduler.unit", "minutes", {"step or epoch"}},
      {"scheduler.name", "linear:4, cosine:30, constant", {"cosine:30", "too long", "20"}},
      {"scheduler.name", "linear:0, constant", {"positive whole number"}},
      {"scheduler.name", "linear:, constant", {"positive whole number"}},
      {"scheduler.name", "linear, constant", {"has no length"}},
      {"scheduler.name", "linear:4, constant:5", {"is the last and has a length"}},
      {"scheduler.name", "linear:4,", {"no part of a sequence"}},
      {"scheduler.name", "linear:4, consant", {"\"constant\""}},
      // losses
      {"loss.silog_lambda", "1.5", {"number from 0 to 1"}},
      {"loss.silog_scale", "-1", {"number from 0"}},
      {"loss.min_depth", "0", {"positive depth"}},
      {"loss.berhu_fraction", "2", {"number from 0 to 1"}},
      {"loss.delta", "-1", {"number from 0"}},
      {"loss.name", "0*silog", {"positive"}},
      {"loss.extra", "eps", {"name=number"}},
      // training
      {"train.epochs", "0", {"whole number from 1"}},
      {"train.epochs", "many", {"whole number"}},
      {"train.seed", "-1", {"whole number from 0"}},
      {"train.clip_norm", "-1", {"number from 0"}},
      {"train.clip_value", "-0.5", {"number from 0"}},
      {"train.ema", "1", {"number from 0 to 1"}},
      {"train.ema", "-0.1", {"number from 0 to 1"}},
      {"train.val_every", "0", {"whole number from 1"}},
      {"train.micro_batch", "3", {"divide", "4"}},
      {"train.precision", "f16", {"f32 or f64"}},
      {"data.batch_size", "23", {"22 frames"}},
      {"data.batch_size", "0", {"whole number from 1"}},
      {"data.size", "0x24", {"from 1 to"}},
      // listeners
      {"run.checkpoint_every", "-1", {"whole number from 0"}},
      {"run.checkpoint_top_k", "-1", {"whole number from 0"}},
      {"run.max_minutes", "-1", {"number from 0"}},
      {"run.pictures", "65", {"whole number from 0 to 64"}},
      {"early_stopping.monitor", "loss", {"train_loss"}},
      {"early_stopping.patience", "0", {"whole number from 1"}, {{"early_stopping.monitor", "rmse"}}},
      {"early_stopping.min_delta", "-1", {"number from 0"}, {{"early_stopping.monitor", "rmse"}}},
      {"early_stopping.stopping_threshold", "soon", {"not a number"}, {{"early_stopping.monitor", "rmse"}}},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string text = message(mistake);
    INFO(mistake.key << " = " << mistake.value << "\n" << text);
    // The part of the key behind the dot: parts that are used without settings don't know the section.
    const std::string key = mistake.key;
    const std::string section = key.substr(0, key.find('.')), name = key.substr(key.find('.') + 1);
    CHECK((text.find(key) != std::string::npos || text.find(name == "name" ? section : name) != std::string::npos));
    for (const std::string& word : mistake.words) CHECK_THAT(text, ContainsSubstring(word));
  }
}

TEST_CASE("the same settings with good values are taken") {
  for (const Changes& changes :
       {Changes{{"optimizer.name", "sgd"}, {"optimizer.momentum", "0.9"}, {"optimizer.nesterov", "true"}},
        Changes{{"optimizer.name", "lbfgs"}, {"optimizer.max_iter", "3"}, {"optimizer.history_size", "2"}},
        Changes{{"scheduler.name", "multistep"}, {"scheduler.milestones", "0, 4,  8"}},
        Changes{{"scheduler.name", "cyclic"}, {"scheduler.max_lr", "0.1"}, {"scheduler.mode", "exp_range"}},
        Changes{{"scheduler.name", "linear:4,cosine:10,constant"}, {"scheduler.warmup_steps", "3"}},
        Changes{{"data.batch_size", "23"}, {"data.drop_last", "false"}},
        Changes{{"loss.name", "0.3*l1+1e-1*smoothness"}}}) {
    INFO(changes[0].second);
    CHECK(message({changes[0].first.c_str(), changes[0].second.c_str(), {}, changes}) == "");
  }
}
