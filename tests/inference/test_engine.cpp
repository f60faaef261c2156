// The C API on small models: the engine's answers, its memory rules, and what it says to wrong use.
#include "shared/model/run_plan.hpp"
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cinttypes>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/stat.h>
#endif
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

using namespace leadline;
using namespace leadline::test;
using Catch::Matchers::ContainsSubstring;

// The linker sends every malloc of this program and of libleadline.a here (--wrap).
extern "C" {
void* __real_malloc(size_t bytes);
void* __wrap_malloc(size_t bytes);
}
namespace {
std::atomic<bool> heap_forbidden{false};
std::atomic<int> heap_calls{0};
} // namespace
void* __wrap_malloc(size_t bytes) {
  ++heap_calls;
  return heap_forbidden ? nullptr : __real_malloc(bytes);
}

namespace {

/// The plan and the loop that the trainer uses for exported graphs, on the engine's exec.
std::vector<float> reference(const Graph& graph, const std::vector<std::vector<float>>& weights, const Shape& shape,
                             const std::vector<float>& input) {
  const GraphView view = graph.view();
  std::vector<ValuePlan> values(static_cast<size_t>(view.num_values));
  std::vector<NodePlan> nodes(static_cast<size_t>(view.num_nodes));
  std::vector<Interval> scratch(values.size() + nodes.size());
  PlanSummary summary;
  GraphError error;
  REQUIRE(plan_inference(view, shape, PlanOptions(), values.data(), nodes.data(), scratch.data(), &summary, &error) ==
          Status::ok);
  std::vector<const void*> pointers;
  for (const auto& weight : weights) pointers.push_back(weight.data());
  AlignedBytes arena(
      std::vector<unsigned char>(summary.arena_bytes, 0xFF)); // NaN: nothing may be read before it is written
  std::copy(input.begin(), input.end(), value_tensor<float>(values.data(), view.input, arena.data()).data);
  prepare_inference<float>(InferenceExec(), view, values.data(), nodes.data(), pointers.data(), arena.data());
  run_inference<float>(InferenceExec(), view, values.data(), nodes.data(), summary, pointers.data(), arena.data());
  const Tensor<float> output = value_tensor<float>(values.data(), view.outputs[0], arena.data());
  return {output.data, output.data + output.shape.count()};
}

std::vector<float> noise(size_t count, uint64_t seed = 3) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = golden_input(seed, static_cast<index_t>(i));
  return values;
}

std::vector<uint8_t> picture(int width, int height, uint64_t seed = 4) {
  std::vector<uint8_t> rgb(static_cast<size_t>(3 * width * height));
  const Philox random(seed);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(random.bits(i));
  return rgb;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

leadline_session_options session_options(int32_t height = 0, int32_t width = 0,
                                         const leadline_runner* runner = nullptr) {
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.height = height;
  options.width = width;
  options.runner = runner;
  return options;
}

/// An open model in aligned memory.
struct Opened {
  explicit Opened(const std::vector<unsigned char>& file) : bytes(file) {
    const leadline_status status = model.open_memory(bytes.data(), bytes.size(), error);
    INFO(error.text);
    REQUIRE(status == LEADLINE_OK);
  }
  AlignedBytes bytes;
  ErrorText error;
  Model model;
};

#ifdef __linux__
/// Memory that nobody has touched, and whether large pages were asked for there, by smaps' flag "hg".
struct Mapping {
  explicit Mapping(size_t size)
      : bytes(size), memory(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Mapping() { munmap(memory, bytes); }
  Mapping(const Mapping&) = delete;
  size_t bytes;
  void* memory;
  bool large_pages() const {
    const auto middle = reinterpret_cast<uintptr_t>(memory) + bytes / 2; // far from what isn't a whole page
    std::ifstream smaps("/proc/self/smaps");
    bool here = false;
    for (std::string line; std::getline(smaps, line);) {
      uintptr_t begin = 0, end = 0;
      if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
        here = begin <= middle && middle < end;
      else if (here && line.rfind("VmFlags:", 0) == 0)
        return line.find(" hg") != std::string::npos;
    }
    return false;
  }
};
#endif

std::vector<float> run_raw(Session& session, const std::vector<float>& input) {
  std::vector<float> output(session.output_values());
  REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
  return output;
}

} // namespace

TEST_CASE("the engine computes what the shared loop computes, bit for bit") {
  for (const auto& [height, width] : {std::pair{12, 20}, std::pair{2, 2}, std::pair{26, 58}}) {
    const Graph graph = tiny_unet(height, width);
    const ModelSpec spec = make_spec(graph);
    Opened opened(encode_model(spec));
    Session session;
    REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
    const std::vector<float> input = noise(static_cast<size_t>(graph.input_shape.count()));
    const std::vector<float> expected = reference(graph, spec.weights, graph.input_shape, input);
    REQUIRE(same_bits(run_raw(session, input), expected));
    REQUIRE(same_bits(run_raw(session, input), expected)); // nothing is left over from the run before
  }
}

namespace {

/// Layers for which Winograd's algorithm and bf16 pay, `[1,40,48,3]` to `[1,40,48,1]`.
Graph wide_net() {
  GraphBuilder b("wide", {1, 40, 48, 3});
  int32_t x = b.add<Conv2d>(conv3x3(32), {b.input()}, "in.conv");
  x = b.add<Conv2d>(conv3x3(32), {x}, "a.conv");
  x = b.add<Conv2d>(conv3x3(48), {x}, "b.conv");
  x = b.add<Conv2d>(conv3x3(1, ActivationKind::softplus), {x}, "out.conv");
  b.output(x);
  return b.finish();
}

std::string algorithm_of(const Session& session, int32_t node, size_t* prepared_bytes = nullptr) {
  leadline_node_plan plan{};
  plan.struct_size = sizeof plan;
  REQUIRE(leadline_session_get_node(session.get(), node, &plan) == LEADLINE_OK);
  if (prepared_bytes) *prepared_bytes = plan.prepared_bytes;
  return plan.algorithm;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 1e-30, error = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::fmax(largest, std::fabs(static_cast<double>(a[i])));
    const double e = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(e <= error)) error = e;
  }
  return error / largest;
}

} // namespace

