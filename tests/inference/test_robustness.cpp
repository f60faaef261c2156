// What a device does to a library over months, and an enemy to its files: allocations that fail, models and sessions
// that come and go, files with any damage. Statuses come back, nothing else.
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

using namespace leadline;
using namespace leadline::test;
using Catch::Matchers::ContainsSubstring;

// The linker sends every malloc and free of this program and of libleadline.a here (--wrap).
extern "C" {
void* __real_malloc(size_t bytes);
void __real_free(void* block);
void* __wrap_malloc(size_t bytes);
void __wrap_free(void* block);
}
namespace {
std::atomic<int64_t> live_blocks{0};
std::atomic<int64_t> calls_until_failure{-1}; // negative: none fails
} // namespace
void* __wrap_malloc(size_t bytes) {
  if (calls_until_failure >= 0 && calls_until_failure-- == 0) return nullptr;
  void* block = __real_malloc(bytes);
  if (block) ++live_blocks;
  return block;
}
void __wrap_free(void* block) {
  if (block) --live_blocks;
  __real_free(block);
}

namespace {

/// How many random edits: the gate's number, or that of tests/full.sh.
int edits() {
  const char* asked = std::getenv("LEADLINE_TEST_EDITS");
  return asked ? std::atoi(asked) : 2000;
}

leadline_session_options small_pictures() {
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.max_picture_width = options.max_picture_height = 16;
  return options;
}

std::filesystem::path write_file(const char* name, const std::vector<unsigned char>& bytes) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

/// All that a device would do with a file: open, ask, plan, run. True if it was taken for a model. `memory`: of the
/// session; what needs more isn't run.
bool use(const unsigned char* bytes, size_t size, std::vector<unsigned char>& memory) {
  leadline_model* model = nullptr;
  char error[300];
  if (leadline_model_open_memory(bytes, size, nullptr, &model, error, sizeof error) != LEADLINE_OK) {
    REQUIRE(model == nullptr);
    REQUIRE(error[0] != '\0');
    return false;
  }
  leadline_model_info info{};
  info.struct_size = sizeof info;
  REQUIRE(leadline_model_get_info(model, &info) == LEADLINE_OK);
  leadline_node_info node{};
  node.struct_size = sizeof node;
  for (int32_t i = 0; i < info.nodes; ++i) REQUIRE(leadline_model_get_node(model, i, &node) == LEADLINE_OK);
  for (int32_t i = 0; leadline_model_provenance_entry(model, i); ++i) {
  }
  const leadline_session_options options = small_pictures();
  size_t needed = 0;
  if (leadline_session_bytes(model, &options, &needed, error, sizeof error) == LEADLINE_OK &&
      needed <= memory.size() - 64 && info.macs < 10'000'000) {
    unsigned char* block = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    leadline_session* session = nullptr;
    REQUIRE(leadline_session_create(model, &options, block, needed, &session, error, sizeof error) == LEADLINE_OK);
    const leadline_status tested = leadline_self_test(session, nullptr);
    CHECK((tested == LEADLINE_OK || tested == LEADLINE_SELF_TEST_FAILED || tested == LEADLINE_UNSUPPORTED));
  }
  leadline_model_close(model);
  return true;
}

} // namespace

TEST_CASE("a thousand models and sessions leave nothing behind") {
  const std::vector<unsigned char> file = tiny_model();
  const std::filesystem::path path = write_file("leadline-test-thousand.lead", file);
  const leadline_session_options options = small_pictures();
  std::vector<float> first;
  const auto round = [&] {
    Model model;
    ErrorText error;
    Session session;
    Threads pool;
    if (model.open_file(path.c_str(), error) != LEADLINE_OK || pool.create(2) != LEADLINE_OK) return false;
    const leadline_runner runner = pool.runner();
    leadline_session_options threaded = options;
    threaded.runner = &runner;
    if (session.create(model, error, &threaded) != LEADLINE_OK) return false;
    uint8_t rgb[9 * 7 * 3];
    for (size_t i = 0; i < sizeof rgb; ++i) rgb[i] = static_cast<uint8_t>(7 * i);
    float depth[12 * 20];
    if (session.run_rgb8(rgb, 9, 7, depth, 12 * 20) != LEADLINE_OK) return false;
    if (first.empty()) first.assign(depth, depth + 12 * 20);
    return std::memcmp(first.data(), depth, sizeof depth) == 0;
  };
  REQUIRE(round());
  const int64_t before = live_blocks;
  int good = 0;
  for (int i = 0; i < 1000; ++i) good += round();
  const int64_t after = live_blocks;
  REQUIRE(good == 1000);
  REQUIRE(after == before);
#if defined(__linux__)
  std::ifstream maps("/proc/self/maps"); // no mapping of the file is left, no thread's stack either
  int mapped = 0, lines = 0;
  for (std::string line; std::getline(maps, line); ++lines) mapped += line.find(path.filename()) != std::string::npos;
  REQUIRE(lines > 0);
  REQUIRE(mapped == 0);
  REQUIRE(lines < 1000);
#endif
  std::filesystem::remove(path);
}

