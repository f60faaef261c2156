// Fitted MLPs in files and on devices: what was written is read, and model.lead answers in the engine what predict
// does.
#include "data/error.hpp"
#include "tests/support/temp_dir.hpp"
#include "trainer/export.hpp"
#include "trainer/mlp/fitted.hpp"
#include "trainer/mlp/score.hpp"
#include "trainer/mlp/standard_scaler.hpp"
#include "trainer/mlp/table.hpp"

#include <leadline/leadline.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using leadline::testing::TempDir;

namespace {

/// Fitted for a few epochs to noise: classes as many as asked for, or 0 for a regressor with two targets.
FittedMLP fitted(index_t classes, const std::string& activation, bool poisson) {
  mlp::RandomState random(4);
  constexpr index_t n = 60, features = 6;
  std::vector<double> x, y;
  std::vector<index_t> labels;
  for (index_t i = 0; i < n * features; ++i) x.push_back(random.uniform(-2, 2));
  for (index_t i = 0; i < n; ++i) {
    labels.push_back(classes > 0 ? i % classes : 0);
    for (int j = 0; j < 2; ++j) y.push_back(random.uniform(0, 2));
  }
  MLPParams p;
  p.random_state = 0;
  p.hidden_layer_sizes = {9, 5};
  p.activation = activation;
  p.max_iter = 5;
  p.loss = poisson ? "poisson" : "squared_error";
  p.warn = [](const std::string&) {};
  FittedMLP model;
  model.classifier = classes > 0;
  for (index_t j = 0; j < features; ++j) {
    model.columns.features.push_back("f" + std::to_string(j));
    model.mean.push_back(random.uniform(-1, 1));
    model.scale.push_back(random.uniform(0.5, 2));
  }
  if (classes > 0) {
    MLPClassifier estimator(p);
    estimator.fit({x.data(), n, features}, labels);
    model.shape = estimator.network_shape();
    model.weights = estimator.weights();
    for (index_t c = 0; c < classes; ++c) model.classes.push_back("class, " + std::to_string(c) + "%");
  } else {
    MLPRegressor estimator(p);
    estimator.fit({x.data(), n, features}, {y.data(), n, 2});
    model.shape = estimator.network_shape();
    model.weights = estimator.weights();
    model.classes = {"left", "right"};
    model.columns.targets = model.classes;
    model.columns.named = false;
  }
  model.data = "noise";
  model.metrics = {{"accuracy", 0.5}};
  return model;
}

} // namespace