TEST_CASE("a plan chooses fast algorithms, keeps to a memory limit, and does what it is told") {
  const Graph graph = wide_net();
  ModelSpec spec = make_spec(graph);
  spec.golden = compute_golden(spec);
  Opened opened(encode_model(spec));
  const std::vector<float> input = noise(static_cast<size_t>(graph.input_shape.count()));
  leadline_session_options options = session_options();
  options.algorithm = "portable";
  Session portable;
  REQUIRE(portable.create(opened.model, opened.error, &options) == LEADLINE_OK);
  CHECK(portable.info().prepared_bytes == 0);
  const std::vector<float> expected = run_raw(portable, input);

  Session fast;
  REQUIRE(fast.create(opened.model, opened.error) == LEADLINE_OK);
  CHECK(algorithm_of(fast, 1).find("winograd") == 0);
  CHECK(algorithm_of(fast, 2).find("winograd") == 0);
  size_t prepared = 0, sum = 0;
  for (int32_t i = 0; i < 4; ++i) {
    algorithm_of(fast, i, &prepared);
    sum += align_up(prepared);
  }
  CHECK(fast.info().prepared_bytes == sum);
  CHECK(largest_difference(expected, run_raw(fast, input)) <= 1e-4);

  // From the smallest plan to the fastest: never more bytes than asked for once it can be less, never more than before.
  options = session_options();
  options.memory_limit = 1;
  Session smallest;
  REQUIRE(smallest.create(opened.model, opened.error, &options) == LEADLINE_OK);
  CHECK(smallest.info().prepared_bytes == 0);
  CHECK(smallest.info().arena_bytes < fast.info().arena_bytes);
  CHECK(largest_difference(expected, run_raw(smallest, input)) <= 1e-4);
  bool between = false;
  for (size_t limit = smallest.info().arena_bytes; limit <= 2 * fast.info().arena_bytes; limit += 8192) {
    options.memory_limit = limit;
    Session limited;
    REQUIRE(limited.create(opened.model, opened.error, &options) == LEADLINE_OK);
    const size_t bytes = limited.info().arena_bytes;
    REQUIRE(bytes <= limit);
    between = between || (limited.info().prepared_bytes > 0 && bytes < fast.info().arena_bytes);
    if (limit > 2 * fast.info().arena_bytes - 8192)
      CHECK(limited.info().prepared_bytes == fast.info().prepared_bytes); // room for all
  }
  CHECK(between);

  for (int i = 1; i < num_algorithms; ++i) {
    options = session_options();
    options.algorithm = algorithm_name(static_cast<Algorithm>(i));
    INFO(options.algorithm);
    Session told;
    REQUIRE(told.create(opened.model, opened.error, &options) == LEADLINE_OK);
    CHECK(algorithm_of(told, 1) == options.algorithm);
    CHECK(largest_difference(expected, run_raw(told, input)) <=
          (static_cast<Algorithm>(i) == Algorithm::bf16 ? 3e-2 : 1e-4));
  }
  options.algorithm = "fastest";
  Session refused;
  CHECK(refused.create(opened.model, opened.error, &options) == LEADLINE_INVALID_ARGUMENT);
  CHECK_THAT(opened.error.text, ContainsSubstring("fastest") && ContainsSubstring("winograd4"));

  options = session_options();
  options.precision = LEADLINE_PRECISION_BF16;
  Session rounded;
  REQUIRE(rounded.create(opened.model, opened.error, &options) == LEADLINE_OK);
  CHECK(largest_difference(expected, run_raw(rounded, input)) <= 3e-2);
  CHECK(rounded.self_test() == LEADLINE_OK);
  options.precision = 2;
  CHECK(refused.create(opened.model, opened.error, &options) == LEADLINE_INVALID_ARGUMENT);
  CHECK_THAT(opened.error.text, ContainsSubstring("precision is 2"));
}

