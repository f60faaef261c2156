// Settings files and command lines: precedence, every kind of mistake, and a saved file that says the same.
#include "trainer/option_parser.hpp"
#include "trainer/train_settings.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

Settings from_text(const std::string& text) {
  Settings settings(train_option_groups());
  read_settings_text(text, "my.ini", settings);
  return settings;
}

} // namespace

TEST_CASE("a file sets what it names, the command line wins over it, the rest keeps its default") {
  Settings settings =
      from_text("# a comment\n[train]\nepochs = 7   # another\nseed=3\n\n[model]\nbase_channels = 24\n");
  const std::vector<std::string> rest =
      read_command_line({"--model.base-channels", "8", "word", "--data.size=96x128"}, "leadline train", settings);
  CHECK(rest == std::vector<std::string>{"word"});
  CHECK(settings.integer("train.epochs", 1, 100) == 7);
  CHECK(settings.integer("train.seed", 0, 100) == 3);
  CHECK(settings.integer("model.base_channels", 1, 100) == 8);
  CHECK(settings.size("data.size") == std::pair<int, int>{96, 128});
  CHECK(settings.text("loss.name") == "silog");
  CHECK(settings.given("train.seed"));
  CHECK_FALSE(settings.given("loss.name"));
}

TEST_CASE("values on the command line may be negative, hold dashes and equal signs") {
  Settings settings(train_option_groups());
  read_command_line({"--data.train", "synthetic:count=4,split=val", "--loss.extra", "a=-1", "--model.min-depth", "-1"},
                    "leadline train", settings);
  CHECK(settings.text("data.train") == "synthetic:count=4,split=val");
  CHECK(extra_settings(settings, "loss.extra").at("a") == -1);
  CHECK(settings.text("model.min_depth") == "-1");
}

TEST_CASE("what is saved can be read again and says the same") {
  Settings settings = from_text("[train]\nepochs = 7\n[data]\nmean = 0.1, 0.2, 0.3\n[optimizer]\nbetas = 0.8, 0.9\n");
  for (const bool comments : {false, true}) {
    const Settings again = from_text(settings.to_ini(comments));
    for (const std::string& key : settings.keys()) CHECK(again.text(key) == settings.text(key));
  }
}

TEST_CASE("an unknown key is named with file, line and the nearest known one") {
  CHECK_THROWS_MATCHES(from_text("[train]\nepochs = 7\n\nepoch = 3\n"), Error,
                       MessageMatches(ContainsSubstring("my.ini:4") && ContainsSubstring("train.epoch") &&
                                      ContainsSubstring("Did you mean train.epochs?")));
  CHECK_THROWS_MATCHES(from_text("[model]\nlr = 3\n"), Error,
                       MessageMatches(ContainsSubstring("Did you mean optimizer.lr?")));
  CHECK_THROWS_MATCHES(from_text("[nonsense]\nquite_different = 7\n"), Error,
                       MessageMatches(ContainsSubstring("my.ini:2") && ContainsSubstring("--help")));
  Settings settings(train_option_groups());
  CHECK_THROWS_MATCHES(read_command_line({"--modle.levels", "3"}, "leadline train", settings), Error,
                       MessageMatches(ContainsSubstring("--modle.levels") && ContainsSubstring("model.levels")));
  CHECK_THROWS_AS(read_command_line({"-x"}, "leadline train", settings), Error);
}

TEST_CASE("a byte order mark before the text is none of it") {
  CHECK(from_text("\xEF\xBB\xBF[train]\nepochs = 7\n").text("train.epochs") == "7");
}

TEST_CASE("a choice that is empty isn't listed") { CHECK(join_choices({"", "a", "b"}) == "a or b"); }

TEST_CASE("broken files and lines are refused") {
  CHECK_THROWS_MATCHES(from_text("[train]\nepochs\n"), Error, MessageMatches(ContainsSubstring("my.ini")));
  CHECK_THROWS_MATCHES(from_text("[train]\nepochs = 1\nepochs = 2\n"), Error,
                       MessageMatches(ContainsSubstring("train.epochs") && ContainsSubstring("twice")));
  Settings settings(train_option_groups());
  CHECK_THROWS_MATCHES(read_settings_file("/nowhere/my.ini", settings), Error,
                       MessageMatches(ContainsSubstring("/nowhere/my.ini")));
  CHECK_THROWS_MATCHES(read_command_line({"--train.epochs"}, "leadline train", settings), Error,
                       MessageMatches(ContainsSubstring("train.epochs")));
}

