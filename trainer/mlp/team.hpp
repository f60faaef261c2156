// Threads for work of some ten microseconds: too short to put them to sleep in between and wake them up.
#pragma once

#include "shared/core/config.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace leadline::trainer::mlp {

/// A fixed number of threads, the caller's among them, that share a list of tasks. Whoever is free takes the next task,
/// so that a thread that isn't given a core holds nobody up: the others do its share. Threads wait actively for some
/// hundred microseconds, as long as what one thread does alone between two batches, and then sleep.
class Team {
public:
  explicit Team(int threads) : size_(threads) {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Team() {
    stop_.store(true, std::memory_order_relaxed);
    place_.fetch_add(one_round, std::memory_order_release);
    place_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  /// task(i) for every i in [0, tasks), from any thread; returns when all are done. `task` must not throw.
  void run(index_t tasks, const std::function<void(index_t)>& task) {
    if (size_ == 1 || tasks < 2 || tasks > most_tasks) {
      for (index_t i = 0; i < tasks; ++i) task(i);
      return;
    }
    task_ = &task;
    done_.store(0, std::memory_order_relaxed);
    const uint64_t round = (place_.load(std::memory_order_relaxed) & ~(one_round - 1)) + one_round;
    place_.store(round | static_cast<uint64_t>(tasks) << 16, std::memory_order_release);
    place_.notify_all();
    take_all();
    for (int tries = 0; done_.load(std::memory_order_acquire) < tasks; ++tries)
      if (tries > patience) std::this_thread::yield(); // the last tasks are with others
  }

private:
  // place_: the round's number, how many tasks it has, and which is next, 32, 16 and 16 bits
  static constexpr uint64_t one_round = uint64_t{1} << 32;
  static constexpr index_t most_tasks = 0xffff;
  static constexpr int patience = 100000;
  static index_t tasks_of(uint64_t place) { return static_cast<index_t>(place >> 16 & 0xffff); }
  static index_t next_of(uint64_t place) { return static_cast<index_t>(place & 0xffff); }

  void take_all() {
    uint64_t place = place_.load(std::memory_order_acquire);
    while (next_of(place) < tasks_of(place))
      if (place_.compare_exchange_weak(place, place + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
        // The round can't end before this task is done, so task_ is the round's.
        (*task_)(next_of(place));
        done_.fetch_add(1, std::memory_order_release);
        place = place_.load(std::memory_order_acquire);
      }
  }

  void work() {
    for (int tries = 0; !stop_.load(std::memory_order_relaxed);) {
      const uint64_t place = place_.load(std::memory_order_acquire);
      if (next_of(place) < tasks_of(place)) {
        take_all();
        tries = 0;
      } else if (++tries > patience) {
        place_.wait(place, std::memory_order_acquire);
        tries = 0;
      }
    }
  }

  int size_;
  std::vector<std::thread> threads_;
  const std::function<void(index_t)>* task_ = nullptr;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<uint64_t> place_{0};
  alignas(64) std::atomic<index_t> done_{0};
};

} // namespace leadline::trainer::mlp
