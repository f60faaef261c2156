// leadline mlp fit, predict, score
#include "data/image_io.hpp"
#include "trainer/callbacks/stop_on_signal.hpp"
#include "trainer/commands.hpp"
#include "trainer/compute.hpp"
#include "trainer/mlp/fitted.hpp"
#include "trainer/mlp/mlp_options.hpp"
#include "trainer/mlp/score.hpp"
#include "trainer/mlp/standard_scaler.hpp"
#include "trainer/mlp/table.hpp"
#include "trainer/option_parser.hpp"
#include "trainer/plot.hpp"
#include "trainer/registry.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <new>
#include <numeric>
#include <optional>

namespace leadline::trainer {

namespace {

constexpr const char* mlp_help =
    R"(leadline mlp: multi-layer perceptrons, with scikit-learn's names, defaults and results.

  leadline mlp fit --data digits --hidden_layer_sizes 16 --solver lbfgs --max_iter 500
  leadline mlp fit --data csv:houses.csv --target price --task regressor --standardize true
  leadline mlp predict runs/mlp-001 --data csv:new.csv --out answers.csv
  leadline mlp score runs/mlp-001 --data csv:test.csv
  leadline mlp depth --data pairs:train.txt --val pairs:val.txt        a picture to its depth map, with an MLP alone
  leadline export runs/mlp-001 --out digits.lead                      for devices: raw features in, predict_proba out

Each has --help.
)";
constexpr const char* fit_help = R"(leadline mlp fit: fits an MLP to a table, tests it on a part of it, and keeps it.

  leadline mlp fit --data digits --hidden_layer_sizes 16 --solver lbfgs --max_iter 500
  leadline mlp fit --data csv:iris.csv --hidden_layer_sizes 20,10 --activation tanh --standardize true
)";
constexpr const char* predict_help =
    R"(leadline mlp predict MODEL: the classes with their probabilities, or the values, of a table's rows.

  leadline mlp predict runs/mlp-001 --data csv:new.csv --out answers.csv
)";
constexpr const char* score_help =
    R"(leadline mlp score MODEL: accuracy, report and confusion matrix, or R^2, on a table.

  leadline mlp score runs/mlp-001 --data csv:test.csv
)";

std::vector<OptionGroup> fit_options() {
  std::vector<OptionGroup> groups{
      {"Data",
       {{"data", "", "digits, or csv:FILE"},
        {"target", "",
         "of a CSV file: the target's column by name or number from 1, several with commas; empty: the last"},
        {"task", "classifier", "what is predicted", {"classifier", "regressor"}},
        {"test_size", "0.2", "share of the rows that the score is measured on; 0: none, all are fitted"},
        {"stratify", "true", "classes have the same shares in both parts"},
        {"standardize", "false", "features get mean 0 and variance 1; kept in the model"},
        {"out", "", "folder for model and results; empty: runs/mlp-001, -002, ..."}}}};
  const std::vector<OptionGroup> more = mlp_options();
  groups.insert(groups.end(), more.begin(), more.end());
  groups.back().options.push_back(help_option);
  return groups;
}

std::vector<double> rows_of(const std::vector<double>& x, size_t columns, const std::vector<index_t>& rows) {
  std::vector<double> part;
  for (const index_t row : rows) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(row) * columns);
    part.insert(part.end(), begin, begin + static_cast<std::ptrdiff_t>(columns));
  }
  return part;
}

/// Distinct names, numbers by value and before words.
std::vector<std::string> class_names(std::vector<std::string> labels) {
  std::sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
    double x = 0, y = 0;
    const bool first = parse_real(a, &x), second = parse_real(b, &y);
    if (first != second) return first;
    return first && x != y ? x < y : a < b;
  });
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

index_t class_number(const std::vector<std::string>& names, const std::string& label, const std::string& where) {
  const auto at = std::find(names.begin(), names.end(), label);
  if (at == names.end())
    throw Error({.file = where,
                 .field = "target",
                 .value = label,
                 .reason = "the model knows no such class",
                 .fix = known_names(label, names)});
  return at - names.begin();
}

std::vector<index_t> class_numbers(const mlp::Table& table, const std::vector<std::string>& names) {
  std::vector<index_t> numbers;
  for (const std::string& label : table.labels) numbers.push_back(class_number(names, label, table.name));
  return numbers;
}