TEST_CASE("every layer runs in the engine as in the shared loop") {
  const Graph graph = zoo();
  const ModelSpec spec = make_spec(graph);
  Opened opened(encode_model(spec));
  Session session;
  REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
  const std::vector<float> input = noise(4 * 6 * 3);
  const std::vector<float> output = run_raw(session, input);
  REQUIRE(same_bits(output, reference(graph, spec.weights, graph.input_shape, input)));
  for (const float value : output) REQUIRE(math::isfinite(value));
  int kinds = 0; // none is left out
  for (int kind = 0; kind < 1000; ++kind) {
    if (!visit_layer(LayerKind(kind), [](auto) {})) continue;
    ++kinds;
    CAPTURE(layer_name(LayerKind(kind)));
    REQUIRE(std::any_of(graph.nodes.begin(), graph.nodes.end(),
                        [&](const Node& node) { return node.kind == LayerKind(kind); }));
  }
  REQUIRE(kinds >= 18);
}

TEST_CASE("other sizes than the default are planned anew") {
  const Graph graph = tiny_unet(12, 20), large = tiny_unet(30, 14);
  ModelSpec spec = make_spec(graph);
  spec.size_multiple = 2;
  Opened opened(encode_model(spec));
  const leadline_session_options options = session_options(30, 14);
  Session session;
  REQUIRE(session.create(opened.model, opened.error, &options) == LEADLINE_OK);
  REQUIRE(session.info().output_height == 30);
  REQUIRE(session.info().output_width == 14);
  const std::vector<float> input = noise(30 * 14 * 3);
  REQUIRE(same_bits(run_raw(session, input), reference(large, spec.weights, large.input_shape, input)));
  REQUIRE(session.self_test() == LEADLINE_UNSUPPORTED); // the golden sample has the default size

  for (const auto& [height, width] : {std::pair{31, 14}, std::pair{-2, 4}, std::pair{0, 4}, std::pair{32768, 2}}) {
    const leadline_session_options wrong = session_options(height, width);
    REQUIRE(session.create(opened.model, opened.error, &wrong) == LEADLINE_INVALID_SHAPE);
    REQUIRE_THAT(opened.error.text, ContainsSubstring("multiples of 2"));
  }
}

TEST_CASE("a picture goes through the shared preprocessing") {
  const Graph graph = tiny_unet(12, 20);
  for (const CropMode crop : {CropMode::none, CropMode::centre_crop})
    for (const auto& [width, height] :
         {std::pair{20, 12}, std::pair{7, 5}, std::pair{1, 1}, std::pair{64, 48}, std::pair{31, 90}}) {
      ModelSpec spec = make_spec(graph);
      spec.preprocess.crop = crop;
      spec.preprocess.mean[0] = 0.4f;
      Opened opened(encode_model(spec));
      leadline_session_options options = session_options();
      options.max_picture_width = width; // scratch for exactly this picture
      options.max_picture_height = height;
      Session session;
      REQUIRE(session.create(opened.model, opened.error, &options) == LEADLINE_OK);

      const std::vector<uint8_t> rgb = picture(width, height);
      std::vector<uint32_t> workspace(preprocess_workspace_bytes(spec.preprocess, height, width) / 4 + 1);
      std::vector<float> input(12 * 20 * 3);
      REQUIRE(preprocess_rgb8(spec.preprocess, packed_image(rgb.data(), height, width), workspace.data(),
                              workspace.size() * 4, input.data()));
      const std::vector<float> expected = run_raw(session, input);
      std::vector<float> depth(session.output_values());
      REQUIRE(session.run_rgb8(rgb.data(), width, height, depth.data(), depth.size()) == LEADLINE_OK);
      REQUIRE(same_bits(depth, expected));

      const ptrdiff_t stride = 3 * width + 5; // rows with a gap
      std::vector<uint8_t> wide(static_cast<size_t>(stride * height), 0xAA);
      for (int y = 0; y < height; ++y)
        std::copy_n(&rgb[static_cast<size_t>(3 * width * y)], 3 * width, &wide[static_cast<size_t>(stride * y)]);
      REQUIRE(leadline_run_rgb8(session.get(), wide.data(), width, height, stride, depth.data(), depth.size()) ==
              LEADLINE_OK);
      REQUIRE(same_bits(depth, expected));

      REQUIRE(session.run_rgb8(rgb.data(), width + 1, height, depth.data(), depth.size()) == LEADLINE_INVALID_SHAPE);
      REQUIRE(session.run_rgb8(rgb.data(), width, height + 1, depth.data(), depth.size()) == LEADLINE_INVALID_SHAPE);
      REQUIRE(session.run_rgb8(rgb.data(), width, 0, depth.data(), depth.size()) == LEADLINE_INVALID_ARGUMENT);
      REQUIRE(session.run_rgb8(rgb.data(), -1, height, depth.data(), depth.size()) == LEADLINE_INVALID_ARGUMENT);
      REQUIRE(session.run_rgb8(nullptr, width, height, depth.data(), depth.size()) == LEADLINE_INVALID_ARGUMENT);
      REQUIRE(session.run_rgb8(rgb.data(), width, height, nullptr, depth.size()) == LEADLINE_INVALID_ARGUMENT);
      REQUIRE(session.run_rgb8(rgb.data(), width, height, depth.data(), depth.size() - 1) == LEADLINE_OUT_OF_MEMORY);
      REQUIRE(leadline_run_rgb8(session.get(), rgb.data(), width, height, 3 * width - 1, depth.data(), depth.size()) ==
              LEADLINE_INVALID_ARGUMENT);
      REQUIRE(leadline_run_rgb8(session.get(), rgb.data(), width, height, -3 * width, depth.data(), depth.size()) ==
              LEADLINE_INVALID_ARGUMENT);
    }
}

