// The model file: what the writer wrote is what the reader finds, and nothing broken gets past the reader.
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

using namespace leadline;
using namespace leadline::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// What a device sees of these bytes: both validators, as opening does.
Status validate(AlignedBytes& bytes, bool checksums, std::string* text = nullptr) {
  char buffer[512];
  Message message(buffer, sizeof buffer);
  ModelView view;
  Status status = read_model(bytes.data(), bytes.size(), checksums, &view, &message);
  if (status == Status::ok) {
    std::vector<Shape> values(static_cast<size_t>(view.graph.num_values));
    status = infer_model(view, view.input->preprocess.height, view.input->preprocess.width, values.data(), &message);
  }
  if (text) *text = buffer;
  return status;
}

Status validate(const std::vector<unsigned char>& file, std::string* text = nullptr, bool checksums = true) {
  AlignedBytes bytes(file);
  return validate(bytes, checksums, text);
}

std::vector<unsigned char> small_model() {
  const Graph graph = activation_graph({1, 2, 3, 1});
  ModelSpec spec = make_spec(graph);
  spec.golden = compute_golden(spec);
  return encode_model(spec);
}

} // namespace

TEST_CASE("CRC-32 has its published check value and continues") {
  REQUIRE(crc32("123456789", 9) == 0xCBF43926u);
  REQUIRE(crc32("", 0) == 0);
  for (size_t split = 0; split <= 9; ++split)
    REQUIRE(crc32("123456789" + split, 9 - split, crc32("123456789", split)) == 0xCBF43926u);
}

TEST_CASE("what was written is read") {
  const Graph graph = tiny_unet(12, 20);
  ModelSpec spec = make_spec(graph);
  spec.size_multiple = 4;
  spec.preprocess.crop = CropMode::centre_crop;
  spec.preprocess.mean[1] = 0.3f;
  spec.fx = 17.5f;
  spec.fy = 16.5f;
  spec.min_depth = 0.25f;
  spec.provenance["metric"] = "delta1 0.61 (raw), \xC3\xA9t\xC3\xA9";
  spec.golden = compute_golden(spec);
  const std::vector<unsigned char> file = encode_model(spec);
  REQUIRE(file == encode_model(spec)); // deterministic

  AlignedBytes bytes(file);
  ModelView view;
  char text[512];
  Message message(text, sizeof text);
  REQUIRE(read_model(bytes.data(), bytes.size(), true, &view, &message) == Status::ok);
  REQUIRE(view.file_bytes == file.size());
  REQUIRE(std::string(view.string(view.name)) == "tiny_unet");
  REQUIRE(view.graph.num_nodes == static_cast<int32_t>(graph.nodes.size()));
  REQUIRE(view.graph.num_values == graph.num_values);
  REQUIRE(view.graph.outputs[0] == graph.outputs[0]);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    REQUIRE(std::memcmp(&view.graph.nodes[i], &graph.nodes[i], sizeof(Node)) == 0);
    REQUIRE(graph.node_names[i] == view.string(view.node_names[i]));
  }
  for (size_t i = 0; i < graph.weight_shapes.size(); ++i) {
    const int32_t w = static_cast<int32_t>(i);
    REQUIRE(view.graph.weight_shapes[i] == graph.weight_shapes[i]);
    REQUIRE(graph.weight_names[i] == view.string(view.weights[i].name));
    REQUIRE(std::memcmp(view.weight(w), spec.weights[i].data(), spec.weights[i].size() * sizeof(float)) == 0);
    REQUIRE(reinterpret_cast<uintptr_t>(view.weight(w)) % 64 == 0);
  }
  REQUIRE(std::memcmp(&view.input->preprocess, &spec.preprocess, sizeof(Preprocess)) == 0);
  REQUIRE(view.input->size_multiple == 4);
  REQUIRE(view.input->fx == 17.5f);
  REQUIRE(view.output->min_depth == 0.25f);
  REQUIRE(view.output->max_depth == 10.0f);
  REQUIRE(view.golden->num_samples == 12 * 20);
  REQUIRE(std::string(view.provenance) == "data=synthetic:seed=1");

  // other sizes: multiples of 4 only
  std::vector<Shape> values(static_cast<size_t>(view.graph.num_values));
  REQUIRE(infer_model(view, 8, 24, values.data(), &message) == Status::ok);
  REQUIRE(values[static_cast<size_t>(view.graph.outputs[0])] == Shape{1, 8, 24, 1});
  REQUIRE(infer_model(view, 10, 24, values.data(), &message) == Status::invalid_shape);
  REQUIRE_THAT(text, ContainsSubstring("multiples of 4") && ContainsSubstring("10x24"));
  for (const int32_t size : {0, -4, max_image_side + 4, INT32_MIN})
    REQUIRE(infer_model(view, size, 24, values.data(), &message) == Status::invalid_shape);
}

