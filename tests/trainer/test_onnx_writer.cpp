// ONNX files, read back field by field: messages are well-formed, every name is made before it is used, weights lie in
// PyTorch's order. Whether other engines compute the same is check_onnx.py's business.
#include "data/error.hpp"
#include "tests/trainer/onnx_networks.hpp"
#include "trainer/onnx_writer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <unistd.h>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

/// A protobuf message of any type: its fields by number. Throws for bytes that aren't one.
struct Parsed {
  struct Field {
    uint64_t integer = 0; // varint, or the bits of a float
    std::string bytes;
  };
  std::map<uint64_t, std::vector<Field>> fields;

  explicit Parsed(const std::string& bytes) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0; shift < 64; shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.at(at++));
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
      throw std::runtime_error("a varint of more than ten bytes");
    };
    const auto take = [&](uint64_t count) {
      if (count > bytes.size() - at) throw std::runtime_error("a field is longer than its message");
      at += count;
      return bytes.substr(at - count, count);
    };
    while (at < bytes.size()) {
      const uint64_t tag = varint();
      Field field;
      switch (tag & 7) {
      case 0: field.integer = varint(); break;
      case 2: field.bytes = take(varint()); break;
      case 5: {
        field.bytes = take(4);
        uint32_t bits;
        std::memcpy(&bits, field.bytes.data(), 4);
        field.integer = bits;
        break;
      }
      default: throw std::runtime_error("wire type " + std::to_string(tag & 7));
      }
      fields[tag >> 3].push_back(field);
    }
  }

  std::vector<Parsed> messages(uint64_t number) const {
    std::vector<Parsed> all;
    for (const std::string& bytes : texts(number)) all.emplace_back(bytes);
    return all;
  }
  std::vector<std::string> texts(uint64_t number) const {
    std::vector<std::string> all;
    if (const auto it = fields.find(number); it != fields.end())
      for (const Field& field : it->second) all.push_back(field.bytes);
    return all;
  }
  std::string text(uint64_t number) const { return fields.at(number).at(0).bytes; }
  std::vector<int64_t> integers(uint64_t number) const {
    std::vector<int64_t> all;
    if (const auto it = fields.find(number); it != fields.end())
      for (const Field& field : it->second) all.push_back(static_cast<int64_t>(field.integer));
    return all;
  }
};

// Numbers of onnx.proto3.
Parsed graph_of(const Parsed& model) { return model.messages(7).at(0); }
std::vector<int64_t> dims_of(const Parsed& value_info) {
  std::vector<int64_t> dims;
  const Parsed tensor_type = value_info.messages(2).at(0).messages(1).at(0);
  REQUIRE(tensor_type.integers(1) == std::vector<int64_t>{1}); // float
  for (const Parsed& dim : tensor_type.messages(2).at(0).messages(1)) dims.push_back(dim.integers(1).at(0));
  return dims;
}
std::map<std::string, Parsed> by_name(const Parsed& message, uint64_t number, uint64_t name) {
  std::map<std::string, Parsed> all;
  for (const Parsed& entry : message.messages(number)) REQUIRE(all.emplace(entry.text(name), entry).second);
  return all;
}
std::vector<float> floats_of(const Parsed& tensor) {
  const std::string raw = tensor.text(9);
  std::vector<float> values(raw.size() / sizeof(float));
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

} // namespace