TEST_CASE("values that can't be are refused with place, value and what would be right") {
  const auto refuses = [](const std::string& text, const auto& read, const std::string& reason) {
    CHECK_THROWS_MATCHES(read(from_text(text)), Error,
                         MessageMatches(ContainsSubstring("my.ini:2") && ContainsSubstring(reason)));
  };
  const auto micro_batch = [](const Settings& s) { micro_batch_settings(s); };
  const auto preprocess = [](const Settings& s) { preprocess_settings(s); };
  const auto loader = [](const Settings& s) { loader_settings(s, true); };
  const auto loss = [](const Settings& s) { loss_settings(s); };
  const auto scheduler = [](const Settings& s) { scheduler_settings(s, 1e-3); };
  const auto network = [](const Settings& s) { graph_settings(s); };
  refuses("[train]\nmicro_batch = 3\n", micro_batch, "data.batch_size = 8");
  refuses("[train]\nmicro_batch = three\n", micro_batch, "not a whole number");
  refuses("[data]\nsize = 144\n", preprocess, "144x192");
  refuses("[data]\nsize = 0x192\n", preprocess, "1 to 16384");
  refuses("[data]\nmean = 0.5, 0.5\n", preprocess, "3 numbers");
  refuses("[data]\nstd = 0.5, 0, 1\n", preprocess, "positive");
  refuses("[data]\nflip = 1.5\n", loader, "from 0 to 1");
  refuses("[data]\nbatch_size = 0\n", loader, "from 1 to");
  refuses("[data]\ndrop_last = perhaps\n", loader, "true or false");
  refuses("[loss]\nsilog_lambda = nan\n", loss, "not a number");
  refuses("[loss]\nextra = a\n", loss, "name=number");
  refuses("[scheduler]\nmilestones = 3, x\n", scheduler, "whole number");
  CHECK_THROWS_MATCHES(scheduler(from_text("[scheduler]\nname = multistep\n")), Error,
                       MessageMatches(ContainsSubstring("scheduler.milestones: multistep")));
  refuses(
      "[train]\nema = 1\n", [](const Settings& s) { s.real("train.ema", 0, 0.999999999); }, "to 1, but below it");
  refuses("[model]\nlevels = 99\n", network, "0 to 8");
  const auto nothing = [](const Settings&) {};
  refuses("[model]\nnorm = bach\n", nothing, "batch, group or none");
  refuses("[model]\nnetwork = unett\n", nothing, "unet");
  refuses("[train]\nprecision = f16\n", nothing, "f32 or f64");
}

TEST_CASE("a size that the network can't take names the multiple and its neighbours") {
  const Settings settings = from_text("[data]\nsize = 150x192\n[model]\nlevels = 4\n");
  CHECK_THROWS_MATCHES(graph_settings(settings), Error,
                       MessageMatches(ContainsSubstring("150") && ContainsSubstring("multiple of 16") &&
                                      ContainsSubstring("144 or 160")));
}

TEST_CASE("a program's own network is chosen by name and brings its options") {
  register_network({.name = "two_convolutions",
                    .description = "for this test",
                    .options = {{"model.width", "4", "channels between"}},
                    .build = [](const Settings& s, const Shape& input) {
                      GraphBuilder b("two_convolutions", input);
                      Conv2d::Params p;
                      p.out_channels = static_cast<int32_t>(s.integer("model.width", 1, 64));
                      const int32_t x = b.add<Conv2d>(p, {b.input()}, "a");
                      p.out_channels = s.text("model.head") == "linear" ? 1 : 2;
                      b.output(b.add<Conv2d>(p, {x}, "b"));
                      return b.finish();
                    }});
  Settings settings = from_text("[model]\nnetwork = two_convolutions\nwidth = 6\nhead = linear\n");
  CHECK(graph_settings(settings).weight_shapes[0] == Shape{6, 1, 1, 3});
  settings = from_text("[model]\nnetwork = two_convolutions\n");
  CHECK_THROWS_MATCHES(graph_settings(settings), Error, MessageMatches(ContainsSubstring("one channel")));
}

TEST_CASE("help shows every option with its default") {
  const std::vector<OptionGroup> groups = train_option_groups();
  const std::string help = option_help(groups);
  for (const OptionGroup& group : groups)
    for (const OptionSpec& option : group.options) CHECK_THAT(help, ContainsSubstring("--" + option.key));
  CHECK_THAT(help, ContainsSubstring("f32 or f64 (f32)"));
}