TEST_CASE("the golden sample of a large output is thinned out to at most 16 KiB") {
  const Graph graph = activation_graph({1, 64, 128, 3});
  ModelSpec spec = make_spec(graph);
  spec.golden = compute_golden(spec);
  REQUIRE(spec.golden.size() <= max_golden_samples);
  REQUIRE(spec.golden.size() > max_golden_samples / 2);
  REQUIRE(validate(encode_model(spec)) == Status::ok);
}

TEST_CASE("every flipped byte is noticed, and none does harm") {
  const std::vector<unsigned char> file = small_model();
  AlignedBytes bytes(file);
  REQUIRE(validate(bytes, true) == Status::ok);
  for (size_t i = 0; i < file.size(); ++i) {
    for (const unsigned char flip : {0x01, 0x80, 0xFF}) {
      bytes.data()[i] = static_cast<unsigned char>(file[i] ^ flip);
      CAPTURE(i, int(flip));
      std::string text;
      REQUIRE(validate(bytes, true, &text) != Status::ok);
      REQUIRE(!text.empty());
      (void)validate(bytes, false); // may pass: only harm counts
    }
    bytes.data()[i] = file[i];
  }
}

TEST_CASE("every length but the whole is refused") {
  const std::vector<unsigned char> file = small_model();
  for (size_t size = 0; size < file.size(); ++size) {
    AlignedBytes bytes(file.data(), size);
    CAPTURE(size);
    REQUIRE(validate(bytes, true) == Status::invalid_model);
    REQUIRE(validate(bytes, false) == Status::invalid_model);
  }
  std::vector<unsigned char> longer = file; // a flash partition is longer than its file
  longer.resize(file.size() + 100, 0xFF);
  REQUIRE(validate(longer) == Status::ok);
}

TEST_CASE("random damage behind right checksums gives a status, nothing else") {
  const std::vector<unsigned char> file = tiny_model(4, 6);
  const Philox random(20);
  uint64_t draw = 0;
  int refused = 0;
  constexpr int rounds = 3000;
  for (int round = 0; round < rounds; ++round) {
    std::vector<unsigned char> broken = file;
    const uint64_t edits = 1 + random.below(draw++, 4);
    for (uint64_t e = 0; e < edits; ++e) {
      const uint64_t at = sizeof(FileHeader) + random.below(draw++, file.size() - sizeof(FileHeader));
      static constexpr unsigned char interesting[] = {0, 1, 2, 0x7F, 0x80, 0xFF};
      broken[at] = random.below(draw++, 2) != 0 ? interesting[random.below(draw++, 6)]
                                                : static_cast<unsigned char>(random.below(draw++, 256));
    }
    Editor{broken}.seal();
    refused += validate(broken) != Status::ok;
  }
  REQUIRE(refused > rounds / 10); // the edits do reach the rules
  REQUIRE(refused < rounds);      // weights may hold any number
}

