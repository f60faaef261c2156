#include "trainer/mlp/fitted.hpp"

#include "data/error.hpp"
#include "shared/layers/layers.hpp"
#include "trainer/mlp/standard_scaler.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <sstream>

namespace leadline::trainer {

using mlp::Activation;

namespace {

constexpr const char* activation_names[] = {"identity", "logistic", "tanh", "relu", "softmax", "exp"};

Activation activation_of(const Settings& settings, const std::string& key, const std::string& name) {
  for (int i = 0; i < 6; ++i)
    if (name == activation_names[i]) return static_cast<Activation>(i);
  settings.fail(key, "there is no such activation", "The file is damaged, or of a newer Leadline");
}

/// Names with commas between; a comma or percent sign in a name becomes %2C, %25, a line's end %0A.
std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += i ? "," : "";
    for (const char c : names[i])
      text += c == ',' ? "%2C" : c == '%' ? "%25" : c == '#' ? "%23" : c == '\n' ? "%0A" : std::string(1, c);
  }
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    for (const auto& [code, character] : {std::pair{"%2C", ","}, {"%23", "#"}, {"%0A", "\n"}, {"%25", "%"}})
      for (size_t at = part.find(code); at != std::string::npos; at = part.find(code, at + 1))
        part.replace(at, 3, character);
    names.push_back(part);
  }
  return names;
}

std::vector<OptionGroup> file_options() {
  return {{"MLP",
           {{"mlp.task", "classifier", "what it answers", {"classifier", "regressor"}},
            {"mlp.units", "", "features, hidden layers, outputs"},
            {"mlp.activations", "", "of the hidden layers"},
            {"mlp.out_activation", "", "of the outputs"},
            {"mlp.features", "", "names"},
            {"mlp.targets", "", "names of the target columns"},
            {"mlp.named", "true", "whether the table had names for its columns", {"true", "false"}},
            {"mlp.classes", "", "names of classes or targets"},
            {"mlp.data", "", "what it was fitted on"}}}};
}

/// Two classes come from one output: its probability and the rest.
bool two_from_one(const FittedMLP& model) { return model.classifier && model.shape.units.back() == 1; }

template <class T> std::vector<double> run(const FittedMLP& model, const std::vector<double>& x, index_t n) {
  mlp::Network<T> network(model.shape);
  for (size_t l = 0; l < model.shape.layers(); ++l) {
    network.set_coefs(l, std::vector<T>(model.weights.coefs[l].begin(), model.weights.coefs[l].end()).data());
    network.set_intercepts(
        l, std::vector<T>(model.weights.intercepts[l].begin(), model.weights.intercepts[l].end()).data());
  }
  const std::vector<T> input(x.begin(), x.end());
  std::vector<T> output(static_cast<size_t>(n * model.shape.units.back()));
  network.predict(input.data(), n, output.data());
  return {output.begin(), output.end()};
}

} // namespace

std::vector<double> FittedMLP::predict(const std::vector<double>& x, index_t n) const {
  const auto features = static_cast<size_t>(shape.units.front());
  if (x.size() != static_cast<size_t>(n) * features)
    throw Error({.field = "features",
                 .value = std::to_string(x.size() / static_cast<size_t>(std::max<index_t>(n, 1))),
                 .reason = "the model was fitted with " + std::to_string(features),
                 .fix = "Give the same columns; --target says which one is none of them"});
  std::vector<double> scaled = x;
  if (!mean.empty()) mlp::StandardScaler{mean, scale}.transform(scaled);
  const std::vector<double> output = precision == "f32" ? run<float>(*this, scaled, n) : run<double>(*this, scaled, n);
  if (!two_from_one(*this)) return output;
  std::vector<double> both;
  for (const double p : output) both.insert(both.end(), {1 - p, p});
  return both;
}

void write_mlp(const std::string& file, const FittedMLP& model) {
  Checkpoint c;
  c.network = "mlp";
  c.precision = model.precision;
  std::string units, activations;
  for (const index_t size : model.shape.units) units += (units.empty() ? "" : ",") + std::to_string(size);
  for (const Activation a : model.shape.hidden)
    activations += (activations.empty() ? "" : ",") + std::string(activation_names[static_cast<int>(a)]);
  c.settings = "[mlp]\ntask = " + std::string(model.classifier ? "classifier" : "regressor") + "\nunits = " + units +
               "\nactivations = " + activations +
               "\nout_activation = " + activation_names[static_cast<int>(model.shape.output)] +
               "\nfeatures = " + joined(model.columns.features) + "\ntargets = " + joined(model.columns.targets) +
               "\nnamed = " + (model.columns.named ? "true" : "false") + "\nclasses = " + joined(model.classes) +
               "\ndata = " + joined({model.data}) + "\n";
  for (size_t l = 0; l < model.shape.layers(); ++l) {
    const std::string number = std::to_string(l);
    c.weights.push_back({"coefs_" + number, {model.shape.units[l], model.shape.units[l + 1]}, model.weights.coefs[l]});
    c.weights.push_back({"intercepts_" + number, {model.shape.units[l + 1]}, model.weights.intercepts[l]});
  }
  if (!model.mean.empty()) {
    c.weights.push_back({"mean", {model.shape.units[0]}, model.mean});
    c.weights.push_back({"scale", {model.shape.units[0]}, model.scale});
  }
  c.metrics = model.metrics;
  write_checkpoint(file, c);
}

