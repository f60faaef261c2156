// Weights in fewer bits: rounding, layout, what the reader refuses, and that a float kernel's answer is that of a float
// model with the rounded weights, bit for bit.
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cmath>
#include <functional>

using namespace leadline;
using namespace leadline::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const std::vector<WeightType> reduced_types{WeightType::f16, WeightType::bf16, WeightType::int8};

/// The three layers that multiply, in all their forms: groups, depthwise, transposed with groups, a linear map.
Graph products() {
  GraphBuilder b("products", {1, 8, 12, 3});
  int32_t x = b.add<Conv2d>(conv3x3(8), {b.input()}, "conv");
  Conv2d::Params grouped = conv3x3(12, ActivationKind::silu);
  grouped.groups = 4;
  x = b.add<Conv2d>(grouped, {x}, "grouped");
  Conv2d::Params depthwise = conv3x3(12, ActivationKind::relu, 2);
  depthwise.groups = 12;
  x = b.add<Conv2d>(depthwise, {x}, "depthwise");
  ConvTranspose2d::Params up;
  up.out_channels = 10;
  up.kernel_h = up.kernel_w = up.stride_h = up.stride_w = 2;
  x = b.add<ConvTranspose2d>(up, {x}, "up");
  up.groups = 2;
  up.out_channels = 6;
  up.stride_h = up.stride_w = up.kernel_h = up.kernel_w = 1;
  x = b.add<ConvTranspose2d>(up, {x}, "up_grouped");
  Linear::Params linear;
  x = b.add<Linear>(linear, {x}, "linear");
  b.output(x);
  return b.finish();
}

/// What the engine answers to noise.
std::vector<float> answer(const std::vector<unsigned char>& file, const leadline_session_options* options = nullptr,
                          leadline_session_info* info = nullptr) {
  AlignedBytes bytes(file);
  Model model;
  Session session;
  ErrorText error;
  const bool opened = model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_OK &&
                      session.create(model, error, options) == LEADLINE_OK;
  INFO(error.text);
  REQUIRE(opened);
  if (info) *info = session.info();
  const leadline_session_info size = session.info();
  std::vector<float> input(static_cast<size_t>(size.input_height * size.input_width * size.input_channels)),
      output(session.output_values());
  for (size_t i = 0; i < input.size(); ++i) input[i] = golden_input(3, static_cast<index_t>(i));
  REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
  return output;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

ModelSpec reduced_spec(const Graph& graph, WeightType type) {
  ModelSpec spec = make_spec(graph);
  spec.weight_types = weight_types(graph, type);
  return spec;
}

} // namespace

TEST_CASE("f16 and bf16 round to nearest, ties to even") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint16_t b = static_cast<uint16_t>(bits);
    const float f16 = widen_f16(b), bf16 = widen_bf16(b);
    CAPTURE(bits);
    if ((bits & 0x7fff) > 0x7c00) {
      REQUIRE(std::isnan(f16));
    } else {
      // What the standard says: sign, exponent, mantissa.
      const int exponent = static_cast<int>(bits >> 10 & 31), mantissa = static_cast<int>(bits & 1023);
      const double size = exponent == 31  ? HUGE_VAL
                          : exponent == 0 ? std::ldexp(mantissa, -24)
                                          : std::ldexp(1024 + mantissa, exponent - 25);
      REQUIRE(static_cast<double>(f16) == ((bits & 0x8000) != 0 ? -size : size));
      REQUIRE(round_to_f16(f16) == b);
    }
    if (!std::isnan(bf16)) REQUIRE(round_to_bf16(bf16) == b);
    if ((bits & 0x7fff) >= 0x7bff) continue;
    const float next = widen_f16(static_cast<uint16_t>(b + 1)), middle = (f16 + next) / 2; // exact in float
    REQUIRE(round_to_f16(middle) == (bits % 2 == 0 ? b : b + 1));
    REQUIRE(round_to_f16(std::nextafter(middle, f16)) == b);
    REQUIRE(round_to_f16(std::nextafter(middle, next)) == b + 1);
  }
  CHECK(round_to_f16(65519.99f) == 0x7bff);
  CHECK(round_to_f16(65520.0f) == 0x7c00);
  CHECK(round_to_f16(-1e30f) == 0xfc00);
  CHECK(round_to_f16(1e-30f) == 0);
  CHECK(std::isnan(widen_f16(round_to_f16(NAN))));
  CHECK(round_to_bf16(1.00390625f) == 0x3f80); // a tie: down to the even one
  CHECK(round_to_bf16(1.01171875f) == 0x3f82); // and up
}