TEST_CASE("each rule names its field and value") {
  struct Case {
    const char* expected;
    Status status;
    std::function<void(Editor&)> edit;
  };
  const Case cases[] = {
      {"doesn't begin with", Status::invalid_model, [](Editor& e) { e.header().magic[0] = 'X'; }},
      {"byte_order is 67305985", Status::invalid_model, [](Editor& e) { e.header().byte_order = 0x04030201; }},
      {"format version is 2, this library reads version 1", Status::version_mismatch,
       [](Editor& e) { e.header().version = 2; }},
      {"num_sections is 4000000000", Status::invalid_model, [](Editor& e) { e.header().num_sections = 4000000000u; }},
      {"kind 77", Status::invalid_model, [](Editor& e) { e.entry(SectionKind::plan).kind = 77; }},
      {"section strings starts at 64", Status::invalid_model,
       [](Editor& e) { e.entry(SectionKind::strings).offset = 64; }},
      {"ends behind the file's", Status::invalid_model,
       [](Editor& e) { e.entry(SectionKind::plan).bytes = UINT64_MAX - 5; }},
      {"num_nodes of section graph is -1", Status::invalid_model,
       [](Editor& e) { e.at<GraphSection>(SectionKind::graph).num_nodes = -1; }},
      {"section graph has", Status::invalid_model,
       [](Editor& e) { e.at<GraphSection>(SectionKind::graph).num_nodes = 4; }},
      {"num_values of section graph is 2000000000", Status::invalid_model,
       [](Editor& e) { e.at<GraphSection>(SectionKind::graph).num_values = 2000000000; }},
      {"node in.conv (conv2d)", Status::invalid_shape,
       [](Editor& e) {
         e.at<Shape>(SectionKind::weight_table) = {3, 5, 3, 3};
       }},
      {"an input is not produced by an earlier node", Status::invalid_model,
       [](Editor& e) { e.at<Node>(SectionKind::graph, sizeof(GraphSection)).inputs[0] = 3; }},
      {"unknown layer kind", Status::invalid_model,
       [](Editor& e) {
         e.at<Node>(SectionKind::graph, sizeof(GraphSection)).kind = LayerKind(9999);
         e.at<uint8_t>(SectionKind::plan) = 0;
       }},
      {"the name of node 0 is at 99999", Status::invalid_model,
       [](Editor& e) { e.at<uint32_t>(SectionKind::graph, sizeof(GraphSection) + 5 * sizeof(Node)) = 99999; }},
      {"is not zero-terminated UTF-8", Status::invalid_model,
       [](Editor& e) { e.at<char>(SectionKind::strings) = '\xFF'; }},
      {"is not zero-terminated UTF-8", Status::invalid_model,
       [](Editor& e) { e.at<char>(SectionKind::strings) = '\x1B'; }},
      {"weight in.conv.weight has type 9", Status::unsupported,
       [](Editor& e) { e.at<WeightEntry>(SectionKind::weight_table, 6 * sizeof(Shape)).type = WeightType(9); }},
      {"weight in.conv.weight starts at 4", Status::invalid_model,
       [](Editor& e) { e.at<WeightEntry>(SectionKind::weight_table, 6 * sizeof(Shape)).offset = 4; }},
      {"shape of weight in.conv.weight is [4611686018427387904,", Status::invalid_model,
       [](Editor& e) { e.at<Shape>(SectionKind::weight_table).n = INT64_C(1) << 62; }},
      {"preprocessing of section input can't be carried out: height -1", Status::invalid_model,
       [](Editor& e) { e.at<InputSection>(SectionKind::input).preprocess.height = -1; }},
      {"mean or std", Status::invalid_model,
       [](Editor& e) { e.at<InputSection>(SectionKind::input).preprocess.std[2] = __builtin_nanf(""); }},
      {"size_multiple of section input is 5", Status::invalid_model,
       [](Editor& e) { e.at<InputSection>(SectionKind::input).size_multiple = 5; }},
      {"focal length", Status::invalid_model, [](Editor& e) { e.at<InputSection>(SectionKind::input).fx = -3; }},
      {"no range in metres", Status::invalid_model,
       [](Editor& e) { e.at<OutputSection>(SectionKind::output).max_depth = 0; }},
      {"kind of section output is 9", Status::invalid_model,
       [](Editor& e) { e.at<OutputSection>(SectionKind::output).kind = OutputKind(9); }},
      {"num_samples of section golden is 70000", Status::invalid_model,
       [](Editor& e) { e.at<GoldenSection>(SectionKind::golden).num_samples = 70000; }},
      {"more than the output's 240 values", Status::invalid_model,
       [](Editor& e) { e.at<GoldenSection>(SectionKind::golden).stride = 2; }},
      {"sample 0 of section golden is not finite", Status::invalid_model,
       [](Editor& e) { e.at<float>(SectionKind::golden, sizeof(GoldenSection)) = __builtin_inff(); }},
      {"is not key=value", Status::invalid_model, [](Editor& e) { e.at<char>(SectionKind::provenance) = '='; }},
      {"is out of order", Status::invalid_model, [](Editor& e) { e.at<char>(SectionKind::provenance) = 'z'; }},
      {"node in.conv wants algorithm 200", Status::unsupported,
       [](Editor& e) { e.at<uint8_t>(SectionKind::plan) = 200; }},
  };
  const std::vector<unsigned char> good = tiny_model();
  for (const Case& c : cases) {
    std::vector<unsigned char> file = good;
    Editor editor{file};
    c.edit(editor);
    editor.seal();
    std::string text;
    CAPTURE(c.expected);
    const Status status = validate(file, &text);
    CAPTURE(text);
    CHECK_THAT(text, ContainsSubstring(c.expected));
    CHECK(status == c.status);
  }
}