TEST_CASE("every allocation fails in turn") {
  const std::vector<unsigned char> file = tiny_model();
  const std::filesystem::path path = write_file("leadline-test-failing.lead", file);
  AlignedBytes bytes(file);
  for (const bool from_file : {false, true}) {
    int64_t allocations = 0;
    for (;; ++allocations) {
      REQUIRE(allocations < 100);
      const int64_t before = live_blocks;
      leadline_model* model = nullptr;
      char error[300] = "";
      size_t needed = 0;
      calls_until_failure = allocations;
      leadline_status status =
          from_file ? leadline_model_open_file(path.c_str(), nullptr, &model, error, sizeof error)
                    : leadline_model_open_memory(bytes.data(), bytes.size(), nullptr, &model, error, sizeof error);
      const leadline_status opened = status;
      if (status == LEADLINE_OK) status = leadline_session_bytes(model, nullptr, &needed, error, sizeof error);
      const bool failed = calls_until_failure < 0;
      calls_until_failure = -1;
      if (opened == LEADLINE_OK) leadline_model_close(model);
      REQUIRE(live_blocks == before);
      if (!failed) {
        REQUIRE(status == LEADLINE_OK);
        break;
      }
      REQUIRE(status == LEADLINE_OUT_OF_MEMORY);
      CHECK_THAT(error, ContainsSubstring("allocator"));
    }
    REQUIRE(allocations >= 2); // one to open, one to plan
  }
  std::filesystem::remove(path);
}

TEST_CASE("sessions of two models don't disturb each other; one's memory doesn't do for the other") {
  AlignedBytes small(tiny_model(4, 6)), large(tiny_model(24, 32));
  Model a, b;
  ErrorText error;
  REQUIRE(a.open_memory(small.data(), small.size(), error) == LEADLINE_OK);
  REQUIRE(b.open_memory(large.data(), large.size(), error) == LEADLINE_OK);
  const leadline_session_options options = small_pictures();
  size_t bytes = 0;
  REQUIRE(leadline_session_bytes(a.get(), &options, &bytes, nullptr, 0) == LEADLINE_OK);
  AlignedBytes memory(std::vector<unsigned char>(bytes, 0xFF));
  leadline_session* wrong = nullptr;
  REQUIRE(leadline_session_create(b.get(), &options, memory.data(), bytes, &wrong, error.text, sizeof error.text) ==
          LEADLINE_OUT_OF_MEMORY);
  REQUIRE(wrong == nullptr);
  Session of_a, of_b;
  REQUIRE(of_a.create(a, error, &options) == LEADLINE_OK);
  REQUIRE(of_b.create(b, error, &options) == LEADLINE_OK);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(of_a.self_test() == LEADLINE_OK);
    REQUIRE(of_b.self_test() == LEADLINE_OK);
  }
  // The input of one is refused by the other.
  const std::vector<float> input(24 * 32 * 3);
  std::vector<float> output(24 * 32);
  REQUIRE(of_a.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_INVALID_ARGUMENT);
}

TEST_CASE("inputs that are not numbers give a status, and the next run is as before") {
  AlignedBytes bytes(tiny_model());
  Model model;
  ErrorText error;
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_OK);
  Session session;
  REQUIRE(session.create(model, error) == LEADLINE_OK);
  std::vector<float> output(session.output_values());
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::denorm_min()}) {
    const std::vector<float> input(12 * 20 * 3, value);
    REQUIRE(session.run_raw(input.data(), input.size(), output.data(), output.size()) == LEADLINE_OK);
    REQUIRE(session.self_test() == LEADLINE_OK);
  }
}