TEST_CASE("a model with reduced weights answers as a float model with the rounded ones") {
  for (const bool unet : {false, true}) {
    const Graph graph = unet ? tiny_unet(12, 20) : products();
    const std::vector<unsigned char> plain = encode_model(make_spec(graph));
    for (const WeightType type : reduced_types) {
      ModelSpec spec = reduced_spec(graph, type);
      const std::vector<unsigned char> file = encode_model(spec);
      REQUIRE(file == encode_model(spec));
      spec.weights = stored_weights(spec);
      CAPTURE(graph.name, weight_type_name(type));
      REQUIRE(file != plain);
      if (type != WeightType::int8) REQUIRE(encode_model(spec) == file); // rounding twice changes nothing
      ModelSpec rounded = spec;
      rounded.weight_types.clear();
      const std::vector<unsigned char> floats = encode_model(rounded);
      leadline_session_info info{};
      for (const char* algorithm : {"", "portable", "host_gemm", "winograd4", "winograd6", "bf16"})
        for (const size_t limit : {size_t{0}, size_t{1}, size_t{30000}}) {
          leadline_session_options options{};
          options.struct_size = sizeof options;
          options.algorithm = *algorithm ? algorithm : nullptr;
          options.memory_limit = limit;
          CAPTURE(algorithm, limit);
          if (limit > 1) { // what fits depends on how weights are stored, so plans may differ
            (void)answer(file, &options);
            continue;
          }
          const std::vector<float> wanted = answer(floats, &options), got = answer(file, &options, &info);
          REQUIRE(same_bits(got, wanted));
          for (const float value : got) REQUIRE(std::isfinite(value));
        }
      REQUIRE(!same_bits(answer(file), answer(plain)));
    }
  }
}

TEST_CASE("reduced weights are read by any number of threads, and prepared weights are all that is kept") {
  const Graph graph = tiny_unet(12, 20);
  const std::vector<unsigned char> file = encode_model(reduced_spec(graph, WeightType::f16));
  leadline_session_info f32{}, f16{}, one{};
  (void)answer(encode_model(make_spec(graph)), nullptr, &f32);
  const std::vector<float> wanted = answer(file, nullptr, &f16);
  CHECK(f16.prepared_bytes == f32.prepared_bytes);
  leadline_runner runner{};
  runner.threads = 3;
  runner.run = [](void*, int64_t tasks, void (*task)(void*, int64_t), void* argument) {
    for (int64_t i = tasks; i-- > 0;) task(argument, i);
  };
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.runner = &runner;
  CHECK(same_bits(answer(file, &options), wanted));
  options.runner = nullptr;
  options.memory_limit = 1;
  (void)answer(file, &options, &one);
  CHECK(one.prepared_bytes == 0);
  options.memory_limit = 0;
  options.algorithm = "portable";
  (void)answer(file, &options, &one);
  size_t floats = 0;
  for (size_t w = 0; w < graph.weight_shapes.size(); w += 2)
    floats += align_up(static_cast<size_t>(graph.weight_shapes[w].count()) * 4);
  CHECK(one.prepared_bytes == floats); // decoded weights count
}

TEST_CASE("int8 keeps each output channel's largest weight, and errs by half a step at most") {
  const Graph graph = products();
  const ModelSpec spec = reduced_spec(graph, WeightType::int8);
  const std::vector<std::vector<float>> stored = stored_weights(spec);
  for (size_t w = 0; w < stored.size(); ++w) {
    const Node* user = nullptr;
    for (const Node& node : graph.nodes)
      if (node.weights[0] == static_cast<int32_t>(w)) user = &node;
    CAPTURE(graph.weight_names[w]);
    if (!user) { // a bias
      REQUIRE(stored[w] == spec.weights[w]);
      continue;
    }
    const Shape shape = graph.weight_shapes[w];
    const WeightChannels channels = weight_channels(*user, 0, shape);
    const int32_t outputs = static_cast<int32_t>(graph.weight_shapes[w + 1].c); // of the bias
    REQUIRE(channels.count == outputs);
    std::vector<float> largest(static_cast<size_t>(outputs), 0.0f);
    for (int pass = 0; pass < 2; ++pass)
      for (index_t n = 0; n < shape.n; ++n)
        for (index_t k = 0; k < shape.h * shape.w; ++k)
          for (index_t c = 0; c < shape.c; ++c) {
            const size_t i = static_cast<size_t>((n * shape.h * shape.w + k) * shape.c + c);
            float& most = largest[static_cast<size_t>(channels.at(n, c, shape.c))];
            if (pass == 0)
              most = std::max(most, std::abs(spec.weights[w][i]));
            else
              REQUIRE(!(std::abs(stored[w][i] - spec.weights[w][i]) > most / 127 * 0.5001f));
          }
  }
}