FittedMLP mlp_from_checkpoint(const Checkpoint& c, const std::string& file) {
  if (c.network != "mlp")
    throw Error({.file = file,
                 .field = "network",
                 .value = c.network,
                 .reason = "this is no fitted MLP",
                 .fix = "`leadline mlp fit` writes one; depth networks are for `leadline evaluate` and `predict`"});
  Settings settings(file_options());
  read_settings_text(c.settings, file, settings);
  FittedMLP model;
  model.classifier = settings.text("mlp.task") == "classifier";
  model.precision = c.precision;
  for (const std::string& size : split(settings.text("mlp.units"))) {
    index_t value = 0;
    if (!parse_integer(size, &value) || value < 1)
      settings.fail("mlp.units", "it is no list of sizes", "The file is damaged");
    model.shape.units.push_back(value);
  }
  for (const std::string& name : split(settings.text("mlp.activations")))
    model.shape.hidden.push_back(activation_of(settings, "mlp.activations", name));
  if (model.shape.units.size() < 2 || model.shape.hidden.size() + 2 != model.shape.units.size())
    settings.fail("mlp.units", "the numbers of layers and activations don't agree", "The file is damaged");
  model.shape.output = activation_of(settings, "mlp.out_activation", settings.text("mlp.out_activation"));
  model.columns = {split(settings.text("mlp.features")), split(settings.text("mlp.targets")),
                   settings.boolean("mlp.named")};
  model.classes = split(settings.text("mlp.classes"));
  const std::vector<std::string> data = split(settings.text("mlp.data"));
  if (!data.empty()) model.data = data.front();
  const auto array = [&](const std::string& name, index_t count, bool required) {
    for (const NamedArray& weight : c.weights)
      if (weight.name == name && static_cast<index_t>(weight.values.size()) == count) return weight.values;
    if (required)
      throw Error(
          {.file = file, .field = name, .reason = "it is missing or of another size", .fix = "The file is damaged"});
    return std::vector<double>();
  };
  for (size_t l = 0; l < model.shape.layers(); ++l) {
    const std::string number = std::to_string(l);
    model.weights.coefs.push_back(array("coefs_" + number, model.shape.units[l] * model.shape.units[l + 1], true));
    model.weights.intercepts.push_back(array("intercepts_" + number, model.shape.units[l + 1], true));
  }
  model.mean = array("mean", model.shape.units[0], false);
  if (!model.mean.empty()) model.scale = array("scale", model.shape.units[0], true);
  model.metrics = c.metrics;
  return model;
}

FittedMLP read_mlp(const std::string& file) { return mlp_from_checkpoint(read_checkpoint(file), file); }

Graph mlp_graph(const FittedMLP& model, std::vector<std::vector<float>>* weights) {
  const auto layers = model.shape.layers();
  GraphBuilder builder("mlp", {1, 1, 1, model.shape.units[0]});
  int32_t value = builder.input();
  for (size_t l = 0; l < layers; ++l) {
    const bool last = l + 1 == layers;
    const index_t fan_in = model.shape.units[l], fan_out = model.shape.units[l + 1];
    // [fan_in, fan_out] becomes [fan_out, fan_in]; (x - mean) / scale W + b = x (W / scale) + (b - mean / scale W)
    std::vector<double> w(static_cast<size_t>(fan_in * fan_out)), b = model.weights.intercepts[l];
    for (index_t i = 0; i < fan_in; ++i)
      for (index_t o = 0; o < fan_out; ++o) {
        double& to = w[static_cast<size_t>(o * fan_in + i)];
        to = model.weights.coefs[l][static_cast<size_t>(i * fan_out + o)];
        if (l > 0 || model.mean.empty()) continue;
        to /= model.scale[static_cast<size_t>(i)];
        b[static_cast<size_t>(o)] -= to * model.mean[static_cast<size_t>(i)];
      }
    Activation activation = last ? model.shape.output : model.shape.hidden[l];
    index_t outputs = fan_out;
    if (last && two_from_one(model)) { // softmax(0, z) = (1 - logistic(z), logistic(z))
      w.insert(w.begin(), static_cast<size_t>(fan_in), 0.0);
      b.insert(b.begin(), 0.0);
      outputs = 2;
      activation = Activation::softmax;
    }
    Linear::Params params;
    params.out_features = static_cast<int32_t>(outputs);
    const std::string name = "layers." + std::to_string(l);
    switch (activation) {
    case Activation::relu: params.activation = make_activation(ActivationKind::relu); break;
    case Activation::logistic: params.activation = make_activation(ActivationKind::sigmoid); break;
    case Activation::tanh: params.activation = make_activation(ActivationKind::tanh); break;
    case Activation::exp: params.activation = make_activation(ActivationKind::exp); break;
    default: break;
    }
    value = builder.add<Linear>(params, {value}, name);
    if (activation == Activation::softmax) value = builder.add<Softmax>({}, {value}, "softmax");
    weights->emplace_back(w.begin(), w.end());
    weights->emplace_back(b.begin(), b.end());
  }
  builder.output(value);
  return builder.finish();
}

} // namespace leadline::trainer
