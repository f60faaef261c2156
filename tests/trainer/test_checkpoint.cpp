// Checkpoints: everything comes back exactly, damage is seen, nothing half-written is left.
#include "data/error.hpp"
#include "tests/support/temp_dir.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/networks/unet.hpp"
#include "trainer/weight_io.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using leadline::testing::TempDir;
namespace fs = std::filesystem;

namespace {

Checkpoint example(const std::string& precision) {
  Checkpoint c;
  c.settings = "[train]\nepochs = 3\n# Größe\n";
  c.network = "unet";
  c.precision = precision;
  c.weights = {
      {"b.weight", {2, 1, 3, 1}, {1, 2, 3, 0.5, -1, 0.1f}}, {"a.bias", {2}, {-0.0, 1e-30f}}, {"a.empty", {0, 3}, {}}};
  c.optimizer = "adamw";
  c.optimizer_steps = 77;
  c.optimizer_state = {{"exp_avg/b.weight", {2, 1, 3, 1}, {0, 0, 1, 1, 0, 2}}, {"exp_avg/a.bias", {2}, {3, 4}}};
  c.optimizer_scalars = {{"mu_product", 0.1}, {"other", 1.0 / 3}};
  c.scheduler = "plateau";
  c.scheduler_state = {1.0 / 3, 4};
  c.seed = 0xFFFFFFFFFFFFFFFFull;
  c.epoch = 2;
  c.batch = 5;
  c.step = 77;
  c.loss_sum = 1.0 / 7;
  c.monitor = "delta1";
  c.best = 0.1 + 0.2;
  c.best_epoch = 1;
  c.protocol = "raw";
  c.metrics = {{"delta1", 0.3}, {"rmse", 2.5}};
  c.focal_x = 500.5;
  c.focal_y = 501;
  c.median_depth = 2.25;
  c.mean_map = {"mean_map", {1, 2}, {1.5, 2.5}};
  return c;
}

bool same(const std::vector<NamedArray>& a, const std::vector<NamedArray>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const NamedArray& x, const NamedArray& y) {
    return x.name == y.name && x.shape == y.shape && x.values == y.values;
  });
}

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_bytes(const std::string& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

} // namespace

TEST_CASE("what is written comes back, in float and double") {
  const TempDir folder;
  for (const std::string precision : {"f32", "f64"}) {
    const Checkpoint c = example(precision);
    write_checkpoint(folder / "c.h5", c);
    const Checkpoint r = read_checkpoint(folder / "c.h5");
    CHECK(r.settings == c.settings);
    CHECK(r.network == c.network);
    CHECK(r.precision == c.precision);
    CHECK(same(r.weights, c.weights));
    CHECK(r.optimizer == c.optimizer);
    CHECK(r.optimizer_steps == c.optimizer_steps);
    CHECK(same(r.optimizer_state, c.optimizer_state));
    CHECK(r.optimizer_scalars == c.optimizer_scalars);
    CHECK(r.scheduler == c.scheduler);
    CHECK(r.scheduler_state == c.scheduler_state);
    CHECK(r.seed == c.seed);
    CHECK(r.epoch == c.epoch);
    CHECK(r.batch == c.batch);
    CHECK(r.step == c.step);
    CHECK(r.loss_sum == c.loss_sum);
    CHECK(r.monitor == c.monitor);
    CHECK(r.best == c.best);
    CHECK(r.best_epoch == c.best_epoch);
    CHECK(r.protocol == c.protocol);
    CHECK(r.metrics == c.metrics);
    CHECK(r.focal_x == c.focal_x);
    CHECK(r.focal_y == c.focal_y);
    CHECK(r.median_depth == c.median_depth);
    CHECK(r.mean_map.shape == c.mean_map.shape);
    CHECK(r.mean_map.values == c.mean_map.values);
  }
}

TEST_CASE("the same state gives the same bytes") {
  const TempDir folder;
  write_checkpoint(folder / "a.h5", example("f32"));
  write_checkpoint(folder / "b.h5", example("f32"));
  CHECK(bytes_of(folder / "a.h5") == bytes_of(folder / "b.h5"));
}