TEST_CASE("files shrink, and the C API says how weights are stored") {
  const Graph graph = tiny_unet(12, 20);
  uint64_t before = 0;
  for (const WeightType type : {WeightType::f32, WeightType::f16, WeightType::bf16, WeightType::int8}) {
    AlignedBytes bytes(encode_model(reduced_spec(graph, type)));
    Model model;
    ErrorText error;
    REQUIRE(model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_OK);
    const leadline_model_info info = model.info();
    CHECK(info.weight_type == static_cast<leadline_weight_type>(type));
    CHECK(std::string(leadline_weight_type_name(info.weight_type)) == weight_type_name(type));
    if (type == WeightType::f32) before = info.weight_bytes;
    if (type == WeightType::f16) CHECK(info.weight_bytes * 9 < before * 5); // biases stay
    if (type == WeightType::int8) CHECK(info.weight_bytes * 5 < before * 2);
    leadline_node_info node{};
    node.struct_size = sizeof node;
    REQUIRE(leadline_model_get_node(model.get(), 0, &node) == LEADLINE_OK);
    CHECK(node.weight_type == info.weight_type);
    REQUIRE(leadline_model_get_node(model.get(), 2, &node) == LEADLINE_OK); // resize
    CHECK(node.weight_type == LEADLINE_WEIGHTS_F32);
  }
  CHECK(std::string(leadline_weight_type_name(static_cast<leadline_weight_type>(77))) == "unknown");
}

TEST_CASE("programs that were compiled for an older library are served") {
  AlignedBytes bytes(encode_model(reduced_spec(tiny_unet(12, 20), WeightType::f16)));
  Model model;
  ErrorText error;
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_OK);
  leadline_model_info info, whole = model.info();
  std::memset(&info, 0xA5, sizeof info);
  info.struct_size = offsetof(leadline_model_info, weight_bytes); // as the first version had it
  REQUIRE(leadline_model_get_info(model.get(), &info) == LEADLINE_OK);
  CHECK(info.struct_size == offsetof(leadline_model_info, weight_bytes));
  CHECK(info.file_bytes == whole.file_bytes);
  CHECK(info.weight_bytes == 0xA5A5A5A5A5A5A5A5u); // behind the caller's struct: not ours
  --info.struct_size;
  CHECK(leadline_model_get_info(model.get(), &info) == LEADLINE_INVALID_ARGUMENT);
  leadline_node_info node;
  std::memset(&node, 0xA5, sizeof node);
  node.struct_size = offsetof(leadline_node_info, weight_type);
  REQUIRE(leadline_model_get_node(model.get(), 0, &node) == LEADLINE_OK);
  CHECK(node.macs > 0);
  uint32_t behind; // no value of the enumeration: its bytes are looked at
  std::memcpy(&behind, &node.weight_type, sizeof behind);
  CHECK(behind == 0xA5A5A5A5u);
  node.struct_size = 8;
  CHECK(leadline_model_get_node(model.get(), 0, &node) == LEADLINE_INVALID_ARGUMENT);
}

