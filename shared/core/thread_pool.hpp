// A fixed pool of passively waiting threads behind a Runner: for hosts that want more than the caller's thread.
//
// An archive member of its own: a program that never creates a pool doesn't link pthreads.
#pragma once

#include "shared/core/exec.hpp"
#include "shared/core/status.hpp"

namespace leadline {

struct ThreadPool; // opaque

/// Bytes of memory that a pool of `threads` (1..64, the caller's included) needs; 0 for other counts.
size_t thread_pool_bytes(int threads);

/// Starts `threads - 1` threads that sleep until there is work. `memory` (64-byte aligned, `thread_pool_bytes`) stays
/// the caller's and must outlive the pool. Fails with out_of_memory (too few bytes) or unsupported (the system gives
/// no more threads; nothing is left running).
Status thread_pool_create(void* memory, size_t bytes, int threads, ThreadPool** pool);

/// The pool as a Runner. One `run` at a time; calls from several threads wait for each other.
Runner thread_pool_runner(ThreadPool* pool);

/// Stops and joins the threads. Null is ignored.
void thread_pool_destroy(ThreadPool* pool);

} // namespace leadline
