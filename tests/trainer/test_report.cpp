// report.html: well-formed, complete in itself, from whatever a run directory holds.
#include "tests/support/xml_check.hpp"
#include "tests/trainer/toy_frames.hpp"
#include "trainer/json_lines.hpp"
#include "trainer/report.hpp"

#include "data/image_io.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using leadline::testing::xml_error;
namespace fs = std::filesystem;

namespace {

struct Run {
  RunDirectory dir{(fs::temp_directory_path() / ("leadline_report_" + std::to_string(getpid()) + "<&")).string()};
  Run() {
    fs::remove_all(dir.path);
    make_folders(dir);
  }
  ~Run() { fs::remove_all(dir.path); }
  void write(const std::string& file, const std::string& text) const { std::ofstream(file, std::ios::binary) << text; }
};

std::vector<JsonLine> told() {
  std::vector<JsonLine> lines{JsonLine()
                                  .text("event", "start")
                                  .text("network", "unet<2>")
                                  .integer("parameters", 1234)
                                  .integer("train_frames", 20)
                                  .integer("val_frames", 5)
                                  .text("protocol", "eigen")
                                  .text("monitor", "rmse")
                                  .text("cpu", "A \"fast\" CPU")};
  for (int step = 1; step <= 6; ++step)
    lines.push_back(JsonLine()
                        .text("event", "step")
                        .integer("step", step)
                        .number("loss", 1.0 / step)
                        .number("lr", 1e-3)
                        .number("gradient_norm", 2)
                        .number("step_seconds", 0.004 * step));
  const double rmse[] = {0.9, 0.5, 0.7};
  for (int epoch = 1; epoch <= 3; ++epoch)
    lines.push_back(JsonLine()
                        .text("event", "epoch")
                        .integer("epoch", epoch)
                        .integer("step", 2 * epoch)
                        .number("train_loss", 1.0 / epoch)
                        .number("lr", 1e-3)
                        .number("seconds", 10)
                        .number("data_seconds", 1)
                        .number("validation_seconds", 2.5)
                        .number("images_per_second", 33.25)
                        .number("rmse", rmse[epoch - 1])
                        .number("delta1", 0.25 * epoch));
  return lines;
}

} // namespace

TEST_CASE("a page of a whole run") {
  const Run run;
  std::vector<JsonLine> lines = told();
  lines.push_back(JsonLine().text("event", "finish").integer("step", 6));
  write_json_lines(run.dir.lines(), lines);
  run.write(run.dir.config(), testing::toy_settings({{"train.epochs", "3"}}).to_ini(true));
  data::write_png(run.dir.predictions() + "/epoch_001.png", data::RgbImage(4, 6, 1, 2, 3));
  data::write_png(run.dir.predictions() + "/epoch_003.png", data::RgbImage(4, 6, 200, 100, 50));
  data::write_png(run.dir.predictions() + "/worst_1.png", data::RgbImage(4, 6, 9, 9, 9));
  const auto row = [](const std::string& name, double rmse) {
    return JsonLine()
        .text("kind", "row")
        .text("name", name)
        .text("protocol", "garg")
        .integer("frames", 5)
        .text("data", "pairs:a&b.txt")
        .integer("epoch", 2)
        .number("rmse", rmse);
  };
  write_json_lines(run.dir.evaluation(), {row("unet", 0.4321), row("constant depth", 1.5),
                                          JsonLine()
                                              .text("kind", "worst")
                                              .text("file", "predictions/worst_1.png")
                                              .text("name", "kitchen \"7\"")
                                              .number("abs_rel", 0.7654)});
  write_report(run.dir);
  std::ifstream in(run.dir.report());
  const std::string page(std::istreambuf_iterator<char>(in), {});
  CHECK(page == report_page(run.dir));
  CHECK(xml_error(page) == "");
  // The best epoch by the monitored metric, which is one where less is better
  CHECK_THAT(page, ContainsSubstring("best rmse, epoch 2") && ContainsSubstring("0.5000"));
  CHECK_THAT(page, ContainsSubstring("complete, 3 epochs") && ContainsSubstring("unet&lt;2&gt;") &&
                       ContainsSubstring("A &quot;fast&quot; CPU"));
  CHECK_THAT(page, ContainsSubstring("Protocol garg, 5 frames of pairs:a&amp;b.txt, checkpoint of epoch 2"));
  CHECK_THAT(page, ContainsSubstring("<td class=\"win\">0.4321</td>") && ContainsSubstring("<td>1.5000</td>"));
  CHECK_THAT(page, ContainsSubstring("kitchen &quot;7&quot;: abs_rel 0.765"));
  CHECK_THAT(page, ContainsSubstring("after epoch 003") && !ContainsSubstring("after epoch 001"));
  CHECK_THAT(page, ContainsSubstring("0:30") && ContainsSubstring("25.0 %") && ContainsSubstring("16.0 ms"));
  CHECK_THAT(page, ContainsSubstring("<tr><td>model.base_channels</td><td>4</td></tr>"));
  // Every picture has words, nothing is fetched, and keyboards reach what scrolls.
  size_t images = 0;
  for (size_t at = page.find("<img "); at != std::string::npos; at = page.find("<img ", at + 1), ++images) {
    const std::string tag = page.substr(at, page.find('>', at) - at);
    CHECK_THAT(tag, ContainsSubstring("src=\"data:image/png;base64,iVBORw0KGgo") && ContainsSubstring(" alt=\"") &&
                        !ContainsSubstring("alt=\"\""));
  }
  CHECK(images == 2);
  for (const char* outside : {"<script", "<link", "@import", "url(", "src=\"http", "href=\"http"})
    CHECK(page.find(outside) == std::string::npos);
  CHECK_THAT(page, ContainsSubstring("lang=\"en\"") && ContainsSubstring("name=\"viewport\"") &&
                       ContainsSubstring("tabindex=\"0\"") && ContainsSubstring("prefers-color-scheme:dark"));
}

TEST_CASE("a page of what is there") {
  const Run run;
  CHECK_THROWS_WITH(report_page(run.dir), ContainsSubstring("metrics.jsonl"));
  CHECK_THROWS_WITH(report_page({"/nowhere"}), ContainsSubstring("/nowhere"));

  run.write(run.dir.metrics(), "epoch,step,lr,train_loss,delta1,rmse\n1,5,0.001,2.5,,\n2,10,0.001,1.25,0.75,0.5\n");
  CHECK(xml_error(report_page(run.dir)) == "");
  CHECK_THAT(report_page(run.dir), ContainsSubstring("best delta1, epoch 2") && ContainsSubstring("0.7500") &&
                                       ContainsSubstring("Learning rate"));

  std::vector<JsonLine> lines = told();
  lines.push_back(JsonLine().text("event", "error").integer("step", 6).text("message", "loss is <nan>"));
  write_json_lines(run.dir.lines(), lines);
  CHECK(xml_error(report_page(run.dir)) == "");
  CHECK_THAT(report_page(run.dir),
             ContainsSubstring("failed after step 6") && ContainsSubstring("loss is &lt;nan&gt;"));

  write_json_lines(run.dir.lines(), {JsonLine().text("event", "start")}); // before the first step
  CHECK(xml_error(report_page(run.dir)) == "");
  run.write(run.dir.config(), "[plugin]\nmystery = 7\n"); // another program's option
  CHECK_THAT(report_page(run.dir), ContainsSubstring("mystery = 7"));
  run.write(run.dir.lines(), "{\"event\":\n{}\n");
  CHECK_THROWS_WITH(report_page(run.dir), ContainsSubstring("metrics.jsonl:1"));
}