TEST_CASE("the reader refuses weights that are stored as nobody could read them") {
  struct Case {
    const char* expected;
    Status status;
    std::function<void(Editor&)> edit;
  };
  const Graph graph = tiny_unet(12, 20); // weights: conv, bias, conv, bias, conv, bias
  const auto entry = [](Editor& e, size_t w) -> WeightEntry& {
    return e.at<WeightEntry>(SectionKind::weight_table, 6 * sizeof(Shape) + w * sizeof(WeightEntry));
  };
  const Case cases[] = {
      {"weight in.conv.weight has type 4", Status::unsupported, [&](Editor& e) { entry(e, 0).type = WeightType(4); }},
      {"weight in.conv.bias is stored as bf16, which node in.conv can't use", Status::invalid_model,
       [&](Editor& e) { entry(e, 1).type = WeightType::bf16; }},
      {"weight in.conv.bias starts at 256", Status::invalid_model,
       [&](Editor& e) { entry(e, 0).type = WeightType::f32; }},
      {"scale of channel 4 of weight in.conv.weight", Status::invalid_model,
       [](Editor& e) { e.at<float>(SectionKind::weights, 16) = 0; }},
      {"scale of channel 0 of weight in.conv.weight", Status::invalid_model,
       [](Editor& e) { e.at<float>(SectionKind::weights) = -1; }},
      {"not positive and finite", Status::invalid_model,
       [](Editor& e) { e.at<float>(SectionKind::weights, 4) = HUGE_VALF; }},
      {"not positive and finite", Status::invalid_model, [](Editor& e) { e.at<float>(SectionKind::weights, 4) = NAN; }},
      {"but no node multiplies with it", Status::invalid_model,
       [](Editor& e) { e.at<Node>(SectionKind::graph, sizeof(GraphSection)).weights[0] = 2; }},
  };
  const std::vector<unsigned char> good = encode_model(reduced_spec(graph, WeightType::int8));
  for (const Case& c : cases) {
    std::vector<unsigned char> file = good;
    Editor editor{file};
    c.edit(editor);
    editor.seal();
    AlignedBytes bytes(file);
    Model model;
    ErrorText error;
    CAPTURE(c.expected);
    CHECK(model.open_memory(bytes.data(), bytes.size(), error) == static_cast<leadline_status>(c.status));
    CHECK_THAT(error.text, ContainsSubstring(c.expected));
  }
}

TEST_CASE("any damage to a model with reduced weights gives a status, or a model that runs") {
  for (const WeightType type : reduced_types) {
    const std::vector<unsigned char> file = encode_model(reduced_spec(products(), type));
    const Philox random(21, static_cast<uint64_t>(type));
    uint64_t draw = 0;
    int refused = 0;
    constexpr int rounds = 1000;
    for (int round = 0; round < rounds; ++round) {
      std::vector<unsigned char> broken = file;
      Editor editor{broken};
      const uint64_t edits = 1 + random.below(draw++, 3);
      for (uint64_t e = 0; e < edits; ++e) {
        // Two thirds in what says where weights lie and what they are.
        const SectionKind kinds[] = {SectionKind::graph, SectionKind::weight_table, SectionKind::weights};
        const SectionEntry& section = editor.entry(kinds[random.below(draw++, 3)]);
        static constexpr unsigned char interesting[] = {0, 1, 2, 3, 0x7F, 0xFF};
        const uint64_t at = section.offset + random.below(draw++, section.bytes);
        broken[at] = interesting[random.below(draw++, 6)];
      }
      editor.seal();
      AlignedBytes bytes(broken);
      Model model;
      Session session;
      ErrorText error;
      leadline_session_options options{};
      options.struct_size = sizeof options;
      options.memory_limit = round % 2 == 0 ? 0 : 1;
      options.max_picture_height = options.max_picture_width = 1;
      if (model.open_memory(bytes.data(), bytes.size(), error) != LEADLINE_OK || model.info().macs > 10'000'000 ||
          session.create(model, error, &options) != LEADLINE_OK) {
        ++refused;
        continue;
      }
      std::vector<float> input(8 * 12 * 3, 0.5f), output(session.output_values());
      REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
    }
    REQUIRE(refused > rounds / 10);
    REQUIRE(refused < rounds);
  }
}

TEST_CASE("the writer names weights that can't be stored so") {
  const Graph graph = tiny_unet(12, 20);
  const auto message = [&](const std::function<void(ModelSpec&)>& edit) {
    ModelSpec spec = reduced_spec(graph, WeightType::f16);
    edit(spec);
    try {
      encode_model(spec);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message([](ModelSpec&) {}) == "accepted");
  CHECK_THAT(message([](ModelSpec& s) { s.weights[0][3] = 70000; }),
             ContainsSubstring("weight in.conv.weight holds 70000") && ContainsSubstring("more than f16 can"));
  CHECK(message([](ModelSpec& s) {
          s.weights[0][3] = 70000;
          s.weight_types[0] = WeightType::bf16;
        }) == "accepted");
  CHECK_THAT(message([](ModelSpec& s) { s.weight_types[1] = WeightType::f16; }),
             ContainsSubstring("in.conv.bias can't be stored as f16"));
  CHECK_THAT(message([](ModelSpec& s) { s.weight_types.pop_back(); }), ContainsSubstring("5 entries"));
}