TEST_CASE("sections that this version doesn't know are ignored when marked optional") {
  std::vector<unsigned char> file = small_model();
  // Insert a tenth table entry: everything behind moves by 64 bytes (half of it padding).
  FileHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  const size_t old_table_end = sizeof(FileHeader) + num_section_kinds * sizeof(SectionEntry);
  const size_t old_start = align_up(old_table_end), new_start = align_up(old_table_end + sizeof(SectionEntry));
  std::vector<unsigned char> grown(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(old_table_end));
  grown.resize(new_start);
  grown.insert(grown.end(), file.begin() + static_cast<std::ptrdiff_t>(old_start), file.end());
  auto* table = reinterpret_cast<SectionEntry*>(grown.data() + sizeof(FileHeader));
  for (uint32_t i = 0; i < num_section_kinds; ++i) table[i].offset += new_start - old_start;
  table[num_section_kinds] = {first_optional_section, crc32("new", 3), align_up(grown.size()), 3, 0};
  const auto finish = [&](std::vector<unsigned char> result) {
    result.resize(align_up(result.size()));
    result.insert(result.end(), {'n', 'e', 'w'});
    FileHeader h = header;
    h.num_sections = num_section_kinds + 1;
    h.file_bytes = result.size();
    h.crc = 0;
    h.crc = crc32(result.data() + sizeof h, h.num_sections * sizeof(SectionEntry), crc32(&h, sizeof h));
    std::memcpy(result.data(), &h, sizeof h);
    return result;
  };
  REQUIRE(validate(finish(grown)) == Status::ok);
  table = reinterpret_cast<SectionEntry*>(grown.data() + sizeof(FileHeader));
  table[num_section_kinds].kind = first_optional_section - 1;
  REQUIRE(validate(finish(grown)) == Status::invalid_model);
}

TEST_CASE("the writer refuses what the reader would") {
  const Graph graph = tiny_unet(12, 20);
  const auto message = [&](const std::function<void(ModelSpec&)>& edit) {
    ModelSpec spec = make_spec(graph);
    edit(spec);
    try {
      encode_model(spec);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message([](ModelSpec&) {}) == "accepted");
  CHECK_THAT(message([](ModelSpec& s) { s.weights[0].pop_back(); }),
             ContainsSubstring("in.conv.weight has 134 values"));
  CHECK_THAT(message([](ModelSpec& s) { s.weights[1][2] = __builtin_nanf(""); }), ContainsSubstring("in.conv.bias"));
  CHECK_THAT(message([](ModelSpec& s) { s.weights.pop_back(); }), ContainsSubstring("6 weights, 5 were given"));
  CHECK_THAT(message([](ModelSpec& s) { s.preprocess.width = 21; }), ContainsSubstring("[1,12,20,3]"));
  CHECK_THAT(message([](ModelSpec& s) { s.max_depth = -1; }), ContainsSubstring("max_depth"));
  CHECK_THAT(message([](ModelSpec& s) { s.size_multiple = 7; }),
             ContainsSubstring("size_multiple of section input is 7"));
  CHECK_THAT(message([](ModelSpec& s) { s.provenance["a=b"] = ""; }), ContainsSubstring("a=b"));
  CHECK_THAT(message([](ModelSpec& s) { s.provenance["note"] = "two\nlines"; }), ContainsSubstring("note"));
  CHECK_THAT(message([](ModelSpec& s) { s.golden.resize(3); }), ContainsSubstring("3 values instead of 240"));
  CHECK_THAT(message([](ModelSpec& s) { s.graph = nullptr; }), ContainsSubstring("no graph"));
}

TEST_CASE("a model file appears whole or not at all") {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "leadline-test-model-file";
  std::filesystem::remove_all(folder);
  const Graph graph = activation_graph({1, 2, 3, 1});
  const ModelSpec spec = make_spec(graph);
  REQUIRE_THROWS_AS(write_model((folder / "m.lead").string(), spec), std::runtime_error); // no such folder
  std::filesystem::create_directories(folder / "taken.lead");
  REQUIRE_THROWS_AS(write_model((folder / "taken.lead").string(), spec), std::runtime_error);
  write_model((folder / "m.lead").string(), spec);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files += entry.is_regular_file();
  REQUIRE(files == 1); // nothing partial is left
  std::ifstream stream(folder / "m.lead", std::ios::binary);
  const std::vector<unsigned char> written{std::istreambuf_iterator<char>(stream), {}};
  REQUIRE(written == encode_model(spec));
  std::filesystem::remove_all(folder);
}

TEST_CASE("messages are cut at whole characters") {
  char buffer[8];
  Message message(buffer, sizeof buffer);
  message << "abcdef"
          << "\xC3\xA9";
  REQUIRE(std::string(buffer) == "abcdef");
  message.clear();
  message << INT64_MIN;
  REQUIRE(std::string(buffer) == "-922337");
  message.clear();
  message << 0 << "," << 4294967295u;
  REQUIRE(std::string(buffer) == "0,42949");
  Message nowhere(nullptr, 10);
  nowhere << "nothing is written";
}
