#include "trainer/graph_picture.hpp"

#include "data/error.hpp"
#include "data/image_io.hpp"
#include "trainer/layer_text.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace leadline::trainer {

namespace {

/// As it stands in a string of the language: quotes and backslashes are the only special characters.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}
std::string quoted(const std::string& text) { return "\"" + escaped(text) + "\""; }

std::string by(int h, int w) { return std::to_string(h) + "x" + std::to_string(w); }

/// What a layer does, in a few words: "conv2d+relu 3x3 /2".
std::string layer_words(const Node& node) {
  std::string words = layer_type(node);
  visit_layer(node.kind, [&](auto tag) {
    using Layer = typename decltype(tag)::Layer;
    const auto p = node.get<Layer>();
    if constexpr (requires { p.kernel_h; }) words += " " + by(p.kernel_h, p.kernel_w);
    if constexpr (requires { p.stride_h; })
      if (p.stride_h > 1 || p.stride_w > 1)
        words += " /" + (p.stride_h == p.stride_w ? std::to_string(p.stride_h) : by(p.stride_h, p.stride_w));
    if constexpr (requires { p.groups; })
      if (p.groups > 1) words += ", " + std::to_string(p.groups) + " groups";
  });
  if (node.kind == layer_kind<Resize>)
    words += node.get<Resize>().mode == ResizeMode::nearest ? " nearest" : " bilinear";
  return words;
}

/// Layers with weights, changes of size, meetings of values, and the rest.
const char* colour(const Node& node) {
  const LayerKind kind = node.kind;
  if (kind == layer_kind<Conv2d> || kind == layer_kind<Linear>) return "#cfe2f3";
  if (kind == layer_kind<ConvTranspose2d> || kind == layer_kind<Resize>) return "#d9ead3";
  if (kind == layer_kind<MaxPool2d> || kind == layer_kind<AvgPool2d> || kind == layer_kind<GlobalAvgPool2d> ||
      kind == layer_kind<GlobalMaxPool2d>)
    return "#f4cccc";
  if (kind == layer_kind<Concat> || kind == layer_kind<Add> || kind == layer_kind<Mul>) return "#fff2cc";
  return "#f3f3f3";
}

/// Of every node, the first one of its box: norms, activations and other layers that treat all values alike are drawn
/// with the layer whose result they alone read.
std::vector<size_t> boxes_of(const Graph& graph) {
  std::vector<int> readers(static_cast<size_t>(graph.num_values));
  for (const Node& node : graph.nodes)
    for (int s = 0; s < node.num_inputs; ++s) ++readers[static_cast<size_t>(node.inputs[s])];
  for (const int32_t value : graph.outputs) ++readers[static_cast<size_t>(value)];
  std::vector<size_t> producer(static_cast<size_t>(graph.num_values), graph.nodes.size()), boxes;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const LayerKind kind = node.kind;
    const bool small = kind == layer_kind<BatchNorm2d> || kind == layer_kind<GroupNorm> ||
                       kind == layer_kind<LayerNorm> || kind == layer_kind<Activation> || kind == layer_kind<Affine> ||
                       kind == layer_kind<Dropout>;
    const auto source = static_cast<size_t>(node.inputs[0]);
    const bool joins = small && readers[source] == 1 && producer[source] < graph.nodes.size();
    boxes.push_back(joins ? boxes[producer[source]] : i);
    producer[static_cast<size_t>(node.output)] = i;
  }
  return boxes;
}

/// Runs `dot -Tsvg -o SVG DOT`; returns its exit status, or -1 and errno.
int run_graphviz(const std::string& dot, const std::string& svg) {
  std::string words[] = {"dot", "-Tsvg", "-o", svg, dot};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), words[4].data(), nullptr};
  pid_t child = 0;
  if (const int error = posix_spawnp(&child, "dot", nullptr, nullptr, arguments, environ); error != 0) {
    errno = error;
    return -1;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

} // namespace

std::string dot_text(const Graph& graph) {
  const std::vector<Shape> values = graph.infer(graph.input_shape);
  const std::vector<size_t> boxes = boxes_of(graph);
  const auto shape = [&](int32_t value) { return GraphBuilder::to_string(values[static_cast<size_t>(value)]); };
  std::vector<std::string> box_of_value(values.size(), "input"); // its name in the text
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    box_of_value[static_cast<size_t>(graph.nodes[i].output)] = "layer" + std::to_string(boxes[i]);

  std::string text = "digraph " + quoted(graph.name) + " {\n" +
                     "  rankdir=TB;\n  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", "
                     "fontsize=10];\n  edge [color=\"#555555\"];\n";
  text += "  input [label=\"input\\n" + shape(0) + "\", shape=ellipse, fillcolor=\"#ffffff\"];\n";
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (boxes[i] != i) continue;
    const Node& node = graph.nodes[i];
    const std::string& box = box_of_value[static_cast<size_t>(node.output)];
    std::string words = layer_words(node);
    int32_t result = node.output;
    for (size_t k = i + 1; k < graph.nodes.size(); ++k)
      if (boxes[k] == i) {
        words += ", " + layer_words(graph.nodes[k]);
        result = graph.nodes[k].output;
      }
    // \n in a label is the language's own line break: it stands between pieces that are escaped.
    text += "  " + box + " [label=\"" + escaped(graph.node_names[i]) + "\\n" + escaped(words) + "\\n" + shape(result) +
            "\", fillcolor=\"" + colour(node) + "\"];\n";
    for (int s = 0; s < node.num_inputs; ++s)
      text += "  " + box_of_value[static_cast<size_t>(node.inputs[s])] + " -> " + box + ";\n";
  }
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const std::string name = "output" + (graph.outputs.size() > 1 ? std::to_string(k) : "");
    text += "  " + name + " [shape=ellipse, fillcolor=\"#ffffff\"];\n  " +
            box_of_value[static_cast<size_t>(graph.outputs[k])] + " -> " + name + ";\n";
  }
  return text + "}\n";
}

void write_graph_picture(const std::string& file, const Graph& graph) {
  const std::string dot = dot_text(graph);
  if (file.ends_with(".dot") || file.ends_with(".gv")) return data::write_file(file, dot.data(), dot.size());
  if (!file.ends_with(".svg"))
    throw Error({.file = file,
                 .reason = "the name's ending says neither DOT nor SVG",
                 .fix = "Name a file that ends in .dot or .svg"});
  data::require_replaceable(file);
  const std::string source = file + ".part.dot", picture = file + ".part";
  data::write_file(source, dot.data(), dot.size());
  errno = 0;
  const int status = run_graphviz(source, picture);
  const int error = errno;
  std::error_code code;
  std::filesystem::remove(source, code);
  if (status == 0) std::filesystem::rename(picture, file, code);
  if (status == 0 && !code) return;
  const bool missing = (status < 0 && error == ENOENT) || status == 127;
  std::error_code ignored;
  std::filesystem::remove(picture, ignored);
  throw Error({.file = file,
               .reason = missing      ? "Graphviz' program dot, which draws it, isn't installed"
                         : status < 0 ? std::string("dot can't be started: ") + std::strerror(error)
                         : status > 0 ? "dot ended with status " + std::to_string(status)
                                      : code.message(),
               .fix = missing ? "Install graphviz, or write --out " + file.substr(0, file.size() - 4) + ".dot"
                              : "Write the .dot file and run dot -Tsvg on it to see more"});
}

} // namespace leadline::trainer
