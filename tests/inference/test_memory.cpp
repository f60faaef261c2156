// The certificate: a session never touches a byte before or behind the memory that leadline_session_bytes asks for, and
// what the queries say of its arena is true.
#include "tests/inference/tiny_models.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

using namespace leadline;
using namespace leadline::test;

namespace {

/// `bytes` between two pages that can't be touched; they begin right behind the first, or end right before the second.
class GuardedMemory {
public:
  GuardedMemory(size_t bytes, bool at_end) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    const size_t inner = (bytes + page_ - 1) / page_ * page_;
    size_ = inner + 2 * page_;
    base_ = static_cast<unsigned char*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
    REQUIRE(mprotect(base_ + page_, inner, PROT_READ | PROT_WRITE) == 0);
    std::memset(base_ + page_, 0xFF, inner);
    data_ = base_ + page_ + (at_end ? inner - bytes : 0);
  }
  ~GuardedMemory() { munmap(base_, size_); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;
  unsigned char* data() { return data_; }

private:
  size_t page_, size_ = 0;
  unsigned char *base_ = nullptr, *data_ = nullptr;
};

/// A few levels of skips, high enough for strips.
Graph deep_unet(int32_t height, int32_t width) {
  GraphBuilder b("deep_unet", {1, height, width, 3});
  std::vector<int32_t> skips;
  int32_t x = b.input();
  for (int level = 0; level < 3; ++level) {
    const std::string name = "down." + std::to_string(level);
    x = b.add<Conv2d>(conv3x3(6 << level), {x}, name + ".0");
    x = b.add<Conv2d>(conv3x3(6 << level), {x}, name + ".1");
    skips.push_back(x);
    x = b.add<MaxPool2d>({}, {x}, name + ".pool");
  }
  for (int level = 2; level >= 0; --level) {
    const std::string name = "up." + std::to_string(level);
    ConvTranspose2d::Params up;
    up.out_channels = 6 << level;
    up.kernel_h = up.kernel_w = up.stride_h = up.stride_w = 2;
    x = b.add<ConvTranspose2d>(up, {x}, name + ".up");
    x = b.add<Concat>({}, {skips[static_cast<size_t>(level)], x}, name + ".cat");
    x = b.add<Conv2d>(conv3x3(6 << level), {x}, name + ".0");
    x = b.add<Conv2d>(conv3x3(6 << level), {x}, name + ".1");
  }
  b.output(b.add<Conv2d>(conv3x3(1, ActivationKind::softplus), {x}, "head"));
  return b.finish();
}

std::vector<unsigned char> encoded(const Graph& graph) {
  ModelSpec spec = make_spec(graph);
  spec.golden = compute_golden(spec);
  return encode_model(spec);
}

} // namespace