void require_numbers(const mlp::Table& table) {
  if (!table.not_a_number.empty())
    throw Error({.file = table.not_a_number,
                 .reason = "a regressor's target must be a number",
                 .fix = "Use --task classifier for classes"});
}

/// Fractions are no classes, and neither are a thousand different values.
void check_classes(const mlp::Table& table, size_t classes) {
  const auto fraction = [](const std::string& label) {
    double value = 0;
    return parse_real(label, &value) && value != std::floor(value);
  };
  const auto first = std::find_if(table.labels.begin(), table.labels.end(), fraction);
  if (table.not_a_number.empty() && first != table.labels.end())
    throw Error({.file = table.name,
                 .field = table.targets.front(),
                 .value = *first,
                 .reason = "the target's numbers aren't whole, so it looks continuous, not like classes",
                 .fix = "Use --task regressor, or name another column with --target"});
  if (classes < 2)
    throw Error({.file = table.name,
                 .field = table.targets.front(),
                 .value = table.labels.front(),
                 .reason = "all rows are of this one class",
                 .fix = "Name another column with --target"});
  if (classes > 1000 || (classes > 20 && classes * 2 > table.labels.size()))
    throw Error(
        {.file = table.name,
         .field = table.targets.front(),
         .value = std::to_string(classes) + " different values in " + std::to_string(table.labels.size()) + " rows",
         .reason = "these are no classes",
         .fix = "Use --task regressor for numbers, or name another column with --target"});
}

/// A class without a row to fit would be one that the model doesn't know; early stopping of two classes has one of each
/// in its validation part, too.
void check_fitted_classes(const mlp::Table& table, const std::vector<std::string>& names,
                          const std::vector<index_t>& classes, const mlp::Split& split, const MLPParams& params) {
  const bool halved = params.early_stopping && params.solver != "lbfgs" && names.size() == 2;
  std::vector<index_t> counts(names.size(), 0);
  for (const index_t row : split.train) ++counts[static_cast<size_t>(classes[static_cast<size_t>(row)])];
  for (size_t c = 0; c < names.size(); ++c)
    if (counts[c] == 0)
      throw Error({.file = table.name,
                   .field = table.targets.front(),
                   .value = names[c],
                   .reason = "all rows of this class fell into the test part, so none is left to fit",
                   .fix = "Use --stratify true, another --test_size or --random_state, or leave such rows out"});
    else if (counts[c] == 1 && halved)
      throw Error(
          {.file = table.name,
           .field = table.targets.front(),
           .value = names[c],
           .reason = "only 1 row of this class is left to fit, too few for early_stopping, which puts one aside",
           .fix = "Use --early_stopping false, or give more rows of it"});
}

double r2(const std::vector<double>& truth, const std::vector<double>& predicted, size_t columns) {
  double sum = 0;
  const size_t n = truth.size() / columns;
  for (size_t j = 0; j < columns; ++j) {
    double mean = 0, residual = 0, spread = 0;
    for (size_t i = 0; i < n; ++i) mean += truth[i * columns + j] / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) {
      const double y = truth[i * columns + j], error = y - predicted[i * columns + j];
      residual += error * error;
      spread += (y - mean) * (y - mean);
    }
    sum += spread > 0 ? 1 - residual / spread : residual > 0 ? 0 : 1;
  }
  return sum / static_cast<double>(columns);
}

std::vector<index_t> most_likely(const std::vector<double>& probabilities, size_t classes) {
  std::vector<index_t> chosen;
  for (size_t i = 0; i * classes < probabilities.size(); ++i) {
    const double* row = probabilities.data() + i * classes;
    chosen.push_back(std::max_element(row, row + classes) - row);
  }
  return chosen;
}

