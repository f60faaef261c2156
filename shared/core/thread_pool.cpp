#include "shared/core/thread_pool.hpp"

#include <pthread.h>

namespace leadline {

struct ThreadPool {
  pthread_mutex_t caller; // one run at a time
  pthread_mutex_t mutex;  // guards everything below
  pthread_cond_t work, done;
  uint64_t generation; // counts runs, so that a sleeping thread sees each one once
  index_t next, tasks; // next task to hand out
  int busy;            // threads inside a run
  bool stop;
  void (*task)(void*, index_t);
  void* argument;
  int threads;
  pthread_t* handles; // threads - 1 of them, behind this struct
};

namespace {

// Hands out tasks until none is left. The lock is held only to take the next index: tasks are coarse.
void take_tasks(ThreadPool* pool) {
  while (pool->next < pool->tasks) {
    const index_t i = pool->next++;
    pthread_mutex_unlock(&pool->mutex);
    pool->task(pool->argument, i);
    pthread_mutex_lock(&pool->mutex);
  }
}

void* thread_main(void* argument) {
  ThreadPool* pool = static_cast<ThreadPool*>(argument);
  pthread_mutex_lock(&pool->mutex);
  uint64_t seen = 0;
  for (;;) {
    while (!pool->stop && pool->generation == seen) pthread_cond_wait(&pool->work, &pool->mutex);
    if (pool->stop) break;
    seen = pool->generation;
    ++pool->busy;
    take_tasks(pool);
    if (--pool->busy == 0) pthread_cond_signal(&pool->done);
  }
  pthread_mutex_unlock(&pool->mutex);
  return nullptr;
}

void run(void* context, index_t tasks, void (*task)(void*, index_t), void* argument) {
  ThreadPool* pool = static_cast<ThreadPool*>(context);
  pthread_mutex_lock(&pool->caller);
  pthread_mutex_lock(&pool->mutex);
  pool->next = 0;
  pool->tasks = tasks;
  pool->task = task;
  pool->argument = argument;
  ++pool->generation;
  pthread_cond_broadcast(&pool->work);
  take_tasks(pool);
  // A thread that wakes late finds no task left and never touches `argument`.
  while (pool->busy > 0) pthread_cond_wait(&pool->done, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
  pthread_mutex_unlock(&pool->caller);
}

} // namespace

size_t thread_pool_bytes(int threads) {
  if (threads < 1 || threads > 64) return 0;
  return sizeof(ThreadPool) + static_cast<size_t>(threads) * sizeof(pthread_t);
}

Status thread_pool_create(void* memory, size_t bytes, int threads, ThreadPool** pool_out) {
  if (!memory || !pool_out || thread_pool_bytes(threads) == 0) return Status::invalid_argument;
  if (bytes < thread_pool_bytes(threads)) return Status::out_of_memory;
  *pool_out = nullptr;
  ThreadPool* pool = static_cast<ThreadPool*>(memory);
  pool->generation = 0;
  pool->next = pool->tasks = 0;
  pool->busy = 0;
  pool->stop = false;
  pool->threads = 1;
  pool->handles = reinterpret_cast<pthread_t*>(pool + 1);
  pthread_mutex_init(&pool->caller, nullptr);
  pthread_mutex_init(&pool->mutex, nullptr);
  pthread_cond_init(&pool->work, nullptr);
  pthread_cond_init(&pool->done, nullptr);
  for (; pool->threads < threads; ++pool->threads) {
    if (pthread_create(&pool->handles[pool->threads - 1], nullptr, thread_main, pool) != 0) {
      thread_pool_destroy(pool);
      return Status::unsupported;
    }
  }
  *pool_out = pool;
  return Status::ok;
}

Runner thread_pool_runner(ThreadPool* pool) { return {pool, pool->threads, run}; }

void thread_pool_destroy(ThreadPool* pool) {
  if (!pool) return;
  pthread_mutex_lock(&pool->mutex);
  pool->stop = true;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 0; i < pool->threads - 1; ++i) pthread_join(pool->handles[i], nullptr);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->mutex);
  pthread_mutex_destroy(&pool->caller);
}

} // namespace leadline