TEST_CASE("every model is well-formed: names are unique and made before they are used") {
  const std::vector<OnnxCase> cases = onnx_cases();
  REQUIRE(cases.size() >= 100);
  for (const OnnxCase& c : cases) {
    INFO(c.name);
    const Parsed model(encode_onnx(c.graph, c.weights, {{"key", "value"}}));
    CHECK(model.integers(1) == std::vector<int64_t>{8});
    CHECK(model.text(2) == "leadline");
    CHECK(model.messages(8).at(0).integers(2) == std::vector<int64_t>{17});
    CHECK(model.messages(14).at(0).text(1) == "key");
    CHECK(model.messages(14).at(0).text(2) == "value");
    const Parsed graph = graph_of(model);
    CHECK(graph.text(2) == c.graph.name);

    std::set<std::string> known{graph.messages(11).at(0).text(1)}, used;
    CHECK(*known.begin() == "input");
    for (const auto& [name, tensor] : by_name(graph, 5, 8)) {
      REQUIRE(known.insert(name).second);
      size_t count = 1;
      for (const int64_t extent : tensor.integers(1)) count *= static_cast<size_t>(extent);
      const int64_t type = tensor.integers(2).at(0);
      REQUIRE((type == 1 || type == 7));
      CHECK(tensor.text(9).size() == count * (type == 1 ? 4 : 8));
    }
    std::set<std::string> operators;
    for (const Parsed& node : graph.messages(1)) {
      for (const std::string& name : node.texts(1)) {
        INFO(name);
        REQUIRE((name.empty() || known.count(name) == 1));
        used.insert(name);
      }
      REQUIRE(node.texts(2).size() == 1);
      REQUIRE(known.insert(node.text(2)).second);
      CHECK_FALSE(node.text(4).empty());
      for (const Parsed& attribute : node.messages(5)) { // the value's field is the one of its type
        const int64_t type = attribute.integers(20).at(0);
        CHECK(attribute.fields.count(type == 1 ? 2 : type == 2 ? 3 : type == 3 ? 4 : 8) == 1);
        CHECK(attribute.fields.size() == 3);
      }
    }
    const std::vector<Shape> shapes = c.graph.infer(c.graph.input_shape);
    const std::vector<Parsed> outputs = graph.messages(12);
    REQUIRE(outputs.size() == c.graph.outputs.size());
    for (size_t k = 0; k < outputs.size(); ++k) {
      const Shape& s = shapes[static_cast<size_t>(c.graph.outputs[k])];
      CHECK(known.count(outputs[k].text(1)) == 1);
      CHECK(dims_of(outputs[k]) == std::vector<int64_t>{s.n, s.c, s.h, s.w});
      used.insert(outputs[k].text(1));
    }
    CHECK(used == [&] { // nothing is written that nobody reads
      std::set<std::string> all = known;
      if (used.count("") == 1) all.insert("");
      if (used.count("input") == 0) all.erase("input");
      return all;
    }());
  }
}

TEST_CASE("weights are in PyTorch's order, attributes in ONNX's") {
  GraphBuilder b("g", {1, 6, 8, 2});
  Conv2d::Params conv;
  conv.out_channels = 4;
  conv.kernel_h = 3;
  conv.kernel_w = 1;
  conv.stride_w = 2;
  conv.padding_top = 1;
  conv.padding_bottom = 2;
  conv.padding_left = 3;
  conv.padding_right = 4;
  conv.dilation_h = 2;
  conv.groups = 2;
  conv.activation = make_activation(ActivationKind::leaky_relu);
  const int32_t x = b.add<Conv2d>(conv, {b.input()}, "conv");
  ConvTranspose2d::Params up;
  up.out_channels = 3;
  up.kernel_h = 2;
  b.output(b.add<ConvTranspose2d>(up, {x}, "up", 2));
  const Graph graph = b.finish();
  std::vector<std::vector<float>> weights(3);
  for (size_t i = 0; i < 3; ++i)
    for (index_t k = 0; k < graph.weight_shapes[i].count(); ++k) weights[i].push_back(static_cast<float>(k));
  const Parsed onnx = graph_of(Parsed(encode_onnx(graph, weights)));

  const auto initializers = by_name(onnx, 5, 8);
  CHECK(initializers.at("conv.weight").integers(1) == std::vector<int64_t>{4, 1, 3, 1});
  CHECK(floats_of(initializers.at("conv.weight")) == weights[0]); // one channel per group: the same order
  CHECK(initializers.at("conv.bias").integers(1) == std::vector<int64_t>{4});
  CHECK(initializers.at("up.weight").integers(1) == std::vector<int64_t>{4, 3, 2, 1});
  const std::vector<float> transposed = floats_of(initializers.at("up.weight")); // here [c][kh][o], there [c][o][kh]
  for (size_t c = 0; c < 4; ++c)
    for (size_t o = 0; o < 3; ++o)
      for (size_t k = 0; k < 2; ++k) CHECK(transposed[(c * 3 + o) * 2 + k] == weights[2][(c * 2 + k) * 3 + o]);
  CHECK(initializers.size() == 3);

  const std::vector<Parsed> nodes = onnx.messages(1);
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].text(4) == "Conv");
  CHECK(nodes[0].texts(1) == std::vector<std::string>{"input", "conv.weight", "conv.bias"});
  const auto attributes = by_name(nodes[0], 5, 1);
  CHECK(attributes.at("kernel_shape").integers(8) == std::vector<int64_t>{3, 1});
  CHECK(attributes.at("strides").integers(8) == std::vector<int64_t>{1, 2});
  CHECK(attributes.at("pads").integers(8) == std::vector<int64_t>{1, 3, 2, 4}); // top, left, bottom, right
  CHECK(attributes.at("dilations").integers(8) == std::vector<int64_t>{2, 1});
  CHECK(attributes.at("group").integers(3) == std::vector<int64_t>{2});
  CHECK(nodes[1].text(4) == "LeakyRelu");
  const float alpha = 0.01f;
  CHECK(std::memcmp(nodes[1].messages(5).at(0).text(2).data(), &alpha, 4) == 0);
  CHECK(nodes[2].text(4) == "ConvTranspose");
  CHECK(nodes[2].texts(1) == std::vector<std::string>{nodes[1].text(2), "up.weight"});
  CHECK(nodes[2].text(2) == "output");
}