TEST_CASE("the self-test passes on the sound and fails on the unsound") {
  std::vector<unsigned char> file = tiny_model();
  {
    Opened opened(file);
    Session session;
    REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
    float error = -1;
    REQUIRE(session.self_test(&error) == LEADLINE_OK);
    REQUIRE(error == 0.0f);
  }
  Editor editor{file};
  SECTION("a golden sample that differs") {
    editor.at<float>(SectionKind::golden, sizeof(GoldenSection) + 4) += 0.5f;
    editor.seal();
    Opened opened(file);
    Session session;
    REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
    float error = -1;
    REQUIRE(session.self_test(&error) == LEADLINE_SELF_TEST_FAILED);
    REQUIRE(error > 1e-3f);
  }
  SECTION("weights that are not numbers") {
    editor.at<float>(SectionKind::weights) = __builtin_nanf("");
    editor.seal();
    Opened opened(file);
    Session session;
    REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
    REQUIRE(session.self_test() == LEADLINE_SELF_TEST_FAILED);
  }
  SECTION("damage that skipped checksums let through") {
    editor.at<float>(SectionKind::weights, 8) += 1.0f;
    AlignedBytes bytes(file);
    Model model;
    ErrorText error;
    REQUIRE(model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_CHECKSUM_MISMATCH);
    REQUIRE_THAT(error.text, ContainsSubstring("section weights"));
    leadline_open_options options{};
    options.struct_size = sizeof options;
    options.skip_checksums = 1;
    REQUIRE(model.open_memory(bytes.data(), bytes.size(), error, &options) == LEADLINE_OK);
    Session session;
    REQUIRE(session.create(model, error) == LEADLINE_OK);
    REQUIRE(session.self_test() == LEADLINE_SELF_TEST_FAILED);
  }
}

TEST_CASE("nothing is allocated once the session exists") {
  Opened opened(tiny_model());
  Session session;
  REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
  const std::vector<uint8_t> rgb = picture(33, 21);
  const std::vector<float> input = noise(12 * 20 * 3);
  std::vector<float> depth(session.output_values());
  const int before = heap_calls;
  REQUIRE(before > 0); // the hook is in place
  heap_forbidden = true;
  const leadline_status a = session.run_rgb8(rgb.data(), 33, 21, depth.data(), depth.size());
  const leadline_status b = session.run_raw(input.data(), input.size(), depth.data(), depth.size());
  const leadline_status c = session.self_test();
  const int after = heap_calls;
  // and opening without a heap is a status
  leadline_model* model = nullptr;
  const leadline_status d =
      leadline_model_open_memory(opened.bytes.data(), opened.bytes.size(), nullptr, &model, nullptr, 0);
  size_t bytes = 0;
  const leadline_status e = leadline_session_bytes(opened.model.get(), nullptr, &bytes, nullptr, 0);
  heap_forbidden = false;
  REQUIRE(a == LEADLINE_OK);
  REQUIRE(b == LEADLINE_OK);
  REQUIRE(c == LEADLINE_OK);
  REQUIRE(after == before);
  REQUIRE(d == LEADLINE_OUT_OF_MEMORY);
  REQUIRE(model == nullptr);
  REQUIRE(e == LEADLINE_OUT_OF_MEMORY);
}