/// Prints what predictions for a table are worth; for classes also writes DIR/confusion.png where there is a DIR.
std::vector<NamedNumber> print_scores(const FittedMLP& model, const std::vector<double>& outputs,
                                      const std::vector<index_t>& classes, const std::vector<double>& values,
                                      const std::string& folder, std::string* text) {
  if (!model.classifier) {
    const double score = r2(values, outputs, model.classes.size());
    double squares = 0, absolute = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      squares += (values[i] - outputs[i]) * (values[i] - outputs[i]) / static_cast<double>(values.size());
      absolute += std::abs(values[i] - outputs[i]) / static_cast<double>(values.size());
    }
    *text = "r2 " + decimals(score, 4) + ", rmse " + decimals(std::sqrt(squares), 4) + ", mean absolute error " +
            decimals(absolute, 4) + "\n";
    return {{"r2", score}, {"rmse", std::sqrt(squares)}, {"mae", absolute}};
  }
  const auto count = static_cast<index_t>(model.classes.size());
  const std::vector<index_t> confusion =
      mlp::confusion_matrix(classes, most_likely(outputs, model.classes.size()), count);
  const double accuracy = mlp::accuracy(confusion, count);
  *text = "accuracy " + decimals(accuracy, 3) + "\n\n" + mlp::classification_report(confusion, model.classes);
  if (count <= 40) *text += "\n" + mlp::confusion_text(confusion, model.classes);
  if (!folder.empty()) data::write_png(folder + "/confusion.png", mlp::confusion_picture(confusion, model.classes));
  return {{"accuracy", accuracy}};
}

void write_curve(const std::string& folder, const MLPResults& results) {
  if (results.loss_curve.empty()) return;
  std::string csv = "epoch,loss";
  const bool scores = !results.validation_scores.empty(), losses = !results.validation_loss_curve.empty();
  csv += scores ? ",validation_score" : "";
  csv += losses ? ",validation_loss" : "";
  Plot plot{.title = "Loss of each epoch", .x = {.title = "epoch"}, .y = {.title = "loss", .log = true}};
  Series train{.name = "training"}, validation{.name = "validation"};
  for (size_t i = 0; i < results.loss_curve.size(); ++i) {
    csv += "\n" + std::to_string(i + 1) + "," + exact(results.loss_curve[i]);
    if (scores) csv += "," + exact(results.validation_scores[i]);
    if (losses) csv += "," + exact(results.validation_loss_curve[i]);
    train.x.push_back(static_cast<double>(i + 1));
    train.y.push_back(results.loss_curve[i]);
    if (losses) {
      validation.x.push_back(static_cast<double>(i + 1));
      validation.y.push_back(results.validation_loss_curve[i]);
    }
  }
  csv += "\n";
  data::write_file(folder + "/loss_curve.csv", csv.data(), csv.size());
  plot.series.push_back(train);
  if (losses) plot.series.push_back(validation);
  write_svg(folder + "/loss_curve.svg", plot);
}

/// Fits in T what the settings ask for; fills shape, weights and results.
template <class T>
MLPResults fit(const MLPParams& params, const std::vector<double>& x, index_t n, const std::vector<index_t>& classes,
               const std::vector<double>& values, FittedMLP* model) {
  const std::vector<T> input(x.begin(), x.end());
  const MatrixView<T> view{input.data(), n, static_cast<index_t>(x.size()) / n};
  if (model->classifier) {
    MLPClassifier<T> estimator(params);
    estimator.fit(view, classes);
    model->keep(estimator);
    return estimator.results();
  }
  const std::vector<T> y(values.begin(), values.end());
  MLPRegressor<T> estimator(params);
  estimator.fit(view, {y.data(), n, static_cast<index_t>(values.size()) / n});
  model->keep(estimator);
  return estimator.results();
}