TEST_CASE("a fitted MLP comes back from its file, and answers the same on a device") {
  const index_t classes = GENERATE(0, 2, 5);
  const std::string activation = GENERATE("relu", "tanh", "logistic", "identity");
  const bool poisson = activation == "tanh";
  const TempDir folder;
  const FittedMLP model = fitted(classes, activation, poisson);
  write_mlp(folder / "model.h5", model);
  const FittedMLP read = read_mlp(folder / "model.h5");
  CHECK(read.classes == model.classes);
  CHECK(read.columns.features == model.columns.features);
  CHECK(read.columns.targets == model.columns.targets);
  CHECK(read.columns.named == model.columns.named);
  CHECK(read.metrics == model.metrics);
  const std::vector<double> x{0.3, -1, 0.25, 2, 0, -0.7};
  const std::vector<double> wanted = model.predict(x, 1);
  CHECK(read.predict(x, 1) == wanted);
  CHECK(wanted.size() == static_cast<size_t>(classes > 0 ? classes : 2));
  CHECK_THROWS_WITH(read.predict({1, 2}, 1), ContainsSubstring("fitted with 6"));

  export_model(read_checkpoint(folder / "model.h5"), folder / "model.h5", folder / "model.lead");
  Model device;
  ErrorText error;
  REQUIRE(device.open_file((folder / "model.lead").c_str(), error) == LEADLINE_OK);
  CHECK(device.info().output_kind == LEADLINE_VALUES);
  Session session;
  REQUIRE(session.create(device, error) == LEADLINE_OK);
  const std::vector<float> input(x.begin(), x.end());
  std::vector<float> output(session.output_values());
  REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
  REQUIRE(output.size() == wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    CHECK(!!(std::abs(static_cast<double>(output[i]) - wanted[i]) <= 1e-5 * std::max(1.0, std::abs(wanted[i]))));
}

TEST_CASE("tables from CSV files") {
  const TempDir folder;
  const mlp::Table table = mlp::read_table(
      "csv:" + folder.write("a.csv", "\xEF\xBB\xBFlength,\"wi,dth\",kind\n1,2.5,\"a \"\"b\"\"\"\n\n3, -4e1 ,c\r\n"),
      "");
  CHECK(table.features == std::vector<std::string>{"length", "wi,dth"});
  CHECK(table.x == std::vector<double>{1, 2.5, 3, -40});
  CHECK(table.labels == std::vector<std::string>{"a \"b\"", "c"});
  CHECK(table.y.empty());
  const mlp::Table plain = mlp::read_table("csv:" + folder.write("b.csv", "1;2;3\n4;5;6\n"), "1,3");
  CHECK(plain.x == std::vector<double>{2, 5});
  CHECK(plain.y == std::vector<double>{1, 3, 4, 6});
  const auto error_of = [&](const std::string& text, const std::string& target) {
    try {
      mlp::read_table("csv:" + folder.write("bad.csv", text), target);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  CHECK_THAT(error_of("a,b\n1,2\n3\n", ""), ContainsSubstring("bad.csv:3") && ContainsSubstring("1 fields"));
  CHECK_THAT(error_of("a,b\nx,2\n", ""), ContainsSubstring("bad.csv:2: a is \"x\""));
  CHECK_THAT(error_of("a,b\n,2\n", ""), ContainsSubstring("the field is empty"));
  CHECK_THAT(error_of("price,b\n1,2\n", "prise"), ContainsSubstring("Did you mean \"price\"?"));
  CHECK_THAT(error_of("a,b\n1,\"2\n", ""), ContainsSubstring("isn't closed"));
  CHECK_THAT(error_of("", ""), ContainsSubstring("no line with numbers"));
  CHECK_THAT(error_of("a\n1\n", ""), ContainsSubstring("no column beside the target"));
  CHECK_THROWS_WITH(mlp::read_table("csv:/nowhere.csv", ""), ContainsSubstring("can't be read"));
  CHECK_THROWS_WITH(mlp::read_table("synthetic:", ""), ContainsSubstring("--data digits"));
}

TEST_CASE("tables for a fitted model") {
  const TempDir folder;
  const auto columns = [&](const std::string& text, const std::string& target) {
    return mlp::Columns(mlp::read_table("csv:" + folder.write("fit.csv", text), target));
  };
  const auto read = [&](const std::string& text, const std::string& target, const mlp::Columns& fitted,
                        mlp::TargetUse use) {
    return mlp::read_table("csv:" + folder.write("new.csv", text), target, fitted, use);
  };
  const auto predict = [&](const std::string& text, const std::string& target, const mlp::Columns& fitted) {
    return read(text, target, fitted, mlp::TargetUse::left_out).x;
  };
  const auto score = [&](const std::string& text, const std::string& target, const mlp::Columns& fitted) {
    return read(text, target, fitted, mlp::TargetUse::needed).labels;
  };
  using Numbers = std::vector<double>;
  using Words = std::vector<std::string>;
  const mlp::Columns flowers = columns("kind,a,b\nred,1,2\n", "kind");
  CHECK(predict("kind,a,b\nred,3,4\n", "", flowers) == Numbers{3, 4}); // the fit's target is known by its name
  CHECK(predict("a,kind,b\n3,,4\n", "", flowers) == Numbers{3, 4});    // and may be unknown to who asks
  CHECK(predict("a,b\n3,4\n", "", flowers) == Numbers{3, 4});
  CHECK(predict("a,b,x,y\n3,4,5,6\n", "3,y", flowers) == Numbers{3, 4});
  CHECK(predict("3,4\n", "", flowers) == Numbers{3, 4}); // no names
  CHECK(score("a,kind,b\n3,red,4\n", "", flowers) == Words{"red"});
  CHECK(score("a,b,colour\n3,4,red\n", "colour", flowers) == Words{"red"});
  CHECK(score("3,4,5\n", "", columns("1,2,0\n", "")) == Words{"5"});
  CHECK_THROWS_WITH(predict("b,a\n3,4\n", "", flowers),
                    ContainsSubstring("features is \"b\"") && ContainsSubstring("the fit's order: a,b"));
  CHECK_THROWS_WITH(score("b,a,kind\n3,4,red\n", "", flowers), ContainsSubstring("the fit's order: a,b"));
  CHECK_THROWS_WITH(predict("a,c\n3,4\n", "", flowers), ContainsSubstring("missing: b; not in the fit: c"));
  CHECK_THROWS_WITH(predict("a,b\n3,4\n", "kind", flowers), ContainsSubstring("no such column"));
  CHECK_THROWS_WITH(score("a,b\n3,4\n", "", flowers), ContainsSubstring("kind") && ContainsSubstring("--target"));
  const mlp::Columns plain = columns("7,1,2\n", "1"); // columns by number: the first is the target
  CHECK(predict("7,3,4\n", "", plain) == Numbers{3, 4});
  CHECK(predict("3,4\n", "", plain) == Numbers{3, 4});
  CHECK(score("7,3,4\n", "", plain) == Words{"7"});
  for (const char* label : {"", "nan", "-inf", "NaN"}) {
    const std::string text = std::string("a,kind\n1,red\n2,") + label + "\n";
    CHECK_THROWS_WITH(columns(text, ""), ContainsSubstring("fit.csv:3: kind"));
    CHECK(predict(text, "", columns("a,kind\n1,red\n", "")) == Numbers{1, 2});
  }
  CHECK(mlp::read_table("csv:" + folder.write("c.csv", "a,\"left,right\"\n1,2\n"), "left,right").y == Numbers{2});
  CHECK_THROWS_WITH(mlp::read_table("digits", "foo"), ContainsSubstring("target is \"foo\""));
}

TEST_CASE("constant features are not blown up") {
  std::vector<double> x;
  for (int i = 0; i < 30; ++i) x.insert(x.end(), {0.1, static_cast<double>(i % 2), 1e9 + i % 3, 0});
  const auto scaler = mlp::StandardScaler::fit(x, 4);
  CHECK(scaler.scale[0] == 1); // not the 1.5e-16 that the mean's rounding leaves
  CHECK(scaler.scale[1] == 0.5);
  CHECK(!!(std::abs(scaler.scale[2] - std::sqrt(2.0 / 3)) <= 1e-7));
  CHECK(scaler.scale[3] == 1);
  scaler.transform(x);
  CHECK(!!(std::abs(x[0]) <= 1e-15));
  CHECK(x[1] == -1);
}

TEST_CASE("scores of a classifier") {
  const std::vector<index_t> confusion = mlp::confusion_matrix({0, 0, 1, 1, 1, 2}, {0, 1, 1, 1, 0, 1}, 3);
  CHECK(confusion == std::vector<index_t>{1, 1, 0, 1, 2, 0, 0, 1, 0});
  CHECK(mlp::accuracy(confusion, 3) == 0.5);
  const std::string report = mlp::classification_report(confusion, {"0", "1", "2"});
  // as sklearn.metrics.classification_report prints it
  CHECK(report == "              precision    recall  f1-score   support\n\n"
                  "           0       0.50      0.50      0.50         2\n"
                  "           1       0.50      0.67      0.57         3\n"
                  "           2       0.00      0.00      0.00         1\n\n"
                  "    accuracy                           0.50         6\n"
                  "   macro avg       0.33      0.39      0.36         6\n"
                  "weighted avg       0.42      0.50      0.45         6\n");
  CHECK_THAT(mlp::confusion_text(confusion, {"0", "1", "2"}), ContainsSubstring("    1   1   2   .\n"));
  const std::string twins = mlp::confusion_text({1, 0, 0, 1}, {"a very long name 1", "a very long name 2"});
  CHECK_THAT(twins, ContainsSubstring("0 a very ~") && ContainsSubstring("1 a very ~"));
  CHECK_THAT(mlp::confusion_text({1, 0, 0, 1}, {"gr\u00F6\u00DFe", "b"}),
             ContainsSubstring("gr\u00F6\u00DFe     1     ."));
  // heads wider than a cell stand upright and whole: versicolor and virginica begin with the same letter
  const auto picture = [](const char* a, const char* b) { return mlp::confusion_picture({1, 0, 0, 1}, {a, b}); };
  const data::RgbImage broad = picture("a", "b"), upright = picture("versicolor", "virginica");
  CHECK(upright.height >= broad.height + 10 * 12 - 18); // ten letters of twelve pixels in place of one line
  const auto dark_rows = [&](const data::RgbImage& image, int cell) { // above the last but `cell` column
    int rows = 0;
    for (int y = 30; y < image.height - 12 - 2 * 56 - 2; ++y) {
      bool dark = false;
      for (int x = 0; x < 56; ++x) dark |= image.pixel(y, image.width - 12 - (cell + 1) * 56 + x)[0] < 100;
      rows += dark;
    }
    return rows;
  };
  CHECK(dark_rows(upright, 1) > 80);
  CHECK(dark_rows(upright, 0) > 70);
  CHECK(mlp::sparkline({1, 0.1, 0.01}, 3) == "\u2588\u2584\u2581");
}