TEST_CASE("the caller's allocator serves everything and gets everything back") {
  struct Heap {
    int live = 0, calls = 0, fail_at = -1;
    static void* alloc(void* context, size_t bytes, size_t alignment) {
      Heap& heap = *static_cast<Heap*>(context);
      if (heap.calls++ == heap.fail_at) return nullptr;
      ++heap.live;
      return std::aligned_alloc(alignment, align_up(bytes, alignment));
    }
    static void free(void* context, void* memory, size_t) {
      --static_cast<Heap*>(context)->live;
      std::free(memory);
    }
  } heap;
  const leadline_allocator allocator{&heap, Heap::alloc, Heap::free};
  leadline_open_options options{};
  options.struct_size = sizeof options;
  options.allocator = &allocator;
  AlignedBytes bytes(tiny_model());
  ErrorText error;
  {
    Model model;
    REQUIRE(model.open_memory(bytes.data(), bytes.size(), error, &options) == LEADLINE_OK);
    REQUIRE(heap.live == 1);
    size_t size = 0;
    REQUIRE(leadline_session_bytes(model.get(), nullptr, &size, error.text, sizeof error.text) == LEADLINE_OK);
    REQUIRE(heap.live == 1);
    heap.fail_at = heap.calls;
    REQUIRE(leadline_session_bytes(model.get(), nullptr, &size, error.text, sizeof error.text) ==
            LEADLINE_OUT_OF_MEMORY);
  }
  REQUIRE(heap.live == 0);
  Model model;
  heap.fail_at = heap.calls;
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error, &options) == LEADLINE_OUT_OF_MEMORY);
  REQUIRE_THAT(error.text, ContainsSubstring("allocator"));
  bytes.data()[bytes.size() - 1] ^= 0xFF; // a refused model leaves nothing behind
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error, &options) != LEADLINE_OK);
  REQUIRE(heap.live == 0);
  const leadline_allocator broken{&heap, nullptr, Heap::free};
  options.allocator = &broken;
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error, &options) == LEADLINE_INVALID_ARGUMENT);
}