int mlp_fit(const std::vector<std::string>& arguments) {
  const std::vector<OptionGroup> groups = fit_options();
  Settings settings;
  if (!read_options("leadline mlp fit", fit_help, groups, arguments, &settings)) return 0;
  FittedMLP model;
  model.classifier = settings.text("task") == "classifier";
  model.precision = settings.text("dtype") == "float32" ? "f32" : "f64";
  MLPParams params = mlp_params(settings, model.classifier);
  const double test_size = settings.real("test_size", 0, 0.99);
  const mlp::Table table = mlp::read_table(settings.required("data"), settings.text("target"));
  model.data = table.name;
  model.columns = table;
  std::vector<index_t> classes;
  if (model.classifier) {
    if (table.targets.size() > 1)
      throw Error({.field = "target",
                   .value = settings.text("target"),
                   .reason = "a classifier has one target",
                   .fix = "Name one column, or use --task regressor"});
    model.classes = class_names(table.labels);
    check_classes(table, model.classes.size());
    classes = class_numbers(table, model.classes);
  } else {
    require_numbers(table);
    model.classes = table.targets;
  }

  const auto columns = static_cast<size_t>(table.columns()), targets = table.targets.size();
  mlp::Split split;
  if (test_size > 0) {
    mlp::RandomState random(params.random_state ? *params.random_state : mlp::RandomState::system_seed());
    split = mlp::train_test_split(table.rows(), test_size, random,
                                  model.classifier && settings.boolean("stratify") ? &classes : nullptr,
                                  {.size = "test_size",
                                   .file = table.name,
                                   .labels = table.targets.front(),
                                   .classes = model.classes,
                                   .otherwise = "use --stratify false"});
  } else {
    split.train.resize(static_cast<size_t>(table.rows()));
    std::iota(split.train.begin(), split.train.end(), index_t{0});
  }
  if (model.classifier) check_fitted_classes(table, model.classes, classes, split, params);
  std::vector<double> x = rows_of(table.x, columns, split.train);
  const auto chosen = [&](const std::vector<index_t>& rows) {
    std::vector<index_t> part;
    for (const index_t row : rows)
      if (model.classifier) part.push_back(classes[static_cast<size_t>(row)]);
    return part;
  };
  const auto chosen_values = [&](const std::vector<index_t>& rows) {
    return model.classifier ? std::vector<double>() : rows_of(table.y, targets, rows);
  };
  const auto n = static_cast<index_t>(split.train.size());
  if (settings.boolean("standardize")) {
    const auto scaler = mlp::StandardScaler::fit(x, columns);
    scaler.transform(x);
    model.mean = scaler.mean;
    model.scale = scaler.scale;
  }
  const RunDirectory run = new_run_directory(settings.text("out"), "mlp", "out");
  const FolderOfRun folder(run, "out");

  std::optional<Compute> compute;
  if (params.exec == "kokkos") compute.emplace(params.threads);
  const auto start = std::chrono::steady_clock::now();
  const auto fit_as = model.precision == "f32" ? fit<float> : fit<double>;
  std::optional<StopOnSignal> stop;
  stop.emplace();
  params.interrupted = [&] { return stop->requested(); };
  MLPResults results;
  try {
    results = fit_as(params, x, n, chosen(split.train), chosen_values(split.train), &model);
  } catch (const std::bad_alloc&) {
    out_of_memory(settings, table.columns(), static_cast<index_t>(model.classes.size()));
  }
  const bool interrupted = stop->requested();
  stop.reset(); // what follows is quick
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  std::printf("%s: %lld rows to fit, %zu to test, %zu features, %zu %s\n", table.name.c_str(),
              static_cast<long long>(n), split.test.size(), columns, model.classes.size(),
              model.classifier ? "classes" : "targets");
  std::printf("%s, %lld %s, loss %s, fitted in %s s\n", params.solver.c_str(), static_cast<long long>(results.n_iter),
              params.solver == "lbfgs" ? "iterations" : "epochs", decimals(results.loss, 6).c_str(),
              decimals(seconds, 3).c_str());
  if (!results.loss_curve.empty())
    std::printf("loss %s %s %s\n", decimals(results.loss_curve.front(), 4).c_str(),
                mlp::sparkline(results.loss_curve, 60).c_str(), decimals(results.loss_curve.back(), 4).c_str());
  write_record(run.config(), settings);
  write_curve(run.path, results);
  if (!split.test.empty()) {
    std::string text;
    model.metrics = print_scores(
        model, model.predict(rows_of(table.x, columns, split.test), static_cast<index_t>(split.test.size())),
        chosen(split.test), chosen_values(split.test), run.path, &text);
    std::printf("\n%s", text.c_str());
    data::write_file(run.path + "/score.txt", text.data(), text.size());
  }
  write_mlp(run.best(), model);
  std::printf("\n%s: model%s%s\n", run.path.c_str(),
              results.loss_curve.empty() ? "" : ", loss_curve.csv, loss_curve.svg",
              split.test.empty() ? ""
              : model.classifier ? ", score.txt, confusion.png"
                                 : ", score.txt");
  return interrupted ? 130 : 0;
}