TEST_CASE("pictures and depths of any description: statuses only") {
  AlignedBytes bytes(tiny_model(4, 6));
  Model model;
  ErrorText error;
  REQUIRE(model.open_memory(bytes.data(), bytes.size(), error) == LEADLINE_OK);
  Session session;
  const leadline_session_options options = small_pictures();
  REQUIRE(session.create(model, error, &options) == LEADLINE_OK);
  // Rows may lie before and behind; every picture that fits the session fits here, whatever its strides.
  constexpr ptrdiff_t most_stride = 256;
  std::vector<unsigned char> pixels(2 * 16 * most_stride * 4), room(64 * 1024);
  const Philox random(77);
  uint64_t draw = 0;
  int ran = 0;
  for (int i = 0; i < edits(); ++i) {
    const auto any = [&](std::initializer_list<int64_t> values) {
      return values.begin()[random.below(draw++, values.size())];
    };
    leadline_picture picture{};
    picture.struct_size = sizeof picture;
    picture.format = static_cast<int32_t>(any({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1}));
    picture.width = static_cast<int32_t>(any({1, 2, 7, 16, 17, 0, -1, INT32_MAX, INT32_MIN}));
    picture.height = static_cast<int32_t>(any({1, 2, 9, 16, 17, 0, -1, INT32_MAX}));
    for (int p = 0; p < 2; ++p) {
      picture.planes[p] = any({0, 1, 1, 1, 1, 1}) == 0 ? nullptr : pixels.data() + pixels.size() / 2;
      picture.strides[p] = static_cast<ptrdiff_t>(
          any({0, 0, 0, most_stride, -most_stride, 1, -1, 17, 64, PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MIN + 1}));
    }
    picture.rotation = static_cast<int32_t>(any({0, 90, 180, 270, 0, 0, 45, -90, 360}));
    picture.colour_matrix = static_cast<int32_t>(any({0, 1, 2, 0, 3, -1}));
    picture.full_range = static_cast<int32_t>(any({0, 1, 2}));
    const float focal[] = {0, 10, -1, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
    picture.focal_x = focal[random.below(draw++, 5)];
    leadline_depth depth{};
    depth.struct_size = sizeof depth;
    depth.format = static_cast<int32_t>(any({0, 1, 2, 3, -1}));
    depth.picture_size = static_cast<int32_t>(any({0, 1}));
    depth.data = room.data();
    depth.row_stride = static_cast<ptrdiff_t>(any({0, 0, 0, 64, 256, 3, -64, PTRDIFF_MAX, PTRDIFF_MIN}));
    depth.bytes = static_cast<size_t>(any({static_cast<int64_t>(room.size()), 1024, 16, 0}));
    const bool far = picture.strides[0] > most_stride || picture.strides[1] > most_stride ||
                     picture.strides[0] < -most_stride || picture.strides[1] < -most_stride;
    if (far && picture.height > 1 && picture.height <= 16) continue; // a promise that nobody could check
    ran += leadline_run(session.get(), &picture, &depth) == LEADLINE_OK;
  }
  REQUIRE(ran > 0);
  REQUIRE(ran < edits());
  REQUIRE(session.self_test() == LEADLINE_OK);
}

TEST_CASE("whatever happened to a file: a device gets a status or a model that runs") {
  const std::vector<unsigned char> file = tiny_model(4, 6);
  std::vector<unsigned char> memory(size_t{1} << 22);
  AlignedBytes bytes(file);
  REQUIRE(use(bytes.data(), bytes.size(), memory));
  int taken = 0;

  SECTION("every byte flipped, with right checksums") {
    for (size_t i = 0; i < file.size(); ++i) {
      CAPTURE(i);
      std::vector<unsigned char> broken = file;
      broken[i] ^= static_cast<unsigned char>(1u << i % 8);
      Editor{broken}.seal();
      std::memcpy(bytes.data(), broken.data(), broken.size());
      taken += use(bytes.data(), bytes.size(), memory);
    }
    REQUIRE(taken > 0); // weights and names may be anything
    REQUIRE(taken < static_cast<int>(file.size()));
  }
  SECTION("every length, with right checksums") {
    for (size_t size = 0; size < file.size(); ++size) {
      std::vector<unsigned char> broken(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      if (size >= sizeof(FileHeader) + num_section_kinds * sizeof(SectionEntry)) {
        reinterpret_cast<FileHeader*>(broken.data())->file_bytes = size;
        Editor{broken}.seal();
      }
      AlignedBytes cut(broken);
      CAPTURE(size);
      REQUIRE_FALSE(use(cut.data(), cut.size(), memory));
    }
  }
  SECTION("random edits, with right checksums") {
    const std::vector<unsigned char> models[] = {file, [] {
                                                   const Graph graph = zoo();
                                                   ModelSpec spec = make_spec(graph);
                                                   spec.golden = compute_golden(spec);
                                                   return encode_model(spec);
                                                 }()};
    const Philox random(21);
    uint64_t draw = 0;
    for (int i = 0; i < edits(); ++i) {
      std::vector<unsigned char> broken = models[i % 2];
      for (uint64_t count = 1 + random.below(draw++, 4); count > 0; --count) {
        // Half of the edits meet the small fields, not the weights.
        const uint64_t range = random.below(draw++, 2) != 0 ? broken.size() : broken.size() / 3;
        const uint64_t at = sizeof(FileHeader) + random.below(draw++, range - sizeof(FileHeader));
        static constexpr unsigned char interesting[] = {0, 1, 2, 0x7F, 0x80, 0xFF};
        broken[at] = random.below(draw++, 2) != 0 ? interesting[random.below(draw++, 6)]
                                                  : static_cast<unsigned char>(random.below(draw++, 256));
      }
      Editor{broken}.seal();
      AlignedBytes damaged(broken);
      CAPTURE(i);
      taken += use(damaged.data(), damaged.size(), memory);
    }
    REQUIRE(taken > 0);
    REQUIRE(taken < edits());
  }
}
