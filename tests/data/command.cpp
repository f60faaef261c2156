// `leadline data ...`: what it prints, writes and refuses.
#include "data/data_command.hpp"
#include "tests/data/support.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>

using namespace leadline;
using namespace leadline::data;
using namespace leadline::data::test;

namespace {

struct Outcome {
  int code = -1;
  std::string out, err;
};

/// Runs the command with stdout and stderr caught in files.
Outcome run(const std::vector<std::string>& words) {
  const TempDir dir;
  std::vector<const char*> argv = {"data"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::fflush(nullptr);
  const int kept_out = dup(1), kept_err = dup(2);
  std::FILE* out = std::fopen((dir / "out").c_str(), "wb");
  std::FILE* err = std::fopen((dir / "err").c_str(), "wb");
  dup2(fileno(out), 1);
  dup2(fileno(err), 2);
  Outcome outcome;
  outcome.code = data_command(static_cast<int>(argv.size()), argv.data());
  std::fflush(nullptr);
  dup2(kept_out, 1);
  dup2(kept_err, 2);
  close(kept_out);
  close(kept_err);
  std::fclose(out);
  std::fclose(err);
  for (const auto& [name, text] : {std::pair{"out", &outcome.out}, std::pair{"err", &outcome.err}}) {
    const auto bytes = bytes_of(dir / name);
    text->assign(bytes.begin(), bytes.end());
  }
  return outcome;
}

/// Three pairs of 16x12 and 20x10; distances 1 to 3 metres, a quarter of the pixels without.
void write_set(const TempDir& dir) {
  std::string list;
  for (int i = 0; i < 3; ++i) {
    const int h = i < 2 ? 12 : 10, w = i < 2 ? 16 : 20;
    const std::string n = std::to_string(i);
    write_png(dir / (n + ".png"), pattern(h, w));
    std::vector<std::uint16_t> depth(static_cast<std::size_t>(h * w));
    for (std::size_t k = 0; k < depth.size(); ++k)
      depth[k] = static_cast<std::uint16_t>(k % 4 == 0 ? 0 : 1000 + 2000 * k / depth.size());
    write_png16(dir / (n + "d.png"), h, w, depth.data());
    list += n + ".png " + n + "d.png 0.001" + (i == 1 ? " 30 31 7.5 5.5" : "") + "\n";
  }
  write_text(dir / "list.txt", list);
}

bool nothing_left(const TempDir& dir, const std::string& name) {
  for (const auto& entry : fs::directory_iterator(dir.path()))
    if (contains(entry.path().filename().string(), name)) return false;
  return true;
}

} // namespace

TEST_CASE("help teaches with examples") {
  const Outcome overview = run({"--help"});
  CHECK(overview.code == 0);
  for (const char* word : {"info", "show", "generate", "convert", "nyu_h5:DIR", "pairs:LIST.txt", "synthetic:"})
    CHECK(contains(overview.out, word));
  for (const char* action : {"info", "show", "generate", "convert"}) {
    const Outcome help = run({action, "--help"});
    CHECK(help.code == 0);
    CHECK(contains(help.out, std::string("  leadline data ") + action));
    CHECK(contains(help.out, "--on_bad_sample"));
  }
  CHECK(run({}).code == 2);
}

TEST_CASE("info prints what there is to know") {
  const TempDir dir;
  write_set(dir);
  const Outcome info = run({"info", "pairs:" + (dir / "list.txt")});
  INFO(info.out << info.err);
  CHECK(info.code == 0);
  CHECK(info.err.empty());
  CHECK(contains(info.out, "frames     3\n"));
  CHECK(contains(info.out, "16x12 (2)"));
  CHECK(contains(info.out, "20x10 (1)"));
  CHECK(contains(info.out, "75.0 % of pixels have depth"));
  CHECK(contains(info.out, "median 2.0"));
  CHECK(contains(info.out, "fx 30.00"));
  CHECK(contains(info.out, "known for 1 of 3"));
  CHECK(contains(info.out, "####"));
  const Outcome some = run({"info", "pairs:" + (dir / "list.txt"), "--frames", "2"});
  CHECK(contains(some.out, "2 of them"));
}

TEST_CASE("info and show work on digits and synthetic") {
  const TempDir dir;
  CHECK(contains(run({"info", "digits"}).out, "1797"));
  const Outcome rooms = run({"info", "synthetic:count=2,height=24,width=32"});
  CHECK(rooms.code == 0);
  CHECK(contains(rooms.out, "100.0 % of pixels"));
  CHECK(run({"show", "digits", "--out", dir / "digits.png"}).code == 0);
  CHECK(read_rgb(dir / "digits.png").width > 80);
}

TEST_CASE("show writes a sheet; kebab-case options mean the same") {
  const TempDir dir;
  write_set(dir);
  const Outcome show =
      run({"show", "pairs:" + (dir / "list.txt"), "--out=" + (dir / "sheet.png"), "--tile-width", "64", "--count=2"});
  INFO(show.err);
  CHECK(show.code == 0);
  const RgbImage sheet = read_rgb(dir / "sheet.png");
  CHECK(sheet.width >= 4 * 64);
  const Outcome wrong = run({"show", "pairs:" + (dir / "list.txt"), "--out", dir / "sheet.gif"});
  CHECK(wrong.code == 2);
  CHECK(contains(wrong.err, ".png or .jpg"));
}

TEST_CASE("generate writes pairs that read back as the rooms they are") {
  const TempDir dir;
  const Outcome made = run(
      {"generate", "synthetic:seed=3,height=24,width=32", "--count", "3", "--out", dir / "rooms/", "--format", "png"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  CHECK(contains(made.out, "3 frames written: pairs:"));
  const DatasetPtr files = open_dataset("pairs:" + (dir / "rooms/list.txt"));
  const DatasetPtr rooms = open_dataset("synthetic:seed=3,height=24,width=32,count=3");
  REQUIRE(files->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const Sample a = files->load(i), b = rooms->load(i);
    CHECK(a.rgb == b.rgb);
    CHECK(a.intrinsics.fx == b.intrinsics.fx);
    CHECK(a.intrinsics.cy == b.intrinsics.cy);
    for (std::size_t k = 0; k < a.depth.size(); ++k) REQUIRE(!(std::abs(a.depth[k] - b.depth[k]) > 0.00051f));
  }
  const Outcome again = run({"generate", "synthetic", "--count", "1", "--out", dir / "rooms"});
  CHECK(again.code == 1);
  CHECK(contains(again.err, "exists already"));
  CHECK(run({"generate", "pairs:x.txt", "--out", dir / "x"}).code == 2);
  CHECK(run({"generate", "synthetic:count=3", "--count", "2", "--out", dir / "x"}).code == 2);
}

TEST_CASE("convert: pairs to nyu_h5 and back, with and without another size") {
  const TempDir dir;
  write_set(dir);
  REQUIRE(run({"convert", "pairs:" + (dir / "list.txt"), "--to", "nyu_h5", "--out", dir / "h5"}).code == 0);
  REQUIRE(run({"convert", "nyu_h5:" + (dir / "h5"), "--to", "pairs", "--out", dir / "back", "--format", "png"}).code ==
          0);
  const DatasetPtr before = open_dataset("pairs:" + (dir / "list.txt")), h5 = open_dataset("nyu_h5:" + (dir / "h5")),
                   after = open_dataset("pairs:" + (dir / "back/list.txt"));
  REQUIRE(after->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(h5->load(i).rgb == before->load(i).rgb);
    CHECK(h5->load(i).depth == before->load(i).depth);
    CHECK(after->load(i).rgb == before->load(i).rgb);
    CHECK(after->load(i).depth == before->load(i).depth);
    CHECK(after->load(i).intrinsics.fx == before->load(i).intrinsics.fx);
  }
  REQUIRE(
      run({"convert", "pairs:" + (dir / "list.txt"), "--to", "pairs", "--out", dir / "small", "--size", "6x8"}).code ==
      0);
  const Sample small = open_dataset("pairs:" + (dir / "small/list.txt"))->load(1);
  CHECK((small.height == 6 && small.width == 8));
  CHECK(small.intrinsics.fx == 15.0f);
}

TEST_CASE("convert says what doesn't fit into 16 bits") {
  const TempDir dir;
  write_set(dir);
  const Outcome coarse = run({"convert", "pairs:" + (dir / "list.txt"), "--to", "pairs", "--out", dir / "fine",
                              "--metres-per-unit", "0.00004"});
  CHECK(coarse.code == 0);
  CHECK(contains(coarse.err, "don't fit into 16 bits"));
}

TEST_CASE("what fails leaves nothing behind") {
  const TempDir dir;
  write_set(dir);
  const auto bytes = bytes_of(dir / "2.png");
  write_bytes(dir / "2.png", bytes, bytes.size() / 2);
  const std::string spec = "pairs:" + (dir / "list.txt");
  const Outcome stopped = run({"convert", spec, "--to", "nyu_h5", "--out", dir / "result"});
  CHECK(stopped.code == 1);
  CHECK(contains(stopped.err, "leadline: error: "));
  CHECK(contains(stopped.err, "list.txt:3"));
  CHECK(nothing_left(dir, "result"));
  CHECK(run({"show", spec, "--out", dir / "result.png"}).code == 1);
  CHECK(nothing_left(dir, "result"));
  const Outcome skipped = run({"convert", spec, "--to", "nyu_h5", "--out", dir / "result", "--on-bad-sample", "skip"});
  CHECK(skipped.code == 0);
  CHECK(contains(skipped.err, "warning"));
  CHECK(open_dataset("nyu_h5:" + (dir / "result"))->size() == 2);
  CHECK(run({"convert", "digits", "--to", "pairs", "--out", dir / "digits"}).code == 1);
  CHECK(nothing_left(dir, "digits"));
}

TEST_CASE("command lines that are wrong end with 2 and say how to write it") {
  const auto expect = [](const std::vector<std::string>& words, const std::string& part) {
    const Outcome outcome = run(words);
    INFO(outcome.err);
    CHECK(outcome.code == 2);
    CHECK(contains(outcome.err, "leadline: error: "));
    CHECK(contains(outcome.err, part));
  };
  expect({"inf"}, "did you mean info?");
  expect({"show", "synthetic", "--cuont", "3"}, "did you mean --count?");
  expect({"show", "synthetic", "--count", "many"}, "many");
  expect({"show", "synthetic", "--count", "-2", "--out", "x.png"}, "negative");
  expect({"show", "synthetic", "--count", "0", "--out", "x.png"}, "at least 1 frame");
  expect({"show", "synthetic"}, "--out");
  expect({"info"}, "SPEC");
  expect({"info", "a", "b"}, "positional");
  expect({"convert", "synthetic", "--out", "x"}, "--to");
  expect({"convert", "synthetic", "--to", "zip", "--out", "x"}, "zip");
  expect({"convert", "synthetic", "--to", "pairs", "--out", "x", "--size", "12"}, "144x192");
  expect({"info", "synthetic", "--on_bad_sample", "maybe"}, "stop or skip");
  CHECK(run({"info", "pairs:/no/such/list.txt"}).code == 1);
}
