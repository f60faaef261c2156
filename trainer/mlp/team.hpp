// Threads for work of some ten microseconds: too short to put them to sleep in between and wake them up.
#pragma once

#include "shared/core/config.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace leadline::trainer::mlp {

/// A fixed number of threads, the caller's among them, that share a list of tasks. Each thread begins with tasks of its
/// own, the same ones in every run, so that what they work on stays in its caches; whoever is done takes tasks of the
/// others, so that a thread that isn't given a core holds nobody up. Threads wait actively for some hundred
/// microseconds, as long as what one thread does alone between two batches, and then sleep.
class Team {
public:
  explicit Team(int threads) : queues_(static_cast<size_t>(threads)) {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work(static_cast<size_t>(i)); });
  }
  ~Team() {
    stop_.store(true, std::memory_order_relaxed);
    for (Queue& queue : queues_) {
      queue.place.fetch_add(one_round, std::memory_order_release);
      queue.place.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(queues_.size()); }

  /// task(i) for every i in [0, tasks), from any thread; returns when all are done. `task` must not throw.
  void run(index_t tasks, const std::function<void(index_t)>& task) {
    if (size() == 1 || tasks < 2 || tasks > most_tasks) {
      for (index_t i = 0; i < tasks; ++i) task(i);
      return;
    }
    task_ = &task;
    done_.store(0, std::memory_order_relaxed);
    round_ += one_round;
    for (size_t t = queues_.size(); t-- > 0;) { // the others' first: they have a way to go
      const auto threads = static_cast<index_t>(queues_.size()), thread = static_cast<index_t>(t);
      const auto begin = static_cast<uint64_t>(thread * tasks / threads),
                 end = static_cast<uint64_t>((thread + 1) * tasks / threads);
      queues_[t].place.store(round_ | end << 16 | begin, std::memory_order_release);
      if (t > 0) queues_[t].place.notify_all();
    }
    take_all(0);
    for (int tries = 0; done_.load(std::memory_order_acquire) < tasks; ++tries)
      if (tries > patience) std::this_thread::yield(); // the last tasks are with others
  }

private:
  /// The round's number, where the thread's tasks end, and which is next: 32, 16 and 16 bits.
  struct alignas(64) Queue {
    std::atomic<uint64_t> place{0};
  };
  static constexpr uint64_t one_round = uint64_t{1} << 32;
  static constexpr index_t most_tasks = 0xffff;
  static constexpr int patience = 100000;
  static bool has_tasks(uint64_t place) { return (place & 0xffff) < (place >> 16 & 0xffff); }

  void take_all(size_t own) {
    for (size_t i = 0; i < queues_.size(); ++i) {
      std::atomic<uint64_t>& of = queues_[(own + i) % queues_.size()].place;
      uint64_t place = of.load(std::memory_order_acquire);
      while (has_tasks(place))
        if (of.compare_exchange_weak(place, place + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
          // The round can't end before this task is done, so task_ is the round's.
          (*task_)(static_cast<index_t>(place & 0xffff));
          done_.fetch_add(1, std::memory_order_release);
          place = of.load(std::memory_order_acquire);
        }
    }
  }

  void work(size_t own) {
    const std::atomic<uint64_t>& mine = queues_[own].place;
    uint64_t seen = 0; // the last round that this thread has looked at
    for (int tries = 0; !stop_.load(std::memory_order_relaxed);) {
      const uint64_t place = mine.load(std::memory_order_acquire);
      if (place >> 32 != seen) {
        seen = place >> 32;
        take_all(own);
        tries = 0;
      } else if (++tries > patience) {
        mine.wait(place, std::memory_order_acquire);
        tries = 0;
      }
    }
  }

  std::vector<Queue> queues_; ///< one for each thread, the caller's first
  std::vector<std::thread> threads_;
  const std::function<void(index_t)>* task_ = nullptr;
  uint64_t round_ = 0;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<index_t> done_{0};
};

} // namespace leadline::trainer::mlp