TEST_CASE("a session stays within the bytes that were asked for") {
  const Graph graphs[] = {tiny_unet(12, 20), zoo(), deep_unet(64, 40)};
  for (const Graph& graph : graphs) {
    AlignedBytes file(encoded(graph));
    Model model;
    ErrorText error;
    REQUIRE(model.open_memory(file.data(), file.size(), error) == LEADLINE_OK);
    std::vector<float> input(static_cast<size_t>(graph.input_shape.count()));
    for (size_t i = 0; i < input.size(); ++i) input[i] = golden_input(3, static_cast<index_t>(i));
    const std::vector<uint8_t> rgb(3 * 100 * 77, 99);

    for (const int32_t threads : {1, 3})
      for (const char* algorithm : {static_cast<const char*>(nullptr), "portable", "host_gemm", "winograd6", "bf16"}) {
        std::vector<float> expected;
        for (const size_t limit : {size_t{0}, size_t{1}, size_t{200000}})
          for (const bool at_end : {false, true}) {
            Threads pool;
            REQUIRE(pool.create(threads) == LEADLINE_OK);
            const leadline_runner runner = pool.runner();
            leadline_session_options options{};
            options.struct_size = sizeof options;
            options.runner = &runner;
            options.memory_limit = limit;
            options.algorithm = algorithm;
            options.max_picture_height = options.max_picture_width = 128;
            size_t bytes = 0;
            REQUIRE(leadline_session_bytes(model.get(), &options, &bytes, nullptr, 0) == LEADLINE_OK);
            GuardedMemory memory(bytes, at_end);
            leadline_session* session = nullptr;
            REQUIRE(leadline_session_create(model.get(), &options, memory.data(), bytes, &session, nullptr, 0) ==
                    LEADLINE_OK);
            leadline_session_info info{};
            info.struct_size = sizeof info;
            REQUIRE(leadline_session_get_info(session, &info) == LEADLINE_OK);
            std::vector<float> output(
                static_cast<size_t>(info.output_height * info.output_width * info.output_channels));
            for (int run = 0; run < 2; ++run) {
              REQUIRE(leadline_run_raw(session, input.data(), input.size(), output.data(), output.size()) ==
                      LEADLINE_OK);
              if (algorithm == nullptr && limit > 0) continue; // another limit may be another plan
              if (expected.empty()) expected = output;
              REQUIRE(std::memcmp(output.data(), expected.data(), output.size() * sizeof(float)) == 0);
            }
            REQUIRE(leadline_run_rgb8(session, rgb.data(), 100, 77, 0, output.data(), output.size()) == LEADLINE_OK);
            if (!algorithm || std::strcmp(algorithm, "bf16") != 0) // whose error is another one
              REQUIRE(leadline_self_test(session, nullptr) == LEADLINE_OK);
          }
      }
  }
}

TEST_CASE("what the queries say of the arena is whole and true") {
  const Graph graph = deep_unet(96, 32);
  AlignedBytes file(encoded(graph));
  Model model;
  ErrorText error;
  REQUIRE(model.open_memory(file.data(), file.size(), error) == LEADLINE_OK);
  size_t fast = 0;
  for (const size_t limit : {size_t{0}, size_t{1}}) {
    leadline_session_options options{};
    options.struct_size = sizeof options;
    options.memory_limit = limit;
    Session session;
    REQUIRE(session.create(model, error, &options) == LEADLINE_OK);
    const leadline_session_info info = session.info();
    REQUIRE(info.least_bytes <= info.arena_bytes);
    REQUIRE(static_cast<double>(info.arena_bytes) <= 1.05 * static_cast<double>(info.least_bytes));
    if (limit == 0) fast = info.arena_bytes;
    if (limit == 1) REQUIRE(info.arena_bytes < fast / 2);

    size_t highest = 0, largest_step = 0;
    bool any_strips = false;
    const int32_t nodes = static_cast<int32_t>(graph.nodes.size());
    for (int32_t i = -1; i < nodes; ++i) {
      leadline_node_plan plan{};
      plan.struct_size = sizeof plan;
      REQUIRE(leadline_session_get_node(session.get(), i, &plan) == LEADLINE_OK);
      REQUIRE(plan.first_node <= plan.last_node);
      REQUIRE((plan.first_node <= i || i < 0));
      REQUIRE((plan.bytes_moved > 0) == (i >= 0 && std::string(plan.algorithm) != "in place"));
      any_strips = any_strips || plan.strips > 1;
      REQUIRE((plan.strips > 1) == (plan.first_of_strips < plan.last_of_strips));
      highest = std::max({highest, plan.arena_offset + plan.arena_bytes, plan.workspace_offset + plan.workspace_bytes,
                          plan.prepared_bytes > 0 ? plan.prepared_offset + plan.prepared_bytes : 0});
      largest_step = std::max(largest_step, plan.arena_bytes + plan.workspace_bytes);
    }
    REQUIRE(any_strips == (limit == 1));
    REQUIRE(align_up(highest) == info.arena_bytes);
    REQUIRE(largest_step <= info.least_bytes);
    leadline_node_plan plan{};
    plan.struct_size = sizeof plan;
    REQUIRE(leadline_session_get_node(session.get(), nodes, &plan) == LEADLINE_INVALID_ARGUMENT);
    REQUIRE(leadline_session_get_node(session.get(), -2, &plan) == LEADLINE_INVALID_ARGUMENT);
  }
}
