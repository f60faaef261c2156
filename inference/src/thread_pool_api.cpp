// The optional pool of threads, as the C API shows it.
#include "inference/src/engine.hpp"

#include "shared/core/thread_pool.hpp"

// The C handle is the pool itself.
static leadline::ThreadPool* unwrap(leadline_thread_pool* pool) {
  return reinterpret_cast<leadline::ThreadPool*>(pool);
}

size_t leadline_thread_pool_bytes(int32_t threads) { return leadline::thread_pool_bytes(threads); }

leadline_status leadline_thread_pool_create(int32_t threads, void* memory, size_t bytes, leadline_thread_pool** pool) {
  if (!memory || !pool || reinterpret_cast<uintptr_t>(memory) % LEADLINE_ALIGNMENT != 0)
    return LEADLINE_INVALID_ARGUMENT;
  leadline::ThreadPool* created = nullptr;
  const leadline::Status status = leadline::thread_pool_create(memory, bytes, threads, &created);
  if (status == leadline::Status::ok) *pool = reinterpret_cast<leadline_thread_pool*>(created);
  return leadline::to_c(status);
}

leadline_runner leadline_thread_pool_runner(leadline_thread_pool* pool) {
  if (!pool) return {};
  const leadline::Runner runner = leadline::thread_pool_runner(unwrap(pool));
  return {runner.context, runner.threads, runner.run};
}

void leadline_thread_pool_destroy(leadline_thread_pool* pool) { leadline::thread_pool_destroy(unwrap(pool)); }
