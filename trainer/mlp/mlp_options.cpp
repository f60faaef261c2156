#include "trainer/mlp/mlp_options.hpp"

#include "data/image_io.hpp"
#include "trainer/text.hpp"

#include <limits>

namespace leadline::trainer {

namespace {

constexpr double huge = std::numeric_limits<double>::max();
constexpr index_t most = index_t{1} << 40;

std::vector<std::string> parts(const std::string& text) {
  std::vector<std::string> all = comma_list(trimmed(text, " ()"));
  std::erase(all, "");
  return all;
}

} // namespace

std::vector<OptionGroup> mlp_options() {
  return {{"Model, with scikit-learn's names and defaults",
           {{"hidden_layer_sizes", "100", "units of the hidden layers, with commas between"},
            {"activation", "relu", "of the hidden layers", {"identity", "logistic", "tanh", "relu"}},
            {"solver", "adam", "how it learns", {"lbfgs", "sgd", "adam"}},
            {"alpha", "0.0001", "L2 penalty"},
            {"batch_size", "auto", "samples of a step; auto: min(200, rows)"},
            {"learning_rate", "constant", "of sgd", {"constant", "invscaling", "adaptive"}},
            {"learning_rate_init", "0.001", "of sgd and adam"},
            {"power_t", "0.5", "of invscaling"},
            {"max_iter", "200", "epochs, or lbfgs' iterations"},
            {"shuffle", "true", "the rows, each epoch"},
            {"random_state", "0", "seed of weights, shuffles and splits; none: another one each time"},
            {"tol", "0.0001", "smaller improvements count as none"},
            {"verbose", "false", "a line for each epoch"},
            {"momentum", "0.9", "of sgd"},
            {"nesterovs_momentum", "true", "of sgd"},
            {"early_stopping", "false", "stop by the score on a part of the rows"},
            {"validation_fraction", "0.1", "that part"},
            {"beta_1", "0.9", "of adam"},
            {"beta_2", "0.999", "of adam"},
            {"epsilon", "1e-8", "of adam"},
            {"n_iter_no_change", "10", "epochs without improvement before it stops; inf: never"},
            {"max_fun", "15000", "evaluations of lbfgs"},
            {"loss", "squared_error", "of a regressor", {"squared_error", "poisson", "absolute_error", "huber"}}}},
          {"Model, beyond scikit-learn",
           {{"activations", "", "one for each hidden layer, with commas between"},
            {"dropout", "0", "share of hidden values left out in training"},
            {"class_weight", "none", "none, balanced, or CLASS=WEIGHT,... with classes counted from 0"},
            {"huber_delta", "1", "where the loss huber becomes linear"},
            {"validation_loss", "false", "with early_stopping: its curve, too"},
            {"compat", "none", "sklearn: its gradient for several outputs, which is too large", {"none", "sklearn"}},
            {"dtype", "float64", "of all numbers", {"float32", "float64"}},
            {"exec", "host", "of sgd, adam: MLP kernels, or depth networks' layers", {"host", "layers", "kokkos"}},
            {"threads", "0",
             "CPU threads, same bits for any number; 0: one for small networks, else OMP_NUM_THREADS or all cores, at "
             "most 4"}}}};
}

MLPParams mlp_params(const Settings& s, bool classifier) {
  MLPParams p;
  p.hidden_layer_sizes.clear();
  for (const std::string& part : parts(s.text("hidden_layer_sizes"))) {
    index_t size = 0;
    if (!parse_integer(part, &size) || size < 1 || size > 1000000)
      s.fail("hidden_layer_sizes", "\"" + part + "\" is no size of a layer",
             "Use whole numbers from 1 to 1000000, with commas between");
    p.hidden_layer_sizes.push_back(size);
  }
  p.activation = s.text("activation");
  p.activations = parts(s.text("activations"));
  p.solver = s.text("solver");
  p.alpha = s.real("alpha", 0, huge);
  if (s.text("batch_size") != "auto") p.batch_size = s.integer("batch_size", 1, most);
  p.learning_rate = s.text("learning_rate");
  p.learning_rate_init = s.real("learning_rate_init", 1e-300, huge);
  p.power_t = s.real("power_t", 0, huge);
  p.max_iter = s.integer("max_iter", 1, most);
  p.shuffle = s.boolean("shuffle");
  if (s.text("random_state") != "none")
    p.random_state = static_cast<uint32_t>(s.integer("random_state", 0, 0xffffffff));
  p.tol = s.real("tol", 0, huge);
  p.verbose = s.boolean("verbose");
  p.momentum = s.real("momentum", 0, 1);
  p.nesterovs_momentum = s.boolean("nesterovs_momentum");
  p.early_stopping = s.boolean("early_stopping");
  p.validation_fraction = s.real("validation_fraction", 0, 1);
  if (p.validation_fraction >= 1 || (p.early_stopping && !(p.validation_fraction > 0)))
    s.fail("validation_fraction",
           p.validation_fraction >= 1 ? "no rows would be left to fit" : "early_stopping needs rows",
           "Use a number in (0, 1), such as 0.1");
  p.beta_1 = s.real("beta_1", 0, 1);
  p.beta_2 = s.real("beta_2", 0, 1);
  p.epsilon = s.real("epsilon", 1e-300, huge);
  p.n_iter_no_change.reset();
  if (s.text("n_iter_no_change") != "inf") p.n_iter_no_change = s.integer("n_iter_no_change", 1, most);
  p.max_fun = s.integer("max_fun", 1, most);
  if (!classifier)
    p.loss = s.text("loss");
  else if (s.given("loss"))
    s.fail("loss", "a classifier's loss is the log loss", "Leave it out, or add --task regressor");
  p.dropout = s.real("dropout", 0, 0.999999);
  const std::string weights = s.known("class_weight") ? s.text("class_weight") : "none";
  if (weights == "none" || weights == "balanced") {
    p.class_weight = weights;
  } else {
    for (const std::string& part : parts(weights)) {
      const size_t equals = part.find('=');
      index_t name = 0;
      double weight = 0;
      if (equals == std::string::npos || !parse_integer(part.substr(0, equals), &name) ||
          !parse_real(part.substr(equals + 1), &weight) || weight < 0)
        s.fail("class_weight", "\"" + part + "\" is no weight",
               "Use none, balanced, or CLASS=WEIGHT,... such as 0=1,1=2.5");
      p.class_weights[name] = weight;
    }
  }
  p.huber_delta = s.real("huber_delta", 1e-300, huge);
  p.validation_loss = s.boolean("validation_loss");
  p.compat = s.text("compat");
  p.exec = s.text("exec");
  p.threads = static_cast<int>(s.integer("threads", 0, 64));
  return p;
}

void out_of_memory(const Settings& s, index_t features, index_t outputs) {
  std::vector<std::string> sizes = parts(s.text("hidden_layer_sizes"));
  sizes.push_back(std::to_string(outputs));
  double weights = 0, before = static_cast<double>(features);
  for (const std::string& part : sizes) {
    index_t size = 0;
    parse_integer(part, &size);
    weights += (before + 1) * static_cast<double>(size);
    before = static_cast<double>(size);
  }
  const double bytes = 4 * weights * (s.text("dtype") == "float32" ? 4 : 8); // with gradients and two moments
  s.fail("hidden_layer_sizes",
         "memory is short: " + decimals(weights, 0) + " weights take some " + decimals(bytes / 1e9, 1) +
             " GB to fit, besides the table",
         "Use smaller hidden layers, or --dtype float32");
}

void write_record(const std::string& file, const Settings& settings) {
  std::string text = "[mlp]\n";
  for (const std::string& key : settings.keys())
    if (!settings.spec(key).is_switch && key != "out") text += key + " = " + settings.text(key) + "\n";
  data::write_file(file, text.data(), text.size());
}

} // namespace leadline::trainer
