// Summaries and pictures of networks: their numbers are the graph's, a picture has every layer and every arrow.
#include "tests/trainer/state_dict.hpp"
#include "trainer/graph_picture.hpp"
#include "trainer/networks/fastdepth.hpp"
#include "trainer/networks/unet.hpp"
#include "trainer/summary.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace leadline;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using leadline::testing::parameters;
namespace fs = std::filesystem;

namespace {

Graph small_unet() {
  UNetParams p;
  p.base_channels = 4;
  p.levels = 1;
  p.height = 6;
  p.width = 10;
  return unet(p);
}

size_t count(const std::string& text, const std::string& word) {
  size_t found = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + word.size())) ++found;
  return found;
}

} // namespace

TEST_CASE("a summary's sums are the network's") {
  FastDepthParams p;
  p.height = p.width = 224;
  const Graph graph = fastdepth(p);
  const NetworkSummary one = summarise(graph, 1), four = summarise(graph, 4);
  CHECK(one.macs == 736658944);
  CHECK(four.macs == 4 * one.macs);
  CHECK(one.parameters == parameters(graph));
  CHECK(four.parameters == one.parameters);
  CHECK(std::fabs(one.input_mb - 224 * 224 * 3 * 4 / 1e6) <= 1e-9);
  CHECK(std::fabs(one.parameters_mb - static_cast<double>(one.parameters) * 4 / 1e6) <= 1e-9);
  CHECK(std::fabs(four.forward_backward_mb - 4 * one.forward_backward_mb) <= 1e-6);
}

TEST_CASE("a summary's rows") {
  const Graph graph = small_unet();
  const NetworkSummary summary = summarise(graph, 2);
  REQUIRE(summary.layers.size() == graph.nodes.size());
  const LayerSummary& first = summary.layers[0];
  CHECK(first.name == "down.0.0");
  CHECK(first.type == "conv2d");
  CHECK(first.input == Shape{2, 6, 10, 3});
  CHECK(first.output == Shape{2, 6, 10, 4});
  CHECK(first.parameters == 4 * 3 * 9);
  CHECK(first.kernel_h == 3);
  CHECK(first.macs == 2 * 60 * 4 * 3 * 9);
  CHECK(summary.layers[1].parameters == 8); // no running statistics
  CHECK(summary.layers[2].type == "relu");
  CHECK(summary.layers[2].parameters == 0);
  double outputs = 0;
  for (const LayerSummary& layer : summary.layers)
    if (layer.parameters > 0) outputs += static_cast<double>(layer.output.count());
  CHECK(std::fabs(summary.forward_backward_mb - 2 * 4 * outputs / 1e6) <= 1e-12);
  const std::string text = summary_text(summary);
  CHECK_THAT(text, ContainsSubstring("down.0.0 (conv2d)") && ContainsSubstring("[2, 6, 10, 3]") &&
                       ContainsSubstring("12,960") && ContainsSubstring("[3, 3]") &&
                       ContainsSubstring("Total params: ") && ContainsSubstring("Trainable"));
  CHECK(count(text, "\n") == graph.nodes.size() + 15);
  CHECK(summary.frozen == 0);
  std::vector<bool> frozen(graph.weight_shapes.size());
  frozen[0] = frozen[1] = true; // the first convolution, and the weight but not the bias of its norm
  const NetworkSummary partly = summarise(graph, 2, frozen);
  CHECK(partly.parameters == summary.parameters);
  CHECK(partly.frozen == 4 * 3 * 9 + 4);
  CHECK(count(summary_text(partly), "  False\n") == 1);
  CHECK(count(summary_text(partly), "  Partial\n") == 1);
  CHECK_THAT(summary_text(partly), ContainsSubstring("Non-trainable params: 112"));
}

TEST_CASE("a picture has a box for every layer with what only follows it, and an arrow for every value that is read") {
  const std::string dot = dot_text(small_unet());
  // Six convolutions and the head with what follows them, pooling, up-sampling, concat, input.
  CHECK(count(dot, "[label=") == 6 + 1 + 3 + 1);
  CHECK(count(dot, " -> ") == 12); // one each, two of the concat, one of the output
  CHECK_THAT(dot, ContainsSubstring("\"down.0.0\\nconv2d 3x3, batch_norm2d, relu\\n[1,6,10,4]\"") &&
                      ContainsSubstring("\"up.0\\nconv_transpose2d 2x2 /2\\n[1,6,10,4]\"") &&
                      ContainsSubstring("\"head\\nconv2d 1x1, sigmoid, affine\\n[1,6,10,1]\"") &&
                      ContainsSubstring("input -> layer0;"));
  GraphBuilder odd("quotes \" and \\", {1, 2, 2, 1});
  const int32_t first = odd.add<Affine>({}, {odd.input()}, "a \"b\"");
  odd.output(odd.add<Add>({}, {first, odd.add<Affine>({}, {first}, "read twice: its own box")}, "sum"));
  const std::string text = dot_text(odd.finish());
  CHECK_THAT(text, ContainsSubstring("digraph \"quotes \\\" and \\\\\"") &&
                       ContainsSubstring("[label=\"a \\\"b\\\"\\naffine"));
  CHECK(count(text, "[label=") == 4);
}

TEST_CASE("pictures are written whole, or a sentence says why not") {
  const fs::path folder = fs::temp_directory_path() / ("leadline_picture_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto file = [&](const char* name) { return (folder / name).string(); };
  const auto content = [](const std::string& path) {
    std::ifstream stream(path);
    return std::string{std::istreambuf_iterator<char>(stream), {}};
  };
  const Graph graph = small_unet();
  write_graph_picture(file("net.dot"), graph);
  CHECK(content(file("net.dot")) == dot_text(graph));
  CHECK_THROWS_MATCHES(write_graph_picture(file("net.png"), graph), Error,
                       MessageMatches(ContainsSubstring("net.png") && ContainsSubstring(".svg")));
  CHECK_THROWS_AS(write_graph_picture(file("no/such/folder/net.dot"), graph), Error);
  CHECK_THROWS_AS(write_graph_picture(file("no/such/folder/net.svg"), graph), Error);
  if (std::system("dot -V >/dev/null 2>&1") == 0) {
    write_graph_picture(file("net.svg"), graph);
    CHECK_THAT(content(file("net.svg")), ContainsSubstring("<svg") && ContainsSubstring("down.0.0"));
    fs::remove(file("net.svg"));
  }
  const char* path = std::getenv("PATH");
  const std::string before = path ? path : "";
  ::setenv("PATH", folder.c_str(), 1); // where there is no Graphviz
  CHECK_THROWS_MATCHES(write_graph_picture(file("net.svg"), graph), Error,
                       MessageMatches(ContainsSubstring("Install graphviz") && ContainsSubstring("net.dot")));
  ::setenv("PATH", before.c_str(), 1);
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 1);
  fs::remove_all(folder);
}