TEST_CASE("a file that was cut off anywhere is refused") {
  const TempDir folder;
  write_checkpoint(folder / "c.h5", example("f32"));
  const std::string bytes = bytes_of(folder / "c.h5");
  REQUIRE(bytes.size() > 1000);
  for (size_t size = 0; size < bytes.size(); size += size < 200 ? 13 : 397) {
    INFO(size << " of " << bytes.size() << " bytes");
    write_bytes(folder / "cut.h5", bytes.substr(0, size));
    CHECK_THROWS_MATCHES(read_checkpoint(folder / "cut.h5"), Error, MessageMatches(ContainsSubstring("cut.h5")));
  }
}

TEST_CASE("a flipped bit is refused or harmless, never a crash or a wrong number") {
  const TempDir folder;
  const Checkpoint c = example("f32");
  write_checkpoint(folder / "c.h5", c);
  const std::string bytes = bytes_of(folder / "c.h5");
  size_t refused = 0, tried = 0;
  for (size_t at = 0; at < bytes.size(); at += 7) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    write_bytes(folder / "flipped.h5", damaged);
    ++tried;
    try {
      const Checkpoint r = read_checkpoint(folder / "flipped.h5");
      INFO("byte " << at);
      CHECK(same(r.weights, c.weights)); // what can't be told from the sound file
      CHECK(same(r.optimizer_state, c.optimizer_state));
      CHECK(r.settings == c.settings);
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused * 4 > tried); // the rest is padding
}

TEST_CASE("files that are something else, or nothing") {
  const TempDir folder;
  CHECK_THROWS_MATCHES(read_checkpoint(folder / "none.h5"), Error, MessageMatches(ContainsSubstring("no such")));
  write_bytes(folder / "text.h5", "just text");
  CHECK_THROWS_MATCHES(read_checkpoint(folder / "text.h5"), Error, MessageMatches(ContainsSubstring("no HDF5 file")));
}

TEST_CASE("what can't be written leaves nothing behind, and the old file as it was") {
  const TempDir folder;
  CHECK_THROWS_MATCHES(write_checkpoint(folder / "no/such/c.h5", example("f32")), Error,
                       MessageMatches(ContainsSubstring("can't be written")));
  write_checkpoint(folder / "c.h5", example("f32"));
  const std::string before = bytes_of(folder / "c.h5");
  Checkpoint impossible = example("f32");
  impossible.weights.push_back(impossible.weights.front()); // a name twice
  CHECK_THROWS_AS(write_checkpoint(folder / "c.h5", impossible), Error);
  CHECK(bytes_of(folder / "c.h5") == before);
  CHECK(folder.entries() == 1);
}

TEST_CASE("weights of another network are refused by name") {
  UNetParams p;
  p.base_channels = 4;
  p.levels = 1;
  p.height = p.width = 8;
  const Graph graph = unet(p);
  std::vector<NamedArray> weights;
  for (size_t i = 0; i < graph.weight_names.size(); ++i)
    weights.push_back({graph.weight_names[i], pytorch_shape(graph, static_cast<int>(i)),
                       std::vector<double>(static_cast<size_t>(graph.weight_shapes[i].count()))});
  CHECK_NOTHROW(check_weights(graph, weights, "c.h5"));

  std::vector<NamedArray> wrong = weights;
  wrong.pop_back();
  CHECK_THROWS_MATCHES(
      check_weights(graph, wrong, "c.h5"), Error,
      MessageMatches(ContainsSubstring("c.h5") && ContainsSubstring("head.bias") && ContainsSubstring("missing")));
  wrong = weights;
  wrong.push_back({"extra.weight", {1}, {0}});
  CHECK_THROWS_MATCHES(check_weights(graph, wrong, "c.h5"), Error, MessageMatches(ContainsSubstring("extra.weight")));
  p.base_channels = 5;
  CHECK_THROWS_MATCHES(check_weights(unet(p), weights, "c.h5"), Error,
                       MessageMatches(ContainsSubstring("down.0.0.weight") && ContainsSubstring("[4, 3, 3, 3]") &&
                                      ContainsSubstring("[5, 3, 3, 3]")));
}