TEST_CASE("nodes that share a weight share its initializer; names that clash get a number") {
  Conv2d::Params p;
  p.out_channels = 3;
  GraphBuilder b("g", {1, 4, 4, 3});
  int32_t x = b.add<Conv2d>(p, {b.input()}, "input"); // the name of the model's input
  x = b.add<Conv2d>(p, {x}, "output");
  b.output(b.add<Conv2d>(p, {x}, "conv"));
  Graph graph = b.finish();
  for (int slot = 0; slot < 2; ++slot) graph.nodes[2].weights[slot] = graph.nodes[0].weights[slot];
  std::vector<std::vector<float>> weights;
  for (const Shape& shape : graph.weight_shapes) weights.emplace_back(static_cast<size_t>(shape.count()), 1.0f);
  const Parsed onnx = graph_of(Parsed(encode_onnx(graph, weights)));
  CHECK(onnx.messages(5).size() == 4);
  const std::vector<Parsed> nodes = onnx.messages(1);
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].text(2) == "input#1");
  CHECK(nodes[1].text(2) == "output#1");
  CHECK(nodes[2].text(2) == "output");
  CHECK(nodes[2].texts(1).at(1) == nodes[0].texts(1).at(1));
}

TEST_CASE("an ONNX file appears whole or not at all, and weights that don't fit are refused") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("leadline_onnx_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  OnnxCase c = onnx_cases().front();
  const std::string file = (folder / "model.onnx").string();
  write_onnx(file, c.graph, c.weights);
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  CHECK(bytes == encode_onnx(c.graph, c.weights));
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 1);
  CHECK_THROWS_MATCHES(write_onnx((folder / "no" / "model.onnx").string(), c.graph, c.weights), Error,
                       MessageMatches(ContainsSubstring("model.onnx") && ContainsSubstring("No such file")));
  fs::remove_all(folder);

  OnnxCase empty = c;
  empty.graph.input_shape.n = 0;
  CHECK_THROWS_MATCHES(encode_onnx(empty.graph, empty.weights), Error, MessageMatches(ContainsSubstring("empty")));
  c.weights[0].pop_back();
  CHECK_THROWS_MATCHES(encode_onnx(c.graph, c.weights), Error, MessageMatches(ContainsSubstring("conv.weight")));
  c.weights.pop_back();
  CHECK_THROWS_AS(encode_onnx(c.graph, c.weights), Error);
}