TEST_CASE("the session keeps to the memory it asked for") {
  Opened opened(tiny_model());
  size_t bytes = 0;
  REQUIRE(leadline_session_bytes(opened.model.get(), nullptr, &bytes, nullptr, 0) == LEADLINE_OK);
  std::vector<unsigned char> filled(bytes + 64, 0xA5);
  AlignedBytes memory(filled);
  leadline_session* session = nullptr;
  char error[300];
  for (const size_t less : {size_t{0}, size_t{1}, size_t{64}, bytes / 2, bytes - 1}) {
    REQUIRE(leadline_session_create(opened.model.get(), nullptr, memory.data(), less, &session, error, sizeof error) ==
            LEADLINE_OUT_OF_MEMORY);
    REQUIRE(session == nullptr);
  }
  REQUIRE_THAT(error, ContainsSubstring("needs at least " + std::to_string(bytes) + " bytes"));
  REQUIRE(leadline_session_create(opened.model.get(), nullptr, memory.data() + 4, bytes, &session, error,
                                  sizeof error) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE_THAT(error, ContainsSubstring("aligned to 64"));
  REQUIRE(leadline_session_create(opened.model.get(), nullptr, memory.data(), bytes, &session, error, sizeof error) ==
          LEADLINE_OK);
  REQUIRE(error[0] == '\0');
  REQUIRE(leadline_self_test(session, nullptr) == LEADLINE_OK);
  for (size_t i = bytes; i < bytes + 64; ++i) REQUIRE(memory.data()[i] == 0xA5);
}

TEST_CASE("wrong arguments get a status and a sentence") {
  Opened opened(tiny_model());
  Model model;
  ErrorText error;
  leadline_model* raw = nullptr;
  const auto open = [&](const void* data, size_t bytes, const leadline_open_options* options = nullptr) {
    return leadline_model_open_memory(data, bytes, options, &raw, error.text, sizeof error.text);
  };
  REQUIRE(open(nullptr, 100) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE_THAT(error.text, ContainsSubstring("null"));
  REQUIRE(open(opened.bytes.data() + 8, 100) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE_THAT(error.text, ContainsSubstring("not aligned to 64"));
  REQUIRE(leadline_model_open_memory(opened.bytes.data(), opened.bytes.size(), nullptr, nullptr, nullptr, 0) ==
          LEADLINE_INVALID_ARGUMENT);
  leadline_open_options options{};
  REQUIRE(open(opened.bytes.data(), opened.bytes.size(), &options) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE_THAT(error.text, ContainsSubstring("struct_size of leadline_open_options is 0"));

  // A program built for a later version may pass longer structs, as long as it doesn't use what this one doesn't know.
  struct {
    leadline_open_options options;
    uint64_t later;
  } newer{};
  newer.options.struct_size = sizeof newer;
  REQUIRE(open(opened.bytes.data(), opened.bytes.size(), &newer.options) == LEADLINE_OK);
  leadline_model_close(raw);
  raw = nullptr;
  newer.later = 1;
  REQUIRE(open(opened.bytes.data(), opened.bytes.size(), &newer.options) == LEADLINE_UNSUPPORTED);
  REQUIRE(raw == nullptr);
  leadline_model_close(nullptr);

  size_t bytes = 0;
  leadline_session_options session{};
  REQUIRE(leadline_session_bytes(opened.model.get(), &session, &bytes, nullptr, 0) == LEADLINE_INVALID_ARGUMENT);
  session = session_options();
  session.max_picture_width = -1;
  REQUIRE(leadline_session_bytes(opened.model.get(), &session, &bytes, error.text, sizeof error.text) ==
          LEADLINE_INVALID_ARGUMENT);
  REQUIRE_THAT(error.text, ContainsSubstring("max_picture_width"));
  leadline_runner runner{};
  session = session_options(0, 0, &runner);
  REQUIRE(leadline_session_bytes(opened.model.get(), &session, &bytes, error.text, sizeof error.text) ==
          LEADLINE_INVALID_ARGUMENT);
  REQUIRE_THAT(error.text, ContainsSubstring("runner"));
  REQUIRE(leadline_session_bytes(nullptr, nullptr, &bytes, nullptr, 0) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE(leadline_session_bytes(opened.model.get(), nullptr, nullptr, nullptr, 0) == LEADLINE_INVALID_ARGUMENT);
  leadline_session* created = nullptr;
  REQUIRE(leadline_session_create(opened.model.get(), nullptr, nullptr, 1 << 20, &created, nullptr, 0) ==
          LEADLINE_INVALID_ARGUMENT);

  Session good;
  REQUIRE(good.create(opened.model, error) == LEADLINE_OK);
  std::vector<float> values(good.output_values());
  const std::vector<float> input = noise(12 * 20 * 3);
  REQUIRE(good.run_raw(nullptr, input.size(), values.data(), values.size()) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE(good.run_raw(input.data(), input.size() - 1, values.data(), values.size()) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE(good.run_raw(input.data(), input.size(), values.data(), values.size() - 1) == LEADLINE_OUT_OF_MEMORY);
  REQUIRE(leadline_run_raw(nullptr, input.data(), input.size(), values.data(), values.size()) ==
          LEADLINE_INVALID_ARGUMENT);
  REQUIRE(leadline_self_test(nullptr, nullptr) == LEADLINE_INVALID_ARGUMENT);

  leadline_model_info info{};
  REQUIRE(leadline_model_get_info(opened.model.get(), &info) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE(leadline_model_get_info(nullptr, &info) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE(leadline_model_get_info(opened.model.get(), nullptr) == LEADLINE_INVALID_ARGUMENT);
  leadline_session_info session_info{};
  REQUIRE(leadline_session_get_info(good.get(), &session_info) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE(Session().info().bytes == 0);
  REQUIRE(leadline_thread_pool_bytes(0) == 0);
  REQUIRE(leadline_thread_pool_bytes(65) == 0);
  leadline_thread_pool* pool = nullptr;
  REQUIRE(leadline_thread_pool_create(2, nullptr, 0, &pool) == LEADLINE_INVALID_ARGUMENT);
  REQUIRE(leadline_thread_pool_create(2, opened.bytes.data(), 8, &pool) == LEADLINE_OUT_OF_MEMORY);
  leadline_thread_pool_destroy(nullptr);
}

TEST_CASE("a model tells what it is") {
  Opened opened(tiny_model());
  const leadline_model_info info = opened.model.info();
  REQUIRE(std::string(info.name) == "tiny_unet");
  REQUIRE(info.input_height == 12);
  REQUIRE(info.input_width == 20);
  REQUIRE(info.input_channels == 3);
  REQUIRE(info.size_multiple == 2);
  REQUIRE(info.focal_x == 15.0f);
  REQUIRE(info.output_kind == LEADLINE_METRIC_DEPTH);
  REQUIRE(info.output_height == 12);
  REQUIRE(info.max_depth == 10.0f);
  REQUIRE(info.nodes == 5);
  REQUIRE(info.has_golden == 1);
  REQUIRE(info.parameters == 5 * 28 + 7 * 46 + 109);
  REQUIRE(info.macs == 240 * 5 * 27 + 60 * 7 * 45 + 240 * 108);
  REQUIRE(info.file_bytes == opened.bytes.size());

  leadline_node_info node{};
  node.struct_size = sizeof node;
  REQUIRE(leadline_model_get_node(opened.model.get(), 3, &node) == LEADLINE_OK);
  REQUIRE(std::string(node.name) == "up.concat");
  REQUIRE(std::string(node.layer) == "concat");
  REQUIRE(node.inputs == 2);
  REQUIRE(node.input[0] == 0);
  REQUIRE(node.input[1] == 2);
  REQUIRE(node.channels == 12);
  REQUIRE(leadline_model_get_node(opened.model.get(), 0, &node) == LEADLINE_OK);
  REQUIRE(node.input[0] == -1);
  REQUIRE(node.macs == 240 * 5 * 27);
  for (const int32_t index : {-1, 5, INT32_MAX})
    REQUIRE(leadline_model_get_node(opened.model.get(), index, &node) == LEADLINE_INVALID_ARGUMENT);

  REQUIRE(std::string(opened.model.provenance("licence")) == "CC0-1.0");
  REQUIRE(std::string(opened.model.provenance("data")) == "synthetic:seed=1");
  for (const char* key : {"", "dat", "data=synthetic:seed", "zzz"}) REQUIRE(opened.model.provenance(key) == nullptr);
  REQUIRE(std::string(leadline_model_provenance_entry(opened.model.get(), 2)) == "network=tiny_unet");
  REQUIRE(leadline_model_provenance_entry(opened.model.get(), 3) == nullptr);
  REQUIRE(leadline_model_provenance_entry(opened.model.get(), -1) == nullptr);
}

TEST_CASE("a network whose input is no picture runs on tensors only") {
  const Graph graph = activation_graph({1, 3, 4, 5}, ActivationKind::tanh);
  Opened opened(encode_model(make_spec(graph)));
  Session session;
  REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
  REQUIRE(opened.model.info().output_kind == LEADLINE_VALUES);
  REQUIRE(opened.model.info().has_golden == 0);
  REQUIRE(session.self_test() == LEADLINE_UNSUPPORTED);
  const std::vector<uint8_t> rgb = picture(4, 3);
  std::vector<float> values(60);
  REQUIRE(session.run_rgb8(rgb.data(), 4, 3, values.data(), values.size()) == LEADLINE_UNSUPPORTED);
  const std::vector<float> input = noise(60);
  REQUIRE(session.run_raw(input.data(), 60, values.data(), 60) == LEADLINE_OK);
  for (size_t i = 0; i < 60; ++i) REQUIRE(values[i] == math::tanh(input[i]));
  const leadline_session_options options = session_options(6, 4);
  REQUIRE(session.create(opened.model, opened.error, &options) == LEADLINE_INVALID_SHAPE);
  REQUIRE_THAT(opened.error.text, ContainsSubstring("inputs of 3x4") && ContainsSubstring("6x4"));
}

TEST_CASE("files: mapped, missing, empty, cut, appended to, and no file at all") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / "leadline-test-engine";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const std::vector<unsigned char> file = tiny_model();
  const auto write = [&](const char* name, size_t bytes, const char* extra = "") {
    std::ofstream stream(folder / name, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(bytes)) << extra;
    return (folder / name).string();
  };
  Model model;
  ErrorText error;
  Session session;
  REQUIRE(model.open_file(write("good.lead", file.size()).c_str(), error) == LEADLINE_OK);
  REQUIRE(error.text[0] == '\0');
  fs::remove(folder / "good.lead"); // the mapping outlives the name
  REQUIRE(session.create(model, error) == LEADLINE_OK);
  REQUIRE(session.self_test() == LEADLINE_OK);

#ifdef __linux__
  // Large pages for a session's memory, where nobody counts its pages and the system tells.
  const Mapping probe(size_t{8} << 20);
  madvise(probe.memory, probe.bytes, MADV_HUGEPAGE);
  if (probe.large_pages())
    for (const uint64_t limit : {uint64_t{0}, uint64_t{1}}) {
      leadline_session_options options = session_options(960, 1280);
      options.memory_limit = limit;
      size_t bytes = 0;
      REQUIRE(leadline_session_bytes(model.get(), &options, &bytes, error.text, sizeof error.text) == LEADLINE_OK);
      REQUIRE(bytes >= size_t{8} << 20);
      const Mapping mapping(bytes);
      leadline_session* placed = nullptr;
      REQUIRE(leadline_session_create(model.get(), &options, mapping.memory, bytes, &placed, error.text,
                                      sizeof error.text) == LEADLINE_OK);
      CHECK(mapping.large_pages() == (limit == 0));
    }
#endif

  const auto refused = [&](const std::string& path, leadline_status expected, const char* text) {
    CAPTURE(path);
    CHECK(model.open_file(path.c_str(), error) == expected);
    CHECK_THAT(error.text, ContainsSubstring(path) && ContainsSubstring(text));
    CHECK(!model);
  };
  refused((folder / "none.lead").string(), LEADLINE_IO_ERROR, "there is no such file");
  refused(folder.string(), LEADLINE_IO_ERROR, "folder");
  refused(write("empty.lead", 0), LEADLINE_INVALID_MODEL, "empty");
  refused(write("head.lead", 10), LEADLINE_INVALID_MODEL, "fewer than its header's 64");
  refused(write("half.lead", file.size() / 2), LEADLINE_INVALID_MODEL, "cut");
  refused(write("more.lead", file.size(), "x"), LEADLINE_INVALID_MODEL, "appended");
  refused("/dev/null", LEADLINE_IO_ERROR, "not a regular file");
#ifdef __linux__
  REQUIRE(mkfifo((folder / "pipe.lead").c_str(), 0600) == 0); // which nobody writes to
  refused((folder / "pipe.lead").string(), LEADLINE_IO_ERROR, "not a regular file");
#endif
  REQUIRE(leadline_model_open_file(nullptr, nullptr, nullptr, error.text, sizeof error.text) ==
          LEADLINE_INVALID_ARGUMENT);
  char tiny[4] = "abc"; // the buffer's size is respected
  leadline_model* raw = nullptr;
  REQUIRE(leadline_model_open_file((folder / "none.lead").c_str(), nullptr, &raw, tiny, sizeof tiny) ==
          LEADLINE_IO_ERROR);
  REQUIRE(std::strlen(tiny) == 3);
  fs::remove_all(folder);
}

TEST_CASE("versions and status texts") {
  REQUIRE(leadline_version() == LEADLINE_VERSION);
  REQUIRE(std::string(leadline_version_string()) == LEADLINE_VERSION_STRING);
  REQUIRE(std::string(LEADLINE_VERSION_STRING) == std::to_string(LEADLINE_VERSION / 10000) + "." +
                                                      std::to_string(LEADLINE_VERSION / 100 % 100) + "." +
                                                      std::to_string(LEADLINE_VERSION % 100));
  REQUIRE(leadline_model_format() == 1);
  for (int s = LEADLINE_OK; s <= LEADLINE_CANCELLED; ++s)
    REQUIRE(std::string(leadline_status_text(static_cast<leadline_status>(s))) != "unknown status");
  for (const int s : {-1, 12, 15})
    REQUIRE(std::string(leadline_status_text(static_cast<leadline_status>(s))) == "unknown status");
}

TEST_CASE("each level of the CPU that there is can be asked for; others are refused by name") {
  char error[512];
  REQUIRE(leadline_isa_level(-1) == nullptr);
  REQUIRE(leadline_isa_level(0) != nullptr);
  Opened opened(tiny_model());
  for (int i = 0; const char* isa = leadline_isa_level(i); ++i) {
    INFO(isa);
    REQUIRE(leadline_set_isa(isa, error, sizeof error) == LEADLINE_OK);
    REQUIRE(error[0] == '\0');
    Session session;
    REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
    REQUIRE(session.self_test() == LEADLINE_OK);
    for (const char* unknown : {"pdp-11", "", "x86-64-v5+amx and a name that is longer than any"}) {
      REQUIRE(leadline_set_isa(unknown, error, sizeof error) == LEADLINE_UNSUPPORTED);
      REQUIRE_THAT(error, ContainsSubstring(unknown) && ContainsSubstring(leadline_isa_level(0)));
      REQUIRE(std::string(isa).starts_with(session.info().isa)); // nothing changed
    }
    REQUIRE(leadline_set_isa(isa, error, sizeof error) == LEADLINE_OK); // nor by the same again
    REQUIRE(session.self_test() == LEADLINE_OK);
    const char* other = leadline_isa_level(i == 0 ? 1 : 0);
    if (!other) continue;
    // Kernels of another level need other memory: a session is refused, not run.
    REQUIRE(leadline_set_isa(other, error, sizeof error) == LEADLINE_OK);
    const std::vector<float> input = noise(12 * 20 * 3);
    std::vector<float> depth(session.output_values());
    REQUIRE(session.self_test() == LEADLINE_INVALID_ARGUMENT);
    REQUIRE(session.run_raw(input.data(), input.size(), depth.data(), depth.size()) == LEADLINE_INVALID_ARGUMENT);
    REQUIRE(std::string(isa).starts_with(session.info().isa));
  }
  REQUIRE(leadline_set_isa(nullptr, nullptr, 0) == LEADLINE_OK);
}

TEST_CASE("the caller's floating-point environment neither matters nor changes") {
  Opened opened(tiny_model());
  Threads pool;
  Session session, threaded;
  REQUIRE(session.create(opened.model, opened.error) == LEADLINE_OK);
  const std::vector<float> input = noise(12 * 20 * 3);
  const std::vector<uint8_t> rgb = picture(33, 21);
  const std::vector<float> expected = run_raw(session, input);
  std::vector<float> expected_depth(session.output_values()), depth(session.output_values()),
      output(session.output_values());
  REQUIRE(session.run_rgb8(rgb.data(), 33, 21, expected_depth.data(), expected_depth.size()) == LEADLINE_OK);

  for (const int rounding : {FE_UPWARD, FE_TOWARDZERO}) {
    std::fesetround(rounding);
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040); // flush to zero, denormals are zero
    const unsigned state = _mm_getcsr();
#endif
    // Threads inherit the environment of whoever starts them.
    const leadline_status created = pool.create(3);
    const leadline_runner runner = created == LEADLINE_OK ? pool.runner() : leadline_runner{};
    const leadline_session_options options = session_options(0, 0, &runner);
    const leadline_status made = threaded.create(opened.model, opened.error, &options);
    const leadline_status raw = session.run_raw(input.data(), input.size(), output.data(), output.size());
    const leadline_status ran = threaded.run_rgb8(rgb.data(), 33, 21, depth.data(), depth.size());
    const leadline_status tested = threaded.self_test();
    const int rounding_after = std::fegetround();
#if defined(__SSE__)
    const unsigned state_after = _mm_getcsr();
    _mm_setcsr(0x1F80);
    REQUIRE(state_after == state);
#endif
    std::fesetround(FE_TONEAREST);
    REQUIRE(rounding_after == rounding);
    REQUIRE(created == LEADLINE_OK);
    REQUIRE(made == LEADLINE_OK);
    REQUIRE(raw == LEADLINE_OK);
    REQUIRE(ran == LEADLINE_OK);
    REQUIRE(tested == LEADLINE_OK);
    REQUIRE(same_bits(output, expected));
    REQUIRE(same_bits(depth, expected_depth));
  }
}
