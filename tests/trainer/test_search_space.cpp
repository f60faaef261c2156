// --over: lists, ranges, short names, and every kind of mistake.
#include "trainer/commands/search_space.hpp"
#include "trainer/commands/trials.hpp"
#include "trainer/train_settings.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <set>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

const Settings& known() {
  static const Settings settings(train_option_groups());
  return settings;
}
SearchDimension over(const std::string& text) { return parse_dimension(text, known()); }
using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("lists and short names") {
  CHECK(over("optimizer=sgd, adam ,adamw").key == "optimizer.name");
  CHECK(over("optimizer=sgd, adam ,adamw").grid() == Texts{"sgd", "adam", "adamw"});
  CHECK(over("network=unet,fastdepth").key == "model.network");
  CHECK(over("lr=1e-3").key == "optimizer.lr");
  CHECK(over("base-channels=8,16").key == "model.base_channels");
  CHECK(over("train.epochs=1,2").key == "train.epochs");
  CHECK(over("betas=0.9, 0.99;0.8, 0.9").grid() == Texts{"0.9, 0.99", "0.8, 0.9"});
}

TEST_CASE("ranges as grids") {
  CHECK(over("lr=log:1e-4..1e-1:4").grid() == Texts{"0.0001", "0.001", "0.01", "0.1"});
  CHECK(over("loss.silog_lambda=0.5..1:3").grid() == Texts{"0.5", "0.75", "1"});
  CHECK(over("levels=int:2..4").grid() == Texts{"2", "3", "4"});
  CHECK(over("levels=int:2..6:3").grid() == Texts{"2", "4", "6"});
  CHECK(over("levels=int:1..2:5").grid() == Texts{"1", "2"});
}

TEST_CASE("values by chance lie in their range, and depend on seed and trial alone") {
  const SearchDimension rate = over("lr=log:1e-4..1e-1"), part = over("loss.silog_lambda=0.5..1"),
                        levels = over("levels=int:2..4"), names = over("optimizer=sgd,adam");
  int small = 0;
  std::set<std::string> seen_levels, seen_names;
  for (index_t trial = 0; trial < 400; ++trial) {
    const double value = std::stod(rate.sample(7, trial, 0));
    CHECK((value >= 1e-4 && value <= 1e-1));
    small += value < std::pow(10, -2.5) ? 1 : 0;
    const double fraction = std::stod(part.sample(7, trial, 1));
    CHECK((fraction >= 0.5 && fraction <= 1));
    seen_levels.insert(levels.sample(7, trial, 2));
    seen_names.insert(names.sample(7, trial, 3));
    CHECK(rate.sample(7, trial, 0) == rate.sample(7, trial, 0));
  }
  CHECK((small > 160 && small < 240)); // half of the decades lie below 10^-2.5
  CHECK(seen_levels == std::set<std::string>{"2", "3", "4"});
  CHECK(seen_names == std::set<std::string>{"sgd", "adam"});
  CHECK(rate.sample(7, 0, 0) != rate.sample(8, 0, 0));
  CHECK(rate.sample(7, 0, 0) != rate.sample(7, 1, 0));
  CHECK(rate.sample(7, 0, 0) != rate.sample(7, 0, 1));
}

TEST_CASE("mistakes are named") {
  const auto wrong = [](const std::string& text, const std::string& words) {
    INFO(text);
    CHECK_THROWS_MATCHES(over(text), Error, MessageMatches(ContainsSubstring(words)));
  };
  wrong("optimizer", "KEY=VALUES");
  wrong("=1,2", "KEY=VALUES");
  wrong("optimizer=", "KEY=VALUES");
  wrong("optimizr.name=sgd", "Did you mean optimizer.name?");
  wrong("quite_another=sgd", "no such option");
  wrong("name=sgd", "optimizer.name");
  wrong("lr=1..x", "not a range");
  wrong("lr=log:0..1", "above 0");
  wrong("lr=2..1", "low end");
  wrong("lr=1..2:1", "2 to 1000");
  wrong("levels=int:1.5..3", "whole numbers");
  wrong("up_sampling=1..3", "takes names");
  wrong("up_sampling=nearest,bilineer", "bilineer");
  wrong("lr=0.1,0.2,0.1", "twice");
  CHECK_THROWS_MATCHES(over("lr=log:1e-4..1").grid(), Error, MessageMatches(ContainsSubstring(":POINTS")));
  CHECK_THROWS_MATCHES(over("epochs=int:1..5000").grid(), Error, MessageMatches(ContainsSubstring("1000")));
}

TEST_CASE("a key comes once, and [run] isn't varied") {
  const auto wrong = [](const Texts& all, const std::string& words) {
    CHECK_THROWS_MATCHES(parse_dimensions(all, known()), Error, MessageMatches(ContainsSubstring(words)));
  };
  wrong({"lr=1e-3,1e-2", "optimizer.lr=1,2"}, "optimizer.lr is varied twice");
  wrong({"optimizer=sgd", "lr=1", "optimizer.name=adam"}, "optimizer.name is varied twice");
  wrong({"run.dir=a,b"}, "its own");
  CHECK(parse_dimensions({"lr=1e-3,1e-2", "optimizer=sgd"}, known()).size() == 2);
}

TEST_CASE("--over is taken out of the other arguments") {
  Texts arguments{"a.ini", "--over", "x=1", "--seeds", "2", "--over=y=2,3"};
  CHECK(take_over_arguments(arguments, "leadline compare") == Texts{"x=1", "y=2,3"});
  CHECK(arguments == Texts{"a.ini", "--seeds", "2"});
  Texts last{"--over"};
  CHECK_THROWS_MATCHES(take_over_arguments(last, "leadline compare"), Error, MessageMatches(ContainsSubstring("KEY")));
}

TEST_CASE("titles become folders") {
  CHECK(folder_name("optimizer=sgd lr=1e-3") == "optimizer=sgd_lr=1e-3");
  CHECK(folder_name("data.train=pairs:/a/b") == "data.train=pairs__a_b");
  CHECK(folder_name("..") == "_..");
  CHECK(folder_name("") == "_");
}
