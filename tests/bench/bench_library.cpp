// The edge library behind three functions, as a shared library that peers.py loads into the process in which it runs
// the other engines: one process, one clock, turns.
#include <leadline/leadline.hpp>

#include <new>

namespace {

struct Engine {
  leadline::Model model;
  leadline::Threads threads;
  leadline::Session session;
  leadline::ErrorText error;
};

} // namespace

extern "C" {

/// Opens a model with a session of its default size and a memory limit (0: none); `bf16`: products may be rounded.
/// `error` receives a sentence. Null on failure.
__attribute__((visibility("default"))) void* leadline_bench_open(const char* path, int threads, size_t memory_limit,
                                                                 int bf16, char* error, size_t error_bytes) {
  auto* engine = new (std::nothrow) Engine;
  if (!engine) return nullptr;
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.memory_limit = memory_limit;
  options.precision = bf16 ? LEADLINE_PRECISION_BF16 : LEADLINE_PRECISION_F32;
  leadline_runner runner{};
  leadline_status status = engine->model.open_file(path, engine->error);
  if (status == LEADLINE_OK && threads > 1) {
    status = engine->threads.create(threads);
    if (status == LEADLINE_OK) runner = engine->threads.runner();
    options.runner = &runner;
  }
  if (status == LEADLINE_OK) status = engine->session.create(engine->model, engine->error, &options);
  if (status == LEADLINE_OK) return engine;
  if (error_bytes > 0) {
    const char* text = engine->error.text[0] ? engine->error.text : leadline_status_text(status);
    size_t i = 0;
    for (; text[i] && i + 1 < error_bytes; ++i) error[i] = text[i];
    error[i] = 0;
  }
  delete engine;
  return nullptr;
}

/// `[H,W,C]` to `[H,W,C]`; a leadline_status.
__attribute__((visibility("default"))) int leadline_bench_run(void* engine, const float* input, size_t input_values,
                                                              float* output, size_t output_values) {
  return static_cast<Engine*>(engine)->session.run_raw(input, input_values, output, output_values);
}

__attribute__((visibility("default"))) void leadline_bench_close(void* engine) { delete static_cast<Engine*>(engine); }

__attribute__((visibility("default"))) const char* leadline_bench_isa() { return leadline_isa_level(0); }

} // extern "C"