/// A model and the table to use it on.
bool read_model_and_table(const std::string& command, const char* help, const std::vector<std::string>& arguments,
                          mlp::TargetUse use, Settings* settings, FittedMLP* model, mlp::Table* table) {
  const bool needed = use == mlp::TargetUse::needed;
  const std::vector<OptionGroup> groups{
      {"Options",
       {{"data", "", "digits, or csv:FILE with the fit's columns in the fit's order"},
        {"target", "",
         needed ? "of a CSV file: the target's column by name or number from 1, several with commas; empty: the fit's"
                : "of a CSV file: columns to leave out, by name or number from 1, several with commas; empty: the "
                  "fit's target, where the file has it"},
        {"out", "", needed ? "folder for confusion.png" : "CSV file to write; empty: print"},
        help_option}}};
  std::string path;
  if (!read_command(command, help, groups, arguments, "MODEL", settings, &path)) return false;
  *model = read_mlp(find_checkpoint(path, true));
  *table = mlp::read_table(settings->required("data"), settings->text("target"), model->columns, use);
  return true;
}

int mlp_score(const std::vector<std::string>& arguments) {
  Settings settings;
  FittedMLP model;
  mlp::Table table;
  if (!read_model_and_table("leadline mlp score", score_help, arguments, mlp::TargetUse::needed, &settings, &model,
                            &table))
    return 0;
  std::vector<index_t> classes;
  if (model.classifier) {
    classes = class_numbers(table, model.classes);
  } else {
    require_numbers(table);
    if (table.targets.size() != model.classes.size())
      throw Error({.field = "target",
                   .value = std::to_string(table.targets.size()) + " columns",
                   .reason = "the model has " + std::to_string(model.classes.size()) + " targets",
                   .fix = "Name them with --target"});
  }
  std::string text;
  if (!settings.text("out").empty()) std::filesystem::create_directories(settings.text("out"));
  print_scores(model, model.predict(table.x, table.rows()), classes, table.y, settings.text("out"), &text);
  std::printf("%s", text.c_str());
  return 0;
}

int mlp_predict(const std::vector<std::string>& arguments) {
  Settings settings;
  FittedMLP model;
  mlp::Table table;
  if (!read_model_and_table("leadline mlp predict", predict_help, arguments, mlp::TargetUse::left_out, &settings,
                            &model, &table))
    return 0;
  const std::vector<double> outputs = model.predict(table.x, table.rows());
  const size_t width = model.classes.size();
  std::string csv;
  const auto field = [&](const std::string& text) {
    const bool plain = text.find_first_of(",\"\n") == std::string::npos;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    csv += plain ? text : quoted + "\"";
  };
  if (model.classifier) csv += "class,";
  for (size_t j = 0; j < width; ++j) {
    field((model.classifier ? "p_" : "") + model.classes[j]);
    csv += j + 1 < width ? "," : "\n";
  }
  const std::vector<index_t> chosen = model.classifier ? most_likely(outputs, width) : std::vector<index_t>();
  for (size_t i = 0; i * width < outputs.size(); ++i) {
    if (model.classifier) {
      field(model.classes[static_cast<size_t>(chosen[i])]);
      csv += ",";
    }
    for (size_t j = 0; j < width; ++j) csv += exact(outputs[i * width + j]) + (j + 1 < width ? "," : "\n");
  }
  if (settings.text("out").empty())
    std::fputs(csv.c_str(), stdout);
  else
    data::write_file(settings.text("out"), csv.data(), csv.size());
  return 0;
}

} // namespace

int mlp_command(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "--help" : arguments.front();
  if (name == "--help" || name == "-h") {
    std::printf("%s", mlp_help);
    return arguments.empty() ? 2 : 0;
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  try {
    if (name == "fit") return mlp_fit(rest);
    if (name == "predict") return mlp_predict(rest);
    if (name == "score") return mlp_score(rest);
    if (name == "depth") return mlp_depth_command(rest);
  } catch (const std::bad_alloc&) {
    throw Error({.file = "leadline mlp " + name,
                 .reason = "memory is short",
                 .fix = "Give a table with fewer rows or columns, or a network with smaller hidden layers"});
  }
  throw Error({.file = "leadline mlp",
               .value = name,
               .reason = "there is no such command",
               .fix = known_names(name, {"fit", "predict", "score", "depth"})});
}

} // namespace leadline::trainer
